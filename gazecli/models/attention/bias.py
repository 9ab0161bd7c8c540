"""Target, mode and scope become a key bias (Gandikota & Bau 2026, arXiv 2606.14703, steering).

+strength on the target's image tokens and -strength on every other image token, before softmax, in the
chosen heads only. The mode `blind` is the ablation: the heads do not see the target's tokens, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gazecli.models.attention.gaze_attention import HeadsByLayer, KeyBias
from gazecli.models.attention.modes import HARD, MODES, SCOPES, Mode, Scope, check_choice, parse_strength
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.pictures.regions import Region

_MOVED, _THERE_ALREADY = 1e-3, 0.99


def key_bias(
    heads: HeadsByLayer | Sequence[HeadsByLayer],
    layout: ImageLayout | Sequence[ImageLayout],
    targets: Sequence[Region | None],
    strength: float | str | list[float],
    mode: Mode,
    scope: Scope,
    device: torch.device,
    picture: int | Sequence[int] = 0,
) -> KeyBias:
    """The bias that points `heads`, the same in all rows or one choice a row, at one target a row.

    A row without target is left as it is. One `strength` serves all rows, or each row has its own.
    Targets are regions of the prompt's picture number `picture`, from 0; the image tokens of all its pictures
    are the others. One layout and one `picture` serve all rows, or each row has its own. Raises UsageError
    for an unknown mode, scope or strength, RegionError when a target owns no token.
    """
    strengths = [*strength] if isinstance(strength, list) else [strength] * len(targets)
    deltas = [parse_strength(each, mode) for each in strengths]
    check_choice("mode", mode, MODES)
    check_choice("scope", scope, SCOPES)
    layouts = [layout] * len(targets) if isinstance(layout, ImageLayout) else layout
    pictures = [picture] * len(targets) if isinstance(picture, int) else picture
    rows = torch.zeros(len(targets), max(each.length for each in layouts))
    generated = torch.zeros(len(targets), 1)
    for number, (place, target, its, delta) in enumerate(
        zip(layouts, targets, pictures, deltas, strict=True)
    ):
        if target is not None:
            if mode in ("suppress-all", "max-suppress-all"):
                rows[number, : place.length] = -delta
            rows[number, place.positions] = 0.0 if mode == "blind" else -delta
            own = {"boost-suppress": delta, "blind": -delta}.get(mode, 0.0)
            rows[number, place.tokens(target, its)] = own
            generated[number] = -delta if mode == "max-suppress-all" else 0.0
            rows[number, place.length :] = generated[number]
    starts = [_first_query(each, scope) for each in layouts]
    from_query = starts[0] if len(set(starts)) == 1 else torch.tensor(starts, device=device)[:, None]
    return KeyBias(heads, rows.to(device), generated.to(device), from_query)


def _first_query(layout: ImageLayout, scope: Scope) -> int:
    """The first position of a prompt on whose query the bias acts."""
    return {
        "full": 0,
        "question": int(layout.positions[-1]) + 1,
        "answer": layout.length - 1,
        "decode": layout.length,
    }[scope]


def blinding(
    heads: HeadsByLayer | Sequence[HeadsByLayer], layout: ImageLayout, device: torch.device
) -> KeyBias:
    """The bias under which `heads`, of all rows or one choice a row, see no image token, from any position.

    A query that has nothing but image tokens behind it keeps them: softmax leaves it no choice.
    """
    row = torch.zeros(1, layout.length)
    row[0, layout.positions] = -HARD
    return KeyBias(heads=heads, prompt=row.to(device), generated=torch.zeros(1, 1, device=device))


def has_moved(before: float, after: float, mode: str = "boost-suppress") -> bool:
    """Whether the attention on a target has risen under a bias, or was all there; a NaN has not moved.

    With the mode `blind`: whether it has fallen, or was not there.
    """
    if mode == "blind":
        before, after = 1.0 - before, 1.0 - after
    return after - before >= _MOVED or before >= _THERE_ALREADY
