"""The cache: results under the SHA-256 of their content, safe to share and safe to lose."""

from __future__ import annotations

from gazecli.cache.artifact import Artifact
from gazecli.cache.artifact_folder import Entry, Removed
from gazecli.cache.file_digests import file_digest, file_digests
from gazecli.cache.files import cache_root
from gazecli.cache.maintenance import Damage
from gazecli.cache.partial_results import PartialResults
from gazecli.cache.store import Cache

__all__ = [
    "Artifact",
    "Cache",
    "Damage",
    "Entry",
    "PartialResults",
    "Removed",
    "cache_root",
    "file_digest",
    "file_digests",
]
