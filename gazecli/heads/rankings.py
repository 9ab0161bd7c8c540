"""Rankings of heads: JSON as others publish it, layer, head and score of each head; or a list typed by hand.

Of JSON are taken a list of [layer, head, score], a list of objects, and an object that holds one such list.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gazecli.cache.file_digests import file_digest
from gazecli.cache.files import NotPlain, export_file, open_plain, read_whole
from gazecli.cache.store import Cache
from gazecli.canonical import parse_json
from gazecli.errors import HeadSetError, UsageError
from gazecli.heads.headset import HeadSet, Tensors
from gazecli.heads.headset_store import note_headset
from gazecli.heads.scores import UNTESTED, Floats, ranking, suggest_unmeasured
from gazecli.models.catalogue import lasting_names, published_top
from gazecli.models.checkpoint import Checkpoint, Dimensions, find_checkpoint, read_dimensions
from gazecli.models.folder_kinds import refuse_kinds

MAX_BYTES = 16 * 1024 * 1024
MAX_NUMBER = 1e30  # far above any score, and far below what a 32-bit number can hold

_SCORES = ("score", "gaze_score", "raw")
_FORM = 'write a list of {"layer": 3, "head": 1, "score": 0.81}, or of [3, 1, 0.81]'
# What a ranking does not say is taken from the paper's recipe: panels a strip, their height, the gap.
_RECIPE = {"panels": 6, "height": 256, "gap": 6}
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Ranked:
    """One line of a ranking; layer and head count from 0."""

    layer: int
    head: int
    score: float


def read_ranking(path: Path) -> tuple[list[Ranked], bytes]:
    """The lines of a ranking, in the file's order, and the file's bytes.

    Raises HeadSetError: missing, larger than 16 MB, not JSON, of another form, a number that is not finite,
    or a head that is there twice.
    """
    try:
        data = read_whole(path, MAX_BYTES, follow_links=True)
    except (OSError, ValueError) as error:
        message = "no such file" if isinstance(error, FileNotFoundError) else "the ranking cannot be read"
        message += f", {error}" if isinstance(error, NotPlain) else ""
        raise HeadSetError(
            message, subject=str(path), hint="check the path", code="headset.unreadable"
        ) from error
    return parse_ranking(data, str(path)), data


def parse_ranking(data: bytes, subject: str) -> list[Ranked]:
    """The lines of a ranking in a file's bytes; HeadSetError as `read_ranking`."""
    try:
        content = parse_json(data)
    except ValueError as error:
        raise _malformed(f"the ranking is not JSON ({str(error)[:100]})", subject) from error
    entries = _only_list(content, subject)
    lines = [_line(entry, number, subject) for number, entry in enumerate(entries)]
    seen: set[tuple[int, int]] = set()
    for line in lines:
        if (line.layer, line.head) in seen:
            raise _malformed(f"layer {line.layer} head {line.head} is there twice", subject)
        seen.add((line.layer, line.head))
    return lines


def ranking_text(lines: Iterable[Ranked]) -> str:
    """The ranking as JSON, a head a line."""
    rows = [json.dumps(asdict(line), allow_nan=False) for line in lines]
    return "[\n " + ",\n ".join(rows) + "\n]\n"


def is_ranking(path: Path) -> bool:
    """Whether a file begins as JSON does; the length that begins an artifact has zero bytes in it."""
    try:
        with os.fdopen(open_plain(path, follow_links=True), "rb") as file:
            beginning = file.read(8)
    except (OSError, ValueError):
        return False  # reading it as an artifact says what is wrong
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    return b"\0" not in beginning and text[:1] in (b"[", b"{")


def _only_list(content: object, subject: str) -> Sequence[object]:
    if isinstance(content, dict):
        lists = {str(key): value for key, value in content.items() if _is_ranking(value)}
        if len(lists) > 1:
            raise _malformed(f"the file holds several rankings: {', '.join(sorted(lists)[:5])}", subject)
        content = next(iter(lists.values()), None)
    if not isinstance(content, list) or not content:
        raise _malformed("the file holds no ranking of heads", subject)
    return content


def _is_ranking(value: object) -> bool:
    """Whether a list's first entry is a line of a ranking."""
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, list):
        return len(first) == 3
    return isinstance(first, dict) and {"layer", "head"} <= set(first) and not set(_SCORES).isdisjoint(first)


def _line(entry: object, number: int, subject: str) -> Ranked:
    if isinstance(entry, Mapping):
        scores = [entry[name] for name in _SCORES if name in entry]
        values = [entry.get("layer"), entry.get("head"), scores[0] if scores else None]
    elif isinstance(entry, list) and len(entry) == 3:
        values = entry
    else:
        raise _malformed(f"entry {number} is not a layer, head and score", subject)
    layer, head = (_index(value, number, subject) for value in values[:2])
    return Ranked(layer, head, _score(values[2], number, subject))


