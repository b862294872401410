"""Twenty wrong uses (and some more): each raises what scikit-learn would, with a message that names the thing."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X[:, 0] + RNG.normal(size=60)
FRAME = pd.DataFrame(X, columns=["age", "dose", "price"])


def regressor(**parameters):
    return HistGradientBoostingRegressor(max_iter=3, **parameters)


def classifier(**parameters):
    return HistGradientBoostingClassifier(max_iter=3, **parameters)


def with_value(y, row, value):
    changed = np.array(y, dtype=object if isinstance(value, str | None) else float)
    changed[row] = value
    return changed


FIT = {
    "one dimension": (lambda: regressor().fit(X[:, 0], Y), ValueError, "Expected 2D array, got 1D array"),
    "three dimensions": (lambda: regressor().fit(X[None], Y), ValueError, "dim 3"),
    "no rows": (lambda: regressor().fit(X[:0], Y[:0]), ValueError, r"0 sample\(s\)"),
    "no columns": (lambda: regressor().fit(X[:, :0], Y), ValueError, r"0 feature\(s\)"),
    "lengths": (lambda: regressor().fit(X, Y[1:]), ValueError, r"inconsistent numbers of samples: \[60, 59\]"),
    "sparse": (lambda: regressor().fit(sparse.csr_matrix(X), Y), TypeError, "[Ss]parse data was passed"),
    "complex": (lambda: regressor().fit(X + 1j, Y), ValueError, "Complex data not supported"),
    "texts in numbers": (
        lambda: regressor().fit(with_value(X[:, :1], 0, "old"), Y), ValueError, "could not convert string to float"),
    "texts in a frame's numbers": (
        lambda: regressor(categorical_features=None).fit(FRAME.assign(age="old"), Y), ValueError, "age"),
    "mixed objects": (lambda: regressor().fit(FRAME.assign(age=pd.Series([1, "x"] * 30, dtype=object)), Y),
        ValueError, "age"),
    "nested": (lambda: regressor().fit(pa.table({"v": [[1.0], [2.0]] * 30}), Y), ValueError, "\"v\".*list"),
    "two columns of one name": (lambda: regressor().fit(pd.DataFrame(X, columns=list("aab")), Y), ValueError, "'a'"),
    "names of two kinds": (lambda: regressor().fit(pd.DataFrame(X, columns=["a", 1, 2]), Y), TypeError, "string names"),
    "no y": (lambda: regressor().fit(X, None), ValueError, "requires y to be passed"),
    "two targets": (lambda: regressor().fit(X, np.c_[Y, Y]), ValueError, "1d array"),
    "NaN in y": (lambda: regressor().fit(X, with_value(Y, 7, np.nan)), ValueError, "y contains NaN.*Row 7"),
    "infinity in y": (lambda: regressor().fit(X, with_value(Y, 9, np.inf)), ValueError, "y contains infinity.*Row 9"),
    "NA in y": (
        lambda: regressor().fit(X, pd.Series([1, None] * 30, dtype="Int64")), ValueError, "y contains NaN.*Row 1"),
    "NA among classes": (
        lambda: classifier().fit(X, pd.Series(["a", None] * 30)), ValueError, "y contains NaN.*Row 1"),
    "texts to predict": (lambda: regressor().fit(X, ["a"] * 60), ValueError, "could not convert string to float"),
    "numbers as classes": (lambda: classifier().fit(X, Y), ValueError, "Unknown label type"),
    "missing class": (lambda: classifier().fit(X, with_value(["a", "b"] * 30, 4, None)), ValueError, "Row 4"),
    "classes of two kinds": (lambda: classifier().fit(X, np.array(["a", 1] * 30, dtype=object)), TypeError, "mixes"),
    "one class": (lambda: classifier().fit(X, np.ones(60, dtype=int)), ValueError, "one class"),
    "negative weight": (lambda: regressor().fit(X, Y, -np.ones(60)), ValueError, "row 1: weight"),
    "weights' length": (lambda: regressor().fit(X, Y, np.ones(59)), ValueError, r"sample_weight.shape == \(59,\)"),
    "all weights zero": (lambda: regressor().fit(X, Y, np.zeros(60)), ValueError, "zero"),
    "learning rate": (lambda: regressor(learning_rate=0).fit(X, Y), ValueError, "'learning_rate' parameter"),
    "max_leaf_nodes": (lambda: regressor(max_leaf_nodes=1).fit(X, Y), ValueError, "'max_leaf_nodes' parameter"),
    "loss": (lambda: regressor(loss="log_loss").fit(X, Y), ValueError, "'loss' parameter"),
    "subsample": (lambda: regressor(subsample=1.5).fit(X, Y), ValueError, "'subsample' parameter"),
    "scoring": (lambda: regressor(scoring="rocauc", early_stopping=True).fit(X, Y), ValueError, "rocauc"),
    "metric of the other kind": (lambda: regressor(scoring="auc", early_stopping=True).fit(X, Y), ValueError, "auc"),
    "eval_metric": (lambda: regressor(eval_metric="rsme").fit(X, Y), ValueError, "rmse"),
    "n_jobs": (lambda: regressor(n_jobs=0).fit(X, Y), ValueError, "n_jobs"),
    "monotonic_cst of classes": (lambda: classifier(monotonic_cst=[1, 0, 0]).fit(X, np.arange(60) % 3), ValueError,
        "multiclass"),
    "monotonic_cst by a wrong name": (lambda: regressor(monotonic_cst={"prize": 1}).fit(FRAME, Y), ValueError, "prize"),
    "monotonic category": (lambda: regressor(monotonic_cst=[1, 0, 0], categorical_features=[0]).fit(np.round(X), Y),
        ValueError, "[Cc]ategorical"),
    "interaction_cst": (lambda: regressor(interaction_cst=[[0, 9]]).fit(X, Y), ValueError, "n_features - 1"),
    "validation without labels": (lambda: regressor().fit(X, Y, X_val=X), ValueError, "y_val was not provided"),
    "validation without stopping": (
        lambda: regressor(early_stopping=False).fit(X, Y, X_val=X, y_val=Y), ValueError, "early_stopping is False"),
    "unknown class in validation": (
        lambda: classifier().fit(X, ["a", "b"] * 30, X_val=X, y_val=["c"] * 60), ValueError, "\"c\""),
    "validation of other columns": (
        lambda: regressor().fit(FRAME, Y, X_val=FRAME[["age"]], y_val=Y), ValueError, "dose"),
    "gamma of zero": (lambda: regressor(loss="gamma").fit(X, np.zeros(60)), ValueError, "strictly positive"),
    "poisson below zero": (lambda: regressor(loss="poisson").fit(X, Y), ValueError, "non-negative"),
    "fewer rounds than there are": (lambda: regressor(warm_start=True).fit(X, Y).set_params(max_iter=2).fit(X, Y),
        ValueError, "max_iter=2 must be larger"),
    "init_model of other columns": (lambda: regressor().set_params(max_iter=5).fit(X[:, :2], Y,
        init_model=regressor().fit(X, Y)), ValueError, "2 features.*3 features"),
    "init_model of the other kind": (lambda: regressor().fit(X, Y, init_model=classifier().fit(X, Y > 0)), ValueError,
        "init_model"),
    "no model": (lambda: regressor().fit(X, Y, init_model=3), TypeError, "init_model"),
    "fractional categories": (
        lambda: regressor(categorical_features=[0]).fit(X, Y), ValueError, "x0.*not an integer"),
    "loss without a pair": (lambda: regressor(loss=lambda y, raw: y).fit(X, Y), TypeError, "gradient"),
    "NaN gradients": (lambda: regressor(loss=lambda y, raw: (raw * np.nan, raw * 0 + 1)).fit(X, Y), ValueError, "row"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIT)
def test_fit(name):
    use, error, message = FIT[name]
    with warnings.catch_warnings(), pytest.raises(error, match=message):
        warnings.simplefilter("ignore")
        use()


PREDICT = {
    "not fitted": (lambda: regressor().predict(X), NotFittedError, "not fitted yet"),
    "not fitted, importances": (lambda: regressor().feature_importances_, NotFittedError, "not fitted yet"),
    "other width": (lambda: regressor().fit(X, Y).predict(X[:, :2]), ValueError,
        "X has 2 features, but HistGradientBoostingRegressor is expecting 3 features as input"),
    "one dimension": (lambda: regressor().fit(X, Y).predict(X[0]), ValueError, "Expected 2D array"),
    "missing column": (lambda: regressor().fit(FRAME, Y).predict(FRAME[["age", "dose"]]), ValueError,
        "now missing:\n- price"),
    "one column too many": (lambda: regressor().fit(FRAME, Y).predict(FRAME.assign(colour=1)), ValueError,
        "unseen at fit time:\n- colour"),
    "texts for numbers": (lambda: regressor().fit(FRAME, Y).predict(FRAME.assign(age="old")), ValueError, "age"),
    "numbers for texts": (lambda: regressor().fit(FRAME.assign(age="old"), Y).predict(FRAME), ValueError, "age"),
    "no rows": (lambda: regressor().fit(X, Y).predict(X[:0]), ValueError, r"0 sample\(s\)"),
    "sparse": (lambda: regressor().fit(X, Y).predict(sparse.csr_matrix(X)), TypeError, "[Ss]parse"),
}  # fmt: skip


@pytest.mark.parametrize("name", PREDICT)
def test_predict(name):
    use, error, message = PREDICT[name]
    with pytest.raises(error, match=message):
        use()


def test_names_on_one_side_only_warn_as_scikit_learn_does():
    with pytest.warns(UserWarning, match="X does not have valid feature names, but HistGradientBoostingRegressor"):
        regressor().fit(FRAME, Y).predict(X)
    with pytest.warns(UserWarning, match="X has feature names, but HistGradientBoostingRegressor was fitted without"):
        regressor().fit(X, Y).predict(FRAME)


FILES = {
    "no such file": (lambda path: None, FileNotFoundError, "m.ramet"),
    "no model": (lambda path: path.write_bytes(b"nonsense"), ValueError, "m.ramet"),
    "cut short": (lambda path: path.write_bytes(saved(path)[:-9]), ValueError, "m.ramet"),
    "damaged": (lambda path: path.write_bytes(flipped(saved(path))), ValueError, "m.ramet"),
    "of the other kind": (lambda path: classifier().fit(X, Y > 0).save(path), ValueError, "Classifier"),
}


def saved(path):
    regressor().fit(X, Y).save(path)
    return path.read_bytes()


def flipped(data):
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


@pytest.mark.parametrize("name", FILES)
def test_load(name, tmp_path):
    make, error, message = FILES[name]
    make(tmp_path / "m.ramet")
    with pytest.raises(error, match=message):
        HistGradientBoostingRegressor.load(tmp_path / "m.ramet")


def test_a_newer_models_file_says_so(tmp_path):
    path = tmp_path / "m.ramet"
    data = bytearray(saved(path))
    data[6:8] = (99).to_bytes(2, "little")  # the format's version, see docs/model-format.md
    path.write_bytes(data)
    with pytest.raises(ValueError, match="newer"):
        HistGradientBoostingRegressor.load(path)
