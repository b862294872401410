"""Preloaded by the workers that the command starts: Ctrl-C in a terminal reaches them too, and is not for them."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the command, which stops the workers when it has kept the rounds so far."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
