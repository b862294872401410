"""The walk on a real Kubernetes: from a bare cluster to a trained model, and whatever may happen on the way.

    make e2e                                           # two nodes on this machine; they leave nothing behind
    make e2e KUBECONFIG=~/.kube/config RAMET_IMAGE=registry/ramet:0.1.0        # a cluster that is there

The law of every test that trains: the digest is that of a training on this machine, without a cluster. Node loss is
dealt with in some 20 seconds here, because this cluster's limits are short (kubernetes/control.py); on others it
takes as long as theirs say. The tests are steps: each finds what the one before it left.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from world import CHART, DEMO, LONG, LONG_ROUNDS, PATIENCE, PROGRESS, Training, World, until

MINUTES_TO_READY = 2.0  # what the issue asks for, once the image is there
FILES = ["/data/flights/train.parquet", "--valid", "/data/flights/valid.parquet"]


@pytest.fixture(scope="module")
def alone(world: World, flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], str]:
    """The digest of a training on this machine."""
    known: dict[tuple[str, ...], str] = {}

    def digest(settings: list[str]) -> str:
        if tuple(settings) not in known:
            files = [flights / "train.parquet", "--valid", flights / "valid.parquet"]
            out = tmp_path_factory.mktemp("alone") / "late.ramet"
            known[tuple(settings)] = Training(world, *files, *settings, "--out", out).report()["digest"]
        return known[tuple(settings)]

    return digest


def train(world: World, settings: list[str], out: Path, name: str = "ramet") -> Training:
    return Training(world, *FILES, *settings, "--out", out, "--cluster", name, "-n", world.namespace)


def test_from_bare_to_ready_in_two_minutes(world: World, first_node: str, flights: Path) -> None:
    took = world.up(first_node, "--workers", "2")
    print(f"\nfrom a bare cluster to Ready: {took:.1f} s")
    assert took < 60 * MINUTES_TO_READY
    assert len(world.ready("worker")) == 2
    for file in ("train.parquet", "valid.parquet"):
        world.copy_in(flights / file, f"/data/flights/{file}")


def test_up_again_changes_nothing(world: World, first_node: str) -> None:
    before = [(pod["metadata"]["uid"]) for pod in world.pods("worker") + world.pods("scheduler")]
    revisions = len(json.loads(world.helm("history", "ramet", "--output=json")))
    world.up(first_node, "--workers", "2")
    assert [(pod["metadata"]["uid"]) for pod in world.pods("worker") + world.pods("scheduler")] == before
    assert len(json.loads(world.helm("history", "ramet", "--output=json"))) == revisions


def test_the_flights_model_has_the_laptops_digest(world: World, alone: Callable, tmp_path: Path) -> None:
    began = time.monotonic()
    report = train(world, DEMO, tmp_path / "late.ramet").report()
    print(f"\nflights on two pods: {time.monotonic() - began:.1f} s, {report['digest']}")
    assert report["digest"] == alone(DEMO)


def test_a_job_trains_the_same_without_the_laptop(world: World, alone: Callable, tmp_path: Path) -> None:
    out = tmp_path / "late.ramet"
    place = ["-n", world.namespace]
    job = world.ramet("submit", "train", *FILES, *DEMO, "--out", out, *place).strip()
    until("the job done", lambda: world.list("jobs")[0]["status"].get("succeeded"), 2 * PATIENCE)
    world.ramet("submit", "fetch", job, *place)
    assert json.loads(world.ramet("digest", out, "--json"))[0]["digest"] == alone(DEMO)
    world.ramet("submit", "delete", job, *place)


# --- what may happen to a fit


def scale_up(world: World) -> None:
    world.ramet("cluster", "scale", "4", "-n", world.namespace)


def delete_by_force(world: World) -> None:
    world.kubectl("delete", "pod", world.ready("worker")[-1], "--force", "--grace-period=0")


def evict(world: World) -> None:
    pod = world.ready("worker")[-1]
    world.evict(pod)
    until("the pod on its way out", lambda: pod not in world.ready("worker"))


def put_a_worker_elsewhere(world: World) -> str:
    """A node that has a worker, and not the scheduler."""
    home = world.node_of("scheduler")

    def others() -> list[str]:
        return [pod["spec"]["nodeName"] for pod in world.pods("worker") if pod["spec"].get("nodeName", home) != home]

    count = len(world.pods("worker"))
    if not others():
        world.kubectl("delete", "pod", world.ready("worker")[-1])  # its successor is spread over the nodes
    until("a worker on another node", others)
    world.wait_for_workers(count)
    return others()[0]


def drain(world: World) -> None:
    node = put_a_worker_elsewhere(world)
    with world.drained(node):
        assert node not in {pod["spec"]["nodeName"] for pod in world.pods("worker")}


def pull_the_cable(world: World) -> None:
    if not world.nodes_are_ours:
        pytest.skip("the nodes are not ours")
    assert put_a_worker_elsewhere(world) == "node2"
    with world.cable_pulled():
        world.kubectl("wait", "node/node2", "--for=condition=Ready=Unknown", "--timeout=60s")
        time.sleep(10)  # and for some time


def upgrade(world: World) -> None:
    """One that replaces every worker, one after the other."""
    change = json.dumps([{"name": "UPGRADED", "value": str(time.time())}])
    count = f"worker.replicas={len(world.pods('worker'))}"
    world.helm("upgrade", "ramet", CHART, "--reuse-values", "--set", count, "--set-json", f"worker.extraEnv={change}")
    world.kubectl("rollout", "status", "statefulset/ramet-worker", "--timeout=300s")


def staying(world: World) -> set[str]:
    """The workers' pods that are there and not about to go."""
    return {pod["metadata"]["uid"] for pod in world.pods("worker") if "deletionTimestamp" not in pod["metadata"]}


