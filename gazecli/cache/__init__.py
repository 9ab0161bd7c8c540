"""What is kept: results under the SHA-256 of their content, safe to share and safe to lose."""

from __future__ import annotations

from gazecli.cache.artifacts import Artifact
from gazecli.cache.digests import file_digest, file_digests
from gazecli.cache.location import cache_root
from gazecli.cache.progress import Progress
from gazecli.cache.shelf import Entry, Removed
from gazecli.cache.store import Cache
from gazecli.cache.upkeep import Damage

__all__ = [
    "Artifact",
    "Cache",
    "Damage",
    "Entry",
    "Progress",
    "Removed",
    "cache_root",
    "file_digest",
    "file_digests",
]
