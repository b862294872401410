"""Waiting for the pods of a release, with an eye on what keeps them.

look(kubernetes, name) ─► State: workloads, pods, causes ─► again and again, until all are up
                                                          ─► or a cause has lasted: ClusterError
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ramet.cluster.api import COMPONENT, Kubernetes, Object, release_labels
from ramet.cluster.errors import ClusterError, ForbiddenError
from ramet.cluster.members import is_ready, options
from ramet.cluster.pods import Cause, Surroundings, explain, explain_claim, explain_maker
from ramet.cluster.progress import Progress
from ramet.cluster.scheduling import AT_ONCE, NEVER
from ramet.cluster.survey import Findings

LOOK = 1.0  # seconds between looks
LINES = 8  # of a crashed container's log


@dataclass
class Workload:
    """A Deployment or StatefulSet: how many pods it is to have, and how many are up and of its newest template."""

    component: str
    name: str
    wanted: int
    ready: int
    is_current: bool

    @property
    def is_up(self) -> bool:
        return self.is_current and self.ready == self.wanted


@dataclass
class State:
    """A release at one moment; `causes` by the name of what is not up."""

    workloads: list[Workload] = field(default_factory=list)
    pods: list[Object] = field(default_factory=list)
    claims: list[Object] = field(default_factory=list)
    nodes: list[Object] = field(default_factory=list)
    causes: dict[str, Cause] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """Whether everything is there that is to be, and nothing else."""
        wanted = {workload.component: workload.wanted for workload in self.workloads}
        there: dict[str, int] = dict.fromkeys(wanted, 0)
        for pod in self.pods:
            component = component_of(pod)
            if component in there:
                there[component] += 1
        is_whole = wanted.get("scheduler", 0) > 0 and there == wanted
        return is_whole and all(workload.is_up for workload in self.workloads)

    def line(self) -> str:
        """In one line."""
        parts = [f"{workload.component} {workload.ready}/{workload.wanted}" for workload in self.workloads]
        parts = parts or [f"{sum(map(is_ready, self.pods))} of {len(self.pods)} pods"]  # in a notebook's pod
        told = [f"{name}: {_brief(cause.what)}" for name, cause in self.causes.items()]
        return ", ".join(parts) + (f" ({told[0]}{'; …' if len(told) > 1 else ''})" if told else "")


def _brief(sentence: str, limit: int = 100) -> str:
    sentence = sentence.rstrip(".")
    return sentence if len(sentence) <= limit else sentence[:limit] + "…"


def component_of(thing: Object) -> str:
    return str(thing["metadata"].get("labels", {}).get(COMPONENT, ""))


def look(kubernetes: Kubernetes, name: str) -> State:
    """How release `name` is now, and what keeps it."""
    labels = release_labels(name)
    state = State(pods=kubernetes.list("pods", labels))
    makers = [*_listed(kubernetes, "deployments", labels), *_listed(kubernetes, "statefulsets", labels)]
    state.workloads = [_workload(maker) for maker in makers]
    _explain(kubernetes, name, state, makers)
    for workload in state.workloads:
        if workload.component == "scheduler" and workload.wanted == 0:
            mended = f"`ramet cluster up{options(name, kubernetes)}` brings it back."
            state.causes[workload.name] = Cause("no-scheduler", "it is scaled to 0.", mended, AT_ONCE)
    return state


def _listed(kubernetes: Kubernetes, resource: str, labels: dict[str, str] | None = None) -> list[Object]:
    """Nothing where the user may not look: a notebook's pod sees pods alone."""
    with contextlib.suppress(ForbiddenError):
        return kubernetes.list(resource, labels)
    return []


def _workload(maker: Object) -> Workload:
    status = maker.get("status", {})
    wanted = maker["spec"].get("replicas", 1)
    is_current = status.get("observedGeneration", 0) >= maker["metadata"].get("generation", 0)
    updated = status.get("updatedReplicas", 0)
    if "updateRevision" in status:  # a StatefulSet counts none as updated once all are
        is_current &= status["updateRevision"] == status.get("currentRevision") or updated == wanted
    else:
        is_current &= updated == wanted
    ready = status.get("readyReplicas", 0)
    return Workload(component_of(maker), maker["metadata"]["name"], wanted, ready, is_current)


