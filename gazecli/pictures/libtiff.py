"""Keeps libtiff, which decodes compressed TIFF files, from printing to standard error by itself.

What it has to say about a damaged file is said once, by the error that is raised. Knows nothing of pictures.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from importlib import import_module


@cache
def silence_libtiff() -> None:
    """Take libtiff's printing handlers away, for this process; nothing happens where it cannot be reached."""
    with suppress(ImportError, OSError, AttributeError, TypeError):
        # Symbols are looked up in Pillow's own library and in those it brought, whatever their files' names.
        library = ctypes.CDLL(import_module("PIL._imaging").__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
