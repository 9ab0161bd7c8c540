"""The options of the commands, each declared once, and the groups of those that are always given together.

A group is a frozen dataclass whose annotated fields are options; `cli_command` fills it. A command that wants
another default for a field subclasses the group. An option whose help differs between commands is a constant
here, and `with_help` words it anew. Three settings, of all calls, come from an option, else from the
environment, else from the config file.
"""

from __future__ import annotations

import copy
import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from gazecli.cli.completion import headset_names, model_names
from gazecli.errors import UsageError, cannot_matter
from gazecli.steering.settings import NATURAL_PROMPT, STATIC_PROMPT

if TYPE_CHECKING:
    from gazecli.heads.headset import HeadSet

_MODEL, STEERING, _PICTURE = "Model", "Steering", "Picture"
_CONFIGURED = ("model", "device", "dtype")
ModeName = Literal["boost-suppress", "suppress-image", "suppress-all", "max-suppress-all", "blind"]
ScopeName = Literal["full", "question", "answer", "decode"]
LayoutName = Literal["panels", "raw", "strips", "manifest"]
TaskName = Literal["static", "vqa", "dynamic"]
ScoreName = Literal["auto", "raw", "selectivity", "image", "localization"]


def _names(choice: Any) -> str:
    """The names of a Literal for a help text: as the type of the value they would be broken anywhere."""
    return " · ".join(get_args(choice))


MODEL = typer.Option(
    "--model",
    metavar="MODEL",
    help="The model; without --heads its newest head set.",
    show_default="GAZE_MODEL, else that of the heads",
    autocompletion=model_names,
    rich_help_panel=_MODEL,
)
TOP = typer.Option("--top", metavar="N", help="How many heads: auto or a number.", rich_help_panel=STEERING)
SCORE = typer.Option(
    "--score",
    metavar="SCORE",
    help=f"Which score ranks the heads: {_names(ScoreName)}.",
    rich_help_panel=STEERING,
)
STRENGTH = typer.Option(
    "--strength",
    metavar="NUMBER",
    help="Any number, auto, or hard: the paper's 10000.",
    show_default="auto: 10, or what a sweep chose",
    rich_help_panel=STEERING,
)
MODE = typer.Option(
    "--mode",
    metavar="MODE",
    help=f"What is boosted and what suppressed: {_names(ModeName)}.",
    rich_help_panel=STEERING,
)
SCOPE = typer.Option(
    "--scope",
    metavar="SCOPE",
    help=f"From where on the heads are steered: {_names(ScopeName)}.",
    rich_help_panel=STEERING,
)
PANELS = typer.Option(
    "--panels",
    metavar="PANELS",
    help="auto, 6 columns, or 2x3.",
    show_default="auto: by gutters",
    rich_help_panel=_PICTURE,
)
RTL = typer.Option("--rtl", help="Panels are read from right to left.", rich_help_panel=_PICTURE)
SPREAD = typer.Option(
    "--spread", help="Two pages side by side, read one after the other.", rich_help_panel=_PICTURE
)
LAYOUT = typer.Option(
    "--layout",
    metavar="LAYOUT",
    help=f"How the folder is laid out: {_names(LayoutName)}.",
    show_default="as recognised",
)
SAMPLES = typer.Option("--samples", help="Draw this many strips.", show_default="all")
SEED = typer.Option("--seed", help="Draws samples and shuffles.")
PROMPT = typer.Option(
    "--prompt",
    help="The question.",
    show_default=f"{STATIC_PROMPT} Of a box, mask or side: {NATURAL_PROMPT}",
)
MAX_NEW_TOKENS = typer.Option("--max-new-tokens", help="The longest answer, in tokens.")
EVERY = typer.Option("--every", metavar="N", help="A new target every N tokens.", show_default="50")
BATCH_SIZE = typer.Option("--batch-size", metavar="N", help="How many at a time: auto or a number.")
OUTPUT = typer.Option("--output", "-o", help="Write to this file; .html, .md and .csv say how.")
DRY_RUN = typer.Option("--dry-run", help="Only say what would be done.")
DATASET = typer.Option("--dataset", metavar="OWNER/NAME", help="A data set on the Hub.")
FORCE = typer.Option("--force", help="Replace a file that is there already.")
REGION = typer.Option(
    "--region",
    metavar="SPEC",
    help="3 · x0,y0,x1,y1 · 10%,20%,55%,80% · circle:x,y,r · @mask.png · left|right|top|bottom|centre",
)
HEATMAP = typer.Option("--heatmap", help="Paint where the heads looked into a .png, .svg or .pdf file.")
TRAJECTORY = typer.Option(
    "--trajectory", help="Write where the heads looked to a .png, .svg, .pdf, .csv or .json file."
)
DPI = typer.Option("--dpi", help="Dots per inch of PNG figures.", show_default="200")


