"""What is measured of a model while it trains, with the parts that `gaze` itself measures with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import Qwen2Tokenizer, Qwen2VLForConditionalGeneration

from gazecli.cache.store import Cache
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.examples import Example, examples_of
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.evaluation.tasks.task import Task
from gazecli.heads.discover import discover
from gazecli.heads.questions import panel_prompts
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.settings import SteerSettings
from gazecli.tiny.comics import make_comics
from gazecli.tiny.training.architecture import save_checkpoint
from gazecli.tiny.training.batches import ATTRIBUTES, BatchSource, attributes_of_strips, draw_strips
from gazecli.tiny.training.evaluate import nearest
from gazecli.tiny.training.forward import encode_pictures
from gazecli.tiny.training.losses import panel_means

QUESTION = "What happens in panel {number}?"
ANSWER_TOKENS = 16
CONTROLS = 3
READ = ("colour", "subject", "action", "object", "place", "panel")  # by the probe
_RIDGE = 1e-2


@dataclass(frozen=True)
class Probe:
    """Pictures with what they show: a linear map is fitted to the first part and tested on the rest.

    patches: (N, patches, 588). attributes: (N, P, 5).
    """

    patches: torch.Tensor
    attributes: torch.Tensor
    fitted: int

    @classmethod
    def draw(cls, source: BatchSource, panels: int, fitted: int, tested: int) -> Probe:
        """Fresh strips of `source`."""
        patches, chosen = draw_strips(source, fitted + tested, panels)
        return cls(patches, attributes_of_strips(source.pool, chosen), fitted)

    @torch.no_grad()
    def read(self, model: Qwen2VLForConditionalGeneration) -> dict[str, float]:
        """The share right on strips that the map was not fitted to: each attribute from the mean of a panel's
        tokens, and from a single token the panel it lies in.
        """
        panels = self.attributes.shape[1]
        tokens = encode_pictures(model, self.patches, (4, 4 * panels))  # (N, 4 P, D)
        means = panel_means(tokens, panels)  # (N, P, D)
        read = {
            name: self._right(means, self.attributes[..., place], len(words))
            for place, (name, words) in enumerate(zip(READ[:-1], ATTRIBUTES, strict=True))
        }
        place = torch.arange(2 * panels).repeat(2).div(2, rounding_mode="floor")  # (4 P,)
        read["panel"] = self._right(tokens, place.expand(len(tokens), -1), panels)
        return {name: round(share, 3) for name, share in read.items()}

    def _right(self, features: torch.Tensor, classes: torch.Tensor, count: int) -> float:
        """Share right of a ridge regression onto the classes: features (N, n, D), classes (N, n)."""
        mean, spread = features.mean((0, 1)), features.std((0, 1)) + 1e-6
        scaled = (features - mean) / spread
        scaled = torch.cat([scaled, torch.ones_like(scaled[..., :1])], -1).double()
        known, fresh = scaled[: self.fitted].flatten(0, 1), scaled[self.fitted :].flatten(0, 1)
        goals = torch.nn.functional.one_hot(classes[: self.fitted].flatten(), count).double()
        square = known.T @ known + _RIDGE * len(known) * torch.eye(known.shape[1], dtype=known.dtype)
        weights = torch.linalg.solve(square, known.T @ goals)
        right = (fresh @ weights).argmax(1) == classes[self.fitted :].flatten()
        return float(right.double().mean())


class Observer:
    """Measures a model in training on strips it never meets; `folder` holds them and a scratch cache.

    discovery, steered: strips for the scores and for the answers.
    """

    def __init__(
        self,
        folder: Path,
        model: Qwen2VLForConditionalGeneration,
        tokenizer: Qwen2Tokenizer,
        panels: int,
        probe: Probe,
        discovery: int,
        steered: int,
    ) -> None:
        save_checkpoint(folder / "checkpoint", model, tokenizer, max_pixels=60 * 60 * panels)
        self.vlm: VLM = load(str(folder / "checkpoint"), device="cpu", dtype="float32")
        self.folder, self.panels, self.probe = folder, panels, probe
        make_comics(folder / "discovery", discovery, 810_001, panels)
        make_comics(folder / "steered", steered, 820_001, panels)
        self.examples: list[Example] = examples_of(open_comics(folder / "steered", panels=panels)).usable
        self.cache = Cache(folder / "cache")

    def measure(self, model: Qwen2VLForConditionalGeneration) -> dict[str, object]:
        """Scores of every head, answers with and without heads steered or blinded, and what probes read."""
        self.vlm.model.load_state_dict(model.state_dict())
        headset = discover(
            self.vlm,
            self.folder / "discovery",
            panels=self.panels,
            prompt=QUESTION,
            cache=self.cache,
            force=True,
        )
        gaze = Choice(tuple(headset.top()))
        controls = [Choice(tuple(headset.controls(seed=seed))) for seed in range(CONTROLS)]
        every = Choice(tuple(headset.top(self.vlm.layers * self.vlm.heads)))
        static = RedirectionTask(self.vlm, self.examples, SteerSettings(max_new_tokens=ANSWER_TOKENS))
        asked = BlindingTask(self.vlm, self.examples, panel_prompts(QUESTION, self.panels), ANSWER_TOKENS)
        return {
            "raw": _rounded(headset.scores("raw")),
            "selectivity": _rounded(headset.scores("selectivity")),
            "null": round(float(headset.header["honesty"]["null_95"]), 4),
            "suggested": [list(head) for head in gaze.heads],
            "static": self._shares(static, {"gaze": gaze, "all": every, "unsteered": Choice()}, controls),
            "asked": self._shares(asked, {"nobody": Choice(), "gaze": gaze}, controls),
            "probe": self.probe.read(model),
        }

    def _shares(
        self, task: Task, named: Mapping[str, Choice], controls: Sequence[Choice]
    ) -> dict[str, dict[str, float]]:
        """Of the answers about each region under each choice of heads: the share that is exactly the region's
        caption, and the share that is nearer to it than to any other caption of the strip. Controls are
        averaged.
        """
        choices = list(dict.fromkeys([*named.values(), *controls]))
        hits: dict[Choice, list[tuple[bool, bool]]] = {choice: [] for choice in choices}
        for number, answers in task.responses(range(len(self.examples)), choices):
            captions = self.examples[number].truths or ()
            for choice, responses in zip(choices, answers, strict=True):
                hits[choice] += [
                    (each.text == captions[each.target - 1], nearest(each.text, captions) == each.target)
                    for each in responses
                ]
        means = {choice: np.mean(found, axis=0) for choice, found in hits.items()}
        shares = {name: means[choice] for name, choice in named.items()}
        shares["controls"] = np.mean([means[choice] for choice in controls], axis=0)
        return {
            name: {"exact": round(float(exact), 4), "about": round(float(about), 4)}
            for name, (exact, about) in shares.items()
        }


def _rounded(scores: np.ndarray) -> list[list[float]]:
    return [[round(float(score), 4) for score in layer] for layer in scores]
