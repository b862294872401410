"""Pods that look around for `ramet doctor --cluster`, and are gone afterwards.

Each is of a Job with a time limit, which Kubernetes deletes by itself, so that nothing stays even if this machine
vanishes meanwhile.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ramet.cluster.api import Kubernetes, Object, release_labels
from ramet.cluster.errors import ClusterError
from ramet.cluster.follow import pods_called
from ramet.cluster.jobs import literal
from ramet.cluster.pods import Surroundings, explain, explain_maker
from ramet.cluster.scheduling import GPU

PORT = 8799  # the chart's NetworkPolicy lets these pods reach each other there
LIFE = 180  # seconds
_START = 90.0  # seconds for an image to be pulled and a pod to start
_END = 15.0  # seconds for them to be gone
_LOOK = 0.3


@dataclass(frozen=True)
class Setting:
    """How pods of a release are, as far as these need it."""

    image: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: list[Object] = field(default_factory=list)
    release: str = ""


@contextmanager
def short_pods(kubernetes: Kubernetes, setting: Setting) -> Iterator[ShortPods]:
    pods = ShortPods(kubernetes, setting)
    try:
        yield pods
    except BaseException:  # Ctrl-C does not wait until they have ended
        pods.remove()
        raise
    pods.remove(_END)


class ShortPods:
    def __init__(self, kubernetes: Kubernetes, setting: Setting) -> None:
        self._kubernetes = kubernetes
        self._setting = setting
        self._names: list[str] = []

    def start(self, arguments: Sequence[str], node: str = "", gpus: int = 0) -> str:
        """Starts `probe.py` with these arguments, on a node; the name of its Job."""
        name = f"ramet-check-{secrets.token_hex(4)}"
        self._names.append(name)  # before it exists: it may exist though the answer never came
        self._kubernetes.create("jobs", job_of(name, self._setting, arguments, node, gpus))
        return name

    def address(self, name: str) -> str:
        """Of a pod that runs."""
        return str(self._wait(name, ("Running",))["status"]["podIP"])

    def told(self, name: str) -> dict[str, Any]:
        """What a pod said, once it has ended; of one that serves, once it runs."""
        pod = self._wait(name, ("Running", "Succeeded", "Failed"))
        deadline = time.monotonic() + LIFE
        while time.monotonic() < deadline:
            for line in reversed(list(self._kubernetes.logs(pod["metadata"]["name"]))):
                with suppress(ValueError):
                    said: dict[str, Any] = json.loads(line)
                    return said
            if pod["status"]["phase"] != "Running":
                break
            time.sleep(_LOOK)
            pod = self._wait(name, ("Running", "Succeeded", "Failed"))
        raise ClusterError(f"pod {pod['metadata']['name']} said nothing that could be understood.")

    def node(self, name: str) -> str:
        """Where a pod is."""
        return str(self._wait(name, ("Running", "Succeeded", "Failed"))["spec"]["nodeName"])

    def _wait(self, name: str, phases: Sequence[str]) -> Object:
        deadline = time.monotonic() + _START
        while True:
            job = self._kubernetes.get("jobs", name)
            if job is None:
                raise ClusterError(f"job {name} was deleted by somebody else.", "Try again.")
            pods = pods_called(self._kubernetes, name)
            if pods and pods[-1]["status"].get("phase") in phases:
                return pods[-1]
            self._check(job, pods, time.monotonic() > deadline)
            time.sleep(_LOOK)

    def _check(self, job: Object, pods: list[Object], late: bool) -> None:
        """An error if the pod cannot start."""
        thing = pods[-1] if pods else job
        uid = thing["metadata"]["uid"]
        around = Surroundings(events={uid: self._kubernetes.list("events", fields={"involvedObject.uid": uid})})
        cause = explain(thing, around) if pods else explain_maker(thing, around)
        ended = pods and thing["status"].get("phase") in ("Succeeded", "Failed")
        if cause and (late or ended or cause.patience <= _START / 2):
            raise ClusterError(f"a pod of image {self._setting.image} does not start: {cause.what}", cause.remedy)
        if late or ended:
            raise ClusterError(
                f"a pod of image {self._setting.image} did not start within {_START:.0f} seconds.",
                "`kubectl get events` may say why.",
            )

    def remove(self, patience: float = 0.0) -> None:
        """All of them; those whose deletion fails are deleted by Kubernetes when their time is up.

        Waits so many seconds until they are gone.
        """
        names, self._names = self._names, []
        for name in names:
            with suppress(ClusterError):
                self._kubernetes.delete("jobs", name)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(pods_called(self._kubernetes, name) for name in names):
            time.sleep(_LOOK)


def job_of(name: str, setting: Setting, arguments: Sequence[str], node: str = "", gpus: int = 0) -> Object:
    labels = release_labels(setting.release or name, "check") | {"sidecar.istio.io/inject": "false"}
    script = Path(__file__).with_name("probe.py").read_text()
    limits = {"cpu": "1", "memory": "256Mi"} | ({GPU: str(gpus)} if gpus else {})
    pod: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": setting.pull_secrets,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}] if gpus else [],
        "containers": [
            {
                "name": "check",
                "image": setting.image,
                "imagePullPolicy": setting.pull_policy,
                "args": [literal(word) for word in ("python", "-c", script, *arguments)],
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": limits},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
    if node:
        wish = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [wish]}}
        pod["affinity"] = {"nodeAffinity": required}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": LIFE,
            "ttlSecondsAfterFinished": 60,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
