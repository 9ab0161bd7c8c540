"""The generation loop: greedy, any number of rows over pictures alike, what rows share computed once.

Rows differ in their key bias, and in their prompts where each is given its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
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
from gazecli.models.inference.shared_prefix import POOLING, SEES_THE_QUESTION, counted_on
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
    rows: int | Sequence[int],
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
    rows: int | Sequence[int],
    limits: Limits,
    *,
    watcher: RowWatcher | None = None,
    rebias: Rebias | None = None,
    stop: Stop | None = None,
    only_first: Sequence[int] = (),
    ids: torch.Tensor | None = None,
    kept: KeptPicture | Sequence[KeptPicture] | None = None,
) -> ByToken[list[list[int]]]:
    """Write `rows` continuations of one prepared prompt: each row's token ids, end tokens left out.

    Pictures whose inputs are equal in `sizes_of` and in tokens can share a batch: `inputs`, and `kept` where
    it is given, are then lists with one a picture, `rows` says how many neighbouring rows each has, and
    `layout` is that of any.

    `watcher` reads the last prompt token's row and each written token's. `rebias` may change the bias
    before a step. Rows named in `only_first` are not continued: their first step is watched, nothing more.
    `ids`, (rows, L), gives each row a prompt of its own, with its picture at the same place. `kept`
    spares what was computed of the picture before.
    """
    if isinstance(rows, int):
        shown = Shown([inputs], [rows], [kept] if isinstance(kept, KeptPicture) else None)
    else:
        shown = Shown(inputs, rows, kept if isinstance(kept, Sequence) else None)
    rows = sum(shown.rows)
    ends = vlm.end_tokens()
    written: list[list[int]] = [[] for _ in range(rows)]
    finished = [row in only_first for row in range(rows)]
    going = list(range(rows))  # the rows still in the batch
    with vlm.biased(bias):
        logits, cache = _prefill(vlm, shown, layout, bias, watcher, ids)
    # Pictures of one size at one place: every row counts alike.
    counted = [part[:1] if torch.is_tensor(part) else part for part in vlm.counted_positions]
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
        tokens = best.to(vlm.device)[:, None]
        with vlm.biased(bias):
            vlm.counted_positions = counted  # another text may have been written since
            logits = _forward(vlm, watcher, input_ids=tokens, **as_argument(vlm.model, cache))
    return written


@dataclass
class Shown:
    """Prepared prompts about pictures that can share a batch, and how many neighbouring rows each has.

    kept: what is known of each picture, None where nothing is to be kept.
    """

    inputs: Sequence[Any]
    rows: Sequence[int]
    kept: Sequence[KeptPicture] | None = None

    def of_rows(self, first: int, last: int) -> Shown:
        """The pictures of the rows from `first` on, up to `last`, which is not included."""
        ends = list(accumulate(self.rows))
        counts = [
            min(last, end) - max(first, end - count) for end, count in zip(ends, self.rows, strict=True)
        ]
        places = [place for place, count in enumerate(counts) if count > 0]
        kept = None if self.kept is None else [self.kept[place] for place in places]
        return Shown([self.inputs[place] for place in places], [counts[place] for place in places], kept)

    def joined(self, rows: Sequence[int]) -> dict[str, Any]:
        """The inputs of all pictures, each for so many rows, without the attention mask."""
        each = [inputs for inputs, count in zip(self.inputs, rows, strict=True) for _ in range(count)]
        found: dict[str, Any] = {}
        for name, part in each[0].items():
            if torch.is_tensor(part) and name != "attention_mask":
                found[name] = torch.cat(
                    counted_on(each) if name == POOLING else [inputs[name] for inputs in each]
                )
            elif name != "attention_mask":
                found[name] = part
        return found


def _prefill(
    vlm: VLM,
    shown: Shown,
    layout: ImageLayout,
    bias: KeyBias | None,
    watcher: RowWatcher | None,
    own_ids: torch.Tensor | None = None,
) -> tuple[torch.Tensor, Any]:
    """Run the prompts: what no bias reaches once a picture, the rest a row each.

    Logits (rows, V) and the cache.
    """
    rows, pictures = sum(shown.rows), len(shown.rows)
    ids = shown.inputs[0]["input_ids"].expand(rows, -1) if own_ids is None else own_ids
    start = layout.length - 1 if bias is None else min(bias.earliest, layout.length - 1)
    if own_ids is not None:
        apart = (ids != ids[0]).any(0).nonzero()
        start = min([start, *apart[:1].flatten().tolist()])
    if start <= int(layout.positions[-1]) or vlm.family in SEES_THE_QUESTION:
        start = 0
    cache = empty_cache(vlm.decoder)
    vlm.forget_positions()
    if start == 0:
        few = _PREFILLED_AT_ONCE // ids.shape[1] or 1
        # With `kept` a picture goes through the vision tower once all the same.
        in_parts = vlm.device.type == "cpu" and watcher is None and shown.kept is not None
        if in_parts and rows > few and keeps_everything(cache, len(vlm.decoder.layers)):
            return _prefill_in_parts(vlm, shown, layout, bias, few, own_ids)
        repeated = {**shown.joined(shown.rows), "input_ids": ids}
        with vision_once(vlm, shown.rows, shown.kept):
            return _forward(vlm, watcher, **repeated, **as_argument(vlm.model, cache)), cache
    prefix = tuple(ids[0, :start].tolist())
    only = shown.kept[0] if shown.kept is not None and pictures == 1 else None
    known = only.prefix(prefix) if only is not None else None
    if known is not None:
        cache, vlm.counted_positions = known
    else:
        once = [1] * pictures
        shared = {
            name: part[:, :start]
            if torch.is_tensor(part) and part.shape == (pictures, ids.shape[1])
            else part
            for name, part in shown.joined(once).items()
        }
        with vision_once(vlm, once, shown.kept):
            vlm.model(**shared, **as_argument(vlm.model, cache), use_cache=True, logits_to_keep=1)
        if only is not None:
            only.keep_prefix(prefix, cache, vlm.counted_positions)
    repeat_rows(cache, shown.rows, vlm.device)
    vlm.counted_positions = [
        counted[:1] if torch.is_tensor(counted) else counted for counted in vlm.counted_positions
    ]
    return _forward(vlm, watcher, input_ids=ids[:, start:], **as_argument(vlm.model, cache)), cache


def _prefill_in_parts(
    vlm: VLM,
    shown: Shown,
    layout: ImageLayout,
    bias: KeyBias | None,
    few: int,
    own_ids: torch.Tensor | None,
) -> tuple[torch.Tensor, Any]:
    """As `_prefill` for rows that share nothing, `few` at a time."""
    found, cache, rows = [], empty_cache(vlm.decoder), sum(shown.rows)
    for first in range(0, rows, few):
        last = min(first + few, rows)
        own = bias.of_rows(range(first, last)) if bias is not None else None
        ids = None if own_ids is None else own_ids[first:last]
        with vlm.biased(own):
            found.append(_prefill(vlm, shown.of_rows(first, last), layout, own, None, ids))
    join_rows(cache, [part for _, part in found])
    return torch.cat([logits for logits, _ in found]), cache


def _forward(vlm: VLM, watcher: RowWatcher | None, **inputs: Any) -> torch.Tensor:
    """One watched pass: the last position's logits in float32, (rows, V)."""
    with vlm.watching(watcher):
        output = vlm.model(**inputs, use_cache=True, logits_to_keep=1)
    logits: torch.Tensor = output.logits[:, -1].float()
    return logits


