"""Settings for all calls: an option wins over the environment, and that over the config file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from gazecli.errors import UsageError

KEYS = ("model", "device", "dtype")


def setting(key: str, option: str | None) -> str | None:
    """The value of `model`, `device` or `dtype`: the option, then GAZE_MODEL and so on, then config.toml.

    Raises UsageError when the config file is needed and unreadable.
    """
    return option or os.environ.get(f"GAZE_{key.upper()}") or configured().get(key)


def config_path() -> Path:
    """The path of the config file."""
    import platformdirs

    return Path(platformdirs.user_config_dir("gaze")) / "config.toml"


def configured() -> dict[str, str]:
    """The config file's settings, {} when there is none; UsageError when it cannot be used."""
    path = config_path()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unusable(f"the config file cannot be read ({reason})", path) from error
    for key, value in table.items():
        if key not in KEYS:
            raise _unusable(f"the config file has an unknown setting, {key!r}", path)
        if not isinstance(value, str):
            raise _unusable(f"the config file's {key!r} is not a text", path)
    return table


def _unusable(message: str, path: Path) -> UsageError:
    hint = f'it may hold {", ".join(KEYS)}, e.g. device = "cpu"'
    return UsageError(message, subject=str(path), hint=hint, code="config.invalid")
