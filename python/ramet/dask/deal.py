"""Which worker trains on which parts: where they lie already, evened out.

rows of the parts, where they lie, threads of the workers ──deal──► {worker: its parts}

Invariants
  D1. Every part is dealt to one worker. A worker without a part is not in the answer.
  D2. The answer depends on the arguments alone, not on the order of dictionaries.
  D3. Empty parts go to a worker that has rows, if there is one.
  D4. A part leaves a worker where it lies only if the fullest worker thereby gets less to do, and only while that one
      has SLACK more to do than the average.

Cost: parts x workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

SLACK = 0.05


class PartId(NamedTuple):
    """A part of one of the tables: number 0 is trained on, the others are evaluation sets."""

    table: int
    number: int


Hands = dict[str, tuple[PartId, ...]]


def deal(rows: Mapping[PartId, int], where: Mapping[PartId, Iterable[str]], threads: Mapping[str, int]) -> Hands:
    """Parts for workers.

    Parameters
    ----------
    rows : mapping of part to int
        What is to be dealt.
    where : mapping of part to addresses
        Workers that hold a part; those that are not among `threads` do not count.
    threads : mapping of address to int
        The workers, at least one, and how fast each is.

    Returns
    -------
    dict of address to tuple of parts
        In order of address and part.
    """
    table = _Table(sorted(threads), threads, rows)
    homes = {part: [w for w in sorted(where.get(part, ())) if w in threads] for part in rows}
    by_size = sorted((part for part in rows if rows[part]), key=lambda part: (-rows[part], part))
    for part in sorted(by_size, key=lambda part: not homes[part]):  # those that lie somewhere first
        table.give(part, table.emptiest(homes[part] or table.workers))
    table.even_out(by_size)
    for part in sorted(part for part in rows if not rows[part]):
        busy = [w for w in table.workers if table.hands[w]]
        table.give(part, next((w for w in homes[part] if w in busy), (busy or table.workers)[0]))
    return {worker: tuple(sorted(parts)) for worker, parts in table.hands.items() if parts}


def fullest(hands: Hands, rows: Mapping[PartId, int], threads: Mapping[str, int]) -> float:
    """Rows per thread of the worker that the others wait for."""
    return max((sum(rows[part] for part in parts) / threads[worker] for worker, parts in hands.items()), default=0.0)


class _Table:
    def __init__(self, workers: Sequence[str], threads: Mapping[str, int], rows: Mapping[PartId, int]) -> None:
        self.workers = workers
        self.threads = threads
        self.rows = rows
        self.hands: dict[str, set[PartId]] = {worker: set() for worker in workers}
        self.load = dict.fromkeys(workers, 0)

    def work(self, worker: str, more: int = 0) -> float:
        return (self.load[worker] + more) / self.threads[worker]

    def emptiest(self, workers: Iterable[str]) -> str:
        return min(workers, key=lambda worker: (self.work(worker), worker))

    def give(self, part: PartId, worker: str) -> None:
        self.hands[worker].add(part)
        self.load[worker] += self.rows[part]

    def even_out(self, parts: Sequence[PartId]) -> None:
        average = sum(self.load.values()) / sum(self.threads.values())
        for _ in range(len(parts) * len(self.workers)):
            full = max(self.workers, key=lambda worker: (self.work(worker), worker))
            if self.work(full) <= average * (1 + SLACK):
                return
            moves = (
                [
                    (max(self.work(full, -self.rows[part]), self.work(worker, self.rows[part])), part, worker)
                    for part in self.hands[full]
                    for worker in [self.emptiest(w for w in self.workers if w != full)]
                ]
                if len(self.workers) > 1
                else []
            )
            if not moves:
                return
            height, part, worker = min(moves)
            if height >= self.work(full):
                return
            self.hands[full].remove(part)
            self.load[full] -= self.rows[part]
            self.give(part, worker)
