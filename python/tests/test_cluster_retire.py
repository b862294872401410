"""The preStop hook of a worker: what it holds is elsewhere before it ends, and a fit goes on as if nothing was."""

import os
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("distributed")

from distributed import wait
from generated_rows import GeneratedRows, alone, parameters, same_rate, slow_rate
from ramet.dask.run import FitJob, FitOptions, fit
from tls_cluster import PATIENCE, TlsCluster

NAMES = ("ramet-worker-0", "ramet-worker-1", "ramet-worker-10")
JOB = FitJob(parameters(max_iter=100), learning_rate=slow_rate)
FOUR = GeneratedRows((250,) * 4)


@pytest.fixture
def cluster(tmp_path):
    with TlsCluster(tmp_path, NAMES) as cluster:
        yield cluster


def retire(cluster, name, *arguments, **environment):
    """Runs the hook; its words."""
    env = {**cluster.environment, "POD_NAME": name, **environment}
    command = [sys.executable, "-m", "ramet.cluster.retire", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


def test_a_worker_that_ends_during_a_fit_costs_nothing(cluster):
    """It hands over what only it holds, its member leaves after a round, and its nanny starts no other."""
    [address] = [a for a, w in cluster.client.scheduler_info(n_workers=-1)["workers"].items() if w["name"] == NAMES[1]]
    held = cluster.client.submit(os.urandom, 1000, workers=[address], allow_other_workers=True, pure=False)
    wait(held)
    before = held.result()
    said = []

    def end():
        said.append(retire(cluster, NAMES[1]))
        said.append(cluster.names()[NAMES[1]])
        said.append(cluster.stop(NAMES[1]))

    def on_round(report):
        if report.round == 10:
            ending.start()

    ending = threading.Thread(target=end)
    outcome = fit(cluster.client, FOUR, {}, JOB, FitOptions(worker_timeout=60.0, on_round=on_round))
    ending.join(PATIENCE)
    assert outcome.result.model.digest == alone(JOB.parameters, learning_rate=same_rate).model.digest
    [interruption] = outcome.report.interruptions
    assert "is being retired" in interruption.why
    words, status, code = said
    assert "handed over" in words
    assert status == "closing_gracefully"  # it is the signal that ends it
    assert code == 0
    assert held.result() == before  # random bytes: they were copied, not made again
    time.sleep(3)
    assert cluster.names() == {NAMES[0]: "running", NAMES[2]: "running"}


def test_workers_of_one_pod_are_retired_together(cluster):
    for name in ("pod-1-0", "pod-1-1"):
        cluster.start_worker(name)
    cluster.client.wait_for_workers(len(NAMES) + 2, timeout=PATIENCE)
    assert "handed over" in retire(cluster, "pod-1")
    retired = dict.fromkeys(("pod-1-0", "pod-1-1"), "closing_gracefully")
    assert cluster.names() == dict.fromkeys(NAMES, "running") | retired


def test_it_ends_whatever_happens(cluster):
    begin = time.monotonic()
    assert "does not know it" in retire(cluster, "nobody")
    assert "not known" in retire(cluster, NAMES[0], DASK_SCHEDULER_ADDRESS="")
    assert "nothing was handed over" in retire(cluster, NAMES[0], DASK_SCHEDULER_ADDRESS="tls://127.0.0.1:9")
    assert "within 0.01 seconds" in retire(cluster, NAMES[0], "--limit", "0.01")
    # The last ones: nobody is there to take over, which must not take long.
    held = [cluster.client.submit(os.urandom, 10, workers=[name], pure=False) for name in NAMES]
    wait(held)
    assert cluster.stop(NAMES[1]) == cluster.stop(NAMES[2]) == 0
    assert "no other worker" in retire(cluster, NAMES[0])
    assert time.monotonic() - begin < 60
