"""The examples of README and docs that need a server, a Hub, a large photo or a model of their own.

Servers listen on a free port and are asked. The Hub is the one of the tests, on the loopback address. Random
checkpoints stand in for real ones.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import threading
import webbrowser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image

import gazecli
from gazecli.models.token_maps import whole_picture
from gazecli.pictures.comics.dataset import PAPER_DATASET
from gazecli.serving.server import Address
from gazecli.tiny.comics import text_lists_of_scenes
from tests.cli.conftest import gaze_here
from tests.examples.conftest import PAGES, ROOT, World, as_run, blocks_of, commands_of, squeezed
from tests.fixtures.hub_server import Hub
from tests.fixtures.text_models import byte_tokenizer, text_checkpoint
from tests.pictures.test_dataset import CARD, parquet, row
from tests.serving.conftest import data_address

DOCS = ROOT / "docs"
TOKEN = "hf_" + "a" * 34
REPOSITORY = "you/tiny-gaze-heads"
Here = Callable[[str], str]


@pytest.fixture
def folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the things that examples name, in which this process works."""
    folder = tmp_path / "work"
    place = world.copied(folder, "")
    monkeypatch.chdir(folder)
    for name in ("GAZE_CACHE_DIR", "XDG_CONFIG_HOME", "COLUMNS"):
        monkeypatch.setenv(name, place[name])
    return folder


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str]) -> Here:
    """Run a command in this process: what it writes to stdout and stderr."""

    def run(command: str) -> str:
        ran = gaze_here(capfd, *shlex.split(command)[1:])
        assert ran.code == 0, f"{command}\n{ran.err}"
        return ran.out + ran.err

    return run


