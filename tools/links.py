"""Check a built site: every link inside it leads to a page, a file and an anchor that are there.

    python -m tools.links site

Zensical checks the links of Markdown pages while it builds. This checks what comes out: navigation, links
between signatures, pictures and links written as HTML. Nothing may be fetched from elsewhere when a page is
read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_POINTING = {"a": "href", "img": "src", "link": "href", "script": "src", "iframe": "src", "source": "src"}
_FETCHING = {"img", "link", "script", "iframe", "source"}
# Built as one whole, with its own rules, and held by its own test.
_LEFT_OUT = {"live.html", "404.html"}


@dataclass
class Page(HTMLParser):
    """What one page points at, and the anchors that can be pointed at."""

    path: Path
    anchors: set[str] = field(default_factory=set)
    pointing: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        is_meant_for_programs = tag == "link" and given.get("rel") in ("canonical", "preconnect")
        if (target := given.get(_POINTING.get(tag, ""))) and not is_meant_for_programs:
            self.pointing.append((tag, target))


def broken(site: Path) -> Iterator[str]:
    """A line for each link that leads nowhere, and each file that a page would fetch from elsewhere."""
    site = site.resolve()
    paths = [path for path in sorted(site.rglob("*.html")) if path.name not in _LEFT_OUT]
    pages = {path: Page(path) for path in paths}
    if not pages:
        yield f"{site}: there is no page"
    for path, page in pages.items():
        for tag, target in page.pointing:
            where = f"{path.relative_to(site)}: {target}"
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if tag in _FETCHING and parts.scheme != "data":
                    yield f"{where} is fetched from elsewhere"
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if file.is_dir():
                file /= "index.html"
            if not file.is_relative_to(site) or not file.exists():
                yield f"{where} is not there"
            elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
                yield f"{where} has no such anchor"


if __name__ == "__main__":
    found = list(broken(Path(sys.argv[1])))
    sys.stderr.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))
