"""The small Hub is one to huggingface_hub: it serves models and data sets, and broken transfers go on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError

from tests.fixtures.hub_server import Hub


def test_models_and_data_sets_are_fetched(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.use_here(monkeypatch, tmp_path)
    hub.add("someone/model", {"config.json": b"{}", "model.safetensors": b"weights"})
    hub.add("someone/pages", {"data/0.parquet": b"rows", "README.md": b"Pages."}, "datasets")
    model = Path(snapshot_download("someone/model", allow_patterns=["*.json"]))
    assert [path.name for path in model.iterdir()] == ["config.json"]
    assert model.name == hub.repositories["models", "someone/model"].commit
    pages = Path(snapshot_download("someone/pages", repo_type="dataset"))
    assert (pages / "data" / "0.parquet").read_bytes() == b"rows"
    with pytest.raises(RepositoryNotFoundError):
        snapshot_download("someone/else")


def test_a_transfer_that_breaks_off_is_taken_up(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.use_here(monkeypatch, tmp_path)
    weights = os.urandom(1 << 20)
    hub.add("someone/model", {"model.safetensors": weights})
    hub.broken.add("model.safetensors")
    folder = Path(snapshot_download("someone/model"))
    assert (folder / "model.safetensors").read_bytes() == weights
    assert not hub.broken
