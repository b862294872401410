"""Gradient boosting with scikit-learn's interface: the same model, byte for byte, on any number of threads.

>>> from sklearn.datasets import load_breast_cancer
>>> from ramet import HistGradientBoostingClassifier
>>> X, y = load_breast_cancer(return_X_y=True)
>>> model = HistGradientBoostingClassifier(max_iter=50).fit(X, y)
>>> bool(model.score(X, y) > 0.95)
True
"""

from ramet._classifier import HistGradientBoostingClassifier
from ramet._core import __version__
from ramet._regressor import HistGradientBoostingRegressor

__all__ = ["HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "__version__"]
