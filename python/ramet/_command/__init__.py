"""The command `ramet`, as `pip install` puts it on the PATH: the engine's command, fed by pyarrow's readers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import Any

from ramet import _core


def _stop(number: int, frame: FrameType | None) -> None:
    # The first Ctrl-C (or SIGTERM) asks the run to stop, the second one kills it.
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def main() -> int:
    """Run the command line of this process and return its exit code."""
    stop_at_signals()
    return run(sys.argv)


def stop_at_signals() -> None:
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def run(arguments: list[str], train_on_cluster: Callable[..., object] | None = None) -> int:
    """Run this command line, the command's name included, and return its exit code; signals are the caller's.

    What trains for --workers, --scheduler and their like can be replaced.
    """
    if arguments[1:2] == ["cluster"]:
        from ramet.cluster.command import main as cluster

        return cluster(arguments[2:])
    slurm = "--slurm" in arguments
    if arguments[1:2] == ["submit"]:
        submit = import_module("ramet.cluster.slurm_submit" if slurm else "ramet.cluster.submit")
        return int(submit.main(arguments[2:]))
    if arguments[1:2] == ["train"] and slurm:
        from ramet.cluster import slurm as on_slurm

        return on_slurm.train(arguments[2:])
    if arguments[1:2] == ["doctor"] and any(word.split("=")[0] == "--cluster" for word in arguments[2:]):
        from ramet.cluster.check import main as check

        return check(arguments[2:])
    try:
        line = [os.fsencode(argument) for argument in arguments]
        train = train_on_cluster or _train_on_cluster
        return _core.run_command(line, _open_files, _versions(arguments), train, _list_store)
    except KeyboardInterrupt:
        return 130


def _open_files(paths: list[bytes], **options: Any) -> object:
    from ramet._command.files import open_files

    return open_files(paths, **options)


def _list_store(uri: bytes) -> list[bytes]:
    from ramet._command.stores import list_store_as_bytes

    return list_store_as_bytes(uri)


def _train_on_cluster(**training: Any) -> object:
    from ramet._command.cluster import train_on_cluster

    return train_on_cluster(**training)


def _versions(arguments: list[str]) -> list[tuple[str, str]]:
    if arguments[1:2] != ["doctor"]:
        return []  # `ramet --version` and its like need no pyarrow
    import pyarrow

    return [
        ("Arrow C++", pyarrow.cpp_build_info.version),
        ("pyarrow", pyarrow.__version__),
        ("Python", sys.version.split()[0]),
        *_dask(),
    ]


def _dask() -> list[tuple[str, str]]:
    """Its release, and what training on it would use for members to talk over."""
    try:
        release = version("distributed")
        from ramet.dask.options import fit_options
    except (PackageNotFoundError, ImportError):
        return [("Dask", "not installed")]
    try:
        channel = fit_options().channel
    except ValueError as error:
        channel = str(error)
    ways = "TLS where the cluster has certificates, else TCP, and sockets of the machine within it"
    return [("Dask", release), ("channel on Dask", f"auto ({ways})" if channel == "auto" else channel)]
