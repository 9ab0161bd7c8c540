"""`evaluate`: an evaluation is run and kept, or found again in the cache."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache as remembered
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gazecli.api.evaluation import Evaluation, Note, as_kept, keep_evaluation
from gazecli.cache.store import Cache
from gazecli.distributed.group import join
from gazecli.errors import UsageError
from gazecli.evaluation.evaluate import Plan, Stage, execute, generate_with_maps
from gazecli.evaluation.examples import Examples, turned_counts
from gazecli.evaluation.judges.choice import judge_without_model, judged_by, likelihood_judge
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.store import KeptEvaluation, evaluation_request, found_again
from gazecli.evaluation.sweep import halves
from gazecli.evaluation.wanted import JudgeName, SweepName, TaskName, Wanted, is_coco
from gazecli.heads.discover import parse_batch_size
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset, model_source, note_comics, note_headset
from gazecli.heads.rankings import listed_headset
from gazecli.models.attention.modes import Mode, Scope
from gazecli.models.head_pairs import Heads, head_pairs, parse_heads
from gazecli.reports.evaluation import comparison_part, evaluation_part
from gazecli.reports.page.scenes import Scene, scene_of_example
from gazecli.reports.tables import turned_words

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM
    from gazecli.steering.inputs import Model

_LOG = logging.getLogger(__name__)
Progress = Callable[[int, int], None]


def evaluate(
    headset: Heads,
    comics: str | Path,
    *,
    model: Model | None = None,
    task: TaskName = "static",
    top: int | str = "auto",
    score: str = "auto",
    judge: JudgeName = "lexical",
    samples: int | None = None,
    seed: int = 42,
    controls: int = 5,
    sweep: SweepName | None = None,
    protocol: Literal["paper"] | None = None,
    compare: bool = False,
    prompt: str | None = None,
    strength: float | str | None = None,
    mode: Mode | None = None,
    scope: Scope | None = None,
    max_new_tokens: int | None = None,
    every: int | Literal["sentence"] | None = None,
    layout: str | None = None,
    rtl: bool = False,
    spread: bool = False,
    annotations: str | Path | None = None,
    images: str | Path | None = None,
    min_area: float | None = None,
    batch_size: int | str = "auto",
    force: bool = False,
    scenes: int = 0,
    cache: Cache | None = None,
    progress: Progress = lambda done, total: None,
    note: Note = _LOG.info,
) -> Evaluation:
    """Steer heads on comics, count how often that redirected the answer, and keep the evaluation.

    headset: one, its digest, file, or a model (its newest); or heads that are listed, of `model`. comics: a
    folder, or "coco" with `annotations` and `images`. model: a loaded VLM or a name; by default what the head
    set was made with, loaded only where something is not kept yet. The settings are those of `gaze evaluate`;
    None is the task's own default. `scenes` pictures are written once more with the attention of each token,
    for the page. `progress` is called with pictures (done, in all), from the start again for the pictures
    that choose heads, the steered answers, and those of blinded heads.

    The same call returns what is kept; with `force` it is computed again. Processes that a launcher started
    together share the pictures: all of them must call this, and all get the evaluation.

    Raises UsageError for settings that contradict each other, HeadSetError, ComicsError, AnnotationsError or
    ModelError for what cannot be used, JudgeError when a judge on the network does not answer.
    """
    wanted = Wanted(
        top=top,
        score=score,
        layout=layout,
        rtl=rtl,
        spread=spread,
        annotations=None if annotations is None else Path(annotations),
        images=None if images is None else Path(images),
        judge=judge,
        min_area=min_area,
        task=task,
        sweep=sweep,
        controls=controls,
        protocol=protocol,
        every=every,
        samples=samples,
        seed=seed,
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        strength=strength,
        mode=mode,
        scope=scope,
        compare=compare,
    )
    wanted.check(comics)
    size = parse_batch_size(batch_size)
    cache = cache if cache is not None else Cache()
    found = _named(headset, model, cache)
    source = model if model is not None else model_source(cache, found)

    vlm = model_of(source, found)
    ready = Prepared.of(found, comics, wanted, computed_by(source), cache, note)
    done = ready.evaluate(vlm, batch_size=size, anew=force, progress=progress, note=note)
    if join().is_first:
        where = str(source) if isinstance(source, str | Path) else source.source
        note_headset(cache, done.headset, where)
    return replace(done, scenes=ready.scenes(done, vlm(), scenes)) if scenes else done


def _named(heads: Heads, model: Model | None, cache: Cache) -> HeadSet:
    """The head set that is given or named, or one of the heads that are listed."""
    if isinstance(heads, HeadSet | Path):
        return find_headset(heads, cache)
    listed = parse_heads(heads) if isinstance(heads, str) else head_pairs(heads)
    if isinstance(heads, str) and listed is None:
        return find_headset(heads, cache)
    if model is None:
        raise UsageError("listed heads need a model", subject=str(heads), hint='add model="NAME"')
    source = str(model) if isinstance(model, str | Path) else model.source
    return listed_headset(listed or [], source, cache)


def model_of(source: Model, headset: HeadSet) -> Callable[[], VLM]:
    """The model of the heads, loaded when it is first asked for; HeadSetError when it is another's."""

    @remembered
    def vlm() -> VLM:
        from gazecli.steering.inputs import loaded

        ready = loaded(source)
        headset.check_model(ready.digest, ready.name)
        return ready

    return vlm


def computed_by(model: Model) -> dict[str, object]:
    """Which device, type and preprocessing a request names; a bound on image tokens where there is one."""
    if isinstance(model, str | Path):
        return {"device": "auto", "dtype": "auto", "squash": True}
    bound = {} if model.image_tokens is None else {"image_tokens": model.image_tokens}
    return {"device": model.device.type, "dtype": model.dtype, "squash": model.squash, **bound}


