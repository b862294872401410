"""Slurm without one: tasks, command lines, reasons, certificates. What needs a Slurm is in tests/slurm."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from ramet.cluster.certificates import make_certificates
from ramet.cluster.errors import ClusterError
from ramet.cluster.slurm import memory
from ramet.cluster.slurm_clusters import Size, SlurmCluster, job_of
from ramet.cluster.slurm_queue import REASONS, explain
from ramet.cluster.slurm_rank import command_line
from ramet.cluster.slurm_task import LEADER, MIB, NANNY, per_node, this_task

TASK = {"SLURM_PROCID": "1", "SLURM_NTASKS": "3", "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n2"}


@pytest.mark.parametrize(
    ("text", "counts"), [("1", [1]), ("2(x3),1", [2, 2, 2, 1]), ("1,4(x2)", [1, 4, 4]), ("12(x2)", [12, 12])]
)
def test_numbers_for_each_node(text: str, counts: list[int]) -> None:
    assert per_node(text) == counts


def task(processors: int = 64, leads: bool = False, **environment: str):
    return this_task({**TASK, **environment}, processors, leads)


@pytest.mark.parametrize(
    ("environment", "processors", "threads"),
    [
        ({"SLURM_CPUS_PER_TASK": "8"}, 64, 8),
        ({"SLURM_CPUS_ON_NODE": "16", "SLURM_STEP_TASKS_PER_NODE": "1(x3)"}, 64, 16),
        ({"SLURM_CPUS_ON_NODE": "16", "SLURM_STEP_TASKS_PER_NODE": "4(x3)"}, 64, 4),
        ({"SLURM_CPUS_ON_NODE": "16"}, 2, 2),  # no more than this process is bound to
        ({"SLURM_CPUS_ON_NODE": "2", "SLURM_STEP_TASKS_PER_NODE": "4"}, 2, 1),
    ],
)
def test_threads_are_the_task_s_processors(environment: dict[str, str], processors: int, threads: int) -> None:
    assert task(processors, **environment).threads == threads


def test_a_worker_and_what_runs_beside_it_fit_into_the_task_s_memory() -> None:
    for environment in ({"SLURM_MEM_PER_NODE": "8000"}, {"SLURM_MEM_PER_CPU": "1000", "SLURM_CPUS_PER_TASK": "8"}):
        assert task(**environment).memory + NANNY == 8000 * MIB
        assert task(leads=True, **environment).memory + NANNY + LEADER == 8000 * MIB
        assert task(SLURM_STEP_TASKS_PER_NODE="2(x3)", **environment).memory + NANNY <= 8000 * MIB
    assert task(SLURM_MEM_PER_NODE="300").memory == 150 * MIB  # too little for all: something has to give
    assert task().memory == 0  # no limit of Slurm's


@pytest.mark.parametrize("on_node", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("gpus", [1, 2, 3, 4, 8])
def test_tasks_of_a_node_share_its_gpus_out(gpus: int, on_node: int) -> None:
    visible = [f"GPU-{i}" for i in range(gpus)]
    given = {"CUDA_VISIBLE_DEVICES": ",".join(visible), "SLURM_STEP_TASKS_PER_NODE": str(on_node)}
    shares = [task(SLURM_LOCALID=str(local), **given).gpus for local in range(on_node)]
    assert {gpu for share in shares for gpu in share} == set(visible)
    assert all(shares)
    if on_node <= gpus:
        assert sum(map(len, shares)) == gpus
    assert task(SLURM_LOCALID="1", SLURM_GPUS_PER_TASK=str(gpus), **given).gpus == tuple(visible)


def test_outside_of_a_job() -> None:
    with pytest.raises(SystemExit, match="SLURM_PROCID"):
        this_task({}, 1, False)


def test_the_first_run_has_the_user_s_line_and_a_checkpoint(tmp_path: Path) -> None:
    own = tmp_path / "checkpoint.ramet"
    own.touch()  # whatever lies there, it is not this job's
    line, checkpoint = command_line(["a.csv", "--label", "y", "--init-model", "old.ramet"], own, restarted=False)
    assert line == ["train", "a.csv", "--label", "y", "--init-model", "old.ramet", "--checkpoint", str(own)]
    assert checkpoint == own


@pytest.mark.parametrize(
    "start", [[], ["--init-model", "old.ramet"], ["--init-model=old.ramet"], ["--resume", "old.ramet"]]
)
def test_a_later_run_goes_on_from_the_checkpoint(tmp_path: Path, start: list[str]) -> None:
    own = tmp_path / "checkpoint.ramet"
    first, _ = command_line(["a.csv", *start], own, restarted=True)
    assert "--resume" not in first or "old.ramet" in first  # there is none yet
    own.touch()
    line, _ = command_line(["a.csv", *start], own, restarted=True)
    assert line == ["train", "a.csv", "--resume", str(own), "--checkpoint", str(own)]


def test_a_checkpoint_of_the_user_s(tmp_path: Path) -> None:
    own = tmp_path / "mine.ramet"
    line, checkpoint = command_line(["a.csv", f"--checkpoint={own}"], tmp_path / "other", restarted=False)
    assert checkpoint == own
    assert line.count("--checkpoint") == 1 and str(own) in line


@pytest.mark.parametrize("flag", ["--workers", "--scheduler", "--scheduler-file=f", "--cluster"])
def test_another_cluster_is_refused(flag: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="this job is the cluster"):
        command_line(["a.csv", flag, "2"], tmp_path / "c", restarted=False)


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_explained_and_named(reason: str) -> None:
    said = explain(reason, "4711")
    assert f"({reason})." in said
    assert "{" not in said


def test_reasons_of_a_kind_and_unknown_ones() -> None:
    assert "account has reached its limit" in explain("AssocMaxJobsLimit", "1")
    assert "quality of service" in explain("QOSMaxCpuPerUserLimit", "1")
    assert "down, drained or reserved" in explain("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "1")
    assert explain("SomethingNew", "17") == "Slurm says SomethingNew; `scontrol show job 17` tells more."


@pytest.mark.parametrize(
    ("text", "slurm"), [("8G", "8G"), ("8Gi", "8G"), ("8 GB", "8G"), ("500", "500M"), ("1T", "1T")]
)
def test_sizes(text: str, slurm: str) -> None:
    assert memory(text) == slurm


def test_a_size_asks_for_nothing_that_was_not_said() -> None:
    assert Size().flags() == []
    flags = Size(partition="p", time="1:00", memory="8G", cpus=4, gpus=2, options=("--qos=long",)).flags()
    assert flags == ["--partition=p", "--time=1:00", "--mem=8G", "--cpus-per-task=4", "--gres=gpu:2", "--qos=long"]


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "a/b", "..", "a" * 41])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot be a cluster's name"):
        SlurmCluster(name)


@pytest.mark.parametrize(("worker", "job"), [("n1-job17-0", "17"), ("gpu-job-3-job8-12", "8"), ("n1-0", ""), (0, "")])
def test_a_worker_s_job(worker: object, job: str) -> None:
    assert job_of(worker) == job


# Certificates ---------------------------------------------------------------------------------------------------------
def greet(server: Path, client: Path) -> str:
    """Both sides' handshake with the certificates in these folders, as strict as Python can be."""
    contexts = []
    for folder, protocol in ((server, ssl.PROTOCOL_TLS_SERVER), (client, ssl.PROTOCOL_TLS_CLIENT)):
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        contexts.append(context)
    one, other = socket.socketpair()
    said = []

    def answer() -> None:
        try:
            with contexts[0].wrap_socket(one, server_side=True) as secured:
                secured.sendall(b"welcome")
        except OSError as error:
            said.append(error)
            one.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with contexts[1].wrap_socket(other) as secured:
            return secured.recv(100).decode()
    except OSError:
        return ""
    finally:
        other.close()
        thread.join()


def test_members_know_each_other_and_nobody_else(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    make_certificates(ours)
    make_certificates(theirs)
    assert greet(ours, ours) == "welcome"
    assert greet(ours, theirs) == greet(theirs, ours) == ""


def test_certificates_are_their_owner_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir(mode=0o755)
    make_certificates(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert not any(b"PRIVATE KEY" in file.read_bytes() for file in folder.iterdir() if file.name != "tls.key")
