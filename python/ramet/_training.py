"""One `fit`: data sets made, the engine called, what it returns put together.

TrainingData, EvalData ──make_dataset──► _core.Dataset ──_core.train──► Fitted
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from ramet import _core, _fitted, _parameters, _scoring
from ramet._fitted import Fitted, History
from ramet._inputs import (
    Array,
    Features,
    Frame,
    default_names,
    is_dictionary,
    is_text,
    match,
    read_features,
    take_column,
    to_table,
    unused_name,
)
from ramet._labels import Labels, read_labels, read_weights
from ramet.callbacks import CallbackRunner, Progress, TrainingInfo

TRAIN = "train"  # what the engine calls the rows that it trains on


@dataclass(frozen=True)
class Data:
    """Rows to train on or to measure on."""

    features: Features
    labels: Labels
    weights: Array | None


def read_data(X: Any, y: Any, sample_weight: Any, estimator: str, *, classification: bool) -> Data:
    """X, y and weights, of one length. `y` and `sample_weight` may name columns of a table."""
    features = read_features(X, estimator)
    if isinstance(features, Frame):
        if isinstance(sample_weight, str):
            features, sample_weight = _take_named(features, sample_weight, "sample_weight")
        if isinstance(y, str):
            name = y
            features, y = _take_named(features, name, "y")
            labels = read_labels(y, estimator, classification=classification)
            labels = Labels(labels.values, labels.dtype, name)
            return Data(features, labels, read_weights(sample_weight, len(labels)))
    labels = read_labels(y, estimator, classification=classification)
    check_consistent_length(range(features.shape[0]), range(len(labels)))
    return Data(features, labels, read_weights(sample_weight, len(labels)))


def _take_named(frame: Frame, name: str, role: str) -> tuple[Frame, Any]:
    if name not in frame.names:
        raise ValueError(f"{role}={name!r} names no column of X. Its columns are: {', '.join(frame.names[:12])}.")
    return take_column(frame, name)


def read_eval_sets(
    sets: Any, names: Sequence[str] | None, first: tuple[Any, Any, Any] | None, estimator: str, *, classification: bool
) -> dict[str, Data]:
    """`first` (X_val and its like, called "validation"), then `eval_set`: (X, y) or (X, y, weight) each."""
    given: dict[str, Sequence[Any]] = {} if first is None else {"validation": first}
    if sets is not None and not isinstance(sets, Mapping):
        sets = [sets] if isinstance(sets, tuple) else list(sets)
        names = list(names) if names is not None else [f"eval_{i}" for i in range(len(sets))]
        if len(names) != len(sets):
            raise ValueError(f"eval_names has {len(names)} names for {len(sets)} sets in eval_set.")
        sets = dict(zip(names, sets, strict=True))
        if len(sets) < len(names):
            raise ValueError(f"eval_names: {list(names)} are not distinct.")
    for name, item in (sets or {}).items():
        if name in given or name == TRAIN:
            raise ValueError(f"eval_names: {name!r} is taken. Choose another name.")
        if not isinstance(item, tuple | list) or len(item) not in (2, 3):
            raise ValueError(f"eval_set {name!r} must be a tuple (X, y) or (X, y, sample_weight).")
        given[name] = item
    return {
        name: read_data(item[0], item[1], item[2] if len(item) > 2 else None, estimator, classification=classification)
        for name, item in given.items()
    }


@dataclass(frozen=True)
class Columns:
    """What the columns are called and how they are read."""

    names: list[str]
    public_names: list[str] | None  # feature_names_in_
    categorical: list[str]  # to be read as categories though their type does not say so
    numeric: list[str]  # to be read as numbers though they are dictionaries


def plan_columns(features: Features, categorical_features: Any, previous: Fitted | None) -> Columns:
    named = isinstance(features, Frame) and features.named
    own = features.names if isinstance(features, Frame) else default_names(features.shape[1])
    count = len(own)
    columns = features.columns if isinstance(features, Frame) else []
    text = np.array([is_text(column) for column in columns] or [False] * count)
    coded = np.array([is_dictionary(column) for column in columns] or [False] * count)
    mask = _parameters.categorical_mask(
        categorical_features,
        names=own if named else None,
        num_features=count,
        by_dtype=(text | coded) if named or coded.any() else np.zeros(count, dtype=bool),
    )
    if (unread := text & ~mask).any():
        at = int(np.argmax(unread))
        raise ValueError(
            f"could not convert string to float: column {own[at]!r} holds texts. "
            "Put it among categorical_features, or drop it."
        )
    names = list(previous.model.feature_names) if previous is not None else own
    return Columns(
        names,
        previous.names if previous is not None else (own if named else None),
        [names[i] for i in range(count) if mask[i] and not text[i] and not coded[i]],
        [names[i] for i in range(count) if coded[i] and not mask[i]],
    )


@dataclass
class Job:
    """All that a `fit` needs, read and checked."""

    estimator: str
    parameters: dict[str, str]
    context: _core.Context
    task: _scoring.Task
    columns: Columns
    label: str
    previous: Fitted | None
    seed: int
    scoring: _scoring.Scoring
    metrics: list[str | _core.Metric]
    watch_training: bool
    gradients: Callable[..., Any] | None

    def dataset(self, data: Data, reference: _core.Dataset | None, *, beside: bool) -> _core.Dataset:
        """`beside`: whether there are evaluation sets beside the training set."""
        features = data.features
        if reference is not None or self.previous is not None:
            features = match(features, self.columns.public_names, len(self.columns.names), self.estimator)
        more = {self.label: data.labels.values}
        weight = ""
        if data.weights is not None:
            weight = unused_name("sample_weight", [*self.columns.names, self.label])
            more[weight] = data.weights
        continued: dict[str, Any] = {}
        if self.previous is not None:
            continued = {
                "initial_model": self.previous.model,
                "validation": beside,
                "metrics": self.metrics,
                "watch_training": self.watch_training,
            }
        return _core.Dataset.make(
            self.context,
            to_table(features, self.columns.names, more),
            label=self.label,
            weight=weight,
            features=self.columns.names,
            categorical=self.columns.categorical,
            numeric=self.columns.numeric,
            classification=self.task.classification,
            parameters=self.parameters,
            reference=reference,
            **continued,
        )


def train(
    job: Job, data: Data, eval_sets: dict[str, Data], callbacks: Iterable[object]
) -> tuple[Fitted, BaseException | None]:
    """The fitted model, or that of the rounds so far and what stopped training."""
    dataset = job.dataset(data, None, beside=bool(eval_sets))
    dtype = data.labels.dtype
    if job.task.classification:
        job.task.classes = _fitted.classes_of(dataset.classes, dtype)
        if len(job.task.classes) > 2 and job.parameters["monotonic_cst"]:
            raise ValueError("monotonic constraints are not supported for multiclass classification.")
    sets = [(name, job.dataset(item, dataset, beside=True)) for name, item in eval_sets.items()]
    info = TrainingInfo(
        rounds=int(job.parameters["max_iter"]),
        first_round=job.previous.model.num_rounds if job.previous else 0,
        n_rows=dataset.num_rows,
        n_features=len(dataset.feature_names),
        loss=job.parameters["loss"],
    )
    stopped: BaseException | None = None
    with CallbackRunner(callbacks, info) as run:
        try:
            result = _core.train(
                job.context,
                job.parameters,
                dataset,
                eval_sets=sets,
                metrics=job.metrics,
                watch_training=job.watch_training,
                initial_model=job.previous.model if job.previous else None,
                on_round=run.on_round,
                learning_rate=run.learning_rate,
                gradients=job.gradients,
                **run.checkpoint,
            )
        except BaseException as error:
            partial = getattr(error, "result", None)
            if partial is None or partial.model.num_rounds == 0:
                raise
            result, stopped = partial, error
        run.result = result
    return _finish(job, result, list(eval_sets)), stopped


def _finish(job: Job, result: _core.TrainResult, sets: list[str]) -> Fitted:
    history: History = {}
    for (set_name, metric), values in result.history.items():
        history.setdefault(set_name, {})[metric] = values
    fitted = Fitted(
        result.model, job.columns.public_names, job.task.classes, job.seed, history, best_iteration=result.best_round
    )
    if not fitted.stops_early or not history:
        return fitted
    metric = next(iter(result.history))[1]
    sign = job.scoring.sign or (1 if metric in HIGHER_IS_BETTER else -1)
    watched = sets[0] if sets else "validation"
    return _fitted.with_scores(
        fitted,
        _fitted.scores(history, TRAIN, metric, sign),
        _fitted.scores(history, watched, metric, sign) if watched != TRAIN else np.empty(0),
    )


HIGHER_IS_BETTER = frozenset(name for name, _, higher in _core.metric_names() if higher)


def gradients_of(loss: Any) -> Callable[..., Any]:
    """The engine's gradient function of a callable ``loss(y_true, raw_prediction) -> gradient, hessian``."""
    function = getattr(loss, "gradient_hessian", loss)

    def gradients(labels: NDArray[np.float64], raw: NDArray[np.float64], weights: object) -> Any:
        return function(labels, raw)

    return gradients


def callbacks_of(callbacks: Any, verbose: int | bool) -> list[object]:
    listed = [] if callbacks is None else list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    if verbose:
        listed.append(Progress(every_round=verbose > 1))
    return listed


def model_of(source: Any) -> Fitted:
    """`init_model`: an estimator, a model, or the path of a file."""
    if isinstance(source, str | os.PathLike):
        return _fitted.from_model(_core.Model.load(os.fspath(source)))
    if isinstance(source, _core.Model):
        return _fitted.from_model(source)
    fitted = getattr(source, "_fitted", None)
    if isinstance(fitted, Fitted):
        return fitted
    raise TypeError(f"init_model must be a fitted Ramet estimator or the path of a model, not {type(source).__name__}.")
