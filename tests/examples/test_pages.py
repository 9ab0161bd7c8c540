"""Every example of README and docs runs as it stands, and prints what is shown beneath it.

Each page has a folder and a cache of its own, in which `tiny` and, for the names of real checkpoints, random
models have head sets already. Evaluations take two strips and short texts. Of commands behind
`<!-- not run: why -->` only the options are looked at; scripts behind it are left out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from gazecli.reports.documents.schemas import json_schema
from tests.cli.conftest import gaze_here
from tests.fixtures.checkpoints import RECIPES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?^( *)```(\w+)\n(.*?)^\2```$", re.M | re.S)
# What stands for something of the reader's own.
OWN = {"MODEL": "tiny", "HEADSET": "tiny", "comics/*": "comics/strip-0001 comics/strip-0002"}
ELSEWHERE = (
    "pip ",
    "make ",
    "OMP_WAIT_POLICY=passive python -m gazecli.tiny.training",
    "pytest ",
    "python -m benchmarks",
)
# Random models that stand in for real checkpoints.
STANDING_IN = {"qwen2-vl-7b": "qwen2_vl", "qwen3-vl-8b": "qwen3_vl"}
# These listen, or read what is not here: only whether their options exist is asked. So it is with long ones,
# but for `make slow`.
LONG = re.compile(r"gaze (evaluate|judge|switch|track|discover qwen\S+) ")
LISTENING = re.compile(r"gaze (serve|push|pull|.*hf:|comics fetch|evaluate \S+ coco|judge \S+ .*endpoint)")


@dataclass(frozen=True)
class Block:
    """One example: its language, its text, and whether it is one to run."""

    language: str
    text: str
    runs: bool


def blocks_of(page: Path) -> list[Block]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [
        Block(language, re.sub(f"^{indent}", "", text, flags=re.M), not mark)
        for mark, indent, language, text in found
    ]


def commands_of(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block, without their comments, and the lines shown beneath each."""
    joined = block.text.replace("\\\n", " ")
    for part in re.split(r"^\$ ", joined, flags=re.M)[1:]:
        command, *shown = part.splitlines()
        yield (
            re.sub(r"\s+#.*$", "", command),
            [line for line in shown if line.strip() and set(line) - set("…─ ")],
        )


PAGES_WITH = {
    language: [page for page in PAGES if any(block.language == language for block in blocks_of(page))]
    for language in ("console", "python", "json")
}


def named(page: Path) -> str:
    return page.name


@dataclass(frozen=True)
class World:
    """Where examples run: the environment of commands, what they begin with, and what words stand for."""

    place: dict[str, str]
    start: Path
    words: dict[str, str]

    def copied(self, folder: Path, page: str) -> dict[str, str]:
        """Lay everything out in an empty folder; the environment of commands in it."""
        (folder / "examples").symlink_to(ROOT / "examples")
        shutil.copytree(self.start / "cache", folder / "cache")
        if "\n$ gaze comics make comics/" not in page:
            for name in ("comics", "other-comics", "strips"):
                shutil.copytree(self.start / "comics", folder / name)
        strip = Image.open(ROOT / "examples" / "strip.png").convert("RGB")
        for name in ("strip.png", "a.png", "b.png", "c.png", "photo.jpg", "before.png", "after.png"):
            strip.save(folder / name)
        shutil.copyfile(ROOT / "examples" / "page.png", folder / "page.png")
        ranking = [{"layer": 1, "head": head, "score": 0.5 - head / 10} for head in range(3)]
        (folder / "gaze_head_ranking.json").write_text(json.dumps(ranking), encoding="utf-8")
        return {**self.place, "GAZE_CACHE_DIR": str(folder / "cache")}


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, command_server: str, checkpoint: Callable[[str], Path]
) -> World:
    start = tmp_path_factory.mktemp("world")
    (start / "bin").mkdir()
    server = ROOT / "tests" / "fixtures" / "command_server.py"
    (start / "bin" / "gaze").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -I -S "{server}" "{command_server}" "$@"\n'
    )
    (start / "bin" / "gaze").chmod(0o755)
    place = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
        "PATH": f"{start / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "GAZE_CACHE_DIR": str(start / "cache"),
        "XDG_CONFIG_HOME": str(start / "no-config"),
    }
    words = {alias: str(checkpoint(family)) for alias, family in STANDING_IN.items()}
    run("gaze comics make comics --count 20 --seed 1", start, place)
    run(f"gaze discover tiny {ROOT / 'examples' / 'comics'}", start, place)
    for folder in words.values():
        run(f"gaze discover {folder} comics --samples 2", start, place)
    # The last: what commands take that name no head set.
    digest = json.loads(run("gaze discover tiny comics", start, place))["digest"].removeprefix("sha256:")
    return World(place, start, {**words, **OWN, "3f9c": digest[:12], "A": "tiny", "B": digest[:12]})


def run(command: str, folder: Path, place: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=place, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def as_run(command: str, shown: list[str], words: dict[str, str]) -> str:
    """The command as it is run here: for the reader's own things, on a CPU, and on two strips."""
    for word, own in words.items():
        command = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", own, command)
    command = re.sub(r" --device cuda| --device-map auto", "", command)
    if re.match(r"gaze (evaluate|judge)", command):
        command = re.sub(r" --(samples|controls) \d+", "", command)
        command += " --samples 2" if "evaluate" in command else ""
        command += " --max-new-tokens 12 --controls 1" if "evaluate" in command else ""
    if shutil.which("jq") is None:
        command = command.partition(" | jq")[0]
    return command + (
        " --format human" if shown and "|" not in command and not shown[0].startswith("{") else ""
    )


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("page", "left_out"),
    [
        *(pytest.param(page, (LISTENING, LONG), id=page.name) for page in PAGES_WITH["console"]),
        *(
            pytest.param(page, (LISTENING,), id=f"{page.name}-whole", marks=pytest.mark.slow)
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
    folder.mkdir()
    place = world.copied(folder, page.read_text("utf-8"))
    for block in blocks_of(page):
        for command, shown in commands_of(block) if block.language == "console" else ():
            if command.startswith(ELSEWHERE):
                continue
            assert command.startswith("gaze "), command
            if not block.runs or any(pattern.match(command) for pattern in left_out):
                assert gaze_here(capfd, *shlex.split(command)[1:], "--help").code == 0, command
                continue
            said = "\n" + "\n".join(squeezed(run(as_run(command, shown, world.words), folder, place)))
            assert [line for line in squeezed("\n".join(shown)) if f"\n{line}" not in said] == [], command


# Of steering-a-generate-call.md the test beside this one asks more.
@pytest.mark.parametrize(
    "page", [page for page in PAGES_WITH["python"] if page.stem != "steering-a-generate-call"], ids=named
)
def test_the_scripts_run_from_top_to_bottom(
    page: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    place = world.copied(folder, "")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GAZE_CACHE_DIR", place["GAZE_CACHE_DIR"])
    names: dict[str, Any] = {}
    for block in blocks_of(page):
        if block.language == "python" and block.runs:
            exec(compile(block.text, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES_WITH["json"], ids=named)
def test_documents_that_are_shown_are_whole_and_valid(page: Path) -> None:
    for block in blocks_of(page):
        for text in block.text.splitlines() if page.name == "many-pictures.md" else [block.text]:
            if block.language != "json" or not block.runs:
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


def test_the_readme_is_short_and_names_every_family() -> None:
    readme = PAGES[0].read_text("utf-8")
    assert len(readme.splitlines()) <= 150
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
