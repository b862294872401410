"""What a scorer of scikit-learn is shown between rounds: an estimator that predicts what the model does just now."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class RegressorNow(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted regressor whose predictions are known."""

    def __init__(
        self, classes: NDArray[Any] | None, raw_scores: NDArray[np.float64], response: NDArray[np.float64]
    ) -> None:
        self._response = response

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: object) -> NDArray[np.float64]:
        return self._response.reshape(len(self._response))


class ClassifierNow(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose predictions are known."""

    def __init__(
        self, classes: NDArray[Any] | None, raw_scores: NDArray[np.float64], response: NDArray[np.float64]
    ) -> None:
        self.classes_ = classes
        self._raw_scores = raw_scores
        self._response = response

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: object) -> NDArray[Any]:
        assert self.classes_ is not None
        classes: NDArray[Any] = self.classes_[np.argmax(self._response, axis=1)]
        return classes

    def predict_proba(self, X: object) -> NDArray[np.float64]:
        return self._response

    def decision_function(self, X: object) -> NDArray[np.float64]:
        raw = self._raw_scores
        return raw.reshape(len(raw)) if raw.ndim == 1 or raw.shape[1] == 1 else raw
