"""The self-check passes on every family, and tells what is wrong with a model that was broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch

from gazecli.api.machine import drawn_strip
from gazecli.models.attention.kernel import BiasedHeads
from gazecli.models.attention.kv_cache import as_argument, cache_among
from gazecli.models.checks.model_checks import Finding, check_sight, self_check
from gazecli.models.checks.sight import ENOUGH, colours, right_answers
from gazecli.models.inference.shared_prefix import SEES_THE_QUESTION
from gazecli.models.load import load
from gazecli.models.token_maps.views import Blind, View
from gazecli.models.token_maps.whole_picture import patch_grid
from gazecli.models.vlm import VLM
from tests.fixtures.checkpoints import FAMILIES

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

QUICK = ("tiny", "qwen3_vl", "llava", "paligemma2")
Intervals = Sequence[tuple[float, float]]
Broken = Callable[[Intervals, Intervals], list[View | Blind]]


def everything() -> list[object]:
    names = [*QUICK, *(family for family in FAMILIES if family not in QUICK)]
    return [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow], id=n) for n in names]


def findings(vlm: VLM) -> dict[str, Finding]:
    return {found.name: found for found in self_check(vlm, drawn_strip())}


def failures(found: Mapping[str, Finding]) -> dict[str, str]:
    return {name: finding.words for name, finding in found.items() if finding.holds is False}


def before_each_pass(vlm: VLM, happens: Callable[[bool], None]) -> None:
    """Something happens once a pass's keys are counted, given whether there are keys from before."""

    def hook(_module: object, _args: object, given: Mapping[str, Any]) -> None:
        cache = cache_among(given)
        happens(cache is not None and cache.get_seq_length() > 0)

    vlm.decoder.register_forward_pre_hook(hook, with_kwargs=True)


@pytest.fixture
def fresh(checkpoint: Callable[[str], Path]) -> VLM:
    """A model of its own, to be broken."""
    return load(str(checkpoint("qwen3_vl")), device="cpu", dtype="float32")


@pytest.mark.parametrize("family", everything())
def test_every_check_holds(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    found = findings(vlm)
    assert list(found) == ["token map", "steering", "attention", "writing", "sight"]
    assert failures(found) == {}
    # `tiny` alone was ever trained; no random model may pass for one that sees.
    assert found["sight"].holds is (True if family == "tiny" else None)
    assert found["sight"].warns is (family != "tiny")
    noted = {name for name, finding in found.items() if finding.holds is None and not finding.warns}
    assert noted == ({"writing"} if vlm.family in SEES_THE_QUESTION else set())
    assert "6 areas inverted" in found["token map"].words


def exchanged(xs: Intervals, ys: Intervals) -> list[View | Blind]:
    return [View([x], ys) for x in xs]


def mirrored(xs: Intervals, ys: Intervals) -> list[View | Blind]:
    return [View(xs[::-1], ys)]


def upside_down(xs: Intervals, ys: Intervals) -> list[View | Blind]:
    return [View(xs, ys[::-1])]


def two_cells_late(xs: Intervals, ys: Intervals) -> list[View | Blind]:
    cells = [View([x], [y]) for y in ys for x in xs]
    return [*cells[-2:], *cells[:-2]]


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (exchanged, "exchanges rows and columns"),
        (mirrored, "mirrors the picture"),
        (upside_down, "upside down"),
        (two_cells_late, "changed with"),
    ],
)
def test_a_wrong_token_map_is_found_and_described(fresh: VLM, broken: Broken, expected: str) -> None:
    def token_map(*given: object) -> list[View | Blind]:
        [view] = patch_grid(*given)
        return broken(view.xs, view.ys)

    fresh.preparation.token_map = token_map
    found = findings(fresh)["token map"]
    assert found.holds is False
    assert expected in found.words


def test_a_layer_that_cannot_be_steered_is_named(fresh: VLM) -> None:
    del fresh.attention[2].gaze_state
    found = findings(fresh)
    assert [name for name, finding in found.items() if finding.holds] == ["token map"]
    assert "layer 2" in found["steering"].words


def test_a_bias_on_the_wrong_head_is_found(fresh: VLM) -> None:
    # The head before the one that is wanted.
    stock = fresh.state.chosen

    def chosen(*given: Any) -> BiasedHeads | None:
        heads = stock(*given)
        return heads and replace(heads, flags=heads.flags.roll(-1))

    fresh.state.chosen = chosen  # type: ignore[method-assign]
    found = findings(fresh)["steering"]
    assert found.holds is False
    assert "left its attention" in found.words


