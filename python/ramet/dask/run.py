"""`fit` on a Dask cluster.

    Rows ──Preparation──► parts on the workers ──Driver, Plan──► members train, the client listens ──► Outcome

The work is done on the client's event loop; who calls `fit` waits, and is where callbacks run.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import distributed
from distributed import Client
from distributed.threadpoolexecutor import rejoin, thread_state

from ramet.dask.chronicle import first_rounds
from ramet.dask.driver import Driver
from ramet.dask.job import FirstRounds, FitJob, FitOptions, Outcome, Round
from ramet.dask.report import FitReport
from ramet.dask.rows import Rows

__all__ = ["FirstRounds", "FitJob", "FitOptions", "FitReport", "Outcome", "Round", "fit", "fit_async"]


def fit(client: Client, rows: Rows, eval_rows: Mapping[str, Rows], job: FitJob, options: FitOptions) -> Outcome:
    """Trains on the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
        Of any kind; from within a task, that task's.

    rows : Rows
        To train on.

    eval_rows : dict of str to Rows
        To measure on after each round.

    job : FitJob
    options : FitOptions

    Returns
    -------
    Outcome
        The model is the one that one machine would train on the same rows.

    Raises
    ------
    ValueError
        Of the data; it names the part.
    ClusterError
        If the cluster cannot go on; the subclass says why, and its `result` has the rounds so far.
    KeyboardInterrupt
        After Ctrl-C, once the members have stopped; its `result` has the rounds so far. A second one does not wait.
    RuntimeError
        If called on the event loop of an asynchronous client: use `fit_async` there.
    """
    if _is_loop_of(client):
        raise RuntimeError(
            "fit was called on the event loop of an asynchronous Dask client, which it would block. "
            "Use `await asyncio.to_thread(model.fit, X, y)`."
        )
    rounds: queue.SimpleQueue[Round | None] = queue.SimpleQueue()
    loop: Any = client.loop
    driver = Driver(client, rows, eval_rows, job, options, rounds.put)
    future = asyncio.run_coroutine_threadsafe(driver.run(), loop.asyncio_loop)
    future.add_done_callback(lambda _: rounds.put(None))
    with _outside_of_the_pool():
        stopped = _watch(rounds, driver, options, loop, future)
    outcome = _until_stopped(future.result(), driver, job)
    if stopped is not None:
        raise _with_result(stopped, outcome)
    return outcome


def _watch(rounds: queue.SimpleQueue[Round | None], driver: Driver, options: FitOptions, loop: Any, future: Any) -> Any:
    """Calls back until the fit is over; what a callback, or Ctrl-C, raised."""
    stopped: BaseException | None = None
    asked = False
    last = 0
    while True:
        try:
            report = rounds.get()
            if report is None:
                return stopped
            last = report.round
            if options.on_round is not None and not asked and options.on_round(report):
                asked = True
                driver.stop_at = report.round
                loop.add_callback(driver.stop, report.round)
        except BaseException as error:
            if stopped is not None:
                future.cancel()
                raise
            stopped, asked = error, True
            by_hand = isinstance(error, KeyboardInterrupt)
            driver.stop_at = None if by_hand else last
            loop.add_callback(driver.stop, driver.stop_at)


async def fit_async(
    client: Client, rows: Rows, eval_rows: Mapping[str, Rows], job: FitJob, options: FitOptions
) -> Outcome:
    """`fit` for an asynchronous client, on its event loop. `on_round` is called in another thread."""
    reports: asyncio.Queue[Round | None] = asyncio.Queue()
    driver = Driver(client, rows, eval_rows, job, options, reports.put_nowait)
    task = asyncio.ensure_future(driver.run())
    task.add_done_callback(lambda _: reports.put_nowait(None))
    stopped: BaseException | None = None
    asked = False
    try:
        while (report := await reports.get()) is not None:
            try:
                if options.on_round is not None and not asked and await asyncio.to_thread(options.on_round, report):
                    asked = True
                    driver.stop(report.round)
            except Exception as error:
                stopped, asked = error, True
                driver.stop(report.round)
        outcome = _until_stopped(await task, driver, job)
    finally:
        task.cancel()
    if stopped is not None:
        raise _with_result(stopped, outcome)
    return outcome


def _until_stopped(outcome: Outcome, driver: Driver, job: FitJob) -> Outcome:
    """A callback may ask to stop when the members have ended already, and their last rounds are just being told."""
    result = first_rounds(outcome.result, driver.stop_at, job.parameters.get("keep_best") == "true")
    outcome.report.rounds -= outcome.result.model.num_rounds - result.model.num_rounds
    return Outcome(result, outcome.report)


def _with_result(error: BaseException, outcome: Outcome) -> BaseException:
    with suppress(AttributeError):  # of a class that takes no attributes
        error.result = outcome.result  # type: ignore[attr-defined]
    return error


def _is_loop_of(client: Client) -> bool:
    try:
        return asyncio.get_running_loop() is getattr(client.loop, "asyncio_loop", None)
    except RuntimeError:
        return False


@contextmanager
def _outside_of_the_pool() -> Iterator[None]:
    """A fit within a task leaves its thread to other tasks, which it waits for."""
    inside = getattr(thread_state, "proceed", False) and threading.current_thread() is not threading.main_thread()
    if not inside:
        yield
        return
    distributed.secede()
    try:
        yield
    finally:
        rejoin()
