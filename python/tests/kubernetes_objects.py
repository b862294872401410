"""Objects as the Kubernetes API gives them, as far as they matter to what is tested."""

from __future__ import annotations

from typing import Any

from ramet.cluster.api import COMPONENT

Object = dict[str, Any]


def pod(
    name: str = "ramet-worker-0",
    *,
    phase: str = "Pending",
    scheduled: str | None = None,
    ready: bool = False,
    state: Object | None = None,
    last: Object | None = None,
    restarts: int = 0,
    node: str | None = None,
    requests: Object | None = None,
    claims: tuple[str, ...] = (),
    component: str = "worker",
    image: str = "ramet/ramet:0.1.0",
    init: bool = False,
    **status: Any,
) -> Object:
    """`scheduled`: the scheduler's message, for a pod that it found no node for."""
    conditions = [{"type": "PodScheduled", "status": "True"}]
    if scheduled is not None:
        conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": scheduled}]
    conditions.append({"type": "Ready", "status": "True" if ready else "False"})
    container = {
        "name": component,
        "image": image,
        "ready": ready,
        "restartCount": restarts,
        "state": state or {},
        "lastState": last or {},
    }
    statuses = {"initContainerStatuses" if init else "containerStatuses": [container]}
    spec: Object = {
        "containers": [{"name": component, "image": image, "resources": {"requests": requests or {}}}],
        "volumes": [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims],
    }
    if node or scheduled is None:
        spec["nodeName"] = node or "n1"
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {COMPONENT: component}},
        "spec": spec,
        "status": {"phase": phase, "conditions": conditions, **(statuses if scheduled is None else {}), **status},
    }


def node(name: str = "n1", *, ready: bool = True, taints: tuple[Object, ...] = (), **allocatable: str) -> Object:
    """Resources by name, with `_` for what Python cannot spell: `nvidia_com_gpu`."""
    offered = {"cpu": "4", "memory": "16Gi"} | {
        {"nvidia_com_gpu": "nvidia.com/gpu"}.get(key, key): value for key, value in allocatable.items()
    }
    return {
        "metadata": {"name": name},
        "spec": {"taints": list(taints)},
        "status": {
            "allocatable": offered,
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


def event(reason: str, message: str, at: str = "2026-01-01T00:00:00Z") -> Object:
    return {"reason": reason, "message": message, "lastTimestamp": at, "metadata": {"name": reason}}


def claim(
    name: str = "ramet-data",
    *,
    phase: str = "Pending",
    storage_class: str | None = "fast",
    modes: tuple[str, ...] = ("ReadWriteMany",),
) -> Object:
    spec: Object = {"accessModes": list(modes), "resources": {"requests": {"storage": "7Gi"}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {}},
        "spec": spec,
        "status": {"phase": phase},
    }


def storage_class(name: str, provisioner: str, default: bool = False) -> Object:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": provisioner}
