"""Wordings of the five kinds of question that the small model is trained on, and wordings it never saw.

The paper's own prompts are among the wordings, character by character.
"""

from __future__ import annotations

import random

from gazecli.pictures.ordinals import count_word, ordinal_digits, ordinal_word

PAPER_PANEL = (
    "Look carefully at this {count}-panel comic strip. What is happening in the {ordinal} panel from "
    "the left? Answer briefly."
)
PAPER_STATIC = "What is happening in this panel of the comic strip?"
PAPER_VQA = "What is the main action or event happening in this comic strip? Answer briefly."
PAPER_TRACKING = (
    "Please describe what happens in each panel, in order. Start each panel description with "
    "'Panel 1:', 'Panel 2:', and so on."
)
PAPER_DYNAMIC = (
    "Please describe each panel of this comic strip in order as I point you to them. Keep each "
    "description SHORT \u2014 one brief sentence per panel, naming the action and the salient objects. "
    "Do not summarise the whole strip first; just describe panel by panel."
)

_OPENINGS = (
    "Look carefully at this {count}-panel comic strip. ",
    "Look at the picture. ",
    "This is a comic strip with {count} panels. ",
    "Here is a comic strip. ",
    "Look closely. ",
    "You see a strip of {count} panels. ",
)
_PANEL_CORES = (
    "What is happening in the {ordinal} panel from the left?",
    "What is happening in the {ordinal} panel?",
    "What happens in the {ordinal} panel?",
    "What happens in panel {k}?",
    "What is happening in panel {k}?",
    "Describe the {ordinal} panel.",
    "Describe panel {k}.",
    "Please describe the {ordinal} panel from the left.",
    "Please describe panel {k}.",
    "What can you see in panel {k}?",
    "What do you see in the {ordinal} panel?",
    "Tell me about the {ordinal} panel.",
    "Tell me what happens in panel {k}.",
    "In panel {k}, what is going on?",
    "In the {ordinal} panel, what happens?",
    "Panel {k}: what is happening?",
    "Which scene does the {ordinal} panel show?",
    "What does panel {k} show?",
    "What does the {ordinal} picture show?",
    "Write a caption for panel {k}.",
    "Give a short caption of the {ordinal} panel.",
    "What is going on in the {ordinal} picture from the left?",
    "Who does what in panel {k}?",
    "Now the {ordinal} panel.",
    "Panel {k}?",
    "The {ordinal} panel, please.",
)
_CLOSINGS = (
    " Answer briefly.",
    " Answer in one sentence.",
    " Be brief.",
    " Keep it short.",
    " One sentence.",
)
UNSEEN_PANEL = (
    "Could you say what the {ordinal} panel is about?",
    "I want to know what is happening in the {ordinal} panel of this comic.",
    "Have a look at panel {k} and describe it for me.",
    "Comic panel {k}, what is the action there?",
    "Give me one sentence about the {ordinal} panel from the left side.",
)
_STATIC = (
    PAPER_STATIC,
    PAPER_VQA,
    "What is happening in this panel?",
    "What is happening here?",
    "What is going on here?",
    "Describe this panel.",
    "Describe this part of the picture.",
    "What is the main action?",
    "What do you see?",
    "What is the main object in this part of the image? Answer in a few words.",
    "Describe the picture.",
    "What does this picture show?",
    "Tell me what happens here.",
    "Write a caption for this region.",
)
_IN_ORDER = (
    PAPER_TRACKING,
    "Please describe what happens in each panel, in order.",
    "Describe each panel in order.",
    "Describe the whole strip from left to right.",
    "Tell me what happens, panel by panel.",
)
_ANY_ORDER = (
    PAPER_DYNAMIC,
    "Describe the panels.",
    "Describe the panels in any order.",
    "Describe some panels of the strip.",
    "List the objects.",
    "Name what you see in the panels.",
    "Describe the panels one by one as I point you to them.",
)


def panel_question(rng: random.Random, k: int, count: int) -> str:
    """One of many wordings that ask about panel `k` of `count`; every fourth time the paper's."""
    if rng.random() < 0.25:
        return fill(PAPER_PANEL, k, count)
    opening = rng.choice(_OPENINGS) if rng.random() < 0.45 else ""
    closing = rng.choice(_CLOSINGS) if rng.random() < 0.45 else ""
    ordinal, number = ordinal_word(k), str(k)
    if rng.random() < 0.3:
        ordinal = ordinal_digits(k)
    if rng.random() < 0.4:
        number = rng.choice((count_word(k), f"number {k}", f"number {count_word(k)}"))
    if k == count > 1 and rng.random() < 0.1:
        ordinal = "last"
    wording = opening + rng.choice(_PANEL_CORES) + closing
    return wording.format(ordinal=ordinal, k=number, count=count_word(count))


def fill(wording: str, k: int, count: int) -> str:
    """A wording with its panel number filled in, in words; `{k}` in digits."""
    return wording.format(ordinal=ordinal_word(k), k=k, count=count_word(count))


def static_question(rng: random.Random) -> str:
    """A question that leaves open which panel is meant."""
    return _mostly_first(rng, _STATIC, leading=2, share=0.4)


def in_order_request(rng: random.Random) -> str:
    """A request to narrate all panels in reading order, numbered."""
    return _mostly_first(rng, _IN_ORDER, leading=2, share=0.6)


def any_order_request(rng: random.Random) -> str:
    """A request to narrate without saying in which order."""
    return _mostly_first(rng, _ANY_ORDER, leading=2, share=0.4)


def _mostly_first(rng: random.Random, wordings: tuple[str, ...], leading: int, share: float) -> str:
    return rng.choice(wordings[:leading] if rng.random() < share else wordings)
