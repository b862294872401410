"""What goes wrong for people: an error that says what to do, and nothing half-installed afterwards.

Those of the first half find the world bare and must leave it so; those of the second half happen to a cluster that is
up, and end with it mended.
"""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from world import PATIENCE, World, until

NAME = "ramet"
KINDS = "all,persistentvolumeclaims,secrets,networkpolicies,poddisruptionbudgets,serviceaccounts,roles,rolebindings"
SMALL = ["--memory=1Gi", "--workers=1", "--set=worker.resources.requests.cpu=50m,scheduler.resources.requests.cpu=50m"]


def left(world: World) -> list[str]:
    """What there is of the release, and of Helm's knowledge of it."""
    made = world.kubectl("get", KINDS, f"--selector=app.kubernetes.io/instance={NAME}", "--output=name").split()
    return made + world.kubectl("get", "secrets", "--selector=owner=helm", "--output=name").split()


def refused(world: World, *line: object, left_over: bool = False) -> str:
    """The words of a command that must fail with 1 and leave nothing."""
    code, _, said = world.attempt(*world.ramet_line, *line)
    assert code == 1, said
    last = said[said.rindex("ramet: ") :]
    assert "Traceback" not in last or "What" in last, said
    assert left_over or left(world) == []
    return last


def up(world: World, *flags: object) -> list[object]:
    return ["cluster", "up", "-n", world.namespace, "--image", world.image, *SMALL, *flags]


def train(world: World) -> list[object]:
    return ["train", "/data/none.parquet", "--label=y", "--out=m.ramet", f"--cluster={NAME}", "-n", world.namespace]


@pytest.fixture(scope="module", autouse=True)
def namespace(world: World) -> None:
    world.kubectl("create", "namespace", world.namespace)


@contextmanager
def environment(world: World, **changed: str) -> Iterator[None]:
    before = dict(world.environment)
    world.environment.update(changed)
    try:
        yield
    finally:
        world.environment.clear()
        world.environment.update(before)


@contextmanager
def only_for_now(world: World, kind: str, name: str, *create: str) -> Iterator[None]:
    world.kubectl("create", kind, name, *create)
    try:
        yield
    finally:
        world.kubectl("delete", kind, name)


# --- a bare world


def test_no_cluster(world: World, tmp_path: Path):
    with environment(world, KUBECONFIG=str(tmp_path / "none")):
        code, _, said = world.attempt(*world.ramet_line, *up(world))
    assert code == 1 and "Set KUBECONFIG" in said
    nobody = world.kubectl("config", "view", "--raw", "--minify", "--output=json")
    server = json.loads(nobody)["clusters"][0]["cluster"]["server"]
    (tmp_path / "config").write_text(nobody.replace(server, "https://127.0.0.1:9"))
    with environment(world, KUBECONFIG=str(tmp_path / "config")):
        code, _, said = world.attempt(*world.ramet_line, *up(world))
    assert code == 1 and "no Kubernetes cluster answers at https://127.0.0.1:9" in said and "--context" in said


