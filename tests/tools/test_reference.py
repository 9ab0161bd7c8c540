"""The generated pages of the documentation say what is so: commands, options, documents, errors, names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

import gazecli
from gazecli.reports.documents.schemas import DOCUMENTS
from tests.cli.conftest import gaze_here
from tests.cli.test_options import commands_of
from tools.reference.__main__ import pages
from tools.reference.commands import build_app
from tools.reference.raised import ROOT, raised

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages()


def test_every_command_and_every_option_has_its_place(written: dict[str, str]) -> None:
    app = build_app()
    text = "\n".join(page for name, page in written.items() if name.startswith("commands/"))
    headings = set(re.findall(r"^#+ (gaze[ \w-]*?)(?: \{.*)?$", text, re.M))
    assert {words for words, _, _ in commands_of(app)} - headings == {"gaze"}
    options = {
        name
        for _, _, built in commands_of(app)
        for each in built.params
        if each.param_type_name == "option" and not each.hidden
        for name in (*each.opts, *each.secondary_opts)
    } - {"--help", "-h", "--install-completion", "--show-completion"}
    assert len(options) > 50
    assert sorted(name for name in options if not re.search(rf"`{name}[` ]", text)) == []


def test_every_document_has_a_page_with_its_schema(written: dict[str, str]) -> None:
    for name in DOCUMENTS:
        assert f'"$id": "gaze.{name}/1"' in written[f"documents/{name}.md"]
        assert "| `schema` |" in written[f"documents/{name}.md"]


def test_every_public_name_is_in_the_python_reference(written: dict[str, str]) -> None:
    named = set(re.findall(r"^::: gazecli\.(\w+)$", written["python.md"], re.M))
    assert named == set(gazecli.__all__) - {"__version__"}


def test_every_code_in_the_source_is_on_the_page_of_errors(written: dict[str, str]) -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "gazecli").rglob("*.py"))
    codes = set(re.findall(r'code\s*=\s*"([a-z0-9_]+\.[a-z0-9_]+)"', source))
    assert len(codes) > 80
    codes |= {f"usage.{name}" for name in ("samples", "panels", "height", "gap", "seed")}  # made in a loop
    assert sorted(code for code in codes if f"### {code} {{" not in written["errors.md"]) == []
    for each in raised():
        assert each.message


CALLS = [
    ("steer", "examples/strip.png", "--region", "9", "--heads", "3.4", "--model", "tiny"),
    ("steer", "missing.png", "--region", "1", "--heads", "3.4", "--model", "tiny"),
    ("steer", "examples/strip.png", "--region", "1", "--heads", "3.4"),
    ("steer", "examples/strip.png", "--region", "5,5,5,9", "--heads", "3.4", "--model", "tiny"),
    ("discover", "tiny", "examples/comics", "--panels", "99"),
    ("discover", "no-such-model", "examples/comics"),
    ("discover", "tiny", "missing"),
    ("report", "0123abcd"),
    ("switch", "examples/strip.png", "--schedule", "1,,2", "--heads", "3.4", "--model", "tiny"),
    ("cache", "show", "zz"),
]


def pattern(text: str) -> re.Pattern[str]:
    """What a text of the page may become once everything in it is filled in."""
    return re.compile(".*".join(map(re.escape, re.split("‹[^›]*›", text))), re.DOTALL)


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_an_error_says_what_the_page_says_of_its_code(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, call: tuple[str, ...]
) -> None:
    monkeypatch.chdir(ROOT)
    error = gaze_here(capfd, *call, "--json").error()
    known = [each for each in raised() if each.code == error["code"]]
    assert any(
        pattern(each.message).fullmatch(error["message"])
        and pattern(each.hint).fullmatch(error["hint"] or "")
        for each in known
    )


def pages_of(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for each in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages_of(each)


def test_every_page_is_in_the_navigation_of_zensical_toml_and_there(written: dict[str, str]) -> None:
    named = list(pages_of(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]))
    own = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    there = {name for name in own if not name.startswith("reference/")} | {
        f"reference/{name}" for name in written
    }
    assert len(named) == len(set(named))
    assert sorted(set(named) ^ there) == []


def test_the_site_needs_no_newer_zensical_than_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    pins = {line for name in ("dev", "docs") for line in extras[name] if line.startswith("zensical")}
    assert len(pins) == 1
    assert re.fullmatch(r"zensical==[\d.]+", pins.pop())
