"""What a person gives for a model and for heads becomes what steering takes; and where both came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gazecli.cache.store import Cache
from gazecli.errors import HeadSetError, ModelError, UsageError
from gazecli.heads.headset import HeadSet, Selection
from gazecli.heads.headset_store import find_headset, newest_headset
from gazecli.heads.rankings import parse_heads
from gazecli.models.load import load
from gazecli.models.vlm import VLM, Heads, HeadSource, ModelFacts

# A loaded model, or what to load: an alias, a Hub id or a folder.
Model = VLM | str | Path
# A head set, its digest, file or model; heads as pairs or as "3.4,3.5"; None is the model's newest head set.
ChosenHeads = Heads | HeadSet | str | Path | None


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
            "this is no model",
            subject=type(model).__name__,
            hint='give what gazecli.load or gazecli.attach returns, a name such as "tiny", or a folder',
            code="model.kind",
        )
    return load(model)


def choose_heads(
    model: Model,
    heads: ChosenHeads,
    top: int | str = "auto",
    score: str = "auto",
    cache: Cache | None = None,
) -> Heads:
    """The heads that were given, or the best `top` by `score` of the head set that was given.

    Raises HeadSetError for a head set that is not there, UsageError for an impossible `top` or `score`, and
    for either beside heads that were listed. Loads no model.
    """
    cache = cache if cache is not None else Cache()
    listed = parse_heads(heads) if isinstance(heads, str) else None
    if heads is None:
        if isinstance(model, VLM):
            headset = newest_headset(model.digest, model.name, cache)
        else:
            headset = find_headset(str(model), cache)
    elif isinstance(heads, HeadSet):
        headset = heads
    elif isinstance(heads, str | Path) and listed is None:
        headset = find_headset(str(heads), cache)
    else:
        for name, value in (("top", top), ("score", score)):
            if value != "auto":
                raise UsageError(
                    f"{name} cannot matter for heads that are listed", subject=str(value), hint="leave it out"
                )
        given = listed if listed is not None else heads
        if isinstance(given, HeadSource):
            return given
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise HeadSetError(
                "these are no heads",
                subject=repr(given)[:80],
                hint='give a head set, its digest or file, "3.4,3.5", or pairs [(3, 4), (3, 5)]',
                code="headset.kind",
            )
        return given
    return headset.top(top, score)
