"""Where the cache and its folders are, and the errors for a folder that cannot be used."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gazecli.errors import CacheError

VARIABLE = "GAZE_CACHE_DIR"

# The folders of the cache.
ARTIFACTS = "artifacts"
PARTIAL_RESULTS = "progress"
REQUESTS = "requests"
LATEST = "latest"
MODELS = "models"
DAMAGED = "damaged"
LOCKS = "locks"
JUDGEMENTS = "judgements"
DIGESTS = "digests"

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def cache_root() -> Path:
    """The cache folder, which need not exist: `GAZE_CACHE_DIR`, or the platform's user cache folder."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(os.path.abspath(os.path.expanduser(chosen)))
    import platformdirs

    return Path(platformdirs.user_cache_dir("gaze"))


def make_folder(path: Path) -> Path:
    """Make `path` with all its parents and return it; CacheError when that fails or a link stands there."""
    with cache_errors("make a folder in", path):
        path.mkdir(parents=True, exist_ok=True)
    is_there(path)
    return path


def is_there(path: Path) -> bool:
    """Whether the cache's own folder `path` exists; CacheError when it is a link, a file or out of reach.

    A link would let removal reach outside the cache.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable("read", path, error) from error
    if not stat.S_ISDIR(mode):
        raise CacheError(
            "a folder of the cache is a link or a file",
            subject=str(path),
            hint=f"move it away, or set {VARIABLE} to another folder",
            code="cache.unsafe",
        )
    return True


@contextmanager
def cache_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError inside into a CacheError that says what could not be done."""
    try:
        yield
    except OSError as error:
        raise unusable(doing, path, error) from error


def unusable(doing: str, path: Path, error: OSError) -> CacheError:
    """The CacheError for `error` while `doing` ("read", "write", …) something at `path`."""
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno in _FULL:
        return CacheError(
            f"cannot {doing} the cache ({reason})",
            subject=str(path),
            hint=f"free some space (gaze cache prune), or set {VARIABLE} to a folder with more",
            code="cache.full",
        )
    access = "read" if doing == "read" else "read and written"
    return CacheError(
        f"cannot {doing} the cache ({reason})",
        subject=str(path),
        hint=f"set {VARIABLE} to a folder that can be {access}",
    )
