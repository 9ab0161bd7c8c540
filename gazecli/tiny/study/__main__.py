"""Run the study and draw it: `python -m gazecli.tiny.study run`, then `… figures`.

A run writes one log an arm and seed. It can be stopped and begun again: finished arms are kept, an unfinished
one starts anew, and the same seed gives the same figures again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from gazecli.errors import UsageError
from gazecli.tiny.study.arms import ARMS, Plan, Start, State, draw_questions, starting_tower, train_arm
from gazecli.tiny.study.figures import draw_figures, tables
from gazecli.tiny.study.observer import Observer, Probe
from gazecli.tiny.study.overlap import measure_overlap, overlap_table
from gazecli.tiny.study.runs import read_runs
from gazecli.tiny.training.architecture import build_model, build_tokenizer
from gazecli.tiny.training.batches import BatchSource, draw_pool
from gazecli.tiny.training.train import Log

LOGS = Path("studies/vision-tower")
OVERLAP = Path("studies/overlap.json")
_POOL_SEED, _TOKENIZER_SEED = 100, 7


def run_seed(seed: int, names: Sequence[str], plan: Plan, folder: Path) -> None:
    """Every arm of `names` that has no finished log in `folder`, from one seed."""
    wanted = [arm for arm in ARMS if arm.name in names and not _is_finished(folder / f"{arm.name}.jsonl")]
    if not wanted:
        return
    tokenizer = build_tokenizer(_TOKENIZER_SEED)
    pool = draw_pool(plan.pool, _POOL_SEED, "train", 1)
    probed = (plan.fitted + plan.tested) * plan.panels
    fresh = draw_pool(probed, _POOL_SEED + 1, "all", 1)
    towers: dict[Start, State] = {}
    with tempfile.TemporaryDirectory() as scratch:
        probe = Probe.draw(BatchSource(fresh, tokenizer, seed), plan.panels, plan.fitted, plan.tested)
        model = build_model(tokenizer, seed, plan.sizes)
        observer = Observer(Path(scratch), model, tokenizer, plan.panels, probe, plan.discovery, plan.steered)
        for arm in wanted:
            source = BatchSource(pool, tokenizer, seed, draw_questions)
            path = folder / f"{arm.name}.jsonl"
            path.unlink(missing_ok=True)
            log = Log(path)
            log(settings=asdict(plan), arm=asdict(arm), seed=seed, torch=torch.__version__)
            if arm.start not in towers:
                towers[arm.start] = starting_tower(arm.start, plan, source, log)
            train_arm(arm, plan, towers[arm.start], source, observer, log)
            log(finished=arm.name)


def _is_finished(path: Path) -> bool:
    return path.is_file() and '"finished"' in path.read_text(encoding="utf-8")


def main() -> None:
    """Run arms, measure the overlap of head sets of `tiny`, or draw what the logs hold."""
    parser = argparse.ArgumentParser(
        prog="python -m gazecli.tiny.study", description="Which vision towers let gaze heads grow?"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train the arms and write their logs")
    run.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    run.add_argument("--arms", nargs="+", choices=[arm.name for arm in ARMS], default=[a.name for a in ARMS])
    run.add_argument("--logs", type=Path, default=LOGS)
    run.add_argument("--threads", type=int, default=1)
    overlap = commands.add_parser("overlap", help="head sets found on unlike strips and questions")
    overlap.add_argument("--model", default="tiny")
    overlap.add_argument("--to", type=Path, default=OVERLAP)
    figures = commands.add_parser("figures", help="draw the logs, and print their tables as Markdown")
    figures.add_argument("--logs", type=Path, default=LOGS)
    figures.add_argument("--overlap", type=Path, default=OVERLAP)
    figures.add_argument("--to", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    if options.command == "run":
        torch.set_num_threads(options.threads)
        for seed in options.seeds:
            run_seed(seed, options.arms, Plan(), options.logs / f"seed-{seed}")
    elif options.command == "overlap":
        measure_overlap(options.model, options.to)
    else:
        try:
            runs = read_runs(options.logs)
        except UsageError as error:
            parser.error(f"{error}: {error.hint}")
        draw_figures(runs, options.to)
        print(tables(runs), overlap_table(options.overlap), sep="\n\n")


if __name__ == "__main__":
    main()
