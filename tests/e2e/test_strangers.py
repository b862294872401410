"""Who has no certificate of the cluster cannot join it, submit to it, or read from it; and who is no client of it does
not even reach it, where the network enforces policies."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from world import ROOT, World, until

sys.path.insert(0, str(ROOT / "tests/e2e/kubernetes"))
from pki import Authority

SCRIPT = Path(__file__).parent / "stranger.py"
CLIENT = {"ramet/client-of": "ramet"}  # the label that the scheduler's and the workers' policies let through


@pytest.fixture(scope="module")
def members(world: World, first_node: str) -> list[str]:
    """Where the members of a running cluster listen: scheduler, worker, nanny."""
    world.up(first_node, "--workers", "1", "--no-storage")
    (scheduler,), (worker,) = world.pods("scheduler"), world.pods("worker")
    ports = [(scheduler, 8786), (worker, 8788), (worker, 8789)]
    return [f"tls://{pod['status']['podIP']}:{port}" for pod, port in ports]


def ask(world: World, name: str, members: list[str], secret: str, labels: dict[str, str]) -> dict[str, dict[str, str]]:
    """What stranger.py prints in a pod that holds the certificate in this secret."""
    mounts = [{"name": "own", "mountPath": "/stranger"}, {"name": "tmp", "mountPath": "/tmp"}]
    container = {
        "name": "stranger",
        "image": world.image,
        "command": ["python", "-c", SCRIPT.read_text(), *members],
        "volumeMounts": mounts,
        "workingDir": "/tmp",
    }
    volumes = [{"name": "own", "secret": {"secretName": secret}}, {"name": "tmp", "emptyDir": {}}]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": volumes,
        },
    }
    world.kubectl("apply", "--filename=-", given=json.dumps(pod))

    def phase() -> str:
        return json.loads(world.kubectl("get", "pod", name, "--output=json"))["status"]["phase"]

    until("the stranger at its end", lambda: phase() in ("Succeeded", "Failed"))
    said = world.kubectl("logs", name)
    world.kubectl("delete", "pod", name)
    return json.loads(said.splitlines()[-1])


@pytest.fixture(scope="module")
def forged(world: World, members: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A secret with a certificate that says all that a member's says, by an authority of its own."""
    certificate, key = Authority(tmp_path_factory.mktemp("forged")).server("ramet", ["ramet-scheduler"])
    data = {"tls.crt": certificate, "tls.key": key}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "forged"},
        "data": {name: base64.b64encode(path.read_bytes()).decode() for name, path in data.items()},
    }
    world.kubectl("apply", "--filename=-", given=json.dumps(secret))
    return "forged"


def test_with_the_clusters_certificate_one_gets_in(world: World, members: list[str]) -> None:
    """Else the tests below would show nothing."""
    answers = ask(world, "member", members, "ramet-tls", CLIENT)
    assert {answer["own certificate"] for answer in answers.values()} == {"in"}
    assert (answers[members[0]]["join"], answers[members[0]]["compute"]) == ("joined", "computed")
    # Encryption and a certificate are asked for all the same.
    assert all(
        answer[how].startswith("refused") for answer in answers.values() for how in ("no encryption", "no certificate")
    )


def test_with_another_certificate_or_none_one_does_not(world: World, members: list[str], forged: str) -> None:
    answers = ask(world, "stranger", members, forged, CLIENT)
    print(json.dumps(answers, indent=1))
    assert all(said.startswith("refused") for answer in answers.values() for said in answer.values())
    # The network let it through, so it was refused for its certificate.
    assert "timed out" not in answers[members[0]]["own certificate"].lower()


def test_http_and_dashboard_are_on_loopback(world: World, members: list[str]) -> None:
    """A pod cannot reach them; `ramet cluster dashboard` does, through the API server."""
    code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    (scheduler,), (worker,) = world.pods("scheduler"), world.pods("worker")
    for pod, port in ((scheduler, 8787), (worker, 8790)):
        for host, lets_in in (("127.0.0.1", True), (pod["status"]["podIP"], False)):
            line = ["exec", pod["metadata"]["name"], "--", "python", "-c", code, host, port]
            exit_code, _, error = world.attempt("kubectl", "-n", world.namespace, *line)
            assert (exit_code == 0) == lets_in, f"{host}:{port}: {error}"
            assert lets_in or "ConnectionRefusedError" in error


def test_who_is_no_client_does_not_reach_them(world: World, members: list[str]) -> None:
    """Not even with the right certificate: NetworkPolicy, which kube-router enforces on our own cluster."""
    if not world.nodes_are_ours:
        pytest.skip("whether this cluster's network enforces policies is not known")
    answers = ask(world, "outsider", members, "ramet-tls", {})
    assert all(said.startswith("refused") for answer in answers.values() for said in answer.values()), answers


def test_another_namespace_does_not_reach_them(world: World, members: list[str]) -> None:
    """The labels alone do not help: they count in the release's own namespace."""
    if not world.nodes_are_ours:
        pytest.skip("whether this cluster's network enforces policies is not known")
    secret = json.loads(world.kubectl("get", "secret", "ramet-tls", "--output=json"))
    other = World(world.image, f"{world.namespace}-other")
    other.kubectl("create", "namespace", other.namespace)
    try:
        copy = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ramet-tls"}, "data": secret["data"]}
        other.kubectl("apply", "--filename=-", given=json.dumps(copy))
        answers = ask(other, "outsider", members, "ramet-tls", CLIENT)
        assert all(said.startswith("refused") for answer in answers.values() for said in answer.values()), answers
    finally:
        other.kubectl("delete", "namespace", other.namespace, "--wait")
