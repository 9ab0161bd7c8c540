"""`gaze --skill`, llms.txt, CONTRIBUTING.md and CITATION.cff: true of this version."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from gazecli.cli.app import NAMES, build_app
from gazecli.reports.documents.schemas import json_schema
from gazecli.version import VERSION
from tests.cli.conftest import gaze_here

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def guide() -> str:
    from gazecli.cli.skill import guide

    return guide(NAMES)


def test_the_guide_is_printed_to_stdout_and_names_this_version(capfd: pytest.CaptureFixture[str]) -> None:
    ran = gaze_here(capfd, "--skill")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith(f"# gaze {VERSION}\n")


def test_the_guide_names_every_command(guide: str) -> None:
    listed = {line.split("`")[1].split()[1] for line in guide.splitlines() if line.startswith("- `gaze ")}
    assert set(NAMES) <= listed


def test_every_option_in_the_guide_exists(guide: str, capfd: pytest.CaptureFixture[str]) -> None:
    build_app()
    for line in re.findall(r"(?:\$ |`)(gaze [^`#\n]+)", guide):
        words = shlex.split(line)[1:]
        command = words[:2] if words[0] in ("comics", "cache") else words[:1]
        if not command or command[0] not in NAMES:
            continue
        text = gaze_here(capfd, *command, "--help").out
        for option in (word for word in words if word.startswith("--")):
            assert option in text, line


def test_keys_the_guide_names_are_in_the_documents(guide: str) -> None:
    for name, keys in {
        "headset": ("digest", "suggested", "heads", "cached"),
        "steer": ("answers",),
        "error": ("error",),
    }.items():
        assert set(keys) <= json_schema(name)["properties"].keys()
        assert all(key in guide for key in keys)


@pytest.mark.parametrize("page", ["llms.txt", "CONTRIBUTING.md"])
def test_every_link_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text("utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == VERSION
    assert "2606.14703" in cited["preferred-citation"]["url"]
