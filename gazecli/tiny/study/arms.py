"""The arms of the study, and the training of one: the same data, seeds, steps and language model in each.

An arm says where its vision tower comes from and for how long its weights stay as they are. The projector
(Qwen2-VL's merger) and the language model train in every arm, as in LLaVA.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen2VLForConditionalGeneration

from gazecli.tiny.scenes import Scene
from gazecli.tiny.study.observer import QUESTION, Observer
from gazecli.tiny.training import questions
from gazecli.tiny.training.architecture import VOCABULARY, Sizes, build_model, hidden_width
from gazecli.tiny.training.batches import (
    IGNORED,
    Batch,
    BatchSource,
    Branch,
    NamingBatch,
    attributes_of_strips,
    draw_strips,
)
from gazecli.tiny.training.forward import answer_states, encode_pictures
from gazecli.tiny.training.losses import AttributeHeads
from gazecli.tiny.training.train import Log, Schedule, prefetch, set_rate, train_vision

OPEN_SHARE = 0.3  # of strips
SPREAD = 1.5  # of image tokens at the start, about that of a tower that has learned the attributes
Start = Literal["named", "contrastive", "random"]
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Arm:
    """One way to get a vision tower.

    start: what its weights learned before the language model met it. `named`: to tell the five attributes of
    each panel. `contrastive`: to tell a strip's captions from those of other strips, as CLIP. `random`:
    nothing. frozen: the share of the steps for which its weights then stay as they are.
    """

    name: str
    title: str
    start: Start
    frozen: float


ARMS = (
    Arm("trained", "trained throughout", "named", 0.0),
    Arm("frozen", "frozen after learning the attributes", "named", 1.0),
    Arm("random", "frozen at random", "random", 1.0),
    Arm("contrastive", "frozen after contrastive pretraining", "contrastive", 1.0),
    Arm("late", "contrastive, unfrozen at 60 %", "contrastive", 0.6),
)


@dataclass(frozen=True)
class Plan:
    """What is the same in every arm.

    steps, tower_steps: of the whole model, and of what a tower learns before. strips: in a batch.
    every: steps from one measurement to the next. discovery, steered, fitted, tested: the strips that scores,
    answers and probes are measured on.
    """

    sizes: Sizes = Sizes(hidden=128, intermediate=256, vision=64, rotary=(1, 1, 6), base=10.0)  # noqa: RUF009 - frozen
    panels: int = 4
    pool: int = 12_000
    tower_steps: int = 2500
    steps: int = 1200
    decay: int = 300
    strips: int = 12
    rate: float = 3e-3
    every: int = 50
    discovery: int = 16
    steered: int = 12
    fitted: int = 150
    tested: int = 100


def draw_questions(rng: random.Random, scenes: Sequence[Scene], _long: bool) -> list[Branch]:
    """A question about each panel, and in some strips one that leaves open which is meant.

    One wording: with many, and with an open question in every strip, the look comes later.
    """
    captions = [scene.caption for scene in scenes]
    order = rng.sample(range(len(captions)), len(captions))
    named = [Branch(QUESTION.format(number=k + 1), captions[k], 0) for k in order]
    if rng.random() < OPEN_SHARE:
        named.append(Branch(questions.PAPER_STATIC, rng.choice(captions), 1))
    return named


def starting_tower(start: Start, plan: Plan, source: BatchSource, log: Log) -> State:
    """The weights of the vision tower for a start; every start begins from the same random weights."""
    model = build_model(source.tokenizer, source.seed, plan.sizes)
    source.rng = random.Random(source.seed)
    torch.manual_seed(source.seed)
    if start == "named":
        train_naming(model, source, plan, log)
    elif start == "contrastive":
        train_contrastive(model, source, plan, log)
    tower: State = model.model.visual.state_dict()
    return tower


def train_naming(model: Qwen2VLForConditionalGeneration, source: BatchSource, plan: Plan, log: Log) -> None:
    """The vision tower learns to tell the five attributes of each panel."""
    naming = AttributeHeads(hidden_width(model))
    parameters = [*model.model.visual.parameters(), *naming.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05)

    def batches() -> Iterator[NamingBatch]:
        for _ in range(plan.tower_steps):
            patches, chosen = draw_strips(source, plan.strips, plan.panels)
            yield NamingBatch(patches, attributes_of_strips(source.pool, chosen))

    train_vision(model, naming, batches(), optimiser, _tower_schedule(plan), log)


def _tower_schedule(plan: Plan) -> Schedule:
    return Schedule(plan.tower_steps, plan.tower_steps, plan.strips, 2e-3, warm_up=50)


class PairHeads(nn.Module):
    """Throw-away ends of contrastive pretraining: a strip's tokens and the words of its captions, averaged.

    Radford et al. 2021 (arXiv 2103.00020, section 2.3), with a bag of tokens as the text encoder.
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.picture = nn.Linear(width, width)
        self.words = nn.EmbeddingBag(vocabulary, width)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, pictures: torch.Tensor, captions: Sequence[torch.Tensor]) -> tuple[torch.Tensor, float]:
        """The loss, and the share of strips whose own captions come first.

        pictures: (B, tokens, hidden). captions: the token ids of each strip's captions.
        """
        seen = functional.normalize(self.picture(pictures.mean(1)), dim=1)
        starts = torch.tensor([0, *(len(ids) for ids in captions[:-1])]).cumsum(0)
        read = functional.normalize(self.words(torch.cat(list(captions)), starts), dim=1)
        alike = self.scale.exp() * seen @ read.T  # (B, B)
        own = torch.arange(len(alike))
        loss = (functional.cross_entropy(alike, own) + functional.cross_entropy(alike.T, own)) / 2
        return loss, (alike.argmax(1) == own).float().mean().item()


