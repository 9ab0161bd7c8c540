"""What the check of the built site finds, on a site small enough to know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.links import broken


def site_of(folder: Path, body: str) -> Path:
    (folder / "other").mkdir()
    (folder / "index.html").write_text(f"<h1 id='top'>Top</h1>{body}", encoding="utf-8")
    (folder / "other" / "index.html").write_text("<h2 id='here'>Here</h2>", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    "body",
    [
        "<a href='other/#here'>a page</a>",
        "<a href='#top'>this page</a>",
        "<img src='picture.png'>",
        "<img src='data:image/png;base64,AA=='>",
        "<a href='https://elsewhere.org/#anywhere'>who reads it follows it</a>",
        "<link rel='canonical' href='https://elsewhere.org/'>",
    ],
)
def test_links_that_lead_somewhere_are_fine(tmp_path: Path, body: str) -> None:
    assert list(broken(site_of(tmp_path, body))) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<a href='missing/'>", "index.html: missing/ is not there"),
        ("<a href='other/#gone'>", "index.html: other/#gone has no such anchor"),
        ("<a href='#gone'>", "index.html: #gone has no such anchor"),
        ("<img src='gone.png'>", "index.html: gone.png is not there"),
        ("<a href='../outside.html'>", "index.html: ../outside.html is not there"),
        (
            "<script src='https://elsewhere.org/a.js'>",
            "index.html: https://elsewhere.org/a.js is fetched from elsewhere",
        ),
    ],
)
def test_what_leads_nowhere_is_told(tmp_path: Path, body: str, said: str) -> None:
    assert list(broken(site_of(tmp_path, body))) == [said]


def test_an_empty_folder_is_no_site(tmp_path: Path) -> None:
    assert len(list(broken(tmp_path))) == 1