@dataclass(frozen=True)
class Prepared:
    """An evaluation that only waits for its model: what is wrong with its settings and pictures is known.

    numbers: the pictures that are not spent on choosing heads. by: device, dtype and squash, as a request
    names them. judge: None until there is a model where it judges itself.
    """

    headset: HeadSet
    wanted: Wanted
    plan: Plan
    natural: bool
    examples: Examples
    numbers: list[int]
    judge: Judge | None
    by: Mapping[str, object]
    cache: Cache

    @classmethod
    def of(
        cls,
        headset: HeadSet,
        comics: str | Path,
        wanted: Wanted,
        by: Mapping[str, object],
        cache: Cache,
        note: Note = _LOG.info,
    ) -> Prepared:
        """Read the pictures; what is odd about them goes to `note`.

        Raises UsageError, ComicsError or AnnotationsError.
        """
        natural = is_coco(comics)
        plan = wanted.plan(headset, natural)
        judge = judge_without_model(wanted.judge, cache, forced=plan.protocol is not None)
        examples = wanted.examples(comics, headset)
        for skip in examples.skipped:
            note(f"skipped {skip.path}: {skip.reason}")
        turned = turned_counts(examples.usable)
        if turned is not None:
            note(turned_words(**turned))
        numbers = list(range(len(examples.usable)))
        if plan.sweep is not None:
            # Too few to split is found out before a model is loaded.
            _, numbers = halves(len(numbers), plan.seed)
        return cls(headset, wanted, plan, natural, examples, numbers, judge, by, cache)

    def request(self, headset: HeadSet) -> Mapping[str, Any]:
        """What finds the evaluation of `headset` with these settings when it is kept."""
        settings = {**asdict(self.wanted.plan(headset, self.natural)), **self.by}
        judged = judged_by(self.wanted.judge, self.judge)
        return evaluation_request(headset.digest, self.examples, settings, judged)

    def evaluate(
        self,
        vlm: Callable[[], VLM],
        *,
        batch_size: int | None = None,
        anew: bool = False,
        progress: Progress = lambda done, total: None,
        stage: Stage = lambda name, each, later: None,
        note: Note = _LOG.info,
    ) -> Evaluation:
        """The evaluation, run and kept or found again; `vlm` loads the model where it is needed.

        `stage` is told, as by `execute`, what is done to the pictures that `progress` counts next. With
        `anew` nothing is found again. Raises as `evaluate`.
        """
        group = join()
        kept = None if anew else group.from_first(self._kept)
        # Waits while another run evaluates the same, so that its evaluation can be taken.
        waiting = partial(note, "another run evaluates the same; waiting for it")
        alone = group.is_first and kept is None
        request = self.request(self.headset)
        with self.cache.working_on(request, on_wait=waiting) if alone else nullcontext():
            if kept is None and not anew:
                kept = group.from_first(self._kept)
            if kept is not None:
                found = as_kept(self.cache, self.headset, kept, str(self.examples.comics.path), note)
            else:
                found = group.from_first(self._run(vlm(), batch_size, anew, progress, stage, note))
        if group.is_first:
            note_comics(self.cache, self.examples.comics)
        if group.is_first and found.headset.digest != self.headset.digest:
            # The same call finds it again when the head set meant is the new one.
            self.cache.remember(self.request(found.headset), found.kept.digest)
        return found

    def _kept(self) -> KeptEvaluation | None:
        """What is kept, unless steering chose a head set that is gone."""
        kept = found_again(self.cache, self.request(self.headset))
        if kept is None or kept.headset == self.headset.digest or self.cache.get(kept.headset) is not None:
            return kept
        return None

    def _run(
        self,
        vlm: VLM,
        batch_size: int | None,
        anew: bool,
        progress: Progress,
        stage: Stage,
        note: Note,
    ) -> Callable[[], Evaluation]:
        """Run the plan, which all processes share; what is returned keeps the result, in the first one."""
        self.cache.ensure_writable()
        judge = self.judge
        if self.wanted.judge == "likelihood":
            judge = likelihood_judge(vlm, self.plan.task, self.plan.settings.prompt, self.cache, anew)
        done = execute(
            vlm, self.headset, self.examples, self.plan, judge, self.cache, progress, batch_size, anew, stage
        )
        draws = sum(each.condition.name == "control" for each in done.runs)
        if draws < self.plan.controls:
            note(f"{draws} of {self.plan.controls} controls: there are no other heads to draw")

        def kept() -> Evaluation:
            part = evaluation_part(vlm, done, self.headset.digest, judge)
            read = {"layout": self.wanted.layout, "rtl": self.wanted.rtl, "spread": self.wanted.spread}
            part = part.model_copy(update={"settings": part.settings.model_copy(update=read)})
            compared = comparison_part(done) if self.plan.compare else None
            usable, request = self.examples.usable, self.request(self.headset)
            return keep_evaluation(self.cache, done.headset, part, compared, usable, done.runs, request)

        return kept

    def scenes(
        self,
        evaluation: Evaluation,
        vlm: VLM,
        count: int,
        progress: Progress = lambda done, total: None,
    ) -> list[Scene]:
        """The first `count` pictures once more, with the attention of each token."""
        chose = evaluation.part.settings
        heads = evaluation.headset.top(chose.top, chose.score)
        plan = replace(self.plan, settings=replace(self.plan.settings, strength=chose.strength))
        scenes: list[Scene] = []
        shown = self.numbers[:count]
        for number in shown:
            example = self.examples.usable[number]
            scenes.append(scene_of_example(example, generate_with_maps(vlm, example, number, heads, plan)))
            progress(len(scenes), len(shown))
        return scenes
