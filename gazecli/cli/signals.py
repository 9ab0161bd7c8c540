"""Ctrl-C and SIGTERM at any point: the process cleans up and ends within two seconds.

The first signal raises KeyboardInterrupt in the main thread, so that partial results are kept and
half-written files are removed. A watcher thread ends the process soon after, whatever it is busy with and
even if the exception was swallowed. Imports nothing that takes time.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED = 130
# The rest of the two seconds is for a busy machine.
GRACE_SECONDS = 1.4

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


class _State:
    """Of this process: whether a signal came, and whether all work is done."""

    interrupted = False
    finished = False


def install_handlers() -> None:
    """From here on this process can be interrupted at any point; call it once, in the main thread."""
    if sys.platform != "win32":
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        _thread.start_new_thread(_watch, (reader,))
        # A forked child has no watcher, and must not wake this process's.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    sys.unraisablehook = _unraisable_hook
    for number in _SIGNALS:
        # Ignored already: a shell started this process in the background, or under nohup.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
            # Registered first, so run last: there is nothing left to interrupt.
            atexit.register(signal.signal, number, signal.SIG_IGN)


def was_interrupted() -> bool:
    """Whether a signal came, even if the KeyboardInterrupt was swallowed."""
    return _State.interrupted


def report_interrupt() -> int:
    """Write that it was interrupted, from one process of a launch; returns the exit code."""
    from gazecli.distributed.launcher import is_reporter

    _write_message(aloud=is_reporter(at_once=True))
    return INTERRUPTED


def exit_process(code: int) -> NoReturn:
    """End the process; at once when interrupted, without waiting for threads that still work."""
    _State.finished = True
    if code == INTERRUPTED:
        os._exit(code)
    if _State.interrupted:
        _end()
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if _State.finished:
        _end()
    # A second signal, from an impatient user or a parent that passes it on, must not break the clean-up.
    if not _State.interrupted:
        _State.interrupted = True
        raise KeyboardInterrupt


def _watch(reader: int) -> None:
    while os.read(reader, 1)[0] not in _SIGNALS:
        pass
    time.sleep(GRACE_SECONDS)
    _end()


def _end() -> NoReturn:
    # Without asking the other processes of the launch, which may have ended and never answer.
    from gazecli.distributed.launcher import current_launch

    _write_message(aloud=current_launch().is_first)
    os._exit(INTERRUPTED)


def _write_message(*, aloud: bool) -> None:
    """Show the cursor again where a progress bar hid it, and write why the process ends."""
    shown = _SHOW_CURSOR if "rich.live" in sys.modules and os.isatty(2) else b""
    # Not through sys.stderr, whose lock another thread may hold for ever.
    with suppress(OSError):
        os.write(2, shown + (b"interrupted\n" if aloud else b""))


def _unraisable_hook(event: UnraisableHookArgs) -> None:
    """Raise an interrupt again that came inside a finalizer or callback, where Python swallows it."""
    if issubclass(event.exc_type, KeyboardInterrupt):
        # From a thread: raised here, it would be swallowed again.
        _thread.start_new_thread(_interrupt_again, ())
    else:
        sys.__unraisablehook__(event)


def _interrupt_again() -> None:
    time.sleep(0.01)
    _State.interrupted = False
    _thread.interrupt_main()
