"""The page of a served model in a real Chromium: the text follows the aim, by pointer, finger and keys."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.heads.discover import discover
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.serving.requests import Panels
from gazecli.serving.server import Entrance, Server
from tests.fixtures.browser import Tab, browser

EXAMPLES = Path(__file__).parents[2] / "examples"
# Tokens between the aim's arrival at the server and the first that is steered by it: the one being written.
LATE = 2
WORDS = "[...document.querySelectorAll('.word')]"
WRITING = "document.body.classList.contains('writing')"
LIT = "document.getElementById('stage').classList.contains('lit')"


@pytest.fixture(scope="module")
def server(vlm_of: Callable[[str], VLM], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    vlm = vlm_of("tiny")
    headset = discover(vlm, EXAMPLES / "comics", samples=4, cache=Cache(tmp_path_factory.mktemp("cache")))
    picture = Picture.open(EXAMPLES / "strip.png")
    picture.path = "strip.png"  # what the screenshots show
    made = Server(vlm, headset, Entrance.open(port=0), [picture], how=Panels())
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    yield made
    made.stop()
    thread.join(10)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def tab(chromium: Tab, server: Server) -> Iterator[Tab]:
    """The page, open on the example strip; whatever a test does, the console stays silent."""
    visit(chromium, server)
    yield chromium
    assert chromium.complaints() == []
    own = server.address.page.split("/#")[0]
    assert [url for url in chromium.requests() if not url.startswith((own, "blob:"))] == []
    chromium.open("about:blank", 800, 600)


def visit(tab: Tab, server: Server, width: int = 1200, height: int = 900, *, dark: bool = False) -> None:
    tab.open("about:blank", width, height)
    tab.open(server.address.page, width, height, dark=dark)
    tab.until("document.body.classList.contains('there') && document.querySelectorAll('.panel').length === 6")


def middle(tab: Tab, selector: str) -> tuple[float, float]:
    box = f"document.querySelector('{selector}').getBoundingClientRect()"
    x, y = tab.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({box})")
    return x, y


def drag(tab: Tab, start: tuple[float, float], end: tuple[float, float]) -> None:
    tab.move(*start)
    tab.move(*start, "mousePressed")
    tab.move(*end)
    tab.move(*end, "mouseReleased")


def set_length(tab: Tab, tokens: int) -> None:
    tab.value(f"document.getElementById('length').value = {tokens}")


def schedule(tab: Tab) -> list[str]:
    return list(tab.until("document.querySelectorAll('#schedule li').length && " + ITEMS))


# A picture of one colour, pasted.
PASTE = """
new Promise(resolve => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 300, height: 200});
  canvas.getContext("2d").fillRect(0, 0, 300, 200);
  canvas.toBlob(blob => {
    const data = new DataTransfer();
    data.items.add(new File([blob], "mine.png", {type: "image/png"}));
    document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
    resolve(true);
  });
})
"""
ITEMS = "[...document.querySelectorAll('#schedule li')].map(item => item.textContent)"


def test_words_follow_the_pointer_and_have_the_colour_of_the_panel_they_were_written_under(
    tab: Tab,
) -> None:
    set_length(tab, 400)
    tab.move(*middle(tab, ".panel:nth-child(3)"))
    tab.until(f"{WORDS}.length > 3")
    # The aim is sent at once; how many tokens are there when the server has it is only known afterwards.
    tab.value(
        "(sent => { window.fetch = async (...given) => { const answer = await sent(...given);"
        "if (given[0].endsWith('/aim')) window.arrived = Number(document.body.dataset.tokens);"
        "return answer } })(window.fetch)"
    )
    tab.move(*middle(tab, ".panel:nth-child(5)"))
    tab.until("document.querySelectorAll('.word.region-5').length > 8")
    arrived = tab.value("window.arrived")
    tab.value("document.getElementById('stop').click()")
    first, second = schedule(tab)
    assert first == "token 0: panel 3"
    turn = int(second.removeprefix("token ").removesuffix(": panel 5"))
    assert turn <= arrived + LATE
    colours = tab.value(f"{WORDS}.map(word => word.classList.contains('region-5') ? 5 : 3)")
    assert colours == sorted(colours), "no word behind the change has the old colour"
    said = tab.value(
        "[...document.querySelectorAll('.word.region-5')].map(word => word.textContent).join(' ')"
    )
    assert "urple" in said or "snail" in said, said


def test_a_word_lights_the_picture_and_the_live_light_can_be_switched_off(tab: Tab) -> None:
    set_length(tab, 8)
    tab.move(*middle(tab, ".panel:nth-child(2)"))
    tab.until("document.querySelectorAll('#schedule li').length")
    assert not tab.value(LIT)
    tab.point(".word")
    tab.until(LIT)
    assert tab.value("document.querySelectorAll('.word.chosen').length") == 1
    tab.point("#keep")
    tab.until(f"!{LIT}")
    before, after = tab.value(
        "['before', 'after'].map(id => parseFloat(document.getElementById(id).style.width))"
    )
    assert after > 90 > before
    tab.value("document.getElementById('overlay').click()")
    tab.until(f"!({WRITING})")
    tab.value(
        "window.lights = 0; new MutationObserver(([change]) => {"
        "window.lights += change.target.classList.contains('lit') })"
        ".observe(document.getElementById('stage'), {attributeFilter: ['class']})"
    )
    tab.value("document.getElementById('start').click()")
    tab.until(f"!({WRITING}) && document.querySelectorAll('#text p').length > 2")
    assert tab.value("window.lights") == 0
    tab.value("document.getElementById('overlay').click()")
    tab.until("window.lights > 0")


def test_the_keyboard_alone_does_everything(tab: Tab) -> None:
    set_length(tab, 600)
    tab.press("4", 52)
    tab.until("document.querySelectorAll('.word.region-4').length > 2")
    tab.value("document.getElementById('stage').focus()")
    tab.press("ArrowLeft", 37)
    tab.until("!document.getElementById('spot').hidden")
    tab.until("document.querySelectorAll('.word.region-7').length > 0")
    size = tab.value("document.getElementById('spot').offsetWidth")
    tab.press("+", 187)
    tab.until(f"document.getElementById('spot').offsetWidth > {size}")
    tab.press("-", 189)
    tab.press("-", 189)
    tab.until(f"document.getElementById('spot').offsetWidth < {size}")
    tab.press("Escape", 27)
    tab.until(f"!({WRITING})")
    assert "circle:" in schedule(tab)[-1]
    tab.value("document.getElementById('text').focus()")
    tab.press("ArrowLeft", 37)
    tab.until(LIT)
    chosen = "document.querySelector('.word.chosen')"
    last = tab.value(f"{WORDS}.indexOf({chosen})")
    tab.press("ArrowLeft", 37)
    assert tab.value(f"{WORDS}.indexOf({chosen})") == last - 1
    unnamed = (
        "[...document.querySelectorAll('button, input, select, textarea')].filter(node => !node.disabled &&"
        "!(node.textContent.trim() || node.getAttribute('aria-label') || node.labels?.length)).length"
    )
    assert tab.value(unnamed) == 0
    assert tab.value("document.getElementById('spoken').children.length") > 0, "sentences are read aloud"


def test_panels_are_drawn_removed_and_split_anew(tab: Tab) -> None:
    set_length(tab, 8)
    tab.value("document.querySelector('[name=tool][value=draw]').click()")
    left, top, width, height = tab.value(
        "(r => [r.x, r.y, r.width, r.height])(document.getElementById('stage').getBoundingClientRect())"
    )
    drag(tab, (left + width * 0.1, top + height * 0.2), (left + width * 0.4, top + height * 0.8))
    tab.until("document.querySelectorAll('.panel').length === 7")
    assert schedule(tab) == ["token 0: panel 7"] or schedule(tab)[0].startswith("token 0")
    command = tab.until("document.getElementById('command').textContent")
    assert command.startswith("gaze switch "), command
    tab.value("document.getElementById('remove').click()")
    tab.until("document.querySelectorAll('.panel').length === 6")
    tab.value(
        "(s => { s.value = '2'; s.dispatchEvent(new Event('change')) })(document.getElementById('split'))"
    )
    tab.until("document.querySelectorAll('.panel').length === 2")


def test_every_choice_of_heads_writes_and_nobody_needs_no_aim(tab: Tab) -> None:
    set_length(tab, 8)
    for heads in ("nobody", "random", "all"):
        tab.value(f"document.querySelector('[name=heads][value={heads}]').click()")
        if heads == "random":
            tab.press("1", 49)
        tab.until(f"!({WRITING}) && {WORDS}.length > 0 && !document.getElementById('save').disabled")
        assert tab.value("document.getElementById('problem').hidden")
        tab.value("document.getElementById('clear').click()")


def test_a_picture_of_ones_own_is_shown_and_a_broken_one_is_refused(tab: Tab) -> None:
    drop = (
        "(async draw => { const canvas = new OffscreenCanvas(300, 100); const pen = canvas.getContext('2d');"
        "pen.fillStyle = 'teal'; pen.fillRect(0, 0, 300, 100);"
        "const bytes = draw ? await canvas.convertToBlob() : new Blob(['no picture']);"
        "const data = new DataTransfer(); data.items.add(new File([bytes], 'own.png', {type: 'image/png'}));"
        "document.dispatchEvent(new DragEvent('drop', {dataTransfer: data, cancelable: true})) })"
    )
    tab.value(f"void {drop}(true)")
    tab.until("document.getElementById('picture').alt === 'own.png'")
    tab.until("document.getElementById('picture').naturalWidth === 300")
    tab.value(f"void {drop}(false)")
    tab.until("!document.getElementById('problem').hidden")
    assert tab.value("document.getElementById('picture').alt") == "own.png"
    tab.events.clear()  # Chromium itself notes the refused request


def test_a_toys_warning_is_shown_and_goes_with_the_picture(tab: Tab) -> None:
    warning = "document.getElementById('warning')"
    assert tab.value(f"{warning}.hidden")
    tab.value(PASTE)
    said = tab.until(f"!{warning}.hidden && {warning}.textContent")
    assert said.startswith("Warning: tiny is a toy")
    tab.value("document.querySelector('#pictures button').click()")
    tab.until(f"{warning}.hidden")


def test_a_text_that_is_the_unsteered_one_is_marked_until_the_next_begins(tab: Tab) -> None:
    mark = "document.getElementById('unchanged')"
    set_length(tab, 8)
    tab.value(
        "document.getElementById('strength').min = 0; document.getElementById('strength').step = 0.000001"
    )
    tab.value("document.getElementById('strength').value = 0.000001")
    tab.press("3", 51)
    assert "unchanged" in tab.until(f"!{mark}.hidden && {mark}.textContent")
    tab.value("document.getElementById('strength').value = 10")
    set_length(tab, 40)
    tab.value("document.getElementById('start').click()")
    tab.until(f"{mark}.hidden")
    tab.until(f"!({WRITING})")


def test_a_finger_chooses_a_panel(chromium: Tab, server: Server) -> None:
    visit(chromium, server, 390, 844)
    set_length(chromium, 8)
    chromium.slide(".panel:nth-child(6)", ".panel:nth-child(6)")
    chromium.until("document.querySelectorAll('.word.region-6').length > 0")
    assert chromium.value("document.documentElement.scrollWidth") <= 390
    assert chromium.complaints() == []


def test_two_tabs_both_advance_and_closed_ones_leave_the_model_idle(
    tab: Tab, server: Server, tmp_path: Path
) -> None:
    with browser(tmp_path / "other") as other:
        visit(other, server)
        for each in (tab, other):
            set_length(each, 2000)
            each.press("1", 49)
        for each in (tab, other):
            count = each.until("Number(document.body.dataset.tokens)")
            each.until(f"Number(document.body.dataset.tokens) > {count + 40}")
        for each in (tab, other):
            assert each.value(WRITING), "both were being written at once"
            each.open("about:blank", 800, 600)
        time.sleep(0.5)
        tokens = server.engine.tokens
        time.sleep(0.5)
        assert server.engine.tokens == tokens


def test_a_wrong_token_is_refused(chromium: Tab, server: Server) -> None:
    chromium.open("about:blank", 800, 600)
    chromium.open(server.address.page[:-4] + "nope", 1200, 900)
    said = chromium.until("!document.getElementById('problem').hidden && problem.textContent")
    assert "token" in said
    assert chromium.value("document.querySelectorAll('.panel').length") == 0
    chromium.open("about:blank", 800, 600)


@pytest.mark.slow
def test_it_is_drawn_for_small_and_large_screens_in_light_and_dark(
    chromium: Tab, server: Server, tmp_path: Path
) -> None:
    # docs/live.png is the light one of 1600 pixels.
    folder = Path(os.environ.get("GAZE_SCREENSHOTS", tmp_path))
    for width, height in ((390, 844), (1600, 1000)):
        for dark in (False, True):
            visit(chromium, server, width, height, dark=dark)
            set_length(chromium, 28)
            chromium.press("3", 51)
            chromium.until("document.querySelectorAll('.word.region-3').length > 6")
            chromium.press("5", 53)
            chromium.until(f"!({WRITING}) && !document.getElementById('save').disabled")
            chromium.point(".word:nth-of-type(2)")
            chromium.until(LIT)
            chromium.value("scrollTo(0, 0)")
            time.sleep(0.3)
            chromium.screenshot(folder / f"live-{width}-{'dark' if dark else 'light'}.png", whole=width < 600)
            assert chromium.value("document.documentElement.scrollWidth") <= width
            assert chromium.complaints() == []


def test_the_wheel_resizes_the_spotlight_and_what_it_did_can_be_kept(tab: Tab) -> None:
    set_length(tab, 8)
    tab.value("document.querySelector('[name=tool][value=spot]').click()")
    tab.move(*middle(tab, "#stage"))
    size = tab.until("document.getElementById('spot').offsetWidth")
    wheel = "new WheelEvent('wheel', {deltaY: -100, cancelable: true})"
    assert tab.value(f"document.getElementById('stage').dispatchEvent({wheel})") is False, "the page stays"
    tab.until(f"document.getElementById('spot').offsetWidth > {size}")
    tab.until(f"!({WRITING}) && !document.getElementById('save').disabled")
    for button, begins in (("copy-command", "gaze switch strip.png"), ("copy-python", "import gazecli")):
        tab.value("document.getElementById('copied').textContent = ''")
        tab.value(f"document.getElementById('{button}').click()")
        tab.until("document.getElementById('copied').textContent")
        assert tab.value("document.getElementById('command').textContent").startswith(begins)
    tab.value("document.getElementById('save').click()")
    tab.until("document.getElementById('copied').textContent.includes('gaze.html')")
