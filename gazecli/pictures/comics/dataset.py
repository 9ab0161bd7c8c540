"""Comics published on the Hub as parquet -> a folder in the `panels` layout, whose `source.json` says whence.

A row is a comic: `comic_id`, its panels `panel_1`, `panel_2`, … (encoded pictures), and captions where there
are any, as a list `captions` or as `caption_1`, `caption_2`, …
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.canonical import read_json
from gazecli.errors import BadInput, ComicsError, UsageError, unwritable
from gazecli.pictures.comics.folder_formats import write_comic
from gazecli.pictures.comics.strip import Skipped
from gazecli.pictures.compose import panel_files
from gazecli.pictures.image_files import picture_format

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

PAPER_DATASET = "baulab/openai-comic-strips"
SOURCE = "source.json"

_SUFFIXES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
_ROWS_AT_ONCE = 8  # a row holds megabytes
_MAX_BYTES = 1 << 24
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_FORM = "a row is a comic: comic_id, panel_1, panel_2, … and captions"
_CHECK = "check the name (and `hf auth login` where it is private); an interrupted transfer goes on"


@dataclass(frozen=True)
class Source:
    """Where the comics of a folder come from. asked: the revision that was asked for; revision: its commit.

    panels: of each comic. license: as the data set's card says it. strips: how many comics there are; None
    while they are written.
    """

    dataset: str
    asked: str
    revision: str
    panels: int
    license: str | None = None
    strips: int | None = None
    skipped: list[Skipped] = field(default_factory=list)


def fetch_comics(
    dest: Path,
    dataset: str = PAPER_DATASET,
    revision: str | None = None,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    show_transfer: bool = False,
) -> Source:
    """Fetch a data set of comics from the Hub into the folder `dest`, every picture decoded once as a check.

    What is there already is not fetched again: a second call does nothing, an interrupted one goes on.
    `progress` is called with (done, total) comics; `show_transfer` lets huggingface_hub show its own bars.

    Raises UsageError without pyarrow or for a folder that holds something else, ComicsError when the data set
    cannot be fetched or holds no comics, GazeError when writing fails.
    """
    asked = revision or "main"
    known = source_of(dest)
    if dest.exists() and not dest.is_dir():
        raise UsageError("this is a file, not a folder", subject=str(dest), hint="name a new folder")
    if known is None and dest.is_dir() and any(dest.iterdir()):
        raise UsageError(
            "the folder is not empty", subject=str(dest), hint="name a new folder; it is made when missing"
        )
    if known is not None and (known.dataset != dataset or asked not in (known.asked, known.revision)):
        raise UsageError(
            f"the folder holds {known.dataset} at {known.asked}",
            subject=str(dest),
            hint="name another folder",
        )
    if known is not None and known.strips is not None:
        there = [entry for entry in dest.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        if sum(_is_whole(entry, known.panels) for entry in there) >= known.strips:
            return known
    parquet_file = _parquet_reader()
    # What a folder began with it ends with, also when the data set has moved on meanwhile.
    snapshot = _snapshot(dataset, known.revision if known else asked, show_transfer)
    files = [parquet_file(path) for path in sorted(snapshot.rglob("*.parquet"))]
    tables = [(file, panels) for file in files if (panels := _panel_columns(file.schema_arrow.names))]
    if not tables:
        raise ComicsError(f"this data set holds no comics ({_FORM})", subject=dataset, hint="name another")
    source = Source(dataset, asked, snapshot.name, len(tables[0][1]), _license(snapshot))
    total = sum(file.metadata.num_rows for file, _ in tables)
    try:
        dest.mkdir(parents=True, exist_ok=True)
        _note(dest, source)
        skipped, seen = [], set[str]()
        for number, (row, panels) in enumerate(_rows(tables), 1):
            name = _name_of(row["comic_id"], number)
            try:
                if name.casefold() in seen:
                    raise ComicsError("another comic has this comic_id", subject=name, hint=_FORM)
                if not _is_whole(dest / name, len(panels)):
                    write_comic(dest, name, *_contents(row, panels))
                seen.add(name.casefold())
            except BadInput as error:
                skipped.append(Skipped(name, error.message))
            progress(number, total)
        source = replace(source, strips=len(seen), skipped=skipped)
        if not seen:
            raise ComicsError(f"no comic can be used ({skipped[0].reason})", subject=dataset, hint=_FORM)
        _note(dest, source)
    except OSError as error:
        raise unwritable(dest, error, code="output.failed") from error
    return source


def source_of(folder: Path) -> Source | None:
    """Where the comics of a folder were fetched from; None for other folders. ComicsError: malformed."""
    path = folder / SOURCE
    if not path.is_file():
        return None
    hint = "fetch the comics into another folder"
    noted = read_json(path, _MAX_BYTES, SOURCE, ComicsError, hint)
    try:
        skipped = [Skipped(**each) for each in noted.pop("skipped")]
        source = Source(**noted, skipped=skipped)
        texts, counts = (source.dataset, source.asked, source.revision), (source.panels, source.strips or 0)
        if not all(isinstance(text, str) for text in texts) or not all(type(n) is int for n in counts):
            raise TypeError
    except (TypeError, KeyError, AttributeError) as error:
        raise ComicsError(f"{SOURCE} is malformed", subject=str(path), hint=hint) from error
    return source


def _note(dest: Path, source: Source) -> None:
    draft = dest / f".{SOURCE}"
    draft.write_text(json.dumps(asdict(source), indent=1) + "\n", encoding="utf-8")
    draft.replace(dest / SOURCE)


def _is_whole(comic: Path, panels: int) -> bool:
    """Whether a comic is there; ComicsError when a part of it is, which no writer leaves behind."""
    if not comic.is_dir():
        return False
    if len(panel_files(comic)) != panels:
        raise ComicsError(
            "this comic is incomplete", subject=str(comic), hint="remove its folder, and fetch again"
        )
    return True


def _parquet_reader() -> Callable[[Path], ParquetFile]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UsageError(
            "reading parquet needs pyarrow, which is not installed",
            hint="pip install 'gazecli[data]'",
            code="data.pyarrow",
        ) from error

    def opened(path: Path) -> ParquetFile:
        try:
            return ParquetFile(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise _damaged(path) from error

    return opened


def _damaged(path: Path) -> ComicsError:
    return ComicsError(
        "a file of the data set is damaged, or not parquet",
        subject=str(path),
        hint="remove it and fetch again",
    )


def _snapshot(dataset: str, revision: str, show_transfer: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError
    from tqdm.auto import tqdm

    class Silent(tqdm):  # type: ignore[type-arg, misc, unused-ignore]
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **{**options, "disable": True})

    try:
        return Path(
            snapshot_download(
                dataset,
                repo_type="dataset",
                revision=revision,
                allow_patterns=["*.parquet", "README.md"],
                tqdm_class=None if show_transfer else Silent,
            )
        )
    except HFValidationError:
        raise ComicsError(
            "not the name of a data set on the Hub", subject=dataset, hint=f"for example: {PAPER_DATASET}"
        ) from None
    except Exception as failure:  # the network, the disk and the Hub fail in many ways
        raise ComicsError(
            f"this data set cannot be fetched at {revision} ({type(failure).__name__})",
            subject=dataset,
            hint=_CHECK,
            code="comics.fetch",
        ) from failure


def _license(snapshot: Path) -> str | None:
    """What the card's metadata say; None where there are none."""
    from huggingface_hub.repocard import metadata_load

    card: Mapping[str, Any] = {}
    with suppress(Exception):  # a broken card costs no comics
        card = metadata_load(snapshot / "README.md") or {}
    named = card.get("license_name") if card.get("license") == "other" else card.get("license")
    return None if named is None else str(named)


