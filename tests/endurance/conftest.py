"""One fork server for all tests here, and comics small enough to be walked in a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_comics
from tests.endurance.processes import ForkServer

# They look into /proc, and bind root by permissions as only Linux can.
_LINUX = ["test_kills.py", "test_interrupts.py", "test_disks.py", "test_same_anywhere.py"]
collect_ignore = [] if sys.platform == "linux" else _LINUX


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Processes that run `gaze` without importing torch first."""
    with pytest.MonkeyPatch.context() as clean:
        for name in ("GAZE_MODEL", "GAZE_DEVICE", "GAZE_DTYPE", "NO_COLOR", "FORCE_COLOR", "GAZE_CACHE_DIR"):
            clean.delenv(name, raising=False)
        clean.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("no-config")))
        started = ForkServer(tmp_path_factory.mktemp("fork_server"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def comics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight strips of three panels."""
    return write_comics(tmp_path_factory.mktemp("comics") / "comics", strips=8, panels=3, size=56)
