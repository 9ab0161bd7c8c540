"""Run every benchmark and print one table; exit 1 when a promise does not hold.

Names choose some: `python -m benchmarks startup cached`.
"""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.stopwatch import show

NAMES = (
    "discovery_oracle",
    "discovery_floor",
    "discovery_linear",
    "steering_tokens",
    "steering_batch",
    "steering_long",
    "evaluation_batch",
    "serving",
    "many_pictures",
    "startup",
    "cached",
    "live_page",
)


def main() -> bool:
    """Whether every promise holds."""
    chosen = sys.argv[1:] or NAMES
    unknown = sorted(set(chosen) - set(NAMES))
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    rows = []
    for name in chosen:
        sys.stderr.write(f"{name} …\n")
        rows += import_module(f"benchmarks.{name}").run()
    return show(rows)


if __name__ == "__main__":
    sys.exit(not main())
