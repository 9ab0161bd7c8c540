"""`gaze pull`: a head set from the Hub, pinned to its commit, or which ones there are for a model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.completion import model_names
from gazecli.cli.inputs import note_default
from gazecli.cli.output import Output, busy
from gazecli.cli.tables import print_facts, print_table
from gazecli.errors import HeadSetError, HubError

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.cache import Cache
    from gazecli.heads.hub_listing import Claim
    from gazecli.reports.documents.sharing import ClaimPart, PullDocument, PulledPart

NAME = "pull"


@cli_command()
def command(
    output: Output,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=model_names,
            help="A MODEL, to see what there is, or OWNER/REPO[@COMMIT].",
        ),
    ],
) -> None:
    """Fetch a head set from the Hub and pin its commit, or list those that the Hub has for a model.

    What is fetched is checked against its digest and kept like any head set; its name works wherever a head
    set is named. Accuracies are what the cards claim.

    Example: gaze pull qwen2-vl-7b
    """
    from gazecli.cache import Cache
    from gazecli.heads.hub import SCHEME
    from gazecli.heads.hub_listing import is_model

    cache = Cache(warn=output.warning)
    document = None
    if name.startswith(SCHEME) or not is_model(name):
        try:
            document = _pulled(output, name, cache)
        except HeadSetError as failure:
            # It may be a model that has no short name.
            if failure.code != "hub.no_headset" or name.startswith(SCHEME) or "@" in name:
                raise
    if document is None:
        document = _listed(output, name, cache)
    shown, pulled = document, document.pulled
    show = _show_list if pulled is None else _show_pulled
    output.result(
        shown, lambda console: show(console, shown), digest=None if pulled is None else pulled.digest
    )


def _pulled(output: Output, name: str, cache: Cache) -> PullDocument:
    from gazecli.heads.headset_store import note_used
    from gazecli.heads.hub import fetch_headset, hub_name
    from gazecli.heads.hub_listing import claims_of, weights_here
    from gazecli.reports.documents.sharing import PullDocument
    from gazecli.reports.headset import report_document

    with busy(output, f"fetching {name}"):
        found = fetch_headset(hub_name(name), cache, output.note)
        headset = found.headset
        # What could not be shown later is refused now.
        suggested = report_document(headset).suggested
        claims: Sequence[Claim] = ()
        with suppress(HubError):  # a head set that is here is shown without them
            if not (found.cached and hub_name(name).is_pinned):
                claims = claims_of(found.name.repository, found.name.revision)
        here = weights_here(headset.model, cache)
    note_used(cache, headset)
    note_default(output, cache, headset)
    if here is False:
        output.warning(
            f"the weights of {headset.model['id']} on this machine are others than these heads were found in"
        )
    pulled = {
        "digest": headset.digest,
        "path": headset.path,
        "name": str(found.name),
        "repository": found.name.repository,
        "commit": found.name.revision,
        "cached": found.cached,
        "model": headset.model,
        "suggested": suggested,
        "weights_here": here,
        "claims": claims,
    }
    return PullDocument.model_validate({"action": "pull", "pulled": pulled})


def _listed(output: Output, model: str, cache: Cache) -> PullDocument:
    from gazecli.heads.hub_listing import headsets_here, list_headsets
    from gazecli.reports.documents.sharing import PullDocument

    with busy(output, f"asking the Hub for head sets of {model}"):
        listed = list_headsets(model, cache=cache)
    here = headsets_here(model, cache)
    return PullDocument.model_validate({"action": "list", "model": model, "on_hub": listed, "here": here})


def _show_pulled(console: Console, document: PullDocument) -> None:
    pulled = document.pulled
    assert pulled is not None
    suggested = pulled.suggested
    print_facts(
        console,
        {
            "head set": pulled.digest,
            "name": pulled.name,
            "model": f"{pulled.model.id}: {pulled.model.layers} x {pulled.model.heads} heads",
            "weights": _weights(pulled),
            "suggested": f"top {suggested.top} by {suggested.score}: {suggested.why}",
            "its card claims": _claimed(pulled.claims),
            "use it": f"gaze steer PICTURE --region 3 --heads {pulled.name}",
        },
    )


def _weights(pulled: PulledPart) -> str:
    model = pulled.model
    revision = f" --revision {model.revision}" if model.revision else ""
    if pulled.weights_here is None:
        return f"{model.digest}, not on this machine"
    if pulled.weights_here:
        return f"{model.digest}, on this machine"
    return f"{model.digest}; this machine has others: hf download {model.id}{revision}"


def _claimed(claims: Sequence[ClaimPart]) -> str | None:
    if not claims:
        return None
    claim = claims[0]
    controls = f"; controls {min(claim.controls):.3f} to {max(claim.controls):.3f}" if claim.controls else ""
    chance = f"; chance {claim.chance:.3f}" if claim.chance is not None else ""
    return f"accuracy {claim.accuracy:.3f}{_interval(claim, ' ({})')}{controls}{chance} ({claim.task})"


def _interval(claim: ClaimPart, form: str = "{}") -> str:
    return "" if claim.ci95 is None else form.format(f"{claim.ci95[0]:.3f} to {claim.ci95[1]:.3f}")


def _show_list(console: Console, document: PullDocument) -> None:
    if document.on_hub:
        rows: list[list[object]] = []
        for each in document.on_hub:
            claim = each.claims[0] if each.claims else None
            controls = (
                f"{min(claim.controls):.3f} to {max(claim.controls):.3f}"
                if claim is not None and claim.controls
                else None
            )
            accuracy = None if claim is None else f"{claim.accuracy:.3f}"
            interval = None if claim is None else _interval(claim)
            figures = [accuracy, interval, controls, claim.pictures if claim is not None else None]
            rows.append([each.repository, each.downloads, *figures, each.updated])
        columns = "repository >downloads >accuracy >95_%_interval >controls >pictures updated"
        print_table(console, columns, rows)
        first = document.on_hub[0].repository
        console.print()
        console.print(f"Accuracies are what the cards claim. Take one: gaze pull {first}", style="dim")
    else:
        console.print(f"the Hub has no head sets for {document.model}")
    if document.here:
        console.print()
        print_table(console, "on_this_machine", [[digest] for digest in document.here])
    elif not document.on_hub:
        console.print(f"find one: gaze discover {document.model} COMICS", style="dim")
