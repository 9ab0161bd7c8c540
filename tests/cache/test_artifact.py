"""An artifact's digest is its content's, and its file gives back exactly what was put in."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gazecli.cache import Artifact
from gazecli.cache.artifact import (
    from_bytes,
    read,
    read_label,
    to_bytes,
    write,
)
from gazecli.errors import CacheError
from tests.cache.samples import flip, sample

_NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_HEADERS = st.dictionaries(st.text(max_size=8), _VALUES, max_size=5)
_DTYPES = st.sampled_from(["?", "<i1", "<u2", ">i4", "<i8", "<u8", "<f2", ">f4", "<f8"])
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
_TENSORS = st.dictionaries(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True),
    hnp.arrays(_DTYPES, _SHAPES),
    max_size=4,
)
_KINDS = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)


@given(_KINDS, _HEADERS, _TENSORS)
@settings(max_examples=100, deadline=None)
def test_an_artifact_comes_back_as_it_was(kind, header, tensors):
    artifact = Artifact(kind, header, tensors)
    back, label = from_bytes(to_bytes(artifact))
    assert back.digest == artifact.digest == label.digest
    assert back.kind == kind
    assert back.header == artifact.header == label.header
    assert set(back.tensors) == set(tensors)
    for name, tensor in tensors.items():
        assert back.tensors[name].shape == tensor.shape
        assert back.tensors[name].dtype == tensor.dtype.newbyteorder("<")
        np.testing.assert_array_equal(back.tensors[name], tensor)
        assert back.tensors[name].flags.writeable


@given(_HEADERS, _TENSORS)
@settings(max_examples=50, deadline=None)
def test_the_order_of_keys_and_the_layout_in_memory_do_not_change_the_digest(header, tensors):
    backwards = Artifact(
        "headset",
        dict(reversed(header.items())),
        {name: np.asfortranarray(tensors[name]).reshape(tensors[name].shape) for name in reversed(tensors)},
    )
    assert backwards.digest == Artifact("headset", header, tensors).digest


def test_the_digest_is_the_published_formula():
    artifact = Artifact("headset", {"b": [1, 2.5], "a": "ü"}, {"m": np.array([[1, 2]], np.uint8)})
    text = (
        '{"header":{"a":"\\u00fc","b":[1,2.5]},"kind":"headset",'
        '"schema":"gaze.artifact/1","tensors":[["m","uint8",[1,2]]]}\n'
    )
    assert artifact.digest == "sha256:" + hashlib.sha256(text.encode() + b"\x01\x02").hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        Artifact("heads", {"a": 1}, {"m": np.zeros((2, 3), np.float32)}),
        Artifact("headset", {"a": 2}, {"m": np.zeros((2, 3), np.float32)}),
        Artifact("headset", {"a": 1}, {"n": np.zeros((2, 3), np.float32)}),
        Artifact("headset", {"a": 1}, {"m": np.zeros((3, 2), np.float32)}),
        Artifact("headset", {"a": 1}, {"m": np.zeros((2, 3), np.int32)}),
        Artifact("headset", {"a": 1}, {"m": -np.zeros((2, 3), np.float32)}),
        Artifact("headset", {"a": 1}, {"m": np.zeros((2, 3), np.float32), "n": np.zeros(0, np.float32)}),
    ],
)
def test_any_difference_changes_the_digest(other):
    assert other.digest != Artifact("headset", {"a": 1}, {"m": np.zeros((2, 3), np.float32)}).digest


def test_a_header_is_kept_as_its_reader_will_see_it():
    assert Artifact("a", {"pair": (1, 2), "by layer": {3: "x"}}, {}).header == {
        "pair": [1, 2],
        "by layer": {"3": "x"},
    }


@pytest.mark.parametrize(
    ("kind", "header", "tensors"),
    [
        ("headset", {"a": float("nan")}, {}),
        ("headset", {"a": float("inf")}, {}),
        ("headset", {"a": object()}, {}),
        ("headset", ["a"], {}),
        ("../evil", {}, {}),
        ("Headset", {}, {}),
        ("", {}, {}),
        ("headset", {}, {"a\nb": np.zeros(1)}),
        ("headset", {}, {"": np.zeros(1)}),
        ("headset", {}, {"a": np.array(["text"])}),
        ("headset", {}, {"a": np.array([object()])}),
        ("headset", {}, {"a": np.zeros(1, np.complex64)}),
    ],
)
def test_what_could_not_be_read_back_is_refused(kind, header, tensors):
    with pytest.raises(CacheError) as caught:
        Artifact(kind, header, tensors)
    assert caught.value.code == "cache.invalid"


def test_a_header_without_bottom_is_refused():
    loop: dict[str, object] = {}
    loop["self"] = loop
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for header in (loop, {"deep": deep}):
        with pytest.raises(CacheError):
            Artifact("headset", header, {})


def test_a_file_is_an_ordinary_safetensors_file_named_by_its_digest(tmp_path):
    from safetensors.numpy import load_file

    artifact = sample()
    path = write(tmp_path, artifact)
    assert path.name == f"headset-{artifact.digest.removeprefix('sha256:')}.safetensors"
    np.testing.assert_array_equal(load_file(path)["matrices"], artifact.tensors["matrices"])
    assert read_label(path).header == artifact.header
    header = json.loads(path.read_bytes()[8:].split(b"}}", 1)[0].decode() + "}}")
    assert list(header["__metadata__"]) == ["gaze"]


def test_an_intact_file_is_left_alone(tmp_path):
    path = write(tmp_path, sample())
    before = path.stat()
    assert write(tmp_path, sample()) == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def _damages(data: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "one byte": data[:1],
        "a length without a header": data[:8],
        "something else": b"not an artifact at all, but long enough to look at",
        "a header longer than any file": (2**63).to_bytes(8, "little") + data[8:],
        "twice": data + data,
        "one byte more": data + b"\0",
        "zeros": bytes(len(data)),
        "another one": to_bytes(sample(1)),
    }


@pytest.mark.parametrize("damage", list(_damages(b"")))
def test_a_damaged_file_is_never_taken_for_the_artifact(tmp_path, damage):
    path = write(tmp_path, sample())
    path.write_bytes(_damages(path.read_bytes())[damage])
    with pytest.raises(CacheError) as caught:
        read(path, sample().digest)
    assert caught.value.code == "cache.damaged"
    assert caught.value.subject == str(path)
    assert write(tmp_path, sample()) == path
    assert read(path, sample().digest).digest == sample().digest


def test_every_flipped_bit_is_noticed(tmp_path):
    data = to_bytes(Artifact("h", {"n": [1.5, "é"]}, {"a": np.zeros(1, np.float16), "b": np.ones(2, "?")}))
    path = tmp_path / "artifact.safetensors"
    path.write_bytes(data)
    for position in range(len(data) * 8):
        flip(path, position)
        with pytest.raises(CacheError) as caught:
            read(path)
        assert caught.value.code == "cache.damaged", position
        flip(path, position)
    assert read(path).digest == read_label(path).digest


def test_every_truncation_is_noticed(tmp_path):
    data = to_bytes(sample())
    path = tmp_path / "artifact.safetensors"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CacheError, match="damaged"):
            read(path)


@given(st.binary(max_size=200), st.sampled_from(["raw", "header", "label"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused_and_nothing_else_happens(tmp_path_factory, noise, where):
    path = tmp_path_factory.getbasetemp() / "noise.safetensors"
    text = noise
    if where == "label":
        label = noise.decode("utf-8", "replace")
        text = json.dumps({"__metadata__": {"gaze": label}}).encode()
    path.write_bytes(noise if where == "raw" else len(text).to_bytes(8, "little") + text)
    with pytest.raises(CacheError) as caught:
        read(path)
    assert caught.value.code == "cache.damaged"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"__metadata__": {"gaze": "' + "[" * 100_000 + '"}}',
        '{"__metadata__": {"gaze": 3}}',
        '{"__metadata__": []}',
        "3",
        '{"__metadata__": {"gaze": "{\\"schema\\":\\"gaze.artifact/2\\"}"}}',
        '{"a": {"dtype": "F32", "shape": [4611686018427387904], "data_offsets": [0, 4]}}',
    ],
)
def test_a_hostile_header_is_refused(tmp_path, text):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode())
    with pytest.raises(CacheError, match="damaged"):
        read(path)


def test_a_file_larger_than_bearable_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CacheError, match="larger than"):
        read(path)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and devices are POSIX")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(write(tmp_path, sample()))
    for name in ("pipe", "folder", "link"):
        with pytest.raises(CacheError, match="not a regular file"):
            read(tmp_path / name)
    with pytest.raises(CacheError, match="not a regular file"):
        read(Path("/dev/zero"))


def test_a_missing_file_is_missing_not_damaged(tmp_path):
    with pytest.raises(CacheError) as caught:
        read(tmp_path / "none.safetensors")
    assert caught.value.code == "cache.missing"
