"""Help: groups in a pipe and on a terminal, as wide as COLUMNS, metavars and defaults of one style."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from typer.main import get_command

from gazecli.cli.app import build_app
from gazecli.cli.help_page import default_of, groups_of, takes_of
from gazecli.evaluation.wanted import Wanted
from gazecli.heads.headset import HeadSet
from gazecli.heads.questions import DISCOVERY_PROMPT, TEXT_PROMPT
from gazecli.steering.settings import (
    DYNAMIC_PROMPT,
    NATURAL_PROMPT,
    STATIC_PROMPT,
    TRACKING_PROMPT,
    VQA_PROMPT,
)
from tests.cli.conftest import Gaze, gaze_here
from tests.cli.test_command import on_a_terminal
from tests.cli.test_options import commands_of

ESCAPE = "\x1b"
APP = build_app()
BUILT: Any = get_command(APP)
FUNCTIONS = {words: function for words, function, _ in commands_of(APP)}
COMMANDS = [words.removeprefix("gaze").split() for words in FUNCTIONS][:-1]


def built(words: list[str]) -> Any:
    """What Typer made of a command."""
    found = BUILT
    for word in words:
        found = found.commands[word]
    return found


def parameters(words: list[str]) -> list[Any]:
    """What a command takes that its help shows."""
    return [each for each in built(words).params if not each.hidden]


def printed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "words", [["discover"], ["evaluate"], ["cache", "export"], ["cache"], []], ids=" ".join
)
def test_help_in_a_pipe_has_the_groups_of_the_terminal_and_the_width_of_columns(
    gaze: Gaze, words: list[str], width: int
) -> None:
    text = gaze(*words, "--help", env={"COLUMNS": str(width)}).out
    assert ESCAPE not in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) > width - 25, "the width is used"
    groups = [line.removesuffix(":") for line in lines if re.fullmatch(r"[A-Z][\w ()]+:", line)]
    assert groups == list(groups_of(built(words)))
    assert len(groups) > 1
    seen = on_a_terminal(*words, "--help", COLUMNS=str(width))
    assert re.findall(r"╭─ ([\w ()]+) ─", re.sub("\x1b\\[[0-9;]*m", "", seen)) == groups


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_help_is_broken_where_the_next_word_would_fit(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for words in (["discover"], ["evaluate"], ["serve"], ["cache", "export"]):
        lines = gaze_here(capfd, *words, "--help").out.partition("\nArguments:")[2].splitlines()
        column = 0
        for line, after in pairwise(lines):
            if named := re.match(r"  (?:-|[A-Z]).*?  +(?=\S)", line):
                column = len(named[0])
            if column and after.startswith(" " * column) and len(line) > column:
                first = re.split(r" (?![^\[]*\])", after.strip())[0]  # a default is not broken
                gap = 2 if first.startswith("[") else 1
                assert len(line) + gap + len(first) > width, (words, line, after)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_arguments_and_options_take_nouns_in_capitals_and_help_names_every_choice(
    capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    text = gaze_here(capfd, *words, "--help").out
    assert "<" not in text.partition("Arguments:")[2]
    taken = inspect.signature(FUNCTIONS[" ".join(["gaze", *words])], eval_str=True).parameters
    for each in parameters(words):
        assert re.fullmatch(r"(?:[A-Z]+(?:[|/][A-Z]+)*(?:\.\.\.)?)?", takes_of(each)), each.name
        assert each.param_type_name == "option" or takes_of(each) in text.splitlines()[0]
        for choice in choices_of(taken[each.name].annotation):
            assert re.search(rf"(?<![\w-]){choice}(?![\w-])", each.help), (
                f"{each.name} does not name {choice}"
            )


def choices_of(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for each in get_args(annotation):
            yield from choices_of(each)


OTHER_WAYS = re.compile(
    r"\(\d+\)|\(or GAZE|\(auto|by default|the default\)|left out|else the last|if none", re.IGNORECASE
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_says_each_default_in_one_way(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    text = printed(gaze_here(capfd, *words, "--help").out)
    for each in parameters(words):
        default = default_of(each)
        assert not OTHER_WAYS.search(each.help), each.help
        if default:
            assert printed(f"{each.help} [default: {default}]") in text
        if each.default not in (None, False, 0, (), []) and not isinstance(each.default, bool):
            assert str(each.default) in default, f"{each.name} is {each.default}"


def test_defaults_in_words_are_what_an_evaluation_takes(measured: tuple[Path, HeadSet]) -> None:
    said = {each.name: default_of(each) for each in parameters(["evaluate"])}
    plan = Wanted().plan(measured[1], natural=False)
    taken = {
        "task": plan.task,
        "mode": plan.settings.mode,
        "controls": plan.controls,
        "seed": plan.seed,
        "max_new_tokens": plan.settings.max_new_tokens,
    }
    assert {name: said[name] for name in taken} == {name: str(value) for name, value in taken.items()}
    narration = Wanted(task="dynamic").plan(measured[1], natural=False)
    assert said["scope"] == f"{plan.settings.scope}; of dynamic: {narration.settings.scope}"
    assert said["every"] == str(narration.every)
    for task in ("static", "vqa", "dynamic"):
        prompt = Wanted(task=task).plan(measured[1], natural=False).settings.prompt  # type: ignore[arg-type]
        assert f"{task}: {prompt}" in said["prompt"]


def test_help_shows_the_prompts_that_are_used_when_none_is_given(capfd: pytest.CaptureFixture[str]) -> None:
    prompts = {
        "steer": [STATIC_PROMPT, NATURAL_PROMPT],
        "switch": [DYNAMIC_PROMPT],
        "track": [TRACKING_PROMPT],
        "discover": [DISCOVERY_PROMPT, TEXT_PROMPT],
        "evaluate": [STATIC_PROMPT, VQA_PROMPT, DYNAMIC_PROMPT, NATURAL_PROMPT],
    }
    for command, shown in prompts.items():
        text = printed(gaze_here(capfd, command, "--help").out)
        assert [prompt for prompt in shown if prompt not in text] == []


def test_help_is_ascii_where_the_pipe_takes_nothing_else(gaze: Gaze) -> None:
    ran = gaze("evaluate", "--help", env={"PYTHONIOENCODING": "ascii"}, fresh=True)
    assert (ran.code, ran.out.isascii()) == (0, True)
    assert "boost-suppress | suppress-image" in printed(ran.out)
    assert "\\x" not in ran.out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_names_a_page_that_is_there(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    (page,) = re.findall(r"More: (docs/\S+\.md)", gaze_here(capfd, *words, "--help").out)
    assert (Path(__file__).parents[2] / page).is_file()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_ends_with_an_example_that_parses(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    for colour in ("", "1"):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("NO_COLOR" if not colour else "FORCE_COLOR", "1")
        ran = gaze_here(capfd, *words, "--help")
        monkeypatch.delenv("NO_COLOR", raising=False)
        lines = [re.sub("\x1b\\[[0-9;]*m", "", line).strip() for line in ran.out.splitlines()]
        assert max(map(len, lines)) <= 80
        assert ("╭" in ran.out) == bool(colour)
        *others, example = [line for line in lines if line]
        assert [line for line in others if line.count("<") != line.count(">")] == [], "a choice is broken"
        assert example.startswith(f"Example: gaze {' '.join(words)}")
        given = shlex.split(example.removeprefix("Example: gaze ").partition(" > ")[0])
        assert gaze_here(capfd, *given, "--help").code == 0
