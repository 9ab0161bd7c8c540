"""Ctrl-C and SIGTERM: heard at any point, tidied up after, and obeyed within two seconds.

The first one raises KeyboardInterrupt in the main thread, so that progress is kept and half-written files
go. A watcher thread sees to it that the process is gone soon after, whatever it is busy with and whoever
swallowed the exception. Knows nothing of what the commands do, and imports nothing that takes time.
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
# What is left of two seconds is for a busy machine.
GRACE_SECONDS = 1.4

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


class _Stop:
    """Where this process stands: asked to stop, or past all work."""

    asked = False
    work_is_over = False


def heed() -> None:
    """From here on this process can be interrupted at any point; call it once, in the main thread."""
    if sys.platform != "win32":
        listening, ringing = os.pipe()
        os.set_blocking(ringing, False)
        signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)
        _thread.start_new_thread(_watch, (listening,))
        # A child has no watcher, and its signals are no business of this process.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    sys.unraisablehook = _hear_swallowed
    for number in _SIGNALS:
        # Who started this process in the background may have asked for it not to be interrupted.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
            # Registered first and so run last: nothing is left to do then.
            atexit.register(signal.signal, number, signal.SIG_IGN)


def asked_to_stop() -> bool:
    """Whether an interrupt came, even if nobody let it through."""
    return _Stop.asked


def tell_interrupt() -> int:
    """Say that the user stopped it, of several processes one; the exit code."""
    from gazecli.distributed.launcher import is_first_to_report

    _say(aloud=is_first_to_report(at_once=True))
    return INTERRUPTED


def leave(code: int) -> NoReturn:
    """End the process; at once when interrupted, without waiting for threads that still work."""
    _Stop.work_is_over = True
    if code == INTERRUPTED:
        os._exit(code)
    if _Stop.asked:
        _end()
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if _Stop.work_is_over:
        _end()
    # A second one, from an impatient person or a parent that passes it on, must not break the tidying-up.
    if not _Stop.asked:
        _Stop.asked = True
        raise KeyboardInterrupt


def _watch(listening: int) -> None:
    while os.read(listening, 1)[0] not in _SIGNALS:
        pass
    time.sleep(GRACE_SECONDS)
    _end()


def _end() -> NoReturn:
    # Without asking the other processes of a launch, which may have ended and never answer.
    from gazecli.distributed.launcher import current_launch

    _say(aloud=current_launch().is_first)
    os._exit(INTERRUPTED)


def _say(*, aloud: bool) -> None:
    """Give the cursor back where one was hidden, and say why this ends."""
    shown = _SHOW_CURSOR if "rich.live" in sys.modules and os.isatty(2) else b""
    # Past the buffers of sys.stderr, whose lock another thread may hold for ever.
    with suppress(OSError):
        os.write(2, shown + (b"interrupted\n" if aloud else b""))


def _hear_swallowed(event: UnraisableHookArgs) -> None:
    """An interrupt that came inside a finalizer or callback goes nowhere: raise it again, and say nothing."""
    if issubclass(event.exc_type, KeyboardInterrupt):
        # From a thread: raised here, it would end inside this very function.
        _thread.start_new_thread(_interrupt_again, ())
    else:
        sys.__unraisablehook__(event)


def _interrupt_again() -> None:
    time.sleep(0.01)
    _Stop.asked = False
    _thread.interrupt_main()
