"""Other people's text, in every place it can stand, never becomes more than text."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from gazecli.cache import Artifact, Cache
from gazecli.cli.output import Output, busy, console_on
from gazecli.cli.tables import print_facts, print_table
from gazecli.heads.headset import HeadSet
from gazecli.plain_text import error_words, json_escaped, visible
from tests.conftest import write_comics
from tests.trust.conftest import EXAMPLES, Gaze, error_of

REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
EVIL = "a\x1b[31m\x1b]0;title\x07\x9b2J\u202eb\u2066c\r\n=1+1|`x`[y](http://e)<b>\"'&\x00\U000e0041"
NAME = EVIL.replace("/", "").replace("\x00", "")
any_text = st.text(st.characters(), max_size=40)


def harmless(shown: str) -> bool:
    """No character that a terminal obeys, reorders by, or breaks a line at, but the line's own end."""
    return all(
        c in "\n"
        or (
            unicodedata.category(c) not in {"Cc", "Cs", "Zl", "Zp"}
            and unicodedata.bidirectional(c) not in REORDERING
        )
        for c in shown
    )


def renamed(headset: HeadSet, text: str) -> HeadSet:
    """The head set with foreign text wherever a header has text."""
    header = json.loads(json.dumps(headset.header))
    for block, keys in {
        "model": ("name", "id", "revision", "family", "dtype"),
        "comics": ("digest",),
        "settings": ("prompt", "layout"),
        "suggested": ("why",),
    }.items():
        header[block] |= dict.fromkeys(keys, text)
    header["comics"]["skipped"] = [{"strip": 0, "reason": text}]
    return replace(headset, header=header)


@pytest.fixture
def evil_headset(own_cache: Path, measured: HeadSet) -> str:
    digest, _ = Cache(own_cache).put(renamed(measured, EVIL).to_artifact())
    return digest


@pytest.mark.parametrize("form", ["human", "json", "markdown", "html", "csv"])
def test_a_foreign_header_is_shown_and_not_obeyed(gaze: Gaze, evil_headset: str, form: str) -> None:
    ran = gaze("report", evil_headset, "--format", form)
    assert ran.code == 0
    assert harmless(ran.out), form
    if form == "json":
        assert ran.document("report")["suggested"]["why"] == EVIL
    if form == "html":
        assert "<b>" not in ran.out
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(ran.out)) for cell in row]
        assert not [cell for cell in cells if cell.lstrip()[:1] in ("=", "@", "+")]


def test_the_cache_shows_foreign_names_and_values(gaze: Gaze, own_cache: Path) -> None:
    header = {EVIL: EVIL, "model": {"name": EVIL, EVIL: EVIL}, "comics": {"digest": EVIL}}
    digest, _ = Cache(own_cache).put(Artifact("note", header, {"x": np.zeros(1, np.float32)}))
    for call in (["ls"], ["show", digest], ["verify"], ["path", digest], ["rm", digest, "--dry-run"]):
        for form in ("human", "json"):
            ran = gaze("cache", *call, "--format", form)
            assert ran.code == 0
            assert harmless(ran.out + ran.err), call


def test_foreign_file_names_are_shown_and_not_obeyed(gaze: Gaze, tmp_path: Path) -> None:
    comics = write_comics(tmp_path / NAME, strips=2, panels=3)
    (comics / "comic-000").rename(comics / NAME)
    (comics / NAME / "p2.png").write_bytes(b"no picture")
    for form in ("human", "json"):
        ran = gaze("comics", "check", comics, "--panels", 3, "--format", form)
        assert ran.code == 0, ran.err
        assert harmless(ran.out + ran.err)
    for call in (
        ["steer", comics / NAME, "--region", 1],
        ["steer", comics / "none", "--region", f"@{NAME}"],
        ["switch", NAME, "--schedule", NAME],
        ["discover", NAME, comics],
        ["report", NAME],
        ["report", "-o", tmp_path / NAME / "none" / NAME / "x"],
        ["cache", "import", tmp_path / NAME],
        ["cache", "rm", NAME, "--yes"],
        ["schema", NAME],
        [NAME],
        ["steer", "x.png", f"--{NAME}"],
        ["steer", "x.png", "--mode", NAME],
    ):
        for asked in ([], ["--json"], ["-vv"]):
            ran = gaze(*call, *asked)
            assert ran.code == 2, (call, ran.err)
            assert harmless(ran.out + ran.err.replace("\t", " ")), call


