"""`ramet cluster … --slurm`, `ramet train --cluster --slurm`, `ramet submit … --slurm` on three nodes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jobs import SETTINGS, Jobs, digest, until
from site_of_three import Site


@dataclass
class Shell:
    """A user on a login node."""

    folder: Path
    environment: dict[str, str]

    def ramet(self, *words: str, code: int = 0, **variables: str) -> str:
        """What it prints, on both streams."""
        done = subprocess.run(
            [sys.executable, "-m", "ramet", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            cwd=self.folder,
            env={**self.environment, **variables},
        )
        assert done.returncode == code, f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def shell(jobs: Jobs, tmp_path: Path) -> Iterator[Shell]:
    environment = {**jobs.environment, "RAMET_SLURM_FOLDER": str(tmp_path / "clusters")}
    del environment["RAMET_PYTHON"]  # a user's jobs run the Python that submits them
    given = Shell(tmp_path, environment)
    yield given
    for name in ("ramet", "other"):
        given.ramet("cluster", "down", "--slurm", "--name", name)
    assert not list((tmp_path / "clusters").glob("*"))


def names(site: Site) -> list[str]:
    return sorted(site.run("squeue", "--noheader", "--array", "--format=%j", "--states=PENDING,RUNNING").split())


def test_a_day_with_a_cluster(shell: Shell, site: Site, table: Path, alone: str) -> None:
    assert 'cluster "ramet" is up: 2 workers' in shell.ramet("cluster", "up", "--slurm", "--workers", "2")
    assert names(site) == ["ramet.ramet", "ramet.ramet.worker"]

    again = shell.ramet("cluster", "up", "--slurm", "--workers", "2")  # changes nothing
    assert "is there" in again and "is up: 2 workers" in again
    assert len(names(site)) == 2

    report = json.loads(shell.ramet("cluster", "status", "--slurm", "--json"))
    assert report["up"] and len(report["workers"]) == 2 and report["problems"] == []
    assert {job["role"] for job in report["jobs"]} == {"scheduler", "worker"}

    train = ["train", str(table), *SETTINGS, "--quiet", "--cluster", "ramet", "--slurm"]
    shell.ramet(*train, "--out", "two.ramet")
    assert digest(shell.folder / "two.ramet") == alone

    assert "is up: 3 workers" in shell.ramet("cluster", "scale", "3", "--slurm")
    assert len(names(site)) == 3
    assert "is up: 1 worker" in shell.ramet("cluster", "scale", "1", "--slurm")
    assert names(site) == ["ramet.ramet"]
    log = shell.ramet("cluster", "logs", "--slurm")
    assert "is there; 3 now" in log and "is gone; 1 now" in log

    assert "is gone" in shell.ramet("cluster", "down", "--slurm")
    assert names(site) == []


def test_two_clusters_do_not_collide(shell: Shell, site: Site) -> None:
    shell.ramet("cluster", "up", "--slurm")
    shell.ramet("cluster", "up", "--slurm", "--name", "other")
    shell.ramet("cluster", "down", "--slurm")
    assert names(site) == ["ramet.other"]
    assert json.loads(shell.ramet("cluster", "status", "--slurm", "--name", "other", "--json"))["up"]


def test_scaled_during_a_fit(shell: Shell, table: Path, alone: str) -> None:
    shell.ramet("cluster", "up", "--slurm", "--workers", "2")
    out = shell.folder / "scaled.ramet"
    line = [
        "train",
        str(table),
        *SETTINGS,
        "--cluster",
        "ramet",
        "--slurm",
        "--out",
        str(out),
        "--checkpoint",
        "c.ramet",
    ]
    fit = subprocess.Popen([sys.executable, "-m", "ramet", *line], cwd=shell.folder, env=shell.environment)
    until((shell.folder / "c.ramet").exists, "checkpoint")
    shell.ramet("cluster", "scale", "1", "--slurm")
    assert fit.wait(300) == 0
    assert digest(out) == alone


def test_without_a_certificate_nobody_gets_in(shell: Shell) -> None:
    from distributed import Client
    from ramet.cluster.certificates import make_certificates, security_of

    shell.ramet("cluster", "up", "--slurm")
    folder = shell.folder / "clusters" / "ramet"
    address = json.loads((folder / "scheduler.json").read_text())["address"]
    assert address.startswith("tls://")
    with Client(address, security=security_of(folder / "tls"), timeout=10) as client:
        assert client.submit(lambda: 42).result(timeout=30) == 42
    make_certificates(shell.folder / "foreign")
    for given in ({}, {"security": security_of(shell.folder / "foreign")}):
        with pytest.raises((OSError, ValueError, TypeError)):
            Client(address.replace("tls://", "tls://" if given else "tcp://"), timeout=5, **given)


def submitted(said: str) -> str:
    """The job's number."""
    found = re.search(r"job (\d+) is submitted", said)
    assert found, said
    return found[1]


