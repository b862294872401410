"""Images: the archive of the pause container, and what a node's containerd knows."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import layout


def packed(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar of files (name: content, mode); the same bytes whenever it is made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def pause(path: Path) -> Path:
    """An OCI archive that holds one program and nothing else."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    layer = blob(packed({"pause": ((layout.BIN / "pause").read_bytes(), 0o755)}), "layer.v1.tar")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    entry = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"io.containerd.image.name": layout.PAUSE}
    index = {"schemaVersion": 2, "manifests": [entry]}
    blobs["index.json"] = json.dumps(index).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    path.write_bytes(packed({name: (content, 0o644) for name, content in blobs.items()}))
    return path


def ctr(node: layout.Node, *arguments: object) -> subprocess.CompletedProcess:
    line = ["ctr", "--address", node.socket, "--namespace", "k8s.io", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def answers(node: layout.Node) -> bool:
    return ctr(node, "images", "list", "--quiet").returncode == 0


def load(node: layout.Node, archives: Iterable[Path | str]) -> None:
    for archive in archives:
        done = ctr(node, "images", "import", archive)
        if done.returncode != 0:
            raise SystemExit(f"{node.name} cannot import {archive}: {done.stderr.strip()}")


def extended(base: Path, path: Path, name: str, folder: Path, to: str, config: dict) -> Path:
    """An archive of the image in `base` with one more layer, the files of `folder` at `to`, and these settings."""
    with tarfile.open(base) as archive:
        blobs = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}  # type: ignore[union-attr]

    def of(entry: dict) -> dict:
        return json.loads(blobs[f"blobs/{entry['digest'].replace(':', '/')}"])

    def changed(entry: dict, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {**entry, "digest": f"sha256:{digest}", "size": len(content)}

    files = {
        f"{to}/{file.relative_to(folder)}": (file.read_bytes(), 0o755 if file.parent.name == "bin" else 0o644)
        for file in folder.rglob("*")
        if file.is_file()
    }
    index = json.loads(blobs["index.json"])
    manifest = of(index["manifests"][0])
    layer = changed({"mediaType": "application/vnd.oci.image.layer.v1.tar"}, packed(files))
    settings = of(manifest["config"])
    settings["config"] |= config
    settings["rootfs"]["diff_ids"].append(layer["digest"])
    settings["history"] = [*settings.get("history", []), {"created_by": name}]
    manifest["layers"].append(layer)
    manifest["config"] = changed(manifest["config"], json.dumps(settings).encode())
    entry = changed(index["manifests"][0], json.dumps(manifest).encode())
    entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    index["manifests"] = [entry]
    blobs["index.json"] = json.dumps(index).encode()
    path.write_bytes(packed({name: (content, 0o644) for name, content in blobs.items()}))
    return path
