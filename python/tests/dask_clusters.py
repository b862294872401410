"""Dask clusters for tests: on the loopback only, and gone when the tests are."""

import concurrent.futures
import itertools

import dask
import distributed
import numpy as np
import pandas as pd
import pytest

PATIENCE = 120  # seconds until a fit counts as hung


@pytest.fixture(scope="module")
def client():
    """Two workers in this process, of two threads each."""
    settings = {"n_workers": 2, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def processes():
    """Two workers that are processes, of one thread each."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


def all_done(*calls):
    """What the calls return, made at the same time; an error if one hangs."""
    pool = concurrent.futures.ThreadPoolExecutor(len(calls))
    try:
        futures = [pool.submit(call) for call in calls]
        return [future.result(timeout=PATIENCE) for future in futures]
    finally:
        pool.shutdown(wait=False)


def random_cuts(rng, rows, parts):
    """Ends of parts; some are empty."""
    return [0, *np.sort(rng.integers(0, rows + 1, parts - 1)), rows]


def cut_frame(frame, cuts):
    """A Dask DataFrame or Series of these partitions, divisions unknown."""
    import dask.dataframe as dd

    parts = [dask.delayed(frame.iloc[a:b]) for a, b in itertools.pairwise(cuts)]
    return dd.from_delayed(parts, meta=frame.iloc[:0])


def cut_array(array, cuts):
    import dask.array as da

    lengths = tuple(int(b - a) for a, b in itertools.pairwise(cuts))
    return da.from_array(array, chunks=(lengths, *((-1,) * (array.ndim - 1))))


def flights(rows, rng):
    """A table with all kinds of columns, and missing values in them."""
    frame = pd.DataFrame(
        {
            "distance": rng.gamma(2, 400, rows),
            "hour": rng.integers(0, 24, rows).astype("int8"),
            "seats": pd.array(rng.integers(30, 400, rows), dtype="Int32"),
            "carrier": pd.Categorical(rng.choice(list("ABCDEFG"), rows)),
            "origin": rng.choice(["EWR", "JFK", "LGA"], rows),
            "when": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 365 * 86400, rows), unit="s"),
            "night": rng.random(rows) < 0.2,
        }
    )
    for name in ("distance", "seats", "carrier", "origin", "when"):
        frame.loc[rng.random(rows) < 0.05, name] = None
    return frame


def delays(frame, rng):
    """A number to predict for each row of `flights`."""
    base = frame["hour"] * 2.0 + (frame["origin"] == "JFK") * 15 - frame["night"] * 10
    return (base + rng.normal(0, 8, len(frame))).rename("delay")
