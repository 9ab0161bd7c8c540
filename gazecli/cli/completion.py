"""What a shell may complete: names of models, head sets and documents. Loads nothing heavy."""

from __future__ import annotations

_HEADSET = "headset-"
_DIGITS = 12  # enough to name one; a shell would break a word at the colon of `sha256:`


def model_names(incomplete: str) -> list[str]:
    """Short names of models."""
    from gazecli.models.catalogue import CATALOGUE

    return [entry.alias for entry in CATALOGUE if entry.alias.startswith(incomplete)]


def headset_names(incomplete: str) -> list[str]:
    """Short names of models, and the beginnings of the digests of head sets in the cache."""
    from gazecli.cache.files import ARTIFACTS, cache_root
    from gazecli.errors import GazeError

    try:
        files = sorted((cache_root() / ARTIFACTS).glob(f"{_HEADSET}*"))
    except (GazeError, OSError):
        files = []
    digests = [file.name.removeprefix(_HEADSET)[:_DIGITS] for file in files]
    return [*model_names(incomplete), *(each for each in digests if each.startswith(incomplete))]


def document_names(incomplete: str) -> list[str]:
    """Names of documents that have a JSON Schema."""
    from gazecli.reports.documents.schemas import DOCUMENTS

    return [name for name in DOCUMENTS if name.startswith(incomplete)]
