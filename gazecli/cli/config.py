"""What was chosen once for all calls: a flag wins over the environment, that over the config file.

Knows nothing of what the settings do.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from gazecli.errors import UsageError

KEYS = ("model", "device", "dtype")


def setting(key: str, flag: str | None) -> str | None:
    """The value of `model`, `device` or `dtype`: flag, then GAZE_MODEL and so on, then config.toml.

    Raises UsageError when the config file is needed and unreadable.
    """
    return flag or os.environ.get(f"GAZE_{key.upper()}") or configured().get(key)


def config_path() -> Path:
    """Where the config file is looked for."""
    import platformdirs

    return Path(platformdirs.user_config_dir("gaze")) / "config.toml"


def configured() -> dict[str, str]:
    """The config file's settings, {} when there is none; UsageError when it is not as it should be."""
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
