"""Count the structure of the package `gazecli`, to compare it before and after a restructuring.

    python tools/structure.py [--root PATH] [--against PATH_OR_JSON] [--profile] [--json]

Read from the source, for gazecli/ and again for gazecli/ without gazecli/tiny/:

files, lines         Python files, and all their lines.
import lines         Lines that import statements span, also inside functions and `if TYPE_CHECKING`.
signature lines      Lines from `def` to the line before the body. Decorators do not count. A function on one
                     line counts 1.
circles              Groups of modules that import each other, directly or through others. Every import
                     statement counts, wherever it stands. The second figure leaves out imports of tiny.
files in circles     Modules in such a group.
one importer         Modules that one other module imports; tiny is an importer in both figures. Packages
                     (`__init__`) and `__main__` are importers, but are not counted. A command that the app
                     loads by name and one other module imports has two importers.
no importer          Modules that no import statement names: loaded by name, or started.
-ing, -ed            File names that end so.
option declarations  Calls of `typer.Option`.
declared again       Names with more than one such call. The name is the `--name` in the call, else that of
                     the parameter or field it annotates.

Read from the command line that `gazecli.cli.app.build_app` builds, without Typer's own options:

commands             Commands, also those in groups. Groups and the program itself do not count.
options taken        Options of all commands and of the program, each counted once a command.
option names         How many different names they have.
worded again         Names whose help text is not the same everywhere.

With --profile, from real calls with the model `tiny`, each in a process of its own:

loaded               Modules imported by the end.
entered              Files of which a function ran, also one that ran during an import. Functions are what
                     `def` and `lambda` make. Bodies of modules and classes do not count, nor do
                     comprehensions, nor methods that a library writes, such as those of data classes.
functions            Different functions that ran.
deepest              The most functions of the package on the stack at once. Frames of libraries do not count.

"-" stands for what could not be run.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeGuard

PACKAGE = "gazecli"
APART = "tiny"
Record = dict[str, Any]
COMMAND_LINE = ("commands", "options taken", "option names", "worded again")
ENTERED = ("loaded", "entered", "functions", "deepest")
# How a call is written has changed: the first spelling that succeeds is taken. Long work is told to be quiet:
# it tells its progress every few seconds, and the clock would decide what is entered.
CALLS: dict[str, tuple[str, ...]] = {
    "discover": ("discover tiny COMICS --quiet",),
    "steer": ("steer STRIP --region 3",),
    "evaluate": ("evaluate tiny COMICS --quiet", "report --evaluate COMICS --quiet"),
}


@dataclass(frozen=True)
class Module:
    """One file of the package; `name` is as it is imported, `path` is relative to the root."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def is_apart(self) -> bool:
        return self.path.parts[1] == APART

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def modules_of(root: Path) -> list[Module]:
    """Every module of the package under `root`."""
    found = []
    for file in sorted((root / PACKAGE).rglob("*.py")):
        path, text = file.relative_to(root), file.read_text("utf-8")
        parts = path.parts[:-1] if path.name == "__init__.py" else path.with_suffix("").parts
        found.append(Module(".".join(parts), path, text, ast.parse(text, str(file))))
    return found


