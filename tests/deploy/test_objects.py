"""What holds for the objects together: names, labels, selectors, and what they refer to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from charts import CHART, RELEASE, ROOT, VALUES, Object, matches, of_kind, only, pod, pods, render, rendered, run

LABELS = {
    "app.kubernetes.io/name": "ramet",
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/managed-by": "Helm",
}


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(path: Path) -> None:
    result = run("lint", "--strict", CHART, "--values", path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_chart_is_of_the_version_of_the_tree() -> None:
    project = re.search(r"project\(ramet VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert project is not None and chart["appVersion"] == project[1] == chart["version"]


def test_everything_is_labelled(objects: list[Object]) -> None:
    for found in objects:
        labels = found["metadata"]["labels"]
        assert LABELS.items() <= labels.items(), found["metadata"]["name"]
        assert {"app.kubernetes.io/version", "helm.sh/chart"} <= labels.keys()
        assert "namespace" not in found["metadata"], "Helm says where"
    for made in pods(objects):
        assert LABELS.items() <= made.labels.items(), made.owner
        if not made.owner.startswith(("Pod", "DaskCluster")):  # what changes with the chart's version would restart it
            assert not {"app.kubernetes.io/version", "helm.sh/chart"} & made.labels.keys()


def test_labels_of_the_user_are_on_everything() -> None:
    objects = render({"commonLabels": {"team": "flights"}, "notebook": {"enabled": True}})
    assert {found["metadata"]["labels"]["team"] for found in objects} == {"flights"}
    assert {made.labels["team"] for made in pods(objects)} == {"flights"}


def test_names_are_unique(objects: list[Object]) -> None:
    names = [(found["kind"], found["metadata"]["name"]) for found in objects]
    assert len(names) == len(set(names))


def test_selectors_find_their_pods_and_no_others(objects: list[Object]) -> None:
    for found in objects:
        kind, name = found["kind"], found["metadata"]["name"]
        component = found["metadata"]["labels"].get("app.kubernetes.io/component")
        if kind == "Service":
            selector = {"matchLabels": found["spec"]["selector"]}
        elif kind in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            selector = found["spec"]["selector"]
        else:
            continue
        assert {made.component for made in pods(objects) if matches(selector, made.labels)} == {component}, (kind, name)


def test_services_lead_to_ports_that_are_there(objects: list[Object]) -> None:
    for service in of_kind(objects, "Service"):
        behind = [made for made in pods(objects) if matches({"matchLabels": service["spec"]["selector"]}, made.labels)]
        assert behind, service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in {p["name"] for made in behind for p in made.main["ports"]}


def test_the_address_of_the_scheduler_is_its_services(objects: list[Object]) -> None:
    address = next(e["value"] for e in pod(objects, "worker").main["env"] if e["name"] == "DASK_SCHEDULER_ADDRESS")
    name, port = re.fullmatch(r"(?:tls|tcp)://([^.]+)\.team\.svc:(\d+)", address).groups()  # type: ignore[union-attr]
    clusters = of_kind(objects, "DaskCluster")
    if clusters:  # the operator names the Service
        (cluster,) = clusters
        assert name == f"{cluster['metadata']['name']}-scheduler"
        ports = cluster["spec"]["scheduler"]["service"]["ports"]
    else:
        ports = only(objects, "Service", name)["spec"]["ports"]
    assert int(port) == next(port["port"] for port in ports if port["name"] == "tcp-comm")


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_what_is_referred_to_is_there_or_given(path: Path) -> None:
    objects, text = rendered(path), path.read_text()
    there = {(found["kind"], found["metadata"]["name"]) for found in objects}

    def check(kind: str, name: str) -> None:
        assert (kind, name) in there or re.search(rf"\b{re.escape(name)}\b", text), (kind, name)

    used = set()
    for made in pods(objects):
        check("ServiceAccount", made.spec["serviceAccountName"])
        used.add(("ServiceAccount", made.spec["serviceAccountName"]))
        for volume in made.spec["volumes"]:
            if "secret" in volume:
                check("Secret", volume["secret"]["secretName"])
                used.add(("Secret", volume["secret"]["secretName"]))
            if "persistentVolumeClaim" in volume:
                check("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
                used.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for container in made.spec["containers"]:
            for source in container.get("envFrom", []):
                check("Secret", source["secretRef"]["name"])
    made_for_use = {entry for entry in there if entry[0] in ("ServiceAccount", "Secret", "PersistentVolumeClaim")}
    assert made_for_use <= used, "made, and not used"


def test_rights_are_what_scaling_needs_and_no_more(objects: list[Object]) -> None:
    assert not of_kind(objects, "ClusterRole") and not of_kind(objects, "ClusterRoleBinding")
    for role in of_kind(objects, "Role"):
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            assert not {"create", "delete", "deletecollection", "update", "bind", "escalate"} & set(rule["verbs"])
            if "patch" in rule["verbs"]:
                assert rule["resourceNames"] in ([f"{RELEASE}-ramet-worker"], [f"{RELEASE}-ramet-default"])
            assert not {"secrets", "pods/exec"} & set(rule["resources"])


def test_volumes_outlive_the_release(objects: list[Object]) -> None:
    for claim in of_kind(objects, "PersistentVolumeClaim"):
        assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_check_runs_only_when_asked(objects: list[Object]) -> None:
    for check in of_kind(objects, "Pod"):
        assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert check["spec"]["restartPolicy"] == "Never" and check["spec"]["activeDeadlineSeconds"] <= 600


def test_gpus_are_asked_for_and_limited_alike() -> None:
    objects = render({"worker": {"gpus": 2}, "notebook": {"enabled": True, "gpus": 1}})
    for component, gpus in (("worker", "2"), ("notebook", "1"), ("scheduler", None)):
        made = pod(objects, component)
        resources = made.main["resources"]
        assert resources["requests"].get("nvidia.com/gpu") == resources["limits"].get("nvidia.com/gpu") == gpus
        tolerated = [entry["key"] for entry in made.spec.get("tolerations", [])]
        assert tolerated == (["nvidia.com/gpu"] if gpus else [])
    assert pod(objects, "worker").main["resources"]["limits"]["memory"], "the other limits stay"


def test_one_node_means_one_node() -> None:
    objects = rendered(next(path for path in VALUES if path.stem == "one-node"))
    labels = {component: pod(objects, component).labels for component in ("worker", "notebook")}
    for component in labels:
        affinity = pod(objects, component).spec["affinity"]
        (rule,) = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert rule["topologyKey"] == "kubernetes.io/hostname"
        assert all(matches(rule["labelSelector"], other) for other in labels.values())
    assert "nodeAffinity" in pod(objects, "worker").spec["affinity"], "the user's own affinity stays"
    assert "affinity" not in pod(objects, "check").spec
