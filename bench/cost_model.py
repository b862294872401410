"""What a tree costs a group of members: computing, and talking.

    seconds = rows/member x features x updates x ns/update / cores                      compute_seconds
            + exchanges x (latency + per_exchange) + bytes x max(1/bandwidth, per_byte)  network_seconds

Every member is connected with every other, and a message goes the direct way, so an exchange waits once for the
latency, however many members there are (a reduction of more than a few KB is two exchanges: each member merges a slice,
and sends it to all). `bytes` are those that the busiest member sends or receives; it does both at once. With n members
they are (n - 1) / n of each histogram, whose cells have 8, 12 or 20 bytes.

`latency` (seconds, one way) and `bandwidth` (bytes a second, each way, of one member's port) are the network's.
`per_exchange` and `per_byte` are the processor's part of it, in the kernel mostly: see `Processor`.

What it leaves out: that members are late for an exchange (they wait for the slowest), lost packets, others on the same
wires, that processor and wire do not always work at once, and TCP's first round trips, in which it tries how much the
network takes.

`bench/network.py` measures how wrong it is (bench/results/*-network.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    latency: float  # seconds, one way
    bandwidth: float  # bytes a second, each way, of one member


@dataclass(frozen=True)
class Processor:
    """What a member's exchanges cost its processor."""

    per_exchange: float  # seconds; grows with the number of members
    per_byte: float  # seconds of a byte sent and one received


@dataclass(frozen=True)
class Talk:
    """What one tree makes members exchange."""

    exchanges: int
    bytes: int  # that the busiest member of each exchange sends or receives


def network_seconds(talk: Talk, network: Network, processor: Processor) -> float:
    """Seconds of a tree's exchanges, nothing being computed between them.

    Examples
    --------
    Twelve exchanges of 10 MB together, half a millisecond away at 1 Gbit/s: 86.9 ms, of which the wire takes 80.

    >>> round(network_seconds(Talk(12, 10_000_000), Network(5e-4, 125e6), Processor(75e-6, 1e-9)), 4)
    0.0869
    """
    return talk.exchanges * (network.latency + processor.per_exchange) + talk.bytes * max(
        1 / network.bandwidth, processor.per_byte
    )


def compute_seconds(
    rows: int, features: int, depth: int, *, members: int = 1, cores: int = 1, ns: float = 0.5
) -> float:
    """Seconds of a tree's histograms, the part of computing that grows with the rows.

    `rows`: of all members together. A row is added once at the root, and at each of the levels below about 0.4 times,
    because the larger of two siblings is had by subtraction. `ns`: of one update on one core.

    Examples
    --------
    >>> round(compute_seconds(1_000_000, 28, 8, members=2, cores=2), 4)
    0.0133
    """
    return rows / members * features * (1 + 0.4 * (depth - 1)) * ns * 1e-9 / cores


def talk_of(exchanges: Sequence[Sequence[Sequence[int]]]) -> Talk:
    """Of a tree's exchanges, each as a matrix: the bytes that each member sends to each."""
    busiest = 0
    for matrix in exchanges:
        sent = [sum(row) for row in matrix]
        received = [sum(column) for column in zip(*matrix, strict=True)]
        busiest += max(sent + received)
    return Talk(len(exchanges), busiest)
