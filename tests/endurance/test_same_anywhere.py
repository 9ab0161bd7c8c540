"""The same model, comics and settings give the same digest: anywhere, at any time, for anybody."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazecli as gaze
from gazecli.cache import Artifact, Cache
from gazecli.models.vlm import VLM
from tests.conftest import write_comics
from tests.endurance.processes import ForkServer

CALL = ("--panels", 3, "--height", 56, "--gap", 2, "--json")


def test_two_clean_runs_far_from_each_other_have_one_digest(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    here = fork_server.run("discover", "tiny", comics, *CALL, env={"GAZE_CACHE_DIR": str(tmp_path / "here")})
    moved = shutil.copytree(comics, tmp_path / "elsewhere – 漫画 ü" / "other comics")
    for comic in moved.iterdir():
        for file in comic.iterdir():
            os.utime(file, (10**9, 10**9))
    elsewhere = {
        "GAZE_CACHE_DIR": str(tmp_path / "a cache – キャッシュ"),
        **dict.fromkeys(("USER", "LOGNAME", "USERNAME", "HOSTNAME"), "somebody-else"),
        "HOME": str(tmp_path),
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "33",
    }
    there = fork_server.run(
        "discover", "tiny", os.path.relpath(moved, tmp_path), *CALL, env=elsewhere, folder=str(tmp_path)
    )
    first, second = here.document(), there.document()
    assert first["digest"] == second["digest"]
    assert not second["cached"]
    first_file, second_file = (Path(document["path"]).read_bytes() for document in (first, second))
    assert len(first_file) == len(second_file)


def every_text(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in every_text(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in every_text(part)]
    return [value] if isinstance(value, str) else []


def test_nothing_of_the_machine_is_in_what_is_hashed(vlm_of: Callable[[str], VLM], tmp_path: Path) -> None:
    folder = write_comics(tmp_path / "telltale-comics", strips=4, panels=2, size=28)
    (sorted(folder.iterdir())[1] / "p1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    victim = sorted(folder.iterdir())[2] / "p2.png"
    victim.write_bytes(victim.read_bytes()[:-60])
    began = time.time()
    found = gaze.discover(vlm_of("qwen2_vl"), folder, panels=2, height=32, gap=0)
    texts = every_text(json.loads(json.dumps(found.to_artifact().header)))
    assert found.header["comics"]["skipped"]
    for telltale in (str(tmp_path), "telltale", getpass.getuser(), socket.gethostname(), os.sep):
        assert [text for text in texts if telltale in text] == []
    stamps = [str(int(began) // 10), time.strftime("%Y-%m", time.gmtime(began))]
    assert [text for text in texts for stamp in stamps if stamp in text] == []
    assert not {"path", "time", "date", "created", "host", "user", "seconds"} & set(texts)


def test_the_folder_of_a_checkpoint_is_not_in_what_is_hashed(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = write_comics(tmp_path / "comics", strips=2, panels=2, size=28)
    digests = set()
    for name in ("one", "another ü"):
        copied = shutil.copytree(checkpoint("qwen2_vl"), tmp_path / name / name)
        found = gaze.discover(
            str(copied), folder, panels=2, height=32, gap=0, device="cpu", cache=Cache(tmp_path / name / "c")
        )
        digests.add(found.digest)
        assert found.model["name"] == found.model["id"]
        assert str(found.model["name"]).startswith("qwen2_vl-")
    assert len(digests) == 1


@given(st.floats(0, 4e9), st.text(min_size=1, max_size=20))
def test_an_artifact_has_its_digest_at_any_time_and_place(
    tmp_path_factory: pytest.TempPathFactory, when: float, where: str
) -> None:
    import hashlib

    artifact = Artifact("headset", {"model": {"name": "tiny"}}, {})
    folder = hashlib.sha256(where.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    cache = Cache(tmp_path_factory.getbasetemp() / f"{folder} ü")
    digest, path = cache.put(artifact)
    os.utime(path, (when, when))
    assert digest == artifact.digest
    read = cache.get(digest)
    assert read is not None
    assert read.digest == digest
