"""A checkpoint's processor on Pillow alone: tokenizer and picture processor, no video, no torchvision.

Knows nothing of model weights or token maps.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from gazecli.errors import ModelError
from gazecli.models.vision_backend import torchvision_state


def load_processor(folder: Path, model_type: str, trust_remote_code: bool = False) -> Any:
    """The processor of a checkpoint folder, built without its video part.

    Raises ModelError when a part is missing, or has no Pillow form and torchvision is absent.
    """
    state = torchvision_state()
    import transformers

    name = _processor_class(folder, model_type)
    stock = getattr(transformers, name, None) if name else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if stock is None or trust_remote_code:
                return transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
            return _without_video(stock, folder)
    except ImportError as failure:
        raise ModelError(
            f"the picture processor of this model needs torchvision, which is {state}",
            subject=str(folder),
            hint="install the torchvision that matches your torch, or use another model",
            code="model.needs_torchvision",
        ) from failure
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as failure:
        raise ModelError(
            f"the processor of this checkpoint cannot be loaded ({_first_line(failure)})",
            subject=str(folder),
            hint="the folder needs the tokenizer and preprocessor files beside config.json",
            code="model.processor",
        ) from failure


def _processor_class(folder: Path, model_type: str) -> str | None:
    import json

    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = folder / file
        if path.is_file():
            named = json.loads(path.read_text("utf-8")).get("processor_class")
            if isinstance(named, str):
                return named
    found = PROCESSOR_MAPPING_NAMES.get(model_type)
    return found if isinstance(found, str) else None


def _without_video(stock: Any, folder: Path) -> Any:
    """Build `stock` from its parts; parts that only video or sound needs are left out."""
    from transformers import AutoImageProcessor, AutoTokenizer

    attributes = [part for part in stock.get_attributes() if part in ("image_processor", "tokenizer")]
    stills = type(stock.__name__, (stock,), {"get_attributes": classmethod(lambda cls: list(attributes))})
    settings, rest = stock.get_processor_dict(folder)
    parts = {
        "image_processor": lambda: AutoImageProcessor.from_pretrained(folder, backend="pil"),
        "tokenizer": lambda: AutoTokenizer.from_pretrained(folder),
    }
    built = [parts[name]() for name in attributes]
    return stills.from_args_and_dict(built, settings, **rest)  # type: ignore[attr-defined]


def _first_line(failure: BaseException) -> str:
    text = str(failure).strip().splitlines()
    return text[0][:160] if text else type(failure).__name__
