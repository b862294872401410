"""Files in object stores and other places that a URI names: listed in the engine's order, opened as Arrow opens files.

``s3://``, ``gs://``, ``abfs://``, ``hdfs://`` and ``file://`` are pyarrow's own; others are fsspec's, if that is
installed.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import pyarrow.fs

_WILDCARD = re.compile(r"[*?\[]")


def is_uri(path: str) -> bool:
    return "://" in path


def _place(uri: str) -> tuple[Any, str]:
    """The file system of a URI, and the path there."""
    try:
        return pyarrow.fs.FileSystem.from_uri(uri)  # type: ignore[no-any-return]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        scheme, _, path = uri.partition("://")
        try:
            import fsspec

            system = fsspec.filesystem(scheme)
        except (ImportError, ValueError):
            raise OSError(f"{uri}: {error}. Install fsspec and what it needs for {scheme}://.") from None
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(system)), path


def open_file(file: str) -> Any:
    """A file for reading at any place; of a path too."""
    if not is_uri(file):
        return pa.OSFile(file)
    system, path = _place(file)
    return system.open_input_file(path)


def size_of(file: str) -> int:
    with open_file(file) as opened:
        return int(opened.size())


def list_store(uri: str) -> list[str]:
    """The files that a URI stands for: itself, those below it, or those that its wildcards match; in byte order."""
    wildcard = _WILDCARD.search(uri, uri.index("://") + 3)
    if wildcard is not None:
        folder, pattern = uri[: uri.rindex("/", 0, wildcard.start())], uri[uri.rindex("/", 0, wildcard.start()) + 1 :]
        return _matching(uri, folder, pattern.split("/"))
    system, path = _place(uri)
    kind = system.get_file_info(path).type
    if kind == pyarrow.fs.FileType.File:
        return [uri]
    if kind != pyarrow.fs.FileType.Directory:
        raise OSError(f"{uri}: there is no such file.")
    below = _below(uri)
    shown = [parts for parts in below if not any(part.startswith((".", "_")) for part in parts)]
    if not shown:
        raise OSError(f"{uri}: the folder holds no files.")
    return _sorted(uri, shown)


def list_store_as_bytes(uri: bytes) -> list[bytes]:
    """The same with file names as bytes, as the engine has them."""
    return [os.fsencode(file) for file in list_store(os.fsdecode(uri))]


def _matching(uri: str, folder: str, pattern: list[str]) -> list[str]:
    found = [
        parts
        for parts in _below(folder)
        if len(parts) == len(pattern)
        and all(fnmatchcase(part, own) for part, own in zip(parts, pattern, strict=True))
        and not any(part.startswith(".") > own.startswith(".") for part, own in zip(parts, pattern, strict=True))
    ]
    if not found:
        raise OSError(f"{uri}: no file matches this pattern.")
    return _sorted(folder, found)


def _below(folder: str) -> list[list[str]]:
    """The files below a folder, each as the names on the way to it."""
    system, root = _place(folder)
    selector = pyarrow.fs.FileSelector(root, recursive=True, allow_not_found=True)
    start = len(root.strip("/")) + 1
    infos = system.get_file_info(selector)
    return [info.path.strip("/")[start:].split("/") for info in infos if info.type == pyarrow.fs.FileType.File]


def _sorted(folder: str, files: list[list[str]]) -> list[str]:
    return sorted((f"{folder.rstrip('/')}/{'/'.join(parts)}" for parts in files), key=lambda file: file.encode())
