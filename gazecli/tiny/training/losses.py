"""What training is punished for: wrong words in answers, and wrong names of what a panel shows.

A combination that training never shows is never right. Punished for it again and again, a model learns that
it cannot be. So, where asked to, a loss spares it: at the word that would turn an answer into a held-out
combination, that word has no part in the choice. Training then learns nothing of held-out combinations,
neither that they are nor that they are not.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen2Tokenizer

from gazecli.tiny.scenes import ACTIONS, COLOURS, OBJECTS, PLACES, SUBJECTS, Scene
from gazecli.tiny.training.architecture import VOCABULARY
from gazecli.tiny.training.batches import ATTRIBUTES, IGNORED

# (colours, subjects, actions): whether training never sees that combination.
HELD_OUT = torch.tensor(
    [
        [
            [Scene(colour, subject, action, OBJECTS[0], PLACES[0]).held_out for action in ACTIONS]
            for subject in SUBJECTS
        ]
        for colour in COLOURS
    ]
)


def _held_out_beside(combinations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which colours, subjects and actions would make each combination a held-out one, the other two kept.

    combinations: (N, 3). Returns (N, colours), (N, subjects) and (N, actions).
    """
    colour, subject, action = combinations.unbind(1)
    return HELD_OUT[:, subject, action].T, HELD_OUT[colour, :, action], HELD_OUT[colour, subject]


class FirstWords:
    """Finds captions in a row of tokens by their first words: colour, subject and the first of the action."""

    def __init__(self, tokenizer: Qwen2Tokenizer) -> None:
        self.codes = torch.full((3, VOCABULARY), -1)  # which colour, subject, action a token is
        self.tokens = [torch.zeros(len(words), VOCABULARY) for words in (COLOURS, SUBJECTS, ACTIONS)]
        forms: tuple[list[tuple[str, ...]], ...] = (
            [(colour.capitalize(), f" {colour.capitalize()}") for colour in COLOURS],
            [(f" {subject}",) for subject in SUBJECTS],
            [(f" {action.split()[0]}",) for action in ACTIONS],
        )
        for kind, words in enumerate(forms):
            for number, spellings in enumerate(words):
                for spelling in spellings:
                    (token,) = tokenizer.encode(spelling)
                    self.codes[kind, token] = number
                    self.tokens[kind][number, token] = 1

    def held_out(self, wanted: torch.Tensor) -> torch.Tensor:
        """Which tokens would turn an answer into a held-out combination: (N,) -> (N, vocabulary)."""
        mask = torch.zeros(len(wanted), VOCABULARY, dtype=torch.bool)
        if len(wanted) < 3:
            return mask
        found = torch.stack(
            [self.codes[k, wanted[k : len(wanted) - 2 + k]] for k in range(3)], 1
        )  # (N - 2, 3)
        starts = (found >= 0).all(1).nonzero()[:, 0]
        for kind, beside in enumerate(_held_out_beside(found[starts])):
            mask[starts + kind] = beside.float() @ self.tokens[kind] > 0
        return mask


def answer_loss(logits: torch.Tensor, wanted: torch.Tensor, spare: FirstWords | None = None) -> torch.Tensor:
    """Cross-entropy of the answers' tokens; `spare` leaves held-out combinations out of the choice.

    logits: (N, vocabulary). wanted: (N,), answers one after the other.
    """
    if spare is not None:
        logits = logits.masked_fill(spare.held_out(wanted), -torch.inf)
    return functional.cross_entropy(logits, wanted)


class AttributeHeads(nn.Module):
    """Throw-away linear heads: the mean of a panel's tokens names what the panel shows.

    width: of an image token. panels: with a head that tells the number of a panel, up to so many.
    """

    def __init__(self, width: int, panels: int = 0) -> None:
        super().__init__()
        sizes = [len(words) for words in ATTRIBUTES] + ([panels] if panels else [])
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(
        self, pictures: torch.Tensor, attributes: torch.Tensor, spare: bool = False
    ) -> tuple[torch.Tensor, list[float]]:
        """Sum of the losses and the share right of each attribute, where it can be told.

        pictures: (B, tokens, hidden). attributes: (B, P, 5), or 6 with the number. spare: held-out
        combinations, as in `answer_loss`.
        """
        panels = panel_means(pictures, attributes.shape[1]).flatten(0, 1)  # (B * P, hidden)
        losses, right = [], []
        goals = attributes.flatten(0, 1)
        known = goals[:, :3].clamp(min=0)
        told_all = (goals[:, :3] != IGNORED).all(1, keepdim=True)
        spared = iter(_held_out_beside(known) if spare else ())
        for head, goal in zip(self.heads, goals.unbind(1), strict=True):
            logits = head(panels)
            if (held_out := next(spared, None)) is not None:
                logits = logits.masked_fill(held_out & told_all, -torch.inf)
            losses.append(functional.cross_entropy(logits, goal, ignore_index=IGNORED))
            told = goal != IGNORED
            right.append((logits.argmax(1) == goal)[told].float().mean().item())
        return torch.stack(losses).sum(), right


def panel_means(pictures: torch.Tensor, panels: int) -> torch.Tensor:
    """The mean of each square panel's tokens in strips of one row: (B, tokens, hidden) -> (B, P, hidden)."""
    side = math.isqrt(pictures.shape[1] // panels)
    return pictures.view(len(pictures), side, panels, side, -1).mean((1, 3))
