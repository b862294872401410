"""What members cost beside one process with as many threads: the engine alone, without Dask.

    python bench/members.py --rows 1000000 --rounds 50 --members 2 --repeats 3

Trains the same rows by one process with M threads and by M processes with one thread each, over sockets of this
machine, TCP or TLS, alternating. Prints seconds, the efficiency (one process / members), each member's steps, and what
went over the wire. A JSON line at the end. Digests must be equal. With --cpu, processor seconds of all members are
compared instead: what a busy machine can still tell.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ramet import _core

Rows = tuple[NDArray[np.float32], NDArray[np.float64]]


def make_rows(rows: int, features: int, seed: int = 0) -> Rows:
    random = np.random.default_rng(seed)
    X = random.standard_normal((rows, features), dtype=np.float32)
    signal = X[:, 0] * X[:, 1] + np.abs(X[:, 2]) - X[:, 3] * (X[:, 4] > 0) + np.sin(3 * X[:, 5])
    y = (signal + random.standard_normal(rows, dtype=np.float32) > 0).astype(np.float64)
    return X, y


def table_of(rows: Rows) -> _core.Table:
    return _core.Table.from_arrays([f"x{i}" for i in range(rows[0].shape[1])] + ["y"], list(rows))


def parts_of(rows: Rows, count: int, parameters: dict[str, str]) -> tuple[_core.Binning, list[_core.Part]]:
    context = _core.Context(os.cpu_count())
    borders = np.linspace(0, len(rows[1]), count + 1).astype(int)
    pieces = [(rows[0][a:b], rows[1][a:b]) for a, b in pairwise(borders)]
    survey = _core.Survey.merge(
        [_core.Survey.of(context, table_of(piece), label="y", classification=True) for piece in pieces]
    )
    samples = [
        _core.Sample.of(context, table_of(piece), survey, first_row=int(first), parameters=parameters)
        for piece, first in zip(pieces, borders, strict=False)
    ]
    binning = _core.Binning.find(context, survey, _core.Sample.merge(samples), parameters=parameters)
    parts = [
        _core.Part.make(context, table_of(piece), binning, first_row=int(first), label="y")
        for piece, first in zip(pieces, borders, strict=False)
    ]
    return binning, parts


def certificates() -> tuple[str, str, str]:
    """Files of an authority, a certificate and its key, made for this run."""
    from distributed.security import Security

    made = Security.temporary()
    folder = Path(tempfile.mkdtemp())
    files = []
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
        (folder / name).write_text(getattr(made, name))
        files.append(str(folder / name))
    return files[0], files[1], files[2]


def member(rank: int, size: int, pipe: Any, threads: int, channel: str, files: tuple[str, str, str] | None) -> None:
    """Waits for parts, connects, and trains whenever it is told to."""
    tls = None if files is None else _core.Tls(*files)
    listener = _core.Listener("127.0.0.1", tls=tls, local=channel == "local")
    pipe.send(listener.port)
    binning, part, total, ports, parameters = pipe.recv()
    context = _core.Context(threads)
    data = _core.Dataset.assemble(context, binning, part, total_rows=total)
    pipe.send("ready")
    while (group := pipe.recv()) is not None:
        collective = _core.connect(listener, rank=rank, addresses=[("127.0.0.1", port) for port in ports], group=group)
        before, cpu = time.perf_counter(), time.process_time()
        result = _core.train(context, parameters, data, collective=collective)
        pipe.send(
            {
                "seconds": time.perf_counter() - before,
                "cpu": time.process_time() - cpu,
                "digest": result.model.digest,
                "steps": result.steps,
                "use": collective.use,
            }
        )
        del collective


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--leaves", type=int, default=255)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each member")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument(
        "--channel", choices=("local", "tcp", "tls"), default="local", help="local: sockets of the machine"
    )
    options = parser.parse_args()
    files = certificates() if options.channel == "tls" else None
    parameters = {
        "max_iter": str(options.rounds),
        "max_leaf_nodes": str(options.leaves),
        "max_depth": str(options.depth),
        "early_stopping": "false",
    }
    rows = make_rows(options.rows, options.features)
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for rank in range(options.members):
        mine, theirs = spawn.Pipe()
        given = (rank, options.members, theirs, options.threads, options.channel, files)
        process = spawn.Process(target=member, args=given, daemon=True)
        process.start()
        pipes.append(mine)
        processes.append(process)
    ports = [pipe.recv() for pipe in pipes]
    binning, parts = parts_of(rows, 4 * options.members, parameters)
    for rank, pipe in enumerate(pipes):
        pipe.send((binning, parts[rank :: options.members], options.rows, ports, parameters))
    alone = _core.Context(options.members * options.threads)
    data = _core.Dataset.assemble(alone, binning, parts, total_rows=options.rows)
    for pipe in pipes:
        pipe.recv()

    clock = time.process_time if options.cpu else time.perf_counter
    one_process, all_members, digests = [], [], set()
    for _ in range(options.repeats):
        before = clock()
        result = _core.train(alone, parameters, data)
        one_process.append(clock() - before)
        digests.add(result.model.digest)
        group = os.urandom(32)
        for pipe in pipes:
            pipe.send(group)
        answers = [pipe.recv() for pipe in pipes]
        digests |= {answer["digest"] for answer in answers}
        all_members.append(
            sum(answer["cpu"] for answer in answers) if options.cpu else max(answer["seconds"] for answer in answers)
        )
    for pipe in pipes:
        pipe.send(None)
    assert len(digests) == 1, digests
    print("one process:", {step: round(value, 3) for step, value in result.steps.items()})
    for rank, answer in enumerate(answers):
        print(f"member {rank}:   ", {step: round(value, 3) for step, value in answer["steps"].items()}, answer["use"])
    one, together = statistics.median(one_process), statistics.median(all_members)
    use = answers[0]["use"]
    print(
        json.dumps(
            {
                "rows": options.rows,
                "features": options.features,
                "rounds": options.rounds,
                "members": options.members,
                "channel": options.channel,
                "clock": "cpu" if options.cpu else "wall",
                "one_process": round(one, 3),
                "members_seconds": round(together, 3),
                "efficiency": round(one / together, 3),
                "exchanges_per_round": round(use["exchanges"] / options.rounds, 1),
                "megabytes_sent_per_round": round(use["bytes_sent"] / options.rounds / 1e6, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
