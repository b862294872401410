"""One table, however it is held, gives one model: equal digests. And what no table is, is refused in words."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

ROWS = 400


def digest(X, y, classifier=False, **parameters):
    estimator = HistGradientBoostingClassifier if classifier else HistGradientBoostingRegressor
    return estimator(max_iter=4, min_samples_leaf=5, **parameters).fit(X, y).digest_


def numbers(seed=0, columns=4):
    rng = np.random.default_rng(seed)
    X = rng.integers(-50, 50, size=(ROWS, columns)).astype(np.float64) / 4
    return X, X[:, 0] * 2 - X[:, 1] + rng.normal(size=ROWS)


def chunked(table, seed=0):
    cuts = np.sort(np.random.default_rng(seed).integers(0, table.num_rows, size=5)).tolist()
    pieces = [table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, table.num_rows], strict=True)]
    return pa.concat_tables(pieces)


class Capsule:
    """Nothing but the Arrow PyCapsule interface."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


HOLDERS = {
    "fortran": np.asfortranarray,
    "reversed rows, reversed again": lambda X: X[::-1].copy()[::-1],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "longdouble": lambda X: X.astype(np.longdouble),
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "list of rows": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "pandas": lambda X: pd.DataFrame(X, columns=list("abcd")),
    "pandas, no names": lambda X: pd.DataFrame(X),
    "pandas, nullable": lambda X: pd.DataFrame(X, columns=list("abcd")).convert_dtypes(convert_integer=False),
    "pandas, Arrow": lambda X: pd.DataFrame(X, columns=list("abcd")).astype("float32[pyarrow]"),
    "polars": lambda X: pl.DataFrame(X, schema=list("abcd")),
    "polars, lazy chunks": lambda X: pl.concat(
        [pl.DataFrame(part, schema=list("abcd")) for part in np.array_split(X, 3)], rechunk=False
    ),
    "arrow": lambda X: pa.table({name: X[:, i] for i, name in enumerate("abcd")}),
    "arrow, chunks": lambda X: chunked(pa.table({name: X[:, i] for i, name in enumerate("abcd")})),
    "arrow, batch": lambda X: pa.table({name: X[:, i] for i, name in enumerate("abcd")}).to_batches()[0],
    "arrow, reader": lambda X: chunked(pa.table({name: X[:, i] for i, name in enumerate("abcd")})).to_reader(),
    "capsule": lambda X: Capsule(chunked(pa.table({name: X[:, i] for i, name in enumerate("abcd")}))),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_numbers_have_one_digest(holder):
    X, y = numbers()
    assert digest(HOLDERS[holder](X), y) == digest(X, y)


@pytest.mark.parametrize("holder", HOLDERS)
def test_missing_numbers_have_one_digest(holder):
    X, y = numbers(1)
    X[np.random.default_rng(2).random(X.shape) < 0.1] = np.nan
    assert digest(HOLDERS[holder](X), y) == digest(X, y)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_whole_numbers_are_the_numbers_that_they_are(dtype):
    X = np.random.default_rng(3).integers(0, 2 if dtype == "bool" else 100, size=(ROWS, 3))
    y = X[:, 0] - 0.5 * X[:, 1]
    expected = digest(X.astype(np.float64), y)
    for order in "CF":
        assert digest(np.asarray(X, dtype=dtype, order=order), y) == expected
    frame = pd.DataFrame(X.astype(dtype), columns=list("abc"))
    assert digest(frame, y) == expected
    assert digest(pl.from_pandas(frame), y) == expected
    nullable = "boolean" if dtype == "bool" else dtype.replace("i", "I").replace("uI", "UI")
    assert digest(frame.astype(nullable), y) == expected


def mixed(seed=4):
    """Texts, categories of numbers, numbers, times, with missing values."""
    rng = np.random.default_rng(seed)
    colours = rng.choice(["red", "green", "blue", None], size=ROWS, p=[0.4, 0.3, 0.2, 0.1])
    shops = rng.choice([7, 11, 13], size=ROWS)
    days = np.datetime64("2020-01-01") + rng.integers(0, 1000, size=ROWS).astype("timedelta64[D]")
    value = rng.normal(size=ROWS)
    y = value + (colours == "red") * 2 - (shops == 11) + days.astype(np.int64) / 5000
    return {"colour": colours, "shop": shops, "day": days.astype("datetime64[us]"), "value": value}, y


def as_pandas(columns, text="object"):
    frame = pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})
    frame["colour"] = frame["colour"].astype(text)
    frame["shop"] = frame["shop"].astype("category")
    return frame


