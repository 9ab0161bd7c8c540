"""Blocks of an evaluation in a report: conditions, sweep, groups, examples, selectors side by side.

Imports no model library.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gazecli.reports.documents.parts import (
    Box,
    ComicsPart,
    Count,
    Digest,
    Document,
    Interval,
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
)

ConditionName = Literal[
    "gaze", "control", "low_control", "all", "unsteered", "asked", "blind", "blind_control"
]


class GenerationsDocument(Document):
    """The first line: the evaluation these texts belong to, less what a judge made of them."""

    schema_: Literal["gaze.generations/1"] = Field(default="gaze.generations/1", alias="schema")
    headset: Digest
    pictures: Count
    conditions: Count
    texts: Count
    evaluation: EvaluationPart


class PictureLine(Part):
    """A picture and what is known of its regions; `digest` is of its pixels and regions."""

    picture: Count
    name: Text
    digest: Text | None
    regions: Ordinal
    truths: tuple[Text, ...] | None
    synonyms: tuple[tuple[Text, ...], ...]
    sizes: tuple[Text, ...]


class ConditionLine(Part):
    """Which heads were steered or blinded."""

    condition: Count
    name: ConditionName
    heads: list[Pair]
    seed: int | None


class TextLine(Part):
    """One text; `pieces` and `looked` are those of a narration's segment."""

    condition: Count
    picture: Count
    target: Ordinal
    text: Text
    unsteered: Text | None
    pieces: tuple[Text, ...]
    looked: Ordinal | None


class DelayPart(Part):
    """Tokens from a change of the target until something followed; 1 is the first token written after it.

    `mean` and `median` are over the `reached` of all `switches`, null when none was.
    """

    mean: Measure | None
    median: Measure | None
    reached: Count
    switches: Count


class LatencyPart(Part):
    """How fast a narration follows its schedule.

    `text`: until what was written since the change is, to the lexical judge, about the new target. `looks`:
    until the new target has more of the steered heads' attention than any other region.
    """

    text: DelayPart | None
    looks: DelayPart | None


class ConditionPart(Part):
    """Redirection accuracy under one choice of heads; counts are of answers.

    In a narration an answer is a segment: `accuracy` is the share that describes the region scheduled,
    `natural` the share that describes the region whose turn it is in reading order, and the rank
    correlations are means over pictures. `control` draws heads from the layers of the chosen ones,
    `low_control` from those with the lowest scores. `repeated` texts say a sentence again and again and are
    judged by it; `repetition` is the mean share of a text's trigrams of words that stood in it before,
    `words` the mean length. `asked`, `blind` and `blind_control` are not steered: each region is asked about
    by its place, with no head, the chosen heads, or random others unable to see the picture.
    """

    name: ConditionName
    k: Count
    heads: list[Pair] | None = Field(default=None, description="layer and head; null where it is all of them")
    seed: int | None = None
    accuracy: Share
    ci95: Interval
    per_region: list[Share | None]
    abstained: Count
    junk: Count
    unchanged: Count
    n: Count
    repeated: Count | None = None
    repetition: Share | None = None
    words: Measure | None = None
    natural: Share | None = None
    schedule_rho: Measure | None = None
    natural_rho: Measure | None = None
    latency: LatencyPart | None = None


class SweepPart(Part):
    """Accuracy with the best `k` heads by `score` at `strength`, and with one draw of as many others.

    How the texts under the best heads read: `junk` is a share of them; `repetition` and `words` as in a
    condition. `error` is the standard error of `gaze` over pictures.
    """

    k: Ordinal
    gaze: Share
    control: Share | None
    gaze_ci95: Interval | None = None
    control_ci95: Interval | None = None
    score: Text | None = None
    strength: Number | None = None
    error: Measure | None = None
    junk: Share | None = None
    repetition: Share | None = None
    words: Measure | None = None


class DifferencePart(Part):
    """How much more often the gaze heads redirect than condition `name`, of several draws their mean.

    The interval is a paired bootstrap over pictures.
    """

    name: ConditionName
    difference: Measure
    ci95: Interval


class ChoicePart(Part):
    """What a sweep chose, on strips that are not among those of the conditions.

    `headset` is the head set into which it was written, `swept` the one it was found in: the same where it
    was `refused`.
    """

    k: Ordinal
    accuracy: Share
    strips: Count
    headset: Digest
    swept: Digest
    score: Text | None = None
    strength: Number | None = None
    refused: Text | None = None


class TriedScorePart(Part):
    """Accuracy with the best heads by `score`, on all pictures tried and on either half of them."""

    score: Text
    accuracy: Share
    halves: Annotated[tuple[Share, Share], Field(strict=False)]


class ScoreChoicePart(Part):
    """By which of two scores the best `k` heads are chosen; `tried` begins with the one suggested before.

    The second is chosen when it steers better on both halves of the `strips` tried, each time by more than
    one standard error. `headset` is the head set into which the choice was written, `swept` the one it was
    found in: the same where it was `refused`.
    """

    score: Text
    k: Ordinal
    strips: Count
    tried: list[TriedScorePart]
    headset: Digest
    swept: Digest
    refused: Text | None = None


