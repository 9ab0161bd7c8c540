"""Training of the small model, from nothing: `python -m gazecli.tiny.training.train DEST`.

Stage 0 teaches the vision tower to name what a panel shows, through throw-away linear heads; stage 1
teaches the whole model to answer. The schedule counts steps, never seconds, so that a second run
from the same seed repeats the first. Nothing here trains gaze heads: they appear by themselves.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen2VLForConditionalGeneration

from gazecli.tiny.training.architecture import (
    build_model,
    build_tokenizer,
    hidden_width,
    save_checkpoint,
)
from gazecli.tiny.training.batches import (
    ATTRIBUTES,
    IGNORED,
    KINDS,
    Batch,
    BatchSource,
    attributes_of_strips,
    curriculum,
    draw_pool,
    draw_strips,
)
from gazecli.tiny.training.forward import answer_states, encode_pictures

Item = TypeVar("Item")
NAMING_WEIGHT = 0.5


class AttributeHeads(nn.Module):
    """Throw-away linear heads: the mean of a panel's tokens names what the panel shows.

    width: of an image token; panels: of each strip, all of two rows and two columns of tokens.
    """

    def __init__(self, width: int, panels: int = 6) -> None:
        super().__init__()
        self.panels = panels
        self.heads = nn.ModuleList(nn.Linear(width, len(words)) for words in ATTRIBUTES)

    def forward(self, pictures: torch.Tensor, attributes: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
        """Sum of the five losses and the share right of each.

        pictures: (B, 4 P, hidden). attributes: (B, P, 5).
        """
        panels = panel_means(pictures, self.panels).flatten(0, 1)  # (B * P, hidden)
        goals = attributes.flatten(0, 1)
        logits = [head(panels) for head in self.heads]
        loss = torch.stack([functional.cross_entropy(part, goals[:, i]) for i, part in enumerate(logits)])
        right = [(part.argmax(1) == goals[:, i]).float().mean().item() for i, part in enumerate(logits)]
        return loss.sum(), right


def panel_means(pictures: torch.Tensor, panels: int) -> torch.Tensor:
    """The mean of each panel's tokens, two rows of two: (B, 4 P, hidden) -> (B, P, hidden)."""
    return pictures.view(len(pictures), 2, panels, 2, -1).mean((1, 3))


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