def with_help(
    option: Any,
    help: str,  # noqa: A002 - Typer's own word
    panel: str | None = None,
    *,
    default: str | None = None,
    metavar: str | None = None,
) -> Any:
    """`option` with other help, shown in `panel`, for a command in which it means something narrower.

    default: what help says is taken when it is left out, where that is not the value in the signature.
    metavar: the noun for what it takes, where that is another.
    """
    reworded = copy.copy(option)
    reworded.help, reworded.rich_help_panel, reworded.declared = help, panel, option
    reworded.show_default = True if default is None else default
    reworded.metavar = metavar or option.metavar
    return reworded


def hidden(option: Any) -> Any:
    """`option` for a command that takes it and does not list it."""
    unlisted = copy.copy(option)
    unlisted.hidden, unlisted.declared = True, getattr(option, "declared", option)
    return unlisted


Score = Annotated[ScoreName, SCORE]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision", metavar="REVISION", help="A branch, tag or commit on the Hub.", rich_help_panel=_MODEL
    ),
]
Rtl = Annotated[bool, RTL]
Spread = Annotated[bool, SPREAD]
Layout = Annotated[LayoutName | None, LAYOUT]
# Of commands in which nothing else can be forced.
ForceFiles = Annotated[bool, with_help(FORCE, "Replace files that are read-only.")]
StripPanels = Annotated[int, with_help(PANELS, "Panels of a strip.", metavar="N")]
Stream = Annotated[bool, typer.Option("--stream", help="Print the text while it is written.")]
Page = Annotated[
    Path | None,
    typer.Option(
        "--page", help="Write a page to an .html file: a word under the pointer shows where the heads looked."
    ),
]
# Of commands whose argument names the heads.
HeadsModel = Annotated[
    str | None,
    with_help(MODEL, "The model of heads typed by hand, 3.4,3.5.", panel=_MODEL, default="GAZE_MODEL"),
]
PictureArgument = Annotated[
    str, typer.Argument(metavar="PICTURE", help="A picture file, - for standard input, or a comic folder.")
]


@dataclass(frozen=True)
class PictureOptions:
    """How a picture is opened, and where its regions are."""

    panels: Annotated[str, PANELS] = "auto"
    regions: Annotated[
        Path | None,
        typer.Option("--regions", help="A JSON file of boxes, instead of panels.", rich_help_panel=_PICTURE),
    ] = None
    rtl: Rtl = False
    spread: Spread = False
    max_pixels: Annotated[
        int | None,
        typer.Option(
            "--max-pixels",
            help="Refuse pictures larger than this before decoding.",
            show_default="100 million",
            rich_help_panel=_PICTURE,
        ),
    ] = None


@dataclass(frozen=True)
class HeadOptions:
    """Which heads: of the head set or the model named, else of the head set used last."""

    heads: Annotated[
        str | None,
        typer.Option(
            "--heads",
            metavar="HEADSET",
            help="A head set: digest, file, model, hf:OWNER/REPO; or heads, 3.4,3.5.",
            show_default="that of --model, else the last used",
            autocompletion=headset_names,
            rich_help_panel=STEERING,
        ),
    ] = None
    top: Annotated[str, TOP] = "auto"
    score: Score = "auto"
    model: Annotated[str | None, MODEL] = None


