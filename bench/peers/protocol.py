"""What a peer is asked and what it answers.

A peer is a module that is run as a fresh process with one argument, a `Job` as JSON. It reads the training file,
trains, predicts the test file, saves the predictions, and prints one line: a `Measurement` as JSON.

This module and the runner use the standard library alone, so that they stay small: Linux counts the memory of the
process that starts a command into that command's peak.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import IO


@dataclass(frozen=True)
class Job:
    """Files and settings, equal for every library. A setting that a library lacks is named in its module."""

    train: str = ""  # Parquet
    test: str = ""
    predictions: str = ""  # written by the peer: .npy, or .csv by Ramet
    label: str = "label"
    weight: str | None = None
    task: str = "binary"  # or regression, absolute_error, quantile, poisson, gamma
    quantile: float = 0.9  # of task quantile
    rounds: int = 100
    learning_rate: float = 0.1
    leaves: int = 255
    depth: int = 0  # 0: unlimited
    min_samples_leaf: int = 20
    min_child_weight: float = 1e-3
    l2: float = 0.0
    bins: int = 255
    subsample: float = 1.0
    seed: int = 0
    threads: int = 1
    ramet: str = ""  # path of the command

    @staticmethod
    def from_arguments() -> "Job":
        """The job of this process."""
        if len(sys.argv) != 2:
            sys.exit(f"usage: python -m peers.NAME JOB, where JOB is {Job.__name__} as JSON")
        return Job(**json.loads(sys.argv[1]))

    def to_json(self) -> str:
        """The argument for a peer's process."""
        return json.dumps(asdict(self))


@dataclass
class Measurement:
    """What a peer prints. Times are wall-clock seconds, sizes are bytes."""

    seconds: dict[str, float]  # read, bin, train, predict
    peak_bytes: int  # resident, from the start of the process to the end of training
    started_bytes: int = 0  # resident before the first file was opened: the interpreter and the imports
    steps: dict[str, float] = field(default_factory=dict)  # of training, where the library tells

    @property
    def fit_seconds(self) -> float:
        """Binning and training: what libraries are compared by."""
        return self.seconds["bin"] + self.seconds["train"]

    def emit(self) -> None:
        """Prints the answer; the last line of standard output counts."""
        print(json.dumps(asdict(self)), flush=True)


class ChildError(RuntimeError):
    """A command failed; the message holds its last words."""


@dataclass(frozen=True)
class Finished:
    """A command that succeeded."""

    output: str
    peak_bytes: int  # its own resident peak, not that of its children


def _text_of(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def run_command(command: list[str], environment: Mapping[str, str]) -> Finished:
    """Runs a command to its end and returns its standard output and its peak memory as wait4 gives it."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, env=dict(os.environ) | dict(environment), stdout=output, stderr=errors)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            last_words = _text_of(errors).strip().splitlines()[-8:]
            raise ChildError(f"{' '.join(command[:4])} …: exit code {child.returncode}: " + "\n".join(last_words))
        return Finished(_text_of(output), usage.ru_maxrss * 1024)


def last_json(output: str) -> dict[str, object]:
    """The JSON object that a command printed: all of its output, or else the last line."""
    text = output.strip()
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = json.loads(text.splitlines()[-1]) if text else None
    if not isinstance(value, dict):
        raise ChildError(f"expected a JSON object on standard output, got: {text[-200:]!r}")
    return value
