"""Run a notebook from top to bottom and keep its outputs.

python tools/notebook.py examples/gaze_heads.ipynb
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELL_SECONDS = 300


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook at `path`, run in its folder; CellExecutionError when a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        if cell["cell_type"] == "code":
            # Warnings of other libraries name files of the machine that ran it.
            cell["outputs"] = [each for each in cell["outputs"] if each.get("name") != "stderr"]
        for output in cell.get("outputs", []):
            # A Pillow image is shown twice, and once is enough.
            output.get("data", {}).pop("image/jpeg", None)
    # The version of Python that happened to run it.
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    """What each code cell printed."""
    return [
        "".join(each["text"] for each in cell["outputs"] if each.get("name") == "stdout")
        for cell in notebook.cells
        if cell["cell_type"] == "code"
    ]


if __name__ == "__main__":
    chosen = Path(sys.argv[1])
    nbformat.write(executed(chosen), chosen)
