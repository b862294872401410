"""Files on the volumes of a release, reached through one of its workers.

with files_of(kubernetes, "ramet") as files:
    content = files.read("/models/late.ramet")
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ramet.cluster.api import Kubernetes
from ramet.cluster.errors import ClusterError
from ramet.cluster.members import options

_PIECE = 8 << 20  # bytes
_PATIENCE = 60.0  # seconds for a worker to answer


def client_for_files(name: str, namespace: str | None = None, **more: Any) -> Any:
    """`connect` for work to which only Ramet's version matters: it sends no functions of the user's."""
    from distributed.versions import VersionMismatchWarning

    from ramet.cluster.connect import connect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        return connect(name, namespace, **more)


@contextmanager
def files_of(kubernetes: Kubernetes, release: str) -> Iterator[RemoteFiles]:
    """The files that the workers of a release see.

    Raises
    ------
    ClusterError
        If there is no worker, or what is done with a file fails.
    """
    with client_for_files(release, kubernetes=kubernetes) as client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise ClusterError(
                f'cluster "{release}" has no worker now, through which its files could be reached.',
                f"`ramet cluster scale 1{options(release, kubernetes)}` starts one.",
            )
        yield RemoteFiles(client, release)


class RemoteFiles:
    def __init__(self, client: Any, release: str) -> None:
        self._client = client
        self._release = release

    def read(self, path: str) -> bytes:
        content = b""
        while True:
            piece: bytes = self._do(_read, path, len(content))
            content += piece
            if len(piece) < _PIECE:
                return content

    def write(self, path: str, content: bytes) -> None:
        self._do(write_whole, path, content)

    def remove(self, paths: Sequence[str]) -> None:
        """Those that exist."""
        self._do(_remove, list(paths))

    def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        import asyncio

        try:
            return self._client.submit(work, *arguments, pure=False).result(timeout=_PATIENCE)
        except (TimeoutError, asyncio.TimeoutError):
            raise ClusterError(
                f'no worker of cluster "{self._release}" answered within {_PATIENCE:.0f} seconds.',
                f"`ramet cluster status{options(self._release)}` says how they are; they may be busy.",
            ) from None
        except OSError as error:
            raise ClusterError(f'on cluster "{self._release}": {error}.') from None


def write_whole(path: str, content: bytes) -> None:
    """Writes a file whole or not at all."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read(path: str, begin: int) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(begin)
        return file.read(_PIECE)


def _remove(paths: list[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)
