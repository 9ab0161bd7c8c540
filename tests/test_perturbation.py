"""The perturbation test is checked: it accepts a right token map and refuses wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageTextToText

from tests.fixtures.checkpoints import random_checkpoint
from tests.fixtures.perturbation import Prepare, changed_positions, check_token_map, dark_picture

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
Grid = Callable[[int, int], list[tuple[int, int]]]


def right(rows: int, columns: int) -> list[tuple[int, int]]:
    return [(r, c) for r in range(rows) for c in range(columns)]


def exchanged(rows: int, columns: int) -> list[tuple[int, int]]:
    return [(r, c) for c in range(columns) for r in range(rows)]


def mirrored(rows: int, columns: int) -> list[tuple[int, int]]:
    return [(r, columns - 1 - c) for r, c in right(rows, columns)]


def one_cell_late(rows: int, columns: int) -> list[tuple[int, int]]:
    cells = right(rows, columns)
    return [cells[-1], *cells[:-1]]


class Case:
    """A model and a hand-made prompt of nothing but a picture."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        self.pictures = AutoImageProcessor.from_pretrained(folder, backend="pil")

    def prepare(self, order: Grid) -> Prepare:
        def prepare(picture: Image.Image) -> tuple[Mapping[str, Any], Tensor, Tensor]:
            made = self.pictures(images=[picture], return_tensors="pt")
            rows, columns = (int(n) // 2 for n in made["image_grid_thw"][0, 1:])
            config = self.model.config
            inside = [config.image_token_id] * (rows * columns)
            ids = torch.tensor([[config.vision_start_token_id, *inside, config.vision_end_token_id]])
            types = (ids == config.image_token_id).int()
            width, height = picture.width / columns, picture.height / rows
            boxes = [
                [c * width, r * height, (c + 1) * width, (r + 1) * height] for r, c in order(rows, columns)
            ]
            inputs = {"input_ids": ids, "mm_token_type_ids": types, **made}
            return inputs, types[0].nonzero().flatten(), torch.tensor(boxes)

        return prepare


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(random_checkpoint(request.param, tmp_path_factory.mktemp(request.param)))


@pytest.mark.parametrize("size", [(600, 120), (120, 600), (300, 300), (37, 53)])
def test_a_right_map_is_accepted(case: Case, size: tuple[int, int]) -> None:
    assert check_token_map(case.model, case.prepare(right), dark_picture(*size)) == 6


@pytest.mark.parametrize("wrong", [exchanged, mirrored, one_cell_late])
def test_a_wrong_map_is_refused(case: Case, wrong: Grid) -> None:
    with pytest.raises(AssertionError, match="token"):
        check_token_map(case.model, case.prepare(wrong), dark_picture(600, 300))


def test_an_unchanged_picture_changes_nothing(case: Case) -> None:
    prepare = case.prepare(right)
    assert changed_positions(case.model, prepare, dark_picture(200, 200), (50, 50, 50, 50)) == set()


def test_a_large_area_changes_the_tokens_over_it(case: Case) -> None:
    prepare = case.prepare(right)
    picture = dark_picture(600, 300)
    _, positions, boxes = prepare(picture)
    changed = changed_positions(case.model, prepare, picture, (0, 0, 300, 300))
    left = {int(p) for p, box in zip(positions, boxes, strict=True) if box[2] <= 300}
    assert left <= changed
    assert not changed & {int(p) for p, box in zip(positions, boxes, strict=True) if box[0] > 320}


def test_the_vision_towers_own_attention_is_back_afterwards(case: Case) -> None:
    before = case.model.config.vision_config._attn_implementation
    changed_positions(case.model, case.prepare(right), dark_picture(100, 100), (10, 10, 20, 20))
    assert case.model.config.vision_config._attn_implementation == before == "sdpa"
