"""Scores one file of predictions against the test file, in the same way for every library; prints JSON.

python -m peers.score TEST LABEL TASK QUANTILE PREDICTIONS
"""

import json
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    roc_auc_score,
)


def predictions_of(path: str) -> NDArray[Any]:
    """The saved predictions: an .npy array, or the last column of a CSV file (probability of the last class, or the
    value)."""
    if path.endswith(".npy"):
        return np.load(path)
    table = pyarrow.csv.read_csv(path)
    return table.column(table.num_columns - 1).cast(pa.float64()).to_numpy()


def main() -> None:
    """The command line."""
    test, label, task, quantile, path = sys.argv[1:]
    truth = pq.read_table(test, columns=[label]).column(0).cast(pa.float64()).to_numpy()
    predicted = predictions_of(path)
    if len(truth) != len(predicted):
        raise ValueError(f"{path}: {len(predicted)} predictions for {len(truth)} rows of {test}")
    if task == "binary":
        scores = {"auc": roc_auc_score(truth, predicted), "logloss": log_loss(truth, predicted)}
    elif task == "absolute_error":
        scores = {"mae": mean_absolute_error(truth, predicted)}
    elif task == "quantile":
        scores = {"pinball": mean_pinball_loss(truth, predicted, alpha=float(quantile))}
    elif task == "poisson":
        scores = {"poisson_deviance": mean_poisson_deviance(truth, predicted)}
    elif task == "gamma":
        scores = {"gamma_deviance": mean_gamma_deviance(truth, predicted)}
    else:
        scores = {"rmse": mean_squared_error(truth, predicted) ** 0.5}
    print(json.dumps({name: float(value) for name, value in scores.items()}))


if __name__ == "__main__":
    main()
