"""Certificates of a Dask cluster, as the engine's connections take them."""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
from pathlib import Path
from typing import Any

from ramet import _core


def tls_of(security: Any, channel: str, address: str) -> _core.Tls | None:
    """Of a worker's `Security`; None for connections in the clear.

    Raises
    ------
    OSError
        With channel "tls" on a cluster without certificates.
    """
    if channel == "tcp" or (channel == "auto" and not address.startswith("tls://")):
        return None
    files = [security.tls_ca_file, security.tls_worker_cert, security.tls_worker_key]
    if not all(files):
        raise OSError(
            "channel='tls', but the cluster's workers have no certificates. Start them with distributed.Security, or "
            "use channel='auto'."
        )
    return _core.Tls(*(_as_file(text) for text in files))


@functools.cache
def _as_file(text: str) -> str:
    """Security holds paths, or the certificates' text (`Security.temporary()`)."""
    if "\n" not in text:
        return text
    handle, path = tempfile.mkstemp(prefix="ramet-", suffix=".pem")  # readable by its owner alone
    atexit.register(Path(path).unlink, missing_ok=True)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path
