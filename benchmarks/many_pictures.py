"""24 pictures in one call of `gaze steer`, beside a call each and beside a loop over them in one process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.stopwatch import Row, in_turns, ratio, show
from gazecli.cache import Cache
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.reports.steering import steer_document
from gazecli.steering.jobs import Job, steer_many
from gazecli.steering.settings import SteerSettings
from gazecli.steering.steer import steer_regions

PICTURES = 24
AT_LEAST = 8.0
AT_MOST = 1.05  # a twentieth is what runs of the same code differ by


def run(timed: int = 6, rounds: int = 3) -> list[Row]:
    """Time one call for all pictures against `timed` calls, which all take alike, and then in one process."""
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "GAZE_CACHE_DIR": str(Path(folder) / "cache")}
        comics = Path(folder) / "comics"
        call = [sys.executable, "-m", "gazecli"]
        make = ["comics", "make", str(comics), "--count", str(PICTURES), "--seed", "1"]
        subprocess.run([*call, *make], env=environment, check=True, capture_output=True)
        pictures = sorted(map(str, comics.glob("strip-*")))
        cache = Cache(Path(folder) / "cache")
        vlm = load("tiny", device="cpu", dtype="float32")
        headset = discover(vlm, comics, samples=4, cache=cache)
        cache.set_latest("headset", headset.digest)

        def seconds(names: list[str]) -> float:
            command = [*call, "steer", *names, "--region", "left", "--model", "tiny"]
            began = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            return time.perf_counter() - began

        single = sum(seconds([name]) for name in pictures[:timed]) / timed
        faster = PICTURES * single / seconds(pictures)
        times = in_turns(
            {
                "many": lambda: many(vlm, headset, pictures),
                "one by one": lambda: one_by_one(vlm, headset, pictures),
            },
            rounds,
        )
    slower, _ = ratio(times, "many", "one by one")
    return [
        Row(
            f"`gaze steer` of {PICTURES} pictures",
            f"{PICTURES} calls (of {timed} timed)",
            f"≥ {AT_LEAST:g} x faster",
            f"{faster:.1f} x",
            faster >= AT_LEAST,
        ),
        Row(
            f"{PICTURES} jobs in one process",
            "one picture after the other",
            "no slower",
            f"{slower:.2f} of the time",
            slower <= AT_MOST,
        ),
    ]


def many(vlm: VLM, headset: HeadSet, pictures: list[str]) -> None:
    """All pictures as jobs."""
    jobs = [Job(picture=name, region="left") for name in pictures]
    for result in steer_many(vlm, headset, jobs):
        assert result.steering is not None
        assert result.opened is not None
        steer_document(vlm, result.steering, headset.digest, "raw", job=result.opened.digest()).json_text()


def one_by_one(vlm: VLM, headset: HeadSet, pictures: list[str]) -> None:
    """All pictures as a loop over single calls."""
    for name in pictures:
        picture = Picture.open(name)
        target = picture.region("left", len(picture.regions) + 1)
        steering = steer_regions(vlm, picture, [target], headset.top(), SteerSettings())
        steer_document(vlm, steering, headset.digest, "raw").json_text()


if __name__ == "__main__":
    sys.exit(not show(run()))
