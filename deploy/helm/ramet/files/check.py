"""Trains a small model on the release's workers and once more in this pod, without Dask: the digests must be equal."""

import os
import sys

import numpy as np
import pandas as pd
from dask import delayed
from distributed import Client

from ramet import HistGradientBoostingClassifier


def part(number):
    """The rows of one partition, made where they are needed."""
    random = np.random.default_rng(number)
    rows = 500
    table = pd.DataFrame(
        {
            "distance": random.gamma(2, 400, rows),
            "hour": random.integers(0, 24, rows),
            "carrier": random.choice(["AA", "DL", "UA"], rows),
        }
    )
    table.loc[random.random(rows) < 0.1, "distance"] = np.nan
    return table.assign(late=table["hour"] + random.normal(0, 6, rows) > 15)


def main():
    parts = range(8)
    parameters = {"max_iter": 20, "max_depth": 5}
    table = pd.concat([part(number) for number in parts], ignore_index=True)
    alone = HistGradientBoostingClassifier(**parameters).fit(table.drop(columns="late"), table["late"])
    with Client(timeout="60s") as client:
        client.wait_for_workers(1, timeout=240)
        model = HistGradientBoostingClassifier(**parameters)
        model.fit([delayed(part)(number) for number in parts], "late", client=client)
        workers = len(model.fit_report_.workers)
    print(f"{os.environ['DASK_SCHEDULER_ADDRESS']}, {workers} workers: {model.digest_}")
    print(f"this pod alone: {alone.digest_}")
    if model.digest_ != alone.digest_:
        sys.exit("The digests differ. Do all pods run the same image?")


main()
