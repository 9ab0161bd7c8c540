"""`gaze doctor [MODEL]`: whether everything needed is there, and whether a model can be steered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.completion import model_names
from gazecli.cli.inputs import fetch_model
from gazecli.cli.options import LoadOptions, Revision, config_path, configured, given
from gazecli.cli.output import Output, busy
from gazecli.cli.tables import print_table
from gazecli.errors import CheckFailed, GazeError, UsageError, cannot_matter

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.housekeeping import CheckPart, DoctorDocument


NAME = "doctor"


@cli_command()
def command(
    output: Output,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", autocompletion=model_names, help="Also load this model and check it."
        ),
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
    from gazecli.api.machine import cache_check, machine_checks
    from gazecli.reports.documents.housekeeping import DoctorDocument

    with busy(output, "checking this machine"):
        checks = [*machine_checks(), _config(), cache_check()]
    if model is not None:
        checks += _model(output, loading.named(model), revision, loading)
    failed = [check for check in checks if check.status == "failed"]
    document = DoctorDocument(ok=not failed, checks=checks)
    output.result(document, lambda console: _show(console, document))
    if failed:
        raise CheckFailed(
            failed[0].finding, subject=failed[0].name, hint=failed[0].hint, code="doctor.failed"
        )


def _config() -> CheckPart:
    from gazecli.api.machine import failed_check
    from gazecli.reports.documents.housekeeping import CheckPart

    try:
        settings = configured()
    except GazeError as error:
        return failed_check("config", error)
    chosen = ", ".join(f"{key} = {value}" for key, value in settings.items())
    return CheckPart(name="config", status="ok", finding=chosen or f"none at {config_path()}")


def _model(output: Output, name: str, revision: str | None, loading: LoadOptions) -> list[CheckPart]:
    """What is found of a model."""
    from gazecli.api.machine import failed_check, model_checks
    from gazecli.models.load import load

    try:
        fetch_model(output, name, revision)
    except UsageError:
        raise  # nothing was checked: an option has an impossible value
    except GazeError as error:
        return [failed_check("model", error)]
    with busy(output, f"checking {name}"):
        return model_checks(lambda: load(name, revision=revision, note=output.detail, **loading.keywords()))


def _show(console: Console, document: DoctorDocument) -> None:
    rows: list[list[object]] = [[check.status, check.name, check.finding] for check in document.checks]
    print_table(console, "state check finding", rows)
    for check in document.checks:
        if check.status == "warning":
            console.print(f"about {check.name}: {check.hint}")
