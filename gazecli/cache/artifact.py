"""An artifact: a JSON header and named tensors, the digest of that content, and its safetensors file.

A file is checked against its digest whenever it is read. Only JSON and safetensors are parsed, both bounded;
nothing is executed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.cache.files import NotPlain, cache_errors, open_plain, read_whole, unusable, write_whole
from gazecli.canonical import ALGORITHM, canonical_json, is_digest, parse_json, plain
from gazecli.errors import CacheError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SCHEMA = "gaze.artifact/1"
MAX_TENSORS = 4096
MAX_BYTES = 1024 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024 * 1024
SUFFIX = ".safetensors"
DAMAGED = "cache.damaged"
MISSING = "cache.missing"

_METADATA_KEY = "gaze"
_DTYPES = frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
# Plain names only: anything a JSON writer may spell in two ways could change on disk without being noticed.
_TENSOR_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)


@dataclass(frozen=True, eq=False)
class Artifact:
    """A result: `kind` (a-z, 0-9, -), a JSON `header`, and `tensors` by name.

    Tensors are bool, integer or float arrays of any shape; they are stored C-ordered and little-endian.
    Raises CacheError (`cache.invalid`) for anything that could not be read back as it is.
    """

    kind: str
    header: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or not _KIND.fullmatch(self.kind):
            raise _invalid("an artifact's kind is lower-case letters, digits and hyphens", repr(self.kind))
        if len(self.tensors) > MAX_TENSORS:
            raise _invalid(f"an artifact has at most {MAX_TENSORS} tensors", str(len(self.tensors)))
        object.__setattr__(self, "header", plain(self.header))
        settled = {name: _settled(name, tensor) for name, tensor in self.tensors.items()}
        object.__setattr__(self, "tensors", settled)

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hex digits over kind, header and tensors, in no matter which order they came."""
        names = sorted(self.tensors)
        shapes = [[name, self.tensors[name].dtype.name, list(self.tensors[name].shape)] for name in names]
        content = {"schema": SCHEMA, "kind": self.kind, "header": self.header, "tensors": shapes}
        running = hashlib.sha256(canonical_json(content).encode("ascii"))
        # The text has no line break and the sizes are in it: no other content gives the same bytes.
        running.update(b"\n")
        for name in names:
            running.update(self.tensors[name].tobytes())
        return ALGORITHM + running.hexdigest()


def is_kind(text: object) -> bool:
    """Whether `text` can be an artifact's kind."""
    return isinstance(text, str) and _KIND.fullmatch(text) is not None


