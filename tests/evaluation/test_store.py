"""An evaluation in the cache: kept by content, found again by what was asked, damaged ones absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazecli.cache import Artifact, Cache
from gazecli.errors import AnnotationsError, CacheError
from gazecli.evaluation.evaluate import Execution, Plan, execute
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.evaluation.store import (
    KeptEvaluation,
    evaluation_request,
    evaluation_summary,
    evaluations_of,
    found_again,
    keep,
)
from gazecli.heads.discover import discover
from gazecli.models.vlm import VLM
from gazecli.reports.documents.evaluation import EvaluationPart
from gazecli.reports.evaluation import comparison_part, evaluation_part
from gazecli.reports.generations import generations_of, text_lines
from gazecli.reports.kept_evaluation import comparison_of, evaluation_of, kept_blocks, kept_evaluation
from gazecli.steering.settings import SteerSettings
from tests.evaluation.comics import captioned_examples

REQUEST = {"what": "evaluate", "for": "this test"}
Done = tuple[Execution, EvaluationPart, KeptEvaluation]


@pytest.fixture(scope="module")
def done(vlm_of: Callable[[str], VLM], tmp_path_factory: pytest.TempPathFactory) -> Done:
    vlm, folder = vlm_of("qwen2_vl"), tmp_path_factory.mktemp("done")
    examples = captioned_examples(folder / "comics", 2)
    cache = Cache(folder / "cache")
    headset = discover(vlm, examples.comics, panels=3, cache=cache)
    judge = LexicalJudge()
    plan = Plan("static", SteerSettings(max_new_tokens=2), 1, "raw", compare=True)
    ran = execute(vlm, headset, examples, plan, judge, cache)
    part = evaluation_part(vlm, ran, headset.digest, judge)
    kept = kept_evaluation(headset, part, comparison_part(ran), *text_lines(examples.usable, ran.runs))
    return ran, part, kept


def test_an_evaluation_comes_back_as_it_was(done: Done, tmp_path: Path) -> None:
    ran, part, kept = done
    cache = Cache(tmp_path)
    digest = keep(cache, kept, REQUEST).digest
    again = found_again(cache, REQUEST)
    assert again is not None
    assert (again.digest, again.path) == (digest, cache.path_of(digest))
    assert replace(again, digest="", path=None) == kept
    shown = evaluation_of(again)
    assert shown.conditions == part.conditions
    assert shown.settings == part.settings
    assert comparison_of(again) == comparison_part(ran)
    texts = [[[trial.response for trial in trials] for trials in run.pictures] for run in ran.runs]
    found = generations_of(again).runs
    assert [[[trial.response for trial in trials] for trials in run.pictures] for run in found] == texts
    verdicts = [(t.described, t.outcome) for run in ran.runs for trials in run.pictures for t in trials]
    assert again.verdicts == verdicts


def test_when_and_where_it_ran_is_no_part_of_it(done: Done) -> None:
    ran, part, kept = done
    assert part.timing is not None
    elsewhere = part.model_copy(
        update={
            "timing": part.timing.model_copy(update={"seconds": 9.0}),
            "comics": part.comics.model_copy(update={"path": "/somewhere/else"}),
            "examples": [each.model_copy(update={"path": "/somewhere"}) for each in part.examples],
            "judging": part.judging.model_copy(update={"endpoint": "https://host/v1", "requests": 3}),  # type: ignore[union-attr]
        }
    )
    lines = text_lines(ran.examples.usable, ran.runs)
    moved = kept_evaluation(ran.headset, elsewhere, comparison_part(ran), *lines)
    assert moved.to_artifact().digest == kept.to_artifact().digest
    text = json.dumps(kept.to_artifact().header) + kept.lines
    assert str(ran.examples.comics.path) not in text


def test_another_verdict_is_another_evaluation(done: Done) -> None:
    *_, kept = done
    (region, _), *others = kept.verdicts
    changed = replace(kept, verdicts=[(region, "junk"), *others])
    assert changed.to_artifact().digest != kept.to_artifact().digest


def test_evaluations_of_a_head_set_come_newest_first_and_damaged_ones_not_at_all(
    done: Done, tmp_path: Path
) -> None:
    *_, kept = done
    heard: list[str] = []
    cache = Cache(tmp_path, warn=heard.append)
    block = {**kept.evaluation, "strips": 1}
    first = keep(cache, kept, REQUEST)
    second = keep(cache, replace(kept, evaluation=block), {"another": "request"})
    foreign = keep(cache, replace(kept, headset="sha256:" + "0" * 64), {"a third": "request"})
    assert [each.digest for each in evaluations_of(cache, kept.headset)] == [second.digest, first.digest]
    assert [each.digest for each in evaluations_of(cache, foreign.headset)] == [foreign.digest]
    assert first.path is not None
    first.path.write_bytes(first.path.read_bytes()[:-1])
    assert [each.digest for each in evaluations_of(cache, kept.headset)] == [second.digest]
    assert found_again(cache, REQUEST) is None
    assert len(heard) == 1


def test_a_request_names_pictures_captions_settings_and_judge(done: Done) -> None:
    examples = done[0].examples
    first, *others = examples.usable
    recaptioned = replace(examples, usable=[replace(first, truths=("a", "b", "c")), *others])
    fewer = replace(examples, usable=others)
    requests = [
        evaluation_request("sha256:0", examples, {"top": 1}, {"name": "lexical"}),
        evaluation_request("sha256:1", examples, {"top": 1}, {"name": "lexical"}),
        evaluation_request("sha256:0", recaptioned, {"top": 1}, {"name": "lexical"}),
        evaluation_request("sha256:0", fewer, {"top": 1}, {"name": "lexical"}),
        evaluation_request("sha256:0", examples, {"top": 2}, {"name": "lexical"}),
        evaluation_request("sha256:0", examples, {"top": 1}, {"name": "likelihood"}),
    ]
    assert len({json.dumps(request, sort_keys=True) for request in requests}) == len(requests)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "headset"},
        {"header": {"headset": "none"}},
        {"header": {"model": []}},
        {"header": {"evaluation": None}},
        {"header": {}},
        {"tensors": {"outcomes": np.zeros(3, np.uint8)}},
        {"tensors": {"outcomes": np.full(3, 9, np.uint8), "regions": np.zeros(3, np.int32)}},
        {"tensors": {"lines": np.full(4, 255, np.uint8)}},
        {"tensors": {"regions": np.zeros((2, 2), np.int32), "outcomes": np.zeros(2, np.uint8)}},
    ],
)
def test_what_is_no_evaluation_is_refused(done: Done, change: dict[str, Any]) -> None:
    artifact = done[2].to_artifact()
    header = {**artifact.header, **change["header"]} if change.get("header") else artifact.header
    header = {} if change.get("header") == {} else header
    tensors = {**artifact.tensors, **change.get("tensors", {})}
    foreign = Artifact(change.get("kind", artifact.kind), header, tensors)
    with pytest.raises(CacheError, match="this evaluation cannot be shown"):
        KeptEvaluation.from_artifact(foreign, foreign.digest)


def test_blocks_and_texts_of_foreign_make_are_refused(done: Done) -> None:
    *_, kept = done
    with pytest.raises(CacheError, match="cannot be shown"):
        evaluation_of(replace(kept, evaluation={**kept.evaluation, "task": "none such"}))
    with pytest.raises(CacheError, match="cannot be shown"):
        comparison_of(replace(kept, comparison={"k": 0}))
    with pytest.raises(AnnotationsError, match="this file of texts cannot be used"):
        generations_of(replace(kept, lines=kept.lines[: len(kept.lines) // 2]))


def test_a_report_leaves_out_what_is_of_foreign_make(done: Done, tmp_path: Path) -> None:
    *_, kept = done
    heard: list[str] = []
    cache = Cache(tmp_path, warn=heard.append)
    good = keep(cache, kept, REQUEST)
    keep(cache, replace(kept, evaluation={**kept.evaluation, "task": "none such"}), {"another": "request"})
    assert [part.digest for part, _ in kept_blocks(cache, kept.headset)] == [good.digest]
    assert len(heard) == 1


def test_a_summary_names_task_comics_heads_and_accuracy(done: Done) -> None:
    _, part, kept = done
    accuracy = part.conditions[0].accuracy
    expected = f"static, 2 strips of 3 panels, top 1, accuracy {accuracy:.3f}"
    assert evaluation_summary(kept.to_artifact().header) == expected
    assert evaluation_summary({"evaluation": {**kept.evaluation, "conditions": []}}) == (
        "static, 2 strips of 3 panels, top 1, not judged"
    )
    assert evaluation_summary({"evaluation": "foreign"}) is None
