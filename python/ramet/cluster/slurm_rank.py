"""One rank of a Slurm job: `srun python -m ramet.cluster.slurm_rank {train,hold,join} FOLDER`.

    train ─┬─ rank 0   scheduler, a worker, and `ramet train`        deploy/slurm/train.sbatch
           ├─ rank 1   a worker
           └─ …
    hold     the same without the training, for clients elsewhere    deploy/slurm/cluster.sbatch
    join     workers only, for a cluster that another job holds

The ranks meet in FOLDER, on a file system that all nodes have: the first one puts its address there, and certificates,
without which nobody gets in. Ranks share nothing else: whoever dies, the others notice by their connections.

A signal (SIGUSR1, which Slurm sends before the wall time ends, or SIGTERM) stops the training after the current round.
Its rounds are in the checkpoint then, and the exit code is AGAIN. Exit codes of rank 0 are also in FOLDER/outcome.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from ramet.cluster.certificates import configuration_of, make_certificates, security_of
from ramet.cluster.errors import ClusterError
from ramet.cluster.slurm_task import Task, own_address, this_task

AGAIN = 75  # EX_TEMPFAIL: stopped half-way, run it again
FIRST = "0-0"  # RAMET_RUN: how often the job was started again, and within that the step
LOOK = 0.2  # seconds
HAND_OVER = 45.0  # seconds, of those that Slurm gives a worker to end
ADDRESS, OUTCOME = "scheduler.json", "outcome"
SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
# HTTP servers, which Dask's scheduler and workers cannot be without, stay on loopback and know nothing. What goes wrong
# is said once, by the first rank, and not by each of Dask's loggers on each node.
QUIET = {
    "DASK_LOGGING": "{'distributed': 'critical', 'distributed.nanny.memory': 'warning'}",
    "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
}


def dask_setup(worker: Any) -> None:
    """Preloaded by workers. Slurm signals all processes of a job; the first rank decides what follows from it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Stop:
    """The first signal stops what this process does, once it is `ready`; the ones after it do nothing."""

    def __init__(self) -> None:
        self.number = 0
        self._ready = False
        for number in SIGNALS:
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number = number
            if self._ready:
                raise KeyboardInterrupt

    def ready(self) -> None:
        """From now on, what runs can be interrupted; a signal that came before does it now."""
        self._ready = True
        if self.number:
            raise KeyboardInterrupt

    def deaf(self) -> None:
        """From now on, signals change nothing: what runs is the end."""
        self.number = self.number or -1


def main() -> int:
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    if len(sys.argv) < 3 or sys.argv[1] not in ("train", "hold", "join"):
        print(f"{__doc__}", file=sys.stderr)
        return 2
    role, folder, arguments = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    leads = role != "join" and os.environ.get("SLURM_PROCID") == "0"
    task = this_task(os.environ, len(os.sched_getaffinity(0)), leads)
    if task.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(task.gpus)
    if ports := os.environ.get("RAMET_PORTS"):
        os.environ.setdefault("DASK_RAMET__PORTS", ports)
    place, name = folder, f"{task.node}-job{os.environ['SLURM_JOB_ID']}-{task.rank}"
    if role == "train":  # each run's ranks find each other, and nobody of an earlier run
        name = f"{task.node}-{task.rank}"
        place /= f"run-{os.environ.get('RAMET_RUN', FIRST)}"
    try:
        if not leads:
            dask_setup(None)
            return asyncio.run(_work(place, task, name, hands_over=role == "join"))
        return _lead(role, folder, place, task, name, arguments)
    except ClusterError as error:
        print(f"ramet: {error}", file=sys.stderr)
        return 1


def _patience() -> float:
    return float(os.environ.get("RAMET_START_TIMEOUT", 300))


# Rank 0 ---------------------------------------------------------------------------------------------------------------
def _lead(role: str, folder: Path, place: Path, task: Task, name: str, arguments: list[str]) -> int:
    stop = Stop()
    try:
        with _cluster(place, task, name, alone=role == "train" and task.tasks == task.on_node) as cluster:
            try:
                code = _hold(cluster, stop) if role == "hold" else _train(cluster, folder, place, task, arguments, stop)
            finally:
                stop.deaf()
    finally:
        stop.deaf()
        if role == "train":
            shutil.rmtree(place, ignore_errors=True)
    return code


