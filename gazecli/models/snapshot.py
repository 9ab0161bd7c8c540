"""Snapshots of the Hub: found on this machine, completed and fetched by huggingface_hub.

Nothing heavy is imported at the top.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gazecli.errors import ModelError
from gazecli.models.folder_kinds import Folder, Listing, missing_part, refuse_kinds
from gazecli.plain_text import error_words

Progress = Callable[[int, int], None]  # (bytes done, bytes in all)

_WANTED = ["*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "*.py"]
# The same weights once more, in layouts that transformers does not read.
_UNWANTED = ["consolidated*", "original/*", "onnx/*", "openvino/*", "*.gguf", "*.bin", "*.pth"]
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)


def find_snapshot(hub_id: str, revision: str | None, fetch: bool, progress: Progress | None) -> Path:
    """The Hub snapshot of a model, every part of it; what is not on this machine is fetched.

    Without `progress`, huggingface_hub shows its own bar. Raises ModelError: before anything is fetched, for
    a repository that is nothing gaze can load, as far as the list of its files shows; with the command that
    fetches it, when it is not here, or not whole, and cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    def download(allow: list[str] = _WANTED, **options: Any) -> Any:
        options |= {"allow_patterns": allow, "ignore_patterns": _UNWANTED}
        return snapshot_download(hub_id, revision=revision, **options)

    def lacking(folder: str) -> str | None:
        return missing_part(Folder(Path(folder), hub_id, hub_id))

    try:
        folder = download(local_files_only=True)
        if lacking(folder) is None:
            return Path(folder)
    except HFValidationError:
        raise ModelError(
            "not a model name", subject=hub_id, hint="`gaze models` lists aliases", code="model.unknown"
        ) from None
    except (OSError, ValueError):  # it is not here, or not all of it
        pass
    why = ""
    try:
        if fetch:
            refuse_kinds(_listing(hub_id, revision))
            folder = download(tqdm_class=None if progress is None else transfer_bar(progress))
            if lacking(folder) is None or download(dry_run=True):  # of which there is no more on the Hub
                return Path(folder)
    except ModelError:  # it is there, and is nothing that could be loaded
        raise
    except Exception as failure:  # noqa: BLE001 - the network, the disk and the Hub fail in many ways
        why = f" ({_reason(failure)})"
    words = "this model is not on this machine"
    with suppress(OSError, ValueError):
        # Known to lack something that is perhaps not needed.
        folder = download(["config.json"], local_files_only=True)
        missing = lacking(folder)
        if missing is None:
            return Path(folder)
        words = f"only a part of this model is on this machine, {missing},"
    raise ModelError(
        f"{words} and cannot be fetched{why}",
        subject=hub_id,
        hint=f"with a network: hf download {hub_id}" + (f" --revision {revision}" if revision else ""),
        code="model.absent",
    )


def _listing(hub_id: str, revision: str | None) -> Listing:
    """What the Hub says of a repository; raises as huggingface_hub does."""
    from huggingface_hub import HfApi, hf_hub_download

    told = HfApi().model_info(hub_id, revision=revision)

    def read(name: str) -> bytes:
        bar = transfer_bar()
        with TemporaryDirectory() as folder:  # what is fetched for good comes later, under one bar
            path = hf_hub_download(hub_id, name, revision=told.sha, local_dir=folder, tqdm_class=bar)
            return Path(path).read_bytes()

    names = [file.rfilename for file in told.siblings or []]
    return Listing(Path(), hub_id, hub_id, names, told.library_name, read)


def hub_revision(folder: Path) -> str | None:
    """The commit of a Hub snapshot folder, None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and is_commit(folder.name) else None


def is_commit(revision: object) -> bool:
    """Whether a revision is a whole commit, which never changes."""
    return isinstance(revision, str) and _COMMIT.fullmatch(revision) is not None


def _reason(failure: Exception) -> str:
    """Why nothing could be fetched."""
    from huggingface_hub import constants, errors

    if constants.is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    if isinstance(failure, errors.RevisionNotFoundError):
        return "it has no such revision"
    if isinstance(failure, errors.GatedRepoError):
        return "its authors give access on request: ask on its page, then `hf auth login`"
    if isinstance(failure, errors.RepositoryNotFoundError):
        return "the Hub does not show it; a private model needs `hf auth login`"
    if isinstance(failure, errors.DryRunError | errors.LocalEntryNotFoundError):
        return "the Hub cannot be reached"
    return error_words(failure)


def transfer_bar(progress: Progress = lambda done, total: None) -> type:
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
