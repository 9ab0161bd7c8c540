"""A model's name becomes a `VLM`: its checkpoint is found, checked and loaded.

Only safetensors weights are loaded, and a checkpoint's own code only with `trust_remote_code`.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from gazecli.distributed.launcher import current_launch
from gazecli.errors import ModelError, UsageError
from gazecli.models.adapter import merged, named_with, split_name
from gazecli.models.attention.watchers import RowKeeper
from gazecli.models.checkpoint import Checkpoint, find_checkpoint, is_folder
from gazecli.models.device_map import DeviceMap, parse_device_map
from gazecli.models.devices import choose_device, choose_dtype
from gazecli.models.folder_kinds import refuse_kinds
from gazecli.models.image_token_bound import check_image_tokens
from gazecli.models.processor import complete_processor, load_processor
from gazecli.models.text_prompts import load_tokenizer
from gazecli.models.token_maps.registry import token_map_of
from gazecli.models.vlm import VLM
from gazecli.models.weights import check_weights, unused_weights
from gazecli.plain_text import error_words

_LOG = logging.getLogger(__name__)
_CLASSES = ("AutoModelForImageTextToText", "AutoModelForVision2Seq", "AutoModelForCausalLM", "AutoModel")


def load(
    name: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    device_map: DeviceMap | None = None,
    max_memory: Mapping[int | str, int | str] | None = None,
    trust_remote_code: bool = False,
    file_digest: Callable[[Path], str] | None = None,
    squash: bool = True,
    image_tokens: int | None = None,
    text: bool = False,
    note: Callable[[str], None] = _LOG.info,
    advise: Callable[[str], None] = _LOG.warning,
) -> VLM:
    """Load a model by alias, Hub id (optionally @revision) or folder, also with an adapter: MODEL+FOLDER.

    `device_map` spreads a model too large for one device: a strategy of accelerate, a map from modules to
    devices, or the JSON file of one; `max_memory` bounds what a strategy may use of each device, as in
    `{0: "20GiB", "cpu": "60GiB"}`. `file_digest` may remember the digests of weight files. `squash`: whether
    pictures that its processor would crop are stretched to its square instead. `image_tokens`: the most image
    tokens that a picture may take, by its processor's own settings. `text`: take a language model without a
    vision tower too, which is watched on texts and refuses pictures. `note` is told what is odd and does no
    harm, such as weights that the model does not use; `advise`, of a picture that will take long, and why. By
    default both are logged.

    Raises ModelError when it is unknown, absent, unsupported, broken, or not all of its weights are there,
    UsageError for a device or number format that is not here, or fewer image tokens than any picture takes.
    """
    check_image_tokens(image_tokens)
    spread = None if device_map is None else parse_device_map(device_map)
    if max_memory is not None and not isinstance(spread, str):
        raise UsageError("max_memory has no effect without a strategy", hint='add device_map="auto"')
    target = choose_device(device)
    number_format = choose_dtype(dtype, target)
    name = os.fspath(name)
    checkpoint = find_checkpoint(name, revision)
    refuse_kinds(checkpoint.facts, text=text)
    config = checkpoint.config()
    _refuse_own_code(checkpoint, config, trust_remote_code)
    blind = checkpoint.facts.is_text_only
    if blind:
        processor = load_tokenizer(checkpoint.folder)
    else:
        processor = load_processor(checkpoint.folder, config["model_type"], trust_remote_code)
        token_map_of(processor, config["model_type"])  # before gigabytes of weights are read
    model, report = _load_model(checkpoint, number_format, target, spread, max_memory, trust_remote_code)
    check_weights(model, report, checkpoint)
    if unused := unused_weights(report):
        note(unused)
    if checkpoint.adapter is not None:
        model = merged(model, checkpoint.adapter)
    if not blind:
        complete_processor(processor, model.config)
        _refuse_foreign_tokenizer(processor, model, checkpoint)
    vlm = VLM(
        model=model,
        processor=processor,
        name=checkpoint.name,
        id=checkpoint.id,
        revision=checkpoint.revision,
        digest=checkpoint.digest(file_digest),
        source=_source(name, checkpoint),
        squash=squash,
        image_tokens=image_tokens,
        advise=advise,
        quantised=checkpoint.quantised,
    )
    if not type(model).__module__.startswith("transformers."):  # it came with the checkpoint
        require_reachable(vlm)
    return vlm


def _source(name: str, checkpoint: Checkpoint) -> str:
    """What to load the checkpoint by again, from wherever: its folder, or its name."""
    if checkpoint.adapter is not None:
        return named_with(split_name(name)[0], checkpoint.adapter)
    return str(checkpoint.folder) if is_folder(name) else name


def _refuse_own_code(checkpoint: Checkpoint, config: dict[str, Any], trust_remote_code: bool) -> None:
    if "auto_map" in config and not trust_remote_code:
        from transformers import CONFIG_MAPPING

        if config["model_type"] not in CONFIG_MAPPING:
            raise ModelError(
                "this checkpoint brings its own code, which is not run without permission",
                subject=checkpoint.name,
                hint="read that code, then add --trust-remote-code",
                code="model.remote_code",
            )


def _load_model(
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    device: torch.device,
    device_map: DeviceMap | None,
    max_memory: Mapping[int | str, int | str] | None,
    trust_remote_code: bool,
) -> tuple[Any, dict[str, Any]]:
    """The model on its device, and what transformers reports of the weights it loaded."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    quantised = checkpoint.quantised
    options: dict[str, Any] = {}
    offloaded = None
    if device_map is not None:
        offloaded = tempfile.mkdtemp(prefix="gaze-offload-")
        most = None if max_memory is None else dict(max_memory)
        options = {"device_map": device_map, "max_memory": most, "offload_folder": offloaded}
    elif quantised is not None or (device.type == "cuda" and current_launch().world_size > 1):
        # Quantised weights may not be moved once they are loaded, and the copies of several processes would
        # not fit into main memory on their way to their GPUs.
        options = {"device_map": {"": device}}
    try:
        model, report = model_class(checkpoint.config(), checkpoint.facts.is_text_only).from_pretrained(
            checkpoint.folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are in the report, and refused with their names
            **options,
        )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as failure:  # foreign files: configs, safetensors and remote code raise nearly anything
        if offloaded is not None:
            shutil.rmtree(offloaded, ignore_errors=True)
        if quantised is not None:
            raise ModelError(
                f"its weights are quantised ({quantised}) and cannot be loaded here ({error_words(failure)})",
                subject=checkpoint.name,
                hint="install what that asks for, or use the unquantised model",
                code="model.quantised",
            ) from failure
        raise ModelError(
            f"the checkpoint cannot be loaded ({error_words(failure)})",
            subject=checkpoint.name,
            hint="check that the folder is complete: config.json and every *.safetensors shard"
            + ("; and that the device map names every part of the model" if device_map else ""),
            code="model.broken",
        ) from failure
    if offloaded is None:
        if quantised is None:
            model = model.to(device)
    else:  # at the end of the process at the latest
        weakref.finalize(model, shutil.rmtree, offloaded, ignore_errors=True)
    return model, report


