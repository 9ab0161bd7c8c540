"""A checkpoint's processor: its tokenizer and picture processor, without video.

Picture processors run on Pillow, except the few that exist for torchvision only.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Literal

from gazecli.errors import ModelError
from gazecli.plain_text import error_words

# Their picture processors have no Pillow form.
TORCHVISION_ONLY = frozenset({"Cohere2VisionProcessor", "Lfm2VlProcessor", "Molmo2Processor"})
_BOUNDS = (
    "max_length",
    "padding",
    "pad_to_multiple_of",
    "stride",
    "truncation",
    "truncation_side",
    "truncation_strategy",
)


def load_processor(folder: Path, model_type: str, trust_remote_code: bool = False) -> Any:
    """The processor of a checkpoint folder, built without its video part.

    Raises ModelError when a part is missing, or has no Pillow form and torchvision is absent.
    """
    state = torchvision_state()
    import transformers

    try:
        name = _processor_class(folder, model_type)
        if name in TORCHVISION_ONLY and state != "working":
            raise _needs_torchvision(folder, state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name == "PixtralProcessor" and state != "working":
                stock = _pixtral_on_pillow()
            else:
                stock = getattr(transformers, name or "", None)
            if stock is not None:
                return unbounded(_for_stills(stock, folder, trust_remote_code))
            own = transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except ImportError as failure:
        if state != "working" and "torchvision" in str(failure).lower():
            raise _needs_torchvision(folder, state) from failure
        raise ModelError(
            f"the processor of this checkpoint needs a package that is not here ({error_words(failure)})",
            subject=str(folder),
            hint="install what that asks for, or use another model",
            code="model.processor",
        ) from failure
    except ModelError:
        raise
    except Exception as failure:  # foreign files: tokenizers and processors raise nearly anything
        raise ModelError(
            f"the processor of this checkpoint cannot be loaded ({error_words(failure)})",
            subject=str(folder),
            hint=_missing_reader(folder)
            or "the folder needs the tokenizer and preprocessor files beside config.json",
            code="model.processor",
        ) from failure
    if getattr(own, "image_processor", None) is None or getattr(own, "tokenizer", None) is None:
        raise ModelError(
            "this checkpoint has no processor that writes image tokens into the prompt; its own code puts "
            "pictures in elsewhere, where gaze cannot tell which token looks where",
            subject=str(folder),
            hint="choose a model with a processor of transformers: see `gaze models`",
            code="model.unsupported",
        )
    return unbounded(own)


def _missing_reader(folder: Path) -> str | None:
    """What to install where a tokenizer lies in SentencePiece's form only, and its package is not here."""
    is_here = (folder / "tokenizer.model").is_file() and not (folder / "tokenizer.json").is_file()
    if not is_here or importlib.util.find_spec("sentencepiece") is not None:
        return None
    return "pip install sentencepiece, which reads its tokenizer.model; or add the model's tokenizer.json"


def unbounded(processor: Any) -> Any:
    """The processor, with what its tokenizer's files store of truncation and padding switched off.

    Fine-tunes store what they trained with. It would cut prompts, image tokens included, without a word.
    """
    tokenizer = processor.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()
    for name in _BOUNDS:  # a processor takes these for arguments of every call
        tokenizer.init_kwargs.pop(name, None)
    return processor


def complete_processor(processor: Any, config: Any) -> None:
    """Fill in what older LLaVA repositories leave to the model's configuration.

    Without a patch size there, the class token that CLIP's tower puts first was left out too.
    """
    if getattr(processor, "patch_size", 0) is not None:
        return
    vision = config.vision_config
    processor.patch_size = vision.patch_size
    processor.num_additional_image_tokens = int(vision.model_type == "clip_vision_model")
    if processor.vision_feature_select_strategy is None:
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy


def _needs_torchvision(folder: Path, state: str) -> ModelError:
    return ModelError(
        f"the picture processor of this model needs torchvision, which is {state}",
        subject=str(folder),
        hint="install the torchvision that matches your torch, or use another model",
        code="model.needs_torchvision",
    )


