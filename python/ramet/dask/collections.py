"""Dask DataFrames, Arrays and lists of delayed tables or futures, as rows to train on.

X, y, weights ──Reader──► Data (types alone) with its Parts ──+ Layout──► CollectionRows

Invariants
  C1. Partition i of X, y and weights hold the same rows; a worker checks their lengths.
  C2. What a partition means is what the same table means without Dask: both are read by `_data.read_data`.
  C3. Types come from the collection's meta; where it has none (delayed, futures), from a worker that has the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed

from ramet._data import Data, Layout, read_data, read_here
from ramet._inputs import Column, Features, Frame, Matrix, on_cluster, read_part
from ramet._labels import Labels, check_for_loss
from ramet.dask.clients import client_of
from ramet.dask.rows import Rows, naming

if TYPE_CHECKING:
    from ramet._training import Job, Training

# ── On a worker ──


@dataclass(frozen=True)
class Reading:
    """How a partition is read."""

    estimator: str
    classification: bool
    loss: Any = None  # the labels must suit it

    def data(self, block: Any) -> Data:
        if isinstance(block, Data):
            return block
        X, y, weight = block
        features = read_part(X, self.estimator)
        data = read_data(features, y, weight, self.estimator, classification=self.classification)
        check_for_loss(data.labels, self.loss, whole=False)
        return data


def _together(*block: Any) -> tuple[Any, ...]:
    return block


def _as_it_is(block: Any) -> Any:
    return block


def _on_part(function: Callable[..., Any], reading: Reading, layout: Layout, part: str, block: Any, *args: Any) -> Any:
    with naming(part):
        return function(layout.table(reading.data(block)), *args)


def _num_rows(block: Any) -> int:
    return read_part(block[0], "").shape[0]


def _types_of(reading: Reading, part: str, block: Any) -> Data:
    with naming(part):
        return _without_rows(reading.data(block))


# ── At the client ──


@dataclass
class Parts:
    """The partitions of a data set. `blocks`: each is (X, y, weight) of delayed values, futures, names and numbers."""

    reading: Reading
    client: Any
    what: str
    blocks: list[Any]
    lengths: list[int | None]
    weighted: bool = False
    _held: list[Any] = field(default_factory=list)

    def describe(self, part: int) -> str:
        return f"partition {part} of {self.what}" if len(self.blocks) > 1 else self.what

    def held(self) -> list[Any]:
        """Futures of all blocks, which the workers make now."""
        if self.blocks and not self._held:
            if isinstance(self.blocks[0], Data):
                self._held = [self.client.submit(_as_it_is, block, pure=False) for block in self.blocks]
            else:
                together = delayed(_together, pure=True)
                self._held = self.client.compute([together(*block) for block in self.blocks])
        return self._held

    def release(self) -> None:
        self._held = []

    def num_rows(self) -> int:
        """Rows of all partitions; counted by the workers where that is not known."""
        known = [length for length in self.lengths if length is not None]
        if len(known) < len(self.lengths):
            counts = self.client.map(_num_rows, self.held(), pure=False)
            known = self.client.gather(counts, asynchronous=False)
        return sum(known)

    def training(self, job: Job, eval_sets: dict[str, Data]) -> Training:
        from ramet.dask.fitting import ClusterTraining

        return ClusterTraining(job, self, eval_sets)


class CollectionRows(Rows):
    """Parts, as a layout reads them."""

    def __init__(self, parts: Parts, layout: Layout) -> None:
        self.num_parts = len(parts.blocks)
        self.columns = layout.keywords(weighted=parts.weighted)
        self._parts = parts
        self._layout = layout

    def describe(self, part: int) -> str:
        return self._parts.describe(part)

    def known_length(self, part: int) -> int | None:
        return self._parts.lengths[part]

    def submit(
        self, client: Any, function: Callable[..., Any], part: int, *args: Any, key: str, **submit_options: Any
    ) -> Any:
        parts = self._parts
        block = parts.held()[part]
        given = (function, parts.reading, self._layout, self.describe(part), block, *args)
        return client.submit(_on_part, *given, key=key, pure=False, **submit_options)

    def release(self) -> None:
        self._parts.release()


@dataclass
class Reader:
    """Reads data sets whose `X` is on a cluster; beside them, tables that are here and small."""

    estimator: str
    classification: bool
    client: Any

    def __call__(self, X: Any, y: Any, weight: Any, what: str, loss: Any = None) -> Data:
        self.client = client_of(self.client)
        reading = Reading(self.estimator, self.classification, loss)
        if not on_cluster(X):
            data = read_here(self.estimator, self.classification, X, y, weight, what)
            parts = Parts(reading, self.client, what, [data], [len(data.labels)])
        else:
            columns = align(X, checked("y", y, what), checked("sample_weight", weight, what), what)
            parts = Parts(reading, self.client, what, columns.blocks, columns.lengths)
            data = self._types(columns, parts)
        parts.weighted = data.weights is not None
        return replace(_without_rows(data), parts=parts)

    def _types(self, columns: Aligned, parts: Parts) -> Data:
        if any(isinstance(value, list) for value in columns.values):
            if not parts.blocks:
                raise ValueError(f"{parts.what} is a list of no partitions.")
            first = self.client.submit(_types_of, parts.reading, parts.describe(0), parts.held()[0], pure=False)
            types: Data = self.client.gather(first, asynchronous=False)
            return types
        X, y, weight = (example(value) for value in columns.values)
        features = read_part(X, self.estimator)
        data = read_data(features, y, weight, self.estimator, classification=self.classification)
        return replace(data, features=open_categories(data.features, columns.values[0]))


@dataclass(frozen=True)
class Aligned:
    """X, y and weights, side by side."""

    values: list[Any]
    blocks: list[tuple[Any, ...]]
    lengths: list[int | None]


def checked(role: str, value: Any, what: str) -> Any:
    """y or weights beside an X on the cluster."""
    if value is None or isinstance(value, str | int | float | np.number) or on_cluster(value):
        return value
    name = role if what == "X" else f"{role} of {what}"
    raise TypeError(
        f"X is a Dask collection, but {name} is not: it is a {type(value).__name__}. Make it one in partitions of X's "
        "lengths (dask.array.from_array, dask.dataframe.from_pandas), or give the name of a column of X."
    )


def align(X: Any, y: Any, weight: Any, what: str) -> Aligned:
    values = [whole_rows(value, what) if on_cluster(value) else value for value in (X, y, weight)]
    values = [values[0], *(_cut_as(values[0], value) for value in values[1:])]
    lists = [blocks_of(value) if on_cluster(value) else None for value in values]
    count = len(lists[0] or [])
    names = ("X", "y", "sample_weight")
    for name, blocks in zip(names, lists, strict=True):
        if blocks is not None and len(blocks) != count:
            raise ValueError(
                f"{what}: {name} has {len(blocks)} partitions, but X has {count}, and their lengths are not known, so "
                "that rows cannot be matched. Call compute_chunk_sizes() (arrays) or repartition() so that partitions "
                "match, or take y from the same collection as X."
            )
    rows = [value if blocks is None else blocks for value, blocks in zip(values, lists, strict=True)]
    blocks = [tuple(r[i] if isinstance(r, list) else r for r in rows) for i in range(count)]
    return Aligned(values, blocks, _lengths(values, count))


def whole_rows(value: Any, what: str) -> Any:
    """A DataFrame, Series or Array with whole rows in a partition, or a list of delayed values and futures."""
    if isinstance(value, list | tuple):
        if all(map(_is_one, value)):
            return list(value)
        raise TypeError(f"{what}: a list of partitions must hold Delayed objects or futures, and nothing else.")
    if _is_one(value):
        return [value]
    if hasattr(value, "npartitions") and hasattr(value, "_meta_nonempty"):
        return value
    if not hasattr(value, "chunks"):
        raise TypeError(
            f"{what} cannot be a Dask {type(value).__name__}. Use a DataFrame, an Array, or delayed tables."
        )
    if type(value._meta) is not np.ndarray:
        raise TypeError(f"{what} holds {type(value._meta).__name__} blocks. Use NumPy arrays.")
    if value.ndim == 2 and value.numblocks[1] > 1:
        return value.rechunk({1: -1})
    return value


def _is_one(value: Any) -> bool:
    return isinstance(value, Delayed) or (on_cluster(value) and not is_dask_collection(value))


def _cut_as(X: Any, value: Any) -> Any:
    """`value` in partitions of the lengths of X's, where both lengths (or places in the index) are known."""
    if _known(X) and _known(value) and X.chunks[0] != value.chunks[0] and X.shape[0] == value.shape[0]:
        return value.rechunk({0: X.chunks[0]})
    both = (X, value)
    if all(getattr(item, "known_divisions", False) for item in both) and X.divisions != value.divisions:
        return value.repartition(divisions=X.divisions)
    return value


