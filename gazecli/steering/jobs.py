"""Many pictures, one model: jobs, the lines of JSON they are written as, and their answers one by one.

What one picture or line has wrong is that job's own result, and the others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, TypeVar, get_type_hints

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from gazecli.canonical import json_digest, parse_json
from gazecli.errors import GazeError, UsageError, as_gaze_error
from gazecli.heads.headset import Head, HeadSet
from gazecli.heads.headset_store import find_headset
from gazecli.models.attention.modes import Mode, Scope, parse_strength
from gazecli.models.image_token_bound import check_image_tokens
from gazecli.models.vlm import VLM
from gazecli.pictures.image_files import MAX_PIXELS
from gazecli.pictures.picture import Picture, check_choice
from gazecli.pictures.regions import Region
from gazecli.steering.settings import STATIC_PROMPT, SteerSettings, question_for
from gazecli.steering.steer import Steering, steer_regions

LONGEST_LINE = 1 << 20  # bytes
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to be described. Names and defaults are those of the options of `gaze steer`.

    region: a panel's number, a region spec, or a list of these, each with an answer. regions: boxes, or a
    JSON file of them. prompt: None for the question that `gaze steer` asks about such regions. strength:
    `auto` is that of the head set. id: whatever tells the job from others, passed through.
    """

    picture: Picture | str | Path
    region: int | str | list[int | str] | None = None
    all_regions: bool = False
    panels: int | str = "auto"
    regions: str | Path | list[Any] | None = None
    rtl: bool = False
    spread: bool = False
    max_pixels: int = MAX_PIXELS
    prompt: str | None = None
    max_new_tokens: int = 64
    no_baseline: bool = False
    strength: float | str = "auto"
    mode: Mode = "boost-suppress"
    scope: Scope = "full"
    top: int | str = "auto"
    score: str = "auto"
    no_squash: bool = False
    image_tokens: int | None = None
    id: JsonValue = None

    @property
    def settings(self) -> SteerSettings:
        """How to steer; an opened job has a prompt."""
        prompt = STATIC_PROMPT if self.prompt is None else self.prompt
        return SteerSettings(prompt, self.strength, self.mode, self.scope, self.max_new_tokens)

    def resolved(self, headset: HeadSet) -> Job:
        """The job with the strength that `auto` means for this head set."""
        return replace(self, strength=headset.resolve_strength(self.strength))

    def check(self, headset: HeadSet) -> None:
        """Raise BadInput for what is wrong whatever the picture is."""
        self.resolved(headset).settings.check()
        check_image_tokens(self.image_tokens)
        headset.top(self.top, self.score)
        check_choice(self.panels, self.regions, self.rtl, self.spread)

    def opened(self, headset: HeadSet) -> OpenJob:
        """The job with its picture open and its heads chosen; BadInput for whatever is wrong with it."""
        self.check(headset)
        score = headset.resolve_score(self.score)
        picture = self.picture
        if not isinstance(picture, Picture):
            boxes = Path(self.regions) if isinstance(self.regions, str) else self.regions
            picture = Picture.open(
                picture, self.panels, boxes, self.rtl, spread=self.spread, max_pixels=self.max_pixels
            )
        specs = self.region if isinstance(self.region, list) else [] if self.region is None else [self.region]
        targets = picture.targets(specs, self.all_regions, or_whole=self.mode == "blind")
        prompt = question_for(picture, targets) if self.prompt is None else self.prompt
        return OpenJob(
            replace(self.resolved(headset), prompt=prompt),
            picture,
            targets,
            headset.top(self.top, score),
            score,
            headset.digest,
        )


@dataclass(frozen=True)
class OpenJob:
    """A job that only waits for its model; `headset` is the digest of the head set the heads are of."""

    job: Job
    picture: Picture
    targets: list[Region]
    heads: list[Head]
    score: str
    headset: str

    def digest(self) -> str:
        """`sha256:…` over the id and all that decides the answers, the device and its precision aside."""
        settings = {**vars(self.job.settings), "strength": parse_strength(self.job.strength)}
        asked = {
            "id": self.job.id,
            "picture": self.picture.sha256,
            "regions": [_place(region) for region in self.picture.regions],
            "targets": [_place(target) for target in self.targets],
            "heads": self.heads,
            "score": self.score,
            "headset": self.headset,
            "settings": settings,
            "baseline": not self.job.no_baseline,
        }
        # Only what is not the default, so that answers of former versions are known again.
        if self.job.no_squash:
            asked["squash"] = False
        if self.job.image_tokens is not None:
            asked["image_tokens"] = self.job.image_tokens
        return f"sha256:{json_digest(asked)}"

    def steer(self, vlm: VLM) -> Steering:
        """The answers; raises what `steer_regions` raises."""
        return steer_regions(
            vlm,
            self.picture,
            self.targets,
            self.heads,
            self.job.settings,
            with_baseline=not self.job.no_baseline,
            squash=False if self.job.no_squash else None,
            image_tokens=self.job.image_tokens,
        )


def _place(region: Region) -> list[object]:
    mask = None if region.mask is None else hashlib.sha256(region.mask.tobytes()).hexdigest()
    return [region.number, [float(edge) for edge in region.box], mask]


