"""Running out of memory, as each device says it. Knows nothing of what was being computed."""

from __future__ import annotations

import torch

_SAID = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that a device, or the machine, has no memory left.

    CUDA has an error class for it, MPS, the CPU and the libraries on CUDA only words.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAID)


def release(device: torch.device) -> None:
    """Give back what the device's allocator holds unused."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
