"""What runs in the pod of a job (`ramet submit`): `ramet train`, on the workers of the release.

    python -m ramet.cluster.job --checkpoint FILE -- FILES… --label late --out FILE      # as ramet train has them

A pod that takes the place of a dead one goes on from the checkpoint. The exit code says whether that is of use: trying
again cannot help where the data or the command line are wrong, and can where the cluster was.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STOPPED = 130  # of `ramet train`, by a signal: its pod's successor goes on
TRY_AGAIN = 75  # "temporary failure" of sysexits.h; 1 and 2 are for good


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ramet.cluster.job", description=__doc__, allow_abbrev=False)
    parser.add_argument("--checkpoint", type=Path, help="the file to keep the rounds so far in, and to go on from")
    parser.add_argument("--init-model", type=Path, help="the model to add rounds to")
    parser.add_argument("train", nargs="*", help="the command line of ramet train")
    given = parser.parse_args(arguments)
    scheduler = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if not scheduler:
        parser.error("DASK_SCHEDULER_ADDRESS is not set: this is to run in a pod of a release.")
    line = ["ramet", "train", *given.train, "--scheduler", scheduler]
    if given.checkpoint:
        line += ["--checkpoint", str(given.checkpoint)]
    if given.checkpoint and given.checkpoint.exists():
        print(f"going on from {given.checkpoint}", file=sys.stderr, flush=True)
        line += ["--resume", str(given.checkpoint)]
    elif given.init_model:
        line += ["--init-model", str(given.init_model)]
    code = _train(line)
    if code == 0:
        for file in (given.checkpoint, given.init_model):
            if file:
                file.unlink(missing_ok=True)
    return code


def _train(line: list[str]) -> int:
    from ramet._command import run, stop_at_signals

    again = False

    def train(**training: Any) -> Any:
        from ramet._command.cluster import train_on_cluster

        nonlocal again
        try:
            return train_on_cluster(**training)
        except BaseException as error:
            again = _may_succeed_later(error)
            raise

    stop_at_signals()
    code = run(line, train)
    stopped = code == STOPPED
    return TRY_AGAIN if stopped or (again and code != 0) else code


def _may_succeed_later(error: BaseException) -> bool:
    """Whether the cluster was at fault, and not data or words."""
    from ramet.dask.errors import ClusterError, NotDeterministicError

    cause = error.__cause__
    if isinstance(cause, ClusterError):
        return not isinstance(cause, NotDeterministicError)
    return "cannot be reached" in str(error)


if __name__ == "__main__":
    sys.exit(main())
