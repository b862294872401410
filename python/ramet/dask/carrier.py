"""Members' messages over Dask's own connections, where no other port is open.

    member's thread ──send──► a queue for each peer ──rpc──► the peer's worker, its inbox ──receive──► member's thread

Invariants
  R1. A peer's messages arrive once, whole, and in order: one at a time is under way, and it is acknowledged.
  R2. A peer that is gone is noticed by sending to it; where there is nothing to send, an empty message asks whether it
      lives. One whose worker does not answer for `silent_after` seconds is silent.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Sequence
from typing import Any

HANDLER = "ramet_carry"
LOOK = 0.1  # seconds that a receiver waits before it looks whether it shall go on

_carriers: dict[tuple[str, int, str], Carrier] = {}


async def _carry(worker: str, fit: str, epoch: int, sender: int, message: bytes | None) -> bool:
    """A worker's handler: False if the member is not there (any more)."""
    carrier = _carriers.get((fit, epoch, worker))
    if carrier is not None and message is not None:
        carrier.inboxes[sender].put(message)
    return carrier is not None


class Carrier:
    """A member's post: `send` and `receive` as `_core.CommCollective` calls them."""

    def __init__(self, worker: Any, fit: str, epoch: int, rank: int, size: int, silent_after: float) -> None:
        self.inboxes: list[queue.SimpleQueue[bytes]] = [queue.SimpleQueue() for _ in range(size)]
        self._worker = worker
        self._fit, self._epoch, self._rank = fit, epoch, rank
        self._silent_after = silent_after
        self._peers: Sequence[str] = ()
        self._outboxes: list[asyncio.Queue[bytes]] = []
        self._problems = [""] * size
        self._posts: list[asyncio.Task[None]] = []
        worker.handlers.setdefault(HANDLER, _carry)
        _carriers[fit, epoch, worker.address] = self

    def open(self, peers: Sequence[str]) -> None:
        """`peers`: addresses of the members' workers, all of whom have a carrier by now."""
        self._peers = peers
        self._on_loop(self._open())

    def send(self, to: int, message: bytes) -> None:
        if self._problems[to]:
            raise ConnectionError(self._problems[to])
        self._worker.loop.add_callback(self._outboxes[to].put_nowait, bytes(message))

    def receive(self, sender: int) -> bytes | None:
        try:
            return self.inboxes[sender].get(timeout=LOOK)
        except queue.Empty:
            if self._problems[sender] and self.inboxes[sender].empty():
                raise ConnectionError(self._problems[sender]) from None
            return None

    def close(self) -> None:
        """When all that was sent has been taken, or nobody is there to take it."""
        with contextlib.suppress(Exception):
            self._on_loop(self._close())
        _carriers.pop((self._fit, self._epoch, self._worker.address), None)

    def _on_loop(self, work: Any) -> None:
        loop = self._worker.loop.asyncio_loop
        asyncio.run_coroutine_threadsafe(work, loop).result(timeout=2 * self._silent_after)

    async def _open(self) -> None:
        self._outboxes = [asyncio.Queue() for _ in self._peers]
        self._posts = [asyncio.ensure_future(self._post(to)) for to in range(len(self._peers)) if to != self._rank]

    async def _close(self) -> None:
        waiting = [self._outboxes[to].join() for to, problem in enumerate(self._problems) if not problem]
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waiting), self._silent_after)
        for post in self._posts:
            post.cancel()

    async def _post(self, to: int) -> None:
        """Takes one peer's messages there, until one cannot be."""
        peer = f"member {to} ({self._peers[to]})"
        while not self._problems[to]:
            message = None
            with contextlib.suppress(asyncio.TimeoutError):
                message = await asyncio.wait_for(self._outboxes[to].get(), self._silent_after / 4)
            try:
                if not await asyncio.wait_for(self._ask(to, message), self._silent_after):
                    self._problems[to] = f"{peer} has left."
            except asyncio.TimeoutError:
                self._problems[to] = f"{peer} gave no sign of life for {self._silent_after:g} seconds."
            except Exception as error:
                self._problems[to] = f"{peer} is gone: {error}."
            if message is not None:
                self._outboxes[to].task_done()

    async def _ask(self, to: int, message: bytes | None) -> bool:
        peer = self._peers[to]
        call = getattr(self._worker.rpc(peer), HANDLER)
        return bool(await call(worker=peer, fit=self._fit, epoch=self._epoch, sender=self._rank, message=message))
