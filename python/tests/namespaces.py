"""Hosts for tests and benchmarks: network namespaces on one bridge, all of it gone afterwards.

    with Hosts(3) as hosts:
        hosts.address(0)              10.66.0.1
        hosts.enter(0)                this thread is on host 0 from now on: its sockets, and what it starts
        hosts.cut(0); hosts.heal(0)   a firewall that drops all packets of host 0

The bridge lies in a namespace of its own, so that nothing of this machine's network is touched, no address collides.
Namespaces are files in a folder of ours: `ip netns add` would hide those of a container runtime on this machine.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def missing(*tools: str) -> str:
    """Why this machine cannot have hosts, or "". `tools`: programs that are needed beside `ip`."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", *tools):
        if shutil.which(tool) is None:
            return f"the program {tool!r} is not installed"
    with tempfile.TemporaryDirectory(prefix="ramet-hosts-") as folder:
        try:
            _remove(_make(Path(folder, "probe")))
        except OSError as error:
            return f"no network namespaces here: {error}"
    return ""


def enter(namespace: str) -> None:
    """Moves the calling thread into a namespace (one of `Hosts.names`), and what it starts from then on."""
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns({namespace}): {os.strerror(number)}")
    finally:
        os.close(descriptor)


class Hosts:
    def __init__(self, count: int, bridge: bool = True) -> None:
        """`bridge`: false for hosts that are not joined yet."""
        self._folder = tempfile.TemporaryDirectory(prefix="ramet-hosts-")
        self.hub = f"{self._folder.name}/hub"
        self.names = [f"{self._folder.name}/{host}" for host in range(count)]
        self._bridge = bridge

    def address(self, host: int) -> str:
        return f"10.66.0.{host + 1}"

    def enter(self, host: int) -> None:
        enter(self.names[host])

    def run(self, host: int, command: Sequence[str], text: str | None = None) -> str:
        """Runs a program on a host; its output."""
        whole = ["nsenter", f"--net={self.names[host]}", "--", *command]
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
                _make(Path(name))
                _ip(name, "link", "set", "lo", "up")
            if self._bridge:
                self._join()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _join(self) -> None:
        _ip(self.hub, "link", "add", "bridge", "type", "bridge")
        _ip(self.hub, "link", "set", "bridge", "up")
        for host, name in enumerate(self.names):
            port = f"port{host}"
            _ip(self.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip(self.hub, "link", "set", port, "master", "bridge", "up")
            _ip(name, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            _ip(name, "link", "set", "eth0", "up")

    def __exit__(self, *_: object) -> None:
        for name in [*self.names, self.hub]:
            _remove(Path(name))
        self._folder.cleanup()


def _make(file: Path) -> Path:
    """A namespace that lives as long as this file is mounted, or a process is in it."""
    file.touch()
    _run("unshare", f"--net={file}", "true")
    return file


def _remove(file: Path) -> None:
    subprocess.run(["umount", str(file)], capture_output=True)
    file.unlink(missing_ok=True)


def _ip(namespace: str, *arguments: str) -> None:
    _run("nsenter", f"--net={namespace}", "--", "ip", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


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
