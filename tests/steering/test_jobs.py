"""Jobs from Python: results one by one, what one has wrong is its own, and any line is a job or an error."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.errors import GazeError, HeadSetError, PictureError
from gazecli.heads.headset import HeadSet
from gazecli.models.vlm import VLM
from gazecli.steering.jobs import LONGEST_LINE, JobResult, read_jobs
from tests.conftest import noise_picture, write_comics


@pytest.fixture(scope="module")
def headset(tmp_path_factory: pytest.TempPathFactory, vlm_of: Callable[[str], VLM]) -> HeadSet:
    comics = write_comics(tmp_path_factory.mktemp("known") / "comics", strips=2, panels=3)
    return gaze.discover(vlm_of("qwen2_vl"), comics, panels=3, cache=Cache(tmp_path_factory.mktemp("cache")))


def test_results_come_one_by_one_and_equal_those_of_single_calls(
    vlm_of: Callable[[str], VLM], headset: HeadSet
) -> None:
    vlm = vlm_of("qwen2_vl")
    taken: list[int] = []

    def jobs() -> Iterator[gaze.Job]:
        for seed in range(3):
            taken.append(seed)
            yield gaze.Job(picture=noise_picture(180, 60, 3, seed), region=2, max_new_tokens=3, id=seed)

    results = gaze.steer_many(vlm, headset, jobs())
    for seed in range(3):
        result = next(results)
        assert taken == list(range(seed + 1)), "no job is taken before the one ahead of it is done"
        assert (result.id, result.error) == (seed, None)
        picture = noise_picture(180, 60, 3, seed)
        alone = gaze.steer(vlm, picture, region=2, heads=headset.top(), max_new_tokens=3)
        assert result.steering is not None
        assert result.steering.answers[0].text == alone.text
        assert result.steering.answers[0].attention_steered == alone.attention_steered


def test_the_model_is_loaded_once_and_only_for_a_job_that_needs_it(
    vlm_of: Callable[[str], VLM], headset: HeadSet
) -> None:
    loads: list[int] = []

    def load() -> VLM:
        loads.append(1)
        return vlm_of("qwen2_vl")

    wrong = gaze.Job(picture="none.png", region=1)
    right = gaze.Job(picture=noise_picture(180, 60, 3), region=1, max_new_tokens=1)
    failed, there = gaze.steer_many(load, headset, [wrong, right], is_there=lambda _: True)
    assert isinstance(failed.error, PictureError)
    assert (there.steering, there.error) == (None, None)
    assert loads == []
    results = gaze.steer_many(load, headset, [right, wrong, right])
    assert [each.steering is not None for each in results] == [True, False, True]
    assert loads == [1]


def test_a_model_that_the_heads_are_not_of_ends_the_call(
    vlm_of: Callable[[str], VLM], headset: HeadSet
) -> None:
    job = gaze.Job(picture=noise_picture(180, 60, 3), region=1)
    with pytest.raises(HeadSetError, match="belongs to"):
        list(gaze.steer_many(vlm_of("qwen3_vl"), headset, [job]))


def test_a_digest_tells_what_was_asked_for(headset: HeadSet) -> None:
    def digest(region: int | str = 2, seed: int = 0, **options: object) -> str:
        job = gaze.Job(picture=noise_picture(180, 60, 3, seed), region=region, **options)  # type: ignore[arg-type]
        return job.opened(headset).digest()

    same = [digest(), digest(strength="10"), digest(top=headset.resolve_top())]
    others = [
        digest(region=1),
        digest(region="left"),
        digest(seed=1),
        digest(prompt="Who?"),
        digest(top=headset.resolve_top() + 1),
        digest(strength=11),
        digest(scope="answer"),
        digest(no_baseline=True),
        digest(id=1),
    ]
    assert len(set(same)) == 1
    assert len({same[0], *others}) == 1 + len(others)


LINES = st.one_of(
    st.binary(max_size=40),
    st.dictionaries(
        st.sampled_from(["picture", "region", "id", "strength", "panels", "regions", "top", "mode", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4
        ),
    ).map(lambda given: json.dumps(given).encode()),
)


@given(st.lists(LINES, max_size=6))
def test_any_line_is_a_job_or_an_error_with_an_id(lines: list[bytes]) -> None:
    read = list(read_jobs(io.BytesIO(b"\n".join(lines)), "jobs", Path("folder"), {"region": 1}))
    for each in read:
        assert each.id is not None
        if isinstance(each, JobResult):
            assert isinstance(each.error, GazeError)
            assert each.error.hint
            assert str(each.error.subject).startswith("jobs, line ")
    assert len(read) <= sum(line.count(b"\n") + 1 for line in lines)


def test_a_line_that_is_too_long_is_read_past() -> None:
    lines = b'{"picture": "' + b"a" * (3 * LONGEST_LINE) + b'"}\n{"picture": "b.png"}\n'
    long, short = read_jobs(io.BytesIO(lines), "jobs", Path(), {"region": 1})
    assert isinstance(long, JobResult)
    assert (short.id, isinstance(short, gaze.Job)) == (2, True)
