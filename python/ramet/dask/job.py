"""What a fit on a cluster is to do, and how it goes about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ramet import _core
from ramet._scoring import OwnMetric
from ramet.dask.report import FitReport

CHANNELS = ("auto", "tcp", "tls", "comm")
RECOVERIES = ("lineage", "replica")


@dataclass(frozen=True)
class FitJob:
    """The training: what the model is a function of, beside the rows."""

    parameters: dict[str, str]
    metrics: tuple[str | OwnMetric, ...] = ()
    watch_training: bool = False
    gradients: Callable[..., Any] | None = None
    learning_rate: Callable[[int], float] | None = None
    initial_model: bytes | None = None


@dataclass(frozen=True)
class FitOptions:
    """Run parameters: they never change the model.

    Parameters
    ----------
    threads : int, optional
        Threads of each member; by default those of its worker.

    channel : {"auto", "tcp", "tls", "comm"}, default="auto"
        How members talk to each other: over connections of their own, in the clear or with the certificates of Dask's
        `Security`, or over those that Dask's workers have ("comm": slower, but no other port must be open). "auto" is
        "tls" where the cluster's workers use it and "tcp" elsewhere, and "comm" where members cannot reach each other.

    interface : str, default=""
        The network interface that members listen at and are reached by (`eth0`); by default the worker's address.

    host : str, default=""
        The address instead of an interface's.

    ports : str, default=""
        A port, or a range of them ("5000:5010"), that a firewall lets through. By default any free one. Members on one
        host need one each.

    silent_after : float, default=10.0
        Seconds without a sign of life until a member counts as lost.

    frozen_after : float, default=30.0
        Seconds without a heartbeat to the scheduler until a worker that is needed is removed.

    connect_timeout : float, default=10.0
        Seconds until members that cannot reach each other are given up.

    worker_timeout : float, default=300.0
        Seconds to wait for a worker when none is there.

    start_timeout : float, default=120.0
        Seconds to wait for a free thread of a worker, before it is left out.

    rebalance_saves : float, default=3.0
        Seconds that parts moved to new workers must save, for training to stop for a moment and move them.

    recovery : {"lineage", "replica"}, default="lineage"
        Where the binned rows of a lost worker come from: they are made again, from the source; or another worker has a
        copy, which costs memory, and saves the time and rows that cannot be made again (scattered ones).

    checkpoint_path : str, default=""
        Where the client saves the trees so far.

    checkpoint_every : int, default=10
        Rounds between two writes.

    on_round : callable, optional
        Called at the client with each round's report, in order; True stops there.
    """

    threads: int | None = None
    channel: str = "auto"
    interface: str = ""
    host: str = ""
    ports: str = ""
    silent_after: float = 10.0
    frozen_after: float = 30.0
    connect_timeout: float = 10.0
    worker_timeout: float = 300.0
    start_timeout: float = 120.0
    rebalance_saves: float = 3.0
    recovery: str = "lineage"
    checkpoint_path: str = ""
    checkpoint_every: int = 10
    on_round: Callable[[Any], Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, value, known in (("channel", self.channel, CHANNELS), ("recovery", self.recovery, RECOVERIES)):
            if value not in known:
                raise ValueError(f"{name}={value!r} is unknown. Use one of: {', '.join(known)}.")
        for name in ("silent_after", "frozen_after", "connect_timeout", "worker_timeout", "start_timeout"):
            if not float(getattr(self, name)) > 0:
                raise ValueError(f"{name}={getattr(self, name)}. Give a positive number of seconds.")
        self.port_range()

    def port_range(self) -> range:
        """Ports to try, in order; 0 is any."""
        text = self.ports or "0"
        first, _, last = text.partition(":")
        try:
            ports = range(int(first), int(last or first) + 1)
            if ports and 0 <= ports[0] <= ports[-1] <= 65535:
                return ports
        except ValueError:
            pass
        raise ValueError(f"ports={text!r} is neither a port nor a range of them, as in '5000:5010'.")


@dataclass(frozen=True)
class Round:
    """A round's report at the client; attributes as `RoundReport` has them.

    `busy` tells how much of its time each worker computes, from 0 to 1; the rest it waits for others, and exchanges
    data. The others wait for the busiest.
    """

    round: int
    rounds: int
    seconds: float
    learning_rate: float
    values: dict[tuple[str, str], float]
    busy: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FirstRounds:
    """A training that was stopped by hand after fewer rounds than its members had done; as `TrainResult`."""

    model: _core.Model
    history: dict[tuple[str, str], list[float]]
    best_round: int
    stopped_early: bool
    stopped: bool
    seconds: float
    steps: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """What a fit returns."""

    result: Any  # TrainResult, or FirstRounds
    report: FitReport
