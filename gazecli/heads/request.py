"""A request to discover: the model, the comics or texts, the settings, and the document that names them.

The same request has the same head set. Nothing heavy is imported, so that a stored head set is found without
torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.cache.file_digests import file_digest
from gazecli.errors import BadInput, ComicsError, GazeError, UsageError
from gazecli.heads.questions import DISCOVERY_PROMPT, TEXT_PROMPT, kept_template, panel_prompts
from gazecli.heads.text_lists import TextLists
from gazecli.models.checkpoint import find_checkpoint
from gazecli.models.image_token_bound import check_image_tokens
from gazecli.models.token_maps.shared_tokens import SHARE
from gazecli.pictures.comics.comics import Comics

if TYPE_CHECKING:
    from gazecli.heads.sums import Float64, Sums
    from gazecli.models.device_map import DeviceMap
    from gazecli.models.vlm import VLM

METHOD, TEXT_METHOD = 2, 1  # raised whenever the same request would give other numbers


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
        check_numbers(
            samples=self.samples, panels=self.panels, height=self.height, gap=self.gap, seed=self.seed
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
class TextSettings:
    """Settings of discovery on texts that change its result, besides the texts."""

    seed: int = 42
    prompt: str = TEXT_PROMPT

    def check(self, panels: int) -> None:
        """Raise UsageError for a value that makes no sense with `panels` texts a list."""
        check_numbers(seed=self.seed)
        panel_prompts(self.prompt, panels)

    def kept(self) -> dict[str, Any]:
        """The form that is hashed."""
        return {"seed": self.seed, "prompt": kept_template(self.prompt)}


@dataclass(frozen=True, kw_only=True)
class Request(ABC):
    """One request to discover. `model` is a loaded VLM, or a name that is loaded with the other options.

    Digests of files are remembered under the cache folder `cache_root`.
    """

    model: VLM | str
    cache_root: Path
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    device_map: DeviceMap | None = None
    trust_remote_code: bool = False
    fetching: Callable[[int, int], None] | None = None
    advise: Callable[[str], None] = lambda message: None

    @property
    @abstractmethod
    def count(self) -> int:
        """How many strips, or lists of texts, are walked."""

    @property
    @abstractmethod
    def panels(self) -> int:
        """Panels a strip, or texts a list."""

    @property
    @abstractmethod
    def seed(self) -> int:
        """Draws the shuffled labels."""

    @abstractmethod
    def document_for(self, model: str, device: str | None, dtype: str | None) -> dict[str, Any]:
        """The document for a model of this digest."""

    @abstractmethod
    def measured(
        self, vlm: VLM, numbers: Sequence[int], batch_size: int | None
    ) -> Iterator[Sequence[tuple[int, Float64 | str]]]:
        """What is measured of each of these numbers, as `heads.measure.measured`."""

    @abstractmethod
    def found_on(self, vlm: VLM, sums: Sums) -> dict[str, Any]:
        """The blocks of a head set's header that say what it was found on, and how."""

    @abstractmethod
    def nothing_usable(self, why: str) -> GazeError:
        """The error where nothing could be added."""

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The document whose digest finds the stored head set."""
        if isinstance(self.model, str):
            checkpoint = find_checkpoint(self.model, self.revision, progress=self.fetching)
            return self.document_for(checkpoint.digest(self._file_digest), self.device, self.dtype)
        device, dtype = self.device or self.model.device.type, self.dtype or self.model.dtype
        return self.document_for(self.model.digest, device, dtype)

    def load(self, note: Callable[[str], None], **more: Any) -> VLM:
        """The model, loaded unless it is already; `note` and `more` as of `load`."""
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
            note=note,
            advise=self.advise,
            **more,
        )

    def _file_digest(self, path: Path) -> str:
        return file_digest(path, self.cache_root)


@dataclass(frozen=True, kw_only=True)
class ComicsRequest(Request):
    """Discovery on strips."""

    comics: Comics
    settings: Settings

    @property
    def count(self) -> int:
        """How many strips are walked."""
        return len(self.comics.strips)

    @property
    def panels(self) -> int:
        """Panels a strip."""
        return self.settings.panels

    @property
    def seed(self) -> int:
        """Draws the shuffled labels."""
        return self.settings.seed

    def document_for(self, model: str, device: str | None, dtype: str | None) -> dict[str, Any]:
        """The document for a model of this digest."""
        return request_document(model, self.comics.digest, self.settings, device, dtype)

    def load(self, note: Callable[[str], None], **more: Any) -> VLM:
        """The model; `note` and `more` as of `load`."""
        settings = self.settings
        return super().load(note, squash=settings.squash, image_tokens=settings.image_tokens, **more)

    def measured(
        self, vlm: VLM, numbers: Sequence[int], batch_size: int | None
    ) -> Iterator[Sequence[tuple[int, Float64 | str]]]:
        """What is measured of the strips of these numbers."""
        from gazecli.heads.measure import measured

        strips = [(number, self.comics.strips[number]) for number in numbers]
        return measured(vlm, strips, panel_prompts(self.settings.prompt, self.panels), batch_size)

    def found_on(self, vlm: VLM, sums: Sums) -> dict[str, Any]:
        """Which strips, and how they were read and asked about."""
        samples = self.count if self.settings.samples is None else self.settings.samples
        settings = {**self.settings.kept(), "samples": samples, "layout": self.comics.layout}
        for order in ("rtl", "spread"):  # of the comics' panels, which their digest has
            settings.pop(order, None)
        comics = {
            "digest": self.comics.digest,
            "strips": sums.added,
            "panels": self.panels,
            "skipped": [{"strip": number, "reason": why} for number, why in sorted(sums.skipped.items())],
            "prepared": self._prepared_as(vlm, sums),
        }
        return {"comics": comics, "settings": settings}

    def nothing_usable(self, why: str) -> GazeError:
        """The error where no strip could be added."""
        larger = "use larger strips: a larger --height, or a larger --image-tokens where there is a bound"
        return ComicsError(
            f"no strip could be used ({why})",
            subject=str(self.comics.path),
            hint=larger if why.endswith(SHARE) else "`gaze comics check` lists what is wrong with each",
        )

    def _prepared_as(self, vlm: VLM, sums: Sums) -> str | None:
        """What was done to the first strip that counts, whose shape speaks for all: `squashed` or nothing."""
        for number, strip in enumerate(self.comics.strips):
            if number not in sums.skipped:
                with suppress(BadInput):  # a file that has gone meanwhile costs no head set
                    return vlm.prepare(strip.load(), self.settings.prompt)[1].prepared
        return None


@dataclass(frozen=True, kw_only=True)
class TextRequest(Request):
    """Discovery on lists of texts, without any picture."""

    texts: TextLists
    settings: TextSettings

    @property
    def count(self) -> int:
        """How many lists are walked."""
        return len(self.texts.lists)

    @property
    def panels(self) -> int:
        """Texts a list."""
        return self.texts.panels

    @property
    def seed(self) -> int:
        """Draws the shuffled labels."""
        return self.settings.seed

    def document_for(self, model: str, device: str | None, dtype: str | None) -> dict[str, Any]:
        """The document for a model of this digest."""
        return {
            "what": "discover-text",
            "method": TEXT_METHOD,
            "model": model,
            "texts": self.texts.digest,
            "settings": self.settings.kept(),
            "device": device or "auto",
            "dtype": dtype or "auto",
        }

    def load(self, note: Callable[[str], None], **more: Any) -> VLM:
        """The model, which need not read pictures; `note` and `more` as of `load`."""
        return super().load(note, text=True, **more)

    def measured(
        self, vlm: VLM, numbers: Sequence[int], batch_size: int | None
    ) -> Iterator[Sequence[tuple[int, Float64 | str]]]:
        """What is measured of the lists of these numbers."""
        from gazecli.heads.text_measure import measured_lists

        lists = [(number, self.texts.lists[number]) for number in numbers]
        return measured_lists(vlm, lists, panel_prompts(self.settings.prompt, self.panels), batch_size)

    def found_on(self, vlm: VLM, sums: Sums) -> dict[str, Any]:
        """Which texts, in the place of comics, and how they were asked about."""
        del vlm
        comics = {"digest": self.texts.digest, "strips": sums.added, "panels": self.panels, "skipped": []}
        return {
            "kind": "text",
            "comics": comics,
            "settings": {**self.settings.kept(), "samples": self.count, "panels": self.panels},
        }

    def nothing_usable(self, why: str) -> GazeError:
        """The error where no list could be added."""
        return UsageError(
            f"no list of texts could be used ({why})",
            hint="give lists of 2 to 20 short texts",
            code="texts.invalid",
        )


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


def check_numbers(**given: int | None) -> None:
    """UsageError for the first number that makes no sense, by the name of its option."""
    bounds = {
        "samples": (1, 10**7),
        "panels": (2, 20),
        "height": (16, 4096),
        "gap": (0, 512),
        "seed": (0, 2**32 - 1),
    }
    for name, (low, high) in bounds.items():
        value = given.get(name)
        if value is not None and not low <= value <= high:
            raise UsageError(
                f"--{name} must be between {low} and {high}",
                subject=str(value),
                code=f"usage.{name}",
                hint=_ONE_PANEL if (name, value) == ("panels", 1) else f"leave --{name} out for the default",
            )
