"""Carries a plan out on a Dask cluster: its instructions become tasks and messages, and what happens becomes events.

All of it runs on the client's event loop, one event at a time. Nothing here decides what to do next: `Plan` does.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from ramet import _core
from ramet.dask import member
from ramet.dask import messages as m
from ramet.dask.channel import Channel
from ramet.dask.chronicle import Chronicle, first_rounds
from ramet.dask.deal import PartId
from ramet.dask.errors import DataLostError
from ramet.dask.job import FitJob, FitOptions, Outcome, Round
from ramet.dask.plan import Limits, Phase, Plan
from ramet.dask.prepare import Preparation
from ramet.dask.rows import Rows
from ramet.dask.scheduler import ask, lost
from ramet.dask.values import value_of

log = logging.getLogger("ramet.dask")

TICK = 0.1
LOOK = 0.5  # between looks at the workers; LOOK_CLOSELY where a loss is being dealt with
LOOK_CLOSELY = 0.1
KEEP = 1.0  # between copies of the trees so far
MESSAGE_TIMEOUT = 30.0
FAREWELL = 2.0
PRIORITY = 100  # members and their rows go before other tasks


@dataclass
class _Epoch:
    order: m.Open
    members: dict[str, Future[Any]] = field(default_factory=dict)
    work: set[asyncio.Task[None]] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


class Driver:
    def __init__(
        self,
        client: Client,
        rows: Rows,
        eval_rows: Mapping[str, Rows],
        job: FitJob,
        options: FitOptions,
        tell: Callable[[Round], None],
    ) -> None:
        if rows.num_parts == 0:
            raise ValueError("X has no partitions, so there is nothing to train on.")
        self.client = client
        self.scheduler: Any = client.scheduler
        self.id = secrets.token_hex(8)
        self.job = job
        self.options = options
        self.eval_names = tuple(eval_rows)
        tables = [rows, *eval_rows.values()]
        self.preparation = Preparation(client, self.id, tables, job)
        limits = Limits(
            worker_timeout=options.worker_timeout,
            start_timeout=options.start_timeout,
            silent_after=options.silent_after,
            frozen_after=options.frozen_after,
            connect_timeout=options.connect_timeout,
            deal_cost=options.rebalance_saves,
        )
        self.plan = Plan(
            [table.num_parts for table in tables],
            int(job.parameters.get("max_iter", 0)),
            self.preparation.describe,
            limits,
        )
        self.chronicle = Chronicle(self.plan, job, tell)
        self.stop_at: int | None = None
        initial = job.initial_model
        self._initial_rounds = 0 if initial is None else _core.Model.from_bytes(initial).num_rounds
        self._kept: tuple[int, bytes] = (0, b"")
        self._saved = 0
        self._epochs: dict[int, _Epoch] = {}
        self._events: asyncio.Queue[tuple[int, m.Event]] = asyncio.Queue()
        self._removals = 0
        self._by = options.channel
        self._unreachable: set[int] = set()  # epochs whose members did not reach each other
        self._looking = asyncio.Lock()
        self._work: set[asyncio.Task[None]] = set()
        self._end: m.Finish | m.GiveUp | None = None

    # The loop ---------------------------------------------------------------------------------------------------------
    async def run(self) -> Outcome:
        log.info("fit %s begins", self.id)
        self._channel = Channel.of(self.client)
        self._channel.listen(self.id, self._heard)
        try:
            self._post(m.Begin())
            for work in (self._tick(), self._look(), self._keep()):
                self._start(work)
            while self._end is None:
                removals, event = await self._events.get()
                if isinstance(event, m.Workers) and removals < self._removals:
                    continue  # seen before a worker was removed
                for instruction in self.plan.handle(m.Tick(time.monotonic())) + self.plan.handle(event):
                    self._carry_out(instruction)
                self.chronicle.look()
            return await self._finish(self._end)
        finally:
            self._channel.forget(self.id)
            await self._clean_up()

    def stop(self, at_round: int | None = None) -> None:
        """Ends training after the current round; the result has `at_round` rounds if it is given."""
        if at_round is not None and self.stop_at is None:
            self.stop_at = at_round
        self._post(m.StopAsked())

    def _post(self, event: m.Event) -> None:
        self._events.put_nowait((self._removals, event))

    def _start(self, work: Coroutine[Any, Any, None], epoch: _Epoch | None = None) -> None:
        task = asyncio.ensure_future(self._guarded(work))
        tasks = self._work if epoch is None else epoch.work
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: work.close())  # it may never have begun

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            cause = getattr(error.__cause__, "reason", "")
            if self.client.status != "running" or cause == "scheduler-connection-lost":
                error = lost(error)
            log.info("fit %s failed: %r", self.id, error)
            self._post(m.Failed(error))

    def _carry_out(self, instruction: m.Instruction) -> None:
        log.debug("fit %s: %s", self.id, instruction)
        self.chronicle.note(instruction)
        match instruction:
            case m.Survey():
                self._start(self._survey())
            case m.Bin():
                self._start(self._bin())
            case m.Make():
                self._start(self.preparation.make(self._made))
            case m.Locate(request):
                self._start(self._locate(request))
            case m.Open():
                self._open(instruction)
            case m.Connect():
                self._start(self._connect(instruction), self._epochs[instruction.epoch])
            case m.StopAfterRound(epoch):
                self._start(self._stop_after_round(epoch))
            case m.Release(epoch):
                self._release(epoch)
            case m.Remove(worker, why):
                log.warning("Worker %s is removed: %s.", worker, why)
                self._removals += 1
                self._start(self._remove(worker))
            case m.Fetch(epoch, worker):
                self._start(self._fetch(epoch, worker), self._epochs[epoch])
            case m.Finish() | m.GiveUp():
                self._end = instruction

    # Preparation ------------------------------------------------------------------------------------------------------
    async def _survey(self) -> None:
        self._post(m.Surveyed(await self.preparation.survey()))

    async def _bin(self) -> None:
        await self.preparation.find_bins()
        self._post(m.Binned())

    def _made(self, part: PartId, info: Any) -> None:
        self._post(m.Made(part, info.rows, info.fingerprint))

    async def _locate(self, request: int) -> None:
        self._post(m.Located(request, await self.preparation.locate()))

    # Members ----------------------------------------------------------------------------------------------------------
    def _open(self, order: m.Open) -> None:
        epoch = self._epochs[order.epoch] = _Epoch(order)
        for seat in order.seats:
            told = member.Order(
                self.id,
                order.epoch,
                seat.rank,
                len(order.seats),
                self.options.threads or seat.threads,
                self._channel.topic,
                self.eval_names,
                replace(self.job, initial_model=None),
                replace(self.options, on_round=None, channel=self._by),
            )
            key = f"ramet_member-{self.id}-{order.epoch}-{seat.rank}"
            epoch.members[seat.worker] = self._on_worker(seat.worker, member.run_member, told, key=key)
            self._start(self._await_end(order.epoch, seat), epoch)

    def _on_worker(self, worker: str, function: Callable[..., Any], *args: Any, key: str) -> Future[Any]:
        return self.client.submit(
            function, *args, key=key, workers=[worker], allow_other_workers=False, pure=False, priority=PRIORITY
        )

    async def _await_end(self, epoch: int, seat: m.Seat) -> None:
        future = self._epochs[epoch].members[seat.worker]
        key = f"ramet_end-{self.id}-{epoch}-{seat.rank}"
        try:
            end = await value_of(self._on_worker(seat.worker, member.end_of, future, key=key))
        except Exception as error:
            if self.client.status != "running":
                raise
            self._post(m.Ended(epoch, seat.worker, 0, m.Reason.BROKEN, detail=f"{seat.worker}: {error!r}"))
            return
        self._take_end(epoch, seat, end)

    def _take_end(self, epoch: int, seat: m.Seat, end: member.End) -> None:
        """A member tells of its end, and its task's result does."""
        of = self._epochs.get(epoch)
        if of is None or seat.worker in of.ended:
            return
        of.ended.add(seat.worker)
        self.chronicle.note_end(epoch, seat, end)
        if end.reason is m.Reason.UNREACHABLE:
            self._note_unreachable(epoch, end.detail)
        self._tell_rounds(end.reports)
        if end.error is not None and not isinstance(end.error, OSError | MemoryError):
            self._post(m.Failed(end.error))
        self._post(m.Ended(epoch, seat.worker, end.rounds, end.reason, end.about, end.detail))

    def _note_unreachable(self, epoch: int, detail: str) -> None:
        self._unreachable.add(epoch)
        if self.options.channel == "auto" and self._by == "auto" and len(self._unreachable) > 1:
            log.warning("Members cannot reach each other, and go on over Dask's connections. %s", detail)
            self._by = "comm"

    def _heard(self, message: dict[str, Any]) -> None:
        """A member's message."""
        epoch, worker = message["epoch"], message["worker"]
        if epoch != self.plan.epoch or epoch not in self._epochs:
            return
        match message["what"]:
            case "listening":
                self._post(m.Listening(epoch, worker, message["host"], message["port"]))
                for seat in self._epochs[epoch].order.seats:
                    if seat.worker == worker:
                        self._start(self._feed(epoch, seat), self._epochs[epoch])
            case "ended":
                for seat in self._epochs[epoch].order.seats:
                    if seat.worker == worker:
                        self._take_end(epoch, seat, pickle.loads(message["end"]))
            case "rounds":
                self.chronicle.note_progress(worker, message["seconds"], message["exchange"])
                self._tell_rounds(message["reports"])
                if message["reports"]:
                    self._post(m.Reported(epoch, message["reports"][-1][0]))

    def _tell_rounds(self, reports: list[Any]) -> None:
        for number, rounds, rate, values in reports:
            self.chronicle.tell_round(number, rounds, rate, {(s, metric): value for s, metric, value in values})

    async def _feed(self, epoch: int, seat: m.Seat) -> None:
        """A member's rows: a task on its worker for each table, so that Dask brings parts there or makes them again."""
        tasks = []
        for table in range(1 + len(self.eval_names)):
            parts = [part for part in seat.parts if part.table == table]
            futures = [self.preparation.parts[part] for part in parts]
            rows = self.preparation.total_rows(table)
            weighted = table in self.preparation.weighted if table else None
            key = f"ramet_feed-{self.id}-{epoch}-{seat.rank}-{table}"
            args = (self.id, epoch, table, rows, weighted, self.preparation.binning, futures)
            tasks.append((parts, self._on_worker(seat.worker, member.feed, *args, key=key)))
        for parts, task in tasks:
            try:
                fed = await value_of(task)
            except MemoryError:
                fed = None
            except KilledWorker:
                await self.preparation.try_again([task, *self.preparation.parts.values()])
                fed = None
            except Exception as error:
                named = await self.preparation.named(error)
                if not (isinstance(named, DataLostError) and self.preparation.can_go_on()):
                    raise named from error
                fed = None  # there may be a copy
            if fed is None:
                detail = f"{seat.worker}: its member or its rows were gone"
                self._post(m.Ended(epoch, seat.worker, 0, m.Reason.BROKEN, detail=detail))
                return
            for part, (rows, fingerprint) in zip(parts, fed, strict=True):
                self._post(m.Made(part, rows, fingerprint))
        self._post(m.Fed(epoch, seat.worker))

    async def _connect(self, order: m.Connect) -> None:
        addresses = [seat.address for seat in order.seats if seat.address is not None]
        peers = member.Peers(addresses, os.urandom(32), self._kept[1], self.job.initial_model)
        answers = await self._send(order.epoch, member.deliver, peers)
        for seat in order.seats:
            if answers.get(seat.worker) is not True:
                detail = f"{seat.worker}: its member could not be told who the others are: {answers.get(seat.worker)!r}"
                self._post(m.Ended(order.epoch, seat.worker, 0, m.Reason.BROKEN, detail=detail))
        if self.options.recovery == "replica":
            await self.preparation.copy([seat.worker for seat in order.seats])

    async def _send(self, epoch: int, function: Callable[..., Any], *args: Any, only: str = "") -> dict[str, Any]:
        """Calls a function on the event loops of an epoch's workers. If one does not answer, the plan will know."""
        seats = self._epochs[epoch].order.seats if epoch in self._epochs else []
        workers = [seat.worker for seat in seats if seat.worker in self.plan.workers and only in ("", seat.worker)]
        if not workers:
            return {}
        call = self.client.run(function, self.id, epoch, *args, workers=workers, on_error="return")
        try:
            answers: dict[str, Any] = await asyncio.wait_for(call, MESSAGE_TIMEOUT)
        except (asyncio.TimeoutError, OSError) as error:
            log.info("fit %s: no answer to %s: %r", self.id, function.__name__, error)
            return {}
        return answers

    async def _stop_after_round(self, epoch: int) -> None:
        await self._send(epoch, member.stop, True)

    def _release(self, number: int) -> None:
        epoch = self._epochs[number]
        for task in list(epoch.work):
            task.cancel()
        if any(seat.open for seat in epoch.order.seats):
            self._start(self._dismiss(number))
        else:
            self._drop(number)

    async def _dismiss(self, epoch: int) -> None:
        await self._send(epoch, member.stop, False)
        self._drop(epoch)

    def _drop(self, epoch: int) -> None:
        for future in self._epochs.pop(epoch).members.values():
            future.release()

    async def _remove(self, worker: str) -> None:
        """Off the scheduler's list at once; its nanny, if there is one, replaces the process meanwhile."""
        reason = f"ramet-{self.id}"
        async with self._looking:
            restart = asyncio.ensure_future(
                self.scheduler.restart_workers(
                    workers=[worker], timeout=5, wait_for_workers=False, on_error="return", stimulus_id=reason
                )
            )
            await asyncio.sleep(0.02)
            await ask(
                self.client,
                "unregister",
                self.options.worker_timeout,
                address=worker,
                stimulus_id=reason,
                close=False,
            )
        with suppress(Exception):
            await restart

    # Trees so far -----------------------------------------------------------------------------------------------------
    async def _fetch(self, epoch: int, worker: str) -> None:
        try:
            kept: member.Kept = await value_of(self._epochs[epoch].members[worker])
        except Exception as error:
            log.info("fit %s: the trees of %s could not be had: %r", self.id, worker, error)
            self._post(m.Fetched(epoch, worker, -1))
            return
        done = kept.end.reason is m.Reason.DONE
        self._take_trees(kept.end.rounds, pickle.dumps(kept.result, protocol=5), final=done)
        self.chronicle.catch_up(kept.result)
        self._post(m.Fetched(epoch, worker, kept.end.rounds))

    async def _keep(self) -> None:
        """Copies the trees so far, so that the loss of all members costs little, and writes checkpoints."""
        while True:
            await asyncio.sleep(KEEP)
            epoch = self.plan.epoch
            if self.plan.phase is not Phase.TRAIN or epoch not in self._epochs:
                continue
            first = self._epochs[epoch].order.seats[0].worker
            answer = (await self._send(epoch, member.so_far, self._kept[0], only=first)).get(first)
            if isinstance(answer, tuple) and len(answer) == 2:
                self._take_trees(*answer)
                self._post(m.Kept(epoch, answer[0]))
            await self._save()

    def _take_trees(self, rounds: int, trees: bytes, final: bool = False) -> None:
        """`final` ones replace all others, though they may be fewer: those after the best round are cut off."""
        if rounds > self._kept[0] or final:
            self._kept = rounds, trees

    async def _save(self, last: bool = False) -> None:
        path, (rounds, trees) = self.options.checkpoint_path, self._kept
        due = rounds != self._saved if last else rounds >= self._saved + self.options.checkpoint_every
        if path and due:
            self._saved = rounds
            await asyncio.to_thread(pickle.loads(trees).model.save, path)

    # Time and workers -------------------------------------------------------------------------------------------------
    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if self.client.status != "running":
                raise lost(None)
            self._post(m.Tick(time.monotonic()))

    async def _look(self) -> None:
        while True:
            async with self._looking:
                removals = self._removals
                identity = await ask(self.client, "identity", self.options.worker_timeout, n_workers=-1)
            seen = {address: _seen(worker) for address, worker in identity["workers"].items()}
            self._events.put_nowait((removals, m.Workers(seen)))
            close = self.plan.phase in (Phase.OPEN, Phase.CLOSE, Phase.FETCH)
            await asyncio.sleep(max(LOOK_CLOSELY if close else LOOK, len(seen) / 200))

    # The end ----------------------------------------------------------------------------------------------------------
    async def _finish(self, end: m.Finish | m.GiveUp) -> Outcome:
        await self._save(last=True)
        result = pickle.loads(self._kept[1]) if self._kept[1] else None
        if isinstance(end, m.GiveUp):
            if result is not None:
                with suppress(AttributeError):  # of a class that takes no attributes
                    end.error.result = result  # type: ignore[attr-defined]
            raise end.error
        if result is None:
            raise KeyboardInterrupt
        result = first_rounds(result, self.stop_at, self.job.parameters.get("keep_best") == "true")
        return Outcome(result, self.chronicle.finish(result, self._initial_rounds))

    async def _clean_up(self) -> None:
        work = [*self._work, *(task for epoch in self._epochs.values() for task in epoch.work)]
        for task in work:
            task.cancel()
        if work:
            await asyncio.wait(work, timeout=FAREWELL)
        for number in list(self._epochs):
            with suppress(Exception):
                await asyncio.wait_for(self._send(number, member.stop, False), FAREWELL)
            self._drop(number)


def _seen(worker: dict[str, Any]) -> m.Seen:
    status = worker["status"]
    return m.Seen(
        threads=worker["nthreads"],
        ready=status == "running",
        retiring=status == "closing_gracefully",
        beat=worker["last_seen"],
        life=str(worker.get("local_directory", "")),
    )
