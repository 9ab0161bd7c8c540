"""The libraries `gaze` stands on: which versions it needs, which it was tested with, and which are here.

The lower bounds are those of the package's own metadata (`pyproject.toml`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from typing import NamedTuple

# The newest release of each that the tests have run with; a newer one is named where something fails.
TESTED = {
    "accelerate": "1.15",
    "huggingface-hub": "2.4",
    "numpy": "2.4",
    "pillow": "13.0",
    "pydantic": "2.14",
    "rich": "15.0",
    "safetensors": "0.8",
    "scipy": "1.17",
    "starlette": "1.10",
    "torch": "2.13",
    "transformers": "5.24",
    "typer": "0.29",
    "uvicorn": "0.54",
}


class Misfit(NamedTuple):
    """A library whose version here may not fit: `needed` is what to ask pip for, as in `typer>=0.26`."""

    name: str
    installed: str
    needed: str

    @property
    def state(self) -> str:
        """`typer 0.16.0 is too old`, or `typer is missing`."""
        return f"{self.name} {self.installed} is too old" if self.installed else f"{self.name} is missing"


def versions_of(*names: str) -> dict[str, str]:
    """The installed version of each library that is here, without a build's suffix such as `+cpu`."""
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name).partition("+")[0]
    return found


def too_old() -> list[Misfit]:
    """The libraries that are older than `gaze` needs, or missing.

    None where the package's metadata is not installed, as in a bare checkout.
    """
    from packaging.requirements import Requirement

    misfits = []
    for line in _declared():
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        installed = versions_of(needed.name).get(needed.name, "")
        if not installed or not needed.specifier.contains(installed, prereleases=True):
            misfits.append(Misfit(needed.name, installed, f"{needed.name}{needed.specifier}"))
    return misfits


def untested() -> list[Misfit]:
    """The libraries here that are newer than any `gaze` was tested with."""
    from packaging.version import Version

    misfits = []
    for name, installed in versions_of(*TESTED).items():
        newest = Version(TESTED[name]).release
        if Version(installed).release[: len(newest)] > newest:
            above = ".".join(map(str, (*newest[:-1], newest[-1] + 1)))
            misfits.append(Misfit(name, installed, f"{name}<{above}"))
    return misfits


def _declared() -> Iterator[str]:
    with suppress(metadata.PackageNotFoundError):
        yield from metadata.requires("gazecli") or ()
