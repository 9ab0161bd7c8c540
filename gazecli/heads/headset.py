"""`HeadSet`: what discovery found, in memory and as an artifact.

Two forms are stored. A measured head set has matrices, shapes, image_mass, halves and null, and may have
image_z and spatial; an imported ranking has scores and which heads it lists. Both are checked when read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gazecli.cache.artifact import Artifact
from gazecli.errors import HeadSetError, UsageError
from gazecli.heads.questions import given_template
from gazecli.heads.scores import SCORE_NAMES, UNTESTED, diagonal_mean, localization, ranking
from gazecli.models.attention.modes import HARD, STRENGTH
from gazecli.results import HeadSetResult

if TYPE_CHECKING:
    from gazecli.cache.store import Cache
    from gazecli.heads.hub import Pushed

__all__ = ["KIND", "Head", "HeadSet", "Selection"]

KIND = "headset"
SHOWN = (".html", ".htm", ".csv", ".png", ".svg", ".pdf")
TENSORS = ("matrices", "shapes", "image_mass", "halves", "null")
# What later versions keep beside them; no shares of attention.
LATER = ("image_z", "spatial")
RANKED = frozenset({"scores", "listed"})
MOST_PANELS = 100
# Attention sums to one; what float32 adds up may lie a little above.
_MOST = 1.0 + 1e-3

Tensors = Mapping[str, npt.NDArray[Any]]
Float32 = npt.NDArray[np.float32]


class Head(NamedTuple):
    """One attention head; both count from 0."""

    layer: int
    head: int


class Selection(list[Head]):
    """Heads chosen from a head set, best first: a list that knows the head set, and the score it went by."""

    def __init__(
        self, heads: Iterable[Head] = (), headset: HeadSet | None = None, score: str | None = None
    ) -> None:
        super().__init__(heads)
        self.headset = headset
        self.score = score

    def top(self) -> Sequence[Head]:
        """The heads themselves."""
        return self

    def check_model(self, digest: str, name: str) -> None:
        """Raise HeadSetError for a model that the head set does not belong to."""
        if self.headset is not None:
            self.headset.check_model(digest, name)


@dataclass(frozen=True, repr=False, eq=False)
class HeadSet(HeadSetResult):
    """Every head's matrices and scores for one model and one set of comics.

    matrices: (L, H, P, P) mean raw attention, panel of the question x attended panel. shapes: the same,
    each strip's rows normalised before averaging. image_mass: (L, H) mean attention on all image tokens.
    halves: (2, L, H, P, P) raw means over even and odd strips. null: (R, L, H) gaze scores with shuffled
    labels. image_z: (L, H) image mass as z-scores within layers. spatial: (2, L, H) mean spatial entropy, and
    share of peaks at the bottom; both None in head sets made before they were measured. ranked: (L, H) scores
    of an imported ranking, NaN for heads it does not list; nothing was measured then, and the arrays above
    are empty or NaN. header: the JSON that is hashed with the tensors.
    """

    header: Mapping[str, Any]
    matrices: Float32
    shapes: Float32
    image_mass: Float32
    halves: Float32
    null: Float32
    digest: str = ""
    path: Path | None = None
    ranked: Float32 | None = None
    cached: bool = False
    resumed_from: int = 0
    timing: Mapping[str, Any] = field(default_factory=dict)
    image_z: Float32 | None = None
    spatial: Float32 | None = None

    @classmethod
    def load(cls, spec: str | Path, cache: Cache | None = None) -> HeadSet:
        """A head set by digest or unique prefix, by file, by model (its newest), or of the Hub.

        That is `hf:OWNER/REPO@COMMIT`; without a commit the newest, and without `hf:` where nothing here is
        called so. Raises HeadSetError when there is none, several begin alike, or it is damaged, HubError
        when the Hub cannot be reached.
        """
        from gazecli.heads.headset_store import find_headset

        try:
            return find_headset(spec, cache)
        except HeadSetError as error:
            name = str(spec)
            if error.code not in ("headset.none", "headset.missing") or name.count("/") != 1:
                raise
            return find_headset(f"hf:{name}", cache)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write it into the file `path`, or into that folder under its own name; returns the file.

        `load` and `gaze cache import` read it again. A file named *.json is the ranking alone: layer, head
        and score; *.html, *.csv, *.png, *.svg and *.pdf show it. Raises UsageError when another file is there
        and may not be replaced, GazeError when writing fails.
        """
        from gazecli.cache.store import save_artifact
        from gazecli.heads.rankings import export_ranking

        path = Path(path)
        kind = "" if path.is_dir() else path.suffix.lower()
        if kind == ".json":
            return export_ranking(self, path, overwrite=overwrite)
        if kind in SHOWN:
            return super().save(path, overwrite=overwrite)
        return save_artifact(self.to_artifact(), path, overwrite=overwrite)

    def __repr__(self) -> str:
        layers, heads = self.image_mass.shape
        strips, suggested = self.header["comics"]["strips"], self.header["suggested"]
        unit, part = ("lists", "texts") if self.kind == "text" else ("strips", "panels")
        origin = f"{strips} {unit} of {self.panels} {part}" if self.ranked is None else self.kind
        return (
            f"HeadSet({self.digest[:19] or 'not kept'}, {self.model['name']}, {layers} x {heads} heads, "
            f"{origin}, suggested: top {suggested['top']} by {suggested['score']})"
        )

    @classmethod
    def of_tensors(cls, header: Mapping[str, Any], tensors: Tensors) -> HeadSet:
        """A head set of the tensors named as its fields are."""
        own: dict[str, Any] = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
        return cls(header, **own)

    @classmethod
    def of_ranking(cls, header: Mapping[str, Any], tensors: Tensors) -> HeadSet:
        """A head set of `scores` alone: (L, H), of the heads `listed`: bool (L, H)."""
        scores, listed = tensors["scores"], tensors["listed"]
        layers, heads = scores.shape
        nothing = np.zeros((layers, heads, 0, 0), np.float32)
        return cls(
            header=header,
            matrices=nothing,
            shapes=nothing,
            image_mass=np.full((layers, heads), np.nan, np.float32),
            halves=np.stack([nothing, nothing]),
            null=np.zeros((0, layers, heads), np.float32),
            ranked=np.where(listed, scores, np.nan).astype(np.float32),
        )

    @property
    def model(self) -> Mapping[str, Any]:
        """Which model the heads belong to."""
        block: Mapping[str, Any] = self.header["model"]
        return block

    @property
    def kind(self) -> str:
        """How it came about: found on `pictures` or `text`, an imported `ranking`, or `listed` by hand."""
        return str(self.header.get("kind", "pictures" if self.ranked is None else "ranking"))

    @property
    def panels(self) -> int:
        """Panels a strip."""
        return int(self.header["comics"]["panels"] if self.ranked is not None else self.matrices.shape[-1])

    @property
    def made_with(self) -> dict[str, str]:
        """The versions of torch and transformers that measured it; empty in head sets made before 1.0."""
        return dict(self.header.get("versions", {}))

    @property
    def question(self) -> str | None:
        """The template of the questions it was found by; None for an imported ranking."""
        kept = self.header["settings"].get("prompt")
        return given_template(kept) if kept else None

    def scores(self, score: str = "raw") -> Float32:
        """Every head's score: (L, H) float32, NaN for a head that an imported ranking does not list.

        Raises UsageError for an unknown score and for one that an imported ranking does not have,
        HeadSetError for one this head set was made too early for.
        """
        if score not in SCORE_NAMES:
            raise UsageError("no such score", subject=score, hint=f"use one of {', '.join(SCORE_NAMES)}")
        if self.ranked is not None:
            if score != self.header["suggested"]["score"]:
                raise UsageError("this head set has one score only", subject=score, hint="leave --score out")
            return self.ranked
        if score in ("raw", "selectivity"):
            return diagonal_mean(self.matrices if score == "raw" else self.shapes).astype(np.float32)
        if not self.has(score):
            raise HeadSetError(
                f"this head set does not know the {score} score",
                subject=self.digest or str(self.path),
                hint="it was made without: run gaze discover again, with --force",
                code="headset.score",
            )
        if self.spatial is None or score == "image":
            return np.asarray(self.image_z, np.float32)
        entropy, bottom = self.spatial
        return localization(self.image_mass, entropy, bottom).astype(np.float32)

    def has(self, score: str) -> bool:
        """Whether this head set has what `score` takes."""
        if self.ranked is not None:
            return bool(score == self.header["suggested"]["score"])
        return {"image": self.image_z, "localization": self.spatial}.get(score, self.matrices) is not None

    def resolve_score(self, score: str = "auto") -> str:
        """`auto` is the suggested score."""
        return str(self.header["suggested"]["score"]) if score == "auto" else score

    def resolve_top(self, top: int | str = "auto") -> int:
        """`auto` is the suggested number of heads.

        Raises UsageError when it is not between 1 and the number of heads.
        """
        count = int(self.header["suggested"]["top"]) if top == "auto" else top
        count = int(count) if isinstance(count, Integral) else count  # numpy's are no int
        total = self.scores(self.resolve_score()).size
        if self.ranked is not None:
            total -= int(np.isnan(self.ranked).sum())
        if not isinstance(count, int) or not 1 <= count <= total:
            raise UsageError(
                f"the number of heads must be `auto` or from 1 to {total}",
                subject=str(top),
                code="usage.top",
                hint="leave it out for the suggested number",
            )
        return count

    @property
    def strength(self) -> float | None:
        """The strength that a sweep chose for these heads; None where none did."""
        chosen = self.header["suggested"].get("strength")
        return None if chosen is None else float(chosen)

    def resolve_strength(self, strength: float | str = "auto") -> float | str:
        """`auto` is the suggested strength, 10 where no sweep chose one."""
        if strength != "auto":
            return strength
        return STRENGTH if self.strength is None else self.strength

    @property
    def is_untested(self) -> bool:
        """Whether its suggestion says that steering has not tested it; other head sets may say nothing."""
        return UNTESTED in self.header["suggested"]["why"]

    def top(self, k: int | str = "auto", score: str = "auto") -> Selection:
        """The `k` best heads by `score`, best first."""
        chosen = self.resolve_score(score)
        ordered = ranking(self.scores(chosen))
        return Selection((Head(*pair) for pair in ordered[: self.resolve_top(k)]), self, chosen)

    def controls(self, k: int | str = "auto", seed: int = 0, score: str = "auto") -> list[Head]:
        """Random heads outside the top `k`, as many from each layer as the top has there.

        Where a layer has too few left, the rest come from the other layers.

        Raises UsageError when fewer than `k` heads are outside.
        """
        chosen = self.top(k, score)
        layers, heads = self.matrices.shape[:2]
        outside = [Head(*place) for place in np.ndindex(layers, heads) if place not in chosen]
        if len(outside) < len(chosen):
            raise UsageError(
                f"only {len(outside)} heads are outside the top {len(chosen)}: no control is possible",
                subject=str(k),
                hint="choose a smaller K",
            )
        rng = np.random.default_rng([seed, len(chosen)])
        rng.shuffle(outside)
        picked: list[Head] = []
        for layer, wanted in sorted(Counter(head.layer for head in chosen).items()):
            picked += [head for head in outside if head.layer == layer][:wanted]
        rest = [head for head in outside if head not in picked]
        return sorted(picked + rest[: len(chosen) - len(picked)])

    def check_model(self, digest: str, name: str) -> None:
        """Refuse a model the heads do not belong to.

        Raises HeadSetError naming both models.
        """
        if digest == self.model["digest"]:
            return
        message, hint = f"this head set belongs to {self.model['name']}, not to {name}", ""
        if name.partition("@")[0] in (self.model["name"], self.model["id"]):
            message = f"this head set belongs to other weights of {self.model['name']} than these"
            if revision := self.model.get("revision"):
                hint = f"load those: --model {self.model['id']}@{revision}; or "
        raise HeadSetError(
            message,
            subject=self.digest or str(self.path),
            hint=f"{hint}run: gaze discover {name} {'--text' if self.kind == 'text' else 'COMICS'}",
            code="headset.other_model",
        )

    def push(
        self,
        repository: str,
        *,
        private: bool = False,
        pr: bool = False,
        unproven: bool = False,
        datasets: Sequence[str] = (),
        cache: Cache | None = None,
    ) -> Pushed:
        """Push it with its evidence to `OWNER/REPO` on the Hub, which is made when it is missing.

        With `private` nobody else sees it; with `pr` it is offered to the repository's owner as a pull
        request. datasets: names on the Hub of the comics it was found on; those that gaze fetched are known.
        Raises HeadSetError when no kept evaluation supports it, unless `unproven`; HubError when the Hub
        cannot be reached or refuses.
        """
        import gazecli

        return gazecli.push(
            self, repository, private=private, pr=pr, unproven=unproven, datasets=datasets, cache=cache
        )

    def to_artifact(self) -> Artifact:
        """The form that is hashed and stored.

        Raises HeadSetError when it holds NaN or infinity.
        """
        tensors: dict[str, npt.NDArray[Any]] = {
            name: tensor for name in (*TENSORS, *LATER) if (tensor := getattr(self, name)) is not None
        }
        if self.ranked is not None:
            listed = ~np.isnan(self.ranked)
            tensors = {"scores": np.where(listed, self.ranked, np.float32(0)), "listed": listed}
        for name, tensor in tensors.items():
            if not np.isfinite(tensor).all():
                raise HeadSetError(
                    f"this head set's {name} hold NaN or infinity, and are not stored",
                    subject=str(self.model["name"]),
                    hint="the model's weights may overflow: try --dtype float32 or bfloat16",
                    code="headset.not_finite",
                )
        return Artifact(kind=KIND, header=dict(self.header), tensors=tensors)

    @classmethod
    def from_artifact(cls, artifact: Artifact, digest: str, path: Path | None = None) -> HeadSet:
        """Read the stored form, checked.

        Raises HeadSetError when its tensors do not fit together, hold numbers that are no shares of
        attention, or its header is not whole.
        """
        check_stored(artifact, digest)
        make = cls.of_ranking if set(artifact.tensors) == RANKED else cls.of_tensors
        return replace(make(artifact.header, artifact.tensors), digest=digest, path=path)


