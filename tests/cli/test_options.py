"""Options are declared once, groups fill their commands, and every command's help ends with an example."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from gazecli.cli.app import build_app
from gazecli.cli.command import cli_command
from gazecli.cli.options import with_help
from gazecli.cli.output import Output

OPTION = type(typer.Option())


def commands_of(app: typer.Typer, path: str = "gaze") -> Iterator[tuple[str, Callable[..., Any], Any]]:
    """Every command below `app`: its words, its function, and what Typer built of it; last the app itself."""
    built: Any = get_command(app)
    for command in app.registered_commands:
        assert command.callback is not None
        yield f"{path} {command.name}", command.callback, built.commands[command.name]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands_of(group.typer_instance, f"{path} {group.name}")
    if (
        path == "gaze"
        and app.registered_callback is not None
        and app.registered_callback.callback is not None
    ):
        yield path, app.registered_callback.callback, built


def declarations(app: typer.Typer) -> dict[str, list[tuple[str, object]]]:
    """Of every option of every command: the commands that have it and the declarations they have it from."""
    found: dict[str, list[tuple[str, object]]] = defaultdict(list)
    for words, function, built in commands_of(app):
        taken = inspect.signature(function, eval_str=True).parameters
        for parameter in built.params:
            if parameter.param_type_name != "option" or parameter.name not in taken:
                continue  # Typer's own: the installing of completion
            metadata = getattr(taken[parameter.name].annotation, "__metadata__", ())
            (declared,) = (each for each in metadata if isinstance(each, OPTION))
            for name in (*parameter.opts, *parameter.secondary_opts):
                found[name].append((words, getattr(declared, "declared", declared)))
    return found


def declared_twice(app: typer.Typer) -> dict[str, list[str]]:
    return {
        name: [words for words, _ in uses]
        for name, uses in declarations(app).items()
        if len({id(declared) for _, declared in uses}) > 1
    }


def test_every_option_is_declared_once() -> None:
    app = build_app()
    found = declarations(app)
    assert {"--strength", "--device", "--output", "-o", "--version", "--dry-run", "-v"} <= set(found)
    assert len(found["--json"]) == len(list(commands_of(app)))
    assert len(found["--panels"]) >= 5
    assert declared_twice(app) == {}


SEED = typer.Option("--seed", help="Draws.")


@dataclass(frozen=True)
class Sizes:
    width: Annotated[int, typer.Option("--width")] = 1
    height: Annotated[int, typer.Option("--height")] = 2


@dataclass(frozen=True)
class TallSizes(Sizes):
    height: Annotated[int, typer.Option("--height")] = 9


def first(output: Output, sizes: Sizes, *, seed: Annotated[int, SEED] = 1) -> None:
    output.out.print(f"{sizes} {seed}")


def second(
    output: Output, sizes: TallSizes, *, seed: Annotated[int | None, with_help(SEED, "Shuffles.")] = None
) -> None:
    output.out.print(f"{sizes} {seed}")


def test_a_second_declaration_is_found_and_a_shared_one_is_not() -> None:
    app = typer.Typer()
    app.command("first")(cli_command()(first))
    app.command("second")(cli_command()(second))
    assert declared_twice(app) == {"--height": ["gaze first", "gaze second"]}


def test_a_group_arrives_filled_with_the_defaults_of_its_class(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()
    app.command("first")(cli_command()(first))
    app.command("second")(cli_command()(second))
    app(["first", "--width", "7"], standalone_mode=False)
    app(["second", "--seed", "3"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines() == [
        "Sizes(width=7, height=2) 1",
        "TallSizes(width=1, height=9) 3",
    ]


@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("steer --model qwen2-vl-", {"qwen2-vl-2b", "qwen2-vl-7b", "qwen2-vl-72b"}),
        ("discover tin", {"tiny"}),
        ("evaluate 0123", {"0123456789ab"}),
        ("schema st", {"steer"}),
    ],
)
def test_a_shell_completes_models_head_sets_and_documents_without_torch(
    own_cache: Path, call: str, names: set[str]
) -> None:
    (own_cache / "artifacts").mkdir(parents=True, exist_ok=True)
    (own_cache / "artifacts" / f"headset-{'0123456789abcdef' * 4}.safetensors").touch()
    words = f"gaze {call}"
    shell = {
        "_GAZE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    code = "import sys; sys.modules['torch'] = None; from gazecli.cli.app import run; run([])"
    environment = {**os.environ, **shell, "GAZE_CACHE_DIR": str(own_cache)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert set(ran.stdout.split()) == names, ran.stderr
