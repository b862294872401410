"""Releases of the chart: made, changed and removed by Helm.

    helm = Helm(kubernetes)
    helm.upgrade("ramet", values)         # or installs it
    helm.find("ramet")                    # -> Release, or None

Waiting for pods is not Helm's: it would time out where `watch.py` explains.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramet.cluster.api import Kubernetes, Object
from ramet.cluster.errors import ClusterError

OLDEST = (3, 14)
LIMIT = 120  # seconds for one call
Values = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """What Helm knows of a release; `status` is deployed, failed, pending-install, …"""

    name: str
    revision: int
    status: str
    chart: str
    app_version: str


def chart_path() -> Path:
    """The chart: of the installed package, or of the source tree."""
    here = Path(__file__).resolve()
    for place in (here.parent / "chart", here.parents[3] / "deploy" / "helm" / "ramet"):
        if (place / "Chart.yaml").is_file():
            return place
    raise ClusterError("this installation of Ramet lacks its Helm chart.", "Install it anew: pip install -U ramet.")


class Helm:
    """Helm, on one namespace of one cluster."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        program = shutil.which("helm")
        if not program:
            raise ClusterError(
                "`helm`, which installs the chart, is not on the PATH.",
                "Install Helm 3.14 or newer (https://helm.sh/docs/intro/install).",
            )
        self._program = program
        self._where = ["--namespace", kubernetes.namespace]
        if kubernetes.context:
            self._where += ["--kube-context", kubernetes.context]
        told = self._run(["version", "--template", "{{.Version}}"])
        found = re.match(r"v(\d+)\.(\d+)", told)
        if found and (int(found[1]), int(found[2])) < OLDEST:
            raise ClusterError(f"{program} is of version {told.strip()}, which is too old.", "Install 3.14 or newer.")

    def find(self, name: str) -> Release | None:
        """The release, in whatever state; None if there is none."""
        listed = json.loads(self._run(["list", "--all", "--filter", f"^{re.escape(name)}$", "--output", "json"]))
        for found in listed:
            if not found["chart"].startswith("ramet-"):
                raise ClusterError(
                    f'there is a Helm release "{name}" of another chart ({found["chart"]}) in this namespace.',
                    "Choose another --name, or another -n NAMESPACE.",
                )
            revision = int(found["revision"])
            return Release(name, revision, found["status"], found["chart"], found["app_version"])
        return None

    def values(self, name: str) -> Values:
        """What was set for the release, beside the chart's defaults."""
        return json.loads(self._run(["get", "values", name, "--output", "json"])) or {}

    def manifest(self, name: str) -> list[Object]:
        """The objects of the release, as installed."""
        return objects_of(self._run(["get", "manifest", name]))

    def render(self, name: str, values: Values, flags: Sequence[str] = ()) -> list[Object]:
        """The objects that `upgrade` would leave; nothing is changed."""
        out = self._upgrade(name, values, [*flags, "--dry-run=server", "--output", "json"])
        return objects_of(json.loads(out)["manifest"])

    def upgrade(self, name: str, values: Values, flags: Sequence[str] = ()) -> None:
        """Bring the release to these values, and make it if there is none."""
        self._upgrade(name, values, flags)

    def _upgrade(self, name: str, values: Values, flags: Sequence[str]) -> str:
        command = ["upgrade", "--install", name, str(chart_path()), "--history-max", "5", "--values", "-", *flags]
        return self._run(command, json.dumps(values))

    def last_good(self, name: str) -> int | None:
        """The newest revision that was deployed before the last one; None if there is none."""
        revisions = json.loads(self._run(["history", name, "--output", "json"]))
        good = [int(entry["revision"]) for entry in revisions[:-1] if entry["status"] in ("superseded", "deployed")]
        return max(good, default=None)

    def rollback(self, name: str, revision: int) -> None:
        self._run(["rollback", name, str(revision), "--history-max", "5"])

    def uninstall(self, name: str) -> None:
        """Remove it, and wait until its pods are gone; fine if it is gone already."""
        self._run(["uninstall", name, "--ignore-not-found", "--wait", "--timeout", f"{LIMIT}s"])

    def _run(self, arguments: Sequence[str], given: str = "") -> str:
        command = [self._program, *arguments, *(self._where if arguments[0] != "version" else [])]
        try:
            done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=LIMIT + 30, check=False)
        except subprocess.TimeoutExpired:
            raise ClusterError(
                f"helm {arguments[0]} did not end within {LIMIT + 30} seconds.", "Is the Kubernetes cluster overloaded?"
            ) from None
        if done.returncode:
            raise _explained(arguments[0], done.stderr)
        return done.stdout


def objects_of(manifest: str) -> list[Object]:
    import yaml

    return [document for document in yaml.safe_load_all(manifest) if document]


def _explained(verb: str, said: str) -> ClusterError:
    """Helm's last words as an error that says what to do."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(("WARNING", "W1", "I1"))]
    text = re.sub(r"^Error: ((INSTALLATION|UPGRADE|UNINSTALLATION) FAILED: )?", "", "\n".join(lines)).strip()
    if "don't meet the specifications of the schema" in text:
        wrong = [line.strip(" -") for line in text.splitlines() if line.startswith("-")]
        return ClusterError(
            f"a value is not one of the chart's: {'; '.join(wrong)}.",
            f"Correct --set or --values; {chart_path() / 'values.yaml'} tells of all that can be set.",
        )
    if 'no matches for kind "Dask' in text:
        return ClusterError(
            "operator.enabled is set, and the Dask operator is not installed in this cluster.",
            "Install it (helm install --repo https://helm.dask.org --create-namespace -n dask-operator --generate-name "
            "dask-kubernetes-operator), or leave operator.enabled out: Ramet needs no operator.",
        )
    if "no matches for kind" in text:
        return ClusterError(f"this cluster does not know a kind that is asked for: {_line(text)}.", "Switch it off.")
    if "another operation" in text:
        return ClusterError("another `ramet cluster up` or helm is at work on this release.", "Wait until it is done.")
    if "execution error at" in text:  # the chart's own rules
        text = re.sub(r".*execution error at \([^)]*\): ", "", text, flags=re.S)
        return ClusterError(f"the chart refuses this: {_line(text)}.")
    return ClusterError(f"helm {verb}: {_line(text)}.")


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
