"""Documents of results: head sets, steered and switched answers, reports.

Panels, regions and their numbers count from 1; layers, heads and token positions count from 0. Imports no
model library.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gazecli.reports.documents.evaluation import ComparisonPart, EvaluationPart
from gazecli.reports.documents.parts import (
    Box,
    ComicsPart,
    Count,
    Digest,
    Document,
    ImageTokenBound,
    Interval,
    LineDocument,
    Measure,
    ModelPart,
    Number,
    Open,
    Ordinal,
    Pair,
    Part,
    Share,
    SteeringSettings,
    Text,
    TimingPart,
    TokenMeasure,
    TokenShare,
)


class PicturePart(Part):
    """Which picture it was; `prepared` is what was done to it before the processor, such as `squashed`."""

    path: Text | None
    sha256: Text
    width: Ordinal
    height: Ordinal
    prepared: Text | None = None
    image_tokens: Ordinal | None = Field(
        default=None, exclude_if=lambda count: count is None, description="as which the model saw it"
    )
    panels: Count = Field(default=0, description="how many numbered regions it has")
    notes: list[Text] = Field(default_factory=list, description="what was done to its pixels")
    warnings: list[Text] = Field(default_factory=list, description="what may be wrong with its regions")


class RegionPart(Part):
    """A region of the picture, and how many image tokens cover it."""

    number: Ordinal
    box: Box
    tokens: Count
    label: Text | None = None


class NumberedRegionPart(Part):
    """A region of the picture, as `--region` names it; `panel`: it is a panel of a comic strip."""

    number: Ordinal
    box: Box
    label: Text | None = None
    panel: bool = False


class AttentionPart(Part):
    """Mean attention of the steered heads, on the target's image tokens as a share of one."""

    baseline: Share
    steered: Share


class GeneratedPart(Part):
    """What the model wrote, and in how many tokens."""

    text: Text
    tokens: Count


class AnswerPart(GeneratedPart):
    """What the model wrote while it was steered at `region`.

    `unchanged`: it has nearly the same words as the unsteered answer; null where that was left out.
    """

    region: Ordinal
    attention_on_region: AttentionPart
    unchanged: bool | None = None


class TrajectoryPart(Part):
    """Attention of the steered heads: for each written token, the mass on region 1, …, region P."""

    heads: Ordinal
    value_weighted: bool
    steps: list[list[TokenMeasure]]


class PointingPart(Part):
    """The energy pointing game: the share of attention that falls on a region, beside the share of its area.

    `gaze` is the gaze heads' and `control` the mean over the draws of other heads; ratios are over `area`.
    """

    region: Ordinal
    area: TokenShare
    gaze: TokenShare
    gaze_ratio: TokenMeasure
    control: TokenShare | None
    control_ratio: TokenMeasure | None


class SentencePart(Part):
    """Written tokens `start` to `end` (not included), and the region with the most attention meanwhile."""

    start: Count
    end: Count
    text: Text
    region: Ordinal | None
    gaze: TokenShare | None
    control: TokenShare | None


class SpanPart(Part):
    """The words asked for, their tokens, the gaze heads' attention meanwhile, and its `peak`."""

    span: Text
    start: Count
    end: Count
    text: Text
    occurrences: Ordinal
    peak: Box | None
    pointing: list[PointingPart]


class ControlTrajectoryPart(Part):
    """Attention of one draw of other heads; `seed` drew them."""

    seed: Count
    heads: list[Pair]
    steps: list[list[TokenMeasure]]


class TrackSettings(Open):
    """What was watched and how long."""

    top: Ordinal
    score: Text
    max_new_tokens: Ordinal
    image_tokens: ImageTokenBound = None


class HeadPart(Part):
    """A head and its scores. Layers and heads count from 0; an imported ranking has no more than `raw`.

    In a head set found on texts, `image_mass` and `image` are of the texts.

    `image` and `localization` are the other selectors' scores; null in head sets made before they were kept.
    """

    layer: Count
    head: Count
    raw: Measure
    selectivity: Measure | None
    image_mass: Measure | None
    image: Measure | None = None
    localization: Measure | None = None


class ImportedPart(Part):
    """A head set that was imported as a ranking: the file's SHA-256, the heads it lists, what is unknown."""

    sha256: Text
    heads: Count
    lacks: list[Text]


class SuggestedPart(Part):
    """By which score, and how many of the best heads, to steer; `strength` where a sweep chose one."""

    score: Literal["raw", "selectivity", "image", "localization"]
    top: Count
    why: Text
    strength: Number | None = None


HeadSetKind = Literal["pictures", "text", "ranking", "listed"]


class DiscoverySettings(Open):
    """What determined the scores, besides model and comics."""

    samples: Count | None
    seed: int
    prompt: Text
    image_tokens: ImageTokenBound = None


class HonestyPart(Open):
    """What chance alone reaches (labels shuffled), and whether two halves of the strips agree."""

    null_95: Number
    null_mean: Number
    shuffles: Count
    split_half_r: Number | None
    split_half_overlap: Count | None


class HeadSetDocument(Document):
    """`gaze discover`: every head scored, best first by the suggested score."""

    schema_: Literal["gaze.headset/1"] = Field(default="gaze.headset/1", alias="schema")
    digest: Digest
    path: Text | None
    cached: bool
    resumed_from: Count
    model: ModelPart
    comics: ComicsPart
    settings: DiscoverySettings
    heads: list[HeadPart]
    suggested: SuggestedPart
    honesty: HonestyPart | None = None
    imported: ImportedPart | None = None
    kind: HeadSetKind = "pictures"
    made_with: dict[Text, Text] = Field(default_factory=dict)
    timing: TimingPart | None = None


