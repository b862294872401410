"""What a fit on a cluster does next, whatever happens: events in, instructions out. No input or output, no clock.

    SURVEY ─► BIN ─► MAKE ─► LOCATE ─► OPEN ─► TRAIN ─► FETCH ─► OVER
                               ▲         │       │        │
                               │◄────────┘       ▼        │
                               │               CLOSE ────►│
                               └──────────────────────────┘
An epoch is the members that train together, from LOCATE to FETCH. After a loss, or when workers come or go, the next
one takes up the rounds that are complete.

Invariants
  P1. Epochs are numbered upwards, one is open at a time, and events of another one change nothing.
  P2. Members are connected when all of them listen and hold their rows.
  P3. In every epoch each part is dealt to one member, a worker has one member at most, and a member has parts to train
      on.
  P4. A part is what it was when it was first made: another length or fingerprint ends the fit with
      NotDeterministicError.
  P5. Complete rounds are kept: an epoch starts from the most that the client or a living member of the last one had.
  P6. No epoch opens before the last one is released. Once it trained, each of its members has ended by then, or its
      worker is gone.
  P7. A worker is removed for silence alone: towards its peers, the scheduler or us. A closed connection accuses nobody.
  P8. There is one end, Finish or GiveUp, and no instruction after it.
  P9. A stop asked for ends in Finish with the rounds there are, whoever dies meanwhile.
  P10. Every wait ends. Work of Dask ends when its tasks do or their worker falls silent; no workers: `worker_timeout`;
      a member that does not start: `start_timeout`; one that does not end: `end_timeout`. Epochs that complete no round
      are counted, and `fruitless` of them in a row end the fit. So there are at most rounds x fruitless epochs.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ramet.dask.deal import Hands, PartId, deal, fullest
from ramet.dask.errors import MembersError, NotDeterministicError, NoWorkersError
from ramet.dask.messages import (
    Begin,
    Bin,
    Binned,
    Connect,
    Ended,
    Event,
    Failed,
    Fed,
    Fetch,
    Fetched,
    Finish,
    GiveUp,
    Instruction,
    Kept,
    Listening,
    Locate,
    Located,
    Made,
    Make,
    Open,
    Reason,
    Release,
    Remove,
    Reported,
    Seat,
    Seen,
    StopAfterRound,
    StopAsked,
    Survey,
    Surveyed,
    Tick,
    Workers,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """How long is waited for what, in seconds, and when moving parts pays."""

    worker_timeout: float = 300.0  # until a worker is there
    start_timeout: float = 120.0  # until a member runs on a worker that has other things to do
    silent_after: float = 10.0  # until a member counts as lost
    connect_timeout: float = 10.0  # until one that cannot be reached does
    frozen_after: float = 30.0  # until a worker without heartbeat is removed: a busy interpreter may be late
    grace: float = 1.0  # until one accused of silence has said something, or the last one has that it is done
    fruitless: int = 8  # epochs in a row
    gain: float = 1.2  # as much faster must a new deal be
    deal_cost: float = 3.0  # and as much time must it save

    @property
    def end_timeout(self) -> float:
        return max(self.silent_after, self.connect_timeout) + 5.0


class Phase(enum.Enum):
    SURVEY = "looking at the rows"
    BIN = "finding bins"
    MAKE = "binning"
    LOCATE = "dealing parts"
    OPEN = "gathering members"
    TRAIN = "training"
    CLOSE = "ending an epoch"
    FETCH = "fetching trees"
    OVER = "over"


@dataclass
class _Worker:
    seen: Seen
    sign: float  # when it last showed life


@dataclass
class Plan:
    """One fit. Give it every event, carry out what it answers, in order.

    Parameters
    ----------
    parts : sequence of int
        Number of parts of the training table and of each evaluation set.
    rounds : int
        Rounds to train.
    describe : callable
        A part's name for messages.
    limits : Limits

    Examples
    --------
    >>> from ramet.dask.plan import Begin, Plan
    >>> Plan([2], rounds=100).handle(Begin())
    [Survey()]
    """

    parts: Sequence[int]
    rounds: int
    describe: Callable[[PartId], str] = str
    limits: Limits = field(default_factory=Limits)

    phase: Phase = Phase.SURVEY
    now: float = 0.0
    epoch: int = 0
    kept: int = 0  # rounds that the client holds
    done: int = 0  # rounds that some member holds
    seats: list[Seat] = field(default_factory=list)
    lengths: dict[PartId, int] = field(default_factory=dict)
    fingerprints: dict[PartId, str] = field(default_factory=dict)
    workers: dict[str, _Worker] = field(default_factory=dict)
    shunned: dict[str, str] = field(default_factory=dict)  # worker -> why it gets no more members of this fit
    strikes: dict[str, int] = field(default_factory=dict)  # how often peers found it silent though it lived
    fruitless: int = 0
    stop_asked: bool = False
    last_words: str = ""  # of the last member that ended

    _stopping: bool = False
    _entered: float = 0.0  # when the phase began
    _alone_since: float | None = None
    _not_before: float = 0.0
    _request: int = 0
    _asked: bool = False
    _where: Mapping[PartId, tuple[str, ...]] | None = None
    _started_from: int = 0
    _fetching: str = ""
    _complete: bool = False
    _looked: bool = False
    _out: list[Instruction] = field(default_factory=list)

    def handle(self, event: Event) -> list[Instruction]:
        """What is to be done now that `event` happened."""
        if self.over:
            return []  # P8
        self._take(event)
        while not self.over and self._step():
            pass
        out, self._out = self._out, []
        return out

    @property
    def over(self) -> bool:
        return self.phase is Phase.OVER

    @property
    def part_ids(self) -> list[PartId]:
        return [PartId(table, number) for table, count in enumerate(self.parts) for number in range(count)]

    # Facts ------------------------------------------------------------------------------------------------------------
    def _take(self, event: Event) -> None:
        match event:
            case Begin():
                self._out.append(Survey())
            case Tick(now):
                self.now = max(self.now, now)
            case Workers(seen):
                self._take_workers(seen)
            case Surveyed(rows):
                self.lengths = dict(rows)
                self._enter(Phase.BIN, Bin())
            case Binned():
                self._enter(Phase.MAKE, Make())
            case Made():
                self._take_part(event)
            case Failed(error):
                self._enter(Phase.OVER, GiveUp(error))
            case Located(request, where) if request == self._request and self._asked:
                self._where, self._asked = where, False
            case StopAsked():
                self.stop_asked = True
            case Listening() | Fed() | Reported() | Kept() | Ended() | Fetched() if event.epoch == self.epoch:  # P1
                self._take_member(event)
            case _:
                pass

    def _take_workers(self, seen: Mapping[str, Seen]) -> None:
        for seat in self.seats:
            known = self.workers.get(seat.worker)
            now = seen.get(seat.worker)
            seat.gone |= now is None or (known is not None and known.seen.life != now.life)
        for address, worker in seen.items():
            known = self.workers.get(address)
            if known is None or known.seen.beat != worker.beat:
                self.workers[address] = _Worker(worker, self.now)
            else:
                known.seen = worker
        for address in self.workers.keys() - seen.keys():
            del self.workers[address]
        self._looked = True

    def _take_part(self, made: Made) -> None:
        name, length = self.describe(made.part), self.lengths.get(made.part)
        before = self.fingerprints.setdefault(made.part, made.fingerprint)
        if length == made.rows and before == made.fingerprint:
            return
        difference = (
            f"it had {length} rows and now has {made.rows}"
            if length != made.rows
            else f"its {made.rows} rows have fingerprint {made.fingerprint}, before {before}"
        )
        error = NotDeterministicError(
            f"{name} came out differently when it was made again: {difference}. A lost worker's rows can be trained on "
            "only if they can be made again. Look for a random step without a seed, a file that changed, or an order "
            "that is not fixed; or write the table to files first, and train from these."
        )
        self._enter(Phase.OVER, GiveUp(error))  # P4

    def _take_member(self, event: Listening | Fed | Reported | Kept | Ended | Fetched) -> None:
        match event:
            case Reported(_, rounds):
                self.done = max(self.done, rounds)
            case Kept(_, rounds):
                self.kept, self.done = max(self.kept, rounds), max(self.done, rounds)  # P5
            case Fetched(_, worker, rounds):
                self._take_fetched(worker, rounds)
            case Listening(_, worker, host, port) if (seat := self._seat(worker)) is not None:
                seat.address = (host, port)
            case Fed(_, worker) if (seat := self._seat(worker)) is not None:
                seat.fed = True
            case Ended(_, worker, rounds) if (seat := self._seat(worker)) is not None and seat.ended is None:
                seat.ended = event
                self.done = max(self.done, rounds)
                # One that stops of its own says why; the others only lost it.
                own = [s.ended.detail for s in self.seats if s.ended and s.ended.reason is Reason.STOPPED]
                self.last_words = next(filter(None, own), event.detail) or self.last_words

    def _take_fetched(self, worker: str, rounds: int) -> None:
        seat = self._seat(worker)
        if self._fetching != worker or seat is None or seat.ended is None:
            return
        self._fetching = ""
        if rounds < seat.ended.rounds:
            seat.gone = True
        else:
            self.kept = max(self.kept, rounds)
            self._complete = seat.ended.reason is Reason.DONE

    def _seat(self, worker: str) -> Seat | None:
        return next((seat for seat in self.seats if seat.worker == worker), None)

    # Steps ------------------------------------------------------------------------------------------------------------
    def _step(self) -> bool:
        """Does what the facts call for; True if the phase changed, so that there may be more."""
        before = self.phase
        if not self._is_alone_too_long():
            steps = {
                Phase.SURVEY: self._wait_for_tasks,
                Phase.BIN: self._wait_for_tasks,
                Phase.MAKE: self._make,
                Phase.LOCATE: self._locate,
                Phase.OPEN: self._open,
                Phase.TRAIN: self._train,
                Phase.CLOSE: self._close,
                Phase.FETCH: self._fetch,
            }
            steps[before]()
        return self.phase is not before

    def _enter(self, phase: Phase, *instructions: Instruction) -> None:
        self.phase = phase
        self._entered = self.now
        self._out += instructions

    def _ready(self) -> dict[str, int]:
        """Workers that may have members, and their threads."""
        return {
            address: max(1, worker.seen.threads)
            for address, worker in self.workers.items()
            if worker.seen.ready and address not in self.shunned
        }

    def _is_alone_too_long(self) -> bool:
        needs_others = self.phase not in (Phase.TRAIN, Phase.CLOSE, Phase.FETCH)
        if self._ready() or not needs_others:
            self._alone_since = None
            return False
        if self._alone_since is None:
            self._alone_since = self.now
        if self.now - self._alone_since < self.limits.worker_timeout:
            return False
        reason = "no worker is there"
        if self.workers:
            states = [f"{a} ({self.shunned.get(a, 'paused or retiring')})" for a in sorted(self.workers)]
            reason = f"no worker can take part: {', '.join(states)}"
        error = NoWorkersError(
            f"While {self.phase.value}: {reason}, for {self.limits.worker_timeout:g} seconds (worker_timeout). "
            "Start workers, or give those there are more memory."
        )
        self._enter(Phase.OVER, GiveUp(error))
        return True

    def _remove(self, worker: str, why: str) -> None:
        self._out.append(Remove(worker, why))
        self.workers.pop(worker, None)
        for seat in self.seats:
            seat.gone |= seat.worker == worker

    def _remove_frozen(self, workers: Sequence[str]) -> None:
        for address in workers:
            worker = self.workers.get(address)
            if worker is not None and self.now - worker.sign > self.limits.frozen_after:
                self._remove(address, f"it gave no sign of life for {self.limits.frozen_after:g} seconds")

    def _wait_for_tasks(self) -> None:
        if self.stop_asked:
            self._enter(Phase.OVER, Finish(0, complete=False))  # P9
        else:
            self._remove_frozen(list(self.workers))

    def _make(self) -> None:
        self._wait_for_tasks()
        if self.phase is Phase.MAKE and len(self.fingerprints) == sum(self.parts):
            self._enter(Phase.LOCATE)

    def _locate(self) -> None:
        if self.stop_asked:
            self._enter(Phase.OVER, Finish(self.kept, complete=False))
        elif self.now < self._not_before or not self._ready():
            return
        elif self._where is not None:
            self._start_epoch(self._where)
        elif not self._asked:
            self._request += 1
            self._asked = True
            self._out.append(Locate(self._request))

    def _start_epoch(self, where: Mapping[PartId, tuple[str, ...]]) -> None:
        threads = self._ready()
        hands = self._deal(where, threads)
        self.epoch += 1  # P1
        self.seats = [
            Seat(rank, worker, threads[worker], hands[worker])
            for rank, worker in enumerate(sorted(hands, key=lambda worker: hands[worker]))
        ]
        self._where = None
        self._started_from = self.done = self.kept
        self._stopping = self._complete = False
        self._fetching = ""
        self._enter(Phase.OPEN, Open(self.epoch, self.seats))

    def _deal(self, where: Mapping[PartId, tuple[str, ...]], threads: Mapping[str, int]) -> Hands:
        hands = deal({part: n for part, n in self.lengths.items() if part.table == 0}, where, threads)
        members = {worker: threads[worker] for worker in hands}  # P3
        for table in range(1, len(self.parts)):
            rows = {part: n for part, n in self.lengths.items() if part.table == table}
            for worker, parts in deal(rows, where, members).items():
                hands[worker] += parts
        return hands

    def _open(self) -> None:
        self._remove_frozen([seat.worker for seat in self.seats])
        late = [seat for seat in self.seats if seat.open and seat.address is None]
        if not late or self.now - self._entered <= self.limits.start_timeout:
            late = []
        for seat in late:
            self.shunned[seat.worker] = (
                f"its threads were busy for {self.limits.start_timeout:g} seconds (start_timeout)"
            )
            self.last_words = f"{seat.worker}: {self.shunned[seat.worker]}"
        if self.stop_asked or late or not all(seat.open for seat in self.seats):
            self._end_epoch()
        elif all(seat.address is not None and seat.fed for seat in self.seats):  # P2
            self._enter(Phase.TRAIN, Connect(self.epoch, self.seats, self.kept))

    def _train(self) -> None:
        self._remove_frozen([seat.worker for seat in self.seats])  # if all froze, no peer says so
        if not all(seat.open for seat in self.seats):
            self._enter(Phase.CLOSE)
        elif not self._stopping and (why := self._why_stop()):
            self._stopping = True
            self._out.append(StopAfterRound(self.epoch, why))
        self._looked = False

    def _why_stop(self) -> str:
        if self.stop_asked:
            return "stopped by hand"
        if not self._looked:
            return ""
        ready = self._ready()
        retiring = [w for s in self.seats if (w := s.worker) in self.workers and self.workers[w].seen.retiring]
        if retiring:
            return f"{', '.join(retiring)} is being retired" if ready else ""
        return "there are more workers" if self._new_deal_pays(ready) else ""

    def _new_deal_pays(self, ready: Mapping[str, int]) -> bool:
        rounds = self.done - self._started_from
        if rounds <= 0 or not ready.keys() - {seat.worker for seat in self.seats}:
            return False
        threads = {seat.worker: seat.threads for seat in self.seats}
        rows = {part: n for part, n in self.lengths.items() if part.table == 0}
        hands = {seat.worker: tuple(part for part in seat.parts if part in rows) for seat in self.seats}
        where = {part: (worker,) for worker, parts in hands.items() for part in parts}
        share = fullest(deal(rows, where, ready), rows, ready) / max(fullest(hands, rows, threads), 1e-9)
        seconds = (self.now - self._entered) / rounds * (self.rounds - self.done)
        return share * self.limits.gain < 1 and seconds * (1 - share) > self.limits.deal_cost

    def _close(self) -> None:
        waited = self.now - self._entered
        accused = self._accused()
        for seat in self.seats:
            if seat.open and accused[seat.rank] and waited >= self.limits.grace:
                self._remove(seat.worker, f"the others heard nothing of it for {self.limits.silent_after:g} seconds")
            elif seat.open and waited >= self.limits.end_timeout:
                self._remove(seat.worker, f"its member did not end within {self.limits.end_timeout:g} seconds")
        finished = any(seat.ended and seat.ended.reason is Reason.DONE and not seat.gone for seat in self.seats)
        if any(seat.open for seat in self.seats) and not (finished and waited >= self.limits.grace):
            return
        self._strike({seat.rank: seat for seat in self.seats if accused[seat.rank] and not seat.gone}, accused)
        self._enter(Phase.FETCH)

    def _accused(self) -> Counter[int]:
        """Ranks, and how many members did not hear them. One that was never reached may sit behind a firewall."""
        reasons = {Reason.SILENT, Reason.UNREACHABLE} if self.kept else {Reason.SILENT}
        return Counter(seat.ended.about for seat in self.seats if seat.ended and seat.ended.reason in reasons)

    def _strike(self, living: Mapping[int, Seat], accused: Counter[int]) -> None:
        """Unheard, yet alive: a passing thing, or a cut between two workers, of which one must go."""
        if not living:
            return
        worker = living[max(living, key=lambda rank: (accused[rank], rank))].worker
        self.strikes[worker] = self.strikes.get(worker, 0) + 1
        if self.strikes[worker] > 1:
            self.shunned[worker] = "other members did not hear it, time after time"

    def _fetch(self) -> None:
        if self._fetching:
            seat = self._seat(self._fetching)
            if seat is not None and not seat.gone and self.now - self._entered < self.limits.frozen_after:
                return
            if seat is not None:
                seat.gone = True
            self._fetching = ""
        best = self._most_advanced()
        if best is None or self._complete:
            self._end_epoch()
            return
        self._fetching = best.worker
        self._entered = self.now
        self._out.append(Fetch(self.epoch, best.worker))

    def _most_advanced(self) -> Seat | None:
        """A member that has what the client has not: the model, or more rounds of it."""
        candidates = [
            (seat.ended.reason is Reason.DONE, seat.ended.rounds, -seat.rank)
            for seat in self.seats
            if seat.ended is not None
            and not seat.gone
            and (seat.ended.reason is Reason.DONE or seat.ended.rounds > self.kept)
        ]
        return self.seats[-max(candidates)[2]] if candidates else None

    def _end_epoch(self) -> None:
        self._out.append(Release(self.epoch))
        if self._complete:
            self._enter(Phase.OVER, Finish(self.kept, complete=True))
            return
        self.fruitless = 0 if self.kept > self._started_from else self.fruitless + 1
        self._not_before = self.now + (min(5.0, 0.05 * 2**self.fruitless) if self.fruitless > 1 else 0.0)
        if self.stop_asked or self.fruitless < self.limits.fruitless:
            self._enter(Phase.LOCATE)
            return
        error = MembersError(
            f"Training failed {self.fruitless} times before another round was complete (round {self.kept + 1} of "
            f"{self.rounds}). The last time: {self.last_words or 'workers were lost'}. If workers die, they may need "
            "more memory; if members cannot be reached, open the ports between workers (ports='5000:5010')."
        )
        self._enter(Phase.OVER, GiveUp(error))
