"""A Slurm of its own on this machine: munged, slurmctld and three nodes, which are three slurmd.

    with Site(folder) as site:
        site.run("sinfo")

Needs root and Debian's packages slurmctld, slurmd, slurm-client, munge; changes nothing outside of `folder` but the
cgroups of its jobs, and leaves nothing. Nodes share the machine's address, so they meet at its loopback interface.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

NODES = ("n1", "n2", "n3")
NEEDED = ("slurmctld", "slurmd", "sbatch", "srun", "munged")
PATIENCE = 60.0  # seconds until the nodes are idle
CGROUPS = ("cpuset", "devices", "freezer", "memory")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdParameters=config_overrides
SlurmctldTimeout=10
SlurmdTimeout=15
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
ProctrackType={proctrack}
TaskPlugin={task}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,requeue_setup_env_fail
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
GresTypes=gpu
DefMemPerCPU=1000
KillWait=15
NodeName=n[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=2 RealMemory=4000 Gres=gpu:2
PartitionName=main Nodes=ALL Default=YES MaxTime=1:00:00 PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=ALL MaxTime=1:00:00 PriorityTier=10 PreemptMode=off
"""


def missing() -> str:
    """Why there can be no Slurm here; empty if there can."""
    absent = [name for name in NEEDED if shutil.which(name, path=PATH) is None]
    if absent:
        return f"no {', '.join(absent)} (Debian: slurmctld slurmd slurm-client munge)"
    return "" if os.geteuid() == 0 else "slurmd needs root"


PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Site:
    """Slurm's daemons, each of which dies with this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._alone = socket.socket(socket.AF_UNIX)
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def __enter__(self) -> Site:
        self._wait_for_others()
        try:
            self._configure()
            self._start("munged", self._munged())
            self._until((self.folder / "munge.socket").exists, "munged")
            self._start("slurmctld", ["slurmctld", "-D"])
            for node in NODES:
                self.start_node(node)
            self._until(lambda: self.states() == ["idle"] * len(NODES), "three idle nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends jobs, then daemons, then what they left in the kernel; by process id alone."""
        if "slurmctld" in self.daemons:
            with suppress(subprocess.SubprocessError):
                self.run("scancel", "--user=root", check=False)
                self.run("scancel", "--signal=KILL", "--full", "--user=root", check=False)
                self._until(lambda: not self.run("squeue", "--noheader"), "an empty queue", 30)
        for name in [*NODES, "slurmctld", "munged"]:
            self.stop(name)
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        end = time.monotonic() + 10  # a killed process keeps its cgroup for a moment
        while self._remove_cgroups() and time.monotonic() < end:
            time.sleep(0.2)
        self._alone.close()

    def _wait_for_others(self) -> None:
        """Nodes of another site on this machine would have the same names."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._alone.bind("\0ramet-site-of-three")  # a name in the kernel, gone with this process
                return
            except OSError:
                assert time.monotonic() < end, "another test has a Slurm on this machine"
                time.sleep(0.5)

    def _remove_cgroups(self) -> list[Path]:
        """Those that are left."""
        roots = [root for name in CGROUPS for root in Path("/sys/fs/cgroup", name).glob("slurm_n[123]")]
        for folder in (path for root in roots for path, _, _ in os.walk(root, topdown=False)):
            with suppress(OSError):
                Path(folder).rmdir()
        return [root for root in roots if root.exists()]

    # Commands ---------------------------------------------------------------------------------------------------------
    def run(self, *command: str, check: bool = True, timeout: float = 60, **options: object) -> str:
        """What a command of Slurm prints on standard output."""
        given = {"env": self.environment, "cwd": self.folder, **options}
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **given)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def states(self) -> list[str]:
        return self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%T", check=False).split()

    def state(self, job: str) -> str:
        """RUNNING, PENDING, COMPLETED …; slurmctld remembers a finished job for some minutes."""
        for field in self.run("scontrol", "show", "job", job).split():
            if field.startswith("JobState="):
                return field.removeprefix("JobState=")
        raise AssertionError(f"no job {job}")

    # Daemons ----------------------------------------------------------------------------------------------------------
    def start_node(self, node: str) -> None:
        self._start(node, ["slurmd", "-D", "-N", node])

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(number)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(10)

    def processes(self, *words: str) -> list[int]:
        """Ids of this Slurm's daemons, steps, and what runs in them, with all `words` in the command."""
        found = []
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if mark in (entry / "environ").read_bytes().split(b"\0") and all(word in command for word in words):
                    found.append(int(entry.name))
        return found

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
            )

    def _munged(self) -> list[str]:
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid"}
        files |= {"seed-file": "munge.seed", "log-file": "munge.log"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        return ["munged", "--foreground", "--force", *options]

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        ports = free_ports(1 + len(NODES))
        cgroups = all(Path("/sys/fs/cgroup", name).is_dir() for name in CGROUPS)
        text = CONFIGURATION.format(
            folder=self.folder,
            host=socket.gethostname(),
            port=ports[0],
            first=ports[1],
            last=ports[-1],
            proctrack="proctrack/cgroup" if cgroups else "proctrack/linuxproc",
            task="task/cgroup" if cgroups else "task/none",
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\n")
        (self.folder / "gres.conf").write_text(
            "NodeName=n[1-3] Name=gpu File=/dev/full\nNodeName=n[1-3] Name=gpu File=/dev/zero\n"
        )

    def _until(self, true, what: str, patience: float = PATIENCE) -> None:  # type: ignore[no-untyped-def]
        end = time.monotonic() + patience
        while not true():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    raise AssertionError(f"{name} ended: {(self.folder / f'{name}.out').read_text()[-2000:]}")
            if time.monotonic() > end:
                raise AssertionError(f"no {what} after {patience:g} s: {self.states()}")
            time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Ports in a row that nobody listens at."""
    for first in range(16817, 30000, count):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for offset, listener in enumerate(sockets):
                listener.bind(("", first + offset))
            return list(range(first, first + count))
        except OSError:
            continue
        finally:
            for listener in sockets:
                listener.close()
    raise AssertionError("no free ports")


if __name__ == "__main__":  # by hand: `site.py FOLDER`, until Ctrl-C
    with Site(Path(sys.argv[1])) as by_hand:
        print(f"export SLURM_CONF={by_hand.environment['SLURM_CONF']}", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
