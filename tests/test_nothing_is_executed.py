"""What is read is never run: safetensors and JSON only, no pickle, eval or shell, anywhere in the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gazecli"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

# Modules that run what they read, or let others do so.
EXECUTING = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "dbm"),
    *("yaml", "ruamel", "jsonpickle", "code", "codeop", "runpy", "imp", "zipimport", "xml", "ftplib"),
    *("subprocess", "pty", "commands", "popen2", "ctypes", "cffi", "multiprocessing"),
}
BUILT_IN = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}
# Attributes of other modules that run what they read: module, name.
CALLS = {
    *(("torch", name) for name in ("load", "jit", "hub", "package")),
    *(("numpy", name) for name in ("load", "fromfile", "memmap", "loadtxt", "genfromtxt")),
    *(("os", name) for name in ("system", "popen", "startfile", "fork", "posix_spawn")),
    *(("pandas", name) for name in ("read_pickle", "eval")),
    ("builtins", "eval"),
    ("builtins", "exec"),
}
# Where a module is imported by a name in a variable: always the package's own or transformers' own names.
IMPORTERS = {
    Path("__init__.py"),
    Path("models/processor.py"),
    Path("pictures/image_files.py"),
    Path("cli/doctor.py"),
    Path("cli/app.py"),  # commands, by a tuple of their names
    Path("cli/skill.py"),  # the same
}
# How the model in the box was made: a file that its own training wrote, tensors only. And Pillow's own
# library, which is loaded already, is told not to print.
ALLOWED = {(Path("tiny/training/train.py"), "torch.load"), (Path("pictures/image_files.py"), "ctypes")}
# What may turn a cache file's bytes into anything.
PARSERS = {"json", "safetensors"}


def parsed(module: Path) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_of(tree: ast.AST) -> dict[str, str]:
    """What a module's import statements call things: `np` is `numpy`."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def dangerous(tree: ast.Module) -> Iterator[str]:
    """Everything in a module that could run what was read."""
    yield from (name for name in imported(tree) if name.split(".")[0] in EXECUTING)
    yield from (name for name in imported(tree) if tuple(name.split(".")[:2]) in CALLS)
    known = names_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BUILT_IN:
            yield node.func.id
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (known.get(node.value.id, node.value.id), node.attr) in CALLS
        ):
            yield f"{node.value.id}.{node.attr}"
        for keyword in getattr(node, "keywords", []):
            on = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            if keyword.arg in {"shell", "allow_pickle", "trust_remote_code"} and on:
                yield f"{keyword.arg}=True"
            off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg in {"use_safetensors", "weights_only"} and off:
                yield f"{keyword.arg}=False"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_can_run_what_it_reads(module: Path) -> None:
    assert [found for found in dangerous(parsed(module)) if (module, found) not in ALLOWED] == []


def test_the_one_torch_load_takes_tensors_only() -> None:
    calls = [
        ast.unparse(node)
        for node in ast.walk(parsed(Path("tiny/training/train.py")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert calls
    assert all("weights_only=True" in call for call in calls)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "import torch\nx = torch.load('a')",
        "import torch as t\nx = t.load('a')",
        "from torch import load",
        "import numpy as np\nx = np.load('a', allow_pickle=True)",
        "eval('1')",
        "exec('1')",
        "import os\nos.system('ls')",
        "from os import popen",
        "import subprocess",
        "run('ls', shell=True)",
        "load(x, trust_remote_code=True)",
        "from_pretrained(x, use_safetensors=False)",
    ],
)
def test_the_check_sees_what_it_looks_for(source: str) -> None:
    assert list(dangerous(ast.parse(source)))


def test_names_are_imported_at_run_time_in_few_places() -> None:
    found = {
        module
        for module in MODULES
        for name in imported(parsed(module))
        if name in {"importlib", "importlib.import_module", "importlib.util"}
    }
    assert found <= IMPORTERS


def test_the_cache_is_parsed_by_safetensors_and_json_alone() -> None:
    readers = {
        module: {name.split(".")[0] for name in imported(parsed(module))}
        for module in MODULES
        if module.parts[0] == "cache" or module == Path("canonical.py")
    }
    foreign = {
        "torch", "transformers", "configparser", "csv", "tomllib", "sqlite3", "zipfile", "tarfile", "gzip",
        "struct", "ast", "plistlib",
    }  # fmt: skip
    assert {module: names & foreign for module, names in readers.items() if names & foreign} == {}
    assert set().union(*readers.values()) >= PARSERS


def test_weights_are_loaded_as_safetensors_and_nothing_else() -> None:
    loaders = [
        node
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "from_pretrained"
        and not ast.unparse(node.func.value).endswith(("Processor", "Tokenizer", "Config"))
    ]
    assert loaders
    for call in loaders:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        assert isinstance(given["use_safetensors"], ast.Constant)
        assert given["use_safetensors"].value is True
