"""``ramet train`` on Dask: the same files, the same options, the same digest and the same words as without it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import distributed
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from dask_clusters import PATIENCE, delays, flights, processes  # noqa: F401

RNG = np.random.default_rng(5)
ROWS = 1200
TABLE = flights(ROWS, RNG)
TABLE["delay"] = delays(TABLE, RNG)
TABLE["late"] = (TABLE["delay"] > 25).astype(int)
TABLE["airport"] = TABLE["origin"].fillna("LGA")
TABLE["weight"] = RNG.integers(0, 3, ROWS)


def ramet(folder, *arguments):
    command = [sys.executable, "-m", "ramet", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    arrow = pa.Table.from_pandas(TABLE, preserve_index=False)
    pq.write_table(arrow.slice(0, 700), folder / "a.parquet", row_group_size=90)
    pq.write_table(arrow.slice(700, 0), folder / "b.parquet")
    pq.write_table(arrow.slice(700, 400), folder / "c.parquet")
    pq.write_table(arrow.slice(1100), folder / "valid.parquet")
    plain = pa.Table.from_pandas(TABLE.astype({"carrier": str}), preserve_index=False)
    pa.feather.write_feather(plain.slice(0, 800), folder / "a.feather", chunksize=110)
    pa.feather.write_feather(plain.slice(800), folder / "b.feather")
    (folder / "csv").mkdir()
    TABLE[:500].to_csv(folder / "csv" / "a.csv", index=False)
    TABLE[500:].assign(hour=lambda t: t["hour"] + 0.5).to_csv(folder / "csv" / "b.csv", index=False)
    # What the first file holds looks like numbers; the second one knows better.
    (folder / "code1.csv").write_text("code,y\n" + "".join(f"{i % 7},{i}\n" for i in range(200)))
    (folder / "code2.csv").write_text("y,code\n" + "".join(f"{i},{'x7'[i % 2]}\n" for i in range(300)))
    (folder / "code3.csv").write_text("y,code\n" + "".join(f"{i},{i % 7}\n" for i in range(50)))
    return folder


RUNS = {
    "parquet": "a.parquet b.parquet c.parquet --label delay --drop late",
    "one row group": "c.parquet --label delay --drop late",
    "weights, validation, early stopping": "a.parquet c.parquet --label delay --weight weight --drop late "
    "--valid valid.parquet --early-stopping true --n-iter-no-change 2 --max-iter 60",
    "classes by their looks": "a.parquet c.parquet --label late --drop delay --categorical hour",
    "classes of text": "a.parquet --label airport --features hour,delay,carrier",
    "feather": "a.feather b.feather --label delay --drop late --type hour=category",
    "csv": "csv --label delay --drop late",
    "csv, text in another file": "code1.csv code2.csv --label y --valid code3.csv",
}


@pytest.mark.parametrize("run", RUNS)
def test_the_same_digest(folder, processes, run):  # noqa: F811
    arguments = ["train", *RUNS[run].split(), "--out", "m.ramet", "--json"]
    if "--max-iter" not in arguments:
        arguments += ["--max-iter", "5"]
    alone = ramet(folder, *arguments)
    on_dask = ramet(folder, *arguments, "--scheduler", processes.scheduler.address)
    assert (alone.returncode, on_dask.returncode) == (0, 0), alone.stderr + on_dask.stderr
    told, expected = json.loads(on_dask.stdout), json.loads(alone.stdout)
    assert told.keys() == expected.keys()
    for name in ("rows", "features", "rounds", "loss", "digest", "validation"):
        assert told[name] == expected[name]
    assert ramet(folder, "digest", "m.ramet").stdout.split()[0] == expected["digest"]


def test_workers_here(folder, tmp_path):
    arguments = [
        "train",
        "a.parquet",
        "c.parquet",
        "--label",
        "delay",
        "--max-iter",
        "4",
        "--out",
        tmp_path / "m.ramet",
    ]
    alone, on_dask = ramet(folder, *arguments), ramet(folder, *arguments, "--workers", "2", "--threads", "2")
    assert on_dask.returncode == 0, on_dask.stderr
    assert [line for line in on_dask.stdout.splitlines() if line.startswith("digest")] == [
        line for line in alone.stdout.splitlines() if line.startswith("digest")
    ]
    assert "starting 2 workers" in on_dask.stderr
    assert "round 4/4" in on_dask.stderr
    assert "distributed" not in on_dask.stderr  # its logs


def test_a_scheduler_file_and_going_on(folder, processes, tmp_path):  # noqa: F811
    where = tmp_path / "scheduler.json"
    where.write_text(json.dumps({"address": processes.scheduler.address}))
    arguments = ["train", "a.parquet", "--label", "delay", "--out", tmp_path / "m.ramet"]
    there = ["--scheduler-file", where]
    first = ramet(
        folder, *arguments, "--max-iter", 4, "--checkpoint", tmp_path / "c.ramet", "--checkpoint-every", 2, *there
    )
    assert first.returncode == 0, first.stderr
    for flag in ("--resume", "--init-model"):
        on_dask = ramet(folder, *arguments, "--max-iter", 7, flag, tmp_path / "c.ramet", *there)
        assert on_dask.returncode == 0, on_dask.stderr
        alone = ramet(folder, *arguments, "--max-iter", 7)
        assert on_dask.stdout.splitlines()[-2] == alone.stdout.splitlines()[-2]


REFUSALS = {
    "no such column": "a.parquet --label delya",
    "no such feature": "a.parquet --label delay --features hour,nix",
    "columns differ": "a.parquet code1.csv --label delay",
    "csv columns differ": "code1.csv csv/a.csv --label y",
    "no such file": "nix.parquet --label y",
}


@pytest.mark.parametrize("run", REFUSALS)
def test_the_same_refusals(folder, processes, run):  # noqa: F811
    arguments = ["train", *RUNS.get(run, REFUSALS[run]).split(), "--out", "n.ramet", "-q"]
    alone = ramet(folder, *arguments)
    on_dask = ramet(folder, *arguments, "--scheduler", processes.scheduler.address)
    assert alone.returncode != 0
    assert (on_dask.returncode, on_dask.stderr.replace(f"{folder}/", "")) == (alone.returncode, alone.stderr)
    assert not (folder / "n.ramet").exists()


def test_a_bad_value_names_its_file(folder, processes):  # noqa: F811
    (folder / "bad.csv").write_text("y,code\n1,1\n,2\n")
    done = ramet(folder, "train", "code3.csv", "bad.csv", "--label", "y", "-o", "n.ramet", "--scheduler",
                 processes.scheduler.address)  # fmt: skip
    assert done.returncode == 1
    assert "bad.csv" in done.stderr
    assert "row 2" in done.stderr


def test_no_scheduler(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    arguments = ["train", "a.parquet", "--label", "delay", "-o", "n.ramet"]
    done = ramet(folder, *arguments, "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert "the Dask scheduler at tcp://127.0.0.1:9 cannot be reached" in done.stderr
    missing = ramet(folder, *arguments, "--scheduler-file", tmp_path / "nix.json")
    assert (missing.returncode, missing.stderr.count("there is no such file")) == (1, 1)


@pytest.mark.parametrize("workers", ["of a cluster", "its own"])
def test_ctrl_c_stops_it(folder, processes, tmp_path, workers):  # noqa: F811
    command = ["train", "a.parquet", "--label", "delay", "--max-iter", "100000", "-o", tmp_path / "m.ramet"]
    command += ["--checkpoint", tmp_path / "c.ramet"]
    command += ["--workers", 2] if workers == "its own" else ["--scheduler", processes.scheduler.address]
    command = [sys.executable, "-m", "ramet", *map(str, command)]
    started = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said = []
        for line in started.stderr:
            said.append(line)
            if line.startswith("round"):
                break
        began = time.monotonic()
        os.killpg(started.pid, signal.SIGINT)  # as a terminal does
        _, words = started.communicate(timeout=PATIENCE)
        assert time.monotonic() - began < 30
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == 130, (said, words)
    assert "stopped; go on with --resume" in words or "stopped before the first checkpoint" in words
    assert not (tmp_path / "m.ramet").exists()


def test_the_doctor_tells_what_members_would_talk_over(monkeypatch):
    def told():
        done = subprocess.run([sys.executable, "-m", "ramet", "doctor", "--json"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["libraries"]

    assert told()["Dask"] == distributed.__version__
    assert told()["channel on Dask"].startswith("auto")
    monkeypatch.setenv("DASK_RAMET__CHANNEL", "comm")
    assert told()["channel on Dask"] == "comm"
    monkeypatch.setenv("DASK_RAMET__CHANEL", "comm")
    assert "ramet.chanel" in told()["channel on Dask"]
