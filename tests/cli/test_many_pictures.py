"""Many pictures in one call: a line each, errors in their place, and files that resume."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Gaze, Ran, checked

SHORT = ("--panels", 3, "--max-new-tokens", 2)


@pytest.fixture
def strips(tmp_path: Path, known: str) -> list[Path]:
    """Three strips of noise, beside a head set in the cache."""
    del known
    paths = [tmp_path / "strips" / f"{name}.png" for name in "abc"]
    paths[0].parent.mkdir()
    for path in paths:
        Image.effect_noise((180, 60), 90).convert("RGB").save(path)
    return paths


def lines_of(text: str) -> list[dict[str, Any]]:
    """Lines of JSON, each checked against its schema."""
    lines = text.splitlines(keepends=True)
    names = [json.loads(line)["schema"].split(".")[1].split("/")[0] for line in lines]
    return [checked(line, name) for line, name in zip(lines, names, strict=True)]


def untimed(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("id", "job", "timing")}


def write_jobs(path: Path, *jobs: object) -> Path:
    path.write_text("".join(f"{job if isinstance(job, str) else json.dumps(job)}\n" for job in jobs))
    return path


def test_several_pictures_give_a_line_each_that_says_what_each_alone_says(
    gaze: Gaze, strips: list[Path]
) -> None:
    ran = gaze("steer", *strips, "--region", "left", *SHORT)
    assert ran.code == 0, ran.err
    documents = lines_of(ran.out)
    assert [each["id"] for each in documents] == [str(strip) for strip in strips]
    for strip, document in zip(strips, documents, strict=True):
        alone = gaze("steer", strip, "--region", "left", *SHORT).document("steer")
        assert not {"id", "job"} & set(alone), "a picture alone is described as ever"
        assert untimed(alone) == untimed(document)


def test_a_job_has_its_own_options_and_paths_relative_to_the_file(gaze: Gaze, strips: list[Path]) -> None:
    folder = strips[0].parent
    Image.new("L", (180, 60), "white").save(folder / "mask.png")
    (folder / "boxes.json").write_text("[[0, 0, 90, 60], [90, 0, 180, 60]]")
    jobs = write_jobs(
        folder / "jobs.jsonl",
        {"id": {"any": ["json"]}, "picture": "a.png", "region": 2, "prompt": "Who?", "strength": "hard"},
        {"id": "b", "picture": "b.png", "region": ["left", "@mask.png"], "top": 2, "no_baseline": True},
        "",
        {"picture": str(strips[2]), "all_regions": True, "regions": "boxes.json", "scope": "answer"},
    )
    ran = gaze("steer", "--jobs", jobs, *SHORT, "--region", 1)
    assert ran.code == 0, ran.out
    first, second, third = lines_of(ran.out)
    assert [first["id"], second["id"], third["id"]] == [{"any": ["json"]}, "b", 4]
    assert [first["prompt"], first["settings"]["strength"]] == ["Who?", 10000.0]
    assert [answer["region"] for answer in first["answers"]] == [2]
    assert [len(second["answers"]), second["baseline"], len(second["heads"])] == [2, None, 2]
    assert [region["box"] for region in third["regions"]] == [[0, 0, 90, 60], [90, 0, 180, 60]]
    assert [third["settings"]["scope"], len(third["answers"])] == ["answer", 2]
    assert first["settings"]["max_new_tokens"] == third["settings"]["max_new_tokens"] == 2


def test_jobs_may_come_through_a_pipe_and_paths_are_then_relative_to_the_folder_one_is_in(
    gaze: Gaze, strips: list[Path], tmp_path: Path
) -> None:
    shutil.copy(strips[0], tmp_path / "work" / "here.png")
    ran = gaze("steer", "--jobs", "-", *SHORT, stdin=b'{"picture": "here.png", "region": 1}\n')
    assert [each["id"] for each in lines_of(ran.out)] == [1]


BAD_LINES = {
    "nonsense": "is not JSON",
    "[1]": "is not a JSON object",
    '{"region": 1}': "names no picture",
    '{"picture": "a.png", "regoin": 1}': "unknown key",
    '{"picture": "-", "region": 1}': "standard input",
    '{"picture": "none.png", "region": 1}': "no such picture",
    '{"picture": "jobs.jsonl", "region": 1}': "not a picture",
    '{"picture": "a.png", "region": 9}': "no panel 9",
    '{"picture": "a.png", "region": 1.5}': "region has a value of the wrong kind",
    '{"picture": "a.png", "region": 1, "mode": "boost"}': "mode has a value of the wrong kind",
    '{"picture": "a.png", "region": 1, "rtl": "yes"}': "rtl has a value of the wrong kind",
    '{"picture": "a.png", "region": 1, "strength": NaN}': "is not JSON",
    '{"picture": "a.png", "region": 1, "strength": -1}': "strength",
    '{"picture": "a.png", "region": 1, "top": 4000}': "number of heads",
    '{"picture": "a.png", "region": 1, "max_new_tokens": 0}': "--max-new-tokens",
    '{"picture": "a.png", "region": 1, "all_regions": true}': "exclude each other",
    '{"picture": "a.png"}': "no region is named",
    '{"picture": "a\\u0000.png", "region": 1}': "damaged",
    '{"picture": "' + "a" * (1 << 20) + '"}': "longer than",
}


def test_what_is_wrong_stands_in_its_place_and_the_rest_goes_on(gaze: Gaze, strips: list[Path]) -> None:
    good = {"id": "good", "picture": "a.png", "region": 1}
    jobs = write_jobs(strips[0].parent / "jobs.jsonl", good, *BAD_LINES, good)
    ran = gaze("steer", "--jobs", jobs, *SHORT, "--json")
    first, *bad, last = lines_of(ran.out)
    assert ran.code == 1
    assert [first["id"], last["id"]] == ["good", "good"]
    assert untimed(first) == untimed(last)
    for number, (line, document, said) in enumerate(zip(BAD_LINES, bad, BAD_LINES.values(), strict=True), 2):
        assert said in document["error"]["message"], line[:80]
        assert document["error"]["hint"], line[:80]
        assert document["id"] == number
    assert ran.error()["message"] == f"{len(bad)} of {len(bad) + 2} jobs failed"


def test_people_get_a_block_for_each_picture(gaze: Gaze, strips: list[Path]) -> None:
    ran = gaze("steer", strips[0], "none.png", strips[1], "--region", 1, *SHORT, "--format", "human")
    assert ran.code == 1
    blocks = ran.out.split("\n\n")
    assert [block.splitlines()[0] for block in blocks[:3]] == [str(strips[0]), "none.png", str(strips[1])]
    assert "unsteered" in blocks[0]
    assert blocks[1].splitlines()[1] == "error: there is no such picture: none.png"
    assert "model" in blocks[3]


def resumed(gaze: Gaze, strips: list[Path], *more: object) -> tuple[Ran, Path]:
    file = strips[0].parent / "answers.jsonl"
    return gaze("steer", *strips, "--region", 1, *SHORT, "--output", file, *more), file


@pytest.mark.slow
def test_a_call_that_was_killed_goes_on_behind_its_last_whole_line(gaze: Gaze, strips: list[Path]) -> None:
    ran, file = resumed(gaze, strips)
    assert (ran.code, ran.out) == (0, "")
    whole = file.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 30, whole.index(b"\n") + 1 + 9, whole.index(b"\n") + 1, 5, 0):
        file.write_bytes(whole[:cut])
        ran, _ = resumed(gaze, strips)
        again = file.read_bytes()
        lines = whole.splitlines(keepends=True)
        kept = whole[:cut].count(b"\n")
        assert (ran.code, again.splitlines(keepends=True)[:kept]) == (0, lines[:kept])
        assert [untimed(each) for each in lines_of(again.decode())] == [
            untimed(each) for each in lines_of(whole.decode())
        ]
        assert ran.err == f"3 lines in {file}{f', {kept} of them there already' if kept else ''}\n"


def test_errors_are_done_again_and_end_in_their_place(gaze: Gaze, strips: list[Path]) -> None:
    moved = strips[1].rename(strips[1].with_suffix(".moved"))
    ran, file = resumed(gaze, strips)
    assert ran.code == 1
    assert [each["schema"] for each in lines_of(file.read_text())] == [
        "gaze.steer/1",
        "gaze.error/1",
        "gaze.steer/1",
    ]
    moved.rename(strips[1])
    ran, _ = resumed(gaze, strips)
    documents = lines_of(file.read_text())
    assert (ran.code, [each["id"] for each in documents]) == (0, [str(strip) for strip in strips])
    assert {each["schema"] for each in documents} == {"gaze.steer/1"}


def test_a_file_of_other_answers_or_of_something_else_is_left_alone(
    gaze: Gaze, strips: list[Path], tmp_path: Path
) -> None:
    _, file = resumed(gaze, strips)
    before = file.read_bytes()
    ran, _ = resumed(gaze, strips, "--strength", "hard")
    assert (ran.code, file.read_bytes()) == (2, before)
    assert "another answer" in ran.err
    Image.effect_noise((180, 60), 10).convert("RGB").save(strips[0])
    ran, _ = resumed(gaze, strips)
    assert (ran.code, file.read_bytes()) == (2, before)
    for foreign in ("my notes\n", "my notes", '{"schema": "gaze.report/1"}\n', "\n"):
        (tmp_path / "notes").write_text(foreign)
        ran = gaze("steer", *strips, "--region", 1, *SHORT, "-o", tmp_path / "notes")
        assert (ran.code, (tmp_path / "notes").read_text()) == (2, foreign)


def test_two_jobs_of_one_id_do_not_share_a_line_of_a_file(gaze: Gaze, strips: list[Path]) -> None:
    file = strips[0].parent / "answers.jsonl"
    for _ in range(2):
        ran = gaze("steer", strips[0], strips[0], "--region", 1, *SHORT, "--output", file)
        assert ran.code == 1
        first, second = lines_of(file.read_text())
        assert [first["schema"], second["error"]["message"]] == [
            "gaze.steer/1",
            "two jobs have this id",
        ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "PICTURE"),
        (["--output", "x.jsonl"], "PICTURE"),
        (["a.png", "b.png"], "no region"),
        (["a.png", "--jobs", "-", "--region", "1"], "--jobs"),
        (["--jobs", "none.jsonl"], "none.jsonl"),
        (["--jobs", "-", "--strength", "nan"], "strength"),
        (["--jobs", "-", "--panels", "0"], "panels"),
        (["--jobs", "-", "--top", "4000"], "heads"),
        (["--jobs", "-", "--heatmap", "x.png"], "--heatmap"),
        (["a.png", "b.png", "--region", "1", "--page", "x.html"], "--page"),
        (["--jobs", "-", "--stream", "--format", "human"], "--stream"),
        (["--jobs", "-", "--output", "x.jsonl", "--format", "human"], "--format"),
        (["--jobs", "-", "--output", "no/where.jsonl"], "no such folder"),
    ],
)
def test_what_is_wrong_with_all_jobs_is_said_before_any(
    gaze: Gaze, known: str, arguments: list[str], said: str
) -> None:
    del known
    ran = gaze("steer", *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err.splitlines()[0], ran.err
