"""Pictures to evaluate on, with what is known of each region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache as remembered
from typing import Literal

from gazecli.errors import BadInput, ComicsError, UsageError
from gazecli.heads.headset import HeadSet
from gazecli.pictures.comics.comics import Comics, Skipped, open_comics
from gazecli.pictures.comics.strip import Strip
from gazecli.pictures.compose import GAP, HEIGHT
from gazecli.pictures.image_files import hash_file
from gazecli.pictures.picture import Picture

Frame = Literal["stored", "upright"]


@dataclass(frozen=True)
class Turning:
    """That an EXIF orientation turns a picture, and in which pixels its boxes were annotated.

    frame: `stored`, those of the file, so that boxes were turned with the picture; `upright`, those of the
    picture as it is seen. assumed: width and height are the same in both, so that nothing tells.
    """

    frame: Frame
    assumed: bool


@dataclass(frozen=True)
class Example:
    """A picture and its regions. truths: what each region shows, None where it is not known.

    synonyms: other names of each truth, where truths are names of things and not captions. sizes: the size
    class of each region. strip: where the pixels come from, None where they are not at hand; `digest` then
    names the strip they would come from. turning: of a picture that an EXIF orientation turns.
    """

    name: str
    regions: int
    truths: tuple[str, ...] | None
    strip: Strip | None = None
    synonyms: tuple[tuple[str, ...], ...] = ()
    sizes: tuple[str, ...] = ()
    digest: str | None = None
    turning: Turning | None = None

    @property
    def identity(self) -> str | None:
        """`sha256:…` of its pixels and regions; reads the files where they are at hand."""
        return self.digest if self.strip is None else self.strip.digest(hash_file)

    def load(self) -> Picture:
        """Decode the picture; raises as `Strip.load` does, ComicsError where pixels are not at hand."""
        if self.strip is None:
            raise ComicsError(
                "the pixels of this picture are not available",
                subject=self.name,
                hint="name the comics with --evaluate",
            )
        return self.strip.load()


@dataclass(frozen=True)
class Examples:
    """The pictures that can be judged, and those that cannot, with reasons."""

    comics: Comics
    usable: list[Example]
    skipped: list[Skipped]


def turned_counts(examples: Sequence[Example]) -> dict[str, int] | None:
    """How many pictures an EXIF orientation turns, by the frame of their boxes; of how many it is assumed.

    None where there are none.
    """
    turnings = [example.turning for example in examples if example.turning is not None]
    counts = {
        "stored": sum(turning.frame == "stored" for turning in turnings),
        "upright": sum(turning.frame == "upright" for turning in turnings),
        "assumed": sum(turning.assumed for turning in turnings),
    }
    return counts if turnings else None


def chance_of(examples: Sequence[Example]) -> float:
    """Accuracy of guessing one of each picture's regions, mean over targets."""
    # Each of n regions is guessed with 1 / n, so every picture adds one hit to its n targets.
    return len(examples) / sum(example.regions for example in examples)


def shared_with_discovery(examples: Examples, numbers: Sequence[int], headset: HeadSet) -> int:
    """How many of the pictures `numbers` are known to be strips in which the heads were found.

    A head set knows its strips by one digest of all. So they are looked for in the folder of these pictures:
    drawn from it as discovery drew them, strips of that digest are those of discovery. Strips that also lie
    in another folder, or in one that has changed since, are not found.
    """
    comics, found_on = examples.comics, headset.header["comics"]["digest"]
    if headset.kind != "pictures":
        return 0
    if comics.digest == found_on:
        return len(numbers)
    hashed = remembered(hash_file)
    try:
        found = _drawn_again(comics, headset)
        if replace(found, hash_files=lambda files: list(map(hashed, files))).digest != found_on:
            return 0
        known = {strip.digest(hashed) for strip in found.strips}
    except (BadInput, UsageError):
        return 0
    strips = [examples.usable[number].strip for number in numbers]
    return sum(strip is not None and strip.digest(hashed) in known for strip in strips)


def _drawn_again(comics: Comics, headset: HeadSet) -> Comics:
    """The strips of the same folder that discovery with the head set's settings draws."""
    settings, recipe = headset.header["settings"], comics.strips[0].recipe
    return open_comics(
        comics.path,
        panels=headset.panels,
        height=int(settings.get("height", HEIGHT)),
        gap=int(settings.get("gap", GAP)),
        samples=settings.get("samples"),
        seed=int(settings.get("seed", 42)),
        layout=settings.get("layout"),
        rtl=recipe.rtl,
        spread=recipe.spread,
    )


def is_readable(example: Example, skipped: list[Skipped]) -> bool:
    """Whether the picture can be decoded; the reason joins `skipped` if not."""
    try:
        example.load()
    except BadInput as error:
        skipped.append(Skipped.by(error, example.name))
        return False
    return True


def examples_of(comics: Comics, need_captions: bool = True) -> Examples:
    """The strips of a folder that can be read and, with `need_captions`, have captions.

    Raises ComicsError when there is none.
    """
    usable: list[Example] = []
    skipped = list(comics.skipped)
    for strip in comics.strips:
        if strip.captions is None and need_captions:
            skipped.append(Skipped(strip.name, "it has no captions to judge answers by"))
            continue
        truths = tuple(strip.captions) if strip.captions is not None else None
        example = Example(strip.name, comics.panels, truths, strip)
        if is_readable(example, skipped):
            usable.append(example)
    if not usable and need_captions:
        raise ComicsError(
            "no strip has captions, by which answers are judged",
            subject=str(comics.path),
            hint="write a captions.txt with a line a panel into each comic's folder, or choose --judge",
            code="comics.captions",
        )
    if not usable:
        raise ComicsError(
            "no strip can be read",
            subject=str(comics.path),
            hint="`gaze comics check` lists what is wrong with each",
        )
    return Examples(comics, usable, skipped)
