"""The text of a CSV file in blocks of whole rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv

from ramet._command.files import reading
from ramet._command.stores import open_file

_BLOCK_BYTES = 4 << 20
_HEADER_BYTES = 1 << 16
_PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


def _row_pattern(delimiter: str) -> re.Pattern[bytes]:
    """One row with its end, as Arrow reads it: quotes count at the start of a field only."""
    mark = re.escape(delimiter.encode())
    rest = rb"[^" + mark + rb"\r\n]*"
    value = rb'(?:"[^"]*(?:""[^"]*)*"(?!")' + rest + rb'|(?!")' + rest + rb")"
    return re.compile(value + rb"(?:" + mark + value + rb")*(?:\r\n|\r|\n)")


class Blocks:
    """A CSV file (unpacked, if its name ends in .gz, .bz2, .zst or .lz4): its header, then its rows.

    Iterating gives the bytes of whole rows, about 4 MiB at a time.
    """

    def __init__(self, file: str, delimiter: str) -> None:
        self._file = file
        self._delimiter = delimiter
        self._row = _row_pattern(delimiter)
        self._left = b""
        self._ended = False
        with reading(file):
            self._stream = self._open()
            self.header = self._read_header()

    def _open(self) -> Any:
        raw = open_file(self._file)
        for ending, packing in _PACKED.items():
            if self._file.endswith(ending):
                return pa.CompressedInputStream(raw, packing)
        return raw

    def _fill(self, size: int) -> None:
        more = self._stream.read(size)
        self._ended = not more
        self._left += more

    def _read_header(self) -> list[str]:
        size = _HEADER_BYTES
        end = 0
        while end == 0:
            self._fill(size)
            self._left = self._left.removeprefix(b"\xef\xbb\xbf")  # the byte order mark that some programs write
            begin = len(self._left) - len(self._left.lstrip(b"\r\n"))
            if self._ended and begin == len(self._left):
                raise ValueError(
                    f"{self._file}: the file is empty. It needs a first line with the names of the columns."
                )
            row = self._row.match(self._left, begin)
            end = row.end() if row else len(self._left) if self._ended else 0
            size *= 2
        names = pyarrow.csv.read_csv(
            pa.BufferReader(self._left[:end] + b"\n"),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, autogenerate_column_names=True),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=False, null_values=[], check_utf8=False),
        )
        self._left = self._left[end:]
        self._ended = False  # what is left over is still to be handed out
        return [str(column[0]) for column in names.to_pydict().values()]

    def _cut(self) -> bytes:
        """Takes the whole rows of what is left over."""
        text = self._left
        if self._ended:
            end = len(text)
        elif b'"' not in text:
            end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        else:  # quotes are about, and rows may hold line ends: their text must be followed
            end = 0
            while row := self._row.match(text, end):
                end = row.end()
        self._left = text[end:]
        return text[:end]

    def __iter__(self) -> Iterator[bytes]:
        size = _BLOCK_BYTES
        while True:
            if not self._ended:
                with reading(self._file):
                    self._fill(size)
            rows = self._cut()
            if rows:
                size = _BLOCK_BYTES
                yield rows
            elif self._ended:
                return
            else:
                size *= 2
