"""A real Kubernetes of two nodes on this machine, in namespaces of its own. For root on Linux.

    cluster.py up                    builds what is missing, starts it, imports build/image/ramet-*.tar
    cluster.py with COMMAND…         runs a command with KUBECONFIG; `down` at the end unless it was up before
    cluster.py status                exit 0 if it runs
    cluster.py load ARCHIVE…         imports images on both nodes
    cluster.py link node2 down|up    the second node's network cable
    cluster.py enter COMMAND…        runs a command where the first node runs (`ctr`, `ip`, `iptables-save`)
    cluster.py down                  ends it, then compares the machine with what it was before: 1 if anything is left

Where things are: layout.py. `down` needs no supervisor, no state and no order: it also ends what a killed one left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import layout
import machine

PATIENCE = 180.0  # seconds for all of `up`, images included


def say(text: str) -> None:
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def inside(*command: str) -> list[str]:
    """A command within the cluster's namespaces. Its processes end with the cluster."""
    first = machine.supervisor()
    if first is None:
        raise SystemExit("cluster: there is none: `cluster.py up`")
    return ["nsenter", f"--target={first}", "--net", "--mount", "--pid", "--ipc", "--uts", "--", *command]


def is_up() -> bool:
    return layout.READY.exists() and machine.supervisor() is not None


def up() -> int:
    if is_up():
        say("it is up already")
        print(layout.ADMIN)
        return 0
    if os.geteuid() != 0:
        raise SystemExit("cluster: namespaces, mounts and cgroups need root")
    subprocess.run([layout.HERE / "install.sh"], check=True)
    subprocess.run([layout.HERE / "build.sh"], check=True)
    clean()  # after one that was killed
    layout.SNAPSHOT.write_text(json.dumps(machine.snapshot(), indent=1))
    shutil.rmtree(layout.LOGS, ignore_errors=True)
    for folder in (layout.LOGS, layout.STATE / "tmp"):
        folder.mkdir(parents=True)
    began = time.monotonic()
    log = layout.LOGS / "supervisor.log"
    try:
        start_supervisor(log)
        follow(log)
    except BaseException:
        clean()
        raise
    say(f"two nodes are Ready after {time.monotonic() - began:.1f} s, images imported")
    print(layout.ADMIN)
    return 0


def start_supervisor(log) -> None:
    path = f"{layout.BIN}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    ours = {**os.environ, "PATH": path, "TMPDIR": str(layout.STATE / "tmp"), layout.MARK: str(layout.HOME)}
    ours |= {"PYTHONDONTWRITEBYTECODE": "1"}
    spaces = ["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
    line = ["unshare", *spaces, sys.executable, "-u", str(layout.HERE / "supervisor.py")]
    with log.open("w") as output:
        subprocess.Popen(
            line, env=ours, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    until = time.monotonic() + 10
    while (first := machine.supervisor()) is None:
        if time.monotonic() > until:
            fail(log, "the supervisor did not start")
        time.sleep(0.05)
    subprocess.run(
        ["ip", "link", "add", layout.HOST_LINK, "type", "veth", "peer", "name", "uplink", "netns", str(first)],
        check=True,
    )
    subprocess.run(["ip", "address", "add", layout.HOST_ADDRESS, "dev", layout.HOST_LINK], check=True)
    subprocess.run(["ip", "link", "set", layout.HOST_LINK, "up"], check=True)


def follow(log) -> None:
    """Shows the supervisor's progress until both nodes are Ready."""
    until = time.monotonic() + PATIENCE
    shown = 0
    while True:
        ready, lines = layout.READY.exists(), log.read_text().splitlines()
        for line in lines[shown:]:
            say(line)
        shown = len(lines)
        if ready:
            return
        if machine.supervisor() is None:
            fail(log, "the supervisor ended")
        if time.monotonic() > until:
            fail(log, f"not Ready after {PATIENCE:.0f} s")
        time.sleep(0.1)


def fail(log, what: str) -> None:
    raise SystemExit(f"cluster: {what}; see {log.parent}\n{log.read_text()[-2000:]}")


def clean() -> None:
    machine.end_processes()
    machine.remove_link()
    machine.remove_cgroups()
    shutil.rmtree(layout.STATE, ignore_errors=True)
    layout.ADMIN.unlink(missing_ok=True)


def down() -> int:
    began = time.monotonic()
    clean()
    say(f"ended after {time.monotonic() - began:.1f} s")
    if not layout.SNAPSHOT.exists():
        return 0
    different = machine.differences(json.loads(layout.SNAPSHOT.read_text()), machine.snapshot())
    layout.SNAPSHOT.unlink()
    for line in different:
        say(f"not as before: {line}")
    if not different:
        say("mounts, links, addresses, routes, firewall, settings, cgroups, files and processes are as before")
    return 1 if different else 0


def status() -> int:
    if not is_up():
        say("it is not up")
        return 1
    print(layout.ADMIN)
    return subprocess.run(
        [layout.BIN / "kubectl", f"--kubeconfig={layout.ADMIN}", "get", "nodes"], check=False
    ).returncode


def run_with(command: list[str]) -> int:
    """The command's exit code; 1 if that is 0 and the cluster left something."""
    ours = not is_up()
    up()
    environment = {**os.environ, "KUBECONFIG": str(layout.ADMIN), "PATH": f"{layout.BIN}:{os.environ['PATH']}"}
    try:
        code = subprocess.run(command, env=environment, check=False).returncode
    finally:
        left = down() if ours else 0
    return code or left


def python_inside(code: str, *arguments: str) -> int:
    """Runs code that uses this folder's modules within the namespaces."""
    environment = {**os.environ, "PYTHONPATH": str(layout.HERE)}
    line = inside(sys.executable, "-c", code, *arguments)
    return subprocess.run(line, env=environment, check=False).returncode


def load(archives: list[str]) -> int:
    code = "import sys, images, layout\nfor node in layout.NODES: images.load(node, sys.argv[1:])"
    return python_inside(code, *(str(Path(archive).resolve()) for archive in archives))


def link(state: str) -> int:
    return python_inside(f"import node; node.link_{state}()")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("up", "down", "status"):
        verbs.add_parser(verb)
    verbs.add_parser("load").add_argument("archive", nargs="+")
    cable = verbs.add_parser("link")
    cable.add_argument("node", choices=["node2"])
    cable.add_argument("state", choices=["up", "down"])
    for verb in ("enter", "with"):
        verbs.add_parser(verb).add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is begun is undone, as after Ctrl-C
    if options.verb == "load":
        return load(options.archive)
    if options.verb == "link":
        return link(options.state)
    if options.verb == "with":
        return run_with(options.command)
    if options.verb == "enter":
        return subprocess.run(inside(*options.command), check=False).returncode
    return {"up": up, "down": down, "status": status}[options.verb]()


if __name__ == "__main__":
    sys.exit(main())
