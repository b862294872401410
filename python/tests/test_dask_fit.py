"""A fit on a Dask cluster gives the model of the same rows in one table, byte for byte, however they are cut."""

import itertools
import random
import subprocess
import sys

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dask.dataframe.utils import clear_known_categories
from dask_clusters import client, cut_array, cut_frame, delays, flights, processes, random_cuts  # noqa: F401
from ramet.callbacks import Checkpoint, LearningRateSchedule, Record, StopWhen
from sklearn.metrics import make_scorer, mean_absolute_error

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

ROWS = 900
RNG = np.random.default_rng(3)
X = flights(ROWS, RNG)
DELAY = delays(X, RNG)
LATE = pd.Series(np.where(DELAY > 25, "late", "on time"), name="late")
CLASS = pd.Series(np.digitize(DELAY, [10, 25]).astype("int16"), name="class")
WEIGHT = pd.Series(RNG.integers(0, 4, ROWS).astype(float), name="weight")
NUMBERS = X[["distance", "hour", "seats"]].to_numpy(dtype=float, na_value=np.nan)
CUTS = [0, 0, 300, 310, 310, 800, ROWS]

pytestmark = pytest.mark.usefixtures("client")


def regressor(**more):
    return HistGradientBoostingRegressor(**{"max_iter": 8, "early_stopping": False, **more})


def classifier(**more):
    return HistGradientBoostingClassifier(**{"max_iter": 6, "early_stopping": False, **more})


def same(distributed, local):
    """Equal bytes, and equal in what Python keeps beside them."""
    assert distributed.digest_ == local.digest_
    assert distributed.n_iter_ == local.n_iter_
    assert distributed.evals_result_ == local.evals_result_
    assert distributed.best_iteration_ == local.best_iteration_
    np.testing.assert_array_equal(distributed.train_score_, local.train_score_)
    np.testing.assert_array_equal(distributed.validation_score_, local.validation_score_)
    if hasattr(local, "classes_"):
        assert distributed.classes_.tolist() == local.classes_.tolist()
    assert (
        getattr(distributed, "feature_names_in_", np.array([])).tolist()
        == getattr(local, "feature_names_in_", np.array([])).tolist()
    )


# ── Forms ──

FRAMES = {
    "divisions": lambda frame: dd.from_pandas(frame, npartitions=4),
    "no divisions, empty partitions": lambda frame: cut_frame(frame, CUTS),
    "arrow types": lambda frame: cut_frame(frame.convert_dtypes(dtype_backend="pyarrow"), CUTS),
    "open categories": lambda frame: cut_frame(frame, CUTS).assign(carrier=lambda d: d["carrier"].cat.as_unknown()),
    "persisted": lambda frame: cut_frame(frame, CUTS).persist(),
}


@pytest.mark.parametrize("form", FRAMES)
def test_frames(form):
    local = classifier().fit(X, LATE)
    table = FRAMES[form](X.assign(late=LATE))
    same(classifier().fit(table, "late"), classifier().fit(X.assign(late=LATE), "late"))
    same(classifier().fit(table.drop(columns="late"), table["late"]), local)


def test_a_column_of_files_is_in_their_partitions(tmp_path):
    """Dask reads several files together where few columns of them are wanted."""
    rows = pd.DataFrame(NUMBERS, columns=["a", "b", "c"]).assign(**{f"more {i}": 1.5 for i in range(20)}, y=DELAY)
    for i, (a, b) in enumerate(itertools.pairwise([0, 200, 350, 700, ROWS])):
        rows.iloc[a:b].to_parquet(tmp_path / f"{i}.parquet")
    table = dd.read_parquet(tmp_path)
    assert table["y"].optimize().npartitions < table.npartitions, "this test tests nothing"
    local = regressor().fit(rows.drop(columns="y"), rows["y"])
    same(regressor().fit(table.drop(columns="y"), table["y"]), local)
    same(regressor().fit(table, "y"), local)


