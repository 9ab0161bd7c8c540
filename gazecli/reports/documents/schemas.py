"""The names of all documents, and the JSON Schema of each."""

from __future__ import annotations

from typing import Any

from gazecli.reports.documents import evaluation, housekeeping, sharing
from gazecli.reports.documents import results as documents
from gazecli.reports.documents.parts import Document

_KINDS: tuple[type[Document], ...] = (
    documents.HeadSetDocument,
    documents.PanelsDocument,
    documents.SteerDocument,
    documents.SwitchDocument,
    documents.TrackDocument,
    documents.ReportDocument,
    evaluation.EvaluationDocument,
    evaluation.GenerationsDocument,
    sharing.PushDocument,
    sharing.PullDocument,
    housekeeping.ModelsDocument,
    housekeeping.DoctorDocument,
    housekeeping.CacheDocument,
    housekeeping.ComicsDocument,
    housekeeping.ServeDocument,
    housekeeping.ErrorDocument,
)


def _identifier(kind: type[Document]) -> str:
    return str(kind.model_fields["schema_"].default)


DOCUMENTS = {_identifier(kind).removeprefix("gaze.").partition("/")[0]: kind for kind in _KINDS}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the document `name`, e.g. `steer`; KeyError for an unknown name."""
    kind = DOCUMENTS[name]
    schema = kind.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": _identifier(kind), **schema}
