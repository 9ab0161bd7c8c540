"""`gaze doctor [MODEL]`: whether everything needed is there, and whether a model can be steered."""

from __future__ import annotations

import platform
import random
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.inputs import fetch_model
from gazecli.cli.options import LoadOptions, Revision, config_path, configured, given
from gazecli.cli.output import Output, busy
from gazecli.cli.tables import print_table
from gazecli.dependencies import too_old, untested, versions_of
from gazecli.errors import CheckFailed, GazeError, UsageError, cannot_matter

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.pictures.picture import Picture
    from gazecli.reports.documents.housekeeping import CheckPart, DoctorDocument


NAME = "doctor"
_LIBRARIES = ("torch", "transformers", "numpy", "pillow", "safetensors", "accelerate")


@cli_command()
def command(
    output: Output,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Also load this model and check it.")
    ] = None,
    *,
    loading: LoadOptions,
    revision: Revision = None,
) -> None:
    """Check this machine and, with MODEL, one model.

    A model is checked on a drawn strip: whether each image token looks where its token map says (areas of the
    strip are inverted), whether a bias on one head moves that head's attention and no other's, whether rows
    of attention read beside the fast kernel are those of eager attention, and whether a token written behind
    a key-value cache, steered, has the rows and logits that a pass without a cache gives it. Last it is asked
    for the colour of eight pictures, and failing that for a word in each: a model that cannot tell them
    better than chance gets a warning.

    Example: gaze doctor tiny --device cpu
    """
    if model is None:
        for name in ["revision"] * (revision is not None) + given(loading):
            raise cannot_matter(name, "without a model", "name one: gaze doctor tiny")
    from gazecli.reports.documents.housekeeping import DoctorDocument

    with busy(output, "checking this machine"):
        checks = [*_machine(), _config(), _cache()]
    if model is not None:
        checks += _model(output, model, revision, loading)
    failed = [check for check in checks if check.status == "failed"]
    document = DoctorDocument(ok=not failed, checks=checks)
    output.result(document, lambda console: _show(console, document))
    if failed:
        raise CheckFailed(
            failed[0].finding, subject=failed[0].name, hint=failed[0].hint, code="doctor.failed"
        )


def _machine() -> list[CheckPart]:
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


def _config() -> CheckPart:
    try:
        settings = configured()
    except GazeError as error:
        return _failed("config", error)
    chosen = ", ".join(f"{key} = {value}" for key, value in settings.items())
    return _check("config", chosen or f"none at {config_path()}")


def _cache() -> CheckPart:
    from gazecli.cache import Cache

    cache = Cache(warn=lambda _: None)
    try:
        cache.ensure_writable()
    except GazeError as error:
        return _failed("cache", error)
    return _check("cache", f"{len(cache.entries())} artifacts in {cache.root}")


def _model(output: Output, name: str, revision: str | None, loading: LoadOptions) -> list[CheckPart]:
    """What is found of a model, up to the first thing that fails."""
    from gazecli.models.chat_templates import NOTES
    from gazecli.models.checks.model_checks import self_check
    from gazecli.models.load import load

    checks = []
    name = loading.named(name)
    try:
        fetch_model(output, name, revision)
        with busy(output, f"checking {name}"):
            vlm = load(name, revision=revision, note=output.detail, **loading.keywords())
            what = f"{vlm.family}, {vlm.layers} layers of {vlm.heads} heads, {vlm.dtype} on {vlm.device}"
            stored = f", weights stored as {vlm.quantised}" if vlm.quantised else ""
            checks.append(_check("model", what + stored))
            if vlm.template is not None:
                checks.append(_check("template", NOTES[vlm.template], status="note"))
            for found in self_check(vlm, drawn_strip()):
                status = (
                    "warning" if found.warns else {True: "ok", False: "failed", None: "note"}[found.holds]
                )
                checks.append(_check(found.name, found.words, status=status, hint=found.hint))
    except UsageError:
        raise  # nothing was checked: an option has an impossible value
    except GazeError as error:
        checks.append(_failed("model", error))
    return checks


def _check(name: str, finding: str, *, status: str = "ok", hint: str | None = None) -> CheckPart:
    from gazecli.reports.documents.housekeeping import CheckPart

    return CheckPart(name=name, status=status, finding=finding, hint=hint)  # type: ignore[arg-type]


def _failed(name: str, error: GazeError) -> CheckPart:
    return _check(name, str(error), status="failed", hint=error.hint)


def _show(console: Console, document: DoctorDocument) -> None:
    rows: list[list[object]] = [[check.status, check.name, check.finding] for check in document.checks]
    print_table(console, "state check finding", rows)
    for check in document.checks:
        if check.status == "warning":
            console.print(f"about {check.name}: {check.hint}")


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