def _known(value: Any) -> bool:
    return hasattr(value, "chunks") and not any(map(np.isnan, value.chunks[0]))


def blocks_of(value: Any) -> list[Any]:
    """Its partitions as delayed values, or futures."""
    if isinstance(value, list):
        return value
    if hasattr(value, "simplify"):  # not optimized: that reads several files as one where few columns are wanted (C1)
        return list(value.simplify().to_delayed(optimize_graph=False))
    blocks = value.to_delayed()
    return blocks if isinstance(blocks, list) else list(blocks.ravel())


def _lengths(values: list[Any], count: int) -> list[int | None]:
    for value in values:
        if _known(value):
            return [int(length) for length in value.chunks[0]]
    return [None] * count


# ── Types ──


def example(value: Any) -> Any:
    """One row (made up) of a collection's types; what is no collection stays."""
    if not is_dask_collection(value):
        return value
    if not hasattr(value, "chunks"):
        return value._meta_nonempty.iloc[:1]
    width = value.shape[1:]
    if any(map(np.isnan, width)):
        raise ValueError("X is a Dask Array with an unknown number of columns. Call X.compute_chunk_sizes().")
    return np.full((1, *width), "a" if value.dtype.kind == "O" else 1).astype(value.dtype)


def _without_rows(data: Data) -> Data:
    features = data.features
    if isinstance(features, Matrix):
        features = Matrix(features.array[:0])
    else:
        features = Frame(features.names, [_empty(column) for column in features.columns], 0, features.named)
    labels = Labels(_empty(data.labels.values), data.labels.dtype, data.labels.name)
    return Data(features, labels, None if data.weights is None else data.weights[:0])


def _empty(column: Column) -> Column:
    if isinstance(column, np.ndarray):
        return column[:0]
    if pa.types.is_dictionary(column.type):
        indices, keys = pa.array([], column.type.index_type), pa.array([], column.type.value_type)
        return pa.DictionaryArray.from_arrays(indices, keys)
    return pa.array([], column.type)


def open_categories(features: Features, X: Any) -> Features:
    """Categories that Dask does not know yet may be texts or numbers: a dictionary of neither."""
    if isinstance(features, Matrix) or not hasattr(X, "dtypes"):
        return features
    from dask.dataframe.utils import UNKNOWN_CATEGORIES

    columns = list(features.columns)
    for i, name in enumerate(features.names):
        dtype = X.dtypes[name] if features.named else X.dtypes.iloc[i]
        if UNKNOWN_CATEGORIES in getattr(dtype, "categories", ()):
            columns[i] = pa.DictionaryArray.from_arrays(pa.array([], pa.int8()), pa.nulls(0))
    return Frame(features.names, columns, features.num_rows, features.named)
