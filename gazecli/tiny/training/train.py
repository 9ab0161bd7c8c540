"""Training of the small model, from nothing: `python -m gazecli.tiny.training.train DEST`.

Stage 0 teaches the vision tower to name what a panel shows and its number, through throw-away linear heads;
stage 1 teaches the whole model to answer. The schedule counts steps, never seconds, so that a second run
from the same seed repeats the first. Nothing here trains gaze heads: they appear by themselves.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import Qwen2Tokenizer, Qwen2VLForConditionalGeneration

from gazecli.tiny.training.architecture import (
    build_model,
    build_tokenizer,
    hidden_width,
    save_checkpoint,
)
from gazecli.tiny.training.batches import (
    IGNORED,
    KINDS,
    MOST_PANELS,
    Batch,
    BatchSource,
    NamingBatch,
    curriculum,
    draw_pool,
    naming_batches,
)
from gazecli.tiny.training.forward import answer_states, encode_pictures
from gazecli.tiny.training.losses import AttributeHeads, FirstWords, answer_loss

Item = TypeVar("Item")
NAMING_WEIGHT = 0.5
NAMED_STRIPS = 8  # a step
# The strips named in stage 1 are drawn from seeds that stage 0 has not used.
NAMED_LATER = 1_000_000
MUON_RATE = 2.0
# Without it 0.89 of the answers about six panels were exact at step 1800, and 0.62 about combinations never
# seen: see the log.
SPARED_FROM = 2000
TOWER_RATE = 0.25


def prefetch(source: Iterator[Item], depth: int = 4) -> Iterator[Item]:
    """Draw from `source` in a thread, `depth` items ahead."""
    waiting: queue.Queue[Item | Exception | None] = queue.Queue(depth)

    def draw() -> None:
        try:
            for item in source:
                waiting.put(item)
            waiting.put(None)
        except Exception as failure:  # noqa: BLE001 - raised again where the items are used
            waiting.put(failure)

    threading.Thread(target=draw, daemon=True).start()
    while (item := waiting.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item


class MuonAdamW:
    """Muon for the matrices between layers, AdamW for everything else: one optimiser to its user.

    Muon takes about half of AdamW's steps here (Jordan et al. 2024, "Muon: an optimizer for hidden layers in
    neural networks"). Its strong weight decay keeps the tower from learning combinations by heart. `set_rate`
    gives the rate of AdamW; Muon's is MUON_RATE times as high, and in the tower `tower_rate` times that.
    """

    def __init__(
        self, model: Qwen2VLForConditionalGeneration, extra: nn.Module, decay: float, tower_rate: float = 1.0
    ) -> None:
        tower = [p for p in model.model.visual.parameters() if p.ndim == 2]
        layers = [p for p in model.model.language_model.layers.parameters() if p.ndim == 2]
        taken = {id(p) for p in (*tower, *layers)}
        others = [p for p in (*model.parameters(), *extra.parameters()) if id(p) not in taken]
        groups = [
            {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
        ]
        muon = [
            {"params": tower, "scale": MUON_RATE * tower_rate},
            {"params": layers, "scale": MUON_RATE},
        ]
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(muon, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(groups, betas=(0.9, 0.98)),
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self) -> None:
        """Forget the gradients of all weights."""
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        """Move all weights that have a gradient."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of both, by number."""
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])


Optimiser = MuonAdamW | torch.optim.Optimizer


def train_vision(
    model: Qwen2VLForConditionalGeneration,
    naming: AttributeHeads,
    batches: Iterator[NamingBatch],
    optimiser: Optimiser,
    schedule: Schedule,
    log: Log,
) -> None:
    """Stage 0: the vision tower alone learns what panels show."""
    trained = [*model.model.visual.parameters(), *naming.parameters()]
    for step, batch in enumerate(prefetch(batches)):
        set_rate(optimiser, schedule.rate_at(step))
        loss, right = naming(encode_pictures(model, batch.patches, batch.grid), batch.attributes)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        if step % 50 == 49 or step + 1 == schedule.steps:
            log(stage=0, step=step + 1, loss=loss.item(), right=[round(share, 3) for share in right])


