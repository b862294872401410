"""What members' talk costs over networks of some speed and length, beside what the cost model says (cost_model.py).

    cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DRAMET_BUILD_BENCHMARKS=ON
    ninja -C build/bench network_relay network_replay
    sudo .venv/bin/python bench/network.py --build build/bench

A training by 2 to 8 members is run once, to record its exchanges: how many bytes each member sends to each. These are
replayed over the real channel by as many processes, without what is computed between them (else 8 members would share
the processors of one machine), each on a host of its own: a network namespace, made here and removed at the end, also
when interrupted. Hosts send at 1 or 10 Gbit/s (tc, tbf); a relay hands each packet on after the delay.

Prints a Markdown table; --write puts all figures into bench/results/DATE-network.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from cost_model import Network, Processor, Talk, network_seconds, talk_of
from members import make_rows, parts_of

from ramet import _core

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python" / "tests"))
from namespaces import Hosts, missing  # noqa: E402

PORT = 7000
BURST = 150e-6  # seconds of a wire's speed that may pass at once after a pause; less than a late timer loses speed
PAYLOAD = 1448 / 1514  # of an Ethernet packet
Exchange = list[list[int]]
Trees = list[list[Exchange]]


# What members say ----------------------------------------------------------------------------------------------
def record(binning: Any, parts: list[Any], rows: int, members: int, parameters: dict[str, str]) -> Trees:
    """The exchanges of each tree. Members are threads, whose messages pass through queues."""
    boxes: dict[tuple[int, int], queue.SimpleQueue[bytes]] = {
        (a, b): queue.SimpleQueue() for a in range(members) for b in range(members)
    }
    sent: list[list[list[int]]] = [[] for _ in range(members)]  # of each member and message: to whom, bytes
    trees: list[list[int]] = [[] for _ in range(members)]  # of each member: messages at the end of each tree
    header = 32  # of a carried message

    def run(rank: int) -> None:
        def send(to: int, message: bytes) -> None:
            sent[rank].append([to, len(message) - header])
            boxes[rank, to].put(bytes(message))

        def receive(source: int) -> bytes | None:
            with contextlib.suppress(queue.Empty):
                return boxes[source, rank].get(timeout=0.1)
            return None

        data = _core.Dataset.assemble(_core.Context(1), binning, parts[rank::members], total_rows=rows)
        collective = _core.CommCollective(rank, members, send, receive)
        _core.train(
            _core.Context(1),
            parameters,
            data,
            collective=collective,
            on_round=lambda _: trees[rank].append(len(sent[rank])),
        )

    threads = [threading.Thread(target=run, args=[rank]) for rank in range(members)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result: Trees = []
    # The first tree comes with what is exchanged before it (sums of labels), and is left out.
    for begin, end in zip(trees[0][:-1], trees[0][1:], strict=True):
        exchanges = []
        for at in range(begin, end, members - 1):
            matrix = [[0] * members for _ in range(members)]
            for rank in range(members):
                for to, size in sent[rank][at : at + members - 1]:
                    matrix[rank][to] = size
            exchanges.append(matrix)
        result.append(exchanges)
    return result


def write_record(path: Path, trees: Trees, members: int) -> None:
    lines = [f"{members} {len(trees)}"]
    for exchanges in trees:
        lines.append(str(len(exchanges)))
        lines += [" ".join(str(size) for row in matrix for size in row) for matrix in exchanges]
    path.write_text("\n".join(lines) + "\n")


# Hosts ---------------------------------------------------------------------------------------------------------
def first_in_line(priority: int) -> None:
    """Other programs of a busy machine are not what is measured."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))


