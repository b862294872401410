"""Which client a fit runs on, and whether its Dask will do."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

OLDEST = (2026, 1, 0)  # before it, a dashboard's proxy runs what a stranger sends (CVE-2026-23528)
NEWEST = (2026, 8)  # the newest that the tests have seen


def client_of(client: Any = None) -> Any:
    """The client to use: the one given, a task's own, or the default one.

    Raises
    ------
    ImportError
        Without distributed, or with one that is too old.
    TypeError
        If `client` is none.
    ValueError
        If there is none.
    """
    try:
        import distributed
    except ImportError:
        raise ImportError(
            "X is a Dask collection, and training on it needs the package distributed. Install it with "
            "pip install 'ramet[dask]', or bring the rows here with .compute()."
        ) from None
    check_release(version("distributed"))
    if client is not None:
        if not isinstance(client, distributed.Client):
            raise TypeError(f"client must be a distributed.Client, not {type(client).__name__}.")
        return client
    try:
        return distributed.get_client()
    except ValueError:
        raise ValueError(
            "X is a Dask collection, but there is no Dask client to train with. Start one with "
            "client = distributed.Client(), which uses this machine, or Client('tcp://scheduler:8786'); or bring the "
            "rows here with .compute()."
        ) from None


def check_release(text: str) -> None:
    numbers = tuple(int(part) for part in text.split(".")[:3] if part.isdigit())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ImportError(f"distributed {text} is too old. Install {oldest} or newer: pip install -U 'ramet[dask]'.")
    if numbers[:2] > NEWEST:
        newest = ".".join(map(str, NEWEST))
        warnings.warn(
            f"distributed {text} is newer than the releases that Ramet was tested with (to {newest}). "
            "If something fails, try one of those.",
            stacklevel=2,
        )
