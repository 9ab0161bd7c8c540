"""What kept evaluations say for a head set, and what speaks against each: a push asks this first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.reports.documents.evaluation import ConditionPart, EvaluationPart
from gazecli.reports.documents.results import SuggestedPart

_OTHERS = ("control", "low_control")


@dataclass(frozen=True)
class Finding:
    """An evaluation, and why it does not support the head set; nothing stands `against` one that does."""

    evaluation: EvaluationPart
    against: tuple[str, ...]

    @property
    def gaze(self) -> ConditionPart | None:
        """What steering the chosen heads gave, if it was judged."""
        return next((each for each in self.evaluation.conditions if each.name == "gaze"), None)

    @property
    def controls(self) -> list[float]:
        """What steering other heads gave, a figure a draw, in order."""
        return sorted(each.accuracy for each in self.evaluation.conditions if each.name in _OTHERS)

    @property
    def supports(self) -> bool:
        """Whether it shows that steering these heads redirects the model."""
        return not self.against


def findings(evaluations: Sequence[EvaluationPart], suggested: SuggestedPart) -> list[Finding]:
    """Of the kept evaluations, newest first, those that support a head set before those that do not.

    Of several with one task, judge, pictures and settings the newest counts. Those of the heads that are
    `suggested` stand first.
    """
    newest: dict[tuple[object, ...], EvaluationPart] = {}
    for each in evaluations:
        newest.setdefault(_done(each), each)
    found = [Finding(each, tuple(_against(each))) for each in newest.values()]

    def place(finding: Finding) -> tuple[bool, bool]:
        settings = finding.evaluation.settings
        return not finding.supports, (settings.top, settings.score) != (suggested.top, suggested.score)

    return sorted(found, key=place)


def _done(evaluation: EvaluationPart) -> tuple[object, ...]:
    settings = evaluation.settings
    steered = (
        settings.top,
        settings.score,
        settings.strength,
        settings.mode,
        settings.scope,
        settings.prompt,
    )
    return evaluation.task, evaluation.judge, evaluation.comics.digest, evaluation.strips, *steered


def _against(evaluation: EvaluationPart) -> list[str]:
    finding = Finding(evaluation, ())
    gaze, controls, chance = finding.gaze, finding.controls, evaluation.chance
    if evaluation.judge == "none" or gaze is None:
        return ["its answers were not judged"]
    why = []
    low, high = gaze.ci95
    if gaze.accuracy <= chance:
        why.append(f"its accuracy, {gaze.accuracy:.3f}, is not above chance, {chance:.3f}")
    elif low <= chance:
        why.append(f"the interval of its accuracy, {low:.3f} to {high:.3f}, reaches chance, {chance:.3f}")
    if not controls:
        why.append("no other heads were steered beside it")
    elif gaze.accuracy <= controls[-1]:
        span = f"{controls[0]:.3f} to {controls[-1]:.3f}"
        why.append(f"its accuracy, {gaze.accuracy:.3f}, is not above that of the controls, {span}")
    return why
