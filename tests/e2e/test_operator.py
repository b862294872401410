"""The Dask operator's way: its own chart, a DaskCluster of ours, and dask_kubernetes' client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from world import CHART, CLUSTER, ROOT, VERSION, World, until

sys.path.insert(0, str(ROOT / "tests/e2e/kubernetes"))
import images

dask_kubernetes = pytest.importorskip("dask_kubernetes")
OPERATOR_CHART = Path(dask_kubernetes.__file__).parent / "operator/deployment/helm/dask-kubernetes-operator"
OPERATOR_IMAGE = os.environ.get("DASK_OPERATOR_IMAGE", "ghcr.io/dask/dask-kubernetes-operator")
KINDS = ["daskautoscalers", "daskclusters", "daskjobs", "daskworkergroups"]
CODE = """
import sys
import dask.dataframe as dd
import pyarrow.parquet as pq
from dask_kubernetes.operator import KubeCluster
from distributed import Client
from ramet import HistGradientBoostingClassifier

table = pq.read_table(sys.argv[3]).to_pandas()
model = HistGradientBoostingClassifier(max_iter=50)
with KubeCluster.from_name(sys.argv[1], namespace=sys.argv[2], port_forward_cluster_ip=True) as cluster, Client(cluster) as client:
    client.wait_for_workers(2, timeout=120)
    model.fit(dd.from_pandas(table, npartitions=5), "late")
    print()  # KubeCluster draws boxes, without a line's end
    print(len(model.fit_report_.workers), model.digest_)
print(HistGradientBoostingClassifier(max_iter=50).fit(table.drop(columns="late"), table["late"]).digest_)
"""  # noqa: E501


def operator_image(world: World) -> str:
    """Upstream's, or on our own cluster, which has no registry, the same wheel in an image of ours."""
    if not world.nodes_are_ours:
        return f"{OPERATOR_IMAGE}:{version('dask-kubernetes')}"
    name = f"localhost/dask-operator:{version('dask-kubernetes')}"
    home = ROOT / "build/e2e"
    site, archive = home / "operator", home / f"operator-{version('dask-kubernetes')}.tar"
    base = ROOT / f"build/image/ramet-{VERSION}.tar"
    if not site.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", f"{site}.part"]
        only = ["--python-version", "3.11", "--only-binary", ":all:"]  # the image's Python
        subprocess.run([*pip, *only, f"dask-kubernetes=={version('dask-kubernetes')}"], check=True)
        Path(f"{site}.part").rename(site)
    settings = {
        "Entrypoint": ["tini", "--", "python", "-m", "kopf", "run", "-m", "dask_kubernetes.operator.controller"],
        "Cmd": [],
        "Env": [
            "PATH=/opt/ramet/bin:/usr/bin:/bin",
            "PYTHONPATH=/opt/operator",
            "PYTHONDONTWRITEBYTECODE=1",
            "HOME=/tmp",
        ],
    }
    if not archive.exists() or archive.stat().st_mtime < base.stat().st_mtime:
        images.extended(base, archive, name, site, "opt/operator", settings)
    world.run(sys.executable, CLUSTER, "load", archive)
    return name


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[None]:
    """The operator in the namespace of these tests, and of nobody else's clusters."""
    name, tag = operator_image(world).rsplit(":", 1)
    known = {item["metadata"]["name"] for item in world.list("crd")}
    sets = [
        f"--set=image.name={name},image.tag={tag},rbac.cluster=false",
        f"--set=kopfArgs={{--namespace={world.namespace}}}",
    ]
    world.helm("install", "operator", OPERATOR_CHART, "--create-namespace", "--wait", *sets)
    yield
    world.helm("uninstall", "operator", "--wait")
    made = [f"{kind}.kubernetes.dask.org" for kind in KINDS]
    if not set(made) & known:
        world.kubectl("delete", "crd", *made)


def test_a_daskcluster_trains_to_the_laptops_digest(operator: None, world: World, flights: Path) -> None:
    repository, tag = world.image.rsplit(":", 1)
    sets = {
        "operator.enabled": "true",
        "tls.enabled": "false",
        "image.repository": repository,
        "image.tag": tag,
        "worker.replicas": "2",
        "worker.resources.requests.cpu": "100m",
        "scheduler.resources.requests.cpu": "50m",
    }
    world.helm("install", "tree", CHART, *(f"--set={key}={value}" for key, value in sets.items()))
    try:
        until("two workers", lambda: len(running(world)) == 3)
        said = world.run(sys.executable, "-c", CODE, "tree-ramet", world.namespace, flights / "valid.parquet")
        workers, digest, alone = said.split()[-3:]  # KubeCluster talks before
        print(f"\nby the operator's pods: {digest}")
        assert int(workers) == 2
        assert digest == alone
    finally:
        world.helm("uninstall", "tree", "--wait")
    until("no pod of the operator's", lambda: not running(world))


def running(world: World) -> list[str]:
    """Scheduler and workers that run."""
    pods = world.list("pods", "dask.org/cluster-name=tree-ramet")
    return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
