"""What it takes to repeat a report: digests, settings, versions. Shared by pages and Markdown.

Knows nothing of how it is shown.
"""

from __future__ import annotations

from gazecli.reports.documents import ReportDocument


def to_repeat(document: ReportDocument) -> dict[str, object]:
    """Names and values, of what discovery and evaluation were run with; what is not known is left out."""
    facts: dict[str, object] = {
        "head set": document.headset,
        "checkpoint": f"{document.model.id}, {document.model.digest}",
        "revision": document.model.revision,
        "comics": document.comics.digest,
        **{f"discovery: {name}": value for name, value in document.settings.model_dump().items()},
    }
    evaluation = document.evaluation
    if evaluation is not None:
        facts["evaluated on"] = evaluation.comics.digest
        facts |= {f"evaluation: {name}": value for name, value in evaluation.settings.model_dump().items()}
    facts |= {**document.versions, "gaze": document.gaze}
    return {name: value for name, value in facts.items() if value is not None}
