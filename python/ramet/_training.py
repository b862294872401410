"""One `fit`: data sets made, the engine called, what it returns put together.

Data, Layout ──table──► _core.Dataset ──_core.train──► Fitted

On a cluster, `Data` has types and parts but no rows, and `ramet.dask.fitting` takes the place of the last two steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ramet import _core, _fitted, _parameters, _scoring
from ramet._data import Columns, Data, Layout
from ramet._fitted import Fitted, History
from ramet._inputs import Features, Frame, default_names, is_dictionary, is_text
from ramet.callbacks import CallbackRunner, Progress, TrainingInfo

TRAIN = "train"  # what the engine calls the rows that it trains on


def name_eval_sets(
    sets: Any, names: Sequence[str] | None, first: tuple[Any, Any, Any] | None
) -> dict[str, tuple[Any, Any, Any]]:
    """`first` (X_val and its like, called "validation"), then `eval_set`: (X, y) or (X, y, weight) each."""
    given: dict[str, tuple[Any, Any, Any]] = {} if first is None else {"validation": first}
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
        given[name] = (item[0], item[1], item[2] if len(item) > 2 else None)
    return given


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

    layout: Layout
    parameters: dict[str, str]
    n_jobs: int | None
    task: _scoring.Task
    previous: Fitted | None
    seed: int
    scoring: _scoring.Scoring
    metrics: list[str | _scoring.OwnMetric]
    watch_training: bool
    gradients: Callable[..., Any] | None

    @property
    def context(self) -> _core.Context:
        return _fitted.context(self.n_jobs)

    def info(self, num_rows: int) -> TrainingInfo:
        return TrainingInfo(
            rounds=int(self.parameters["max_iter"]),
            first_round=self.previous.model.num_rounds if self.previous else 0,
            n_rows=num_rows,
            n_features=len(self.layout.columns.names),
            loss=self.parameters["loss"],
        )


class Training(Protocol):
    """A job with its rows, ready to go."""

    info: TrainingInfo

    def run(self, callbacks: CallbackRunner) -> tuple[_core.TrainResult, Any]:
        """The result, and a report where a cluster has one."""


class _Here:
    """Training in this process."""

    def __init__(self, job: Job, data: Data, eval_sets: dict[str, Data]) -> None:
        self.job = job
        known = job.previous.model.classes if job.previous else []
        self.metrics = _scoring.bind(job.metrics, known)
        self.dataset = self._dataset(data, None, beside=bool(eval_sets))
        self.metrics = _scoring.bind(job.metrics, self.dataset.classes)
        if len(self.dataset.classes) > 2 and job.parameters["monotonic_cst"]:
            raise ValueError("monotonic constraints are not supported for multiclass classification.")
        self.sets = [(name, self._dataset(item, self.dataset, beside=True)) for name, item in eval_sets.items()]
        self.info = job.info(self.dataset.num_rows)

    def _dataset(self, data: Data, reference: _core.Dataset | None, *, beside: bool) -> _core.Dataset:
        """`beside`: whether there are evaluation sets beside the training set."""
        job = self.job
        continued: dict[str, Any] = {}
        if job.previous is not None:
            continued = {
                "initial_model": job.previous.model,
                "validation": beside,
                "metrics": self.metrics,
                "watch_training": job.watch_training,
            }
        return _core.Dataset.make(
            job.context,
            job.layout.table(data),
            **job.layout.keywords(weighted=data.weights is not None),
            parameters=job.parameters,
            reference=reference,
            **continued,
        )

    def run(self, callbacks: CallbackRunner) -> tuple[_core.TrainResult, Any]:
        job = self.job
        result = _core.train(
            job.context,
            job.parameters,
            self.dataset,
            eval_sets=self.sets,
            metrics=self.metrics,
            watch_training=job.watch_training,
            initial_model=job.previous.model if job.previous else None,
            on_round=callbacks.on_round,
            learning_rate=callbacks.learning_rate,
            gradients=job.gradients,
            **callbacks.checkpoint,
        )
        return result, None


def train(
    job: Job, data: Data, eval_sets: dict[str, Data], callbacks: Iterable[object]
) -> tuple[Fitted, BaseException | None]:
    """The fitted model, or that of the rounds so far and what stopped training."""
    training: Training = _Here(job, data, eval_sets) if data.parts is None else data.parts.training(job, eval_sets)
    stopped: BaseException | None = None
    with CallbackRunner(callbacks, training.info) as run:
        try:
            result, report = training.run(run)
        except BaseException as error:
            partial = getattr(error, "result", None)
            if partial is None or partial.model.num_rounds == 0:
                raise
            result, report, stopped = partial, getattr(error, "report", None), error
        run.result = result
    return _finish(job, result, list(eval_sets), report), stopped


def _finish(job: Job, result: _core.TrainResult, sets: list[str], report: Any) -> Fitted:
    history: History = {}
    for (set_name, metric), values in result.history.items():
        history.setdefault(set_name, {})[metric] = values
    job.task.learn(result.model.classes)
    fitted = Fitted(
        result.model,
        job.layout.columns.public_names,
        job.task.classes,
        job.seed,
        history,
        best_iteration=result.best_round,
        report=report,
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
