"""Libraries that are too old, too new or missing are named by version, and never called a bug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gazecli.dependencies import too_old, untested, versions_of
from gazecli.errors import as_gaze_error


def pretend(folder: Path, name: str, version: str) -> None:
    """The metadata of an installed package, where Python looks first."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_what_is_installed_here_is_as_new_as_the_package_asks_for() -> None:
    assert too_old() == []


def test_a_library_that_is_too_old_is_named_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, "transformers", "5.20.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    [misfit] = too_old()
    assert (misfit.name, misfit.installed) == ("transformers", "5.20.1")
    error = as_gaze_error(TypeError("forward() got an unexpected keyword argument 'cache'"))
    assert error.code == "gaze.library"
    assert "transformers 5.20.1 is too old" in error.message
    assert error.hint == "run: pip install 'transformers>=5.23'"


def test_a_module_that_is_not_found_is_named_before_libraries_that_are_only_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, "accelerate", "0.1")
    pretend(tmp_path, "torch", "1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    error = as_gaze_error(ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert error.hint == "run: pip install 'torch>=2.6'"


def test_a_library_newer_than_any_tested_is_named_where_something_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, "transformers", "6.0.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "transformers" in [misfit.name for misfit in untested()]
    error = as_gaze_error(AttributeError("no such attribute"))
    assert error.code == "gaze.library"
    assert error.hint is not None
    assert "transformers 6.0.0 is newer than gaze was tested with" in error.hint
    assert "'transformers<5.25'" in error.hint


def test_a_patch_release_of_a_tested_version_counts_as_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, "transformers", "5.24.99")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "transformers" not in [misfit.name for misfit in untested()]


def test_versions_are_told_without_the_suffix_of_a_build() -> None:
    assert "+" not in versions_of("torch")["torch"]
    assert versions_of("no-such-library") == {}


def test_a_command_line_that_cannot_be_built_names_the_old_library(tmp_path: Path) -> None:
    pretend(tmp_path, "typer", "0.15.0")
    (tmp_path / "typer").mkdir()
    (tmp_path / "typer" / "__init__.py").write_text("")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    ran = subprocess.run(
        [sys.executable, "-m", "gazecli", "cache", "ls"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert "typer 0.15.0 is too old" in ran.stderr
    assert "pip install 'typer>=0.26'" in ran.stderr
