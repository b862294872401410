"""What runs in a job's pod, on a cluster as the chart starts it: it goes on where the pod before it died."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dask_clusters import delays, flights
from ramet._command.files import Options
from ramet._command.stores import list_store_as_bytes
from ramet.cluster.job import TRY_AGAIN
from ramet.dask.files import list_files, never, survey_files
from tls_cluster import PATIENCE, TlsCluster

from ramet import _core

ROUNDS = 1000  # some seconds


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with TlsCluster(tmp_path_factory.mktemp("cluster"), ("worker-0", "worker-1")) as cluster:
        data = cluster.folder / "data"
        (data / "deep").mkdir(parents=True)
        rng = np.random.default_rng(3)
        table = flights(60_000, rng)
        table["delay"] = delays(table, rng)
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        for number, name in enumerate(("b", "deep/a", "a", "A")):
            pq.write_table(arrow.slice(number * 15_000, 15_000), data / f"{name}.parquet", row_group_size=4000)
        yield cluster


def run(cluster, *words, module="ramet.cluster.job", **more):
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.Popen(command, env=cluster.environment, stderr=subprocess.PIPE, text=True, **more)


def ends(process):
    _, words = process.communicate(timeout=PATIENCE)
    return process.returncode, words


def line(cluster, out, rounds=ROUNDS):
    return [
        cluster.folder / "data",
        "--label",
        "delay",
        "--max-iter",
        rounds,
        "--early-stopping",
        "false",
        "--out",
        out,
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_pod_that_dies_costs_rounds_and_no_bit(cluster, tmp_path, number):
    alone, out, checkpoint = tmp_path / "alone.ramet", tmp_path / "m.ramet", tmp_path / "c.ramet"
    assert ends(run(cluster, "train", *line(cluster, alone), module="ramet"))[0] == 0
    command = ["--checkpoint", checkpoint, "--", *line(cluster, out), "--checkpoint-every", 5]
    first = run(cluster, *command)
    deadline = time.monotonic() + PATIENCE
    while not checkpoint.exists():
        assert first.poll() is None and time.monotonic() < deadline, first.stderr.read()
        time.sleep(0.01)
    first.send_signal(number)
    code, words = ends(first)
    assert code == (-number if number == signal.SIGKILL else TRY_AGAIN), words
    assert not out.exists()
    reached = _core.Model.load(str(checkpoint)).num_rounds
    assert 0 < reached < ROUNDS
    code, words = ends(run(cluster, *command))
    assert code == 0, words
    assert f"going on from {checkpoint}" in words
    assert f"round {reached}/" not in words
    assert out.read_bytes() == alone.read_bytes()
    assert not checkpoint.exists()


def test_one_that_dies_when_all_is_done_but_the_writing(cluster, tmp_path):
    alone, out, checkpoint = tmp_path / "alone.ramet", tmp_path / "m.ramet", tmp_path / "c.ramet"
    train = ["train", *line(cluster, alone, 10), "--checkpoint", checkpoint]
    assert ends(run(cluster, *train, module="ramet"))[0] == 0
    assert _core.Model.load(str(checkpoint)).num_rounds == 10
    code, words = ends(run(cluster, "--checkpoint", checkpoint, "--", *line(cluster, out, 10)))
    assert code == 0, words
    assert out.read_bytes() == alone.read_bytes()


def test_only_what_may_go_better_is_tried_again(cluster, tmp_path):
    out = tmp_path / "m.ramet"
    nowhere = {**cluster.environment, "DASK_SCHEDULER_ADDRESS": "tls://127.0.0.1:9",
               "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"}  # fmt: skip
    lost = subprocess.run([sys.executable, "-m", "ramet.cluster.job", "--", *map(str, line(cluster, out))], env=nowhere)
    assert lost.returncode == TRY_AGAIN
    assert ends(run(cluster, "--", "/nowhere/*.parquet", "--label", "y", "--out", out))[0] == 1
    assert ends(run(cluster, "--", cluster.folder / "data", "--label", "nix", "--out", out))[0] == 2
    assert ends(run(cluster, "--", *line(cluster, out), "--max-iter", "-1"))[0] == 2
    assert not out.exists()


def test_workers_list_and_look_at_files_that_the_client_does_not_have(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # `data` is in the workers' folder
    known = [b"data", b"data/*.parquet", b"data/b.parquet", (cluster.folder / "data").as_uri().encode()]
    for path in known:
        here = path if b"://" in path else os.fsencode(cluster.folder) + b"/" + path
        expected = [os.fsdecode(file) for file in _core.list_files([here], list_store_as_bytes)]
        prefix = "" if b"://" in path else f"{cluster.folder}/"
        assert [f"{prefix}{file}" for file in list_files(cluster.client, [path])] == expected
    for wrong in (b"data/x.parquet", b"data/*.csv"):
        with pytest.raises(OSError, match=r"no such file|no file matches"):
            list_files(cluster.client, [wrong])

    read = Options([], [], [], [], ",", "", 1, never)
    seen = survey_files(cluster.client, list_files(cluster.client, [b"data"]), read, 2, seen_by_workers_alone=True)
    names = [os.fsdecode(file) for file in _core.list_files([os.fsencode(cluster.folder / "data")])]
    here = survey_files(None, names, read, 2)
    assert seen.schema == here.schema
    assert [f"{cluster.folder}/{part.describe()}" for part in seen.parts] == [part.describe() for part in here.parts]
    (cluster.folder / "bad.parquet").write_text("no Parquet")
    with pytest.raises((OSError, ValueError), match=r"bad\.parquet"):
        survey_files(cluster.client, ["bad.parquet", "data/b.parquet"], read, 2, seen_by_workers_alone=True)
