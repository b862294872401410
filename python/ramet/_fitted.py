"""What `fit` leaves: one object, put into the estimator by one assignment: other threads see it whole or not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ramet import _core
from ramet._inputs import Features, Frame, Matrix, default_names, is_numbers, is_text

History = dict[str, dict[str, list[float]]]


@lru_cache(maxsize=64)
def context(n_jobs: int | None) -> _core.Context:
    """Threads as joblib counts them: None or -1 for all processors, -2 for all but one."""
    if n_jobs is None or n_jobs == -1:
        return _core.Context()
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning. Use None for all processors, or a number of threads.")
    if n_jobs < 0:
        return _core.Context(threads=max(1, _core.Context().threads + 1 + n_jobs))
    return _core.Context(threads=n_jobs)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model and what Python remembers beside it. Pickles as the model's bytes and that."""

    model: _core.Model
    names: list[str] | None  # None: the data had none
    classes: NDArray[Any] | None  # None: regression
    seed: int = 0
    history: History = field(default_factory=dict)
    train_score: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    validation_score: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    best_iteration: int = 0
    report: Any = None  # of a training on a cluster
    predictor: _core.Predictor = field(init=False)
    num_features: int = field(init=False)
    is_categorical: NDArray[np.bool_] | None = field(init=False)
    texts: dict[int, bool] = field(init=False)  # categorical features: whether their categories are texts
    takes_matrices: bool = field(init=False)  # of numbers, without a warning

    def __post_init__(self) -> None:
        kinds = np.array([kind == "categorical" for kind in self.model.feature_kinds])
        object.__setattr__(self, "predictor", _core.Predictor(self.model))
        object.__setattr__(self, "num_features", len(kinds))
        object.__setattr__(self, "is_categorical", kinds if kinds.any() else None)
        texts = {i: isinstance(keys[0], str) for i, keys in enumerate(self.model.categories) if keys}
        object.__setattr__(self, "texts", texts)
        object.__setattr__(self, "takes_matrices", self.names is None and not any(texts.values()))

    def check_kinds(self, features: Features) -> None:
        """An error where a column of texts stands for one of numbers, or the other way round."""
        columns = features.columns if isinstance(features, Frame) else []
        for i, column in enumerate(columns):
            if is_text(column) and not self.texts.get(i, False) and not self._is_empty(i):
                raise ValueError(f"{self._name(i)} holds texts, but held numbers when the model was trained.")
            if self.texts.get(i, False) and is_numbers(column):
                raise ValueError(f"{self._name(i)} holds numbers, but held texts when the model was trained.")
        if isinstance(features, Matrix) and any(self.texts.values()):
            first = next(i for i, text in self.texts.items() if text)
            raise ValueError(f"{self._name(first)} holds numbers, but held texts when the model was trained.")

    def _is_empty(self, feature: int) -> bool:
        """A categorical feature without a value in training: any may come now."""
        return bool(self.is_categorical is not None and self.is_categorical[feature] and feature not in self.texts)

    def _name(self, feature: int) -> str:
        return f"column {self.model.feature_names[feature]!r}"

    @property
    def stops_early(self) -> bool:
        return self.model.parameters.get("early_stopping") == "true"

    def __deepcopy__(self, memo: object) -> Fitted:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        rest = (self.names, self.classes, self.seed, self.history, self.train_score, self.validation_score)
        return _restore, (self.model.to_bytes(), *rest, self.best_iteration, self.report)


def _restore(data: bytes, *rest: Any) -> Fitted:
    return Fitted(_core.Model.from_bytes(data), *rest)


def from_model(model: _core.Model) -> Fitted:
    """A model that was read from a file: its names, and its classes as NumPy's default types."""
    names: list[str] | None = list(model.feature_names)
    if names == default_names(len(model.feature_names)):
        names = None  # what a matrix's columns are called
    classes = np.array(model.classes) if model.classes else None
    return Fitted(model, names, classes, int(model.parameters.get("random_state", 0)), best_iteration=model.num_rounds)


def with_scores(fitted: Fitted, train: NDArray[np.float64], validation: NDArray[np.float64]) -> Fitted:
    return replace(fitted, train_score=train, validation_score=validation)


def scores(history: History, set_name: str, metric: str, sign: int) -> NDArray[np.float64]:
    """A curve as scores: greater is better."""
    return sign * np.asarray(history.get(set_name, {}).get(metric, []), dtype=np.float64)
