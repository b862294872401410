"""What a site does to a job: nodes are lost, wall times end, others go first. The model stays that of one machine."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from jobs import ROOT, SETTINGS, Jobs, digest, train_here, until
from site_of_three import NODES, Site
from test_train import kill, leaves_nothing, rounds_begun

LONG = [*SETTINGS[:3], "20000", *SETTINGS[4:]]  # longer than two minutes


def test_a_node_is_lost(jobs: Jobs, site: Site, alone: str) -> None:
    job = jobs.train()
    job.until_training()
    try:
        site.stop("n3", signal.SIGKILL)
        kill([*job.ranks(2), *site.processes("slurmstepd", f"[{job.id}.0]", "n3")] or job.ranks(2))
        assert job.until_over() == "COMPLETED", job.log
    finally:
        site.stop("n3")
        site.start_node("n3")
    assert digest(job.model) == alone
    assert "worker n3-2 is gone; 2 now" in job.log
    assert len(rounds_begun(job)) == 1
    until(lambda: site.states() == ["idle"] * len(NODES), "three idle nodes")
    leaves_nothing(job)


def test_the_wall_time_ends(jobs: Jobs, table: Path, tmp_path: Path) -> None:
    """Some minutes, for Slurm itself sends the signal; it may do so a minute earlier than it was asked to."""
    job = jobs.train("--time", "2", "--signal", "B:USR1@20", settings=LONG)
    job.until_training()
    job.start_again("TimeLimit=30")
    assert "SIGUSR1" in job.log
    assert job.until_over(900) == "COMPLETED", job.log
    assert rounds_begun(job)[1] > 10
    assert digest(job.model) == train_here(table, tmp_path / "here.ramet", LONG)
    leaves_nothing(job)


def test_another_job_goes_first(jobs: Jobs, site: Site, alone: str) -> None:
    job = jobs.train()
    job.until_training()
    urgent = jobs.submit("--partition", "urgent", "--exclusive", "--nodes", "3", "--wrap", "srun sleep 1")
    assert urgent.until_over() == "COMPLETED"
    job.start_again()
    assert job.until_over() == "COMPLETED", job.log
    assert digest(job.model) == alone
    assert rounds_begun(job)[1] > 10
    leaves_nothing(job)


def test_a_rank_is_frozen(jobs: Jobs, alone: str) -> None:
    """Nobody hears of it: it is missed, and killed at the end."""
    job = jobs.train(DASK_RAMET__SILENT_AFTER="3")
    job.until_training()
    frozen = job.ranks(2)
    kill(frozen, signal.SIGSTOP)
    try:
        assert job.until_over() == "COMPLETED", job.log
    finally:
        for process in frozen:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
    assert digest(job.model) == alone
    assert "some ranks have not ended; they are killed" in job.log
    leaves_nothing(job)


def test_a_wall_time_in_which_nothing_gets_done(jobs: Jobs, site: Site) -> None:
    job = jobs.train()
    until((job.folder / "run-0-0").exists, "first rank")
    site.run("scancel", "--signal=USR1", "--batch", job.id)
    assert job.until_over() == "FAILED", job.log
    assert "before a round was done" in job.log
    leaves_nothing(job)


def test_the_first_run_without_a_python(jobs: Jobs) -> None:
    job = jobs.train(RAMET_PYTHON="/bin/false")
    assert job.until_over() == "FAILED"
    assert "Does RAMET_PYTHON=/bin/false have ramet[slurm]?" in job.log
    assert "started again" not in job.log


def test_gpus_are_shared_out_among_the_tasks_of_a_node(jobs: Jobs, site: Site) -> None:
    """Two tasks on a node with two GPUs: Slurm shows both GPUs to both tasks."""
    code = "import os; from ramet.cluster.slurm_task import this_task as t; print('sees', t(os.environ, 2, False).gpus)"
    line = ["--nodes=1", "--ntasks-per-node=2", "--gres=gpu:2", "--output=ramet-%j.log"]
    job = jobs.submit(*line, "--wrap", f'srun {jobs.environment["RAMET_PYTHON"]} -c "{code}"')
    assert job.until_over() == "COMPLETED", job.log
    assert sorted(job.log.splitlines()) == ["sees ('0',)", "sees ('1',)"]


def test_in_a_container(jobs: Jobs, alone: str, tmp_path: Path) -> None:
    """Charliecloud, in the words of RAMET_LAUNCHER: another root, in which only what is bound is seen."""
    if shutil.which("ch-run") is None:
        pytest.skip("no ch-run (Debian: charliecloud-runtime)")
    root = tmp_path / "image"
    for name in ("dev", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    # Of this machine, it sees the system, Python and the source; /tmp is always there, and with it the job's folder.
    seen = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", str(ROOT), sys.base_prefix]
    for path in seen:
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    binds = " ".join(f"--bind={path}:{path}" for path in seen)
    job = jobs.train(RAMET_LAUNCHER=f"ch-run --no-passwd --cd={tmp_path} {binds} {root} --", USER="root")
    job.until_training()
    roots = {os.stat(f"/proc/{process}/root/.").st_ino for process in job.ranks(1)}  # noqa: PTH116
    assert roots == {root.stat().st_ino}
    assert job.until_over() == "COMPLETED", job.log
    assert digest(job.model) == alone
    leaves_nothing(job)
