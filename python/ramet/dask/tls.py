"""Certificates of a Dask cluster, as the engine's connections take them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ramet import _core


def tls_of(security: Any, channel: str, address: str) -> _core.Tls | None:
    """Of a worker's `Security`; None for connections in the clear.

    Raises
    ------
    ValueError
        With channel "tls" on a cluster without certificates.
    """
    if channel == "tcp" or (channel == "auto" and not address.startswith("tls://")):
        return None
    files = [security.tls_ca_file, security.tls_worker_cert, security.tls_worker_key]
    if not all(files):
        raise ValueError(
            "channel='tls', but the cluster's workers have no certificates. Start them with distributed.Security, or "
            "use channel='auto'."
        )
    with tempfile.TemporaryDirectory(prefix="ramet-") as folder:  # its owner's alone
        return _core.Tls(*(_as_file(text, Path(folder, str(i))) for i, text in enumerate(files)))


def _as_file(text: str, path: Path) -> str:
    """Security holds paths, or the certificates' text (`Security.temporary()`)."""
    if "\n" not in text:
        return text
    path.write_text(text)
    return str(path)
