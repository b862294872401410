"""Why a pod is not up, as a pure function of what the API tells: the pod, its events, nodes and claims.

    pod ─► not scheduled?     ─► scheduling.py, claims
        ─► a container waits? ─► its image, its settings, its crashes
        ─► nothing but events ─► volumes, sandbox, probes
        ─► no pod at all?     ─► the events of what was to make it: quota, policies

A cause names what is wrong and what to do; `patience` says how long it may be worth waiting all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ramet.cluster.api import COMPONENT, Object
from ramet.cluster.members import is_ready
from ramet.cluster.scheduling import AT_ONCE, LATER, NEVER, SOON, Cause, latest_first, unschedulable

__all__ = ["Cause", "Surroundings", "explain", "explain_claim", "explain_maker"]


@dataclass
class Surroundings:
    """What a pod depends on.

    Parameters
    ----------
    events : mapping from an object's UID to its events
    nodes : sequence
    claims : mapping from a claim's name to the claim
    has_default_class : bool
        Whether a claim without a storage class gets one.
    """

    events: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    nodes: Sequence[Object] = ()
    claims: Mapping[str, Object] = field(default_factory=dict)
    has_default_class: bool = True

    def of(self, thing: Object) -> Sequence[Object]:
        return self.events.get(thing["metadata"].get("uid", ""), ())


def explain(pod: Object, around: Surroundings) -> Cause | None:
    """Why `pod` is not up; None if it is, or nothing speaks against waiting."""
    status = pod.get("status", {})
    if is_ready(pod) or status.get("phase") == "Succeeded":
        return None
    if "deletionTimestamp" in pod["metadata"]:
        return _ending(pod, around)
    if status.get("phase") == "Failed":
        return _failed(status)
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return _unscheduled(pod, scheduled, around)
    node = next((node for node in around.nodes if node["metadata"]["name"] == pod["spec"].get("nodeName")), None)
    if node and _condition(node["status"], "Ready").get("status") != "True":
        return _lost(pod["spec"]["nodeName"])
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    for container in containers:
        cause = _container(container)
        if cause:
            return cause
    return _by_events(around.of(pod)) or _starting(status, containers)


def explain_maker(maker: Object, around: Surroundings) -> Cause | None:
    """Why a StatefulSet, ReplicaSet or Job makes no pods; None if it never failed to."""
    for event in latest_first(around.of(maker)):
        if event.get("reason") in ("SuccessfulCreate", "Scaled"):
            return None
        if event.get("reason") == "FailedCreate":
            return _not_made(event["message"])
    return None


def explain_claim(claim: Object, around: Surroundings) -> Cause | None:
    """Why a claim has no volume; None if it has one, or gets one with its first pod."""
    name, status = claim["metadata"]["name"], claim.get("status", {})
    if status.get("phase") == "Bound":
        return None
    if status.get("phase") == "Lost":
        return Cause(
            "claim", f"the volume of claim {name} is gone.", f"Delete the claim (`kubectl delete pvc {name}`).", AT_ONCE
        )
    events = latest_first(around.of(claim))
    for event in events:
        if event.get("reason") in ("ProvisioningFailed", "FailedBinding"):
            return _unbound(claim, event["message"], around)
        if event.get("reason") in ("WaitForFirstConsumer", "WaitForPodScheduled"):
            return None
    if not claim["spec"].get("storageClassName") and not around.has_default_class:
        return _unbound(claim, "no storage class is set", around)
    slow = Cause("claim", f"claim {name} waits for a volume from its storage class.", _STORAGE, LATER)
    return slow if any(event.get("reason") in ("ExternalProvisioning", "Provisioning") for event in events) else None


_STORAGE = "Choose a --storage-class that can make it, an --nfs SERVER:/PATH, or --no-storage with an object store."


def _unbound(claim: Object, message: str, around: Surroundings) -> Cause:
    name, asked = claim["metadata"]["name"], claim["spec"].get("storageClassName")
    if not asked and not around.has_default_class:
        return Cause("claim", f"claim {name} gets no volume: the cluster has no default storage class.", _STORAGE, SOON)
    if "not found" in message:
        return Cause("claim", f'claim {name} gets no volume: there is no storage class "{asked}".', _STORAGE, AT_ONCE)
    return Cause("claim", f"claim {name} gets no volume from storage class {asked}: {message.rstrip('.')}.", _STORAGE)


def _unscheduled(pod: Object, condition: Object, around: Surroundings) -> Cause | None:
    message = condition.get("message", "")
    if condition.get("reason") == "SchedulingGated":
        return Cause("gated", "it waits for a queue to let it in (a scheduling gate, as Kueue sets).", "", NEVER)
    if not message:
        return None
    if "PersistentVolumeClaim" in message or "persistentvolumeclaim" in message:
        for volume in pod["spec"].get("volumes", []):
            claim = around.claims.get(volume.get("persistentVolumeClaim", {}).get("claimName", ""))
            cause = claim and explain_claim(claim, around)
            if cause:
                return cause
    return unschedulable(pod, message, around.of(pod), around.nodes)


def _ending(pod: Object, around: Surroundings) -> Cause | None:
    node = next((node for node in around.nodes if node["metadata"]["name"] == pod["spec"].get("nodeName")), None)
    if node and _condition(node["status"], "Ready").get("status") != "True":
        return _lost(pod["spec"]["nodeName"])
    is_worker = pod["metadata"].get("labels", {}).get(COMPONENT) == "worker"
    return Cause("ending", f"it is ending{', and hands over what only it holds' if is_worker else ''}.", "", NEVER)


def _lost(node: str) -> Cause:
    return Cause(
        "node-lost",
        f"node {node} does not answer.",
        f"Bring it back, or, if it is gone for good, say so: `kubectl taint node {node} "
        "node.kubernetes.io/out-of-service=gone:NoExecute`; its pods then move at once.",
    )


def _failed(status: Object) -> Cause:
    reason, message = status.get("reason", "Failed"), status.get("message", "").rstrip(".")
    if reason == "Evicted":
        return Cause(
            "evicted",
            f"its node threw it out: {message}.",
            "Give the workers more of what ran out (--memory, --set worker.scratch.size), or use fewer a node.",
        )
    if reason in ("UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfpods") or reason.startswith("OutOf"):
        return Cause("not-admitted", f"its node refused it ({reason}): {message}.", "Another one is made; wait.", LATER)
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        ended = container.get("state", {}).get("terminated")
        if ended and ended.get("exitCode"):
            return _crash(container, ended)
    return Cause(
        "failed", f"it failed ({reason}){': ' + message if message else ''}.", "`ramet cluster logs` says more."
    )


def _container(container: Object) -> Cause | None:
    state = container.get("state", {})
    waiting, ended = state.get("waiting"), state.get("terminated")
    if waiting:
        reason, message = waiting.get("reason", ""), waiting.get("message", "").rstrip(".")
        if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"):
            return _no_image(container["image"], reason, message)
        if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
            return _not_created(message or reason)
        last = container.get("lastState", {}).get("terminated")
        if last and (reason == "CrashLoopBackOff" or container.get("restartCount", 0) > 0):
            return _crash(container, last)
    if ended and ended.get("exitCode"):
        return _crash(container, ended)
    last = container.get("lastState", {}).get("terminated")
    if last and last.get("exitCode") and not container.get("ready"):
        return replace(_crash(container, last), patience=LATER)  # it tries again
    return None


_LACKING = re.compile("executable file not found|no such file or directory")
_WRONG_IMAGE = "Name the right one with --image REPOSITORY:TAG"


def _no_image(image: str, reason: str, message: str) -> Cause:
    if reason == "InvalidImageName":
        return Cause("image", f'"{image}" is not the name of an image.', f"{_WRONG_IMAGE}.", AT_ONCE)
    if reason == "ErrImageNeverPull":
        return Cause(
            "image",
            f"image {image} is not on its node, and may not be pulled.",
            "Put it onto every node, or use --set image.pullPolicy=IfNotPresent.",
            AT_ONCE,
        )
    if re.search(r"unauthorized|denied|forbidden|no basic auth|authentication required|403|401", message, re.I):
        return Cause(
            "image-secret",
            f"image {image} may not be pulled: {_short(message)}.",
            "Make a pull secret (`kubectl create secret docker-registry …`) and name it with "
            "--set image.pullSecrets[0]=NAME; or correct the image's name.",
            SOON,
        )
    if re.search(r"no match for platform|no matching manifest", message):
        return Cause("image", f"image {image} is not made for its node's processor.", f"{_WRONG_IMAGE}.", AT_ONCE)
    if re.search(r"not found|manifest unknown|name unknown|does not exist", message):
        return Cause("image", f"there is no image {image}: {_root(message)}.", f"{_WRONG_IMAGE}.", SOON)
    return Cause(
        "image",
        f"image {image} cannot be pulled{': ' + _root(message) if message else ''}.",
        f"Check that the nodes reach its registry. {_WRONG_IMAGE}, or put it onto every node.",
        SOON,
    )


def _not_created(message: str) -> Cause:
    missing = re.search(r'(secret|configmap) "([^"]+)" not found', message)
    if missing:
        return Cause("settings", f"{missing[1]} {missing[2]} does not exist.", f"Make {missing[1]} {missing[2]}.", SOON)
    if "runAsNonRoot" in message:
        return Cause(
            "image",
            f"its image wants to run as root: {_short(message)}.",
            "Use an image with a numeric USER, as Ramet's has.",
            SOON,
        )
    if _LACKING.search(message):
        return Cause(
            "image",
            f"its image lacks what is to run: {_short(message)}.",
            f"{_WRONG_IMAGE}: it must hold Ramet and Dask.",
            SOON,
        )
    return Cause("settings", f"its container cannot be made: {_short(message)}.", "Correct what it names.", SOON)


def _crash(container: Object, ended: Object) -> Cause:
    name, code, times = container["name"], ended.get("exitCode", 0), container.get("restartCount", 0)
    again = f", {times:,} times now" if times > 1 else ""
    if ended.get("reason") == "OOMKilled":
        return Cause(
            "memory", f"container {name} used more memory than it may{again}.", "Give workers more with --memory.", SOON
        )
    if code in (126, 127):
        return Cause(
            "image",
            f"container {name} lacks the program that it is to run (exit code {code}).",
            f"{_WRONG_IMAGE}: it must hold Ramet and Dask.",
            SOON,
        )
    said = f": {_short(ended['message'])}" if ended.get("message") else ""
    return Cause(
        "crash",
        f"container {name} ended with exit code {code}{again}{said}.",
        "Correct what its last words complain of (`ramet cluster logs --previous`).",
        SOON,
    )


def _by_events(events: Sequence[Object]) -> Cause | None:
    for event in latest_first(events):
        reason, message = event.get("reason"), _short(event.get("message", ""))
        if reason in ("Started", "SuccessfulMountVolume"):
            return None
        if reason == "FailedMount":
            return Cause("volume", f"a volume cannot be mounted: {message}.", _MOUNT)
        if reason == "FailedAttachVolume":
            return Cause("volume", f"a volume cannot be attached: {message}.", _ATTACH)
        if reason in ("FailedCreatePodSandBox", "FailedCreatePodContainer"):
            return Cause("sandbox", f"its node cannot start it: {message}.", "Look at that node's network plugin.")
        if reason == "Pulling":
            return Cause("pulling", "its image is being pulled.", "", NEVER)
        if reason == "Unhealthy" and _LACKING.search(event["message"]):
            return Cause("image", f"its image lacks what is to run: {_root(message)}.", f"{_WRONG_IMAGE}.", SOON)
        if reason == "Unhealthy":
            probe = re.sub(r"^\(combined from similar events\): ", "", message).split(":")[
                0
            ]  # behind it stands how the probe's program failed
            return Cause("not-ready", f"it runs, and does not answer yet ({probe}).", _ANSWER, 2 * LATER)
    return None


_MOUNT = "Check that the secret, claim or NFS export exists, and that the nodes can mount it (NFS needs nfs-common)."
_ATTACH = "Another node may hold it still; a volume for several nodes must be ReadWriteMany."
_ANSWER = "`ramet cluster logs` says what it does; workers wait for the scheduler."


def _starting(status: Object, containers: Sequence[Object]) -> Cause | None:
    if any("running" in container.get("state", {}) for container in containers):
        return Cause("not-ready", "it runs, and is not ready yet.", _ANSWER, 2 * LATER)
    return None


def _not_made(message: str) -> Cause:
    quota = re.search(r"exceeded quota: ([^,]+), (.*)", message)
    if quota:
        return Cause(
            "quota",
            f"the namespace's quota {quota[1]} does not allow it ({quota[2].rstrip('.')}).",
            "Use fewer or smaller workers (--workers, --memory, --cpus), or have the quota raised.",
            SOON,
        )
    must = re.search(r"failed quota: ([^:]+): must specify (.*)", message)
    if must:
        return Cause("quota", f"quota {must[1]} wants {must[2]} to be said.", "Set them with --set or --values.", SOON)
    if "violates PodSecurity" in message:
        return Cause("policy", f"the namespace's security rules refuse it: {_short(message)}.", "Use another -n.", SOON)
    if "admission webhook" in message:
        return Cause("policy", f"a rule of the cluster refuses it: {_short(message)}.", "Ask who set that rule.", SOON)
    return Cause("not-made", f"its pod cannot be made: {_short(message)}.", "", SOON)


def _condition(status: Object, kind: str) -> Object:
    return next((condition for condition in status.get("conditions", []) if condition["type"] == kind), {})


def _root(message: str) -> str:
    """The end of a chain of causes, where the one that matters stands."""
    return ": ".join(_short(message, 10_000).split(": ")[-3:])


def _short(message: str, limit: int = 300) -> str:
    """A message of another program in one line, without what repeats and without its end's full stop."""
    line = " ".join(message.split())
    line = re.sub(r"^rpc error: code = \w+ desc = ", "", line).rstrip(".")
    return line if len(line) <= limit else line[:limit] + "…"
