"""The estimators' parameters as the engine's texts, and back.

The engine's table (`_core.parameters()`) is the one place of names, ranges and defaults; here stands only how
scikit-learn's way of saying things (None, dicts, arrays) becomes a text of that table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from ramet import _core

# Engine parameters that an estimator's parameter of the same name sets, value for value.
PLAIN = (
    "max_iter",
    "learning_rate",
    "min_samples_leaf",
    "l2_regularization",
    "max_features",
    "max_bins",
    "n_iter_no_change",
    "tol",
    "subsample",
    "min_child_weight",
    "min_split_gain",
    "max_categories_one_vs_rest",
    "categorical_smoothing",
    "categorical_l2",
    "max_categories_per_split",
    "min_samples_category",
    "min_samples_category_group",
    "keep_best",
)
# Those whose None is the engine's 0, "no limit".
LIMITS = ("max_leaf_nodes", "max_depth")
# Those that another parameter stands for, or that are said in another way.
TRANSLATED = {
    "loss": "loss",
    "quantile": "quantile",
    "class_weight": "class_weight",
    "monotonic_cst": "monotonic_cst",
    "interaction_cst": "interaction_cst",
    "early_stopping": "early_stopping",
    "validation_fraction": "validation_fraction",
    "metric": "scoring",
    "random_state": "random_state",
}

CONSTRAINTS: dict[str, Any] = {
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
    "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
    "l2_regularization": [Interval(Real, 0, None, closed="left")],
    "max_features": [Interval(RealNotInt, 0, 1, closed="right")],
    "monotonic_cst": ["array-like", dict, None],
    "interaction_cst": [list, tuple, StrOptions({"pairwise", "no_interactions"}), None],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "validation_fraction": [
        Interval(RealNotInt, 0, 1, closed="neither"),
        Interval(Integral, 1, None, closed="left"),
        None,
    ],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_bins": [Interval(Integral, 2, 255, closed="both")],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "warm_start": ["boolean"],
    "early_stopping": [StrOptions({"auto"}), "boolean"],
    "scoring": [str, callable, None],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
    "subsample": [Interval(Real, 0, 1, closed="right")],
    "min_child_weight": [Interval(Real, 0, None, closed="left")],
    "min_split_gain": [Interval(Real, 0, None, closed="left")],
    "max_categories_one_vs_rest": [Interval(Integral, 0, 255, closed="both")],
    "categorical_smoothing": [Interval(Real, 0, None, closed="left")],
    "categorical_l2": [Interval(Real, 0, None, closed="left")],
    "max_categories_per_split": [Interval(Integral, 1, 255, closed="both")],
    "min_samples_category": [Interval(Integral, 0, None, closed="left")],
    "min_samples_category_group": [Interval(Integral, 0, None, closed="left")],
    "keep_best": ["boolean"],
    "eval_metric": [str, callable, list, tuple, None],
    "callbacks": [list, tuple, callable, None],
    "n_jobs": [Integral, None],
}


def text(value: object) -> str:
    """A value as the engine reads it: "true", "31", "0.1"."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    return str(value)


def plain_texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The engine's texts of all parameters that need no knowledge of the data."""
    texts = {name: text(parameters[name]) for name in PLAIN}
    texts |= {name: text(parameters[name] or 0) for name in LIMITS}
    if parameters.get("quantile") is not None:
        texts["quantile"] = text(parameters["quantile"])
    return texts


def seed(random_state: Any) -> int:
    """None is 0: a fit is repeatable unless told otherwise. A RandomState gives one draw."""
    if random_state is None:
        return 0
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max, dtype=np.int64))


def validation_fraction(value: float | int | None, num_rows: Callable[[], int]) -> str | None:
    """The share of rows to hold out; a whole number is a count of rows, None is none."""
    if value is None:
        return None
    if isinstance(value, Integral):
        rows = num_rows()
        if int(value) >= rows:
            raise ValueError(f"validation_fraction={value} should be smaller than the number of samples, {rows}.")
        return text(int(value) / rows)
    return text(value)


# ── Classes ──


def class_weight(value: Mapping[Any, float] | str | None) -> str:
    """{class: weight} as JSON whose keys are the engine's texts of classes."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps({class_text(key): float(weight) for key, weight in value.items()})


def class_text(key: Any) -> str:
    """A class as the engine writes it: 1 for True, 1 and 1.0."""
    if isinstance(key, Integral):
        return str(int(key))
    if isinstance(key, np.bool_ | Real) and float(key).is_integer():
        return str(int(float(key)))
    return str(key)


# ── Features ──


def categorical_mask(
    value: Any, *, names: Sequence[str] | None, num_features: int, by_dtype: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which features are categorical, from a mask, positions, names, or by their dtype ("from_dtype")."""
    mask = np.zeros(num_features, dtype=bool)
    if value is None:
        return mask
    if isinstance(value, str):
        return by_dtype
    array = np.asarray(value)
    if array.size == 0:
        return mask
    if array.dtype.kind == "O" and (types := {type(item) for item in array}) != {str}:
        listed = ", ".join(sorted(kind.__name__ for kind in types))
        raise ValueError(f"categorical_features must be an array-like of bool, int or str, got: {listed}.")
    if array.dtype.kind not in "ibUO":
        raise ValueError(f"categorical_features must be an array-like of bool, int or str, got: {array.dtype.name}.")
    if array.dtype.kind == "b":
        if array.shape != (num_features,):
            raise ValueError(
                f"categorical_features set as a boolean mask must have shape (n_features,), got: {array.shape}"
            )
        return array
    if array.dtype.kind == "i":
        if array.max() >= num_features or array.min() < 0:
            raise ValueError("categorical_features set as integer indices must be in [0, n_features - 1]")
        mask[array] = True
        return mask
    if names is None:
        raise ValueError(
            "categorical_features should be passed as an array of integers or as a boolean mask when the model is "
            "fitted on data without feature names."
        )
    for name in array:
        if name not in names:
            raise ValueError(
                f"categorical_features has an item value '{name}' which is not a valid feature name of the training "
                f"data. Observed feature names: {list(names)}"
            )
        mask[list(names).index(name)] = True
    return mask


