"""Training batches of the small model: strips from a pool of drawn panels, and questions as a tree.

One strip carries several question-answer branches behind one copy of the picture: every branch
attends to the picture and to itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from gazecli.tiny.panel import draw_panel
from gazecli.tiny.scenes import ACTIONS, COLOURS, OBJECTS, PLACES, SUBJECTS, Scene, Split, draw_scene
from gazecli.tiny.training import questions
from gazecli.tiny.training.architecture import MAX_PIXELS, MIN_PIXELS

POOL_PIXELS = 112  # twice the 56 pixels a panel has in a six-panel strip
PATCH, MERGE = 14, 2
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
IGNORED = -100
ATTRIBUTES = (COLOURS, SUBJECTS, ACTIONS, OBJECTS, PLACES)
COLOUR, PLACE = 0, 4  # of ATTRIBUTES


@dataclass
class Pool:
    """Drawn panels with their scenes, and colour and subject codes for quick checks."""

    pixels: npt.NDArray[np.uint8]  # (N, POOL_PIXELS, POOL_PIXELS, 3)
    scenes: list[Scene]

    def __post_init__(self) -> None:
        self.codes = [(COLOURS.index(s.colour), SUBJECTS.index(s.subject)) for s in self.scenes]


def attributes_of(scene: Scene) -> list[int]:
    """A scene as five numbers, in the order of ATTRIBUTES."""
    return [words.index(part) for words, part in zip(ATTRIBUTES, scene, strict=True)]


def _draw_share(split: Split, task: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], list[Scene]]:
    seed, count = task
    rng = random.Random(f"{split}-{seed}")
    scenes = [draw_scene(rng, split) for _ in range(count)]
    size = POOL_PIXELS
    return np.stack([np.asarray(draw_panel(s, rng, size, 2)) for s in scenes]), scenes


def draw_pool(count: int, seed: int, split: Split, processes: int) -> Pool:
    """Draw `count` panels of `split`; the same seed gives the same pool for any `processes`."""
    shares = [(seed * 1000 + i, 500) for i in range(max(1, count // 500))]
    with ProcessPoolExecutor(processes) as workers:
        parts = list(workers.map(partial(_draw_share, split), shares))
    return Pool(np.concatenate([p for p, _ in parts]), [s for _, scenes in parts for s in scenes])


def pick_strip(pool: Pool, rng: random.Random, panels: int, distinct: bool) -> list[int]:
    """Indices of `panels` panels whose scenes differ; with `distinct`, all colours and subjects too."""
    chosen: list[int] = []
    while len(chosen) < panels:
        i = rng.randrange(len(pool.scenes))
        if any(pool.scenes[i] == pool.scenes[j] for j in chosen):
            continue
        if distinct and any(
            pool.codes[i][0] == pool.codes[j][0] or pool.codes[i][1] == pool.codes[j][1] for j in chosen
        ):
            continue
        chosen.append(i)
    return chosen


def strip_patches(
    pool: Pool, chosen: Sequence[int], target: tuple[int, int], rng: random.Random, rows: int = 1
) -> npt.NDArray[np.float32]:
    """The strip's patches as the picture processor makes them: (patches, 3 * 14 * 14).

    `target` is (height, width) in pixels after resizing. rows: of panels, each as long as the others.
    """
    across = len(chosen) // rows
    lines = [chosen[row * across : (row + 1) * across] for row in range(rows)]
    strip = np.concatenate([np.concatenate([pool.pixels[i] for i in line], axis=1) for line in lines])
    if rng.random() < 0.75:
        half = rng.choice((1, 1, 2))
        shade = 255 if rng.random() < 0.85 else rng.choice((0, 128))
        for seam in range(1, across):
            strip[:, seam * POOL_PIXELS - half : seam * POOL_PIXELS + half] = shade
        for seam in range(1, rows):
            strip[seam * POOL_PIXELS - half : seam * POOL_PIXELS + half] = shade
    if rng.random() < 0.25:
        margin = rng.choice((1, 2, 3))
        strip = np.pad(strip, ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
    height, width = target
    resized = Image.fromarray(strip).resize((width, height), Image.Resampling.BICUBIC)
    pixels = ((np.asarray(resized, dtype=np.float32) / 255 - MEAN) / STD).astype(np.float32)
    rows, columns = height // (PATCH * MERGE), width // (PATCH * MERGE)
    blocks = pixels.reshape(rows, MERGE, PATCH, columns, MERGE, PATCH, 3)
    return blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3 * PATCH * PATCH)


def fade(patches: npt.NDArray[np.float32], rng: random.Random) -> tuple[npt.NDArray[np.float32], bool]:
    """The patches with part of their colour taken away, in a third of the calls all of it.

    Also returns whether the colours can still be told. A shape learned in grey belongs to no colour, so that
    a subject in a colour it never had is known all the same.
    """
    left = min(1.0, max(0.0, rng.uniform(-0.5, 1.0)))
    mean, std = MEAN[:, None], STD[:, None]
    pixels = patches.reshape(len(patches), 3, -1) * std + mean
    grey = np.tensordot(pixels, LUMA, axes=([1], [0]))[:, None]
    faded = (left * pixels + (1 - left) * grey - mean) / std
    return faded.reshape(patches.shape).astype(np.float32), left > 0.5


def target_size(panels: int, rng: random.Random, small: bool, rows: int = 1) -> tuple[int, int]:
    """Height and width in pixels the processor gives a strip of square panels in `rows` rows.

    `small` strips are 56 pixels high already; the others are 256 and are reduced to the budget.
    """
    stretch = rng.uniform(0.95, 1.1) if rng.random() < 0.35 else 1.0
    height = (56 if small else 256) * rows
    width = round(height / rows * panels / rows * stretch)
    resized = smart_resize(height, width, PATCH * MERGE, MIN_PIXELS, MAX_PIXELS)
    return int(resized[0]), int(resized[1])


PLACED_STEPS = 600  # of open questions there is none before
EVEN_FROM = 2000  # by then strips of six are said best
# Panels and the rows they stand in, with how often each comes, of a hundred.
LAYOUTS = ((1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (4, 2), (6, 2), (6, 3))
LAYOUT_SHARES = (1, 4, 14, 14, 12, 46, 3, 4, 2)
EVEN_SHARES = (1, 4, 20, 20, 18, 28, 3, 4, 2)


@dataclass
class Batch:
    """A batch: one picture a row, and its branches of tokens behind it."""

    patches: torch.Tensor  # (B, patches, 3 * 14 * 14)
    grid: tuple[int, int]  # rows, columns of patches
    tokens: torch.Tensor  # (B, L)
    positions: torch.Tensor  # (3, B, L)
    branch: torch.Tensor  # (B, L): 0 the shared prefix, -1 padding
    labels: torch.Tensor  # (B, L): the next token of each position, or IGNORED
    kinds: torch.Tensor  # (B, L): which kind of question a labelled position belongs to
    attributes: torch.Tensor  # (B, P, 5): colour, subject, action, object and place of each panel


KINDS = ("panel", "static", "in order", "any order", "long")


@dataclass
class Branch:
    """One question with its answer; `kind` indexes KINDS."""

    question: str
    answer: str
    kind: int
    ends: bool = True


def draw_placed_branches(rng: random.Random, scenes: Sequence[Scene], _long: bool) -> list[Branch]:
    """Questions that say where: each panel by its place, or all in order.

    With an open question in every strip from the start, the look for a place comes much later.
    """
    captions = [scene.caption for scene in scenes]
    count = len(captions)
    panels = rng.sample(range(count), min(4, count))
    branches = [Branch(questions.panel_question(rng, k + 1, count), captions[k], 0) for k in panels]
    return [*branches, _in_order(rng, captions)]


def draw_branches(rng: random.Random, scenes: Sequence[Scene], long: bool) -> list[Branch]:
    """The questions one strip carries."""
    captions = [scene.caption for scene in scenes]
    if long:
        texts: list[str] = []
        while len(texts) < 22:
            texts += [rng.choice(captions)] * rng.choice((1, 1, 1, 2, 3, 5))
        request = questions.any_order_request(rng)
        return [Branch(request, " ".join(texts[:22]), 4, ends=False)]
    count = len(captions)
    panels = rng.sample(range(count), min(2, count))
    branches = [Branch(questions.panel_question(rng, k + 1, count), captions[k], 0) for k in panels]
    branches.append(Branch(questions.static_question(rng), rng.choice(captions), 1))
    branches.append(_in_order(rng, captions) if rng.random() < 0.5 else _any_order(rng, captions))
    return branches


def draw_open_branches(rng: random.Random, scenes: Sequence[Scene]) -> list[Branch]:
    """The questions a grid carries: none says where its panel is."""
    captions = [scene.caption for scene in scenes]
    branches = [Branch(questions.static_question(rng), text, 1) for text in rng.sample(captions, 2)]
    return [*branches, _in_order(rng, captions), _any_order(rng, captions)]


def _in_order(rng: random.Random, captions: Sequence[str]) -> Branch:
    texts = [f"Panel {k}: {caption}" for k, caption in enumerate(captions, 1)]
    return Branch(questions.in_order_request(rng), " ".join(texts), 2)


def _any_order(rng: random.Random, captions: Sequence[str]) -> Branch:
    texts = rng.sample(captions, len(captions))
    if rng.random() < 0.4:
        texts = [rng.choice(captions) for _ in captions]
    return Branch(questions.any_order_request(rng), " ".join(texts), 3)


class BatchSource:
    """Makes batches from a pool; `questions` draws the branches that a strip carries."""

    def __init__(
        self,
        pool: Pool,
        tokenizer: Qwen2Tokenizer,
        seed: int,
        questions: Callable[[random.Random, Sequence[Scene], bool], list[Branch]] = draw_branches,
    ) -> None:
        self.pool = pool
        self.questions = questions
        self.seed = seed
        self.rng = random.Random(seed)
        self.tokenizer = tokenizer
        self.before = tokenizer.encode("<|im_start|>user\n<|vision_start|>")
        self.after = tokenizer.encode("<|vision_end|>")
        self.turn = tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n")
        self.end = tokenizer.encode("<|im_end|>")
        self.image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self._encoded: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Token ids, remembered: wordings and captions recur."""
        if text not in self._encoded:
            if len(self._encoded) > 100_000:
                self._encoded.clear()
            self._encoded[text] = self.tokenizer.encode(text)
        return self._encoded[text]

    def batch(self, strips: int, panels: int, small: bool, long: bool, lines: int = 1) -> Batch:
        """A batch of `strips` strips of equal size; with more than one of `lines`, of grids."""
        target = target_size(panels, self.rng, small, lines)
        rows, columns = target[0] // (PATCH * MERGE), target[1] // (PATCH * MERGE)
        patches, trees, attributes = [], [], []
        for _ in range(strips):
            distinct = panels > 1 and self.rng.random() < 0.75
            chosen = pick_strip(self.pool, self.rng, panels, distinct)
            patches.append(strip_patches(self.pool, chosen, target, self.rng, lines))
            scenes = [self.pool.scenes[i] for i in chosen]
            attributes.append([attributes_of(scene) for scene in scenes])
            grid = lines > 1 and not long
            asked = draw_open_branches(self.rng, scenes) if grid else self.questions(self.rng, scenes, long)
            trees.append(self._tree(asked, rows, columns))
        return _collate(patches, trees, (rows * MERGE, columns * MERGE), attributes)

    def _tree(self, branches: Sequence[Branch], rows: int, columns: int) -> npt.NDArray[np.int64]:
        """(7, L): tokens, three positions, branch, label, kind."""
        count = rows * columns
        start = len(self.before)
        tokens = self.before + [self.image_token] * count + self.after
        resume = start + max(rows, columns)
        across = np.tile(np.arange(columns), rows) + start
        down = np.repeat(np.arange(rows), columns) + start
        head = np.arange(start)
        tail = np.arange(len(self.after)) + resume
        pieces = [
            np.stack(
                [
                    np.array(tokens),
                    np.concatenate([head, np.full(count, start), tail]),
                    np.concatenate([head, down, tail]),
                    np.concatenate([head, across, tail]),
                    np.zeros(len(tokens), dtype=np.int64),
                    np.full(len(tokens), IGNORED),
                    np.zeros(len(tokens), dtype=np.int64),
                ]
            )
        ]
        resume += len(self.after)
        for number, branch in enumerate(branches, 1):
            question = self.encode(branch.question) + self.turn
            answer = self.encode(branch.answer) + (self.end if branch.ends else [])
            ids = np.array(question + answer[:-1])
            labels = np.array([IGNORED] * (len(question) - 1) + answer)
            places = np.arange(len(ids)) + resume
            kinds = np.full(len(ids), branch.kind)
            pieces.append(np.stack([ids, places, places, places, np.full(len(ids), number), labels, kinds]))
        return np.concatenate(pieces, axis=1)


