"""Kept texts: read as they were written, and refused when anything is missing or changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.errors import AnnotationsError
from gazecli.evaluation.evaluate import Execution, Plan, execute
from gazecli.heads.discover import discover
from gazecli.models.vlm import VLM
from gazecli.reports.evaluation import evaluation_part
from gazecli.reports.generations import generations_part, generations_text, read_generations, text_lines
from gazecli.reports.kept_evaluation import kept_evaluation
from gazecli.steering.settings import SteerSettings
from tests.evaluation.comics import captioned_examples

Written = tuple[Execution, str]


@pytest.fixture(scope="module")
def written(vlm_of: Callable[[str], VLM], tmp_path_factory: pytest.TempPathFactory) -> Written:
    vlm, folder = vlm_of("qwen2_vl"), tmp_path_factory.mktemp("written")
    examples = captioned_examples(folder / "comics", 2)
    cache = Cache(folder / "cache")
    headset = discover(vlm, examples.comics, panels=3, cache=cache)
    plan = Plan("static", SteerSettings(max_new_tokens=2), 1, "raw")
    done = execute(vlm, headset, examples, plan, None, cache)
    part = evaluation_part(vlm, done, headset.digest, None)
    lines, verdicts = text_lines(examples.usable, done.runs)
    return done, generations_text(kept_evaluation(done.headset, part, None, lines, verdicts), part)


def test_texts_come_back_as_they_were(written: Written, tmp_path: Path) -> None:
    done, text = written
    path = tmp_path / "texts.jsonl"
    path.write_text(text, encoding="utf-8")
    kept = read_generations(path)
    assert kept.headset == done.headset.digest
    assert kept.runs == done.runs
    assert [example.truths for example in kept.examples] == [e.truths for e in done.examples.usable]
    assert [example.identity for example in kept.examples] == [e.identity for e in done.examples.usable]
    assert generations_part("there", text).texts == sum(len(run.pictures) * 3 for run in done.runs)


def test_every_line_is_one_json_object(written: Written) -> None:
    lines = written[1].splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert json.loads(lines[0])["schema"] == "gaze.generations/1"


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[:-1],
        lambda lines: lines[1:],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-1], lines[-1][:-20]],
        lambda lines: [*lines[:-1], lines[-1].replace('"picture": 1', '"picture": 9')],
        lambda lines: [*lines[:-1], lines[-1].replace('"condition": ', '"condition": 9')],
        lambda lines: [*lines[:-1], lines[-1].replace('"target": 3', '"target": 4')],
        lambda lines: [lines[0], lines[1].replace('"regions": 3', '"regions": 4'), *lines[2:]],
        lambda lines: [lines[0].replace("gaze.generations/1", "gaze.report/1"), *lines[1:]],
        lambda lines: [],
    ],
)
def test_a_damaged_file_is_refused(
    written: Written, tmp_path: Path, damage: Callable[[list[str]], list[str]]
) -> None:
    path = tmp_path / "texts.jsonl"
    lines = written[1].splitlines()
    changed = damage(lines)
    assert changed != lines
    path.write_text("\n".join(changed) + "\n", encoding="utf-8")
    with pytest.raises(AnnotationsError, match="this file of texts cannot be used"):
        read_generations(path)
