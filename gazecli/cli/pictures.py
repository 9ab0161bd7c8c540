"""A picture and its targets, from what the command line says.

Knows nothing of models.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.cli.streams import Streams
from gazecli.errors import RegionError, UsageError

if TYPE_CHECKING:
    from gazecli.pictures.picture import Picture
    from gazecli.pictures.regions import Region


def open_picture(
    source: str, panels: str, regions: Path | None, rtl: bool, max_pixels: int | None
) -> Picture:
    """Open the picture with its regions; PictureError, RegionError, ComicsError or UsageError."""
    from gazecli.pictures.opening import MAX_PIXELS
    from gazecli.pictures.picture import Picture

    if max_pixels is not None and max_pixels < 1:
        raise UsageError("--max-pixels must be at least 1", subject=str(max_pixels))
    return Picture.open(source, panels, regions, rtl, max_pixels=max_pixels or MAX_PIXELS)


def targets_of(picture: Picture, specs: list[str] | None, all_regions: bool) -> list[Region]:
    """The regions asked for, in order; UsageError when none is named, RegionError when one is not there."""
    if all_regions:
        if specs:
            raise UsageError("--region and --all-regions exclude each other", hint="keep one of them")
        if not picture.regions:
            hint = "say where they are: --panels 6, --panels 2x3 or --regions FILE.json"
            raise RegionError("no panels were found", subject=picture.name, hint=hint)
        return list(picture.regions)
    if not specs:
        raise UsageError("no region is named", hint="add --region 3, or --all-regions", code="usage.region")
    # Regions that are no panels are numbered on behind the panels.
    return [picture.region(spec, number) for number, spec in enumerate(specs, len(picture.regions) + 1)]


def say_prepared(streams: Streams, what: str, prepared: str | None) -> None:
    """Tell what had to be done before the model could see all of a picture; `what` as in `picture was`."""
    if prepared is not None:
        streams.note(f"the {what} {prepared}: the model's own processor would have cut parts off")
