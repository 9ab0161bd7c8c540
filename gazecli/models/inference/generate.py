"""The generation loop: greedy, any number of rows over one picture, what rows share computed once.

Rows differ in their key bias, and in their prompts where each is given its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from gazecli.models.architecture import find_vision_tower
from gazecli.models.attention.gaze_attention import KeyBias, RowWatcher
from gazecli.models.attention.kv_cache import (
    as_argument,
    empty_cache,
    join_rows,
    keeps_everything,
    repeat_rows,
    select_rows,
)
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.inference.shared_prefix import SEES_THE_QUESTION
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM

OnToken = Callable[[int, list[list[int]]], None]
Rebias = Callable[[int, list[list[int]]], KeyBias | None]
Stop = Callable[[list[list[int]]], bool]
Result = TypeVar("Result")
# Yields (step, the tokens of each row so far) behind every token; closing it ends the text. Several of one
# model may be written in turns, each turn inside `vlm.biased(None)`, which takes its bias off again.
ByToken = Generator[tuple[int, list[list[int]]], None, Result]
# Rows that have ended leave the batch once they are one in so many: the others' caches are copied for it.
_LEAVING = 4
# Tokens: where two rows keep a processor busy, more at once only fall out of its caches.
_PREFILLED_AT_ONCE = 2048


@dataclass
class Limits:
    """How long rows may get: no end token before `least` tokens, never more than `most`.

    `least` may be raised while tokens come.
    """

    most: int
    least: int = 0


def completed(steps: ByToken[Result], on_token: OnToken | None = None) -> Result:
    """Run to the end, and return the result."""
    while True:
        try:
            step, written = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if on_token is not None:
            on_token(step, written)


def generate(
    vlm: VLM,
    inputs: Any,
    layout: ImageLayout,
    bias: KeyBias | None,
    rows: int,
    limits: Limits,
    *,
    on_token: OnToken | None = None,
    **options: Any,
) -> list[list[int]]:
    """Write `rows` continuations of one prompt to their ends; `options` as of `generate_by_token`."""
    return completed(generate_by_token(vlm, inputs, layout, bias, rows, limits, **options), on_token)


@torch.inference_mode()
def generate_by_token(
    vlm: VLM,
    inputs: Any,
    layout: ImageLayout,
    bias: KeyBias | None,
    rows: int,
    limits: Limits,
    *,
    watcher: RowWatcher | None = None,
    rebias: Rebias | None = None,
    stop: Stop | None = None,
    only_first: Sequence[int] = (),
    ids: torch.Tensor | None = None,
    kept: KeptPicture | None = None,
) -> ByToken[list[list[int]]]:
    """Write `rows` continuations of one prepared prompt: each row's token ids, end tokens left out.

    `watcher` reads the last prompt token's row and each written token's. `rebias` may change the bias
    before a step. Rows named in `only_first` are not continued: their first step is watched, nothing more.
    `ids`, (rows, L), gives each row a prompt of its own, with the same picture at the same place. `kept`
    spares what was computed of the picture before.
    """
    ends = vlm.end_tokens()
    written: list[list[int]] = [[] for _ in range(rows)]
    finished = [row in only_first for row in range(rows)]
    going = list(range(rows))  # the rows still in the batch
    before = vlm.state.bias
    try:
        vlm.state.steer(bias)
        logits, cache = _prefill(vlm, inputs, layout, bias, rows, watcher, ids, kept)
        counted = vlm.counted_positions
        forbidden = torch.tensor(sorted(ends), dtype=torch.long, device=logits.device)
        for step in range(limits.most):
            if step < limits.least:
                logits[:, forbidden] = float("-inf")
            best = logits.argmax(-1)
            chosen: list[int] = best.tolist()  # the one wait a token
            for row, token in zip(going, chosen, strict=True):
                if not finished[row] and token in ends:
                    finished[row] = True
                elif not finished[row]:
                    written[row].append(token)
            yield step, written
            if all(finished) or step + 1 == limits.most or (stop is not None and stop(written)):
                break
            if rebias is not None:
                bias = rebias(step + 1, written)
            elif watcher is None and sum(finished[row] for row in going) * _LEAVING >= len(going):
                places = [place for place, row in enumerate(going) if not finished[row]]
                going, best = [going[place] for place in places], best[places]
                select_rows(cache, places, vlm.device)
                bias = bias.of_rows(places) if bias is not None else None
                # One picture at one place: every row counts alike.
                counted = [part[:1] if torch.is_tensor(part) else part for part in counted]
            tokens = best.to(vlm.device)[:, None]
            # Another text may have been written since.
            vlm.state.steer(bias)
            vlm.counted_positions = counted
            logits = _forward(vlm, watcher, input_ids=tokens, **as_argument(vlm.model, cache))
    finally:
        vlm.state.steer(before)
    return written


def _prefill(
    vlm: VLM,
    inputs: Any,
    layout: ImageLayout,
    bias: KeyBias | None,
    rows: int,
    watcher: RowWatcher | None,
    own_ids: torch.Tensor | None = None,
    kept: KeptPicture | None = None,
) -> tuple[torch.Tensor, Any]:
    """Run the prompt: what no bias reaches once, the rest a row each. Logits (rows, V) and the cache."""
    prompt = {name: part for name, part in inputs.items() if name != "attention_mask"}
    ids = prompt["input_ids"].expand(rows, -1) if own_ids is None else own_ids
    start = layout.length - 1 if bias is None else min(bias.from_query, layout.length - 1)
    if own_ids is not None:
        apart = (ids != ids[0]).any(0).nonzero()
        start = min([start, *apart[:1].flatten().tolist()])
    if start <= int(layout.positions[-1]) or vlm.family in SEES_THE_QUESTION:
        start = 0
    cache = empty_cache(vlm.decoder)
    vlm.forget_positions()
    if start == 0:
        repeated = {
            name: part.repeat(rows, *[1] * (part.ndim - 1)) if torch.is_tensor(part) else part
            for name, part in prompt.items()
        }
        repeated["input_ids"] = ids
        few = _PREFILLED_AT_ONCE // ids.shape[1] or 1
        # With `kept` the picture goes through the vision tower once all the same.
        apart = vlm.device.type == "cpu" and own_ids is None and watcher is None and kept is not None
        if apart and rows > few and keeps_everything(cache, len(vlm.decoder.layers)):
            return _prefill_in_parts(vlm, inputs, layout, bias, rows, few, kept)
        with vision_once(vlm, rows, kept):
            return _forward(vlm, watcher, **repeated, **as_argument(vlm.model, cache)), cache
    shared = {
        name: part[:, :start] if torch.is_tensor(part) and part.shape == (1, ids.shape[1]) else part
        for name, part in prompt.items()
    }
    prefix = tuple(ids[0, :start].tolist())
    known = kept.prefix(prefix) if kept is not None else None
    if known is not None:
        cache, vlm.counted_positions = known
    else:
        with vision_once(vlm, 1, kept):
            vlm.model(**shared, **as_argument(vlm.model, cache), use_cache=True, logits_to_keep=1)
        if kept is not None:
            kept.keep_prefix(prefix, cache, vlm.counted_positions)
    repeat_rows(cache, 1, rows, vlm.device)
    return _forward(vlm, watcher, input_ids=ids[:, start:], **as_argument(vlm.model, cache)), cache


def _prefill_in_parts(
    vlm: VLM,
    inputs: Any,
    layout: ImageLayout,
    bias: KeyBias | None,
    rows: int,
    few: int,
    kept: KeptPicture | None,
) -> tuple[torch.Tensor, Any]:
    """As `_prefill` for rows that share nothing, `few` at a time."""
    found, cache = [], empty_cache(vlm.decoder)
    for first in range(0, rows, few):
        some = range(first, min(first + few, rows))
        own = bias.of_rows(some) if bias is not None else None
        vlm.state.steer(own)
        logits, part = _prefill(vlm, inputs, layout, own, len(some), None, None, kept)
        found.append((logits, part))
    vlm.state.steer(bias)
    join_rows(cache, [part for _, part in found])
    # One picture at one place: every row counts alike.
    vlm.counted_positions = [
        counted[:1] if torch.is_tensor(counted) else counted for counted in vlm.counted_positions
    ]
    return torch.cat([logits for logits, _ in found]), cache


def _forward(vlm: VLM, watcher: RowWatcher | None, **inputs: Any) -> torch.Tensor:
    """One watched pass: the last position's logits in float32, (rows, V)."""
    with vlm.watching(watcher):
        output = vlm.model(**inputs, use_cache=True, logits_to_keep=1)
    logits: torch.Tensor = output.logits[:, -1].float()
    return logits


