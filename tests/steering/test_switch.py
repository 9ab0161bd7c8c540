"""Switching: the trajectory is the written-out formula's, under the bias that each token was written with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

import numpy as np
import pytest
import torch

from gazecli.models.attention.modes import Scope
from gazecli.models.vlm import VLM
from gazecli.steering.schedule import parse_targets, plan
from gazecli.steering.settings import SteerSettings
from gazecli.steering.switch import Narration, narrate
from tests import oracle
from tests.conftest import QWEN, noise_picture
from tests.fixtures.written_attention import biased_attention

EVERY = 3
PROMPT = "Describe each panel of this comic strip."
# The last three: sliding windows, sinks, and layers with a recurrent state instead of keys.
FAMILIES = (*QWEN, "tiny", "gemma3", "llava_gpt_oss", "qwen3_5")


def heads_of(vlm: VLM) -> list[tuple[int, int]]:
    return [(layer, head) for layer in vlm.heads_of for head in (0, 2, 3)]


def plain_trajectory(
    vlm: VLM, narration: Narration, tokens: Sequence[int], scope: Scope, strength: float
) -> np.ndarray:
    """Shares of the weighted attention on each region: one full pass, the bias a matrix, (steps, regions)."""
    inputs, layout = vlm.prepare(narration.picture, PROMPT)
    prompt, steps, image = layout.length, len(tokens), layout.positions.tolist()
    rows = [
        oracle.dense_bias(
            prompt + steps - 1,
            prompt,
            owned := layout.tokens(segment.region).tolist(),
            [place for place in image if place not in owned],
            strength,
            "boost-suppress",
            scope,
        )
        for segment in narration.segments
    ]
    bias = rows[0].clone()
    for segment, later in zip(narration.segments[1:], rows[1:], strict=True):
        bias[prompt - 1 + segment.start :] = later[prompt - 1 + segment.start :]
    heads = heads_of(vlm)
    shares: dict[tuple[int, int], np.ndarray] = {}

    def record(layer: int, weights: torch.Tensor, values: torch.Tensor) -> None:
        weighted = weights[:, prompt - 1 :] * values.norm(dim=-1)[:, None, :]  # (H, steps, L)
        whole = weighted[..., image].sum(-1)
        for head in {head for at, head in heads if at == layer}:
            shares[layer, head] = np.stack(
                [
                    (weighted[head][:, layout.tokens(region)].sum(-1) / whole[head]).numpy()
                    for region in narration.regions
                ],
                axis=-1,
            )

    vlm.forget_positions()
    with biased_attention(vlm.model, heads, bias, record), torch.no_grad():
        vlm.model(**oracle.continued(vlm.model, inputs, tokens[:-1]), use_cache=False)
    return np.mean([shares[head] for head in set(heads)], axis=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scope", ["full", "answer"])
def test_the_trajectory_is_that_of_one_full_pass_under_the_biases_of_its_tokens(
    vlm_of: Callable[[str], VLM], family: str, scope: Scope
) -> None:
    vlm, picture = vlm_of(family), noise_picture(420, 130, 3, seed=2)
    written: list[int] = []

    def keep(_step: int, rows: list[list[int]]) -> None:
        written[:] = rows[0]

    schedule = plan(parse_targets("2;10%,20%,60%,90%;1", picture), every=EVERY)
    settings = SteerSettings(prompt=PROMPT, scope=scope, strength=6.0)
    narration = narrate(vlm, picture, schedule, heads_of(vlm), settings, on_token=keep, require_effect=False)
    assert narration.trajectory.shape == (narration.tokens, 4)
    assert narration.tokens > 2 * EVERY
    # A random model may write the placeholder, which a full pass takes for a picture.
    tokens = list(takewhile(lambda token: token != vlm.model.config.image_token_id, written))
    assert len(tokens) > EVERY
    plain = plain_trajectory(vlm, narration, tokens, scope, settings.strength)
    np.testing.assert_allclose(narration.trajectory[: len(tokens)], plain, atol=1e-5, rtol=0)
