"""What was expected before the runs, and what would refute it.

The sentences and the rules were committed before the first run of the study; trial runs, of the first arm
only, had fixed the sizes and the number of steps. A rule looks at all runs of the arms that it names, and
answers for each seed whether it bears the sentence out; `None` where the question does not arise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gazecli.tiny.study.runs import (
    FEWEST,
    LEARNED,
    Run,
    blinded,
    blinded_controls,
    exact,
    redirected,
    redirected_by_controls,
    told,
)

Arms = Mapping[str, Run]  # one seed's runs by the name of their arm
Rule = Callable[[Arms], bool | None]
_CLEAR = 0.2  # a difference that fifty answers show
_GAINED = 0.1
_FEW = 0.1


@dataclass(frozen=True)
class Hypothesis:
    """A sentence, the observation that refutes it, and the rule that looks for it."""

    name: str
    expected: str
    refuted: str
    rule: Rule


def verdicts(hypothesis: Hypothesis, runs: Sequence[Run]) -> dict[int, bool | None]:
    """For each seed: borne out, refuted, or None where its runs do not tell."""
    seeds = sorted({run.seed for run in runs})
    found: dict[int, bool | None] = {}
    for seed in seeds:
        arms = {run.arm.name: run for run in runs if run.seed == seed}
        try:
            found[seed] = hypothesis.rule(arms)
        except KeyError:  # an arm that this seed was not run for
            found[seed] = None
    return found


def _redirects(run: Run) -> bool:
    return run.end(redirected) - run.end(redirected_by_controls) > _CLEAR


def _freezing_is_no_obstacle(arms: Arms) -> bool | None:
    if arms["trained"].birth is None:
        return None
    return arms["frozen"].birth is not None and _redirects(arms["frozen"])


def _random_towers_do(arms: Arms) -> bool:
    return arms["random"].birth is not None and arms["random"].end(exact) < _FEW


def _contrastive_towers_are_later(arms: Arms) -> bool | None:
    known, blurred = arms["frozen"].birth, arms["contrastive"].birth
    if known is None:
        return None
    return blurred is None or blurred > known


def _unfreezing_brings_captions(arms: Arms) -> bool | None:
    run = arms["late"]
    melts = max(step for step in run.steps if step <= run.arm.frozen * run.steps[-1])
    before = run.heads_at(melts)
    if len(before) < FEWEST:
        return None
    kept = before & run.heads_at(run.steps[-1])
    gained = run.end(exact) - exact(run.measured[run.steps.index(melts)])
    return len(kept) > len(before) / 2 and gained > _GAINED


def _looking_comes_first(arms: Arms) -> bool | None:
    both = [run for run in arms.values() if run.learned is not None]
    if not both:
        return None
    return all(run.birth is not None and run.birth <= (run.learned or 0) for run in both)


def _blinding_hurts(arms: Arms) -> bool | None:
    able = [run for run in arms.values() if run.end(told) >= LEARNED]
    if not able:
        return None
    return all(run.end(blinded_controls) - run.end(blinded) > _CLEAR for run in able)


def _late_layers_first(arms: Arms) -> bool | None:
    births = arms["trained"].births_by_layer()
    known = [step for step in births if step is not None]
    if not known:
        return None
    return births[-1] == min(known)


HYPOTHESES = (
    Hypothesis(
        "freezing",
        "Freezing is no obstacle: on a frozen tower that has learned the attributes, gaze heads grow and "
        "redirect, as on one that trains.",
        f"Where the trained tower has them, fewer than {FEWEST} heads are born on the frozen one, or they "
        f"redirect no more than controls and {_CLEAR}.",
        _freezing_is_no_obstacle,
    ),
    Hypothesis(
        "random",
        "Heads need little to look for: they grow on a tower frozen at random too, though the model hardly "
        "ever gets a caption right.",
        f"No set of heads is born, or {_FEW} and more of the answers are exact.",
        _random_towers_do,
    ),
    Hypothesis(
        "contrastive",
        "A tower trained to match whole strips with their captions blurs what lies where: heads are born "
        "later on it than on one that has learned each panel's attributes, or never.",
        "They are born no later.",
        _contrastive_towers_are_later,
    ),
    Hypothesis(
        "late",
        "Unfreezing late brings captions, not heads: most heads that were born before are there at the end, "
        f"and exact captions rise by more than {_GAINED}.",
        "Half or more of the heads are lost, or captions rise less.",
        _unfreezing_brings_captions,
    ),
    Hypothesis(
        "first",
        "Looking comes before telling: no model answers half of the questions about the right panel before "
        "its heads are born.",
        "A model does.",
        _looking_comes_first,
    ),
    Hypothesis(
        "needed",
        "A model that tells panels apart needs its gaze heads: blinding them costs more answers about the "
        f"right panel than blinding controls, by more than {_CLEAR}.",
        "In a model that answers half of the questions about the right panel it costs no more than that.",
        _blinding_hurts,
    ),
    Hypothesis(
        "order",
        "The last layer comes to look first, in the arm that is trained throughout.",
        "A head of another layer is born before one of the last.",
        _late_layers_first,
    ),
)