def as_arrow(columns):
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    return table.set_column(1, "shop", table["shop"].dictionary_encode())


def as_polars(columns):
    return pl.from_arrow(as_arrow(columns).set_column(1, "shop", pa.array(columns["shop"])))


MIXED_HOLDERS = {
    "pandas, texts": lambda c: as_pandas(c, "string"),
    "pandas, categories": lambda c: as_pandas(c, "category"),
    "pandas, Arrow texts": lambda c: as_pandas(c, "string[pyarrow]"),
    "pandas, unused categories": lambda c: as_pandas(c, pd.CategoricalDtype(["z", "red", "blue", "green", "a"])),
    "pandas, Arrow-backed": lambda c: as_arrow(c).to_pandas(types_mapper=pd.ArrowDtype),
    "arrow": as_arrow,
    "arrow, chunks": lambda c: chunked(as_arrow(c)),
    "arrow, reader": lambda c: chunked(as_arrow(c)).to_reader(),
    "arrow, text dictionary": lambda c: as_arrow(c).set_column(0, "colour", as_arrow(c)["colour"].dictionary_encode()),
}


@pytest.mark.parametrize("holder", MIXED_HOLDERS)
def test_mixed_columns_have_one_digest(holder):
    columns, y = mixed()
    assert digest(MIXED_HOLDERS[holder](columns), y) == digest(as_pandas(columns), y)


@pytest.mark.parametrize("text", [pl.String, pl.Categorical, pl.Enum(["blue", "green", "red"])])
def test_polars_has_the_same_digest(text):
    columns, y = mixed()
    frame = as_polars(columns).with_columns(pl.col("colour").cast(text))
    categories = ["colour", "shop"]
    expected = digest(as_pandas(columns), y, categorical_features=categories)
    assert digest(frame, y, categorical_features=categories) == expected


def test_names_and_positions_of_categories_are_one():
    rng = np.random.default_rng(5)
    X = np.c_[rng.integers(0, 6, size=ROWS), rng.normal(size=ROWS)]
    y = (X[:, 0] % 2) * 3 + X[:, 1]
    expected = digest(X, y, categorical_features=[0])
    assert digest(X, y, categorical_features=[True, False]) == expected
    frame = pd.DataFrame(X, columns=["a", "b"])
    assert digest(frame, y, categorical_features=["a"]) == expected
    assert digest(frame.astype({"a": "int64"}).astype({"a": "category"}), y) == expected
    assert digest(X, y) != expected


