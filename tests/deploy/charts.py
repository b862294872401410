"""The chart, rendered by Helm, and a look at what came out."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/ramet"
VALUES = sorted(Path(__file__).with_name("values").glob("*.yaml"))
OLDEST, NEWEST = "1.27", "1.37"  # of the Kubernetes versions that are tried

RELEASE, NAMESPACE = "flights", "team"


@functools.cache
def helm() -> str:
    """`make deploy-check` builds one; any other of version 3.14 or newer will do."""
    built = ROOT / "build/e2e/bin/helm"
    found = os.environ.get("HELM") or (built if built.exists() else shutil.which("helm"))
    if not found:
        raise FileNotFoundError("There is no helm: run tests/e2e/kubernetes/build.sh helm, or put one on the PATH.")
    return str(found)


def run(*arguments: str | Path, values: Object | None = None) -> subprocess.CompletedProcess[str]:
    """Helm with these arguments; `values` are given to it as a file."""
    given = [] if values is None else ["--values", "-"]
    text = None if values is None else yaml.safe_dump(values)
    command = [helm(), *map(str, arguments), *given]
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=60, check=False)


def template(
    values: Object, release: str = RELEASE, chart: Path = CHART, version: str = NEWEST
) -> subprocess.CompletedProcess[str]:
    """What `helm template` says of these values."""
    arguments = ["template", release, chart, "--namespace", NAMESPACE, "--kube-version", f"{version}.0"]
    return run(*arguments, values=values)


def render(values: Object, release: str = RELEASE, chart: Path = CHART, version: str = NEWEST) -> list[Object]:
    """The objects that these values make."""
    result = template(values, release, chart, version)
    assert result.returncode == 0, result.stderr
    return [found for found in yaml.safe_load_all(result.stdout) if found]


@functools.cache
def rendered(path: Path, version: str = NEWEST) -> list[Object]:
    """The objects that a file of values makes. They are shared: leave them as they are."""
    return render(yaml.safe_load(path.read_text()), version=version)


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """Those of one kind."""
    return [found for found in objects if found["kind"] == kind]


def only(objects: list[Object], kind: str, name: str) -> Object:
    """The one of this kind whose name ends so."""
    (found,) = (found for found in of_kind(objects, kind) if found["metadata"]["name"].endswith(name))
    return found


@dataclass(frozen=True)
class Pod:
    """A pod that an object makes."""

    owner: str
    labels: dict[str, str]
    spec: Object

    @property
    def component(self) -> str:
        return self.labels.get("app.kubernetes.io/component") or self.labels["dask.org/component"]

    @property
    def main(self) -> Object:
        """The container that the pod is there for."""
        return self.spec["containers"][0]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def pods(objects: list[Object]) -> Iterator[Pod]:
    """All that the objects make, those of a DaskCluster too: with its labels and the operator's."""
    for found in objects:
        name = f"{found['kind']} {found['metadata']['name']}"
        if found["kind"] in ("Deployment", "StatefulSet"):
            yield Pod(name, found["spec"]["template"]["metadata"]["labels"], found["spec"]["template"]["spec"])
        elif found["kind"] == "Pod":
            yield Pod(name, found["metadata"]["labels"], found["spec"])
        elif found["kind"] == "DaskCluster":
            for part in ("scheduler", "worker"):
                own = {"dask.org/cluster-name": found["metadata"]["name"], "dask.org/component": part}
                yield Pod(f"{name} {part}", {**found["metadata"]["labels"], **own}, found["spec"][part]["spec"])


def pod(objects: list[Object], component: str) -> Pod:
    """The only one of a component."""
    (found,) = (found for found in pods(objects) if found.component == component)
    return found


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Does a label selector find a pod with these labels? An empty one finds all."""
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def environment(container: Object) -> dict[str, Any]:
    """The variables of a container that have a value."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container.get("env", [])}
