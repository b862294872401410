"""What a job says, from its first pod to its last; and why it says nothing, where it cannot start."""

from __future__ import annotations

import math
import sys
import time

from ramet.cluster.api import Kubernetes, Object
from ramet.cluster.errors import ClusterError
from ramet.cluster.jobs import State, state_of
from ramet.cluster.pods import Cause, Surroundings, explain, explain_maker

_LOOK = 1.0  # seconds


def follow(kubernetes: Kubernetes, name: str) -> None:
    """Prints what job `name` says until it is over.

    Raises
    ------
    ClusterError
        If it fails, does not start, or is deleted.
    """
    printed: dict[str, float] = {}  # lines of each pod; infinite for one that has said all
    waiting = _Waiting()
    while True:
        job = kubernetes.get("jobs", name)
        if job is None:
            raise ClusterError(f"job {name} was deleted.")
        state = state_of(job)
        pods = pods_called(kubernetes, name)
        for pod in pods:
            _print_new(kubernetes, pod, printed)
        if state.over:
            return _finish(name, state, kubernetes)
        waiting.look(kubernetes, name, job, pods)
        time.sleep(_LOOK)


def pods_called(kubernetes: Kubernetes, job: str) -> list[Object]:
    """The pods of a job, the oldest first."""
    pods = kubernetes.list("pods", {"batch.kubernetes.io/job-name": job})
    return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def _print_new(kubernetes: Kubernetes, pod: Object, printed: dict[str, float]) -> None:
    """What a pod has said since; if it runs, until it ends or the connection does."""
    name, phase = pod["metadata"]["name"], pod["status"].get("phase")
    known = printed.setdefault(name, 0)
    if phase not in ("Running", "Succeeded", "Failed") or math.isinf(known):
        return
    try:
        for number, line in enumerate(kubernetes.logs(name, follow=True)):
            if number >= known:
                print(line, flush=True)
                printed[name] = number + 1
        if phase != "Running":
            printed[name] = math.inf
    except ClusterError:
        pass  # the connection broke, or the pod is gone: its job tells how it is


def _finish(name: str, state: State, kubernetes: Kubernetes) -> None:
    if state.word == "failed":
        raise ClusterError(
            f"job {name} failed: {state.why.rstrip('.')}.",
            f"What it said is above, and in `ramet submit logs {name} -n {kubernetes.namespace}`.",
        )


class _Waiting:
    """Tells why a job does not start, and gives it up when that has lasted."""

    def __init__(self) -> None:
        self._cause: Cause | None = None
        self._since = 0.0

    def look(self, kubernetes: Kubernetes, name: str, job: Object, pods: list[Object]) -> None:
        cause = _why(kubernetes, job, pods)
        if cause is None or self._cause is None or cause.kind != self._cause.kind:
            self._cause, self._since = cause, time.monotonic()
            if cause:
                print(f"waiting: {cause.what} {cause.remedy}".rstrip(), file=sys.stderr, flush=True)
        elif time.monotonic() - self._since > cause.patience:
            raise ClusterError(
                f"job {name} does not start: {cause.what}",
                f"{cause.remedy} It stays submitted, and starts when it can; `ramet submit delete {name} "
                f"-n {kubernetes.namespace}` takes it back.".strip(),
            )


def _why(kubernetes: Kubernetes, job: Object, pods: list[Object]) -> Cause | None:
    if pods and pods[-1]["status"].get("phase") == "Running":
        return None
    thing = pods[-1] if pods else job
    if pods and thing["status"].get("phase") in ("Succeeded", "Failed"):
        return None  # the next one comes, or the job ends
    uid = thing["metadata"]["uid"]
    around = Surroundings(events={uid: kubernetes.list("events", fields={"involvedObject.uid": uid})})
    return explain(thing, around) if pods else explain_maker(thing, around)
