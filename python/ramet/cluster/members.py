"""What belongs to a release of the chart, found by its labels."""

from __future__ import annotations

from dataclasses import dataclass

from ramet.cluster.api import COMPONENT, INSTANCE, NAME, Kubernetes, Object, release_labels
from ramet.cluster.errors import ClusterError, MissingError

SCHEDULER_PORT = 8786
NOTEBOOK_PORT = 8888
CERTIFICATES = "/etc/ramet/tls"  # where the chart mounts them


@dataclass
class Members:
    """The pods of a release, by component."""

    name: str
    pods: list[Object]

    def of(self, component: str) -> list[Object]:
        return [pod for pod in self.pods if pod["metadata"]["labels"].get(COMPONENT) == component]

    @property
    def scheduler(self) -> Object | None:
        """The scheduler's pod that is up, else its newest; None if there is none."""
        pods = sorted(self.of("scheduler"), key=lambda pod: (is_ready(pod), pod["metadata"]["creationTimestamp"]))
        return pods[-1] if pods else None


def options(name: str, kubernetes: Kubernetes | None = None) -> str:
    """The flags that name a release, for commands that messages tell of."""
    flags = f" --name {name}" if name != "ramet" else ""
    return flags + (f" -n {kubernetes.namespace}" if kubernetes and kubernetes.namespace != "default" else "")


def is_ready(pod: Object) -> bool:
    """Whether a pod is up, and is to stay."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def members_of(kubernetes: Kubernetes, name: str) -> Members:
    """The pods of release `name`; there may be none."""
    return Members(name, kubernetes.list("pods", release_labels(name)))


def require_members(kubernetes: Kubernetes, name: str) -> Members:
    """The pods of release `name`, or an error that tells of those that exist."""
    members = members_of(kubernetes, name)
    if members.pods:
        return members
    others = sorted({pod["metadata"]["labels"][INSTANCE] for pod in kubernetes.list("pods", {NAME: "ramet"})})
    raise MissingError(
        f'there is no cluster "{name}" in namespace {kubernetes.namespace} of {kubernetes.place}'
        + (f"; there is {', '.join(others)}." if others else "."),
        f"`ramet cluster up{options(name, kubernetes)}` makes it; -n NAMESPACE looks elsewhere.",
    )


def scheduler_pod(kubernetes: Kubernetes, name: str) -> Object:
    """The scheduler's pod, which is up; else an error."""
    pod = require_members(kubernetes, name).scheduler
    if pod is None or not is_ready(pod):
        raise ClusterError(
            f'the scheduler of cluster "{name}" in namespace {kubernetes.namespace} is not up.',
            f"`ramet cluster status{options(name, kubernetes)}` says why.",
        )
    return pod
