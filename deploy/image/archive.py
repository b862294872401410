"""Writes an image out of buildah's storage as an OCI archive that names itself, and tells its digest and size.

    python3 archive.py TAG FILE.tar BUILDAH...

containerd takes an image's name from io.containerd.image.name, others from org.opencontainers.image.ref.name. The
archive is a function of the image: no time, no owner, names in order.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def main() -> None:
    tag, output, *buildah = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=Path(output).parent) as folder:
        layout = Path(folder)
        subprocess.run([*buildah, "push", "--quiet", tag, f"oci:{layout}:{tag}"], check=True)
        index = json.loads((layout / "index.json").read_text())
        (image,) = index["manifests"]
        image["annotations"] = {"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag}
        (layout / "index.json").write_text(json.dumps(index, sort_keys=True))
        part = Path(output + ".part")
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
            for path in sorted(path for path in layout.rglob("*") if path.is_file()):
                archive.add(path, path.relative_to(layout), filter=plain)
        part.replace(output)
        manifest = json.loads((layout / "blobs" / image["digest"].replace(":", "/")).read_text())
    layers = [layer["size"] for layer in manifest["layers"]]
    print(f"{output}: {tag}, {sum(layers) / 1e6:.0f} MB in {len(layers)} layers, {image['digest']}")


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode = 0, 0, 0, "", "", 0o644
    return member


if __name__ == "__main__":
    main()
