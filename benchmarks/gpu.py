"""Random models of full size on a GPU: strips a second, tokens a second steered and unsteered, peak memory.

Discovery is timed whole, from files to the head set, beside the plain oracle in eager attention.
`--tiny-sizes` runs the same on models of a few thousand parameters, wherever there is no GPU, to show that it
runs. Weights are made on the device; nothing is downloaded or written but small files of the processor.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

import gazecli as gaze
from benchmarks.discovery_oracle import eager_vision
from benchmarks.stopwatch import Row, show
from benchmarks.subject import PANELS, bias_towards, write_strips
from gazecli.cache.store import Cache
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.devices import choose_device, choose_dtype
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.processor import load_processor
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.settings import STATIC_PROMPT
from tests.fixtures.checkpoint_parts import write_checkpoint
from tests.fixtures.checkpoints_qwen import RECIPES

MOST_SECONDS_500_STRIPS = 60.0  # for the 8B model on one card of the H200's class
AT_LEAST = 10.0  # times the oracle's speed


@dataclass(frozen=True)
class Size:
    """A model's family and what its configuration has that the small recipe has not."""

    family: str
    text: dict[str, Any]
    vision: dict[str, Any]


def _qwen3(
    layers: int, hidden: int, heads: int, mlp: int, vision: tuple[int, int, int], deep: list[int]
) -> Size:
    depth, width, vision_mlp = vision
    rope = {
        "rope_type": "default",
        "rope_theta": 5e6,
        "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
    }
    return Size(
        "qwen3_vl",
        {
            "num_hidden_layers": layers,
            "hidden_size": hidden,
            "num_attention_heads": heads,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": mlp,
            "vocab_size": 151936,
            "rope_parameters": rope,
        },
        {
            "depth": depth,
            "hidden_size": width,
            "num_heads": 16,
            "intermediate_size": vision_mlp,
            "out_hidden_size": hidden,
            "deepstack_visual_indexes": deep,
        },
    )


SIZES = {
    "qwen3-vl-2b": _qwen3(28, 2048, 16, 6144, (24, 1024, 4096), [5, 11, 17]),
    "qwen3-vl-8b": _qwen3(36, 4096, 32, 12288, (27, 1152, 4304), [8, 16, 24]),
    "qwen2-vl-7b": Size(
        "qwen2_vl",
        {
            "num_hidden_layers": 28,
            "hidden_size": 3584,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "intermediate_size": 18944,
            "vocab_size": 152064,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4},
    ),
}


