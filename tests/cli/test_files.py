"""Where results are written: links are kept, pipes written to, read-only files left alone."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

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


def test_a_read_only_file_is_left_alone(gaze: Gaze, tmp_path: Path) -> None:
    kept = tmp_path / "kept.png"
    kept.write_bytes(b"old")
    kept.chmod(0o444)
    refused = gaze("panels", strip(tmp_path), "-o", kept, "--json")
    assert (refused.code, "read-only" in refused.error()["message"]) == (2, True)
    assert kept.read_bytes() == b"old"


def test_bars_and_arrows_are_ascii_where_the_stream_has_no_others(gaze: Gaze, known: str) -> None:
    shown = gaze("report", known, "--format", "human", env={"PYTHONIOENCODING": "ascii"}, fresh=True)
    assert "#" in shown.out
    assert "\\u" not in shown.out
