"""The study trains its arms alike but for the tower, measures them, and reads its hypotheses off the logs."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gazecli.errors import UsageError
from gazecli.pictures.picture import Picture
from gazecli.tiny.comics import make_comics
from gazecli.tiny.study.__main__ import LOGS, OVERLAP, main, run_seed
from gazecli.tiny.study.arms import ARMS, Plan, draw_questions, starting_tower, train_arm
from gazecli.tiny.study.figures import draw_figures, tables
from gazecli.tiny.study.hypotheses import HYPOTHESES, verdicts
from gazecli.tiny.study.observer import Probe
from gazecli.tiny.study.overlap import overlap_table
from gazecli.tiny.study.runs import Run, read_runs
from gazecli.tiny.training.architecture import Sizes, build_model, build_tokenizer
from gazecli.tiny.training.batches import BatchSource, draw_pool
from gazecli.tiny.training.evaluate import draw_pages

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/where-gaze-heads-come-from.md"
SMALL = Plan(
    sizes=Sizes(
        hidden=64, intermediate=64, layers=2, vision=32, vision_layers=1, rotary=(1, 1, 2), base=10.0
    ),
    pool=500,
    tower_steps=2,
    steps=4,
    decay=2,
    strips=2,
    every=2,
    discovery=2,
    steered=1,
    fitted=20,
    tested=10,
)
LAYERS, HEADS = 4, 8


class Unwatched:
    """Stands where an observer stands, and looks at nothing."""

    def measure(self, model: Any) -> dict[str, object]:
        return {"tower": {name: part.clone() for name, part in model.model.visual.state_dict().items()}}


def share(of: float) -> dict[str, float]:
    return {"exact": of, "about": of}


def record(
    step: int, born: int = 0, exact: float = 0.0, steered: float = 0.0, layer: int = 3
) -> dict[str, Any]:
    """A measurement of a model with so many heads that look, all in one layer."""
    raw = [[0.1] * HEADS for _ in range(LAYERS)]
    raw[layer][:born] = [0.9] * born
    return {
        "step": step,
        "raw": raw,
        "static": {
            "gaze": share(steered),
            "controls": share(0.05),
            "all": share(0.0),
            "unsteered": share(0.1),
        },
        "asked": {"nobody": share(exact), "gaze": share(exact / 4), "controls": share(exact)},
        "probe": dict.fromkeys(("colour", "subject", "action", "object", "place", "panel"), 0.5),
    }


def run_of(name: str, *measured: dict[str, Any], seed: int = 1) -> Run:
    arm = next(each for each in ARMS if each.name == name)
    return Run(arm, seed, measured)


def verdict(name: str, *runs: Run) -> bool | None:
    return verdicts(next(each for each in HYPOTHESES if each.name == name), runs)[1]


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_a_frozen_tower_stays_as_it_is_while_its_projector_learns(arm: Any) -> None:
    torch.set_num_threads(1)
    tokenizer = build_tokenizer(7)
    source = BatchSource(draw_pool(500, 1, "train", 1), tokenizer, 1, draw_questions)
    seen: list[dict[str, Any]] = []
    tower = build_model(tokenizer, 1, SMALL.sizes).model.visual.state_dict()
    plan = replace(SMALL, steps=10, every=2)
    train_arm(arm, plan, tower, source, Unwatched(), lambda **facts: seen.append(facts))  # type: ignore[arg-type]
    for before, after in itertools.pairwise(seen):
        frozen = before["step"] < arm.frozen * plan.steps
        for name, weights in before["tower"].items():
            same = torch.equal(weights, after["tower"][name])
            assert same == (frozen and not name.startswith("merger")), (after["step"], name)


def test_every_start_begins_from_the_same_random_tower_and_repeats() -> None:
    tokenizer = build_tokenizer(7)
    pool = draw_pool(500, 1, "train", 1)

    def tower(start: Any, steps: int) -> dict[str, torch.Tensor]:
        source = BatchSource(pool, tokenizer, 1, draw_questions)
        return starting_tower(start, replace(SMALL, tower_steps=steps), source, lambda **_: None)  # type: ignore[arg-type]

    random = tower("random", 2)
    for start in ("named", "contrastive"):
        once, again = tower(start, 2), tower(start, 2)
        assert all(torch.equal(once[name], again[name]) for name in once)
        assert not all(torch.equal(once[name], random[name]) for name in once)


def test_a_seed_is_run_logged_and_not_run_again(tmp_path: Path) -> None:
    folder = tmp_path / "seed-1"
    run_seed(1, ["contrastive"], SMALL, folder)
    log = folder / "contrastive.jsonl"
    first = log.read_text()
    run_seed(1, ["contrastive"], SMALL, folder)
    assert log.read_text() == first
    (run,) = read_runs(tmp_path)
    assert run.steps == [0, 2, 4]
    assert run.scores().shape == (3, 2, 8)
    assert set(run.measured[-1]["static"]) == {"gaze", "controls", "all", "unsteered"}
    log.write_text("\n".join(first.splitlines()[:-1]) + "\n")  # stopped before its end
    with pytest.raises(UsageError, match="no finished run"):
        read_runs(tmp_path)
    run_seed(1, ["contrastive"], SMALL, folder)
    again = read_runs(tmp_path)[0].measured
    assert [{**each, "minutes": 0} for each in again] == [{**each, "minutes": 0} for each in run.measured]


def test_a_folder_without_logs_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["study", "figures", "--logs", str(tmp_path), "--to", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"no finished run of the study here: {tmp_path}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_probe_reads_what_a_tower_shows_and_nothing_it_does_not() -> None:
    tokenizer = build_tokenizer(7)
    source = BatchSource(draw_pool(500, 1, "train", 1), tokenizer, 1)
    probe = Probe.draw(source, 4, 60, 30)
    model = build_model(tokenizer, 1, SMALL.sizes)
    # The colour of the ground tells the place even through random weights; nothing tells actions so soon.
    read = probe.read(model)
    assert read["place"] > 0.5 > read["action"]
    for weights in model.model.visual.merger.parameters():
        weights.data.zero_()
    assert max(probe.read(model).values()) < 0.45


def test_heads_are_born_when_three_of_them_look() -> None:
    run = run_of("trained", record(0), record(50, 2), record(100, 3), record(150, 5))
    assert run.birth == 100
    assert run.births_by_layer() == [None, None, None, 50]
    assert run.heads_at(50) == {(3, 0), (3, 1)}
    assert run_of("trained", record(0), record(50, 2)).birth is None


def test_each_hypothesis_can_be_borne_out_and_refuted() -> None:
    trained = run_of("trained", record(0), *[record(50, 4, 0.9, 0.9)] * 4)
    assert verdict("freezing", trained, run_of("frozen", record(0), *[record(50, 4, 0.9, 0.9)] * 4)) is True
    assert verdict("freezing", trained, run_of("frozen", record(0), record(50, 1))) is False
    assert verdict("freezing", run_of("trained", record(0)), run_of("frozen", record(0))) is None
    assert verdict("random", run_of("random", record(0), record(50, 3, 0.05))) is True
    assert verdict("random", run_of("random", *[record(50, 3, 0.5)] * 4)) is False
    early, late = record(50, 3), record(100, 3)
    assert verdict("contrastive", run_of("frozen", early), run_of("contrastive", record(50), late)) is True
    assert verdict("contrastive", run_of("frozen", early), run_of("contrastive", early)) is False
    before, after = record(60, 3, 0.1), record(100, 4, 0.8)
    assert verdict("late", run_of("late", before, *[after] * 4)) is True
    assert verdict("late", run_of("late", before, *[record(100, 4, 0.8, layer=0)] * 4)) is False
    assert verdict("late", run_of("late", record(60, 1), after)) is None
    assert verdict("first", trained) is True
    assert verdict("first", run_of("trained", record(0), record(50, 0, 0.9), after)) is False
    assert verdict("needed", trained) is True
    unmoved = {**after, "asked": {**after["asked"], "gaze": share(0.8)}}
    assert verdict("needed", run_of("trained", unmoved)) is False
    assert verdict("order", trained) is True
    assert verdict("order", run_of("trained", record(0), record(50, 3, layer=1))) is False


def test_pages_of_two_rows_hold_every_panel(tmp_path: Path) -> None:
    make_comics(tmp_path / "comics", 2, 1, 6)
    draw_pages(tmp_path / "comics", tmp_path / "pages")
    pages = [Picture.open(page, panels="auto") for page in sorted((tmp_path / "pages").iterdir())]
    assert [(page.width, page.height, len(page.regions)) for page in pages] == [(800, 536, 6)] * 2


def test_the_page_shows_what_the_kept_logs_say(tmp_path: Path) -> None:
    runs = read_runs(ROOT / LOGS)
    page = PAGE.read_text(encoding="utf-8")
    for table in (*tables(runs).split("\n\n"), overlap_table(ROOT / OVERLAP)):
        assert table in page
    for path in draw_figures(runs, tmp_path):
        assert f"figures/{path.name}" in page
        assert (PAGE.parent / "figures" / path.name).is_file()
    settings = [
        json.loads(path.read_text().splitlines()[0])["settings"] for path in (ROOT / LOGS).rglob("*.jsonl")
    ]
    assert all(each == settings[0] for each in settings)
