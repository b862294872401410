"""`ramet submit VERB --slurm`: a training as a job of Slurm (deploy/slurm/train.sbatch), which outlives this login.

train   checks the command line as `ramet train` does, and submits the job
list    the jobs there are
logs    what a job says
delete  ends a job, and removes what it has kept to go on from
file    the job's file, for changes of your own
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ramet.cluster import slurm_queue as queue
from ramet.cluster.errors import ClusterError
from ramet.cluster.parsing import DONE, STOPPED, WORLD, Parser, count
from ramet.cluster.slurm import FLAG, add_size, choose, size_of
from ramet.cluster.slurm_clusters import python_of_jobs, sbatch_file

NAME = "ramet"  # of the jobs
LOOK = 2.0


def main(arguments: Sequence[str]) -> int:
    """Run `ramet submit` with these arguments, --slurm among them."""
    verbs = {"train": _train, "list": _list, "logs": _logs, "delete": _delete, "file": _file}
    return choose("ramet submit", verbs, arguments)


def _parser(verb: str, example: str) -> Parser:
    return Parser(f"ramet submit {verb} {FLAG}", f"Example\n  ramet submit {example}")


def _train(arguments: list[str]) -> int:
    parser = _parser(
        "train",
        "train --slurm --workers 3 --time 2:00:00 flights/*.parquet --label late --out late.ramet\n\n"
        "Takes all that `ramet train` takes (see its help). All nodes must see the files, and the folder of\n"
        "--out. The job keeps a checkpoint, and queues again before its time is over.",
    )
    parser.add_argument(
        "--workers", type=count, default=1, metavar="N", help="Nodes, all at once, with a Dask worker on each [1]"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="Show what it says, until it ends")
    add_size(parser)
    given, line = parser.parse_known_args(arguments)
    if given.workers < 1:
        parser.error("argument --workers: at least 1")
    numbers: list[str] = []

    def hand_on(**training: Any) -> None:
        _check(training)
        options = [f"--nodes={given.workers}", *size_of(given).flags()]
        try:
            numbers.append(queue.submit(options, sbatch_file("train.sbatch"), line, python_of_jobs()))
        except ClusterError as error:
            raise OSError(str(error)) from error

    from ramet._command import run

    # The engine reads the line as it would to train on a cluster, with `hand_on` in the place of training.
    code = run(["ramet", "train", *line, "--cluster", "slurm"], hand_on)
    if not numbers:
        return code
    number = numbers[0]
    print(f"job {number} is submitted. It logs to ramet-{number}.log.", file=sys.stderr)
    if given.follow:
        return _follow(number)
    print(f"`ramet submit logs {number} --slurm --follow` shows what it does.", file=sys.stderr)
    return DONE


def _check(training: dict[str, Any]) -> None:
    """Files that are not here are not there either: the file system is the same."""
    from ramet import _core
    from ramet._command.stores import list_store_as_bytes

    for files in (training["files"], training["valid"]):
        if files:
            _core.list_files(files, list_store_as_bytes)


def _list(arguments: list[str]) -> int:
    _parser("list", "list --slurm").parse_args(arguments)
    jobs = queue.jobs_of(NAME)
    if not jobs:
        print("no training waits or runs.", file=sys.stderr)
    for job in jobs:
        why = f"  {job.why()}" if job.waits else f"  on {job.nodes} since {job.used}, {job.left} left"
        print(f"{job.id}  {job.state.lower()}{why}  {job.folder}")
    return DONE


def _logs(arguments: list[str]) -> int:
    parser = _parser("logs", "logs 4711 --slurm --follow")
    parser.add_argument("job", metavar="JOB", help="Its number")
    parser.add_argument("-f", "--follow", action="store_true", help="Go on as it speaks, until it ends")
    given = parser.parse_args(arguments)
    if given.follow:
        return _follow(given.job)
    log = _log_of(given.job)
    if not log.exists():
        job = queue.job(given.job)
        raise ClusterError(f"job {given.job} has said nothing yet.", job.why() if job else "")
    sys.stdout.write(log.read_text(errors="replace"))
    return DONE


def _delete(arguments: list[str]) -> int:
    parser = _parser("delete", "delete 4711 --slurm")
    parser.add_argument("job", metavar="JOB", help="Its number")
    number = parser.parse_args(arguments).job
    log = _log_of(number)
    job = queue.job(number)
    if job:
        queue.cancel([job])
        end = time.monotonic() + 60
        while any(other.id == number for other in queue.jobs_of(NAME)) and time.monotonic() < end:
            time.sleep(0.5)
    root = Path(os.environ.get("RAMET_FOLDER") or log.parent)
    shutil.rmtree(root / f"ramet-{number}", ignore_errors=True)
    log.unlink(missing_ok=True)
    print(f"job {number} is deleted.", file=sys.stderr)
    return DONE


def _file(arguments: list[str]) -> int:
    _parser("file", "file --slurm >train.sbatch\n\nPrints the file that `train` submits.").parse_args(arguments)
    sys.stdout.write(sbatch_file("train.sbatch").read_text())
    return DONE


def _log_of(number: str) -> Path:
    job = queue.job(number)
    if job is not None and job.name != NAME:
        raise ClusterError(f"job {number} is no training of Ramet's: it is called {job.name}.")
    folder = Path(job.folder) if job else Path.cwd()
    log = folder / f"ramet-{number}.log"
    if job is None and not log.exists():
        raise ClusterError(
            f"Slurm knows no job {number}, and there is no {log.name} in {folder}.",
            "`ramet submit list --slurm` lists.",
        )
    return log


def _follow(number: str) -> int:
    """Prints the log as it grows; says why the job waits. The exit code is the training's."""
    log, shown, said = _log_of(number), 0, ""
    while True:
        job = queue.job(number)
        if log.exists():
            text = log.read_bytes()[shown:]
            shown += len(text)
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()
        if job is None or job.state not in _ALIVE:
            break
        if job.why() != said:
            said = job.why()
            if said:
                print(f"job {number} waits: {said}", file=sys.stderr, flush=True)
        time.sleep(LOOK)
    state = job.state if job else "COMPLETED"
    if state == "COMPLETED":
        return DONE
    print(f"ramet: job {number} has ended: {_ENDS.get(state, state)}", file=sys.stderr)
    return STOPPED if state == "CANCELLED" else WORLD


_ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED", "STAGE_OUT", "RESIZING")
_ENDS = {
    "FAILED": "it failed. Its log says why.",
    "CANCELLED": "it was cancelled. `ramet train --resume` goes on from its checkpoint, if it got so far.",
    "TIMEOUT": "its time was over before it could save its rounds. Give it more --time.",
    "NODE_FAIL": "its first node was lost, and the site does not queue jobs again. Submit it again.",
    "OUT_OF_MEMORY": "it took more memory than it was given. Give it more --memory, or more --workers.",
    "BOOT_FAIL": "its nodes did not start. Submit it again.",
    "PREEMPTED": "another job took its place, and the site does not queue jobs again. Submit it again.",
}
