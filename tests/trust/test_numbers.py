"""Numbers that mean nothing are never stored or passed off as results; formats and batches agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazecli.cache import Artifact, Cache
from gazecli.errors import HeadSetError
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.steering.settings import SteerSettings
from gazecli.steering.steer import steer_regions
from tests.trust.conftest import EXAMPLES, Gaze, error_of

# What docs/settings.md states.
BATCHES_APART = 1e-5
FORMATS_APART = 0.03


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["matrices", "shapes", "image_mass", "halves", "null"])
def test_what_is_not_finite_is_neither_stored_nor_read(measured: HeadSet, name: str, value: float) -> None:
    spoiled = getattr(measured, name).copy()
    spoiled.reshape(-1)[3] = value
    with pytest.raises(HeadSetError, match=name):
        replace(measured, **{name: spoiled}).to_artifact()
    whole = measured.to_artifact()
    with pytest.raises(HeadSetError, match=name):
        HeadSet.from_artifact(Artifact(whole.kind, whole.header, {**whole.tensors, name: spoiled}), "it")


Spoil = Callable[[dict[str, np.ndarray], dict[str, object]], object]
SPOILED: dict[str, Spoil] = {
    "another shape": lambda tensors, _: tensors.update(image_mass=tensors["image_mass"][:-1]),
    "another type": lambda tensors, _: tensors.update(shapes=tensors["shapes"].astype(np.float64)),
    "no heads": lambda tensors, _: tensors.update({k: v[:0] for k, v in tensors.items()}),
    "flat": lambda tensors, _: tensors.update(matrices=tensors["matrices"].reshape(-1)),
    "more than all attention": lambda tensors, _: tensors.update(matrices=tensors["matrices"] + 1),
    "less than none": lambda tensors, _: tensors.update(null=tensors["null"] - 1),
    "a tensor more": lambda tensors, _: tensors.update(code=np.zeros(3, np.uint8)),
    "a tensor less": lambda tensors, _: tensors.pop("null"),
    "no model": lambda _, header: header.pop("model"),
    "a model that is text": lambda _, header: header.update(model="tiny"),
    "a model of other sizes": lambda _, header: header["model"].update(layers=7),  # type: ignore[attr-defined]
    "a model without digest": lambda _, header: header["model"].pop("digest"),  # type: ignore[attr-defined]
    "a K beyond all heads": lambda _, header: header["suggested"].update(top=10**9),  # type: ignore[attr-defined]
    "a K that is text": lambda _, header: header["suggested"].update(top="9"),  # type: ignore[attr-defined]
    "no such score": lambda _, header: header["suggested"].update(score="x"),  # type: ignore[attr-defined]
    "honesty of text": lambda _, header: header.update(honesty={"null_95": "x"}),
    "unknown settings": lambda _, header: header.update(settings=[1, 2]),
    "a revision that is a number": lambda _, header: header["model"].update(revision=3),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_foreign_head_set_is_checked_before_it_is_kept(
    gaze: Gaze, measured: HeadSet, tmp_path: Path, kind: str
) -> None:
    whole = measured.to_artifact()
    header = Artifact(whole.kind, whole.header, {}).header  # a copy
    tensors = dict(whole.tensors)
    SPOILED[kind](tensors, header)  # type: ignore[arg-type]
    elsewhere = Cache(tmp_path / "elsewhere")
    digest, path = elsewhere.put(Artifact(whole.kind, header, tensors))
    assert error_of(gaze("cache", "import", path, "--json"))["code"] == "headset.malformed"
    assert Cache().path_of(digest) is None
    assert error_of(gaze("report", path, "--json"))["code"] == "headset.malformed"


def test_steering_that_does_nothing_fails_and_writes_nothing(gaze: Gaze, known: str, tmp_path: Path) -> None:
    del known
    order = ("--schedule", "6,5,4,3", "--every", 1)
    weak = ("--strength", "0.000001", "--max-new-tokens", 4)
    for call in (
        ["steer", EXAMPLES / "strip.png", "--region", 3, *weak, "--heatmap", tmp_path / "h.png"],
        ["switch", EXAMPLES / "strip.png", *order, *weak, "--trajectory", tmp_path / "h.png"],
    ):
        error = error_of(gaze(*call, "--json"), 1)
        assert error["code"] == "steering.ineffective"
        assert not (tmp_path / "h.png").exists()
    (tmp_path / "h.png").write_text("kept")
    assert gaze(*call).code == 1
    assert (tmp_path / "h.png").read_text() == "kept"


@pytest.fixture(scope="module")
def models() -> dict[str, VLM]:
    return {dtype: load("tiny", device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16")}


def test_batches_and_formats_agree(models: dict[str, VLM], tmp_path: Path) -> None:
    def scores(dtype: str, batch: int) -> HeadSet:
        found: HeadSet = discover(
            models[dtype],
            EXAMPLES / "comics",
            samples=3,
            batch_size=batch,
            cache=Cache(tmp_path / f"{batch}"),
        )
        return found

    alone, together, short = scores("float32", 1), scores("float32", 3), scores("bfloat16", 2)
    assert np.abs(alone.matrices - together.matrices).max() <= BATCHES_APART
    assert alone.top(12) == together.top(12)
    apart = float(np.abs(alone.scores("raw") - short.scores("raw")).max())
    assert 0 < apart <= FORMATS_APART
    assert len(set(alone.top(12)) & set(short.top(12))) >= 10


def test_steered_attention_agrees_and_repeats(models: dict[str, VLM], measured: HeadSet) -> None:
    picture = Picture.open(EXAMPLES / "strip.png")
    settings = SteerSettings(max_new_tokens=6)

    def answers(dtype: str, regions: list[int]) -> list[tuple[str, float]]:
        targets = [picture.regions[k] for k in regions]
        done = steer_regions(models[dtype], picture, targets, measured.top(), settings)
        return [(answer.text, answer.attention_steered) for answer in done.answers]

    once, again = answers("float32", [1, 4]), answers("float32", [1, 4])
    assert once == again
    for (text, moved), [(text_alone, moved_alone)] in zip(
        once, (answers("float32", [1]), answers("float32", [4])), strict=True
    ):
        assert text == text_alone
        assert abs(moved - moved_alone) <= BATCHES_APART
    for (_, moved), (_, roughly) in zip(once, answers("bfloat16", [1, 4]), strict=True):
        assert abs(moved - roughly) <= FORMATS_APART
