"""Files as one stream of record batches, as `src/reader/reader.h` describes it, over pyarrow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ramet import _core
from ramet._command import types

Batch = Any  # pyarrow has no types of its own for mypy
Schema = Any

_ROWS_PER_BATCH = 65_536


@dataclass
class Options:
    """What `ReadOptions` of the native reader says, and how the run goes."""

    columns: list[str]
    drop: list[str]
    types: list[tuple[str, str]]
    missing: list[str]
    delimiter: str
    format: str
    threads: int
    cancelled: Callable[[], bool]

    def choose(self, file: str, names: list[str]) -> list[str]:
        """The columns to read out of those of a file."""
        return _core.choose_columns(file, names, self.columns, self.drop, self.types)

    def check_cancelled(self, doing: str) -> None:
        if self.cancelled():
            raise KeyboardInterrupt(f"stopped while reading {doing}.")


@dataclass
class Source:
    """Files with the columns that the options choose, as batches."""

    name: str  # of the file, for messages
    schema: Schema
    batches: Iterator[Batch]


@contextmanager
def reading(file: str) -> Iterator[None]:
    """pyarrow's failures as ours, behind the file's name."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{file}: {error.args[-1] if error.args else error}") from None
    except pa.ArrowException as error:
        raise ValueError(f"{file}: {error}") from None


def _arrange(file: str, batch: Batch, schema: Schema) -> Batch:
    for name in schema.names:
        if name not in batch.schema.names:
            raise ValueError(f'{file}: column "{name}" vanished.')
    return pa.RecordBatch.from_arrays([batch.column(name) for name in schema.names], schema=schema)


def _open_parquet(file: str, options: Options) -> Source:
    with reading(file):
        whole = pq.ParquetFile(file)
        schema = whole.schema_arrow
    columns = options.choose(file, schema.names)
    schema = pa.schema([schema.field(name) for name in columns])

    def batches() -> Iterator[Batch]:
        with reading(file):
            for batch in whole.iter_batches(_ROWS_PER_BATCH, columns=columns, use_threads=options.threads > 1):
                yield _arrange(file, batch, schema)

    return Source(file, schema, batches())


def _open_feather(file: str, options: Options) -> Source:
    with reading(file):
        memory = pa.memory_map(file)
        whole = pa.ipc.open_file(memory)
    columns = options.choose(file, whole.schema.names)
    if not columns:
        raise ValueError(f"{file}: no column is left to read.")
    schema = pa.schema([whole.schema.field(name) for name in columns])
    positions = [whole.schema.get_field_index(name) for name in columns]

    def batches() -> Iterator[Batch]:
        with reading(file):
            read = pa.ipc.IpcReadOptions(included_fields=positions, use_threads=False)
            reader = pa.ipc.open_file(memory, options=read)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                batch.validate()
                yield _arrange(file, batch, schema)

    return Source(file, schema, batches())


def _parts(files: list[str], options: Options) -> list[Callable[[], Source]]:
    """The parts of a table: each columnar file, or all CSV files together."""
    formats = [_core.format_of(file, options.format) for file in files]
    for file, format in zip(files, formats, strict=True):
        if format != formats[0]:
            raise _core.UsageError(
                f"{file}: the format is {format}, but {files[0]} is {formats[0]}. Read files of one format at a time."
            )
    if formats[0] == "csv":
        from ramet._command.csv import open_csv

        # Typing has read all files already: that source is handed on, once.
        source = open_csv(files, options)
        return [lambda: source]
    open_one = _open_parquet if formats[0] == "parquet" else _open_feather
    return [lambda file=file: open_one(file, options) for file in files]  # type: ignore[misc]


class Stream:
    """Batches of several sources, one after the other, in one schema."""

    def __init__(self, parts: list[Callable[[], Source]], schema: Schema, options: Options) -> None:
        self.schema = schema
        self._parts = parts
        self._options = options

    def __iter__(self) -> Iterator[Batch]:
        for part in self._parts:
            source = part()
            for batch in source.batches:
                self._options.check_cancelled("files")
                arrays = []
                for field in self.schema:
                    if field.name not in batch.schema.names:
                        raise ValueError(f'{source.name}: column "{field.name}" is missing.')
                    arrays.append(types.convert(source.name, field.name, batch.column(field.name), field.type))
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def open_files(paths: list[bytes], **options: Any) -> Stream:
    """All files as one stream of batches."""
    read = Options(**options)
    files = [os.fsdecode(path) for path in paths]
    if not files:
        raise _core.UsageError("no input files were given.")
    pa.set_cpu_count(max(1, read.threads))
    parts = _parts(files, read)
    schema = None
    for part in parts:
        source = part()
        if schema is None:
            schema = source.schema.remove_metadata()
        schema = types.widen(schema, files[0], source.name, source.schema)
    return Stream(parts, types.apply_flags(schema, read.types), read)
