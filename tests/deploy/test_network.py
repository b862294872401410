"""Who reaches whom, by an evaluation of the NetworkPolicy objects as Kubernetes defines them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from charts import NAMESPACE, RELEASE, Object, Pod, matches, of_kind, pods, render, rendered
from charts import VALUES as FILES

PORTS = (8786, 8787, 8788, 8789, 8790, 8799, 8800, 8815, 8888)
MEMBERS = ("scheduler", "worker", "notebook", "job", "check")


class Source:
    """A pod that wants in, or an address outside of the cluster."""

    def __init__(self, labels: dict[str, str] | None = None, namespace: str = NAMESPACE, address: str = "") -> None:
        self.labels, self.namespace, self.address = labels or {}, namespace, address

    def is_peer(self, peer: dict[str, Any]) -> bool:
        if "ipBlock" in peer:
            block, address = peer["ipBlock"], self.address and ipaddress.ip_address(self.address)
            holes = [ipaddress.ip_network(hole) for hole in block.get("except", [])]
            inside = bool(address) and address in ipaddress.ip_network(block["cidr"])
            return inside and not any(address in hole for hole in holes)
        if self.address:
            return False
        names = {"kubernetes.io/metadata.name": self.namespace}
        there = (
            matches(peer["namespaceSelector"], names) if "namespaceSelector" in peer else self.namespace == NAMESPACE
        )
        return there and matches(peer.get("podSelector", {}), self.labels)


def reaches(source: Source, pod: Pod, port: int, objects: list[Object]) -> bool:
    """A pod that no policy selects is open; else one rule of one policy must let the source in."""
    policies = [
        policy["spec"]
        for policy in of_kind(objects, "NetworkPolicy")
        if matches(policy["spec"]["podSelector"], pod.labels)
    ]
    if not policies:
        return True
    return any(
        any(entry["port"] <= port <= entry.get("endPort", entry["port"]) for entry in rule["ports"])
        and ("from" not in rule or any(source.is_peer(peer) for peer in rule["from"]))
        for policy in policies
        for rule in policy.get("ingress", [])
    )


def member(component: str, release: str = RELEASE) -> Source:
    names = {"app.kubernetes.io/name": "ramet", "app.kubernetes.io/instance": release}
    return Source({**names, "app.kubernetes.io/component": component})


CLOSED = [path for path in FILES if path.stem != "no-network-policy"]


@pytest.mark.parametrize("path", CLOSED, ids=lambda path: path.stem)
def test_strangers_reach_nothing(path: Any) -> None:
    objects = rendered(path)
    strangers = [
        Source(),
        Source({"app.kubernetes.io/name": "ramet"}),
        Source(member("worker").labels, namespace="elsewhere"),
        member("worker", release="another"),
        Source({"ramet/client-of": "another"}),
        Source(address="192.0.2.7"),
    ]
    for pod in pods(objects):
        assert not [(who.labels, port) for who in strangers for port in PORTS if reaches(who, pod, port, objects)]


@pytest.mark.parametrize("path", CLOSED, ids=lambda path: path.stem)
def test_members_reach_what_they_need_and_no_more(path: Any) -> None:
    objects = rendered(path)
    own = {found.component: Source(found.labels) for found in pods(objects)}
    callers = {**{name: member(name) for name in MEMBERS}, **own, "client": Source({"ramet/client-of": RELEASE})}
    for pod in pods(objects):
        for name, source in callers.items():
            open_ports = {port for port in PORTS if reaches(source, pod, port, objects)}
            if pod.component == "scheduler":
                assert open_ports == {8786}, name
            elif pod.component == "worker":
                assert open_ports == {8788, 8789, 8800, 8815}, name
            elif pod.component == "check":
                assert open_ports == ({8799} if name == "check" else set()), name
            else:
                assert not open_ports, (pod.component, name)


def test_those_who_are_named_reach_the_scheduler_alone() -> None:
    objects = rendered(next(path for path in FILES if path.stem == "node-port"))
    for address, comes_in in (("10.1.2.3", True), ("10.1.9.3", False), ("10.2.0.1", False)):
        for pod in pods(objects):
            allowed = {port for port in PORTS if reaches(Source(address=address), pod, port, objects)}
            assert allowed == ({8786} if comes_in and pod.component == "scheduler" else set())


def test_those_who_are_named_reach_the_notebook_alone() -> None:
    objects = rendered(next(path for path in FILES if path.stem == "notebook"))
    for pod in pods(objects):
        allowed = {port for port in PORTS if reaches(Source(namespace="ingress"), pod, port, objects)}
        assert allowed == ({8888} if pod.component == "notebook" else set())


def test_metrics_are_all_that_monitoring_opens() -> None:
    objects = render({"monitoring": {"enabled": True}})
    prometheus = Source(namespace="monitoring")
    for pod in pods(objects):
        open_ports = {port for port in (*PORTS, 8791) if reaches(prometheus, pod, port, objects)}
        assert open_ports <= {8791}, pod.owner
    (monitor,) = of_kind(objects, "PodMonitor")
    watched = [pod for pod in pods(objects) if matches(monitor["spec"]["selector"], pod.labels)]
    for pod in watched:
        ports = {port["name"] for container in pod.containers for port in container.get("ports", [])}
        assert ("metrics" in ports) == (pod.component in ("scheduler", "worker"))
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} == {"metrics"}


def test_the_operator_reaches_its_scheduler() -> None:
    objects = rendered(next(path for path in FILES if path.stem == "operator"))
    operator = Source({"app.kubernetes.io/name": "dask-kubernetes-operator"}, namespace="dask-operator")
    for pod in pods(objects):
        open_ports = {port for port in PORTS if reaches(operator, pod, port, objects)}
        assert open_ports == ({8786} if pod.component == "scheduler" else set())