def import_lines(module: Module) -> int:
    """How many lines its import statements span."""
    imports = [node for node in ast.walk(module.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return len({line for node in imports for line in range(node.lineno, (node.end_lineno or 0) + 1)})


def signature_lines(module: Module) -> int:
    """How many lines lie between a `def` and its body, over all functions."""
    lines, total = module.text.encode().split(b"\n"), 0
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            begins = min([first.lineno, *(mark.lineno for mark in getattr(first, "decorator_list", ()))])
            shares_line = bool(lines[begins - 1][: first.col_offset].strip())
            total += begins - node.lineno + shares_line
    return total


def imported(module: Module, names: set[str]) -> set[str]:
    """The other modules of the package that its import statements name."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            home = _home_of(node, module)
            found |= {inner if (inner := f"{home}.{a.name}") in names else home for a in node.names}
    return (found & names) - {module.name}


def _home_of(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    above = module.package.split(".")[: 1 - node.level or None]
    return ".".join([*above, *([node.module] if node.module else [])])


def loaded_by_name(module: Module, names: set[str]) -> set[str]:
    """The modules it can load with `import_module(f"package.{name}")`: their names are strings in it."""
    packages = re.findall(r'import_module\(f"([\w.]+\.)\{', module.text)
    words = re.findall(r'"(\w+)"', module.text)
    return {package + word for package in packages for word in words} & names


def circles_of(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of more than one module in which each reaches every other."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen, ahead = set[str](), list(graph[start])
        while ahead:
            if (name := ahead.pop()) not in seen:
                seen.add(name)
                ahead += graph.get(name, ())
        reached[start] = seen
    groups = {frozenset(n for n in reached[name] if name in reached[n]) for name in graph}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def options_of(modules: list[Module]) -> dict[str, list[str]]:
    """Each option's name, with the places at which `typer.Option` declares it."""
    named: dict[str, set[str]] = defaultdict(set)
    # An annotation is known by its module and its name.
    nameless: dict[tuple[str, str], set[str]] = defaultdict(set)  # its declarations without a `--name`
    annotates: dict[tuple[str, str], set[str]] = defaultdict(set)  # the parameters it stands beside
    for module in modules:
        froms = [node for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom)]
        homes = {a.asname or a.name: (_home_of(node, module), a.name) for node in froms for a in node.names}
        for holder, part, is_alias in _holders(module.tree):
            for node in ast.walk(part):
                if isinstance(node, ast.Name) and not is_alias:
                    annotates[homes.get(node.id, (module.name, node.id))].add(_as_option(holder))
                elif _is_declaration(node):
                    words = [str(word.value) for word in node.args if isinstance(word, ast.Constant)]
                    names = [word.partition("/")[0] for word in words if word.startswith("--")][:1]
                    place = f"{module.path.as_posix()}:{node.lineno}"
                    if is_alias and not names:
                        nameless[module.name, holder].add(place)
                    for name in names or [_as_option(holder)][is_alias:]:
                        named[name].add(place)
    for alias, places in nameless.items():
        for name in annotates[alias] or {_as_option(alias[1])}:
            named[name] |= places
    return {name: sorted(places) for name, places in sorted(named.items())}


def _is_declaration(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Option", "Option")


def _holders(tree: ast.Module) -> Iterator[tuple[str, ast.expr, bool]]:
    """What can hold a declaration: its name, its expression, and whether that is a name for an annotation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node in tree.body:
            yield ast.unparse(node.targets[0]), node.value, True
        elif isinstance(node, ast.arg) and node.annotation:
            yield node.arg, node.annotation, False
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target), node.annotation, False


def _as_option(name: str) -> str:
    spaced = name if name.isupper() else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return "--" + spaced.lower().strip("_").replace("_", "-")


def counts_of(everything: list[Module], *, with_apart: bool) -> Record:
    """The figures that the source alone tells."""
    modules = [module for module in everything if with_apart or not module.is_apart]
    names, all_names = {module.name for module in modules}, {module.name for module in everything}
    importers: dict[str, set[str]] = defaultdict(set)
    for module in everything:
        for name in imported(module, all_names):
            importers[name].add(module.name)
    for module in everything:
        for name in loaded_by_name(module, all_names) & importers.keys():
            importers[name].add(module.name)
    plain = [m.name for m in modules if m.path.name not in ("__init__.py", "__main__.py")]
    circles = circles_of({module.name: imported(module, names) for module in modules})
    options = options_of(modules)
    return {
        "files": len(modules),
        "lines": sum(len(module.text.splitlines()) for module in modules),
        "import lines": sum(map(import_lines, modules)),
        "signature lines": sum(map(signature_lines, modules)),
        "circles": circles,
        "files in circles": sum(map(len, circles)),
        "one importer": {name: next(iter(importers[name])) for name in plain if len(importers[name]) == 1},
        "no importer": [name for name in plain if not importers[name]],
        "-ing, -ed": [m.path.as_posix() for m in modules if m.path.stem.endswith(("ing", "ed"))],
        "option declarations": sum(_is_declaration(node) for m in modules for node in ast.walk(m.tree)),
        "declared again": {name: places for name, places in options.items() if len(places) > 1},
    }


def command_line() -> Record:
    """The figures of the real command line; runs in a process in which the package can be imported."""
    import typer.main

    from gazecli.cli.app import build_app

    taken: list[tuple[str, str]] = []
    ahead, commands = [typer.main.get_command(build_app())], 0
    while ahead:
        command = ahead.pop()
        inner = list(getattr(command, "commands", {}).values())
        ahead += inner
        commands += not inner
        for option in command.params:
            if option.param_type_name == "option" and not str(option.name).endswith("_completion"):
                long = next((name for name in option.opts if name.startswith("--")), option.opts[0])
                taken.append((long, str(getattr(option, "help", ""))))
    worded: dict[str, set[str]] = defaultdict(set)
    for long, text in taken:
        worded[long].add(text)
    again = {long: sorted(texts) for long, texts in sorted(worded.items()) if len(texts) > 1}
    counted = (commands, len(taken), len(worded), again)
    return dict(zip(COMMAND_LINE, counted, strict=True))


class Entries:
    """A profile hook: which functions of the package run, and how deep they stand."""

    def __init__(self, root: Path) -> None:
        self.start = f"{root / PACKAGE}{os.sep}"
        self.functions: set[tuple[str, str, int]] = set()
        self.deepest: list[str] = []
        self._known: dict[CodeType, tuple[str, str, int] | None] = {}

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and (function := self._function(frame.f_code)):
            self.functions.add(function)
            stack, at = [], frame.f_back
            while at:
                if above := self._function(at.f_code):
                    stack.append(above)
                at = at.f_back
            if len(stack) >= len(self.deepest):
                self.deepest = [f"{file}:{name}" for file, name, _ in [*reversed(stack), function]]

    def _function(self, code: CodeType) -> tuple[str, str, int] | None:
        if code not in self._known:
            comprehends = code.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
            # Only functions keep their variables in slots: bodies of modules and classes do not.
            is_ours = code.co_filename.startswith(self.start) and code.co_flags & 1 and not comprehends
            file = code.co_filename.removeprefix(self.start)
            self._known[code] = (file, code.co_qualname, code.co_firstlineno) if is_ours else None
        return self._known[code]


def traced_call(root: Path, arguments: list[str], wanted: Path) -> int:
    """Run one call in this process and write what it entered to `wanted`; its exit code."""
    entries = Entries(root)
    threading.setprofile(entries)
    sys.setprofile(entries)
    try:
        from gazecli.cli.app import run

        code = run(arguments)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    files = sorted({file for file, _, _ in entries.functions})
    loaded = sum(name.split(".")[0] == PACKAGE for name in sys.modules)
    record = zip(ENTERED, (loaded, files, len(entries.functions), entries.deepest), strict=True)
    wanted.write_text(json.dumps(dict(record)), "utf-8")
    return code


def profile_of(root: Path) -> Record:
    """What each of the calls entered; None for one that fails, the reason on stderr."""
    found: Record = {}
    with tempfile.TemporaryDirectory() as folder:
        strips = Path(folder) / "strips"
        words = {"COMICS": str(strips), "STRIP": str(root / "examples" / "strip.png")}
        _traced(root, ["comics", "make", str(strips), "--count", "4"], folder)
        for name, spellings in CALLS.items():
            sys.stderr.write(f"{name} …\n")
            for spelling in spellings:
                arguments = [words.get(word, word) for word in spelling.split()]
                found[name], told = _traced(root, arguments, folder)
                if found[name]:
                    break
            else:
                sys.stderr.write(told)
    return found


def _traced(root: Path, arguments: list[str], folder: str) -> tuple[Record | None, str]:
    wanted = Path(folder) / "entered.json"
    wanted.unlink(missing_ok=True)
    done = _in_process(root, folder, "_call", str(root), str(wanted), *arguments)
    is_told = done.returncode == 0 and wanted.exists()
    return json.loads(wanted.read_text("utf-8")) if is_told else None, done.stderr


def _in_process(root: Path, folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {name: value for name, value in os.environ.items() if not name.startswith("GAZE_")}
    cache = str(Path(folder) / "cache")
    place = {
        "PYTHONPATH": str(root),
        "GAZE_CACHE_DIR": cache,
        "XDG_CONFIG_HOME": folder,
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(  # noqa: S603 - this file itself
        [sys.executable, "-P", str(Path(__file__).resolve()), *arguments],
        cwd=folder,
        env=settings | place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def structure_of(root: Path, *, profiled: bool) -> Record:
    """All figures of the checkout at `root`, as they are written to JSON."""
    modules = modules_of(root)
    if not modules:
        sys.exit(f"no {PACKAGE}/ with Python files in {root}")
    record: Record = {
        "package": counts_of(modules, with_apart=True),
        "without tiny": counts_of(modules, with_apart=False),
    }
    with tempfile.TemporaryDirectory() as folder:
        told = _in_process(root, folder, "_command_line")
    record["command line"] = json.loads(told.stdout) if told.returncode == 0 else None
    record["calls"] = profile_of(root) if profiled else None
    return record


def rows_of(record: Record) -> dict[str, str]:
    """The table of one checkout: a name and its figures."""
    both = [record["package"], record["without tiny"]]
    rows = {name: "  ".join(f"{_size(part[name]):>6}" for part in both) for name in both[0]}
    shown = record["command line"] or dict.fromkeys(COMMAND_LINE)
    rows |= {name: f"{_size(value):>6}" for name, value in shown.items()}
    for call, entered in (record["calls"] or {}).items():
        parts = entered or dict.fromkeys(ENTERED)
        rows |= {f"{call}: {name}": f"{_size(value):>6}" for name, value in parts.items()}
    return rows


def _size(value: Any) -> str:
    return "-" if value is None else str(value if isinstance(value, int) else len(value))


def table(records: dict[str, Record]) -> str:
    """The checkouts side by side, two columns each: the package, and the package without tiny."""
    tables = [rows_of(record) for record in records.values()]
    names = list(dict.fromkeys(name for rows in tables for name in rows))
    wide = max(map(len, names))
    titles = "".join(f"    {title:<14}" for title in records).rstrip()
    lines = [" " * wide + titles, " " * wide + "       all  -tiny" * len(records)][len(records) == 1 :]
    for name in names:
        cells = "".join(f"    {rows.get(name, '     -'):<14}" for rows in tables)
        lines.append(f"{name:<{wide}}{cells}".rstrip())
    return "\n".join(lines) + "\n"


def lists(record: Record) -> str:
    """What stands behind the figures, by name."""
    package, taken = record["package"], record["command line"] or {}
    found = {
        "circles": [" - ".join(circle) for circle in package["circles"]],
        "one importer": [f"{name} < {importer}" for name, importer in package["one importer"].items()],
        "no importer": package["no importer"],
        "-ing, -ed": package["-ing, -ed"],
        "declared again": [f"{name} {', '.join(at)}" for name, at in package["declared again"].items()],
        "worded again": [f"{name} {len(texts)}" for name, texts in taken.get("worded again", {}).items()],
    }
    fill = textwrap.TextWrapper(110, "  ", "      ", break_on_hyphens=False).fill
    lines = [line for title, items in found.items() for line in ("", title, *map(fill, items or ["none"]))]
    return "\n".join([*lines, ""]).replace(f"{PACKAGE}.", "").replace(f"{PACKAGE}/", "")


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description="Count the structure of the package.")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the checkout to count")
    parser.add_argument("--against", type=Path, help="an older checkout, or the JSON printed for it")
    parser.add_argument("--profile", action="store_true", help="count what real calls enter, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    records: dict[str, Record] = {}
    if asked.against and asked.against.is_file():
        kept = json.loads(asked.against.read_text("utf-8"))
        records["before"] = kept.get("now", kept)
    elif asked.against:
        records["before"] = structure_of(asked.against.resolve(), profiled=asked.profile)
    now = records["now"] = structure_of(asked.root.resolve(), profiled=asked.profile)
    if asked.json:
        sys.stdout.write(json.dumps(records if asked.against else now, indent=1) + "\n")
    else:
        sys.stdout.write(table(records) + lists(now))


if __name__ == "__main__":
    if sys.argv[1:2] == ["_call"]:
        sys.exit(traced_call(Path(sys.argv[2]), sys.argv[4:], Path(sys.argv[3])))
    elif sys.argv[1:2] == ["_command_line"]:
        sys.stdout.write(json.dumps(command_line()))
    else:
        main()
