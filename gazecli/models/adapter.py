"""Adapters (LoRA and its kin) over a model: found in a folder, told apart by content, merged by peft.

A model with an adapter is named `MODEL+FOLDER`. Nothing heavy is imported at the top.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gazecli.canonical import json_digest, read_json
from gazecli.errors import ModelError
from gazecli.plain_text import error_words

SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MOST_BYTES = 1 << 24
# Where the model that it was trained on lay: no part of what it computes.
_PATHS = ("base_model_name_or_path", "revision")


def named_with(model: str, adapter: str | Path) -> str:
    """The name of a model with an adapter; of folders their whole paths, which mean the same anywhere."""
    base = os.path.expanduser(model)
    base = os.path.abspath(base) if model != "tiny" and os.path.isdir(base) else model
    return f"{base}+{os.path.abspath(os.path.expanduser(adapter))}"


def split_name(name: str) -> tuple[str, Path | None]:
    """A model's name and the folder of its adapter, of `MODEL+FOLDER`; None where there is none."""
    if "+" not in name or os.path.isdir(os.path.expanduser(name)):
        return name, None
    places = [place for place, character in enumerate(name) if character == "+"]
    # Folders may have a + in their names: the first that leaves a folder is meant, else the last.
    place = next((p for p in places if os.path.isdir(os.path.expanduser(name[p + 1 :]))), places[-1])
    return name[:place], Path(os.path.expanduser(name[place + 1 :])).absolute()


def require_adapter(folder: Path) -> dict[str, Any]:
    """The settings of the adapter in `folder`; ModelError when it has none, or no safetensors weights."""
    if not os.path.isfile(folder / SETTINGS):  # Path would raise for a name that is too long
        raise ModelError(
            f"this is not an adapter, it has no {SETTINGS}",
            subject=str(folder),
            hint="give the folder that peft saved",
            code="model.adapter",
        )
    hint = "fetch or copy the adapter again"
    settings = read_json(folder / SETTINGS, _MOST_BYTES, SETTINGS, ModelError, hint, "model.adapter")
    if not isinstance(settings, dict):
        raise ModelError(f"{SETTINGS} is broken", subject=str(folder), hint=hint, code="model.adapter")
    if not os.path.isfile(folder / WEIGHTS):
        pickled = (folder / "adapter_model.bin").exists()
        raise ModelError(
            f"this adapter has {'only pickled weights, which are never loaded' if pickled else 'no weights'}",
            subject=str(folder),
            hint=f"save it with a current peft, which writes {WEIGHTS}",
            code="model.adapter",
        )
    return settings


def adapter_facts(folder: Path, file_digest: Callable[[Path], str]) -> dict[str, str]:
    """What decides what an adapter computes: a digest of its settings, without paths, and of its weights."""
    settings = {key: value for key, value in require_adapter(folder).items() if key not in _PATHS}
    facts = {SETTINGS: json_digest(settings), WEIGHTS: file_digest(folder / WEIGHTS)}
    return {f"adapter/{name}": digest for name, digest in facts.items()}


def merged(model: Any, folder: Path) -> Any:
    """The model with the adapter's weights added to its own.

    Raises ModelError when peft is not installed, and for an adapter of another model: peft itself leaves out
    weights that it finds no place for.
    """
    settings = require_adapter(folder)
    try:
        from peft import PeftConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
    except ImportError as failure:
        raise ModelError(
            "adapters are loaded with peft, which is not installed",
            subject=str(folder),
            hint="pip install peft, or give the folder that its merge_and_unload() makes",
            code="model.needs_peft",
        ) from failure
    from safetensors.torch import load_file

    try:
        stored = load_file(folder / WEIGHTS)  # by gaze: peft would also unpickle
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = get_peft_model(model, PeftConfig.from_pretrained(str(folder)))
            wanted = set(get_peft_model_state_dict(adapted))
            if fits := wanted == set(stored):
                set_peft_model_state_dict(adapted, stored)
            whole = adapted.merge_and_unload()
    except Exception as failure:  # foreign files: peft raises nearly anything
        raise ModelError(
            f"this adapter ({settings.get('peft_type')}) cannot be merged ({error_words(failure)})",
            subject=str(folder),
            hint="is it of this model? else give the folder that merge_and_unload() of peft makes",
            code="model.adapter",
        ) from failure
    if not fits:
        odd = sorted(wanted ^ set(stored))
        raise ModelError(
            f"{len(odd)} weights of this adapter and of the model do not fit together, first {odd[0]}",
            subject=str(folder),
            hint="it is of another model, or of another version of transformers: merge it with that one",
            code="model.adapter",
        )
    return whole.eval()
