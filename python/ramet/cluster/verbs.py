"""What `ramet cluster scale`, `logs`, `dashboard`, `notebook` and `down` do."""

from __future__ import annotations

import base64
import contextlib
import sys
import threading
import time
from collections.abc import Callable

from ramet.cluster.api import Kubernetes, Object, release_labels
from ramet.cluster.errors import ClusterError, ForbiddenError, MissingError
from ramet.cluster.forward import Forward
from ramet.cluster.members import NOTEBOOK_PORT, is_ready, members_of, options, require_members, scheduler_pod
from ramet.cluster.progress import Progress
from ramet.cluster.releases import Helm
from ramet.cluster.survey import folder_of
from ramet.cluster.up import await_end_of_pods, delete_claims
from ramet.cluster.watch import State, component_of, wait

DASHBOARD_PORT = 8787
COMPONENTS = ("scheduler", "worker", "notebook", "job", "check")


# --- scale


def scale(kubernetes: Kubernetes, name: str, workers: int, progress: Progress, timeout: float) -> None:
    """As many workers as asked for; those that go hand over first (the chart's preStop hook)."""
    members = require_members(kubernetes, name)
    worker_set = _worker_set(kubernetes, name, members.of("worker"))
    now = kubernetes.read(kubernetes.path("statefulsets", worker_set, "scale"))["spec"].get("replicas", 0)
    if now == workers:
        progress.say(f'cluster "{name}" has {_count(workers)} already.')
    else:
        change = "those that go hand over first" if workers < now else "rows move to new ones as fits begin"
        progress.say(f'cluster "{name}": {now} → {_count(workers)}; {change}')
        kubernetes.patch("statefulsets", worker_set, {"spec": {"replicas": workers}}, "scale")

    def is_done(state: State) -> bool:
        pods = [pod for pod in state.pods if component_of(pod) == "worker"]
        return len(pods) == workers and all(map(is_ready, pods))

    try:
        wait(kubernetes, name, progress, timeout, is_done)
    except ClusterError as error:
        back = f"`ramet cluster scale {now}{options(name, kubernetes)}` goes back to {now}." if now != workers else ""
        raise ClusterError(str(error), back) from None
    progress.say(f"{_count(workers)} up.")


def _worker_set(kubernetes: Kubernetes, name: str, workers: list[Object]) -> str:
    """The name of the workers' StatefulSet. A notebook's pod may not list such, but sees the pods that they own."""
    for pod in workers:
        for owner in pod["metadata"].get("ownerReferences", []):
            if owner["kind"] == "StatefulSet":
                return str(owner["name"])
    try:
        found = kubernetes.list("statefulsets", release_labels(name, "worker"))
    except ForbiddenError:  # no worker is left to tell; the chart calls it so
        pod = scheduler_pod(kubernetes, name)
        return str(pod["metadata"]["name"]).rsplit("-scheduler-", 1)[0] + "-worker"
    if found:
        return str(found[0]["metadata"]["name"])
    raise MissingError(
        f'cluster "{name}" has no workers of the chart\'s own, as with operator.enabled.',
        "Scale it the operator's way: `kubectl scale daskworkergroup NAME --replicas N`.",
    )


def _count(workers: int) -> str:
    return f"{workers:,} worker{'' if workers == 1 else 's'}"


# --- logs


def logs(kubernetes: Kubernetes, name: str, what: str, *, follow: bool, tail: int | None, before: bool) -> None:
    """Prints the logs of pods, each line with its pod's name if there are several."""
    pods = _chosen(kubernetes, name, what)
    if len(pods) == 1:
        for line in kubernetes.logs(pods[0], follow=follow, tail=tail, before=before):
            print(line, flush=follow)
        return
    width = max(map(len, pods))
    lock = threading.Lock()

    def copy(pod: str) -> None:
        with contextlib.suppress(ClusterError):  # of a pod that has not started, or is gone
            for line in kubernetes.logs(pod, follow=follow, tail=tail, before=before):
                with lock:
                    print(f"{pod:{width}}  {line}", flush=follow)

    if not follow:
        for pod in pods:
            copy(pod)
        return
    threads = [threading.Thread(target=copy, args=(pod,), daemon=True) for pod in pods]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)  # where Ctrl-C arrives


def _chosen(kubernetes: Kubernetes, name: str, what: str) -> list[str]:
    members = require_members(kubernetes, name)
    if not what:
        chosen = [*members.of("scheduler"), *members.of("worker")]
    elif what in COMPONENTS:
        chosen = members.of(what)
    else:
        chosen = [pod for pod in members.pods if pod["metadata"]["name"] == what]
    names = sorted(str(pod["metadata"]["name"]) for pod in chosen)
    if not names:
        known = ", ".join(sorted(str(pod["metadata"]["name"]) for pod in members.pods))
        raise MissingError(f'cluster "{name}" has no pod or component "{what}".', f"There are: {known}.")
    return names


