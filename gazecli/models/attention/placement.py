"""Where the bias of a `steered` block falls: image tokens are found in each forward pass's own tokens.

A batch may be padded on either side, ask one picture different questions, or show pictures that differ.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from gazecli.errors import UsageError
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.kv_cache import cache_among
from gazecli.models.attention.modes import Mode, Scope
from gazecli.models.token_maps.image_tokens import FITTING, ImageLayout, sizes_among
from gazecli.pictures.regions import Region


class Aim(NamedTuple):
    """What a row is pointed at: a region of a prompt's picture number `picture`, from 0."""

    layout: ImageLayout
    region: Region
    picture: int


def aims_of(
    layout: ImageLayout | Sequence[ImageLayout],
    region: Region | Sequence[Region],
    picture: int | Sequence[int] = 0,
) -> list[Aim]:
    """An aim for each prompt; what is given once serves all.

    Raises UsageError for lists that are not equally long, and for what is no region.
    """
    layouts, regions, pictures = _listed(layout), _listed(region), _listed(picture)
    count = max(len(layouts), len(regions), len(pictures))
    if {len(layouts), len(regions), len(pictures)} - {1, count}:
        raise UsageError(
            "layouts, regions and pictures are not equally many",
            subject=f"{len(layouts)}, {len(regions)}, {len(pictures)}",
            hint="give one for each prompt of the batch, or one for all",
        )
    for each in regions:
        if not isinstance(each, Region):
            raise UsageError(
                "this is no region of a picture",
                subject=str(each)[:80],
                hint="use picture.regions[2], or picture.region(3) for the third panel",
            )
    return [
        Aim(layouts[n % len(layouts)], regions[n % len(regions)], operator.index(pictures[n % len(pictures)]))
        for n in range(count)
    ]


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, Sequence) else [given]


class _Tokens(NamedTuple):
    """One pass's tokens, on the CPU: ids (B, Q), which of them are no padding, and how many came before."""

    ids: torch.Tensor
    real: torch.Tensor
    before: int