@contextmanager
def _cluster(place: Path, task: Task, name: str, alone: bool) -> Iterator[Any]:
    """A scheduler and this rank's worker; the others find them by `place`."""
    from distributed import Nanny, Scheduler, SpecCluster

    from ramet.cluster.slurm_roll import Roll

    if not (place / "tls" / "tls.key").exists():
        make_certificates(place / "tls")
    host = "127.0.0.1" if alone else own_address(os.environ.get("RAMET_INTERFACE", ""))
    security, roll = security_of(place / "tls"), Roll()
    scheduler = {
        "host": host,
        "port": int(os.environ.get("RAMET_PORTS", "").split(":")[0] or 0),
        "protocol": "tls://",
        "security": security,
        "dashboard_address": os.environ.get("RAMET_DASHBOARD", "127.0.0.1:0"),
        "plugins": (roll,),
    }
    worker = {"cls": Nanny, "options": {**_worker_options(task), "host": host, "security": security}}
    with SpecCluster(
        scheduler={"cls": Scheduler, "options": scheduler},
        workers={name: worker},
        security=security,
        silence_logs=False,
    ) as cluster:
        _write(place / ADDRESS, json.dumps({"address": cluster.scheduler_address}))
        try:
            yield cluster
        finally:
            roll.open = False
            (place / ADDRESS).unlink(missing_ok=True)


def _wait_for_workers(cluster: Any, count: int) -> None:
    """All of them, or, when the time is up, those that are there: others join while it trains."""
    end = time.monotonic() + _patience()
    while (there := len(cluster.scheduler.workers)) < count and time.monotonic() < end:
        time.sleep(LOOK)
    if there < count:
        print(
            f"ramet: {there} of {count} workers are there after {_patience():g} s; going on with them.", file=sys.stderr
        )
    if there == 0:
        raise ClusterError("no worker came up.", "Their own messages are in the job's log.")


def _hold(cluster: Any, stop: Stop) -> int:
    """Until a signal, or a client's shutdown."""
    from distributed.core import Status

    try:
        stop.ready()
        while cluster.scheduler.status == Status.running:
            time.sleep(LOOK)
    except KeyboardInterrupt:
        pass
    return 0


def _train(cluster: Any, folder: Path, place: Path, task: Task, arguments: list[str], stop: Stop) -> int:
    code = 1
    try:
        code = _run(cluster, folder, place, task, arguments, stop)
    finally:  # before the others end: who waits for the step knows that this was no accident
        stop.deaf()
        _write(folder / OUTCOME, str(code))
    return code


def _run(cluster: Any, folder: Path, place: Path, task: Task, arguments: list[str], stop: Stop) -> int:
    import dask

    from ramet._command import run

    first = os.environ.get("RAMET_RUN", FIRST) == FIRST
    line, checkpoint = command_line(arguments, folder / "checkpoint.ramet", not first)
    before = _rounds(checkpoint)
    try:
        stop.ready()
        _wait_for_workers(cluster, task.tasks)
        with dask.config.set(configuration_of(place / "tls")):
            code = run(["ramet", *line, "--scheduler-file", str(place / ADDRESS)])
    except KeyboardInterrupt:
        code = 130
    if not stop.number or code == 0:  # the signal may have come when all was done
        return code
    return _stopped(stop.number, _rounds(checkpoint) - before)


def _stopped(number: int, rounds: int) -> int:
    """The exit code after a signal. A job that got no further until its wall time ended must not try for ever."""
    if number != signal.SIGUSR1 or rounds > 0:
        return AGAIN
    print(
        "ramet: SIGUSR1 came before a round was done, and a next run would not get further. Give the job more time "
        "(--time), or more workers.",
        file=sys.stderr,
    )
    return 1


