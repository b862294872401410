"""A table in files, through the command, and in memory, through the estimators: one digest, one set of predictions."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor, _core

PARAMETERS = {"max_iter": 5, "min_samples_leaf": 4, "subsample": 0.8, "random_state": 3}


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "ramet", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def flags():
    return [part for name, value in PARAMETERS.items() for part in (f"--{name.replace('_', '-')}", value)]


def random_table(seed):
    """Numbers of several types with missing values, texts, and labels of either kind."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(200, 600))
    columns = {}
    for i in range(rng.integers(1, 5)):
        values = rng.integers(-40, 40, size=rows) / rng.choice([1, 4])
        values[rng.random(rows) < rng.choice([0, 0.1])] = np.nan
        columns[f"n{i}"] = values.astype(rng.choice(["float32", "float64"]))
    columns["whole"] = rng.integers(0, 9, size=rows).astype(rng.choice(["int8", "int32", "int64"]))
    if rng.random() < 0.7:
        columns["text"] = rng.choice(["ash", "birch", "", "elm"], size=rows).astype(object)
        columns["text"][rng.random(rows) < 0.1] = None
    signal = columns["whole"] + np.nan_to_num(columns["n0"]) + rng.normal(size=rows)
    classes = rng.random() < 0.6
    if classes:
        labels = [np.array(["no", "yes"]), np.array([3, 11]), np.array(["a", "b", "c"])][rng.integers(3)]
        columns["late"] = labels[np.digitize(signal, np.quantile(signal, [0.3, 0.6][: len(labels) - 1]))]
    else:
        columns["late"] = signal
    return pd.DataFrame(columns), classes


def write(frame, folder, how):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if how == "parquet":
        for i, begin in enumerate(range(0, len(frame), 150)):
            pyarrow.parquet.write_table(table.slice(begin, 150), folder / f"part-{i:02d}.parquet", row_group_size=40)
    elif how == "feather":
        pyarrow.feather.write_feather(table, str(folder / "all.feather"), chunksize=70)
    else:
        pyarrow.csv.write_csv(table, folder / "all.csv")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("how", ["parquet", "feather", "csv"])
@pytest.mark.parametrize("seed", range(6))
def test_one_digest(seed, how, tmp_path):
    frame, classes = random_table(seed)
    if how == "csv" and "text" in frame:
        # In CSV an empty field is missing; an empty text cannot be told from it.
        frame["text"] = frame["text"].replace({"": "oak"})
    (tmp_path / "data").mkdir()
    files = write(frame, tmp_path / "data", how)
    out = tmp_path / "model.ramet"
    command("train", *files, "--label", "late", "--out", out, *flags(),
            "--task", "classification" if classes else "regression", "--quiet")  # fmt: skip
    expected = _core.Model.load(str(out))

    estimator = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    X, y = frame.drop(columns="late"), frame["late"]
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    fits = {
        "pandas": estimator(**PARAMETERS).fit(X, y),
        "polars": estimator(**PARAMETERS).fit(pl.from_pandas(X), pl.Series(y.tolist())),
        "arrow": estimator(**PARAMETERS).fit(arrow, "late"),
        "reader": estimator(**PARAMETERS).fit(arrow.to_reader(max_chunksize=90), "late"),
    }
    if "text" not in frame:
        fits["numpy"] = estimator(**PARAMETERS).fit(X.to_numpy(dtype=np.float64), y.to_numpy())
    assert {name: model.digest_ for name, model in fits.items()} == dict.fromkeys(fits, expected.digest)

    loaded = estimator.load(out)
    np.testing.assert_array_equal(loaded.predict(X), fits["pandas"].predict(X))
    assert loaded.feature_names_in_.tolist() == X.columns.tolist()
    assert loaded.fit(X, y).digest_ == expected.digest
    fits["pandas"].save(tmp_path / "python.ramet")
    digests = command("digest", out, tmp_path / "python.ramet")
    assert digests.count(expected.digest) == 2


def test_weights_and_categories_by_flags(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"code": rng.integers(0, 6, 300), "x": rng.normal(size=300), "w": rng.uniform(1, 2, 300)})
    frame["y"] = (frame["code"] % 2) + frame["x"]
    frame.to_parquet(tmp_path / "data.parquet")
    command("train", tmp_path / "data.parquet", "--label", "y", "--weight", "w", "--categorical", "code",
            "--out", tmp_path / "m.ramet", *flags(), "--quiet")  # fmt: skip
    model = HistGradientBoostingRegressor(categorical_features=["code"], **PARAMETERS)
    model.fit(frame[["code", "x"]], frame["y"], frame["w"])
    assert model.digest_ == _core.Model.load(str(tmp_path / "m.ramet")).digest


def test_constraints_by_flags(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    frame["y"] = frame["a"] - frame["b"] * frame["c"]
    frame.to_parquet(tmp_path / "data.parquet")
    command("train", tmp_path / "data.parquet", "--label", "y", "--monotonic-cst", "a:1,b:-1",
            "--interaction-cst", '[["a"],["b","c"]]', "--out", tmp_path / "m.ramet", *flags(), "--quiet")  # fmt: skip
    model = HistGradientBoostingRegressor(monotonic_cst={"a": 1, "b": -1}, interaction_cst=[[0], [1, 2]], **PARAMETERS)
    assert model.fit(frame[["a", "b", "c"]], frame["y"]).digest_ == _core.Model.load(str(tmp_path / "m.ramet")).digest
