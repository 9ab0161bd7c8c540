"""Comics folders: draw strips, fetch published ones, read and check a folder.

gazecli.comics.make("comics/", count=20), gazecli.comics.check("comics/"), gazecli.comics.open("comics/")
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from gazecli.errors import BadInput, ComicsError
from gazecli.pictures.comics.comics import Comics, Skipped, open_comics, unusable_hint
from gazecli.pictures.comics.dataset import Source, fetch_comics
from gazecli.pictures.comics.folder_formats import natural_key
from gazecli.pictures.comics.renaming import renaming_of
from gazecli.pictures.picture import TWO_PAGES
from gazecli.reports.documents.housekeeping import (
    ComicsDocument,
    FoundCountPart,
    FoundPart,
    SourcePart,
)
from gazecli.reports.documents.parts import SkippedPart
from gazecli.tiny.comics import make_comics

__all__ = ["check", "fetch", "make", "open"]

Progress = Callable[[int, int | None], None]
PAPERS = "baulab/openai-comic-strips"  # 500 strips, by the paper's authors
LayoutName = Literal["panels", "raw", "strips", "manifest"]


def open(  # noqa: A001 - as in gazecli.comics.open
    path: str | Path,
    *,
    panels: int = 6,
    layout: LayoutName | None = None,
    samples: int | None = None,
    seed: int = 42,
    rtl: bool = False,
    spread: bool = False,
) -> Comics:
    """The strips of a folder, which `gazecli.discover` takes; no pixels yet.

    `layout` is recognised when left out; `samples` strips are drawn by `seed`. Raises ComicsError for a
    folder without a usable strip.
    """
    return open_comics(
        Path(path), panels=panels, samples=samples, seed=seed, layout=layout, rtl=rtl, spread=spread
    )


def make(
    dest: str | Path,
    count: int = 40,
    *,
    seed: int = 1,
    panels: int = 6,
    split: Literal["test", "train", "all"] = "all",
    force: bool = False,
    progress: Progress = lambda done, total: None,
) -> ComicsDocument:
    """Draw fresh strips with captions into a folder, as the model `tiny` knows them.

    The same seed draws the same strips. split: `all` as they come, a tenth of the scenes in combinations that
    `tiny` never saw; `test` only such. `progress` is called with strips (done, in all). Raises UsageError for
    impossible numbers and, without `force`, for a folder that is not empty; GazeError when writing fails.
    """
    make_comics(Path(dest), count, seed, panels, split, force=force, progress=progress)
    return comics_document("make", open_comics(Path(dest), panels=panels, layout="panels"), seed=seed)


def check(
    path: str | Path,
    *,
    panels: int = 6,
    layout: LayoutName | None = None,
    rtl: bool = False,
    spread: bool = False,
    progress: Progress = lambda done, total: None,
) -> ComicsDocument:
    """Read every strip of a folder: how many panels each has, which can be used and which not, and why.

    `progress` is called with strips (done, in all). Raises ComicsError where none can be used.
    """
    opened = open_comics(Path(path), panels=panels, layout=layout, rtl=rtl, spread=spread)
    bad: list[Skipped] = []
    found: list[FoundPart] = []
    doubtful: list[str] = []
    for number, strip in enumerate(opened.strips, 1):
        try:
            picture = strip.load()
            found.append(FoundPart(strip=strip.name, panels=picture.panels, used=True))
            doubtful += [strip.name] * bool(picture.warnings)
        except BadInput as error:
            bad.append(Skipped.by(error, strip.name))
        progress(number, len(opened.strips))
    if len(bad) == len(opened.strips):
        first = bad[0].reason if bad else "it holds none"
        raise ComicsError(
            f"no strip can be used ({first})",
            subject=str(path),
            hint=unusable_hint(Path(path), bad),
        )
    found += [FoundPart(strip=skip.path, panels=skip.panels, used=False) for skip in [*opened.skipped, *bad]]
    document = comics_document("check", opened, bad, found=found)
    if doubtful:
        more = f" (and {len(doubtful) - 1} more)" if len(doubtful) > 1 else ""
        document = document.model_copy(update={"warnings": [f"{doubtful[0]}{more} looks like {TWO_PAGES}"]})
    return document


def fetch(
    dest: str | Path,
    dataset: str = PAPERS,
    revision: str | None = None,
    *,
    progress: Progress = lambda done, total: None,
    show_transfer: bool = False,
) -> ComicsDocument:
    """Fetch published comics from the Hub, each picture checked, with license and commit noted beside them.

    A second call does nothing, an interrupted one goes on. Reading them needs pyarrow, the extra `data`.
    `show_transfer` lets huggingface_hub draw its bars. Raises as `gazecli.fetch_comics`.
    """
    source = fetch_comics(Path(dest), dataset, revision, progress=progress, show_transfer=show_transfer)
    opened = open_comics(Path(dest), panels=source.panels, layout="panels")
    return comics_document("fetch", opened, source.skipped, source=source)


def comics_document(
    action: Literal["make", "check", "fetch"],
    comics: Comics,
    bad: Sequence[Skipped] = (),
    seed: int | None = None,
    source: Source | None = None,
    found: Sequence[FoundPart] = (),
) -> ComicsDocument:
    """What was made, checked or fetched; `bad` are strips that cannot be used."""
    counts = Counter(sorted(part.panels for part in found if part.panels is not None))
    names = {skip.path for skip in bad}
    usable = [strip for strip in comics.strips if strip.name not in names]
    folder = comics.path
    return ComicsDocument(
        action=action,
        path=str(comics.path),
        layout=comics.layout,
        panels=comics.panels,
        strips=len(usable),
        captioned=sum(strip.captions is not None for strip in usable),
        digest=comics.digest,
        skipped=[
            SkippedPart(
                path=skip.path, reason=skip.reason, hint=_hint(folder, skip) if action == "check" else None
            )
            for skip in [*comics.skipped, *bad]
        ],
        found=sorted(found, key=lambda part: natural_key(part.strip)),
        histogram=[FoundCountPart(panels=panels, strips=strips) for panels, strips in counts.most_common()],
        seed=seed,
        source=None if source is None else SourcePart.model_validate(source),
    )


def _hint(folder: Path, skip: Skipped) -> str | None:
    """What to rename in a comic without panel files, else what is known to help."""
    return (renaming_of(folder / skip.path) if skip.panels == 0 else None) or skip.hint
