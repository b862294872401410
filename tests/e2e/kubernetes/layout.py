"""Where things are: folders, addresses, nodes. What the files of this folder share.

    this machine ── ramet-e2e 10.244.255.1/30
         │
    ┌────┴─ namespaces of the cluster (network, mounts, processes): they end with its supervisor, their process 1 ────┐
    │  uplink 10.244.255.2      API server :6443, etcd, controllers, scheduler, name server :53                       │
    │  node1  bridge k8s0 10.244.0.1/24 ── pods                                                                       │
    │    │ to-node2 10.244.254.1/30                                                                                   │
    │  ┌─┴─ a network namespace within ──────────────────────────┐                                                    │
    │  │  node2  10.244.254.2, bridge k8s0 10.244.1.1/24 ── pods │                                                    │
    │  └─────────────────────────────────────────────────────────┘                                                    │
    └─────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘

Nothing in there has a way to the outside, and from the outside only the API server (and node ports) can be reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
HOME = ROOT / "build" / "e2e"
BIN = HOME / "bin"
STATE = HOME / "state"  # removed by `down`
LOGS = HOME / "logs"  # of the last cluster
READY = STATE / "ready"
ADMIN = HOME / "admin.conf"
IMAGES = ROOT / "build" / "image"
VOLUMES = STATE / "volumes"  # what claims of the class `local` hold
SNAPSHOT = HOME / "before.json"  # this machine as it was before `up`

MARK = "RAMET_E2E_CLUSTER"  # environment variable by which our processes know each other
CGROUP = "ramet-e2e"
HOST_LINK = "ramet-e2e"
HOST_ADDRESS = "10.244.255.1/30"
UPLINK_ADDRESS = "10.244.255.2"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"
DOMAIN = "cluster.local"
PAUSE = "localhost/pause:1"
CNI_PLUGINS = "/usr/lib/cni"


@dataclass(frozen=True)
class Node:
    name: str
    address: str  # by which the API server reaches the kubelet
    pods: str
    gateway: str

    @property
    def folder(self) -> Path:
        return STATE / self.name

    @property
    def socket(self) -> str:  # in the cluster's own /run
        return f"/run/{self.name}/containerd.sock"


NODES = (
    Node("node1", "10.244.0.1", "10.244.0.0/24", "10.244.0.1/24"),
    Node("node2", "10.244.254.2", "10.244.1.0/24", "10.244.1.1/24"),
)
API = f"https://{NODES[0].address}:6443"  # within
API_OUTSIDE = f"https://{UPLINK_ADDRESS}:6443"  # from this machine
NODE2_NAMESPACE = "/run/node2.net"
NODE2_LINK = "to-node2"
