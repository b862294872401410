"""A node: its network, its containerd, kubelet and kube-proxy. Called by the supervisor, within the namespaces."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import layout
from layout import Node
from pki import Authority

HIERARCHIES = Path("/sys/fs/cgroup")


def run(*command: object) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def inside(node: Node) -> list[str]:
    """What a command must begin with to run on the node."""
    return [] if node is layout.NODES[0] else ["nsenter", f"--net={layout.NODE2_NAMESPACE}"]


def bridge(node: Node) -> None:
    """The bridge of the node's pods. The services' route is there so that their addresses never leave the machine."""
    into = inside(node)
    for command in (
        "ip link set lo up",
        "ip link add k8s0 type bridge",
        f"ip address add {node.gateway} dev k8s0",
        "ip link set k8s0 up",
        f"ip route add {layout.SERVICES} dev k8s0",
        "sysctl -qw net.ipv4.ip_forward=1",
    ):
        run(*into, *command.split())


def connect_second() -> None:
    """A network namespace for node2, and the cable between the nodes."""
    Path(layout.NODE2_NAMESPACE).touch()
    run("unshare", f"--net={layout.NODE2_NAMESPACE}", "true")
    run("ip", "link", "add", layout.NODE2_LINK, "type", "veth", "peer", "name", "eth0", "netns", layout.NODE2_NAMESPACE)
    run("ip", "address", "add", "10.244.254.1/30", "dev", layout.NODE2_LINK)
    into = inside(layout.NODES[1])
    run(*into, "ip", "address", "add", f"{layout.NODES[1].address}/30", "dev", "eth0")
    link_up()


def link_up() -> None:
    """Routes go with the link, so they come with it."""
    into = inside(layout.NODES[1])
    run("ip", "link", "set", layout.NODE2_LINK, "up")
    run(*into, "ip", "link", "set", "eth0", "up")
    run("ip", "route", "replace", layout.NODES[1].pods, "via", layout.NODES[1].address)
    run(*into, "ip", "route", "replace", "default", "via", "10.244.254.1")


def link_down() -> None:
    run("ip", "link", "set", layout.NODE2_LINK, "down")


def make_cgroups(node: Node) -> None:
    """The kubelet's root in every hierarchy; those of cpuset begin empty, and take no process until they are filled."""
    for hierarchy in HIERARCHIES.iterdir():
        folder = hierarchy
        for name in (layout.CGROUP, node.name):
            folder = folder / name
            folder.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (folder / file).exists() and hierarchy.name == "cpuset":
                    (folder / file).write_text((folder.parent / file).read_text())


def containerd(node: Node) -> list[str]:
    folder = node.folder
    networks = folder / "cni"
    networks.mkdir(parents=True)
    ipam = {
        "type": "host-local",
        "dataDir": str(folder / "ipam"),
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugin = {
        "type": "bridge",
        "bridge": "k8s0",
        "isGateway": True,
        "ipMasq": False,  # pods have no way out
        "hairpinMode": True,
        "ipam": ipam,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    network = {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin, ports]}
    (networks / "10-pods.conflist").write_text(json.dumps(network, indent=1))
    Path(node.socket).parent.mkdir(parents=True, exist_ok=True)
    config = f'''version = 2
root = "{folder}/containerd"
state = "/run/{node.name}/containerd"
disabled_plugins = ["io.containerd.internal.v1.restart", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
address = "{node.socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{layout.PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{layout.CNI_PLUGINS}"
conf_dir = "{networks}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
'''  # noqa: E501
    (folder / "containerd.toml").write_text(config)
    return [*inside(node), "containerd", "--config", str(folder / "containerd.toml")]


def kubelet(node: Node, authority: Authority) -> list[str]:
    folder = node.folder
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {layout.NODES[0].address}\n")
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.CGROUP}/{node.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [layout.NODES[0].address],
        "clusterDomain": layout.DOMAIN,
        "resolvConf": str(resolver),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "enforceNodeAllocatable": ["pods"],
        "kubeReserved": {"memory": "2Gi"},
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,  # what was imported cannot be pulled again
        "imageGCLowThresholdPercent": 99,
        "podLogsDir": str(folder / "pods"),
        "volumePluginDir": str(folder / "plugins"),
        "oomScoreAdj": 0,
        "maxPods": 60,
        # A lost node is noticed in seconds; see also the controllers' flags.
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 8,
    }
    (folder / "kubelet.json").write_text(json.dumps(config, indent=1))
    account = authority.kubeconfig(
        node.name, layout.API, common_name=f"system:node:{node.name}", organization="system:nodes"
    )
    return [
        *inside(node),
        str(layout.BIN / "hyperkube"),
        "kubelet",
        f"--config={folder / 'kubelet.json'}",
        f"--kubeconfig={account}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'certificates'}",
    ]


def proxy(node: Node, authority: Authority) -> list[str]:
    account = authority.kubeconfig(f"proxy-{node.name}", layout.API, common_name="system:kube-proxy")
    return [
        *inside(node),
        str(layout.BIN / "hyperkube"),
        "kube-proxy",
        f"--kubeconfig={account}",
        f"--hostname-override={node.name}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={layout.PODS}",
        "--conntrack-max-per-core=0",  # what is the machine's stays as it is
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--healthz-bind-address=127.0.0.1:10256",
        "--metrics-bind-address=127.0.0.1:10249",
    ]


def policies(node: Node, authority: Authority) -> list[str]:
    """Enforces NetworkPolicy objects, as the network plugins of real clusters do."""
    account = authority.kubeconfig(f"policies-{node.name}", layout.API, organization="system:masters")
    return [
        *inside(node),
        str(layout.BIN / "kube-router"),
        f"--kubeconfig={account}",
        f"--hostname-override={node.name}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--run-loadbalancer=false",
        f"--service-cluster-ip-range={layout.SERVICES}",
        "--health-port=0",
        "--metrics-port=0",
    ]
