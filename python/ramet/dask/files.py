"""Files as rows to train on: workers read them, each part anew when it is needed; the client reads footers at most.

    files ──survey_files──► FileTable (schema, parts) ──► FileRows

Invariants
  T1. The parts, in order, are the rows that the command reads without Dask: the files as they were listed, and within a
      file as they stand there.
  T2. So are their types: those of all files together, CSV columns' typed over every value (F2 and F3 of the reader).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ramet import _core
from ramet._command import files, stores, types
from ramet._command.csv import read_csv, types_of_csv
from ramet._command.files import Options, Source
from ramet.dask.rows import Rows, naming

PART_BYTES = 64 << 20  # of a Parquet part, uncompressed; of another file, as it lies there
MOST_CLASSES = 100  # a label of so many whole numbers at most looks like classes (kMaxClassesByItself)


def never() -> bool:
    """The tasks of a cluster are cancelled by Dask."""
    return False


@dataclass(frozen=True)
class FilePart:
    """A file, or consecutive pieces of it: row groups of Parquet, blocks (record batches) of Feather."""

    file: str
    what: str = ""  # the pieces are
    pieces: tuple[int, ...] | None = None
    rows: int | None = None  # None: unknown, and all
    first: int = 0  # the first row in the pieces

    def describe(self) -> str:
        if self.pieces is None:
            return self.file
        first, last = self.pieces[0], self.pieces[-1]
        pieces = f"{self.what}s {first}-{last}" if last > first else f"{self.what} {first}"
        return f"{self.file}, {pieces}" + (f" from row {self.first + 1:,}" if self.first else "")


@dataclass(frozen=True)
class FileTable:
    """What is known of files before they are read. Pickles."""

    format: str
    parts: list[FilePart]
    read: Options
    own: Any  # the schema of the files' own types
    schema: Any  # with the types that were asked for

    def batches(self, part: FilePart) -> Iterator[Any]:
        """On a worker: a part's rows, in the schema of all."""
        pa.set_cpu_count(max(1, self.read.threads))
        batches = iter(files.Stream([lambda: self._open(part)], self.schema, self.read))
        return batches if part.rows is None else _range(batches, part.first, part.rows)

    def _open(self, part: FilePart) -> Source:
        if self.format == "csv":
            return read_csv(part.file, self.own, self.read)
        open_one = files.open_parquet if self.format == "parquet" else files.open_feather
        return open_one(part.file, self.read, part.pieces)


def _range(batches: Iterator[Any], first: int, rows: int) -> Iterator[Any]:
    for batch in batches:
        if rows == 0:
            return
        if first < batch.num_rows:
            cut = batch.slice(first, rows)
            rows -= cut.num_rows
            yield cut
        first = max(0, first - batch.num_rows)


# ── At the client ──


