"""What the README shows: every JSON document is a valid one, and every picture is there and small."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

from gazecli.reports.documents.schemas import json_schema

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
]
PICTURES = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)


def test_a_steered_answer_and_an_error_are_shown() -> None:
    assert {"gaze.steer/1", "gaze.error/1"} <= {document["schema"] for document in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["schema"])
def test_every_document_validates_against_its_schema(document: dict[str, object]) -> None:
    name = str(document["schema"]).removeprefix("gaze.").removesuffix("/1")
    schema = json_schema(name)
    jsonschema.validate(document, schema)
    # None of today's keys is left out either; `id` and `job` stand in the lines of many pictures only.
    assert document.keys() == schema["properties"].keys() - {"id", "job"}


@pytest.mark.parametrize("picture", PICTURES)
def test_every_picture_is_there_and_small(picture: str) -> None:
    path = ROOT / picture
    assert path.stat().st_size < 200_000
    with Image.open(path) as opened:
        opened.load()