def _index(value: object, number: int, subject: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1_000_000:
        raise _malformed(f"entry {number}: layer and head are whole numbers from 0", subject)
    return value


def _score(value: object, number: int, subject: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _malformed(f"entry {number} has no score that is a number", subject)
    if not abs(value) <= MAX_NUMBER:  # a NaN is not
        raise _malformed(f"entry {number}: the score is not a finite number", subject)
    return float(value)


def _malformed(message: str, subject: str) -> HeadSetError:
    return HeadSetError(message, subject=subject, hint=_FORM, code="headset.malformed")


def import_ranking(path: Path, model: str, cache: Cache) -> HeadSet:
    """Bind the ranking in a JSON file to a model on this machine, and keep it as that model's newest set.

    Raises HeadSetError when the file is no ranking or names heads the model has not, ModelError when the
    model is not here.
    """
    lines, data = read_ranking(path)
    checkpoint = find_checkpoint(model, fetch=False)
    refuse_kinds(checkpoint.facts)
    size = read_dimensions(checkpoint)
    hint = "name the model the ranking was made for"
    tensors = _tensors(lines, size, checkpoint.name, str(path), hint)
    suggested = _suggested(tensors["scores"][tensors["listed"]], size, checkpoint.id)
    read = {"ranking": {"sha256": hashlib.sha256(data).hexdigest(), "heads": len(lines)}}
    headset = _kept({**_header(_model(checkpoint, size, cache), suggested), **read}, tensors, cache)
    note_headset(cache, headset, model)
    return headset


def listed_headset(heads: Sequence[tuple[int, int]], model: str, cache: Cache) -> HeadSet:
    """A head set of these (layer, head) of a model, in this order, all of them suggested; kept in the cache.

    Raises UsageError for no heads, HeadSetError for heads the model has not, ModelError as `load`.
    """
    checkpoint = find_checkpoint(model)
    refuse_kinds(checkpoint.facts)
    block = _model(checkpoint, read_dimensions(checkpoint), cache)
    made = listed_heads(heads, block, checkpoint.name)
    digest, stored = cache.put(made.to_artifact())
    return replace(made, digest=digest, path=stored)


def listed_heads(
    heads: Sequence[tuple[int, int]], model: Mapping[str, Any], name: str | None = None
) -> HeadSet:
    """As `listed_headset`, of a model's block of a header, and kept nowhere."""
    if not heads:
        raise UsageError("no heads are listed", hint="name them: 3.4,3.5,12.0")
    lines = [Ranked(*pair, 1.0 - place / len(heads)) for place, pair in enumerate(heads)]
    typed = ",".join(f"{layer}.{head}" for layer, head in heads)
    size = Dimensions(int(model["layers"]), int(model["heads"]), str(model["family"]))
    tensors = _tensors(lines, size, name or str(model["name"]), typed, "choose among these")
    suggested = {"score": "raw", "top": len(heads), "why": "these heads were listed by hand, best first"}
    header = {**_header({**model, "dtype": _UNKNOWN}, suggested), "kind": "listed"}
    return HeadSet.of_ranking(header, tensors)


def _tensors(lines: Sequence[Ranked], size: Dimensions, name: str, subject: str, hint: str) -> Tensors:
    """Scores and which heads have one: (L, H) each; HeadSetError for a head that the model `name` has not."""
    scores = np.zeros((size.layers, size.heads), np.float32)
    listed = np.zeros((size.layers, size.heads), np.bool_)
    for line in lines:
        if line.layer >= size.layers or line.head >= size.heads:
            raise HeadSetError(
                f"layer {line.layer} head {line.head} does not exist in {name}",
                subject=subject,
                hint=f"it has {size.layers} layers of {size.heads} heads, counted from 0: {hint}",
                code="headset.head",
            )
        scores[line.layer, line.head], listed[line.layer, line.head] = line.score, True
    return {"scores": scores, "listed": listed}


def _header(model: Mapping[str, Any], suggested: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": model,
        "comics": {"digest": _UNKNOWN, "strips": 0, "panels": _RECIPE["panels"], "skipped": []},
        "settings": {"samples": None, "seed": 0, "prompt": "", "layout": None, **_RECIPE},
        "suggested": suggested,
    }


def _kept(header: Mapping[str, Any], tensors: Tensors, cache: Cache) -> HeadSet:
    made = HeadSet.of_ranking(header, tensors)
    digest, stored = cache.put(made.to_artifact())
    return replace(made, digest=digest, path=stored)


def ranking_of(headset: HeadSet) -> bytes:
    """A head set's ranking by its suggested score, as the bytes of a JSON file."""
    scores = headset.scores(headset.resolve_score())
    best = [Ranked(*pair, float(scores[pair])) for pair in ranking(scores) if np.isfinite(scores[pair])]
    return ranking_text(best).encode("utf-8")


def export_ranking(headset: HeadSet, destination: Path, *, overwrite: bool = False) -> Path:
    """Write a head set's ranking by its suggested score, into a file or a folder; returns the file.

    Raises UsageError when the file exists or its folder does not, GazeError when writing fails.
    """
    name = f"headset-{headset.digest.removeprefix('sha256:')}.json"
    data = ranking_of(headset)

    def is_same(target: Path) -> bool:
        with suppress(OSError):
            return read_whole(target, len(data)) == data
        return False

    return export_file(data, destination, name, is_same, overwrite=overwrite)


def _model(checkpoint: Checkpoint, size: Dimensions, cache: Cache) -> dict[str, Any]:
    digest = checkpoint.digest(lambda file: file_digest(file, cache.root))
    local = checkpoint.name == checkpoint.folder.name
    return {
        **lasting_names(checkpoint.id, checkpoint.revision, size.family, digest, local=local),
        "digest": digest,
        "family": size.family,
        "layers": size.layers,
        "heads": size.heads,
        "dtype": _UNKNOWN,
    }


def _suggested(scores: Floats, size: Dimensions, model_id: str) -> dict[str, Any]:
    """The paper's K where it has one for the model and the ranking is as long, else what scores suggest."""
    best = published_top(model_id)
    if best is not None and best <= scores.size:
        why = f"{best} heads steered best in the paper. {UNTESTED} here"
        return {"score": "raw", "top": best, "why": why}
    return asdict(suggest_unmeasured(scores, size.layers * size.heads))
