"""What `ramet doctor --cluster` makes of what it sees: plain data in, findings out. No cluster is spoken to here."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ramet.cluster.api import Object
from ramet.cluster.scheduling import GPU, offers
from ramet.cluster.survey import Findings as Survey
from ramet.cluster.survey import can_share, takes_pods

OK, WARNING, PROBLEM, UNKNOWN = "ok", "warning", "problem", "unknown"

SLOW = 1e8  # bytes a second; a gigabit network has 1.2e8
FAR = 5e-3  # seconds there and back
SKEWED = 1.0  # seconds by which clocks may differ; certificates and logs suffer first
LATE = 60.0  # seconds after which a heartbeat counts as missing
KUBELETS_BEHIND = 3  # minor versions by which a kubelet may be older than the API server

_PLUGINS = re.compile(r"nvidia-device-plugin|gpu-operator|nvidia-gpu-device-plugin")
_HARDWARE = ("nvidia.com/gpu.present", "feature.node.kubernetes.io/pci-10de.present")


@dataclass
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    check : str
        What was looked at.
    state : str
        ok, warning (it works, but), problem, or unknown (this user may not look).
    what, remedy : str
        Sentences; the second is empty where nothing is to be done.
    facts : dict
        For machines.
    """

    check: str
    state: str
    what: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def of_rights(missing: Sequence[str], namespace: str) -> Finding:
    if not missing:
        return Finding("permissions", OK, f"this user may do all that is needed in namespace {namespace}.")
    verbs: dict[str, list[str]] = {}
    for right in missing:
        verb, resource = right.split(" ", 1)
        verbs.setdefault(resource, []).append(verb)
    listed = ", ".join(f"{'/'.join(own)} {resource}" for resource, own in verbs.items())
    return Finding(
        "permissions",
        PROBLEM,
        f"in namespace {namespace} this user may not {listed}.",
        'Ask the cluster\'s administrator for the role "admin" there, or use another -n NAMESPACE.',
        {"missing": list(missing)},
    )


def of_nodes(nodes: Sequence[Object] | None, server: tuple[int, int]) -> list[Finding]:
    if nodes is None:
        return [Finding("nodes", UNKNOWN, "this user may not list nodes.", "Ask the administrator how many take pods.")]
    if not nodes:
        return [Finding("nodes", PROBLEM, "the cluster has no nodes.", "Add nodes.")]
    findings = []
    open_ones = [node for node in nodes if takes_pods(node)]
    facts = {
        "nodes": len(nodes),
        "take pods": len(open_ones),
        "cpus": sum(offers(node, "cpu") for node in open_ones),
        "memory": sum(offers(node, "memory") for node in open_ones),
    }
    room = f"{facts['cpus']:g} processors, {facts['memory'] / (1 << 30):.0f} GiB"
    closed = ", ".join(_why_closed(node) for node in nodes if not takes_pods(node))
    what = f"{len(open_ones)} of {len(nodes)} take pods: {room}" + (f"; not: {closed}." if closed else ".")
    state = OK if len(open_ones) == len(nodes) else WARNING if open_ones else PROBLEM
    remedy = (
        "" if state == OK else "`kubectl describe node NAME` says why; `kubectl uncordon NAME` opens a drained one."
    )
    findings.append(Finding("nodes", state, what, remedy, facts))
    old = {_name(node): version for node in nodes if server[1] - (version := _kubelet(node))[1] > KUBELETS_BEHIND}
    if old:
        names = ", ".join(f"{name} (1.{version[1]})" for name, version in old.items())
        what = f"kubelets are too old for an API server of {server[0]}.{server[1]}: {names}."
        findings.append(Finding("kubelets", WARNING, what, "Upgrade these nodes."))
    return findings


def _kubelet(node: Object) -> tuple[int, int]:
    numbers = re.findall(r"\d+", node["status"].get("nodeInfo", {}).get("kubeletVersion", ""))
    return (int(numbers[0]), int(numbers[1])) if len(numbers) > 1 else (1, 10_000)


def _why_closed(node: Object) -> str:
    if node["spec"].get("unschedulable"):
        why = "cordoned"
    elif not any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", [])):
        why = "not ready"
    else:
        why = "tainted"
    return f"{_name(node)} ({why})"


def _name(node: Object) -> str:
    return str(node["metadata"]["name"])


