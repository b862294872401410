"""``ramet doctor --cluster``: whether a Kubernetes cluster is fit to train on, and what to do where it is not.

    API ─► rights ─► nodes, GPUs, storage, heartbeats ─► release ─► pods: versions, network, clocks, DNS, nvidia-smi

Each step gives findings (findings.py); one that fails is a finding too, and the next ones go on.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import datetime
import json
import platform
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ramet import _core
from ramet.cluster import findings as f
from ramet.cluster.api import EVERYWHERE, Kubernetes, Object, release_labels
from ramet.cluster.errors import ClusterError, ForbiddenError
from ramet.cluster.findings import Finding
from ramet.cluster.members import members_of
from ramet.cluster.parsing import DONE, WORLD, Parser, run_verb
from ramet.cluster.progress import Progress
from ramet.cluster.scheduling import GPU, offers
from ramet.cluster.short_pods import PORT, Setting, ShortPods, short_pods
from ramet.cluster.survey import missing_rights, takes_pods

_EXAMPLE = """Example
  ramet doctor --cluster
  ramet doctor --cluster trees -n science --json

Looks at a Kubernetes cluster: permissions, nodes, GPUs, storage, the network between two pods of the image, clocks, and
versions here, in the image and in the cluster NAME if it runs. Exits with 1 if something is wrong. What it starts takes
seconds and is gone afterwards; with --no-pods it only looks."""

# What `ramet submit`, --cluster and this verb need, beside what `ramet cluster up` does.
_RIGHTS = [
    ("create", "jobs", ""),
    ("get", "jobs", ""),
    ("list", "jobs", ""),
    ("delete", "jobs", ""),
    ("get", "pods", "log"),
    ("create", "pods", "portforward"),
    ("list", "events", ""),
]
_COMPARED = ("python", "ramet", "dask", "distributed")
_WIDTH = 100


def main(arguments: Sequence[str]) -> int:
    """Run `ramet doctor` with these arguments, --cluster among them, and return the exit code."""
    parser = Parser("ramet doctor", _EXAMPLE)
    which = "Look at Kubernetes, and at this cluster on it [ramet]"
    parser.add_argument("--cluster", nargs="?", const="ramet", metavar="NAME", help=which)
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", help="Left out, the context's")
    parser.add_argument("--context", metavar="NAME", help="Of the kubeconfig; left out, the current one")
    parser.add_argument("--image", metavar="IMAGE", help="Of the pods; left out, the cluster's, or this version's")
    parser.add_argument("--no-pods", action="store_true", help="Start no pods: nothing is measured")
    parser.add_argument("--json", action="store_true", help="As one JSON object")
    try:
        given = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return run_verb(lambda: _doctor(given))


def _doctor(given: Any) -> int:
    progress = Progress(quiet=given.json or not sys.stderr.isatty())
    found: list[Finding] = []
    try:
        kubernetes = Kubernetes(given.context, given.namespace)
    except ClusterError as error:
        found.append(Finding("api", f.PROBLEM, error.message, error.remedy))
    else:
        try:
            examination = Examination(kubernetes, given.cluster, given.image, progress, found)
            examination.look()
            if not given.no_pods:
                examination.measure()
        finally:
            progress.end()
    ok = not any(finding.state == f.PROBLEM for finding in found)
    if given.json:
        print(json.dumps({"ok": ok, "findings": [asdict(finding) for finding in found]}))
    else:
        print(as_text(found))
    return DONE if ok else WORLD


class Examination:
    """All steps, which add to `found`."""

    def __init__(
        self, kubernetes: Kubernetes, name: str, image: str | None, progress: Progress, found: list[Finding]
    ) -> None:
        self.kubernetes = kubernetes
        self.name = name
        self.progress = progress
        self.found = found
        self.nodes: list[Object] | None = None
        self.release: Object | None = None  # its workers' StatefulSet
        self.image = image

    @contextmanager
    def step(self, check: str, what: str) -> Iterator[None]:
        self.progress.show(what)
        try:
            yield
        except ForbiddenError as error:
            self.found.append(Finding(check, f.UNKNOWN, error.message, error.remedy))
        except ClusterError as error:
            self.found.append(Finding(check, f.PROBLEM, error.message, error.remedy))

    def look(self) -> None:
        """What can be seen without starting anything."""
        kubernetes = self.kubernetes
        server = {"server": kubernetes.server, "version": kubernetes.release, "namespace": kubernetes.namespace}
        where = f"Kubernetes {kubernetes.release} at {kubernetes.server} ({kubernetes.place})."
        self.found.append(Finding("api", f.OK, where, facts=server))
        with self.step("permissions", "permissions"):
            self.found.append(f.of_rights(self._missing_rights(), kubernetes.namespace))
        with self.step("nodes", "nodes"):
            self.nodes = self._listed("nodes")
            self.found += f.of_nodes(self.nodes, kubernetes.version)
        with self.step("gpus", "GPUs"):
            self.found.append(f.of_gpus(self.nodes, self._listed("daemonsets", EVERYWHERE)))
        with self.step("storage", "storage"):
            one = self.nodes is not None and len(self.nodes) == 1
            self.found.append(f.of_storage(self._listed("storageclasses"), one))
        with self.step("heartbeats", "heartbeats"):
            now = datetime.datetime.now(datetime.timezone.utc)
            self.found.append(f.of_heartbeats(self._leases(), now))
        with self.step("cluster", f"cluster {self.name}"):
            self._look_at_release()

    def _missing_rights(self) -> list[str]:
        missing = missing_rights(self.kubernetes)
        for verb, resource, part in _RIGHTS:
            if not self.kubernetes.may(verb, resource, part):
                missing.append(f"{verb} {resource}{'/' + part if part else ''}")
        return missing

    def _listed(self, resource: str, namespace: str | None = None) -> list[Object] | None:
        try:
            return self.kubernetes.list(resource, namespace=namespace)
        except ForbiddenError:
            return None

    def _leases(self) -> list[Object] | None:
        try:
            path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
            leases: list[Object] = self.kubernetes.read(path)["items"]
            return leases
        except ForbiddenError:
            return None

    def _look_at_release(self) -> None:
        workers = self.kubernetes.list("statefulsets", release_labels(self.name, "worker"))
        self.release = workers[0] if workers else None
        if not members_of(self.kubernetes, self.name).pods:
            what = f'there is no cluster "{self.name}" in namespace {self.kubernetes.namespace} yet.'
            self.found.append(Finding("cluster", f.OK, what, facts={"running": False}))
            return
        from ramet.cluster.remote import client_for_files

        with client_for_files(self.name, kubernetes=self.kubernetes, check_versions=False) as client:
            told = client.get_versions(packages=["ramet"])
        members = [told["scheduler"], *told["workers"].values()]
        what = f'cluster "{self.name}" answers: scheduler and {len(members) - 1:,} workers.'
        self.found.append(Finding("cluster", f.OK, what, facts={"running": True, "workers": len(members) - 1}))
        here = versions_here()
        apart = [f.of_versions(here, _versions(member), f'cluster "{self.name}"') for member in members]
        self.found.append(max(apart, key=lambda finding: (f.OK, f.WARNING, f.PROBLEM).index(finding.state)))

    def measure(self) -> None:
        """What takes pods."""
        with suppress(ForbiddenError):  # who may not look at it has it
            if self.kubernetes.get("namespaces", self.kubernetes.namespace) is None:
                self.found.append(_no_namespace(self.kubernetes.namespace))
                return
        nodes = [node for node in self.nodes or () if takes_pods(node)]
        pair = [str(node["metadata"]["name"]) for node in (nodes[0], nodes[-1])] if nodes else ["", ""]
        promising = [str(node["metadata"]["name"]) for node in nodes if offers(node, GPU) > 0]
        with short_pods(self.kubernetes, self._setting()) as pods, self.step("pods", "starting a pod"):
            server = pods.start(["serve", str(PORT)], pair[0])
            looking = {node: pods.start(["gpu"], node, gpus=1) for node in promising}
            self.progress.show("measuring the network")
            client = pods.start(["measure", pods.address(server), str(PORT)], pair[1])
            self._take_network(pods, server, client)
            for node, name in looking.items():
                with self.step("gpu pod", f"nvidia-smi on {node}"):
                    self.found.append(f.of_gpu_pod(pods.told(name), node))

    def _take_network(self, pods: ShortPods, server: str, client: str) -> None:
        told = pods.told(client)
        image = f"image {self._setting().image}"
        self.found.append(f.of_versions(versions_here(), told.pop("versions"), image))
        self.found += f.of_network(told, [pods.node(server), pods.node(client)])

    def _setting(self) -> Setting:
        if self.release is None:
            return Setting(self.image or f"ramet/ramet:{_core.__version__}")
        pod = self.release["spec"]["template"]["spec"]
        worker = pod["containers"][0]
        return Setting(
            self.image or worker["image"],
            worker.get("imagePullPolicy", "IfNotPresent"),
            pod.get("imagePullSecrets", []),
            self.name,
        )


def _no_namespace(name: str) -> Finding:
    what = f"there is no namespace {name}, so no pods were started, and nothing was measured."
    remedy = f"`kubectl create namespace {name}`, and look again; `ramet cluster up -n {name}` makes it too."
    return Finding("namespace", f.WARNING, what, remedy)


def versions_here(of: Callable[[str], str] = version) -> dict[str, str]:
    found = {"python": platform.python_version(), "ramet": _core.__version__}
    for package in _COMPARED[2:]:
        try:
            found[package] = of(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def _versions(member: dict[str, Any]) -> dict[str, str]:
    packages = member["packages"]
    found = {name: str(packages.get(name) or "missing") for name in _COMPARED}
    return found | {"python": ".".join(found["python"].split(".")[:3])}


def as_text(found: Sequence[Finding]) -> str:
    """For people: a line for each, and what to do below it."""
    column = max(len(finding.check) for finding in found)
    indent = " " * (column + 2 + len(f.PROBLEM) + 2)
    lines = []
    for finding in found:
        head = f"{finding.check:<{column}}  {finding.state:<{len(f.PROBLEM)}}  "
        lines += textwrap.wrap(finding.what, _WIDTH, initial_indent=head, subsequent_indent=indent)
        if finding.remedy:
            lines += textwrap.wrap(
                finding.remedy, _WIDTH, initial_indent=indent + "→ ", subsequent_indent=indent + "  "
            )
    return "\n".join(lines)