def selections(headset: HeadSet, k: int) -> dict[str, list[Head]]:
    """The best `k` heads by every score the head set has, best first."""
    return {score: headset.top(k, score) for score in SCORE_NAMES if headset.has(score)}


def overlaps(chosen: Sequence[Sequence[Head]]) -> list[list[int]]:
    """How many heads each two selections share: a square, in their order."""
    return [[len(set(one) & set(other)) for other in chosen] for one in chosen]


def check_stored(artifact: Artifact, digest: str) -> None:
    """Raise HeadSetError when `artifact` is no head set, or one that cannot have come from gaze."""
    names = set(artifact.tensors)
    measured = set(TENSORS) <= names <= {*TENSORS, *LATER}
    if artifact.kind != KIND or not (measured or names == RANKED):
        raise _malformed("not a head set", digest)
    check = _measured if measured else _ranked
    layers, heads = check(artifact.tensors, digest)
    _check_header(artifact.header, layers, heads, digest)


def _measured(tensors: Tensors, digest: str) -> tuple[int, int]:
    matrices = tensors["matrices"]
    if matrices.ndim != 4 or not all(matrices.shape) or matrices.shape[2] != matrices.shape[3]:
        raise _malformed("this head set's matrices have no right shape", digest)
    plane = matrices.shape[:2]
    shapes = {
        "matrices": matrices.shape,
        "shapes": matrices.shape,
        "image_mass": plane,
        "halves": (2, *matrices.shape),
        "null": (*tensors["null"].shape[:1], *plane),
        "image_z": plane,
        "spatial": (2, *plane),
    }
    for name, tensor in tensors.items():
        fits = tensor.dtype == np.float32 and tensor.shape == shapes[name] and tensor.size
        if not fits or (name in LATER and not np.isfinite(tensor).all()):
            raise _malformed(f"this head set's {name} do not fit its matrices", digest)
        # Written so that a NaN is outside.
        if name not in LATER and not bool(((tensor >= 0) & (tensor <= _MOST)).all()):
            raise _malformed(f"this head set's {name} hold values that are not shares of attention", digest)
    if matrices.shape[2] > MOST_PANELS:
        raise _malformed(f"this head set has more than {MOST_PANELS} panels", digest)
    return plane


