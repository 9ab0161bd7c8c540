"""Discover, steer two regions, switch between two, report: on a random model of every family."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import gazecli as gaze
from gazecli.models.vlm import VLM
from gazecli.reports.documents.parts import Document
from gazecli.reports.documents.schemas import json_schema
from gazecli.reports.headset import headset_document, report_document
from gazecli.reports.steering import steer_document, switch_document
from tests.conftest import noise_picture, write_comics
from tests.fixtures.checkpoints import FAMILIES

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

QUICK = ("qwen3_vl", "llava", "paligemma2")


def families() -> list[Any]:
    return [pytest.param(f, marks=[] if f in QUICK else [pytest.mark.slow], id=f) for f in FAMILIES]


def checked(document: Document, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(document.json_text())
    jsonschema.validate(data, json_schema(name))
    return data


@pytest.mark.parametrize("family", families())
def test_a_family_walks_through_every_room(vlm_of: Callable[[str], VLM], family: str, tmp_path: Path) -> None:
    vlm = vlm_of(family)
    headset = gaze.discover(vlm, write_comics(tmp_path / "comics", 2, 3), panels=3, height=64)
    found = checked(headset_document(headset), "headset")
    heads = headset.top(3)
    assert {head.layer for head in heads} <= set(vlm.heads_of)
    picture = noise_picture(240, 80, 3)
    targets = [picture.regions[0], picture.regions[2]]
    settings = gaze.SteerSettings(max_new_tokens=3)
    steering = gaze.steer_regions(vlm, picture, targets, heads, settings)
    steered = checked(steer_document(vlm, steering, headset.digest, "raw"), "steer")
    assert [answer["region"] for answer in steered["answers"]] == [1, 3]
    for answer in steered["answers"]:
        moved = answer["attention_on_region"]
        assert moved["steered"] > moved["baseline"]
    narration = gaze.switch(vlm, picture, targets, heads, at=[0, 3], scope="full", max_new_tokens=6)
    switched = checked(switch_document(vlm, narration, headset.digest, "raw"), "switch")
    assert [turn["region"] for turn in switched["schedule"]] == [1, 3]
    reported = checked(report_document(headset), "report")
    assert reported["headset"] == found["digest"] == steered["headset"]
    assert reported["model"] == found["model"]
    assert found["model"]["digest"] == steered["model"]["digest"] == switched["model"]["digest"]