class PanelsSettings(Open):
    """How panels were looked for."""

    panels: Text
    regions: Text | None
    rtl: bool
    spread: bool


class PanelsDocument(Document):
    """`gaze panels`: the regions of a picture by number; `file` shows them. No model is asked."""

    schema_: Literal["gaze.panels/1"] = Field(default="gaze.panels/1", alias="schema")
    picture: PicturePart
    settings: PanelsSettings
    regions: list[NumberedRegionPart]
    file: Text | None = None


class PictureDocument(Document):
    """What `steer`, `switch` and `track` have in common: one picture, watched or steered with these heads."""

    model: ModelPart
    headset: Digest
    heads: list[Pair]
    picture: PicturePart
    regions: list[RegionPart]
    prompt: Text
    settings: Open
    warnings: list[Text] = Field(
        default_factory=list,
        description="why the model's words about this picture may mean nothing: a toy model, or regions that "
        "share all their image tokens",
    )


class SteerDocument(PictureDocument, LineDocument):
    """`gaze steer`: what the model writes about each region it is steered at.

    `job`, with many pictures: the digest of all that decides the answers, by which a resumed call knows them.
    """

    schema_: Literal["gaze.steer/1"] = Field(default="gaze.steer/1", alias="schema")
    settings: SteeringSettings
    baseline: GeneratedPart | None
    answers: list[AnswerPart]
    job: Digest | None = Field(default=None, exclude_if=lambda digest: digest is None)
    heatmap: Text | None = None
    page: Text | None = None
    timing: TimingPart


class TurnPart(Part):
    """From `token` on, the target is `region`."""

    token: Count
    region: Ordinal


class SegmentPart(Part):
    """Written tokens `start` to `end` (not included), while the target was `region`."""

    region: Ordinal
    start: Count
    end: Count
    text: Text


class SwitchDocument(PictureDocument):
    """`gaze switch`: one text, written while the target changes."""

    schema_: Literal["gaze.switch/1"] = Field(default="gaze.switch/1", alias="schema")
    settings: SteeringSettings
    schedule: list[TurnPart]
    text: Text
    tokens: Count
    segments: list[SegmentPart]
    trajectory: TrajectoryPart
    trajectory_file: Text | None = None
    page: Text | None = None
    timing: TimingPart


class TrackDocument(PictureDocument):
    """`gaze track`: attention of the heads while the model writes freely. Nothing is steered."""

    schema_: Literal["gaze.track/1"] = Field(default="gaze.track/1", alias="schema")
    settings: TrackSettings
    text: Text
    tokens: Count
    pieces: list[Text] = Field(description="what each written token adds to the text")
    trajectory: TrajectoryPart
    controls: list[ControlTrajectoryPart]
    sentences: list[SentencePart]
    pointing: list[PointingPart]
    spans: list[SpanPart] = Field(default_factory=list)
    trajectory_file: Text | None = None
    heatmap: Text | None = None
    page: Text | None = None
    timing: TimingPart


class LayerPart(Part):
    """How the best heads spread over the layers."""

    layer: Count
    heads_in_top: Count
    best: Measure
    mean: Measure


class MatrixPart(Part):
    """Mean attention of one head: a row for the panel asked about, a column for the panel attended to."""

    layer: Count
    head: Count
    matrix: list[list[Measure]]


class HistogramPart(Part):
    """How many heads have a raw score between `edges`; `null`: with shuffled labels, mean over the draws."""

    edges: list[Measure]
    heads: list[Count]
    null: list[Measure]


class SteeredBothPart(Part):
    """What steering by each of two head sets gave, with one task, judge and set of pictures."""

    task: Text
    judge: Text
    comics: Text
    accuracy: Share
    ci95: Interval
    against_accuracy: Share
    against_ci95: Interval


class AgainstPart(Part):
    """Another head set beside this one: heads shared in the top `k`, and what layer-matched chance shares.

    `p` is how often chance shares at least as many; `expected_anywhere`: with heads drawn from all layers.
    `correlation` is Spearman's of the scores over `compared` heads.
    """

    headset: Digest
    model: ModelPart
    kind: HeadSetKind
    k: Ordinal
    shared: list[Pair]
    expected: Measure
    p: Number
    expected_anywhere: Measure
    correlation: Measure | None
    compared: Count
    steering: list[SteeredBothPart] = Field(default_factory=list)


class ReportDocument(Document):
    """`gaze report`: what a head set is and, from the evaluations kept of it, how well it steers.

    `evaluations` are all of them, newest first, and `evaluation` is the first.
    """

    schema_: Literal["gaze.report/1"] = Field(default="gaze.report/1", alias="schema")
    headset: Digest
    path: Text | None
    model: ModelPart
    comics: ComicsPart
    settings: DiscoverySettings
    suggested: SuggestedPart
    honesty: HonestyPart | None = None
    imported: ImportedPart | None = None
    kind: HeadSetKind = "pictures"
    made_with: dict[Text, Text] = Field(default_factory=dict)
    heads: list[HeadPart]
    layers: list[LayerPart]
    matrices: list[MatrixPart]
    histogram: HistogramPart | None = None
    comparison: ComparisonPart | None = None
    against: AgainstPart | None = None
    evaluation: EvaluationPart | None = None
    evaluations: list[EvaluationPart] = Field(default_factory=list)
    figures: list[Text] = Field(default_factory=list, description="files that show the above")
    versions: dict[Text, Text] = Field(
        default_factory=dict, description="of Python and of the libraries that computed this"
    )
    methods: Text = Field(default="", description="what was done, in whole sentences for a paper")
