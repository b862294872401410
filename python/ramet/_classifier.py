"""The classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions

from ramet import _core, _fitted, _parameters
from ramet._base import BaseHistGradientBoosting, lazy_on_dask
from ramet._inputs import on_cluster


class HistGradientBoostingClassifier(ClassifierMixin, BaseHistGradientBoosting):  # type: ignore[misc]
    """Gradient-boosted classification trees: scikit-learn's estimator of this name, by Ramet.

    Parameters, attributes and their meanings are scikit-learn's; those after `class_weight` go beyond it. The model is
    a function of data and parameters alone, byte for byte, whatever the number of threads.

    Parameters
    ----------
    loss : {"log_loss"} or callable, default="log_loss"
        "log_loss": the logistic loss of two classes, the softmax loss of more. A callable
        ``loss(y_true, raw_prediction) -> gradient, hessian``, with `y_true` the classes' positions in `classes_` as
        float64 and `raw_prediction` of shape (n_samples,) or (n_samples, n_classes), as `gradient` and `hessian` are.
        It is outside the promise of equal bytes unless it is elementwise and bit-stable itself.
    learning_rate : float, default=0.1
        Factor on every tree's leaf values, also known as shrinkage.
    max_iter : int, default=100
        Rounds of boosting at most; those of a model to go on from count too. With more than two
        classes, a round has one tree for each.
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
        not rise, 0 where both may be. For two classes only.
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
        name of an engine's metric (as "auc"); a scorer ``scorer(estimator, X, y)``, whose estimator predicts what
        the model does at that round (for the rows measured: its `X` is without meaning); None for the accuracy. A
        function in Python is outside the promise of equal bytes unless it is bit-stable itself.
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
    class_weight : dict, "balanced" or None, default=None
        Factors on the weights of rows by class, ``{class_label: weight}``; classes that it leaves out have 1.
        "balanced": ``n_samples / (n_classes * np.bincount(y))``. They multiply `sample_weight`.
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
        ``f(y_true, y_pred[, sample_weight])`` of `y_true` in the labels of `y`, and `y_pred` the
        probabilities (of ``classes_[1]`` alone where there are two). Early stopping watches `scoring`.
    callbacks : callable, Callback, list of these or None, default=None
        What to call after each round: progress, learning rates, records, stops, checkpoints; see
        :mod:`ramet.callbacks`.
    n_jobs : int or None, default=None
        Threads. None or -1: all processors (that the process may use). It never changes a result.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted, with the dtype that `y` had.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where `X` had names that are texts.
    is_categorical_ : ndarray of shape (n_features,) or None
        Mask of the categorical features; None if there are none.
    n_iter_ : int
        Number of rounds.
    n_trees_per_iteration_ : int
        Trees of a round: the number of classes where there are more than two, else 1.
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
    >>> from sklearn.datasets import load_iris
    >>> from ramet import HistGradientBoostingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> HistGradientBoostingClassifier().fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_parameters.CONSTRAINTS,
        "loss": [StrOptions({"log_loss"}), callable],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _classification = True

    def __init__(
        self,
        loss: str | Callable[..., Any] = "log_loss",
        *,
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
        class_weight: Any = None,
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
        self.class_weight = class_weight

    def _loss_texts(self) -> dict[str, str]:
        return {
            "loss": self.loss if isinstance(self.loss, str) else "log_loss",
            "class_weight": _parameters.class_weight(self.class_weight),
        }

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels, sorted, with the dtype that `y` had."""
        classes = self._state().classes
        assert classes is not None
        return classes

    @lazy_on_dask
    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows, in any form that `fit` takes. Named columns may come in any order. A Dask collection gives a lazy
            one: an Array an Array, a DataFrame a Series with its index (of several values a row, an Array).

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Values of `classes_`; of equally probable ones, the first.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If columns are missing, too many, or of a type that does not fit.

        Examples
        --------
        >>> import numpy as np
        >>> from ramet import HistGradientBoostingClassifier
        >>> X = np.arange(100.0).reshape(-1, 1)
        >>> model = HistGradientBoostingClassifier(max_iter=10).fit(X, np.where(X.ravel() < 50, "low", "high"))
        >>> model.predict([[1.0], [99.0]]).tolist()
        ['low', 'high']
        """
        fitted = self._state()
        assert fitted.classes is not None
        indices = fitted.predictor.classes(_fitted.context(self.n_jobs), self._rows(X, fitted))
        return fitted.classes[indices]

    @lazy_on_dask
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the classes.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; each row sums to 1.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from ramet import HistGradientBoostingClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
        >>> model.predict_proba(X[:2]).shape
        (2, 3)
        """
        return self._response(X)

    @lazy_on_dask
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithms of `predict_proba`.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from ramet import HistGradientBoostingClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
        >>> bool((model.predict_log_proba(X) <= 0).all())
        True
        """
        with np.errstate(divide="ignore"):
            return np.log(self._response(X))

    @lazy_on_dask
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Raw scores: base score plus the sum of the leaves.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The log-odds of ``classes_[1]`` for two classes; one score per class for more.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from ramet import HistGradientBoostingClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
        >>> model.decision_function(X).shape
        (150, 3)
        """
        return self._raw(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose class is predicted right.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows, in any form that `fit` takes, Dask collections too: these are measured by their partitions.

        y : array-like of shape (n_samples,)
            The true classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Accuracy, 0 to 1.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from ramet import HistGradientBoostingClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> HistGradientBoostingClassifier(max_iter=5).fit(X, y).score(X, y) > 0.9
        True
        """
        if not on_cluster(X):
            return float(super().score(X, y, sample_weight))
        from ramet.dask.predict import score

        return score(self, X, y, sample_weight, classification=True)

    def staged_predict(self, X: Any) -> Iterator[NDArray[Any]]:
        """`predict` after each round.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows.

        Yields
        ------
        y : ndarray of shape (n_samples,)
            The predicted classes.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from ramet import HistGradientBoostingClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
        >>> [round(float((stage == y).mean()), 2) > 0.9 for stage in model.staged_predict(X)][-1]
        True
        """
        classes = self.classes_
        for raw in self._staged_raw(X):
            # Equal scores go to the first class: > 0, not >= 0.
            yield classes[(raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else np.argmax(raw, axis=1)]

    def staged_predict_proba(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """`predict_proba` after each round.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows.

        Yields
        ------
        p : ndarray of shape (n_samples, n_classes)
            The probabilities.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from ramet import HistGradientBoostingClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
        >>> sum(1 for _ in model.staged_predict_proba(X))
        5
        """
        model = self.model_
        for raw in self._staged_raw(X):
            yield _core.response_of(model, raw)

    def staged_decision_function(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """`decision_function` after each round.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows.

        Yields
        ------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The raw scores.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from ramet import HistGradientBoostingClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
        >>> [scores.shape for scores in model.staged_decision_function(X[:2])][-1]
        (2, 3)
        """
        for raw in self._staged_raw(X):
            yield raw[:, 0] if raw.shape[1] == 1 else raw
