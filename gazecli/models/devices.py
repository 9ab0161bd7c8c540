"""Devices and number formats: which a model runs in, and when a device is out of memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
_GROUP, _LIMIT = Path("/sys/fs/cgroup"), ("memory.max", "memory.current")  # of a container
# In messages of errors that have no class of their own.
_NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def choose_device(name: str | None) -> torch.device:
    """`auto` takes cuda, then mps, then cpu; of several launched processes each takes its own cuda device.

    Raises UsageError for a device that is unknown or not here, or that all processes would share.
    """
    if name in (None, "auto"):
        if torch.cuda.is_available():
            return own_gpu()
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(str(name))
    except RuntimeError:
        raise UsageError(
            "no such device", subject=str(name), hint="use auto, cpu, cuda, cuda:0 or mps"
        ) from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise UsageError(
            "this device is not available here",
            subject=str(name),
            hint="use --device auto, or install a build of torch for it",
        )
    if device.type == "cuda" and current_launch().world_size > 1:
        if device.index is not None:
            raise UsageError(
                "one GPU for all processes", subject=str(name), hint="use --device cuda: each takes its own"
            )
        return own_gpu()
    return device


def own_gpu() -> torch.device:
    """The cuda device that accelerate's `PartialState` gives this process, without waiting for the others.

    The number among the processes of this machine counts the devices that are visible, round and round.
    """
    here = current_launch()
    if here.world_size == 1:
        return torch.device("cuda")
    device = torch.device("cuda", here.local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)  # or each would also keep a context on the first
    return device


def device_of(module: Any) -> torch.device:
    """Where a module computes: its weight may lie elsewhere and come when it is needed."""
    hook = getattr(module, "_hf_hook", None)
    for part in (*getattr(hook, "hooks", ()), hook):
        device = getattr(part, "execution_device", None)
        if device is not None:
            return torch.device(device)
    device_of_weight: torch.device = module.weight.device
    return device_of_weight


def choose_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on cuda and float32 elsewhere.

    Raises UsageError for an unknown format.
    """
    if name in (None, "auto"):
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    short = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}.get(str(name), str(name))
    if short not in DTYPES:
        raise UsageError("no such dtype", subject=str(name), hint=f"use auto, {', '.join(DTYPES)}")
    return DTYPES[short]


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that a device, or the machine, has no memory left.

    CUDA has an error class for it, MPS, the CPU and the libraries on CUDA only words.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def free_memory(device: torch.device) -> int | None:
    """Bytes that a device has left, for a CPU those of the machine or container; None where unknown."""
    if device.type == "cuda":
        # What torch has set aside and does not use is free as well.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type != "cpu":
        return None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        return None
    with suppress(OSError, ValueError):
        most, used = (int((_GROUP / name).read_text(encoding="ascii")) for name in _LIMIT)
        found.append(max(0, most - used))
    return min(found, default=None)


def release(device: torch.device) -> None:
    """Give back what the device's allocator holds unused."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


# Their copies are done before they return, or read memory that may have changed meanwhile.
_NO_STREAMS = ("cpu", "mps", "meta")


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The same numbers where a CUDA `device` can fetch them by itself; elsewhere the tensor as it is."""
    if device.type != "cuda" or tensor.device.type != "cpu" or tensor.is_pinned():
        return tensor
    return tensor.pin_memory()


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`tensor` on `device`; the host goes on at once, and later work on the device comes after the copy."""
    if device.type in _NO_STREAMS or tensor.device.type != "cpu":
        return tensor.to(device)
    return pinned(tensor, device).to(device, non_blocking=True)
