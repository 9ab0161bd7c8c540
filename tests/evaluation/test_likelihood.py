"""The likelihood judge: equal to plain forward passes, right on the model in the box, open about itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gazecli.cache import Cache
from gazecli.errors import ModelError
from gazecli.evaluation.examples import Example, examples_of
from gazecli.evaluation.judges.likelihood import LikelihoodJudge
from gazecli.models.inference.likelihood import answer_likelihoods
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.pictures.picture import Picture
from gazecli.steering.settings import STATIC_PROMPT
from tests.conftest import noise_picture

COMICS = Path(__file__).parents[2] / "examples" / "comics"
ANSWERS = ["A red cat.", "Blue dogs run in the snow", "x"]


@torch.no_grad()
def plainly(vlm: VLM, picture: Picture, answer: str) -> float:
    """One whole pass over prompt and answer, nothing shared or padded."""
    inputs, _ = vlm.prepare(picture, "What is it?")
    answer_ids = vlm.tokenizer(answer, add_special_tokens=False)["input_ids"] + sorted(vlm.end_tokens())[:1]
    prompt = inputs["input_ids"]
    whole = {name: part for name, part in inputs.items() if name != "attention_mask"}
    for name, part in whole.items():
        if torch.is_tensor(part) and part.shape == prompt.shape:
            whole[name] = torch.nn.functional.pad(part, (0, len(answer_ids)))
    whole["input_ids"] = torch.cat((prompt, torch.tensor([answer_ids])), dim=1)
    vlm.forget_positions()
    logits = vlm.model(**whole, use_cache=False).logits[0, prompt.shape[1] - 1 : -1].float()
    return float(logits.log_softmax(-1)[range(len(answer_ids)), answer_ids].mean())


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "internvl", "qwen3_5"])
def test_likelihoods_equal_those_of_whole_passes(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    pictures = [noise_picture(56, 56, 1, seed) for seed in (1, 2)] + [noise_picture(120, 40, 1)]
    found = answer_likelihoods(vlm, pictures, "What is it?", ANSWERS)
    expected = [[plainly(vlm, picture, answer) for answer in ANSWERS] for picture in pictures]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=0)


def test_a_model_that_reads_both_ways_cannot_judge(vlm_of: Callable[[str], VLM]) -> None:
    with pytest.raises(ModelError, match="in both directions"):
        LikelihoodJudge(vlm_of("paligemma"), "What?")


def test_captions_are_given_to_their_own_panels(vlm_of: Callable[[str], VLM]) -> None:
    judge = LikelihoodJudge(vlm_of("tiny"), STATIC_PROMPT)
    assert not judge.independent
    right = []
    for example in examples_of(open_comics(COMICS, panels=6)).usable[:3]:
        captions = list(example.truths or ())
        verdicts = judge.verdicts(example, captions)
        right += [verdict.region == number for number, verdict in enumerate(verdicts, 1)]
        assert judge.verdicts(example, captions[::-1]) == verdicts[::-1]
    assert sum(right) / len(right) >= 0.85


def test_one_picture_listed_twice_with_other_regions_is_judged_twice(
    vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    noise_picture(96, 48, 1).image.save(tmp_path / "page.png")
    boxes = [[0, 0, 48, 48], [48, 0, 96, 48]]
    lines = [{"image": "page.png", "regions": each, "captions": ["a", "b"]} for each in (boxes, boxes[::-1])]
    (tmp_path / "strips.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    judge = LikelihoodJudge(vlm_of("tiny"), STATIC_PROMPT)
    one, other = examples_of(open_comics(tmp_path, panels=2)).usable
    [first], [second] = judge.verdicts(one, ["A red cat."]), judge.verdicts(other, ["A red cat."])
    assert first.scores == pytest.approx(second.scores[::-1])
    assert first.scores[0] != pytest.approx(first.scores[1])


def test_equal_regions_are_a_tie(vlm_of: Callable[[str], VLM]) -> None:
    picture = noise_picture(60, 60, 1)
    twice = Picture(picture.image, [picture.regions[0], picture.regions[0]])

    class Twice(Example):
        def load(self) -> Picture:
            return twice

    [verdict] = LikelihoodJudge(vlm_of("qwen2_vl"), "What?").verdicts(Twice("twice", 2, None), ["A cat."])
    assert verdict.region is None
    assert len(verdict.scores) == 2


def test_a_region_is_cut_out_of_its_picture() -> None:
    picture = noise_picture(90, 40, 3)
    crops = picture.crops()
    assert [(crop.width, crop.height) for crop in crops] == [(30, 40)] * 3
    assert crops[1].image.tobytes() == picture.image.crop((30, 0, 60, 40)).tobytes()


def test_verdicts_are_kept_and_nothing_is_judged_twice(vlm_of: Callable[[str], VLM], tmp_path: Path) -> None:
    vlm = vlm_of("tiny")
    heard: list[str] = []
    example, passes = examples_of(open_comics(COMICS, panels=6)).usable[0], [0]

    def judged(answers: list[str], prompt: str = STATIC_PROMPT, anew: bool = False) -> tuple[object, int]:
        passes[0] = 0
        cache = Cache(tmp_path, warn=heard.append)
        return LikelihoodJudge(vlm, prompt, cache, anew).verdicts(example, answers), passes[0]

    def count(*_: object) -> None:
        passes[0] += 1

    with_hook = vlm.model.register_forward_hook(count)
    try:
        first, some = judged(ANSWERS[:2])
        assert some > 0
        assert judged(ANSWERS[:2]) == (first, 0)
        assert judged(ANSWERS[1::-1]) == (first[::-1], 0)  # type: ignore[index]
        more, rest = judged(ANSWERS)
        assert 0 < rest <= some
        assert more[:2] == first  # type: ignore[index]
        assert judged(ANSWERS[:2], prompt="What is it?")[1] > 0
        assert judged(ANSWERS[:2], anew=True)[1] > 0
        for kept in sorted((tmp_path / "verdicts").iterdir()):
            kept.write_bytes(kept.read_bytes().replace(b'"record":[-', b'"record":[-1'))
        assert judged(ANSWERS)[1] > 0
        assert heard
        assert all(warning.startswith("a damaged record is ignored") for warning in heard)
    finally:
        with_hook.remove()
