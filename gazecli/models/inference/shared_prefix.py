"""Several questions about one picture: what they share is computed once.

The questions' longest common token prefix is run once with the vision tower. The short rests run behind its
key-value cache in one row, or where a model's layers forbid that, as one right-padded batch behind copies of
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from gazecli.models.attention.gaze_attention import RowWatcher
from gazecli.models.attention.kv_cache import as_argument, empty_cache, keeps_everything, repeat_rows
from gazecli.models.attention.watchers import KeysOnly, MapKeeper, RegionMass, Together
from gazecli.models.devices import pinned, send
from gazecli.models.inference.profile import phase, phase_with_vision
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture

# Here the picture's keys depend on the question, because the whole prompt sees itself both ways.
SEES_THE_QUESTION = frozenset({"paligemma"})
POOLING = "image_token_pooling"


@dataclass
class Prompts:
    """Prompts that begin alike, tokenised.

    inputs: the first prompt's model inputs, on the CPU. ids: token ids of each prompt. shared: length of
    the prefix that may be computed once, 0 for none.
    """

    inputs: Any
    ids: list[list[int]]
    shared: int


@dataclass
class Questions(Prompts):
    """The prompts about one picture, and where its tokens look."""

    layout: ImageLayout

    def pinned(self, device: torch.device) -> Questions:
        """The same, its patches where `device` can fetch them by itself."""
        for name, part in self.inputs.items():
            if torch.is_tensor(part) and part.is_floating_point():
                self.inputs[name] = pinned(part, device)
        return self

    @property
    def key(self) -> tuple[object, ...]:
        """Pictures with equal keys can be computed in one batch."""
        return (self.shared, *sizes_of(self.inputs), tuple(map(tuple, self.ids)))


def sizes_of(inputs: Any) -> tuple[object, ...]:
    """What model inputs about one picture have to be equal in to be computed in one batch with others."""
    shapes = tuple(
        sorted((name, tuple(part.shape)) for name, part in inputs.items() if torch.is_tensor(part))
    )
    grid = inputs.get("image_grid_thw")
    return tuple(grid.flatten().tolist()) if grid is not None else (), shapes


def ask(vlm: VLM, picture: Picture, prompts: Sequence[str]) -> Questions:
    """Tokenise `prompts` about one picture; the picture is processed once.

    Raises ModelError when the token map does not fit the prompt, or the tokenizer is another model's.
    """
    texts = [vlm.preparation.prompt(prompt) for prompt in prompts]
    inputs, layout = vlm.processed([picture], texts[0])
    first: list[int] = inputs["input_ids"][0].tolist()
    ids = _other_prompts(vlm, texts, first) or [
        vlm.processed([picture], text)[0]["input_ids"][0].tolist() for text in texts
    ]
    for each in ids:
        vlm.check_tokens(torch.tensor(each))
    shared = common_prefix(ids)
    if vlm.family in SEES_THE_QUESTION or shared <= int(layout.positions[-1]):
        shared = 0
    return Questions(inputs, ids, shared, layout)


def common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """Length of the longest prefix all share; at least one token is left to each."""
    limit = min(map(len, sequences)) - 1
    return next((k for k, tokens in enumerate(zip(*sequences, strict=False)) if len(set(tokens)) > 1), limit)


def _other_prompts(vlm: VLM, texts: Sequence[str], first: list[int]) -> list[list[int]] | None:
    """Token ids of all prompts without processing the picture again, or None where that is unsafe.

    The picture's placeholders are expanded in the common head only, so the tails can be exchanged.
    """
    if len(texts) == 1:
        return [first]
    raw = [vlm.tokenizer(text)["input_ids"] for text in texts]
    start = common_prefix(raw)
    tails = [ids[start:] for ids in raw]
    placeholder = vlm.preparation.placeholder
    if any(placeholder in tail for tail in tails) or first[-len(tails[0]) :] != tails[0]:
        return None
    head = first[: -len(tails[0])]
    return [head + tail for tail in tails]


@torch.inference_mode()
def last_token_mass(
    vlm: VLM,
    batch: Sequence[Prompts],
    memberships: Sequence[torch.Tensor],
    maps: MapKeeper | None = None,
) -> dict[int, torch.Tensor]:
    """Attention of each prompt's last token, summed over regions: {layer: (B, questions, heads, R)}.

    Entries of `batch` must have equal keys; of prompts without pictures, prefixes of one length and the same
    rests. memberships: (L, R) each, over the first prompt's tokens, zero behind what all share. `maps`
    keeps whole rows, numbered picture by picture and question by question.
    """
    if batch[0].shared == 0:
        with phase_with_vision("questions", vlm.model):
            return _one_by_one(vlm, batch, memberships, maps)
    with phase_with_vision("prefix", vlm.model):
        cache = run_prefix(vlm, batch)
    shared = batch[0].shared
    with phase("questions"):
        table = send(torch.stack([membership[:shared] for membership in memberships]), vlm.device)
        # A recurrent state would run from one question into the next, a window would count their keys.
        if keeps_everything(cache, len(vlm.decoder.layers)):
            return _packed(vlm, batch, cache, table, maps)
        return _side_by_side(vlm, batch, cache, table, maps)


def _packed(
    vlm: VLM, batch: Sequence[Prompts], cache: Any, table: torch.Tensor, maps: MapKeeper | None
) -> dict[int, torch.Tensor]:
    """All questions about a picture in one row behind their prefix; each counts and sees as if alone."""
    shared = batch[0].shared
    tails = [torch.tensor(ids[shared:]) for ids in batch[0].ids]
    lengths = torch.tensor([len(tail) for tail in tails])
    ends = lengths.cumsum(0) - 1
    owner = torch.arange(len(tails)).repeat_interleave(lengths)  # (T,), which tail a token of the row is of
    place = torch.arange(len(owner))
    own = (owner[:, None] == owner) & (place[:, None] >= place)  # (T, T)
    mask = torch.cat((own.new_ones(len(owner), shared), own), dim=1)  # (T, S + T), which key each query sees
    positions = send(shared + place - (ends - lengths + 1)[owner], vlm.device).expand(len(batch), -1)
    deltas = getattr(getattr(vlm.model, "model", vlm.model), "rope_deltas", None)
    if deltas is not None:
        # Qwen models count a picture as its longer side: what follows it stands that much earlier.
        positions = positions + deltas.to(vlm.device)
    watcher = RegionMass(table, send(shared + ends, vlm.device), last=vlm.last_needed)
    with vlm.watching(_with_maps(watcher, maps)):
        vlm.model(
            input_ids=send(torch.cat(tails), vlm.device).expand(len(batch), -1),
            position_ids=positions,
            attention_mask=send(mask[None, None], vlm.device),
            **as_argument(vlm.model, cache),
            use_cache=True,
            logits_to_keep=1,
        )
    return {layer: mass.transpose(1, 2) for layer, mass in watcher.masses.items()}


def _side_by_side(
    vlm: VLM, batch: Sequence[Prompts], cache: Any, table: torch.Tensor, maps: MapKeeper | None
) -> dict[int, torch.Tensor]:
    """A row a question, each behind a copy of its prefix."""
    count, shared = len(batch[0].ids), batch[0].shared
    repeat_rows(cache, [count] * len(batch), vlm.device)
    tails = [ids[shared:] for questions in batch for ids in questions.ids]
    ends = torch.tensor([[len(tail) - 1 + shared] for tail in tails])
    watcher = RegionMass(table.repeat_interleave(count, 0), send(ends, vlm.device), last=vlm.last_needed)
    with vlm.watching(_with_maps(watcher, maps)):
        vlm.model(
            input_ids=send(right_padded(tails), vlm.device),
            **as_argument(vlm.model, cache),
            use_cache=True,
            logits_to_keep=torch.tensor([-1]),  # given 1, Gemma 4 would leave out the watched rows
        )
    return {layer: mass[:, :, 0].unflatten(0, (len(batch), count)) for layer, mass in watcher.masses.items()}


def _with_maps(watcher: RowWatcher, maps: MapKeeper | None) -> RowWatcher:
    # The maps first, because the other may end the pass.
    return watcher if maps is None else Together([maps, watcher])


def run_prefix(vlm: VLM, batch: Sequence[Prompts], whole: bool = False) -> Any:
    """Vision tower and shared prefix of every picture, once: the key-value cache.

    With `whole`, layers behind the last with heads are run too, for what they may remember.
    """
    shared, length = batch[0].shared, len(batch[0].ids[0])
    inputs = {}
    for name in batch[0].inputs:
        parts = [questions.inputs[name] for questions in batch]
        if name == "attention_mask" or not torch.is_tensor(parts[0]):
            continue
        if parts[0].is_floating_point():
            inputs[name] = torch.cat([send(part, vlm.device) for part in parts]).to(vlm.model.dtype)
            continue
        joined = torch.cat(counted_on([each.inputs for each in batch]) if name == POOLING else parts)
        if joined.ndim == 2 and joined.shape == (len(batch), length):
            joined = joined[:, :shared]
        inputs[name] = send(joined, vlm.device)
    cache = empty_cache(vlm.decoder)
    vlm.forget_positions()
    watcher = KeysOnly(vlm.last_needed) if vlm.last_needed is not None and not whole else None
    with vlm.watching(watcher):
        vlm.model(**inputs, **as_argument(vlm.model, cache), use_cache=True, logits_to_keep=1)
    return cache


def counted_on(rows: Sequence[Any]) -> list[torch.Tensor]:
    """Molmo 2's numbers of patches to be pooled, each row's counted on from those before; -1 is none."""
    parts, before = [], 0
    for inputs in rows:
        pooled = inputs[POOLING]
        parts.append(torch.where(pooled >= 0, pooled + before, pooled))
        before += inputs["pixel_values"].shape[:2].numel()
    return parts


def _one_by_one(
    vlm: VLM, batch: Sequence[Prompts], memberships: Sequence[torch.Tensor], maps: MapKeeper | None
) -> dict[int, torch.Tensor]:
    """A full pass a question, where nothing may be shared."""
    found: list[Mapping[int, torch.Tensor]] = []
    for questions, membership in zip(batch, memberships, strict=True):
        for ids in questions.ids:
            inputs = with_ids(questions.inputs, ids, vlm)
            table = torch.zeros(1, len(ids), membership.shape[1])
            last = min(len(ids), len(membership))
            table[0, :last] = membership[:last]
            watcher = RegionMass(send(table, vlm.device), last=vlm.last_needed)
            vlm.forget_positions()
            if maps is not None:
                maps.first_row = len(found)
            with vlm.watching(_with_maps(watcher, maps)):
                vlm.model(**inputs, use_cache=False, logits_to_keep=1)
            found.append(watcher.masses)
    shape = (len(batch), len(batch[0].ids))
    return {
        layer: torch.cat([masses[layer][:, :, 0] for masses in found]).unflatten(0, shape)
        for layer in found[0]
    }


def with_ids(inputs: Any, ids: Sequence[int], vlm: VLM) -> dict[str, Any]:
    """Model inputs with other token ids behind the same picture."""
    length = inputs["input_ids"].shape[1]
    changed: dict[str, Any] = {"input_ids": send(torch.tensor([ids]), vlm.device)}
    for name, tensor in inputs.items():
        if name in ("input_ids", "attention_mask") or not torch.is_tensor(tensor):
            continue
        if tensor.shape == (1, length):
            tensor = torch.nn.functional.pad(tensor, (0, len(ids) - length))
        changed[name] = send(tensor, vlm.device)
        if tensor.is_floating_point():
            changed[name] = changed[name].to(vlm.model.dtype)
    return changed


def right_padded(tails: Sequence[Sequence[int]]) -> torch.Tensor:
    """(rows, longest); padding stands behind the watched token, where no causal row sees it."""
    return pad_sequence([torch.tensor(tail, dtype=torch.long) for tail in tails], batch_first=True)