def of_gpus(nodes: Sequence[Object] | None, daemons: Sequence[Object] | None) -> Finding:
    """Who promises GPUs; `daemons` are the DaemonSets of all namespaces, or None if they may not be seen."""
    if nodes is None:
        return Finding("gpus", UNKNOWN, "this user may not list nodes.")
    promised = {_name(node): int(offers(node, GPU)) for node in nodes if offers(node, GPU) > 0}
    plugin = sorted(_name(daemon) for daemon in daemons or () if _PLUGINS.search(_name(daemon)))
    facts = {"gpus": sum(promised.values()), "nodes": promised, "plugins": plugin}
    if promised:
        by = f", by {', '.join(plugin)}" if plugin else ""
        return Finding("gpus", OK, f"{sum(promised.values())} on {', '.join(promised)}{by}.", facts=facts)
    hardware = [_name(node) for node in nodes if _has_hardware(node)]
    if hardware or plugin:
        has = f"nodes with NVIDIA hardware ({', '.join(hardware)})" if hardware else f"{', '.join(plugin)}"
        return Finding(
            "gpus",
            PROBLEM,
            f"there are {has}, but no node offers {GPU}.",
            "Look at the pods of NVIDIA's GPU operator or device plugin (`kubectl get pods -A | grep nvidia`); without "
            "any, install the GPU operator. A driver that does not fit the kernel is the usual cause.",
            facts,
        )
    return Finding("gpus", OK, "none, and nothing promises any.", facts=facts)


def _has_hardware(node: Object) -> bool:
    labels = node["metadata"].get("labels", {})
    return any(labels.get(label) == "true" for label in _HARDWARE)


def of_gpu_pod(told: Mapping[str, Any], node: str) -> Finding:
    if "gpus" in told:
        return Finding("gpu pod", OK, f"a pod on {node} sees {'; '.join(told['gpus'])}.", facts=dict(told))
    return Finding(
        "gpu pod",
        PROBLEM,
        f"a pod on {node} got a GPU, and sees none: {told.get('error', 'it said nothing')}.",
        "The container runtime does not hand GPUs over: see that NVIDIA's container toolkit is installed there, and, "
        "if there is a RuntimeClass nvidia, set worker.runtimeClassName=nvidia.",
        dict(told),
    )


def of_storage(classes: Sequence[Object] | None, has_one_node: bool) -> Finding:
    if classes is None:
        return Finding("storage", UNKNOWN, "this user may not list storage classes.")
    if not classes:
        return Finding(
            "storage",
            PROBLEM,
            "there is no storage class, so claims get no volume.",
            "Install one (a CSI driver of your provider, or an NFS provisioner), name an NFS export with "
            "`ramet cluster up --nfs SERVER:/PATH`, or keep data and models in an object store (--no-storage).",
        )
    default = Survey(classes=list(classes)).default_class
    sharing = {_name(found): can_share(found) for found in classes}
    facts = {"default": _name(default) if default else None, "can be shared": sharing}
    names = ", ".join(f"{name} ({_shared(value)})" for name, value in sharing.items())
    if not has_one_node and not any(value is not False for value in sharing.values()):
        return Finding(
            "storage",
            WARNING,
            f"no class makes volumes that several nodes can use: {names}.",
            "Use one of files (NFS, EFS, Filestore, Azure Files, CephFS), `ramet cluster up --nfs SERVER:/PATH`, or an "
            "object store (--no-storage).",
            facts,
        )
    if default is None:
        what, remedy = f"no class is the default: {names}.", "Name one with `ramet cluster up --storage-class NAME`."
        return Finding("storage", WARNING, what, remedy, facts)
    return Finding("storage", OK, f"default {_name(default)}; {names}.", facts=facts)


def _shared(can: bool | None) -> str:
    return {True: "shared by nodes", False: "of one node", None: "shared by nodes if its provisioner can"}[can]


