"""`--slurm` of `ramet cluster` and `ramet train`: the command lines.

with connect("trees") as client:
    HistGradientBoostingClassifier().fit(X, y)  # X and y: Dask collections
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ramet.cluster.errors import ClusterError
from ramet.cluster.parsing import DONE, USAGE, WORLD, Parser, count, run_verb
from ramet.cluster.progress import Progress
from ramet.cluster.slurm_clusters import Size, SlurmCluster, job_of

if TYPE_CHECKING:
    from distributed import Client

FLAG = "--slurm"
Verb = Callable[[list[str]], int]


def connect(name: str = "ramet") -> Client:
    """A Dask client of the cluster that ``ramet cluster up --slurm --name NAME`` made; `fit` finds it by itself.

    Parameters
    ----------
    name : str, default="ramet"

    Returns
    -------
    distributed.Client

    Raises
    ------
    ramet.cluster.errors.ClusterError
        If there is no such cluster, or it is not up; it says what to do.
    """
    return SlurmCluster(name).connect(set_as_default=True)


def main(arguments: Sequence[str]) -> int:
    """`ramet cluster VERB --slurm …`."""
    verbs: dict[str, Verb] = {"up": _up, "status": _status, "scale": _scale, "logs": _logs, "down": _down}
    return choose("ramet cluster", verbs, arguments)


def choose(command: str, verbs: Mapping[str, Verb], arguments: Sequence[str]) -> int:
    """Run the verb that is the first of `arguments`, with errors as the engine's."""
    verb, *line = [argument for argument in arguments if argument != FLAG]
    if verb not in verbs:
        print(f"ramet: with {FLAG}, the verbs of `{command}` are {', '.join(verbs)}; not {verb}.", file=sys.stderr)
        return USAGE
    try:
        return run_verb(lambda: verbs[verb](line))
    except SystemExit as end:  # of the parser
        return int(end.code or 0)


def train(arguments: Sequence[str]) -> int:
    """`ramet train … --cluster NAME --slurm`: as with --scheduler-file, with the cluster's certificates."""
    if {"-h", "--help"} & {*arguments}:
        from ramet._command import run

        return run(["ramet", "train", "--help"])
    return run_verb(lambda: _train(arguments))


def _train(arguments: Sequence[str]) -> int:
    import dask

    from ramet._command import run
    from ramet.cluster.certificates import configuration_of

    parser = Parser("ramet train", "")
    parser.add_argument("--cluster", default="ramet")
    given, line = parser.parse_known_args([argument for argument in arguments if argument != FLAG])
    cluster = SlurmCluster(given.cluster)
    with cluster.connect():  # what is wrong with it is said here
        pass
    with dask.config.set(configuration_of(cluster.folder / "tls")):
        return run(["ramet", "train", *line, "--scheduler-file", str(cluster.folder / "scheduler.json")])


# Options --------------------------------------------------------------------------------------------------------------
def memory(text: str) -> str:
    """A size as Slurm writes it: "8Gi", "8 GB" and "8G" are 8G."""
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)(i?B?)", text.strip(), re.IGNORECASE)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a size. Write, for example, 8G')
    return match[1] + (match[2].upper() or "M")


def add_size(parser: Parser) -> None:
    group = parser.add_argument_group("What each worker's job asks Slurm for; left out, as the site does it")
    group.add_argument("--partition", default="", metavar="NAME", help="Where it runs")
    group.add_argument("--account", default="", metavar="NAME", help="Who pays")
    group.add_argument("--time", default="", metavar="HH:MM:SS", help="How long it may run")
    group.add_argument("--memory", type=memory, metavar="SIZE", help="Of each worker (8G)")
    group.add_argument("--cpus", default=0, type=count, metavar="N", help="Of each worker; it has as many threads")
    group.add_argument("--gpus-per-worker", default=0, type=count, metavar="K", help="GPUs of each worker [0]")
    group.add_argument(
        "--option",
        default=[],
        action="append",
        metavar="FLAG",
        help="Another of sbatch (--option=--qos=long); repeatable",
    )


def size_of(given: argparse.Namespace) -> Size:
    return Size(
        given.partition,
        given.account,
        given.time,
        given.memory or "",
        given.cpus,
        given.gpus_per_worker,
        tuple(given.option),
    )


def _parser(verb: str, example: str) -> Parser:
    parser = Parser(f"ramet cluster {verb} {FLAG}", f"Example\n  ramet cluster {example}")
    parser.add_argument("--name", default="ramet", metavar="NAME", help="The cluster's name [ramet]")
    return parser


