"""A cluster in one process, without time: workers that die, freeze, leave and come, as `ramet.dask.plan` hears of them.

It carries out a plan's instructions the way Dask and the engine do, in an order drawn from a seed, and asserts the
plan's invariants while it does so.
"""

import heapq
import itertools
import random
from dataclasses import dataclass, field

from ramet.dask import messages as m
from ramet.dask.deal import PartId
from ramet.dask.errors import DataLostError
from ramet.dask.plan import Limits, Plan

LIMITS = Limits(
    worker_timeout=60, start_timeout=20, silent_after=2, connect_timeout=2, frozen_after=6, fruitless=30, deal_cost=0.5
)


@dataclass
class Worker:
    threads: int
    life: str
    frozen: bool = False
    retiring: bool = False
    beat: int = 0


@dataclass
class Member:
    worker: str
    life: str
    rounds: int
    over: bool = False


@dataclass
class Group:
    epoch: int
    members: list[Member]
    stop: bool = False
    released: bool = False


@dataclass
class Cluster:
    """`deterministic`: parts come out the same when made again; `lineage`: they can be made again."""

    seed: int
    parts: tuple[int, ...] = (5,)
    rounds: int = 12
    deterministic: bool = True
    lineage: bool = True
    cuts: set[frozenset[str]] = field(default_factory=set)  # pairs of workers that do not hear each other

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.plan = Plan(self.parts, self.rounds, limits=LIMITS)
        self.now = 0.0
        self.workers: dict[str, Worker] = {}
        self.holders: dict[PartId, str] = {}
        self.times_made: dict[PartId, int] = {}
        self.groups: dict[int, Group] = {}
        self.was_silent: set[str] = set()
        self.connected_with: list[int] = []
        self.end = None
        self._queue = []
        self._count = itertools.count()
        self._names = itertools.count()

    # What happens to the workers ------------------------------------------------------------------------------------
    def add(self, threads=1, name=None):
        name = name or f"w{next(self._names)}"
        self.workers[name] = Worker(threads, f"life {next(self._count)}")
        return name

    def kill(self, name):
        self.workers.pop(name, None)

    def freeze(self, name):
        if name in self.workers:
            self.workers[name].frozen = True
            self.was_silent.add(name)

    def thaw(self, name):
        if name in self.workers:
            self.workers[name].frozen = False

    def cut(self, one, other):
        self.cuts.add(frozenset((one, other)))
        self.was_silent |= {one, other}

    def retire(self, name):
        if name in self.workers:
            self.workers[name].retiring = True
            self.later(self.random.uniform(0.5, 3), lambda: self.kill(name))

    def healthy(self, name, life=None):
        worker = self.workers.get(name)
        return worker is not None and not worker.frozen and life in (None, worker.life)

    # Time -----------------------------------------------------------------------------------------------------------
    def later(self, delay, action):
        heapq.heappush(self._queue, (self.now + delay, next(self._count), action))

    def soon(self, action):
        self.later(self.random.choice([0.001, 0.01, 0.1, 0.7]) * self.random.random(), action)

    def run(self, until=3000.0):
        """The instruction that ended the fit."""
        self.say(m.Begin())
        self._look()
        while self._queue and self.end is None:
            self.now, _, action = heapq.heappop(self._queue)
            assert self.now < until, f"seed {self.seed}: no end; {self.plan.phase}, epoch {self.plan.epoch}"
            action()
        for event in (m.StopAsked(), m.Failed(ValueError()), m.Tick(self.now + 1e6)):
            assert self.say(event) == [], "P8"
        return self.end

    def say(self, event):
        out = self.plan.handle(m.Tick(self.now)) + self.plan.handle(event)
        for instruction in out:
            assert self.end is None, "P8"
            getattr(self, f"_do_{type(instruction).__name__.lower()}")(instruction)
        return out

    def _look(self):
        for worker in self.workers.values():
            worker.beat += not worker.frozen
        seen = {name: m.Seen(w.threads, not w.retiring, w.retiring, w.beat, w.life) for name, w in self.workers.items()}
        self.say(m.Workers(seen))
        self.later(0.4, self._look)

    # Dask's part ----------------------------------------------------------------------------------------------------
    def _task(self, done, worker=None):
        """Runs somewhere; moves on if its worker dies, waits while it is frozen."""

        def finish():
            if self.healthy(worker):
                done(worker)
            elif worker in self.workers:
                self.later(0.5, finish)
            else:
                self._task(done)

        worker = worker or (self.random.choice(sorted(self.workers)) if self.workers else None)
        self.soon(finish) if worker else self.later(0.5, lambda: self._task(done))

    def _length(self, part):
        return (part.number * 37) % 50

    def _make_part(self, part, then=lambda: None):
        def done(worker):
            self.holders[part] = worker
            times = self.times_made[part] = self.times_made.get(part, 0) + 1
            self.say(m.Made(part, self._length(part), f"{part}" if self.deterministic else f"{part} {times}"))
            then()

        if part in self.times_made and not self.lineage:
            self.say(m.Failed(DataLostError(f"{part}")))
        else:
            self._task(done)

    def _do_survey(self, _):
        self._task(lambda _: self.say(m.Surveyed({part: self._length(part) for part in self.plan.part_ids})))

    def _do_bin(self, _):
        self._task(lambda _: self.say(m.Binned()))

    def _do_make(self, _):
        for part in self.plan.part_ids:
            self._make_part(part)

    def _do_locate(self, locate):
        where = {part: (w,) if w in self.workers else () for part, w in self.holders.items()}
        self.soon(lambda: self.say(m.Located(locate.request, where)))

    # The members' part ----------------------------------------------------------------------------------------------
    def _do_open(self, order):
        assert all(group.released for group in self.groups.values()), "P6"
        assert order.epoch == len(self.groups) + 1, "P1"
        dealt = [part for seat in order.seats for part in seat.parts]
        assert sorted(dealt) == self.plan.part_ids, "P3"
        assert len({seat.worker for seat in order.seats}) == len(order.seats), "P3"
        assert all(any(part.table == 0 for part in seat.parts) for seat in order.seats), "P3"
        self.groups[order.epoch] = Group(order.epoch, [])
        for seat in order.seats:
            if seat.worker in self.workers:
                self._seat(order.epoch, seat, self.workers[seat.worker].life)

    def _seat(self, epoch, seat, life):
        missing = [part for part in seat.parts if self.holders.get(part) not in self.workers]

        def live(action):
            def act():
                if self.healthy(seat.worker, life):
                    action()
                elif seat.worker in self.workers:
                    self.later(0.5, act)

            return act

        def fed():
            if missing:
                self._make_part(missing.pop(), lambda: self.soon(fed))
            else:
                self.soon(live(lambda: self.say(m.Fed(epoch, seat.worker))))

        self.soon(live(lambda: self.say(m.Listening(epoch, seat.worker, "host", 1))))
        self.soon(fed)

    def _do_connect(self, order):
        assert all(seat.address and seat.fed for seat in order.seats), "P2"
        assert order.epoch == max(self.groups), "P1"
        assert order.rounds >= max(self.connected_with, default=0), "P5"
        self.connected_with.append(order.rounds)
        group = self.groups[order.epoch]
        for seat in order.seats:
            life = self.workers[seat.worker].life if seat.worker in self.workers else "dead"
            group.members.append(Member(seat.worker, life, order.rounds))
        self.soon(lambda: self._round(group))

    def _round(self, group):
        live = [member for member in group.members if not member.over]
        if not live:
            return
        trouble = self._trouble(group)
        if trouble is not None:
            self._fail(group, *trouble)
            return
        if group.members[0].rounds >= self.rounds:
            for member in group.members:
                self._end(group, member, m.Reason.DONE)
            return
        stop = group.stop or any(self.workers[member.worker].retiring for member in group.members)
        for member in group.members:
            member.rounds += 1
        rounds = group.members[0].rounds
        self.say(m.Reported(group.epoch, rounds))
        if self.random.random() < 0.2:
            self.soon(lambda: self.say(m.Kept(group.epoch, rounds)))
        if stop:
            for member in group.members:
                self._end(group, member, m.Reason.STOPPED)
        else:
            self.later(self.random.uniform(0.01, 0.5), lambda: self._round(group))

    def _trouble(self, group):
        """Which member the others miss, and whether its connections closed."""
        for rank, member in enumerate(group.members):
            if not self.healthy(member.worker, member.life):
                return rank, member.worker in self.workers and self.workers[member.worker].life == member.life
            if group.released:
                return rank, False
        for pair in self.cuts:
            ranks = [rank for rank, member in enumerate(group.members) if member.worker in pair]
            if len(ranks) == 2:
                return self.random.choice(ranks), True
        return None

    def _fail(self, group, rank, silent):
        """Members notice, each in its time; one may be a round ahead, or see only another one's closing connection."""
        for own, member in enumerate(group.members):
            reason, about = (m.Reason.SILENT, rank) if silent else (m.Reason.LOST, rank)
            if own == rank or self.random.random() < 0.3:
                reason, about = m.Reason.LOST, self.random.randrange(-1, len(group.members))
            delay = LIMITS.silent_after if silent else 0
            self.later(delay, lambda end=(group, member, reason, about): self._end(*end))

    def _end(self, group, member, reason, about=-1):
        def say():
            if self.healthy(member.worker, member.life):
                for _ in range(self.random.choice([1, 1, 2])):
                    self.say(m.Ended(group.epoch, member.worker, member.rounds, reason, about, reason.value))
            elif member.worker in self.workers:
                self.later(0.5, say)  # when it thaws

        member.over = True
        self.soon(say)

    def _do_stopafterround(self, order):
        self.groups[order.epoch].stop = True

    def _do_release(self, order):
        group = self.groups[order.epoch]
        for member in group.members:
            seat = next(seat for seat in self.plan.seats if seat.worker == member.worker)
            gone = not self.healthy(member.worker, member.life)
            assert member.over or gone or seat.gone or self.plan._complete, "P6"
        group.released = True

    def _do_remove(self, order):
        assert order.worker in self.was_silent, "P7"
        self.kill(order.worker)

    def _do_fetch(self, order):
        member = next(member for member in self.groups[order.epoch].members if member.worker == order.worker)

        def fetched():
            if self.healthy(member.worker, member.life):
                self.say(m.Fetched(order.epoch, order.worker, member.rounds))
            elif self.random.random() < 0.5:
                self.say(m.Fetched(order.epoch, order.worker, -1))

        self.soon(fetched)

    def _do_finish(self, order):
        self.end = order

    def _do_giveup(self, order):
        self.end = order
