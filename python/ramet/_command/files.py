"""Files as one stream of record batches, as `src/reader/reader.h` describes it, over pyarrow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ramet import _core
from ramet._command import stores, types

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


class HasSchema(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> Schema: ...


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


def open_parquet(file: str, options: Options, groups: Sequence[int] | None = None) -> Source:
    """A Parquet file, or some of its row groups."""
    with reading(file):
        whole = pq.ParquetFile(stores.open_file(file) if stores.is_uri(file) else file)
        schema = whole.schema_arrow
    columns = options.choose(file, schema.names)
    schema = pa.schema([schema.field(name) for name in columns])

    def batches() -> Iterator[Batch]:
        with reading(file):
            several = options.threads > 1
            for batch in whole.iter_batches(_ROWS_PER_BATCH, row_groups=groups, columns=columns, use_threads=several):
                yield _arrange(file, batch, schema)

    return Source(file, schema, batches())


def open_feather(file: str, options: Options, numbers: Sequence[int] | None = None) -> Source:
    """A Feather file, or some of its batches."""
    with reading(file):
        memory = stores.open_file(file) if stores.is_uri(file) else pa.memory_map(file)
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
            for i in range(reader.num_record_batches) if numbers is None else numbers:
                batch = reader.get_batch(i)
                batch.validate()
                yield _arrange(file, batch, schema)

    return Source(file, schema, batches())


def format_of_all(files: list[str], options: Options) -> str:
    """The files' format; an error if they differ."""
    if not files:
        raise _core.UsageError("no input files were given.")
    formats = [_core.format_of(file, options.format) for file in files]
    for file, format in zip(files, formats, strict=True):
        if format != formats[0]:
            raise _core.UsageError(
                f"{file}: the format is {format}, but {files[0]} is {formats[0]}. Read files of one format at a time."
            )
    return formats[0]


def _parts(files: list[str], options: Options) -> list[Callable[[], Source]]:
    """The parts of a table: each columnar file, or all CSV files together."""
    format = format_of_all(files, options)
    if format == "csv":
        from ramet._command.csv import open_csv

        # Typing has read all files already: that source is handed on, once.
        source = open_csv(files, options)
        return [lambda: source]
    open_one = open_parquet if format == "parquet" else open_feather
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


def common_schema(files: list[str], sources: Iterable[HasSchema], options: Options) -> Schema:
    """The schema that holds the rows of all sources (F3), with the types that were asked for."""
    schema = None
    for source in sources:
        if schema is None:
            schema = source.schema.remove_metadata()
        schema = types.widen(schema, files[0], source.name, source.schema)
    return types.apply_flags(schema, options.types)


def open_files(paths: list[bytes], **options: Any) -> Stream:
    """All files as one stream of batches."""
    read = Options(**options)
    files = [os.fsdecode(path) for path in paths]
    pa.set_cpu_count(max(1, read.threads))
    parts = _parts(files, read)
    return Stream(parts, common_schema(files, (part() for part in parts), read), read)