def _collate(
    patches: Sequence[npt.NDArray[np.float32]],
    trees: Sequence[npt.NDArray[np.int64]],
    grid: tuple[int, int],
    attributes: Sequence[Sequence[Sequence[int]]],
) -> Batch:
    length = max(tree.shape[1] for tree in trees)
    rows = np.zeros((len(trees), 7, length), dtype=np.int64)
    rows[:, 4] = -1
    rows[:, 5] = IGNORED
    for row, tree in zip(rows, trees, strict=True):
        row[:, : tree.shape[1]] = tree
    table = torch.from_numpy(rows)
    return Batch(
        patches=torch.from_numpy(np.stack(patches)),
        grid=grid,
        tokens=table[:, 0],
        positions=table[:, 1:4].transpose(0, 1),
        branch=table[:, 4],
        labels=table[:, 5],
        kinds=table[:, 6],
        attributes=torch.tensor(attributes),
    )


def draw_strips(
    source: BatchSource, count: int, panels: int, side: int = 56
) -> tuple[torch.Tensor, list[list[int]]]:
    """Strips of P panels of `side` pixels, whole image tokens: patches, and which panels each strip has.

    Patches are (count, P * (side / 14) ** 2, 588).
    """
    chosen = [pick_strip(source.pool, source.rng, panels, False) for _ in range(count)]
    patches = [strip_patches(source.pool, strip, (side, side * panels), source.rng) for strip in chosen]
    return torch.stack([torch.from_numpy(each) for each in patches]), chosen


