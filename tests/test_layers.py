"""Imports go down the layers and never up, and no start-up module imports anything heavy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gazecli"

# What each room may import besides itself and the ground every room stands on.
GROUND = {"canonical", "errors", "plain_text", "version"}
BELOW: dict[str, set[str]] = {
    "canonical": {"errors"},
    "errors": set(),
    "plain_text": set(),
    "version": set(),
    "pictures": set(),
    "cache": set(),
    "distributed": set(),
    "models": {"pictures", "cache", "distributed"},
    "heads": {"models", "pictures", "cache", "distributed"},
    "steering": {"heads", "models", "pictures", "cache"},
    "evaluation": {"steering", "heads", "models", "pictures", "cache", "distributed"},
    "reports": {"evaluation", "steering", "heads", "models", "pictures", "cache"},
    "cli": {
        "reports",
        "evaluation",
        "steering",
        "heads",
        "models",
        "pictures",
        "cache",
        "distributed",
        "tiny",
    },
    "tiny": {"pictures"},
}
DOORS = {"__init__", "__main__"}  # they open on every room
WORKSHOP = {
    "train",
    "architecture",
    "lessons",
    "forward",
    "examination",
    "evaluate",
}  # tiny's own making, never imported by users
HEAVY = {"torch", "transformers", "numpy", "PIL", "pydantic", "scipy", "matplotlib"}

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            if node.module == "gazecli":
                yield from (f"gazecli.{alias.name}" for alias in node.names)


def parsed(module: Path) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_from_rooms_below_its_own(module: Path) -> None:
    room = room_of(module)
    if room in DOORS or (room == "tiny" and module.stem in WORKSHOP):
        return
    allowed = BELOW[room] | GROUND | {room} if room not in GROUND else BELOW[room]
    rooms = {name.split(".")[1] for name in imported(parsed(module)) if name.startswith("gazecli.")}
    assert rooms <= allowed, f"{module} looks up to {sorted(rooms - allowed)}"


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m) in {"cli", *GROUND, *DOORS}], ids=str)
def test_the_way_to_the_front_door_is_light(module: Path) -> None:
    at_import = [node for node in parsed(module).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.split(".")[0] for node in at_import for name in imported(node)}
    assert not names & HEAVY


def test_documents_know_nothing_of_torch() -> None:
    for module in MODULES:
        if room_of(module) == "reports" and module.stem in {
            "documents",
            "evaluation_parts",
            "generation_parts",
            "housekeeping",
            "parts",
            "schemas",
            "track_parts",
        }:
            assert "torch" not in {name.split(".")[0] for name in imported(parsed(module))}


def test_nobody_takes_typer_apart() -> None:
    for module in MODULES:
        names = set(imported(parsed(module)))
        assert not {n for n in names if n.split(".")[0] == "click" or n.startswith("typer.")}, module
