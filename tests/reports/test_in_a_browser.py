"""The page in a real Chromium, from disk: words under the pointer, the keyboard, and nothing else that runs.

Where no Chromium is found these tests say so and are left out; tests/reports/test_pages.py holds the page's
policy, escapes and names without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazecli.reports.page.report import report_page
from tests.fixtures.browser import Tab, browser
from tests.reports.samples import condition, judged, report, scene

HOSTILE = '"><script>document.title="taken"</script><img src=x onerror="document.title=\'taken\'"><b>'
FIRST = ".column:first-child .token"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(report(HOSTILE), scenes=[scene(HOSTILE)]), encoding="utf-8")
    return path


def stage(tab: Tab, folder: Path) -> np.ndarray:
    """The pixels of the picture as it is seen."""
    x, y, width, height = tab.value(
        "(r => [r.x, r.y, r.width, r.height])(document.querySelector('.stage').getBoundingClientRect())"
    )
    tab.screenshot(folder / "seen.png")
    with Image.open(folder / "seen.png") as seen:
        return np.asarray(seen.convert("RGB").crop((x, y, x + width, y + height))).astype(int)


def test_a_word_under_the_pointer_shows_where_the_heads_looked(tab: Tab, page: Path, tmp_path: Path) -> None:
    tab.open(page, 1000, 800)
    tab.point(FIRST)
    assert tab.value("document.querySelector('output').textContent").endswith("token 0: region 1 100 %")
    pixels = stage(tab, tmp_path)
    height, width = pixels.shape[:2]
    looked, other = pixels[height // 2, width // 4], pixels[height // 2, 3 * width // 4]
    np.testing.assert_allclose(looked, (200, 80, 40), atol=6)
    assert other.min() > 190
    tab.point(".column:first-child h4")
    assert "Point at a word" in tab.value("document.querySelector('output').textContent")
    np.testing.assert_allclose(stage(tab, tmp_path)[height // 2, 3 * width // 4], (200, 80, 40), atol=6)


def test_the_keyboard_reaches_every_word(tab: Tab, page: Path) -> None:
    tab.open(page, 1000, 800)
    tab.value(f"document.querySelector('{FIRST}').focus()")
    said = []
    for key, code in (("ArrowRight", 39), ("End", 35), ("Home", 36), ("ArrowLeft", 37)):
        tab.press(key, code)
        said.append(tab.value("document.activeElement.dataset.token"))
    assert said == ["1", "2", "0", "0"]
    assert "region 1 100 %" in tab.value("document.querySelector('output').textContent")
    assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press("Escape", 27)
    assert "Point at a word" in tab.value("document.querySelector('output').textContent")


def test_a_region_under_the_pointer_lights_its_text_and_chosen_shows_it_alone(
    tab: Tab, tmp_path: Path
) -> None:
    path, texts = tmp_path / "two.html", scene()
    first = replace(texts.steered[0], target=1, verdict="right, region 1", right=True)
    second = replace(texts.steered[0], verdict="unchanged")
    path.write_text(
        report_page(report(), figures={}, scenes=[replace(texts, steered=[first, second])]), encoding="utf-8"
    )
    shown = "[...document.querySelectorAll('.text[data-target]')].filter(t => t.getClientRects().length)"
    tab.open(path, 1000, 800)
    tab.point("button.region[data-number='2']")
    assert tab.value("[...document.querySelectorAll('.text.lit')].map(t => t.dataset.target)") == ["2"]
    tab.value("document.querySelector(\"button.region[data-number='1']\").click()")
    assert tab.value(f"{shown}.map(t => t.dataset.target)") == ["1"]
    tab.value("document.querySelector(\"button.region[data-number='1']\").click()")
    assert tab.value(f"{shown}.map(t => t.dataset.target)") == ["1", "2"]
    tab.value("document.querySelector('#only-misses').click()")
    assert tab.value(f"{shown}.map(t => t.dataset.target)") == ["2"]
    assert tab.complaints() == []


def test_no_table_scrolls_sideways_at_1280_pixels_and_the_result_is_on_one_screen(
    tab: Tab, tmp_path: Path
) -> None:
    path, document = tmp_path / "wide.html", judged()
    draws = [condition(name, 0.5, seed) for name in ("control", "blind_control") for seed in range(5)]
    others = [condition(name, 0.75) for name in ("gaze", "all", "unsteered", "asked", "blind")]
    conditions = [each.model_copy(update={"per_region": [0.5] * 6}) for each in [*others, *draws]]
    assert document.evaluation is not None
    part = document.evaluation.model_copy(update={"conditions": conditions})
    document = document.model_copy(update={"evaluation": part, "evaluations": [part]})
    path.write_text(report_page(document), encoding="utf-8")
    tab.open(path, 1280, 800)
    wide = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    assert tab.value(f"{wide}.map(e => e.ariaLabel)") == []
    assert tab.value("document.querySelector('.result').getBoundingClientRect().bottom") <= 800


def test_hostile_text_is_shown_and_nothing_of_it_runs(tab: Tab, page: Path) -> None:
    tab.open(page, 1000, 800)
    assert tab.value("document.title").startswith("Gaze heads of ")
    assert HOSTILE in tab.value("document.querySelector('.token:nth-child(2)').textContent")
    assert tab.requests() == [page.as_uri()]
    assert tab.complaints() == []


def test_the_policy_refuses_what_gets_into_a_page_all_the_same(tab: Tab, page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    smuggled = '<script>document.title="taken"</script><img src="http://evil.invalid/x.png">'
    broken.write_text(
        page.read_text(encoding="utf-8").replace("</main>", smuggled + "</main>"), encoding="utf-8"
    )
    tab.open(broken, 1000, 800)
    assert tab.value("document.title") != "taken"
    refusals = " ".join(tab.complaints())
    assert "script-src" in refusals
    assert "img-src" in refusals
    tab.point(FIRST)
    assert "region 1" in tab.value("document.querySelector('output').textContent")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1400])
def test_no_window_is_too_narrow_and_no_text_too_faint(tab: Tab, page: Path, width: int, dark: bool) -> None:
    tab.open(page, width, 800, dark=dark)
    assert tab.value("document.documentElement.scrollWidth") <= width
    faintest = tab.value(CONTRAST)
    assert faintest >= 4.5


def test_no_option_of_a_command_is_broken_on_a_phone(tab: Tab, page: Path) -> None:
    tab.open(page, 390, 800)
    heights = tab.value(
        "[...document.querySelectorAll('.command span')].filter(word => word.textContent.startsWith('--'))"
        ".map(word => word.getBoundingClientRect().height / parseFloat(getComputedStyle(word).lineHeight))"
    )
    assert len(heights) > 3
    assert max(heights) < 1.5


# The lowest contrast (WCAG 2.2, 1.4.3) of any visible text outside figures.
CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (parts) => parts.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  let lowest = 21;
  for (const node of document.querySelectorAll("h1, h2, h3, h4, a, dt, dd, th, td, p, span, output")) {
    if (!node.textContent.trim()) continue;
    const pair = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    lowest = Math.min(lowest, (pair[0] + 0.05) / (pair[1] + 0.05));
  }
  return lowest;
})()"""
