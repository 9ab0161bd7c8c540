"""Every text of an evaluation as JSON lines, written to be judged later, and read again.

Knows nothing of judges.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gazecli.canonical import read_bytes
from gazecli.errors import AnnotationsError
from gazecli.evaluation.conditions import Condition
from gazecli.evaluation.evaluate import Evaluation
from gazecli.evaluation.examples import Example
from gazecli.evaluation.metrics import Run
from gazecli.evaluation.trials import Said, Trial
from gazecli.heads.headset import Head
from gazecli.plain_text import json_escaped
from gazecli.reports.documents.evaluation import (
    ConditionLine,
    EvaluationPart,
    GenerationsDocument,
    GenerationsPart,
    PictureLine,
    TextLine,
)

_MAX_BYTES = 1 << 30
_HINT = "give a file that gaze report --generations wrote"
Line = TypeVar("Line", bound=BaseModel)


@dataclass(frozen=True)
class Kept:
    """What a file of generations holds; the examples have no pixels, and nothing is judged."""

    headset: str
    part: EvaluationPart
    examples: list[Example]
    runs: list[Run]


def generations_text(evaluation: Evaluation, part: EvaluationPart) -> str:
    """All texts of `evaluation`; `part` is its block of the report."""
    numbers = evaluation.runs[0].numbers
    usable = evaluation.examples.usable
    bare = part.model_copy(
        update={"judge": "none", "judging": None, "conditions": [], "groups": [], "examples": []}
    )
    texts = [
        _text(place, number, trial.said)
        for place, run in enumerate(evaluation.runs)
        for number, trials in enumerate(run.pictures)
        for trial in trials
    ]
    head = GenerationsDocument(
        headset=evaluation.headset.digest,
        pictures=len(numbers),
        conditions=len(evaluation.runs),
        texts=len(texts),
        evaluation=bare,
    )
    lines: list[BaseModel] = [head]
    lines += [_picture(place, usable[number]) for place, number in enumerate(numbers)]
    lines += [_condition(place, run.condition) for place, run in enumerate(evaluation.runs)]
    return "".join(map(_line, [*lines, *texts]))


def generations_part(path: str, text: str) -> GenerationsPart:
    """What the report says of the file."""
    head = GenerationsDocument.model_validate_json(text[: text.index("\n")])
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return GenerationsPart(path=path, sha256=digest, texts=head.texts)


def read_generations(path: Path) -> Kept:
    """The texts again; AnnotationsError for a file that is none, cut short, or holds what does not fit."""
    lines = _lines(path)
    head = _parsed(GenerationsDocument, lines[0], path, 1)
    ends = (1, 1 + head.pictures, 1 + head.pictures + head.conditions)
    if len(lines) != ends[2] + head.texts or not head.pictures or not head.conditions:
        raise _damaged(f"it has {len(lines)} lines, which is not what its first one says", path)
    pictures = [_parsed(PictureLine, lines[at], path, at + 1) for at in range(ends[0], ends[1])]
    conditions = [_parsed(ConditionLine, lines[at], path, at + 1) for at in range(ends[1], ends[2])]
    runs = [
        Run(
            Condition(each.name, [Head(*pair) for pair in each.heads], each.seed),
            list(range(len(pictures))),
            [[] for _ in pictures],
        )
        for each in conditions
    ]
    for at in range(ends[2], len(lines)):
        text = _parsed(TextLine, lines[at], path, at + 1)
        if text.condition >= len(runs) or text.picture >= len(pictures):
            raise _damaged(f"line {at + 1} names a condition or picture that is not there", path)
        if text.target > pictures[text.picture].regions:
            raise _damaged(f"line {at + 1} names a region that is not there", path)
        said = Said(text.target, text.text, text.unsteered, tuple(text.pieces), text.looked)
        runs[text.condition].pictures[text.picture].append(Trial(said, None, "unjudged"))
    return Kept(head.headset, head.evaluation, [_example(line, path) for line in pictures], runs)


def _picture(place: int, example: Example) -> PictureLine:
    return PictureLine(
        picture=place,
        name=example.name,
        digest=example.identity,
        regions=example.regions,
        truths=list(example.truths) if example.truths is not None else None,
        synonyms=[list(others) for others in example.synonyms],
        sizes=list(example.sizes),
    )


def _condition(place: int, condition: Condition) -> ConditionLine:
    return ConditionLine(
        condition=place, name=condition.name, heads=list(condition.heads), seed=condition.seed
    )


def _text(condition: int, picture: int, said: Said) -> TextLine:
    return TextLine(
        condition=condition,
        picture=picture,
        target=said.target,
        text=said.text,
        unsteered=said.unsteered,
        pieces=list(said.pieces),
        looked=said.looked,
    )


def _example(line: PictureLine, path: Path) -> Example:
    lists: list[Sequence[object]] = [each for each in (line.truths, line.synonyms, line.sizes) if each]
    if any(len(each) != line.regions for each in lists):
        raise _damaged(f"picture {line.name} has {line.regions} regions and not as many truths", path)
    return Example(
        line.name,
        line.regions,
        tuple(line.truths) if line.truths is not None else None,
        None,
        tuple(map(tuple, line.synonyms)),
        tuple(line.sizes),
        line.digest,
    )


def _line(part: BaseModel) -> str:
    data = part.model_dump(mode="json", by_alias=True)
    return json_escaped(json.dumps(data, ensure_ascii=False, allow_nan=False)) + "\n"


def _lines(path: Path) -> list[str]:
    data = read_bytes(path, _MAX_BYTES, "the file of texts", AnnotationsError, "check the path")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _damaged("it is not UTF-8", path) from error
    if not text.strip():
        raise _damaged("it is empty", path)
    return text.rstrip("\n").split("\n")


def _parsed(kind: type[Line], line: str, path: Path, number: int) -> Line:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise _damaged(f"line {number} is not what belongs there", path) from error


def _damaged(reason: str, path: Path) -> AnnotationsError:
    return AnnotationsError(f"this is no whole file of texts: {reason}", subject=str(path), hint=_HINT)
