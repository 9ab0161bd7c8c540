"""What a forward pass would read back from its device, answered on the host, where it is known already.

Transformers' models look into their inputs while they run: which tokens are a picture's, how large pictures
are. On an accelerator each look waits until all work before it is done. Here the same code of transformers
runs on the host's copies, and what it finds is sent. Knows nothing of batches, questions or regions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch.utils._pytree import tree_map
from transformers import vision_utils

from gazecli.models.architecture import find_vision_tower
from gazecli.models.attention.to_device import send
from gazecli.models.vlm import VLM

# Methods of the model around tower and decoder that only look at ids, sizes and shapes.
_LOOKING = ("get_placeholder_mask", "get_rope_index")
GRID = "image_grid_thw"
# Sizes and counts that models read number by number and compute nothing with.
_READ_ONLY = ("image_sizes", "batch_num_images")


def stays_on_host(vlm: VLM, name: str) -> bool:
    """Whether the input `name` is better left on the host: sizes that nothing on the device needs."""
    if not answers(vlm):
        return False
    return name in _READ_ONLY or (name == GRID and bool(_helpers_of(find_vision_tower(vlm.model))))


def answers(vlm: VLM) -> bool:
    """Whether asking the host pays: not on the CPU, and not where hooks move modules about."""
    return vlm.device.type != "cpu" and not hasattr(vlm.model, "hf_device_map")


@contextmanager
def answered_on_host(
    vlm: VLM, inputs: Mapping[str, torch.Tensor], host: Mapping[str, torch.Tensor]
) -> Iterator[None]:
    """For one forward pass over `inputs`, of which `host` are the host's copies, by the same names."""
    if not answers(vlm):
        yield
        return
    near = {id(inputs[name]): copy for name, copy in host.items()}
    inner = getattr(vlm.model, "model", vlm.model)
    with ExitStack() as stack:
        for name in _LOOKING:
            if hasattr(inner, name):
                looking = partial(_on_the_host, getattr(inner, name), near, vlm.device)
                stack.enter_context(_replaced(inner, name, looking))
        if hasattr(vlm.decoder, "_deepstack_process"):
            places = _image_places(host["input_ids"], vlm)
            stack.enter_context(_replaced(vlm.decoder, "_deepstack_process", partial(_add_features, places)))
        if GRID in host and inputs[GRID] is host[GRID]:
            tower = find_vision_tower(vlm.model)
            told = partial(_told, vlm.device)
            stack.callback(tower.register_forward_pre_hook(told, with_kwargs=True).remove)
            if hasattr(tower, "embeddings"):  # GLM-4V's computes with the sizes
                sending = tower.embeddings.register_forward_pre_hook(lambda _, args: _sent(args, vlm.device))
                stack.callback(sending.remove)
        yield


@contextmanager
def _replaced(owner: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:
    setattr(owner, name, method)
    try:
        yield
    finally:
        delattr(owner, name)


def _on_the_host(
    stock: Callable[..., Any],
    near: Mapping[int, torch.Tensor],
    device: torch.device,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """`stock` on the host's copies; of features and embeddings it looks at the shape alone."""

    def known(part: Any) -> Any:
        if not torch.is_tensor(part) or part.device.type == "cpu":
            return part
        if id(part) in near:
            return near[id(part)]
        return (
            torch.zeros((), dtype=part.dtype).expand(part.shape) if part.is_floating_point() else part.cpu()
        )

    return _sent(stock(*tree_map(known, args), **tree_map(known, kwargs)), device)


def _image_places(ids: torch.Tensor, vlm: VLM) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of each image token of `ids`, (B, L), in order."""
    rows, columns = (ids == vlm.preparation.placeholder).nonzero(as_tuple=True)
    return send(rows, vlm.device), send(columns, vlm.device)


def _add_features(
    places: tuple[torch.Tensor, torch.Tensor],
    hidden: torch.Tensor,
    _mask: torch.Tensor,
    features: torch.Tensor,
) -> torch.Tensor:
    """Qwen3-VL's deepstack, with the places known instead of sought by a mask: hidden (B, L, D)."""
    added = hidden.clone()
    added[places] = added[places] + features.to(hidden.device, hidden.dtype)
    return added


def _helpers_of(tower: Any) -> Mapping[str, Callable[[Any, torch.Tensor], Mapping[str, torch.Tensor]]]:
    """By what helpers of transformers `tower` works out indices from sizes; none where one is not known."""
    return _helpers_in(type(tower).__module__)


@cache
def _helpers_in(module: str) -> Mapping[str, Callable[[Any, torch.Tensor], Mapping[str, torch.Tensor]]]:
    known = {
        "get_vision_position_ids": _positions,
        "get_vision_attention_seqlens": _boundaries,
        "get_vision_window_index": _windows,
        "get_vision_interpolation_indices_and_weights": _interpolation,
    }
    names = vars(sys.modules[module])
    helpers = {name: each for name, each in vars(vision_utils).items() if name.startswith("get_vision_")}
    used = {name for name, helper in helpers.items() if names.get(name) is helper}
    if "get_vision_position_ids" not in used or not used <= set(known):
        return {}
    return {name: known[name] for name in used}


def _told(
    device: torch.device, tower: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Hand the tower what it would have worked out; lengths stay on the host, where they cut tensors."""
    for work_out in _helpers_of(tower).values():
        for name, tensor in work_out(tower, kwargs["grid_thw"]).items():
            kwargs[name] = tensor if name.startswith("cu_") else send(tensor, device)
    return args, kwargs


def _sent(parts: Any, device: torch.device) -> Any:
    """`parts` with every tensor in them on `device`."""
    return tree_map(lambda part: send(part, device) if torch.is_tensor(part) else part, parts)


def _positions(tower: Any, grid: torch.Tensor) -> Mapping[str, torch.Tensor]:
    return {"position_ids": vision_utils.get_vision_position_ids(grid, tower.spatial_merge_size)}


def _boundaries(_tower: Any, grid: torch.Tensor) -> Mapping[str, torch.Tensor]:
    return {"cu_seqlens": vision_utils.get_vision_cu_seqlens(grid)}


def _windows(tower: Any, grid: torch.Tensor) -> Mapping[str, torch.Tensor]:
    config = tower.config
    index, lengths = vision_utils.get_vision_window_index(
        grid, config.spatial_merge_size, config.window_size, config.patch_size
    )
    return {"window_index": index, "cu_window_seqlens": lengths}


def _interpolation(tower: Any, grid: torch.Tensor) -> Mapping[str, torch.Tensor]:
    indices, weights = vision_utils.get_vision_interpolation_indices_and_weights(
        grid,
        num_grid_per_side=tower.num_grid_per_side,
        mode=tower.interpolation_mode,
        align_corners=tower.interpolation_align_corners,
        spatial_merge_size=tower.config.spatial_merge_size,
    )
    return {"interp_indices": indices, "interp_weights": weights}