LABELS = {
    "bool": lambda y: y,
    "int": lambda y: y.astype(np.int8),
    "float": lambda y: y.astype(np.float32),
    "list": lambda y: y.tolist(),
    "pandas": lambda y: pd.Series(y, name="late"),
    "pandas, nullable": lambda y: pd.Series(y).astype("boolean"),
    "polars": lambda y: pl.Series(y),
    "arrow": lambda y: pa.array(y),
    "arrow, chunks": lambda y: pa.chunked_array([y[:100], y[100:]]),
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels_have_one_digest(labels):
    X, y = numbers(6)
    y = y > 0
    assert digest(X, LABELS[labels](y), classifier=True) == digest(X, y.astype(np.int64), classifier=True)


@pytest.mark.parametrize("holder", ["object", "U", "pandas", "category", "polars", "arrow", "dictionary"])
def test_text_labels_have_one_digest(holder):
    X, y = numbers(7)
    texts = np.array(["no", "yes"], dtype=object)[(y > 0).astype(int)]
    held = {
        "object": texts,
        "U": texts.astype("U"),
        "pandas": pd.Series(texts),
        "category": pd.Series(texts, dtype="category"),
        "polars": pl.Series(texts.tolist()),
        "arrow": pa.array(texts),
        "dictionary": pa.array(texts).dictionary_encode(),
    }[holder]
    model = HistGradientBoostingClassifier(max_iter=4).fit(X, held)
    assert model.digest_ == HistGradientBoostingClassifier(max_iter=4).fit(X, texts.tolist()).digest_
    assert model.classes_.tolist() == ["no", "yes"]
    assert set(model.predict(X)) == {"no", "yes"}


@pytest.mark.parametrize(
    "y", [np.array([3, 1] * 50, dtype=np.int8), np.array([1.0, 0.0] * 50), np.array([True, False] * 50),
          np.array(["b", "a"] * 50), np.array(["b", "a"] * 50, dtype=object)],
)  # fmt: skip
def test_classes_keep_the_dtype(y):
    X = np.arange(100.0).reshape(-1, 1)
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    assert model.classes_.dtype == y.dtype
    np.testing.assert_array_equal(model.classes_, np.unique(y))


def test_label_and_weight_may_be_columns():
    X, y = numbers(8)
    weights = np.random.default_rng(9).integers(1, 4, size=ROWS)
    frame = pd.DataFrame(X, columns=list("abcd"))
    expected = HistGradientBoostingRegressor(max_iter=3).fit(frame, y, weights)
    whole = pa.Table.from_pandas(frame.assign(late=y, weight=weights))
    model = HistGradientBoostingRegressor(max_iter=3).fit(whole.to_reader(), "late", "weight")
    assert model.digest_ == expected.digest_
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.model_.label_name == "late"


def test_columns_called_as_the_label_are_features_still():
    X, y = numbers(10)
    frame = pd.DataFrame(X, columns=["y", "y_", "sample_weight", "z"])
    model = HistGradientBoostingRegressor(max_iter=3).fit(frame, y, np.ones(ROWS) * 2)
    assert model.digest_ == HistGradientBoostingRegressor(max_iter=3).fit(X, y, np.ones(ROWS) * 2).digest_
    assert model.feature_names_in_.tolist() == ["y", "y_", "sample_weight", "z"]


@pytest.mark.parametrize("convert", [lambda f: f, pl.from_pandas, pa.Table.from_pandas])
def test_a_reordered_frame_is_put_in_order(convert):
    X, y = numbers(11)
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = HistGradientBoostingRegressor(max_iter=5).fit(frame, y)
    np.testing.assert_array_equal(model.predict(convert(frame[["d", "b", "a", "c"]])), model.predict(frame))


def test_many_categories_fold():
    rng = np.random.default_rng(15)
    codes = rng.integers(0, 1000, size=20_000)
    frame = pd.DataFrame({"c": np.char.add("c", codes.astype(str))})
    model = HistGradientBoostingRegressor(max_iter=5).fit(frame, codes % 7.0)
    assert len(model.model_.categories[0]) == 254
    assert model.model_.folded == [True]
    with pytest.raises(ValueError, match=r"could not convert string to float.*'c'"):
        HistGradientBoostingRegressor(categorical_features=None).fit(frame, codes)


def test_unknown_categories_are_missing():
    rng = np.random.default_rng(12)
    frame = pd.DataFrame({"c": rng.choice(["a", "b", "c"], size=ROWS), "x": rng.normal(size=ROWS)})
    y = (frame["c"] == "a") * 2.0 + frame["x"]
    model = HistGradientBoostingRegressor(max_iter=10).fit(frame, y)
    unknown, missing = frame.assign(c="never seen"), frame.assign(c=pd.Series([None] * ROWS, dtype="str"))
    np.testing.assert_array_equal(model.predict(unknown), model.predict(missing))


def test_numbers_unknown_to_a_category_are_missing():
    rng = np.random.default_rng(13)
    X = np.c_[rng.integers(0, 4, size=ROWS), rng.normal(size=ROWS)]
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features=[0]).fit(X, (X[:, 0] == 1) + X[:, 1])
    missing = model.predict(np.c_[np.full(ROWS, np.nan), X[:, 1]])
    for value in (9.0, -3.0, 0.5, np.inf, 1e300):
        np.testing.assert_array_equal(model.predict(np.c_[np.full(ROWS, value), X[:, 1]]), missing)


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(100)],
        [decimal.Decimal(i) / 4 for i in range(100)],
        [datetime.timedelta(seconds=i) for i in range(100)],
    ],
)
def test_objects_that_arrow_knows_are_read(values):
    frame = pd.DataFrame({"v": pd.Series(values, dtype=object)})
    model = HistGradientBoostingRegressor(max_iter=20).fit(frame, np.arange(100.0))
    assert model.score(frame, np.arange(100.0)) > 0.7


def test_intervals_are_categories():
    rng = np.random.default_rng(14)
    values = rng.normal(size=ROWS)
    frame = pd.DataFrame({"bin": pd.cut(values, 5)})
    model = HistGradientBoostingRegressor(max_iter=20).fit(frame, values)
    assert model.is_categorical_.tolist() == [True]
    assert model.score(frame, values) > 0.7


def test_numpy_memory_is_not_copied():
    X = np.zeros((1000, 3), dtype=np.float32)
    from ramet import _inputs

    for layout in (X, np.asfortranarray(X), X[::2], X.T[:2].T):
        features = _inputs.read_features(layout, "E")
        assert np.shares_memory(features.array, layout)
    frame = pd.DataFrame(X, columns=list("abc"))
    assert all(np.shares_memory(c, frame.to_numpy()) for c in _inputs.read_features(frame, "E").columns)
