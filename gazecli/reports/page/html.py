"""Sections become one HTML page: a template, its style and its script, and a policy for what may run.

Every foreign text is escaped, control characters are spelled out, and only the script of this package, named
by its digest, may run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from gazecli.plain_text import json_escaped, visible
from gazecli.reports.glossary import CONDITIONS, TERMS, VERDICTS, meaning
from gazecli.reports.headline import Headline
from gazecli.reports.heatmap import shrunk
from gazecli.reports.page.scenes import Scene, attention_data, percents, picture_data
from gazecli.reports.tables import Table, cell_text
from gazecli.version import VERSION

_HERE = Path(__file__).parent
_LONGEST_SIDE = 1400  # pixels of a picture and of the canvas over it


@dataclass(frozen=True)
class Section:
    """A part of the page; what it has none of is left out. figures: an SVG element and a caption each."""

    anchor: str
    title: str
    facts: Mapping[str, object] = field(default_factory=dict)
    figures: Sequence[tuple[Markup, str]] = ()
    tables: Sequence[Table] = ()
    scenes: Sequence[Scene] = ()
    text: str = ""
    headline: Headline | None = None
    notes: Sequence[str] = ()
    commands: Sequence[str] = ()

    @property
    def has_content(self) -> bool:
        """Whether there is anything below its title."""
        rows = any(table.rows for table in self.tables)
        return bool(
            self.facts or self.figures or rows or self.scenes or self.text or self.headline or self.commands
        )


def page_of(title: str, sections: Sequence[Section], version: str = VERSION) -> str:
    """The whole page. Its script comes along only where there is attention to be shown."""
    script = _asset("page.js") if any(section.scenes for section in sections) else ""
    shown = [{**vars(section), "scenes": [_shown(scene) for scene in section.scenes]} for section in sections]
    page: str = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=title,
            has_tables=any(section.tables for section in sections),
            terms=TERMS,
            conditions=CONDITIONS,
            verdicts=VERDICTS,
            sections=shown,
            version=version,
            policy=Markup(_policy(script)),  # noqa: S704 - this package's own
            css=Markup(_asset("page.css")),  # noqa: S704
            script=Markup(script),  # noqa: S704
        )
    )
    return page.lstrip()


def _shown(scene: Scene) -> dict[str, Any]:
    picture = scene.picture
    small = shrunk(picture.image, _LONGEST_SIDE)
    count = len(scene.regions)
    parts = f", {count} regions" if count > 1 else ", one region" if count else ""
    data = json_escaped(json.dumps(attention_data(scene), separators=(",", ":")))
    return {
        "name": scene.name,
        "alt": f"{scene.name}, {picture.width} by {picture.height} pixels{parts}",
        "picture": picture_data(small),
        "aspect": f"{picture.width / picture.height:.4f}",
        "width": small.width,
        "height": small.height,
        "regions": [(region.number, region.name, percents(region.box, picture)) for region in scene.regions],
        "targets": {text.target for text in scene.texts if text.target is not None},
        "judged": sum(text.verdict is not None for text in scene.texts),
        "right": sum(text.right for text in scene.texts),
        "unsteered": scene.unsteered,
        "steered": scene.steered,
        # Inside a script element only `<` could end it.
        "data": Markup(data.replace("<", "\\u003c")),  # noqa: S704 - numbers and base64 alone
    }


def _policy(script: str) -> str:
    rules = ["default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"]
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        rules.append(f"script-src 'sha256-{digest}'")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


@cache
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"lines": _lines, "cell": cell_text, "meaning": meaning}
    return environment


def _lines(text: str) -> Markup:
    """Text whose line ends stay."""
    return escape(visible(text, lines=True))