def test_columns_without_names_and_categories_that_are_numbers():
    table = X[["distance", "carrier"]].assign(hour=X["hour"].astype("category")).set_axis([0, 1, 2], axis=1)
    parts = [dask.delayed(table.iloc[a:b]) for a, b in itertools.pairwise(CUTS)]
    lazy = dd.from_delayed(parts, meta=clear_known_categories(table.iloc[:0]))
    assert not lazy[1].cat.known
    model = regressor().fit(lazy, cut_frame(DELAY, CUTS))
    same(model, regressor().fit(table, DELAY))
    assert model.is_categorical_.tolist() == [False, True, True]
    np.testing.assert_array_equal(model.predict(lazy).compute(), model.predict(table))


@pytest.mark.parametrize("chunks", [(250, 3), (200, 2), ((0, 5, 0, ROWS - 5), 3)])
def test_arrays(chunks):
    lazy = da.from_array(NUMBERS, chunks=chunks)
    local = regressor().fit(NUMBERS, DELAY.to_numpy(), WEIGHT.to_numpy())
    other_chunks = [da.from_array(v.to_numpy(), chunks=170) for v in (DELAY, WEIGHT)]
    same(regressor().fit(lazy, *other_chunks), local)
    unknown = lazy[da.from_array(np.ones(ROWS, bool), chunks=lazy.chunks[0])]
    y = da.from_array(DELAY.to_numpy(), chunks=lazy.chunks[0])
    same(regressor().fit(unknown, y), regressor().fit(NUMBERS, DELAY.to_numpy()))


def test_lists_of_delayed_and_of_futures(client):  # noqa: F811
    table = X.assign(delay=DELAY)
    local = regressor().fit(table, "delay")
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    pieces = [arrow.slice(a, b - a) for a, b in itertools.pairwise(CUTS)]
    same(regressor().fit([dask.delayed(piece) for piece in pieces], "delay"), local)
    same(regressor().fit([client.submit(lambda piece: piece, piece, pure=False) for piece in pieces], "delay"), local)
    frames = [table.iloc[a:b] for a, b in itertools.pairwise(CUTS)]
    features, targets = [f.drop(columns="delay") for f in frames], [f["delay"] for f in frames]
    mixed = regressor().fit(
        [client.submit(lambda f: f, f, pure=False) for f in features], [dask.delayed(t) for t in targets]
    )
    same(mixed, regressor().fit(X, DELAY))


@pytest.mark.parametrize("y", [LATE, LATE == "late", CLASS, CLASS.astype("float32"), LATE.astype("category")])
def test_classes_have_the_labels_type(y):
    local = classifier().fit(X, y)
    made = classifier().fit(cut_frame(X, CUTS), cut_frame(y, CUTS))
    same(made, local)
    assert made.classes_.dtype == local.classes_.dtype
    predictions = made.predict(cut_frame(X, CUTS)).compute()
    assert (predictions.to_numpy() == local.predict(X)).all()


# ── Everything that a fit may be given ──


@pytest.mark.parametrize("seed", range(6))
def test_any_settings(seed):
    draw = random.Random(seed)
    rng = np.random.default_rng(seed)
    table = flights(700, rng)
    number = delays(table, rng)
    is_class = draw.random() < 0.5
    y = pd.Series(np.digitize(number, [20] if draw.random() < 0.5 else [10, 30])) if is_class else number.abs() + 0.1
    settings = {
        "max_iter": 6,
        "learning_rate": draw.choice([0.1, 0.5]),
        "max_leaf_nodes": draw.choice([4, 31]),
        "max_bins": draw.choice([16, 255]),
        "subsample": draw.choice([1.0, 0.7]),
        "max_features": draw.choice([1.0, 0.6]),
        "random_state": draw.choice([None, 5]),
        "early_stopping": draw.choice([True, False]),
        "n_iter_no_change": 3,
        "validation_fraction": draw.choice([0.2, 100, None]),
        "categorical_features": draw.choice(["from_dtype", ["hour", "carrier", "origin"]]),
        "monotonic_cst": None if is_class else draw.choice([None, {"distance": 1}]),
        "eval_metric": draw.choice([None, "logloss" if is_class else "mae"]),
    }
    if is_class:
        settings["class_weight"] = draw.choice([None, "balanced", {0: 2.0}])
    else:
        settings["loss"] = draw.choice(["squared_error", "absolute_error", "gamma", "poisson", "quantile"])
    make = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    weight = pd.Series(rng.random(700)) if draw.random() < 0.5 else None
    cuts = random_cuts(rng, 700, draw.randint(1, 7))
    lazy = [None if part is None else cut_frame(part, cuts) for part in (table, y, weight)]
    print(f"seed={seed} settings={settings} weighted={weight is not None} cuts={cuts}")
    same(make(**settings).fit(*lazy), make(**settings).fit(table, y, weight))


