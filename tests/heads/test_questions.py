"""The questions of discovery: the released code's wording to the letter, and templates as they are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.canonical import document_key
from gazecli.errors import UsageError
from gazecli.heads.questions import DISCOVERY_PROMPT, given_template, kept_template, panel_prompts
from gazecli.heads.request import Settings, request_document
from gazecli.models.inference.shared_prefix import ask
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture

STRIP = Path(__file__).parents[2] / "examples" / "strip.png"
# Typed from the paper's released code for strips of six panels.
RELEASED = [
    "Look carefully at this six-panel comic strip. What is happening in the 1st panel from the left? "
    "Answer briefly.",
    "Look carefully at this six-panel comic strip. What is happening in the 2nd panel from the left? "
    "Answer briefly.",
    "Look carefully at this six-panel comic strip. What is happening in the 3rd panel from the left? "
    "Answer briefly.",
    "Look carefully at this six-panel comic strip. What is happening in the 4th panel from the left? "
    "Answer briefly.",
    "Look carefully at this six-panel comic strip. What is happening in the 5th panel from the left? "
    "Answer briefly.",
    "Look carefully at this six-panel comic strip. What is happening in the 6th panel from the left? "
    "Answer briefly.",
]
places = st.sampled_from(["{ordinal}", "{ordinal_word}", "{number}", "{count}", "{{ordinal}}", "{{", "}}"])
templates = st.lists(places | st.text(st.characters(exclude_characters="{}"))).map("".join)


def test_the_default_question_is_the_released_codes() -> None:
    assert panel_prompts(DISCOVERY_PROMPT, 6) == RELEASED


def test_the_models_tokens_are_those_of_the_released_question(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("tiny"), Picture.open(STRIP)
    asked = ask(vlm, picture, panel_prompts(DISCOVERY_PROMPT, 6))
    for ids, question in zip(asked.ids, RELEASED, strict=True):
        content = [{"type": "image"}, {"type": "text", "text": question}]
        text = vlm.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        expected = vlm.processor(text=[text], images=[picture.image], return_tensors="pt")["input_ids"]
        assert ids == expected[0].tolist()


@given(st.integers(2, 20))
def test_every_panel_has_a_question_of_its_own(panels: int) -> None:
    for place in ("{ordinal}", "{ordinal_word}", "{number}"):
        prompts = panel_prompts(f"panel {place} of {{count}}", panels)
        assert len(set(prompts)) == panels


def test_a_template_knows_four_places() -> None:
    template = "{ordinal} {ordinal_word} {number} {count}"
    assert panel_prompts(template, 3) == ["1st first 1 three", "2nd second 2 three", "3rd third 3 three"]


@pytest.mark.parametrize(
    "template",
    [
        "no place",
        "only the {count}",
        "{ordinal} {secret}",
        "{ordinal} {ordinal_digits}",
        "{ordinal",
        "{0} {ordinal}",
        "{ordinal:>9}",
        "{ordinal!r}",
        "{ordinal:{number}}",
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="template"):
        panel_prompts(template, 6)


@given(templates)
def test_what_is_kept_of_a_template_gives_it_back(template: str) -> None:
    assert given_template(kept_template(template)) == template


@given(templates, templates)
def test_other_templates_have_other_keys(one: str, other: str) -> None:
    keys = {
        document_key(request_document("m", "c", Settings(prompt=each), None, None)) for each in (one, other)
    }
    assert len(keys) == len({one, other})


def test_what_is_no_template_stays_as_it_is() -> None:
    assert given_template("{ordinal") == "{ordinal"
