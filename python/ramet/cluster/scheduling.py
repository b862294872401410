"""Why no node takes a pod: the scheduler's own sentence, and what to do about it.

"0/3 nodes are available: 1 node(s) had untolerated taint {spot: true}, 2 Insufficient nvidia.com/gpu. …"
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ramet.cluster.api import Object
from ramet.cluster.parsing import bytes_of

GPU = "nvidia.com/gpu"
GIB = 1 << 30

# Seconds that a cause must have lasted before waiting is given up.
AT_ONCE, SOON, LATER, NEVER = 10.0, 30.0, 60.0, float("inf")


@dataclass(frozen=True)
class Cause:
    """Why something is not up.

    Parameters
    ----------
    kind : str
        One word, for machines and for tests.
    what : str
        A sentence.
    remedy : str
        Another one: what to do.
    patience : float
        Seconds that it must last before waiting any longer is pointless.
    """

    kind: str
    what: str
    remedy: str = ""
    patience: float = LATER


def needs(pod: Object) -> dict[str, float]:
    """What a pod asks for, by resource; in bytes and processors."""
    total: dict[str, float] = {}
    for container in pod["spec"]["containers"]:
        resources = container.get("resources", {})
        for name, amount in {**resources.get("limits", {}), **resources.get("requests", {})}.items():
            total[name] = total.get(name, 0.0) + bytes_of(str(amount))
    return total


def offers(node: Object, resource: str) -> float:
    return bytes_of(str(node["status"].get("allocatable", {}).get(resource, "0")))


def unschedulable(pod: Object, message: str, events: Iterable[Object], nodes: Sequence[Object]) -> Cause:
    """The cause that the scheduler's `message` names; of several, the one that most likely is the user's to mend."""
    for event in latest_first(events):
        if event.get("reason") in ("TriggeredScaleUp", "Nominated"):
            return Cause("scaling", f"the cluster adds nodes for it: {event['message']}.", patience=NEVER)
    sentence = re.sub(r"\.? (preemption:|no new claims to deallocate).*", "", message, flags=re.S).rstrip(".") + "."
    lacking = re.findall(r"Insufficient ([\w./-]*\w)", message)
    if GPU in lacking:
        return _too_few_gpus(pod, nodes, sentence)
    for pattern, kind, remedy in _REASONS:
        match = re.search(pattern, message)
        if match:
            return Cause(kind, f"no node takes it: {sentence}", remedy.format(*match.groups()))
    causes = [_too_small(pod, resource, nodes, sentence) for resource in lacking]
    if causes:
        return min(causes, key=lambda cause: cause.patience)  # what no node can ever give first
    return Cause("unschedulable", f"no node takes it: {sentence}", "Look at the nodes: `kubectl describe nodes`.")


# In the order in which they are worth telling.
_REASONS = [
    (
        r'persistentvolumeclaim "([^"]+)" not found',
        "claim",
        "Make the claim {0}, or let `ramet cluster up` make its own.",
    ),
    (
        r"unbound immediate PersistentVolumeClaims",
        "claim",
        "`kubectl describe pvc` says why the claims get no volume; choose a --storage-class that works, an --nfs "
        "export, or --no-storage.",
    ),
    (
        r"volume node affinity conflict|had no available volume zone",
        "volume-elsewhere",
        "The volume lies on another node or in another zone. Use a storage class that all nodes reach "
        "(ReadWriteMany), or put the pods where the volume is with --set worker.nodeSelector.",
    ),
    (
        r"had untolerated taint(?:\(s\))? ?(\{[^}]*\})?",
        "taint",
        "Nodes are kept for others by the taint {0}. If they are meant for this, tolerate it: "
        '--set-json \'worker.tolerations=[{{"operator": "Exists"}}]\'.',
    ),
    (
        r"didn't match Pod's node affinity/selector|didn't match node selector",
        "selector",
        "Correct worker.nodeSelector or worker.affinity to labels that nodes have (`kubectl get nodes --show-labels`).",
    ),
    (
        r"didn't match pod (?:anti-)?affinity rules|didn't match pod topology spread",
        "affinity",
        "The pods' rules about each other leave no node. With ReadWriteOnce volumes all must fit on one node: use "
        "fewer or smaller workers, or a ReadWriteMany class.",
    ),
    (r"node\(s\) were unschedulable", "cordoned", "Nodes are closed to new pods; `kubectl uncordon NODE` opens one."),
    (r"Too many pods", "pods", "Nodes hold as many pods as they may. Use fewer workers, or add nodes."),
    (r"no nodes available", "no-nodes", "The cluster has no node that is ready. Start one."),
]


def latest_first(events: Iterable[Object]) -> list[Object]:
    def time(event: Object) -> str:
        series = event.get("series") or {}
        made = event.get("metadata", {}).get("creationTimestamp")
        return series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or made or ""

    return sorted(events, key=time, reverse=True)


def _too_few_gpus(pod: Object, nodes: Sequence[Object], sentence: str) -> Cause:
    wanted = int(needs(pod).get(GPU, 0))
    there = [int(offers(node, GPU)) for node in nodes]
    if not nodes or not any(there):
        return Cause(
            "gpu",
            f"it asks for {_count(wanted, 'GPU')}, and no node of the cluster offers any ({GPU}).",
            "Install NVIDIA's GPU operator or device plugin on nodes that have GPUs (`ramet doctor --cluster` looks), "
            "or use --gpus-per-worker 0.",
            SOON,
        )
    if max(there) < wanted:
        return Cause(
            "gpu",
            f"it asks for {_count(wanted, 'GPU')}, and no node has more than {max(there)}.",
            f"Use --gpus-per-worker {max(there)} or fewer.",
        )
    return Cause(
        "gpu-taken",
        f"the GPUs that nodes can give are taken ({sum(there):,} in all): {sentence}",
        "Use fewer workers, wait until others end, or add nodes.",
    )


def _too_small(pod: Object, resource: str, nodes: Sequence[Object], sentence: str) -> Cause:
    wanted = needs(pod).get(resource, 0.0)
    most = max((offers(node, resource) for node in nodes), default=0.0)
    flag = {"memory": "--memory", "cpu": "--cpus"}.get(resource, "--set worker.resources")
    if nodes and wanted > most:
        return Cause(
            f"too-large-{resource}",
            f"it asks for {amount(wanted, resource)} of {resource}, and the largest node offers "
            f"{amount(most, resource)}.",
            f"Ask for less with {flag}, or add larger nodes.",
            SOON,
        )
    return Cause(
        f"full-{resource}",
        f"the nodes have no room left for it ({amount(wanted, resource)} of {resource}): {sentence}",
        f"Use fewer workers, smaller ones ({flag}), or add nodes.",
    )


def amount(number: float, resource: str) -> str:
    """A number of a resource as people write it."""
    if resource in ("memory", "ephemeral-storage"):
        return f"{number / GIB:,.0f} GiB" if number >= 100 * GIB else f"{number / GIB:.3g} GiB"
    return f"{number:g}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
