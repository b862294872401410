"""The regressor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from ramet import _core, _parameters
from ramet._base import BaseHistGradientBoosting, lazy_on_dask
from ramet._inputs import on_cluster


class HistGradientBoostingRegressor(RegressorMixin, BaseHistGradientBoosting):  # type: ignore[misc]
    """Gradient-boosted regression trees: scikit-learn's estimator of this name, by Ramet.

    Parameters, attributes and their meanings are scikit-learn's; those after `random_state` go beyond it. The model is
    a function of data and parameters alone, byte for byte, whatever the number of threads.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "gamma", "poisson", "quantile"} or callable, default="squared_error"
        "gamma" and "poisson" predict through a logarithm; "gamma" needs ``y > 0``, "poisson" ``y >= 0``. "quantile"
        predicts the quantile given by `quantile`. A callable ``loss(y_true, raw_prediction) -> gradient, hessian``, all
        of shape (n_samples,); it is outside the promise of equal bytes unless it is elementwise and bit-stable itself.
    quantile : float or None, default=None
        Which quantile ``loss="quantile"`` predicts, 0 to 1. None is 0.5, the median.
    learning_rate : float, default=0.1
        Factor on every tree's leaf values, also known as shrinkage.
    max_iter : int, default=100
        Rounds of boosting at most; those of a model to go on from count too.
    max_leaf_nodes : int or None, default=31
        Leaves of a tree at most, 2 or more. None: no limit but 65,535.
    max_depth : int or None, default=None
        Edges from the root to the deepest leaf at most. None: no limit.
    min_samples_leaf : int, default=20
        Rows of a leaf at least, counted exactly. Lower it for small data (less than a few hundred rows).
    l2_regularization : float, default=0
        Added to a leaf's sum of hessians, which shrinks its value.
    max_features : float, default=1.0
        Share of the features that each split chooses from, at random.
    max_bins : int, default=255
        Bins of a numeric feature at most, besides that of missing values; 2 to 255.
    categorical_features : array-like of {bool, int, str} of shape (n_features,) or (n_categorical_features,), \
            "from_dtype" or None, default="from_dtype"
        Which features are categories: a mask, positions, or names. "from_dtype": columns of categories (pandas
        "category", Polars Categorical and Enum, Arrow dictionaries) and of text. Categories are texts, booleans or
        whole numbers, any of these. Rare ones beyond 254 are folded into one; unknown ones are, at prediction, missing
        (or with the rare ones, where there were any).
    monotonic_cst : array-like of int of shape (n_features,), dict or None, default=None
        Directions by position, or by name: 1 where predictions shall not fall as the feature rises, -1 where they shall
        not rise, 0 where both may be.
    interaction_cst : {"pairwise", "no_interactions"}, sequence of lists/tuples/sets of int or None, default=None
        Groups of features, by position, that may meet on a path from the root to a leaf. What no group lists is a group
        of its own.
    warm_start : bool, default=False
        Whether the next `fit` goes on from the last one's trees instead of starting anew.
    early_stopping : "auto" or bool, default="auto"
        Whether to stop when the score on rows not trained on no longer improves. "auto": above 10,000 rows, or if
        `X_val` is given.
    scoring : str, callable or None, default="loss"
        What early stopping watches: "loss" for the loss's own metric; the name of one of scikit-learn's scorers; the
        name of an engine's metric (as "mae"); a scorer ``scorer(estimator, X, y)``, whose estimator predicts what
        the model does at that round (for the rows measured: its `X` is without meaning); None for the coefficient of
        determination. A function in Python is outside the promise of equal bytes unless it is bit-stable itself.
    validation_fraction : int, float or None, default=0.1
        Share (or number) of rows held out for early stopping, chosen by a hash of their position. None: it watches the
        training rows.
    n_iter_no_change : int, default=10
        Stop when none of so many last scores is better than the one before them.
    tol : float, default=1e-7
        A score must be better by more than this to count as better.
    verbose : int, default=0
        0 is silent; 1 shows progress; 2 writes, where no bar can be shown, a line for every round.
    random_state : int, RandomState or None, default=None
        Seed of all sampling and rounding. **None is 0**: unlike scikit-learn's, a fit is repeatable unless told
        otherwise. A RandomState gives one number per `fit`.
    subsample : float, default=1.0
        Share of the rows that each round learns from, chosen by hash.
    min_child_weight : float, default=0.001
        Sum of hessians of a leaf at least.
    min_split_gain : float, default=0.0
        A split must gain more than this.
    max_categories_one_vs_rest : int, default=4
        Nodes with at most so many categories split one from the rest.
    categorical_smoothing : float, default=10.0
        Added to a category's sum of hessians when categories are put in order.
    categorical_l2 : float, default=10.0
        More l2 for splits between several categories.
    max_categories_per_split : int, default=32
        Categories that a split picks from either end of their order, at most.
    min_samples_category : int, default=10
        Categories with fewer rows in a node are not picked.
    min_samples_category_group : int, default=100
        Splits between several categories grow in steps of so many rows, and leave so many.
    keep_best : bool, default=False
        With early stopping, keep the rounds up to the best one only.
    eval_metric : str, callable, list of these or None, default=None
        What to measure besides, on all sets: names of the engine's metrics, or functions
        ``f(y_true, y_pred[, sample_weight])`` of the
        targets and the predicted values. Early stopping watches `scoring`.
    callbacks : callable, Callback, list of these or None, default=None
        What to call after each round: progress, learning rates, records, stops, checkpoints; see
        :mod:`ramet.callbacks`.
    n_jobs : int or None, default=None
        Threads. None or -1: all processors (that the process may use). It never changes a result.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where `X` had names that are texts.
    is_categorical_ : ndarray of shape (n_features,) or None
        Mask of the categorical features; None if there are none.
    n_iter_ : int
        Number of rounds.
    n_trees_per_iteration_ : int
        Trees of a round: 1.
    do_early_stopping_ : bool
        Whether early stopping was on.
    train_score_, validation_score_ : ndarray of shape (`n_iter_` + 1,)
        Scores before the first round and after each, on the training rows and on those that early stopping watched;
        greater is better. Empty without early stopping.
    evals_result_ : dict
        ``evals_result_[set][metric]``, a list: before the first round and after each.
    best_iteration_ : int
        The round at which the watched metric was best.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each feature in the total gain of all splits.
    digest_ : str
        SHA-256 of the model's body: equal for equal data and parameters, on any machine.
    model_ : ramet._core.Model
        The engine's model.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from ramet import HistGradientBoostingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> bool(HistGradientBoostingRegressor().fit(X, y).score(X, y) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_parameters.CONSTRAINTS,
        "loss": [
            StrOptions({"squared_error", "absolute_error", "poisson", "gamma", "quantile"}),
            callable,
        ],
        "quantile": [Interval(Real, 0, 1, closed="both"), None],
    }
    _classification = False

    def __init__(
        self,
        loss: str | Callable[..., Any] = "squared_error",
        *,
        quantile: float | None = None,
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_leaf_nodes: int | None = 31,
        max_depth: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        max_features: float = 1.0,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        warm_start: bool = False,
        early_stopping: bool | Literal["auto"] = "auto",
        scoring: str | Callable[..., float] | None = "loss",
        validation_fraction: float | int | None = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        verbose: int = 0,
        random_state: Any = None,
        subsample: float = 1.0,
        min_child_weight: float = 1e-3,
        min_split_gain: float = 0.0,
        max_categories_one_vs_rest: int = 4,
        categorical_smoothing: float = 10.0,
        categorical_l2: float = 10.0,
        max_categories_per_split: int = 32,
        min_samples_category: int = 10,
        min_samples_category_group: int = 100,
        keep_best: bool = False,
        eval_metric: Any = None,
        callbacks: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.subsample = subsample
        self.min_child_weight = min_child_weight
        self.min_split_gain = min_split_gain
        self.max_categories_one_vs_rest = max_categories_one_vs_rest
        self.categorical_smoothing = categorical_smoothing
        self.categorical_l2 = categorical_l2
        self.max_categories_per_split = max_categories_per_split
        self.min_samples_category = min_samples_category
        self.min_samples_category_group = min_samples_category_group
        self.keep_best = keep_best
        self.eval_metric = eval_metric
        self.callbacks = callbacks
        self.n_jobs = n_jobs
        self.quantile = quantile

    def _loss_texts(self) -> dict[str, str]:
        return {"loss": self.loss if isinstance(self.loss, str) else "squared_error"}

    @lazy_on_dask
    def predict(self, X: Any) -> NDArray[np.float64]:
        """The predicted value of each row.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows, in any form that `fit` takes. Named columns may come in any order. A Dask collection gives a lazy
            one: an Array an Array, a DataFrame a Series with its index (of several values a row, an Array).

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The predicted values.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If columns are missing, too many, or of a type that does not fit.

        Examples
        --------
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingRegressor
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> model = HistGradientBoostingRegressor().fit(X, 2 * X.ravel())
        >>> bool(abs(model.predict([[50.0]])[0] - 100) < 10)
        True
        """
        return self._response(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination of the predictions.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows, in any form that `fit` takes, Dask collections too: these are measured by their partitions.

        y : array-like of shape (n_samples,)
            The true values.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            At most 1; 0 for predicting the mean of `y`.

        Examples
        --------
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingRegressor
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> HistGradientBoostingRegressor(max_iter=50).fit(X, X.ravel()).score(X, X.ravel()) > 0.9
        True
        """
        if not on_cluster(X):
            return float(super().score(X, y, sample_weight))
        from ramet.dask.predict import score

        return score(self, X, y, sample_weight, classification=False)

    def staged_predict(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """`predict` after each round.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows.

        Yields
        ------
        y : ndarray of shape (n_samples,)
            The predicted values.

        Examples
        --------
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingRegressor
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> model = HistGradientBoostingRegressor(max_iter=3).fit(X, X.ravel())
        >>> [float(np.abs(stage - X.ravel()).mean().round()) for stage in model.staged_predict(X)]
        [23.0, 20.0, 18.0]
        """
        model = self.model_
        for raw in self._staged_raw(X):
            yield _core.response_of(model, raw)
