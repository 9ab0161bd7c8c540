"""Lines of a file of generations: what was asked, the pictures, the conditions, and every text.

Knows nothing of how they are written or read, and imports no model library.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gazecli.reports.evaluation_parts import EvaluationPart
from gazecli.reports.parts import Count, Digest, Document, Ordinal, Pair, Part, Text


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
    truths: list[Text] | None
    synonyms: list[list[Text]]
    sizes: list[Text]


class ConditionLine(Part):
    """Which heads were steered or blinded."""

    condition: Count
    name: Literal["gaze", "control", "all", "unsteered", "asked", "blind", "blind_control"]
    heads: list[Pair]
    seed: int | None


class TextLine(Part):
    """One text; `pieces` and `looked` are those of a narration's segment."""

    condition: Count
    picture: Count
    target: Ordinal
    text: Text
    unsteered: Text | None
    pieces: list[Text]
    looked: Ordinal | None