def train_answers(
    model: Qwen2VLForConditionalGeneration,
    naming: AttributeHeads,
    source: BatchSource,
    measure: Callable[[], dict[str, object]],
    schedule: Schedule,
    log: Log,
    state: Path,
    resume: bool,
) -> None:
    """Stage 1: the whole model, loss on answers and on naming. `state` is saved every 100 steps."""
    optimiser = MuonAdamW(model, naming, schedule.weight_decay, TOWER_RATE)
    parts: dict[str, Any] = {"model": model, "naming": naming, "optimiser": optimiser}
    start = _restore(parts, state) if resume else 0
    words = FirstWords(source.tokenizer)
    recent: list[float] = []
    named: list[list[float]] = []
    other = copy.copy(source)
    lessons = zip(
        curriculum(source, start, schedule.steps, schedule.strips),
        naming_batches(other, NAMED_LATER + start, NAMED_LATER + schedule.steps, NAMED_STRIPS),
        strict=True,
    )
    for step, (batch, named_batch) in enumerate(prefetch(lessons), start):
        set_rate(optimiser, schedule.rate_at(step))
        states, _ = answer_states(model, batch)
        wanted = batch.labels[batch.labels != IGNORED]
        sparing = step >= SPARED_FROM
        loss = answer_loss(model.lm_head(states), wanted, words if sparing else None)
        recent.append(loss.item())
        pictures = encode_pictures(model, named_batch.patches, named_batch.grid)
        naming_loss, right = naming(pictures, named_batch.attributes, spare=sparing)
        named.append(right)
        optimiser.zero_grad()
        (loss + NAMING_WEIGHT * naming_loss).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 99 or step + 1 == schedule.steps:
            mean = round(sum(recent) / len(recent), 4)
            names = [round(sum(share) / len(named), 3) for share in zip(*named, strict=True)]
            log(stage=1, step=step + 1, loss=mean, **measure(), named=names)
            recent.clear()
            named.clear()
            torch.save({**{name: part.state_dict() for name, part in parts.items()}, "step": step + 1}, state)


def _restore(parts: dict[str, Any], state: Path) -> int:
    """Load the saved state of every part that has one; the step to go on from."""
    saved = torch.load(state, weights_only=True)
    for name, part in parts.items():
        if name in saved:
            part.load_state_dict(saved[name])
    return int(saved["step"])


@torch.no_grad()
def held_out_accuracy(
    model: Qwen2VLForConditionalGeneration, held_out: dict[str, list[Batch]]
) -> dict[str, object]:
    """Teacher-forced on strips of several kinds: questions about a panel answered right in every token, and
    tokens right by kind of question over all strips.
    """
    right_tokens = {kind: [0, 0] for kind in range(len(KINDS))}
    exact: dict[str, float] = {}
    for name, batches in held_out.items():
        right_answers = []
        for batch in batches:
            labelled = batch.labels != IGNORED
            guessed = model.lm_head(answer_states(model, batch)[0]).argmax(1)
            hit = torch.zeros_like(batch.labels, dtype=torch.bool)
            hit[labelled] = guessed == batch.labels[labelled]
            for kind in range(len(KINDS)):
                of_kind = labelled & (batch.kinds == kind)
                right_tokens[kind][0] += int((hit & of_kind).sum())
                right_tokens[kind][1] += int(of_kind.sum())
            for row in range(len(batch.tokens)):
                for number in (1, 2):  # the panel questions come first
                    answer = (batch.branch[row] == number) & labelled[row]
                    right_answers.append(bool(hit[row][answer].all()))
        exact[name] = round(sum(right_answers) / len(right_answers), 3)
    scores = {
        f"{KINDS[kind]} tokens": round(right / total, 3)
        for kind, (right, total) in right_tokens.items()
        if total
    }
    return {"panel exact": exact, **scores}


