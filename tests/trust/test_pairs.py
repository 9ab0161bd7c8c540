"""An option that cannot matter beside another is refused, before anything is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import write_comics
from tests.trust.conftest import EXAMPLES, Gaze, error_of

STRIP = str(EXAMPLES / "strip.png")
COMICS = str(EXAMPLES / "comics")
STEER = f"steer {STRIP} --region 2"
SWITCH = f"switch {STRIP} --schedule 1,2"
EVALUATE = f"report --evaluate {COMICS}"

# A call, and the option that the refusal names.
PAIRS = [
    (f"discover tiny {COMICS} --device cpu --device-map auto", "--device"),
    (f"discover tiny {COMICS} --revision main", "--revision"),
    (f"discover a/b@one {COMICS} --revision two", "revision"),
    (f"discover tiny {COMICS} --rtl", "rtl"),
    ("discover tiny strips --panels 3 --height 128", "--height"),
    ("discover tiny strips --panels 3 --gap 0", "--gap"),
    (f"{STEER} --all-regions", "--all-regions"),
    (f"{STEER} --device cpu --device-map auto", "--device"),
    (f"{STEER} --stream", "--stream"),
    (f"{STEER} --stream --json", "--stream"),
    (f"steer {STRIP} --all-regions --stream --format human", "--stream"),
    (f"steer {STRIP} --region 1 --region 2 --stream --format human", "--stream"),
    (f"{STEER} --regions boxes.json --panels 3", "regions"),
    (f"{STEER} --regions boxes.json --rtl", "regions"),
    ("steer comic --region 1 --panels 3", "panels"),
    ("steer comic --region 1 --rtl", "panels"),
    (f"{STEER} --scope decode --max-new-tokens 1", "decode"),
    (f"{STEER} --json --format human", "--json"),
    (f"{STEER} --force", "--force"),
    (f"steer {STRIP} {STRIP} --region 2 --force", "--force"),
    (f"{SWITCH} --force", "--force"),
    (f"track {STRIP} --force", "--force"),
    (f"panels {STRIP} -o - --force", "--force"),
    ("report --force", "--force"),
    (f"{STEER} -q -v", "--quiet"),
    (f"{SWITCH} --every 5 --at 0,5", "--every"),
    (f"{SWITCH} --every 5 --on sentence", "--every"),
    (f"{SWITCH} --at 0,5 --on sentence", "--every"),
    (f"{SWITCH} --every 5 --max-new-tokens 5", "tokens"),
    (f"{SWITCH} --at 0,9 --max-new-tokens 9", "tokens"),
    (f"{SWITCH} --device cpu --device-map auto", "--device"),
    (f"{SWITCH} --stream", "--stream"),
    (f"{SWITCH} --regions boxes.json --panels 3", "regions"),
    (f"track {STRIP} --stream", "--stream"),
    (f"track {STRIP} --device cpu --device-map auto", "--device"),
    (f"track {STRIP} --heatmap a.png --trajectory a.png", "one file"),
    (f"track {STRIP} --regions boxes.json --panels 3", "regions"),
    (f"{STEER} --heatmap a.html --page a.html", "--heatmap"),
    ("report --no-squash", "--no-squash"),
    ("report --task vqa", "--task"),
    ("report --sweep", "--sweep"),
    ("report --every 5", "--every"),
    ("report --samples 5", "--samples"),
    ("report --seed 5", "--seed"),
    ("report --prompt x", "--prompt"),
    ("report --max-new-tokens 5", "--max-new-tokens"),
    ("report --layout raw", "--layout"),
    ("report --score raw", "--score"),
    ("report --strength 5", "--strength"),
    ("report --mode suppress-all", "--mode"),
    ("report --scope full", "--scope"),
    ("report --device cpu", "--device"),
    ("report --dtype float32", "--dtype"),
    ("report --device-map auto", "--device-map"),
    ("report --trust-remote-code", "--trust-remote-code"),
    ("report --format csv --top 5", "--top"),
    ("report -o heads.csv --top 5", "--top"),
    (f"{EVALUATE} --sweep --top 5", "--top"),
    (f"{EVALUATE} --every 5", "--every"),
    (f"{EVALUATE} --task vqa --every sentence", "--every"),
    (f"{EVALUATE} --task dynamic --max-new-tokens 5", "--max-new-tokens"),
    (f"{EVALUATE} --device cpu --device-map auto", "--device"),
    (f"comics check {COMICS} --rtl", "rtl"),
    (f"comics check {COMICS} --spread", "spread"),
    (f"discover tiny {COMICS} --spread", "spread"),
    (f"{EVALUATE} --spread", "spread"),
    ("report --evaluate coco --annotations boxes.json --images . --rtl", "--rtl"),
    ("report --spread", "--spread"),
    ("doctor --device cpu", "--device"),
    ("doctor --dtype float32", "--dtype"),
    ("doctor --revision main", "--revision"),
    ("doctor --device-map auto", "--device-map"),
    ("doctor --trust-remote-code", "--trust-remote-code"),
    ("doctor tiny --device cpu --device-map auto", "--device"),
    ("cache rm abcd --dry-run --yes", "--yes"),
    ("cache prune --dry-run --yes", "--yes"),
    ("cache import boxes.json", "--model"),
    ("push tiny a/b --private --pr", "--private"),
    ("push tiny a/b --dry-run --force", "--force"),
]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder in which calls run, with what their short names mean."""
    folder = tmp_path / "work"
    comic = write_comics(folder / "drawn", strips=1, panels=3) / "comic-000"
    shutil.move(comic, folder / "comic")
    (folder / "boxes.json").write_text("[[0, 0, 9, 9], [9, 0, 18, 9]]")
    (folder / "strips").mkdir()
    page = Image.new("RGB", (120, 40), "white")
    for left in (0, 42, 84):
        page.paste(Image.effect_noise((36, 40), 90).convert("RGB"), (left, 0))
    page.save(folder / "strips" / "page.png")
    return folder


@pytest.mark.parametrize(("call", "named"), PAIRS, ids=[call[-60:] for call, _ in PAIRS])
def test_what_cannot_matter_is_refused(gaze: Gaze, known: str, work: Path, call: str, named: str) -> None:
    del known, work
    ran = gaze(*call.split())
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert named in ran.err
    assert "hint: " in ran.err or '"hint": "' in ran.err


def test_a_heatmap_does_not_replace_its_own_picture(gaze: Gaze, known: str, strip: Path) -> None:
    del known
    before = strip.read_bytes()
    call = ("--panels", 3, "--region", 1, "--heatmap", strip.parent / "." / strip.name, "--json")
    assert "replace the picture" in error_of(gaze("steer", strip, *call))["message"]
    assert strip.read_bytes() == before
