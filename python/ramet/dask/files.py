"""Files as rows to train on: workers read them, each part anew when it is needed; the client reads footers at most.

    paths ──list_files──► files ──survey_files──► FileTable (schema, parts) ──► FileRows

Invariants
  T1. The parts, in order, are the rows that the command reads without Dask: the files as they were listed, and within a
      file as they stand there.
  T2. So are their types: those of all files together, CSV columns' typed over every value (F2 and F3 of the reader).
"""

from __future__ import annotations

import os
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


@dataclass(frozen=True)
class Look:
    """What is seen of a columnar file without reading its rows."""

    name: str
    schema: Any
    size: int  # in bytes
    pieces: list[tuple[int, int]]  # bytes and rows of each row group, or block; rows are known of row groups alone


# ── At the client ──


def list_files(client: Any, paths: list[bytes]) -> list[str]:
    """The files that paths, globs, folders and URIs stand for, in the engine's order, as a worker sees them.

    Raises
    ------
    OSError
        As without Dask.
    """
    files = _gather(client, client.submit(_list_files, paths, pure=False))
    if isinstance(files, Exception):
        raise files
    return [os.fsdecode(file) for file in files]


def survey_files(
    client: Any, paths: list[str], read: Options, workers: int, seen_by_workers_alone: bool = False
) -> FileTable:
    """Schema and parts of files: at least two parts for a worker, where the files allow it.

    With `seen_by_workers_alone`, the client need not see the files.

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
    if seen_by_workers_alone:
        looks = _gather(client, client.map(_look_or_fail, paths, format=format, read=read, pure=False))
    else:
        looks = [_look_or_fail(path, format, read) for path in paths]
    for look in looks:
        if isinstance(look, Exception):  # the first file's, whoever was first to look
            raise look
    own = files.common_schema(paths, looks, replace(read, types=[]))
    limit = max(1, min(PART_BYTES, sum(look.size for look in looks) // (2 * workers)))
    parts = _cut_parquet(looks, limit, workers) if format == "parquet" else _cut_feather(looks, limit)
    return FileTable(format, parts, read, own, types.apply_flags(own, read.types))


def _cut_parquet(looks: list[Look], limit: int, workers: int) -> list[FilePart]:
    # Fewer groups than workers: these read a group together, and each keeps its share of the rows.
    shares = -(-workers // max(1, sum(len(look.pieces) for look in looks)))
    parts = []
    for look in looks:
        for pieces in _runs([size for size, _ in look.pieces], limit):
            rows = sum(look.pieces[i][1] for i in pieces)
            cuts = [rows * share // shares for share in range(shares + 1)]
            parts += [FilePart(look.name, "row group", pieces, b - a, a) for a, b in pairwise(cuts)]
    return parts


def _cut_feather(looks: list[Look], limit: int) -> list[FilePart]:
    return [
        FilePart(look.name, "block", pieces)
        for look in looks
        for pieces in _runs([size for size, _ in look.pieces], limit)
    ]


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


def _list_files(paths: list[bytes]) -> list[bytes] | Exception:
    try:
        return _core.list_files(paths, stores.list_store_as_bytes)
    except (OSError, ValueError) as error:
        return error  # it is the user's, so it belongs in no worker's log


def _look_or_fail(path: str, format: str, read: Options) -> Look | Exception:
    try:
        return _look(path, format, read)
    except (OSError, ValueError) as error:
        return error


def _look(path: str, format: str, read: Options) -> Look:
    open_one = files.open_parquet if format == "parquet" else files.open_feather
    schema = open_one(path, read).schema
    size = stores.size_of(path)
    with files.reading(path):
        if format == "parquet":
            footer = pq.read_metadata(stores.open_file(path))
            groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
            return Look(path, schema, size, [(group.total_byte_size, group.num_rows) for group in groups])
        blocks = pa.ipc.open_file(stores.open_file(path)).num_record_batches
    return Look(path, schema, size, [(size // max(1, blocks), 0)] * blocks)


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
