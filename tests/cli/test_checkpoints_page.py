"""docs/which-checkpoints-work.md quotes what `gaze doctor` prints: made from a run, and held to one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import gaze_here
from tests.fixtures.checkpoints_page import PAGE, cell, section, written
from tests.fixtures.folder_kinds import KINDS, config_with, make, sharded
from tests.fixtures.quantised import compressed_tensors, fp8


def copied(stock: Path, folder: Path) -> Path:
    return shutil.copytree(stock, folder)


def in_shards(stock: Path, folder: Path) -> Path:
    sharded(copied(stock, folder))
    return folder


def needing(method: str, **settings: object) -> Callable[[Path, Path], Path]:
    def made(stock: Path, folder: Path) -> Path:
        config_with(copied(stock, folder), quantization_config={"quant_method": method, **settings})
        return folder

    return made


WORKING = {
    "one file of weights": copied,
    "weights in shards": in_shards,
    "weights in FP8": fp8,
    "compressed-tensors": compressed_tensors,
}
QUANTISED = {
    "GPTQ, without its packages": needing("gptq", bits=4, group_size=128),
    "AWQ, without its package": needing("awq", bits=4, group_size=128, version="gemm", zero_point=True),
    "bitsandbytes, without its package": needing("bitsandbytes", load_in_4bit=True),
}


def same_words(text: str) -> str:
    """Without the release of transformers, and without what it says in brackets, which may change."""
    text = re.sub(r"transformers \d[\w.]*", "transformers", text)
    return re.sub(r"\(Loading.*?\)(?=\.? \|)|\(Using.*?\)(?=\.? \|)", "()", text)


def test_the_page_tells_what_the_doctor_says(
    capfd: pytest.CaptureFixture[str],
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    def doctor(place: Path) -> tuple[dict[str, str], dict[str, str]]:
        checks = gaze_here(capfd, "doctor", place, "--device", "cpu", "--json").document("doctor")["checks"]
        found = {check["name"]: check for check in checks}
        return found["model"], {name: check["status"] for name, check in found.items()}

    works = "| checkpoint | `gaze doctor` says of the model | and of its checks |\n| --- | --- | --- |\n"
    for number, (name, making) in enumerate(WORKING.items()):
        model, status = doctor(making(checkpoint("qwen2_vl"), tmp_path / f"works-{number}" / "folder"))
        proofs = ("token map", "steering", "attention", "writing")
        assert [status[proof] for proof in proofs] == ["ok"] * 4
        works += f"| {name} | {cell(model['finding'])} | ok: {', '.join(proofs)} |\n"
    refused = "| folder | `gaze doctor` says | and hints |\n| --- | --- | --- |\n"
    folders = {
        name: make(name, checkpoint("llava"), tmp_path / str(k) / "folder") for k, name in enumerate(KINDS)
    }
    for number, (name, making) in enumerate(QUANTISED.items()):
        folders[name] = making(checkpoint("qwen2_vl"), tmp_path / f"quantised-{number}" / "folder")
    for name, place in folders.items():
        model, _ = doctor(place)
        assert model["status"] == "failed"
        refused += f"| {name} | {cell(model['finding'].removesuffix(': folder'))} | {cell(model['hint'])} |\n"
    for part, table in (("works", works), ("refused", refused)):
        if pytestconfig.getoption("--write-checkpoints-page"):
            written(part, table)
        assert same_words(section(PAGE.read_text(encoding="utf-8"), part)[1]) == same_words(table)
