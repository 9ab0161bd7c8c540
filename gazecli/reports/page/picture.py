"""The page of one picture: what was said about it, where the heads looked, and how to repeat it.

Knows nothing of HTML.
"""

from __future__ import annotations

from gazecli.reports.documents import SteerDocument, SwitchDocument, TrackDocument
from gazecli.reports.page.assembly import Section, page_of
from gazecli.reports.page.scenes import Scene


def picture_page(document: SteerDocument | SwitchDocument | TrackDocument, scene: Scene, title: str) -> str:
    """The whole page."""
    settings = document.settings.model_dump()
    facts: dict[str, object] = {
        "model": f"{document.model.name}: {document.model.family}, {document.model.dtype}",
        "id": document.model.id,
        "checkpoint": document.model.digest,
        "head set": document.headset,
        "heads": ", ".join(f"{layer}.{head}" for layer, head in document.heads) + " (layer.head, from 0)",
        "picture": f"sha256 {document.picture.sha256}",
        "asked": document.prompt,
        **settings,
    }
    sections = [
        Section("picture", "Where the heads look", scenes=[scene]),
        Section("repeat", "To repeat this", facts),
    ]
    return page_of(title, sections, document.gaze)
