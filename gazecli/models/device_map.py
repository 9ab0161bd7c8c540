"""A model too large for one device: accelerate spreads it over several, main memory and disk.

Nothing heavy is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gazecli.canonical import read_json
from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError

STRATEGIES = ("auto", "balanced", "balanced_low_0", "sequential")
# The name of a module ("" is the whole model) -> the number of a GPU, or the name of where it lies.
ModuleMap = Mapping[str, int | str]
DeviceMap = str | ModuleMap

_MOST_BYTES = 1 << 24
_PLACE = re.compile(r"cpu|disk|mps|cuda(:\d+)?")
_HINT = f"use {', '.join(STRATEGIES)}, or a JSON file that maps names of modules to 0, 1, …, cpu or disk"


def parse_device_map(given: DeviceMap) -> DeviceMap:
    """A strategy of accelerate as it is, else the map of modules given, or read from the JSON file named.

    Raises UsageError for anything else, and where several processes would each spread the model.
    """
    if current_launch().world_size > 1:
        raise UsageError(
            "a device map has no effect with several processes: each uses one device",
            subject=str(given),
            hint="leave --device-map out, or start one process without torchrun",
        )
    if isinstance(given, str):
        if given in STRATEGIES:
            return given
        return _checked(read_json(Path(given), _MOST_BYTES, "the device map", UsageError, _HINT), given)
    return _checked(given, "device_map")


def _checked(found: object, subject: str) -> ModuleMap:
    if not isinstance(found, Mapping) or not found:
        raise UsageError("this maps no module to a device", subject=subject, hint=_HINT)
    for name, where in found.items():
        number = isinstance(where, int) and not isinstance(where, bool) and where >= 0
        if not isinstance(name, str) or not (number or (isinstance(where, str) and _PLACE.fullmatch(where))):
            raise UsageError(f"{name!r} cannot be on {where!r}", subject=subject, hint=_HINT)
    return dict(found)
