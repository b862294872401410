"""What the libraries that are called from Python have in common: reading the files, the clock, the order of steps."""

import gc
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from peers.protocol import Job, Measurement

# A float32 matrix where all columns are numbers that float32 holds, else a frame with categorical columns.
Features: TypeAlias = NDArray[Any] | pd.DataFrame
Categories = dict[str, pd.Index]


@dataclass
class Table:
    """A file in memory."""

    features: Features | None
    label: NDArray[np.float32]
    weight: NDArray[np.float32] | None

    def take_features(self) -> Features:
        """Hands the features over, so that a library can let go of them once they are binned."""
        features, self.features = self.features, None
        if features is None:
            raise RuntimeError("the features were taken already")
        return features


class Clock:
    """Adds up wall-clock seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


class Library(Protocol):
    """One library's side: `fit` times "bin" and "train" on the clock and forces binning to happen under its name."""

    def fit(self, job: Job, train: Table, clock: Clock) -> None:
        """Bins and trains."""

    def predict(self, job: Job, features: Features) -> NDArray[Any]:
        """Probability of label 1, or the predicted value."""


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _is_narrow(kind: pa.DataType) -> bool:
    """Whether float32 holds every value."""
    return pa.types.is_boolean(kind) or (
        _is_number(kind) and kind.bit_width <= (16 if pa.types.is_integer(kind) else 32)
    )


def _read_matrix(file: pq.ParquetFile, names: list[str], kind: type[np.floating[Any]]) -> NDArray[Any]:
    """Fills one row-major matrix batch by batch, so that the file is never in memory twice."""
    matrix = np.empty((file.metadata.num_rows, len(names)), dtype=kind)
    start = 0
    for batch in file.iter_batches(columns=names):
        for column, name in enumerate(names):
            matrix[start : start + len(batch), column] = batch.column(name).to_numpy(zero_copy_only=False)
        start += len(batch)
    return matrix


def _read_frame(file: pq.ParquetFile, names: list[str], categories: Categories) -> pd.DataFrame:
    """A frame whose text columns are categorical, with the training file's categories in sorted order."""
    table = file.read(columns=names)
    columns: dict[str, Any] = {}
    for name in names:
        column = table.column(name)
        if _is_text(column.type):
            text = column.cast(pa.string()).to_pandas(strings_to_categorical=True)
            known = categories.setdefault(name, text.cat.categories.sort_values())
            columns[name] = text.cat.set_categories(known)
        else:
            narrow = column.cast(pa.float32()) if _is_narrow(column.type) else column
            columns[name] = narrow.to_pandas()
    return pd.DataFrame(columns, copy=False)


def read(path: str, job: Job, categories: Categories) -> Table:
    """Reads a Parquet file. `categories` is filled by the training file and obeyed by the test file."""
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    names = [name for name in schema.names if name not in (job.label, job.weight)]
    for name in names:
        if not (_is_number(schema.field(name).type) or _is_text(schema.field(name).type)):
            raise TypeError(f'{path}: column "{name}" is {schema.field(name).type}: only numbers and text are compared')

    def column(name: str) -> NDArray[np.float32]:
        values = file.read(columns=[name]).column(0)
        return values.cast(pa.float32()).to_numpy()

    if any(_is_text(schema.field(name).type) for name in names):
        features: Features = _read_frame(file, names, categories)
    else:
        narrow = all(_is_narrow(schema.field(name).type) for name in names)
        features = _read_matrix(file, names, np.float32 if narrow else np.float64)
    return Table(features, column(job.label), column(job.weight) if job.weight else None)


def text_columns(features: Features) -> list[str]:
    """The names of the categorical columns."""
    return list(features.select_dtypes("category").columns) if isinstance(features, pd.DataFrame) else []


def _status_bytes(key: str) -> int:
    """A size from the kernel's account of this process, such as VmRSS."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def main(library: Library) -> None:
    """Does this process's job with one library and prints the measurement."""
    job = Job.from_arguments()
    pa.set_cpu_count(job.threads)
    clock = Clock()
    started = _status_bytes("VmRSS")
    categories: Categories = {}

    with clock("read"):
        train = read(job.train, job, categories)
    library.fit(job, train, clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    del train
    gc.collect()

    test = read(job.test, job, categories).take_features()
    with clock("predict"):
        predictions = library.predict(job, test)
    np.save(job.predictions, np.asarray(predictions, dtype=np.float64))
    Measurement(clock.seconds, peak, started).emit()
