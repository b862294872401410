"""Slurm's commands, with errors that say what to do, and jobs with the reason why they wait.

submit(["--nodes=3"], "train.sbatch", ["flights"])  -> "4711"
jobs_of("ramet")                                    -> [Job(id="4711", state="PENDING", reason="Resources", …)]
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ramet.cluster.errors import ClusterError

PATIENCE = 60.0  # seconds for a command of Slurm's
_FIELDS = ("%A", "%i", "%j", "%T", "%r", "%N", "%L", "%M", "%Z")

# Why a job waits, and what may be done: the reasons of `squeue` that people meet. A prefix stands for all its kind.
REASONS = {
    "None": ("Slurm has not looked at it yet", ""),
    "Resources": ("it waits for nodes to become free", "Less is sooner: fewer workers, less memory, a shorter --time."),
    "Priority": ("jobs of a higher priority are before it", "`squeue --start --jobs {id}` estimates when it starts."),
    "Dependency": ("it waits for another job to start", ""),
    "DependencyNeverSatisfied": ("the job that it waits for has ended", "`ramet cluster down --slurm` removes it."),
    "BeginTime": (
        "its time has not come: a job that queues again waits two minutes",
        "`scontrol update JobId={id} StartTime=now` starts it sooner.",
    ),
    "ReqNodeNotAvail": ("a node that it needs is down, drained or reserved", "`sinfo --list-reasons` says which."),
    "NodeDown": ("a node that it needs is down", "`sinfo --list-reasons` says which."),
    "Reservation": ("nodes are reserved", "`scontrol show reservation` says until when."),
    "PartitionDown": ("its partition is down", "`sinfo` shows the others; --partition chooses one."),
    "PartitionInactive": ("its partition takes no jobs now", "`sinfo` shows the others; --partition chooses one."),
    "PartitionNodeLimit": ("it asks for more nodes than its partition gives", "Use fewer workers, or --partition."),
    "PartitionTimeLimit": ("it asks for more time than its partition gives", "Use a shorter --time, or --partition."),
    "PartitionConfig": ("its partition does not give what it asks for", "`scontrol show partition` tells its limits."),
    "BadConstraints": ("no node is as it asks for", "Ask for less: --memory, --cpus, --gpus-per-worker."),
    "Licenses": ("it waits for a licence", ""),
    "JobHeldUser": ("it is held", "`scontrol release {id}` lets it go."),
    "JobHeldAdmin": ("the cluster's administrator holds it", "Ask the administrator."),
    "launch failed requeued held": (
        "it could not be started, and is held",
        "Ask the administrator; `scontrol release {id}`.",
    ),
    "JobLaunchFailure": (
        "it could not be started on its nodes",
        "`scontrol show job {id}` and the job's log say more.",
    ),
    "InvalidAccount": ("its account is not valid", "`sacctmgr show associations user=$USER` lists yours; --account."),
    "InvalidQOS": ("its quality of service is not valid", "`sacctmgr show qos` lists them; --option=--qos=NAME."),
    "JobArrayTaskLimit": ("so many of its kind may run at once", ""),
    "AssocMax": (
        "your account has reached its limit",
        "Wait for other jobs, or use fewer workers (`sshare`, `sacctmgr`).",
    ),
    "Assoc": ("your account's group has reached its limit", "Wait for other jobs, or ask for less (`sshare`)."),
    "QOS": (
        "the limit of its quality of service is reached",
        "Wait for other jobs, or ask for less (`sacctmgr show qos`).",
    ),
    "MaxCpuPerAccount": (
        "your account has reached its limit of processors",
        "Wait for other jobs, or use fewer workers.",
    ),
}

# What sbatch says, and what to do about it.
_REFUSALS = (
    ("invalid partition", "The partitions here: {partitions}. Choose one with --partition."),
    ("invalid account", "`sacctmgr show associations user=$USER` lists yours. Choose one with --account."),
    ("invalid qos", "`sacctmgr show qos` lists them. Choose one with --option=--qos=NAME."),
    ("invalid generic resource", "Nodes here have: {gres}. Change --gpus-per-worker, or the --partition."),
    ("requested node configuration is not available",
     "The nodes here (processors, MB, GPUs): {nodes}. Ask for less: --cpus, --memory, --gpus-per-worker."),
    ("memory specification", "The nodes here (processors, MB, GPUs): {nodes}. Use less --memory."),
    ("cpu count per node", "The nodes here (processors, MB, GPUs): {nodes}. Use fewer --cpus."),
    ("time limit", "`sinfo --format '%P %l'` lists the limits. Use a shorter --time, or another --partition."),
    ("invalid --time", "Write --time as HOURS:MINUTES:SECONDS, or in minutes."),
    ("more processors requested than permitted", "Ask for fewer --workers or --cpus."),
    ("unable to contact slurm", "Is this a login node of the cluster? `scontrol ping` asks its controller."),
    ("configuration", "Is this a login node of the cluster? SLURM_CONF names Slurm's configuration elsewhere."),
    ("user unknown", "Your user is not known to Slurm. Ask the administrator."),
    ("access/permission denied", "`scontrol show partition` tells who may use what. Choose another --partition."),
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A job that Slurm has not forgotten.

    Parameters
    ----------
    id, shown : str
        Its number; as squeue shows it, with the place in an array.
    name, state, reason, nodes, left, used, folder : str
        `left` and `used` are times, `folder` is where it was submitted.
    """

    id: str
    shown: str
    name: str
    state: str
    reason: str
    nodes: str
    left: str
    used: str
    folder: str

    @property
    def waits(self) -> bool:
        return self.state in ("PENDING", "CONFIGURING", "REQUEUED")

    def why(self) -> str:
        """Why it waits, and what to do, as sentences; empty for one that does not."""
        return explain(self.reason, self.id) if self.waits else ""


