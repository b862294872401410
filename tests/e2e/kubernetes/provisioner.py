"""Gives each claim of the class `local` a folder, and takes it away with the claim.

    provisioner.py KUBECONFIG

Both nodes see the folders, so any access mode is true. A new folder is root's, mode 755, as a new disk's is: a pod that
is not root needs its fsGroup, which the kubelet applies to volumes of this kind (`local`), as it does to disks.
"""

from __future__ import annotations

import shutil
import sys
import time

import kr8s
import layout
from kr8s.objects import PersistentVolume

CLASS = "local"
LOOK = 0.3  # seconds


def volume(claim) -> dict:
    folder = layout.VOLUMES / claim.metadata.uid
    folder.mkdir(parents=True, exist_ok=True)
    names = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name for node in layout.NODES]}
    return {
        "metadata": {"name": f"pvc-{claim.metadata.uid}"},
        "spec": {
            "capacity": {"storage": claim.spec.resources.requests.storage},
            "accessModes": list(claim.spec.accessModes),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": CLASS,
            "volumeMode": "Filesystem",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace,
                "name": claim.name,
                "uid": claim.metadata.uid,
            },
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [names]}]}},
        },
    }


def give(api, claim) -> None:
    if claim.spec.get("storageClassName") != CLASS or claim.spec.get("volumeName"):
        return
    new = PersistentVolume(volume(claim), api=api)
    if not new.exists():
        new.create()
        print(f"{claim.namespace}/{claim.name}: {new.name}", flush=True)


def take(held) -> None:
    ours = held.spec.get("storageClassName") == CLASS and held.spec.persistentVolumeReclaimPolicy == "Delete"
    if ours and held.status.get("phase") in ("Released", "Failed"):
        held.delete()
        shutil.rmtree(held.spec.local.path, ignore_errors=True)
        print(f"{held.name}: deleted", flush=True)


def main() -> None:
    api = kr8s.api(kubeconfig=sys.argv[1])
    while True:
        try:
            for claim in api.get("persistentvolumeclaims", namespace=kr8s.ALL):
                give(api, claim)
            for held in api.get("persistentvolumes"):
                take(held)
        except (kr8s.NotFoundError, kr8s.ServerError, kr8s.APITimeoutError) as error:
            print(f"again: {error}", file=sys.stderr, flush=True)
        time.sleep(LOOK)


if __name__ == "__main__":
    main()
