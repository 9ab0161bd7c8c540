"""Every error says what to do next: read off the source, so that a new one is covered when it is written."""

from __future__ import annotations

import ast
from pathlib import Path

from gazecli import errors

PACKAGE = Path(errors.__file__).parent
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}


def test_every_error_is_made_with_a_hint() -> None:
    bare = [
        f"{module.relative_to(PACKAGE)}:{node.lineno}"
        for module in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in KINDS
        and "hint" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not bare
