"""One nursery for all tests here, and comics small enough to be walked in a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_comics
from tests.endurance.nursery import Nursery

collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []  # fork and signals are POSIX


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Processes that run `gaze` without importing torch first."""
    with pytest.MonkeyPatch.context() as clean:
        for name in ("GAZE_MODEL", "GAZE_DEVICE", "GAZE_DTYPE", "NO_COLOR", "FORCE_COLOR", "GAZE_CACHE_DIR"):
            clean.delenv(name, raising=False)
        clean.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("no-config")))
        started = Nursery(tmp_path_factory.mktemp("nursery"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def comics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten strips of three panels."""
    return write_comics(tmp_path_factory.mktemp("comics") / "comics", strips=10, panels=3, size=56)
