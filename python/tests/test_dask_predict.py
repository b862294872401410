"""Prediction of Dask collections is lazy, and equal to that of the same rows in one table. No cluster is needed."""

import itertools
import subprocess
import sys
import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dask.base import is_dask_collection
from ramet.dask.clients import NEWEST, check_release
from ramet.dask.predict import predict_lazily

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

ROWS = 500
RNG = np.random.default_rng(7)


def table(rows=ROWS):
    frame = pd.DataFrame(
        {
            "size": RNG.normal(size=rows),
            "count": pd.array(RNG.integers(0, 9, rows), dtype="Int64"),
            "word": RNG.choice(["red", "green", "blue"], rows),
            "kind": pd.Categorical(RNG.choice(["u", "v", "w"], rows)),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 10**6, rows), unit="s"),
            "flag": RNG.random(rows) < 0.5,
        }
    )
    frame.loc[RNG.random(rows) < 0.1, "size"] = np.nan
    frame.loc[RNG.random(rows) < 0.1, "count"] = pd.NA
    return frame


X = table()
NUMBERS = X["size"].fillna(0) + (X["word"] == "red") + X["count"].fillna(0).astype(float) / 9
TWO = np.where(NUMBERS > 0.7, "many", "few")
THREE = np.digitize(NUMBERS, [0.2, 1.0])
MODELS = {
    "regressor": HistGradientBoostingRegressor(max_iter=6).fit(X, NUMBERS),
    "two classes": HistGradientBoostingClassifier(max_iter=6).fit(X, TWO),
    "three classes": HistGradientBoostingClassifier(max_iter=4).fit(X, THREE),
}
METHODS = [
    (name, method)
    for name, model in MODELS.items()
    for method in ("predict", "apply", "predict_proba", "predict_log_proba", "decision_function")
    if hasattr(model, method)
]


def with_empty_partitions(frame):
    cuts = [0, 0, 200, 200, ROWS, ROWS]
    parts = [dask.delayed(frame.iloc[a:b]) for a, b in itertools.pairwise(cuts)]
    return dd.from_delayed(parts, meta=frame.iloc[:0])


FORMS = {
    "frame": lambda frame: dd.from_pandas(frame, npartitions=4),
    "arrow types": lambda frame: dd.from_pandas(frame.convert_dtypes(dtype_backend="pyarrow"), npartitions=3),
    "open categories": lambda frame: dd.from_pandas(frame.assign(kind=frame["kind"].cat.as_unordered()), npartitions=2)
    .astype({"kind": "category"})
    .assign(kind=lambda d: d["kind"].cat.as_unknown()),
    "empty partitions": lambda frame: dd.concat(
        [dd.from_pandas(frame.iloc[:0], npartitions=1), dd.from_pandas(frame, 3)]
    ),
    "one partition": lambda frame: dd.from_pandas(frame, npartitions=1),
    "other order": lambda frame: dd.from_pandas(frame[frame.columns[::-1]], npartitions=4),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "method"), METHODS)
def test_frames(name, method, form):
    model = MODELS[name]
    lazy = getattr(model, method)(FORMS[form](X))
    assert is_dask_collection(lazy)
    expected, made = getattr(model, method)(X), lazy.compute(scheduler="threads")
    assert lazy.dtype == made.dtype == (object if expected.dtype.kind == "U" else expected.dtype)
    np.testing.assert_array_equal(np.asarray(made), expected)
    if expected.ndim == 1:
        assert isinstance(lazy, dd.Series)
        assert made.index.equals(X.index)
    else:
        assert isinstance(lazy, da.Array)
        assert lazy.shape[1] == expected.shape[1]


@pytest.mark.parametrize("files", [1, 2, 5])
def test_some_columns_of_files(tmp_path, files):
    """Dask's optimizer reads small files together, and joins what is left of one partition."""
    rows = pd.DataFrame(RNG.normal(size=(ROWS, 5)), columns=list("abcde"))
    for i, part in enumerate(np.array_split(np.arange(ROWS), files)):
        rows.iloc[part].to_parquet(tmp_path / f"{i}.parquet", index=False)
    model = HistGradientBoostingClassifier(max_iter=5).fit(rows[["a", "b", "c"]], rows["d"] > 0)
    table = dd.read_parquet(tmp_path)[["a", "b", "c"]]
    for method in ("predict", "predict_proba"):
        made = getattr(model, method)(table).compute(scheduler="threads")
        np.testing.assert_array_equal(np.asarray(made), getattr(model, method)(rows[["a", "b", "c"]]))


