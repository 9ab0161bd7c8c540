"""Where results are written: links are kept, pipes written to, read-only files left alone."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gazecli.reports.answer_file import AnswerFile
from tests.cli.conftest import Gaze
from tests.cli.test_panels import strip

PNG = b"\x89PNG"


def test_a_link_is_followed_and_kept(gaze: Gaze, tmp_path: Path) -> None:
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert gaze("panels", strip(tmp_path), "-o", link).code == 0
    assert link.is_symlink()
    assert target.read_bytes().startswith(PNG)


def test_a_pipe_is_written_to_and_a_device_is_never_replaced(gaze: Gaze, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert gaze("panels", strip(tmp_path), "-o", pipe).code == 0
    reader.join(20)
    assert read[0].startswith(PNG)
    assert pipe.is_fifo()
    assert gaze("panels", strip(tmp_path), "-o", os.devnull).code == 0
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_a_report_goes_to_stdout_by_its_name(gaze: Gaze, known: str, name: str) -> None:
    written = gaze("report", known, "-o", name, "--format", "markdown")
    assert written.out == gaze("report", known, "--format", "markdown").out != ""


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_two_things_never_go_to_stdout(gaze: Gaze, tmp_path: Path, name: str) -> None:
    refused = gaze("steer", strip(tmp_path), "--region", 1, "--heatmap", name, "--json")
    assert (refused.code, refused.out) == (2, "")
    assert "stdout, which carries the result" in refused.error()["message"]


def test_several_figures_never_go_to_stdout_nor_to_a_folder_of_that_name(gaze: Gaze, known: str) -> None:
    refused = gaze("report", known, "--figures", "-")
    assert (refused.code, refused.out) == (2, "")
    assert "--figures writes several files" in refused.err
    assert not Path("-").exists()


WRITING = {
    "panels STRIP -o kept.png": "--output",
    "steer STRIP --region 1 --heatmap kept.png": "--heatmap",
    "steer STRIP --region 1 --page kept.html": "--page",
    "steer STRIP STRIP --region 1 -o kept.jsonl": "--output",
    "switch STRIP --schedule 1,2 --trajectory kept.csv": "--trajectory",
    "track STRIP --heatmap kept.png": "--heatmap",
    "report KNOWN -o kept.html": "--output",
    "report KNOWN --figures FOLDER": "--figures",
    "evaluate KNOWN EXAMPLES --generations kept.jsonl": "--generations",
    "evaluate KNOWN EXAMPLES -o kept.md": "--output",
    "judge KNOWN -o kept.csv": "--output",
}


@pytest.mark.parametrize("call", WRITING)
def test_a_read_only_file_is_left_alone_and_the_hint_names_the_way_out(
    gaze: Gaze, known: str, tmp_path: Path, call: str
) -> None:
    names = {
        "STRIP": strip(tmp_path),
        "KNOWN": known,
        "FOLDER": tmp_path,
        "EXAMPLES": Path("examples/comics").resolve(),
    }
    words = [str(names.get(word, word)).replace("kept", f"{tmp_path}/kept") for word in call.split()]
    kept = next((Path(word) for word in words if "kept" in word), tmp_path / "scores.png")
    kept.write_bytes(b"old")
    kept.chmod(0o444)
    refused = gaze(*words, "--json")
    assert (refused.code, refused.out) == (2, "")
    error = refused.error()
    assert WRITING[call] in error["message"]
    assert "read-only" in error["message"]
    assert "--force" in error["hint"]
    assert ("computes again" in error["hint"]) == call.startswith(("evaluate", "judge"))
    assert kept.read_bytes() == b"old"


def test_force_replaces_read_only_files(gaze: Gaze, known: str, tmp_path: Path) -> None:
    picture, figure, page = tmp_path / "kept.png", tmp_path / "scores.svg", tmp_path / "kept.md"
    others = tmp_path / "mine.svg"
    for path in (picture, figure, page, others):
        path.write_bytes(b"old")
        path.chmod(0o444)
    assert gaze("panels", strip(tmp_path), "-o", picture, "--force").code == 0
    assert picture.read_bytes().startswith(PNG)
    assert gaze("report", known, "-o", page, "--figures", tmp_path, "--force").code == 0
    assert "<svg" in figure.read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8").startswith("#")
    assert others.read_bytes() == b"old"


def test_answers_are_added_to_a_read_only_file_when_forced(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    answer = '{"schema": "gaze.steer/1", "id": 1, "job": "sha256:0"}\n'
    path.write_text(answer, encoding="utf-8")
    path.chmod(0o444)
    file = AnswerFile(path, replace_read_only=True)
    assert path.stat().st_mode & 0o200
    file.add('{"schema": "gaze.error/1", "id": 2}\n')
    assert path.read_text(encoding="utf-8") == answer + '{"schema": "gaze.error/1", "id": 2}\n'


def test_bars_and_arrows_are_ascii_where_the_stream_has_no_others(gaze: Gaze, known: str) -> None:
    shown = gaze("report", known, "--format", "human", env={"PYTHONIOENCODING": "ascii"}, fresh=True)
    assert "#" in shown.out
    assert "\\u" not in shown.out
