"""`evaluate`: an evaluation is run and kept, or found again in the cache."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache as remembered
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gazecli.api.evaluation import Evaluation, Note, as_kept, keep_evaluation
from gazecli.cache.store import Cache
from gazecli.distributed.group import join
from gazecli.evaluation.evaluate import Plan, execute, generate_with_maps
from gazecli.evaluation.examples import Examples
from gazecli.evaluation.judges.choice import judge_without_model, judged_by, likelihood_judge
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.store import KeptEvaluation, evaluation_request, found_again
from gazecli.evaluation.sweep import halves
from gazecli.evaluation.wanted import JudgeName, SweepName, TaskName, Wanted, is_coco
from gazecli.heads.discover import parse_batch_size
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset, model_source, note_headset
from gazecli.models.attention.bias import Mode, Scope
from gazecli.models.vlm import VLM
from gazecli.reports.evaluation import comparison_part, evaluation_part
from gazecli.reports.page.scenes import Scene, scene_of_example
from gazecli.steering.inputs import Model, loaded

_LOG = logging.getLogger(__name__)
Progress = Callable[[int, int], None]


def evaluate(
    headset: HeadSet | str | Path,
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

    headset: one, its digest, file, or a model (its newest). comics: a folder, or "coco" with `annotations`
    and `images`. model: a loaded VLM or a name; by default what the head set was made with, loaded only where
    something is not kept yet. The settings are those of `gaze evaluate`; None is the task's own default.
    `scenes` pictures are written once more with the attention of each token, for the page. `progress` is
    called with pictures (done, in all).

    The same call returns what is kept; with `force` it is computed again. Processes that a launcher started
    together share the pictures: all of them must call this, and all get the evaluation.

    Raises UsageError for settings that contradict each other, HeadSetError, ComicsError, AnnotationsError or
    ModelError for what cannot be used, JudgeError when a judge on the network does not answer.
    """
    wanted = Wanted(
        layout=layout,
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
    wanted.check(comics, top)
    size = parse_batch_size(batch_size)
    cache = cache if cache is not None else Cache()
    found = find_headset(headset, cache)
    preset = wanted.protocol_of(found)
    if preset is not None:
        top = preset.top if top == "auto" and preset.top is not None else top
        score = preset.score if score == "auto" else score
    ranked_by = found.resolve_score(score)
    source = model if model is not None else model_source(cache, found)

    @remembered
    def vlm() -> VLM:
        ready = loaded(source)
        found.check_model(ready.digest, ready.name)
        return ready

    ready = Prepared.of(
        found,
        len(found.top(top, ranked_by)),
        ranked_by,
        comics,
        wanted,
        computed_by(source),
        cache,
        wanted.scores_of_sweep(score),
        note,
    )
    done = ready.evaluate(vlm, batch_size=size, anew=force, progress=progress, note=note)
    if join().is_first:
        note_headset(cache, done.headset, source.source if isinstance(source, VLM) else str(source))
    return replace(done, scenes=ready.scenes(done, vlm(), scenes)) if scenes else done


def computed_by(model: Model) -> dict[str, object]:
    """Which device, type and preprocessing a request names."""
    if isinstance(model, VLM):
        return {"device": model.device.type, "dtype": model.dtype, "squash": model.squash}
    return {"device": "auto", "dtype": "auto", "squash": True}


@dataclass(frozen=True)
class Prepared:
    """An evaluation that only waits for its model: what is wrong with its settings and pictures is known.

    numbers: the pictures that are not spent on choosing heads. request: what finds it when it is kept.
    judge_name: what was asked for; `judge` is None until there is a model where it judges itself.
    """

    headset: HeadSet
    plan: Plan
    examples: Examples
    numbers: list[int]
    judge_name: JudgeName | None
    judge: Judge | None
    request: Mapping[str, Any]
    cache: Cache

    @classmethod
    def of(
        cls,
        headset: HeadSet,
        top: int,
        score: str,
        comics: str | Path,
        wanted: Wanted,
        by: Mapping[str, object],
        cache: Cache,
        scores: Sequence[str] = (),
        note: Note = _LOG.info,
    ) -> Prepared:
        """Of the best `top` heads by `score`; `by`: device, dtype and squash, as a request names them.

        `scores` are those that a sweep over heads tries. Raises UsageError, ComicsError or AnnotationsError.
        """
        plan = wanted.plan(headset, top, score, is_coco(comics), scores)
        judge = judge_without_model(wanted.judge, cache, forced=plan.protocol is not None)
        examples = wanted.examples(comics, headset)
        for skip in examples.skipped:
            note(f"skipped {skip.path}: {skip.reason}")
        numbers = list(range(len(examples.usable)))
        if plan.sweep is not None:
            # Too few to split is found out before a model is loaded.
            _, numbers = halves(len(numbers), plan.seed)
        request = evaluation_request(
            headset.digest, examples, {**asdict(plan), **by}, judged_by(wanted.judge, judge)
        )
        return cls(headset, plan, examples, numbers, wanted.judge, judge, request, cache)

    def evaluate(
        self,
        vlm: Callable[[], VLM],
        *,
        batch_size: int | None = None,
        anew: bool = False,
        progress: Progress = lambda done, total: None,
        note: Note = _LOG.info,
    ) -> Evaluation:
        """The evaluation, run and kept or found again; `vlm` loads the model where it is needed.

        With `anew` nothing is found again. Raises as `evaluate`.
        """
        group = join()
        kept = None if anew else group.from_first(self._kept)
        # Waits while another run evaluates the same, so that its evaluation can be taken.
        waiting = partial(note, "another run evaluates the same; waiting for it")
        alone = group.is_first and kept is None
        with self.cache.working_on(self.request, on_wait=waiting) if alone else nullcontext():
            if kept is None and not anew:
                kept = group.from_first(self._kept)
            if kept is not None:
                return as_kept(self.cache, self.headset, kept, str(self.examples.comics.path), note)
            return group.from_first(self._run(vlm(), batch_size, anew, progress, note))

    def _kept(self) -> KeptEvaluation | None:
        """What is kept, unless a sweep made a head set that is gone."""
        kept = found_again(self.cache, self.request)
        if kept is None or kept.headset == self.headset.digest or self.cache.get(kept.headset) is not None:
            return kept
        return None

    def _run(
        self, vlm: VLM, batch_size: int | None, anew: bool, progress: Progress, note: Note
    ) -> Callable[[], Evaluation]:
        """Run the plan, which all processes share; what is returned keeps the result, in the first one."""
        self.cache.ensure_writable()
        judge = self.judge
        if self.judge_name == "likelihood":
            judge = likelihood_judge(vlm, self.plan.task, self.plan.settings.prompt)
        done = execute(
            vlm, self.headset, self.examples, self.plan, judge, self.cache, progress, batch_size, anew
        )
        draws = sum(each.condition.name == "control" for each in done.runs)
        if draws < self.plan.controls:
            note(f"{draws} of {self.plan.controls} controls: there are no other heads to draw")

        def kept() -> Evaluation:
            part = evaluation_part(vlm, done, self.headset.digest, judge)
            compared = comparison_part(done) if self.plan.compare else None
            usable = self.examples.usable
            return keep_evaluation(self.cache, done.headset, part, compared, usable, done.runs, self.request)

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
