"""Process 1 of the cluster's namespaces: makes what is in them, starts the daemons and starts again what ends.

Run by `cluster.py up` under unshare(1). When it ends, in whatever way, the kernel ends every process, mount, link and
firewall rule in here with it; of the machine's own only cgroup folders remain, which `cluster.py down` removes.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import control
import images
import layout
import node as nodes
from pki import Authority

PATIENCE = 120.0  # seconds until anything must be there
# What kubelets would set for the whole machine: they are shown that it is so already.
KERNEL = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
KERNEL |= {"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000"}
COVERED = ("/var/lib", "/var/log")  # where daemons write to, whatever their flags say


class Daemons:
    """Children by process id. Whoever ends is started again, after a second."""

    def __init__(self) -> None:
        self._commands: dict[str, list[str]] = {}
        self._running: dict[int, str] = {}

    def start(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        log = os.open(layout.LOGS / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
        os.close(log)
        self._running[pid] = name

    def watch(self) -> None:
        """Waits for whatever ends, orphans of others too, for ever."""
        while True:
            pid, status = os.waitpid(-1, 0)
            name = self._running.pop(pid, None)
            if name is not None:
                say(f"{name} ended with {os.waitstatus_to_exitcode(status)}: started again")
                time.sleep(1)
                self.start(name, self._commands[name])


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", flush=True)


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > until:
            raise SystemExit(f"{what} was not there after {PATIENCE:.0f} s; see {layout.LOGS}")
        time.sleep(0.1)
    say(what)


class Api:
    """Requests to the API server, as administrator."""

    def __init__(self, authority: Authority) -> None:
        self._context = ssl.create_default_context(cafile=str(authority.ca))
        self._context.load_cert_chain(*authority.client("admin", organization="system:masters"))

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(layout.API + path, context=self._context, timeout=5) as answer:
            return answer.read()

    def post(self, path: str, body: dict) -> None:
        request = urllib.request.Request(
            layout.API + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, context=self._context, timeout=10).close()

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz") == b"ok"
        except OSError:
            return False

    def nodes_ready(self) -> bool:
        """All nodes are Ready, and take pods: the taint of an unready node goes a moment later."""
        items = json.loads(self.get("/api/v1/nodes"))["items"]
        ready = [
            condition
            for item in items
            for condition in item["status"].get("conditions", [])
            if condition["type"] == "Ready" and condition["status"] == "True" and not item["spec"].get("taints")
        ]
        return len(ready) == len(layout.NODES)


def privatize() -> None:
    """What daemons write outside our folder goes into memory."""
    nodes.run("mount", "--make-rprivate", "/")
    nodes.run("mount", "-t", "tmpfs", "-o", "mode=755", "e2e", "/run")
    for path in COVERED:
        above, work = Path("/run/above" + path), Path("/run/work" + path)
        above.mkdir(parents=True)
        work.mkdir(parents=True)
        nodes.run("mount", "-t", "overlay", "-o", f"lowerdir={path},upperdir={above},workdir={work}", "e2e", path)
    kernel = Path("/run/kernel")
    kernel.mkdir()
    for name, value in KERNEL.items():
        file = kernel / name.replace("/", ".")
        file.write_text(value + "\n")
        nodes.run("mount", "--bind", file, f"/proc/sys/{name}")
    nodes.run("mount", "--make-rshared", "/")


def uplink() -> None:
    wait_for("the link to this machine", lambda: Path("/proc/net/dev").read_text().find("uplink:") >= 0)
    nodes.run("ip", "address", "add", f"{layout.UPLINK_ADDRESS}/30", "dev", "uplink")
    nodes.run("ip", "link", "set", "uplink", "up")


def start_container_runtimes(daemons: Daemons) -> None:
    pause = images.pause(layout.STATE / "pause.tar")
    archives = [pause, *sorted(layout.IMAGES.glob("ramet-*.tar"))]
    for node in layout.NODES:
        daemons.start(f"containerd-{node.name}", nodes.containerd(node))
    for node in layout.NODES:
        wait_for(f"containerd of {node.name}", lambda node=node: images.answers(node))
    with ThreadPoolExecutor(len(layout.NODES)) as pool:
        for node in layout.NODES:
            pool.submit(images.load, node, [pause]).result()
        for done in [pool.submit(images.load, node, archives[1:]) for node in layout.NODES]:
            done.result()
    say(f"images: {', '.join(archive.name for archive in archives)}")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    privatize()
    for node in layout.NODES:
        node.folder.mkdir(parents=True)
        nodes.make_cgroups(node)
    uplink()
    nodes.bridge(layout.NODES[0])
    nodes.connect_second()
    nodes.bridge(layout.NODES[1])
    daemons, authority = Daemons(), Authority(layout.STATE / "pki")
    daemons.start("etcd", control.etcd())
    daemons.start("apiserver", control.apiserver(authority))
    start_container_runtimes(daemons)
    api = Api(authority)
    wait_for("the API server", api.is_ready)
    daemons.start("controllers", control.controllers(authority))
    daemons.start("scheduler", control.scheduler(authority))
    daemons.start("dns", control.dns(authority))
    for node in layout.NODES:
        daemons.start(f"kubelet-{node.name}", nodes.kubelet(node, authority))
        daemons.start(f"proxy-{node.name}", nodes.proxy(node, authority))
    api.post("/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS)
    within = authority.kubeconfig("provisioner", layout.API, organization="system:masters")
    daemons.start("provisioner", [sys.executable, "-u", str(layout.HERE / "provisioner.py"), str(within)])
    wait_for("both nodes", api.nodes_ready)
    for node in layout.NODES:
        daemons.start(f"policies-{node.name}", nodes.policies(node, authority))
    outside = authority.kubeconfig("outside", layout.API_OUTSIDE, common_name="admin", organization="system:masters")
    layout.ADMIN.unlink(missing_ok=True)
    outside.rename(layout.ADMIN)
    layout.READY.touch()
    daemons.watch()


STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "ramet.e2e/folders",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}

if __name__ == "__main__":
    BEGAN = time.monotonic()
    try:
        main()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(map(str, error.cmd))}: {error.stderr}") from error
