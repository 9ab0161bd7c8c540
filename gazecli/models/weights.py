"""Whether a loaded model computes with its checkpoint's weights, as transformers reports of the loading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from gazecli.canonical import parse_json
from gazecli.errors import ModelError
from gazecli.models.checkpoint import Checkpoint
from gazecli.models.devices import DTYPES

# What wrappers put before every name when the model inside them is not saved alone.
_WRAPPERS = {
    "base_model.model.": "peft puts it there: save what `merge_and_unload()` returns",
    "module.": "DataParallel puts it there: save `model.module`",
    "_orig_mod.": "torch.compile puts it there: save the model that was compiled",
    "_fsdp_wrapped_module.": "FSDP puts it there: save a full state dict",
}
_OF_ADAPTERS = (".lora_", ".base_layer.", ".modules_to_save.", ".original_module.")

_SCALES = ("_scale_inv", "_scale")


def check_weights(model: Any, report: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """ModelError when a parameter of `model` is not what its checkpoint holds, or is no number.

    `report` is what transformers gives as `output_loading_info`.
    """
    _refuse_random_weights(model, report, checkpoint.name)
    if checkpoint.quantised is not None:
        files = [checkpoint.folder / each for each in checkpoint.facts.weights]
        _refuse_unscaled_weights(files, checkpoint.name)
    _refuse_unknown_numbers(model, checkpoint.name)


def _refuse_random_weights(model: Any, report: Mapping[str, Any], name: str) -> None:
    """ModelError when a parameter of `model` was not in its checkpoint, or had another shape there.

    Buffers may be missing, and so may tied weights and what a class of transformers says it can do without;
    none of them is then left random.
    """
    missing = set(report["missing_keys"])
    own = [each for each, _ in model.named_parameters()]
    absent = [each for each in own if each in missing]
    if absent:
        raise ModelError(
            _counted(absent, "of this model", "not in the checkpoint"),
            subject=name,
            hint=_cause(absent, own, report["unexpected_keys"], model),
            code="model.weights",
        )
    other = {each: (tuple(there), tuple(here)) for each, there, here in report["mismatched_keys"]}
    misshapen = [each for each in own if each in other] or sorted(other)
    if misshapen:
        there, here = other[misshapen[0]]
        raise ModelError(
            f"{_counted(misshapen, 'of the checkpoint', 'not of the shape that this model has')} "
            f"({list(there)} instead of {list(here)})",
            subject=name,
            hint="config.json and the weights are of different models: take both from one checkpoint",
            code="model.weights",
        )


def _refuse_unscaled_weights(files: Iterable[Path], name: str) -> None:
    """ModelError for quantised weights in 8-bit floats without scales: transformers would take them so."""
    stored: dict[str, str] = {}
    for path in files:
        with path.open("rb") as file:
            header = parse_json(file.read(int.from_bytes(file.read(8), "little")))
        stored |= {each: entry["dtype"] for each, entry in header.items() if each != "__metadata__"}
    unscaled = sorted(
        each
        for each, form in stored.items()
        if form.startswith("F8")
        and each.endswith("weight")
        and not {f"{each}{end}" for end in _SCALES} & set(stored)
    )
    if unscaled:
        raise ModelError(
            _counted(unscaled, "of the checkpoint", "quantised and without a scale"),
            subject=name,
            hint="fetch or copy the checkpoint again, and see that it was saved whole",
            code="model.weights",
        )


def unused_weights(report: Mapping[str, Any]) -> str | None:
    """A sentence about weights of the checkpoint that the model does not have; None when there are none."""
    unused = sorted(report["unexpected_keys"])
    return f"{_counted(unused, 'of the checkpoint', 'not used by this model')}" if unused else None


def _refuse_unknown_numbers(model: Any, name: str) -> None:
    """ModelError when a weight is NaN or infinite: all it computes is meaningless."""
    for place, weight in model.named_parameters():
        # One pass without a copy; where a weight is not a number, so is the largest.
        if weight.dtype in DTYPES.values() and not weight.is_meta and weight.numel():
            low, high = torch.aminmax(weight.detach())
            if not (bool(torch.isfinite(low)) and bool(torch.isfinite(high))):
                raise ModelError(
                    f"a weight of this checkpoint is NaN or infinite, {place}",
                    subject=name,
                    hint="fetch the checkpoint again; a float16 load may also overflow: try --dtype float32",
                    code="model.not_finite",
                )


def _counted(names: list[str], whose: str, what: str) -> str:
    if len(names) == 1:
        return f"1 weight {whose} is {what}, {names[0]}"
    return f"{len(names)} weights {whose} are {what}, first {names[0]}"


def _cause(absent: list[str], own: list[str], unexpected: Iterable[str], model: Any) -> str:
    """What to do about absent weights, by the likeliest reason for their absence."""
    foreign = sorted(unexpected)
    if any(mark in each for each in foreign for mark in _OF_ADAPTERS):
        return "an adapter lies beside the weights there: save what `merge_and_unload()` of peft returns"
    prefix = _shared_prefix(foreign)
    for wrapper, why in _WRAPPERS.items():
        if prefix.startswith(wrapper):
            return f"all their names begin with {wrapper} there; {why}"
    if prefix and len(foreign) >= len(absent) and not any(each.startswith(prefix) for each in own):
        return (
            f"{len(foreign)} weights there begin with {prefix} and are of no use: save the model without it"
        )
    if foreign:
        named = (getattr(model.config, "architectures", None) or ["another class"])[0]
        loaded = type(model).__name__
        saved = f"as {named}" if named != loaded else "by another class or version"
        return f"{len(foreign)} weights there are not of {loaded}, first {foreign[0]}: was it saved {saved}?"
    parts = _whole_parts(absent, own)
    if parts:
        return f"nothing of {' and '.join(parts[:3])} is there: save or fetch the whole model"
    return "fetch or copy the checkpoint again, and see that it was saved whole"


def _shared_prefix(names: list[str]) -> str:
    """The first parts, with their dots, that all names share; the last part of a name is never among them."""
    shared = []
    for parts in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(f"{parts[0]}.")
    return "".join(shared)


def _whole_parts(absent: list[str], own: list[str]) -> list[str]:
    """The largest modules of which every weight is absent, when nothing else is."""
    present = {part for name in set(own) - set(absent) for part in _parts(name)}
    whole = [next((part for part in _parts(name) if part not in present), "") for name in absent]
    return sorted(set(whole), key=whole.index) if all(whole) else []


def _parts(name: str) -> list[str]:
    """The modules around a weight, the largest first."""
    parts = name.split(".")[:-1]
    return [".".join(parts[: k + 1]) for k in range(len(parts))]
