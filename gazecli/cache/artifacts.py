"""An artifact: a JSON header and named tensors, and the digest of that content.

Knows nothing of files, of the cache folder, or of what the content means.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gazecli.cache.canonical import canonical_json, plain
from gazecli.errors import CacheError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALGORITHM = "sha256:"
SCHEMA = "gaze.artifact/1"
MAX_TENSORS = 4096

_DTYPES = frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
# Plain names only: anything a JSON writer may spell in two ways could change on disk without being noticed.
_TENSOR_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, eq=False)
class Artifact:
    """What a computation leaves behind: `kind` (a-z, 0-9, -), a JSON `header`, and `tensors` by name.

    Tensors are bool, integer or float arrays of any shape; they are kept C-ordered and little-endian.
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
        object.__setattr__(
            self, "tensors", {name: _settled(name, self.tensors[name]) for name in self.tensors}
        )

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


def is_digest(text: object) -> bool:
    """Whether `text` is a whole digest, in its one spelling."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def is_kind(text: object) -> bool:
    """Whether `text` can be an artifact's kind."""
    return isinstance(text, str) and _KIND.fullmatch(text) is not None


def total_bytes(tensors: Iterable[NDArray[Any]]) -> int:
    """Bytes of all the elements of `tensors`."""
    return sum(tensor.nbytes for tensor in tensors)


def _settled(name: str, tensor: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if not isinstance(name, str) or not _TENSOR_NAME.fullmatch(name):
        raise _invalid("a tensor's name is letters, digits, '_', '.' and '-'", repr(name))
    array: np.ndarray[Any, Any] = np.asarray(tensor)
    if array.dtype.name not in _DTYPES:
        raise _invalid(f"a tensor of type {array.dtype.name} cannot be kept", name)
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _invalid(message: str, subject: str) -> CacheError:
    return CacheError(
        message, subject=subject, code="cache.invalid", hint="an artifact holds JSON and plain arrays only"
    )
