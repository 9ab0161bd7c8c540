"""What is fuzzed: a function a reader, that takes bytes and may raise nothing but the errors it documents.

Each checks what it gets, too: a reader that accepts nonsense is as wrong as one that crashes.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from gazecli.cache import artifact as artifact_files
from gazecli.cache.files import read_record, write_record
from gazecli.errors import BadInput, CacheError, GazeError, HeadSetError, PictureError, RegionError
from gazecli.heads.headset import HeadSet
from gazecli.heads.rankings import read_ranking
from gazecli.pictures import image_files as opening
from gazecli.pictures import region_specs as regions_file
from gazecli.pictures.comics import manifest
from gazecli.pictures.comics.comics import open_comics
from gazecli.pictures.picture import Picture

MAX_PIXELS = 1 << 16


@cache
def scratch() -> Path:
    """A folder of this process, on memory where there is such a disk."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="gaze-fuzz-", dir=memory if os.access(memory, os.W_OK) else None))


def written(name: str, data: bytes) -> Path:
    path = scratch() / name
    path.write_bytes(data)
    return path


def fuzz_artifact(data: bytes) -> None:
    """`gaze cache import` of an artifact: read, compared with its digest, taken for a head set."""
    try:
        artifact = artifact_files.read(written("artifact", data))
    except CacheError:
        return
    assert artifact_files.from_bytes(artifact_files.to_bytes(artifact))[0].digest == artifact.digest
    headset(artifact)


def fuzz_headset(data: bytes) -> None:
    """An artifact whose digest is right, whatever its header says: whoever makes a file makes its digest."""
    base = artifact_files.from_bytes((Path(__file__).parent / "corpus/artifact/headset").read_bytes())[0]
    try:
        header = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(header, dict):
        return
    try:
        artifact = type(base)(base.kind, {**base.header, **header}, base.tensors)
    except GazeError:
        return
    headset(artifact)


def fuzz_ranking(data: bytes) -> None:
    """`gaze cache import --model` of somebody's ranking."""
    try:
        lines, _ = read_ranking(written("ranking.json", data))
    except HeadSetError:
        return
    assert lines
    assert len({(line.layer, line.head) for line in lines}) == len(lines)
    assert all(line.layer >= 0 and line.head >= 0 and math.isfinite(line.score) for line in lines)


def headset(artifact: artifact_files.Artifact) -> None:
    """What a head set in the cache is used for without a model."""
    from gazecli.reports.headset import report_document

    try:
        found = HeadSet.from_artifact(artifact, artifact.digest)
        report_document(found, 3).json_text()
    except HeadSetError:
        return
    assert found.top(1)
    assert len(found.top()) == found.resolve_top()


def fuzz_record(data: bytes) -> None:
    """The small notes in the cache."""
    record = read_record(written("record.json", data))
    if record is not None:
        write_record(scratch() / "again.json", record)
        assert (scratch() / "again.json").read_bytes() == data


def fuzz_manifest(data: bytes) -> None:
    """A comics folder with somebody's `strips.jsonl`."""
    folder = scratch() / "comics"
    folder.mkdir(exist_ok=True)
    if not (folder / "a.png").exists():
        from PIL import Image

        Image.new("RGB", (60, 20), "white").save(folder / "a.png")
    (folder / manifest.MANIFEST).write_bytes(data)
    try:
        comics = open_comics(folder, panels=2)
    except BadInput:
        return
    for strip in comics.strips:
        assert all(path.resolve().is_relative_to(folder.resolve()) for path in strip.sources)
        try:
            picture = strip.load()
        except BadInput:
            continue
        assert len(picture.regions) == 2


def fuzz_regions(data: bytes) -> None:
    """`--regions FILE.json`."""
    width, height = 90, 60
    try:
        regions = regions_file.read_regions(written("regions.json", data), width, height)
    except RegionError:
        return
    for region in regions:
        x0, y0, x1, y1 = region.box
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height


def fuzz_picture(data: bytes) -> None:
    """A picture of any format, decoded and cut into panels."""
    try:
        opened = opening.open_pixels(written("picture", data), max_pixels=MAX_PIXELS)
    except PictureError:
        return
    width, height = opened.image.size
    assert opened.image.mode == "RGB"
    assert 0 < width * height <= MAX_PIXELS
    picture = Picture.from_image(opened.image, panels="auto")
    for region in picture.regions:
        x0, y0, x1, y1 = region.box
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height


TARGETS: dict[str, Callable[[bytes], None]] = {
    "artifact": fuzz_artifact,
    "headset": fuzz_headset,
    "ranking": fuzz_ranking,
    "record": fuzz_record,
    "manifest": fuzz_manifest,
    "regions": fuzz_regions,
    "picture": fuzz_picture,
}