def _add_patience(parser: Parser) -> None:
    parser.add_argument(
        "--timeout", type=count, default=300, metavar="SECONDS", help="For the workers to be there [300]"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Say nothing but errors")


# Verbs ----------------------------------------------------------------------------------------------------------------
def _up(arguments: list[str]) -> int:
    parser = _parser(
        "up",
        "up --slurm --workers 4 --cpus 16 --memory 64G --time 4:00:00\n\n"
        "Makes a cluster of jobs: the first holds the scheduler and a worker, the others are a worker each. One\n"
        "that is there is brought to this number of workers. It ends with the first job's time.",
    )
    parser.add_argument("--workers", type=count, default=1, metavar="N", help="Dask workers [1]")
    _add_patience(parser)
    add_size(parser)
    given = parser.parse_args(arguments)
    if given.workers < 1:
        parser.error("argument --workers: at least 1; its job is the scheduler's too")
    SlurmCluster(given.name).up(given.workers, size_of(given), given.timeout, Progress(quiet=given.quiet))
    return DONE


def _scale(arguments: list[str]) -> int:
    parser = _parser(
        "scale",
        "scale 8 --slurm\n\n"
        "Changes the number of workers. Jobs that still wait go first; workers that go hand over what they\n"
        "have, and a fit that runs goes on without them.",
    )
    parser.add_argument("workers", type=count, metavar="N", help="How many workers there are to be")
    _add_patience(parser)
    given = parser.parse_args(arguments)
    SlurmCluster(given.name).scale(given.workers, given.timeout, Progress(quiet=given.quiet))
    return DONE


def _status(arguments: list[str]) -> int:
    parser = _parser(
        "status", "status --slurm\n\nShows its jobs, why they wait, and its workers. Exits with 1 if it is not up."
    )
    parser.add_argument("--json", action="store_true", help="As one JSON object")
    given = parser.parse_args(arguments)
    report = report_of(SlurmCluster(given.name))
    print(json.dumps(report) if given.json else _text_of(report))
    return DONE if report["up"] else WORLD


def _logs(arguments: list[str]) -> int:
    parser = _parser("logs", "logs --slurm --follow\n\nPrints what its jobs say.")
    parser.add_argument("job", nargs="?", default="", metavar="JOB", help="Of this job only")
    parser.add_argument("-f", "--follow", action="store_true", help="Go on as they speak, until Ctrl-C")
    parser.add_argument("--tail", type=count, default=100, metavar="LINES", help="So many from the end of each [100]")
    given = parser.parse_args(arguments)
    cluster = SlurmCluster(given.name)
    files = [file for file in cluster.logs() if given.job in ("", file.stem)]
    if not files:
        raise ClusterError(
            f'there is no log of {given.job or "a job"} of cluster "{given.name}".', "Its jobs may wait still."
        )
    sys.stdout.flush()
    follow = ["--follow=name"] if given.follow else []
    tail = shutil.which("tail") or "tail"
    os.execv(tail, ["tail", f"--lines={given.tail}", "--verbose", *follow, *map(str, files)])


def _down(arguments: list[str]) -> int:
    parser = _parser(
        "down", "down --slurm\n\nEnds its jobs, and removes its certificates and logs. Your data and models stay."
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Say nothing but errors")
    given = parser.parse_args(arguments)
    SlurmCluster(given.name).down(Progress(quiet=given.quiet))
    return DONE


# Status ---------------------------------------------------------------------------------------------------------------
def report_of(cluster: SlurmCluster) -> dict[str, Any]:
    """What there is of it, and what is wrong."""
    jobs = cluster.require()
    problems = [f"job {job.shown}: {job.why()}" for job in jobs if job.waits]
    workers: dict[str, Any] = {}
    if not jobs[0].waits:
        try:
            workers = cluster.workers()
        except ClusterError as error:
            problems.append(str(error))
    of_job = {job_of(name): worker for name, worker in workers.items()}
    return {
        "name": cluster.name,
        "up": bool(workers) and len(workers) >= len(jobs),
        "folder": str(cluster.folder),
        "jobs": [
            {
                "job": job.shown,
                "role": "scheduler" if job.name == cluster.main else "worker",
                "state": job.state,
                "node": job.nodes,
                "time_left": job.left,
                "threads": of_job.get(job.id, {}).get("nthreads"),
                "memory": of_job.get(job.id, {}).get("memory_limit"),
            }
            for job in jobs
        ],
        "workers": sorted(workers),
        "problems": problems,
    }


def _text_of(report: dict[str, Any]) -> str:
    rows = [("job", "role", "state", "node", "time left", "worker")]
    for job in report["jobs"]:
        there = f"{job['threads']} threads, {job['memory'] / 2**30:.1f} GiB" if job["threads"] else "-"
        rows.append((job["job"], job["role"], job["state"], job["node"] or "-", job["time_left"], there))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    state = "up" if report["up"] else "not up"
    head = f'cluster "{report["name"]}" is {state}: {len(report["workers"]):,} of {len(report["jobs"]):,} workers'
    return "\n".join([head, "", *lines, *([""] if report["problems"] else []), *report["problems"]])
