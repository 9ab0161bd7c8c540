"""Texts that are written already are judged anew, and kept as evaluations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.api.evaluate import computed_by, model_of
from gazecli.api.evaluation import Evaluation, Note, as_kept, keep_evaluation
from gazecli.cache.store import Cache
from gazecli.errors import AnnotationsError, HeadSetError
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.choice import judge_without_model, judged_by, likelihood_judge
from gazecli.evaluation.metrics import run_metrics
from gazecli.evaluation.store import evaluations_of, found_again, judging_request
from gazecli.evaluation.trials import rejudge_runs
from gazecli.evaluation.wanted import JudgeName, Judging, Wanted, check_judging
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset, model_source
from gazecli.reports.evaluation import rejudged_part
from gazecli.reports.generations import Generations, generations_of, read_generations, text_lines

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM
    from gazecli.steering.inputs import Model

_LOG = logging.getLogger(__name__)


def judge(
    texts: HeadSet | str | Path,
    comics: str | Path | None = None,
    *,
    judge: JudgeName = "lexical",
    model: Model | None = None,
    layout: str | None = None,
    rtl: bool = False,
    spread: bool = False,
    annotations: str | Path | None = None,
    images: str | Path | None = None,
    force: bool = False,
    cache: Cache | None = None,
    note: Note = _LOG.info,
) -> list[Evaluation]:
    """Judge texts that are written already, and keep the result; one evaluation for each that has texts.

    texts: a file that `gaze evaluate --generations` wrote, or an evaluated head set, as `HeadSet.load` takes
    it. comics: the pictures they are about, for judges that see them, and for captions written since. model:
    what judges itself with `judge="likelihood"`, by default the head set's own.

    Raises AnnotationsError for a damaged file, other pictures than the texts are about or missing captions,
    HeadSetError when the head set is not here or was never evaluated, UsageError for what cannot matter.
    """
    judging = Judging(
        layout=layout,
        rtl=rtl,
        spread=spread,
        annotations=None if annotations is None else Path(annotations),
        images=None if images is None else Path(images),
        judge=judge,
    )
    check_judging(comics, judging)
    cache = cache if cache is not None else Cache()
    written = texts_of(texts, cache)
    headset = find_headset(texts if isinstance(texts, HeadSet) else written[0].headset, cache)
    source = model if model is not None else model_source(cache, headset)

    work = Rejudging(headset, comics, judging, computed_by(source), cache)
    return work.judged(written, model_of(source, headset), anew=force, note=note)


def is_text_file(path: str | Path) -> bool:
    """Whether `path` is a file and no head set's, which begins with a number of eight bytes."""
    try:
        with Path(path).open("rb") as file:
            return b"\0" not in file.read(8)
    except (OSError, ValueError):
        return False


def texts_of(texts: HeadSet | str | Path, cache: Cache) -> list[Generations]:
    """The texts of a file, or all that are kept of a head set, newest first."""
    if not isinstance(texts, HeadSet) and is_text_file(texts):
        return [read_generations(Path(texts))]
    return kept_texts(find_headset(texts, cache), cache)


def kept_texts(headset: HeadSet, cache: Cache) -> list[Generations]:
    """All texts that are kept of a head set, newest first, each once; HeadSetError for none."""
    found = reversed(evaluations_of(cache, headset.digest))
    # What stands before the texts says what is known of the pictures, which may be more today.
    kept = {each.lines.split("\n", each.evaluation["strips"])[-1]: each for each in found}
    if not kept:
        raise HeadSetError(
            "no texts are kept of this head set",
            subject=headset.digest,
            hint="not evaluated yet: gaze evaluate HEADSET COMICS",
            code="evaluation.none",
        )
    return [generations_of(each) for each in reversed(kept.values())]


@dataclass(frozen=True)
class Rejudging:
    """Who judges texts of a head set; `by`: device, dtype and squash, as a request names them."""

    headset: HeadSet
    comics: str | Path | None
    judging: Judging
    by: Mapping[str, object]
    cache: Cache

    def judged(
        self,
        written: Sequence[Generations],
        vlm: Callable[[], VLM],
        *,
        anew: bool = False,
        note: Note = _LOG.info,
    ) -> list[Evaluation]:
        """An evaluation for each of `written`; `vlm` loads the model where it judges itself.

        Raises AnnotationsError when nothing can be judged.
        """
        found: list[Evaluation] = []
        failures: list[AnnotationsError] = []
        for texts in written:
            try:
                found.append(self._judged(texts, vlm, anew, note))
            except AnnotationsError as error:
                # Kept texts may be about other pictures than those at hand.
                failures.append(error)
        if not found:
            raise failures[0]
        for failure in failures:
            note(f"not judged: {failure}")
        return found

    def _judged(self, texts: Generations, vlm: Callable[[], VLM], anew: bool, note: Note) -> Evaluation:
        part, examples, name = texts.part, texts.examples, self.judging.judge
        if self.comics is not None:
            # Without a judge, pictures without captions count too.
            wanted = Wanted(**{**vars(self.judging), "judge": "none"}, min_area=part.settings.min_area)
            at_hand = wanted.examples(self.comics, self.headset)
            for skip in at_hand.skipped:
                note(f"skipped {skip.path}: {skip.reason}")
            examples = _matched(texts, at_hand.usable)
        judge = judge_without_model(name, self.cache)
        for example in examples if judge is not None and judge.name == "lexical" else ():
            if example.truths is None:
                raise AnnotationsError(
                    "the lexical judge needs captions, and a picture has none",
                    subject=example.name,
                    hint=f"write its captions and name the comics too, or judge {texts.source} otherwise",
                )
        lines, _ = text_lines(examples, texts.runs)
        by = {**judged_by(name, judge), **self.by, "sees": self.comics is not None}
        request = judging_request(texts.headset, lines, part.settings.model_dump(mode="json"), by)
        kept = None if anew else found_again(self.cache, request)
        if kept is not None:
            return as_kept(self.cache, self.headset, kept, part.comics.path, note)
        judge = judge or likelihood_judge(vlm(), part.task, part.settings.prompt, self.cache, anew)
        runs = rejudge_runs(texts.runs, examples, judge)
        metrics = run_metrics(runs, examples, part.task == "dynamic", part.settings.seed)
        judged = rejudged_part(part, judge, runs, metrics, examples)
        return keep_evaluation(self.cache, self.headset, judged, None, examples, runs, request)


def _matched(texts: Generations, found: Sequence[Example]) -> list[Example]:
    """The pictures at hand that the texts are about, in the texts' order."""
    # A picture may be listed twice, with other regions.
    known = {(example.name, example.identity): example for example in found}
    matched = []
    for example in texts.examples:
        same = known.get((example.name, example.digest))
        if same is None:
            raise AnnotationsError(
                "these texts are about other pictures than the ones given",
                subject=example.name,
                hint=f"give the pictures that the texts of {texts.source} were written about",
            )
        matched.append(same)
    return matched