def monotonic_cst(value: Any, *, names: Sequence[str] | None, num_features: int, estimator: str) -> str:
    """ "position:direction,…" of an array with one entry per feature, or a dict by name."""
    if value is None:
        return ""
    if isinstance(value, dict):
        directions = _directions_by_name(value, names, num_features, estimator)
    else:
        unexpected = np.setdiff1d(value, [-1, 0, 1])
        if unexpected.size:
            raise ValueError(
                f"monotonic_cst must be an array-like of -1, 0 or 1. Observed values: {unexpected.tolist()}."
            )
        array = np.asarray(value, dtype=np.int8)
        if array.shape[0] != num_features:
            raise ValueError(f"monotonic_cst has shape {array.shape} but the input data X has {num_features} features.")
        directions = array.tolist()
    return ",".join(f"{i}:{direction}" for i, direction in enumerate(directions) if direction)


def _directions_by_name(
    value: Mapping[str, int], names: Sequence[str] | None, num_features: int, estimator: str
) -> list[int]:
    if names is None:
        raise ValueError(
            f"{estimator} was not fitted on data with feature names. Pass monotonic_cst as an integer array instead."
        )
    unexpected = sorted(set(value) - set(names))
    if unexpected:
        listed = unexpected[:5] + (["..."] if len(unexpected) > 5 else [])
        raise ValueError(f"monotonic_cst contains {len(unexpected)} unexpected feature names: {listed}.")
    for name, direction in value.items():
        if direction not in (-1, 0, 1):
            raise ValueError(f"monotonic_cst['{name}'] must be either -1, 0 or 1. Got {direction!r}.")
    return [int(value.get(name, 0)) for name in names]


def interaction_cst(value: Any, *, num_features: int) -> str:
    """Groups of positions as JSON. What no group lists is a group of its own, as in scikit-learn."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        groups = [set(group) for group in value]
    except TypeError:
        raise ValueError(f"Interaction constraints must be a sequence of tuples or lists, got: {value!r}.") from None
    for group in groups:
        for position in group:
            if not (isinstance(position, Integral) and 0 <= int(position) < num_features):
                raise ValueError(
                    "Interaction constraints must consist of integer indices in [0, n_features - 1] = "
                    f"[0, {num_features - 1}], specifying the position of features, got invalid indices: {group!r}"
                )
    rest = set(range(num_features)).difference(*groups)
    listed: Iterable[set[Any]] = [*groups, rest] if rest else groups
    return json.dumps([sorted(int(position) for position in group) for group in listed])


# ── Back: a model's texts as an estimator's parameters ──


def from_model(texts: Mapping[str, str], *, classification: bool, classes: Sequence[int | str]) -> dict[str, Any]:
    """The parameters of an estimator that would train what a model's file says it was trained with."""
    values: dict[str, Any] = {name: _value(texts, name) for name in PLAIN if name in texts}
    values |= {name: _value(texts, name) or None for name in LIMITS if name in texts}
    if texts.get("early_stopping") in ("true", "false"):
        values["early_stopping"] = texts["early_stopping"] == "true"
    for name in ("random_state", "validation_fraction"):
        if name in texts:
            values[name] = _value(texts, name)
    loss, metric = texts.get("loss", ""), texts.get("metric", "")
    if metric in {name for name, _, _ in _core.metric_names()} and (
        loss == "custom" or metric != _core.default_metric(loss)
    ):
        values["scoring"] = metric
    if texts.get("interaction_cst"):
        listed = texts["interaction_cst"]
        values["interaction_cst"] = json.loads(listed) if listed.startswith("[") else listed
    if classification:
        weights = texts.get("class_weight", "")
        if weights.startswith("{"):
            keys = {str(key): key for key in classes}
            values["class_weight"] = {keys.get(key, key): weight for key, weight in json.loads(weights).items()}
        elif weights:
            values["class_weight"] = weights
        return values
    if loss not in ("", "custom"):
        values["loss"] = loss
    if values.get("loss") == "quantile":
        values["quantile"] = _value(texts, "quantile")
    return values


def directions_from_model(texts: Mapping[str, str], num_features: int) -> list[int] | None:
    """`monotonic_cst` as an array."""
    listed = texts.get("monotonic_cst", "")
    if not listed:
        return None
    directions = [0] * num_features
    for item in listed.split(","):
        position, direction = item.split(":")
        directions[int(position)] = int(direction)
    return directions


def _value(texts: Mapping[str, str], name: str) -> Any:
    """A parameter with the type that its default has in the engine's table."""
    kind = next(type(info.default) for info in _core.parameters() if info.name == name)
    return texts[name] == "true" if kind is bool else kind(texts[name])
