"""The control plane's commands: etcd, API server, controllers, scheduler, name server."""

from __future__ import annotations

from pathlib import Path

import layout
from pki import Authority

ETCD = "http://127.0.0.1:12379"
ETCD_PEER = "http://127.0.0.1:12380"
# A lost node: noticed after GRACE seconds without a sign of life; its pods go TOLERATION seconds later. The usual
# values, 40 to 50 and 300, are for networks that falter and clouds that reboot; here nobody would wait for them.
GRACE = 12
TOLERATION = 5


def hyperkube(component: str, *flags: str) -> list[str]:
    return [str(layout.BIN / "hyperkube"), component, *flags]


def etcd() -> list[str]:
    return hyperkube(
        "etcd",
        "--name=e",
        f"--data-dir={layout.STATE / 'etcd'}",
        "--unsafe-no-fsync",  # it is thrown away
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster=e={ETCD_PEER}",
        "--log-level=warn",
    )


def apiserver(authority: Authority) -> list[str]:
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{layout.DOMAIN}"]
    address = layout.NODES[0].address
    certificate, key = authority.server(
        "apiserver", [*names, "localhost", "127.0.0.1", address, layout.UPLINK_ADDRESS, "10.96.0.1"]
    )
    to_kubelet, to_kubelet_key = authority.client("apiserver-kubelet", organization="system:masters")
    return hyperkube(
        "kube-apiserver",
        f"--etcd-servers={ETCD}",
        f"--advertise-address={address}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={layout.SERVICES}",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.DOMAIN}",
        f"--service-account-key-file={authority.folder / 'sa.pub'}",
        f"--service-account-signing-key-file={authority.folder / 'sa.key'}",
        f"--client-ca-file={authority.ca}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={to_kubelet}",
        f"--kubelet-client-key={to_kubelet_key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--default-not-ready-toleration-seconds={TOLERATION}",
        f"--default-unreachable-toleration-seconds={TOLERATION}",
    )


def controllers(authority: Authority) -> list[str]:
    account = authority.kubeconfig("controllers", layout.API, common_name="system:kube-controller-manager")
    return hyperkube(
        "kube-controller-manager",
        *accounts(account),
        f"--service-account-private-key-file={authority.folder / 'sa.key'}",
        f"--root-ca-file={authority.ca}",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=false",
        "--node-monitor-period=1s",
        f"--node-monitor-grace-period={GRACE}s",
    )


def scheduler(authority: Authority) -> list[str]:
    account = authority.kubeconfig("scheduler", layout.API, common_name="system:kube-scheduler")
    return hyperkube("kube-scheduler", *accounts(account))


def accounts(kubeconfig: Path) -> list[str]:
    return [
        *(f"--{kind}={kubeconfig}" for kind in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")),
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def dns(authority: Authority) -> list[str]:
    account = authority.kubeconfig("dns", layout.API, organization="system:masters")
    corefile = layout.STATE / "Corefile"
    corefile.write_text(
        f""".:53 {{
    bind {layout.NODES[0].address}
    errors
    cache 5
    kubernetes {layout.DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {account} e2e
        pods insecure
        ttl 5
    }}
}}
"""
    )
    return [str(layout.BIN / "coredns"), "-conf", str(corefile)]
