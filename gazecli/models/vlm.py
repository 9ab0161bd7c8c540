"""`VLM`: a loaded model with its processor; prepare inputs for it, watch it, steer it."""

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from threading import Lock, get_ident
from typing import Any

import torch
from torch import nn

from gazecli.errors import HeadSetError, ModelError, SteeringError, UsageError
from gazecli.models.architecture import count_heads, find_attention, find_decoder
from gazecli.models.attention.gaze_attention import (
    NAME,
    AttentionState,
    Enough,
    KeyBias,
    RowWatcher,
    busy,
    register,
)
from gazecli.models.attention.kv_cache import cache_among
from gazecli.models.attention.modes import STRENGTH, Mode, Scope
from gazecli.models.attention.placement import Placement, Turns, aims_of
from gazecli.models.attention.watched import Watched
from gazecli.models.catalogue import lasting_names
from gazecli.models.devices import device_of, dtype_name
from gazecli.models.head_pairs import HeadPair, Heads, HeadSource, head_pairs
from gazecli.models.preprocessing import Preparation
from gazecli.models.text_prompts import TextPreparation, TextProcessor
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.pictures.picture import Picture, Pictured, Regional
from gazecli.results import ModelResult

_LOG = logging.getLogger(__name__)
# Image tokens of a picture from which on a user would wonder what takes so long.
_MANY_TOKENS = {"cpu": 4000}
_MANY_TOKENS_ON_ACCELERATOR = 16_000


@dataclass(frozen=True)
class ModelFacts:
    """Which model it is, without the model; documents read it. kept: as it stands in what is kept."""

    name: str
    id: str
    revision: str | None
    digest: str
    family: str
    layers: int
    heads: int
    dtype: str
    template: str | None
    kept: Mapping[str, Any] = field(repr=False)