def test_evaluation_sets_lie_where_they_like():
    train, rest = X[:600], X[600:]
    given = {"X_val": rest[:200], "y_val": DELAY[600:800], "eval_set": [(rest[200:], DELAY[800:], WEIGHT[800:])]}
    settings = {"max_iter": 15, "early_stopping": True, "n_iter_no_change": 3, "eval_metric": "mae"}
    local = regressor(**settings).fit(train, DELAY[:600], **given)
    lazy = [cut_frame(part, [0, 100, 600]) for part in (train, DELAY[:600])]
    same(regressor(**settings).fit(*lazy, **given), local)
    given["X_val"], given["y_val"] = (cut_frame(part, [0, 70, 70, 200]) for part in (given["X_val"], given["y_val"]))
    same(regressor(**settings).fit(*lazy, **given), local)


def test_going_on(tmp_path):
    lazy = [cut_frame(part, CUTS) for part in (X, DELAY)]
    whole = regressor(max_iter=9).fit(X, DELAY)
    warm = regressor(max_iter=4, warm_start=True).fit(*lazy)
    same(warm, regressor(max_iter=4).fit(X, DELAY))
    assert warm.set_params(max_iter=9).fit(*lazy).digest_ == whole.digest_
    assert regressor(max_iter=9).fit(*lazy, init_model=regressor(max_iter=4).fit(X, DELAY)).digest_ == whole.digest_
    path = tmp_path / "kept.ramet"
    regressor(max_iter=4, callbacks=[Checkpoint(path, every=2)]).fit(*lazy)
    assert regressor(max_iter=9).fit(*lazy, init_model=path).digest_ == whole.digest_


def test_callbacks_run_at_the_client():
    lazy = [cut_frame(part, CUTS) for part in (X, DELAY)]

    def settings():
        record = Record()
        schedule = LearningRateSchedule(lambda number: 0.3 / number)
        return record, {"callbacks": [record, schedule], "eval_metric": "mae", "max_iter": 6}

    here, local = settings()
    there, distributed = settings()
    same(regressor(**distributed).fit(*lazy), regressor(**local).fit(X, DELAY))
    assert there.rounds == here.rounds == [1, 2, 3, 4, 5, 6]
    assert there.learning_rates == here.learning_rates
    assert there.values == here.values
    stops = {"callbacks": [StopWhen(lambda report: report.round == 3)], "eval_metric": "mae"}
    same(regressor(**stops).fit(*lazy), regressor(**stops).fit(X, DELAY))


def test_an_exception_of_a_callback_keeps_the_rounds():
    lazy = [cut_frame(part, CUTS) for part in (X, DELAY)]

    def fail(report):
        if report.round == 2:
            raise RuntimeError("enough")

    model = regressor(max_iter=50, callbacks=[fail])
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(*lazy)
    local = regressor(max_iter=50, callbacks=[fail])
    with pytest.raises(RuntimeError, match="enough"):
        local.fit(X, DELAY)
    np.testing.assert_array_equal(model.predict(X), local.predict(X))


def squared(y, raw):
    return raw - y, np.ones_like(y)


def worst(y, predicted):
    return float(np.abs(y - predicted).max())


def test_losses_and_metrics_in_python():
    lazy = [cut_frame(part, CUTS) for part in (X, DELAY)]
    settings = {"loss": squared, "eval_metric": [worst, "mae"], "early_stopping": True, "n_iter_no_change": 3}
    same(regressor(**settings).fit(*lazy), regressor(**settings).fit(X, DELAY))
    scorer = make_scorer(mean_absolute_error, greater_is_better=False)
    settings = {"scoring": scorer, "early_stopping": True, "max_iter": 5}
    same(regressor(**settings).fit(*lazy), regressor(**settings).fit(X, DELAY))


def share_of_late(y, probability):
    assert set(y) == {"late", "on time"}  # labels, not their numbers
    return float((y == "late").mean() + probability.sum())


