"""Token maps of the families that need torchvision, from their processors' effective settings.

torchvision itself is not needed: of the picture processors only the arithmetic runs, in their own classes.
Where torchvision works, these families are among those of `test_families.py`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import transformers
from transformers import AutoTokenizer
from transformers.utils import is_torchvision_available

from gazecli.models.token_maps.bounds import bounded
from gazecli.models.token_maps.registry import BOUNDS, TOKEN_MAPS
from gazecli.models.token_maps.views import View, boxes_of, unseen_margin
from tests.fixtures.checkpoints import RECIPES
from tests.fixtures.checkpoints_torchvision import RECIPES as NEEDING

# By hand: tokens of 32 pixels, at most 256 of them at the picture's own aspect; above twice as many, tiles of
# 16 x 16 tokens are added.
LFM2_COUNTS = {
    (300, 300): 9 * 9,
    (640, 480): 18 * 13,
    (37, 53): 7 * 10,
    (2880, 256): 10 * 256 + 53 * 4,
    (2000, 1500): 6 * 256 + 18 * 13,
}


@pytest.fixture(scope="module", autouse=True)
def importable() -> Any:
    """Stand-ins for the names the modules import; calling one would fail."""
    if is_torchvision_available():
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.v2"):
            patch.setitem(sys.modules, name, ModuleType(name))
        patch.setattr(sys.modules["torchvision.transforms.v2"], "functional", None, raising=False)
        yield


@pytest.fixture(scope="module")
def processor_of(importable: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    del importable
    built: dict[str, Any] = {}

    def build(family: str) -> Any:
        if family not in built:
            built[family] = _processor(family, tmp_path_factory.mktemp(family))
        return built[family]

    return build


def _processor(family: str, folder: Path) -> Any:
    from tests.fixtures.checkpoint_parts import write_tokenizer

    recipe = RECIPES[family]
    write_tokenizer(recipe, folder)
    settings = dict(recipe.files["preprocessor_config.json"])
    module = importlib.import_module(f"transformers.models.{family}.image_processing_{family}")
    pictures = getattr(module, settings.pop("image_processor_type"))
    stock = getattr(transformers, settings.pop("processor_class"))
    lenient = type(stock.__name__, (stock,), {"check_argument_for_proper_class": lambda _s, _n, _p: None})
    return lenient(image_processor=pictures(**settings), tokenizer=AutoTokenizer.from_pretrained(folder))


def views_of(processor: Any, width: int, height: int) -> list[View]:
    views = TOKEN_MAPS[type(processor).__name__](processor, {}, 0, (width, height))
    return [view for view in views if isinstance(view, View)]


def own_count(family: str, processor: Any, width: int, height: int) -> int:
    """Image tokens as the processor's own classes count them; LFM2-VL's cannot without a picture."""
    if family == "lfm2_vl":
        return LFM2_COUNTS[width, height]
    counted = int(processor.image_processor.get_number_of_image_patches(height, width))
    return counted if family == "molmo2" else int(counted * processor.patch_size**2)


@pytest.mark.parametrize("family", sorted(NEEDING))
@pytest.mark.parametrize("size", sorted(LFM2_COUNTS), ids=str)
def test_as_many_tokens_are_predicted_as_the_processor_writes(
    processor_of: Callable[[str], Any], family: str, size: tuple[int, int]
) -> None:
    processor = processor_of(family)
    boxes = boxes_of(views_of(processor, *size), *size)
    assert len(boxes) == own_count(family, processor, *size)
    assert not boxes.isnan().any()
    assert not unseen_margin(boxes, *size)


def test_tiles_come_before_the_whole(processor_of: Callable[[str], Any]) -> None:
    for family in ("cohere2_vision", "lfm2_vl"):
        *tiles, everything = views_of(processor_of(family), 2880, 256)
        assert len(tiles) > 1
        assert (everything.xs[0][0], everything.xs[-1][1]) == (0, 2880)
        assert tiles[0].xs[-1][1] == tiles[1].xs[0][0] == 2880 / len(tiles)


def test_molmo_sees_the_whole_coarsely_then_finely(processor_of: Callable[[str], Any]) -> None:
    coarse, fine = views_of(processor_of("molmo2"), 2880, 256)
    assert (len(coarse.xs), len(coarse.ys)) == (14, 14)  # 27 patches a side, two by two
    assert coarse.xs[-1][1] - coarse.xs[-1][0] == pytest.approx(2880 / 27)
    assert len(fine.xs) > 4 * len(fine.ys)
    for view in (coarse, fine):
        assert (view.xs[0][0], view.xs[-1][1], view.ys[0][0], view.ys[-1][1]) == (0, 2880, 0, 256)


# The bound, and the tokens that a picture of 2000 x 1500 then takes: by hand, as above.
BOUNDED = {
    "cohere2_vision": {1300: 5 * 256, 1000: 3 * 256, 256: 256},
    "lfm2_vl": {1500: 4 * 256 + 18 * 13, 700: 18 * 13, 100: 11 * 8, 1: 1},
    "molmo2": {600: None, 400: None},
}


@pytest.mark.parametrize("family", sorted(NEEDING))
def test_a_bound_on_image_tokens_is_kept_by_settings(processor_of: Callable[[str], Any], family: str) -> None:
    processor = processor_of(family)
    showings = BOUNDS[type(processor).__name__]
    before = vars(processor.image_processor).copy()
    for most, tokens in BOUNDED[family].items():
        showing = bounded(showings, processor, [(2000, 1500)], most)
        counted = len(boxes_of(views_of(showing.processor, 2000, 1500), 2000, 1500))
        assert showing.counts == [counted]
        assert counted <= most
        if family != "lfm2_vl":
            assert counted == own_count(family, showing.processor, 2000, 1500)
        assert tokens in (None, counted)
    assert vars(processor.image_processor) == before
