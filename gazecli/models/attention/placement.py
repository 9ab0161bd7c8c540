"""Where image tokens stand: they are found in each forward pass's own tokens, for steering and watching.

A batch may be padded on either side, ask one picture different questions, or show pictures that differ.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch

from gazecli.errors import UsageError
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.kv_cache import cache_among
from gazecli.models.attention.modes import Mode, Scope
from gazecli.models.token_maps.image_tokens import FITTING, ImageLayout, sizes_among
from gazecli.pictures.picture import Regional
from gazecli.pictures.regions import Region

Made = TypeVar("Made")


class Aim(NamedTuple):
    """What a row is pointed at: a region of a prompt's picture number `picture`, from 0."""

    layout: ImageLayout
    region: Region
    picture: int


@runtime_checkable
class Turns(Protocol):
    """Targets that follow each other while a text is written: the schedule of `switch`."""

    @property
    def targets(self) -> Sequence[Region]:
        """In order."""

    def is_due(self, turn: int, step: int, text: str) -> bool:
        """Whether target `turn` + 1 is on from token `step`; `text` was written since target `turn` came."""


def aims_of(
    layout: ImageLayout | Sequence[ImageLayout],
    region: Regional | Sequence[Regional],
    picture: int | Sequence[int] = 0,
) -> list[Aim]:
    """An aim for each prompt; what is given once serves all.

    Raises UsageError for lists that are not equally long, RegionError for what is no region.
    """
    layouts, regions, pictures = _listed(layout), _listed(region), _listed(picture)
    count = max(len(layouts), len(regions), len(pictures))
    if {len(layouts), len(regions), len(pictures)} - {1, count}:
        raise UsageError(
            "the numbers of layouts, regions and pictures differ",
            subject=f"{len(layouts)}, {len(regions)}, {len(pictures)}",
            hint="give one for each prompt of the batch, or one for all",
        )
    places = [operator.index(each) for each in pictures]
    aims = []
    for n in range(count):
        its, place = layouts[n % len(layouts)], places[n % len(places)]
        aims.append(Aim(its, its.region(regions[n % len(regions)], place), place))
    return aims


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]


class _Tokens(NamedTuple):
    """One pass's tokens, on the CPU: ids (B, Q), which of them are no padding, and how many came before."""

    ids: torch.Tensor
    real: torch.Tensor
    before: int