def test_a_steered_picture_of_any_name_is_told(gaze: Gaze, known: str, strip: Path) -> None:
    del known
    picture = strip.rename(strip.parent / f"{NAME}.png")
    call = ("--panels", 3, "--region", 1, "--max-new-tokens", 2, "--heatmap", strip.parent / f"{NAME}2.png")
    for form in ("human", "json"):
        ran = gaze("steer", picture, *call, "--format", form)
        assert ran.code == 0, ran.err
        assert harmless(ran.out + ran.err)


def test_a_prompt_that_spells_a_picture_or_is_no_text_is_refused(gaze: Gaze, known: str) -> None:
    del known
    strip = EXAMPLES / "strip.png"
    for call in (
        ["steer", strip, "--region", 1],
        ["switch", strip, "--schedule", 1],
        ["track", strip],
    ):
        assert "picture" in error_of(gaze(*call, "--prompt", "a <|image_pad|> b", "--json"))["message"]
        for prompt, message in (("caf\udce9", "UTF-8"), (" \n", "empty")):
            model = ("--model", "no/such", "--heads", "tiny")
            assert message in error_of(gaze(*call, *model, "--prompt", prompt, "--json"))["message"]
    discover = ("discover", "tiny", EXAMPLES / "comics", "--prompt", "{ordinal} <|image_pad|>", "--json")
    assert "token for a picture" in error_of(gaze(*discover))["message"]
    for prompt in ("{ordinal} caf\udce9", "{ordinal.__class__}", "{0}", "{ordinal!r:>999999999}", "{", " "):
        error_of(gaze("discover", "no/such", EXAMPLES / "comics", "--prompt", prompt, "--json"))


@given(any_text, any_text)
@example(EVIL, EVIL)
def test_whatever_is_printed_for_people_is_harmless(name: str, value: str) -> None:
    out = io.StringIO()
    console = console_on(out, plain=True)
    print_facts(console, {name: value})
    print_table(console, "a b", [[name, value]])
    console.print(value)
    assert harmless(out.getvalue().replace("\t", " "))


@given(any_text)
@example(EVIL)
@example("\U000e0041\ufffa\x7f\x9b\x00")
def test_json_carries_any_text_without_its_tricks(text: str) -> None:
    carried = json_escaped(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(carried) == {"text": text}
    assert harmless(carried)
    assert harmless(visible(text))


class Watched(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(any_text)
@example("a model called [/red] or [bold]")
@example(EVIL)
def test_a_spinner_beside_any_name_is_harmless(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    watched = Watched()
    monkeypatch.setattr(sys, "stderr", watched)
    with busy(Output("human", False, 0), title):
        pass
    # Of the escape sequences only Rich's own are there: colours, cursor, erased lines.
    left = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", watched.getvalue())
    assert harmless(left.replace("\r", ""))


def test_libraries_pass_nothing_on_to_the_terminal(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for file in checkpoint("qwen2_vl").iterdir():
        (folder / file.name).symlink_to(file)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    config |= {"model_type": "qwen2_5_vl", "evil\x1b[31m": "\x1b[32m", "transformers_version": "\x1b[33m"}
    (folder / "config.json").write_text(json.dumps(config))
    exif = Image.Exif()
    exif[0x010E] = "x" * 50
    picture = tmp_path / "p.tiff"
    Image.effect_noise((168, 56), 90).convert("RGB").save(picture, exif=exif)
    data = picture.read_bytes()
    picture.write_bytes(data.replace(b"x" * 50, b"\xff" * 50) + b"II")
    comics = write_comics(tmp_path / "comics", strips=1, panels=2)
    done = subprocess.run(
        [sys.executable, "-m", "gazecli", "discover", str(folder), str(comics), "--panels", "2", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode in (0, 2)
    assert harmless(done.stderr)
    assert "Warning" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("first\nsecond", "first"),
        ("\n\n  Loading needs optimum.\n", "Loading needs optimum."),
        ("Error(s) in loading X:\n\tsize mismatch\n\tfor a", "Error(s) in loading X: size mismatch for a"),
        ("", "ValueError"),
        ("word " * 100, " ".join(["word"] * 32) + " …"),
    ],
)
def test_a_foreign_error_is_told_on_one_line(said: str, told: str) -> None:
    assert error_words(ValueError(said)) == told


@given(st.text())
def test_whatever_an_error_says_is_one_line_of_some_length(said: str) -> None:
    told = error_words(ValueError(said))
    assert 0 < len(told) <= 402
    assert len(told.splitlines()) == 1
