"""What a package index shows: the README's links lead into the published repository."""

from __future__ import annotations

import re
from pathlib import Path

from gazecli.dependencies import TESTED
from tools.release import absolute

ROOT = Path(__file__).parent.parent.parent


def test_relative_links_and_pictures_lead_into_the_repository_at_the_tag() -> None:
    text = "![live](docs/live.png) and [page](docs/live.html#top), [there](https://a.org), [here](#use)"
    assert absolute(text, "https://host/owner/gaze", "v1.0.0") == (
        "![live](https://host/owner/gaze/raw/v1.0.0/docs/live.png) and "
        "[page](https://host/owner/gaze/blob/v1.0.0/docs/live.html#top), [there](https://a.org), [here](#use)"
    )


def test_every_relative_link_of_the_readme_leads_to_a_file() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
    shown = absolute(readme, "https://host/owner/gaze", "v1.0.0")
    assert re.findall(r"\]\((?!https?:|#)([^)]*)\)", shown) == []
    assert all("/raw/" in picture for picture in re.findall(r"!\[[^\]]*\]\((https?:[^)]*)\)", shown))


def test_libraries_that_were_tested_are_libraries_that_the_package_asks_for() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    indirect = {"huggingface-hub"}  # comes with transformers
    assert [name for name in TESTED if name not in indirect and f'"{name}>=' not in project] == []