@dataclass(frozen=True)
class SteeringOptions:
    """How the heads are steered."""

    strength: Annotated[str, STRENGTH] = "auto"
    mode: Annotated[ModeName, MODE] = "boost-suppress"
    scope: Annotated[ScopeName, SCOPE] = "full"

    def keywords(self, headset: HeadSet) -> dict[str, Any]:
        """As keywords of `SteerSettings`, for heads of `headset`."""
        return {**vars(self), "strength": headset.resolve_strength(self.strength)}


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded; UsageError for a device beside a device map, or no number of image tokens."""

    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help="auto, cpu, cuda, cuda:1, mps.",
            show_default="GAZE_DEVICE, else auto",
            rich_help_panel=_MODEL,
        ),
    ] = None
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            help="auto, float32, bfloat16, float16.",
            show_default="GAZE_DTYPE, else auto",
            rich_help_panel=_MODEL,
        ),
    ] = None
    device_map: Annotated[
        str | None,
        typer.Option(
            "--device-map",
            metavar="MAP",
            help="Spread a model too large for one device: auto, balanced, sequential, or a JSON file.",
            rich_help_panel=_MODEL,
        ),
    ] = None
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Run code that comes with a model.", rich_help_panel=_MODEL),
    ] = False
    adapter: Annotated[
        Path | None,
        typer.Option(
            "--adapter",
            metavar="FOLDER",
            help="A folder with a LoRA adapter, merged into the model.",
            rich_help_panel=_MODEL,
        ),
    ] = None
    image_tokens: Annotated[
        int | None,
        typer.Option(
            "--image-tokens",
            help="At most so many image tokens a picture: large ones are faster, and seen less sharply.",
            rich_help_panel=_MODEL,
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.device is not None and self.device_map is not None:
            raise cannot_matter("device", "with --device-map", "leave one of them out", self.device)
        if self.image_tokens is not None:
            from gazecli.models.image_token_bound import check_image_tokens

            check_image_tokens(self.image_tokens)

    def named(self, model: str) -> str:
        """The name of `model` with the adapter, if one is given; ModelError for what is none."""
        from gazecli.models.adapter import named_with, require_adapter, split_name

        if self.adapter is None:
            return model
        require_adapter(self.adapter)
        return named_with(split_name(model)[0], self.adapter)

    def keywords(self) -> dict[str, Any]:
        """The rest as keywords of `load` and `discover`, completed by the environment and the config file."""
        return {
            "device": setting("device", self.device),
            "dtype": setting("dtype", self.dtype),
            "device_map": self.device_map,
            "trust_remote_code": self.trust_remote_code,
            "image_tokens": self.image_tokens,
        }


@dataclass(frozen=True)
class ModelOptions(LoadOptions):
    """How a model is loaded and shown pictures."""

    no_squash: Annotated[
        bool,
        typer.Option(
            "--no-squash",
            help="Let the model's processor crop; a region it leaves out is then an error.",
            rich_help_panel=_MODEL,
        ),
    ] = False

    def keywords(self) -> dict[str, Any]:
        """As of `LoadOptions`."""
        return {**super().keywords(), "squash": not self.no_squash}


def given(options: Any) -> list[str]:
    """Names of the fields of a group of options that differ from their defaults."""
    return [field.name for field in fields(options) if getattr(options, field.name) != field.default]


def number_or_auto(text: str, option: str, auto: str = "auto") -> int | None:
    """None for the word `auto`, else the number in `text`; UsageError, naming `option`, for neither."""
    if text == auto:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise UsageError(
            f"{option} is `{auto}` or a whole number from 1", subject=text, hint=f"for example: {option} 8"
        )
    return int(text)


def setting(key: str, option: str | None) -> str | None:
    """The value of `model`, `device` or `dtype`: the option, then GAZE_MODEL and so on, then config.toml.

    Raises UsageError when the config file is needed and unreadable.
    """
    return option or os.environ.get(f"GAZE_{key.upper()}") or configured().get(key)


def config_path() -> Path:
    """The path of the config file."""
    import platformdirs

    return Path(platformdirs.user_config_dir("gaze")) / "config.toml"


def configured() -> dict[str, str]:
    """The config file's settings, {} when there is none; UsageError when it cannot be used."""
    path = config_path()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unusable(f"the config file cannot be read ({reason})", path) from error
    for key, value in table.items():
        if key not in _CONFIGURED:
            raise _unusable(f"the config file has an unknown setting, {key!r}", path)
        if not isinstance(value, str):
            raise _unusable(f"the config file's {key!r} is not a text", path)
    return table


def _unusable(message: str, path: Path) -> UsageError:
    hint = f'it may hold {", ".join(_CONFIGURED)}, e.g. device = "cpu"'
    return UsageError(message, subject=str(path), hint=hint, code="config.invalid")