def _processor_class(folder: Path, model_type: str) -> str | None:
    from transformers.models.auto import processing_auto

    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = folder / file
        if path.is_file():
            named = json.loads(path.read_text("utf-8")).get("processor_class")
            if isinstance(named, str):
                return named
    found = processing_auto.PROCESSOR_MAPPING_NAMES.get(model_type)  # type: ignore[attr-defined]
    return found if isinstance(found, str) else None


def _pixtral_on_pillow() -> Any:
    """Pixtral's processor imports one function of its picture processor's module; the Pillow twin has it."""
    package = "transformers.models.pixtral"
    wanted = f"{package}.image_processing_pixtral"
    before = sys.modules.get(wanted)
    sys.modules[wanted] = importlib.import_module(f"{package}.image_processing_pil_pixtral")
    try:
        return importlib.import_module(f"{package}.processing_pixtral").PixtralProcessor
    finally:
        if before is None:
            del sys.modules[wanted]
        else:
            sys.modules[wanted] = before


def _for_stills(stock: Any, folder: Path, trust_remote_code: bool) -> Any:
    """Build `stock` from its parts; parts that only video or sound needs stay empty."""
    from transformers import AutoImageProcessor, AutoTokenizer
    from transformers.processing_utils import ProcessorMixin

    def check(self: Any, name: str, part: Any) -> Any:
        return None if part is None else stock.check_argument_for_proper_class(self, name, part)

    namespace: dict[str, Any] = {"check_argument_for_proper_class": check}
    if stock.apply_chat_template is not ProcessorMixin.apply_chat_template:
        # SmolVLM's asks the video processor for its frame rate.
        namespace["apply_chat_template"] = ProcessorMixin.apply_chat_template
    module = sys.modules[stock.__module__]
    if getattr(module, "num2words", stock) is None:
        module.num2words = str  # type: ignore[attr-defined]  # for the lengths of videos
    settings, _ = stock.get_processor_dict(folder)
    accepted = set(inspect.signature(stock.__init__).parameters)
    parts = dict.fromkeys(stock.get_attributes())
    trust = {"trust_remote_code": trust_remote_code}  # without it, transformers would ask on the terminal
    backend = "torchvision" if stock.__name__ in TORCHVISION_ONLY else "pil"
    parts["image_processor"] = AutoImageProcessor.from_pretrained(folder, backend=backend, **trust)
    # Mistral's package, where it is installed, would take its tekken.json, and knows no placeholders.
    form = {"mistral_format": False} if (folder / "tekken.json").is_file() else {}
    parts["tokenizer"] = AutoTokenizer.from_pretrained(folder, **form, **trust)
    settings = {key: value for key, value in settings.items() if key in accepted - set(parts)}
    processor = type(stock.__name__, (stock,), namespace)(**parts, **settings)
    if getattr(processor.image_processor, "do_pan_and_scan", None):
        # The class passes its own default in every call, which would beat the checkpoint's file.
        processor.images_kwargs = {**processor.images_kwargs, "do_pan_and_scan": True}
    return processor


@cache
def torchvision_state() -> Literal["absent", "working", "broken"]:
    """Try torchvision once; a broken one is hidden from every later import.

    A build that does not match torch fails at import (`operator torchvision::nms does not exist`), yet
    transformers would believe it present and fail in its model classes.
    """
    if importlib.util.find_spec("torchvision") is None:
        return "absent"
    try:
        importlib.import_module("torchvision")
    except Exception:  # noqa: BLE001 - whatever a broken binary raises, the answer is the same
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules["torchvision"] = None  # type: ignore[assignment]
        checks = sys.modules.get("transformers.utils.import_utils")
        for check in ("is_torchvision_available", "is_torchvision_v2_available"):
            getattr(getattr(checks, check, None), "cache_clear", lambda: None)()
        return "broken"
    return "working"
