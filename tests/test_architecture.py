"""docs/architecture.md says what is so: its files are there, its rules are those that are tested."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_layers import BELOW, PACKAGE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def paths_in(text: str) -> list[str]:
    return re.findall(r"`((?:gazecli|tests|docs|tools)/[\w./-]*)", text)


def test_every_path_on_the_page_is_there() -> None:
    assert [path for path in paths_in(PAGE) if not (ROOT / path).exists()] == []


def test_every_folder_of_the_package_is_a_room_on_the_page() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    missing = [f"{folder.relative_to(ROOT)}/" for folder in folders]
    assert [name for name in sorted(missing) if f"`{name}`" not in PAGE and "figures" not in name
            and "page" not in name] == []  # fmt: skip


def test_the_rules_on_the_page_are_those_that_are_tested() -> None:
    rows = re.findall(r"^\| ([\w.]+) \| ([^|]*) \|$", SECTIONS["What a room may import"], re.M)
    written = {room: set() if rooms == "–" else set(rooms.split(", ")) for room, rooms in rows[1:]}
    assert written == {room: rooms for room, rooms in BELOW.items() if room}


def test_each_way_has_at_most_twenty_files_on_its_main_line() -> None:
    ways = [text for title, text in SECTIONS.items() if title.startswith("The way of")]
    assert len(ways) == 2
    for way in ways:
        assert len({path for path in paths_in(way) if path.endswith(".py")}) <= 20
