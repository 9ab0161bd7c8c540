"""While one waits: what an interrupt says, which stage the progress counts, and how long it still takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from gazecli.cli import output as output_module
from gazecli.cli.output import OutputOptions, left_text, resumable, staged_progress
from gazecli.cli.time_left import TimeLeft


def test_an_interrupt_says_what_is_kept_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), resumable(OutputOptions().output(), "every strip so far"):
        raise KeyboardInterrupt
    heard = capsys.readouterr()
    assert (heard.out, heard.err) == ("", "every strip so far is kept; the same command goes on from there\n")


def test_what_ends_by_itself_or_fails_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with resumable(OutputOptions().output(), "all"):
        pass
    with pytest.raises(ValueError, match="x"), resumable(OutputOptions().output(), "all"):
        raise ValueError("x")
    assert capsys.readouterr().err == ""


def test_progress_counts_the_pictures_of_each_stage_under_its_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module, "SECONDS_BETWEEN_LINES", 0.0)
    with staged_progress(OutputOptions().output(), "evaluating", "pictures") as (stage, step):
        for name in ("steered, beside controls", "asked, heads blind"):
            stage(name, 1, 0)
            for done in (1, 2):
                step(done, 2)
    lines = [line.split(" pictures")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "evaluating: steered, beside controls: 1/2",
        "evaluating: steered, beside controls: 2/2",
        "evaluating: asked, heads blind: 1/2",
        "evaluating: asked, heads blind: 2/2",
    ]


@dataclass
class Clock:
    """Seconds that pass when they are told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Stage:
    """What one stage takes: batches of (pictures, seconds), `each` units of work a picture."""

    each: float
    batches: list[tuple[int, float]]
    kept: int = 0  # pictures that were done before
    name: str = "stage"

    @property
    def pictures(self) -> int:
        return self.kept + sum(count for count, _ in self.batches)

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.batches)


@dataclass
class Heard:
    """Every line that was printed: how much of all the time had passed, what was left, and what it said."""

    lines: list[tuple[float, float, str]] = field(default_factory=list)

    def estimates(self, since: float = 0.1) -> list[tuple[float, float]]:
        """What was said and what was true, in seconds, from the share `since` of all the time on."""
        found = []
        for share, left, line in self.lines:
            said = re.search(r"([\d.]+) (s|min|h) left", line)
            if said and since <= share < 1:
                found.append((float(said[1]) * {"s": 1, "min": 60, "h": 3600}[said[2]], left))
        return found

    def worst(self, since: float = 0.1) -> float:
        """The largest factor between what was said and what was true; of less than 3 s nobody minds."""
        return max(max(said, left, 3) / max(min(said, left), 3) for said, left in self.estimates(since))


def waited(capsys: pytest.CaptureFixture[str], *stages: Stage, loading: float = 0.0) -> Heard:
    """What the real progress prints of stages whose batches take the seconds they say."""
    clock, heard = Clock(), Heard()
    whole = sum(each.seconds for each in stages)
    began = clock.now + loading
    with staged_progress(OutputOptions().output(), "evaluating", "pictures", clock) as (stage, step):
        clock.now += loading
        for number, each in enumerate(stages):
            stage(each.name, each.each, sum(later.each * later.pictures for later in stages[number + 1 :]))
            done = each.kept
            step(done, each.pictures)
            for count, seconds in each.batches:
                clock.now += seconds
                done += count
                step(done, each.pictures)
                passed = clock.now - began
                said = capsys.readouterr().err.splitlines()
                heard.lines += [(passed / whole, whole - passed, line) for line in said]
    return heard


UNEVEN = {
    "loading takes a minute, and the first batch ten times as long": (
        60.0,
        [Stage(1, [(4, 120.0), *[(4, 12.0)] * 39])],
    ),
    "conditions of unlike length": (
        5.0,
        [Stage(8, [(2, 40.0), *[(2, 20.0)] * 19]), Stage(1, [(16, 20.0), (16, 22.0), (8, 9.0)])],
    ),
    "a short stage that chooses before two long ones": (
        20.0,
        [
            Stage(2, [(8, 30.0), *[(8, 12.0)] * 3]),
            Stage(8, [(2, 14.0)] * 50),
            Stage(7, [(2, 11.0)] * 50),
        ],
    ),
    "batches that are slow and quick in turn": (
        0.0,
        [Stage(8, [(2, 11.0), (2, 25.0)] * 20), Stage(7, [(4, 40.0), (4, 22.0)] * 10)],
    ),
    "half of it kept from before": (
        30.0,
        [Stage(8, [(2, 30.0), *[(2, 15.0)] * 24], kept=50), Stage(7, [(2, 12.0)] * 50)],
    ),
    "a second stage that begins slowly": (
        0.0,
        [
            Stage(8, [(6, 120.0), (6, 120.0), (6, 130.0), (2, 40.0)]),
            Stage(7, [(3, 150.0), (6, 125.0), (9, 143.0), (2, 58.0)]),
        ],
    ),
    "a last batch that is small": (0.0, [Stage(1, [*[(16, 30.0)] * 12, (1, 4.0)])]),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_the_time_left_is_true_within_a_factor_of_two_from_a_tenth_of_the_way_on(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    loading, stages = UNEVEN[name]
    heard = waited(capsys, *stages, loading=loading)
    assert heard.worst() <= 2
    assert len(heard.estimates(0.2)) >= 0.8 * len([1 for share, _, _ in heard.lines if 0.2 <= share < 1])


def test_no_time_is_told_while_only_the_first_batch_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = waited(capsys, Stage(1, [(4, 120.0), *[(4, 12.0)] * 9])).lines
    assert first[2] == "evaluating: stage: 4/40 pictures"
    assert second[2] == "evaluating: stage: 8/40 pictures, 0.3 pictures/s, 96 s left"


def test_the_time_left_says_when_it_is_that_of_later_stages_too(capsys: pytest.CaptureFixture[str]) -> None:
    heard = waited(capsys, Stage(1, [(1, 15.0)] * 4), Stage(1, [(1, 15.0)] * 4))
    said = [line.rpartition(", ")[2] for _, _, line in heard.lines]
    assert said[1:4] == ["90 s left in all", "75 s left in all", "60 s left in all"]
    assert said[4:] == ["45 s left", "30 s left", "15 s left", "0 s left"]


def test_the_time_left_runs_down_between_two_steps_and_waits_for_a_late_one() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    left.step(0, 4)
    assert left_text(left) == ""
    for done in (1, 2):
        clock.now += 40
        left.step(done, 4)
    assert left_text(left) == "80 s left"
    clock.now += 30
    assert left_text(left) == "50 s left"
    clock.now += 300
    assert left_text(left) == "40 s left"
    clock.now += 9000
    left.step(3, 4)
    assert left_text(left) == "78 min left"


def test_nothing_is_told_of_work_whose_end_is_not_known() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    for done in (1, 2, 3):
        clock.now += 10
        left.step(done, None)
    assert left_text(left) == ""
    assert left.rate() == pytest.approx(0.1)
