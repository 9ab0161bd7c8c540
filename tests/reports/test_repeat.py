"""The commands under "To repeat this": they parse, and name all that changes the result."""

from __future__ import annotations

import shlex

import pytest

from gazecli.reports.documents.evaluation import ChoicePart, SweepPart
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.repeat import repeat_commands
from gazecli.steering.settings import NATURAL_PROMPT, STATIC_PROMPT
from tests.cli.conftest import gaze_here
from tests.reports.samples import DIGEST, report


def changed(found: dict[str, object] | None = None, **evaluated: object) -> ReportDocument:
    """A report of one evaluation with a choice of none, its discovery settings and its own changed."""
    document = report()
    assert document.evaluation is not None
    settings = document.evaluation.settings.model_copy(update={"prompt": STATIC_PROMPT, **evaluated})
    part = document.evaluation.model_copy(update={"settings": settings, "choice": None, "sweep": []})
    own = document.settings.model_copy(update=found or {})
    return document.model_copy(update={"evaluation": part, "evaluations": [part], "settings": own})


def words(document: ReportDocument, command: str) -> list[str]:
    (line,) = (each for each in repeat_commands(document) if each.startswith(f"gaze {command} "))
    return shlex.split(line, comments=True)


def value(given: list[str], option: str) -> str:
    return given[given.index(option) + 1]


def test_the_device_and_the_type_of_numbers_are_named_since_they_depend_on_the_machine() -> None:
    given = words(changed(device="cuda", dtype="bfloat16"), "evaluate")
    assert (value(given, "--device"), value(given, "--dtype")) == ("cuda", "bfloat16")
    assert value(words(changed(), "discover"), "--dtype") == "float32"


def test_an_evaluation_with_defaults_names_nothing_else() -> None:
    given = words(changed(), "evaluate")
    options = {word for word in given if word.startswith("--")}
    assert options == {"--samples", "--top", "--score", "--device", "--dtype"}


@pytest.mark.parametrize(
    ("setting", "option"),
    [
        ({"strength": 3.0}, ["--strength", "3"]),
        ({"mode": "suppress-all"}, ["--mode", "suppress-all"]),
        ({"scope": "decode"}, ["--scope", "decode"]),
        ({"max_new_tokens": 9}, ["--max-new-tokens", "9"]),
        ({"seed": 7}, ["--seed", "7"]),
        ({"controls": 20}, ["--controls", "20"]),
        ({"prompt": "What is it?"}, ["--prompt", "What is it?"]),
        ({"image_tokens": 64}, ["--image-tokens", "64"]),
        ({"squash": False}, ["--no-squash"]),
        ({"rtl": True}, ["--rtl"]),
        ({"spread": True}, ["--spread"]),
        ({"layout": "strips"}, ["--layout", "strips"]),
        ({"protocol": "paper"}, ["--protocol", "paper"]),
    ],
)
def test_a_setting_that_is_not_the_default_is_named_and_understood(
    capfd: pytest.CaptureFixture[str], setting: dict[str, object], option: list[str]
) -> None:
    given = words(changed(**setting), "evaluate")
    assert option[0] not in words(changed(), "evaluate")
    place = given.index(option[0])
    assert given[place : place + len(option)] == option
    assert gaze_here(capfd, *given[1:], "--help").code == 0


def test_natural_pictures_are_asked_their_own_question() -> None:
    assert "--prompt" not in words(changed(min_area=0.0, prompt=NATURAL_PROMPT), "evaluate")
    assert value(words(changed(min_area=0.0, prompt="What?"), "evaluate"), "--prompt") == "What?"


def test_a_strength_is_named_where_the_head_set_suggests_another() -> None:
    document = changed(strength=10.0)
    suggested = document.suggested.model_copy(update={"strength": 4.0})
    given = words(document.model_copy(update={"suggested": suggested}), "evaluate")
    assert value(given, "--strength") == "10"


def test_a_sweep_over_strengths_is_not_told_one() -> None:
    document = changed(strength=4.0)
    assert document.evaluation is not None
    choice = ChoicePart(k=2, accuracy=0.75, strips=2, strength=4.0, headset=DIGEST, swept=DIGEST)
    steps = [SweepPart(k=2, gaze=0.5, control=None, strength=4.0)]
    part = document.evaluation.model_copy(update={"choice": choice, "sweep": steps})
    given = words(document.model_copy(update={"evaluation": part, "evaluations": [part]}), "evaluate")
    assert value(given, "--sweep") == "strength"
    assert "--strength" not in given


@pytest.mark.parametrize(
    ("setting", "option"),
    [
        ({"seed": 7}, ["--seed", "7"]),
        ({"prompt": "The {ordinal}?"}, ["--prompt", "The {ordinal}?"]),
        ({"height": 128, "layout": "panels"}, ["--height", "128"]),
        ({"gap": 0, "layout": "panels"}, ["--gap", "0"]),
        ({"layout": "raw"}, ["--layout", "raw"]),
        ({"rtl": True, "layout": "strips"}, ["--rtl"]),
        ({"spread": True, "layout": "strips"}, ["--spread"]),
        ({"squash": False}, ["--no-squash"]),
        ({"image_tokens": 64}, ["--image-tokens", "64"]),
    ],
)
def test_discovery_names_its_settings_too(
    capfd: pytest.CaptureFixture[str], setting: dict[str, object], option: list[str]
) -> None:
    given = words(changed(setting), "discover")
    place = given.index(option[0])
    assert given[place : place + len(option)] == option
    assert gaze_here(capfd, *given[1:], "--help").code == 0


def test_strips_that_are_whole_have_no_height_to_name() -> None:
    given = words(changed({"height": 128, "gap": 2, "layout": "manifest"}), "discover")
    assert not {"--height", "--gap"} & set(given)
