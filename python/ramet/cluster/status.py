"""`ramet cluster status`: what there is, what is wrong, and what to do about it; for people or as JSON."""

from __future__ import annotations

import contextlib
import datetime
import platform
import warnings
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ramet.cluster.api import EVERYWHERE, Kubernetes, Object
from ramet.cluster.connect import connect, versions_of
from ramet.cluster.errors import ClusterError, ForbiddenError
from ramet.cluster.members import is_ready, members_of, options, require_members
from ramet.cluster.scheduling import GPU, NEVER, needs, offers
from ramet.cluster.watch import State, component_of, look

ANSWER = 15.0  # seconds for the scheduler to answer
Report = dict[str, Any]


def report_of(kubernetes: Kubernetes, name: str) -> Report:
    """All that `status` tells; what could not be found out is None."""
    state = look(kubernetes, name)
    if not state.workloads:  # none at all, or this user may not see them: a notebook's pod
        require_members(kubernetes, name)
    nodes = state.nodes or _nodes(kubernetes)
    problems = [
        {"where": thing, "what": cause.what, "remedy": cause.remedy, "kind": cause.kind}
        for thing, cause in state.causes.items()
        if cause.patience != NEVER
    ]
    versions, trouble = _versions(kubernetes, name)
    return {
        "name": name,
        "namespace": kubernetes.namespace,
        "kubernetes": {"context": kubernetes.context, "server": kubernetes.server, "version": kubernetes.release},
        "up": (state.is_up or (not state.workloads and all(map(is_ready, state.pods)))) and not trouble,
        "workloads": [vars(workload) for workload in state.workloads],
        "pods": [_pod(pod, state) for pod in sorted(state.pods, key=lambda pod: (component_of(pod), _name(pod)))],
        "gpus": _gpus(state, nodes),
        "volumes": [_volume(claim) for claim in state.claims],
        "versions": versions,
        "kubeflow": kubeflow_address(kubernetes),
        "problems": problems + trouble,
    }


