"""CSV files, typed over all values of all files, never by a first block (F2 of `src/reader/reader.h`).

Blocks of whole rows are parsed on all threads, each with the types of its own values; the types of all values are the
join of the blocks' types. Tables are kept until the types are known, if they fit; then numbers are widened in place.
Where a column turns out to be text after a block of it was read as something else, or memory is short, the files are
read again with the types known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.csv

from ramet import _core
from ramet._command import types
from ramet._command.blocks import Blocks
from ramet._command.files import Batch, Options, Source

Table = Any  # pyarrow has no types of its own for mypy
Schema = Any

# What pyarrow says of a row with other columns, and of a value that it cannot convert.
_RAGGED = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+).*", re.DOTALL)
_CONVERSION = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to ([^:]*): (.*)", re.DOTALL)
_INVALID = re.compile(r"invalid value '(.*)'", re.DOTALL)
_WORDS = {
    "int": "an integer",
    "double": "a number",
    "float": "a number",
    "bool": "true or false",
    "date": "a date (YYYY-MM-DD)",
    "timestamp": "a time stamp (YYYY-MM-DD HH:MM:SS)",
}
_LONGEST_VALUE_SHOWN = 80


@dataclass
class _Block:
    """One block: where it comes from and what became of it."""

    file: int
    text: Any
    table: Table | None = None
    failure: str = ""


class _Csv:
    def __init__(self, files: list[str], options: Options) -> None:
        self.files = files
        self.options = options
        self.headers: list[list[str]] = []
        self.columns = self._read_headers()
        self.types: dict[str, types.Type] = {}  # of the flags, and once known of all columns
        for column, flag in options.types:
            type = types.of_flag(flag)
            if type is not None:
                self.types[column] = type
        self.schema = pa.schema([pa.field(name, self.types.get(name, pa.null())) for name in self.columns])
        self.ready: list[Table] = []
        self.read_again = False
        self._accepted_file = 0
        self._rows_before = 0  # accepted rows of the file of the last accepted block

    def _read_headers(self) -> list[str]:
        chosen: list[str] = []
        for file in self.files:
            header = Blocks(file, self.options.delimiter).header
            columns = self.options.choose(file, header)
            chosen = chosen if self.headers else columns
            for column in chosen:
                if column not in columns:
                    raise ValueError(f'{file}: column "{column}" is missing; {self.files[0]} has it.')
            for column in columns:
                if column not in chosen:
                    raise ValueError(
                        f'{file}: column "{column}" is not in {self.files[0]}. Use --drop {column} to leave it out.'
                    )
            self.headers.append(header)
        if not chosen:
            raise ValueError(f"{self.files[0]}: no column is left to read.")
        return chosen

    def type_all(self) -> None:
        """Reads all files; then the schema is known, and `ready` holds the rows, or they must be read again."""
        budget = _core.available_memory() // 4
        kept = 0
        for block in self.parsed():
            self.join(block)
            if self.read_again:
                continue
            self.ready.append(block.table)
            kept += block.table.nbytes  # type: ignore[union-attr]
            if kept > budget:
                self.read_again = True
                self.ready.clear()
        for table in self.ready:
            for before, after in zip(table.schema.types, self.schema.types, strict=True):
                self.read_again |= types.needs_text(before, after)
        self.types = dict(zip(self.schema.names, self.schema.types, strict=True))

    def batches(self, *, again: bool = False) -> Iterator[Batch]:
        if self.read_again or again:
            self.ready.clear()
            for block in self.parsed():
                yield from self._batches_of(block.table)
            return
        while self.ready:
            yield from self._batches_of(self.ready.pop(0))

    @staticmethod
    def _batches_of(table: Table) -> Iterator[Batch]:
        if table.num_rows > 0:
            yield from table.combine_chunks().to_batches()

    def parsed(self) -> Iterator[_Block]:
        """All blocks in order, parsed on all threads and found to be whole."""
        self._accepted_file = self._rows_before = 0
        blocks = self._blocks()
        threads = max(1, self.options.threads)
        with ThreadPoolExecutor(threads) as pool:
            while wave := list(islice(blocks, threads)):
                self.options.check_cancelled(self.files[0])
                for block in pool.map(self._parse, wave):
                    self._accept(block)
                    yield block

    def _blocks(self) -> Iterator[_Block]:
        for number, file in enumerate(self.files):
            for text in Blocks(file, self.options.delimiter):
                yield _Block(number, text)

    def _parse(self, block: _Block) -> _Block:
        try:
            block.table = pyarrow.csv.read_csv(
                pa.BufferReader(block.text),
                read_options=pyarrow.csv.ReadOptions(
                    # Blocks are parsed beside each other; only so does Arrow count rows.
                    use_threads=False,
                    block_size=min(len(block.text) + 1, 2**31 - 1),
                    column_names=self.headers[block.file],
                ),
                parse_options=pyarrow.csv.ParseOptions(delimiter=self.options.delimiter, newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=self.columns,
                    column_types=self.types,
                    strings_can_be_null=True,
                    null_values=[*_core.missing_spellings, *self.options.missing],
                    true_values=["true", "True", "TRUE"],
                    false_values=["false", "False", "FALSE"],
                ),
            )
        except pa.ArrowException as error:
            block.failure = str(error)
        return block

    def _accept(self, block: _Block) -> None:
        if block.file != self._accepted_file:
            self._rows_before = 0
        self._accepted_file = block.file
        if block.table is None:
            raise ValueError(self._explain(block))
        self._rows_before += block.table.num_rows

    def _explain(self, block: _Block) -> str:
        file, header = self.files[block.file], self.headers[block.file]
        if ragged := _RAGGED.fullmatch(block.failure):
            row, expected, actual = (int(number) for number in ragged.groups())
            return (
                f"{file}: row {self._rows_before + row:,} has {actual} columns, the header has {expected}. "
                "Correct the row, or choose another --delimiter."
            )
        conversion = _CONVERSION.fullmatch(block.failure)
        if conversion is None:
            return f"{file}: {block.failure}"
        position, row_number = int(conversion[1]), int(conversion[2])
        column = header[position] if position < len(header) else ""
        where = f'{file}: row {self._rows_before + row_number:,}, column "{column}": '
        words = next((words for type, words in _WORDS.items() if conversion[3].startswith(type)), "")
        invalid = _INVALID.fullmatch(conversion[4])
        if invalid is None or not words:
            return f"{where}{conversion[4]}. Correct the value, or use --drop {column}."
        value = invalid[1][:_LONGEST_VALUE_SHOWN]
        more = "…" if len(invalid[1]) > _LONGEST_VALUE_SHOWN else ""
        return (
            f'{where}"{value}{more}" is not {words}. Use --missing "{value}" to read it as missing, '
            f"--type {column}=string to read the column as text, or --drop {column}."
        )

    def join(self, block: _Block) -> None:
        """Widens the schema to hold a block's values."""
        fields = []
        for known, own in zip(self.schema, block.table.schema, strict=True):  # type: ignore[union-attr]
            if pa.types.is_binary(own.type):
                raise ValueError(
                    f'{self.files[block.file]}: column "{known.name}" is not UTF-8 text. '
                    f"Convert the file to UTF-8, or use --drop {known.name}."
                )
            fields.append(pa.field(known.name, types.join(known.type, own.type)))
        self.schema = pa.schema(fields)


def types_of_csv(file: str, options: Options) -> Schema:
    """The types that the values of one file read as: the join of all files' is that of the table."""
    csv = _Csv([file], options)
    for block in csv.parsed():
        csv.join(block)
    return csv.schema


def read_csv(file: str, schema: Schema, options: Options) -> Source:
    """One file of a table whose types are known."""
    csv = _Csv([file], options)
    csv.columns = schema.names
    csv.types = dict(zip(schema.names, schema.types, strict=True))
    return Source(file, schema, csv.batches(again=True))


def open_csv(files: list[str], options: Options) -> Source:
    """All CSV files as one source: their types depend on each other."""
    csv = _Csv(files, options)
    csv.type_all()
    return Source(files[0], csv.schema, csv.batches())
