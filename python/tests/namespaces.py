"""Hosts for tests and benchmarks: network namespaces on one bridge, all of it gone afterwards.

    with Hosts(3) as hosts:
        hosts.address(0)              10.66.0.1
        hosts.enter(0)                this thread is on host 0 from now on: its sockets, and what it starts
        hosts.cut(0); hosts.heal(0)   a firewall that drops all packets of host 0

The bridge lies in a namespace of its own, so that nothing of this machine's network is touched, no address collides.
"""

import ctypes
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Sequence

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def missing(*tools: str) -> str:
    """Why this machine cannot have hosts, or "". `tools`: programs that are needed beside `ip`."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", *tools):
        if shutil.which(tool) is None:
            return f"the program {tool!r} is not installed"
    name = f"ramet-{uuid.uuid4().hex[:8]}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode != 0:
        return f"no network namespaces here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def enter(namespace: str) -> None:
    """Moves the calling thread into a namespace, and what it starts from then on."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns({namespace}): {os.strerror(number)}")
    finally:
        os.close(descriptor)


class Hosts:
    def __init__(self, count: int, bridge: bool = True) -> None:
        """`bridge`: false for hosts that are not joined yet."""
        self.prefix = f"ramet-{uuid.uuid4().hex[:8]}"
        self.hub = f"{self.prefix}-hub"
        self.names = [f"{self.prefix}-{host}" for host in range(count)]
        self._bridge = bridge

    def address(self, host: int) -> str:
        return f"10.66.0.{host + 1}"

    def enter(self, host: int) -> None:
        enter(self.names[host])

    def run(self, host: int, command: Sequence[str], text: str | None = None) -> str:
        """Runs a program on a host; its output."""
        whole = ["ip", "netns", "exec", self.names[host], *command]
        return subprocess.run(whole, input=text, check=True, capture_output=True, text=True).stdout

    def cut(self, host: int) -> None:
        """Every packet of this host is dropped, both ways; nobody is told."""
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; }}\n" for hook in ("input", "output")
        )
        self.run(host, ["nft", "-f", "-"], f"table inet cut {{\n{chains}}}\n")

    def heal(self, host: int) -> None:
        self.run(host, ["nft", "delete", "table", "inet", "cut"])

    def __enter__(self) -> "Hosts":
        try:
            for name in [self.hub, *self.names]:
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
            if self._bridge:
                self._join()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _join(self) -> None:
        _ip("-n", self.hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self.hub, "link", "set", "bridge", "up")
        for host, name in enumerate(self.names):
            port = f"port{host}"
            _ip("-n", self.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("-n", self.hub, "link", "set", port, "master", "bridge", "up")
            _ip("-n", name, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")

    def __exit__(self, *_: object) -> None:
        for name in [*self.names, self.hub]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def on_host(hosts: Hosts, host: int, function, *arguments):
    """function(*arguments), by a thread that is on that host; what it returns or raises."""
    answer: list[object] = []
    problem: list[BaseException] = []

    def body() -> None:
        try:
            hosts.enter(host)
            answer.append(function(*arguments))
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return answer[0]
