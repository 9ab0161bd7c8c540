"""Every text of an evaluation as JSON lines, written to be judged later, and read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gazecli.canonical import read_bytes
from gazecli.errors import AnnotationsError
from gazecli.evaluation.conditions import Condition
from gazecli.evaluation.examples import Example
from gazecli.evaluation.store import KeptEvaluation
from gazecli.evaluation.trials import Response, Run, Trial
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
from gazecli.reports.kept_evaluation import evaluation_of

_MAX_BYTES = 1 << 30
_HINT = "give a file that gaze evaluate --generations wrote"
Line = TypeVar("Line", bound=BaseModel)


@dataclass(frozen=True)
class Generations:
    """Texts to be judged: the examples have no pixels. source: the file they came from, or their digest."""

    source: str
    headset: str
    part: EvaluationPart
    examples: list[Example]
    runs: list[Run]


def text_lines(examples: Sequence[Example], runs: Sequence[Run]) -> tuple[str, list[tuple[int | None, str]]]:
    """Pictures, conditions and texts as JSON lines, and of each text the region it describes and its outcome.

    `examples` are all that the numbers of the runs count.
    """
    lines: list[BaseModel] = [_picture(place, examples[at]) for place, at in enumerate(runs[0].numbers)]
    lines += [
        ConditionLine.model_validate({"condition": place, **vars(run.condition)})
        for place, run in enumerate(runs)
    ]
    verdicts: list[tuple[int | None, str]] = []
    for place, run in enumerate(runs):
        for picture, trials in enumerate(run.pictures):
            lines += [_text(place, picture, trial.response) for trial in trials]
            verdicts += [(trial.described, trial.outcome) for trial in trials]
    return "".join(map(_line, lines)), verdicts


def generations_text(kept: KeptEvaluation, part: EvaluationPart) -> str:
    """The file of all texts of `kept`; `part` is its block of the report."""
    return _line(_head(kept, part)) + kept.lines


def _head(kept: KeptEvaluation, part: EvaluationPart) -> GenerationsDocument:
    unjudged: dict[str, Any] = {name: [] for name in ("conditions", "groups", "examples")}
    unjudged |= {"judge": "none", "judging": None, "digest": None}
    texts = len(kept.verdicts)
    return GenerationsDocument(
        headset=kept.headset,
        pictures=part.strips,
        conditions=max(0, kept.lines.count("\n") - part.strips - texts),
        texts=texts,
        evaluation=part.model_copy(update=unjudged),
    )


def generations_part(path: str, text: str) -> GenerationsPart:
    """What the report says of the file."""
    head = GenerationsDocument.model_validate_json(text[: text.index("\n")])
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return GenerationsPart(path=path, sha256=digest, texts=head.texts)


def read_generations(path: Path) -> Generations:
    """The texts again; AnnotationsError for a file that is none, cut short, or holds what does not fit."""
    first, *lines = _lines(path)
    return _read(str(path), _parsed(GenerationsDocument, first, str(path), 1), lines)


def generations_of(kept: KeptEvaluation) -> Generations:
    """The texts of a kept evaluation; AnnotationsError for one that does not fit together."""
    return _read(kept.digest, _head(kept, evaluation_of(kept)), kept.lines.rstrip("\n").split("\n"))


def _read(source: str, head: GenerationsDocument, lines: Sequence[str]) -> Generations:
    first_text = head.pictures + head.conditions
    if len(lines) != first_text + head.texts or not head.pictures or not head.conditions:
        raise _damaged(f"it has {len(lines) + 1} lines, but its first line says otherwise", source)
    # The first line of a file comes before these.
    numbered = list(enumerate(lines, 2))
    pictures = [_parsed(PictureLine, line, source, at) for at, line in numbered[: head.pictures]]
    conditions = [
        _parsed(ConditionLine, line, source, at) for at, line in numbered[head.pictures : first_text]
    ]
    runs = [
        Run(
            Condition(each.name, [Head(*pair) for pair in each.heads], each.seed),
            list(range(len(pictures))),
            [[] for _ in pictures],
        )
        for each in conditions
    ]
    for at, line in numbered[first_text:]:
        text = _parsed(TextLine, line, source, at)
        if text.condition >= len(runs) or text.picture >= len(pictures):
            raise _damaged(f"line {at} names an unknown condition or picture", source)
        if text.target > pictures[text.picture].regions:
            raise _damaged(f"line {at} names an unknown region", source)
        response = Response(text.target, text.text, text.unsteered, text.pieces, text.looked)
        runs[text.condition].pictures[text.picture].append(Trial(response, None, "unjudged"))
    examples = [_example(line, source) for line in pictures]
    return Generations(source, head.headset, head.evaluation, examples, runs)


def _picture(place: int, example: Example) -> PictureLine:
    known = {name: getattr(example, name) for name in ("name", "regions", "truths", "synonyms", "sizes")}
    return PictureLine(picture=place, digest=example.identity, **known)


def _text(condition: int, picture: int, response: Response) -> TextLine:
    written = {name: getattr(response, name) for name in ("target", "text", "unsteered", "pieces")}
    return TextLine(condition=condition, picture=picture, looked=response.attention_delay, **written)


def _example(line: PictureLine, source: str) -> Example:
    lists: list[Sequence[object]] = [each for each in (line.truths, line.synonyms, line.sizes) if each]
    if any(len(each) != line.regions for each in lists):
        raise _damaged(f"picture {line.name} has {line.regions} regions and another number of truths", source)
    return Example(line.name, line.regions, line.truths, None, line.synonyms, line.sizes, line.digest)


def _line(part: BaseModel) -> str:
    data = part.model_dump(mode="json", by_alias=True)
    return json_escaped(json.dumps(data, ensure_ascii=False, allow_nan=False)) + "\n"


def _lines(path: Path) -> list[str]:
    data = read_bytes(path, _MAX_BYTES, "the file of texts", AnnotationsError, "check the path")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _damaged("it is not UTF-8", str(path)) from error
    if not text.strip():
        raise _damaged("it is empty", str(path))
    return text.rstrip("\n").split("\n")


def _parsed(kind: type[Line], line: str, source: str, number: int) -> Line:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise _damaged(f"line {number} is not a valid line", source) from error


def _damaged(reason: str, source: str) -> AnnotationsError:
    return AnnotationsError(f"this file of texts cannot be used: {reason}", subject=source, hint=_HINT)