# --- dashboard, notebook


def dashboard(kubernetes: Kubernetes, name: str, local_port: int | None) -> None:
    scheduler_pod(kubernetes, name)

    def pod_of() -> str:
        return str(scheduler_pod(kubernetes, name)["metadata"]["name"])

    _serve(kubernetes, pod_of, DASHBOARD_PORT, local_port, lambda port: f"http://127.0.0.1:{port}/status")


def notebook(kubernetes: Kubernetes, name: str, local_port: int | None) -> None:
    pod = _notebook_pod(kubernetes, name)
    token = _token(kubernetes, pod)
    more = f"?token={token}" if token else ""

    def pod_of() -> str:
        return str(_notebook_pod(kubernetes, name)["metadata"]["name"])

    _serve(kubernetes, pod_of, NOTEBOOK_PORT, local_port, lambda port: f"http://127.0.0.1:{port}/lab{more}")


def _notebook_pod(kubernetes: Kubernetes, name: str) -> Object:
    pods = require_members(kubernetes, name).of("notebook")
    flags = options(name, kubernetes)
    if not pods:
        raise MissingError(f'cluster "{name}" has no notebook.', f"`ramet cluster up --notebook{flags}` adds one.")
    ready = [pod for pod in pods if is_ready(pod)]
    if not ready:
        raise ClusterError(f'the notebook of cluster "{name}" is not up.', f"`ramet cluster status{flags}` says why.")
    return ready[0]


def _token(kubernetes: Kubernetes, pod: Object) -> str:
    """What Jupyter asks newcomers for: of the secret that the pod mounts."""
    for volume in pod["spec"].get("volumes", []):
        if volume["name"] == "token":
            secret = kubernetes.get("secrets", volume["secret"]["secretName"])
            return base64.b64decode(secret["data"]["token"]).decode() if secret else ""
    return ""


def _serve(
    kubernetes: Kubernetes,
    pod_of: Callable[[], str],
    port: int,
    local_port: int | None,
    url: Callable[[int], str],
) -> None:
    """A local port to a pod's, until Ctrl-C. Without --port, the same number, or any if that is taken."""
    try:
        way = Forward(kubernetes, pod_of, port, port if local_port is None else local_port)
    except ClusterError:
        if local_port is not None:
            raise
        way = Forward(kubernetes, pod_of, port)
    try:
        print(url(way.port), flush=True)
        print("Ctrl-C ends the connection.", file=sys.stderr, flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:  # the way to end it
        pass
    finally:
        way.close()


# --- down


def down(kubernetes: Kubernetes, name: str, *, keep_data: bool, yes: bool, progress: Progress) -> None:
    """Removes the release, and its claims with what lies on them unless they are to be kept."""
    helm = Helm(kubernetes)
    release = helm.find(name)
    claims = kubernetes.list("persistentvolumeclaims", release_labels(name))
    jobs = kubernetes.list("jobs", release_labels(name))
    if not (release or jobs or (claims and not keep_data)):
        progress.say(f'there is no cluster "{name}" in namespace {kubernetes.namespace}: nothing to do.')
        return
    progress.say(f'cluster "{name}" in namespace {kubernetes.namespace} of {kubernetes.place} goes:')
    if release:
        progress.say(f"  - release {name} ({len(members_of(kubernetes, name).pods)} pods)")
    for job in jobs:
        running = " (which runs!)" if job.get("status", {}).get("active") else ""
        progress.say(f"  - job {job['metadata']['name']}{running}")
    for claim in claims:
        size = claim["spec"]["resources"]["requests"]["storage"]
        folder = "the notebook's home" if folder_of(claim) == "notebook" else f"/{folder_of(claim)}"
        fate = "stays" if keep_data else f"DELETED, with all that is in {folder}"
        progress.say(f"  {'·' if keep_data else '-'} volume {claim['metadata']['name']} ({size}): {fate}")
    if claims and not keep_data and not yes:
        _confirm(name)
    for job in jobs:
        kubernetes.delete("jobs", job["metadata"]["name"])
    if release:
        progress.show("removing the release")
        helm.uninstall(name)
    progress.show("waiting for the pods to end")
    await_end_of_pods(kubernetes, name)
    if not keep_data:
        progress.show("deleting the volumes")
        delete_claims(kubernetes, claims)
    progress.say("gone." if not (claims and keep_data) else "gone; `ramet cluster up` takes the volumes again.")


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise ClusterError(
            "volumes would be deleted, and there is no terminal to ask on.",
            "Use --keep-data to keep them, or --yes to delete them.",
        )
    print(f'Write the cluster\'s name ("{name}") to delete its volumes: ', end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise ClusterError("nothing was removed.", "--keep-data removes the cluster and keeps the volumes.")
