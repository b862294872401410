"""Makes the tables, runs one peer on one table in a fresh process, and scores its predictions.

The standard library alone, see peers/protocol.py.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from peers.protocol import Job, Measurement, last_json, run_command

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
DATA = ROOT / "data"
RAMET = ROOT / "build/release/src/cli/ramet"
PEERS = ("ramet", "lightgbm", "lightgbm_quantised", "xgboost", "catboost", "sklearn")
# Computes for ever, but not longer than the process that started it.
SPIN = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@dataclass(frozen=True)
class Table:
    """A training file, a test file, and what their columns are."""

    name: str
    train: Path
    test: Path
    label: str = "label"
    weight: str | None = None
    task: str = "binary"


def generated(kind: str, rows: int, test_rows: int, seed: int = 0, task: str | None = None) -> Table:
    """A table of data.py, made unless it is there already. `task`: left out, the kind's own."""
    paths = {}
    for split, count in (("train", rows), ("test", test_rows)):
        paths[split] = DATA / "bench" / f"{kind}-{split}-{count}-{seed}.parquet"
        if not paths[split].exists():
            print(f"making {paths[split].relative_to(ROOT)}", file=sys.stderr)
            command = [sys.executable, str(BENCH / "data.py"), kind, "--rows", str(count), "--seed", str(seed)]
            subprocess.run([*command, "--split", split, "--out", str(paths[split])], check=True)
    task = task or ("regression" if kind == "heavy_tail" else "binary")
    weight = "weight" if kind == "huge_weight" else None
    return Table(f"{kind}-{rows}", paths["train"], paths["test"], weight=weight, task=task)


def job_for(table: Table, settings: Job) -> Job:
    """The settings, on this table."""
    return replace(
        settings,
        train=str(table.train.resolve()),
        test=str(table.test.resolve()),
        label=table.label,
        weight=table.weight,
        task=table.task,
    )


def warm_cache(table: Table) -> None:
    """Reads both files once, so that the first peer does not pay for the disk."""
    for path in (table.train, table.test):
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def measure(peer: str, job: Job) -> tuple[Measurement, dict[str, float]]:
    """Runs a peer's process, then scores what it predicted. Raises ChildError with the peer's last words."""
    environment = {"PYTHONPATH": str(BENCH), "OMP_NUM_THREADS": str(job.threads)}
    python = [sys.executable, "-m"]
    with tempfile.TemporaryDirectory(prefix="ramet-bench-") as folder:
        predictions = str(Path(folder) / f"predictions.{'csv' if peer == 'ramet' else 'npy'}")
        job = replace(job, predictions=predictions)
        finished = run_command([*python, f"peers.{peer}_peer", job.to_json()], environment)
        measurement = Measurement(**last_json(finished.output.strip().splitlines()[-1]))  # type: ignore[arg-type]
        scored = run_command(
            [*python, "peers.score", job.test, job.label, job.task, str(job.quantile), predictions], environment
        )
    return measurement, json.loads(scored.output)


@contextmanager
def busy_neighbour(wanted: bool) -> Iterator[None]:
    """One other process that computes all the time, on whichever core the system gives it."""
    if not wanted:
        yield
        return
    spinner = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        yield
    finally:
        spinner.kill()
        spinner.wait()