def survey_files(client: Any, paths: list[str], read: Options, workers: int) -> FileTable:
    """Schema and parts of files: at least two parts for a worker, where the files allow it.

    Raises
    ------
    ValueError, OSError, UsageError
        As without Dask, where files cannot be read or do not go together.
    """
    format = files.format_of_all(paths, read)
    if format == "csv":
        parts = [FilePart(path) for path in paths]
        own = _join(paths, _gather(client, client.map(_types_of_csv, paths, read=read, pure=False)))
        return FileTable(format, parts, read, own, types.apply_flags(own, read.types))
    open_one = files.open_parquet if format == "parquet" else files.open_feather
    own = files.common_schema(paths, (open_one(path, read) for path in paths), replace(read, types=[]))
    size = sum(stores.size_of(path) for path in paths)
    limit = max(1, min(PART_BYTES, size // (2 * workers)))
    if format == "parquet":
        parts = _cut_parquet(paths, limit, workers)
    else:
        parts = [part for path in paths for part in _cut_feather(path, limit)]
    return FileTable(format, parts, read, own, types.apply_flags(own, read.types))


def _cut_parquet(paths: list[str], limit: int, workers: int) -> list[FilePart]:
    groups: list[list[Any]] = []
    for path in paths:
        with files.reading(path):
            footer = pq.read_metadata(stores.open_file(path))
        groups.append([footer.row_group(i) for i in range(footer.num_row_groups)])
    # Fewer groups than workers: these read a group together, and each keeps its share of the rows.
    shares = -(-workers // max(1, sum(map(len, groups))))
    parts = []
    for path, own in zip(paths, groups, strict=True):
        for pieces in _runs([group.total_byte_size for group in own], limit):
            rows = sum(own[i].num_rows for i in pieces)
            cuts = [rows * share // shares for share in range(shares + 1)]
            parts += [FilePart(path, "row group", pieces, b - a, a) for a, b in pairwise(cuts)]
    return parts


def _cut_feather(path: str, limit: int) -> Iterator[FilePart]:
    with files.reading(path):
        count = pa.ipc.open_file(stores.open_file(path)).num_record_batches
    each = stores.size_of(path) // max(1, count)
    for pieces in _runs([each] * count, limit):
        yield FilePart(path, "block", pieces)


def _runs(sizes: list[int], limit: int) -> Iterator[tuple[int, ...]]:
    """Consecutive pieces of `limit` bytes together at most, or one alone."""
    run: list[int] = []
    held = 0
    for i, size in enumerate(sizes):
        if run and held + size > limit:
            yield tuple(run)
            run, held = [], 0
        run.append(i)
        held += size
    if run:
        yield tuple(run)


def _join(paths: list[str], schemas: list[Any]) -> Any:
    first = schemas[0]
    for path, schema in zip(paths, schemas, strict=True):
        for name in first.names:
            if name not in schema.names:
                raise ValueError(f'{path}: column "{name}" is missing; {paths[0]} has it.')
        for name in schema.names:
            if name not in first.names:
                raise ValueError(f'{path}: column "{name}" is not in {paths[0]}. Use --drop {name} to leave it out.')
    fields = []
    for name in first.names:
        joined = pa.null()
        for schema in schemas:
            joined = types.join(joined, schema.field(name).type)
        fields.append(pa.field(name, joined))
    return pa.schema(fields)


def _gather(client: Any, futures: Any) -> Any:
    return client.gather(futures, asynchronous=False)


def looks_like_classes(client: Any, table: FileTable, label: str) -> bool:
    """Whether a label column is of classes, as the command decides: text, booleans, dictionaries, few whole numbers."""
    type = table.schema.field(label).type
    if pa.types.is_dictionary(type) or pa.types.is_boolean(type) or types.is_text(type):
        return True
    if pa.types.is_temporal(type):
        return False
    only = replace(table, own=_only(table.own, label), schema=_only(table.schema, label))
    only = replace(only, read=replace(table.read, columns=[label], drop=[]))
    seen: set[Any] = set()
    for values in _gather(client, client.map(_distinct, table.parts, table=only, pure=False)):
        if values is None:
            return False
        seen |= values
    return len(seen) <= MOST_CLASSES


def _only(schema: Any, name: str) -> Any:
    return pa.schema([schema.field(name)])


# ── On a worker ──


def _types_of_csv(path: str, read: Options) -> Any:
    return types_of_csv(path, read)


def _distinct(part: FilePart, table: FileTable) -> set[float] | None:
    """The distinct values of the only column; None if they are not whole, or too many."""
    seen: set[float] = set()
    for batch in table.batches(part):
        values = pc.unique(batch.column(0).cast(pa.float64(), safe=False)).to_numpy(zero_copy_only=False)
        values = values[values == values]
        if (values != values.round()).any() or (abs(values) == float("inf")).any():
            return None
        seen.update(values.tolist())
        if len(seen) > MOST_CLASSES:
            return None
    return seen


def _on_file(function: Callable[..., Any], table: FileTable, part: FilePart, *args: Any) -> Any:
    with naming(part.describe()):
        rows = pa.Table.from_batches(list(table.batches(part)), table.schema)
        return function(_core.Table.from_arrow(rows), *args)


class FileRows(Rows):
    """The parts of a table of files."""

    def __init__(self, table: FileTable, columns: dict[str, Any]) -> None:
        self.num_parts = len(table.parts)
        self.columns = columns
        self._table = replace(table, parts=[])  # a task needs its own part only
        self._parts = table.parts

    def describe(self, part: int) -> str:
        return self._parts[part].describe()

    def known_length(self, part: int) -> int | None:
        return self._parts[part].rows

    def submit(
        self, client: Any, function: Callable[..., Any], part: int, *args: Any, key: str, **submit_options: Any
    ) -> Any:
        given = (function, self._table, self._parts[part], *args)
        return client.submit(_on_file, *given, key=key, pure=False, **submit_options)

    def release(self) -> None:
        """Nothing is held."""
