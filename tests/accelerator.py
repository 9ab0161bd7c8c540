"""A device of its own in main memory: where a host would wait for a GPU is counted.

Tensors on it hold their numbers in a tensor of the CPU, so results are real; operations that mix it with
the CPU fail as they do on CUDA. What kernels do inside, and how long anything takes, it cannot tell. Knows
nothing of models.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

DEVICE = torch.device("privateuseone", 0)
_aten = torch.ops.aten
# Numbers handed to Python, and results whose size depends on what tensors hold.
_READS = {
    _aten._local_scalar_dense,
    _aten.nonzero,
    _aten.masked_select,
    _aten.equal,
    _aten._unique2,
    _aten.unique_consecutive,
    _aten.unique_dim,
}
_INDEXING = {_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_}
_BENEATH = torch.library.Library("aten", "IMPL")
_counting: list[Waits] = []


class FarTensor(torch.Tensor):
    """A tensor of the device; `near` holds its numbers."""

    near: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> FarTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            near.size(),
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=DEVICE,
        )
        made.near = near
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.ndim == 0 else repr(self.cpu()), spec)

    def data_ptr(self) -> int:
        return self.near.data_ptr()


class Waits(TorchDispatchMode):
    """`places` counts (kind, line of code): at a "read", a "fetch" and a "send" the host waits."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not any(_concerns(leaf) for leaf in tree_leaves((args, kwargs))):
            return func(*args, **kwargs)
        if func.overloadpacket is not _aten.scaled_dot_product_attention:
            with self:  # in inference mode, operations made of others come whole
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        kind = _kind(func, args, kwargs)
        if kind:
            self.places[kind, _place()] += 1
        return _run(func, args, kwargs)


@contextmanager
def waits() -> Iterator[Waits]:
    """Count inside, in inference mode."""
    _register()
    before = torch._C._only_lift_cpu_tensors()
    # Else `torch.tensor(…, device=…)` would send its numbers beneath what can be seen from here.
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with torch.inference_mode(), Waits() as counting:
            _counting.append(counting)
            yield counting
    finally:
        _counting.clear()
        torch._C._set_only_lift_cpu_tensors(before)


@torch.inference_mode()
def move(module: nn.Module) -> None:
    """Put a module's weights and buffers onto the device."""
    _register()
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(FarTensor(weight.detach()), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = FarTensor(buffer)


@cache
def _register() -> None:
    _setup_privateuseone_for_python_backend()
    _BENEATH.impl("_local_scalar_dense", _read_beneath, "PrivateUse1")


def _read_beneath(tensor: FarTensor) -> Any:
    """`torch.tensor([…])` of tensors on the device reads each where no mode sees it."""
    for counting in _counting:
        counting.places["read", _place()] += 1
    return tensor.near.item()


def _kind(func: Any, args: Any, kwargs: dict[str, Any]) -> str | None:
    packet = func.overloadpacket
    if packet in (_aten._to_copy, _aten.copy_):
        return _kind_of_copy(packet, args, kwargs)
    if not any(_is_far(leaf) for leaf in tree_leaves((args, kwargs))):
        return None
    masked = packet in _INDEXING and any(_is_far(index) and index.dtype == torch.bool for index in args[1])
    counted = packet is _aten.repeat_interleave and kwargs.get("output_size") is None
    return "read" if packet in _READS or masked or counted else None


def _kind_of_copy(packet: Any, args: Any, kwargs: dict[str, Any]) -> str | None:
    if packet is _aten.copy_:
        source, to_far = args[1], _is_far(args[0])
    else:
        wanted = kwargs.get("device")
        source = args[0]
        to_far = _is_far(source) if wanted is None else torch.device(wanted).type == DEVICE.type
    if _is_far(source) == to_far or not source.numel():  # where there is nothing, PyTorch copies nothing
        return None
    if _is_far(source):
        return "fetch"
    return None if kwargs.get("non_blocking") else "send"


def _place() -> str:
    frames = traceback.extract_stack()
    ours = [frame for frame in frames if {"gazecli", "transformers"} & set(frame.filename.split("/"))]
    last = (ours or frames)[-1]
    return f"{'/'.join(last.filename.split('/')[-2:])}:{last.lineno} {last.line}"


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = tree_leaves((args, kwargs))
    far = any(_is_far(leaf) for leaf in leaves)
    packet = func.overloadpacket
    if packet is _aten.copy_:
        _near(args[0]).copy_(_near(args[1]))
        return args[0]
    if far and packet is not _aten._to_copy:
        mixed = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and not _is_far(leaf)]
        if any(leaf.ndim for leaf in mixed):
            raise RuntimeError(f"{func}: tensors on two devices")
    if kwargs.get("device") is not None:
        far = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs = {**kwargs, "device": torch.device("cpu")}
    made = func(*tree_map(_near, args), **tree_map(_near, kwargs))
    # What an operation writes in place stays the tensor that it was.
    known = {id(leaf.near): leaf for leaf in leaves if _is_far(leaf)}

    def back(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return known[id(value)] if id(value) in known else FarTensor(value) if far else value

    return tree_map(back, made)


def _concerns(value: Any) -> bool:
    return _is_far(value) or (isinstance(value, torch.device) and value.type == DEVICE.type)


def _is_far(value: Any) -> bool:
    return isinstance(value, FarTensor)


def _near(value: Any) -> Any:
    return value.near if isinstance(value, FarTensor) else value
