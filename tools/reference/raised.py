"""The errors that the source raises: the code, message and hint of each, read from its syntax tree.

A message or a hint may be a variable, or come from a caller of the function that raises. They are followed
through assignments and calls of one file, and those set in the same branch stay together. What is only known
when the error is raised is shown as `‹name›`.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from gazecli import errors
from gazecli.models.folder_kinds import KINDS as FOLDER_KINDS

ROOT = Path(__file__).parents[2]
CLASSES: dict[str, type[errors.GazeError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.GazeError)
}
CODE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_PLACEHOLDERS = re.compile("(‹[^›]*›)+")
_DEEPEST = 4  # assignments and calls between a text and the error that carries it
_MOST = 12  # texts that one f-string is expanded to

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | None  # None is the module itself
Known = ast.expr | None


@dataclass(frozen=True, order=True)
class Raised:
    """One way to fail: its code, what is said, what to do (may be empty), the class and the file."""

    code: str
    message: str
    hint: str
    kind: str
    path: str


@cache
def raised() -> tuple[Raised, ...]:
    """Everything the package raises, without doubles, in order of the codes.

    Beside what is read from the source stand the default code of each class, and the table of folders that
    are no checkpoint, whose sentences are data.
    """
    found = {each for path in sorted((ROOT / "gazecli").rglob("*.py")) for each in SourceFile(path).errors()}
    for folder in FOLDER_KINDS:
        message, hint = (re.sub(r"\{0?\}", "‹found›", text) for text in (folder.sentence, folder.step))
        found.add(Raised(folder.code, message, hint, "ModelError", "gazecli/models/folder_kinds.py"))
    told = {each.code for each in found if not _PLACEHOLDERS.fullmatch(each.message)}
    found = {each for each in found if each.code not in told or not _PLACEHOLDERS.fullmatch(each.message)}
    known = {each.code for each in found}
    for name, kind in CLASSES.items():
        if kind.default_code not in known:
            meaning = (inspect.getdoc(kind) or "").split(";")[0].rstrip(".")
            found.add(Raised(kind.default_code, meaning, "", name, "gazecli/errors.py"))
    return tuple(sorted(found))


class SourceFile:
    """One file of the package, and the errors it makes."""

    def __init__(self, path: Path) -> None:
        self.path = path.relative_to(ROOT).as_posix()
        self.module = self.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.functions = [node for node in ast.walk(self.tree) if isinstance(node, Function)]
        # Of each call and statement, the lists of statements it stands in, the innermost first.
        self.blocks: dict[ast.AST, list[tuple[list[ast.stmt], int]]] = {}
        self._note_blocks(self.tree, [])

    def errors(self) -> Iterator[Raised]:
        """Each error that this file makes."""
        for scope in (None, *self.functions):
            for call in _calls(self.tree if scope is None else scope):
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                given = {word.arg: word.value for word in call.keywords if word.arg}
                if name not in CLASSES and not _is_code(given.get("code")):
                    continue
                kind = name if name in CLASSES else "GazeError"
                nodes = [
                    call.args[0] if call.args else given.get("message"),
                    given.get("hint"),
                    given.get("code"),
                ]
                for message, hint, code in self._resolved(nodes, scope, call):
                    code = code if CODE.fullmatch(code) else CLASSES[kind].default_code
                    yield Raised(code, message, hint, kind, self.path)

    def _resolved(
        self, nodes: Sequence[Known], scope: Scope, at: ast.AST, depth: int = 0
    ) -> Iterator[tuple[str, ...]]:
        """All texts that the expressions may have together at a place in a function."""
        sources = {name: self._sources(name, at) for node in nodes for name in _names(node)}
        handed = {
            number: node.id
            for number, node in enumerate(nodes)
            if isinstance(node, ast.Name) and not sources[node.id] and node.id in _taken(scope)
        }
        if handed and scope is not None and depth < _DEEPEST:
            rest = [None if number in handed else node for number, node in enumerate(nodes)]
            others = list(self._resolved(rest, scope, at, depth + 1))
            for caller, call, given in self._callers(scope):
                wanted = [given.get(name) for name in handed.values()]
                for texts, other in itertools.product(
                    self._resolved(wanted, caller, call, depth + 1), others
                ):
                    known = dict(zip(handed, texts, strict=True))
                    yield tuple(known.get(number, text) for number, text in enumerate(other))
            return
        for bound in self._bindings(sources, scope, depth):
            yield from itertools.product(*(self._texts(node, bound) for node in nodes))

    def _bindings(
        self, sources: dict[str, list[tuple[ast.stmt, ast.expr]]], scope: Scope, depth: int
    ) -> Iterator[dict[str, str]]:
        """What the variables may hold together: those set in one branch belong together."""
        branches: dict[tuple[int, ...], list[str]] = {}
        for name, found in sources.items():
            if found and depth < _DEEPEST:
                branch = tuple(id(self.blocks[statement][0][0]) for statement, _ in found)
                branches.setdefault(branch, []).append(name)
        choices = [
            [
                dict(zip(names, texts, strict=True))
                for place, (statement, _) in enumerate(sources[names[0]])
                for texts in self._resolved(
                    [sources[name][place][1] for name in names], scope, statement, depth + 1
                )
            ]
            for names in branches.values()
        ]
        for choice in itertools.product(*choices):
            yield {name: text for part in choice for name, text in part.items()}

    def _texts(self, node: Known, bound: dict[str, str]) -> list[str]:
        """Every text that one expression may be, with these variables."""
        match node:
            case None | ast.Constant(value=None):
                return [""]
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                pieces = [self._texts(part, bound) for part in parts]
                return ["".join(choice) for choice in itertools.islice(itertools.product(*pieces), _MOST)]
            case ast.FormattedValue(value=ast.Name(id=name)):
                text = bound.get(name, self._constant(name))
                return [f"‹{_short_name(node.value)}›" if text is None or "‹" in text else text]
            case ast.FormattedValue(value=ast.IfExp() as value):
                return self._texts(value, bound)
            case ast.FormattedValue(value=value):
                return [f"‹{_short_name(value)}›"]
            case ast.IfExp(body=body, orelse=other):
                return [*self._texts(body, bound), *self._texts(other, bound)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [
                    "".join(pair)
                    for pair in itertools.product(self._texts(left, bound), self._texts(right, bound))
                ]
            case ast.Name(id=name):
                text = bound.get(name, self._constant(name))
                return [f"‹{_short_name(node)}›" if text is None else text]
            case _:
                return [f"‹{_short_name(node)}›"]

    def _constant(self, name: str) -> str | None:
        """A constant of the file, as it is shown in a sentence."""
        value = getattr(import_module(self.module), name, None) if name.isupper() else None
        if isinstance(value, tuple | list) and all(isinstance(each, str) for each in value):
            return ", ".join(value)
        return str(value) if isinstance(value, str | int | float) else None

    def _sources(self, name: str, at: ast.AST) -> list[tuple[ast.stmt, ast.expr]]:
        """What a variable may hold at a place: the last assignment before it, and those in branches since."""
        found: list[tuple[ast.stmt, ast.expr]] = []
        for block, place in self.blocks.get(at, []):
            for statement in reversed(block[:place]):
                inside = [
                    (node, value)
                    for node in ast.walk(statement)
                    if isinstance(node, ast.Assign)
                    for target in node.targets
                    for value in _assigned(target, node.value, name)
                ]
                found += inside
                if inside and isinstance(statement, ast.Assign):
                    return found
            around = self.blocks[block[0]]
            owner = next((inner[0][inner[1]] for inner in around[1:2]), None)
            if isinstance(owner, ast.For):
                found += [(owner, key) for key in self._keys(owner, name)]
            if found:
                return found
        return found

    def _keys(self, loop: ast.For, name: str) -> list[ast.expr]:
        """The keys that a loop over the items of a dictionary written out gives to its first variable."""
        match loop:
            case ast.For(
                target=ast.Tuple(elts=[ast.Name(id=first), *_]),
                iter=ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr="items")),
            ) if first == name:
                tables = [value for _, value in self._sources(table, loop) if isinstance(value, ast.Dict)]
                return [key for value in tables for key in value.keys if key is not None]
        return []

    def _callers(self, function: Function) -> Iterator[tuple[Scope, ast.Call, dict[str, Known]]]:
        """Each call of a function in this file: where it stands, and what it hands to each parameter."""
        positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        positional = positional[1:] if positional[:1] == ["self"] else positional
        last = function.args.defaults
        defaults: dict[str, Known] = dict(zip(positional[len(positional) - len(last) :], last, strict=True))
        defaults |= dict(
            zip([each.arg for each in function.args.kwonlyargs], function.args.kw_defaults, strict=True)
        )
        for scope in (None, *self.functions):
            for call in _calls(self.tree if scope is None else scope):
                called = (
                    call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                )
                if called == function.name and scope is not function:
                    given = dict(zip(positional, call.args, strict=False))
                    yield (
                        scope,
                        call,
                        {**defaults, **given, **{word.arg: word.value for word in call.keywords if word.arg}},
                    )

    def _note_blocks(self, node: ast.AST, around: list[tuple[list[ast.stmt], int]]) -> None:
        for _, value in ast.iter_fields(node):
            is_block = isinstance(value, list) and bool(value) and isinstance(value[0], ast.stmt)
            for place, child in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(child, ast.AST):
                    here = [(value, place), *around] if is_block else around
                    self.blocks[child] = here
                    self._note_blocks(child, [] if isinstance(child, Function) else here)


def _names(node: Known) -> Iterator[str]:
    """The variables whose texts an expression is made of."""
    match node:
        case ast.Name(id=name):
            yield name
        case ast.JoinedStr(values=parts):
            for part in parts:
                yield from _names(part)
        case ast.FormattedValue(value=ast.Name() | ast.IfExp() as value):
            yield from _names(value)
        case ast.IfExp(body=first, orelse=second) | ast.BinOp(left=first, right=second):
            yield from _names(first)
            yield from _names(second)


def _calls(scope: ast.AST) -> Iterator[ast.Call]:
    """Calls inside a function or a module, without those of functions inside it."""
    stack = list(ast.iter_child_nodes(scope))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, Function):
            stack.extend(ast.iter_child_nodes(node))


def _is_code(node: Known) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(CODE.fullmatch(node.value))


def _taken(scope: Scope) -> set[str]:
    """The names of a function's parameters."""
    if scope is None:
        return set()
    return {each.arg for each in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)}


def _assigned(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    """The expressions that an assignment gives to a name."""
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif (
        isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts)
    ):
        for each, given in zip(target.elts, value.elts, strict=True):
            yield from _assigned(each, given, name)


def _short_name(value: ast.expr) -> str:
    """A word for what is filled in: the last that says something of the expression."""
    words = [word.strip("_") for word in re.findall(r"[A-Za-z_]\w*", ast.unparse(value))]
    plain = [
        word
        for word in words
        if word not in {"str", "len", "repr", "sorted", "join", "lower", "name", "strerror"}
    ]
    return (plain or words or ["…"])[-1].lower().replace("_", " ")