HAPPENINGS = [scale_up, delete_by_force, evict, pull_the_cable, drain, upgrade]


@pytest.mark.parametrize("happens", HAPPENINGS, ids=lambda happens: happens.__name__)
def test_whatever_happens_the_digest_is_the_same(
    happens: Callable[[World], None], world: World, alone: Callable, tmp_path: Path
) -> None:
    before = staying(world)
    training = train(world, LONG, tmp_path / "late.ramet")
    try:
        training.wait_for_round(10)
        began = time.monotonic()
        happens(world)
        took, at = time.monotonic() - began, training.round
        after = staying(world)
        report = training.report()
    finally:
        training.stop()
    events = [line for line in training.said if not PROGRESS.search(line)]
    print(f"\n{happens.__name__}: {took:.0f} s, until round {at}", *events[-12:], sep="\n  ")
    assert at < LONG_ROUNDS, "it was over before anything had happened to it: make LONG_ROUNDS more"
    assert report["digest"] == alone(LONG)
    assert before != after, "nothing happened to the workers"
    world.wait_for_workers(4 if happens is scale_up else len(before))


# --- the release


def test_helm_test_is_green(world: World) -> None:
    code, out, error = world.attempt("helm", "--namespace", world.namespace, "test", "ramet", "--timeout=5m")
    assert code == 0, error
    assert "Succeeded" in out
    assert "this pod alone" in out + error  # the words of its pod


def test_two_releases_in_one_namespace(world: World, first_node: str) -> None:
    mine = {pod["metadata"]["uid"] for pod in world.pods("worker")}
    world.up(first_node, "--name", "second", "--workers", "1", "--no-storage")
    world.helm("test", "second", "--timeout=5m")
    assert {pod["metadata"]["uid"] for pod in world.pods("worker")} == mine
    world.ramet("cluster", "down", "--name", "second", "-n", world.namespace, "--yes")
    assert not world.list("all,secrets,pvc", "app.kubernetes.io/instance=second")
    assert {pod["metadata"]["uid"] for pod in world.pods("worker")} == mine


def test_rollback(world: World) -> None:
    """To the revision before the upgrade: the workers are as they were, and train."""
    history = json.loads(world.helm("history", "ramet", "--output=json"))
    world.helm("rollback", "ramet", str(history[-2]["revision"]), "--wait", "--timeout=5m")
    containers = [pod["spec"]["containers"][0] for pod in world.pods("worker")]
    assert not [entry for container in containers for entry in container["env"] if entry["name"] == "UPGRADED"]
    world.helm("test", "ramet", "--timeout=5m")


def test_data_survive_down_and_up(world: World, first_node: str, flights: Path) -> None:
    world.ramet("cluster", "down", "--keep-data", "-n", world.namespace)
    until("no pod left", lambda: not world.list("pods"))
    claims = {claim["metadata"]["name"] for claim in world.list("pvc")}
    assert claims >= {"ramet-data", "ramet-models", "ramet-checkpoints"}
    print(f"\nup again: {world.up(first_node, '--workers', '2'):.1f} s")
    said = world.kubectl("exec", world.ready("worker")[0], "--", "sha256sum", "/data/flights/train.parquet")
    assert said.split()[0] == hashlib.sha256((flights / "train.parquet").read_bytes()).hexdigest()


def test_down_leaves_nothing(world: World) -> None:
    world.ramet("cluster", "down", "--yes", "-n", world.namespace)
    kinds = "all,secrets,pvc,configmaps,networkpolicies,pdb,roles,rolebindings,serviceaccounts"
    until("nothing left", lambda: not [item for item in world.list(kinds) if not is_kubernetes_own(item)])
    until("no volume left", lambda: not [held for held in world.list("pv") if claim_of(held) == world.namespace])


def is_kubernetes_own(item: dict) -> bool:
    return (item["kind"], item["metadata"]["name"]) in {
        ("ConfigMap", "kube-root-ca.crt"),
        ("ServiceAccount", "default"),
    }


def claim_of(volume: dict) -> str:
    return volume["spec"].get("claimRef", {}).get("namespace", "")
