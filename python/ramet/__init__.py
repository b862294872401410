"""Gradient boosting with scikit-learn's interface: the same model, byte for byte, on any number of threads.

>>> from sklearn.datasets import load_breast_cancer
>>> from ramet import HistGradientBoostingClassifier
>>> X, y = load_breast_cancer(return_X_y=True)
>>> model = HistGradientBoostingClassifier(max_iter=50).fit(X, y)
>>> bool(model.score(X, y) > 0.95)
True
"""

from ramet import callbacks, plotting
from ramet._classifier import HistGradientBoostingClassifier
from ramet._core import __version__
from ramet._diff import diff
from ramet._onnx import to_onnx
from ramet._regressor import HistGradientBoostingRegressor
from ramet._trees import trees_to_dataframe
from ramet.plotting import plot_importance, plot_training, plot_tree, to_graphviz

__all__ = [
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "__version__",
    "callbacks",
    "diff",
    "plot_importance",
    "plot_training",
    "plot_tree",
    "plotting",
    "to_graphviz",
    "to_onnx",
    "trees_to_dataframe",
]
