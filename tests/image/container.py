"""Runs the image as a container runtime does, without one's daemon: `runc`, over what the archive holds.

A pod of Kubernetes gives a container a user that the image knows nothing of, a root file system that nobody may write,
and volumes. So does `Container`; its network has nothing but a loopback, into which the test looks from outside.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast


class Image:
    """An OCI archive with one image, unpacked once for each digest."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.archive = archive
        with tarfile.open(archive) as tar:
            (described,) = json.load(member(tar, "index.json"))["manifests"]
            self.name: str = described["annotations"]["io.containerd.image.name"]
            self.digest: str = described["digest"]
            manifest = json.load(blob(tar, self.digest))
            self.size = sum(layer["size"] for layer in manifest["layers"])
            self.config: dict[str, Any] = json.load(blob(tar, manifest["config"]["digest"]))
            self.root = folder / self.digest.partition(":")[2][:16]
            if not self.root.exists():
                shutil.rmtree(folder, ignore_errors=True)  # those of older images
                part = self.root.with_suffix(".part")
                part.mkdir(parents=True)
                for layer in manifest["layers"]:
                    unpack(blob(tar, layer["digest"]), part)
                part.rename(self.root)


def member(tar: tarfile.TarFile, name: str) -> BinaryIO:
    return cast(BinaryIO, tar.extractfile(name))


def blob(tar: tarfile.TarFile, digest: str) -> BinaryIO:
    return member(tar, "blobs/" + digest.replace(":", "/"))


def unpack(layer: BinaryIO, root: Path) -> None:
    """A layer over those before it: `.wh.NAME` takes NAME away, `.wh..wh..opq` all that its folder had."""
    with tarfile.open(fileobj=layer, mode="r|gz") as tar:
        for entry in tar:
            path = root / entry.name
            if path.name == ".wh..wh..opq":
                for old in path.parent.iterdir():
                    remove(old)
            elif path.name.startswith(".wh."):
                remove(path.with_name(path.name.removeprefix(".wh.")))
            else:
                if path.is_symlink() or (path.exists() and not path.is_dir()):
                    remove(path)
                tar.extract(entry, root, filter="fully_trusted")


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Container:
    """A container of the image, as a context: it runs from `with` on and is gone, with its processes, afterwards."""

    def __init__(
        self,
        image: Image,
        folder: Path,
        *,
        command: Sequence[str] = (),
        user: int = 1000,
        environment: dict[str, str] | None = None,
        volumes: dict[str, Path] | None = None,
    ) -> None:
        self.name = f"ramet-{uuid.uuid4().hex[:8]}"
        self._runc = ["runc", "--root", str(folder / "runc")]
        self._bundle = folder / self.name
        self._bundle.mkdir(parents=True)
        self._log = self._bundle / "log"
        started = image.config["config"]
        values = dict(entry.split("=", 1) for entry in started["Env"]) | (environment or {})
        (self._bundle / "hosts").write_text(f"127.0.0.1 localhost {self.name}\n")  # a runtime gives each container one
        described = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": user, "gid": 0, "additionalGids": [100], "umask": 0o022},
                "args": [*started["Entrypoint"], *(command or started["Cmd"])],
                "env": [f"{name}={value}" for name, value in values.items()],
                "cwd": started["WorkingDir"],
                "capabilities": {},
                "noNewPrivileges": True,
            },
            "root": {"path": str(image.root), "readonly": True},
            "hostname": self.name,
            "mounts": mounts({"/etc/hosts": self._bundle / "hosts", **(volumes or {})}),
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
                "cgroupsPath": f"/{self.name}",
            },
        }
        (self._bundle / "config.json").write_text(json.dumps(described, indent=1))

    def __enter__(self) -> Container:
        with self._log.open("wb") as log:
            line = [*self._runc, "run", "--bundle", str(self._bundle), self.name]
            self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        limit = time.monotonic() + 30
        while self._process.poll() is None and self.state().get("status") != "running":
            assert time.monotonic() < limit, f"it does not start: {self.log}"
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._runc, "kill", self.name, "KILL"], capture_output=True, check=False)
        self._process.wait(30)
        subprocess.run([*self._runc, "delete", "--force", self.name], capture_output=True, check=False)

    def state(self) -> dict[str, Any]:
        done = subprocess.run([*self._runc, "state", self.name], capture_output=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def network(self) -> str:
        """The file of its network namespace."""
        return f"/proc/{self.state()['pid']}/ns/net"

    def wait(self, seconds: float) -> int:
        """Its command's exit code, in time."""
        return self._process.wait(seconds)

    def wait_for(self, text: str, seconds: float = 90) -> None:
        """Until its log has a text."""
        limit = time.monotonic() + seconds
        while text not in self.log:
            assert self._process.poll() is None and time.monotonic() < limit, f"no {text!r} in: {self.log}"
            time.sleep(0.1)

    def terminate(self) -> None:
        subprocess.run([*self._runc, "kill", self.name, "TERM"], check=True)


def mounts(volumes: dict[str, Path]) -> list[dict[str, Any]]:
    made = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev", "size=64m"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
    ]
    return made + [
        {"destination": to, "type": "bind", "source": str(path), "options": ["rbind", "rw"]}
        for to, path in volumes.items()
    ]


def volume(folder: Path) -> Path:
    """A new volume as Kubernetes hands it over: root's, writable for the pod's fsGroup, with a lost+found."""
    folder.mkdir()
    (folder / "lost+found").mkdir(mode=0o700)
    os.chown(folder, 0, 100)
    folder.chmod(0o2775)
    return folder