@pytest.mark.parametrize("chunks", [(100, 4), (77, 2), ((0, 30, 0, ROWS - 30), 4)])
def test_arrays(chunks):
    array = RNG.normal(size=(ROWS, 4))
    lazy = da.from_array(array, chunks=chunks)
    for y, estimator in (
        (array[:, 0], HistGradientBoostingRegressor),
        (array[:, 0] > 0, HistGradientBoostingClassifier),
    ):
        model = estimator(max_iter=5).fit(array, y)
        for method in ("predict", "apply", "predict_proba", "decision_function"):
            if hasattr(model, method):
                predicted, expected = getattr(model, method)(lazy), getattr(model, method)(array)
                assert predicted.shape == expected.shape
                assert predicted.chunks[0] == lazy.chunks[0]
                assert predicted.dtype == expected.dtype
                np.testing.assert_array_equal(predicted.compute(), expected)


def test_an_array_of_unknown_length():
    array = RNG.normal(size=(ROWS, 4))
    lazy = da.from_array(array, chunks=(100, 4))
    model = HistGradientBoostingRegressor(max_iter=5).fit(array, array[:, 0])
    some = lazy[lazy[:, 0] > 0]
    np.testing.assert_array_equal(model.predict(some).compute(), model.predict(array[array[:, 0] > 0]))


def test_delayed_tables():
    model = MODELS["two classes"]
    arrow = pa.Table.from_pandas(X, preserve_index=False)
    parts = model.predict([dask.delayed(arrow.slice(0, 100)), dask.delayed(X.iloc[100:])])
    np.testing.assert_array_equal(np.concatenate(dask.compute(*parts)), model.predict(X))
    np.testing.assert_array_equal(model.predict(dask.delayed(arrow)).compute(), model.predict(X))


def test_the_model_is_in_the_graph_once():
    array = RNG.normal(size=(ROWS, 6))
    model = HistGradientBoostingRegressor(max_iter=20).fit(array, array[:, 0])

    def pickled(partitions):
        lazy = predict_lazily(model, "predict", da.zeros((partitions, 6), chunks=(1, 6)))
        return len(dask.multiprocessing.cloudpickle.dumps(dict(lazy.__dask_graph__())))

    few, many = pickled(2), pickled(22)
    size = len(model.model_.to_bytes())
    assert few > size
    assert many - few < size


def test_small_tables_stay_here():
    assert isinstance(MODELS["regressor"].predict(X.head()), np.ndarray)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_scores(name, weighted):
    model = MODELS[name]
    y = pd.Series({"regressor": NUMBERS, "two classes": TWO, "three classes": THREE}[name])
    y = y.sample(frac=1, random_state=1).set_axis(X.index)  # so that the score is not perfect
    weight = pd.Series(RNG.random(ROWS)) if weighted else None
    cut = [dd.from_pandas(part, npartitions=3) if part is not None else None for part in (X, y, weight)]
    assert model.score(*cut) == pytest.approx(model.score(X, y, weight), rel=1e-12)


# ── Refusals ──


def test_wrong_columns_are_refused_at_once():
    lazy = dd.from_pandas(X, npartitions=3)
    with pytest.raises(ValueError, match=r"unseen at fit time(.|\n)*other"):
        MODELS["regressor"].predict(lazy.rename(columns={"size": "other"}))
    with pytest.raises(ValueError, match="column 'size' holds texts, but held numbers"):
        MODELS["regressor"].predict(lazy.assign(size=lazy["word"]))
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 6 features"):
        MODELS["regressor"].predict(da.zeros((10, 3)))


def test_stages_are_refused():
    with pytest.raises(TypeError, match=r"not a Dask collection.*map_partitions"):
        next(MODELS["regressor"].staged_predict(dd.from_pandas(X, npartitions=3)))


def test_a_bag_is_refused():
    import dask.bag

    with pytest.raises(TypeError, match="X cannot be a Dask Bag"):
        MODELS["regressor"].predict(dask.bag.from_sequence([1, 2]))


# ── Imports ──


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


FIT = "import numpy as np, ramet; m = ramet.HistGradientBoostingRegressor(max_iter=2).fit(np.eye(40), np.arange(40))"


def test_dask_is_imported_by_those_who_use_it_only():
    done = run(f"import sys; {FIT}; m.predict(np.eye(40)); print({{'dask', 'distributed'}} & set(sys.modules))")

    assert (done.stdout, done.returncode) == ("set()\n", 0), done.stderr


def test_releases_of_dask():
    with pytest.raises(ImportError, match=r"distributed 2025\.12\.0 is too old.*2026\.1\.0"):
        check_release("2025.12.0")
    with pytest.warns(UserWarning, match="newer than the releases"):
        check_release("2099.1.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_release("2026.1.0")
        check_release(".".join(map(str, NEWEST)) + ".9")


def test_without_distributed_fit_says_what_to_install():
    script = "import sys; sys.modules['distributed'] = None; import dask.array as da, ramet\n"
    done = run(script + "ramet.HistGradientBoostingRegressor().fit(da.zeros((9, 2)), da.zeros(9))")
    assert "ImportError" in done.stderr
    assert "pip install 'ramet[dask]'" in done.stderr
