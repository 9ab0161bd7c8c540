"""`gaze serve [PICTURE…]`: a page whose text follows the pointer, and an API for programs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.inputs import choose_heads, load_model, most_pixels, open_picture
from gazecli.cli.options import HeadOptions, ModelOptions, PictureOptions
from gazecli.cli.output import Output
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.housekeeping import ServeDocument
    from gazecli.serving.server import Address

NAME = "serve"
_SERVER = "Server"
_EXAMPLES = 3  # strips


@cli_command()
def command(
    output: Output,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="PICTURE...", help="Pictures to begin with.", show_default="drawn ones"),
    ] = None,
    *,
    shown: PictureOptions,
    heads: HeadOptions,
    model: ModelOptions,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The address to listen at; 0.0.0.0 is all networks.",
            rich_help_panel=_SERVER,
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", rich_help_panel=_SERVER)] = 7860,
    max_upload: Annotated[
        int, typer.Option("--max-upload", help="Megabytes of a request.", rich_help_panel=_SERVER)
    ] = 32,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser.", rich_help_panel=_SERVER)
    ] = False,
) -> None:
    """Serve a model: a page whose text follows the pointer, and an API for programs.

    The page's address holds a token. The API takes a key as Authorization: Bearer KEY: that of
    GAZE_SERVE_KEY, or a random one that is printed. Only this machine can connect, unless --host says
    otherwise; then GAZE_SERVE_KEY must be set.

    POST /v1/chat/completions is OpenAI's, for one message of text and an image_url with a data address. A
    gaze object beside it steers: {"region": 3} or "10%,20%,55%,80%" or "circle:x,y,r", with panels,
    strength, mode, scope, top, score and heads as gaze steer has them, and the same answers. The answer's
    gaze object says how attention moved. With the openai client:
    client.chat.completions.create(…, extra_body={"gaze": {"region": 3}}). GET /v1/models and GET /healthz
    are there too.

    Example: gaze serve strip.png --model tiny --open
    """
    named = pictures or []
    if named.count("-") > 1:
        raise UsageError("standard input holds one picture", hint="name - once")
    max_pixels = most_pixels(shown)
    opened = [open_picture(output, picture, shown) for picture in named]
    chosen = choose_heads(output, heads, model)
    from gazecli.serving.requests import Panels
    from gazecli.serving.server import Entrance, serve
    from gazecli.tiny.comics import example_strips

    key = os.environ.get("GAZE_SERVE_KEY")

    def say(address: Address) -> None:
        from gazecli.reports.documents.housekeeping import ServeDocument
        from gazecli.serving.security import is_loopback

        if not is_loopback(address.host):
            output.warning(
                f"whoever reaches port {address.port} of this machine and has the key can use the model; "
                "pictures and texts travel unencrypted"
            )
        document = ServeDocument(
            page=address.page,
            api=address.api,
            key=None if key else address.key,
            host=address.host,
            port=address.port,
            model=vlm.name,
            headset=chosen.headset.digest,
        )
        output.result(document, lambda console: _show(console, document))
        if open_page:
            import webbrowser

            webbrowser.open(address.page)

    with Entrance.open(host, port, key, max_upload << 20) as entrance:
        vlm = load_model(output, chosen, model)
        # The heads chosen here are what `auto` means to whoever asks.
        suggested = {**chosen.headset.header["suggested"], "top": len(chosen.heads), "score": chosen.score}
        headset = replace(chosen.headset, header={**chosen.headset.header, "suggested": suggested})
        how = None if shown.regions else Panels(panels=shown.panels, rtl=shown.rtl, spread=shown.spread)
        opened = opened or example_strips(_EXAMPLES)
        serve(vlm, headset, opened, entrance=entrance, on_ready=say, max_pixels=max_pixels, how=how)


def _show(console: Console, document: ServeDocument) -> None:
    console.print(f"page  {document.page}", soft_wrap=True)
    console.print(f"API   {document.api}", soft_wrap=True)
    console.print(f"key   {document.key or 'that of GAZE_SERVE_KEY'}", soft_wrap=True)
    console.print(
        f"\n{document.model}, head set {document.headset}; Ctrl-C ends it", style="dim", soft_wrap=True
    )