@dataclass(repr=False, eq=False)
class VLM(ModelResult):
    """A vision-language model ready to be watched and steered; or, for `discover_text`, one without pictures.

    source: what to load it by again, a folder's path or the name itself.
    squash: whether pictures that its processor would crop are stretched to its square instead.
    image_tokens: the most image tokens that a picture may take; None for as many as its processor makes.
    advise: told once of a picture that takes so many that the work is slow, and what to do.
    quantised: how its weights are stored, such as `fp8`, where they are quantised.
    """

    model: Any
    processor: Any
    name: str
    id: str
    revision: str | None
    digest: str
    source: str
    state: AttentionState = field(default_factory=AttentionState)
    squash: bool = True
    quantised: str | None = None
    image_tokens: int | None = None
    advise: Callable[[str], None] = field(default=_LOG.warning, repr=False)
    placement: Placement | None = field(default=None, init=False, repr=False)
    _turn: Lock = field(default_factory=Lock, init=False, repr=False)
    _advised: int = field(default=0, init=False, repr=False)  # image tokens that were spoken of

    def __post_init__(self) -> None:
        self.model.eval()
        reads = Preparation if not isinstance(self.processor, TextProcessor) else TextPreparation
        self.preparation = reads(self.processor, self.model.config)
        if self.image_tokens is not None:
            self.preparation.check_bound(self.image_tokens)
        self.family = self.preparation.family
        self.decoder = find_decoder(self.model, self.family)
        self.attention = find_attention(self.decoder, self.family)
        self.layers = len(self.decoder.layers)
        self.heads_of = {layer: count_heads(module) for layer, module in self.attention.items()}
        self.heads = max(self.heads_of.values())
        register()
        self.decoder.config._attn_implementation = NAME
        for module in self.attention.values():
            module.gaze_state = self.state  # type: ignore[assignment]
        self.decoder.register_forward_pre_hook(self._begin_pass, with_kwargs=True)
        self.decoder.register_forward_hook(self._end_pass)

    def __repr__(self) -> str:
        size = f"{self.layers} layers of {self.heads} heads"
        return f"VLM({self.name!r}, {self.family}, {size}, {self.dtype} on {self.device})"

    @property
    def facts(self) -> ModelFacts:
        """Which model it is."""
        names = [each.name for each in fields(ModelFacts) if each.name != "kept"]
        own = {name: getattr(self, name) for name in names}
        kept = {**own, **self.lasting_names()}
        del kept["template"]
        return ModelFacts(**own, kept=kept)

    @property
    def device(self) -> torch.device:
        """Where inputs go, and what the model gives comes from."""
        return device_of(self.model.get_input_embeddings())

    def lasting_names(self) -> dict[str, str | None]:
        """`name`, `id` and `revision` for what is kept and hashed, as `catalogue.lasting_names`."""
        local = self.source != self.name
        return lasting_names(self.id, self.revision, self.family, self.digest, local=local)

    @property
    def template(self) -> str | None:
        """Where prompts are not written by the checkpoint's own chat template: `family` or `none`."""
        origin = self.preparation.template
        return None if origin == "own" else origin

    @property
    def dtype(self) -> str:
        """The number format of the weights, as in `float32`."""
        return dtype_name(self.model.dtype)

    @property
    def last_needed(self) -> int | None:
        """The last layer with heads: a pass that is run for its attention may end there.

        None where modules are moved between devices as they run, which has to come to its end.
        """
        return None if hasattr(self.model, "hf_device_map") else max(self.attention)

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    def _begin_pass(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Count the keys of the forward pass that begins, and announce it to the watcher."""
        embedded = kwargs.get("inputs_embeds")
        tokens = embedded if embedded is not None else kwargs.get("input_ids", args[0] if args else None)
        cache = cache_among(kwargs)
        seen = cache.get_seq_length() if cache is not None else 0
        self.state.check_thread()
        self.state.total = int(seen) + tokens.shape[1]  # type: ignore[union-attr]
        self.state.reached.clear()
        if self.state.watcher is not None:
            self.state.watcher.begin_step()

    def _end_pass(self, *_: Any) -> None:
        """ModelError when a layer that was to be watched or steered never came to the attention function."""
        state = self.state
        if state.is_idle:
            return
        state.awaits_tokens = self.placement is not None
        for layer in self.attention.keys() - state.reached:
            steered = state.bias is not None and layer in state.bias.layers
            if steered or (state.watcher is not None and state.watcher.wants(layer)):
                used = self.decoder.config._attn_implementation
                raise ModelError(
                    f"layer {layer} computes attention in code of its own, past the function that steers",
                    subject=self.name,
                    hint="call set_attn_implementation before the block, not inside"
                    if used != NAME
                    else "its attention module was replaced: put it back, or load the model again",
                    code="model.unreached",
                )

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _see_tokens(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Find out where the image tokens of the forward pass that begins stand."""
        if self.placement is not None:
            self.state.bias = self.placement.of_pass(arguments_of(module, args, kwargs))
            self.state.awaits_tokens = False

    def prepare(
        self,
        picture: Pictured | Sequence[Pictured],
        prompt: str,
        system: str | None = None,
        *,
        squash: bool | None = None,
        image_tokens: int | None = None,
    ) -> tuple[Any, ImageLayout]:
        """Model inputs on the model's device, and where each image token looks; pictures come in order.

        `squash` and `image_tokens` are by default this model's own: a picture that would be cropped is
        stretched to the model's square, and each picture takes at most so many image tokens. Raises
        PictureError for a picture that the processor does not take, or not in so few tokens, ModelError when
        the token map does not fit the prompt.
        """
        several = isinstance(picture, Sequence) and not isinstance(picture, str)
        given: Sequence[Any] = picture if several else [picture]  # type: ignore[assignment]
        pictures = [Picture.of(each) for each in given]
        text = self.preparation.prompt(prompt, len(pictures), system)
        inputs, layout = self.processed(pictures, text, squash, image_tokens)
        return inputs.to(self.device, self.model.dtype), layout

    def count_image_tokens(self, width: int, height: int) -> int:
        """How many image tokens a picture of so many pixels takes, worked out without one.

        Raises PictureError for a size that the processor does not take.
        """
        return self.preparation.count((width, height), self.image_tokens)

    def processed(
        self,
        pictures: Sequence[Picture],
        text: str,
        squash: bool | None = None,
        image_tokens: int | None = None,
    ) -> tuple[Any, ImageLayout]:
        """As `prepare`, of a whole prompt, its inputs on the CPU; may be called by several threads."""
        squash = self.squash if squash is None else squash
        image_tokens = self.image_tokens if image_tokens is None else image_tokens
        inputs, layout = self.preparation.process(pictures, text, squash, image_tokens)
        self.check_tokens(inputs["input_ids"])
        self._advise_on(pictures, layout)
        return inputs, replace(layout, pictures=tuple(pictures))

    def _advise_on(self, pictures: Sequence[Picture], layout: ImageLayout) -> None:
        """Speak of a picture of very many image tokens: the first one, and one of twice as many."""
        counts = layout.picture.bincount(minlength=len(pictures)).tolist()
        largest = max(range(len(pictures)), key=counts.__getitem__)
        many = _MANY_TOKENS.get(self.device.type, _MANY_TOKENS_ON_ACCELERATOR)
        if layout.bound is None and counts[largest] > max(many, 2 * self._advised):
            self._advised = counts[largest]
            self.advise(
                f"{pictures[largest].name} is {counts[largest]} image tokens, which take long on "
                f"{self.device.type}: --image-tokens {many // 2} shows it in fewer"
            )

    def check_tokens(self, ids: torch.Tensor) -> None:
        """ModelError for a tokenizer that names tokens this model has no weights for."""
        known = self.model.get_input_embeddings().weight.shape[0]
        written = ids[ids != self.preparation.placeholder]
        if written.numel() and int(written.max()) >= known:
            raise ModelError(
                f"the tokenizer names token {int(written.max())}, and this model knows {known}",
                subject=self.name,
                hint="the checkpoint needs the tokenizer files that were saved with this model",
                code="model.processor",
            )

    def heads_among(self, heads: Heads) -> list[HeadPair]:
        """Heads as pairs of plain numbers, each once, as `head_pairs`; a head set gives those it suggests.

        Raises UsageError for none, HeadSetError for what are no heads and for a head set of another model.
        """
        if isinstance(heads, HeadSource):
            heads.check_model(self.digest, self.name)
        return head_pairs(heads)

    def check_heads(self, heads: Heads | None) -> dict[int, list[int]]:
        """Heads by layer, each checked to exist; none for a row that is not steered.

        Raises what `heads_among` raises, and HeadSetError for a head this model has not.
        """
        by_layer: dict[int, list[int]] = {}
        for layer, head in self.heads_among(heads) if heads is not None else []:
            if not 0 <= head < self.heads_of.get(layer, 0):
                raise HeadSetError(
                    f"layer {layer} head {head} does not exist in this model",
                    subject=self.name,
                    hint=f"it has {self.layers} layers of {self.heads} heads, counted from 0",
                    code="headset.head",
                )
            by_layer.setdefault(layer, []).append(head)
        return by_layer

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the model for this thread, with gaze's attention function in place.

        Raises ModelError while another thread holds it.
        """
        if self.state.owner == get_ident():
            yield
            return
        if not self._turn.acquire(blocking=False):
            raise busy(self.name)
        config = self.decoder.config
        before = config._attn_implementation
        self.state.owner = get_ident()
        if before != NAME:
            config._attn_implementation = NAME
        try:
            yield
        finally:
            if before != NAME:
                config._attn_implementation = before
            self.state.owner = None
            self._turn.release()

    @contextmanager
    def watching(self, watcher: RowWatcher | None) -> Iterator[None]:
        """Let `watcher`, if any, read attention rows of every forward pass inside, or end it early.

        Rows are numbered by their place in the sequence, padding included. Raises ModelError where a layer
        that it wants cannot be read, and while another thread uses the model.
        """
        with self._held():
            before, self.state.watcher = self.state.watcher, watcher
            try:
                yield
            except Enough:
                pass
            finally:
                self.state.watcher = before

    @contextmanager
    def biased(self, bias: KeyBias | None, placement: Placement | None = None) -> Iterator[None]:
        """Add a key bias in every forward pass inside: `bias`, or what `placement` makes of each.

        Raises ModelError where a layer cannot be reached, and while another thread uses the model.
        """
        state = self.state
        with self._held():
            before = state.bias, self.placement, state.awaits_tokens, state.consulted
            state.bias = bias
            self.placement, state.awaits_tokens, state.consulted = placement, placement is not None, False
            try:
                yield
            finally:
                state.bias, self.placement, state.awaits_tokens, state.consulted = before

    def random_heads(self, count: int = 5, seed: int = 0) -> list[HeadPair]:
        """So many different heads, drawn from all; the same for the same seed.

        Those that a head set is compared with are `HeadSet.controls`. Raises UsageError for more than there
        are.
        """
        every = [(layer, head) for layer in sorted(self.heads_of) for head in range(self.heads_of[layer])]
        if not isinstance(count, int) or not 1 <= count <= len(every):
            raise UsageError(
                f"the number of heads must be between 1 and {len(every)}",
                subject=str(count),
                hint="this model has no others",
            )
        return sorted(random.Random(f"heads-{seed}").sample(every, count))

    @contextmanager
    def steered(
        self,
        heads: Heads,
        layout: ImageLayout | Sequence[ImageLayout],
        region: Regional | Sequence[Regional] | Turns,
        *,
        strength: float | str = "auto",
        mode: Mode = "boost-suppress",
        scope: Scope = "full",
        picture: int | Sequence[int] = 0,
        top: int = 5,
        seed: int = 0,
    ) -> Iterator[None]:
        """Point `heads` at `region` in every forward pass inside, any `generate` of transformers included.

        Image tokens are found in each pass's own tokens, in a padded batch too; the prompts may differ, the
        pictures must be those of `layout`. A region is a `Region`, a panel's number or a text as of
        `--region`; a list of layouts, of regions or of both has an entry for each prompt of a batch. With a
        `Schedule` the target of each row changes while it is written. `picture` is the number, from 0, of the
        prompt's picture that the region belongs to. heads: `random` draws `top` of all heads by `seed`.
        strength: `auto` is that of the head set, 10 for heads of none.

        Raises HeadSetError for unknown heads, RegionError when the region owns no token, UsageError where the
        image tokens of a pass cannot be found or are not those of the layout, ModelError where a layer cannot
        be reached, SteeringError when nothing was steered inside.
        """
        drawn: Heads = self.random_heads(top, seed) if isinstance(heads, str) and heads == "random" else heads
        by_layer = self.check_heads(drawn)
        turns = region if isinstance(region, Turns) else None
        aims = aims_of(layout, turns.targets[0] if turns is not None else region, picture)  # type: ignore[arg-type]
        placement = Placement(
            by_layer,
            aims,
            suggested_strength(drawn) if strength == "auto" else strength,
            mode,
            scope,
            self.preparation.placeholder,
            self.device,
            turns,
            self.decode,
        )
        with self.biased(None, placement):
            # Not the outermost module, which wrappers such as peft's pass by.
            hook = self._outer.register_forward_pre_hook(self._see_tokens, with_kwargs=True)
            try:
                yield
            finally:
                hook.remove()
            if not self.state.consulted:
                raise SteeringError(
                    "nothing was steered inside the block: no forward pass of this model reached its heads",
                    subject=self.name,
                    hint="run this model inside the block, by `vlm.model` or what wraps it",
                )

    @contextmanager
    def watched(
        self,
        heads: Heads,
        layout: ImageLayout | Sequence[ImageLayout],
        *,
        top: int = 5,
        seed: int = 0,
    ) -> Iterator[Watched]:
        """Read where `heads` look in every forward pass inside, any `generate` of transformers included.

        What is yielded has the attention of each row, token by token, on its image tokens and regions:
        `watched.trajectory()` and `watched.maps()`, of the call made last. Attention is weighted by the norms
        of the value vectors, as in `track`. `layout`, `heads`, `top` and `seed` as of `steered`, inside which
        it may stand, too.

        Raises HeadSetError for unknown heads, UsageError where the image tokens of a pass cannot be found or
        are not those of the layout, ModelError where a layer cannot be reached.
        """
        drawn: Heads = self.random_heads(top, seed) if isinstance(heads, str) and heads == "random" else heads
        self.check_heads(drawn)
        layouts = [layout] if isinstance(layout, ImageLayout) else list(layout)
        watcher = Watched(layouts, self.preparation.placeholder, self.heads_among(drawn))
        with self.watching(watcher):

            def see(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                watcher.see(arguments_of(module, args, kwargs))

            hook = self._outer.register_forward_pre_hook(see, with_kwargs=True)
            try:
                yield watcher
            finally:
                hook.remove()

    @property
    def _outer(self) -> nn.Module:
        """The module that is given whole prompts, below what may wrap the model."""
        inner = getattr(self.model, "model", self.decoder)
        outer: nn.Module = self.model if inner is self.decoder else inner
        return outer

    def forget_positions(self) -> None:
        """Drop what Qwen models remember of the last prompt's positions."""
        self.counted_positions = [None, None]

    @property
    def counted_positions(self) -> list[Any]:
        """What Qwen models remember of the last prompt's positions; to be set again before it goes on."""
        return [getattr(module, "rope_deltas", None) for module in self._counting]

    @counted_positions.setter
    def counted_positions(self, counted: Sequence[Any]) -> None:
        for module, deltas in zip(self._counting, counted, strict=True):
            if hasattr(module, "rope_deltas"):
                module.rope_deltas = deltas

    @property
    def _counting(self) -> tuple[Any, Any]:
        return self.model, getattr(self.model, "model", self.model)

    def end_tokens(self) -> set[int]:
        """Token ids that end an answer, among those the model can write."""
        ends = self.model.generation_config.eos_token_id
        if ends is None:
            ends = self.tokenizer.eos_token_id
        named = set(ends if isinstance(ends, list | tuple) else [ends]) - {None}
        able = getattr(self.model.get_output_embeddings(), "out_features", None)
        return named if able is None else {end for end in named if end < able}

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of generated tokens, without special tokens."""
        text: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text


def arguments_of(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call of `module`, by name."""
    names = list(inspect.signature(module.forward).parameters)
    return {**dict(zip(names, args, strict=False)), **kwargs}


def suggested_strength(heads: Heads) -> float | str:
    """The strength that the head set of these heads suggests, 10 for heads of none."""
    known = getattr(heads, "headset", None) or heads
    suggested = getattr(known, "resolve_strength", None)
    return STRENGTH if suggested is None else suggested()
