"""A worker that dies in the middle of a fit takes partitions along; they are made again, whatever they come from."""

import itertools
import os
import signal
import time

import dask
import dask.dataframe as dd
import distributed
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dask_clusters import PATIENCE, all_done, cut_frame, delays, flights
from ramet._command.files import Options
from ramet.callbacks import LearningRateSchedule
from ramet.dask.files import FileRows, never, survey_files
from ramet.dask.run import FitJob, FitOptions, fit

from ramet import HistGradientBoostingRegressor

RNG = np.random.default_rng(2)
ROWS = 1000
X = flights(ROWS, RNG)
Y = delays(X, RNG)
CUTS = [0, 100, 350, 350, 600, 800, ROWS]
SETTINGS = {"max_iter": 40, "early_stopping": False}
LOCAL = HistGradientBoostingRegressor(**SETTINGS).fit(X, Y).digest_


@pytest.fixture(scope="module")
def cluster():
    """Three worker processes. Dead ones are replaced."""
    settings = {"n_workers": 3, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(**settings) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(3, timeout=PATIENCE)
        yield client


class Killer:
    """Kills a worker that has rows, once some rounds are done."""

    def __init__(self, client):
        self.client = client
        self.killed = None

    def __call__(self, report):
        time.sleep(0.01)
        if report.round == 3:
            pids = self.client.run(os.getpid)
            held = self.client.has_what()
            self.killed = max(pids, key=lambda worker: sum("ramet_part" in str(key) for key in held.get(worker, ())))
            os.kill(pids[self.killed], signal.SIGKILL)


def slow(number):
    """A rate of 0.1, and time for somebody to die."""
    time.sleep(0.05)
    return 0.1


def from_frames(client, folder):
    return cut_frame(X, CUTS), cut_frame(Y, CUTS)


def from_persisted(client, folder):
    return client.persist(cut_frame(X, CUTS)), client.persist(cut_frame(Y, CUTS))


def from_parquet(client, folder):
    for number, (a, b) in enumerate(itertools.pairwise(CUTS)):
        X.assign(delay=Y)[a:b].to_parquet(folder / f"{number}.parquet")
    return dd.read_parquet(folder), "delay"


def from_futures(client, folder):
    table = X.assign(delay=Y)
    return [
        client.submit(table.iloc.__getitem__, slice(a, b), pure=False) for a, b in itertools.pairwise(CUTS)
    ], "delay"


@pytest.mark.parametrize("source", [from_frames, from_persisted, from_parquet, from_futures])
def test_partitions_of_collections(client, tmp_path, source):
    killer = Killer(client)
    model = HistGradientBoostingRegressor(**SETTINGS, callbacks=[LearningRateSchedule(slow), killer])
    with dask.config.set({"ramet.silent_after": 2, "ramet.connect_timeout": 3}):
        all_done(lambda: model.fit(*source(client, tmp_path), client=client))
    assert killer.killed is not None
    assert killer.killed in [worker for event in model.fit_report_.interruptions for worker in event.workers]
    assert model.digest_ == LOCAL


def test_parts_of_files(client, tmp_path):
    table = pa.Table.from_pandas(X.assign(delay=Y), preserve_index=False)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=130)
    read = Options([], [], [], [], ",", "", 1, never)
    columns = {"label": "delay", "weight": "", "features": list(X), "categorical": [], "numeric": []}
    files = survey_files(client, [str(tmp_path / "a.parquet")], read, 3)
    rows = FileRows(files, {**columns, "classification": False})
    killer = Killer(client)
    model = HistGradientBoostingRegressor(**SETTINGS).fit(X, Y)
    job = FitJob(dict(model.model_.parameters), learning_rate=slow)
    options = FitOptions(silent_after=2, connect_timeout=3, on_round=killer)
    [outcome] = all_done(lambda: fit(client, rows, {}, job, options))
    assert outcome.report.interruptions
    assert outcome.result.model.digest == LOCAL
