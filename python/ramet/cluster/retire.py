"""What a worker's pod does before it is stopped: hands over what only it holds, and its part in running fits.

    python -m ramet.cluster.retire          # the preStop hook of the chart's workers

The scheduler gives the worker nothing new from then on, and copies its data to the others; a running fit ends the
round, and goes on without it. The worker itself is left as it is: the signal that follows the hook ends it by its
nanny, which so does not start another. Whatever happens, the exit code is 0, for a pod that cannot hand over has to go
all the same.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

LIMIT = 60.0  # seconds; half of the time that the chart gives a worker to end
CONNECT = 10.0  # until the scheduler counts as gone
LOOK = 0.2
OURS = "ramet_"  # how the tasks of a fit are called


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ramet.cluster.retire", description=__doc__, allow_abbrev=False)
    parser.add_argument("--name", help="of the worker; left out, POD_NAME or the host's")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="left out, DASK_SCHEDULER_ADDRESS")
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS", help=f"at most [{LIMIT:g}]")
    given = parser.parse_args(arguments)
    name = given.name or os.environ.get("POD_NAME") or socket.gethostname()
    begin = time.monotonic()
    try:
        said = asyncio.run(_in_time(name, given.scheduler, given.limit))
    except Exception as error:
        said = f"nothing was handed over: {error or type(error).__name__}"
    print(f"ramet retire: worker {name}: {said} ({time.monotonic() - begin:.1f} s)", file=sys.stderr, flush=True)
    return 0


async def _in_time(name: str, scheduler: str | None, limit: float) -> str:
    try:
        return await asyncio.wait_for(hand_over(name, scheduler), limit)
    except asyncio.TimeoutError:
        return f"not everything was handed over within {limit:g} seconds; what is missing will be made again"


async def hand_over(name: str, scheduler: str | None = None) -> str:
    """Retires the workers of this name, and says what happened.

    Parameters
    ----------
    name : str
        Several workers of one pod are called ``<name>-0``, ``<name>-1``, ….

    scheduler : str, optional
        Its address; left out, the one in Dask's configuration, as are the certificates.
    """
    import dask
    from distributed.core import rpc
    from distributed.security import Security

    scheduler = scheduler or dask.config.get("scheduler-address", None)
    if not scheduler:
        return "the scheduler's address is not known; set DASK_SCHEDULER_ADDRESS"
    connection = Security().get_connection_args("client")
    async with rpc(scheduler, timeout=CONNECT, connection_args=connection) as asked:
        own, others = await _workers(asked, name)
        if not own:
            return "the scheduler does not know it, so there is nothing to hand over"
        # Twice: what its tasks made meanwhile has to go too.
        for _ in range(2):
            retired = await asked.retire_workers(workers=own, close_workers=False, remove=False)
            while own and others and await _busy(asked, own):
                await asyncio.sleep(LOOK)
                own, others = await _workers(asked, name)
            if not others or len(retired) < len(own):
                return "no other worker can take over; what it holds will be made again"
    return "handed over"


async def _workers(asked: Any, name: str) -> tuple[list[str], list[str]]:
    """The addresses of the workers of this pod, and of those that may take over."""
    workers: dict[str, Any] = (await asked.identity(n_workers=-1))["workers"]

    def is_own(worker: Any) -> bool:
        called = str(worker["name"])
        return called == name or (called.startswith(f"{name}-") and called[len(name) + 1 :].isdigit())

    own = [address for address, worker in workers.items() if is_own(worker)]
    running = [address for address, worker in workers.items() if worker["status"] == "running"]
    return own, [address for address in running if address not in own]


async def _busy(asked: Any, workers: list[str]) -> bool:
    """Whether these workers still take part in a fit."""
    tasks: dict[str, list[Any]] = await asked.processing()
    return any(str(key).startswith(OURS) for worker in workers for key in tasks.get(worker, ()))


if __name__ == "__main__":
    sys.exit(main())
