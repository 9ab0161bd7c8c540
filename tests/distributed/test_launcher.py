"""What a launcher says is understood, and without one a process is on its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.distributed.group import ALONE, Group, in_order, join
from gazecli.distributed.launcher import Launch, current_launch, is_reporter, leave_launch
from gazecli.errors import UsageError
from tests.cli.conftest import gaze_here


@pytest.fixture
def started_as(monkeypatch: pytest.MonkeyPatch):
    """Say what a launcher would say: number, local number, count."""

    def say(number: str, local: str, count: str) -> None:
        for name, value in {"RANK": number, "LOCAL_RANK": local, "WORLD_SIZE": count}.items():
            monkeypatch.setenv(name, value)

    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return say


@pytest.mark.usefixtures("started_as")
def test_nobody_said_anything() -> None:
    assert current_launch() == Launch(0, 0, 1)
    assert current_launch().is_first
    assert join() is ALONE
    assert is_reporter()


def test_a_launcher_is_believed(started_as) -> None:
    started_as("5", "1", "8")
    assert current_launch() == Launch(5, 1, 8)
    assert not current_launch().is_first


@pytest.mark.parametrize("nonsense", [("0", "0", ""), ("x", "0", "2"), ("2", "0", "2"), ("-1", "0", "2")])
def test_nonsense_is_not_believed(started_as, nonsense: tuple[str, str, str]) -> None:
    started_as(*nonsense)
    assert current_launch() == Launch()


def test_who_leaves_the_launch_is_alone(started_as) -> None:
    started_as("0", "0", "4")
    leave_launch()
    assert current_launch() == Launch()


@given(st.lists(st.integers()), st.integers(1, 9))
def test_shares_put_together_are_what_was_shared(items: list[int], count: int) -> None:
    shares = [Group(number, count).share(items) for number in range(count)]
    assert in_order(shares) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_does_everything_itself() -> None:
    assert ALONE.share([3, 1, 2]) == [3, 1, 2]
    assert ALONE.whole(["a", "b"]) == ["a", "b"]
    assert ALONE.from_first(lambda: 7) == 7
    ALONE.agree("settings", {"seed": 1})


def test_what_differs_between_processes_is_an_error() -> None:
    class Two(Group):
        def gather(self, mine):
            return [mine, "another"]

    with pytest.raises(UsageError, match="different settings"):
        Two(0, 2).agree("settings", "one")


def test_a_command_that_is_not_shared_runs_in_the_first_process_only(
    started_as, capfd: pytest.CaptureFixture[str]
) -> None:
    started_as("1", "1", "2")
    second = gaze_here(capfd, "models", "--json")
    assert (second.code, second.out, second.err) == (0, "", "")
    started_as("0", "0", "2")
    first = gaze_here(capfd, "models", "--json")
    assert first.code == 0
    assert first.out.startswith('{"schema": "gaze.models/')
    assert "not shared among processes: one of 2 does it" in first.err
