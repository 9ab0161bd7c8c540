"""Imports go down the layers and never up, and what starts up imports nothing heavy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gazecli"

# One rule a folder: what it may import of the package besides itself and the ground.
GROUND = {"canonical", "dependencies", "errors", "plain_text", "results", "version"}
BELOW: dict[str, set[str]] = {
    "": {
        "api",
        "cache",
        "cli",
        "distributed",
        "evaluation",
        "heads",
        "models",
        "pictures",
        "reports",
        "serving",
        "sharing",
        "steering",
    },
    "pictures": set(),
    "cache": set(),
    "distributed": set(),
    "models": {"pictures", "cache", "distributed"},
    "heads": {"models", "pictures", "cache", "distributed"},
    "steering": {"heads", "models", "pictures", "cache"},
    "evaluation": {"steering", "heads", "models", "pictures", "cache", "distributed"},
    "reports": {"evaluation", "steering", "heads", "models", "pictures", "cache"},
    "reports.documents": {"heads", "models", "pictures", "cache"},
    "serving": {"reports", "steering", "heads", "models", "pictures", "cache"},
    "sharing": {"reports", "heads", "models", "cache"},
    "tiny": {"pictures"},
    "tiny.live": {"steering", "heads", "models", "pictures", "cache", "tiny"},
    "tiny.training": {"evaluation", "steering", "heads", "models", "pictures", "cache", "tiny"},
    "tiny.study": {"reports", "evaluation", "steering", "heads", "models", "pictures", "cache", "tiny"},
    "api": {
        "serving",
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
    "cli": {
        "api",
        "serving",
        "sharing",
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
}
HEAVY = {"starlette", "uvicorn", "torch", "transformers", "numpy", "PIL", "pydantic", "scipy", "matplotlib"}
# Imported at every start; documents bring pydantic, and never torch.
LIGHT = {"", "cli"}
WITHOUT_TORCH = {"cache", "pictures", "distributed", "reports.documents"}

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def folder_of(module: Path) -> str:
    """The dotted folder of a module, as long as a rule names it: reports.documents, cli, or nothing."""
    parts = module.parent.parts
    while parts and ".".join(parts) not in BELOW:
        parts = parts[:-1]
    return ".".join(parts)


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


def at_import(module: Path) -> set[str]:
    top = [node for node in parsed(module).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name.split(".")[0] for node in top for name in imported(node)}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_from_folders_below_its_own(module: Path) -> None:
    folder = folder_of(module)
    allowed = BELOW[folder] | {folder.split(".")[0]} | GROUND
    names = {name.split(".")[1] for name in imported(parsed(module)) if name.startswith("gazecli.")}
    assert names <= allowed, f"{module} looks up to {sorted(names - allowed)}"


@pytest.mark.parametrize("module", [m for m in MODULES if folder_of(m) in LIGHT], ids=str)
def test_what_starts_up_imports_nothing_heavy(module: Path) -> None:
    assert not at_import(module) & HEAVY


@pytest.mark.parametrize("module", [m for m in MODULES if folder_of(m) in WITHOUT_TORCH], ids=str)
def test_what_is_read_without_a_model_does_not_import_torch(module: Path) -> None:
    assert not at_import(module) & {"torch", "transformers"}


def test_only_serving_knows_a_web_framework() -> None:
    for module in MODULES:
        if folder_of(module) != "serving":
            names = {name.split(".")[0] for name in imported(parsed(module))}
            assert not names & {"starlette", "uvicorn"}, module


def test_nobody_takes_typer_apart() -> None:
    for module in MODULES:
        names = set(imported(parsed(module)))
        assert not {n for n in names if n.split(".")[0] == "click" or n.startswith("typer.")}, module