def _settled(name: str, tensor: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if not isinstance(name, str) or not _TENSOR_NAME.fullmatch(name):
        raise _invalid("a tensor's name is letters, digits, '_', '.' and '-'", repr(name))
    array: np.ndarray[Any, Any] = np.asarray(tensor)
    if array.dtype.name not in _DTYPES:
        raise _invalid(f"a tensor of type {array.dtype.name} cannot be stored", name)
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _invalid(message: str, subject: str) -> CacheError:
    return CacheError(
        message, subject=subject, code="cache.invalid", hint="an artifact can hold only JSON and plain arrays"
    )


@dataclass(frozen=True)
class Label:
    """The kind, digest and header in an artifact's file, not yet compared with its content."""

    kind: str
    digest: str
    header: dict[str, Any]


def file_name(kind: str, digest: str) -> str:
    """`<kind>-<64 hex>.safetensors`: the same on file systems with and without letter case."""
    return f"{kind}-{digest.removeprefix(ALGORITHM)}{SUFFIX}"


def parse_file_name(name: str) -> tuple[str, str] | None:
    """(kind, digest) of a file of this name, or None when no artifact is called that."""
    kind, _, hexadecimal = name.removesuffix(SUFFIX).rpartition("-")
    digest = ALGORITHM + hexadecimal
    return (kind, digest) if name.endswith(SUFFIX) and is_kind(kind) and is_digest(digest) else None


def write(folder: Path, artifact: Artifact) -> Path:
    """Keep `artifact` in the existing `folder` and return its file; an intact one there is left alone.

    Raises CacheError, and leaves nothing half-written, when the file system fails.
    """
    digest = artifact.digest
    path = folder / file_name(artifact.kind, digest)
    if is_intact(path, digest):
        return path
    try:
        write_file(path, artifact)
    except CacheError:
        # Where a file that somebody reads cannot be replaced, another writer of the same may have won.
        if not is_intact(path, digest):
            raise
    return path


def write_file(path: Path, artifact: Artifact) -> None:
    """Put `artifact` at `path` in one step, replacing what is there; CacheError when that fails."""
    data = to_bytes(artifact)
    with cache_errors("write", path):
        write_whole(path, data)


def read(path: Path, expected_digest: str | None = None, *, follow_links: bool = False) -> Artifact:
    """The artifact at `path`, proven to have its own digest and, where given, the expected one.

    Raises CacheError: `cache.damaged` when it is anything but that, `cache.missing` when nothing is
    there, `cache.unusable` when it cannot be read.
    """
    with _reading(path):
        data = read_whole(path, MAX_BYTES, follow_links=follow_links)
        artifact, label = from_bytes(data)
        if artifact.digest != label.digest:
            raise ValueError("its content does not match its digest")
        if expected_digest is not None and label.digest != expected_digest:
            raise ValueError("it holds another artifact")
        return artifact


def read_label(path: Path) -> Label:
    """The label of the file at `path`, without reading its tensors; CacheError as in `read`."""
    with _reading(path), os.fdopen(open_plain(path), "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return _label(file.read(_bounded(length)), length)


def is_intact(path: Path, digest: str) -> bool:
    """Whether `path` holds exactly the artifact of that digest."""
    try:
        read(path, digest)
    except CacheError:
        return False
    return True


def to_bytes(artifact: Artifact) -> bytes:
    """The safetensors file of `artifact`; CacheError when it would be larger than a reader accepts."""
    from safetensors.numpy import save

    # Stored as one canonical text: there is no second spelling in which a changed byte could hide.
    label = {"schema": SCHEMA, "kind": artifact.kind, "digest": artifact.digest, "header": artifact.header}
    data = save(dict(artifact.tensors), metadata={_METADATA_KEY: canonical_json(label)})
    if len(data) > MAX_BYTES or int.from_bytes(data[:8], "little") > MAX_HEADER_BYTES:
        raise CacheError(
            "an artifact is too large to keep",
            subject=artifact.kind,
            code="cache.invalid",
            hint="discover with fewer panels",
        )
    return data


def from_bytes(data: bytes) -> tuple[Artifact, Label]:
    """The artifact in a safetensors file's bytes and its label, not yet compared; ValueError if malformed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    length = int.from_bytes(data[:8], "little")
    label = _label(data[8 : 8 + _bounded(length)], length)
    try:
        tensors = {
            name: tensor if tensor.flags.writeable else tensor.copy() for name, tensor in load(data).items()
        }
        return Artifact(label.kind, label.header, tensors), label
    except (
        SafetensorError,
        CacheError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise ValueError("its tensors are malformed") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (NotPlain, ValueError) as error:
        raise CacheError(
            f"a damaged artifact ({error})",
            subject=str(path),
            hint="compute it again, or import it from a good copy",
            code=DAMAGED,
        ) from error
    except FileNotFoundError as error:
        raise CacheError(
            "no such artifact", subject=str(path), code=MISSING, hint="see what is there: gaze cache ls"
        ) from error
    except OSError as error:
        raise unusable("read", path, error) from error


def _bounded(length: int) -> int:
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise ValueError("its header is malformed")
    return length


def _label(text: bytes, length: int) -> Label:
    if len(text) != length:
        raise ValueError("it is cut short")
    try:
        stored = parse_json(text.decode("utf-8"))["__metadata__"][_METADATA_KEY]
        label = parse_json(stored)
        canonical = stored == canonical_json(label)
        schema, kind, digest, header = (label[key] for key in ("schema", "kind", "digest", "header"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("its header is malformed") from error
    if schema != SCHEMA:
        raise ValueError("it is of another version of gaze")
    if not (
        canonical and len(label) == 4 and is_kind(kind) and is_digest(digest) and isinstance(header, dict)
    ):
        raise ValueError("its header is malformed")
    return Label(kind, digest, header)
