"""Prediction of Dask collections: lazy, a partition at a time, the model once in the graph.

    Array ─► Array        DataFrame ─► Series (one value a row) or Array (several)        list ─► list of Delayed

Nothing here needs a cluster: any of Dask's schedulers will do.
"""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from dask.base import compute, tokenize
from dask.delayed import delayed

from ramet._inputs import Features, Matrix, default_names, match, read_part
from ramet.dask.collections import Reading, align, blocks_of, example, open_categories, whole_rows

if TYPE_CHECKING:
    from ramet._base import BaseHistGradientBoosting
    from ramet._inputs import Array


def predict_lazily(estimator: BaseHistGradientBoosting, method: str, X: Any) -> Any:
    """What ``estimator.method(X)`` returns, partition by partition, as soon as someone asks for it."""
    one = not isinstance(X, list | tuple)
    X = whole_rows(X, "X")
    model, nothing = _model(estimator), _nothing(estimator, method)
    if isinstance(X, list):
        on_part = delayed(_on_part, pure=True)
        parts = [on_part(part, model, method, nothing) for part in X]
        return parts[0] if one else parts
    _check_types(estimator, X)
    if not hasattr(X, "chunks"):
        if nothing.ndim == 2:
            return _array_of(X, model, method, nothing)
        meta = _on_frame(X._meta, None, method, nothing)
        return X.map_partitions(_on_frame, model, method, nothing, meta=meta)
    shape = {"drop_axis": 1} if nothing.ndim == 1 else {"chunks": (X.chunks[0], (nothing.shape[1],))}
    return X.map_blocks(_on_part, model, method, nothing, dtype=nothing.dtype, meta=nothing, **shape)


def _array_of(X: Any, model: Any, method: str, nothing: Array) -> Any:
    """Of the partitions themselves: Dask's optimizer would join a single one with the model, and fail (2026.8)."""
    import dask.array as da

    on_part = delayed(_on_part, pure=True)
    shape = (math.nan, nothing.shape[1])
    made = [
        da.from_delayed(on_part(block, model, method, nothing), shape, meta=nothing)  # type: ignore[no-untyped-call]
        for block in blocks_of(X)
    ]
    return da.concatenate(made, allow_unknown_chunksizes=True)  # type: ignore[no-untyped-call]


def score(estimator: BaseHistGradientBoosting, X: Any, y: Any, sample_weight: Any, *, classification: bool) -> float:
    """Accuracy, or the coefficient of determination; computed at once."""
    aligned = align(X, y, sample_weight, "X")
    model, reading = _model(estimator), Reading(type(estimator).__name__, classification)
    judged = [delayed(_judge)(model, reading, block) for block in aligned.blocks]
    if classification:
        hits = compute(*[delayed(_hits)(part) for part in judged])  # type: ignore[no-untyped-call]
        return math.fsum(hit for hit, _ in hits) / math.fsum(weight for _, weight in hits)
    mean = delayed(_mean)([delayed(_sums)(part) for part in judged])
    errors = compute(*[delayed(_errors)(part, mean) for part in judged])  # type: ignore[no-untyped-call]
    residual, total = (math.fsum(column) for column in zip(*errors, strict=True))
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


# ── The model in the graph ──


def _model(estimator: BaseHistGradientBoosting) -> Any:
    """The estimator with what prediction needs of it, as one node of the graph."""
    fitted = estimator._state()
    slim = copy.copy(estimator)
    slim.callbacks = None
    slim.n_jobs = 1 if estimator.n_jobs is None else estimator.n_jobs  # Dask works on several partitions at a time
    slim._fitted = replace(fitted, history={}, report=None)
    token = tokenize(fitted.model.digest, fitted.names, fitted.classes, type(estimator), slim.n_jobs)
    return delayed(slim, name=f"ramet-model-{token}", traverse=False)


def _nothing(estimator: BaseHistGradientBoosting, method: str) -> Array:
    """The prediction of no rows: its dtype and width."""
    fitted = estimator._state()
    names = fitted.names or default_names(fitted.num_features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that were made up
        row = getattr(estimator, method)(pa.table({name: pa.nulls(1) for name in names}))
    nothing: Array = row[:0]
    return nothing


def _check_types(estimator: BaseHistGradientBoosting, X: Any) -> None:
    fitted, name = estimator._state(), type(estimator).__name__
    features: Features = open_categories(read_part(example(X), name), X)
    fitted.check_kinds(match(features, fitted.names, fitted.num_features, name))


# ── On a worker ──


def _on_part(X: Any, model: Any, method: str, nothing: Array) -> Array:
    features = read_part(X, type(model).__name__)
    if features.shape[0] == 0:
        return nothing
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X (has|does not have valid) feature names")  # said once, at the client
        values: Array = getattr(model, method)(X if isinstance(features, Matrix) else features)
    return values


def _on_frame(X: Any, model: Any, method: str, nothing: Array) -> Any:
    import pandas as pd

    values = nothing if len(X) == 0 else _on_part(X, model, method, nothing)
    return pd.Series(values, index=X.index, dtype=values.dtype)


def _judge(model: Any, reading: Reading, block: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Labels, predictions and weights."""
    data = reading.data(block)
    labels = np.asarray(data.labels.values)
    weights = np.ones(len(labels)) if data.weights is None else data.weights.astype(np.float64)
    return labels, model.predict(data.features) if len(labels) else labels, weights


def _hits(judged: tuple[Array, Array, Array]) -> tuple[float, float]:
    labels, predictions, weights = judged
    return float(weights[labels == predictions].sum()), float(weights.sum())


def _sums(judged: tuple[Array, Array, Array]) -> tuple[float, float]:
    labels, _, weights = judged
    return float((weights * labels).sum()), float(weights.sum())


def _mean(sums: list[tuple[float, float]]) -> float:
    return math.fsum(value for value, _ in sums) / math.fsum(weight for _, weight in sums)


def _errors(judged: tuple[Array, Array, Array], mean: float) -> tuple[float, float]:
    labels, predictions, weights = judged
    return float((weights * (labels - predictions) ** 2).sum()), float((weights * (labels - mean) ** 2).sum())
