"""What training on a cluster needs of a table: its parts, in order, made where the work is done.

a Dask collection, or files ──► Rows ──submit(function, part)──► function(table, ...) on a worker

Invariants
  R1. The parts, one after another, are the rows of the table in order. A part may be empty.
  R2. A part comes out the same each time it is made; who trains compares fingerprints, and tells where it does not.
  R3. The client sees types and lengths at most, never the rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Rows(ABC):
    """A table in parts, in order, that the workers of a cluster can make."""

    num_parts: int
    columns: dict[str, Any]
    """Keyword arguments of ``Survey.of``: label, weight, features, categorical, numeric, classification."""

    @abstractmethod
    def describe(self, part: int) -> str:
        """What messages call a part: ``partition 3 of X``, ``data/b.parquet, row groups 4-7``."""

    @abstractmethod
    def known_length(self, part: int) -> int | None:
        """Rows of a part, where they are known without reading it."""

    @abstractmethod
    def submit(
        self, client: Any, function: Callable[..., Any], part: int, *args: Any, key: str, **submit_options: Any
    ) -> Any:
        """One task of the cluster, ``function(table, *args)``, as a future.

        Parameters
        ----------
        client : distributed.Client
            Who runs it.

        function : callable
            Called on a worker with the part as a `_core.Table` (features, label and weight column), then `args`.

        part : int
            Which part, from 0.

        args : objects
            More arguments. Futures among them are waited for, and stand for their results.

        key : str
            The task's key.

        submit_options : keyword arguments
            As `distributed.Client.submit` takes them (`workers`, `priority`, `retries`, ...).
        """

    @abstractmethod
    def release(self) -> None:
        """Let go of all raw parts that are held: they are not needed any more."""


@contextmanager
def naming(part: str) -> Iterator[None]:
    """Errors of data say which part they are in, and have it as their attribute `part`."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError):
            raise
        named = error if part in str(error) else type(error)(f"{part}: {error}")
        named.part = part  # type: ignore[union-attr]
        raise named from error.__cause__
