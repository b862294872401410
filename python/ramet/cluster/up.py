"""`ramet cluster up`: what is missing is made, what differs is changed, and what failed is undone."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ramet.cluster.api import Kubernetes, Object, release_labels, resource_of
from ramet.cluster.connect import certificates_of, expires
from ramet.cluster.errors import ClusterError, ForbiddenError
from ramet.cluster.members import is_ready, members_of, options
from ramet.cluster.plan import Plan, Wishes, as_scaled, changes, plan
from ramet.cluster.progress import Progress
from ramet.cluster.releases import Helm, Release
from ramet.cluster.survey import Findings, is_ending, missing_rights, survey
from ramet.cluster.watch import wait

SOON = datetime.timedelta(days=30)  # in which a certificate that ends is made anew
GONE = 150.0  # seconds for what is deleted to be gone


@dataclass
class Up:
    """One run of `up`.

    Parameters
    ----------
    kubernetes : Kubernetes
    wishes : Wishes
    flags : sequence of str
        For Helm: --set, --set-json and --values as the user wrote them.
    timeout : float
        Seconds for the pods to be up.
    dry_run : bool
    """

    kubernetes: Kubernetes
    wishes: Wishes
    flags: Sequence[str] = ()
    timeout: float = 600.0
    dry_run: bool = False
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self._helm = Helm(self.kubernetes)

    def run(self) -> None:
        name = self.wishes.name
        rights = missing_rights(self.kubernetes)
        if rights:
            raise ClusterError(
                f"this user may not do in namespace {self.kubernetes.namespace} what a cluster takes: "
                f"{', '.join(rights[:6])}{f' and {len(rights) - 6} more' if len(rights) > 6 else ''}.",
                "Ask the cluster's administrator for the role `edit` and the right to make roles there, or use another "
                "-n NAMESPACE.",
            )
        self._await_end_of_namespace()
        findings = survey(self.kubernetes, name)
        release = self._helm.find(name) if findings.namespace_exists else None
        if release and not self.dry_run:
            release = self._mended(release)
        current = self._helm.values(name) if release else None
        wanted = plan(self.wishes, findings, current)
        before = as_scaled(self._helm.manifest(name) if release else [], findings.workers)
        after = self._helm.render(name, wanted.values, self.flags)
        stale = self._stale_certificate(release)
        lost = self._lost(after) if release else []
        self._tell(release, wanted, findings, [*changes(before, after), *lost], stale)
        if self.dry_run:
            return
        if any(item["kind"] == "DaskCluster" for item in after):
            with self._undoing(release, findings):
                self._change(wanted, stale)
            self.progress.say("the Dask operator makes the pods: `kubectl get daskclusters` shows how far it is.")
        elif before != after or lost or stale:
            with self._undoing(release, findings):
                self._change(wanted, stale)
                wait(self.kubernetes, name, self.progress, self.timeout)
        else:
            wait(self.kubernetes, name, self.progress, self.timeout)

    def _lost(self, manifest: list[Object]) -> list[str]:
        """What the release is to have and somebody took away; Helm makes it again."""
        lines = []
        for item in manifest:
            kind, name = item["kind"], item["metadata"]["name"]
            try:
                live = self.kubernetes.get(resource_of(kind), name)
            except ForbiddenError:
                continue
            if live is None:
                lines.append(f"+ {kind} {name}, which was deleted")
            elif kind == "Deployment" and live["spec"].get("replicas") != item["spec"].get("replicas"):
                there, wanted = (thing["spec"].get("replicas") for thing in (live, item))
                lines.append(f"~ {kind} {name}: spec.replicas {there} → {wanted}")
        return lines

    def _await_end_of_namespace(self) -> None:
        """In a namespace that is being deleted nothing can be made."""
        begun = time.monotonic()
        while is_ending(self.kubernetes):
            self.progress.show(f"namespace {self.kubernetes.namespace} is being deleted")
            if time.monotonic() - begun > GONE:
                raise ClusterError(
                    f"namespace {self.kubernetes.namespace} is being deleted, and there after {GONE:.0f} seconds.",
                    "`kubectl get namespace -o yaml` says what it waits for; use another -n NAMESPACE meanwhile.",
                )
            time.sleep(0.5)

    def _mended(self, release: Release) -> Release | None:
        """A release as a run that broke off left it, brought back to its last good state."""
        if release.status in ("deployed", "superseded"):
            return release
        good = self._helm.last_good(release.name) if release.revision > 1 else None
        if good is None:
            self.progress.say(f"an earlier install broke off ({release.status}); what it left is removed.")
            self._helm.uninstall(release.name)
            return None
        self.progress.say(f"an earlier change broke off ({release.status}); revision {good} is put back first.")
        self._helm.rollback(release.name, good)
        return self._helm.find(release.name)

    def _stale_certificate(self, release: Release | None) -> str:
        """The secret whose certificate ends soon and is the chart's to make; empty: none."""
        if release is None:
            return ""
        scheduler = members_of(self.kubernetes, release.name).scheduler
        if scheduler is None:
            return ""
        with contextlib.suppress(ClusterError):
            certificates = certificates_of(self.kubernetes, scheduler)
            if certificates and expires(certificates["tls.crt"]) < datetime.datetime.now(datetime.timezone.utc) + SOON:
                for item in self._helm.manifest(release.name):
                    if item["kind"] == "Secret" and "tls.crt" in {**item.get("data", {}), **item.get("stringData", {})}:
                        return str(item["metadata"]["name"])
        return ""

    def _tell(
        self, release: Release | None, wanted: Plan, findings: Findings, differences: list[str], stale: str
    ) -> None:
        name, say = self.wishes.name, self.progress.say
        where = f'cluster "{name}" in namespace {self.kubernetes.namespace} of {self.kubernetes.place}'
        if release and not differences and not stale:
            say(f"{where}: nothing to change.")
            return
        say(f"{where}: {'these changes' if release else 'new'}{', if it were no dry run' if self.dry_run else ''}")
        if not findings.namespace_exists:
            say(f"  + Namespace {self.kubernetes.namespace}")
        for line in [
            *differences,
            *([f"~ Secret {stale}: a new certificate; scheduler and workers restart"] if stale else []),
        ]:
            say(f"  {line}")
        for remark in wanted.remarks:
            say(f"  · {remark}")

    def _change(self, wanted: Plan, stale: str) -> None:
        name, kubernetes = self.wishes.name, self.kubernetes
        if not kubernetes.get("namespaces", kubernetes.namespace):
            kubernetes.create("namespaces", {"kind": "Namespace", "metadata": {"name": kubernetes.namespace}})
        if stale:
            kubernetes.delete("secrets", stale)
        self.progress.show("installing")
        self._helm.upgrade(name, wanted.values, self.flags)  # new certificates restart who reads them at the start

    @contextlib.contextmanager
    def _undoing(self, release: Release | None, findings: Findings) -> Iterator[None]:
        """A first install that fails is removed, a change that fails is taken back."""
        try:
            yield
        except (ClusterError, KeyboardInterrupt) as error:
            self.progress.end()
            undone = self._put_back(release, findings) if release else self._remove(findings)
            if isinstance(error, ClusterError):
                raise ClusterError(f"{error} {undone}") from None
            self.progress.say(undone)
            raise

    def _put_back(self, release: Release, findings: Findings) -> str:
        self.progress.show("putting back what was there before")
        self._helm.rollback(release.name, release.revision)
        for item in self.kubernetes.list("statefulsets", release_labels(release.name, "worker")):
            scale = {"spec": {"replicas": findings.workers}}  # Helm knows the number that was installed once
            self.kubernetes.patch("statefulsets", item["metadata"]["name"], scale, "scale")
        # A StatefulSet waits for pods of the failed revision that never come up.
        for pod in members_of(self.kubernetes, release.name).pods:
            if not is_ready(pod) and "deletionTimestamp" not in pod["metadata"]:
                self.kubernetes.delete("pods", pod["metadata"]["name"])
        try:
            wait(self.kubernetes, release.name, self.progress, GONE)
        except ClusterError:
            flags = options(release.name, self.kubernetes)
            return f"What was there before was put back, and is not up yet: `ramet cluster status{flags}`."
        return "The cluster was put back as it was before."

    def _remove(self, findings: Findings) -> str:
        self.progress.show("removing what was installed")
        name, kubernetes = self.wishes.name, self.kubernetes
        self._helm.uninstall(name)
        await_end_of_pods(kubernetes, name)
        kept = {claim["metadata"]["name"] for claim in findings.claims.values()}
        claims = kubernetes.list("persistentvolumeclaims", release_labels(name))
        delete_claims(kubernetes, [claim for claim in claims if claim["metadata"]["name"] not in kept])
        if not findings.namespace_exists:
            kubernetes.delete("namespaces", kubernetes.namespace)
            self._await_end_of_namespace()
        self.progress.end()
        return "Nothing was left installed."


