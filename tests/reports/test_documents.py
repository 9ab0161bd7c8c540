"""Documents: key order, strictness, and what never gets into JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gazecli.cache import Cache
from gazecli.evaluation.conditions import ConditionName
from gazecli.heads.headset_store import find_headset
from gazecli.heads.scores import UNTESTED
from gazecli.plain_text import visible
from gazecli.reports.documents.housekeeping import CheckPart, DoctorDocument, ErrorDocument, Failure
from gazecli.reports.documents.parts import TimingPart
from gazecli.reports.documents.results import HeadPart, RegionPart, TurnPart
from gazecli.reports.documents.schemas import json_schema
from gazecli.reports.headset import report_document
from gazecli.reports.tables import condition_label
from tests.reports.samples import report

any_text = st.text(st.characters())  # lone surrogates included


def document(text: str) -> DoctorDocument:
    return DoctorDocument(ok=True, checks=[CheckPart(name="x", status="ok", finding=text)])


@given(any_text)
def test_any_text_becomes_valid_one_line_json(text: str) -> None:
    written = document(text).json_text()
    written.encode("utf-8")
    assert written.endswith("}\n")
    assert written.count("\n") == 1
    assert visible(written[:-1]) == written[:-1]
    read = json.loads(written)
    jsonschema.validate(read, json_schema("doctor"))
    if text.isprintable():
        assert read["checks"][0]["finding"] == text


@given(any_text)
def test_visible_text_is_one_harmless_line(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert not any(ord(character) < 32 for character in shown)
    assert visible(text, lines=True).count("\n") == text.count("\n")


def test_schema_and_version_come_first() -> None:
    failure = Failure(code="a.b", message="m", hint=None, subject=None)
    assert list(json.loads(ErrorDocument(error=failure).json_text())) == ["schema", "gaze", "error"]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(number: float) -> None:
    with pytest.raises(ValidationError):
        HeadPart(layer=0, head=0, raw=number, selectivity=0.0, image_mass=0.0)
    with pytest.raises(ValidationError):
        TimingPart(seconds=number)


def test_types_are_strict_and_unknown_keys_refused() -> None:
    with pytest.raises(ValidationError):
        TurnPart.model_validate({"token": "3", "region": 1})
    with pytest.raises(ValidationError):
        TurnPart.model_validate({"token": 3, "region": 1, "extra": 0})
    with pytest.raises(ValidationError):
        TurnPart(token=3, region=0)


def test_whole_pixels_are_written_as_whole_numbers() -> None:
    part = RegionPart(number=1, box=(0.0, 0.5, 60.0, 56.0), tokens=4)
    assert part.model_dump(mode="json")["box"] == [0, 0.5, 60, 56]


def test_settings_may_carry_more() -> None:
    assert TimingPart.model_validate({"seconds": 1.0, "rate": 2.0}).model_dump()["rate"] == 2.0


def test_a_later_version_may_add_keys() -> None:
    read = json.loads(document("x").json_text())
    jsonschema.validate({**read, "added_later": True}, json_schema("doctor"))


def test_a_report_says_of_its_suggestion_what_the_evaluations_tested(tmp_path: Path) -> None:
    headset = find_headset("tiny", Cache(tmp_path))
    made = report().evaluation
    assert made is not None

    def why(top: int, **changed: object) -> str:
        settings = made.settings.model_copy(update={"top": top, "score": "raw"})
        each = made.model_copy(update={"settings": settings, **changed})
        return report_document(headset, evaluations=[each]).suggested.why

    assert UNTESTED in report_document(headset).suggested.why
    tested, gaze = why(headset.resolve_top()), made.conditions[0]
    assert UNTESTED not in tested
    assert f"Tested by steering: accuracy {gaze.accuracy:.3f} on {made.strips} pictures" in tested
    assert "not judged yet" in why(headset.resolve_top(), conditions=[])
    assert "not yet tested by steering; the evaluations steered top 2 by raw" in why(2)


def test_the_documentation_calls_each_condition_as_tables_and_figures_do() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text(encoding="utf-8")
    for name in get_args(ConditionName):
        assert f"| {condition_label(name)} | `{name}` |" in page
