"""Snapshots of the Hub: found on this machine, completed and fetched by huggingface_hub.

Nothing heavy is imported at the top.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gazecli.errors import ModelError
from gazecli.models.folder_kinds import Folder, missing_part

Progress = Callable[[int, int], None]  # (bytes done, bytes in all)

_WANTED = ["*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "*.py"]
# The same weights once more, in layouts that transformers does not read.
_UNWANTED = ["consolidated*", "original/*", "onnx/*", "openvino/*", "*.gguf", "*.bin", "*.pth"]
_REVISION = re.compile(r"[0-9a-f]{40}")


def find_snapshot(hub_id: str, revision: str | None, fetch: bool, progress: Progress | None) -> Path:
    """The Hub snapshot of a model, every part of it; what is not on this machine is fetched.

    Without `progress`, huggingface_hub shows its own bar. Raises ModelError with the command that fetches it
    when it is not here, or not whole, and cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    def download(**options: Any) -> Path:
        return Path(snapshot_download(hub_id, revision=revision, **options))

    wanted = {"allow_patterns": _WANTED, "ignore_patterns": _UNWANTED}
    try:
        folder = download(**wanted, local_files_only=True)
        if missing_part(Folder(folder, hub_id, hub_id)) is None:
            return folder
    except HFValidationError:
        raise ModelError(
            "not a model name", subject=hub_id, hint="`gaze models` lists aliases", code="model.unknown"
        ) from None
    except (OSError, ValueError):  # it is not here, or not all of it
        pass
    reason: Exception | None = None
    try:
        if fetch:
            return download(**wanted, tqdm_class=None if progress is None else _reporting(progress))
    except Exception as failure:  # noqa: BLE001 - the network, the disk and the Hub fail in many ways
        reason = failure
    try:
        # Settings alone may be known to be missing, of a snapshot that is whole as far as it is needed.
        folder = download(allow_patterns=["config.json"], local_files_only=True)
        lacking = missing_part(Folder(folder, hub_id, hub_id))
        if lacking is None:
            return folder
    except (OSError, ValueError):
        lacking = None
    words = (
        "this model is not on this machine"
        if lacking is None
        else f"only a part of this model is here ({lacking})"
    )
    raise ModelError(
        f"{words} and cannot be fetched{_why(reason)}",
        subject=hub_id,
        hint=f"with a network: hf download {hub_id}" + (f" --revision {revision}" if revision else ""),
        code="model.absent",
    ) from None


def hub_revision(folder: Path) -> str | None:
    """The commit of a Hub snapshot folder, None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and _REVISION.fullmatch(folder.name) else None


def _why(reason: Exception | None) -> str:
    return f" ({type(reason).__name__})" if reason is not None else ""


def _reporting(progress: Progress) -> type:
    """A class as huggingface_hub wants one for its bars: that of the bytes written goes to `progress`."""
    from tqdm import tqdm

    lock = threading.Lock()

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *given: Any, **options: Any) -> None:
            self.told = options.get("unit") == "B" and "Reconstructing" in str(options.get("desc"))
            super().__init__(*given, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            with lock:
                self.n += n or 0
                if self.told and self.total:
                    progress(int(self.n), int(self.total))

        def __iter__(self) -> Iterator[Any]:
            return iter(self.iterable)

    return Bar
