"""deploy/slurm/train.sbatch on three nodes: the model of one machine, whoever dies and whatever stops it."""

from __future__ import annotations

import os
import re
import signal
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from jobs import SETTINGS, Job, Jobs, digest
from site_of_three import Site


def kill(processes: list[int], number: int = signal.SIGKILL) -> None:
    assert processes
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def leaves_nothing(job: Job) -> None:
    """Of a job that is done: its model and its log."""
    assert not job.folder.exists()
    left = job.site.processes(f"/job{job.id}/", "slurm_rank") + [p for rank in range(3) for p in job.ranks(rank)]
    assert left == []


def rounds_begun(job: Job) -> list[int]:
    """With which round each run began, by the first line of progress after "training"."""
    runs = re.split(r"^training on.*$", job.log, flags=re.M)[1:]
    firsts = [re.search(r"^round ([\d,]+)/", run, re.M) for run in runs]
    return [int(first[1].replace(",", "")) for first in firsts if first]


def test_three_nodes_give_the_model_of_one(jobs: Jobs, alone: str) -> None:
    job = jobs.train()
    job.until_training()
    run = job.folder / "run-0-0"
    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((run / "tls/tls.key").stat().st_mode) == 0o600
    assert '"tls://' in (run / "scheduler.json").read_text()
    assert job.until_over() == "COMPLETED", job.log
    assert digest(job.model) == alone
    assert [f"worker n{node}-{node - 1} is there" in job.log for node in (1, 2, 3)] == [True] * 3
    leaves_nothing(job)


def test_stopped_before_the_wall_time_ends_and_queued_again(jobs: Jobs, site: Site, alone: str) -> None:
    job = jobs.train()
    job.until_training()
    site.run("scancel", "--signal=USR1", "--batch", job.id)
    job.start_again()
    assert not list(job.folder.glob("run-*"))  # no certificates while it waits
    assert job.until_over() == "COMPLETED", job.log
    assert digest(job.model) == alone
    first, second = rounds_begun(job)
    assert first < 10 < second
    leaves_nothing(job)


def test_a_rank_is_killed(jobs: Jobs, alone: str) -> None:
    job = jobs.train()
    job.until_training()
    kill(job.ranks(1))
    assert job.until_over() == "COMPLETED", job.log
    assert digest(job.model) == alone
    assert "worker n2-1 is gone; 2 now" in job.log
    assert len(rounds_begun(job)) == 1  # nobody began anew
    leaves_nothing(job)


def test_the_step_is_killed(jobs: Jobs, site: Site, alone: str) -> None:
    job = jobs.train()
    job.until_training()
    site.run("scancel", f"{job.id}.0")
    assert job.until_over() == "COMPLETED", job.log
    assert digest(job.model) == alone
    assert "the step died; it is started again" in job.log
    leaves_nothing(job)


def test_the_first_rank_is_killed(jobs: Jobs, alone: str) -> None:
    job = jobs.train()
    job.until_training()
    kill(job.ranks(0))
    assert job.until_over() == "COMPLETED", job.log
    assert digest(job.model) == alone
    assert rounds_begun(job)[1] > 1
    leaves_nothing(job)


def test_a_column_that_is_not_there(jobs: Jobs) -> None:
    job = jobs.train(settings=["--label", "delay"])
    assert job.until_over() == "FAILED"
    assert '"delay"' in job.log
    assert "started again" not in job.log
    leaves_nothing(job)


def test_cancelled(jobs: Jobs, site: Site) -> None:
    job = jobs.train()
    job.until_training()
    site.run("scancel", job.id)
    assert job.until_over() == "CANCELLED"
    assert not list(job.folder.glob("run-*/tls"))
    assert job.checkpoint.exists()


@pytest.mark.parametrize("flag", ["--workers", "--scheduler=tcp://a:1", "--cluster"])
def test_another_cluster_within_the_job(jobs: Jobs, flag: str) -> None:
    job = jobs.train("--nodes", "1", more=(flag, "2"), settings=SETTINGS)
    assert job.until_over() == "FAILED"
    assert "this job is the cluster" in job.log
    assert not Path(job.model).exists()
