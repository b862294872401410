"""Tables and labels from the outside, as the engine takes them, without a copy where the layout allows.

X ──read_features──► Matrix (one NumPy array, no names) | Frame (named columns: NumPy views and Arrow arrays)
y ──read_labels────► one array
both, with weights ──to_table──► _core.Table
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ramet import _core

Array: TypeAlias = NDArray[Any]
Column: TypeAlias = Array | pa.Array | pa.ChunkedArray

PLAIN = frozenset("?bBhHiIlLqQefd")  # dtypes that the engine reads as they are


@dataclass(frozen=True)
class Matrix:
    """Columns without names: a 2-D array of numbers."""

    array: Array

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[0], self.array.shape[1]


@dataclass(frozen=True)
class Frame:
    """Columns in order; `named` is False where the source has no (or no textual) names."""

    names: list[str]
    columns: list[Column]
    num_rows: int
    named: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, len(self.columns)


Features: TypeAlias = Matrix | Frame


def default_names(count: int) -> list[str]:
    """What columns without names are called: as scikit-learn calls them."""
    return [f"x{i}" for i in range(count)]


def is_plain_matrix(X: object) -> bool:
    """Whether the engine can read `X` as it is: the short way of `predict`."""
    return type(X) is np.ndarray and X.ndim == 2 and X.dtype.char in PLAIN and X.dtype.isnative and X.shape[0] > 0


def on_cluster(value: object) -> bool:
    """Whether `value` is a Dask collection, a future, or a list of such. Asks nothing that is not imported already."""
    dask, distributed = sys.modules.get("dask"), sys.modules.get("distributed")
    first = value[0] if isinstance(value, list | tuple) and value else value
    if dask is not None and dask.is_dask_collection(first):
        return True
    return distributed is not None and isinstance(first, distributed.Future)


def read_features(X: Any, estimator: str) -> Features:
    """Any supported table. Errors are scikit-learn's: TypeError for sparse, ValueError for shapes and values."""
    features = read_part(X, estimator)
    rows, columns = features.shape
    if rows == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={features.shape}) while a minimum of 1 is required by {estimator}."
        )
    if columns == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={features.shape}) while a minimum of 1 is required by {estimator}."
        )
    return features


def read_part(X: Any, estimator: str) -> Features:
    """As `read_features`; no rows are fine too, and so is what was read already."""
    if isinstance(X, Matrix | Frame):
        return X
    if is_plain_matrix(X):
        return Matrix(X)
    if on_cluster(X):
        raise TypeError(
            f"{estimator}: this takes a table that is here, not a Dask collection. Call it on each partition (with "
            "map_partitions, for example), or bring the rows here with .compute()."
        )
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and sparse.issparse(X):
        raise TypeError(
            f"{estimator}: sparse data was passed, but dense data is required. "
            "Use '.toarray()' to convert it to a dense NumPy array."
        )
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(X, pandas.DataFrame):
        return _read_pandas(X)
    if pandas is not None and isinstance(X, pandas.Series):
        raise ValueError(
            f"Expected a 2-dimensional container but got {type(X)} instead. Pass a DataFrame containing a single row "
            "(i.e. single sample) or a single column (i.e. single feature) instead."
        )
    if isinstance(X, pa.Table | pa.RecordBatch):
        return _read_arrow(X)
    if isinstance(X, pa.RecordBatchReader):
        return _read_arrow(X.read_all())
    if not isinstance(X, np.ndarray) and (hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")):
        return _read_capsule(X)
    array = np.asarray(X) if isinstance(X, list | tuple) else X
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind in "OUT" and _has_text(array):
        columns = [_object_column(array[:, i], f"column {i} of X") for i in range(array.shape[1])]
        return Frame(default_names(len(columns)), columns, array.shape[0], named=False)
    return Matrix(_number_matrix(X, estimator))


def _number_matrix(X: Any, estimator: str) -> Array:
    from sklearn.utils import check_array

    array: Array = check_array(
        X, dtype="numeric", ensure_all_finite=False, ensure_min_samples=0, estimator=estimator, input_name="X"
    )
    if array.dtype.char in PLAIN:
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    raise TypeError(f"{estimator}: X has dtype {array.dtype}, which holds no numbers. Pass times in a data frame.")


def _has_text(array: Array) -> bool:
    return array.dtype.kind in "UT" or any(isinstance(value, str) for value in array.ravel())


# ── Frames ──


def _read_capsule(X: Any) -> Features:
    try:
        table = pa.table(X) if hasattr(X, "__arrow_c_stream__") else pa.table(pa.record_batch(X))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"X is no table: {error}") from error
    return _read_arrow(table)


def _read_arrow(table: pa.Table | pa.RecordBatch) -> Frame:
    columns = [_storage(column) for column in table.columns]
    return Frame(_distinct(list(table.column_names)), columns, table.num_rows)


def _storage(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        return column.cast(column.type.storage_type)
    if pa.types.is_run_end_encoded(column.type):
        return column.cast(column.type.value_type)
    return column


def _read_pandas(X: Any) -> Frame:
    names = list(X.columns)
    kinds = {type(name) for name in names}
    if len(kinds) > 1 and str in kinds:
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{sorted(kind.__qualname__ for kind in kinds)} as feature name / column name types. "
            "Convert them all to strings, by X.columns = X.columns.astype(str) for example."
        )
    named = kinds == {str}
    texts = _distinct(names) if named else default_names(len(names))
    columns = [_pandas_column(X.iloc[:, i], repr(name)) for i, name in enumerate(names)]
    return Frame(texts, columns, len(X), named)


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"X has two columns called {twice!r}. Rename one of them.")
    return names