def explain(reason: str, job: str) -> str:
    """Slurm's reason for a job that waits, in words."""
    reason = reason.strip("()").split(",")[0]
    exact = [key for key in REASONS if key.casefold() == reason.casefold()]
    like = [key for key in REASONS if reason.startswith(key)]
    if not exact and not like:
        return f"Slurm says {reason}; `scontrol show job {job}` tells more."
    what, remedy = REASONS[exact[0] if exact else max(like, key=len)]
    return f"{what} ({reason}). {remedy.format(id=job)}".rstrip()


def run(command: Sequence[str], cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What a command of Slurm's prints; its error with what to do."""
    try:
        done = subprocess.run(
            [*command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise ClusterError(
            f"this machine has no Slurm: there is no {command[0]} on the PATH.",
            "Work on a login node of the cluster, or load its module (`module load slurm`).",
        ) from None
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"{command[0]} did not answer within {PATIENCE:g} seconds.", "`scontrol ping` asks Slurm's controller."
        ) from None
    if done.returncode != 0:
        raise _refused(command[0], done.stderr or done.stdout)
    return done.stdout.strip()


def submit(options: Sequence[str], file: Path, arguments: Sequence[str], environment: dict[str, str]) -> str:
    """The number of the new job."""
    answer = run(["sbatch", "--parsable", *options, str(file), *arguments], environment={**os.environ, **environment})
    return answer.split(";")[0].strip()


def jobs_of(*names: str) -> list[Job]:
    """This user's jobs of these names that wait or run, and those that ended a moment ago."""
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", f"--name={','.join(names)}"]
    return _jobs(run([*command, f"--format={'|'.join(_FIELDS)}"]))


def job(number: str) -> Job | None:
    """The job of this number; None if Slurm has forgotten it."""
    try:
        found = _jobs(
            run(["squeue", "--noheader", "--states=all", f"--jobs={number}", f"--format={'|'.join(_FIELDS)}"])
        )
    except ClusterError as error:
        if "Invalid job id" in str(error):
            return None
        raise
    return found[0] if found else None


def cancel(jobs: Sequence[Job]) -> None:
    if jobs:
        run(["scancel", *(job.shown for job in jobs)])


def _jobs(lines: str) -> list[Job]:
    return [Job(*line.split("|", len(_FIELDS) - 1)) for line in lines.splitlines() if line]


def _refused(command: str, said: str) -> ClusterError:
    lines = [re.sub(rf"^{command}: (error: )?", "", line.strip()) for line in said.splitlines()]
    message = " ".join(line.rstrip(".") + "." for line in lines if line) or "it failed."
    for mark, remedy in _REFUSALS:
        if mark in message.casefold():
            return ClusterError(f"{command}: {message}", remedy.format_map(_Site()))
    return ClusterError(f"{command}: {message}")


class _Site(dict[str, str]):
    """What there is, asked for only where a message needs it."""

    _FORMATS = {"partitions": "%R", "gres": "%G", "nodes": "%c %m %G"}  # noqa: RUF012

    def __missing__(self, key: str) -> str:
        try:
            lines = run(["sinfo", "--noheader", f"--format={self._FORMATS[key]}"]).splitlines()
        except ClusterError:
            return "?"
        return ", ".join(sorted({line.strip() for line in lines})) or "none"