def train_vision(
    model: Qwen2VLForConditionalGeneration,
    source: BatchSource,
    steps: int,
    strips: int,
    log: Log,
    panels: int = 6,
) -> None:
    """Stage 0: the vision tower alone learns what panels show."""
    naming = AttributeHeads(hidden_width(model), panels)
    parameters = [*model.model.visual.parameters(), *naming.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _ in range(steps):
            patches, chosen = draw_strips(source, strips, panels)
            yield patches, attributes_of_strips(source.pool, chosen)

    for step, (patches, attributes) in enumerate(prefetch(batches())):
        set_rate(optimiser, 2e-3 * min(1.0, (step + 1) / 50) * _cosine(step / steps))
        loss, right = naming(encode_pictures(model, patches, (4, 4 * panels)), attributes)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step % 50 == 49 or step + 1 == steps:
            log(stage=0, step=step + 1, loss=loss.item(), right=[round(share, 3) for share in right])


def train_answers(
    model: Qwen2VLForConditionalGeneration,
    source: BatchSource,
    held_out: list[Batch],
    schedule: Schedule,
    log: Log,
    state: Path,
    resume: bool,
) -> None:
    """Stage 1: the whole model, loss on answers; later also on naming. `state` is saved every 100 steps."""
    optimiser = answer_optimiser(model, schedule.rate)
    torch.manual_seed(source.seed)
    naming = AttributeHeads(hidden_width(model))
    namer = torch.optim.AdamW(naming.parameters(), lr=2e-3, betas=(0.9, 0.98))
    parts: dict[str, Any] = {
        "model": model,
        "optimiser": optimiser,
        "naming": naming,
        "namer": namer,
    }
    start = _restore(parts, state) if resume else 0
    recent: list[float] = []
    named: list[list[float]] = []
    batches = curriculum(source, start, schedule.steps, schedule.strips)
    for step, batch in enumerate(prefetch(batches), start):
        set_rate(optimiser, schedule.rate_at(step))
        states, pictures = answer_states(model, batch)
        wanted = batch.labels[batch.labels != IGNORED]
        loss = functional.cross_entropy(model.lm_head(states), wanted)
        recent.append(loss.item())
        if step >= schedule.naming_from and batch.grid == (4, 24) and batch.attributes.shape[1] == 6:
            naming_loss, right = naming(pictures, batch.attributes)
            loss = loss + NAMING_WEIGHT * naming_loss
            named.append(right)
        optimiser.zero_grad(set_to_none=True)
        namer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        namer.step()
        if step % 100 == 99 or step + 1 == schedule.steps:
            mean = round(sum(recent) / len(recent), 4)
            names = [round(sum(share) / len(named), 3) for share in zip(*named, strict=True)]
            log(stage=1, step=step + 1, loss=mean, **held_out_accuracy(model, held_out), named=names)
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


def answer_optimiser(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW over all weights; vectors and scalars do not decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


@torch.no_grad()
def held_out_accuracy(model: Qwen2VLForConditionalGeneration, held_out: list[Batch]) -> dict[str, float]:
    """Held-out strips, teacher-forced: share of answers right in every token, and tokens right, by kind."""
    right_tokens = {kind: [0, 0] for kind in range(len(KINDS))}
    right_answers = [0, 0]
    for batch in held_out:
        labelled = batch.labels != IGNORED
        guessed = model.lm_head(answer_states(model, batch)[0]).argmax(1)
        hit = torch.zeros_like(batch.labels, dtype=torch.bool)
        hit[labelled] = guessed == batch.labels[labelled]
        for kind in range(len(KINDS)):
            of_kind = labelled & (batch.kinds == kind)
            right_tokens[kind][0] += int((hit & of_kind).sum())
            right_tokens[kind][1] += int(of_kind.sum())
        for row in range(len(batch.tokens)):
            for number in range(1, 4):  # the panel questions come first
                answer = (batch.branch[row] == number) & labelled[row]
                right_answers[0] += int(hit[row][answer].all())
                right_answers[1] += 1
    scores = {
        f"{KINDS[kind]} tokens": round(right / total, 3)
        for kind, (right, total) in right_tokens.items()
        if total
    }
    return {"panel exact": round(right_answers[0] / right_answers[1], 3), **scores}


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

    Holding makes the first `steps - decay` steps the same for every length of training. The naming loss
    joins at step `naming_from`: by then the model attends to the panel it is asked about, and its log
    showed that it still confused the subjects.
    """

    steps: int
    decay: int
    strips: int
    rate: float
    warm_up: int = 200
    naming_from: int = 1300

    def rate_at(self, step: int) -> float:
        """The learning rate of one step."""
        fallen = max(0.0, (step - (self.steps - self.decay)) / self.decay)
        return self.rate * min(1.0, (step + 1) / self.warm_up) * _cosine(fallen)


def _cosine(done: float) -> float:
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def main() -> None:
    """Train and save a checkpoint."""
    parser = argparse.ArgumentParser(description="Train the small model from nothing.")
    parser.add_argument("dest", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--pool", type=int, default=40_000)
    parser.add_argument("--vision-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--decay", type=int, default=900)
    parser.add_argument("--strips", type=int, default=24)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on from the state beside the log")
    parser.add_argument("--log", type=Path, default=Path("training.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    log = Log(options.log)
    log(settings={key: str(value) for key, value in vars(options).items() if key not in ("dest", "log")})
    tokenizer = build_tokenizer(options.seed)
    model = build_model(tokenizer, options.seed)
    log(parameters=sum(p.numel() for p in model.parameters()))
    pool = draw_pool(options.pool, options.seed, "train", options.threads)
    held_out_pool = draw_pool(1500, options.seed + 1, "test", options.threads)
    log(pool=len(pool.scenes))
    source = BatchSource(pool, tokenizer, options.seed)
    held_out_source = BatchSource(held_out_pool, tokenizer, options.seed + 1)
    held_out = [held_out_source.batch(32, 6, False, False) for _ in range(4)]
    schedule = Schedule(options.steps, options.decay, options.strips, options.rate)
    state = options.log.with_suffix(".pt")
    model.train()
    if not options.resume:
        train_vision(model, source, options.vision_steps, 32, log)
    train_answers(model, source, held_out, schedule, log, state, options.resume)
    save_checkpoint(options.dest, model.eval(), tokenizer)
    log(saved=options.dest.name)


if __name__ == "__main__":
    main()
