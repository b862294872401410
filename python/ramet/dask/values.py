"""Results of futures, for tasks that may be cancelled.

A client fetches results together, for all who wait at a time. Dask passes on the cancellation of one of them to that
fetch, and so to all the others, of other fits and of the user. Here it stays with the one who is cancelled.
"""

from __future__ import annotations

import asyncio
from typing import Any

from distributed import Future


async def value_of(future: Future[Any]) -> Any:
    """The future's result; its error is raised."""
    while True:
        fetch = asyncio.ensure_future(_fetch(future))
        fetch.add_done_callback(_see_error)
        try:
            return await asyncio.shield(fetch)
        except asyncio.CancelledError:
            if not fetch.cancelled():  # it is us who are cancelled
                raise


async def _fetch(future: Future[Any]) -> Any:
    return await future


def _see_error(fetch: asyncio.Task[Any]) -> None:
    """Nobody may be left to see it, and asyncio would complain."""
    if not fetch.cancelled():
        fetch.exception()
