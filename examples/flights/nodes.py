"""Nodes for Dask workers on one machine: hosts of their own where the kernel permits it, else separate processes.

    enter_namespace()               # first of all
    with Nodes(3) as nodes:
        nodes.scheduler             # tcp://10.0.0.254:36000
        nodes.kill(1)               # the second; as a power cut would

Hosts are network namespaces. The script that uses them runs in one too (`enter_namespace`), so the machine's own
network stays as it is, and the kernel removes namespaces, links and bridge with their last process:

    scheduler ── bridge ─┬─ eth0, worker 1          (each in a namespace of its own: other addresses, other ports)
      10.0.0.254         ├─ eth0, worker 2
                         └─ eth0, worker 3
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

BRIDGE = "nodes"
NETWORK = "10.0.0"
INSIDE = "RAMET_DEMO_IN_NAMESPACE"
PATIENCE = 120.0  # seconds until a scheduler or a worker must be there
# What a node does first: it waits for its network card, and takes its address.
BOOT = """
until ip address add "$0" dev eth0 2>/dev/null; do sleep 0.05; done
ip link set lo up && ip link set eth0 up && exec "$@"
"""


def enter_namespace() -> None:
    """Runs this program again in a network namespace of its own, where that is permitted; root, or users who may."""
    if INSIDE in os.environ:
        return
    cards = "ip link set lo up && ip link add card-1 type veth peer name card-2 && ip link add bridge-1 type bridge"
    probe = ["sh", "-c", cards + " && ip link delete card-1 && ip link delete bridge-1"]
    for unshare in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        with suppress(FileNotFoundError):
            if subprocess.run([*unshare, "--", *probe], capture_output=True, check=False).returncode == 0:
                os.environ[INSIDE] = "1"
                sys.stdout.flush()
                boot = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"']
                os.execvp(unshare[0], [*unshare, "--", *boot, sys.executable, *sys.argv])


class Nodes:
    """A Dask scheduler, and workers of one thread on as many nodes."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.hosts = INSIDE in os.environ
        self.scheduler = ""
        self._nodes: list[subprocess.Popen] = []
        self._others: list[subprocess.Popen] = []
        self._folder = tempfile.TemporaryDirectory(prefix="ramet-nodes-")

    @property
    def kind(self) -> str:
        return "hosts (network namespaces)" if self.hosts else "processes (namespaces not permitted)"

    def __enter__(self) -> Nodes:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def kill(self, node: int) -> None:
        """SIGKILL to all that runs on it."""
        os.killpg(self._nodes[node].pid, signal.SIGKILL)
        self._nodes[node].wait()

    def close(self) -> None:
        """Ends all of it, in at most a few seconds; a second Ctrl-C does not stop that."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            processes = [*self._nodes, *self._others]
            for process in processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
            end = time.monotonic() + 3
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, end - time.monotonic()))
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._folder.cleanup()
        finally:
            signal.signal(signal.SIGINT, before)

    # What runs --------------------------------------------------------------------------------------------------------
    def _start(self) -> None:
        host = f"{NETWORK}.254" if self.hosts else "127.0.0.1"
        if self.hosts:
            _ip("link", "add", BRIDGE, "type", "bridge")
            _ip("address", "add", f"{host}/24", "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
        file = Path(self._folder.name, "scheduler.json")
        # Should this script be killed outright, its processes end by themselves soon.
        dask = [sys.executable, "-m", "dask"]
        common = ["--no-dashboard", "--host"]
        line = [*dask, "scheduler", *common, host, "--port", "0", "--scheduler-file", str(file)]
        self._others.append(self._run("scheduler", [*line, "--idle-timeout", "120"]))
        for node in range(self.count):
            address = f"{NETWORK}.{node + 1}" if self.hosts else "127.0.0.1"
            line = [*dask, "worker", "--scheduler-file", str(file), *common, address, "--name", f"node-{node + 1}"]
            line += ["--nthreads", "1", "--no-nanny", "--death-timeout", "120", "--local-directory", self._folder.name]
            if self.hosts:
                line = ["unshare", "--net", "--", "sh", "-c", BOOT, f"{address}/24", *line]
            self._nodes.append(self._run(f"node-{node + 1}", line))
            if self.hosts:
                self._plug_in(node)
        self._wait(file)

    def _run(self, name: str, line: list[str]) -> subprocess.Popen:
        """A process group of its own: Ctrl-C reaches us alone, and we end the group."""
        with Path(self._folder.name, f"{name}.log").open("w") as log:
            return subprocess.Popen(line, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def _plug_in(self, node: int) -> None:
        """A network card in the node's namespace, the other end of whose cable is in the bridge."""
        process = self._nodes[node].pid
        while Path(f"/proc/{process}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        cable = f"cable-{node + 1}"
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(process))
        _ip("link", "set", cable, "master", BRIDGE, "up")

    def _wait(self, file: Path) -> None:
        import distributed

        end = time.monotonic() + PATIENCE
        while not file.exists():
            if time.monotonic() > end or self._others[0].poll() is not None:
                raise SystemExit(f"demo: the Dask scheduler did not start: {self._log('scheduler')}")
            time.sleep(0.05)
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            try:
                client.wait_for_workers(self.count, timeout=PATIENCE)
            except TimeoutError:
                raise SystemExit(f"demo: not all nodes started: {self._log('node-1')}") from None
            self.scheduler = client.scheduler.address

    def _log(self, name: str) -> str:
        return Path(self._folder.name, f"{name}.log").read_text()[-500:]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