def _refuse_foreign_tokenizer(processor: Any, model: Any, checkpoint: Checkpoint) -> None:
    """ModelError when the tokenizer cannot be this model's: it has no name for the image token."""
    try:
        name = processor.tokenizer.convert_ids_to_tokens(model.config.image_token_id)
    except (AttributeError, LookupError, OverflowError, TypeError):
        name = None
    if name is None:
        raise ModelError(
            "the tokenizer of this checkpoint does not know the model's image token",
            subject=checkpoint.name,
            hint="the folder needs the tokenizer files that were saved with this model",
            code="model.processor",
        )


def model_class(config: Mapping[str, Any], text_only: bool = False) -> Any:
    """The automatic class that loads a checkpoint: what its own code registers, else the one for pictures."""
    import transformers

    if text_only:
        return transformers.AutoModelForCausalLM
    registered = config.get("auto_map")
    if not isinstance(registered, dict) or config["model_type"] in transformers.CONFIG_MAPPING:
        return transformers.AutoModelForImageTextToText
    name = next(
        (name for name in _CLASSES if name in registered and hasattr(transformers, name)), _CLASSES[0]
    )
    return getattr(transformers, name)


@torch.inference_mode()
def require_reachable(vlm: VLM) -> None:
    """Run the decoder on two tokens and see that every attention module calls gaze's attention function.

    Raises ModelError for a model that computes attention in its own way, which nothing can watch or steer.
    """
    keeper = RowKeeper({layer: range(heads) for layer, heads in vlm.heads_of.items()}, length=2)
    tokens = torch.zeros(1, 2, dtype=torch.long, device=vlm.device)
    try:
        with vlm.watching(keeper):
            vlm.decoder(inputs_embeds=vlm.model.get_input_embeddings()(tokens), use_cache=False)
    except ModelError as failure:
        raise _unreachable(vlm, failure.message) from failure
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as failure:
        raise _unreachable(vlm, f"its decoder does not run like others: {error_words(failure)}") from failure


def _unreachable(vlm: VLM, why: str) -> ModelError:
    return ModelError(
        f"the attention of this model cannot be reached ({why})",
        subject=vlm.name,
        hint="gaze needs code that calls the attention interface of transformers; see `gaze models`",
        code="model.unsupported",
    )