@contextlib.contextmanager
def wired_hosts(count: int, delay: float, gigabits: float, build: Path, limited: bool = True) -> Iterator[Hosts]:
    """Not `limited`: as fast as the processors hand on packets of the size that `gigabits` has."""
    with Hosts(count, bridge=False) as hosts:
        relay = subprocess.Popen(
            [str(build / "bench" / "network_relay"), str(round(delay * 1e6)), *hosts.names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: first_in_line(2),
        )
        try:
            assert relay.stdout is not None
            if relay.stdout.readline() != "ready\n":
                raise OSError("the relay did not start")
            for host in range(count):
                hosts.run(host, ["ip", "address", "add", f"{hosts.address(host)}/24", "dev", "eth0"])
                burst = round(gigabits * 1e9 / 8 * BURST)
                segments = ["gso_max_size", str(min(round(0.8 * burst), 65000)), "txqueuelen", "10000"]
                hosts.run(host, ["ip", "link", "set", "eth0", *segments, "up"])
                for other in range(count):
                    address = ["lladdr", f"02:00:00:00:00:{other:02x}", "dev", "eth0", "nud", "permanent"]
                    if other != host:
                        hosts.run(host, ["ip", "neighbour", "replace", hosts.address(other), *address])
                if limited:
                    rate = ["rate", f"{gigabits}gbit", "burst", str(burst), "limit", "64mb"]
                    hosts.run(host, ["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", *rate])
            yield hosts
        finally:
            assert relay.stdin is not None
            relay.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                relay.wait(2)
            relay.kill()
            relay.wait()


def replay(hosts: Hosts, path: Path, members: int, build: Path) -> list[float]:
    """Seconds of each tree: of the member that took longest."""
    addresses = [f"{hosts.address(rank)}:{PORT}" for rank in range(members)]
    program = str(build / "bench" / "network_replay")
    processes = [
        subprocess.Popen(
            ["nsenter", f"--net={hosts.names[rank]}", "--", program, str(path), str(rank), *addresses],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: first_in_line(1),
        )
        for rank in range(members)
    ]
    try:
        outputs = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if any(process.returncode != 0 for process in processes):
        raise OSError("a member failed")
    of_members = [[float(line) for line in output.split()[:-1]] for output in outputs]
    return [max(seconds) for seconds in zip(*of_members, strict=True)]


# Measuring -----------------------------------------------------------------------------------------------------
def mean_talk(trees: Trees) -> Talk:
    talks = [talk_of(exchanges) for exchanges in trees]
    return Talk(
        round(statistics.mean(talk.exchanges for talk in talks)), round(statistics.mean(talk.bytes for talk in talks))
    )


def measure(
    path: Path, members: int, delay: float, gigabits: float, options: argparse.Namespace, limited: bool = True
) -> list[float]:
    with wired_hosts(members, delay, gigabits, options.build, limited) as hosts:
        # The first tree of a replay finds connections that have not been used yet.
        return [seconds for _ in range(options.repeats) for seconds in replay(hosts, path, members, options.build)[1:]]


def processor_of(
    path: Path, trees: Trees, members: int, gigabits: float, options: argparse.Namespace, folder: Path
) -> Processor:
    """From a wire without limits: exchanges of nothing, and those of the record."""
    silent = [[[[0] * members] * members for _ in exchanges] for exchanges in trees]
    write_record(folder / "silent", silent, members)
    talk = mean_talk(trees)
    nothing = statistics.median(measure(folder / "silent", members, 0, gigabits, options, limited=False))
    all_bytes = statistics.median(measure(path, members, 0, gigabits, options, limited=False))
    return Processor(nothing / talk.exchanges, max(0.0, all_bytes - nothing) / talk.bytes)


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    parameters = {
        "max_iter": str(options.trees + 2),  # one is not recorded, one is not counted
        "max_leaf_nodes": str(options.leaves),
        "max_depth": str(options.depth),
        "early_stopping": "false",
    }
    X, y = make_rows(options.rows, options.features)
    binning, parts = parts_of((X, y), max(options.members), parameters)
    del X, y
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for members in options.members:
            trees = record(binning, parts, options.rows, members, parameters)
            path = folder / f"record-{members}"
            write_record(path, trees, members)
            talk = mean_talk(trees[1:])
            for gigabits in options.gigabits:
                processor = processor_of(path, trees, members, gigabits, options, folder)
                for delay in options.delays:
                    seconds = measure(path, members, delay / 1e3, gigabits, options)
                    network = Network(delay / 1e3, gigabits * 1e9 / 8 * PAYLOAD)
                    model = network_seconds(talk, network, processor)
                    errors = [model / one - 1 for one in seconds]
                    result = {
                        "members": members,
                        "gigabits": gigabits,
                        "delay_ms": delay,
                        "exchanges": talk.exchanges,
                        "megabytes": talk.bytes / 1e6,
                        "per_exchange_us": processor.per_exchange * 1e6,
                        "per_byte_ns": processor.per_byte * 1e9,
                        "measured_ms": statistics.median(seconds) * 1e3,
                        "fastest_ms": min(seconds) * 1e3,
                        "slowest_ms": max(seconds) * 1e3,
                        "model_ms": model * 1e3,
                        "error_of_median": model / statistics.median(seconds) - 1,
                        "worst_error": max(errors, key=abs),
                        "processor_bound": processor.per_byte * network.bandwidth > 1,
                    }
                    print(line_of(result), flush=True)
                    yield result


COLUMNS = (
    "| members | Gbit/s | delay ms | exchanges | MB | measured ms | fastest - slowest | model ms | error | worst |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def line_of(result: dict[str, Any]) -> str:
    r = result
    mark = " (p)" if r["processor_bound"] else ""
    return (
        f"| {r['members']} | {r['gigabits']:g}{mark} | {r['delay_ms']:g} | {r['exchanges']} | {r['megabytes']:.2f} "
        f"| {r['measured_ms']:.1f} | {r['fastest_ms']:.1f} - {r['slowest_ms']:.1f} | {r['model_ms']:.1f} "
        f"| {100 * r['error_of_median']:+.0f} % | {100 * r['worst_error']:+.0f} % |"
    )


def summary(results: list[dict[str, Any]]) -> str:
    def of(chosen: list[dict[str, Any]], what: str) -> str:
        errors = [abs(r["error_of_median"]) for r in chosen]
        if not errors:
            return f"{what}: no setting."
        median, worst = (f"{100 * error:.0f} %" for error in (statistics.median(errors), max(errors)))
        return f"{what} ({len(errors)} settings): median {median}, worst {worst}."

    wire = [r for r in results if not r["processor_bound"]]
    return "\n".join(
        [
            of(results, "- Model's error, all settings"),
            of(wire, "- Where the wire is slower than the processors"),
            of([r for r in results if r["processor_bound"]], "- Where the processors are slower (marked p)"),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--leaves", type=int, default=255)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--trees", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--members", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--gigabits", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--delays", type=float, nargs="+", default=[0.1, 0.5, 1, 5], help="milliseconds, one way")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if reason := missing("tc"):
        sys.exit(f"No hosts can be made: {reason}.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    print(COLUMNS)
    began = time.monotonic()
    results = list(run(options))
    print(f"\n{summary(results)}\n\n{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.0f}")
    if options.write:
        write(results, options)


def write(results: list[dict[str, Any]], options: argparse.Namespace) -> None:
    base = ROOT / "bench" / "results" / f"{date.today()}-network"
    facts = {
        "machine": platform.processor() or platform.machine(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "options": {name: str(value) if name == "build" else value for name, value in vars(options).items()},
    }
    base.with_suffix(".json").write_text(json.dumps({**facts, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
