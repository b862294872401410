"""What `up` is going to do, from what is wished and what was found: pure functions.

    wishes + findings + values of the release that is there ─► Plan: values for Helm, and remarks

Whatever is not wished stays as it is, or as the chart has it; what can be found out is not asked for.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ramet.cluster.api import Object
from ramet.cluster.errors import ClusterError
from ramet.cluster.releases import Values
from ramet.cluster.survey import FOLDERS, Findings, can_share

_WORKERS = 2  # where there are no GPUs and nobody said


@dataclass
class Wishes:
    """The flags of `ramet cluster up`; None where they were left out."""

    name: str = "ramet"
    workers: int | None = None
    gpus_per_worker: int | None = None
    memory: str | None = None
    cpus: str | None = None
    notebook: bool | None = None
    image: str | None = None
    storage_class: str | None = None
    nfs: str | None = None
    no_storage: bool = False
    one_node: bool = False

    @property
    def say_storage(self) -> bool:
        return bool(self.storage_class or self.nfs or self.no_storage or self.one_node)


@dataclass
class Plan:
    """The values to give to Helm, and what is worth saying about them."""

    values: Values
    remarks: list[str] = field(default_factory=list)


def plan(wishes: Wishes, findings: Findings, current: Values | None) -> Plan:
    """The plan; `current` are the values that the release has, None without a release."""
    is_new = current is None
    result = Plan(copy.deepcopy(current or {}))
    values = result.values
    _workers(wishes, findings, result, is_new)
    if wishes.memory:
        _set(values, "worker.resources.requests.memory", wishes.memory)
        _set(values, "worker.resources.limits.memory", wishes.memory)
    if wishes.cpus:
        _set(values, "worker.resources.requests.cpu", wishes.cpus)
        _set(values, "worker.resources.limits.cpu", wishes.cpus)
    if wishes.notebook is not None:
        _set(values, "notebook.enabled", wishes.notebook)
    if wishes.image:
        for key, value in image_parts(wishes.image).items():
            _set(values, f"image.{key}", value)
    if is_new or wishes.say_storage:
        _storage(wishes, findings, result)
    return result


def _workers(wishes: Wishes, findings: Findings, result: Plan, is_new: bool) -> None:
    gpus = wishes.gpus_per_worker
    if gpus is None and is_new:
        gpus = 1 if findings.gpus else 0
    if gpus is not None:
        _set(result.values, "worker.gpus", gpus)
    if wishes.workers is not None:
        _set(result.values, "worker.replicas", wishes.workers)
    elif is_new:
        workers = max(1, findings.gpus // gpus) if gpus and findings.gpus else _WORKERS
        _set(result.values, "worker.replicas", workers)
        why = f"one for every {gpus} of {findings.gpus} GPUs" if gpus and findings.gpus else "no --workers was given"
        result.remarks.append(f"{workers} workers: {why}")
    elif findings.workers is not None:  # as many as there are: `scale` has had the last word
        _set(result.values, "worker.replicas", findings.workers)


def image_parts(image: str) -> dict[str, str]:
    """Repository, tag and digest of an image's name.

    Raises
    ------
    ClusterError
        If it is no name of an image.
    """
    repository = r"(?P<repository>([\w.-]+(:\d+)?/)?[\w.-]+(/[\w.-]+)*)"
    match = re.fullmatch(rf"{repository}(:(?P<tag>\w[\w.-]*))?(@(?P<digest>\w+:\w+))?", image)
    if not match:
        raise ClusterError(f'--image "{image}" is not the name of an image.', "Write REPOSITORY:TAG.")
    return {key: match[key] or "" for key in ("repository", "tag", "digest")}


def _storage(wishes: Wishes, findings: Findings, result: Plan) -> None:
    values = result.values
    if wishes.no_storage:
        for folder in FOLDERS:
            _set(values, f"storage.{folder}", {"enabled": False})
        result.remarks.append("no volumes: the workers read from an object store, or what the client sends")
    elif wishes.nfs:
        server, colon, path = wishes.nfs.partition(":")
        if not colon or not path.startswith("/"):
            raise ClusterError(f'--nfs "{wishes.nfs}" does not name an export.', "Write SERVER:/PATH.")
        for folder in FOLDERS:
            _set(values, f"storage.{folder}", {"enabled": True, "nfs": {"server": server, "path": path}})
        result.remarks.append(f"/data, /models and /checkpoints are all {wishes.nfs}")
    else:
        kept = _keep_claims(wishes, findings, result)
        if len(kept) < len(FOLDERS):
            _new_claims(wishes, findings, result, [folder for folder in FOLDERS if folder not in kept])


def _keep_claims(wishes: Wishes, findings: Findings, result: Plan) -> list[str]:
    """Take what is there already, or an earlier release left, as it is: a claim cannot be changed."""
    kept = [folder for folder in FOLDERS if folder in findings.claims]
    for folder in kept:
        spec = findings.claims[folder]["spec"]
        if wishes.storage_class not in (None, spec.get("storageClassName")):
            raise ClusterError(
                f"claim {findings.claims[folder]['metadata']['name']} is there already, of storage class "
                f"{spec.get('storageClassName')}, which cannot be changed to {wishes.storage_class}.",
                "Leave --storage-class out to go on with it, choose another --name, or delete it first "
                "(`ramet cluster down` does, with its data).",
            )
        claim = {
            "enabled": True,
            "size": spec["resources"]["requests"]["storage"],
            "accessMode": spec["accessModes"][0],
            "storageClass": spec.get("storageClassName") or "",
        }
        _set(result.values, f"storage.{folder}", claim)
        if claim["accessMode"] != "ReadWriteMany":
            _set(result.values, "storage.oneNode", True)
    if kept:
        result.remarks.append(f"the volumes of before are taken again: {', '.join(kept)}")
    return kept


_OTHERWISE = (
    "Name an NFS export (--nfs SERVER:/PATH), or do without volumes and read from an object store (--no-storage)."
)


def _new_claims(wishes: Wishes, findings: Findings, result: Plan, folders: list[str]) -> None:
    chosen = _choose_class(wishes, findings)
    shared = can_share(chosen) if chosen else None
    name = chosen["metadata"]["name"] if chosen else wishes.storage_class or ""
    bound = result.values.get("storage", {}).get("oneNode", False)  # by a volume of before
    if wishes.one_node or bound or (findings.has_one_node and shared is not True):
        mode, one_node = "ReadWriteOnce", True
    elif shared is False:
        raise ClusterError(
            f"storage class {name} gives volumes to one node at a time, and this cluster has several nodes.",
            f"Name a class that can be shared (ReadWriteMany) with --storage-class, or keep all pods on one node "
            f"(--one-node). {_OTHERWISE}",
        )
    else:
        mode, one_node = "ReadWriteMany", False
    for folder in folders:
        claim = {"enabled": True, "accessMode": mode, "storageClass": name}
        _set(result.values, f"storage.{folder}", claim)
    _set(result.values, "storage.oneNode", one_node)
    note = " (whether it can be shared, its volumes will show)" if shared is None and mode == "ReadWriteMany" else ""
    result.remarks.append(f"volumes of storage class {name or '(the default)'}, {mode}{note}")


def _choose_class(wishes: Wishes, findings: Findings) -> Object | None:
    """The class named, else the default one unless another can be shared and it cannot."""
    if findings.classes is None:
        return None
    names = {found["metadata"]["name"]: found for found in findings.classes}
    if wishes.storage_class:
        if wishes.storage_class not in names:
            known = f"There are: {', '.join(sorted(names))}." if names else f"There is none. {_OTHERWISE}"
            raise ClusterError(f'there is no storage class "{wishes.storage_class}" in this cluster.', known)
        return names[wishes.storage_class]
    default = findings.default_class
    good = [found for found in findings.classes if can_share(found)]
    one_node = wishes.one_node or findings.has_one_node
    if default is not None and (one_node or not good or can_share(default) is not False):
        return default
    if good:
        return good[0]
    if len(names) == 1:
        return next(iter(names.values()))
    if names:
        raise ClusterError(
            f"this cluster has no default storage class, and several others ({', '.join(sorted(names))}).",
            "Name one with --storage-class.",
        )
    raise ClusterError("this cluster has no storage class, so claims would get no volumes.", _OTHERWISE)


def _set(values: Values, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value


# --- what a change of the manifest means


def changes(before: Iterable[Object], after: Iterable[Object]) -> list[str]:
    """What differs between two manifests, a line an object; no secret's value is among them."""
    old, new = ({_name(item): item for item in items} for items in (before, after))
    lines = [f"+ {kind} {', '.join(names)}" for kind, names in _by_kind(name for name in new if name not in old)]
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in new:
            kept = old[name]["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
            lines.append(f"- {name}{' (which stays, but is no longer used)' if kept else ''}")
        elif name in old and old[name] != new[name]:
            found = list(_differences(old[name], new[name], "", hidden=name.startswith("Secret ")))
            more = f", and {len(found) - 4:,} more" if len(found) > 4 else ""
            lines.append(f"~ {name}: {', '.join(found[:4])}{more}")
    return lines


def as_scaled(manifest: Iterable[Object], workers: int | None) -> list[Object]:
    """A manifest with the number of workers that there are to be, whatever was installed once."""
    items = copy.deepcopy(list(manifest))
    for item in items:
        if item["kind"] == "StatefulSet" and workers is not None:
            item["spec"]["replicas"] = workers
    return items


def _by_kind(names: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
    kinds: dict[str, list[str]] = {}
    for name in names:
        kind, _, own = name.partition(" ")
        kinds.setdefault(kind, []).append(own)
    return kinds.items()


def _name(item: Object) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def _differences(old: Any, new: Any, path: str, hidden: bool) -> Iterable[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key), hidden)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new, strict=True)):
            label = pair[1].get("name", i) if isinstance(pair[1], dict) else i
            yield from _differences(*pair, f"{path}[{label}]", hidden)
    elif old != new:
        yield path if hidden else f"{path} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "…"
