"""Pictures and a prompt's text become model inputs and a layout, squashed where the processor would crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from gazecli.errors import PictureError
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.token_maps.registry import TokenMap
from gazecli.models.token_maps.views import boxes_of, check_count, unseen_margin
from gazecli.pictures.picture import Picture


@dataclass(frozen=True)
class Preparation:
    """How one model's processor is called, and how its placeholders are read."""

    processor: Any
    token_map: TokenMap
    placeholder: int
    family: str

    def process(self, pictures: Sequence[Picture], text: str, squash: bool = True) -> tuple[Any, ImageLayout]:
        """Model inputs on the CPU, batch of one, and the layout.

        With `squash`, a picture whose edges no token would look at is squashed to the model's square
        instead. Raises ModelError when the token map does not fit the prompt.
        """
        images = [picture.image for picture in pictures]
        inputs = self.call(images, text)
        boxes = self._boxes(inputs, images)
        cropped = [
            unseen_margin(mine, image.width, image.height) for mine, image in zip(boxes, images, strict=True)
        ]
        squashed = squash and any(cropped)
        if squashed:
            high, wide = inputs["pixel_values"].shape[-2:]
            images = [
                image.resize((wide, high), Image.Resampling.BICUBIC) if lost else image
                for image, lost in zip(images, cropped, strict=True)
            ]
            inputs = self.call(images, text)
            boxes = self._boxes(inputs, images)
            for mine, image, picture in zip(boxes, images, pictures, strict=True):
                mine *= torch.tensor([picture.width / image.width, picture.height / image.height]).repeat(2)
        ids = inputs["input_ids"][0]
        positions = (ids == self.placeholder).nonzero().flatten()
        owner = [number for number, mine in enumerate(boxes) for _ in mine]
        check_count(len(owner), len(positions), self.family)
        layout = ImageLayout(
            positions,
            torch.cat(boxes),
            torch.tensor(owner),
            len(ids),
            prepared="squashed" if squashed else None,
        )
        return inputs, layout

    def call(self, images: Sequence[Image.Image], text: str) -> Any:
        """What the processor makes of one prompt, less the training labels that PaliGemma's adds.

        Raises PictureError for a picture that it does not take.
        """
        try:
            inputs = self.processor(images=list(images), text=[text], return_tensors="pt")
        except ValueError as refusal:
            sizes = ", ".join(f"{image.width} x {image.height}" for image in images)
            raise PictureError(
                f"this model's processor does not take the picture ({str(refusal)[:160]})",
                subject=f"{sizes} pixels",
                hint="crop it, or give it a less extreme shape",
                code="picture.unfit",
            ) from refusal
        inputs.pop("labels", None)
        return inputs

    def _boxes(self, inputs: Any, images: Sequence[Image.Image]) -> list[torch.Tensor]:
        return [
            boxes_of(self.token_map(self.processor, inputs, number, image.size), *image.size)
            for number, image in enumerate(images)
        ]
