"""Copies from the host to a device that do not make the host wait."""

from __future__ import annotations

import torch

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
