"""A request to discover: the model, the comics and the settings, and the document that names them.

The same request has the same head set. Nothing heavy is imported, so that a stored head set is found without
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.cache.file_digests import file_digest
from gazecli.errors import UsageError
from gazecli.heads.questions import DISCOVERY_PROMPT, kept_template, panel_prompts
from gazecli.models.checkpoint import find_checkpoint
from gazecli.models.image_token_bound import check_image_tokens
from gazecli.pictures.comics.comics import Comics

if TYPE_CHECKING:
    from gazecli.models.device_map import DeviceMap
    from gazecli.models.vlm import VLM

METHOD = 2  # raised whenever the same request would give other numbers


_ONE_PANEL = (
    "heads are found by which of several panels they look at: draw strips with gaze comics make, and steer "
    "one picture with gaze steer PICTURE --region left"
)


@dataclass(frozen=True)
class Settings:
    """Settings of discovery that change its result."""

    samples: int | None = None
    panels: int = 6
    height: int = 256
    gap: int = 6
    seed: int = 42
    prompt: str = DISCOVERY_PROMPT
    layout: str | None = None
    rtl: bool = False
    squash: bool = True
    spread: bool = False
    image_tokens: int | None = None

    def check(self) -> None:
        """Raise UsageError for a value that makes no sense."""
        bounds = {
            "samples": (1, 10**7),
            "panels": (2, 20),
            "height": (16, 4096),
            "gap": (0, 512),
            "seed": (0, 2**32 - 1),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(
                    f"--{name} must lie between {low} and {high}",
                    subject=str(value),
                    code=f"usage.{name}",
                    hint=_ONE_PANEL
                    if name == "panels" and value == 1
                    else f"leave --{name} out for the default",
                )
        check_image_tokens(self.image_tokens)
        panel_prompts(self.prompt, self.panels)

    def kept(self) -> dict[str, Any]:
        """The form that is hashed; requests from before `spread` and `image_tokens` are found again."""
        kept = {**asdict(self), "prompt": kept_template(self.prompt)}
        if not self.spread:
            del kept["spread"]
        if self.image_tokens is None:
            del kept["image_tokens"]
        return kept


@dataclass(frozen=True)
class Request:
    """One request to discover. `model` is a loaded VLM, or a name that is loaded with the other options.

    Digests of files are remembered under the cache folder `cache_root`.
    """

    model: VLM | str
    comics: Comics
    settings: Settings
    cache_root: Path
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    device_map: DeviceMap | None = None
    trust_remote_code: bool = False
    fetching: Callable[[int, int], None] | None = None
    advise: Callable[[str], None] = lambda message: None

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The document whose digest finds the stored head set."""
        if isinstance(self.model, str):
            checkpoint = find_checkpoint(self.model, self.revision, progress=self.fetching)
            digest = checkpoint.digest(self._file_digest)
            device, dtype = self.device, self.dtype
        else:
            digest = self.model.digest
            device, dtype = self.device or self.model.device.type, self.dtype or self.model.dtype
        return request_document(digest, self.comics.digest, self.settings, device, dtype)

    def load(self, note: Callable[[str], None]) -> VLM:
        """The model, loaded unless it is already; `note` as of `load`."""
        if not isinstance(self.model, str):
            return self.model
        from gazecli.models.load import load

        return load(
            self.model,
            device=self.device,
            dtype=self.dtype,
            revision=self.revision,
            device_map=self.device_map,
            trust_remote_code=self.trust_remote_code,
            file_digest=self._file_digest,
            squash=self.settings.squash,
            image_tokens=self.settings.image_tokens,
            note=note,
            advise=self.advise,
        )

    def _file_digest(self, path: Path) -> str:
        return file_digest(path, self.cache_root)


def request_document(
    model_digest: str, comics_digest: str, settings: Settings, device: str | None, dtype: str | None
) -> dict[str, Any]:
    """The document whose digest finds the stored head set."""
    return {
        "what": "discover",
        "method": METHOD,
        "model": model_digest,
        "comics": comics_digest,
        "settings": settings.kept(),
        "device": device or "auto",
        "dtype": dtype or "auto",
    }