@dataclass(frozen=True)
class JobResult:
    """What became of a job: its answers, or why there are none. Neither, when they were there already.

    opened: None when the job could not be opened.
    """

    id: JsonValue
    opened: OpenJob | None = field(default=None, repr=False)
    steering: Steering | None = field(default=None, repr=False)
    error: GazeError | None = None


def steer_many(
    vlm: VLM | Callable[[], VLM],
    headset: HeadSet | str | Path,
    jobs: Iterable[Job | JobResult],
    *,
    is_there: Callable[[OpenJob], bool] = lambda opened: False,
) -> Iterator[JobResult]:
    """The result of each job in turn, as soon as it is known; a job that failed already is its own result.

    `vlm` may be what loads the model, called once and only when a job needs it. Jobs that are there already
    (`is_there`) are not steered. A head set may be named, as for `find_headset`. Raises HeadSetError when
    there is none of that name, and when the heads are of another model.
    """
    headset = find_headset(headset)

    @cache
    def model() -> VLM:
        loaded = vlm if isinstance(vlm, VLM) else vlm()
        headset.check_model(loaded.digest, loaded.name)
        return loaded

    for job in jobs:
        if isinstance(job, JobResult):
            yield job
            continue
        opened = _made_or_error(partial(job.opened, headset))
        if isinstance(opened, GazeError):
            yield JobResult(job.id, error=opened)
        elif is_there(opened):
            yield JobResult(job.id, opened)
        else:
            steering = _made_or_error(partial(opened.steer, model()))
            if isinstance(steering, GazeError):
                yield JobResult(job.id, opened, error=steering)
            else:
                yield JobResult(job.id, opened, steering)


def _made_or_error(make: Callable[[], Made]) -> Made | GazeError:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - one picture must not end the call for all others
        return as_gaze_error(error)


def read_jobs(
    lines: IO[bytes], name: str, folder: Path, common: Mapping[str, Any]
) -> Iterator[Job | JobResult]:
    """The jobs of a file of JSON lines, called `name` in errors; a line that is none is a failed result.

    `common` are what all jobs have that do not say otherwise. Paths in a line are relative to `folder`. A job
    without an id gets its line's number.
    """
    for number, line in enumerate(_lines(lines), 1):
        if not line.strip():
            continue
        given: object = None
        try:
            given = _parsed(line)
            yield _job(given, folder, {**common, "id": number})
        except GazeError as error:
            error.subject = f"{name}, line {number}" + (f", {error.subject}" if error.subject else "")
            own = given.get("id") if isinstance(given, dict) else None
            yield JobResult(number if own is None else own, error=error)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of `file`, each as soon as it is there; one that is too long comes cut off."""
    while line := file.readline(LONGEST_LINE + 1):
        rest = line
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE + 1)
        yield line


def _parsed(line: bytes) -> object:
    if len(line) > LONGEST_LINE:
        raise _refusal(f"the line is longer than {LONGEST_LINE} bytes", None, "give a mask instead of boxes")
    try:
        return parse_json(line)
    except ValueError as error:
        hint = 'write one object a line, e.g. {"picture": "a.png", "region": 3}'
        raise _refusal(f"the line is not JSON ({str(error)[:100]})", None, hint) from error


def _job(given: object, folder: Path, common: Mapping[str, Any]) -> Job:
    if not isinstance(given, dict):
        raise _refusal("the line is not a JSON object", None, 'write {"picture": "a.png", "region": 3}')
    kinds = _kinds()
    own = {key: value for key, value in given.items() if value is not None}
    for key in given:
        if key not in kinds:
            raise _refusal("the job has an unknown key", key, f"it may have {', '.join(kinds)}")
    if "picture" not in own:
        raise _refusal("the job names no picture", None, 'write {"picture": "a.png", "region": 3}')
    if own["picture"] == "-":
        raise _refusal("standard input holds no picture of a job", None, "name a file")
    for key, value in own.items():
        try:
            kinds[key].validate_python(value)
        except ValidationError as error:
            expected = error.errors()[0].get("ctx", {}).get("expected")
            hint = f"it is {expected}" if expected else "`gaze steer --help` says what each option takes"
            raise _refusal(f"{key} has a value of the wrong kind", str(value)[:60], hint) from error
    for key in ("picture", "regions"):
        if isinstance(own.get(key), str):
            own[key] = str(folder / own[key])
    if "region" in own:
        several = isinstance(own["region"], list)
        specs = [_from(folder, spec) for spec in (own["region"] if several else [own["region"]])]
        own["region"] = specs if several else specs[0]
    shared = dict(common)
    # Each of two ways to say the same replaces the other.
    for one, other in (("region", "all_regions"), ("all_regions", "region"), ("regions", "panels")):
        if one in own:
            shared.pop(other, None)
    if "panels" in own:
        shared.pop("regions", None)
    return Job(**{**shared, **own})


@cache
def _kinds() -> dict[str, TypeAdapter[Any]]:
    """What checks the value of each key of a line."""
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    return {key: TypeAdapter(kind, config=config) for key, kind in get_type_hints(Job).items()}


def _from(folder: Path, spec: object) -> object:
    """A region spec whose mask lies in `folder`."""
    return f"@{folder / spec[1:]}" if isinstance(spec, str) and spec.startswith("@") and spec[1:] else spec


def _refusal(message: str, subject: str | None, hint: str) -> UsageError:
    return UsageError(message, subject=subject, hint=hint, code="job.invalid")
