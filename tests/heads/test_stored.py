"""A head set stored by gaze 0.1.0 (commit 290e3e4) is read, has its digest, and is found again.

`stored/` is what `gaze discover tiny examples/comics` left in the cache then.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.canonical import document_key
from gazecli.errors import HeadSetError
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset
from gazecli.heads.request import Settings, request_document
from gazecli.pictures.comics.comics import open_comics
from gazecli.reports.headset import headset_document

STORED = Path(__file__).parent / "stored"
EXAMPLES = Path(__file__).parents[2] / "examples" / "comics"
DIGEST = "sha256:ae2c368a9b4fc78942a27e752ca7557b8478eae2ddb6d1ffd74e09e4f8f4b3e9"
REQUEST = "ff3e9f0e98575118dd27106c5c7e9ffea3e9fd90f8a4898087ba9cbc4a1a6e56"
MODEL = "sha256:0cf3124db3bca6c0773d836b2b8b010a978e50038f07b537fa9a21690038ad26"
# Its template had {ordinal} for the word, which is {ordinal_word} now; the questions are the same.
IN_WORDS = (
    "Look carefully at this {count}-panel comic strip. What is happening in the {ordinal_word} panel from "
    "the left? Answer briefly."
)
COMICS = "sha256:f18ab7001c66a7ff70b19612aeb985cb4652682d75662dce1a3321095d414dd3"


def test_a_stored_head_set_is_read_and_has_its_digest() -> None:
    path = STORED / "artifacts" / f"headset-{DIGEST.removeprefix('sha256:')}.safetensors"
    headset = find_headset(str(path), Cache())
    assert headset.digest == headset.to_artifact().digest == DIGEST
    assert headset.top(5) == [(3, 4), (3, 5), (3, 1), (3, 0), (3, 7)]
    np.testing.assert_allclose(headset.scores("raw")[3, 4], 0.983847, atol=1e-6)
    assert (headset.model["digest"], headset.header["comics"]["digest"]) == (MODEL, COMICS)


def test_a_request_has_the_key_it_had() -> None:
    in_words = Settings(prompt=IN_WORDS)
    assert document_key(request_document(MODEL, COMICS, in_words, None, None)) == REQUEST
    settings = Settings(4, 3, 64, 2, 7, "the {ordinal_word} of {count}", "panels", True, False)
    other = document_key(request_document(MODEL, COMICS, settings, "cuda:1", "bfloat16"))
    assert other == "890cd8a09c8b414e3e00113214fca20017310b8521d6fd449406cd7f59eec15a"


def test_a_stored_head_set_is_found_by_its_request_and_by_the_beginning_of_its_digest(tmp_path: Path) -> None:
    cache = Cache(shutil.copytree(STORED, tmp_path / "cache"))
    assert cache.verify() == []
    assert open_comics(EXAMPLES, panels=6).digest == COMICS
    assert cache.recall(request_document(MODEL, COMICS, Settings(prompt=IN_WORDS), None, None)) == DIGEST
    assert find_headset("ae2c", cache).digest == DIGEST


def test_a_head_set_of_weights_that_tiny_no_longer_has_is_refused_with_the_next_step(tmp_path: Path) -> None:
    cache = Cache(shutil.copytree(STORED, tmp_path / "cache"))
    with pytest.raises(HeadSetError, match="belongs to other weights of tiny") as caught:
        gaze.steer("tiny", EXAMPLES / "strip-0001", 1, heads=find_headset(DIGEST, cache))
    assert caught.value.hint == "run: gaze discover tiny COMICS"


def test_a_stored_head_set_still_says_by_which_words_it_was_found(tmp_path: Path) -> None:
    cache = Cache(shutil.copytree(STORED, tmp_path / "cache"))
    stored = find_headset(DIGEST, cache)
    assert stored.question == IN_WORDS
    assert headset_document(stored).settings.prompt == IN_WORDS


def test_the_default_question_is_another_request_than_the_one_in_words() -> None:
    assert document_key(request_document(MODEL, COMICS, Settings(), None, None)) != REQUEST


def test_a_suggested_strength_is_part_of_a_head_set_that_has_one() -> None:
    [path] = (STORED / "artifacts").glob("headset-ae2c*")
    plain = find_headset(str(path), Cache())
    assert (plain.strength, plain.resolve_strength(), plain.resolve_strength("hard")) == (None, 10.0, "hard")

    def suggesting(strength: object) -> HeadSet:
        suggested = {**plain.header["suggested"], "strength": strength}
        artifact = replace(plain, header={**plain.header, "suggested": suggested}).to_artifact()
        return HeadSet.from_artifact(artifact, artifact.digest)

    swept = suggesting(2.5)
    assert (swept.strength, swept.resolve_strength(), swept.resolve_strength(7)) == (2.5, 2.5, 7)
    assert swept.digest != DIGEST
    for wrong in (0, -1.0, 10001, True, "5", [5]):
        with pytest.raises(HeadSetError, match="malformed"):
            suggesting(wrong)
