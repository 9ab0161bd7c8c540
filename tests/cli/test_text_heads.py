"""`gaze discover --text`, and what reports, the cache and steering make of heads found on texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gazecli.tiny.comics import text_lists_of_scenes
from tests.cli.conftest import Gaze
from tests.fixtures.text_models import byte_tokenizer, text_checkpoint

LISTS = text_lists_of_scenes(4, seed=1, texts=3)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n\n".join("\n".join(each) for each in LISTS) + "\n", encoding="utf-8")
    return path


def test_text_heads_are_found_shown_compared_and_steered_with(
    gaze: Gaze, known: str, comics: Path, texts: Path, checkpoint: Callable[[str], Path]
) -> None:
    model = checkpoint("qwen2_vl")
    call = ("discover", model, "--text", texts, "--device", "cpu", "--dtype", "float32")
    ran = gaze(*call)
    first = ran.document("headset")
    digest = first["digest"]
    assert f"--heads {digest[7:19]}" in ran.err
    assert (first["kind"], first["comics"]["strips"], first["comics"]["panels"]) == ("text", 4, 3)
    assert first["comics"]["path"] == str(texts)
    again = gaze(*call, "--format", "human")
    assert "4 lists of 3 texts" in again.out
    assert "kept from before" in again.out

    report = gaze("report", known, "--against", digest).document("report")
    assert (report["headset"], report["kind"], report["against"]["kind"]) == (known, "pictures", "text")
    own = gaze("report", digest, "--format", "human").out
    assert "text heads: found on numbered texts, without any picture" in own
    assert "4 lists of 3 texts" in own
    assert "numbered texts without any picture" in gaze("report", digest).document("report")["methods"]
    kept = {each["digest"]: each for each in gaze("cache", "ls").document("cache")["artifacts"]}
    assert kept[digest]["summary"].startswith("text heads, 4 lists of 3 texts, top ")
    assert gaze("report").document("report")["headset"] == known

    strip = next(path for path in sorted(comics.rglob("*")) if path.is_dir())
    short = ("--max-new-tokens", 2, "--device", "cpu")
    steered = gaze("steer", strip, "--region", 2, "--heads", digest, *short)
    assert steered.document("steer")["headset"] == digest
    assert "these are text heads" in steered.err
    evaluated = gaze("evaluate", digest, comics, "--top", 2, "--samples", 1, *short).document("evaluation")
    assert "panel" in evaluated["evaluation"]["settings"]["question"]


def test_a_model_without_eyes_is_taken_for_texts_alone(gaze: Gaze, comics: Path, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(text for each in LISTS for text in each)
    model = text_checkpoint("qwen2", tmp_path / "random-qwen2", tokenizer)
    found = gaze("discover", model, "--text", "--samples", 3, "--panels", 4, "--device", "cpu")
    assert found.document("headset")["comics"]["strips"] == 3
    report = gaze("report", model).document("report")
    assert (report["kind"], report["model"]["family"]) == ("text", "qwen2")
    for call in (("discover", model, comics, "--panels", 3), ("doctor", model)):
        refused = gaze(*call, "--device", "cpu")
        assert "without a vision tower, it reads text only" in refused.err + refused.out, call
        assert "--text" in refused.err + refused.out
    strip = next(path for path in sorted(comics.rglob("*")) if path.is_dir())
    steered = gaze("steer", strip, "--region", 1, "--model", model, "--device", "cpu")
    assert steered.code == 2
    assert "reads text only" in steered.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tiny"], "COMICS"),
        (["tiny", "--text", "--height", "64"], "--height"),
        (["tiny", "--text", "--layout", "raw"], "--layout"),
        (["tiny", "--text", "--no-squash"], "--no-squash"),
        (["tiny", "nowhere.txt", "--text"], "nowhere.txt"),
        (["tiny", "TEXTS", "--text", "--panels", "4"], "lists of this file have 3 texts"),
        (["tiny", "TEXTS", "--text", "--prompt", "What?"], "{ordinal}"),
        (["tiny", "--text", "--samples", "0"], "lists"),
        (["tiny", "--text", "--panels", "1"], "2 to 20"),
    ],
)
def test_what_makes_no_sense_with_texts_is_refused(
    gaze: Gaze, texts: Path, arguments: list[str], said: str
) -> None:
    ran = gaze("discover", *(str(texts) if each == "TEXTS" else each for each in arguments))
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err
