"""What happens, on standard error: one line that changes on a terminal, a line for each change in a log."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

_QUIET = 15.0  # seconds after which an unchanged line is said again in a log


class Progress:
    def __init__(self, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._quiet = quiet
        self._shown = ""
        self._when = 0.0
        self._begun = time.monotonic()

    def show(self, text: str) -> None:
        """What is going on now; it replaces what was shown before."""
        if self._quiet:
            return
        now = time.monotonic()
        if self._is_terminal:
            line = f"{now - self._begun:4.0f} s  {text}"[: shutil.get_terminal_size().columns - 1]
            self._stream.write(f"\r\033[K{line}")
            self._shown = text
        elif text != self._shown or now - self._when > _QUIET:
            self._stream.write(f"{now - self._begun:4.0f} s  {text}\n")
            self._shown, self._when = text, now
        self._stream.flush()

    def say(self, text: str) -> None:
        """What is to stay."""
        self.end()
        if not self._quiet:
            print(text, file=self._stream, flush=True)

    def end(self) -> None:
        if self._is_terminal and self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()
        self._shown = ""
