"""Paths of a training that runs on a cluster by name: they are those that the workers see, not this machine's."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

from ramet import _core


def require_absolute(paths: Sequence[bytes], flag: str) -> None:
    """A usage error for what can only be a path of this machine."""
    for path in map(os.fsdecode, paths):
        if "://" not in path and not path.startswith("/"):
            raise _core.UsageError(
                f"{path}: with {flag} the workers read the files, and a relative path is this machine's. Give the path "
                f'as the workers see it, in quotes ("/data/flights/*.parquet"), or a URI (s3://…).'
            )


def with_remedy(error: OSError, paths: Sequence[bytes], name: str) -> OSError:
    """The error of files that the workers of cluster `name` do not have; it tells of a mix-up with this machine."""
    message = f"the workers of cluster {name} say: {error}"
    here = [path for path in map(os.fsdecode, paths) if str(error).startswith(f"{path}: ") and _is_here(path)]
    if here:
        message += (
            f" This machine has {here[0]}, but they read their own files: copy it into the cluster's data volume and "
            "name it as they see it (/data/…), put it into an object store and name its URI, or train here, without "
            "--cluster."
        )
    return OSError(message)


def _is_here(path: str) -> bool:
    return "://" not in path and (os.path.lexists(path) or bool(glob.glob(path)))  # noqa: PTH207
