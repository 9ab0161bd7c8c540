"""The generation loop: greedy, any number of rows over one picture, what rows share computed once.

Rows differ in their key bias, and in their prompts where each is given its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from gazecli.models.architecture import find_vision_tower
from gazecli.models.attention.gaze_attention import KeyBias, RowWatcher
from gazecli.models.attention.kv_cache import as_argument, empty_cache, repeat_rows
from gazecli.models.inference.shared_prefix import SEES_THE_QUESTION
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM

OnToken = Callable[[int, list[list[int]]], None]
Rebias = Callable[[int, list[list[int]]], KeyBias | None]


@dataclass(frozen=True)
class Limits:
    """How long rows may get: no end token before `least` tokens, never more than `most`."""

    most: int
    least: int = 0


@torch.inference_mode()
def generate(
    vlm: VLM,
    inputs: Any,
    layout: ImageLayout,
    bias: KeyBias | None,
    rows: int,
    limits: Limits,
    *,
    watcher: RowWatcher | None = None,
    on_token: OnToken | None = None,
    rebias: Rebias | None = None,
    stop: Callable[[list[list[int]]], bool] | None = None,
    only_first: Sequence[int] = (),
    ids: torch.Tensor | None = None,
) -> list[list[int]]:
    """Write `rows` continuations of one prepared prompt: each row's token ids, end tokens left out.

    `watcher` reads the last prompt token's row and each written token's. `rebias` may change the bias
    before a step. Rows named in `only_first` are not continued: their first step is watched, nothing more.
    `ids`, (rows, L), gives each row a prompt of its own, with the same picture at the same place.
    """
    ends = vlm.end_tokens()
    written: list[list[int]] = [[] for _ in range(rows)]
    finished = [row in only_first for row in range(rows)]
    with vlm.biased(bias):
        logits, cache = _prefill(vlm, inputs, layout, bias, rows, watcher, ids)
        forbidden = torch.tensor(sorted(ends), dtype=torch.long, device=logits.device)
        for step in range(limits.most):
            if step < limits.least:
                logits[:, forbidden] = float("-inf")
            best = logits.argmax(-1)
            chosen: list[int] = best.tolist()  # the one wait a token
            for row, token in enumerate(chosen):
                if not finished[row] and token in ends:
                    finished[row] = True
                elif not finished[row]:
                    written[row].append(token)
            if on_token is not None:
                on_token(step, written)
            if all(finished) or step + 1 == limits.most or (stop is not None and stop(written)):
                break
            if rebias is not None:
                vlm.state.steer(rebias(step + 1, written))
            tokens = best.to(vlm.device)[:, None]
            logits = _forward(vlm, watcher, input_ids=tokens, **as_argument(vlm.model, cache))
    return written


def _prefill(
    vlm: VLM,
    inputs: Any,
    layout: ImageLayout,
    bias: KeyBias | None,
    rows: int,
    watcher: RowWatcher | None,
    own_ids: torch.Tensor | None = None,
) -> tuple[torch.Tensor, Any]:
    """Run the prompt: what no bias reaches once, the rest a row each. Logits (rows, V) and the cache."""
    prompt = {name: part for name, part in inputs.items() if name != "attention_mask"}
    ids = prompt["input_ids"].expand(rows, -1) if own_ids is None else own_ids
    start = layout.length - 1 if bias is None else min(bias.earliest, layout.length - 1)
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
        with vision_once(vlm, rows):
            return _forward(vlm, watcher, **repeated, **as_argument(vlm.model, cache)), cache
    shared = {
        name: part[:, :start] if torch.is_tensor(part) and part.shape == (1, ids.shape[1]) else part
        for name, part in prompt.items()
    }
    vlm.model(**shared, **as_argument(vlm.model, cache), use_cache=True, logits_to_keep=1)
    repeat_rows(cache, 1, rows, vlm.device)
    return _forward(vlm, watcher, input_ids=ids[:, start:], **as_argument(vlm.model, cache)), cache


def _forward(vlm: VLM, watcher: RowWatcher | None, **inputs: Any) -> torch.Tensor:
    """One watched pass: the last position's logits in float32, (rows, V)."""
    with vlm.watching(watcher):
        output = vlm.model(**inputs, use_cache=True, logits_to_keep=1)
    logits: torch.Tensor = output.logits[:, -1].float()
    return logits


@contextmanager
def vision_once(vlm: VLM, copies: int) -> Iterator[None]:
    """Inside, `copies` equal pictures go through the vision tower as one, and come out `copies` times."""
    tower = find_vision_tower(vlm.model)
    if tower is None or copies == 1:
        yield
        return
    stock = tower.forward
    replaced = tower.__dict__.get("forward")  # accelerate's, where the model is spread over devices
    # Pixtral's tower strings its pictures together: they lie along the second axis of its output.
    axis = 1 if tower.config.model_type == "pixtral" else 0

    def once(*args: Any, **kwargs: Any) -> Any:
        few = [_first_share(part, copies) for part in args]
        named = {name: _first_share(part, copies) for name, part in kwargs.items()}
        return _copied(stock(*few, **named), copies, axis)

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
