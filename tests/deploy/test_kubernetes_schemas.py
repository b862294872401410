"""Kubernetes' own schemas, of the oldest and the newest version, know every field of every object."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import kubernetes_validate
import pytest
from charts import NEWEST, OLDEST, VALUES, Object, of_kind, pods, rendered


def test_the_newest_version_is_tried() -> None:
    assert kubernetes_validate.latest_version() == f"{NEWEST}.0"


@functools.cache
def validate(text: str, version: str) -> None:
    """Most objects are the same for most values."""
    kubernetes_validate.validate(json.loads(text), version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_objects_are_valid(path: Path, version: str) -> None:
    objects = rendered(path, version)
    for found in objects:
        if found["kind"] not in ("DaskCluster", "PodMonitor"):
            validate(json.dumps(found), version)


def as_objects(cluster: Object) -> list[Object]:
    """The pods and the Service that the operator makes of a DaskCluster."""
    meta = {"name": "x"}
    made = [{"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod.spec} for pod in pods([cluster])]
    service = cluster["spec"]["scheduler"]["service"]
    return [*made, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service}]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_what_the_operator_makes_is_valid(version: str) -> None:
    objects = rendered(next(path for path in VALUES if path.stem == "operator"), version)
    (cluster,) = of_kind(objects, "DaskCluster")
    assert cluster["apiVersion"] == "kubernetes.dask.org/v1" and len(cluster["metadata"]["name"]) <= 53
    assert cluster["spec"].keys() == {"worker", "scheduler"} and cluster["spec"]["worker"]["replicas"] == 3
    for found in as_objects(cluster):
        kubernetes_validate.validate(found, version, strict=True)
    # The operator and KubeCluster look for these names.
    names = {port["name"]: port["targetPort"] for port in cluster["spec"]["scheduler"]["service"]["ports"]}
    assert names == {"tcp-comm": "tcp-comm", "http-dashboard": "http-dashboard"}
    assert not {"StatefulSet", "Service"} & {f["kind"] for f in objects if "notebook" not in f["metadata"]["name"]}


def test_a_field_that_is_not_there_would_be_found() -> None:
    objects = rendered(next(path for path in VALUES if path.stem == "defaults"))
    wrong = {**of_kind(objects, "StatefulSet")[0]}
    wrong["spec"] = {**wrong["spec"], "replica": 2}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)
