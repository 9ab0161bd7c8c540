"""Every example runs as README and docs say, and does what it promises."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CAPTIONS = EXAMPLES.joinpath("strip.txt").read_text("utf-8").splitlines()


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    place = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(
        command, cwd=cwd, env=place, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def gaze_command(tmp_path: Path, command_server: str) -> str:
    """A `gaze` as scripts call it, its imports already done."""
    script = tmp_path / "gaze"
    call = (
        f'"{sys.executable}" -I -S "{ROOT / "tests" / "fixtures" / "command_server.py"}" "{command_server}"'
    )
    script.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.skipif(shutil.which("jq") is None, reason="the pipeline example is about jq")
def test_the_pipeline_prints_the_panels_captions(gaze_command: str, tmp_path: Path) -> None:
    done = run("sh", str(EXAMPLES / "pipeline.sh"), cwd=tmp_path, GAZE=gaze_command)
    assert sum(caption in done.stdout for caption in CAPTIONS) >= 5
    assert done.stdout.startswith("layer ")


def test_the_demo_leaves_its_pictures_and_reports(gaze_command: str, tmp_path: Path) -> None:
    done = run("sh", str(EXAMPLES / "demo.sh"), cwd=tmp_path, GAZE=gaze_command, OUT=str(tmp_path / "out"))
    for picture in ("heatmap.png", "trajectory.png", "rabbit.png", "staircase.png", "figures/scores.png"):
        with Image.open(tmp_path / "out" / picture) as image:
            assert min(image.size) > 100
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["schema"] == "gaze.report/1"
    for page in ("track.html", "report.html"):
        assert (tmp_path / "out" / page).read_text("utf-8").startswith("<!doctype html>")
    assert sum(caption in done.stdout for caption in CAPTIONS) >= 5


def test_the_two_panel_page_is_read_from_top_to_bottom(gaze_command: str, tmp_path: Path) -> None:
    run(gaze_command, "discover", "tiny", str(EXAMPLES / "comics"), "--quiet", cwd=tmp_path)
    done = run(
        gaze_command,
        "steer",
        str(EXAMPLES / "page.png"),
        "--model",
        "tiny",
        "--all-regions",
        "--json",
        cwd=tmp_path,
    )
    document = json.loads(done.stdout)
    tops = [region["box"][1] for region in document["regions"]]
    assert len(tops) == 2
    assert tops[0] < tops[1]


def test_there_are_a_dozen_example_strips_with_captions() -> None:
    folders = sorted((EXAMPLES / "comics").iterdir())
    assert len(folders) == 12
    for folder in folders:
        assert len(list(folder.glob("p?.png"))) == 6
        assert len((folder / "captions.txt").read_text("utf-8").splitlines()) == 6


@pytest.mark.slow
def test_the_script_steers_with_the_library_and_the_model_of_a_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist")]
    run(*build, str(ROOT), cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert not (site / "tests").exists()
    place = {"PYTHONPATH": str(site)}
    whose = run(sys.executable, "-c", "import gazecli; print(gazecli.__file__)", cwd=tmp_path, **place)
    assert Path(whose.stdout.strip()).parent == site / "gazecli"
    done = run(sys.executable, str(EXAMPLES / "look_there.py"), cwd=tmp_path, **place)
    assert sum(caption in done.stdout for caption in CAPTIONS) >= 5
    assert f"generate: {CAPTIONS[2]}" in done.stdout
    report = run(sys.executable, "-m", "gazecli", "report", "tiny", "--json", cwd=tmp_path, **place)
    document = json.loads(report.stdout)
    assert document["comics"]["strips"] == 12
    assert document["heads"][0]["raw"] >= 0.7
