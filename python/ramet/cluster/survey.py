"""What `up` finds out about a Kubernetes cluster, so that it need not ask."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from ramet.cluster.api import COMPONENT, Kubernetes, Object, release_labels
from ramet.cluster.errors import ForbiddenError
from ramet.cluster.scheduling import GPU, offers

FOLDERS = ("data", "models", "checkpoints")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

# Provisioners by what their volumes can be. Those in neither list are believed to do what they are asked.
_SHARED = (
    "nfs",
    "efs.csi.aws.com",
    "fsx.csi.aws.com",
    "file.csi.azure.com",
    "kubernetes.io/azure-file",
    "filestore.csi.storage.gke.io",
    "lustre",
    "cephfs",
    "gluster",
    "driver.longhorn.io",
    "beegfs",
    "quobyte",
    "weka",
    "portworx",
    "trident",
    "manila",
    "spectrumscale",
    "juicefs",
)
_OF_ONE_NODE = (
    "ebs.csi.aws.com",
    "kubernetes.io/aws-ebs",
    "pd.csi.storage.gke.io",
    "kubernetes.io/gce-pd",
    "disk.csi.azure.com",
    "kubernetes.io/azure-disk",
    "cinder",
    "rancher.io/local-path",
    "rbd",
    "dobs.csi.digitalocean.com",
    "csi.hetzner.cloud",
    "linodebs",
    "hostpath",
    "topolvm",
    "openebs.io/local",
    "local.csi.openebs.io",
)


@dataclass
class Findings:
    """A Kubernetes cluster as this user sees it; None where the user may not look.

    Parameters
    ----------
    namespace_exists : bool
    nodes : list of nodes that take pods, or None
    classes : list of storage classes, or None
    claims : mapping
        Folder ("data", …, "notebook") to the claim that an earlier release of that name left.
    workers : int or None
        How many the release is to have now, whoever said so last; None without a release.
    """

    namespace_exists: bool = True
    nodes: list[Object] | None = None
    classes: list[Object] | None = None
    claims: dict[str, Object] = field(default_factory=dict)
    workers: int | None = None

    @property
    def gpus(self) -> int:
        return sum(int(offers(node, GPU)) for node in self.nodes or ())

    @property
    def has_one_node(self) -> bool:
        return self.nodes is not None and len(self.nodes) == 1

    @property
    def default_class(self) -> Object | None:
        for found in self.classes or ():
            if found["metadata"].get("annotations", {}).get(_DEFAULT_CLASS) == "true":
                return found
        return None


def takes_pods(node: Object) -> bool:
    """Whether a node is ready and open to pods that tolerate nothing but a GPU's taint."""
    conditions = node["status"].get("conditions", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    taints = [taint for taint in node["spec"].get("taints", []) if taint["key"] != GPU]
    closed = any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in taints)
    return ready and not closed and not node["spec"].get("unschedulable", False)


def can_share(storage_class: Object) -> bool | None:
    """Whether volumes of a class can be used from several nodes at once; None: unknown."""
    provisioner = storage_class["provisioner"]
    if any(known in provisioner for known in _SHARED):
        return True
    return False if any(known in provisioner for known in _OF_ONE_NODE) else None


def survey(kubernetes: Kubernetes, name: str) -> Findings:
    findings = Findings(namespace_exists=_exists(kubernetes))
    nodes = _listed(kubernetes, "nodes")
    findings.nodes = None if nodes is None else [node for node in nodes if takes_pods(node)]
    findings.classes = _listed(kubernetes, "storageclasses")
    if findings.namespace_exists:
        for claim in kubernetes.list("persistentvolumeclaims", release_labels(name)):
            findings.claims[folder_of(claim)] = claim
        for item in kubernetes.list("statefulsets", release_labels(name, "worker")):
            findings.workers = item["spec"].get("replicas", 1)
    return findings


def folder_of(claim: Object) -> str:
    """Which folder a claim of the chart's is: the end of its name."""
    return str(claim["metadata"].get("labels", {}).get(COMPONENT) or claim["metadata"]["name"].rpartition("-")[2])


def is_ending(kubernetes: Kubernetes) -> bool:
    """Whether the namespace is being deleted, as far as this user may see."""
    with contextlib.suppress(ForbiddenError):
        found = kubernetes.get("namespaces", kubernetes.namespace)
        return found is not None and "deletionTimestamp" in found["metadata"]
    return False


def _exists(kubernetes: Kubernetes) -> bool:
    try:
        return kubernetes.get("namespaces", kubernetes.namespace) is not None
    except ForbiddenError:
        return True  # a user of one namespace may not look at it, but has it


def _listed(kubernetes: Kubernetes, resource: str) -> list[Object] | None:
    try:
        return kubernetes.list(resource)
    except ForbiddenError:
        return None


# What making and removing a release takes, as (resource, verbs).
_RIGHTS = {
    "deployments": ("create", "patch", "delete"),
    "statefulsets": ("create", "patch", "delete"),
    "services": ("create", "patch", "delete"),
    "serviceaccounts": ("create", "delete"),
    "secrets": ("create", "get", "list", "update", "delete"),
    "persistentvolumeclaims": ("create", "list", "delete"),
    "networkpolicies": ("create", "delete"),
    "poddisruptionbudgets": ("create", "delete"),
    "roles": ("create", "delete"),
    "rolebindings": ("create", "delete"),
    "pods": ("list",),
}


def missing_rights(kubernetes: Kubernetes) -> list[str]:
    """What this user may not do of what a release takes: "create deployments", …"""
    return [
        f"{verb} {resource}"
        for resource, verbs in _RIGHTS.items()
        for verb in verbs
        if not kubernetes.may(verb, resource)
    ]
