"""What Slurm gave to this task, by the environment that `srun` makes."""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

MIB = 1 << 20
NANNY = 200 * MIB  # beside a worker's own memory
LEADER = 500 * MIB  # beside the first rank's worker: scheduler and client


@dataclass(frozen=True)
class Task:
    """One rank of a job step.

    Parameters
    ----------
    rank, tasks : int
        Which of how many.
    local, on_node : int
        Which of how many on this node.
    node : str
        As Slurm calls it.
    threads : int
    memory : int
        Bytes for its worker; 0 where Slurm does not limit it.
    gpus : tuple of str
        As CUDA_VISIBLE_DEVICES names them.
    """

    rank: int
    tasks: int
    local: int
    on_node: int
    node: str
    threads: int
    memory: int
    gpus: tuple[str, ...]


def this_task(environment: Mapping[str, str], processors: int, leads: bool) -> Task:
    """The task of this environment, where it may use so many processors; one that `leads` has the scheduler, too."""
    missing = [name for name in ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_JOB_ID") if name not in environment]
    if missing:
        raise SystemExit(f"{', '.join(missing)} is not set: this program is for `srun`, see docs/deploy/slurm.md.")
    rank, tasks = int(environment["SLURM_PROCID"]), int(environment["SLURM_NTASKS"])
    local, node_index = int(environment.get("SLURM_LOCALID", 0)), int(environment.get("SLURM_NODEID", 0))
    counts = per_node(environment.get("SLURM_STEP_TASKS_PER_NODE") or environment.get("SLURM_TASKS_PER_NODE", "1"))
    on_node = counts[node_index] if node_index < len(counts) else 1
    given = environment.get("SLURM_CPUS_PER_TASK")
    threads = int(given) if given else int(environment.get("SLURM_CPUS_ON_NODE", processors)) // on_node
    threads = max(1, min(threads, processors))
    return Task(
        rank,
        tasks,
        local,
        on_node,
        environment.get("SLURMD_NODENAME") or socket.gethostname(),
        threads,
        _memory(environment, on_node, threads, leads),
        _gpus(environment, local, on_node),
    )


def per_node(text: str) -> list[int]:
    """Slurm's short form of a number for each node: ``2(x3),1`` is [2, 2, 2, 1]."""
    counts = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(number)] * int(times or 1)
    return counts


def _memory(environment: Mapping[str, str], on_node: int, threads: int, leads: bool) -> int:
    """Bytes for the worker: the task's share, less what runs beside it."""
    if of_node := int(environment.get("SLURM_MEM_PER_NODE", 0)):
        share = of_node * MIB // on_node
    else:
        share = int(environment.get("SLURM_MEM_PER_CPU", 0)) * MIB * threads
    return max(share - NANNY - (LEADER if leads else 0), share // 2)


def _gpus(environment: Mapping[str, str], local: int, on_node: int) -> tuple[str, ...]:
    """The task's own GPUs. With --gres, all tasks of a node see all of the node's: they share them out."""
    visible = tuple(gpu for gpu in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu)
    if len(visible) <= 1 or on_node == 1 or "SLURM_GPUS_PER_TASK" in environment:
        return visible
    return visible[local::on_node] or (visible[local % len(visible)],)


def own_address(interface: str = "", towards: str = "") -> str:
    """The IP address that others reach this node at.

    Parameters
    ----------
    interface : str
        Its network interface; left out, the one on the way to `towards`, or the one of the node's name.
    towards : str
        An IP address of the cluster.
    """
    from distributed.utils import get_ip, get_ip_interface

    if interface:
        return str(get_ip_interface(interface))
    if towards:
        with socket.socket(socket.AF_INET6 if ":" in towards else socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect((towards, 9))  # nothing is sent
            return str(way.getsockname()[0])
    try:
        address = socket.gethostbyname(os.environ.get("SLURMD_NODENAME") or socket.gethostname())
    except OSError:
        address = ""
    return address if address and not address.startswith("127.") else str(get_ip())
