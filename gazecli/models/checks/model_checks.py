"""The self-check of one loaded model: its token map, heads, rows of attention, how it writes, what it sees.

Each check is a finding, whether it holds or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from gazecli.errors import CheckFailed, GazeError, ModelError
from gazecli.models.attention.bias import has_moved, key_bias
from gazecli.models.checks.last_token import RowsByLayer, behind_a_cache, from_eager_attention, in_one_pass
from gazecli.models.checks.sight import ENOUGH, colours, right_answers, words
from gazecli.models.checks.token_map_check import diagnosis, misfit, perturb
from gazecli.models.devices import is_out_of_memory
from gazecli.models.inference.shared_prefix import SEES_THE_QUESTION, with_ids
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.plain_text import error_words

PROMPT = "What is happening in this panel of the comic strip?"
# Attention weights. In half precision every layer adds its own rounding, so only the first is compared.
_EXACT, _HALF = 1e-3, 2e-2
# Of the bias a token is written under: a row lies on one panel then, and moves with a bias that is misplaced.
_STRENGTH = 10.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `holds` is None where it could not be looked at, or where it need not hold.

    `warns`: it did not hold, and most models should.
    """

    name: str
    holds: bool | None
    words: str
    hint: str | None = None
    warns: bool = False


def self_check(vlm: VLM, picture: Picture) -> Iterator[Finding]:
    """Check a loaded model on a dark picture with at least two regions, a finding at a time."""
    yield _guarded("token map", check_token_map, vlm, picture)
    yield _guarded("steering", check_steering, vlm, picture)
    yield _guarded("attention", check_attention, vlm, picture)
    yield _guarded("writing", check_writing, vlm, picture)
    yield _guarded("sight", check_sight, vlm, picture)


def _guarded(name: str, check: Callable[[VLM, Picture], Finding], vlm: VLM, picture: Picture) -> Finding:
    """A check's finding; what keeps a check from being made is one too, unless it is want of memory."""
    try:
        return check(vlm, picture)
    except CheckFailed as cannot:
        return Finding(name, None, cannot.message, cannot.hint)
    except GazeError as failure:
        return Finding(name, False, str(failure), failure.hint)
    except Exception as failure:  # a model that is not as gaze takes it to be raises nearly anything
        if is_out_of_memory(failure):
            raise
        words = f"it ended in {type(failure).__name__}" + (
            f": {error_words(failure)}" if str(failure) else ""
        )
        return Finding(name, False, words, "gaze and this model do not fit; please report it")


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
    prepared = f", the picture {layout.prepared}" if layout.prepared else ""
    return Finding(
        "token map",
        True,
        f"{len(layout.positions)} image tokens, {min(counts)} to {max(counts)} a panel{prepared}; "
        f"{len(trials)} areas inverted, and exactly the tokens that look there changed",
    )


def check_steering(vlm: VLM, picture: Picture) -> Finding:
    """A bias on one head moves that head's attention onto a region, and no other head of its layer."""
    inputs, layout = vlm.prepare(picture, PROMPT)
    target = picture.regions[1]
    owned = layout.tokens(target)
    unsteered = in_one_pass(vlm, inputs).rows
    moves = []
    for layer, head in _some_heads(vlm).items():
        bias = key_bias({layer: [head]}, layout, [target], "hard", "boost-suppress", "full", vlm.device)
        with vlm.biased(bias):
            steered = in_one_pass(vlm, inputs).rows[layer]
        before, after = (float(rows[head, owned].sum()) for rows in (unsteered[layer], steered))
        place = f"layer {layer} head {head}"
        if not has_moved(before, after):
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
    inputs, _ = vlm.prepare(picture, PROMPT)
    holds, words = _compared(vlm, in_one_pass(vlm, inputs).rows, from_eager_attention(vlm, inputs))
    hint = None if holds else "do not trust its scores; please report it"
    return Finding("attention", holds, f"fast rows differ from eager ones by {words}", hint)


def check_writing(vlm: VLM, picture: Picture) -> Finding:
    """A token written behind a cache, under a bias, is the one that ends a pass over prompt and token.

    Where a model's keys are miscounted, what it writes is steered and watched at the wrong ones. Raises
    CheckFailed where the prompt would see the token.
    """
    if vlm.family in SEES_THE_QUESTION:
        raise CheckFailed(
            "its prompt sees itself both ways, tokens behind it too, so one pass over all is unlike writing",
            subject=vlm.name,
            hint="the other checks still hold",
        )
    inputs, layout = vlm.prepare(picture, PROMPT)
    heads = {layer: [head] for layer, head in _some_heads(vlm).items()}
    target = picture.regions[1]
    bias = key_bias(heads, layout, [target], _STRENGTH, "boost-suppress", "full", vlm.device)
    hint = "do not trust what it writes when steered, nor what is read then; please report it"
    try:
        with vlm.biased(bias):
            token, written = behind_a_cache(vlm, inputs)
            read = in_one_pass(vlm, with_ids(inputs, [*inputs["input_ids"][0].tolist(), token], vlm))
    except ModelError as miscount:  # its own hint is for callers, who choose their cache
        return Finding("writing", False, miscount.message, hint)
    holds, words = _compared(vlm, written.rows, read.rows)
    if _is_exact(vlm):
        # Logits have no scale of their own: the largest is their measure.
        apart = float((written.logits - read.logits).abs().amax() / read.logits.abs().amax())
        holds = holds and apart <= _EXACT
        words += f", and its logits by {apart:.1g} of the largest"
    words = f"a written token's rows differ from those of one pass by {words}"
    return Finding("writing", holds, words, None if holds else hint)


def check_sight(vlm: VLM, _picture: Picture) -> Finding:
    """The model names colours or reads words better than blind guesses, which no random model does."""
    colours_right = right_answers(vlm, colours())
    if colours_right >= ENOUGH:
        return Finding(
            "sight", True, f"it names the colour of {colours_right} of 8 pictures; chance is 1 of 8"
        )
    words_right = right_answers(vlm, words())
    if words_right >= ENOUGH:
        return Finding("sight", True, f"it reads the word in {words_right} of 8 pictures; chance is 1 of 8")
    return Finding(
        "sight",
        None,
        f"it names the colour of {colours_right} of 8 pictures and reads the word in {words_right} of 8, "
        f"no better than chance ({ENOUGH} would be)",
        "a base model, or one for documents, may fail; of any other, look at weights, tokenizer and template",
        warns=True,
    )


def _some_heads(vlm: VLM) -> dict[int, int]:
    """The last head of the first, the middle and the last layer that has heads."""
    layers = sorted(vlm.attention)
    return {layer: vlm.heads_of[layer] - 1 for layer in (layers[0], layers[len(layers) // 2], layers[-1])}


def _is_exact(vlm: VLM) -> bool:
    return vlm.model.dtype in (torch.float32, torch.float64)


def _compared(vlm: VLM, ours: RowsByLayer, theirs: RowsByLayer) -> tuple[bool, str]:
    """Whether rows are equal as far as the number format allows, and how far apart they are."""
    exact = _is_exact(vlm)
    layers = sorted(ours) if exact else sorted(ours)[:1]
    tolerance = _EXACT if exact else _HALF
    # The largest of tensors is NaN if one is; that of Python's numbers may not be.
    largest = float(torch.stack([(ours[layer] - theirs[layer]).abs().amax() for layer in layers]).amax())
    where = f"{len(layers)} layers" if exact else f"layer {layers[0]} in {vlm.dtype}"
    return largest <= tolerance, f"{largest:.1g} in {where}, {tolerance:g} allowed"
