"""Speed is kept by counting work: how often a picture is seen, tokens are read, how large tensors get."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.modes import Scope
from gazecli.models.inference import generate as generation
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.inference.shared_prefix import Questions, ask, last_token_mass
from gazecli.models.vlm import VLM
from tests.conftest import QWEN, noise_picture
from tests.fixtures.work import Work, counted

HEADS = [(0, 1), (1, 3), (1, 0), (2, 2)]
PANELS = 6
WRITTEN = 4


def discovered(vlm: VLM, size: tuple[int, int], strips: int = 1) -> tuple[Work, Questions]:
    pictures = [noise_picture(*size, PANELS, seed) for seed in range(strips)]
    batch = [ask(vlm, picture, panel_prompts(DISCOVERY_PROMPT, PANELS)) for picture in pictures]
    tables = [each.layout.membership(picture.regions) for each, picture in zip(batch, pictures, strict=True)]
    with counted(vlm) as work:
        last_token_mass(vlm, batch, tables)
    return work, batch[0]


def steered(vlm: VLM, size: tuple[int, int], scope: Scope) -> tuple[Work, int]:
    picture = noise_picture(*size, PANELS)
    inputs, layout = vlm.prepare(picture, "What is happening?")
    targets = [None, *picture.regions]
    bias = key_bias(vlm.check_heads(HEADS), layout, targets, 10.0, "boost-suppress", scope, vlm.device)
    with counted(vlm) as work:
        generate(vlm, inputs, layout, bias, len(targets), Limits(WRITTEN, least=WRITTEN))
    return work, layout.length


@pytest.mark.parametrize("family", QWEN)
@pytest.mark.parametrize("strips", [1, 3])
def test_discovery_sees_a_strip_once_and_reads_what_its_questions_share_once(
    vlm_of: Callable[[str], VLM], family: str, strips: int
) -> None:
    work, questions = discovered(vlm_of(family), (600, 100), strips)
    tails = sum(len(ids) - questions.shared for ids in questions.ids)
    assert work.vision == [strips * len(questions.inputs["pixel_values"])]
    assert work.decoder == [(strips, questions.shared), (strips, tails)]
    assert work.vocabulary == 0


@pytest.mark.parametrize("family", QWEN)
def test_attention_in_discovery_grows_with_the_picture_and_not_with_its_square(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    vlm = vlm_of(family)
    (small, few), (large, many) = (discovered(vlm, (900, height)) for height in (200, 800))
    more = many.layout.length / few.layout.length
    assert more > 2.5
    assert large.largest < small.largest * more * 1.1
    assert large.largest < 4 * vlm.heads * many.layout.length**2 / 4  # a quarter of one square matrix


@pytest.mark.parametrize("family", QWEN)
@pytest.mark.parametrize(
    ("scope", "prompts_read"), [("full", PANELS + 1), ("question", 1), ("answer", 1), ("decode", 1)]
)
def test_steering_sees_the_picture_once_and_repeats_only_what_the_bias_reaches(
    vlm_of: Callable[[str], VLM], family: str, scope: Scope, prompts_read: int
) -> None:
    vlm = vlm_of(family)
    work, length = steered(vlm, (600, 100), scope)
    rows = PANELS + 1
    assert len(work.vision) == 1
    assert work.decoder[-WRITTEN + 1 :] == [(rows, 1)] * (WRITTEN - 1)
    prompt = work.tokens - rows * (WRITTEN - 1)
    if prompts_read == 1:
        assert work.decoder[0][0] == 1
        assert length <= prompt < length + rows * 40  # the rows part behind the picture
    else:
        assert prompt == rows * length


@pytest.mark.parametrize("family", QWEN)
def test_attention_under_a_bias_grows_with_the_picture_and_not_with_its_square(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    vlm = vlm_of(family)
    (small, few), (large, many) = (steered(vlm, (900, height), "full") for height in (200, 800))
    assert many > 2.5 * few
    assert large.largest < small.largest * many / few * 1.1
    assert large.largest < 4 * vlm.heads * many**2


@pytest.mark.parametrize("family", ["qwen3_vl", "llava"])
def test_rows_whose_prompts_are_run_in_parts_write_the_same(
    vlm_of: Callable[[str], VLM], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = vlm_of(family)
    kept = KeptPicture(vlm, noise_picture(360, 120, 3, 4))
    inputs, layout = kept.prepare("What is happening?")
    targets = [None, *kept.picture.regions, kept.picture.regions[0]]
    bias = key_bias(vlm.check_heads(HEADS), layout, targets, 10.0, "boost-suppress", "full", vlm.device)

    def written() -> list[list[int]]:
        return generate(vlm, inputs, layout, bias, len(targets), Limits(5, least=5), kept=kept)

    together = written()
    monkeypatch.setattr(generation, "_PREFILLED_AT_ONCE", 2 * layout.length)
    assert written() == together
