"""How each family shows pictures in fewer image tokens: by the settings of its own processor.

A family's showings begin with the processor as it is and grow coarser; the first within the bound is taken.
Counts are worked out from the pictures' sizes, before a pixel is touched. LLaVA-NeXT's and -OneVision's
models work out their tiles from a configuration that no setting of the processor reaches: there the picture
is made smaller first.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers.image_utils import ChannelDimension

from gazecli.errors import PictureError
from gazecli.models.token_maps.anyres import tile_of
from gazecli.models.token_maps.views import Size, TokenMap, cells_of, picture_setting

_SQUARE: Size = (448, 448)  # pixels; every processor takes such a picture


@dataclass(frozen=True)
class Showing:
    """One way to show the pictures of a prompt: their image tokens, by this processor, resized to `sizes`."""

    counts: Sequence[int]
    processor: Any
    sizes: Sequence[Size]


# Of a processor, the pictures' sizes and the most tokens that one of them may take; ever fewer tokens.
Showings = Callable[[Any, Sequence[Size], int], Iterator[Showing]]


def bounded(showings: Showings, processor: Any, sizes: Sequence[Size], most: int) -> Showing:
    """The first showing in which no picture takes more than `most` image tokens.

    Raises PictureError when even the coarsest takes more, ValueError for a picture the processor refuses.
    """
    fewest = sys.maxsize
    for showing in showings(processor, sizes, most):
        if max(showing.counts) <= most:
            return showing
        fewest = min(fewest, max(showing.counts))
    shown = ", ".join(f"{width} x {height}" for width, height in sizes)
    raise PictureError(
        f"this model's processor gives the picture {fewest} image tokens or more, and {most} are allowed",
        subject=f"{shown} pixels",
        hint=f"use --image-tokens {fewest}, or leave it out",
        code="picture.image_tokens",
    )


def fewest_tokens(showings: Showings, processor: Any) -> int:
    """How many image tokens a square picture takes at least."""
    return min(showing.counts[0] for showing in showings(processor, [_SQUARE], 1))


def with_settings(processor: Any, settings: Mapping[str, Any]) -> Any:
    """A copy of `processor` with other settings of its picture processor; nothing large is copied."""
    changed = copy.copy(processor)
    changed.image_processor = copy.copy(processor.image_processor)
    for name, value in settings.items():
        setattr(changed.image_processor, name, value)
    # What the class passes on in every call would beat the picture processor's own.
    changed.images_kwargs = {**getattr(processor, "images_kwargs", {}), **settings}
    return changed


def fixed(token_map: TokenMap) -> Showings:
    """Of a family that has no setting for it."""
    return stepped(token_map, lambda processor: ())


def stepped(token_map: TokenMap, steps: Callable[[Any], Iterable[Mapping[str, Any]]]) -> Showings:
    """Of a family whose token map needs nothing but settings, of which `steps` lists ever coarser ones."""

    def showings(processor: Any, sizes: Sequence[Size], _most: int) -> Iterator[Showing]:
        for settings in ({}, *steps(processor)):
            changed = with_settings(processor, settings)
            counts = [sum(map(cells_of, token_map(changed, {}, 0, size))) for size in sizes]
            yield Showing(counts, changed, sizes)

    return showings


def fewer_tiles(processor: Any) -> Iterator[Mapping[str, Any]]:
    """InternVL and others that choose a canvas of tiles."""
    least = int(picture_setting(processor, "min_patches"))
    for most in range(int(picture_setting(processor, "max_patches")) - 1, 0, -1):
        yield {"max_patches": most, "min_patches": min(least, most)}


def fewer_crops(processor: Any) -> Iterator[Mapping[str, Any]]:
    """Molmo 2."""
    for most in range(int(picture_setting(processor, "max_crops")) - 1, 0, -1):
        yield {"max_crops": most}


def no_pan_and_scan(processor: Any) -> Iterator[Mapping[str, Any]]:
    """Gemma 3: fewer crops, then none."""
    if picture_setting(processor, "do_pan_and_scan"):
        for most in range(int(picture_setting(processor, "pan_and_scan_max_num_crops")) - 1, 1, -1):
            yield {"pan_and_scan_max_num_crops": most}
        yield {"do_pan_and_scan": False}


def shorter_edge(processor: Any) -> Iterator[Mapping[str, Any]]:
    """Idefics: the longer side a whole number of tiles."""
    tile = int(picture_setting(processor, "max_image_size")["longest_edge"])
    longest = int(picture_setting(processor, "size")["longest_edge"])
    for count in range(math.ceil(longest / tile) - 1, 0, -1):
        yield {"size": {"longest_edge": count * tile}}


def without_tiles(processor: Any) -> Iterator[Mapping[str, Any]]:
    """LFM2-VL: fewer tiles, then the picture as one view, then that smaller."""
    few, most = (int(picture_setting(processor, f"{limit}_tiles")) for limit in ("min", "max"))
    for tiles_ in range(most - 1, few - 1, -1):
        yield {"max_tiles": tiles_}
    whole = {"min_tiles": 1, "max_tiles": 1}
    least, largest = (int(picture_setting(processor, f"{limit}_image_tokens")) for limit in ("min", "max"))
    for tokens in range(largest, 0, -1):
        yield {**whole, "max_image_tokens": tokens, "min_image_tokens": min(least, tokens)}


def patch_grid(processor: Any, sizes: Sequence[Size], most: int) -> Iterator[Showing]:
    """Qwen-VL: `size` bounds the pixels."""
    return _patch_grid(processor, sizes, most, 1)


def patch_grid_of_frames(processor: Any, sizes: Sequence[Size], most: int) -> Iterator[Showing]:
    """GLM: the same, and a still counts as the frames that make a patch."""
    return _patch_grid(processor, sizes, most, int(processor.image_processor.temporal_patch_size))


def _patch_grid(processor: Any, sizes: Sequence[Size], most: int, frames: int) -> Iterator[Showing]:
    rules = processor.image_processor
    merged = int(rules.merge_size) ** 2
    token = int(rules.patch_size) ** 2 * merged * frames  # pixels
    size = picture_setting(processor, "size")
    least, largest = int(size["shortest_edge"]), int(size["longest_edge"])

    def shown(changed: Any) -> Showing:
        patches = changed.image_processor.get_number_of_image_patches
        return Showing([patches(high, wide) // merged for wide, high in sizes], changed, sizes)

    yield shown(processor)
    for tokens in range(min(most, largest // token), 0, -1):
        pixels = tokens * token
        fewer = {"shortest_edge": min(least, pixels), "longest_edge": pixels}
        yield shown(with_settings(processor, {"size": fewer}))


def pixtral(processor: Any, sizes: Sequence[Size], most: int) -> Iterator[Showing]:
    """Pixtral and Mistral 3: `size` bounds the longer edge; both are rounded up to whole patches."""
    patch = int(processor.patch_size) * int(processor.spatial_merge_size)
    resized = _rules(processor).get_resize_output_image_size

    def counts(longest: int) -> list[int]:
        found = []
        for wide, high in sizes:
            shadow = np.broadcast_to(np.zeros(1, dtype=np.uint8), (3, high, wide))
            edges = resized(shadow, (longest, longest), (patch, patch), ChannelDimension.FIRST)
            found.append(math.prod(int(edge) // patch for edge in edges))
        return found

    longest = int(picture_setting(processor, "size")["longest_edge"])
    yield Showing(counts(longest), processor, sizes)
    # At this length a picture has about `most` tokens, before its edges are rounded up.
    near = min(max(size) * patch * math.sqrt(most / math.prod(size)) for size in sizes)
    for shorter in range(min(longest - 1, math.ceil(near) + patch), 0, -1):
        found = counts(shorter)
        if not min(found):  # too narrow for a patch
            return
        yield Showing(found, with_settings(processor, {"size": {"longest_edge": shorter}}), sizes)


def positioned(processor: Any, sizes: Sequence[Size], _most: int) -> Iterator[Showing]:
    """Gemma 4: one of a few budgets of soft tokens."""
    rules = _rules(processor)
    patch, kernel, own = (
        int(picture_setting(processor, name))
        for name in ("patch_size", "pooling_kernel_size", "max_soft_tokens")
    )
    smaller = sorted((each for each in rules._SUPPORTED_SOFT_TOKENS if each < own), reverse=True)
    for budget in (own, *smaller):
        counts = []
        for wide, high in sizes:
            edges = rules.get_aspect_ratio_preserving_size(high, wide, patch, budget * kernel**2, kernel)
            counts.append(math.prod(edge // patch // kernel for edge in edges))
        yield Showing(counts, with_settings(processor, {"max_soft_tokens": budget}), sizes)


def smaller_picture(token_map: TokenMap) -> Showings:
    """LLaVA-NeXT and LLaVA-OneVision: each picture shrunk into one of the allowed grids of tiles."""

    def showings(processor: Any, sizes: Sequence[Size], most: int) -> Iterator[Showing]:
        tile = tile_of(processor)
        inputs = {"pixel_values": torch.empty(1, 1, 3, tile, tile, device="meta")}

        def count(size: Size) -> int:
            return sum(map(cells_of, token_map(processor, inputs, 0, size)))

        yield Showing([count(size) for size in sizes], processor, sizes)
        grids = [(int(wide), int(high)) for high, wide in picture_setting(processor, "image_grid_pinpoints")]
        chosen = []
        for size in sizes:
            ways = {into: count(into) for into in (size, *(_within(size, grid) for grid in grids))}
            within = {into: tokens for into, tokens in ways.items() if tokens <= most}
            chosen.append(max(within, key=within.__getitem__) if within else min(ways, key=ways.__getitem__))
        yield Showing([count(size) for size in chosen], processor, chosen)

    return showings


def _within(size: Size, grid: Size) -> Size:
    """`size` shrunk to lie within `grid`, its aspect kept."""
    scale = min(1.0, grid[0] / size[0], grid[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rules(processor: Any) -> Any:
    """The module of the picture processor, where its rules are written as functions."""
    return sys.modules[type(processor.image_processor).__module__]