@pytest.mark.parametrize("role", ["view", "none"])
def test_no_permission(world: World, tmp_path: Path, role: str):
    world.kubectl("create", "serviceaccount", f"user-{role}")
    if role != "none":
        user = f"--serviceaccount={world.namespace}:user-{role}"
        world.kubectl("create", "rolebinding", f"user-{role}", f"--clusterrole={role}", user)
    config = json.loads(world.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": world.kubectl("create", "token", f"user-{role}").strip()}
    file = tmp_path / "config"
    file.write_text(json.dumps(config))
    with environment(world, KUBECONFIG=str(file)):
        code, _, said = world.attempt(*world.ramet_line, *up(world))
        assert code == 1 and "create deployments" in said and "administrator" in said
        code, _, said = world.attempt(*world.ramet_line, "cluster", "status", "-n", world.namespace)
    assert code == 1 and ("administrator" in said if role == "none" else "`ramet cluster up" in said)
    assert left(world) == []


def test_no_storage_class(world: World):
    classes = json.loads(world.kubectl("get", "storageclasses", "--output=json"))["items"]
    if not world.nodes_are_ours:
        pytest.skip("the storage classes of a cluster that is not ours are left alone")
    try:
        for item in classes:
            world.kubectl("delete", "storageclass", item["metadata"]["name"])
        said = refused(world, *up(world))
    finally:
        for item in classes:
            item["metadata"] = {
                key: item["metadata"][key] for key in ("name", "annotations") if key in item["metadata"]
            }
            world.kubectl("create", "--filename=-", given=json.dumps(item))
    assert "no storage class" in said and "--nfs" in said and "--no-storage" in said
    assert '"nowhere"' in refused(world, *up(world, "--storage-class=nowhere"))


def test_quota_too_small(world: World):
    with only_for_now(world, "quota", "small", "--hard=limits.memory=512Mi"):
        said = refused(world, *up(world))
    assert "quota small does not allow it" in said and "limited: limits.memory=512Mi" in said and "raised" in said
    assert "Nothing was left installed." in said


def test_image_missing(world: World):
    said = refused(world, *up(world, "--image=localhost/ramet:no-such-version"))
    assert "localhost/ramet:no-such-version" in said and "--image REPOSITORY:TAG" in said
    assert "Nothing was left installed." in said


def test_operator_missing(world: World):
    if "daskclusters" in world.kubectl("api-resources", "--output=name"):
        pytest.skip("the Dask operator is installed here")
    said = refused(world, *up(world, "--set=operator.enabled=true,tls.enabled=false"))
    assert "the Dask operator is not installed" in said and "helm install" in said


def test_old_api_server(world: World, tmp_path: Path):
    """No server so old can be had here; its version is all that is asked of it."""

    asked = []

    class Old(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"major": "1", "minor": "26+", "gitVersion": "v1.26.15-eks"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *unused: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Old) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = {
            "clusters": [{"name": "old", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "me", "user": {"token": "t"}}],
            "contexts": [{"name": "old", "context": {"cluster": "old", "user": "me"}}],
            "current-context": "old",
        }
        (tmp_path / "config").write_text(json.dumps(config))
        with environment(world, KUBECONFIG=str(tmp_path / "config")):
            code, _, said = world.attempt(*world.ramet_line, *up(world))
        server.shutdown()
    assert code == 1 and "v1.26.15-eks, which is too old" in said and "1.27 or newer" in said
    assert {path.rstrip("/") for path in asked} == {"/version"}


def test_no_gpu(world: World):
    if any("nvidia.com/gpu" in node["status"]["allocatable"] for node in world.list("nodes")):
        pytest.skip("this cluster has GPUs")
    said = refused(world, *up(world, "--gpus-per-worker=1"))
    assert "no node of the cluster offers any" in said and "device plugin" in said


def test_workers_larger_than_any_node(world: World):
    said = refused(world, *up(world, "--memory=9000Gi"))
    assert "9e+03 GiB of memory, and the largest node offers" in said and "--memory" in said


def test_workers_that_crash_are_shown_with_their_last_words(world: World):
    said = refused(world, *up(world, "--set=worker.extraArgs={--no-such-flag}"))
    assert "exit code 2" in said and "No such option '--no-such-flag'" in said


def test_values_that_do_not_exist(world: World):
    said = refused(world, *up(world, "--set=worker.replikas=3"))
    assert "replikas" in said and "values.yaml" in said


# --- a cluster that is up


@pytest.fixture(scope="module")
def cluster(world: World) -> World:
    world.ramet(*up(world))
    return world


def is_up(world: World) -> bool:
    return world.attempt(*world.ramet_line, "cluster", "status", "-n", world.namespace)[0] == 0


def test_a_change_that_fails_is_taken_back(cluster: World):
    cluster.ramet("cluster", "scale", "2", "-n", cluster.namespace)
    said = refused(cluster, *up(cluster, "--image=localhost/ramet:no-such-version", "--workers=3"), left_over=True)
    assert "no-such-version" in said and "put back as it was before" in said
    assert is_up(cluster)
    images = {pod["spec"]["containers"][0]["image"] for pod in cluster.pods("worker")}
    assert images == {cluster.image} and len(cluster.ready("worker")) == 2
    plan = cluster.attempt(*cluster.ramet_line, "cluster", "up", "-n", cluster.namespace, "--dry-run")
    assert plan[0] == 0 and "nothing to change" in plan[2]


def test_unreachable_scheduler(cluster: World):
    cluster.kubectl("scale", "deployment", "ramet-scheduler", "--replicas=0")
    until("no scheduler", lambda: not cluster.pods("scheduler"))
    said = refused(cluster, *train(cluster), left_over=True)
    assert "is not up" in said and f"`ramet cluster status -n {cluster.namespace}`" in said
    code, told, _ = cluster.attempt(*cluster.ramet_line, "cluster", "status", "-n", cluster.namespace)
    assert code == 1 and "scaled to 0" in told and f"`ramet cluster up -n {cluster.namespace}`" in told
    cluster.ramet("cluster", "up", "-n", cluster.namespace)
    until("the cluster up again", lambda: is_up(cluster))


def expired() -> dict[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ramet")])
    now = datetime.datetime.now(datetime.timezone.utc)
    days = datetime.timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - 9 * days).not_valid_after(now - days).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    text = {
        "ca.crt": made.public_bytes(serialization.Encoding.PEM),
        "tls.crt": made.public_bytes(serialization.Encoding.PEM),
        "tls.key": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    }
    return {file: base64.b64encode(value).decode() for file, value in text.items()}


def test_certificate_expired(cluster: World):
    cluster.kubectl("patch", "secret", "ramet-tls", f"--patch={json.dumps({'data': expired()})}")
    said = refused(cluster, *train(cluster), left_over=True)
    assert "expired on" in said and f"`ramet cluster up -n {cluster.namespace}` makes a new one" in said
    cluster.ramet("cluster", "up", "-n", cluster.namespace)
    until("the cluster up with new certificates", lambda: is_up(cluster))


def test_another_version_on_the_workers(cluster: World, tmp_path: Path):
    """This side is given another version: a second image is not to be had, and the difference is the same."""
    other = tmp_path / "ramet-9.9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: ramet\nVersion: 9.9.9\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with environment(cluster, PYTHONPATH=path):
        said = refused(cluster, *train(cluster), left_over=True)
        code, told, _ = cluster.attempt(*cluster.ramet_line, "cluster", "status", "-n", cluster.namespace)
    assert "here is 9.9.9" in said and "pip install 'ramet==" in said
    assert code == 1 and "here is 9.9.9" in told
    assert is_up(cluster)


def test_down_without_a_terminal_asks_for_a_decision(cluster: World):
    said = refused(cluster, "cluster", "down", "-n", cluster.namespace, left_over=True)
    assert "--keep-data" in said and "--yes" in said and is_up(cluster)
    cluster.ramet("cluster", "down", "-n", cluster.namespace, "--keep-data")
    kept = {item["metadata"]["name"]: item["metadata"]["uid"] for item in cluster.list("persistentvolumeclaims")}
    assert set(kept) == {"ramet-data", "ramet-models", "ramet-checkpoints"}
    cluster.ramet(*up(cluster))
    assert {
        item["metadata"]["name"]: item["metadata"]["uid"] for item in cluster.list("persistentvolumeclaims")
    } == kept
    cluster.ramet("cluster", "down", "-n", cluster.namespace, "--yes")
    until("nothing left", lambda: left(cluster) == [], PATIENCE)
    assert (
        "nothing to do" in cluster.attempt(*cluster.ramet_line, "cluster", "down", "-n", cluster.namespace, "--yes")[2]
    )
