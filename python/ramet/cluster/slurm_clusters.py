"""Clusters on Slurm by name: a job with the scheduler and a worker, and a job for each worker more.

    ~/.ramet/slurm/NAME/     on the file system that login and compute nodes share; its owner's alone
        cluster.json         what `up` was asked for, so that `scale` asks for more of the same
        tls/                 certificates of this cluster
        scheduler.json       its address, as long as it is up
        logs/                of each job

What exists, Slurm's queue says: jobs are found by their names, ramet.NAME and ramet.NAME.worker.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ramet.cluster import slurm_queue as queue
from ramet.cluster.certificates import make_certificates, security_of
from ramet.cluster.errors import ClusterError, MissingError
from ramet.cluster.progress import Progress

if TYPE_CHECKING:
    from distributed import Client

ADDRESS = "scheduler.json"
CONNECT = 10.0  # seconds for the scheduler to answer
LOOK = 1.0
HAND_OVER = 90.0  # seconds for a worker that goes
ENDING = 60.0  # seconds for cancelled jobs


@dataclass(frozen=True)
class Size:
    """What each worker's job asks Slurm for; empty: as the site does it."""

    partition: str = ""
    account: str = ""
    time: str = ""
    memory: str = ""
    cpus: int = 0
    gpus: int = 0
    options: tuple[str, ...] = ()

    def flags(self) -> list[str]:
        given = {
            "--partition": self.partition,
            "--account": self.account,
            "--time": self.time,
            "--mem": self.memory,
            "--cpus-per-task": str(self.cpus or ""),
            "--gres": f"gpu:{self.gpus}" if self.gpus else "",
        }
        return [f"{flag}={value}" for flag, value in given.items() if value] + [*self.options]


def sbatch_file(name: str) -> Path:
    """In the wheel, or in the source tree."""
    here = Path(__file__).parent
    for folder in (here / "slurm", here.parents[2] / "deploy" / "slurm"):
        if (folder / name).exists():
            return folder / name
    raise ClusterError(f"{name} is not in this installation of Ramet.", "Install it again: pip install 'ramet[slurm]'.")


def python_of_jobs() -> dict[str, str]:
    """Jobs run this Python, unless they are told another, or have a container's."""
    chosen = {"RAMET_PYTHON", "RAMET_CONTAINER", "RAMET_LAUNCHER"} & set(os.environ)
    return {} if chosen else {"RAMET_PYTHON": sys.executable}


