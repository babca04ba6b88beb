"""The program: what `quasistatic` and `python -m quasistatic` run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT


class _Interrupt:
    """Ctrl-C, for the whole life of the program: it raises KeyboardInterrupt. A second one ends the program where it is.

    So does the first within an import: what libraries make of an exception there is not always that exception.
    """

    came = False

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        if self.came or _is_importing(frame):
            _leave(INTERRUPTED)
        self.came = True
        raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _leave(code: int) -> NoReturn:
    """End without the interpreter's own ending: threads that still compile or compute would meet it, and crash."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def main() -> None:
    """Run the command line. Ctrl-C ends it with code 130 wherever it comes, also where a library took the exception for its own."""
    interrupt = _Interrupt()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is not where a shell has sent this to the background
        signal.signal(signal.SIGINT, interrupt)

    def unraisable(lost: sys.UnraisableHookArgs) -> None:
        """An exception that no one can catch, as it came while an object was deleted."""
        if interrupt.came:
            _leave(INTERRUPTED)
        sys.__unraisablehook__(lost)

    sys.unraisablehook = unraisable
    try:
        from quasistatic.cli import main as group

        group(prog_name="quasistatic")
    except SystemExit as end:
        if isinstance(end.code, int) and 128 < end.code < 192:  # of a signal, also one after which there is no terminal to write to
            _leave(end.code)
        raise
    finally:
        if interrupt.came:
            _leave(INTERRUPTED)


if __name__ == "__main__":
    if sys.path and sys.path[0] == os.getcwd():  # where Python puts it: what lies in the working folder is not named by that
        del sys.path[0]
    main()