def test_a_metric_in_python_sees_the_labels():
    lazy = [cut_frame(part, CUTS) for part in (X, LATE)]
    settings = {"eval_metric": share_of_late, "max_iter": 3}
    same(classifier(**settings).fit(*lazy), classifier(**settings).fit(X, LATE))


def test_the_report():
    model = regressor().fit(cut_frame(X, CUTS), cut_frame(DELAY, CUTS))
    assert model.fit_report_.rows == ROWS
    assert model.fit_report_.rounds == 8
    assert regressor().fit(X, DELAY).fit_report_ is None


def test_options_are_dasks_configuration():
    lazy = [cut_frame(part, CUTS) for part in (X, DELAY)]
    with dask.config.set({"ramet.silent-after": 5}):
        same(regressor(n_jobs=1).fit(*lazy), regressor().fit(X, DELAY))
    with (
        dask.config.set({"ramet.chanel": "tcp"}),
        pytest.raises(ValueError, match=r"ramet\.chanel.*They are: .*channel"),
    ):
        regressor().fit(*lazy)


# ── Refusals ──


def refused(error, match, *args, model=None, **more):
    with pytest.raises(error, match=match):
        (model or regressor()).fit(*args, **more)


def test_half_a_collection_is_refused():
    refused(TypeError, "X is a Dask collection, but y is not", cut_frame(X, CUTS), DELAY)
    refused(TypeError, "y is a Dask collection, but X is not", X, cut_frame(DELAY, CUTS))
    lazy = (cut_frame(X, CUTS), cut_frame(DELAY, CUTS))
    refused(TypeError, "X is a Dask collection, but sample_weight is not", *lazy, WEIGHT)
    refused(TypeError, "X of eval_set 'eval_0' is a Dask collection, but X is not", X, DELAY, eval_set=[lazy])
    refused(TypeError, "but y of eval_set 'eval_0' is not", *lazy, eval_set=[(lazy[0], DELAY)])


def test_rows_that_do_not_match_are_refused():
    refused(
        ValueError, "partition 1 of X: .*inconsistent", cut_frame(X, [0, 100, ROWS]), cut_frame(DELAY, [0, 100, 800])
    )
    refused(
        ValueError, "y has 3 partitions, but X has 2", cut_frame(X, [0, 100, ROWS]), cut_frame(DELAY, [0, 1, 2, ROWS])
    )


def test_values_that_will_not_do_name_their_partition():
    bad = DELAY.copy()
    bad[850] = np.nan
    refused(ValueError, r"partition 5 of X: .*contains NaN.*Row 50", cut_frame(X, CUTS), cut_frame(bad, CUTS))
    bad[850] = -1
    lazy = (cut_frame(X, CUTS), cut_frame(bad.abs() * np.sign(bad.fillna(1)), CUTS))
    refused(ValueError, "partition . of X: .*requires non-negative y", *lazy, model=regressor(loss="poisson"))
    weight = WEIGHT.copy()
    weight[5] = -1
    refused(ValueError, "partition 1 of X: ", cut_frame(X, CUTS), cut_frame(DELAY, CUTS), cut_frame(weight, CUTS))


def test_no_client_is_an_error_that_says_how_to_get_one():
    script = "import dask.array as da, ramet; ramet.HistGradientBoostingRegressor().fit(da.zeros((9, 2)), da.zeros(9))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "ValueError: X is a Dask collection, but there is no Dask client" in done.stderr
    assert "distributed.Client()" in done.stderr
    lazy = (cut_frame(X, CUTS), cut_frame(DELAY, CUTS))
    refused(TypeError, "client must be a distributed.Client, not str", *lazy, client="tcp://x")


def test_workers_read_partitions_without_scikit_learn(processes):  # noqa: F811
    """A fresh worker would import it for longer than it bins a partition."""
    table = pd.concat([X, CLASS, WEIGHT], axis=1)
    model = classifier().fit(dd.from_pandas(table, npartitions=3), "class", sample_weight="weight", client=processes)
    for modules in processes.run(lambda: set(sys.modules)).values():
        assert "ramet.dask.stages" in modules
        assert not {"sklearn", "scipy"} & modules
    same(model, classifier().fit(table, "class", sample_weight="weight"))
