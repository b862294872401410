"""What a fit on a cluster was like: who did what, how long it took, who was lost."""

from __future__ import annotations

import html
from dataclasses import dataclass, field


@dataclass
class WorkerReport:
    """A worker's part in the training.

    Attributes
    ----------
    address : str
    rows : int
        Rows that it trained on last.
    compute, wait, network : float
        Seconds of training: its own work; waiting for slower members; exchanging data.
    bytes_sent, bytes_received : int
    exchanges : int
        Exchanges with other members, all rounds together.
    peak_memory : int
        The most bytes that the process ever held; 0 if it was lost before it told.
    """

    address: str
    rows: int = 0
    compute: float = 0.0
    wait: float = 0.0
    network: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0
    exchanges: int = 0
    peak_memory: int = 0


@dataclass
class Interruption:
    """Training went on with other members.

    Attributes
    ----------
    workers : list of str
        Who was lost, or retired, or joined.
    why : str
    round : int
        Complete rounds when it went on.
    seconds : float
        From the moment that it was noticed until training went on.
    rounds_repeated : int
        Rounds that were complete somewhere, and had to be trained again.
    """

    workers: list[str]
    why: str
    round: int = 0
    seconds: float = 0.0
    rounds_repeated: int = 0


@dataclass
class FitReport:
    """A fit on a cluster; ``fit_report_`` of an estimator.

    Attributes
    ----------
    workers : list of WorkerReport
    rounds : int
        Rounds trained here.
    parts, rows : int
        Of the training set.
    seconds : dict of str to float
        By phase: "survey", "bin", "train", "recover".
    interruptions : list of Interruption
    exchanges_per_tree : float
        Exchanges among members for each tree; 0 with one member.
    """

    workers: list[WorkerReport] = field(default_factory=list)
    rounds: int = 0
    parts: int = 0
    rows: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    interruptions: list[Interruption] = field(default_factory=list)
    exchanges_per_tree: float = 0.0

    def __repr__(self) -> str:
        return "\n".join([self._summary(), *(f"  {line}" for line in self._lines())])

    def _summary(self) -> str:
        phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        return (
            f"{self.rounds} rounds on {self.rows:,} rows in {self.parts} parts, {len(self.workers)} workers: {phases}; "
            f"{self.exchanges_per_tree:.1f} exchanges per tree"
        )

    def _lines(self) -> list[str]:
        widths = [max(map(len, column)) for column in zip(*self._table(), strict=True)]
        rows = [" ".join(map(str.rjust, row, widths)) for row in self._table()]
        return rows + [
            f"{', '.join(event.workers) or 'all'}: {event.why}; went on after round {event.round}, "
            f"{event.seconds:.1f} s later"
            for event in self.interruptions
        ]

    def _table(self) -> list[list[str]]:
        head = ["worker", "rows", "compute", "wait", "network", "sent", "received", "peak memory"]
        return [head] + [
            [
                worker.address,
                f"{worker.rows:,}",
                f"{worker.compute:.1f} s",
                f"{worker.wait:.1f} s",
                f"{worker.network:.1f} s",
                size(worker.bytes_sent),
                size(worker.bytes_received),
                size(worker.peak_memory),
            ]
            for worker in self.workers
        ]

    def _repr_html_(self) -> str:
        head, *rows = self._table()
        cells = [f"<tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr>"]
        cells += [f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
        events = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines()[len(self.workers) + 1 :])
        return f"<p>{html.escape(self._summary())}</p><table>{''.join(cells)}</table><ul>{events}</ul>"


def size(nbytes: float) -> str:
    """Bytes for people: 1.5 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000 or unit == "GB":
            return f"{nbytes:.0f} {unit}" if unit == "B" or nbytes >= 100 else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    raise AssertionError("unreachable")