@contextmanager
def vision_once(vlm: VLM, rows: Sequence[int], kept: Sequence[KeptPicture] | None = None) -> Iterator[None]:
    """Inside, pictures that are shown in so many neighbouring rows each go through the vision tower once.

    They come out once a row. With `kept`, a picture goes through it the first time only.
    """
    tower = find_vision_tower(vlm.model)
    if tower is None or (all(count == 1 for count in rows) and kept is None):
        yield
        return
    stock = tower.forward
    replaced = tower.__dict__.get("forward")  # accelerate's, where the model is spread over devices
    # Pixtral's tower strings its pictures together: they lie along the second axis of its output.
    axis = 1 if tower.config.model_type == "pixtral" else 0
    firsts = [end - count for end, count in zip(accumulate(rows), rows, strict=True)]

    def once(*args: Any, **kwargs: Any) -> Any:
        features = [None] * len(rows) if kept is None else [each.features for each in kept]
        new = [place for place, known in enumerate(features) if known is None]
        if new:
            some = [firsts[place] for place in new]
            few = [_of_rows(part, some, sum(rows)) for part in args]
            more = {name: _of_rows(part, some, sum(rows)) for name, part in kwargs.items()}
            found = stock(*few, **more)
            for number, place in enumerate(new):
                features[place] = _share(found, number, len(new), axis)
                if kept is not None:
                    kept[place].features = features[place]
        return _repeated(features, rows, axis)

    tower.forward = once
    try:
        yield
    finally:
        del tower.forward
        if replaced is not None:
            tower.forward = replaced


def _of_rows(part: Any, some: Sequence[int], rows: int) -> Any:
    """What of a tensor belongs to some of the rows it is divided into; anything else as it is."""
    if not torch.is_tensor(part) or part.ndim == 0 or part.shape[0] % rows:
        return part
    each = part.shape[0] // rows
    pieces = [part[row * each : (row + 1) * each] for row in some]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _share(features: Any, number: int, pictures: int, axis: int) -> Any:
    """What of a tower's output belongs to one of several pictures."""

    def own(part: torch.Tensor) -> torch.Tensor:
        divides = part.ndim > axis and part.shape[axis] % pictures == 0
        return part.chunk(pictures, axis)[number] if divides else part

    return features if pictures == 1 else _mapped(own, [features])


def _repeated(features: Sequence[Any], rows: Sequence[int], axis: int) -> Any:
    """Outputs of a tower, one a picture, joined into one for all rows, with tensors of its own."""

    def joined(*parts: torch.Tensor) -> torch.Tensor:
        if parts[0].ndim <= axis:
            return parts[0].clone()
        return torch.cat([part for part, n in zip(parts, rows, strict=True) for _ in range(n)], dim=axis)

    return _mapped(joined, features)


def _mapped(change: Callable[..., torch.Tensor], outputs: Sequence[Any]) -> Any:
    """One output made of several alike: each tensor is what `change` makes of theirs."""
    first = outputs[0]
    if torch.is_tensor(first):
        return change(*outputs)
    if isinstance(first, dict):
        return type(first)(**{name: _mapped(change, [each[name] for each in outputs]) for name in first})
    if isinstance(first, list | tuple):
        return type(first)(_mapped(change, parts) for parts in zip(*outputs, strict=True))
    return first


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
