"""The live page: checkpoint, heads, drawings, scripts and style become one HTML file that asks for nothing.

Run `python -m gazecli.tiny.live.page docs/live.html`, or `make page`. The same sources give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

from safetensors.numpy import load_file

from gazecli.cache.store import Cache
from gazecli.heads.discover import discover
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.steering.settings import DYNAMIC_PROMPT, STATIC_PROMPT
from gazecli.tiny.live.drawings import recorded_drawings

# In the order in which they are joined: what a file imports stands before it.
SCRIPTS = ("numbers", "resize", "vision", "language", "tokenizer", "writer", "strips", "studio", "page")
COUNTS = (1, 2, 4, 8)  # of heads to choose from, beside what discovery suggests
CONTROL_DRAWS = 5
_HERE = Path(__file__).parent
_CHECKPOINT = _HERE.parent / "checkpoint"
_COMICS = _HERE.parents[2] / "examples" / "comics"
_QUESTION = "{question}"


def build_page(vlm: VLM) -> str:
    """The whole page, from `tiny`'s checkpoint and the heads that are found in `vlm`, which is `tiny`."""
    tensors = load_file(_CHECKPOINT / "model.safetensors")
    weights = b"".join(tensors[name].astype("<f2").tobytes() for name in sorted(tensors))
    checkpoint = {
        "config": json.loads((_CHECKPOINT / "config.json").read_text(encoding="utf-8")),
        "pictures": json.loads((_CHECKPOINT / "preprocessor_config.json").read_text(encoding="utf-8")),
        "tokenizer": _tokenizer(),
        "template": vlm.preparation.prompt(_QUESTION).split("<|image_pad|>"),
        "tensors": [[name, list(tensors[name].shape)] for name in sorted(tensors)],
        "heads": chosen_heads(vlm),
        "questions": {"narrate": DYNAMIC_PROMPT, "panel": STATIC_PROMPT},
        "drawings": recorded_drawings(),
    }
    script = joined_scripts()
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    parts = {
        "policy": f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "worker-src blob:; base-uri 'none'; form-action 'none'",
        "style": _source("page.css"),
        "checkpoint": _json(checkpoint),
        "weights": base64.b64encode(weights).decode("ascii"),
        "script": script,
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: parts[match[1]], _source("page.html"))


def chosen_heads(vlm: VLM) -> dict[str, object]:
    """The heads that `gaze steer` takes, best first, and draws of others for each number to choose from.

    They are found on the example strips.
    """
    with tempfile.TemporaryDirectory() as scratch:
        headset = discover(vlm, _COMICS, cache=Cache(Path(scratch)))
    gaze = headset.top()
    counts = [*(count for count in COUNTS if count < len(gaze)), len(gaze)]
    return {
        "gaze": gaze,
        "counts": counts,
        "random": [[headset.controls(count, seed=seed) for seed in range(CONTROL_DRAWS)] for count in counts],
        "all": [(layer, head) for layer, count in vlm.heads_of.items() for head in range(count)],
    }


def joined_scripts() -> str:
    """All scripts in one block: they share their names, so imports and the word `export` fall away."""
    sources = [_source(f"{name}.js") for name in SCRIPTS]
    plain = [re.sub(r"^import \{[^}]*\} from \"[^\"]*\";\n", "", source, flags=re.M) for source in sources]
    bodies = [re.sub(r"^export ", "", source, flags=re.M) for source in plain]
    return '"use strict";\n{\n' + "\n".join(bodies) + "}\n"


def _tokenizer() -> dict[str, object]:
    stored = json.loads((_CHECKPOINT / "tokenizer.json").read_text(encoding="utf-8"))
    return {
        "vocabulary": stored["model"]["vocab"],
        "merges": stored["model"]["merges"],
        "special": {token["content"]: token["id"] for token in stored["added_tokens"]},
    }


def _json(value: object) -> str:
    # Inside a script element only `<` could end it.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def _source(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(build_page(load("tiny", device="cpu", dtype="float32")), encoding="utf-8")
