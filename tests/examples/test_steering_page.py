"""The page on steering a `generate` call: its code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "steering-a-generate-call.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_its_blocks_run_in_turn_and_steer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    texts = []
    for block in BLOCKS:
        exec(block, names)
        vlm, tokens = names["vlm"], names["tokens"]
        texts.append([vlm.decode(row[-24:].tolist()) for row in tokens])  # type: ignore[attr-defined]
    alone, batch, apart, *_, of_two = texts
    assert alone[0] in batch[0] or batch[0] in alone[0]
    assert apart[0] != apart[1]
    assert len(of_two) == 1
    assert names["watched"].trajectory().shape[1] == 6  # type: ignore[attr-defined]
