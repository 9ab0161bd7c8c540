"""Two processes under torchrun find what one finds, and one of them speaks."""

from __future__ import annotations

from pathlib import Path

from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset
from tests.distributed.conftest import HEIGHT, PANELS, STRIPS
from tests.distributed.launches import finish, launch, start

ON_CPU = (
    "--panels",
    PANELS,
    "--height",
    HEIGHT,
    "--batch-size",
    1,
    "--device",
    "cpu",
    "--dtype",
    "float32",
    "--json",
)


def test_two_processes_find_the_head_set_of_one(
    command_server: str, alone: HeadSet, drawn: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache of two"
    ran = launch(command_server, 2, cache, "discover", "tiny", drawn, *ON_CPU)
    assert not ran.lines("error")
    assert ran.document["digest"] == alone.digest
    assert ran.document["comics"]["strips"] == STRIPS - 1
    assert not ran.document["cached"]
    kept = find_headset(alone.digest, Cache(cache))
    assert kept.header == alone.header
    assert [skip["strip"] for skip in kept.header["comics"]["skipped"]] == [1]
    assert kept.matrices.tobytes() == alone.matrices.tobytes()
    assert kept.null.tobytes() == alone.null.tobytes()
    assert kept.halves.tobytes() == alone.halves.tobytes()
    assert not list((cache / "progress").iterdir())
    again = finish(start(2, cache, "discover", "tiny", drawn, *ON_CPU)).document
    assert again["cached"]
    assert again["digest"] == alone.digest
