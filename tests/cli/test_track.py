"""`gaze track`, `--page` and `--figures` through the command, on a random checkpoint."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Gaze, checked

QUICK = ("--panels", 3, "--max-new-tokens", 5, "--top", 2)


@pytest.fixture
def strip(tmp_path: Path) -> Path:
    path = tmp_path / "strip.png"
    Image.effect_noise((360, 120), 90).convert("RGB").save(path)
    return path


def test_tracking_tells_where_gaze_heads_and_others_looked(gaze: Gaze, known: str, strip: Path) -> None:
    document = gaze("track", strip, *QUICK, "--region", "left").document("track")
    assert document["headset"] == known
    assert [region["number"] for region in document["regions"]] == [1, 2, 3, 4]
    assert len(document["trajectory"]["steps"]) == document["tokens"] == len(document["pieces"])
    assert "".join(document["pieces"]).strip() == document["text"]
    assert all(sum(step[:3]) <= 1 + 1e-4 for step in document["trajectory"]["steps"])
    assert document["controls"]
    chosen = {tuple(head) for head in document["heads"]}
    for control in document["controls"]:
        assert len(control["heads"]) == 2
        assert not chosen & {tuple(head) for head in control["heads"]}
        assert len(control["steps"]) == document["tokens"]
    assert document["pointing"][3]["area"] == 0.5
    for place in document["pointing"]:
        assert place["gaze_ratio"] == pytest.approx(place["gaze"] / place["area"], abs=1e-3)
    ends = [sentence["end"] for sentence in document["sentences"]]
    assert ends[-1] == document["tokens"]


def test_tracking_writes_pictures_tables_and_a_page(
    gaze: Gaze, known: str, strip: Path, tmp_path: Path
) -> None:
    del known
    first = gaze("track", strip, *QUICK).document("track")
    word = first["pieces"][2].strip() or first["pieces"][0].strip()
    table, heat, page = tmp_path / "t.csv", tmp_path / "h.png", tmp_path / "p.html"
    call = ("--span", word, "--trajectory", table, "--heatmap", heat, "--page", page)
    document = gaze("track", strip, *QUICK, *call).document("track")
    [span] = document["spans"]
    assert word in "".join(document["pieces"][span["start"] : span["end"]])
    assert 0 <= span["peak"][0] < span["peak"][2] <= 360
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [float(row["region_2"]) for row in rows] == [step[1] for step in document["trajectory"]["steps"]]
    assert "control_region_3" in rows[0]
    with Image.open(heat) as painted:
        assert painted.height > 240
    assert page.read_text(encoding="utf-8").count('class="token"') == 2 * document["tokens"]
    assert [document[name] for name in ("trajectory_file", "heatmap", "page")] == [
        str(f) for f in (table, heat, page)
    ]


def test_a_trajectory_may_be_drawn_or_kept_as_a_document(
    gaze: Gaze, known: str, strip: Path, tmp_path: Path
) -> None:
    del known
    for name, more in {"t.svg": [], "t.pdf": [], "t.png": ["--dpi", 100], "t.json": []}.items():
        wanted = ["--trajectory", tmp_path / name, "--heatmap", tmp_path / "h.pdf", *more]
        assert gaze("track", strip, *QUICK, *wanted, "--format", "human").code == 0
    assert {(tmp_path / name).read_bytes()[:5] for name in ("t.pdf", "h.pdf")} == {b"%PDF-"}
    assert (tmp_path / "t.svg").read_text(encoding="utf-8").startswith("<?xml")
    with Image.open(tmp_path / "t.png") as drawn:
        assert drawn.width == 700
    checked((tmp_path / "t.json").read_text(encoding="utf-8"), "track")


def test_words_that_were_not_written_fail_and_show_the_text(gaze: Gaze, known: str, strip: Path) -> None:
    del known
    ran = gaze("track", strip, *QUICK, "--span", "no such words", "--json")
    assert (ran.code, ran.out) == (1, "")
    error = ran.error()
    assert (error["code"], error["subject"]) == ("span.absent", "no such words")
    assert error["hint"].startswith("the text is: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trajectory", "t.png"], "--panels"),
        (["--trajectory", "t.gif"], "--trajectory"),
        (["--heatmap", "h.jpg"], "--heatmap"),
        (["--trajectory", "t.pdf", "--dpi", "300"], "--dpi"),
        (["--trajectory", "t.png", "--dpi", "5000"], "--dpi"),
        (["--page", "p.txt"], "--page"),
        (["--span", " "], "--span"),
        (["--prompt", ""], "prompt"),
        (["--max-new-tokens", "0"], "--max-new-tokens"),
        (["--region", "7"], "7"),
        (["--stream", "--json"], "--stream"),
    ],
)
def test_bad_input_is_refused_before_work_starts(
    gaze: Gaze, known: str, strip: Path, arguments: list[str], said: str
) -> None:
    del known
    ran = gaze("track", strip, *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err


def test_steering_and_switching_have_pages_too(gaze: Gaze, known: str, strip: Path, tmp_path: Path) -> None:
    del known
    page = tmp_path / "p.html"
    document = gaze("steer", strip, *QUICK, "--all-regions", "--page", page).document("steer")
    assert document["page"] == str(page)
    written = page.read_text(encoding="utf-8")
    assert written.count('class="text"') == 4
    assert "Steered at region 3" in written
    call = ("--schedule", "3,1", "--every", 3, "--panels", 3, "--strength", "hard", "--page", page)
    document = gaze("switch", strip, *call, "--max-new-tokens", 6).document("switch")
    assert page.read_text(encoding="utf-8").count('class="token"') == document["tokens"] == 6


@pytest.mark.slow
def test_a_report_leaves_its_figures_in_a_folder(
    gaze: Gaze, known: str, comics: Path, tmp_path: Path
) -> None:
    del known
    folder, page = tmp_path / "a" / "figures", tmp_path / "r.html"
    document = gaze("report", "--figures", folder).document("report")
    names = ["scores", "histogram", "matrices", "layers"]
    assert document["figures"] == [
        str(folder / f"{name}.{kind}") for name in names for kind in ("svg", "pdf", "png")
    ]
    assert all(Path(figure).stat().st_size > 1000 for figure in document["figures"])
    call = ("--evaluate", comics, "--top", 2, "--max-new-tokens", 2, "--device", "cpu", "-o", page)
    assert gaze("report", "--figures", folder, *call).code == 0
    assert {"redirection.svg", "regions.png"} <= {path.name for path in folder.iterdir()}
    written = page.read_text(encoding="utf-8")
    assert written.count("<img ") == 2
    assert json.loads(written.split('<script type="application/json">')[1].split("</script>")[0])[
        "regions"
    ] == [1, 2, 3]
    file = tmp_path / "file"
    file.touch()
    assert gaze("report", "--figures", file).code == 2
