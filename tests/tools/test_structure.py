"""The counts of the package's structure, on a package small enough to count by hand and on this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "__init__.py": "",
    "first.py": "from gazecli.second import b\n\n\ndef a(\n    x: int,\n) -> int: ...\n",
    "second.py": "def b() -> None:\n    from gazecli import first, shared\n\n    first.a(shared.ONE)\n",
    "shared.py": "import os\nfrom gazecli.leaf import (\n    TWO,\n    TWO as AGAIN,\n)\n\nONE = 1\n",
    "leaf.py": "TWO = 2\n",
    "tiny/__init__.py": "",
    "tiny/train.py": "from .. import shared\n\n\n@property\ndef f(): return shared.ONE\n",
    "cli/options.py": (
        "import typer\nMode = Annotated[str, typer.Option(help='One.')]\n"
        "SteeringMode = Annotated[str, typer.Option('--mode', help='Two.')]\n"
        "Top = Annotated[int, typer.Option(help='How many.')]\n"
    ),
    "cli/steer.py": (
        "import typer\nfrom gazecli.cli.options import Mode, Top\n"
        "def command(mode: Mode, top: Top, max_new: Annotated[int, typer.Option(help='Long.')]): ...\n"
    ),
    "cli/app.py": 'for name in ("steer",):\n    import_module(f"gazecli.cli.{name}")\n',
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout of a package with a circle, a file for one importer and an option declared twice."""
    for name, text in SMALL.items():
        file = tmp_path / "small" / "gazecli" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return tmp_path / "small"


def told(*arguments: str | Path) -> str:
    command = [sys.executable, str(ROOT / "tools" / "structure.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def counts(*arguments: str | Path) -> dict[str, Any]:
    return json.loads(told("--json", *arguments))


def test_a_small_package_is_counted_as_by_hand(small: Path) -> None:
    record = counts("--root", small)
    package = record["package"]
    assert (package["files"], record["without tiny"]["files"]) == (10, 8)
    assert package["lines"] == sum(len(text.splitlines()) for text in SMALL.values())
    assert package["import lines"] == 1 + 1 + 5 + 1 + 1 + 2
    assert package["signature lines"] == 3 + 1 + 1 + 1
    assert package["circles"] == [["gazecli.first", "gazecli.second"]]
    assert package["files in circles"] == 2
    assert package["-ing, -ed"] == ["gazecli/shared.py"]


def test_importers_count_wherever_the_import_stands(small: Path) -> None:
    package = counts("--root", small)["package"]
    assert package["one importer"] == {
        "gazecli.cli.options": "gazecli.cli.steer",
        "gazecli.first": "gazecli.second",
        "gazecli.leaf": "gazecli.shared",
        "gazecli.second": "gazecli.first",
    }
    assert package["no importer"] == ["gazecli.cli.app", "gazecli.cli.steer", "gazecli.tiny.train"]


def test_an_option_declared_twice_is_named_with_its_places(small: Path) -> None:
    package = counts("--root", small)["package"]
    assert package["option declarations"] == 4
    assert package["declared again"] == {"--mode": ["gazecli/cli/options.py:2", "gazecli/cli/options.py:3"]}


@pytest.mark.slow
def test_this_package_is_counted_beside_what_was_kept_of_another(small: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(told("--json", "--root", small), "utf-8")
    lines = told("--against", kept).splitlines()
    assert lines[0].split() == ["before", "now"]
    files = next(line.split() for line in lines if line.startswith("files "))
    assert files[1:3] == ["10", "8"]
    assert int(files[3]) == len(list((ROOT / "gazecli").rglob("*.py")))
    taken = next(line.split() for line in lines if line.startswith("options taken "))
    assert taken[2] == "-"
    assert int(taken[3]) > 0
