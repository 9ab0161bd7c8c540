"""What an evaluation found, in three sentences: the share, what to hold against it, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from gazecli.reports.documents.evaluation import ConditionPart, EvaluationPart


@dataclass(frozen=True)
class Headline:
    """found: the share of the gaze heads. beside: what else gives. means: what follows from both.

    works: None where nothing follows.
    """

    found: str
    beside: str
    means: str
    works: bool | None = None


def headline(evaluation: EvaluationPart | None) -> Headline:
    """Of the newest evaluation; says what to run where there is none, or where nobody judged."""
    if evaluation is None:
        return Headline(
            "These heads are not evaluated yet.",
            "",
            "Their scores say where they look, not what steering them does: run gaze evaluate.",
        )
    gaze = next((each for each in evaluation.conditions if each.name == "gaze"), None)
    if gaze is None:
        return Headline("The texts are written, and nobody judged them yet.", "", "Run gaze judge.")
    if evaluation.task == "dynamic":
        what = "narrated the panel they were pointed at"
        unit = "segments"
    else:
        what, unit = "made the model describe the region they were pointed at", "answers"
    heads = f"{gaze.k} gaze heads" if gaze.k > 1 else "1 gaze head"
    low, high = gaze.ci95
    found = (
        f"{heads} {what} in {_percent(gaze.accuracy)} of {gaze.n} {unit} "
        f"(95 % interval {_percent(low)} to {_percent(high)})."
    )
    controls = [each.accuracy for each in evaluation.conditions if each.name == "control"]
    return Headline(found, _beside(evaluation, controls), *_meaning(evaluation, gaze, controls))


def _beside(evaluation: EvaluationPart, controls: list[float]) -> str:
    others = []
    if controls:
        draws = f"mean of {len(controls)} draws" if len(controls) > 1 else "one draw"
        others.append(f"as many other heads {_percent(mean(controls))} ({draws})")
    plain = next((each for each in evaluation.conditions if each.name == "unsteered"), None)
    if plain is not None:
        others.append(f"no steering {_percent(plain.accuracy)}")
    others.append(f"chance {_percent(evaluation.chance)}")
    return f"For comparison: {', '.join(others)}."


def _meaning(
    evaluation: EvaluationPart, gaze: ConditionPart, controls: list[float]
) -> tuple[str, bool | None]:
    if gaze.ci95[0] <= evaluation.chance:
        return "This shows no effect: the interval reaches down to chance.", False
    if not controls:
        return "The answers follow the heads more often than chance. Other heads were not tried.", None
    as_good = sum(each >= gaze.accuracy for each in controls)
    if as_good:
        return (
            f"This is no evidence for these heads: {as_good} of {len(controls)} draws of others do as well.",
            False,
        )
    return "The answers follow these heads, and no draw of other heads does as well.", True


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
