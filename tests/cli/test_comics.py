"""`gaze comics make` and `gaze comics check`."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from PIL import Image

from gazecli.tiny.scenes import COLOURS
from tests.cli.conftest import Gaze
from tests.fixtures.hub_server import Hub
from tests.pictures.drawn import noisy, strip_of
from tests.pictures.test_dataset import CARD, parquet, row


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_strips_are_drawn_with_captions_and_can_be_read_back(gaze: Gaze, tmp_path: Path) -> None:
    made = gaze("comics", "make", tmp_path / "a", "--count", 3, "--seed", 7, "--panels", 4)
    document = made.document("comics")
    assert made.err == ""
    assert (document["strips"], document["captioned"], document["seed"]) == (3, 3, 7)
    names = [f"p{k}.png" for k in range(1, 5)]
    assert sorted(p.name for p in (tmp_path / "a" / "strip-0001").iterdir()) == ["captions.txt", *names]
    captions = (tmp_path / "a" / "strip-0002" / "captions.txt").read_text().splitlines()
    assert len(captions) == 4
    assert all(caption.split()[0].lower() in COLOURS for caption in captions)
    checked = gaze("comics", "check", tmp_path / "a", "--panels", 4).document("comics")
    assert checked["digest"] == document["digest"]


def test_a_seed_draws_the_same_strips_again_and_another_one_others(gaze: Gaze, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert gaze("comics", "make", tmp_path / name, "--count", 2, "--seed", seed).code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert not set(contents(tmp_path / "a").values()) & set(contents(tmp_path / "c").values())


def test_quiet_prints_the_digest_alone(gaze: Gaze, tmp_path: Path) -> None:
    ran = gaze("comics", "make", tmp_path / "a", "--count", 1, "-q", "--format", "human")
    assert ran.out.startswith("sha256:")
    assert ran.out.count("\n") == 1


def test_a_folder_that_is_not_empty_is_left_alone(gaze: Gaze, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    ran = gaze("comics", "make", tmp_path, "--json")
    assert ran.code == 2
    assert "--force" in ran.error()["hint"]


def test_force_replaces_drawn_strips_and_nothing_else(gaze: Gaze, tmp_path: Path) -> None:
    home = tmp_path / "a"
    assert gaze("comics", "make", home, "--count", 3).code == 0
    (home / "notes.txt").write_text("mine")
    again = gaze("comics", "make", home, "--count", 1, "--seed", 5, "--force")
    assert again.document("comics")["strips"] == 1
    assert sorted(p.name for p in home.iterdir()) == ["notes.txt", "strip-0001"]
    (home / "strip-0001" / "letter.txt").write_text("mine too")
    refused = gaze("comics", "make", home, "--count", 1, "--force")
    assert refused.code == 2
    assert (home / "strip-0001" / "letter.txt").exists()


def test_impossible_numbers_are_refused(gaze: Gaze, tmp_path: Path) -> None:
    for option, value in (
        ("--count", 0),
        ("--count", 10**6),
        ("--panels", 0),
        ("--panels", 21),
        ("--seed", -1),
    ):
        ran = gaze("comics", "make", tmp_path / "x", option, value)
        assert ran.code == 2, (option, value)
        assert not (tmp_path / "x").exists()


def test_a_bad_strip_is_named_and_the_others_counted(gaze: Gaze, tmp_path: Path) -> None:
    gaze("comics", "make", tmp_path / "a", "--count", 3)
    broken = tmp_path / "a" / "strip-0002" / "p3.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    document = gaze("comics", "check", tmp_path / "a").document("comics")
    assert document["strips"] == 2
    assert ["strip-0002" in skip["path"] for skip in document["skipped"]] == [True]


def test_a_check_says_how_many_panels_every_strip_has(gaze: Gaze, tmp_path: Path) -> None:
    for name, widths in {"a": [80, 90], "b": [80, 90, 70], "c10": [90, 80], "c9": [70, 70]}.items():
        strip_of(widths, 60, 6).save(tmp_path / f"{name}.png")
    (tmp_path / "d.heic").write_bytes(b"whatever")
    checked = gaze("comics", "check", tmp_path, "--panels", 2)
    document = checked.document("comics")
    assert [(each["strip"], each["panels"], each["used"]) for each in document["found"]] == [
        ("a.png", 2, True),
        ("b.png", 3, False),
        ("c9.png", 2, True),
        ("c10.png", 2, True),
        ("d.heic", None, False),
    ]
    assert document["histogram"] == [{"panels": 2, "strips": 3}, {"panels": 3, "strips": 1}]
    shown = gaze("comics", "check", tmp_path, "--panels", 2, "--format", "human").out
    assert "panels found 2 in 3 strips, 3 in 1, not counted in 1" in " ".join(shown.split())
    assert any(line.split()[:2] == ["c10.png", "2"] for line in shown.splitlines())
    assert "3 panels found, not 2" in shown
    assert ".heic pictures are not read" in shown


def test_a_check_warns_of_double_pages_that_are_read_across(gaze: Gaze, tmp_path: Path) -> None:
    page = Image.new("RGB", (450, 200), "white")
    for left, top in product((10, 110, 250, 350), (10, 105)):
        page.paste(noisy(90, 85), (left, top))
    page.save(tmp_path / "a.png")
    check = ("comics", "check", tmp_path, "--panels", 8)
    read = gaze(*check)
    assert "a.png looks like two pages side by side" in read.err
    assert "a.png looks like two pages" in read.document("comics")["warnings"][0]
    assert gaze(*check, "--spread").err == ""


def test_a_check_of_strips_that_all_have_another_number_says_it(gaze: Gaze, tmp_path: Path) -> None:
    gaze("comics", "make", tmp_path / "a", "--count", 2, "--panels", 3)
    refused = gaze("comics", "check", tmp_path / "a", "--panels", 2, "--json").error()
    assert "3 panels found, not 2" in refused["message"]
    assert refused["hint"] == "use --panels 3"


def test_a_folder_that_is_not_there_is_named(gaze: Gaze, tmp_path: Path) -> None:
    ran = gaze("comics", "check", tmp_path / "nowhere", "--json")
    assert ran.code == 2
    assert ran.error()["subject"] == str(tmp_path / "nowhere")


def test_published_comics_are_fetched_once_and_can_be_used(gaze: Gaze, hub: Hub, tmp_path: Path) -> None:
    data = parquet(row("one", panels=6), row("two", 9, panels=6))
    commit = hub.add("someone/strips", {"README.md": CARD, "data/0.parquet": data}, "datasets").commit
    fetch = ("comics", "fetch", tmp_path / "comics", "--dataset", "someone/strips")
    env = hub.environment(tmp_path / "hf")
    made = gaze(*fetch, env=env, fresh=True)
    document = made.document("comics")
    assert document["source"] == {"dataset": "someone/strips", "revision": commit, "license": "cc-by-4.0"}
    assert (document["action"], document["strips"], document["captioned"]) == ("fetch", 2, 2)
    asked = len(hub.asked)
    again = gaze(*fetch, "--format", "human", env=env)
    assert commit[:12] in again.out
    assert "cc-by-4.0" in again.out
    assert len(hub.asked) == asked
    checked = gaze("comics", "check", tmp_path / "comics").document("comics")
    assert checked["digest"] == document["digest"]