def train_contrastive(
    model: Qwen2VLForConditionalGeneration, source: BatchSource, plan: Plan, log: Log
) -> None:
    """The vision tower learns which captions belong to a strip; the language model has no part in it."""
    pairs = PairHeads(plan.sizes.hidden, VOCABULARY)
    parameters = [*model.model.visual.parameters(), *pairs.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05)

    def batches() -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        for _ in range(plan.tower_steps):
            patches, chosen = draw_strips(source, 2 * plan.strips, plan.panels)
            texts = [" ".join(source.pool.scenes[i].caption for i in strip) for strip in chosen]
            yield patches, [torch.tensor(source.encode(text)) for text in texts]

    schedule = _tower_schedule(plan)
    for step, (patches, captions) in enumerate(prefetch(batches())):
        set_rate(optimiser, schedule.rate_at(step))
        loss, right = pairs(encode_pictures(model, patches, (4, 4 * plan.panels)), captions)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step % 50 == 49:
            log(tower="contrastive", step=step + 1, loss=round(loss.item(), 3), right=round(right, 3))


def train_arm(
    arm: Arm, plan: Plan, tower: State, source: BatchSource, observer: Observer, log: Log
) -> Qwen2VLForConditionalGeneration:
    """Train the whole model from one tower; measure it at the start and after every `plan.every` steps."""
    model = build_model(source.tokenizer, source.seed, plan.sizes)
    model.train()
    model.model.visual.load_state_dict(tower)
    _level_projector(model, source, plan)
    optimiser = answer_optimiser(model, plan.rate)
    schedule = Schedule(plan.steps, plan.decay, plan.strips, plan.rate, warm_up=100)
    melts = round(arm.frozen * plan.steps)
    _let_train(model, melts == 0)
    log(arm=arm.name, step=0, **observer.measure(model))
    recent: list[float] = []
    for step, batch in enumerate(prefetch(curriculum(source, plan))):
        if step == melts:
            _let_train(model, True)
        set_rate(optimiser, schedule.rate_at(step))
        states, _ = answer_states(model, batch)
        loss = functional.cross_entropy(model.lm_head(states), batch.labels[batch.labels != IGNORED])
        recent.append(loss.item())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % plan.every == 0:
            mean = round(sum(recent) / len(recent), 4)
            log(arm=arm.name, step=step + 1, loss=mean, **observer.measure(model))
            recent.clear()
    return model


def answer_optimiser(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW over all weights; vectors and scalars do not decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


@torch.no_grad()
def _level_projector(model: Qwen2VLForConditionalGeneration, source: BatchSource, plan: Plan) -> None:
    """Scale the projector's output to one spread in every arm: what a tower learned before changes it."""
    source.rng = random.Random(source.seed)
    batch = source.batch(plan.strips, plan.panels, small=True, long=False)
    spread = encode_pictures(model, batch.patches, batch.grid).std()
    last = model.model.visual.merger.mlp[-1]
    last.weight.mul_(SPREAD / spread)
    last.bias.mul_(SPREAD / spread)


def _let_train(model: Any, trains: bool) -> None:
    """Whether the tower's weights change; those of the projector always do."""
    for part in (model.model.visual.patch_embed, model.model.visual.blocks):
        part.requires_grad_(trains)


def curriculum(source: BatchSource, plan: Plan) -> Iterator[Batch]:
    """Strips of one and two panels first, then of two and three, then mostly whole ones."""
    for step in range(plan.steps):
        rng = source.rng = random.Random(f"{source.seed}-{step}")
        if step < 0.06 * plan.steps:
            panels = rng.choice((1, 2))
        elif step < 0.25 * plan.steps:
            panels = rng.choice((2, 2, 3))
        else:
            panels = rng.choices((2, 3, plan.panels), (1, 1, 6))[0]
        yield source.batch(plan.strips, panels, small=True, long=False)