def command_line(arguments: list[str], checkpoint: Path, restarted: bool) -> tuple[list[str], Path]:
    """What `ramet` is called with, and the checkpoint's file: the user's own, if one is given.

    A run after the first goes on from the checkpoint, if the first one got so far.
    """
    line, given = [], {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in ("--workers", "--scheduler", "--scheduler-file", "--cluster"):
            raise ClusterError(
                f"{name}: this job is the cluster.", "Leave it out; --nodes of sbatch says how many workers."
            )
        if name in ("--init-model", "--resume", "--checkpoint"):
            given[name] = value if equals else next(rest, "")
        else:
            line.append(argument)
    checkpoint = Path(given.pop("--checkpoint", checkpoint))
    if restarted and checkpoint.exists():
        given = {"--resume": str(checkpoint)}
    for name, value in given.items():
        line += [name, value]
    return ["train", *line, "--checkpoint", str(checkpoint)], checkpoint


def _rounds(checkpoint: Path) -> int:
    from ramet import _core

    return _core.Model.load(str(checkpoint)).num_rounds if checkpoint.exists() else 0


def _write(file: Path, text: str) -> None:
    """At once: others read the old state or the new one, never a part."""
    part = file.with_suffix(".part")
    part.write_text(text)
    part.replace(file)


# The other ranks ------------------------------------------------------------------------------------------------------
def _worker_options(task: Task) -> dict[str, Any]:
    ports = os.environ.get("RAMET_PORTS")
    return {
        "nthreads": task.threads,
        "memory_limit": task.memory or "auto",
        "dashboard_address": "127.0.0.1:0",
        "death_timeout": _patience(),
        "preload": ["ramet.cluster.slurm_rank"],
        **({"resources": {"GPU": len(task.gpus)}} if task.gpus else {}),
        **({"port": ports, "worker_port": ports} if ports else {}),
    }


async def _work(place: Path, task: Task, name: str, hands_over: bool) -> int:
    """A worker, until the scheduler ends or is lost; one that `hands_over` ends at a signal, too."""
    from distributed import Nanny

    going = asyncio.Event()
    if hands_over:
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, going.set)
    address = await _scheduler_address(place / ADDRESS)
    host = own_address(os.environ.get("RAMET_INTERFACE", ""), towards=urlsplit(address).hostname or "")
    security = security_of(place / "tls")
    nanny = Nanny(address, name=name, host=host, security=security, **_worker_options(task))
    try:
        async with nanny:
            ends = [asyncio.ensure_future(nanny.finished()), asyncio.ensure_future(going.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if going.is_set():
                await _hand_over(name, address, place)
    except (OSError, asyncio.TimeoutError) as error:
        raise ClusterError(
            f"the worker on {task.node} did not reach the scheduler at {address}: {error or 'no answer'}.",
            "Check the network between the nodes; RAMET_INTERFACE chooses another interface (ib0), RAMET_PORTS ports.",
        ) from None
    return 0


async def _hand_over(name: str, scheduler: str, place: Path) -> None:
    import dask

    from ramet.cluster.retire import hand_over

    with dask.config.set(configuration_of(place / "tls")):
        try:
            said = await asyncio.wait_for(hand_over(name, scheduler), HAND_OVER)
        except (OSError, asyncio.TimeoutError) as error:
            said = f"not everything was handed over: {error or 'no time'}"
    print(f"ramet: worker {name}: {said}.", file=sys.stderr)


async def _scheduler_address(file: Path) -> str:
    end = time.monotonic() + _patience()
    while time.monotonic() < end:
        if file.exists():
            return str(json.loads(file.read_text())["address"])
        if (file.parents[1] / OUTCOME).exists():
            raise ClusterError("the training was over before this rank's worker was there.")
        await asyncio.sleep(LOOK)
    raise ClusterError(
        f"{file}: the scheduler has not written it after {_patience():g} s.",
        "All nodes must see the job's folder (RAMET_FOLDER chooses another); RAMET_START_TIMEOUT is the limit.",
    )


if __name__ == "__main__":
    sys.exit(main())
