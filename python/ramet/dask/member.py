"""A member of a group that trains together: one long-running task of a worker.

    run_member ── opens a port, tells the client ──► waits ◄── feed (its rows), deliver (the others, the trees so far)
               ── trains with the others, tells the client about rounds ──► Kept (why it ended, the rounds there are)

Invariants
  M1. It ends: when the training does, when a peer is lost (the engine notices), when it is told to, when its task is
      not wanted any more (the client is gone), when its worker closes.
  M2. A peer's death is an answer, not an exception: a task that failed would be tried again by nobody.
  M3. It holds no thread of the worker's pool (seceded), so that other tasks run, also those that bring its rows.
  M4. Rows and trees live as long as the member; a later epoch's member has its own.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import queue
import resource
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dask
from distributed import get_worker, secede
from distributed.core import Status
from distributed.protocol.pickle import dumps
from distributed.utils import get_ip_interface

from ramet import _core
from ramet._scoring import bind
from ramet.dask.carrier import Carrier
from ramet.dask.job import FitJob, FitOptions
from ramet.dask.messages import Reason
from ramet.dask.tls import tls_of

log = logging.getLogger("ramet.dask")

FLUSH, FLUSH_OTHERS = 0.1, 1.0  # seconds between messages about rounds, of the first member and of the others
LOOK = 0.2  # seconds between looks at the own worker and task
RUNNING = ("executing", "long-running")
CLOSING = (Status.closing, Status.closed, Status.failed, Status.stopped, Status.stopping)


@dataclass(frozen=True)
class Order:
    """What a member is told when it starts."""

    fit: str
    epoch: int
    rank: int
    size: int
    threads: int
    topic: str  # where the client listens
    eval_names: tuple[str, ...]
    job: FitJob  # without its initial model
    options: FitOptions  # without on_round


@dataclass(frozen=True)
class Peers:
    """What a member is told when all listen."""

    addresses: Sequence[tuple[str, int]]
    secret: bytes
    so_far: bytes  # a pickled TrainResult; empty: from the start
    initial_model: bytes | None


@dataclass(frozen=True)
class End:
    """How a member ended."""

    rounds: int
    reason: Reason
    about: int = -1
    detail: str = ""
    error: BaseException | None = None  # of the data, or of the caller's functions: another try would not mend it
    rows: int = 0
    seconds: float = 0.0
    use: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    reports: list[Any] = field(default_factory=list)  # of the last rounds


@dataclass(frozen=True)
class Kept:
    """What stays on the worker until the client fetches it."""

    end: End
    result: Any = None  # TrainResult


_members: dict[tuple[str, int, str], Member] = {}


# Tasks ----------------------------------------------------------------------------------------------------------------
def run_member(order: Order) -> Kept:
    worker = get_worker()
    member = Member(order, worker)
    key = (order.fit, order.epoch, worker.address)
    _members[key] = member
    secede()  # M3
    try:
        return member.run()
    finally:
        member.over = True
        if _members.get(key) is member:
            del _members[key]


def end_of(kept: Kept) -> End:
    """For a client that missed the message; it may have to wait for a thread."""
    return kept.end


def feed(
    fit: str,
    epoch: int,
    table: int,
    total_rows: int,
    weighted: bool | None,
    binning: _core.Binning,
    parts: Sequence[_core.Part],
) -> list[tuple[int, str]] | None:
    """Gives a member its rows of a table. The parts' (rows, fingerprint); None if the member is gone."""
    member = _members.get((fit, epoch, get_worker().address))
    if member is None:
        return None
    context = _core.Context(threads=member.order.threads)
    member.tables[table] = _core.Dataset.assemble(
        context, binning, list(parts), total_rows=total_rows, weighted=weighted
    )
    return [(part.num_rows, part.fingerprint) for part in parts]


# Run on a worker's event loop, beside its tasks -----------------------------------------------------------------------
def deliver(fit: str, epoch: int, peers: Peers, dask_worker: Any) -> bool:
    member = _members.get((fit, epoch, dask_worker.address))
    if member is not None:
        member.mail.put(peers)
    return member is not None


def stop(fit: str, epoch: int, after_round: bool, dask_worker: Any) -> None:
    member = _members.get((fit, epoch, dask_worker.address))
    if member is not None and after_round:
        member.stop_after_round = True
    elif member is not None:
        member.expel("the client ended its epoch")