class EvaluationSettings(SteeringSettings):
    """How it was steered, asked and drawn; `every`: tokens a segment, none goes by sentences.

    `question` is the template by which `asked` and `blind` name each region.
    """

    prompt: Text
    question: Text | None = None
    seed: int
    resamples: Count
    every: Ordinal | None = None
    min_area: Number | None = None
    controls: Count | None = None
    low_controls: Count | None = None
    protocol: Text | None = None
    device: Text
    dtype: Text
    squash: bool = Field(
        default=True, exclude_if=bool, description="false where the model's processor was let crop"
    )
    layout: Text | None = Field(
        default=None,
        exclude_if=lambda layout: layout is None,
        description="of the comics, where given",
    )
    rtl: bool = Field(default=False, exclude_if=lambda rtl: not rtl, description="panels read from the right")
    spread: bool = Field(
        default=False, exclude_if=lambda spread: not spread, description="strips read as two pages"
    )


class JudgingPart(Part):
    """Who judged. A judge that is not `independent` is the model under test itself.

    `model`, `endpoint` and `prompt` name a judge that is asked; `requests` counts what was sent to it, `kept`
    what it had answered before.
    """

    name: Text
    independent: bool
    model: Text | None = None
    endpoint: Text | None = None
    prompt: Text | None = None
    requests: Count | None = None
    kept: Count | None = None


class GenerationsPart(Part):
    """The file of JSON lines that holds every text that was written, to be judged later."""

    path: Text
    sha256: Text
    texts: Count


class GroupPart(Part):
    """Accuracy over the targets of one size class or category; `control` is the mean over the draws."""

    by: Literal["size", "category"]
    name: Text
    n: Count
    gaze: Share
    control: Share | None
    all: Share | None
    unsteered: Share | None


class ExampleAnswerPart(Part):
    """An answer under the `gaze` condition: its target, its text, and what became of it."""

    region: Ordinal
    text: Text
    described: Ordinal | None
    fate: Text


class ExamplePart(Part):
    """A picture of the evaluation with what was written about it; `truths` has a text a region."""

    path: Text | None
    name: Text
    boxes: list[Box]
    truths: list[Text]
    unsteered: Text | None
    answers: list[ExampleAnswerPart]


class SelectorPart(Part):
    """One selector's best heads and, when they were steered, how often that redirected."""

    score: Literal["raw", "selectivity", "image", "localization"]
    heads: list[Pair]
    accuracy: Share | None = None
    ci95: Interval | None = None
    n: Count | None = None


class ComparisonPart(Part):
    """Selectors side by side; `overlap` counts common heads of the top `k`, in the selectors' order."""

    k: Ordinal
    selectors: list[SelectorPart]
    overlap: list[list[Count]]


class EvaluationPart(Open):
    """How well a head set steers, beside what chance and other heads reach.

    `strips` are those of the conditions; with a sweep, the held-out half. `chance` is a mean over the
    targets where pictures differ in their number of regions. `digest` is that of the kept evaluation.
    """

    digest: Digest | None = None
    comics: ComicsPart
    task: Literal["static", "vqa", "dynamic"]
    judge: Text
    judging: JudgingPart | None = None
    chance: Share
    strips: Count
    settings: EvaluationSettings
    conditions: list[ConditionPart]
    p_value: Share | None = Field(
        default=None, description="(1 + controls at least as good as the gaze heads) / (controls + 1)"
    )
    differences: list[DifferencePart] = Field(default_factory=list)
    on_discovery_strips: bool | None = Field(
        default=None, description="whether strips in which the heads were found are known to be among these"
    )
    discovery_strips: Count | None = Field(
        default=None, description="how many are known to be strips in which the heads were found"
    )
    advice: list[Text] = Field(default_factory=list, description="why figures may be poor, and what to try")
    warnings: list[Text] = Field(
        default_factory=list,
        exclude_if=lambda warnings: not warnings,
        description="what of these pictures cannot be told apart, whatever the heads are",
    )
    sweep: list[SweepPart] = Field(default_factory=list)
    choice: ChoicePart | None = None
    score_choice: ScoreChoicePart | None = None
    groups: list[GroupPart] = Field(default_factory=list)
    examples: list[ExamplePart] = Field(default_factory=list)
    generations: GenerationsPart | None = None
    timing: TimingPart | None = None


class EvaluationDocument(Document):
    """`gaze evaluate` and `gaze judge`: how well a head set steers, as it is kept in the cache."""

    schema_: Literal["gaze.evaluation/1"] = Field(default="gaze.evaluation/1", alias="schema")
    digest: Digest
    path: Text | None
    cached: bool
    model: ModelPart
    headset: Digest
    evaluation: EvaluationPart
    comparison: ComparisonPart | None = None
    figures: list[Text] = Field(default_factory=list, description="files that show the above")
