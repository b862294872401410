"""What `ramet doctor --cluster` says of what it sees: every way to be wrong has a finding that says what to do."""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest
from ramet.cluster import findings as f
from ramet.cluster import probe
from ramet.cluster.check import as_text

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)
HERE = {"python": "3.12.4", "ramet": "0.1.0", "dask": "2026.8.0", "distributed": "2026.8.0"}
TOLD = {"bandwidth": 1.2e9, "latency": 1e-4, "clock_skew": 0.002, "dns": True}


def node(name="n1", ready=True, version="v1.34.4", labels=(), gpus=0, **spec):
    conditions = [{"type": "Ready", "status": str(ready)}]
    allocatable = {"cpu": "4", "memory": "16Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    status = {"conditions": conditions, "allocatable": allocatable, "nodeInfo": {"kubeletVersion": version}}
    return {"metadata": {"name": name, "labels": dict(labels)}, "spec": spec, "status": status}


def storage_class(name, provisioner, default=False):
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": provisioner}


def lease(name, ago):
    when = (NOW - datetime.timedelta(seconds=ago)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"metadata": {"name": name}, "spec": {"renewTime": when}}


def daemon(name):
    return {"metadata": {"name": name}}


SERVER = (1, 34)
GOOD = {
    "rights": f.of_rights([], "trees"),
    "nodes": f.of_nodes([node("a"), node("b")], SERVER),
    "no GPUs": f.of_gpus([node()], []),
    "GPUs": f.of_gpus([node(gpus=2)], [daemon("nvidia-device-plugin-daemonset")]),
    "GPUs, no right to see what offers them": f.of_gpus([node(gpus=2)], None),
    "a pod with a GPU": f.of_gpu_pod({"gpus": ["NVIDIA H100"]}, "a"),
    "storage": f.of_storage([storage_class("files", "nfs.csi.k8s.io", True)], False),
    "storage of one node": f.of_storage([storage_class("local", "rancher.io/local-path", True)], True),
    "heartbeats": f.of_heartbeats([lease("a", 3), lease("b", 12)], NOW),
    "network": f.of_network(TOLD, ["a", "b"]),
    "network of one node": f.of_network(TOLD, ["a", "a"]),
    "versions": f.of_versions(HERE, HERE, "image x"),
    "versions, another bug-fix Python": f.of_versions(HERE, {**HERE, "python": "3.12.9"}, "image x"),
}
BAD = {  # finding, its state, and words of what is wrong and of what to do
    "rights": (f.of_rights(["create jobs"], "trees"), f.PROBLEM, "create jobs", "administrator"),
    "no nodes": (f.of_nodes([], SERVER), f.PROBLEM, "no nodes", "Add"),
    "all nodes down": (f.of_nodes([node("a", ready=False)], SERVER), f.PROBLEM, "a (not ready)", "describe"),
    "a cordoned node": (f.of_nodes([node("a"), node("b", unschedulable=True)], SERVER), f.WARNING, "b (cordoned)",
                        "uncordon"),
    "a tainted node": (f.of_nodes([node("a"), node("b", taints=[{"key": "x", "effect": "NoSchedule"}])], SERVER),
                       f.WARNING, "b (tainted)", "describe"),
    "an old kubelet": (f.of_nodes([node("a", version="v1.29.1")], SERVER), f.WARNING, "a (1.29)", "Upgrade"),
    "hardware without a plugin": (f.of_gpus([node(labels={"nvidia.com/gpu.present": "true"})], []), f.PROBLEM,
                                  "NVIDIA hardware (n1)", "GPU operator"),
    "a plugin without GPUs": (f.of_gpus([node()], [daemon("nvidia-device-plugin-daemonset")]), f.PROBLEM,
                              "nvidia-device-plugin-daemonset", "driver"),
    "a GPU that is not seen": (f.of_gpu_pod({"error": "nvidia-smi does not run"}, "a"), f.PROBLEM, "nvidia-smi",
                               "container toolkit"),
    "no storage class": (f.of_storage([], False), f.PROBLEM, "no storage class", "--nfs"),
    "no class to share": (f.of_storage([storage_class("disk", "ebs.csi.aws.com", True)], False), f.WARNING,
                          "disk (of one node)", "--nfs"),
    "no default class": (f.of_storage([storage_class("files", "nfs.csi.k8s.io")], False), f.WARNING, "default",
                         "--storage-class"),
    "a silent node": (f.of_heartbeats([lease("a", 3), lease("b", 300)], NOW), f.WARNING, "b (300 s)", "NTP"),
    "a clock ahead": (f.of_heartbeats([lease("a", -30)], NOW), f.WARNING, "a (30 s)", "NTP"),
    "pods apart": (f.of_network({"error": "timed out"}, ["a", "b"]), f.PROBLEM, "timed out", "NetworkPolicy"),
    "a slow network": (f.of_network({**TOLD, "bandwidth": 1e7}, ["a", "b"]), f.WARNING, "little bandwidth", "fewer"),
    "a far network": (f.of_network({**TOLD, "latency": 0.05}, ["a", "b"]), f.WARNING, "a long way", "nearer"),
    "clocks apart": (f.of_network({**TOLD, "clock_skew": -40.0}, ["a", "b"]), f.WARNING, "40.0 s", "NTP"),
    "no names": (f.of_network({**TOLD, "dns": "not known"}, ["a", "b"]), f.PROBLEM, "not known", "CoreDNS"),
    "another Ramet": (f.of_versions(HERE, {**HERE, "ramet": "0.2.0"}, "image x"), f.PROBLEM, "ramet 0.2.0 (here 0.1.0)",
                      "ramet==0.2.0"),
    "another Dask": (f.of_versions(HERE, {**HERE, "dask": "2026.3.0"}, "image x"), f.WARNING, "dask 2026.3.0",
                     "dask==2026.3.0"),
    "another Python": (f.of_versions(HERE, {**HERE, "python": "3.11.2"}, "image x"), f.WARNING, "python 3.11.2",
                       "use 3.11 here"),
}  # fmt: skip
HIDDEN = {
    "nodes": f.of_nodes(None, SERVER)[0],
    "gpus": f.of_gpus(None, None),
    "storage": f.of_storage(None, False),
    "heartbeats": f.of_heartbeats(None, NOW),
}


def as_list(found):
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("case", GOOD)
def test_what_is_right_needs_nothing_done(case):
    for finding in as_list(GOOD[case]):
        assert (finding.state, finding.remedy) == (f.OK, "")


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_says_what_to_do(case):
    found, state, what, remedy = BAD[case]
    [wrong] = [finding for finding in as_list(found) if finding.state != f.OK]
    assert wrong.state == state
    assert what in wrong.what
    assert remedy in wrong.remedy
    assert wrong.what.endswith(".") and wrong.remedy.endswith((".", "now"))


@pytest.mark.parametrize("case", HIDDEN)
def test_what_may_not_be_seen_is_not_wrong(case):
    assert HIDDEN[case].state == f.UNKNOWN


def test_nothing_is_lost_in_print():
    found = [finding for case in GOOD.values() for finding in as_list(case)]
    found += [finding for case, *_ in BAD.values() for finding in as_list(case)]
    told = " ".join(as_text(found).split())
    for finding in found:
        assert " ".join(finding.what.split()) in told
        assert " ".join(finding.remedy.split()) in told
    assert max(map(len, as_text(found).splitlines())) <= 110


def test_one_pod_measures_the_way_to_another():
    """The script as the pods get it, as text."""
    script = Path(probe.__file__).read_text()

    def start(*arguments):
        command = [sys.executable, "-c", script, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    free = "28799"
    server = start("serve", free)
    try:
        assert "python" in json.loads(server.stdout.readline())["versions"]
        told = json.loads(start("measure", "127.0.0.1", free).communicate(timeout=60)[0])
    finally:
        server.kill()
        server.wait()
    assert 0 < told["latency"] < 0.1
    assert told["bandwidth"] > 1e6
    assert abs(told["clock_skew"]) < 0.1  # it is the same clock
    assert told["versions"]["distributed"]