def test_rows_that_are_not_those_of_eager_attention_are_found(
    fresh: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in fresh.attention.values():
        # Eager attention divides by twice the root; the fast path is given the right scale.
        monkeypatch.setattr(module, "scaling", module.scaling)
        module.register_forward_pre_hook(
            lambda m, _a: setattr(m, "scaling", 0.125 if m.config._attn_implementation == "eager" else 0.25)
        )
    found = findings(fresh)["attention"]
    assert found.holds is False
    assert "differ" in found.words


def test_a_cache_that_is_handed_over_by_an_unknown_name_is_found(fresh: VLM) -> None:
    # As a transformers would do it that names the argument anew.
    forward = fresh.decoder.forward

    def renamed(_module: object, args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        cache = cache_among(given)
        others = {name: part for name, part in given.items() if part is not cache}
        return args, {**others, "remembered": cache}

    fresh.decoder.register_forward_pre_hook(renamed, with_kwargs=True, prepend=True)
    fresh.decoder.forward = lambda remembered, **given: forward(
        **given, **as_argument(fresh.decoder, remembered)
    )
    failed = failures(findings(fresh))
    assert list(failed) == ["writing"]
    assert "were counted" in failed["writing"]


@pytest.mark.parametrize("by", [1, 200])
def test_keys_that_are_counted_twice_while_writing_are_found(fresh: VLM, by: int) -> None:
    def miscount(is_behind: bool) -> None:
        fresh.state.total += by if is_behind else 0

    before_each_pass(fresh, miscount)
    failed = failures(findings(fresh))
    assert list(failed) == ["writing"]
    assert "differ" in failed["writing"]


@pytest.mark.parametrize("by", [1, -7])
def test_a_bias_that_lies_beside_its_keys_while_writing_is_found(fresh: VLM, by: int) -> None:
    shifts: list[int] = []
    over = fresh.state.bias_over
    before_each_pass(fresh, lambda is_behind: shifts.append(by if is_behind else 0))
    fresh.state.bias_over = lambda *given: over(*given).roll(shifts[-1], dims=1)  # type: ignore[method-assign]
    failed = failures(findings(fresh))
    assert list(failed) == ["writing"]
    assert "differ" in failed["writing"]


def test_logits_that_differ_behind_rows_that_do_not_are_found(fresh: VLM) -> None:
    scales: list[float] = []
    before_each_pass(fresh, lambda is_behind: scales.append(1.01 if is_behind else 1.0))
    fresh.decoder.norm.register_forward_hook(lambda _module, _args, output: output * scales[-1])
    failed = failures(findings(fresh))
    assert list(failed) == ["writing"]
    assert "logits by 0.01 of the largest" in failed["writing"]


def test_what_a_model_raises_is_found_and_told_in_a_line(fresh: VLM) -> None:
    missing: list[int] = []
    over = fresh.state.bias_over
    before_each_pass(fresh, lambda is_behind: missing.append(1 if is_behind else 0))
    fresh.state.bias_over = lambda first, keys: over(first, keys - missing[-1])  # type: ignore[method-assign]
    failed = failures(findings(fresh))
    assert list(failed) == ["writing"]
    assert "ended in RuntimeError: " in failed["writing"]
    assert len(failed["writing"].splitlines()) == 1


def test_want_of_memory_says_nothing_of_the_model(fresh: VLM) -> None:
    def refuse(_is_behind: bool) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    before_each_pass(fresh, refuse)
    with pytest.raises(torch.OutOfMemoryError):
        findings(fresh)


def test_half_precision_is_judged_by_its_first_layer(checkpoint: Callable[[str], Path]) -> None:
    vlm = load(str(checkpoint("qwen3_vl")), device="cpu", dtype="bfloat16")
    found = findings(vlm)
    assert failures(found) == {}
    assert "layer 0 in bfloat16" in found["attention"].words
    assert "layer 0 in bfloat16" in found["writing"].words


def test_a_vision_tower_that_cannot_be_isolated_is_noted(fresh: VLM) -> None:
    fresh.model.config.vision_config = deepcopy(fresh.model.config.vision_config)  # its modules read another
    found = findings(fresh)["token map"]
    assert found.holds is None
    assert "cannot be set aside" in found.words


def test_a_model_that_was_trained_and_whose_weights_were_shuffled_sees_no_more(
    vlm_of: Callable[[str], VLM],
) -> None:
    seeing = right_answers(vlm_of("tiny"), colours())
    assert seeing >= ENOUGH
    blind = deepcopy(vlm_of("tiny").model.state_dict())
    generator = torch.Generator().manual_seed(0)
    vlm = load("tiny", device="cpu", dtype="float32")
    vlm.model.load_state_dict(
        {
            name: w.flatten()[torch.randperm(w.numel(), generator=generator)].view_as(w)
            for name, w in blind.items()
        }
    )
    found = check_sight(vlm, drawn_strip())
    assert (found.holds, found.warns) == (None, True)
    assert "no better than chance" in found.words
    assert found.hint is not None


def test_eight_blind_guesses_are_rarely_enough() -> None:
    orders = torch.tensor(list(permutations(range(8))))  # (40320, 8)
    enough = ((orders == torch.arange(8)).sum(1) >= ENOUGH).sum()
    assert int(len(orders) / enough) == 1390