@contextmanager
def vision_once(vlm: VLM, copies: int, kept: KeptPicture | None = None) -> Iterator[None]:
    """Inside, `copies` equal pictures go through the vision tower as one, and come out `copies` times.

    With `kept`, the picture goes through it the first time only.
    """
    tower = find_vision_tower(vlm.model)
    if tower is None or (copies == 1 and kept is None):
        yield
        return
    stock = tower.forward
    replaced = tower.__dict__.get("forward")  # accelerate's, where the model is spread over devices
    # Pixtral's tower strings its pictures together: they lie along the second axis of its output.
    axis = 1 if tower.config.model_type == "pixtral" else 0

    def once(*args: Any, **kwargs: Any) -> Any:
        def through_it() -> Any:
            few = [_first_share(part, copies) for part in args]
            return stock(*few, **{name: _first_share(part, copies) for name, part in kwargs.items()})

        features = through_it() if kept is None else kept.features(through_it)
        return _copied(features, copies, axis)

    tower.forward = once
    try:
        yield
    finally:
        del tower.forward
        if replaced is not None:
            tower.forward = replaced


def _first_share(part: Any, copies: int) -> Any:
    if torch.is_tensor(part) and part.ndim > 0 and part.shape[0] % copies == 0:
        return part[: part.shape[0] // copies]
    return part


def _copied(part: Any, copies: int, axis: int) -> Any:
    if torch.is_tensor(part):
        return torch.cat([part] * copies, dim=axis) if part.ndim > axis else part
    if isinstance(part, dict):
        for name in list(part):
            part[name] = _copied(part[name], copies, axis)
        return part
    if isinstance(part, list | tuple):
        return type(part)(_copied(each, copies, axis) for each in part)
    return part


def pieces_of(decode: Callable[[Sequence[int]], str], tokens: Sequence[int]) -> list[str]:
    """What each token adds to the text, which is their join.

    A character written by several tokens comes with the last of them.
    """
    pieces, before, whole = [], "", decode(tokens)
    for count in range(1, len(tokens) + 1):
        text = decode(tokens[:count]) if count < len(tokens) else whole
        # A character that is not whole yet shows as a replacement mark.
        stable = text if count == len(tokens) else text.rstrip("\ufffd")
        if not whole.startswith(stable) or not stable.startswith(before):
            stable = before
        pieces.append(stable[len(before) :])
        before = stable
    return pieces
