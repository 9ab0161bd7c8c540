"""Write the generated pages into a folder: `python -m tools.reference docs/reference`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tools.reference import commands, documents, errors, python_api

ROOT = Path(__file__).parents[2]
# Pages of the repository that belong into the site as they are.
_COPIED = {
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
}


def pages() -> dict[str, str]:
    """Every generated page by its path in the folder."""
    made = {f"commands/{name}": text for name, text in commands.pages().items()}
    made |= {f"documents/{name}": text for name, text in documents.pages().items()}
    made |= {"errors.md": errors.page(), "python.md": python_api.page()}
    made |= {target: (ROOT / source).read_text(encoding="utf-8") for source, target in _COPIED.items()}
    return made


def write(folder: Path) -> None:
    """Write all pages, in place of those an earlier version left there."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
