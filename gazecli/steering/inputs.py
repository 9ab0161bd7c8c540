"""What a person gives for a model and for heads becomes what steering takes; and where both came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gazecli.cache.store import Cache
from gazecli.errors import ModelError, UsageError
from gazecli.heads.headset import HeadSet, Selection
from gazecli.heads.headset_store import find_headset, named_heads, newest_headset
from gazecli.models.attention.modes import STRENGTH
from gazecli.models.head_pairs import Heads, HeadSource, head_pairs
from gazecli.models.load import load
from gazecli.models.vlm import VLM, ModelFacts

# A loaded model, or what to load: an alias, a Hub id or a folder.
Model = VLM | str | Path


@dataclass(frozen=True)
class Origin:
    """Which model wrote a text, and which head set's heads, by which score, were steered or watched.

    headset and score: None for heads that were listed.
    """

    model: ModelFacts
    headset: str | None = None
    score: str | None = None

    @classmethod
    def of(cls, vlm: VLM, heads: Heads) -> Origin:
        """Of heads as `VLM.heads_among` takes them."""
        if isinstance(heads, HeadSet):
            return cls(vlm.facts, heads.digest or None, heads.resolve_score())
        if isinstance(heads, Selection) and heads.headset is not None:
            return cls(vlm.facts, heads.headset.digest or None, heads.score)
        return cls(vlm.facts)


def loaded(model: Model) -> VLM:
    """The model as it is, or loaded by name; ModelError for what is neither."""
    if isinstance(model, VLM):
        return model
    if not isinstance(model, str | Path):
        raise ModelError(
            "this is not a model",
            subject=type(model).__name__,
            hint='give what gazecli.load or gazecli.attach returns, a name such as "tiny", or a folder',
            code="model.kind",
        )
    return load(model)


def strength_for(heads: Heads, strength: float | str = "auto") -> float | str:
    """A strength as given; `auto` is what the head set of these heads suggests, 10 for heads of none."""
    headset = heads if isinstance(heads, HeadSet) else getattr(heads, "headset", None)
    if isinstance(headset, HeadSet):
        return headset.resolve_strength(strength)
    return STRENGTH if strength == "auto" else strength


def choose_heads(
    model: Model,
    heads: Heads | None,
    top: int | str = "auto",
    score: str = "auto",
    cache: Cache | None = None,
) -> Heads:
    """The heads that were given, or the best `top` by `score` of a head set: given, named, or the newest.

    Raises HeadSetError for a head set that is not there, UsageError for an impossible `top` or `score`, and
    for either beside heads that were listed. Loads no model.
    """
    cache = cache if cache is not None else Cache()
    if heads is not None:
        found = named_heads(heads, cache)
    elif isinstance(model, VLM):
        found = newest_headset(model.digest, model.name, cache)
    else:
        found = find_headset(str(model), cache)
    if isinstance(found, HeadSet):
        return found.top(top, score)
    for name, value in (("top", top), ("score", score)):
        if value != "auto":
            raise UsageError(f"{name} has no effect on listed heads", subject=str(value), hint="leave it out")
    return found if isinstance(found, HeadSource) else head_pairs(found)
