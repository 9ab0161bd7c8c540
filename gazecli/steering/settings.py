"""How to steer: the question, the strength, the mode and the scope, and how long an answer gets.

Imports no torch: settings decide what is found again in the cache, before there is a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

from gazecli.errors import UsageError
from gazecli.models.attention.modes import MODES, SCOPES, STRENGTH, Mode, Scope, check_choice, parse_strength
from gazecli.plain_text import check_prompt

if TYPE_CHECKING:
    from gazecli.models.attention.gaze_attention import HeadsByLayer, KeyBias
    from gazecli.models.head_pairs import HeadPair, Heads
    from gazecli.models.token_maps.image_tokens import ImageLayout
    from gazecli.models.vlm import VLM
    from gazecli.pictures.picture import Picture
    from gazecli.pictures.regions import Region

STATIC_PROMPT = "What is happening in this panel of the comic strip?"
# Gandikota & Bau 2026 (arXiv 2606.14703), natural images.
NATURAL_PROMPT = "What is the main object in this part of the image? Answer in a few words."
TRACKING_PROMPT = (
    "Please describe what happens in each panel, in order. Start each panel description with 'Panel 1:', "
    "'Panel 2:', and so on."
)
VQA_PROMPT = "What is the main action or event happening in this comic strip? Answer briefly."
DYNAMIC_PROMPT = (
    "Please describe each panel of this comic strip in order as I point you to them. Keep each "
    "description SHORT \u2014 one brief sentence per panel, naming the action and the salient objects. "
    "Do not summarise the whole strip first; just describe panel by panel."
)


@dataclass(frozen=True)
class SteerSettings:
    """How to steer; defaults are the paper's recipe with a strength that keeps bfloat16 exact."""

    prompt: str = STATIC_PROMPT
    strength: float | str = STRENGTH
    mode: Mode = "boost-suppress"
    scope: Scope = "full"
    max_new_tokens: int = 64

    def check(self) -> None:
        """Raise UsageError for a value that makes no sense."""
        parse_strength(self.strength)
        check_choice("mode", self.mode, MODES)
        check_choice("scope", self.scope, SCOPES)
        check_request(self.prompt, self.max_new_tokens)
        if self.scope == "decode" and self.max_new_tokens < 2:
            raise UsageError("scope decode acts from the second token on", hint="raise --max-new-tokens")

    def check_heads(self, vlm: VLM, heads: Heads) -> tuple[list[HeadPair], dict[int, list[int]]]:
        """The heads to steer, in order and by layer, after `check`; raises as `VLM.check_heads`."""
        pairs = vlm.heads_among(heads)
        self.check()
        return pairs, vlm.check_heads(pairs)

    def bias(
        self,
        vlm: VLM,
        heads: HeadsByLayer | Sequence[HeadsByLayer],
        layout: ImageLayout,
        targets: Sequence[Region | None],
    ) -> KeyBias:
        """The bias that points `heads`, of all rows or of each, at one target a row, as `key_bias`."""
        from gazecli.models.attention.bias import key_bias

        return key_bias(heads, layout, targets, self.strength, self.mode, self.scope, vlm.device)


def question_for(picture: Picture, targets: Sequence[Region]) -> str:
    """The question about `targets` where none was given: the paper's about a panel of a comic strip, and its
    about a part of an image when one of them is a box, a mask, a side or another region that is no panel.
    """
    panels = {tuple(region.box) for region in picture.regions if region.panel}
    if panels:
        panels.add((0.0, 0.0, float(picture.width), float(picture.height)))
    is_comic = all(target.mask is None and tuple(target.box) in panels for target in targets)
    return STATIC_PROMPT if is_comic else NATURAL_PROMPT


def check_request(prompt: str, max_new_tokens: int) -> None:
    """UsageError for an empty prompt or an impossible length."""
    if not isinstance(max_new_tokens, Integral) or not 1 <= max_new_tokens <= 100_000:
        raise UsageError(
            "--max-new-tokens must be between 1 and 100000",
            subject=str(max_new_tokens),
            hint="leave it out for the default",
        )
    check_prompt(prompt)
