"""Discovery over real files: stored, found again, resumed, and honest about strips it left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.errors import ComicsError, HeadSetError, ModelError, UsageError
from gazecli.heads.headset_store import find_headset, last_headset
from gazecli.heads.request import Settings
from gazecli.models.vlm import VLM
from tests.conftest import noise_picture, write_comics


@pytest.fixture
def comics(tmp_path: Path) -> Path:
    return write_comics(tmp_path / "comics", strips=5, panels=3)


def test_the_second_call_returns_the_stored_head_set(vlm_of: Callable[[str], VLM], comics: Path) -> None:
    vlm = vlm_of("qwen2_vl")
    first = gaze.discover(vlm, comics, panels=3)
    again = gaze.discover(vlm, comics, panels=3)
    assert not first.cached
    assert again.cached
    assert first.digest == again.digest
    np.testing.assert_array_equal(first.matrices, again.matrices)


def test_computing_again_gives_the_same_digest(vlm_of: Callable[[str], VLM], comics: Path) -> None:
    vlm = vlm_of("qwen2_vl")
    assert (
        gaze.discover(vlm, comics, panels=3).digest == gaze.discover(vlm, comics, panels=3, force=True).digest
    )


def test_where_the_comics_lie_does_not_change_the_digest(
    vlm_of: Callable[[str], VLM], comics: Path, tmp_path: Path
) -> None:
    vlm = vlm_of("qwen2_vl")
    first = gaze.discover(vlm, comics, panels=3)
    moved = shutil.copytree(comics, tmp_path / "a name with spaces é")
    assert gaze.discover(vlm, moved, panels=3).cached
    assert gaze.discover(vlm, moved, panels=3, force=True).digest == first.digest


def test_double_pages_read_one_after_the_other_are_another_head_set(
    vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    page = Image.new("RGB", (420, 200), "white")
    for number, (left, top) in enumerate(product((10, 110, 220, 320), (10, 105))):
        page.paste(noise_picture(90, 85, 1, seed=number).image, (left, top))
    page.save(tmp_path / "page.png")
    vlm = vlm_of("qwen2_vl")
    across = gaze.discover(vlm, tmp_path, panels=8)
    pages = gaze.discover(vlm, tmp_path, panels=8, spread=True)
    assert not pages.cached
    assert gaze.discover(vlm, tmp_path, panels=8, spread=True).digest == pages.digest != across.digest
    kept = Settings(spread=True).kept()
    assert kept.pop("spread") is True
    assert kept == Settings().kept()


@pytest.mark.parametrize("change", [{"seed": 7}, {"gap": 2}, {"height": 64}, {"samples": 3}])
def test_other_settings_are_another_head_set(
    vlm_of: Callable[[str], VLM], comics: Path, change: dict[str, int]
) -> None:
    vlm = vlm_of("qwen2_vl")
    gaze.discover(vlm, comics, panels=3)
    assert not gaze.discover(vlm, comics, panels=3, **change).cached


def test_an_interrupted_walk_resumes_with_the_same_digest(
    vlm_of: Callable[[str], VLM], comics: Path, tmp_path: Path
) -> None:
    vlm = vlm_of("qwen2_vl")
    whole = gaze.discover(vlm, comics, panels=3, batch_size=1, cache=Cache(tmp_path / "one"))

    def interrupt(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    cache = Cache(tmp_path / "two")
    with pytest.raises(KeyboardInterrupt):
        gaze.discover(vlm, comics, panels=3, batch_size=1, cache=cache, progress=interrupt)
    resumed = gaze.discover(vlm, comics, panels=3, batch_size=1, cache=cache)
    assert resumed.resumed_from == 3
    assert resumed.digest == whole.digest


def test_other_batch_sizes_agree_and_rank_alike(vlm_of: Callable[[str], VLM], comics: Path) -> None:
    vlm = vlm_of("qwen3_vl")
    one = gaze.discover(vlm, comics, panels=3, batch_size=1)
    many = gaze.discover(vlm, comics, panels=3, batch_size=5, force=True)
    np.testing.assert_allclose(one.matrices, many.matrices, atol=1e-5)
    assert one.top(3) == many.top(3)


def test_a_damaged_head_set_is_set_aside_and_computed_again(
    vlm_of: Callable[[str], VLM], comics: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vlm = vlm_of("qwen2_vl")
    first = gaze.discover(vlm, comics, panels=3)
    assert first.path is not None
    data = bytearray(first.path.read_bytes())
    data[-100] ^= 1
    first.path.write_bytes(data)
    again = gaze.discover(vlm, comics, panels=3)
    assert not again.cached
    assert again.digest == first.digest
    assert "damaged" in caplog.text


def test_a_truncated_strip_is_left_out_and_counted(vlm_of: Callable[[str], VLM], comics: Path) -> None:
    victim = sorted(comics.iterdir())[3] / "p2.png"
    victim.write_bytes(victim.read_bytes()[:-200])
    found = gaze.discover(vlm_of("qwen2_vl"), comics, panels=3)
    assert found.header["comics"]["strips"] == 4
    assert len(found.header["comics"]["skipped"]) == 1


def test_comics_of_another_panel_count_are_refused_with_the_count(
    vlm_of: Callable[[str], VLM], comics: Path
) -> None:
    with pytest.raises(ComicsError) as refused:
        gaze.discover(vlm_of("qwen2_vl"), comics, panels=6)
    assert "3" in str(refused.value.hint)


@pytest.mark.parametrize(
    "wrong", [{"panels": 1}, {"samples": 0}, {"height": 3}, {"seed": -1}, {"batch_size": 0}, {"prompt": "x"}]
)
def test_impossible_settings_are_refused_before_the_model_is_loaded(
    comics: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        gaze.discover("no/such-model", comics, **{"panels": 3, **wrong})  # type: ignore[arg-type]


def test_an_absent_model_names_the_command_that_fetches_it(comics: Path) -> None:
    with pytest.raises(ModelError) as absent:
        gaze.discover("Qwen/Qwen2-VL-7B-Instruct", comics, panels=3)
    assert absent.value.hint is not None
    assert "hf download Qwen/Qwen2-VL-7B-Instruct" in absent.value.hint


def test_a_head_set_is_found_by_digest_prefix_file_and_as_the_last(
    vlm_of: Callable[[str], VLM], comics: Path
) -> None:
    found = gaze.discover(vlm_of("qwen2_vl"), comics, panels=3)
    cache = Cache()
    hex_digits = found.digest.removeprefix("sha256:")
    assert found.path is not None
    for spec in (found.digest, hex_digits[:8], f"sha256:{hex_digits[:12]}", str(found.path)):
        assert find_headset(spec, cache).digest == found.digest
    assert last_headset(cache).digest == found.digest


def test_a_head_set_of_another_model_is_refused_with_both_names(
    vlm_of: Callable[[str], VLM], comics: Path
) -> None:
    found = gaze.discover(vlm_of("qwen2_vl"), comics, panels=3)
    other = vlm_of("qwen3_vl")
    with pytest.raises(HeadSetError, match=r"qwen2_vl.*qwen3_vl"):
        found.check_model(other.digest, other.name)


def test_scores_and_tops_have_the_promised_shapes(vlm_of: Callable[[str], VLM], comics: Path) -> None:
    vlm = vlm_of("qwen2_vl")
    found = gaze.discover(vlm, comics, panels=3)
    assert found.matrices.shape == (vlm.layers, vlm.heads, 3, 3)
    assert found.matrices.dtype == np.float32
    for score in ("raw", "selectivity"):
        assert found.scores(score).shape == (vlm.layers, vlm.heads)
        assert len(found.top(5, score=score)) == 5
    with pytest.raises(UsageError, match="score"):
        found.scores("loudest")
