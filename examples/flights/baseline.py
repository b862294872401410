"""What a model of the flights must beat: the base rate, and a logistic regression.

    python examples/flights/baseline.py [--data data/flights]

Prints JSON: for each, the AUC and the logloss on the test months. The logistic regression gets the same features, with
the usual care: missing numbers by their median with a column that says so, numbers scaled, texts and the cyclic small
integers (hour, weekday) one-hot. The answer is kept beside the data, and reused while data and scikit-learn are the
same.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LABEL = "late"
ONE_HOT = ["hour", "day_of_week"]  # beside the texts


def pipeline(features: pd.DataFrame) -> Pipeline:
    texts = [name for name in features if not pd.api.types.is_numeric_dtype(features[name])] + ONE_HOT
    numbers = [name for name in features if name not in texts]
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50), texts),
        ]
    )
    return make_pipeline(prepare, LogisticRegression(max_iter=500))


def measure(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, dict[str, float]]:
    label, truth = train.pop(LABEL), test.pop(LABEL)
    rate = float(label.mean())
    linear = pipeline(train).fit(train, label).predict_proba(test)[:, 1]
    return {
        "base_rate": {"auc": 0.5, "logloss": float(log_loss(truth, np.full(len(truth), rate)))},
        "logistic_regression": {
            "auc": float(roc_auc_score(truth, linear)),
            "logloss": float(log_loss(truth, linear)),
        },
    }


def cache_key(files: list[Path]) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes() + sklearn.__version__.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Base rate and logistic regression on the flights, as JSON.")
    parser.add_argument("--data", type=Path, default=Path("data/flights"), help="folder that prepare.py wrote")
    data = parser.parse_args(arguments).data

    files = [data / "train.parquet", data / "test.parquet"]
    cache = data / "baseline.json"
    key = cache_key(files)
    if cache.exists() and (kept := json.loads(cache.read_text()))["key"] == key:
        results = kept["results"]
    else:
        results = measure(*(pd.read_parquet(file) for file in files))
        cache.write_text(json.dumps({"key": key, "results": results}, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