class SlurmCluster:
    """One of them, there or not."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
            raise ClusterError(f'"{name}" cannot be a cluster\'s name.', "Use lower-case letters, digits and dashes.")
        self.name = name
        root = Path(os.environ.get("RAMET_SLURM_FOLDER") or Path.home() / ".ramet" / "slurm").absolute()
        self.folder = root / name
        self.main, self.more = f"ramet.{name}", f"ramet.{name}.worker"

    # What there is ----------------------------------------------------------------------------------------------------
    def jobs(self) -> list[queue.Job]:
        """The first job first."""
        alive = [job for job in queue.jobs_of(self.main, self.more) if job.state != "COMPLETING"]
        return sorted(alive, key=lambda job: (job.name != self.main, int(job.id)))

    def require(self) -> list[queue.Job]:
        jobs = self.jobs()
        if not jobs or jobs[0].name != self.main:
            raise MissingError(
                f'there is no cluster "{self.name}" in Slurm\'s queue.{self._last_words()}',
                f"`ramet cluster up --slurm{self._flag()}` makes it.",
            )
        return jobs

    def connect(self, timeout: float = CONNECT, set_as_default: bool = False) -> Client:
        """A client of its scheduler, with its certificates."""
        from distributed import Client

        first = self.require()[0]
        if first.waits:
            raise ClusterError(f'cluster "{self.name}" is not up yet: its job {first.id} waits, because {first.why()}')
        file = self.folder / ADDRESS
        if not file.exists():
            raise ClusterError(
                f'cluster "{self.name}" is not up yet: its job {first.id} has just begun.',
                f"`ramet cluster status --slurm{self._flag()}` says when it is; `logs` what it does.",
            )
        address = json.loads(file.read_text())["address"]
        try:
            security = security_of(self.folder / "tls")
            return Client(address, security=security, timeout=timeout, set_as_default=set_as_default)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f'the scheduler of cluster "{self.name}" at {address} does not answer: {error}.',
                "If this machine does not reach the compute nodes, train there: `ramet submit train --slurm`.",
            ) from None

    def workers(self) -> dict[str, dict[str, Any]]:
        """Those that the scheduler has, by name."""
        with self.connect() as client:
            return {str(worker["name"]): worker for worker in client.scheduler_info(n_workers=-1)["workers"].values()}

    def logs(self) -> list[Path]:
        return sorted((self.folder / "logs").glob("*.log"), key=lambda file: int(file.stem))

    # What is done -----------------------------------------------------------------------------------------------------
    def up(self, workers: int, size: Size, patience: float, progress: Progress) -> None:
        """Makes it, or brings the one that is there to this number of workers; waits until all are there."""
        jobs = self.jobs()
        if jobs and jobs[0].name == self.main:
            progress.say(f'cluster "{self.name}" is there: job {jobs[0].id}, {jobs[0].state.lower()}.')
            self._to(workers, jobs, progress)
        else:
            queue.cancel(jobs)  # workers of one that has ended
            self._make(size)
            try:
                number = self._submit("hold", self.main, [])
            except ClusterError:
                shutil.rmtree(self.folder)
                raise
            progress.say(f"job {number}: scheduler and a worker.")
            self._add(workers - 1, number, progress)
        self._wait(workers, patience, progress)

    def scale(self, workers: int, patience: float, progress: Progress) -> None:
        if workers < 1:
            raise ClusterError(
                "a cluster on Slurm keeps its first worker, which is in the scheduler's job.",
                f"`ramet cluster down --slurm{self._flag()}` ends both.",
            )
        self._to(workers, self.require(), progress)
        self._wait(workers, patience, progress)

    def down(self, progress: Progress) -> None:
        jobs = queue.jobs_of(self.main, self.more)
        queue.cancel(jobs)
        self._until(lambda: not queue.jobs_of(self.main, self.more), ENDING, "its jobs have not ended")
        shutil.rmtree(self.folder, ignore_errors=True)
        progress.say(f'cluster "{self.name}" is gone.' if jobs else f'there was no cluster "{self.name}".')

    # Steps ------------------------------------------------------------------------------------------------------------
    def _make(self, size: Size) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        make_certificates(self.folder / "tls")
        self.folder.chmod(0o700)
        (self.folder / "logs").mkdir()
        (self.folder / "cluster.json").write_text(json.dumps(asdict(size)))

    def _submit(self, role: str, name: str, options: list[str]) -> str:
        size = Size(**json.loads((self.folder / "cluster.json").read_text()))
        given = ["--ntasks=1", f"--job-name={name}", f"--output={self.folder}/logs/%j.log", *size.flags(), *options]
        return queue.submit(given, sbatch_file("cluster.sbatch"), [role, str(self.folder)], python_of_jobs())

    def _add(self, count: int, scheduler: str, progress: Progress) -> None:
        if count > 0:
            options = [f"--array=1-{count}", f"--dependency=after:{scheduler}"]
            number = self._submit("join", self.more, options)
            progress.say(f"job {number}: {count:,} worker{'' if count == 1 else 's'} more.")

    def _to(self, workers: int, jobs: list[queue.Job], progress: Progress) -> None:
        """Submits jobs, or ends those that wait first, and then the youngest."""
        if len(jobs) < workers:
            self._add(workers - len(jobs), jobs[0].id, progress)
            return
        spare = sorted(jobs[1:], key=lambda job: (not job.waits, -int(job.id)))[: len(jobs) - workers]
        queue.cancel([job for job in spare if job.waits])
        running = [job for job in spare if not job.waits]
        if running:
            progress.show(f"{len(running):,} hand over what they have")
            self._retire(running)
            progress.say(f"{len(spare):,} worker{'' if len(spare) == 1 else 's'} fewer.")

    def _retire(self, jobs: list[queue.Job]) -> None:
        ids = {job.id for job in jobs}
        with self.connect() as client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            going = [address for address, worker in workers.items() if job_of(worker["name"]) in ids]
            client.sync(client.scheduler.retire_workers, workers=going, close_workers=True, remove=True)
        end = time.monotonic() + HAND_OVER
        while (left := [job for job in self.jobs() if job.id in ids]) and time.monotonic() < end:
            time.sleep(LOOK)
        queue.cancel(left)

    def _wait(self, workers: int, patience: float, progress: Progress) -> None:
        """Until they are there; an error, with the reason why, if a job dies or the time is up."""
        end = time.monotonic() + patience
        while True:
            jobs = self.require()
            there = self._there(jobs)
            if there == workers:
                progress.say(f'cluster "{self.name}" is up: {there:,} worker{"" if there == 1 else "s"}.')
                return
            waiting = [job for job in jobs if job.waits]
            why = f"; {waiting[0].shown}: {waiting[0].why()}" if waiting else ""
            progress.show(f"{there} of {workers} workers are there{why}")
            if len(jobs) < workers and not any(job.state == "COMPLETING" for job in queue.jobs_of(self.more)):
                raise ClusterError(
                    f'a worker of cluster "{self.name}" has died.{self._last_words()}',
                    f"`ramet cluster logs --slurm{self._flag()}` says more; `up` starts another.",
                )
            if time.monotonic() > end:
                raise ClusterError(
                    f'cluster "{self.name}" has {there} of {workers} workers after {patience:g} seconds{why}',
                    f"It stays in the queue: `ramet cluster status --slurm{self._flag()}` looks again; `down` ends it.",
                )
            time.sleep(LOOK)

    def _there(self, jobs: list[queue.Job]) -> int:
        if jobs[0].waits or not (self.folder / ADDRESS).exists():
            return 0
        try:
            return len(self.workers())
        except ClusterError:
            return 0

    def _until(self, true: Callable[[], bool], patience: float, otherwise: str) -> None:
        end = time.monotonic() + patience
        while not true():
            if time.monotonic() > end:
                raise ClusterError(f"{otherwise} after {patience:g} seconds.", "`squeue --me` shows them.")
            time.sleep(LOOK)

    def _last_words(self) -> str:
        """Of the job that was last, where it died by an error."""
        for file in reversed(self.logs()):
            lines = [
                line for line in file.read_text(errors="replace").splitlines() if "error" in line or "ramet:" in line
            ]
            if lines:
                return f" The last that its job {file.stem} said: {lines[-1].strip()}"
        return ""

    def _flag(self) -> str:
        return "" if self.name == "ramet" else f" --name {self.name}"


def job_of(worker: object) -> str:
    """The number of the job that a worker runs in, by its name (`slurm_rank`)."""
    match = re.search(r"-job(\d+)-\d+$", str(worker))
    return match[1] if match else ""
