"""This machine: whether everything needed is there, which models are, and whether one can be steered."""

from __future__ import annotations

import logging
import platform
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gazecli.dependencies import too_old, untested, versions_of
from gazecli.errors import GazeError, PictureError, UsageError
from gazecli.models.catalogue import CATALOGUE
from gazecli.reports.documents.housekeeping import CheckPart, DoctorDocument, KnownModel, PublishedPart

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM
    from gazecli.pictures.picture import Picture
    from gazecli.steering.inputs import Model

_LIBRARIES = ("torch", "transformers", "numpy", "pillow", "safetensors", "accelerate")
_LOG = logging.getLogger(__name__)
_SIZES = ((640, 480), (1920, 1080), (4000, 3000))  # pixels, of pictures people have
Note = Callable[[str], None]
State = Literal["ok", "note", "warning", "failed"]


def doctor(
    model: Model | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    note: Note = _LOG.info,
) -> DoctorDocument:
    """Check this machine and, with `model`, a loaded one or one by name: whether it can be steered.

    The checks of a model are those of `gaze doctor MODEL`. Nothing is raised for what is found: `ok` says
    whether all of it holds, and each of `checks` what was found and what to do. Raises UsageError for an
    impossible device or dtype.
    """
    checks = [*machine_checks(), cache_check()]
    if model is not None:

        def vlm() -> VLM:
            from gazecli.models.load import load
            from gazecli.steering.inputs import loaded

            if not isinstance(model, str | Path):
                return loaded(model)
            return load(
                model,
                device=device,
                dtype=dtype,
                revision=revision,
                trust_remote_code=trust_remote_code,
                note=note,
            )

        checks += model_checks(vlm)
    return DoctorDocument(ok=all(check.status != "failed" for check in checks), checks=checks)


def list_models() -> list[KnownModel]:
    """The models that have a short name, and which of them are on this machine."""
    return [
        KnownModel(
            alias=entry.alias,
            id=entry.id,
            family=entry.family,
            layers=entry.layers,
            heads=entry.heads,
            on_this_machine=_is_here(entry.id),
            published=PublishedPart(top=paper.top, gaze=paper.gaze, control=paper.control)
            if (paper := entry.published)
            else None,
            note=entry.note,
            unchecked=entry.unchecked,
        )
        for entry in CATALOGUE
    ]


def _is_here(name: str) -> bool:
    if "/" not in name:
        return True
    from huggingface_hub.constants import HF_HUB_CACHE

    from gazecli.models.folder_kinds import Folder, missing_part

    snapshots = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots"
    return any(missing_part(Folder(folder, name, name)) is None for folder in snapshots.glob("*"))


def machine_checks() -> list[CheckPart]:
    """Python, libraries and the device."""
    import torch

    from gazecli.models.devices import choose_device, choose_dtype, dtype_name

    device = choose_device(None)
    form = dtype_name(choose_dtype(None, device))
    cards = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return [
        _check("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        _libraries(),
        _torchvision(),
        _check("device", f"{device} in {form}" + (f" ({', '.join(cards)})" if cards else "")),
    ]


def _libraries() -> CheckPart:
    old, newer = too_old(), untested()
    if old:
        finding = ", ".join(misfit.state for misfit in old)
        hint = "run: pip install " + " ".join(f"'{misfit.needed}'" for misfit in old)
        return _check("libraries", finding, status="failed", hint=hint)
    versions = ", ".join(f"{name} {version}" for name, version in versions_of(*_LIBRARIES).items())
    if newer:
        hint = "if something fails: pip install " + " ".join(f"'{misfit.needed}'" for misfit in newer)
        named = ", ".join(misfit.name for misfit in newer)
        return _check(
            "libraries", f"{versions}; gaze was not tested with this {named} yet", status="note", hint=hint
        )
    return _check("libraries", versions)


def _torchvision() -> CheckPart:
    from gazecli.models.processor import torchvision_state

    state = torchvision_state()
    if state == "broken":
        hint = "install the torchvision that matches your torch, or remove it; gaze sets it aside"
        return _check("torchvision", "broken, set aside", status="note", hint=hint)
    return _check("torchvision", f"{state}; most models do without")


def cache_check() -> CheckPart:
    """Whether the cache can be written."""
    from gazecli.cache import Cache

    cache = Cache(warn=lambda _: None)
    try:
        cache.ensure_writable()
    except GazeError as error:
        return failed_check("cache", error)
    return _check("cache", f"{len(cache.entries())} artifacts in {cache.root}")


def model_checks(load: Callable[[], VLM]) -> list[CheckPart]:
    """What is found of a model, up to the first thing that fails; UsageError for an impossible option."""
    from gazecli.models.chat_templates import NOTES
    from gazecli.models.checks.model_checks import self_check

    checks = []
    try:
        vlm = load()
        what = f"{vlm.family}, {vlm.layers} layers of {vlm.heads} heads, {vlm.dtype} on {vlm.device}"
        stored = f", weights stored as {vlm.quantised}" if vlm.quantised else ""
        checks.append(_check("model", what + stored))
        checks.append(_check("pictures", _picture_tokens(vlm)))
        if vlm.template is not None:
            checks.append(_check("template", NOTES[vlm.template], status="note"))
        for found in self_check(vlm, drawn_strip()):
            status: State = (
                "warning" if found.warns else {True: "ok", False: "failed", None: "note"}[found.holds]  # type: ignore[assignment]
            )
            checks.append(_check(found.name, found.words, status=status, hint=found.hint))
    except UsageError:
        raise  # nothing was checked: an option has an impossible value
    except GazeError as error:
        checks.append(failed_check("model", error))
    return checks


def _picture_tokens(vlm: VLM) -> str:
    counts = []
    for wide, high in _SIZES:
        try:
            count = str(vlm.count_image_tokens(wide, high))
        except PictureError:  # not in so few: the bound is below what this shape takes
            count = "not shown"
        counts.append(f"{wide} x {high}: {count}")
    bound = "" if vlm.image_tokens is None else f", at most {vlm.image_tokens}"
    return f"image tokens{bound}: {', '.join(counts)}"


def _check(name: str, finding: str, *, status: State = "ok", hint: str | None = None) -> CheckPart:
    return CheckPart(name=name, status=status, finding=finding, hint=hint)


def failed_check(name: str, error: GazeError) -> CheckPart:
    """The check that an error is."""
    return _check(name, str(error), status="failed", hint=error.hint)


def drawn_strip() -> Picture:
    """A strip of drawn panels, so dark that inverting a part of it changes every pixel there."""
    from PIL import Image

    from gazecli.pictures.picture import Picture
    from gazecli.tiny.panel import draw_panel
    from gazecli.tiny.scenes import draw_strip

    panels, height = 3, 192
    rng = random.Random("doctor")
    strip = Image.new("RGB", (height * panels, height))
    for k, scene in enumerate(draw_strip(rng, panels, "test")):
        strip.paste(draw_panel(scene, rng, height), (k * height, 0))
    return Picture.from_image(strip.point(lambda value: value // 4), panels=panels)
