"""The real command line, walked: every command with its options, and a right call of each."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from gazecli.cli.app import build_app


@dataclass(frozen=True)
class Option:
    """One option: its longest name, whether it takes a value, a number perhaps, and what that may be."""

    name: str
    takes_value: bool
    is_number: bool
    choices: tuple[str, ...]


def commands() -> dict[str, list[Option]]:
    """Every command by its words, with its options."""
    app = build_app()
    found = {str(each.name): each.callback for each in app.registered_commands}
    for group in app.registered_groups:
        inner = group.typer_instance
        assert inner is not None
        found |= {f"{group.name} {each.name}": each.callback for each in inner.registered_commands}
    return {words: list(_options(callback)) for words, callback in found.items()}


def _options(callback: Any) -> Iterator[Option]:
    for parameter in inspect.signature(callback).parameters.values():
        if get_origin(parameter.annotation) is not Annotated:
            continue
        kind, described = get_args(parameter.annotation)[:2]
        if not isinstance(described, type(typer.Option())):
            continue
        names = [name for name in described.param_decls or () if name.startswith("--")]
        kinds = set(get_args(kind)) - {type(None)} if get_origin(kind) is UnionType else {kind}
        choices = tuple(c for each in kinds if get_origin(each) is Literal for c in get_args(each))
        yield Option(
            name=max(names, key=len) if names else f"--{parameter.name.replace('_', '-')}",
            takes_value=bool not in kinds and not described.count,
            is_number=bool(kinds & {int, float}),
            choices=choices,
        )


@dataclass(frozen=True)
class Around:
    """What calls are made of: a picture, comics, a head set whose model is gone, a place for results."""

    picture: Path
    comics: Path
    strips: Path
    headset: str
    model: str
    place: Path

    def call(self, command: str) -> list[str]:
        """A call of `command` in which nothing is wrong, but that a model it needs cannot be loaded."""
        steered = [str(self.picture), "--panels", "3", "--heads", self.headset, "--model", self.model]
        arguments = {
            "discover": [self.model, str(self.comics), "--panels", "3"],
            "steer": [*steered, "--region", "2"],
            "panels": [str(self.picture), "--panels", "3"],
            "track": steered,
            "switch": [*steered, "--schedule", "1,2"],
            "serve": [*steered, "--port", "0"],
            "evaluate": [self.headset, str(self.strips)],
            "judge": [self.headset],
            "report": [self.headset, "--evaluate", str(self.strips)],
            "push": [self.headset, "someone/heads", "--unproven", "--dry-run"],
            "pull": [f"hf:{self.model}"],
            "comics make": [str(self.place / "drawn"), "--count", "1", "--panels", "2", "--force"],
            "comics check": [str(self.comics), "--panels", "3"],
            "comics fetch": [str(self.place / "fetched"), "--dataset", self.model],
            "cache show": [self.headset],
            "cache default": [self.headset],
            "cache rm": [self.headset, "--dry-run"],
            "cache prune": ["--dry-run"],
            "cache import": [str(self.picture)],
            "cache export": [self.headset, str(self.place / "exported")],
            "doctor": [],
        }
        return [*command.split(), *arguments.get(command, [])]
