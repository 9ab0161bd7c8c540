"""Models of folders: called by their folders where people read, and by their content in all that is kept."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Gaze
from tests.conftest import write_comics
from tests.fixtures.folder_kinds import config_with


def test_fine_tunes_are_told_apart_by_their_folders(
    gaze: Gaze, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    comics = write_comics(tmp_path / "comics", 2, 3)
    folders = [
        shutil.copytree(checkpoint("qwen2_vl"), tmp_path / name) for name in ("comics-tune", "other-tune")
    ]
    config_with(folders[1], tuned_for="comics")
    for folder in folders:
        call = ("discover", folder, comics, "--panels", 3, "--height", 56)
        document = gaze(*call, "--json").document("headset")
        kept = document["model"]["name"]
        assert kept == f"qwen2_vl-{document['model']['digest'][7:15]}"
        assert f"{folder.name} ({kept})" in gaze(*call, "--format", "human").out
        assert f"{folder.name} ({kept})" in gaze("report", folder, "--format", "human").out
        listed = gaze("cache", "ls", "--format", "human").out
        assert folder.name in listed
        assert folder.name not in gaze("cache", "ls", "--json").out
        assert folder.name.encode() not in Path(document["path"]).read_bytes()
    rows = [line for line in listed.splitlines() if " headset " in line]
    assert len({re.search(r"[0-9a-f]{12}", row)[0] for row in rows}) == 2