def consoles(page: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page, and the lines shown beneath each."""
    for block in blocks_of(DOCS / page):
        if block.language == "console":
            yield from commands_of(block)


def scripts(page: str) -> list[str]:
    """The Python blocks of a page that are run apart."""
    return [
        block.text for block in blocks_of(DOCS / page) if block.language == "python" and not block.in_turn
    ]


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own
def test_head_sets_are_pushed_to_a_hub_and_pulled_as_the_page_shows(
    world: World, hub: Hub, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.tokens[TOKEN] = {"you"}
    hub.use_here(monkeypatch, tmp_path / "hf", TOKEN)
    page = "sharing-head-sets.md"

    def with_the_commit(text: str) -> str:
        known = hub.repositories.get(("models", REPOSITORY))
        return text if known is None else text.replace("COMMIT", known.commit)

    ran = [here(as_run(with_the_commit(command), shown, world.words)) for command, shown in consoles(page)]
    assert len(ran) == 7
    assert "headset.safetensors" in hub.repositories["models", REPOSITORY].files
    [script] = scripts(page)
    names: dict[str, Any] = {}
    exec(compile(with_the_commit(script), page, "exec"), names)
    assert names["again"].digest == names["headset"].digest
    assert names["pushed"].changed is False


def test_published_comics_are_fetched_and_used_as_the_page_shows(
    world: World, hub: Hub, folder: Path, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.use_here(monkeypatch, tmp_path / "hf")
    rows = [row(f"comic-{number}", 10 * number, panels=6) for number in range(2)]
    hub.add(PAPER_DATASET, {"README.md": CARD, "data/0.parquet": parquet(*rows)}, "datasets")
    shutil.rmtree(folder / "strips")
    for command, shown in list(consoles("figures-for-a-paper.md"))[1:4]:
        here(as_run(command, shown, world.words))
    assert (folder / "strips" / "comic-1" / "p6.png").is_file()


def test_heads_are_found_on_texts_as_the_page_shows(world: World, folder: Path, here: Here) -> None:
    lists = text_lists_of_scenes(4)
    text_checkpoint("qwen2", folder / "Qwen2-7B", byte_tokenizer(text for each in lists for text in each))
    words = dict(world.words)
    ran = []
    for command, shown in consoles("text-heads.md"):
        asked = as_run(command, shown, words) + (" --samples 2" if "discover" in command else "")
        ran.append(here(asked + (" --max-new-tokens 4" if "steer" in command else "")))
        if " --text" in command and "87f5abe27303" not in words:
            words["87f5abe27303"] = json.loads(ran[-1].splitlines()[0])["digest"].removeprefix("sha256:")
    assert len(ran) == 6
    assert json.loads(ran[2].splitlines()[0])["against"]["kind"] == "text"


@pytest.mark.slow
def test_a_large_photo_is_announced_as_the_page_shows(world: World, folder: Path, here: Here) -> None:
    Image.new("RGB", (4000, 3000), "teal").save(folder / "photo.jpg")
    [(command, shown)] = [each for each in consoles("large-pictures.md") if each[1]]
    model = world.words["qwen3-vl-8b"]
    said = here(f"{command} --max-new-tokens 1 --model {model}")
    assert shown[0] in squeezed(said)


def test_image_tokens_are_bounded_in_python_as_the_page_shows(world: World, folder: Path) -> None:
    Image.new("RGB", (4000, 3000), "teal").save(folder / "photo.jpg")
    [script] = scripts("large-pictures.md")
    names: dict[str, Any] = {"gaze": gazecli}
    exec(script.replace("Qwen/Qwen3-VL-2B-Instruct", world.words["qwen3-vl-8b"]), names)
    assert len(names["layout"].positions) <= 500
    assert names["vlm"].count_image_tokens(4000, 3000) <= 2000


def test_the_function_that_is_shown_is_the_one_of_the_package() -> None:
    [script] = scripts("adding-a-family.md")
    assert script.strip() in Path(whole_picture.__file__).read_text("utf-8")


def commands_that_serve() -> dict[str, str]:
    """Each command that serves, and a page that shows it."""
    return {
        command: page.name
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "console"
        for command, _ in commands_of(block)
        if command.startswith("gaze serve")
    }


@pytest.mark.parametrize("command", commands_that_serve())
def test_a_command_that_serves_opens_its_page_and_answers(
    command: str,
    world: World,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    openai = pytest.importorskip("openai")
    monkeypatch.setenv("GAZE_SERVE_KEY", "a key of one's own")
    monkeypatch.setenv("BROWSER", str(browser_of(folder)))
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # it is looked for anew
    _, script = scripts("serving.md")
    names: dict[str, Any] = {"KEY": "a key of one's own"}
    ended = threading.Event()

    def ask() -> None:
        while not (folder / "opened.txt").is_file():
            if ended.wait(0.05):
                return
        base, _, _ = (folder / "opened.txt").read_text().partition("/#token=")
        try:
            [model] = openai.OpenAI(base_url=f"{base}/v1", api_key=names["KEY"]).models.list()
            asked = script.replace("http://127.0.0.1:7860", base).replace('"tiny"', f'"{model.id}"')
            exec(asked.replace("data:image/png;base64,…", data_address()), names)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    words = shlex.split(as_run(command, [], world.words))[1:]
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        ran = gaze_here(capfd, *words, "--port", 0, "--format", "human")
        ended.set()
        asking.result()
    assert ran.code in (0, 130), ran.err
    assert [line.split()[0] for line in ran.out.splitlines()[:3]] == ["page", "API", "key"]
    assert (folder / "opened.txt").read_text().strip() == ran.out.split()[1]
    attention = names["answer"].gaze["attention_on_region"]
    assert attention["steered"] > attention["baseline"]
    if "tiny" in command:
        shown = ", ".join(f'"{name}": {round(value, 2)}' for name, value in attention.items())
        assert f"{{{shown}}}" in script


def browser_of(folder: Path) -> Path:
    """A browser that writes the address it opens into `opened.txt`."""
    browser = folder / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$1" > "{folder}/opening"\nmv "{folder}/opening" "{folder}/opened.txt"\n'
    )
    browser.chmod(0o755)
    return browser


@pytest.mark.usefixtures("folder")
def test_python_serves_until_it_is_interrupted() -> None:
    heard: list[int] = []

    def ask_and_interrupt(address: Address) -> None:
        def ask() -> None:
            alive = f"{address.api.removesuffix('/v1')}/healthz"
            with suppress(OSError), urlopen(alive, timeout=10) as answer:
                heard.append(answer.status)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=ask).start()

    script, _ = scripts("serving.md")
    names = {"gaze": gazecli, "vlm": gazecli.load("tiny"), "headset": "tiny", "print": ask_and_interrupt}
    with suppress(KeyboardInterrupt):
        exec(script, names)
    assert heard == [200]


def test_every_block_that_is_run_apart_is_run_here() -> None:
    source = Path(__file__).read_text("utf-8")
    apart = {page.name for page in PAGES if any(not block.in_turn for block in blocks_of(page))}
    assert {page for page in apart if f'"{page}"' not in source} == set()
    assert not [page.name for page in PAGES if re.search("<!-- not run", page.read_text("utf-8"))]
