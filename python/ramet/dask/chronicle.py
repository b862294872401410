"""Keeps count of a fit while it goes on: rounds for the callbacks, times and losses for the report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from ramet.dask import messages as m
from ramet.dask.job import FirstRounds, FitJob, Round
from ramet.dask.member import End
from ramet.dask.plan import Phase, Plan
from ramet.dask.report import FitReport, Interruption, WorkerReport

log = logging.getLogger("ramet.dask")

TRAIN = "train"  # the set of the rows that are trained on: it validates nothing


class Chronicle:
    def __init__(self, plan: Plan, job: FitJob, tell: Callable[[Round], None]) -> None:
        self.report = FitReport(parts=plan.parts[0])
        self._plan = plan
        self._job = job
        self._tell = tell
        self._now = self._began = time.monotonic()
        self._phase = plan.phase
        self._told = 0  # the last round that was told of
        self._workers: dict[str, WorkerReport] = {}
        self._exchange: dict[int, dict[str, float]] = {}  # epoch -> worker -> seconds
        self._removed: dict[str, str] = {}
        self._busy: dict[str, float] = {}
        self._why = ""
        self._trouble: Interruption | None = None
        self._noticed = 0.0

    # Rounds -----------------------------------------------------------------------------------------------------------
    def tell_round(self, number: int, rounds: int, rate: float, values: dict[tuple[str, str], float]) -> None:
        """Every round once and in order, though some are trained twice."""
        if number > self._told:
            self._told = number
            self._tell(Round(number, rounds, time.monotonic() - self._began, rate, values, dict(self._busy)))

    def catch_up(self, result: Any) -> None:
        """Rounds whose reports died with their member."""
        for number in range(self._told + 1, result.model.num_rounds + 1):
            rate = self._job.learning_rate
            shrinkage = float(self._job.parameters.get("learning_rate", 0.1)) if rate is None else float(rate(number))
            values = {curve: entries[number] for curve, entries in result.history.items()}
            self.tell_round(number, self._plan.rounds, shrinkage, values)

    def note_progress(self, worker: str, seconds: float, exchange: float) -> None:
        self._busy[worker] = max(0.0, 1 - exchange / max(seconds, 1e-9))

    # Times and losses -------------------------------------------------------------------------------------------------
    def look(self) -> None:
        """After each event: time goes to the phase that it was spent in."""
        now = time.monotonic()
        name = {Phase.SURVEY: "survey", Phase.BIN: "bin", Phase.MAKE: "bin"}.get(self._phase)
        if name is None:
            name = "train" if self._phase is Phase.TRAIN or self._trouble is None else "recover"
        self.report.seconds[name] = self.report.seconds.get(name, 0.0) + now - self._now
        if self._plan.phase is Phase.CLOSE and self._phase is not Phase.CLOSE:
            self._noticed = now
        self._now, self._phase = now, self._plan.phase

    def note(self, instruction: m.Instruction) -> None:
        match instruction:
            case m.Remove(worker, why):
                self._removed[worker] = why
            case m.StopAfterRound(_, why):
                self._why = why
            case m.Release() if not self._plan.over:
                self._note_trouble()
            case m.Connect(_, _, rounds):
                self._busy.clear()
                self._end_trouble(rounds)

    def _note_trouble(self) -> None:
        gone = [seat.worker for seat in self._plan.seats if seat.gone]
        if self._trouble is None:
            why = "; ".join(sorted({self._removed.get(worker, "its process or connection died") for worker in gone}))
            self._trouble = Interruption([], why or self._why or self._plan.last_words)
            self._noticed = self._noticed or time.monotonic()
            log.warning(
                "Training stopped after round %d and goes on: %s: %s.", self._plan.kept, _names(gone), self._trouble.why
            )
        self._trouble.workers += [worker for worker in gone if worker not in self._trouble.workers]
        self._trouble.rounds_repeated += max(0, self._plan.done - self._plan.kept)

    def _end_trouble(self, rounds: int) -> None:
        if self._trouble is not None:
            self._trouble.round = rounds
            self._trouble.seconds = time.monotonic() - self._noticed
            self.report.interruptions.append(self._trouble)
            log.info("Training went on after round %d, %.2f s later.", rounds, self._trouble.seconds)
        self._trouble, self._why, self._noticed = None, "", 0.0

    def note_end(self, epoch: int, seat: m.Seat, end: End) -> None:
        worker = self._workers.setdefault(seat.worker, WorkerReport(seat.worker))
        use = end.use
        exchange = min(use.get("seconds", 0.0), end.seconds)
        worker.rows = end.rows
        worker.compute += end.seconds - exchange
        worker.wait += exchange  # parted from the network's when all are known
        self._exchange.setdefault(epoch, {})[seat.worker] = exchange
        worker.bytes_sent += int(use.get("bytes_sent", 0))
        worker.bytes_received += int(use.get("bytes_received", 0))
        worker.exchanges += int(use.get("exchanges", 0))
        worker.peak_memory = max(worker.peak_memory, end.peak_memory)

    # The end ----------------------------------------------------------------------------------------------------------
    def finish(self, result: Any, first_rounds: int) -> FitReport:
        report, plan = self.report, self._plan
        self.look()
        for exchange in self._exchange.values():
            least = min(exchange.values())  # who came last waited for nobody
            for address in exchange:
                self._workers[address].wait -= least
                self._workers[address].network += least
        report.workers = sorted(self._workers.values(), key=lambda worker: worker.address)
        report.rows = sum(length for part, length in plan.lengths.items() if part.table == 0)
        report.rounds = result.model.num_rounds - first_rounds
        trees = max(1, report.rounds * result.model.num_outputs)
        report.exchanges_per_tree = max((worker.exchanges for worker in report.workers), default=0) / trees
        return report


def _names(workers: list[str]) -> str:
    return ", ".join(workers) or "all workers"


def first_rounds(result: Any, rounds: int | None, keep_best: bool) -> Any:
    """The result as it was after `rounds`, when a callback asked to stop: members were ahead of it."""
    if rounds is None:
        return result
    rounds = min(rounds, max(map(len, result.history.values()), default=result.model.num_rounds + 1) - 1)
    history = {curve: values[: rounds + 1] for curve, values in result.history.items()}
    best, model = rounds, result.model
    if next(iter(history), (TRAIN, ""))[0] != TRAIN:
        watched = next(iter(result.history.values()))
        better = max if watched[result.best_round] == max(watched) else min
        best = watched.index(better(watched[: rounds + 1]))
        if keep_best and model.parameters["early_stopping"] == "true":
            model = model.first_rounds(best)
    if model.num_rounds > rounds:
        model = model.first_rounds(rounds)
    return FirstRounds(model, history, best, False, True, result.seconds, result.steps)
