"""While one waits: what an interrupt says, and which stage the progress counts."""

from __future__ import annotations

import pytest

from gazecli.cli import output as output_module
from gazecli.cli.output import OutputOptions, resumable, staged_progress


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
            stage(name)
            for done in (1, 2):
                step(done, 2)
    lines = [line.split(" pictures")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "evaluating: steered, beside controls: 1/2",
        "evaluating: steered, beside controls: 2/2",
        "evaluating: asked, heads blind: 1/2",
        "evaluating: asked, heads blind: 2/2",
    ]
