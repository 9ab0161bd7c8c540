"""What an evaluation is asked for, by name; what contradicts itself is refused, the rest becomes a plan.

Imports no torch, so that a contradiction is said at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from gazecli.errors import UsageError, cannot_matter

if TYPE_CHECKING:
    from gazecli.evaluation.evaluate import Plan
    from gazecli.evaluation.examples import Examples
    from gazecli.evaluation.protocol import Protocol
    from gazecli.heads.headset import HeadSet
    from gazecli.models.attention.modes import Mode, Scope

COCO = "coco"
MOST_CONTROLS = 1000
TaskName = Literal["static", "vqa", "dynamic"]
JudgeName = Literal["lexical", "likelihood", "endpoint", "none"]
SweepName = Literal["heads", "strength"]
# A caption-like answer needs no more; a model that never ends would cost many times as much.
_LONGEST_ANSWER = 64
_SEED = 42
_COMICS = ("layout", "rtl", "spread")
_NATURAL = ("annotations", "images", "min_area")


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Who judges, and which pictures, beside the folder's name; None is what was left out."""

    layout: str | None = None
    rtl: bool = False
    spread: bool = False
    annotations: Path | None = None
    images: Path | None = None
    judge: JudgeName | None = None

    def check_pictures(self, comics: str | Path) -> None:
        """UsageError for what cannot matter to these pictures, or is missing."""
        if not is_coco(comics):
            for name in self.given():
                if name in _NATURAL:
                    raise cannot_matter(name, "without natural pictures", "name coco, not comics")
        elif self.annotations is None or self.images is None:
            raise UsageError("coco needs --annotations FILE and --images DIR", hint="name both")
        else:
            for name in self.given():
                if name in _COMICS:
                    raise cannot_matter(name, "with coco")

    def check_alone(self) -> None:
        """UsageError for what cannot matter without pictures."""
        for name in self.given():
            if name != "judge":
                raise cannot_matter(name, "without COMICS", "name the pictures too")

    def given(self) -> list[str]:
        """Names of what differs from its default."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]


@dataclass(frozen=True, kw_only=True)
class Wanted(Judging):
    """How to evaluate; None is what was left out. every: tokens a segment of a narration, or `sentence`.

    top and score: which of a head set's heads, `auto` for what it suggests.
    """

    top: int | str = "auto"
    score: str = "auto"
    min_area: float | None = None
    task: TaskName | None = None
    sweep: SweepName | None = None
    controls: int | None = None
    protocol: Literal["paper"] | None = None
    every: int | str | None = None
    samples: int | None = None
    seed: int | None = None
    prompt: str | None = None
    max_new_tokens: int | None = None
    strength: float | str | None = None
    mode: Mode | None = None
    scope: Scope | None = None
    compare: bool = False

    def check(self, comics: str | Path) -> None:
        """UsageError for the first setting of no known name, that cannot matter, or contradicts another."""
        for name, names in (("task", TaskName), ("judge", JudgeName), ("sweep", SweepName)):
            value = getattr(self, name)
            if value is not None and value not in get_args(names):
                hint = f"use one of {', '.join(get_args(names))}"
                raise UsageError(f"no such {name}", subject=str(value)[:80], hint=hint)
        if self.protocol not in (None, "paper"):
            raise UsageError("no such protocol", subject=str(self.protocol)[:80], hint="there is `paper`")
        if self.seed is not None and not _is_whole(self.seed, 0, 2**32 - 1):
            raise UsageError(
                "--seed must be between 0 and 4294967295", subject=str(self.seed), hint="leave it out for 42"
            )
        if self.controls is not None and not _is_whole(self.controls, 1, MOST_CONTROLS):
            raise UsageError(
                f"--controls must be between 1 and {MOST_CONTROLS}",
                subject=str(self.controls),
                hint="leave it out for 5",
            )
        if self.sweep == "strength" and self.strength is not None:
            hint = "the sweep chooses it"
            raise cannot_matter("strength", "with --sweep strength", hint, self.strength)
        if self.sweep == "heads" and self.top != "auto":
            raise cannot_matter("top", "with --sweep heads", "the sweep chooses it", self.top)
        if self.every is not None and self.task != "dynamic":
            hint = "add --task dynamic, or leave --every out"
            raise cannot_matter("every", "without --task dynamic", hint, self.every)
        if self.every not in (None, "sentence") and not _is_whole(self.every, 1, 10**9):
            raise UsageError(
                "--every is `sentence` or a whole number from 1",
                subject=str(self.every),
                hint="for example: --every 8",
            )
        if self.max_new_tokens is not None and self.task == "dynamic":
            raise cannot_matter("max_new_tokens", "with --task dynamic", "use --every")
        if self.judge == "none" and self.sweep is not None:
            raise UsageError("--sweep cannot choose without a judge", hint="leave out --judge none")
        if is_coco(comics) and self.task not in (None, "static"):
            message = "natural pictures are asked about region by region"
            raise UsageError(message, subject=f"--task {self.task}", hint="leave --task out")
        self.check_pictures(comics)

    def protocol_of(self, headset: HeadSet) -> Protocol | None:
        """What the preset that was asked for sets, for this task and the head set's model."""
        if self.protocol is None:
            return None
        from gazecli.evaluation.protocol import paper_protocol

        return paper_protocol(self.task or "static", str(headset.model["id"]), self.controls)

    def heads_of(self, headset: HeadSet) -> tuple[int, str]:
        """How many of the best heads, and the score that ranks them; UsageError where that cannot be."""
        protocol = self.protocol_of(headset)
        top, score = self.top, self.score
        if protocol is not None:
            top = protocol.top if top == "auto" and protocol.top is not None else top
            score = protocol.score if score == "auto" else score
        ranked_by = headset.resolve_score(score)
        return len(headset.top(top, ranked_by)), ranked_by

    def scores_to_try(self, headset: HeadSet, natural: bool) -> tuple[str, ...]:
        """The scores that steering chooses among: which of two steers better depends on the model.

        A sweep over heads tries both. So does an evaluation of all that a head set suggests, where steering
        has not tested that yet and the scores rank other heads first.
        """
        from gazecli.evaluation.score_choice import SCORES, are_apart

        if self.sweep == "heads":
            among = SCORES if self.score == "auto" else (self.score,)
            return tuple(score for score in among if headset.has(score))
        left_alone = (self.sweep, self.protocol, self.mode) == (None, None, None)
        suggested = (self.score, self.top) == ("auto", "auto") and headset.is_untested
        if not left_alone or not suggested or natural or self.judge == "none":
            return ()
        top, first = self.heads_of(headset)
        apart = first in SCORES and are_apart(headset, top)
        return (first, *(score for score in SCORES if score != first)) if apart else ()

    def plan(self, headset: HeadSet, natural: bool) -> Plan:
        """What to run, on comics or `natural` pictures; UsageError for settings that make no sense."""
        from gazecli.evaluation.conditions import CONTROLS
        from gazecli.evaluation.evaluate import PROMPTS, Plan
        from gazecli.heads.questions import DISCOVERY_PROMPT
        from gazecli.steering.settings import NATURAL_PROMPT, SteerSettings

        task: TaskName = self.task or "static"
        length = None
        if task == "dynamic" and self.every != "sentence":
            length = 50 if self.every is None else int(self.every)
        prompt = NATURAL_PROMPT if natural else PROMPTS[task]
        protocol = self.protocol_of(headset)
        scope: Scope = "answer" if task == "dynamic" else "full"
        longest, strength = _LONGEST_ANSWER, self.strength or "auto"
        if protocol is not None:
            longest, scope = protocol.max_new_tokens, protocol.scope
            strength = self.strength or str(protocol.strength)
        if strength == "auto":
            strength = f"{headset.resolve_strength():.10g}"
        settings = SteerSettings(
            prompt if self.prompt is None else self.prompt,
            strength,
            self.mode or "boost-suppress",
            self.scope or scope,
            self.max_new_tokens if self.max_new_tokens is not None else length or longest,
        )
        settings.check()
        if settings.mode == "blind":
            raise UsageError(
                "--mode blind turns heads away from a region, and evaluate asks whether they turn to it",
                hint="leave --mode out: the same heads blinded are among the conditions of static and vqa",
            )
        # A narration asks nothing about a place, and the things of a natural picture have none to be asked
        # by. An imported ranking does not say how its heads were found, and what was asked about texts asks
        # for no panel.
        by_place = (headset.question if headset.kind == "pictures" else None) or DISCOVERY_PROMPT
        top, score = self.heads_of(headset)
        return Plan(
            task,
            settings,
            top,
            score,
            self.drawn_by,
            length,
            self.sweep,
            None if natural or task == "dynamic" else by_place,
            self.compare,
            self.min_area,
            self.scores_to_try(headset, natural),
            CONTROLS if self.controls is None else self.controls,
            0 if protocol is None else protocol.low_controls,
            None if protocol is None else protocol.name,
        )

    @property
    def drawn_by(self) -> int:
        """The seed."""
        return _SEED if self.seed is None else self.seed

    def examples(self, comics: str | Path, headset: HeadSet) -> Examples:
        """The pictures to evaluate on, and what had to be left out.

        Raises ComicsError and AnnotationsError as what reads them.
        """
        from gazecli.evaluation.coco import coco_examples
        from gazecli.evaluation.examples import examples_of
        from gazecli.pictures.comics.comics import open_comics
        from gazecli.pictures.compose import GAP, HEIGHT

        if is_coco(comics) and self.annotations is not None and self.images is not None:
            return coco_examples(
                self.annotations, self.images, self.min_area or 0.0, self.samples, self.drawn_by
            )
        settings = headset.header["settings"]
        opened = open_comics(
            comics,
            panels=headset.panels,
            height=int(settings.get("height", HEIGHT)),  # heads found on texts know no size
            gap=int(settings.get("gap", GAP)),
            samples=self.samples,
            seed=self.drawn_by,
            layout=self.layout,
            rtl=self.rtl,
            spread=self.spread,
        )
        return examples_of(opened, need_captions=self.judge in (None, "lexical"))


def check_judging(comics: str | Path | None, judging: Judging) -> None:
    """UsageError for the first setting that cannot matter to texts that are written already."""
    if judging.judge == "none":
        raise UsageError(
            "gaze judge and --rejudge need a judge", subject="--judge none", hint="leave --judge out"
        )
    if comics is not None:
        judging.check_pictures(comics)
    elif judging.judge in ("likelihood", "endpoint"):
        raise UsageError(
            f"the {judging.judge} judge looks at the pictures",
            hint="name them too: gaze judge FILE|HEADSET COMICS, or report --evaluate COMICS --rejudge FILE",
        )
    else:
        judging.check_alone()


def is_coco(comics: str | Path | None) -> bool:
    """Whether natural pictures are asked for."""
    return comics is not None and str(comics) == COCO


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
