"""Every family: its token map is true, and the fast paths equal the paper's recipe written plainly.

The table of docs/families.md is held to what a run finds; `make families` writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.attention.bias import key_bias
from gazecli.models.inference import generate as generation
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.shared_prefix import ask, last_token_mass
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests import oracle
from tests.conftest import noise_picture
from tests.fixtures.checkpoints import FAMILIES, RECIPES
from tests.fixtures.families_table import FAMILIES_PAGE, Found, rows_of, with_rows
from tests.fixtures.perturbation import SIZES, check_token_map, dark_picture

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPT = "What is happening in this panel of the comic strip?"
# Some resize two or three times, which smears over a cell; all do when one pixel becomes many cells.
SMEAR = {"idefics3": 1.0, "smolvlm": 1.0, "llava_onevision": 0.5}
SMALLEST = (37, 53)
SMALLEST_SMEAR = {"internvl": 0.5, "aya_vision": 0.5, "idefics3": 4.0, "smolvlm": 2.0}
MANY_TILES = ("idefics3", "smolvlm")
MANY_TOKENS = (*MANY_TILES, "llava_next", "llava_onevision")
QUICK = ((300, 300), SMALLEST)


def of_many_tokens(family: str) -> Any:
    """A family as a parameter; those of thousands of image tokens and a language model like others' wait."""
    return pytest.param(family, marks=[pytest.mark.slow] if family in MANY_TOKENS else [], id=family)


def token_map_cases() -> list[Any]:
    """Every family at every size; the large pictures take longer."""
    return [
        pytest.param(family, size, marks=[] if size in QUICK else [pytest.mark.slow], id=f"{family}-{size}")
        for family in FAMILIES
        for size in SIZES
    ]


@pytest.fixture(scope="module")
def passed() -> dict[str, Found]:
    """What this run has found so far, by family."""
    return {}


def heads_of(vlm: VLM) -> list[tuple[int, int]]:
    """Some heads of each layer that has any."""
    return [(layer, head) for layer in vlm.heads_of for head in (0, 3)]


def picture_of(seed: int) -> Picture:
    return noise_picture(360, 120, 3, seed)


@pytest.mark.parametrize(("family", "size"), token_map_cases())
def test_every_token_looks_where_its_box_says(
    vlm_of: Callable[[str], VLM], family: str, size: tuple[int, int], passed: dict[str, Found]
) -> None:
    vlm = vlm_of(family)

    def prepare(image: Image.Image) -> tuple[Any, torch.Tensor, torch.Tensor]:
        inputs, layout = vlm.prepare(Picture.from_image(image), "What is this?", squash=False)
        vlm.forget_positions()
        return inputs, layout.positions, layout.boxes

    smear = (SMALLEST_SMEAR if size == SMALLEST else SMEAR).get(family, 0.25)
    tries = 3 if family in MANY_TILES else 4
    assert check_token_map(vlm.model, prepare, dark_picture(*size), smear=smear, tries=tries) == tries
    made_of = type(vlm.processor).__name__, vlm.decoder.config.model_type.removesuffix("_text")
    passed.setdefault(family, Found(*made_of)).areas[size] = tries