def _name(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def _nodes(kubernetes: Kubernetes) -> list[Object] | None:
    try:
        return kubernetes.list("nodes")
    except ForbiddenError:
        return None


def _pod(pod: Object, state: State) -> Report:
    status = pod.get("status", {})
    containers = status.get("containerStatuses", [])
    cause = state.causes.get(_name(pod))
    return {
        "name": _name(pod),
        "component": component_of(pod),
        "ready": is_ready(pod),
        "phase": "Ending" if "deletionTimestamp" in pod["metadata"] else status.get("phase"),
        "node": pod["spec"].get("nodeName"),
        "restarts": sum(container.get("restartCount", 0) for container in containers),
        "gpus": int(needs(pod).get(GPU, 0)),
        "image": pod["spec"]["containers"][0]["image"],
        "since": status.get("startTime"),
        "why": cause.what if cause else None,
    }


def _gpus(state: State, nodes: Sequence[Object] | None) -> Report | None:
    if nodes is None:
        return None
    used = sum(int(needs(pod).get(GPU, 0)) for pod in state.pods if pod["spec"].get("nodeName"))
    return {"in_the_cluster": sum(int(offers(node, GPU)) for node in nodes), "of_this_release": used}


def _volume(claim: Object) -> Report:
    spec, status = claim["spec"], claim.get("status", {})
    return {
        "claim": _name(claim),
        "phase": status.get("phase"),
        "size": status.get("capacity", spec["resources"]["requests"])["storage"],
        "class": spec.get("storageClassName"),
        "access": spec["accessModes"],
    }


def _versions(kubernetes: Kubernetes, name: str) -> tuple[Report, list[Report]]:
    """The versions on both sides, and what is wrong with them."""
    here = {"ramet": version("ramet"), "python": platform.python_version()}
    with contextlib.suppress(PackageNotFoundError):
        here["distributed"] = version("distributed")
    found: Report = {"here": here, "cluster": None}
    members = members_of(kubernetes, name)
    if members.scheduler is None or not is_ready(members.scheduler):
        return found, []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of distributed's, about versions: they are told below
            with connect(name, kubernetes=kubernetes, timeout=ANSWER, check_versions=False) as client:
                ramet = versions_of(client, ANSWER)
                packages = client.get_versions()["scheduler"]
    except ClusterError as error:
        return found, [{"where": "scheduler", "what": error.message, "remedy": error.remedy, "kind": "unreachable"}]
    python = str(packages["host"]["python"]).split(".final")[0]
    found["cluster"] = {"ramet": ramet, "python": python, "distributed": packages["packages"]["distributed"]}
    return found, _mismatches(here, found["cluster"], name, kubernetes)


def _mismatches(here: Report, there: Report, name: str, kubernetes: Kubernetes) -> list[Report]:
    problems = []
    others = sorted({(found, who) for who, found in there["ramet"].items() if found != here["ramet"]})
    if others:
        found, who = others[0]
        problems.append(
            {
                "where": who,
                "what": f"it has Ramet {found}, and here is {here['ramet']}.",
                "remedy": f"pip install 'ramet=={found}' here, or `ramet cluster up{options(name, kubernetes)}`.",
                "kind": "version",
            }
        )
    for package in ("distributed", "python"):
        mine, theirs = here.get(package), there[package]
        if mine and mine.split(".")[:2] != theirs.split(".")[:2]:
            problems.append(
                {
                    "where": "scheduler",
                    "what": f"it has {package} {theirs}, and here is {mine}.",
                    "remedy": "Functions of your own may not travel between them; fits do. Use the cluster's version.",
                    "kind": "skew",
                }
            )
    return problems


def kubeflow_address(kubernetes: Kubernetes) -> str | None:
    """Where Kubeflow's dashboard is, or the command that leads there; None without Kubeflow."""
    try:
        found = kubernetes.list("services", fields={"metadata.name": "centraldashboard"}, namespace=EVERYWHERE)
        gates = kubernetes.list("services", fields={"metadata.name": "istio-ingressgateway"}, namespace=EVERYWHERE)
    except ForbiddenError:
        return None
    if not found:
        return None
    for gate in gates:
        for entry in gate.get("status", {}).get("loadBalancer", {}).get("ingress", []):
            return f"http://{entry.get('hostname') or entry.get('ip')}/"
    for gate in gates:
        for port in gate["spec"].get("ports", []):
            if port.get("name") in ("http2", "http") and port.get("nodePort"):
                return f"http://{_address(kubernetes)}:{port['nodePort']}/"
    service = gates[0] if gates else found[0]
    return (
        f"http://127.0.0.1:8080/ after `kubectl port-forward -n {service['metadata']['namespace']} "
        f"service/{_name(service)} 8080:80`"
    )


def _address(kubernetes: Kubernetes) -> str:
    for kind in ("ExternalIP", "InternalIP"):
        for node in _nodes(kubernetes) or ():
            for entry in node["status"].get("addresses", []):
                if entry["type"] == kind:
                    return str(entry["address"])
    return "NODE"


def text_of(report: Report) -> str:
    """The report for people."""
    state = "up" if report["up"] else "NOT up"
    lines = [f'cluster "{report["name"]}" in namespace {report["namespace"]} is {state}', ""]
    lines += table(["pod", "is", "node", "restarts", "GPUs", "age"], map(_row, report["pods"])) or ["no pods"]
    if report["volumes"]:
        cells = [
            [volume["claim"], volume["phase"], volume["size"], volume["class"] or "-", ", ".join(volume["access"])]
            for volume in report["volumes"]
        ]
        lines += ["", *table(["volume", "is", "size", "class", "access"], cells)]
    lines += ["", *_facts(report)]
    for problem in report["problems"]:
        lines += [
            "",
            f"{problem['where']}: {problem['what']}",
            *([f"  → {problem['remedy']}"] if problem["remedy"] else []),
        ]
    return "\n".join(lines)


def _row(pod: Report) -> list[str]:
    phase = "ready" if pod["ready"] else "finished" if pod["phase"] == "Succeeded" else str(pod["phase"]).lower()
    state = "starting" if phase == "running" else phase
    return [pod["name"], state, pod["node"] or "-", str(pod["restarts"]), str(pod["gpus"]), _age(pod["since"])]


def _facts(report: Report) -> list[str]:
    here, there = report["versions"]["here"], report["versions"]["cluster"]
    found = sorted(set(there["ramet"].values())) if there else []
    cells = [["Kubernetes", f"{report['kubernetes']['version']} at {report['kubernetes']['server']}"]]
    cells.append(["Ramet", f"here {here['ramet']}, cluster {', '.join(found) or 'unknown'}"])
    for package in ("python", "distributed"):
        cells.append(
            [
                package.capitalize(),
                f"here {here.get(package, 'none')}, cluster {there[package] if there else 'unknown'}",
            ]
        )
    if report["gpus"]:
        cells.append(
            [
                "GPUs",
                f"{report['gpus']['of_this_release']} used here, {report['gpus']['in_the_cluster']} in the cluster",
            ]
        )
    if report["kubeflow"]:
        cells.append(["Kubeflow", report["kubeflow"]])
    width = max(len(name) for name, _ in cells)
    return [f"{name:{width}}  {value}" for name, value in cells]


def _age(since: str | None) -> str:
    if not since:
        return "-"
    begun = datetime.datetime.fromisoformat(since.replace("Z", "+00:00"))
    seconds = int((datetime.datetime.now(datetime.timezone.utc) - begun).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows below their heads, in columns; nothing without rows."""
    cells = [list(map(str, row)) for row in rows]
    if not cells:
        return []
    cells.insert(0, list(head))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
