"""Reports as HTML, Markdown and CSV: all is there, and no foreign text gets out of its place."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gazecli.plain_text import visible, whole
from gazecli.reports.csv_table import report_csv
from gazecli.reports.documents.evaluation import ConditionName, ConditionPart
from gazecli.reports.glossary import meaning
from gazecli.reports.headline import Headline, headline
from gazecli.reports.markdown import escaped, report_markdown
from gazecli.reports.page.report import drawn_figures, report_page
from gazecli.reports.tables import condition_label, evaluation_tables, heads_table, summary_table
from tests.reports.samples import DIGEST, condition, judged, report, scene

any_text = st.text(st.characters())
HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)> | `x` [a](b)\n=1+1'
VOID = {"meta", "br", "img", "link", "input"}


class Tags(HTMLParser):
    """What a page is made of; an end tag that closes nothing is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def shape(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Tags and names of attributes, values aside, and bare spans: a command has one for each of its words."""
    found = [(tag, tuple(sorted(attributes))) for tag, attributes in Tags(page).seen]
    return [each for each in found if each != ("span", ())]


FIGURES = {"scores": ('<svg role="img" aria-label="map"></svg>', "every head")}


@given(any_text)
@example(HOSTILE)
def test_foreign_text_never_changes_what_a_page_is_made_of(text: str) -> None:
    scenes = [scene(text)]
    page = report_page(judged(text), figures=FIGURES, scenes=scenes)
    assert shape(page) == shape(report_page(judged("plain"), figures=FIGURES, scenes=[scene("plain")]))
    assert not Tags(page).opened
    assert visible(whole(text)) in unescape(page)


@pytest.mark.parametrize("task", ["static", "dynamic"])
def test_a_page_needs_nothing_from_elsewhere(task: str) -> None:
    page = report_page(report(task=task), scenes=[scene()])
    tags = Tags(page).seen
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in tags}
    sources = [attributes["src"] for _, attributes in tags if "src" in attributes]
    assert sources
    assert all(str(source).startswith("data:image/jpeg;base64,") for source in sources)
    targets = [value for _, attributes in tags for name, value in attributes.items() if "href" in name]
    away = {str(target) for target in targets if not str(target).startswith("data:image/png;base64,")}
    assert away <= {f"#{attributes['id']}" for _, attributes in tags if "id" in attributes}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "http" not in page.replace("http-equiv", "")


def test_only_the_pages_own_script_may_run() -> None:
    page = report_page(report(HOSTILE), figures=FIGURES, scenes=[scene(HOSTILE)])
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = next(
        str(attributes["content"]) for _, attributes in Tags(page).seen if "http-equiv" in attributes
    )
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"script-src 'sha256-{digest}';" in policy
    assert "alert" not in scripts[0]
    assert "script-src" not in report_page(report(), figures=FIGURES)


def test_a_page_can_be_read_without_eyes_or_pointer() -> None:
    tags = Tags(report_page(report(), scenes=[scene()])).seen
    assert ("html", {"lang": "en"}) in tags
    headings = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert all(attributes.get("aria-label") for tag, attributes in tags if tag == "svg")
    tokens = [attributes for _, attributes in tags if attributes.get("class") == "token"]
    assert [token["tabindex"] for token in tokens] == ["0", "-1", "-1"] * 2
    names = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(names) == len(set(names))


def test_a_page_shows_every_figure_there_are_data_for() -> None:
    figures = drawn_figures(judged())
    assert list(figures) == [
        "scores",
        "histogram",
        "matrices",
        "layers",
        "redirection",
        "regions",
        "selectors",
        "sweep",
    ]
    page = report_page(judged(), figures=figures)
    for drawn, told in figures.values():
        assert drawn in page
        assert told in unescape(page)
    assert DIGEST in page
    assert re.search(r'<th scope="row">1</th><td>0</td><td>0.600</td>', page)  # layer, head, raw score
    assert "ρ with the schedule" in report_page(report(task="dynamic"), figures=FIGURES)


def test_a_page_says_what_the_judge_made_of_its_pictures() -> None:
    document = judged("strip-1")
    page = unescape(report_page(document, figures=FIGURES, scenes=[scene("strip-1")]))
    assert re.search(r'class="verdict miss"><span aria-hidden="true">✗</span> judged: <abbr', page)
    assert ">wrong, region 1</abbr>" in page
    assert "0 of 1 right" in page
    assert "It counts as a miss even where it is right" in page
    assert "likelihood, strip-1, not independent: the model judges itself" in page
    assert "size: strip-1" in page
    assert "shared with selectivity" in page
    assert document.evaluation is not None
    bare = document.evaluation.model_copy(update={"conditions": [], "judge": "none", "judging": None})
    page = report_page(
        document.model_copy(update={"evaluation": bare}), figures=FIGURES, scenes=[scene("strip-1")]
    )
    assert "judged:" not in page
    assert "only misses" not in page
    assert "Run gaze judge" in page


def test_the_result_comes_first_and_the_pictures_last() -> None:
    page = report_page(judged(), figures=FIGURES, scenes=[scene()])
    places = [attributes["id"] for tag, attributes in Tags(page).seen if tag == "h2"]
    assert places[:3] == ["result", "evaluation", "heads"]
    assert places[-3:] == ["repeat", "pictures", "words"]
    assert "2 gaze heads made the model describe the region they were pointed at in 75 % of 8 answers" in page


@pytest.mark.parametrize("works", [True, False])
def test_a_page_says_once_what_to_be_careful_about(works: bool) -> None:
    part = report().evaluation
    assert part is not None
    conditions = [condition("gaze", 0.9 if works else 0.1), condition("control", 0.25, 0)]
    changed = {"conditions": conditions, "chance": 0.25, "on_discovery_strips": True, "advice": ["Try more."]}
    newest = part.model_copy(update=changed)
    page = report_page(
        report().model_copy(update={"evaluation": newest, "evaluations": [newest]}), figures=FIGURES
    )
    result, _, rest = page.partition('<h2 id="evaluation"')
    for said in ("others give a fairer figure", "those of discovery", "Try more."):
        assert said not in rest
    assert result.count("These are strips on which the heads were found; others give a fairer figure.") == 1
    assert result.count("Try more.") == 1


def found(*conditions: ConditionPart, **changes: object) -> Headline:
    part = report().evaluation
    assert part is not None
    return headline(part.model_copy(update={"conditions": list(conditions), **changes}))


def test_a_result_says_what_it_means() -> None:
    gaze, weak = condition("gaze", 0.9), condition("gaze", 0.6)
    others = [condition("control", 0.5, 0), condition("control", 0.25, 1)]
    good = found(gaze, *others, chance=0.25)
    assert (good.works, good.means) == (
        True,
        "The answers follow these heads, and no draw of other heads does as well.",
    )
    assert "as many other heads 38 % (mean of 2 draws)" in good.beside
    beaten = found(gaze, *others, condition("control", 0.9, 2), chance=0.25)
    assert (beaten.works, "1 of 3 draws" in beaten.means) == (False, True)
    assert found(weak, *others, chance=0.5).means.startswith("This shows no effect")
    assert found(gaze, chance=0.25).works is None
    assert "nobody judged" in found(judge="none").found
    assert "not evaluated yet" in headline(None).found


def test_every_column_of_a_page_and_every_condition_has_a_meaning() -> None:
    part = judged(task="dynamic").evaluation
    assert part is not None
    tables = [*evaluation_tables(part, panels=False), summary_table(part), heads_table(judged())]
    columns = {column.removeprefix(">") for table in tables for column in table.columns}
    plain = {"targets", "gaze heads against", "picture", "answer", "score", "words", "repeated trigrams"}
    assert {column for column in columns - plain if meaning(column) is None} == set()
    assert all(meaning(condition_label(name, seed=3)) for name in get_args(ConditionName))


def test_no_format_of_a_report_imports_torch() -> None:
    code = """
import sys
from gazecli.reports.csv_table import report_csv
from gazecli.reports.markdown import report_markdown
from gazecli.reports.page.report import report_page
from tests.reports.samples import judged, scene
document = judged()
assert report_csv(document) and report_markdown(document) and report_page(document, scenes=[scene()])
assert not {"torch", "transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


@given(any_text)
@example(HOSTILE)
def test_foreign_text_never_breaks_a_markdown_table(text: str) -> None:
    written = report_markdown(report(text))
    plain = report_markdown(report("plain"))
    assert written.count("\n") == plain.count("\n")
    pipes = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in written.splitlines()]
    assert pipes == [line.count("|") for line in plain.splitlines()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<b>", "&lt;b&gt;"),
        ("[x](y)", r"\[x\](y)"),
        ("*x* _y_ `z`", r"\*x\* \_y\_ \`z\`"),
        ("https://x.example", "https:<!-- -->//x.example"),
        ("a\nb", r"a\\nb"),
    ],
)
def test_markdown_shows_marks_instead_of_obeying_them(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_markdown_has_a_line_a_condition() -> None:
    lines = report_markdown(report()).splitlines()
    assert "| gaze heads | 2 | 0.750 | 0.375 to 0.875 | 1 | 2 | 3 | – | 8 | 0.750 | – |" in lines
    assert "| controls, draw 0 | 2 | 0.500 | 0.250 to 0.750 | 1 | 2 | 3 | – | 8 | 0.500 | – |" in lines


def test_markdown_says_what_it_takes_to_repeat_it() -> None:
    lines = report_markdown(report()).splitlines()
    assert f"| comics | {DIGEST} |" in lines
    assert "| evaluation: device | cpu |" in lines
    assert "| 1 | – | 0.500 | 0.250 to 0.750 | 0.250 | – | – | – | – |" in lines


@given(any_text)
@example(HOSTILE)
@example("=cmd|' /C calc'!A0")
@example("  @SUM(1)")
def test_no_cell_of_a_spreadsheet_is_a_formula(text: str) -> None:
    for row in csv.reader(io.StringIO(report_csv(report(text)))):
        for cell in row:
            number = re.fullmatch(r"-?\d+(\.\d+)?", cell)
            assert number or not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_spreadsheet_has_heads_conditions_and_the_sweep() -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(report()))))
    kinds = [row["row"] for row in rows]
    assert kinds == ["head"] * 4 + ["condition"] * 3 + ["sweep"] * 3
    assert [row["suggested"] for row in rows[:4]] == ["1", "1", "0", "0"]
    gaze = rows[4]
    assert (gaze["condition"], gaze["accuracy"], gaze["ci95_low"], gaze["n"]) == (
        "gaze",
        "0.75",
        "0.375",
        "8",
    )
    assert (gaze["region_1"], gaze["region_2"], gaze["schedule_rho"]) == ("0.75", "", "-0.5")
    assert [(row["k"], row["condition"]) for row in rows[7:]] == [
        ("1", "gaze"),
        ("1", "control"),
        ("2", "gaze"),
    ]
