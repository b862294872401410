"""What `Plan` hears and what it says: events, and instructions. Values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ramet.dask.deal import PartId


class Reason(str, enum.Enum):
    """Why a member ended."""

    DONE = "done"
    STOPPED = "stopped"  # after a round, as it was told or because its worker retires
    LOST = "lost"  # a connection closed
    SILENT = "silent"  # a peer did not answer
    UNREACHABLE = "unreachable"  # a peer could not be connected to
    BROKEN = "broken"  # anything else


# Events ---------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Begin:
    pass


@dataclass(frozen=True)
class Tick:
    now: float  # seconds, from anywhere


@dataclass(frozen=True)
class Seen:
    """A worker, as the scheduler sees it."""

    threads: int = 1
    ready: bool = True  # False: paused, or retiring
    retiring: bool = False
    beat: float = 0.0  # changes as long as it lives
    life: str = ""  # another one: a new process at an old address


@dataclass(frozen=True)
class Workers:
    seen: Mapping[str, Seen]  # all there are


@dataclass(frozen=True)
class Surveyed:
    rows: Mapping[PartId, int]


@dataclass(frozen=True)
class Binned:
    pass


@dataclass(frozen=True)
class Made:
    part: PartId
    rows: int
    fingerprint: str


@dataclass(frozen=True)
class Failed:
    error: BaseException  # nothing that another try would mend


@dataclass(frozen=True)
class Located:
    request: int
    where: Mapping[PartId, tuple[str, ...]]


@dataclass(frozen=True)
class Listening:
    epoch: int
    worker: str
    host: str
    port: int


@dataclass(frozen=True)
class Fed:
    epoch: int
    worker: str


@dataclass(frozen=True)
class Reported:
    epoch: int
    rounds: int


@dataclass(frozen=True)
class Kept:
    """The client holds the trees so far."""

    epoch: int
    rounds: int


@dataclass(frozen=True)
class Ended:
    epoch: int
    worker: str
    rounds: int
    reason: Reason
    about: int = -1  # rank
    detail: str = ""


@dataclass(frozen=True)
class Fetched:
    epoch: int
    worker: str
    rounds: int  # -1: it could not be had


@dataclass(frozen=True)
class StopAsked:
    pass


Event = (
    Begin | Tick | Workers | Surveyed | Binned | Made | Failed | Located | Listening | Fed | Reported | Kept | Ended
    | Fetched | StopAsked
)  # fmt: skip


# Instructions ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Survey:
    pass


@dataclass(frozen=True)
class Bin:
    pass


@dataclass(frozen=True)
class Make:
    pass


@dataclass(frozen=True)
class Locate:
    request: int


@dataclass
class Seat:
    """A member's place in an epoch, and what is known about it."""

    rank: int
    worker: str
    threads: int
    parts: tuple[PartId, ...]
    address: tuple[str, int] | None = None
    fed: bool = False
    ended: Ended | None = None
    gone: bool = False

    @property
    def open(self) -> bool:
        return self.ended is None and not self.gone


@dataclass(frozen=True)
class Open:
    epoch: int
    seats: Sequence[Seat]


@dataclass(frozen=True)
class Connect:
    epoch: int
    seats: Sequence[Seat]
    rounds: int  # complete already


@dataclass(frozen=True)
class StopAfterRound:
    epoch: int
    why: str


@dataclass(frozen=True)
class Release:
    """Whatever an epoch has left: tasks, members that still run."""

    epoch: int


@dataclass(frozen=True)
class Remove:
    """No `Workers` that was seen before this is done may be passed on after it."""

    worker: str
    why: str


@dataclass(frozen=True)
class Fetch:
    epoch: int
    worker: str


@dataclass(frozen=True)
class Finish:
    rounds: int
    complete: bool  # False: stopped by hand; `rounds` may be 0


@dataclass(frozen=True)
class GiveUp:
    error: BaseException


Instruction = (
    Survey | Bin | Make | Locate | Open | Connect | StopAfterRound | Release | Remove | Fetch | Finish | GiveUp
)
