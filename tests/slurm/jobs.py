"""Jobs of deploy/slurm/train.sbatch, and what one can see of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from site_of_three import Site

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "deploy/slurm/train.sbatch"
# Many small trees: there is time to kill somebody, and the checkpoint is written soon.
SETTINGS = ["--label", "late", "--max-iter", "400", "--max-leaf-nodes", "15", "--early-stopping", "false"]
PATIENCE = 180.0
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")
FILES, ROWS, FEATURES = 3, 20_000, 12


def make_table(folder: Path) -> Path:
    """Files of two row groups each: numbers, some missing, and texts."""
    random = np.random.default_rng(7)
    for number in range(FILES):
        values = random.normal(size=(ROWS, FEATURES))
        values[random.random(values.shape) < 0.05] = np.nan
        carrier = random.choice(["AA", "B6", "DL", "UA", "WN"], ROWS)
        late = np.nansum(values[:, :4], axis=1) + (carrier == "B6") + random.normal(size=ROWS) > 0.5
        columns = {f"x{i}": pa.array(values[:, i], from_pandas=True) for i in range(FEATURES)}
        rows = pa.table({**columns, "carrier": carrier, "late": late.astype(np.int8)})
        pq.write_table(rows, folder / f"part-{number}.parquet", row_group_size=ROWS // 2)
    return folder


def train_here(table: Path, out: Path, settings: list[str]) -> str:
    """The digest of the model that this machine makes of the table, without Dask and Slurm."""
    line = ["train", str(table), "--out", str(out), "--quiet", *settings]
    subprocess.run([sys.executable, "-m", "ramet", *line], check=True, stdout=subprocess.DEVNULL)
    return digest(out)


def digest(model: Path) -> str:
    command = [sys.executable, "-m", "ramet", "digest", "--json", str(model)]
    return str(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]["digest"])


def until(true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, f"no {what} after {patience:g} s"
        time.sleep(0.1)


class Jobs:
    """Those of one test."""

    def __init__(self, site: Site, table: Path, folder: Path) -> None:
        self.site, self.table, self.folder = site, table, folder
        self.ids: list[str] = []
        folder.chmod(0o755)
        given = {"RAMET_INTERFACE": "lo", "RAMET_PYTHON": sys.executable, "DASK_TEMPORARY_DIRECTORY": str(folder)}
        self.environment = {**site.environment, **given}

    def train(self, *options: str, more: tuple[str, ...] = (), settings: list[str] = SETTINGS, **variables: str) -> Job:
        line = ["--nodes", "3", *options, str(TRAIN), str(self.table), "--out", "model.ramet", *settings, *more]
        return self.submit(*line, **variables)

    def submit(self, *line: str, **variables: str) -> Job:
        environment = {**self.environment, **variables}
        answer = self.site.run("sbatch", "--parsable", *line, cwd=self.folder, env=environment)
        self.ids.append(answer)
        return Job(self.site, answer, self.folder)

    def cancel(self) -> None:
        for job in self.ids:
            self.site.run("scancel", job, check=False)
        for job in self.ids:
            until(
                lambda job=job: not self.site.run("squeue", "--noheader", "--jobs", job, check=False), f"end of {job}"
            )


class Job:
    """One of them."""

    def __init__(self, site: Site, number: str, folder: Path) -> None:
        self.site, self.id, self.submitted = site, number, folder
        self.folder = folder / f"ramet-{number}"
        self.model = folder / "model.ramet"
        self.checkpoint = self.folder / "checkpoint.ramet"

    @property
    def log(self) -> str:
        file = self.submitted / f"ramet-{self.id}.log"
        return file.read_text() if file.exists() else ""

    @property
    def state(self) -> str:
        return self.site.state(self.id)

    def until_training(self) -> None:
        """Some rounds are done, and in the checkpoint."""
        self._until(lambda: self.checkpoint.exists() or self.state in OVER, "checkpoint")
        assert self.state not in OVER, f"{self.state}\n{self.log}"

    def until_pending(self) -> None:
        self._until(lambda: self.state == "PENDING", "requeued job")

    def start_again(self, *changes: str) -> None:
        """Soon: Slurm waits two minutes, since nodes refuse a job that was revoked in the same second."""
        self.until_pending()
        time.sleep(5)
        self.site.run("scontrol", "update", f"JobId={self.id}", "StartTime=now", *changes)

    def until_over(self, patience: float = PATIENCE) -> str:
        """Its last state."""
        self._until(lambda: self.state in OVER, "end", patience)
        return self.state

    def ranks(self, rank: int) -> list[int]:
        """Processes of one rank: it and what it has started."""
        found = []
        for process in self.site.processes():
            try:
                environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if {f"SLURM_JOB_ID={self.id}".encode(), f"SLURM_PROCID={rank}".encode(), b"RAMET_RUN"} <= {
                entry if not entry.startswith(b"RAMET_RUN=") else b"RAMET_RUN" for entry in environment
            }:
                found.append(process)
        return found

    def _until(self, true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        try:
            until(true, what, patience)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.state}\n{self.log}") from None