def _explain(kubernetes: Kubernetes, name: str, state: State, makers: list[Object]) -> None:
    # What a job or a test has come to is no matter of the cluster's.
    waiting = [pod for pod in state.pods if not is_ready(pod) and component_of(pod) not in ("job", "check")]
    short = [
        maker for maker, workload in zip(makers, state.workloads, strict=True) if _has_too_few(workload, state.pods)
    ]
    state.claims = _listed(kubernetes, "persistentvolumeclaims", release_labels(name))
    unbound = [claim for claim in state.claims if claim.get("status", {}).get("phase") != "Bound"]
    if not (waiting or short or unbound):
        return
    state.nodes = _listed(kubernetes, "nodes")
    if short:
        names = {maker["metadata"]["name"] for maker in short}
        owned = _listed(kubernetes, "replicasets", release_labels(name))
        short += [item for item in owned if _owner(item) in names and item["spec"].get("replicas", 0)]
    classes = _listed(kubernetes, "storageclasses")
    around = Surroundings(
        events=_events(kubernetes, [*waiting, *short, *unbound]),
        nodes=state.nodes,
        claims={claim["metadata"]["name"]: claim for claim in state.claims},
        has_default_class=not classes or Findings(classes=classes).default_class is not None,
    )
    for things, why in ((waiting, explain), (short, explain_maker), (unbound, explain_claim)):
        for thing in things:
            cause = why(thing, around)
            if cause:
                state.causes[thing["metadata"]["name"]] = cause


def _has_too_few(workload: Workload, pods: Iterable[Object]) -> bool:
    return sum(component_of(pod) == workload.component for pod in pods) < workload.wanted


def _owner(thing: Object) -> str:
    owners = thing["metadata"].get("ownerReferences", [])
    return owners[0]["name"] if owners else ""


def _events(kubernetes: Kubernetes, things: Iterable[Object]) -> dict[str, list[Object]]:
    events = {}
    with contextlib.suppress(ForbiddenError):
        for thing in things:
            uid = thing["metadata"]["uid"]
            events[uid] = kubernetes.list("events", fields={"involvedObject.uid": uid})
    return events


def wait(
    kubernetes: Kubernetes,
    name: str,
    progress: Progress,
    limit: float,
    done: Callable[[State], bool] = lambda state: state.is_up,
) -> State:
    """Waits until release `name` is up; an error says what keeps it, as soon as waiting is pointless."""
    begun = time.monotonic()
    since: dict[tuple[str, str], float] = {}
    while True:
        state = look(kubernetes, name)
        now = time.monotonic()
        seen = {(thing, cause.kind) for thing, cause in state.causes.items()}
        since = {key: since.get(key, now) for key in seen}
        progress.show(state.line())
        if done(state):
            progress.end()
            return state
        hopeless = {
            thing: cause for thing, cause in state.causes.items() if now - since[thing, cause.kind] >= cause.patience
        }
        if hopeless or now - begun > limit:
            progress.end()
            raise _error(kubernetes, name, state, hopeless, limit)
        time.sleep(LOOK)


def _error(kubernetes: Kubernetes, name: str, state: State, hopeless: dict[str, Cause], limit: float) -> ClusterError:
    causes = hopeless or {thing: cause for thing, cause in state.causes.items() if cause.patience != NEVER}
    if not causes:
        return ClusterError(
            f"it was not up within {limit:.0f} seconds ({state.line()}).",
            f"Give it longer with --timeout, and see `ramet cluster status{options(name, kubernetes)}`.",
        )
    thing, cause = next(iter(causes.items()))
    others = sum(other.kind == cause.kind for other in causes.values()) - 1
    more = f" (and {others:,} more like it)" if others else ""
    said = last_words(kubernetes, thing) if cause.kind in ("crash", "not-ready", "memory") else ""
    return ClusterError(f"{thing}{more} is not up: {cause.what}{said}", cause.remedy)


def last_words(kubernetes: Kubernetes, pod: str) -> str:
    """The end of a pod's log, of the container that crashed if one did, below an empty line; empty if there is none."""
    for before in (True, False):
        with contextlib.suppress(ClusterError):
            lines = list(kubernetes.logs(pod, tail=LINES, before=before))
            if lines:
                return "\n    " + "\n    ".join(lines) + "\n"
    return ""
