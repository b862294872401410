"""What both estimators share: parameters in, `fit`, state, prediction from any table, keeping."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import NotFittedError

from ramet import _core, _data, _fitted, _parameters, _scoring, _training
from ramet._fitted import Fitted
from ramet._inputs import (
    Matrix,
    default_names,
    is_plain_matrix,
    match,
    on_cluster,
    read_features,
    to_table,
    unused_name,
)
from ramet._repr import CardMixin

Self = TypeVar("Self", bound="BaseHistGradientBoosting")
Method = TypeVar("Method", bound=Callable[..., Any])


def lazy_on_dask(method: Method) -> Method:
    """A method of `X` whose result is lazy where `X` is a Dask collection."""

    @wraps(method)
    def of_any(self: BaseHistGradientBoosting, X: Any) -> Any:
        if not on_cluster(X):
            return method(self, X)
        from ramet.dask.predict import predict_lazily

        return predict_lazily(self, method.__name__, X)

    return of_any  # type: ignore[return-value]


class BaseHistGradientBoosting(CardMixin, BaseEstimator):  # type: ignore[misc]
    """Histogram-based gradient boosting by the engine."""

    _parameter_constraints: ClassVar[dict[str, Any]] = _parameters.CONSTRAINTS
    _classification: ClassVar[bool]

    loss: Any
    learning_rate: float
    max_iter: int
    categorical_features: Any
    monotonic_cst: Any
    interaction_cst: Any
    warm_start: bool
    early_stopping: bool | str
    scoring: Any
    validation_fraction: float | int | None
    verbose: int
    random_state: Any
    eval_metric: Any
    callbacks: Any
    n_jobs: int | None
    _fitted: Fitted

    # ── fit ──

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(
        self: Self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        eval_set: Any = None,
        eval_names: Any = None,
        init_model: Any = None,
        client: Any = None,
    ) -> Self:
        """Fit the gradient boosting model.

        Ctrl-C (or an exception of a callback) ends it within a fraction of a second. The rounds so far are kept: the
        estimator is fitted, and with ``warm_start=True`` the next `fit` goes on from them.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            NumPy array, list of rows, pandas or Polars DataFrame, pyarrow Table, RecordBatch or RecordBatchReader, or
            any object with the Arrow PyCapsule interface. Missing values (NaN, None, NA) are welcome. Sparse matrices
            are refused. Or a Dask DataFrame or Array, or a list of delayed tables or of futures: then the workers of a
            Dask cluster train, and the model is that of the same rows in one table, byte for byte.

        y : array-like of shape (n_samples,), or str
            Target values: numbers for the regressor; texts, booleans or whole numbers for the classifier. Where `X` has
            named columns, it may be the name of one, which is then no feature. Beside a Dask collection, one of as many
            partitions of the same lengths.

        sample_weight : array-like of shape (n_samples,), float or str, default=None
            Weights of training data, zero or more; or the name of a column.

        X_val, y_val, sample_weight_val : as `X`, `y`, `sample_weight`, default=None
            Rows for early stopping, instead of a part of the training rows. They turn ``early_stopping="auto"`` on, and
            are called "validation" in `evals_result_`.

        eval_set : list of tuples (X, y) or (X, y, sample_weight), or dict of such tuples by name, default=None
            More rows to measure on after each round. Early stopping watches the first set where there is no `X_val`.

        eval_names : list of str, default=None
            Names of the sets in `eval_set`; by default "eval_0", "eval_1", ...

        init_model : fitted estimator, str or path-like, default=None
            A model, or the path of one (or of a checkpoint), to add rounds to. `max_iter` counts its rounds too.

        client : distributed.Client, default=None
            Where `X` is a Dask collection: who trains on it. By default the active client, in a task the task's own.
            How the workers go about it is set in Dask's configuration (``dask.config.set({"ramet.silent_after": 5})``;
            see the guide on Dask); `n_jobs` is the threads of each worker. Neither changes the model.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If data and parameters do not fit together; the message names column and row.
        TypeError
            If the data are of a type that cannot be read.
        ImportError
            If `X` is a Dask collection and distributed is not installed, or too old.
        KeyboardInterrupt
            If Ctrl-C was pressed.

        Examples
        --------
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingRegressor
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> HistGradientBoostingRegressor(max_iter=10).fit(X, X.ravel() ** 2).n_iter_
        10
        """
        read = self._reader(X, client)
        data = read(X, y, sample_weight, "X", self.loss)
        validation = self._check_validation(X_val, y_val, sample_weight_val)
        given = _training.name_eval_sets(eval_set, eval_names, validation)
        eval_sets = {name: read(*item, f"eval_set {name!r}") for name, item in given.items()}
        if self.validation_fraction is None and not eval_sets and self.early_stopping is not False:
            eval_sets = {_training.TRAIN: data}
        previous = self._previous(init_model)
        job = self._job(data, previous, eval_sets, validation is not None)
        if previous is not None and init_model is None and previous.model.num_rounds == self.max_iter:
            return self
        fitted, stopped = _training.train(job, data, eval_sets, _training.callbacks_of(self.callbacks, self.verbose))
        self._fitted = fitted
        if stopped is not None:
            raise stopped
        return self

    def _reader(self, X: Any, client: Any) -> Callable[..., _data.Data]:
        """Reads X, y, weights (then what messages call them, and the loss that they are for): here, or where X lies."""
        if not on_cluster(X):
            return partial(_data.read_here, type(self).__name__, self._classification)
        from ramet.dask.collections import Reader

        return Reader(type(self).__name__, self._classification, client)

    def _check_validation(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> tuple[Any, Any, Any] | None:
        if X_val is None and y_val is None:
            return None
        if y_val is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X_val is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        if self.early_stopping is False:
            raise ValueError(
                "X_val and y_val are passed to fit while at the same time early_stopping is False. When passing "
                "X_val and y_val to fit, early_stopping should be set to either 'auto' or True. "
                "To measure only, use eval_set."
            )
        return X_val, y_val, sample_weight_val

    def _previous(self, init_model: Any) -> Fitted | None:
        """The model that training goes on from."""
        if init_model is not None:
            previous = _training.model_of(init_model)
            if (previous.classes is not None) != self._classification:
                raise ValueError(f"init_model predicts {'numbers' if self._classification else 'classes'}.")
            return previous
        fitted: Fitted | None = getattr(self, "_fitted", None)
        if not self.warm_start or fitted is None:
            return None
        if self.max_iter < fitted.model.num_rounds:
            raise ValueError(
                f"max_iter={self.max_iter} must be larger than or equal to n_iter_={fitted.model.num_rounds} when "
                "warm_start==True"
            )
        return fitted

    def _job(
        self,
        data: _data.Data,
        previous: Fitted | None,
        eval_sets: dict[str, _data.Data],
        validation_given: bool,
    ) -> _training.Job:
        columns = _training.plan_columns(data.features, self.categorical_features, previous)
        count = len(columns.names)
        seed = previous.seed if previous is not None and self.warm_start else _parameters.seed(self.random_state)
        texts = _parameters.plain_texts(self.get_params(deep=False))
        texts["random_state"] = str(seed)
        texts["early_stopping"] = "true" if self._stops(validation_given) else _parameters.text(self.early_stopping)
        fraction = _parameters.validation_fraction(self.validation_fraction, data.num_rows)
        if fraction is not None:
            texts["validation_fraction"] = fraction
        texts["monotonic_cst"] = _parameters.monotonic_cst(
            self.monotonic_cst, names=columns.public_names, num_features=count, estimator=type(self).__name__
        )
        texts["interaction_cst"] = _parameters.interaction_cst(self.interaction_cst, num_features=count)
        texts |= self._loss_texts()
        task = _scoring.Task(self._classification, data.labels.dtype)
        scoring = _scoring.read_scoring(self.scoring, task)
        texts["metric"] = scoring.metric
        more = _scoring.read_eval_metrics(self.eval_metric, task)
        metrics: list[str | _scoring.OwnMetric] = []
        if more or scoring.function:
            loss = "logistic" if self._classification else texts["loss"]
            first = _core.default_metric(loss) if scoring.metric == "auto" else scoring.metric
            metrics = [scoring.function or first, *(metric for metric in more if metric != first)]
        label = unused_name(data.labels.name, columns.names)
        weight = unused_name("sample_weight", [*columns.names, label])
        return _training.Job(
            layout=_data.Layout(type(self).__name__, self._classification, columns, label, weight),
            parameters=texts,
            n_jobs=self.n_jobs,
            task=task,
            previous=previous,
            seed=seed,
            scoring=scoring,
            metrics=metrics,
            watch_training=_training.TRAIN not in eval_sets
            and (self.early_stopping is not False or bool(more) or bool(eval_sets)),
            gradients=None if isinstance(self.loss, str) else _training.gradients_of(self.loss),
        )

    def _stops(self, validation_given: bool) -> bool:
        return validation_given and self.early_stopping == "auto"

    @abstractmethod
    def _loss_texts(self) -> dict[str, str]:
        """The engine's `loss`, and what only one of the two estimators has."""

    # ── state ──

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _state(self) -> Fitted:
        try:
            return self._fitted
        except AttributeError:
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate arguments before "
                "using this estimator."
            ) from None

    @property
    def model_(self) -> _core.Model:
        """The engine's model: trees, parameters, categories."""
        return self._state().model

    @property
    def digest_(self) -> str:
        """SHA-256 of the model's body, 64 hexadecimal digits: equal for equal data and parameters, everywhere."""
        return self._state().model.digest

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during `fit`."""
        return self._state().num_features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of features seen during `fit`; only where `X` had names that are texts."""
        names = self._state().names
        if names is None:
            raise AttributeError(f"{type(self).__name__} was fitted without feature names.")
        return np.array(names, dtype=object)

    @property
    def is_categorical_(self) -> NDArray[np.bool_] | None:
        """Mask of the categorical features; None if there are none."""
        return self._state().is_categorical

    @property
    def n_iter_(self) -> int:
        """Number of rounds."""
        return self._state().model.num_rounds

    @property
    def n_trees_per_iteration_(self) -> int:
        """Trees of a round: the number of classes where there are more than two, else 1."""
        return self._state().model.num_outputs

    @property
    def do_early_stopping_(self) -> bool:
        """Whether early stopping was on."""
        return self._state().stops_early

    @property
    def train_score_(self) -> NDArray[np.float64]:
        """Scores on the training rows, before the first round and after each; greater is better.

        On about 200,000 of the rows, chosen by hash, where there are more.
        Computed according to `scoring`; with 'loss', minus the loss's metric. Empty without early stopping.
        """
        return self._state().train_score

    @property
    def validation_score_(self) -> NDArray[np.float64]:
        """The same on the rows that early stopping watched. Empty also if `validation_fraction` is None."""
        return self._state().validation_score

    @property
    def evals_result_(self) -> dict[str, dict[str, list[float]]]:
        """``evals_result_[set][metric]``: the metric before the first round and after each."""
        return self._state().history

    @property
    def best_iteration_(self) -> int:
        """The round, counted from 1, at which the watched metric was best; `n_iter_` where nothing was watched."""
        return self._state().best_iteration

    @property
    def fit_report_(self) -> Any:
        """Of a fit on a Dask cluster: workers, losses and recoveries, bytes, times, memory. Else None."""
        return self._state().report

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Share of each feature in the total gain of all splits; they sum to 1, or are 0 if nothing was split."""
        gains = self._state().model.importance("gain")
        total = gains.sum()
        return gains / total if total > 0 else gains

    # ── prediction ──

    def _rows(self, X: Any, fitted: Fitted) -> Any:
        """`X` as the predictor takes it: a matrix by position, or a table by name."""
        if fitted.takes_matrices and is_plain_matrix(X) and X.shape[1] == fitted.num_features:
            return X
        name = type(self).__name__
        features = match(read_features(X, name), fitted.names, fitted.num_features, name)
        fitted.check_kinds(features)
        if isinstance(features, Matrix):
            return features.array
        return to_table(features, fitted.names or default_names(fitted.num_features), {})

    def _raw(self, X: Any) -> NDArray[np.float64]:
        """Raw scores: (n_samples,) of one output, (n_samples, n_outputs) of more."""
        fitted = self._state()
        scores = fitted.predictor.raw_scores(_fitted.context(self.n_jobs), self._rows(X, fitted))
        return scores.reshape(len(scores)) if scores.shape[1] == 1 else scores

    def _response(self, X: Any) -> NDArray[np.float64]:
        fitted = self._state()
        return fitted.predictor.response(_fitted.context(self.n_jobs), self._rows(X, fitted))

    def _staged_raw(self, X: Any) -> Iterator[NDArray[np.float64]]:
        fitted = self._state()
        yield from fitted.predictor.staged_raw_scores(_fitted.context(self.n_jobs), self._rows(X, fitted))

    @lazy_on_dask
    def apply(self, X: Any) -> NDArray[np.int32]:
        """The leaf that each row falls into, for every tree.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows, in any form that `fit` takes. A Dask collection gives a lazy one.

        Returns
        -------
        leaves : ndarray of shape (n_samples, n_trees), dtype=int32
            Index of the leaf's node in its tree. Trees are in order of rounds, and of classes within a round.

        Examples
        --------
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingRegressor
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> HistGradientBoostingRegressor(max_iter=3).fit(X, X.ravel()).apply(X).shape
        (100, 3)
        """
        fitted = self._state()
        return fitted.predictor.leaves(_fitted.context(self.n_jobs), self._rows(X, fitted))

    # ── keeping ──

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, which the command `ramet` reads too.

        Parameters
        ----------
        path : str or path-like
            The file; it holds the old bytes or the new ones, never a part.

        Raises
        ------
        OSError
            If it cannot be written.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingRegressor
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> model = HistGradientBoostingRegressor(max_iter=3).fit(X, X.ravel())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "line.ramet"
        ...     model.save(path)
        ...     HistGradientBoostingRegressor.load(path).digest_ == model.digest_
        True
        """
        self._state().model.save(os.fspath(path))

    @classmethod
    def load(cls: type[Self], path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` or the command ``ramet train`` wrote.

        The parameters are those that it was trained with, as far as the file has them (`loss` and `scoring` of one's
        own are not in it). What only Python knows (scores by round) is not there.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        estimator : object
            A fitted estimator.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no model, damaged, of a newer Ramet, or predicts classes where `cls` predicts numbers (or the other
            way round).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingClassifier
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> model = HistGradientBoostingClassifier(max_iter=3, max_depth=2).fit(X, X.ravel() > 50)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(pathlib.Path(folder) / "half.ramet")
        ...     loaded = HistGradientBoostingClassifier.load(pathlib.Path(folder) / "half.ramet")
        >>> loaded.max_depth, bool((loaded.predict(X) == model.predict(X)).all())
        (2, True)
        """
        return cls._of(_fitted.from_model(_core.Model.load(os.fspath(path))), os.fspath(path))

    @classmethod
    def _of(cls: type[Self], fitted: Fitted, source: str) -> Self:
        if (fitted.classes is not None) != cls._classification:
            what, other = ("numbers", "Regressor") if cls._classification else ("classes", "Classifier")
            raise ValueError(f"{source}: this model predicts {what}. Load it with HistGradientBoosting{other}.")
        texts = fitted.model.parameters
        keys = [] if fitted.classes is None else fitted.classes.tolist()
        values = _parameters.from_model(texts, classification=cls._classification, classes=keys)
        values["monotonic_cst"] = _parameters.directions_from_model(texts, fitted.num_features)
        if fitted.is_categorical is not None and fitted.names is None:
            values["categorical_features"] = fitted.is_categorical.tolist()
        estimator = cls(**values)
        estimator._fitted = fitted
        return estimator