def _panel_columns(columns: Sequence[str]) -> list[str]:
    """`panel_1`, `panel_2`, … without a hole; none unless there is a comic_id."""
    panels: list[str] = []
    while (name := f"panel_{len(panels) + 1}") in columns:
        panels.append(name)
    return panels if "comic_id" in columns else []


def _rows(tables: Sequence[tuple[ParquetFile, list[str]]]) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    import pyarrow

    for file, panels in tables:
        captions = [f"caption_{number}" for number in range(1, len(panels) + 1)]
        wanted = ["comic_id", "captions", *captions, *panels]
        try:
            columns = [name for name in wanted if name in file.schema_arrow.names]
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    yield row, panels
        except (pyarrow.ArrowException, OSError) as error:
            raise _damaged(Path(str(file))) from error


def _name_of(comic_id: object, number: int) -> str:
    """A folder's name: the comic's id without what some file system does not take."""
    return _NO_NAME.sub("-", str(comic_id)).strip(".-_")[:100] or f"strip-{number:04d}"


def _contents(row: Mapping[str, Any], panels: Sequence[str]) -> tuple[dict[str, bytes], list[str] | None]:
    """The panel files of a comic by their names, each decoded once, and its captions if it has any."""
    files: dict[str, bytes] = {}
    for number, column in enumerate(panels, 1):
        picture = row[column]
        data = picture.get("bytes") if isinstance(picture, dict) else picture
        if not isinstance(data, bytes):
            raise ComicsError(f"panel {number} has no picture", subject=column, hint=_FORM)
        suffix = _SUFFIXES.get(picture_format(data, f"panel {number}"))
        if suffix is None:
            raise ComicsError(
                f"panel {number} is not a PNG, JPEG or WebP picture", subject=column, hint=_FORM
            )
        files[f"p{number}.{suffix}"] = data
    captions = row.get("captions") or [row.get(f"caption_{number}") for number in range(1, len(panels) + 1)]
    if not isinstance(captions, list) or not any(captions):
        return files, None
    if len(captions) != len(panels) or not all(isinstance(each, str) for each in captions):
        raise ComicsError(
            f"{len(captions)} captions for {len(panels)} panels", subject="captions", hint=_FORM
        )
    return files, [" ".join(each.split()) for each in captions]
