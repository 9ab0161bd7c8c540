"""Regions that have exactly the same image tokens: whatever is read or steered at one holds for the other.

That happens under a bound on image tokens, in small pictures, and with boxes smaller than a token's cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gazecli.pictures.regions import Region, overlap

if TYPE_CHECKING:
    from gazecli.models.token_maps.image_tokens import ImageLayout

# Two regions that have more of their pixels in common are one place, named twice.
_ONE_PLACE = 0.5
_MOST_NAMES = 6  # of one message, so that it stays a line
SHARE = "share all their image tokens"


def sharing_groups(
    layout: ImageLayout, regions: Sequence[Region], own: int | None = None
) -> list[list[Region]]:
    """Those regions that have exactly the same image tokens, two or more a group, in their order.

    own: how many of `regions`, the first ones, are the picture's; all by default. Any other one that covers
    mostly the same pixels as a region before it names that place again, and is left out.
    """
    numbered = len(regions) if own is None else own
    groups: dict[bytes, list[Region]] = {}
    for place, region in enumerate(regions):
        owned = layout.owned(region)
        if not owned.any():
            continue
        group = groups.setdefault(np.packbits(owned).tobytes(), [])
        if place < numbered or not any(overlap(region, known) > _ONE_PLACE for known in group):
            group.append(region)
    return [group for group in groups.values() if len(group) > 1]


def numbers_sharing(layout: ImageLayout, regions: Sequence[Region]) -> set[int]:
    """The numbers of a picture's regions that share all their image tokens with another of them."""
    return {region.number for group in sharing_groups(layout, regions) for region in group}


def sharing_reason(layout: ImageLayout, regions: Sequence[Region], own: int | None = None) -> str | None:
    """Which regions share all their image tokens, in words; None where none do. As `sharing_groups`."""
    groups = sharing_groups(layout, regions, own)
    if not groups:
        return None
    numbered = len(regions) if own is None else own
    first, *others = (_listed(group, numbered) for group in groups)
    likewise = f" (and likewise {'; '.join(_shortened(others))})" if others else ""
    return f"regions {first}{likewise} {SHARE}"


def sharing_warning(layout: ImageLayout, regions: Sequence[Region], own: int | None = None) -> str | None:
    """What to say of regions that share all their image tokens, None where none do. As `sharing_groups`."""
    reason = sharing_reason(layout, regions, own)
    if reason is None:
        return None
    bound = "" if layout.bound is None else "raise --image-tokens, or "
    return f"{reason}, so steering cannot tell them apart: {bound}use a larger picture or larger regions"


def _listed(group: Sequence[Region], own: int) -> str:
    *names, last = _shortened([_name(region, own) for region in group])
    return f"{', '.join(names)} and {last}"


def _shortened(names: list[str]) -> list[str]:
    left = len(names) - _MOST_NAMES
    return names if left <= 0 else [*names[:_MOST_NAMES], f"{left} more"]


def _name(region: Region, own: int) -> str:
    """A numbered region by its number, and its label where it has one; any other by its label."""
    if region.number > own:
        return region.name
    return f"{region.number} ({region.label})" if region.label else str(region.number)