@pytest.mark.parametrize("family", [of_many_tokens(family) for family in FAMILIES])
def test_discovery_equals_one_eager_pass_a_question(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    pictures = [picture_of(1), picture_of(2)]
    prompts = panel_prompts(DISCOVERY_PROMPT, 3)
    batch = [ask(vlm, picture, prompts) for picture in pictures]
    tables = [
        questions.layout.membership(picture.regions)
        for questions, picture in zip(batch, pictures, strict=True)
    ]
    fast = last_token_mass(vlm, batch, tables)
    for number, picture in enumerate(pictures):
        strip = []
        for prompt in prompts:
            inputs, layout = vlm.prepare(picture, prompt)
            regions = [layout.tokens(region).tolist() for region in picture.regions]
            strip.append((inputs, [*regions, layout.positions.tolist()]))
        vlm.forget_positions()
        plain = oracle.discover(vlm.model, [strip])  # (L, H, P, P + 1)
        assert set(fast) == set(vlm.heads_of)
        for layer, mass in fast.items():
            got = mass[number].transpose(0, 1).numpy()  # (H, P, P + 1)
            np.testing.assert_allclose(got, plain[layer], atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_steered_logits_equal_a_dense_mask(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    picture = picture_of(3)
    inputs, layout = vlm.prepare(picture, PROMPT)
    owned = layout.tokens(picture.regions[1]).tolist()
    others = [place for place in layout.positions.tolist() if place not in owned]
    vlm.forget_positions()
    with torch.no_grad():
        unsteered = vlm.model(**inputs, use_cache=False).logits[0, -1].float()
        with vlm.steered(heads_of(vlm), layout, picture.regions[1]):
            vlm.forget_positions()
            got = vlm.model(**inputs, use_cache=False).logits[0].float()
    plain = oracle.steered_logits(vlm.model, inputs, heads_of(vlm), owned, others, 10.0).float()
    torch.testing.assert_close(got, plain, atol=1e-3, rtol=0)
    assert (got[-1] - unsteered).abs().max() > 1e-3


@pytest.mark.parametrize("family", [of_many_tokens(family) for family in FAMILIES])
@pytest.mark.parametrize("scope", ["full", pytest.param("answer", marks=pytest.mark.slow)])
def test_steered_texts_equal_full_passes(
    vlm_of: Callable[[str], VLM], family: str, scope: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = vlm_of(family)
    picture = picture_of(4)
    inputs, layout = vlm.prepare(picture, PROMPT)
    # Each row has heads of its own.
    choices = [[], heads_of(vlm), [(layer, head) for layer, head in heads_of(vlm) if head]]
    targets = [None, picture.regions[0], picture.regions[2]]
    rows = [vlm.check_heads(heads or None) for heads in choices]
    bias = key_bias(rows, layout, targets, 10.0, "boost-suppress", scope, vlm.device)
    written = generate(vlm, inputs, layout, bias, 3, Limits(4, least=4))
    if scope == "full":
        monkeypatch.setattr(generation, "find_vision_tower", lambda model: None)
        assert generate(vlm, inputs, layout, bias, 3, Limits(4, least=4)) == written
    for heads, target, tokens in zip(choices, targets, written, strict=True):
        owned = layout.tokens(target).tolist() if target is not None else []
        others = [place for place in layout.positions.tolist() if place not in owned]
        # A random model may write the placeholder, which a full pass takes for a picture.
        tokens = list(takewhile(lambda token: token != vlm.model.config.image_token_id, tokens))
        plain = oracle.steered_logits(
            vlm.model,
            inputs,
            heads,
            owned,
            others,
            10.0,
            scope=scope,
            continuation=tokens,
        )
        predicted = plain[layout.length - 1 : layout.length - 1 + len(tokens)].float()
        for end in vlm.end_tokens():
            predicted[:, end] = float("-inf")
        chosen = predicted.gather(1, torch.tensor(tokens)[:, None])[:, 0]
        assert (predicted.max(-1).values - chosen).max() < 1e-3


@pytest.mark.parametrize("family", [of_many_tokens(family) for family in FAMILIES])
def test_rows_of_a_batch_write_what_each_writes_alone_and_leave_it_when_they_end(
    vlm_of: Callable[[str], VLM], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = vlm_of(family)
    picture = picture_of(6)
    inputs, layout = vlm.prepare(picture, PROMPT)
    first, others = heads_of(vlm)[:1], heads_of(vlm)[1:]
    rows = [vlm.check_heads(heads) for heads in (None, first, others, heads_of(vlm))]
    targets = [None, *(picture.regions[number] for number in (0, 1, 2))]

    def written(places: list[int], least: int) -> list[list[int]]:
        heads, aims = [rows[place] for place in places], [targets[place] for place in places]
        bias = key_bias(heads, layout, aims, 10.0, "boost-suppress", "full", vlm.device)
        return generate(vlm, inputs, layout, bias, len(places), Limits(6, least=least))

    endless = written([0, 1, 2, 3], 6)
    # A token that some rows write early on ends their texts.
    end = endless[1][1]
    monkeypatch.setattr(vlm.model.generation_config, "eos_token_id", end)
    together = written([0, 1, 2, 3], 0)
    assert together == [list(takewhile(lambda token: token != end, tokens)) for tokens in endless]
    assert together == [written([place], 0)[0] for place in range(4)]
    assert len(together[1]) < 6


def test_the_page_of_families_tells_what_was_found(
    passed: dict[str, Found], pytestconfig: pytest.Config
) -> None:
    whole = {family: found for family, found in passed.items() if set(found.areas) == set(SIZES)}
    page = FAMILIES_PAGE.read_text(encoding="utf-8")
    if pytestconfig.getoption("--write-families-table"):
        page = with_rows(page, whole, RECIPES)
        FAMILIES_PAGE.write_text(page, encoding="utf-8")
    rows = rows_of(page)
    assert list(rows) == list(RECIPES)
    for family, found in whole.items():
        assert rows[family] == found.row(family)
    for family, found in passed.items():
        assert f"| {found.processor} | {found.language_model} |" in rows[family]