@dataclass
class Placement:
    """The key bias of every forward pass in turn.

    aims: one for all rows, or as many as there are prompts; each then serves the neighbouring rows that
    `generate` makes of its prompt, such as beams. placeholder: the id of an image token. device: where the
    bias is wanted. bias: that of the prompt seen last.
    """

    heads: Mapping[int, Sequence[int]]
    aims: Sequence[Aim]
    strength: float | str
    mode: Mode
    scope: Scope
    placeholder: int
    device: torch.device
    bias: KeyBias | None = None
    _prompt: torch.Tensor | None = None  # (B, L)
    _ends: list[int] = field(default_factory=list)  # where each row's prompt ends
    _cache: Any = None

    def __post_init__(self) -> None:
        self._bias_of([aim.layout for aim in self.aims])  # what cannot be steered is said at once

    def of_pass(self, arguments: Mapping[str, Any]) -> KeyBias:
        """The bias of the forward pass that is called with these arguments, by name.

        Raises UsageError where its image tokens cannot be found, or are not those of the layouts.
        """
        ids, cache = arguments.get("input_ids"), cache_among(arguments)
        if ids is None:
            raise _unknown("a forward pass is given embeddings without the tokens they stand for")
        before = int(cache.get_seq_length()) if cache is not None else 0
        if self.bias is not None and before and ids.shape[1] == 1:
            return self._continued(ids, cache, before)
        mask = arguments.get("attention_mask")
        tokens = _Tokens(ids.cpu(), self._real(ids, mask), before)
        holds_pictures = bool((tokens.real & (tokens.ids == self.placeholder)).any())
        if before and not holds_pictures:
            return self._continued(ids, cache, before)
        if before and self.bias is not None and cache is self._cache:
            raise _unknown("a second prompt with pictures follows the first behind one cache")
        layouts = self._layouts(tokens)
        self._check_sizes(arguments, layouts)
        self.bias = self._bias_of(layouts)
        self._prompt, self._ends = tokens.ids, [layout.length for layout in layouts]
        self._cache = cache
        return self.bias

    def _continued(self, ids: torch.Tensor, cache: Any, before: int) -> KeyBias:
        """The bias as it is, for tokens behind the prompt it was made for."""
        if self._cache is None and self._prompt is not None and before == self._prompt.shape[1]:
            self._cache = cache  # the model made it itself
        if self.bias is None or cache is not self._cache:
            raise _unknown("the picture of this forward pass went through the model outside the block")
        if len(ids) != len(self._ends):
            raise _unknown(f"{len(ids)} rows follow a prompt of {len(self._ends)}")
        return self.bias

    def _real(self, ids: torch.Tensor, mask: Any) -> torch.Tensor:
        """Which tokens are no padding, as the attention mask has it: (B, Q) bool, on the CPU."""
        if torch.is_tensor(mask) and mask.ndim == 2:
            real: torch.Tensor = mask[:, -ids.shape[1] :].bool().cpu()
            if real.shape == ids.shape:
                return real
        elif mask is None or self.scope in ("full", "question"):
            return torch.ones(ids.shape, dtype=torch.bool)
        raise _unknown("the attention mask of a forward pass does not say where its prompts end")

    def _layouts(self, tokens: _Tokens) -> list[ImageLayout]:
        """Where each row's image tokens stand, and where its prompt ends."""
        ids, real, before = tokens
        rows, count = len(ids), len(self.aims)
        if rows % count:
            raise _mismatch(f"a forward pass has {rows} rows, and there are layouts for {count}")
        each = rows // count
        layouts = []
        for row in range(rows):
            if count > 1 and row % each and not torch.equal(ids[row], ids[row - 1]):
                raise _mismatch(f"a forward pass has {rows} prompts, and there are layouts for {count}")
            places = (real[row] & (ids[row] == self.placeholder)).nonzero().flatten() + before
            layout = self.aims[row // each].layout
            layouts.append(layout.moved(places, self._end(row, layout, tokens)))
        return layouts

    def _end(self, row: int, layout: ImageLayout, tokens: _Tokens) -> int:
        """Where a row's prompt ends: what follows a prompt that is known is written text."""
        ids, real, before = tokens
        first, last = real[row].nonzero().flatten()[[0, -1]].tolist()
        if before == 0 and layout.ids is not None:
            stop = first + layout.length
            if torch.equal(ids[row, first:stop], layout.ids.cpu()):
                return int(stop)
        if self._prompt is not None and len(self._prompt) == len(ids) and before == 0:
            known = self._prompt[row]
            if torch.equal(ids[row, : len(known)], known):
                return self._ends[row]
        return int(before + last + 1)

    def _check_sizes(self, arguments: Mapping[str, Any], layouts: Sequence[ImageLayout]) -> None:
        """UsageError when the model is given pictures of other sizes than those of the layouts."""
        given, known = sizes_among(arguments), [layout.sizes for layout in layouts]
        sizes = [size for size in known if size is not None]
        if given is None or len(sizes) < len(known) or len(given) != sum(map(len, sizes)):
            return
        if not torch.equal(given, torch.cat(sizes)):
            raise _mismatch("the pictures of a forward pass are not as large as those of the layout")

    def _bias_of(self, layouts: Sequence[ImageLayout]) -> KeyBias:
        each = max(1, len(layouts) // len(self.aims))
        aims = [self.aims[row // each] for row in range(len(layouts))]
        return key_bias(
            self.heads,
            layouts,
            [aim.region for aim in aims],
            self.strength,
            self.mode,
            self.scope,
            self.device,
            [aim.picture for aim in aims],
        )


def _unknown(what: str) -> UsageError:
    return UsageError(
        f"{what}, so nobody knows where its image tokens stand",
        hint="inside `steered`, give the model the whole prompt, as `vlm.prepare` makes it",
        code="layout.unknown",
    )


def _mismatch(what: str) -> UsageError:
    return UsageError(what, hint=FITTING, code="layout.mismatch")