def attributes_of_strips(pool: Pool, strips: Sequence[Sequence[int]]) -> torch.Tensor:
    """What each panel of each strip shows: (B, P, 5)."""
    return torch.tensor([[attributes_of(pool.scenes[i]) for i in strip] for strip in strips])


@dataclass
class NamingBatch:
    """Strips of one row whose panels the vision tower learns to name.

    side: of a panel, in pixels; a multiple of 28. An attribute that cannot be told is IGNORED. The tower of
    `tiny` also learns the number of each panel, from 0, as a sixth attribute.
    """

    patches: torch.Tensor  # (B, patches, 588)
    attributes: torch.Tensor  # (B, P, 5 or 6)
    side: int = 56

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        rows = self.side // PATCH
        return rows, rows * self.attributes.shape[1]


MOST_PANELS = 6
# Panels and their side in pixels: whole image tokens, at the two scales that strips come in.
NAMED_LAYOUTS = ((6, 56), (3, 84), (6, 56), (4, 56), (6, 56), (3, 84), (5, 56), (2, 84))


def naming_batches(source: BatchSource, start: int, stop: int, strips: int) -> Iterator[NamingBatch]:
    """Strips of NAMED_LAYOUTS in turn; most are faded.

    Every step draws from a seed of its own, as in `curriculum`.
    """
    for step in range(start, stop):
        rng = source.rng = random.Random(f"naming-{source.seed}-{step}")
        panels, side = NAMED_LAYOUTS[step % len(NAMED_LAYOUTS)]
        patches, chosen = draw_strips(source, strips, panels, side)
        attributes = attributes_of_strips(source.pool, chosen)
        for row in range(strips):
            if row % 4:
                faded, coloured = fade(patches[row].numpy(), rng)
                patches[row] = torch.from_numpy(faded)
                if not coloured:
                    attributes[row, :, [COLOUR, PLACE]] = IGNORED
        numbers = torch.arange(panels).expand(strips, -1)
        yield NamingBatch(patches, torch.cat((attributes, numbers[..., None]), 2), side)


def curriculum(source: BatchSource, start: int, stop: int, strips: int) -> Iterator[Batch]:
    """Batches of steps `start` to `stop`: few panels first, then half of six; every sixth a long narration.

    Every step draws from a seed of its own, so that a resumed run goes on as if never stopped.
    """
    for step in range(start, stop):
        rng = source.rng = random.Random(f"{source.seed}-{step}")
        source.questions = draw_placed_branches if step < PLACED_STEPS else draw_branches
        if step < 120:
            panels, lines = rng.choice((1, 2, 2, 3)), 1
        elif step < PLACED_STEPS:
            panels, lines = rng.choice((2, 3, 4, 5, 6, 6)), 1
        else:
            panels, lines = rng.choices(LAYOUTS, EVEN_SHARES if step >= EVEN_FROM else LAYOUT_SHARES)[0]
        long = step >= PLACED_STEPS and step % 6 == 5
        small = panels <= 3 and (step < PLACED_STEPS or rng.random() < 0.2)
        yield source.batch(strips, panels, small and lines == 1, long, lines)
