"""This machine as others see it: what must be after a cluster as it was before. And which processes are ours."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import layout

# Settings that change by themselves.
RESTLESS = re.compile(
    r"kernel\.random|kernel\.ns_last_pid|kernel\.pty\.nr|fs\.(inode|dentry|file|aio|quota)|nf_conntrack_count|"
    r"\.stat_|vm\.stat|last_reset|sched_domain|gc_stat|net\.ipv[46]\.route\.(gc|flush)|hung_task_detect|numa_stat|"
    r"tcp_(ehash|fastopen_key)|binfmt_misc|kernel\.sched_debug"
)
LASTING = ("links", "addresses", "routes", "firewall", "settings")
FOLDERS = ["/run/netns", "/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers"]
FOLDERS += ["/etc/cni", "/etc/kubernetes", "/opt/cni"]


def output(*command: str) -> list[str]:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.splitlines()


def mounts() -> list[str]:
    """Where, what and how; not the kernel's numbers of them."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [" ".join(fields[3:6]) for fields in lines]


def rules() -> list[str]:
    """Chains and rules of the firewall, without counters. A table without either is none."""
    found = []
    for family in ("iptables-save", "ip6tables-save"):
        for line in output(family):
            if line.startswith("-") or (line.startswith(":") and " - " in line):
                found.append(f"{family}: {line.split(' [')[0]}")
    return found


def cgroups() -> list[str]:
    return [folder for folder, _, _ in os.walk("/sys/fs/cgroup")]


def files() -> list[str]:
    tops = [Path(top) for top in FOLDERS if Path(top).exists()]
    return [str(path) for top in tops for path in (top, *top.rglob("*"))]


def snapshot() -> dict[str, list[str]]:
    return {
        "mounts": sorted(mounts()),
        "links": sorted(re.sub(r"^\d+: ", "", line) for line in output("ip", "-oneline", "link")),
        "addresses": sorted(
            re.sub(r"^\d+: |(valid|preferred)_lft \S+", "", line) for line in output("ip", "-o", "addr")
        ),
        "routes": sorted(output("ip", "route", "show", "table", "all")),
        "firewall": sorted(rules()),
        "settings": sorted(line for line in output("sysctl", "-a") if not RESTLESS.search(line)),
        "cgroups": sorted(cgroups()),
        "files": sorted(files()),
        "processes": [f"{pid} {command(pid)}" for pid in processes()],
    }


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """What is left; and what is gone, of things that do not go by themselves, as others' mounts and cgroups do."""
    found = []
    for kind, lines in before.items():
        if kind in LASTING:
            found += [f"{kind}: gone: {line}" for line in sorted(set(lines) - set(after[kind]))]
        found += [f"{kind}: left: {line}" for line in sorted(set(after[kind]) - set(lines))]
    return found


def processes() -> list[int]:
    """Those that carry the cluster's mark: supervisor, the unshare that holds it, daemons and what they started."""
    mark = f"{layout.MARK}={layout.HOME}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended, or is the kernel's
    return found


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def supervisor() -> int | None:
    """The process that is number 1 of the cluster's own."""
    for pid in processes():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        numbers = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
        if len(numbers) > 1 and numbers[-1] == "1":
            return pid
    return None


def end_processes(patience: float = 30.0) -> None:
    """Process 1 first: the kernel ends all others of its namespace with it, containers too."""
    until = time.monotonic() + patience
    while remaining := processes():
        if time.monotonic() > until:
            raise SystemExit(f"these cannot be killed: {remaining}")
        first = supervisor()
        for pid in remaining if first is None else [first]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.2)


def remove_cgroups(patience: float = 15.0) -> None:
    """Deepest first. A folder is busy until the last process in it has been buried."""
    until = time.monotonic() + patience
    for hierarchy in Path("/sys/fs/cgroup").iterdir():
        top = hierarchy / layout.CGROUP
        if not top.is_dir():
            continue
        for folder, _, _ in os.walk(top, topdown=False):
            while True:
                try:
                    Path(folder).rmdir()
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.1)


def remove_link(patience: float = 10.0) -> None:
    """The kernel takes the link with its other end, some time after the namespace's last process."""
    until = time.monotonic() + patience
    while Path(f"/sys/class/net/{layout.HOST_LINK}").exists():
        if time.monotonic() > until:
            subprocess.run(["ip", "link", "delete", layout.HOST_LINK], check=False)
            return
        time.sleep(0.1)
