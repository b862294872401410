"""Results of futures, for tasks that may be cancelled.

`Client.gather`, and so ``await future``, fetches results together for all who wait at a time. Dask passes on the
cancellation of one of them to that fetch, and so to all others, of other fits and of the user. Here all fetch alone.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
from typing import Any

from distributed import Future

from ramet.dask.scheduler import ask

AGAIN = 0.1  # seconds until a result is asked for again that was lost on the way, and is made anew


async def value_of(future: Future[Any]) -> Any:
    """The future's result; its error is raised."""
    while True:
        error = await future.exception()
        if error is not None:
            raise error
        if future.cancelled():
            return await future  # raises, and says why
        answer = await ask(future.client, "gather", keys=[future.key])
        if answer["status"] == "OK":
            return answer["data"][future.key]
        await asyncio.sleep(AGAIN)
