"""Trains a small model, on a Dask scheduler if one is named, and prints its digest: here and in the image."""

import sys

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client

from ramet import HistGradientBoostingClassifier


def main() -> None:
    rng = np.random.default_rng(7)
    table = pd.DataFrame({name: rng.normal(size=5000) for name in "abcd"})
    label = pd.Series((table["a"] * table["b"] + rng.normal(size=5000) > 0).astype(int), name="label")
    model = HistGradientBoostingClassifier(max_iter=20)
    if len(sys.argv) == 1:
        print(model.fit(table, label).digest_)
        return
    with Client(sys.argv[1], timeout=60) as client:
        client.wait_for_workers(1, timeout=60)
        frame = dd.from_pandas(table.assign(label=label), npartitions=3, sort=False)
        print(model.fit(frame, "label").digest_)


if __name__ == "__main__":
    main()