def await_end_of_pods(kubernetes: Kubernetes, name: str) -> None:
    """Waits until the pods of a release that was removed are gone: they hold its volumes."""

    def pods() -> set[str]:
        return {pod["metadata"]["name"] for pod in members_of(kubernetes, name).pods}

    _await_end(pods, "pod", kubernetes, "A node that does not answer keeps its pods; `kubectl get nodes` shows it.")


def delete_claims(kubernetes: Kubernetes, claims: Sequence[Object]) -> None:
    """Deletes claims and what lies on their volumes, and waits until they are gone."""
    names = {claim["metadata"]["name"] for claim in claims}
    for name in names:
        kubernetes.delete("persistentvolumeclaims", name)

    def left() -> set[str]:
        return names & {claim["metadata"]["name"] for claim in kubernetes.list("persistentvolumeclaims")}

    if names:
        _await_end(
            left, "claim", kubernetes, f"A pod uses it: `kubectl get pods -n {kubernetes.namespace}` shows which."
        )


def _await_end(left: Callable[[], set[str]], what: str, kubernetes: Kubernetes, remedy: str) -> None:
    begun = time.monotonic()
    while names := left():
        if time.monotonic() - begun > GONE:
            raise ClusterError(
                f"{what} {', '.join(sorted(names))} in namespace {kubernetes.namespace} is not gone after "
                f"{GONE:.0f} seconds.",
                remedy,
            )
        time.sleep(0.3)


def told_at_the_end(kubernetes: Kubernetes, name: str) -> str:
    flags = options(name, kubernetes)
    where = f" -n {kubernetes.namespace}" if kubernetes.namespace != "default" else ""
    return (
        "  ramet train DATA --label COLUMN --out m.ramet --cluster "
        f"{json.dumps(name) if ' ' in name else name}{where}\n"
        f"  ramet cluster status{flags}\n  ramet cluster down{flags}"
    )
