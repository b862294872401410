"""Gradient boosting with scikit-learn's interface: the same model, byte for byte, on any number of threads.

>>> from sklearn.datasets import load_breast_cancer
>>> from ramet import HistGradientBoostingClassifier
>>> X, y = load_breast_cancer(return_X_y=True)
>>> model = HistGradientBoostingClassifier(max_iter=50).fit(X, y)
>>> bool(model.score(X, y) > 0.95)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ramet._core import __version__

if TYPE_CHECKING:
    from ramet import callbacks, plotting
    from ramet._classifier import HistGradientBoostingClassifier
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

# Where each name lives. It is imported when it is first asked for: the command `ramet` starts without scikit-learn.
_HOMES = {
    "HistGradientBoostingClassifier": "ramet._classifier",
    "HistGradientBoostingRegressor": "ramet._regressor",
    "diff": "ramet._diff",
    "plot_importance": "ramet.plotting",
    "plot_training": "ramet.plotting",
    "plot_tree": "ramet.plotting",
    "to_graphviz": "ramet.plotting",
    "to_onnx": "ramet._onnx",
    "trees_to_dataframe": "ramet._trees",
}


def __getattr__(name: str) -> Any:
    if name in ("callbacks", "plotting"):
        return import_module(f"ramet.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'ramet' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
