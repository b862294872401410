"""Labels and weights of rows, as the engine takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ramet._inputs import PLAIN, Array, Column


@dataclass(frozen=True)
class Labels:
    """`values` for the engine; `dtype` is what ``classes_`` shall have."""

    values: Column
    dtype: np.dtype[Any]
    name: str

    def __len__(self) -> int:
        return len(self.values)


def read_labels(y: Any, estimator: str, *, classification: bool) -> Labels:
    """A target of any 1-D type. Errors name the row of a missing or infinite value."""
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    name = getattr(y, "name", None)
    name = name if isinstance(name, str) and name else "y"
    if isinstance(y, pa.Array | pa.ChunkedArray):
        y = y.to_numpy(zero_copy_only=False) if isinstance(y, pa.Array) else y.to_numpy()
    array = _array_of(y)
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: y.")
    if array.dtype.kind == "f":
        _require_finite(array)
    if classification:
        return Labels(_class_labels(array), array.dtype, name)
    return Labels(_targets(array, estimator), array.dtype, name)


def _array_of(y: Any) -> Array:
    if isinstance(getattr(y, "dtype", None), np.dtype) and getattr(y, "ndim", 0) == 1:  # NumPy's and pandas' own
        return np.asarray(y)
    from sklearn.utils import column_or_1d

    return np.asarray(column_or_1d(y, warn=True))


def check_for_loss(labels: Labels, loss: object, *, whole: bool = True) -> None:
    """What some losses ask of labels, in scikit-learn's words. `whole`: these are all of them, not a part."""
    if loss == "gamma":
        low, words = labels.values <= 0, "requires strictly positive y."
    elif loss == "poisson":
        low, words = labels.values < 0, "requires non-negative y and sum(y) > 0."
    else:
        return
    if low.any():
        row = int(np.argmax(low))
        raise ValueError(f"loss='{loss}' {words} (Row {row}, counted from 0, has {labels.values[row]}.)")
    if loss == "poisson" and whole and not labels.values.any():
        raise ValueError(f"loss='poisson' {words} (All of y is 0.)")


def _require_finite(array: Array) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    row = int(np.argmin(finite))
    what = "NaN" if np.isnan(array[row]) else f"infinity or a value too large for {array.dtype!r}"
    raise ValueError(f"Input y contains {what}. (Row {row}, counted from 0. Remove such rows, or fill them in.)")


def _targets(array: Array, estimator: str) -> Array:
    if array.dtype.char in PLAIN and array.dtype.isnative:
        return array
    if (missing := _missing_row(array)) is not None:
        raise ValueError(f"Input y contains NaN. (Row {missing}, counted from 0, is missing.)")
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{estimator}: y must hold numbers: {error}") from error
    _require_finite(numbers)
    return numbers


def _class_labels(array: Array) -> Column:
    if array.dtype.kind in "biu":
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and bool((array == np.trunc(array)).all()):
        return array if array.dtype.char in PLAIN and array.dtype.isnative else array.astype(np.float64)
    if array.dtype.kind in "OUT":
        return _text_labels(array)
    raise _unknown(array, f"y has dtype {array.dtype}. Use texts, booleans or whole numbers.")


def _text_labels(array: Array) -> Column:
    if array.size == 0:  # an empty partition
        return pa.array([], pa.string())
    try:
        texts = pa.array(array.astype(object) if array.dtype.kind == "T" else array, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        texts = None
    if texts is not None and pa.types.is_string(texts.type) and texts.null_count == 0:
        return texts
    if (missing := _missing_row(array)) is not None:
        raise ValueError(f"Input y contains NaN. (Row {missing}, counted from 0, is missing.)")
    if len({isinstance(value, str) for value in array}) == 2:
        raise TypeError("y mixes texts with labels of other types. Make them all texts, or all whole numbers.")
    raise _unknown(array, f"y holds {type(array[0]).__name__} objects. Use texts or whole numbers.")


def _unknown(array: Array, why: str) -> ValueError:
    """In scikit-learn's words, where it has some."""
    from sklearn.utils.multiclass import check_classification_targets

    check_classification_targets(array)
    return ValueError(f"Unknown label type: {why}")


def _missing_row(array: Array) -> int | None:
    if array.dtype.kind != "O":
        return None
    for row, value in enumerate(array):
        if value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value):
            return row
    return None


def read_weights(sample_weight: Any, num_rows: int) -> Array | None:
    """One weight per row, or a number for all. The engine refuses negative and non-finite ones, naming the row."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, int | float | np.number) and not isinstance(sample_weight, bool):
        return np.full(num_rows, float(sample_weight))
    if isinstance(sample_weight, pa.Array | pa.ChunkedArray):
        sample_weight = np.asarray(sample_weight)
    weights = _weights_array(sample_weight)
    if weights.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weights.ndim}D array. Expected either a scalar value "
            f"or a 1D array of length {num_rows}."
        )
    if weights.shape != (num_rows,):
        raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(num_rows,)}!")
    return weights


def _weights_array(sample_weight: Any) -> Array:
    if isinstance(getattr(sample_weight, "dtype", None), np.dtype) and sample_weight.dtype.char in "fd":
        array = np.asarray(sample_weight)
        if array.dtype.isnative and np.isfinite(array).all():
            return array
    from sklearn.utils import check_array

    checked: Array = check_array(
        sample_weight,
        ensure_2d=False,
        ensure_min_samples=0,
        dtype=[np.float64, np.float32],
        input_name="sample_weight",
    )
    return checked