def of_heartbeats(leases: Sequence[Object] | None, now: datetime.datetime) -> Finding:
    """Node leases are renewed every ten seconds, with the node's own clock."""
    if leases is None:
        return Finding("heartbeats", UNKNOWN, "this user may not see when nodes last reported.")
    ages = {_name(lease): (now - _time(lease["spec"]["renewTime"])).total_seconds() for lease in leases}
    facts = {"seconds": {name: round(age, 1) for name, age in ages.items()}}
    ahead = [f"{name} ({-age:.0f} s)" for name, age in ages.items() if age < -SKEWED]
    late = [f"{name} ({age:.0f} s)" for name, age in ages.items() if age > LATE]
    if ahead:
        what = f"by this machine's clock, nodes report from the future: {', '.join(ahead)}."
        return Finding("heartbeats", WARNING, what, "Set the clocks of this machine and of the nodes by NTP.", facts)
    if late:
        what = f"nodes have not reported for long: {', '.join(late)}."
        remedy = "They are down, cut off, or their clocks are behind: look at `kubectl get nodes`, and at NTP."
        return Finding("heartbeats", WARNING, what, remedy, facts)
    return Finding("heartbeats", OK, f"all {len(ages)} reported within the last {LATE:.0f} s.", facts=facts)


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def of_network(told: Mapping[str, Any], nodes: Sequence[str]) -> list[Finding]:
    """Of what one pod measured to another; `nodes` are theirs."""
    between = f"between {nodes[0]} and {nodes[1]}" if nodes[0] != nodes[1] else f"within {nodes[0]}, the only node"
    if "error" in told or "bandwidth" not in told:
        return [
            Finding(
                "network",
                PROBLEM,
                f"pods do not reach each other {between}: {told.get('error', 'nothing was measured')}.",
                "See whether a NetworkPolicy, a firewall between nodes or the network plugin is in the way; pods need "
                "TCP 8786-8789 and 8800-8815 to each other.",
                dict(told),
            )
        ]
    speed, trip = told["bandwidth"], told["latency"]
    measured = f"{between}: {speed * 8 / 1e9:.2g} Gbit/s, {trip * 1e3:.2g} ms there and back"
    facts = {"nodes": list(nodes), "bandwidth": speed, "latency": trip}
    slow = " and ".join(["little bandwidth"] * (speed < SLOW) + ["a long way"] * (trip > FAR))
    remedy = "Training on several nodes will wait for it: use fewer, larger workers, or nodes nearer to each other."
    findings = [
        Finding("network", WARNING, f"{measured}: {slow}.", remedy, facts)
        if slow
        else Finding("network", OK, f"{measured}.", facts=facts)
    ]
    skew = told["clock_skew"]
    if abs(skew) > SKEWED:
        what = f"the clocks of {nodes[0]} and {nodes[1]} differ by {abs(skew):.1f} s."
        findings.append(Finding("clocks", WARNING, what, "Set the nodes' clocks by NTP.", {"seconds": skew}))
    else:
        findings.append(
            Finding("clocks", OK, f"{between} they differ by {abs(skew) * 1e3:.1f} ms.", facts={"seconds": skew})
        )
    if told.get("dns") is not True:
        what = f"a pod cannot resolve kubernetes.default.svc: {told.get('dns')}."
        findings.append(
            Finding("dns", PROBLEM, what, "Look at the pods of CoreDNS: `kubectl -n kube-system get pods`.")
        )
    return findings


def of_versions(here: Mapping[str, str], there: Mapping[str, str], where: str) -> Finding:
    """Ramet must be the same, Dask should be, and Python's minor version too."""
    apart = {name: (here[name], there[name]) for name in here if name in there and not _same(name, here, there)}
    facts = {"here": dict(here), "there": dict(there)}
    if not apart:
        return Finding(
            "versions", OK, f"{where} has Ramet {there.get('ramet')}, Dask {there.get('dask')}, as here.", facts=facts
        )
    listed = ", ".join(f"{name} {theirs} (here {ours})" for name, (ours, theirs) in apart.items())
    if "ramet" in apart:
        return Finding(
            "versions",
            PROBLEM,
            f"{where} has {listed}.",
            f"Install the cluster's here (pip install 'ramet=={there['ramet']}'), or bring the cluster to this one: "
            "`ramet cluster up`.",
            facts,
        )
    wanted = " ".join(f"'{name}=={there[name]}'" for name in apart if name != "python")
    remedy = f"If something fails, use the cluster's here: pip install {wanted}." if wanted else ""
    if "python" in apart:
        minor = ".".join(there["python"].split(".")[:2])
        remedy += f" Functions of your own travel only between equal Pythons: use {minor} here."
    return Finding("versions", WARNING, f"{where} has {listed}.", remedy.strip(), facts)


def _same(name: str, here: Mapping[str, str], there: Mapping[str, str]) -> bool:
    if name == "python":
        return here[name].split(".")[:2] == there[name].split(".")[:2]
    return here[name] == there[name]