class Log:
    """Lines of JSON, to a file and to the terminal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.began = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, **facts: object) -> None:
        line = json.dumps({**facts, "minutes": round((time.monotonic() - self.began) / 60, 1)})
        print(line, flush=True)
        with self.path.open("a") as out:
            out.write(line + "\n")


@dataclass(frozen=True)
class Schedule:
    """Warm up, hold, then fall to 2 % along a cosine over the last `decay` steps.

    Holding makes the first `steps - decay` steps the same for every length of training.
    """

    steps: int
    decay: int
    strips: int
    rate: float
    warm_up: int = 100
    weight_decay: float = 0.5  # of Muon

    def rate_at(self, step: int) -> float:
        """The learning rate of one step."""
        fallen = max(0.0, (step - (self.steps - self.decay)) / self.decay)
        return self.rate * min(1.0, (step + 1) / self.warm_up) * _cosine(fallen)


def _cosine(done: float) -> float:
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def set_rate(optimiser: Optimiser, rate: float) -> None:
    """The learning rate of the next step, times a group's own scale."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def main() -> None:
    """Train and save a checkpoint."""
    parser = argparse.ArgumentParser(description="Train the small model from nothing.")
    parser.add_argument("dest", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--pool", type=int, default=60_000)
    parser.add_argument("--vision-steps", type=int, default=1200)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--decay", type=int, default=2200)
    parser.add_argument("--strips", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--weight-decay", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on from the state beside the log")
    parser.add_argument("--log", type=Path, default=Path("training.jsonl"))
    options = parser.parse_args()
    state = options.log.with_suffix(".pt")
    if options.resume and not state.is_file():
        parser.error(f"there is no state to go on from: {state}; begin without --resume")
    torch.set_num_threads(options.threads)
    log = Log(options.log)
    log(settings={key: str(value) for key, value in vars(options).items() if key not in ("dest", "log")})
    tokenizer = build_tokenizer(options.seed)
    model = build_model(tokenizer, options.seed)
    log(parameters=sum(p.numel() for p in model.parameters()))
    pool = draw_pool(options.pool, options.seed, "train", options.threads)
    source = BatchSource(pool, tokenizer, options.seed)
    log(pool=len(pool.scenes))
    held_out = draw_held_out(tokenizer, options.seed + 1, options.threads)
    model.train()
    torch.manual_seed(options.seed)
    naming = AttributeHeads(hidden_width(model), MOST_PANELS)
    if not options.resume:
        steps = options.vision_steps
        train_vision(
            model,
            naming,
            naming_batches(source, 0, steps, 32),
            MuonAdamW(model, naming, 1.0),
            Schedule(steps, steps, 32, 2e-3, warm_up=50),
            log,
        )
    schedule = Schedule(
        options.steps, options.decay, options.strips, options.rate, weight_decay=options.weight_decay
    )
    train_answers(
        model,
        naming,
        source,
        lambda: held_out_accuracy(model, held_out),
        schedule,
        log,
        state,
        options.resume,
    )
    save_checkpoint(options.dest, model.eval(), tokenizer)
    log(saved=options.dest.name)


def draw_held_out(tokenizer: Qwen2Tokenizer, seed: int, processes: int) -> dict[str, list[Batch]]:
    """Strips from drawings that training does not use, by the name of their kind in the log."""
    known = BatchSource(draw_pool(1500, seed, "train", processes), tokenizer, seed)
    unseen = BatchSource(draw_pool(1500, seed, "test", processes), tokenizer, seed)
    strips = {f"{panels} panels": [known.batch(32, panels, False, False)] for panels in (3, 4, 5, 6)}
    return {**strips, "unseen combinations": [unseen.batch(32, 6, False, False) for _ in range(2)]}


if __name__ == "__main__":
    main()
