"""`ramet train --cluster`, `ramet submit` and `ramet doctor --cluster`, as a person uses them, on a real Kubernetes.

Everything happens in a namespace of its own, which is gone afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ramet.cluster.api import Kubernetes
from ramet.cluster.follow import pods_called
from ramet.cluster.remote import files_of

NAMESPACE = "ramet-e2e-jobs"  # as conftest.py calls it
FLAGS = ["--label", "late", "--max-iter", "400", "--early-stopping", "false"]  # long enough to be disturbed
PATIENCE = 240  # seconds


def ramet(*words, code=0, **more):
    """The command; its standard output and error."""
    command = [sys.executable, "-m", "ramet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **more)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def kubectl(*words):
    return subprocess.run(["kubectl", "-n", NAMESPACE, *words], check=True, capture_output=True, text=True).stdout


def wait_until(holds, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    """Files on this machine, and the model that it trains on them."""
    folder = tmp_path_factory.mktemp("jobs") / "flights"
    folder.mkdir()
    rng = np.random.default_rng(11)
    rows = 400_000
    hour, distance = rng.integers(0, 24, rows), rng.gamma(2, 400, rows)
    table = pa.table(
        {
            "hour": hour,
            "distance": distance,
            "carrier": rng.choice(list("ABCDEFG"), rows),
            "noise": rng.normal(size=rows),
            "late": (hour + rng.normal(0, 6, rows) > 15).astype("int8"),
        }
    )
    for number, name in enumerate(("b", "a", "B", "10")):
        pq.write_table(table.slice(number * rows // 4, rows // 4), folder / f"{name}.parquet", row_group_size=20_000)
    ramet("train", folder, *FLAGS, "-o", folder.parent / "alone.ramet")
    return folder


@pytest.fixture(scope="module", autouse=True)
def environment(world):
    assert world.namespace == NAMESPACE
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PATH", "NO_COLOR"):
            patch.setenv(name, world.environment[name])
        yield


@pytest.fixture(scope="module")
def kubernetes(environment):
    with Kubernetes(namespace=NAMESPACE) as kubernetes:
        yield kubernetes


@pytest.fixture(scope="module")
def cluster(kubernetes, flights, world):
    """A release with the files on its /data."""
    try:
        ramet("cluster", "up", "-n", NAMESPACE, "--workers", 2, "--memory", "1Gi", "--image", world.image, "--set",
              "worker.resources.requests.cpu=200m")  # fmt: skip
        with files_of(kubernetes, "ramet") as files:
            for file in flights.glob("*.parquet"):
                files.write(f"/data/{file.name}", file.read_bytes())
        yield kubernetes
    finally:
        ramet("cluster", "down", "--yes", "-n", NAMESPACE)


def on_the_cluster(folder):
    """The files of a folder, as a worker sees it."""
    return kubectl("exec", "ramet-worker-0", "-c", "worker", "--", "ls", folder).split()


# ── train --cluster ──


def test_training_on_it_by_name_gives_the_same_file(cluster, flights, tmp_path):
    for given in ("/data/*.parquet", "/data"):
        _, said = ramet("train", given, *FLAGS, "-o", tmp_path / "m.ramet", "--cluster", "ramet", "-n", NAMESPACE)
        assert "4 files" in said
        assert (tmp_path / "m.ramet").read_bytes() == (flights.parent / "alone.ramet").read_bytes()


def test_files_of_this_machine_are_told_apart(cluster, flights, tmp_path):
    on = ["--label", "late", "-o", tmp_path / "m.ramet", "--cluster", "ramet", "-n", NAMESPACE]
    _, said = ramet("train", flights / "*.parquet", *on, code=1)
    assert "*.parquet: " in said and "This machine has" in said and "without --cluster" in said
    _, said = ramet("train", "/data/nix.parquet", *on, code=1)
    assert "there is no such file" in said and "This machine has" not in said
    _, said = ramet("train", "a.parquet", *on, code=2, cwd=flights)
    assert "relative path" in said and "/data/flights" in said
    assert not (tmp_path / "m.ramet").exists()


# ── submit ──


def submit(flights, out, *more, code=0):
    line = ["submit", "train", "/data/*.parquet", *FLAGS, "-o", out, "--cluster", "ramet", "-n", NAMESPACE]
    told, said = ramet(*line, *more, code=code)
    return told.splitlines()[0] if told else "", told + said


def test_a_job_gives_the_same_file(cluster, flights, tmp_path):
    name, said = submit(flights, tmp_path / "m.ramet", "--follow")
    alone = (flights.parent / "alone.ramet").read_bytes()
    assert "round 400/400" in said
    assert (tmp_path / "m.ramet").read_bytes() == alone
    [listed] = json.loads(ramet("submit", "list", "--json", "-n", NAMESPACE)[0])
    assert (listed["job"], listed["state"], listed["model"]) == (name, "done", str(tmp_path / "m.ramet"))
    assert "round 400/400" in ramet("submit", "logs", name, "-n", NAMESPACE)[0]
    ramet("submit", "fetch", name, "-n", NAMESPACE, "-o", tmp_path / "again.ramet")
    assert (tmp_path / "again.ramet").read_bytes() == alone
    assert on_the_cluster("/checkpoints") == []
    ramet("submit", "delete", name, "-n", NAMESPACE)
    assert on_the_cluster("/models") == []
    assert "no jobs" in ramet("submit", "list", "-n", NAMESPACE)[1]
    assert f'no job "{name}"' in ramet("submit", "fetch", name, "-n", NAMESPACE, code=1)[1]


@pytest.mark.parametrize("how", ["force", "delete"])
def test_a_job_goes_on_when_its_pod_dies(cluster, flights, tmp_path, how):
    out = tmp_path / "m.ramet"
    name, _ = submit(flights, out)
    wait_until(lambda: f"{name}.ramet" in on_the_cluster("/checkpoints"), "there is no checkpoint")
    [pod] = pods_called(cluster, name)
    kubectl("delete", "pod", pod["metadata"]["name"], *(["--force", "--grace-period=0"] if how == "force" else []))
    told, _ = ramet("submit", "logs", name, "--follow", "-n", NAMESPACE)
    assert "going on from /checkpoints" in told
    assert "round 1/400" not in told.split("going on from")[1]
    ramet("submit", "fetch", name, "-n", NAMESPACE)
    assert out.read_bytes() == (flights.parent / "alone.ramet").read_bytes()
    ramet("submit", "delete", name, "-n", NAMESPACE)


def test_a_job_that_goes_on_from_a_model_of_here(cluster, flights, tmp_path):
    half = ["train", flights, "--label", "late", "--max-iter", 12]
    ramet(*half, "-o", tmp_path / "half.ramet", "--checkpoint", tmp_path / "c.ramet")
    for flag, file in (("--init-model", "half.ramet"), ("--resume", "c.ramet")):
        line = ["/data", "--label", "late", "--max-iter", 20, flag, tmp_path / file]
        ramet("train", flights, *line[1:], "-o", tmp_path / "alone.ramet")
        where = ["-o", tmp_path / "m.ramet", "--cluster", "ramet", "-n", NAMESPACE, "--follow"]
        ramet("submit", "train", *line, *where)
        assert (tmp_path / "m.ramet").read_bytes() == (tmp_path / "alone.ramet").read_bytes()


def test_what_is_wrong_is_refused_or_fails_at_once(cluster, flights, tmp_path):
    before = kubectl("get", "jobs", "-o", "name")
    out = tmp_path / "m.ramet"
    assert "not a whole number" in submit(flights, out, "--max-iter", "many", code=2)[1]
    assert "its own checkpoint" in submit(flights, out, "--checkpoint", "c.ramet", code=2)[1]
    line = ["submit", "train", "a.parquet", "--label", "late", "-o", out, "-n", NAMESPACE]
    assert "relative path" in ramet(*line, code=2)[1]
    assert 'no cluster "nix"' in ramet(*line[:2], "/data", *line[3:], "--cluster", "nix", code=1)[1]
    assert kubectl("get", "jobs", "-o", "name") == before

    begin = time.monotonic()
    told, said = ramet(*line[:2], "/data/nix.csv", *line[3:], "--follow", code=1)
    assert "/data/nix.csv: there is no such file" in told and "failed" in said
    assert time.monotonic() - begin < 60
    name = told.splitlines()[0]
    assert len(pods_called(cluster, name)) == 1  # it was not tried again
    assert "is failed" in ramet("submit", "fetch", name, "-n", NAMESPACE, code=1)[1]
    ramet("submit", "delete", name, "-n", NAMESPACE)


def test_ctrl_c_ends_the_watching_alone(cluster, flights, tmp_path):
    line = ["submit", "train", "/data", *FLAGS, "-o", tmp_path / "m.ramet", "-n", NAMESPACE, "--follow"]
    command = [sys.executable, "-m", "ramet", *map(str, line)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        name = process.stdout.readline().strip()
        process.stdout.readline()  # it says something
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert time.monotonic() - begin < 10
    ramet("submit", "logs", name, "--follow", "-n", NAMESPACE)
    ramet("submit", "fetch", name, "-n", NAMESPACE)
    assert (tmp_path / "m.ramet").read_bytes() == (flights.parent / "alone.ramet").read_bytes()
    ramet("submit", "delete", name, "-n", NAMESPACE)


# ── Handing over ──


def test_a_worker_that_is_scaled_away_hands_over(cluster, flights, tmp_path):
    kubectl("scale", "statefulset", "ramet-worker", "--replicas=3")
    ready = ["get", "statefulset", "ramet-worker", "-o", "jsonpath={.status.readyReplicas}"]
    wait_until(lambda: kubectl(*ready) == "3", "the third worker does not come")
    said = []

    def listen():
        logs = ["kubectl", "-n", NAMESPACE, "logs", "-f", "ramet-worker-2", "--tail=5"]
        said.append(subprocess.run(logs, capture_output=True, text=True, timeout=PATIENCE).stdout)

    listener = threading.Thread(target=listen)
    listener.start()
    line = ["train", "/data", *FLAGS, "-o", tmp_path / "m.ramet", "--cluster", "ramet", "-n", NAMESPACE]
    command = [sys.executable, "-m", "ramet", *map(str, line)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as training:
        for told in training.stderr:
            if told.startswith("round "):
                kubectl("scale", "statefulset", "ramet-worker", "--replicas=2")
                break
        rest = training.stderr.read()
    assert training.returncode == 0, rest
    assert (tmp_path / "m.ramet").read_bytes() == (flights.parent / "alone.ramet").read_bytes()
    listener.join(PATIENCE)
    assert "worker ramet-worker-2: handed over" in said[0]


# ── doctor ──


def doctor(*words, code=0):
    told, _ = ramet("doctor", "--cluster", "-n", NAMESPACE, "--json", *words, code=code)
    report = json.loads(told)
    assert report["ok"] is (code == 0)
    return {finding["check"]: finding for finding in report["findings"]}


def test_the_doctor_measures_and_leaves_nothing(cluster):
    found = doctor()
    assert {
        "api",
        "permissions",
        "nodes",
        "gpus",
        "storage",
        "heartbeats",
        "cluster",
        "versions",
        "network",
        "clocks",
    } <= found.keys()
    facts = found["network"]["facts"]
    nodes = {node["metadata"]["name"] for node in cluster.list("nodes")}
    assert set(facts["nodes"]) <= nodes and len(set(facts["nodes"])) == min(2, len(nodes))
    assert 0 < facts["latency"] < 1 and facts["bandwidth"] > 1e6
    assert found["cluster"]["facts"] == {"running": True, "workers": 2}
    assert kubectl("get", "jobs,pods", "-l", "app.kubernetes.io/component=check", "-o", "name") == ""


def test_the_doctor_finds_gpus_that_are_promised_and_not_there(cluster):
    name = cluster.list("nodes")[0]["metadata"]["name"]
    promise = ["patch", "node", name, "--subresource=status", "--type=json", "-p"]
    kubectl(*promise, '[{"op":"add","path":"/status/capacity/nvidia.com~1gpu","value":"1"}]')
    try:
        wait_until(
            lambda: "nvidia.com/gpu" in cluster.get("nodes", name)["status"]["allocatable"], "nobody offers the GPU"
        )
        found = doctor(code=1)
    finally:
        kubectl(*promise, '[{"op":"remove","path":"/status/capacity/nvidia.com~1gpu"}]')
    assert found["gpus"]["facts"]["nodes"] == {name: 1}
    assert found["gpu pod"]["state"] == "problem"
    assert "nvidia-smi" in found["gpu pod"]["what"] and found["gpu pod"]["remedy"]


def test_the_doctor_says_what_is_wrong_with_an_image(cluster):
    told, _ = ramet("doctor", "--cluster", "-n", NAMESPACE, "--image", "localhost/nix:1", "--json", code=1)
    [pods] = [finding for finding in json.loads(told)["findings"] if finding["check"] == "pods"]
    assert pods["state"] == "problem" and "localhost/nix:1" in pods["what"] and pods["remedy"]
    assert kubectl("get", "jobs", "-l", "app.kubernetes.io/component=check", "-o", "name") == ""


def test_ctrl_c_leaves_nothing_of_the_doctor(cluster):
    command = [sys.executable, "-m", "ramet", "doctor", "--cluster", "-n", NAMESPACE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(
            lambda: "job" in kubectl("get", "jobs", "-l", "app.kubernetes.io/component=check", "-o", "name"), "no job"
        )
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert time.monotonic() - begin < 10
    assert kubectl("get", "jobs", "-l", "app.kubernetes.io/component=check", "-o", "name") == ""
    gone = ["get", "pods", "-l", "app.kubernetes.io/component=check", "-o", "name"]
    wait_until(lambda: kubectl(*gone) == "", "its pods stay")


def test_the_doctor_without_a_cluster(tmp_path):
    env = {**os.environ, "KUBECONFIG": str(tmp_path / "nix")}
    told, _ = ramet("doctor", "--cluster", "--json", code=1, env=env)
    [api] = json.loads(told)["findings"]
    assert (api["check"], api["state"]) == ("api", "problem") and "KUBECONFIG" in api["remedy"]


def test_the_doctor_of_a_user_who_may_do_little(cluster, tmp_path):
    """What may not be seen is unknown; what may not be done is a problem, before anything is tried."""
    kubectl("create", "serviceaccount", "guest")
    kubectl("create", "rolebinding", "guest", "--clusterrole=view", f"--serviceaccount={NAMESPACE}:guest")
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": kubectl("create", "token", "guest").strip()}
    path = tmp_path / "guest.conf"
    path.write_text(json.dumps(config))
    told, _ = ramet(
        "doctor", "--cluster", "-n", NAMESPACE, "--json", code=1, env={**os.environ, "KUBECONFIG": str(path)}
    )
    found = {finding["check"]: finding for finding in json.loads(told)["findings"]}
    assert found["api"]["state"] == "ok"
    assert found["permissions"]["state"] == "problem" and "create jobs" in found["permissions"]["facts"]["missing"]
    assert {found[check]["state"] for check in ("nodes", "gpus", "storage", "heartbeats")} == {"unknown"}
    assert all(finding["remedy"] for finding in found.values() if finding["state"] == "problem")
    assert on_the_cluster("/data")  # nothing was touched
