"""Questions to Dask's scheduler that wait for a busy one, and end when it is lost."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ramet.dask.errors import SchedulerLostError

PATIENCE = 300.0  # seconds, where nobody says otherwise
PAUSE = 0.2  # seconds between attempts to reach it
GO_ON = "If the fit wrote a checkpoint, go on from it with init_model=<path> once there is a scheduler again."


async def ask(client: Any, question: str, patience: float = PATIENCE, /, **arguments: Any) -> Any:
    """The scheduler's answer.

    A scheduler that is busy for a while does not take new connections in time: it is asked again, so it must not
    matter if it is asked twice.

    Raises
    ------
    SchedulerLostError
        The client's own connection broke, or there was no answer for `patience` seconds.
    """
    end = time.monotonic() + patience
    while True:
        # Not wait_for, which forgets a cancellation that comes together with the answer (Python 3.11 and older).
        answer = asyncio.ensure_future(getattr(client.scheduler, question)(**arguments))
        try:
            await asyncio.wait({answer}, timeout=max(0.0, end - time.monotonic()))
            if answer.done():
                return answer.result()
            error: Exception | None = None
        except OSError as failure:
            error = failure
        finally:
            answer.cancel()
        if client.status != "running":
            raise lost(error)
        if time.monotonic() >= end:
            raise SchedulerLostError(
                f"Dask's scheduler did not answer for {patience:g} seconds (worker_timeout). {GO_ON}"
            ) from error
        await asyncio.sleep(PAUSE)


def lost(error: BaseException | None) -> SchedulerLostError:
    """The error of a connection that broke."""
    made = SchedulerLostError(f"The connection to Dask's scheduler broke, and with it the fit. {GO_ON}")
    made.__cause__ = error
    return made
