"""The tour through the library and the example for lmms-eval run; the page on Python names every call."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import gazecli as gaze
from gazecli.models.vlm import VLM

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
CAPTIONS = (ROOT / "examples" / "strip.txt").read_text("utf-8").splitlines()


def test_the_page_names_every_call_of_the_library() -> None:
    functions = [name for name in gaze.__all__ if name[0].islower() and not name.startswith("_")]
    assert [name for name in functions if f"gaze.{name}" not in PAGE and name != "fetch_comics"] == []


@pytest.mark.slow
def test_the_tour_leaves_its_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["python_api.py", str(tmp_path / "out")])
    runpy.run_path(str(ROOT / "examples" / "python_api.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    kinds = "VLM HeadSet Picture Answer Narration Tracking Evaluation Report".split()
    assert [line.split("(")[0] for line in lines] == kinds
    assert {file.suffix for file in (tmp_path / "out").iterdir()} == {
        *".safetensors .html .png .csv .svg".split()
    }


@pytest.fixture
def lmms_eval(monkeypatch: pytest.MonkeyPatch) -> dict[str, type]:
    """A stand-in of the part of lmms-eval's interface that a model of its own needs."""
    registered: dict[str, type] = {}

    class Lmms:
        is_simple = True

        def __init__(self) -> None:
            self.task_dict: dict[str, Any] = {}

    def register_model(*names: str) -> Callable[[type], type]:
        def decorate(kind: type) -> type:
            registered.update(dict.fromkeys(names, kind))
            return kind

        return decorate

    for name, content in (
        ("lmms_eval", {}),
        ("lmms_eval.api", {}),
        ("lmms_eval.api.model", {"lmms": Lmms}),
        ("lmms_eval.api.registry", {"register_model": register_model}),
    ):
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return registered


def test_a_benchmark_of_lmms_eval_is_answered_about_the_region(
    lmms_eval: dict[str, type], vlm_of: Callable[[str], VLM]
) -> None:
    runpy.run_path(str(ROOT / "examples" / "lmms_eval_gaze.py"))
    vlm = vlm_of("tiny")
    headset = gaze.discover(vlm, ROOT / "examples" / "comics", samples=6)
    question = "<image>\nWhat is happening in this panel of the comic strip?"
    documents = [{"strip": Image.open(ROOT / "examples" / "strip.png")}]

    def answers(**options: Any) -> list[str]:
        model = lmms_eval["gaze"](vlm=vlm, headset=headset.digest, max_batch_size=1, **options)
        model.task_dict["strips"] = {"test": documents}
        settings = {"max_new_tokens": 24, "until": ["\n"]}
        asked = (question, settings, lambda document: [document["strip"]], 0, "strips", "test")
        written: list[str] = model.generate_until([SimpleNamespace(args=asked)])
        return written

    assert answers(region="3") == [CAPTIONS[2]]
    assert answers(region="5") == [CAPTIONS[4]]
    assert answers() != answers(region="3")