def random_vlm(name: str, folder: Path, device: torch.device, dtype: torch.dtype, tiny: bool) -> VLM:
    """A model of the size `name`, weights made on the device, with a small processor of its family."""
    size = SIZES[name]
    checkpoint = write_checkpoint(RECIPES[size.family], folder / name)
    config = AutoConfig.from_pretrained(checkpoint)
    if not tiny:
        for part, changes in ((config.text_config, size.text), (config.vision_config, size.vision)):
            for key, value in changes.items():
                setattr(part, key, value)
    with device:
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype, attn_implementation="sdpa")
    processor = load_processor(checkpoint, size.family)
    return VLM(model, processor, name, name, None, f"sha256:{'0' * 64}", name)


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of one run, the device waited for on both sides."""
    wait(device)
    began = time.perf_counter()
    run()
    wait(device)
    return time.perf_counter() - began


def wait(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(name: str, strips: int, tokens: int, device: torch.device, tiny: bool) -> list[Row]:
    """All figures of one model."""
    dtype = choose_dtype(None, device)
    with TemporaryDirectory() as text:
        folder = Path(text)
        vlm = random_vlm(name, folder, device, dtype, tiny)
        comics = write_strips(folder / "comics", strips)
        cache = Cache(folder / "cache")

        def discover(samples: int, batch_size: int | str = "auto") -> gaze.HeadSet:
            return gaze.discover(vlm, comics, samples=samples, batch_size=batch_size, force=True, cache=cache)

        def peak(run: Callable[[], object]) -> str:
            if device.type != "cuda":
                run()
                return "not read"
            torch.cuda.reset_peak_memory_stats(device)
            run()
            return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB"

        discover(min(2, strips))
        memory = peak(lambda: discover(min(8, strips)))
        whole = seconds_of(lambda: discover(strips), device) / strips
        waited = _waits_a_strip(partial(discover, batch_size=1), device)
        slow = _oracle_seconds(vlm, comics, device)
        writing = _writing_seconds(vlm, comics, tokens, device)
    promised = name == "qwen3-vl-8b" and not tiny
    return [
        Row(
            name,
            "500 strips",
            f"≤ {MOST_SECONDS_500_STRIPS:g} s" if promised else "",
            f"{1 / whole:.2f} strips/s, {500 * whole:.0f} s for 500, peak {memory}",
            500 * whole <= MOST_SECONDS_500_STRIPS if promised else None,
        ),
        Row(
            name,
            "the oracle, one eager pass a question",
            f"≥ {AT_LEAST:g} x" if not tiny else "",
            f"{slow / whole:.1f} x",
            slow / whole >= AT_LEAST if not tiny else None,
        ),
        Row(
            name,
            "waits of the host a strip",
            "",
            "not counted" if waited is None else str(waited),
            None,
        ),
        Row(
            name,
            "unsteered tokens",
            "≤ 1.05 x",
            f"{tokens / writing['steered']:.1f} and {tokens / writing['unsteered']:.1f} tokens/s, "
            f"{writing['steered'] / writing['unsteered']:.2f} x",
            None if tiny else writing["steered"] <= 1.05 * writing["unsteered"],
        ),
    ]


def _waits_a_strip(discover: Callable[[int], gaze.HeadSet], device: torch.device) -> int | None:
    """How often the host waited for the device in the last of two strips; None where nobody counts."""
    if device.type != "cuda":
        return None
    counts = []
    for strips in (1, 2):
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                discover(strips)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        counts.append(sum("synchroniz" in str(warning.message) for warning in caught))
    return counts[1] - counts[0]


def _oracle_seconds(vlm: VLM, comics: Path, device: torch.device) -> float:
    from tests import oracle

    picture = open_comics(comics).strips[0].load()
    strip = []
    for prompt in panel_prompts(DISCOVERY_PROMPT, PANELS):
        inputs, layout = vlm.prepare(picture, prompt)
        strip.append((inputs, [layout.tokens(region).tolist() for region in picture.regions]))
    with ExitStack() as stack:
        stack.enter_context(eager_vision(vlm))
        oracle.discover(vlm.model, [strip[:1]])
        return seconds_of(lambda: oracle.discover(vlm.model, [strip]), device)


def _writing_seconds(vlm: VLM, comics: Path, tokens: int, device: torch.device) -> dict[str, float]:
    picture = open_comics(comics).strips[0].load()
    inputs, layout = vlm.prepare(picture, STATIC_PROMPT)
    ways = {"unsteered": None, "steered": bias_towards(vlm, layout, [picture.regions[2]])}
    limits = Limits(tokens, least=tokens)
    best: dict[str, float] = {}
    for _ in range(3):
        for name, bias in ways.items():
            spent = seconds_of(partial(generate, vlm, inputs, layout, bias, 1, limits), device)
            best[name] = min(best.get(name, spent), spent)
    return best


def main() -> bool:
    """Whether every promise holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", choices=[*SIZES, []], help="all when left out")
    parser.add_argument("--strips", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny-sizes", action="store_true", help="show that it runs")
    given = parser.parse_args()
    device = choose_device(given.device)
    if device.type != "cuda" and not given.tiny_sizes:
        parser.error("there is no GPU; --tiny-sizes shows that the script runs")
    strips, tokens = (2, 4) if given.tiny_sizes else (given.strips, given.tokens)
    rows = []
    for name in given.models or SIZES:
        sys.stderr.write(f"{name} …\n")
        rows += measure(name, strips, tokens, device, given.tiny_sizes)
    return show(rows)


if __name__ == "__main__":
    sys.exit(not main())
