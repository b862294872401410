"""What early stopping watches (`scoring`) and what is measured beside it (`eval_metric`).

The workers of a cluster import this; scikit-learn is imported where it is needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ramet import _core

# scikit-learn's scorers that are one of the engine's exact metrics; a scorer is greater when better, so some are minus.
ENGINE_METRICS = {
    "accuracy": ("accuracy", 1),
    "roc_auc": ("auc", 1),
    "average_precision": ("average_precision", 1),
    "neg_log_loss": ("logloss", -1),
    "r2": ("r2", 1),
    "neg_root_mean_squared_error": ("rmse", -1),
    "neg_mean_absolute_error": ("mae", -1),
    "neg_mean_poisson_deviance": ("mean_poisson_deviance", -1),
    "neg_mean_gamma_deviance": ("mean_gamma_deviance", -1),
}


@dataclass(frozen=True)
class Scoring:
    """`metric` as the engine's parameter; `function` where it is a Python function; score = sign * value."""

    metric: str
    function: OwnMetric | None
    sign: int


def read_scoring(scoring: Any, task: Task) -> Scoring:
    """What `scoring` means: 'loss', the name of a scorer or of an engine's metric, a scorer, or None for `score`."""
    greater = {name: higher for name, _, higher in _core.metric_names()}
    if scoring is None:
        scoring = "accuracy" if task.classification else "r2"
    if scoring == "loss":
        return Scoring("auto", None, 0)
    if isinstance(scoring, str):
        metric, sign = ENGINE_METRICS.get(scoring, (scoring, 0))
        if metric in greater:
            return Scoring(metric, None, sign or (1 if greater[metric] else -1))
        from sklearn.metrics import get_scorer

        scorer, name = get_scorer(scoring), scoring
    else:
        scorer, name = scoring, _name_of(scoring)
    return Scoring("auto", OwnMetric(name, task.scorer(scorer), True, task), 1)


@dataclass
class Task:
    """What a metric in Python needs to know of the training; `classes` is set once the labels are read."""

    classification: bool
    label_dtype: np.dtype[Any]
    classes: NDArray[Any] | None = None

    def learn(self, keys: Sequence[int | str]) -> None:
        """The classes as the engine knows them; none for a regression, or where they are not known yet."""
        self.classes = classes_of(keys, self.label_dtype) if self.classification and keys else None

    def labels(self, labels: NDArray[np.float64]) -> NDArray[Any]:
        return labels if self.classes is None else self.classes[labels.astype(np.intp)]

    def scorer(self, scorer: Callable[..., float]) -> Callable[..., float]:
        """An engine metric that asks `scorer` about an estimator which predicts what the engine does just now."""

        def measure(
            labels: NDArray[np.float64],
            raw_scores: NDArray[np.float64],
            response: NDArray[np.float64],
            weights: NDArray[np.float32] | None,
        ) -> float:
            from ramet._now import ClassifierNow, RegressorNow

            now = (ClassifierNow if self.classification else RegressorNow)(self.classes, raw_scores, response)
            rows = np.empty((len(labels), 0))
            if weights is None:
                return float(scorer(now, rows, self.labels(labels)))
            return float(scorer(now, rows, self.labels(labels), sample_weight=weights))

        return measure

    def metric(self, function: Callable[..., float]) -> Callable[..., float]:
        """An engine metric that calls ``function(y_true, y_pred[, sample_weight])``."""
        weighted = _takes_weights(function)

        def measure(
            labels: NDArray[np.float64],
            raw_scores: NDArray[np.float64],
            response: NDArray[np.float64],
            weights: NDArray[np.float32] | None,
        ) -> float:
            if response.ndim == 2 and response.shape[1] <= 2:
                response = response[:, -1]
            if weights is not None and weighted:
                return float(function(self.labels(labels), response, sample_weight=weights))
            return float(function(self.labels(labels), response))

        return measure


@dataclass(frozen=True)
class OwnMetric:
    """A metric in Python. Pickles, with its task; the classes must be known where it is measured."""

    name: str
    function: Callable[..., float]  # as `_core.Metric` calls it
    higher_is_better: bool
    task: Task


def bind(metrics: Iterable[str | OwnMetric], classes: Sequence[int | str]) -> list[str | _core.Metric]:
    """The metrics as the engine takes them, of a training set with these classes."""
    bound: list[str | _core.Metric] = []
    for metric in metrics:
        if isinstance(metric, OwnMetric):
            metric.task.learn(classes)
            bound.append(_core.Metric(metric.name, metric.function, metric.higher_is_better))
        else:
            bound.append(metric)
    return bound


def classes_of(keys: Sequence[int | str], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The model's classes with the dtype that the labels had."""
    if dtype.kind in "OT":  # objects are texts; those of Dask's unknown categories may turn out to be numbers
        return np.array(keys, dtype=object if isinstance(keys[0], str) else None)
    return np.array(keys).astype(dtype)


def read_eval_metrics(value: Any, task: Task) -> list[str | OwnMetric]:
    """Names of engine metrics and functions, one or a list of them."""
    if value is None:
        return []
    known = [name for name, _, _ in _core.metric_names()]
    metrics: list[str | OwnMetric] = []
    for item in value if isinstance(value, list | tuple) else [value]:
        if isinstance(item, str):
            if item not in known:
                raise ValueError(f"eval_metric {item!r} is not known. Use a function or one of: {', '.join(known)}.")
            metrics.append(item)
        elif callable(item):
            higher = bool(getattr(item, "greater_is_better", False))
            metrics.append(OwnMetric(_name_of(item), task.metric(item), higher, task))
        else:
            raise TypeError(f"eval_metric: {item!r} is neither a name nor a function of y_true and y_pred.")
    return metrics


def _name_of(function: object) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__.strip("_"))


def _takes_weights(function: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