def _ranked(tensors: Tensors, digest: str) -> tuple[int, int]:
    scores, listed = tensors["scores"], tensors["listed"]
    if scores.ndim != 2 or scores.dtype != np.float32 or listed.shape != scores.shape:
        raise _malformed("this ranking's scores have no right shape", digest)
    if listed.dtype != np.bool_ or not listed.any() or not np.isfinite(scores).all():
        raise _malformed("this ranking lists no heads, or scores that are not finite numbers", digest)
    return scores.shape[0], scores.shape[1]


def _check_header(header: Mapping[str, Any], layers: int, heads: int, digest: str) -> None:
    blocks = {name: header.get(name) for name in ("model", "comics", "settings", "suggested")}
    for name, block in blocks.items():
        if not isinstance(block, dict):
            raise _malformed(f"this head set's header has no {name}", digest)
    model, comics, settings, suggested = (dict(block or {}) for block in blocks.values())
    texts = [model.get(name) for name in ("name", "id", "digest", "family", "dtype")]
    # Texts have no size.
    numbers = [settings.get(name) for name in ("height", "gap") if header.get("kind") != "text"]
    fits = (
        all(isinstance(text, str) for text in [*texts, comics.get("digest"), suggested.get("why")])
        and isinstance(settings.get("prompt", ""), str)
        and (model.get("layers"), model.get("heads")) == (layers, heads)
        and all(_whole(number) for number in [*numbers, comics.get("strips"), suggested.get("top")])
        and suggested.get("score") in SCORE_NAMES
        and 1 <= suggested["top"] <= layers * heads
        and _strength(suggested.get("strength"))
        and _skips(comics.get("skipped", []))
        and _honest(header.get("honesty"))
        and _named(header.get("versions", {}))
    )
    if not fits:
        raise _malformed("this head set's header is malformed", digest)


def _skips(listed: object) -> bool:
    return isinstance(listed, list) and all(
        isinstance(skip, dict) and _whole(skip.get("strip")) and isinstance(skip.get("reason"), str)
        for skip in listed
    )


def _named(versions: object) -> bool:
    return isinstance(versions, dict) and all(isinstance(version, str) for version in versions.values())


def _honest(block: object) -> bool:
    if block is None:
        return True
    if not isinstance(block, dict):
        return False
    figures = [block.get(name) for name in ("null_95", "null_mean")]
    agreement = [block.get("split_half_r"), block.get("split_half_overlap")]
    return (
        all(isinstance(figure, int | float) for figure in figures)
        and _whole(block.get("shuffles"))
        and (agreement == [None, None] or (isinstance(agreement[0], int | float) and _whole(agreement[1])))
    )


def _strength(number: object) -> bool:
    return number is None or (type(number) in (int, float) and 0 < number <= HARD)  # type: ignore[operator]


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _malformed(message: str, digest: str) -> HeadSetError:
    hint = "discover it again, or import it from a good copy"
    return HeadSetError(message, subject=digest, hint=hint, code="headset.malformed")
