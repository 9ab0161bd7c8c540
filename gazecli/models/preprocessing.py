"""Pictures and a question become model inputs and a layout, squashed where the processor would crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image

from gazecli.errors import GazeError, ModelError, PictureError, UsageError
from gazecli.models.architecture import find_placeholder
from gazecli.models.chat_templates import chat_template
from gazecli.models.image_token_bound import MOST, check_image_tokens
from gazecli.models.token_maps.bounds import Showing, bounded, fewest_tokens
from gazecli.models.token_maps.image_tokens import ImageLayout, sizes_among
from gazecli.models.token_maps.registry import showings_of, token_map_of
from gazecli.models.token_maps.views import Size, boxes_of, unseen_margin
from gazecli.pictures.picture import Picture
from gazecli.plain_text import error_words

_SQUARE = 448  # pixels; every processor takes such a picture


class Preparation:
    """How one model's processor is called, and how its placeholders are read.

    Raises ModelError for a processor without a token map, and for a model without a placeholder.
    """

    def __init__(self, processor: Any, config: Any) -> None:
        self.processor = processor
        self.family: str = config.model_type
        self.token_map = token_map_of(processor, self.family)
        self.showings = showings_of(processor, self.family)
        self.placeholder = find_placeholder(config, self.family)
        self.chat_template, self.template = chat_template(processor, config)

    def prompt(self, question: str, pictures: int = 1, system: str | None = None) -> str:
        """The prompt of one turn with `pictures` pictures before the question, by the model's chat template.

        A checkpoint without a template gets the plain form its placeholder suggests. Raises UsageError for a
        text that spells the token which stands for the picture: it would be taken for one; and for a system
        prompt that the template does not take, ModelError for a template that fails without one.
        """
        spelled = self.processor.tokenizer.convert_ids_to_tokens(self.placeholder)
        if isinstance(spelled, str) and spelled in f"{system or ''}\n{question}":
            raise UsageError(
                "the prompt holds the model's own token for a picture", subject=spelled, hint="leave it out"
            )
        content = [{"type": "image"}] * pictures + [{"type": "text", "text": question}]
        turns: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if system is not None:
            turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        if self.chat_template is None:
            token = getattr(self.processor, "image_token", "<image>")
            return f"{system + ' ' if system else ''}{token * pictures}\n{question}\n"
        try:
            text: str = self.processor.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=False, chat_template=self.chat_template
            )
        except (TemplateError, TypeError) as failure:  # templates raise what they do not take
            raise self._refused_turns(error_words(failure), system) from failure
        return text

    def _refused_turns(self, why: str, system: str | None) -> GazeError:
        """What is wrong when the chat template takes no such turns: a system prompt, or the template."""
        if system is not None:
            return UsageError(
                f"this model's chat template takes no system prompt ({why})",
                subject=self.family,
                hint="leave it out, or put it before the question",
            )
        return ModelError(
            f"the chat template of this checkpoint takes no picture and question ({why})",
            subject=self.family,
            hint="take the chat template from the model it was made from",
            code="model.processor",
        )

    def check_bound(self, image_tokens: int) -> None:
        """UsageError for a bound that no picture can keep: the model takes more image tokens of each."""
        check_image_tokens(image_tokens)
        fewest = fewest_tokens(self.showings, self.processor)
        if image_tokens < fewest:
            raise UsageError(
                f"a square picture takes at least {fewest} image tokens in this model",
                subject=f"--image-tokens {image_tokens}",
                hint=f"use --image-tokens {fewest} or more, or leave it out",
                code="usage.image_tokens",
            )

    def count(self, size: Size, image_tokens: int | None = None) -> int:
        """How many image tokens a picture of `size` (width, height) takes, worked out from settings alone.

        Raises PictureError for one that the processor does not take, or not in so few.
        """
        most = MOST if image_tokens is None else image_tokens
        try:
            return bounded(self.showings, self.processor, [size], most).counts[0]
        except ValueError as refusal:
            raise self._unfit([size], refusal) from refusal

    def process(
        self, pictures: Sequence[Picture], text: str, squash: bool = True, image_tokens: int | None = None
    ) -> tuple[Any, ImageLayout]:
        """Model inputs on the CPU, batch of one, and the layout.

        With `squash`, a picture whose edges no token would look at is squashed to the model's square
        instead. `image_tokens` is the most that each picture may take. Raises PictureError for a picture that
        the processor does not take, or not in so few tokens, ModelError when the token map does not fit the
        prompt.
        """
        images = [picture.image for picture in pictures]
        processor = self.processor
        if image_tokens is not None:
            showing = self._within(images, image_tokens)
            processor = showing.processor
            images = [
                image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
                for image, size in zip(images, showing.sizes, strict=True)
            ]
        inputs, boxes = self._call(processor, images, text)
        cropped = [unseen_margin(mine, *image.size) for mine, image in zip(boxes, images, strict=True)]
        squashed = squash and any(cropped)
        if squashed:
            high, wide = inputs["pixel_values"].shape[-2:]
            images = [
                image.resize((wide, high), Image.Resampling.BICUBIC) if lost else image
                for image, lost in zip(images, cropped, strict=True)
            ]
            inputs, boxes = self._call(processor, images, text)
        for mine, image, picture in zip(boxes, images, pictures, strict=True):
            if image.size != picture.image.size:
                mine *= torch.tensor([picture.width / image.width, picture.height / image.height]).repeat(2)
        ids = inputs["input_ids"][0]
        positions = (ids == self.placeholder).nonzero().flatten()
        owner = torch.arange(len(boxes)).repeat_interleave(torch.tensor([len(mine) for mine in boxes]))
        if image_tokens is not None and max(map(len, boxes)) > image_tokens:
            words = f"a picture takes {max(map(len, boxes))} image tokens under a bound of {image_tokens}"
            hint = "leave --image-tokens out; this processor works differently, please report it"
            raise ModelError(words, subject=self.family, hint=hint, code="model.token_map")
        if len(owner) != len(positions):
            words = f"the token map predicts {len(owner)} image tokens, the prompt holds {len(positions)}"
            hint = "this processor works differently from the one the map was written for; please report it"
            raise ModelError(words, subject=self.family, hint=hint, code="model.token_map")
        return inputs, ImageLayout(
            positions,
            torch.cat(boxes),
            owner,
            len(ids),
            prepared="squashed" if squashed else None,
            ids=ids,
            sizes=sizes_among(inputs),
            bound=image_tokens,
        )

    def _within(self, images: Sequence[Image.Image], image_tokens: int) -> Showing:
        """How to show pictures in no more than so many tokens each; as they are where they are refused."""
        check_image_tokens(image_tokens)
        sizes = [image.size for image in images]
        try:
            return bounded(self.showings, self.processor, sizes, image_tokens)
        except ValueError:  # the processor says why when it is called
            return Showing([], self.processor, sizes)

    def _unfit(self, sizes: Sequence[Size], refusal: ValueError) -> PictureError:
        shown = ", ".join(f"{width} x {height}" for width, height in sizes)
        return PictureError(
            f"this model's processor does not take the picture ({error_words(refusal)})",
            subject=f"{shown} pixels",
            hint="crop it, or give it a less extreme shape",
            code="picture.unfit",
        )

    def _require_working(self, text: str, pictures: int) -> None:
        """ModelError when the processor takes no plain square either: then no picture is to blame."""
        squares = [Image.new("RGB", (_SQUARE, _SQUARE), "grey") for _ in range(pictures)]
        try:
            self._processed(self.processor, squares, text)
        except ValueError as failure:
            raise ModelError(
                f"this model's processor fails on every picture ({error_words(failure)})",
                subject=self.family,
                hint="its settings or chat template do not fit: take them from the model it was made from",
                code="model.processor",
            ) from failure

    def _processed(self, processor: Any, images: Sequence[Image.Image], text: str) -> Any:
        # A template that writes the token which begins a text has it once, as with transformers' own call.
        begins = processor.tokenizer.bos_token
        once = {"add_special_tokens": False} if begins and text.startswith(begins) else {}
        return processor(images=list(images), text=[text], return_tensors="pt", **once)

    def _call(
        self, processor: Any, images: Sequence[Image.Image], text: str
    ) -> tuple[Any, list[torch.Tensor]]:
        """What `processor` makes of one prompt, and the boxes of each picture's image tokens."""
        try:
            inputs = self._processed(processor, images, text)
        except ValueError as refusal:
            self._require_working(text, len(images))
            raise self._unfit([image.size for image in images], refusal) from refusal
        inputs.pop("labels", None)  # of training, which PaliGemma's adds
        return inputs, [
            boxes_of(self.token_map(processor, inputs, number, image.size), *image.size)
            for number, image in enumerate(images)
        ]
