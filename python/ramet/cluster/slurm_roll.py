"""Which workers a scheduler has: lines in its job's log."""

from __future__ import annotations

import sys
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin


class Roll(SchedulerPlugin):
    """Says who came and went, as long as it is open."""

    name = "ramet-roll"

    def __init__(self) -> None:
        self.open = True
        self.names: dict[str, str] = {}

    def add_worker(self, scheduler: Any, worker: str) -> None:
        self.names[worker] = str(scheduler.workers[worker].name)
        self._say(f"{self.names[worker]} is there")

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        self._say(f"{self.names.pop(worker, worker)} is gone")

    def _say(self, what: str) -> None:
        if self.open:
            print(f"ramet: worker {what}; {len(self.names)} now.", file=sys.stderr, flush=True)
