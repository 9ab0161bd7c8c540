"""What is said beside a result, because the model's words about this picture may mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gazecli.models.token_maps.shared_tokens import sharing_warning
from gazecli.steering.toy_models import toy_warning

if TYPE_CHECKING:
    from gazecli.models.token_maps.image_tokens import ImageLayout
    from gazecli.models.vlm import VLM, ModelFacts
    from gazecli.pictures.picture import Picture
    from gazecli.pictures.regions import Region


def warnings_of(
    model: VLM | ModelFacts | None, picture: Picture, layout: ImageLayout, regions: Sequence[Region]
) -> list[str]:
    """That the model is a toy and the picture none of its world, and which regions share all their tokens.

    regions: the picture's own, then others. Without a model only the latter is said.
    """
    toy = None if model is None else toy_warning(model, picture)
    sharing = sharing_warning(layout, regions, picture.panels)
    return [warning for warning in (toy, sharing) if warning is not None]
