"""The self-check of one loaded model: its token map is true, its heads can be moved, its rows are right.

Each check is a finding, whether it holds or not. Knows nothing of how findings are printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gazecli.errors import CheckFailed, GazeError
from gazecli.models.biases import key_bias
from gazecli.models.layouts.layout import ImageLayout
from gazecli.models.perturbation import diagnosis, misfit, perturb
from gazecli.models.vlm import VLM
from gazecli.models.watchers import RowKeeper
from gazecli.pictures.picture import Picture

PROMPT = "What is happening in this panel of the comic strip?"
# Attention weights. In half precision every layer adds its own rounding, so only the first is compared.
_EXACT, _HALF = 1e-3, 2e-2
_MOVED, _THERE_ALREADY = 1e-3, 0.99

Rows = dict[int, torch.Tensor]


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `holds` is None where it could not be looked at."""

    name: str
    holds: bool | None
    words: str
    hint: str | None = None


def self_check(vlm: VLM, picture: Picture) -> Iterator[Finding]:
    """Check a loaded model on a dark picture with at least two regions, a finding at a time."""
    yield _guarded("token map", lambda: check_token_map(vlm, picture))
    yield _guarded("steering", lambda: check_steering(vlm, picture))
    yield _guarded("attention", lambda: check_attention(vlm, picture))


def _guarded(name: str, check: Any) -> Finding:
    """A check's finding; what keeps a check from being made is one too."""
    try:
        found: Finding = check()
    except CheckFailed as cannot:
        return Finding(name, None, cannot.message, cannot.hint)
    except GazeError as failure:
        return Finding(name, False, str(failure), failure.hint)
    return found


def check_token_map(vlm: VLM, picture: Picture) -> Finding:
    """Every region has tokens, and inverting an area changes exactly the tokens that look at it.

    Raises CheckFailed where vision attention cannot be set aside, RegionError for a region without a token.
    """
    layout, trials = perturb(vlm, picture, PROMPT)
    for trial in trials:
        wrong = misfit(layout.positions, layout.boxes, trial)
        if wrong is not None:
            words = "; ".join(filter(None, (diagnosis(layout, trials), wrong)))
            return Finding("token map", False, words, "the map does not fit this model; please report it")
    counts = [len(layout.tokens(region)) for region in picture.regions]
    said = f", the picture {layout.prepared}" if layout.prepared else ""
    return Finding(
        "token map",
        True,
        f"{len(layout.positions)} image tokens, {min(counts)} to {max(counts)} a panel{said}; "
        f"{len(trials)} areas inverted, and exactly the tokens that look there changed",
    )


def check_steering(vlm: VLM, picture: Picture) -> Finding:
    """A bias on one head moves that head's attention onto a region, and no other head of its layer."""
    inputs, layout = vlm.prepare(picture, PROMPT)
    target = picture.regions[1]
    owned = layout.tokens(target)
    unsteered = _last_rows(vlm, inputs, layout)
    layers = sorted(vlm.attention)
    moves = []
    for layer in dict.fromkeys((layers[0], layers[len(layers) // 2], layers[-1])):
        head = vlm.heads_of[layer] - 1
        bias = key_bias({layer: [head]}, layout, [target], "hard", "boost-suppress", "full", vlm.device)
        with vlm.biased(bias):
            steered = _last_rows(vlm, inputs, layout)[layer]
        before, after = (float(rows[head, owned].sum()) for rows in (unsteered[layer], steered))
        place = f"layer {layer} head {head}"
        # Written so that a NaN counts as not moved.
        if not (after - before >= _MOVED or before >= _THERE_ALREADY):
            words = f"a bias on {place} left its attention on a panel as it was ({before:.3f} to {after:.3f})"
            return Finding("steering", False, words, "steering this model does nothing; please report it")
        others = float((steered[:head] - unsteered[layer][:head]).abs().amax()) if head else 0.0
        if not others <= _EXACT:
            words = f"a bias on {place} changed other heads of its layer, by {others:.2g}"
            return Finding("steering", False, words, "the bias reaches wrong heads; please report it")
        moves.append(f"{place} from {before:.2f} to {after:.2f}")
    return Finding("steering", True, f"attention on a panel moved: {', '.join(moves)}; no other head's did")


def check_attention(vlm: VLM, picture: Picture) -> Finding:
    """The last token's row, read beside the fast kernel, is the one eager attention computes.

    Raises CheckFailed where the model has no eager attention that returns its weights.
    """
    inputs, layout = vlm.prepare(picture, PROMPT)
    fast, eager = _last_rows(vlm, inputs, layout), _eager_rows(vlm, inputs)
    exact = vlm.model.dtype in (torch.float32, torch.float64)
    compared = sorted(fast) if exact else sorted(fast)[:1]
    tolerance = _EXACT if exact else _HALF
    largest = max(float((fast[layer] - eager[layer]).abs().amax()) for layer in compared)
    layers = f"{len(compared)} layers" if exact else f"layer {compared[0]} in {vlm.dtype}"
    words = f"fast rows differ from eager ones by {largest:.1g} in {layers}, {tolerance:g} allowed"
    holds = largest <= tolerance
    return Finding("attention", holds, words, None if holds else "do not trust its scores; please report it")


@torch.inference_mode()
def _last_rows(vlm: VLM, inputs: Any, layout: ImageLayout) -> Rows:
    """The last prompt token's row of every head: {layer: (H, L)}."""
    keeper = RowKeeper({layer: range(heads) for layer, heads in vlm.heads_of.items()}, layout.length)
    keeper.begin_step()
    with vlm.watching(keeper):
        _run(vlm, inputs)
    [kept] = keeper.fetched()
    silent = sorted(set(vlm.attention) - set(kept))
    if silent:
        raise GazeError(
            f"layer {silent[0]} never reached the attention function of gaze",
            subject=vlm.name,
            hint="this model cannot be watched or steered; please report it",
        )
    return {layer: rows[0] for layer, rows in kept.items()}


@torch.inference_mode()
def _eager_rows(vlm: VLM, inputs: Any) -> Rows:
    rows: Rows = {}

    def keep(layer: int) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if not isinstance(output, tuple) or not torch.is_tensor(output[1]):
                raise CheckFailed(
                    "its eager attention hands out no weights to compare with",
                    subject=vlm.name,
                    hint="the other checks still hold",
                )
            rows[layer] = output[1][0, :, -1].float().cpu()  # (1, H, L, L) -> (H, L)

        return hook

    config = vlm.decoder.config
    before = config._attn_implementation
    handles = [module.register_forward_hook(keep(layer)) for layer, module in vlm.attention.items()]
    config._attn_implementation = "eager"
    try:
        _run(vlm, inputs)
    finally:
        config._attn_implementation = before
        for handle in handles:
            handle.remove()
    return rows


def _run(vlm: VLM, inputs: Any) -> None:
    vlm.forget_positions()
    vlm.model(**inputs, use_cache=False, logits_to_keep=torch.tensor([-1]))
