"""Tokens and keys stay where they are, and files belong to whom the user's umask says."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gazecli.cache.files import write_whole
from gazecli.cli.files import save_text
from gazecli.cli.output import without_secrets
from tests.trust.conftest import EXAMPLES, Gaze

MARKER = "hf_" + "MarkerThatNobodyMaySee" * 2
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD")


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    for name in VARIABLES:
        monkeypatch.setenv(name, MARKER)
    return MARKER


def test_no_command_says_or_keeps_a_token(
    gaze: Gaze, secret: str, comics: Path, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    model = checkpoint("qwen2_vl")
    steered = ("--panels", 3, "--max-new-tokens", 2, "--strength", "hard")
    calls = [
        ["discover", model, comics, "--panels", 3],
        ["discover", "no/such-model", comics, "--panels", 3],
        ["steer", EXAMPLES / "strip.png", "--region", 1, *steered, "--heatmap", tmp_path / "h.png"],
        ["switch", EXAMPLES / "strip.png", "--schedule", 1, *steered, "--trajectory", tmp_path / "t.csv"],
        ["report", "-o", tmp_path / "r.html"],
        ["report"],
        ["doctor"],
        ["doctor", "no/such-model"],
        ["cache", "ls"],
        ["cache", "import", EXAMPLES / "strip.png"],
        ["models"],
        ["push", model, "somebody/heads", "--unproven", "--dry-run", "-o", tmp_path / "pushed"],
        ["pull", f"somebody/{secret}"],
        # A token in the wrong place is a mistake that must not end in a log.
        ["steer", EXAMPLES / "none.png", "--region", 1, "--model", secret],
        ["discover", f"https://user:{secret}@hub.example/x", comics, "--panels", 3],
        ["report", secret],
        [secret],
    ]
    for call in calls:
        for manner in (["-vv"], ["--json", "-vv"]):
            ran = gaze(*call, *manner)
            assert secret not in ran.out + ran.err, call
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 5
    for path in kept:
        assert secret.encode() not in path.read_bytes(), path
        assert secret not in path.name


def test_what_has_the_form_of_a_secret_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "correct horse")
    monkeypatch.setenv("HF_TOKEN_PATH", "/home/somebody/token")
    monkeypatch.setenv("EMPTY_TOKEN", "")
    assert without_secrets("said correct horse twice") == "said <SOME_API_KEY> twice"
    assert without_secrets("at /home/somebody/token") == "at /home/somebody/token"
    assert without_secrets("https://a:b@c.example/d") == "https://<hidden>@c.example/d"
    assert "abcdefgh" not in without_secrets("token hf_abcdefghijklmnopqrstuvwxyz")
    assert without_secrets("nothing secret: 1.5, a/b@main") == "nothing secret: 1.5, a/b@main"


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another matter there")
def test_files_and_folders_follow_the_umask(
    strict_umask: None, gaze: Gaze, known: str, tmp_path: Path
) -> None:
    del strict_umask
    place = tmp_path / "place"
    place.mkdir()
    gaze("comics", "make", place / "drawn", "--count", 1, "--panels", 2)
    gaze("cache", "export", known, place / "a.safetensors")
    gaze("cache", "export", known, place / "a.json")
    gaze("report", "-o", place / "r.html")
    gaze("cache", "import", place / "a.json", "--model", "tiny")
    made = [*place.rglob("*"), *(tmp_path / "gaze-cache").rglob("*")]
    assert len(made) > 10
    for path in made:
        wanted = 0o750 if path.is_dir() else 0o640
        # The cache's first files were made before this test's umask was set.
        if known[7:] not in path.name and path.is_relative_to(place):
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path


class Watch:
    """What the permissions of files were when they were renamed into place or opened up."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[tuple[str, int]] = []
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and event == "os.chmod" and isinstance(arguments[0], int):
            self.seen.append((event, stat.S_IMODE(os.fstat(arguments[0]).st_mode)))
        if self.on and event == "os.rename":
            folder = os.path.dirname(os.fsdecode(arguments[0]))  # type: ignore[arg-type]
            self.seen.append((event, stat.S_IMODE(os.stat(folder).st_mode)))


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another matter there")
def test_unfinished_files_are_private(tmp_path: Path) -> None:
    watch = Watch()
    watch.on = True
    write_whole(tmp_path / "kept", b"data")
    (kept,) = [mode for event, mode in watch.seen if event == "os.chmod"]
    watch.seen.clear()
    save_text("text", tmp_path / "page.html")
    watch.on = False
    folders = [mode for event, mode in watch.seen if event == "os.rename"]
    assert kept == 0o600
    assert folders == [0o700]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "page.html"]