def _pandas_column(series: Any, name: str) -> Column:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        values: Array = series.to_numpy()
        if dtype.char in PLAIN:
            return values
        if dtype.kind == "f":
            return values.astype(np.float64)
        if dtype.kind == "c":
            raise ValueError(f"Complex data not supported: column {name} of X.")
        return _object_column(values, f"column {name} of X")
    if hasattr(series, "cat"):
        return _pandas_categories(series)
    if hasattr(series, "sparse"):
        return np.asarray(series)
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"column {name} of X ({dtype}) cannot be read: {error}") from error
    return _storage(array)


def _pandas_categories(series: Any) -> Column:
    codes = series.cat.codes.to_numpy()
    categories = series.cat.categories
    if categories.dtype.kind == "O" or not isinstance(categories.dtype, np.dtype):
        # Texts as they are; intervals, periods and the like by their text.
        dictionary = pa.array([value if isinstance(value, str | int | bool) else str(value) for value in categories])
    else:
        dictionary = pa.array(categories.to_numpy())
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), dictionary)


def _object_column(values: Array, where: str) -> Column:
    """Objects, texts and times as Arrow sees them; mixtures as numbers, if they are that."""
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error} ({where} holds neither numbers alone nor texts alone)") from None
    if pa.types.is_binary(array.type) or pa.types.is_nested(array.type):
        raise TypeError(f"{where} holds {array.type} values. Use numbers, texts or times.")
    return array


def is_text(column: Column) -> bool:
    """Text, also behind a dictionary."""
    if isinstance(column, np.ndarray):
        return False
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_numbers(column: Column) -> bool:
    """Neither text nor a column of nulls only."""
    if isinstance(column, np.ndarray):
        return True
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return not is_text(column) and not pa.types.is_null(kind)


def is_dictionary(column: Column) -> bool:
    return not isinstance(column, np.ndarray) and bool(pa.types.is_dictionary(column.type))


def take_column(frame: Frame, name: str) -> tuple[Frame, Column]:
    """`frame` without a column, and that column."""
    at = frame.names.index(name)
    rest = [i for i in range(len(frame.columns)) if i != at]
    left = Frame([frame.names[i] for i in rest], [frame.columns[i] for i in rest], frame.num_rows, frame.named)
    return left, frame.columns[at]


# ── Tables ──


def unused_name(wanted: str, names: Sequence[str]) -> str:
    """`wanted`, with underscores after it until no column is called so."""
    while wanted in names:
        wanted += "_"
    return wanted


def to_table(features: Features, names: Sequence[str], more: dict[str, Column]) -> _core.Table:
    """The features, called `names`, and more columns beside them (in no certain order)."""
    columns = [features.array] if isinstance(features, Matrix) else features.columns
    all_names = [*names, *more]
    everything: list[Column] = [_one_chunk(column) for column in [*columns, *more.values()]]
    if not any(isinstance(column, pa.ChunkedArray) for column in everything):
        return _core.Table.from_arrays(all_names, everything)
    arrow: list[pa.Array | pa.ChunkedArray] = []
    for column in everything:
        if isinstance(column, np.ndarray) and column.ndim == 2:
            arrow.extend(pa.array(column[:, i]) for i in range(column.shape[1]))
        else:
            arrow.append(pa.array(column) if isinstance(column, np.ndarray) else column)
    return _core.Table.from_arrow(pa.table(arrow, names=all_names))


def _one_chunk(column: Column) -> Column:
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks == 1 else column


def reorder(frame: Frame, names: Sequence[str]) -> Frame:
    """`frame` with its columns in the order of `names`; an error as scikit-learn's for those too many or missing."""
    if frame.names == list(names):
        return frame
    unseen, missing = sorted(set(frame.names) - set(names)), sorted(set(names) - set(frame.names))
    if unseen or missing:
        message = "The feature names should match those that were passed during fit.\n"
        for title, listed in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", missing)):
            if listed:
                lines = [f"- {name}\n" for name in listed[:5]] + (["- ...\n"] if len(listed) > 5 else [])
                message += f"Feature names {title}:\n" + "".join(lines)
        raise ValueError(message)
    at = {name: i for i, name in enumerate(frame.names)}
    return Frame(list(names), [frame.columns[at[name]] for name in names], frame.num_rows)


def match(features: Features, fitted_names: list[str] | None, num_features: int, estimator: str) -> Features:
    """The features as a fitted model wants them: by name where both have names, else by position, with a warning."""
    named = isinstance(features, Frame) and features.named
    if named and fitted_names is not None:
        assert isinstance(features, Frame)
        return reorder(features, fitted_names)
    if named:
        warnings.warn(f"X has feature names, but {estimator} was fitted without feature names", stacklevel=4)
    elif fitted_names is not None:
        warnings.warn(
            f"X does not have valid feature names, but {estimator} was fitted with feature names", stacklevel=4
        )
    if features.shape[1] != num_features:
        raise ValueError(
            f"X has {features.shape[1]} features, but {estimator} is expecting {num_features} features as input."
        )
    return features
