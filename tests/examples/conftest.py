"""The examples of README and docs, and the place in which they run.

Each page has a folder and a cache of its own, in which `tiny` and, for the names of real checkpoints, random
models have head sets already.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.evaluation.natural_pictures import write_coco

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# `run apart`: where this page is run in a test of its own, in test_pages_apart.py.
BLOCK = re.compile(r"(?:<!-- (run apart): [^>]+ -->\n)?^( *)```(\w+)\n(.*?)^\2```$", re.M | re.S)
# What stands for something of the reader's own.
OWN = {"MODEL": "tiny", "HEADSET": "tiny", "comics/*": "comics/strip-0001 comics/strip-0002"}
# Random models that stand in for real checkpoints.
STANDING_IN = {"qwen2-vl-7b": "qwen2_vl", "qwen3-vl-8b": "qwen3_vl"}


@dataclass(frozen=True)
class Block:
    """One example: its language, its text, and whether it runs in turn with the others of its page."""

    language: str
    text: str
    in_turn: bool


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


@dataclass(frozen=True)
class World:
    """Where examples run: the environment of commands, what they begin with, and what words stand for."""

    place: dict[str, str]
    start: Path
    words: dict[str, str]

    def copied(self, folder: Path, page: str) -> dict[str, str]:
        """Lay everything out in a new folder; the environment of commands in it."""
        folder.mkdir()
        (folder / "examples").symlink_to(ROOT / "examples")
        shutil.copytree(self.start / "cache", folder / "cache")
        if "\n$ gaze comics make comics/" not in page:
            for name in ("comics", "other-comics", "strips"):
                shutil.copytree(self.start / "comics", folder / name)
        strip = Image.open(ROOT / "examples" / "strip.png").convert("RGB")
        for name in ("strip.png", "a.png", "b.png", "c.png", "photo.jpg", "before.png", "after.png"):
            strip.save(folder / name)
        shutil.copyfile(ROOT / "examples" / "page.png", folder / "page.png")
        annotations, pictures = write_coco(folder)
        annotations.rename(folder / "instances_val2017.json")
        pictures.rename(folder / "val2017")
        ranking = [{"layer": 1, "head": head, "score": 0.5 - head / 10} for head in range(3)]
        (folder / "gaze_head_ranking.json").write_text(json.dumps(ranking), encoding="utf-8")
        return {**self.place, "GAZE_CACHE_DIR": str(folder / "cache")}


@pytest.fixture(scope="session")
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