def test_submitted(shell: Shell, table: Path, alone: str, site: Site) -> None:
    line = ["submit", "train", "--slurm", "--workers", "3", str(table), *SETTINGS, "--out", "model.ramet"]
    said = shell.ramet(*line, "--follow")
    number = submitted(said)
    assert "worker n3-2 is there" in said and "; 3 now." in said
    assert digest(shell.folder / "model.ramet") == alone
    assert "written to model.ramet" in shell.ramet("submit", "logs", number, "--slurm")

    number = submitted(shell.ramet(*line))
    until(lambda: site.state(number) == "RUNNING", "running job")
    assert number in shell.ramet("submit", "list", "--slurm")
    shell.ramet("submit", "delete", number, "--slurm")
    assert site.state(number) == "CANCELLED"
    assert not list(shell.folder.glob(f"ramet-{number}*"))


WRONG = {
    "no such partition": (["cluster", "up", "--slurm", "--partition", "gpu"], 1, ["gpu", "main, urgent"]),
    "too much memory": (["cluster", "up", "--slurm", "--memory", "90G"], 1, ["2 4000 gpu:2", "--memory"]),
    "too many GPUs": (["cluster", "up", "--slurm", "--gpus-per-worker", "3"], 1, ["gpu:2", "--gpus-per-worker"]),
    "not a time": (["cluster", "up", "--slurm", "--time", "soon"], 1, ["HOURS:MINUTES:SECONDS"]),
    "more time than there is": (
        ["cluster", "up", "--slurm", "--time", "9:00:00", "--timeout", "4"], 1,
        ["it asks for more time than its partition gives", "--time", "down"]),
    "no room": (
        ["cluster", "up", "--slurm", "--cpus", "2", "--workers", "4", "--timeout", "60"], 1,
        ["3 of 4 workers", "it waits for nodes to become free", "status"]),
    "no such cluster": (["cluster", "status", "--slurm", "--name", "nobody"], 1, ["nobody", "cluster up --slurm"]),
    "train on none": (["train", "/no", "--label", "y", "--out", "x", "--cluster", "no", "--slurm"], 1, ["up --slurm"]),
    "name": (["cluster", "up", "--slurm", "--name", "A b"], 1, ["lower-case"]),
    "scale to none": (["cluster", "scale", "0", "--slurm"], 1, ["cluster down"]),
    "no such verb": (["cluster", "notebook", "--slurm"], 2, ["up, status, scale, logs, down"]),
    "not a size": (["cluster", "up", "--slurm", "--memory", "much"], 2, ["much", "8G"]),
    "no such file": (["submit", "train", "--slurm", "none.csv", "--label", "y", "--out", "x"], 1, ["none.csv"]),
    "no such option": (["submit", "train", "--slurm", "--depth", "3", "a", "--label", "y", "-o", "x"], 2, ["--depth"]),
    "no such job": (["submit", "logs", "99999", "--slurm"], 1, ["99999", "submit list"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_a_remedy(shell: Shell, name: str) -> None:
    words, code, said = WRONG[name]
    printed = shell.ramet(*words, code=code)
    assert all(part in printed for part in said), printed
    assert "Traceback" not in printed


def test_without_slurm(shell: Shell) -> None:
    assert "module load slurm" in shell.ramet("cluster", "status", "--slurm", code=1, PATH="/nowhere")


def test_the_first_job_dies(shell: Shell, site: Site) -> None:
    shell.ramet("cluster", "up", "--slurm", "--workers", "2")
    report = json.loads(shell.ramet("cluster", "status", "--slurm", "--json"))
    site.run("scancel", "--signal=KILL", "--full", report["jobs"][0]["job"])
    until(lambda: names(site) == [], "end of the other job")  # a worker without a scheduler ends
    assert 'there is no cluster "ramet"' in shell.ramet("cluster", "status", "--slurm", code=1)
    assert "is up: 2 workers" in shell.ramet("cluster", "up", "--slurm", "--workers", "2")
