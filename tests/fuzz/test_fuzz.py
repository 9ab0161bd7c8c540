"""Readers of other people's files hold against bytes that nobody thought of."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.run import CORPUS
from tests.fuzz.targets import TARGETS

SEEDS = sorted(path for path in CORPUS.rglob("*") if path.is_file())
SECONDS = 40


def feed(target: str, data: bytes) -> None:
    with warnings.catch_warnings():
        # Decoders warn about damaged metadata; that is not what is looked for here.
        warnings.simplefilter("ignore")
        TARGETS[target](data)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_corpus_breaks_no_reader(seed: Path) -> None:
    feed(seed.parent.name, seed.read_bytes())


def test_every_target_has_a_corpus_and_it_is_small() -> None:
    assert {seed.parent.name for seed in SEEDS} == set(TARGETS)
    assert sum(seed.stat().st_size for seed in SEEDS) < 200_000


@st.composite
def mutations(draw: st.DrawFn, target: str) -> bytes:
    """A seed with a few bytes changed, put in, taken out, or put behind another seed's beginning."""
    seeds = [seed.read_bytes() for seed in SEEDS if seed.parent.name == target]
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["change", "insert", "delete", "splice"]))
        if kind == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "delete":
            del data[at : at + draw(st.integers(1, 64))]
        else:
            other = draw(st.sampled_from(seeds))
            data[at:] = other[draw(st.integers(0, len(other))) :]
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS)
def test_mutations_of_the_corpus_break_no_reader(target: str) -> None:
    @given(mutations(target))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check(data: bytes) -> None:
        feed(target, data)

    check()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("target", TARGETS)
def test_coverage_guided_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris does not support this Python or machine")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.run", target),
            *("--seconds", str(SECONDS), "--findings", str(tmp_path / "findings")),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert list((tmp_path / "findings").iterdir()) == []