@dataclass
class Prompts(ABC, Generic[Made]):
    """Finds the image tokens of every forward pass in turn, and makes something of each prompt.

    layouts: one for all rows, or as many as there are prompts; each then serves the neighbouring rows that
    `generate` makes of its prompt, such as beams. placeholder: the id of an image token. made: of the prompt
    seen last, and `_rows` its rows' layouts.
    """

    layouts: Sequence[ImageLayout]
    placeholder: int
    made: Made | None = field(default=None, init=False)
    _rows: list[ImageLayout] = field(default_factory=list, init=False)
    _prompt: torch.Tensor | None = field(default=None, init=False)  # (B, L)
    _ends: list[int] = field(default_factory=list, init=False)  # where each row's prompt ends
    _cache: Any = field(default=None, init=False)
    _before: int = field(default=0, init=False)

    @abstractmethod
    def make(self, layouts: Sequence[ImageLayout]) -> Made:
        """What is made of a prompt, of whose rows these are the layouts."""

    def go_on(self, made: Made, _ids: torch.Tensor, _step: int) -> Made:
        """What is made of tokens behind the prompt, (B, Q); the last lets token `step` be written."""
        return made

    def needs_ends(self) -> bool:
        """Whether it matters where each prompt ends."""
        return False

    def of_pass(self, arguments: Mapping[str, Any]) -> Made:
        """What is made of the forward pass that is called with these arguments, by name.

        Raises UsageError where its image tokens cannot be found, or are not those of the layouts.
        """
        ids, cache = arguments.get("input_ids"), cache_among(arguments)
        if ids is None:
            raise _unknown("a forward pass is given embeddings without the tokens they stand for")
        before = int(cache.get_seq_length()) if cache is not None else 0
        if self.made is not None and before and ids.shape[1] == 1:
            return self._continued(ids, cache, before)
        mask = arguments.get("attention_mask")
        tokens = _Tokens(ids.cpu(), self._real(ids, mask), before)
        holds_pictures = bool((tokens.real & (tokens.ids == self.placeholder)).any())
        if before and not holds_pictures:
            return self._continued(ids, cache, before)
        if before and self.made is not None and cache is self._cache:
            raise _unknown("a second prompt with pictures follows the first behind one cache")
        self._rows = self._layouts(tokens)
        self._check_sizes(arguments, self._rows)
        self.made = self.make(self._rows)
        self._prompt, self._ends = tokens.ids, [layout.length for layout in self._rows]
        self._before = before
        self._cache = cache
        return self.made

    def _continued(self, ids: torch.Tensor, cache: Any, before: int) -> Made:
        """For tokens behind the prompt that was seen."""
        if self._cache is None and self._prompt is not None and before == self._prompt.shape[1]:
            self._cache = cache  # the model made it itself
        if self.made is None or cache is not self._cache:
            raise _unknown("the picture of this forward pass went through the model outside the block")
        if len(ids) != len(self._ends):
            raise _unknown(f"{len(ids)} rows follow a prompt of {len(self._ends)}")
        assert self._prompt is not None
        step = before + ids.shape[1] - self._before - self._prompt.shape[1]
        self.made = self.go_on(self.made, ids, step)
        return self.made

    def _real(self, ids: torch.Tensor, mask: Any) -> torch.Tensor:
        """Which tokens are no padding, as the attention mask has it: (B, Q) bool, on the CPU."""
        if torch.is_tensor(mask) and mask.ndim == 2:
            real: torch.Tensor = mask[:, -ids.shape[1] :].bool().cpu()
            if real.shape == ids.shape:
                return real
        elif mask is None or not self.needs_ends():
            return torch.ones(ids.shape, dtype=torch.bool)
        raise _unknown("the attention mask of a forward pass does not say where its prompts end")

    def _layouts(self, tokens: _Tokens) -> list[ImageLayout]:
        """Where each row's image tokens stand, and where its prompt ends."""
        ids, real, before = tokens
        rows, count = len(ids), len(self.layouts)
        if rows % count:
            raise _mismatch(f"a forward pass has {rows} rows, and there are layouts for {count}")
        each = rows // count
        layouts = []
        for row in range(rows):
            if count > 1 and row % each and not torch.equal(ids[row], ids[row - 1]):
                raise _mismatch(f"a forward pass has {rows} prompts, and there are layouts for {count}")
            places = (real[row] & (ids[row] == self.placeholder)).nonzero().flatten() + before
            layout = self.layouts[row // each]
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


class Placement(Prompts[KeyBias]):
    """The key bias of every forward pass in turn.

    aims: one for all rows, or one a prompt. device: where the bias is wanted. turns: what follows the aims'
    regions, each row by what it has written; `decode` makes text of its tokens.
    """

    def __init__(
        self,
        heads: Mapping[int, Sequence[int]],
        aims: Sequence[Aim],
        strength: float | str,
        mode: Mode,
        scope: Scope,
        placeholder: int,
        device: torch.device,
        turns: Turns | None = None,
        decode: Callable[[list[int]], str] = lambda tokens: "",
    ) -> None:
        super().__init__([aim.layout for aim in aims], placeholder)
        self.heads, self.aims, self.device = heads, aims, device
        self.strength, self.mode, self.scope = strength, mode, scope
        self.turns, self.decode = turns, decode
        self._turn: list[int] = []  # of each row
        self._written: list[list[int]] = []  # of each row, since its target came
        self._biases: dict[tuple[int, ...], KeyBias] = {}
        for turn in range(len(turns.targets) if turns is not None else 1):
            self._bias_of(self.layouts, [turn] * len(aims))  # what cannot be steered is said at once

    def needs_ends(self) -> bool:
        """Where the bias begins behind the prompt."""
        return self.scope in ("answer", "decode")

    def make(self, layouts: Sequence[ImageLayout]) -> KeyBias:
        """The bias of a prompt."""
        self._turn, self._written = [0] * len(layouts), [[] for _ in layouts]
        self._biases = {}
        return self._now(layouts)

    def go_on(self, made: KeyBias, ids: torch.Tensor, step: int) -> KeyBias:
        """The same bias, or that of the targets that are on now."""
        if self.turns is None:
            return made
        for row, tokens in enumerate(ids.tolist()):
            self._written[row] += tokens
            if self.turns.is_due(self._turn[row], step, self.decode(self._written[row])):
                self._turn[row], self._written[row] = self._turn[row] + 1, []
        return self._now(self._rows)

    def _now(self, layouts: Sequence[ImageLayout]) -> KeyBias:
        key = tuple(self._turn)
        if key not in self._biases:
            self._biases[key] = self._bias_of(layouts, self._turn)
        return self._biases[key]

    def _bias_of(self, layouts: Sequence[ImageLayout], turn: Sequence[int]) -> KeyBias:
        each = max(1, len(layouts) // len(self.aims))
        aims = [self.aims[row // each] for row in range(len(layouts))]
        regions = [aim.region for aim in aims]
        if self.turns is not None:
            regions = [self.turns.targets[its] for its in turn]
        return key_bias(
            self.heads,
            layouts,
            regions,
            self.strength,
            self.mode,
            self.scope,
            self.device,
            [aim.picture for aim in aims],
        )


def _unknown(what: str) -> UsageError:
    return UsageError(
        f"{what}, so it is unknown where its image tokens are",
        hint="inside `steered`, give the model the whole prompt, as `vlm.prepare` makes it",
        code="layout.unknown",
    )


def _mismatch(what: str) -> UsageError:
    return UsageError(what, hint=FITTING, code="layout.mismatch")
