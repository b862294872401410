"""Rows with labels and weights, and how they become the engine's table.

X, y, weights ──read_data──► Data ──Layout.table──► _core.Table

A worker of a cluster imports this to read its partitions, and scikit-learn only where that takes its help: importing it
takes longer than many a partition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ramet import _core
from ramet._inputs import Array, Features, Frame, match, on_cluster, read_features, take_column, to_table
from ramet._labels import Labels, check_for_loss, read_labels, read_weights

if TYPE_CHECKING:
    from ramet.dask.collections import Parts


@dataclass(frozen=True)
class Data:
    """Rows to train on or to measure on."""

    features: Features
    labels: Labels
    weights: Array | None
    parts: Parts | None = None  # of a Dask collection: then the others have its types, but no rows

    def num_rows(self) -> int:
        return len(self.labels) if self.parts is None else self.parts.num_rows()


def read_here(estimator: str, classification: bool, X: Any, y: Any, weight: Any, what: str, loss: Any = None) -> Data:
    """Rows that lie in this process. `what` messages call them; `loss`: that shall be trained on them."""
    for name, value in (("X", X), ("y", y), ("sample_weight", weight)):
        if on_cluster(value):
            name = name if what == "X" else f"{name} of {what}"
            raise TypeError(
                f"{name} is a Dask collection, but X is not. Make X one too (dask.dataframe.from_pandas, "
                f"dask.array.from_array), or bring {name} here with .compute()."
            )
    data = read_data(read_features(X, estimator), y, weight, estimator, classification=classification)
    check_for_loss(data.labels, loss)
    return data


def read_data(features: Features, y: Any, sample_weight: Any, estimator: str, *, classification: bool) -> Data:
    """Features, y and weights, of one length. `y` and `sample_weight` may name columns of a table."""
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
    if features.shape[0] != len(labels):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[features.shape[0], len(labels)]}"
        )
    return Data(features, labels, read_weights(sample_weight, len(labels)))


def _take_named(frame: Frame, name: str, role: str) -> tuple[Frame, Any]:
    if name not in frame.names:
        raise ValueError(f"{role}={name!r} names no column of X. Its columns are: {', '.join(frame.names[:12])}.")
    return take_column(frame, name)


@dataclass(frozen=True)
class Columns:
    """What the columns are called and how they are read."""

    names: list[str]
    public_names: list[str] | None  # feature_names_in_
    categorical: list[str]  # to be read as categories though their type does not say so
    numeric: list[str]  # to be read as numbers though they are dictionaries


@dataclass(frozen=True)
class Layout:
    """How rows become the engine's table: everywhere the same columns."""

    estimator: str
    classification: bool
    columns: Columns
    label: str
    weight: str

    def table(self, data: Data) -> _core.Table:
        features = match(data.features, self.columns.public_names, len(self.columns.names), self.estimator)
        more = {self.label: data.labels.values}
        if data.weights is not None:
            more[self.weight] = data.weights
        return to_table(features, self.columns.names, more)

    def keywords(self, *, weighted: bool) -> dict[str, Any]:
        """What the engine is told of the table."""
        return {
            "label": self.label,
            "weight": self.weight if weighted else "",
            "features": self.columns.names,
            "categorical": self.columns.categorical,
            "numeric": self.columns.numeric,
            "classification": self.classification,
        }