async def so_far(fit: str, epoch: int, rounds: int, dask_worker: Any) -> tuple[int, bytes] | None:
    """The trees so far, if they are more than `rounds` by now, or after a round that ends within a second."""
    member = _members.get((fit, epoch, dask_worker.address))
    if member is None or member.over:
        return None
    member.snapshot_wanted = True
    for _ in range(20):
        if member.over or not member.snapshot_wanted:
            break
        await asyncio.sleep(0.05)
    return member.snapshot if member.snapshot and member.snapshot[0] > rounds else None


def of_this_host(options: FitOptions) -> FitOptions:
    """Where a member listens its own host knows: what the client leaves open, the worker's configuration says."""

    def own(name: str) -> str:
        return str(dask.config.get(f"ramet.{name}", ""))

    if not options.interface and not options.host:
        options = replace(options, interface=own("interface"), host=own("host"))
    return options if options.ports else replace(options, ports=own("ports"))


# ----------------------------------------------------------------------------------------------------------------------
class Member:
    def __init__(self, order: Order, worker: Any) -> None:
        self.order = order
        self.worker = worker
        self.key = worker.get_current_task()
        self.tables: dict[int, _core.Dataset] = {}
        self.mail: queue.SimpleQueue[Peers | None] = queue.SimpleQueue()
        self.over = False
        self.stop_after_round = False
        self.snapshot_wanted = False
        self.snapshot: tuple[int, bytes] | None = None
        self.rounds = 0
        self._expelled = ""
        self._lock = threading.Lock()
        self._collective: _core.Collective | None = None
        self._listener: _core.Listener | None = None
        self._carrier: Carrier | None = None
        self._reports: list[Any] = []
        self._told = 0.0
        self._began = 0.0

    def run(self) -> Kept:
        self.worker.loop.add_callback(self._look_after)
        try:
            host, port = self._listen()
            self.say("listening", host=host, port=port)
            peers = self.mail.get()
            if peers is None:
                return self._ended(Reason.BROKEN, detail=self._expelled)
            return self._train(peers)
        except OSError as error:
            return self._ended(Reason.UNREACHABLE, detail=f"{self.worker.address}: {error}")
        except ValueError as error:
            return self._ended(Reason.BROKEN, error=error)
        finally:
            self._close()

    def say(self, what: str, **more: Any) -> None:
        order = self.order
        message = {"fit": order.fit, "epoch": order.epoch, "worker": self.worker.address, "what": what, **more}
        self.worker.log_event(order.topic, message)

    def expel(self, why: str) -> None:
        """Ends it, from any thread."""
        with self._lock:
            self._expelled = self._expelled or why
            if self._collective is not None:
                self._collective.stop()
            elif self._listener is not None:
                self._listener.close()
        self.mail.put(None)

    async def _look_after(self) -> None:
        """M1, on the worker's event loop."""
        while not self.over:
            task = self.worker.state.tasks.get(self.key)
            if task is None or task.state not in RUNNING:
                self.expel("its task is not wanted any more")
            elif self.worker.status in CLOSING:
                self.expel("its worker closes")
            elif self.worker.status == Status.closing_gracefully:
                self.stop_after_round = True
            await asyncio.sleep(LOOK)

    def _listen(self) -> tuple[str, int]:
        order, options = self.order, self.order.options
        if options.channel == "comm":
            self._carrier = Carrier(self.worker, order.fit, order.epoch, order.rank, order.size, options.silent_after)
            return self.worker.address, 0
        options = of_this_host(options)
        host = options.host or (get_ip_interface(options.interface) if options.interface else self.worker.ip)
        bind = host if options.host or options.interface or host.startswith("127.") else "0.0.0.0"
        tls = tls_of(self.worker.security, options.channel, self.worker.address)
        for port in options.port_range():
            try:
                listener = _core.Listener(bind, port, tls=tls)
            except OSError as error:
                problem = error
                continue
            with self._lock:
                self._listener = listener
            return host, listener.port
        raise OSError(f"no port of ports={options.ports or 'any'!r} is free at {bind}. The last try: {problem}")

    def _train(self, peers: Peers) -> Kept:
        order, job = self.order, self.order.job
        self._began = time.monotonic()
        earlier = pickle.loads(peers.so_far) if peers.so_far else None
        if earlier is not None:
            self.rounds = earlier.model.num_rounds
        try:
            collective = self._connect(peers)
        except OSError as error:
            about = getattr(error, "failed_member", -1)
            return self._ended(Reason.UNREACHABLE, about, f"{self.worker.address}: {error}", result=earlier)
        with self._lock:
            self._collective = collective
            if self._expelled:
                collective.stop()
        model = peers.initial_model
        try:
            result = _core.train(
                _core.Context(threads=order.threads),
                job.parameters,
                self.tables[0],
                eval_sets=[(name, self.tables[i + 1]) for i, name in enumerate(order.eval_names)],
                metrics=bind(job.metrics, self.tables[0].classes),
                watch_training=job.watch_training,
                initial_model=None if model is None else _core.Model.from_bytes(model),
                on_round=self._on_round,
                learning_rate=job.learning_rate,
                gradients=job.gradients,
                collective=collective,
                so_far=earlier,
            )
        except ConnectionError as error:
            return self._lost(error, earlier)
        except Exception as error:
            return self._ended(Reason.BROKEN, -1, f"{self.worker.address}: {error}", error, earlier)
        return self._stopped(result) if result.stopped else self._ended(Reason.DONE, result=result)

    def _connect(self, peers: Peers) -> _core.Collective:
        order = self.order
        if self._carrier is not None:
            self._carrier.open([address for address, _ in peers.addresses])
            return _core.CommCollective(order.rank, order.size, self._carrier.send, self._carrier.receive)
        assert self._listener is not None
        return _core.connect(
            self._listener,
            rank=order.rank,
            addresses=list(peers.addresses),
            group=peers.secret,
            connect_timeout=order.options.connect_timeout,
            silent_after=order.options.silent_after,
        )

    def _lost(self, error: ConnectionError, earlier: Any) -> Kept:
        result = getattr(error, "result", None) or earlier
        if self._expelled:
            return self._ended(Reason.BROKEN, detail=self._expelled, result=result)
        if self.stop_after_round:
            return self._stopped(result)
        assert self._collective is not None
        silent = "sign of life" in str(error)
        about = self._collective.failed_member
        return self._ended(Reason.SILENT if silent else Reason.LOST, about, str(error), result=result)

    def _stopped(self, result: Any) -> Kept:
        retires = self.worker.status == Status.closing_gracefully
        detail = f"{self.worker.address} is being retired" if retires else ""
        return self._ended(Reason.STOPPED, detail=detail, result=result)

    def _ended(
        self, reason: Reason, about: int = -1, detail: str = "", error: BaseException | None = None, result: Any = None
    ) -> Kept:
        log.info("member %d of epoch %d: %s %s", self.order.rank, self.order.epoch, reason.value, detail)
        end = End(
            rounds=result.model.num_rounds if result is not None else 0,
            reason=reason,
            about=about,
            detail=detail,
            error=error,
            rows=self.tables[0].num_rows if 0 in self.tables else 0,
            seconds=time.monotonic() - self._began if self._began else 0.0,
            use=dict(self._collective.use) if self._collective is not None else {},
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            reports=self._reports,
        )
        with contextlib.suppress(Exception):  # an error may be of a kind that does not pickle: `end_of` tells then
            self.say("ended", end=dumps(end))
        return Kept(end, result)

    def _on_round(self, report: Any) -> bool:
        self.rounds = report.round
        if self.order.rank == 0:
            values = [[*name, value] for name, value in report.values.items()]
            self._reports.append([report.round, report.rounds, report.learning_rate, values])
            if self.snapshot_wanted:
                self.snapshot = report.round, pickle.dumps(report.result(), protocol=5)
                self.snapshot_wanted = False
        now = time.monotonic()
        if now - self._told >= (FLUSH if self.order.rank == 0 else FLUSH_OTHERS):
            self._told = now
            self._tell_progress(now - self._began)
        if self.stop_after_round and self._collective is not None:
            self._collective.stop()  # as a loss, so that the rounds so far are kept as they are
        return False

    def _tell_progress(self, seconds: float) -> None:
        reports, self._reports = self._reports, []
        exchange = self._collective.use["seconds"] if self._collective is not None else 0.0
        self.say("rounds", reports=reports, seconds=seconds, exchange=exchange)

    def _close(self) -> None:
        self.over = True
        self.tables.clear()
        with self._lock:
            self._collective = None
            if self._listener is not None:
                self._listener.close()
        if self._carrier is not None:
            self._carrier.close()
