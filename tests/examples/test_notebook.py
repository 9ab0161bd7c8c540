"""The notebook runs from top to bottom, and shows what it gave."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tools.notebook import executed, printed

NOTEBOOK = Path(__file__).parents[2] / "examples" / "gaze_heads.ipynb"


# Jupyter's own code warns of its transport, and tqdm of a missing widget.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_and_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZE_CACHE_DIR", str(tmp_path))
    kept, now = nbformat.read(NOTEBOOK, as_version=4), executed(NOTEBOOK)
    # Digests are those of the releases that made them.
    before, after = (
        [text for text in printed(notebook) if "sha256:" not in text] for notebook in (kept, now)
    )
    assert after == before
    kinds = [
        {kind for output in cell["outputs"] for kind in output.get("data", {})}
        for cell in now.cells
        if cell["cell_type"] == "code"
    ]
    assert sum("image/png" in kind for kind in kinds) == 6


def test_the_notebook_is_small_enough_to_be_read_on_the_web() -> None:
    assert NOTEBOOK.stat().st_size < 1_500_000
