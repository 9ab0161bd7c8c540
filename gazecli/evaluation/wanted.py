"""What an evaluation is asked for, by name; what contradicts itself is refused, the rest becomes a plan.

Imports no torch, so that a contradiction is said at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from gazecli.errors import UsageError, cannot_matter

if TYPE_CHECKING:
    from gazecli.evaluation.evaluate import Plan
    from gazecli.evaluation.examples import Examples
    from gazecli.evaluation.protocol import Protocol
    from gazecli.heads.headset import HeadSet
    from gazecli.models.attention.bias import Mode, Scope

COCO = "coco"
MOST_CONTROLS = 1000
TaskName = Literal["static", "vqa", "dynamic"]
JudgeName = Literal["lexical", "likelihood", "endpoint", "none"]
SweepName = Literal["heads", "strength"]
# A caption-like answer needs no more; a model that never ends would cost many times as much.
_LONGEST_ANSWER = 64
_SEED = 42
_NATURAL = ("annotations", "images", "min_area")


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Who judges, and which pictures, beside the folder's name; None is what was left out."""

    layout: str | None = None
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
        elif self.layout is not None:
            raise cannot_matter("layout", "with coco", subject=self.layout)

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
    """How to evaluate; None is what was left out. every: tokens a segment of a narration, or `sentence`."""

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

    def check(self, comics: str | Path, top: int | str = "auto") -> None:
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
                "--seed must lie between 0 and 4294967295", subject=str(self.seed), hint="leave it out for 42"
            )
        if self.controls is not None and not _is_whole(self.controls, 1, MOST_CONTROLS):
            raise UsageError(
                f"--controls must lie between 1 and {MOST_CONTROLS}",
                subject=str(self.controls),
                hint="leave it out for 5",
            )
        if self.sweep == "strength" and self.strength is not None:
            hint = "the sweep chooses it"
            raise cannot_matter("strength", "with --sweep strength", hint, self.strength)
        if self.sweep == "heads" and top != "auto":
            raise cannot_matter("top", "with --sweep heads", "the sweep chooses it", top)
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

    def scores_of_sweep(self, score: str) -> tuple[str, ...]:
        """The scores that a sweep over heads tries: which of two steers better depends on the model."""
        if self.sweep != "heads":
            return ()
        return ("raw", "selectivity") if score == "auto" else (score,)

    def plan(self, headset: HeadSet, top: int, score: str, natural: bool, scores: Iterable[str] = ()) -> Plan:
        """What to run with the best `top` heads by `score`; UsageError for settings that make no sense.

        scores: those that a sweep over heads tries, of which the head set may not have all.
        """
        from gazecli.evaluation.coco import PROMPT
        from gazecli.evaluation.conditions import CONTROLS
        from gazecli.evaluation.evaluate import PROMPTS, Plan
        from gazecli.heads.questions import DISCOVERY_PROMPT
        from gazecli.steering.steer import SteerSettings

        task: TaskName = self.task or "static"
        length = None
        if task == "dynamic" and self.every != "sentence":
            length = 50 if self.every is None else int(self.every)
        prompt = PROMPT if natural else PROMPTS[task]
        protocol = self.protocol_of(headset)
        scope: Scope = "answer" if task == "dynamic" else "full"
        longest, strength = _LONGEST_ANSWER, "10"
        if protocol is not None:
            longest, scope, strength = protocol.max_new_tokens, protocol.scope, str(protocol.strength)
        settings = SteerSettings(
            prompt if self.prompt is None else self.prompt,
            self.strength or strength,
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
        # by. An imported ranking does not say how its heads were found.
        by_place = headset.question or DISCOVERY_PROMPT
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
            tuple(each for each in scores if headset.has(each)),
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

        if is_coco(comics) and self.annotations is not None and self.images is not None:
            return coco_examples(
                self.annotations, self.images, self.min_area or 0.0, self.samples, self.drawn_by
            )
        settings = headset.header["settings"]
        opened = open_comics(
            comics,
            panels=headset.panels,
            height=int(settings["height"]),
            gap=int(settings["gap"]),
            samples=self.samples,
            seed=self.drawn_by,
            layout=self.layout,
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
