"""Every example of README and docs runs as it stands, and prints what is shown beneath it.

Evaluations take two strips and short texts. What needs a server, a Hub, a large photo or a model of its own
is run in test_pages_apart.py. Here only the options of such commands are looked at, and those of the long
ones, which run under `slow`. Not run at all: the commands in ELSEWHERE, which are not of `gaze`, or take more
GPUs or hours than a test has.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from gazecli.reports.documents.schemas import json_schema
from tests.cli.conftest import gaze_here
from tests.examples.conftest import (
    PAGES,
    ROOT,
    World,
    as_run,
    blocks_of,
    commands_of,
    run,
    squeezed,
)
from tests.fixtures.checkpoints import RECIPES

# Other programs than `gaze`: they install, build, test, or train for hours.
ELSEWHERE = (
    "pip ",
    "make ",
    "OMP_WAIT_POLICY=passive python -m gazecli.tiny.training",
    "pytest ",
    "python -m benchmarks",
)
LONG = re.compile(r"gaze (evaluate (?!\S+ coco)|(judge|switch|track|discover qwen\S+) )")
APART = re.compile(r"gaze (serve|push|pull|.*hf:|comics fetch)")

PAGES_WITH = {
    language: [page for page in PAGES if any(block.language == language for block in blocks_of(page))]
    for language in ("console", "json")
}


def named(page: Path) -> str:
    return page.name


@pytest.mark.parametrize(
    ("page", "left_out"),
    [
        *(pytest.param(page, (APART, LONG), id=page.name) for page in PAGES_WITH["console"]),
        *(
            pytest.param(page, (APART,), id=f"{page.name}-whole", marks=pytest.mark.slow)
            for page in PAGES_WITH["console"]
            if any(LONG.match(command) for block in blocks_of(page) for command, _ in commands_of(block))
        ),
    ],
)
def test_the_commands_run_and_print_what_is_shown(
    page: Path,
    left_out: tuple[re.Pattern[str], ...],
    world: World,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "work"
    place = world.copied(folder, page.read_text("utf-8"))
    for block in blocks_of(page):
        for command, shown in commands_of(block) if block.language == "console" else ():
            if command.startswith(ELSEWHERE):
                continue
            assert command.startswith("gaze "), command
            if not block.in_turn or any(pattern.match(command) for pattern in left_out):
                assert gaze_here(capfd, *shlex.split(command)[1:], "--help").code == 0, command
                continue
            said = "\n" + "\n".join(squeezed(run(as_run(command, shown, world.words), folder, place)))
            assert [line for line in squeezed("\n".join(shown)) if f"\n{line}" not in said] == [], command


# Of steering-a-generate-call.md the test beside this one asks more.
@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if any(block.language == "python" and block.in_turn for block in blocks_of(page))
        if page.stem != "steering-a-generate-call"
    ],
    ids=named,
)
def test_the_scripts_run_from_top_to_bottom(
    page: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    place = world.copied(folder, "")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GAZE_CACHE_DIR", place["GAZE_CACHE_DIR"])
    names: dict[str, Any] = {}
    for block in blocks_of(page):
        if block.language == "python" and block.in_turn:
            exec(compile(block.text, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES_WITH["json"], ids=named)
def test_documents_that_are_shown_are_whole_and_valid(page: Path) -> None:
    for block in blocks_of(page):
        for text in block.text.splitlines() if page.name == "many-pictures.md" else [block.text]:
            if block.language != "json" or not block.in_turn:
                continue
            document = json.loads(text)
            if "schema" not in document:
                continue
            name = str(document["schema"]).removeprefix("gaze.").removesuffix("/1")
            schema = json_schema(name)
            jsonschema.validate(document, schema)
            # None of today's keys is left out; `id` and `job` stand in the lines of many pictures only.
            assert document.keys() | {"id", "job"} == schema["properties"].keys() | {"id", "job"}


def test_a_steered_answer_and_an_error_are_shown() -> None:
    shown = "".join(page.read_text("utf-8") for page in PAGES_WITH["json"])
    assert '{"schema": "gaze.steer/1"' in shown
    assert '{"schema": "gaze.error/1"' in shown


def test_the_readme_is_read_aloud_in_three_minutes() -> None:
    readme = PAGES[0].read_text("utf-8")
    assert len(readme.splitlines()) <= 150
    # Code too; not where links lead. 150 words a minute.
    spoken = re.sub(r"[|#*>`\[\]!-]+", " ", re.sub(r"\]\([^)]*\)", "]", readme))
    assert len([word for word in spoken.split() if re.search(r"\w", word)]) <= 3 * 150


def test_the_readme_names_every_family() -> None:
    readme = PAGES[0].read_text("utf-8")
    named = re.findall(r"\w+", readme[readme.index("## Families") : readme.index("## Honest limits")])
    # Variants of a family, such as llava_pad, stand in docs/families.md.
    missing = [family for family in RECIPES if not any(f"{family}_".startswith(f"{word}_") for word in named)]
    assert missing == []


def test_targets_of_make_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    wanted = {word for page in PAGES for word in re.findall(r"(?:`|\$ )make (\w+)", page.read_text("utf-8"))}
    assert {"demo", "test"} <= wanted <= targets


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pictures_are_there_and_small(page: Path) -> None:
    for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text("utf-8")):
        path = page.parent / picture
        assert path.stat().st_size < 200_000, picture
        with Image.open(path) as opened:
            opened.load()
