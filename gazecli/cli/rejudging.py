"""`gaze report --rejudge`: texts that were kept are judged, without writing any again.

Knows nothing of how a report looks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.cli.aiming import Aim, choose_heads, load_for
from gazecli.cli.combinations import Wanted
from gazecli.cli.evaluating import judge_without_model, likelihood_judge, open_examples
from gazecli.cli.streams import Streams
from gazecli.errors import AnnotationsError

if TYPE_CHECKING:
    from gazecli.evaluation.examples import Example
    from gazecli.evaluation.trials import Judge
    from gazecli.heads.headset import HeadSet
    from gazecli.reports.evaluation_parts import EvaluationPart
    from gazecli.reports.generations import Kept


def rejudge(
    streams: Streams, headset: str | None, evaluate: Path | None, kept_in: Path, wanted: Wanted
) -> tuple[HeadSet, EvaluationPart]:
    """The head set the texts were written with, and their evaluation by another judge.

    Raises AnnotationsError for a damaged file, texts of another head set or other pictures, HeadSetError when
    the head set is not here.
    """
    from gazecli.evaluation.counting import count, judged_again
    from gazecli.reports.evaluations import rejudged_part
    from gazecli.reports.generations import read_generations

    kept = read_generations(kept_in)
    aim = choose_heads(streams, None, headset or kept.headset, "auto", "auto")
    if aim.headset.digest != kept.headset:
        raise AnnotationsError(
            f"these texts were written with head set {kept.headset}",
            subject=str(kept_in),
            hint="leave the head set out",
        )
    examples = kept.examples
    if evaluate is not None:
        found = open_examples(streams, evaluate, wanted, aim.headset, False).usable
        examples = _matched(examples, found, kept_in)
    judge = _judge(streams, aim, kept, wanted)
    if judge.name == "lexical":
        _require_truths(examples, kept_in)
    runs = judged_again(kept.runs, examples, judge)
    part = kept.part
    panels = None if any(example.sizes for example in examples) else part.comics.panels
    counted = count(runs, examples, part.task == "dynamic", panels, part.settings.seed)
    return aim.headset, rejudged_part(part, judge, runs, counted, examples)


def _judge(streams: Streams, aim: Aim, kept: Kept, wanted: Wanted) -> Judge:
    judge = judge_without_model(wanted, aim)
    if judge is None:
        vlm = load_for(streams, aim, wanted.device, wanted.dtype, wanted.device_map, wanted.trust_remote_code)
        judge = likelihood_judge(vlm, kept.part.task, kept.part.settings.prompt)
    return judge


def _matched(kept: list[Example], found: list[Example], path: Path) -> list[Example]:
    """The pictures at hand that the texts are about, in the texts' order."""
    # A picture may be listed twice, with other regions.
    known = {(example.name, example.identity): example for example in found}
    matched = []
    for example in kept:
        same = known.get((example.name, example.digest))
        if same is None:
            raise AnnotationsError(
                "these texts are about other pictures than those at hand",
                subject=example.name,
                hint=f"give the pictures that {path.name} was made of",
            )
        matched.append(same)
    return matched


def _require_truths(examples: list[Example], path: Path) -> None:
    for example in examples:
        if example.truths is None:
            raise AnnotationsError(
                "the lexical judge needs captions, and a picture has none",
                subject=example.name,
                hint=f"write its captions and add --evaluate COMICS, or judge {path.name} otherwise",
            )
