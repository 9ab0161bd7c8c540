"""Blocks of documents about where heads look while a text is written.

Knows nothing of how heads are watched, and imports no model library.
"""

from __future__ import annotations

from gazecli.reports.parts import Box, Count, Number, Open, Ordinal, Pair, Part, Share, Text


class TrajectoryPart(Part):
    """Where the steered heads looked: for each written token, the mass on region 1, …, region P."""

    heads: Ordinal
    value_weighted: bool
    steps: list[list[Number]]


class PointingPart(Part):
    """The energy pointing game: the share of the look that falls on a region, beside the share of its area.

    `gaze` is the gaze heads' and `control` the mean over the draws of other heads; ratios are over `area`.
    """

    region: Ordinal
    area: Share
    gaze: Share
    gaze_ratio: Number
    control: Share | None
    control_ratio: Number | None


class SentencePart(Part):
    """Written tokens `start` to `end` (not included), and the region most looked at meanwhile."""

    start: Count
    end: Count
    text: Text
    region: Ordinal | None
    gaze: Share | None
    control: Share | None


class SpanPart(Part):
    """The words asked for: their tokens, where the gaze heads looked meanwhile, and where most (`peak`)."""

    span: Text
    start: Count
    end: Count
    text: Text
    occurrences: Ordinal
    peak: Box | None
    pointing: list[PointingPart]


class ControlTrajectoryPart(Part):
    """Where one draw of other heads looked; `seed` drew them."""

    seed: Count
    heads: list[Pair]
    steps: list[list[Number]]


class TrackSettings(Open):
    """What was watched and how long."""

    top: Ordinal
    score: Text
    max_new_tokens: Ordinal
