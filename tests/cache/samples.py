"""Artifacts to keep and damage, and other processes that use the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import gazecli
from gazecli.cache import Artifact, Cache

REPOSITORY = Path(gazecli.__file__).parents[1]


def sample(number: int = 0, kind: str = "headset") -> Artifact:
    """A small artifact, another one for every `number`."""
    header = {"model": "tiny", "number": number, "why": 'a "ü" \\ \n'}
    tensors = {
        "matrices": np.arange(12, dtype=np.float32).reshape(2, 3, 2) + np.float32(number),
        "counts": np.array([3, 1], np.int64),
    }
    return Artifact(kind, header, tensors)


def flip(path: Path, position: int) -> None:
    """Flip one bit of a file where it lies; the same again flips it back."""
    with path.open("r+b", buffering=0) as file:
        file.seek(position // 8)
        byte = file.read(1)[0]
        file.seek(position // 8)
        file.write(bytes([byte ^ 1 << position % 8]))


def listening(root: Path) -> tuple[Cache, list[str]]:
    """A cache and the warnings it gives."""
    heard: list[str] = []
    return Cache(root, heard.append), heard


def everything_in(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def start(script: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Python running `script` as another process."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def run(script: str, *arguments: object, **options: Any) -> str:
    """What `script` printed as another process, which must end well."""
    with start(script, *arguments, **options) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output
