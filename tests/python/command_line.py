"""What the tests of the command share: the command itself, and small tables to give it."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60  # no single command of these tests takes longer


@dataclasses.dataclass
class Ramet:
    """The command, run in one folder."""

    path: Path
    folder: Path

    def popen(self, *arguments: str | Path, env: dict[str, str] | None = None, **options) -> subprocess.Popen:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RAMET")}
        return subprocess.Popen(
            [str(self.path), *map(str, arguments)],
            cwd=self.folder,
            env=environment | (env or {}),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments: str | Path, **options) -> subprocess.CompletedProcess:
        with self.popen(*arguments, **options) as process:
            out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def ok(self, *arguments: str | Path, **options) -> str:
        """Standard output of a run that must succeed."""
        done = self(*arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str | Path, **options):
        return json.loads(self.ok(*arguments, "--json", **options))


def command_path() -> Path:
    named = os.environ.get("RAMET_COMMAND") or os.environ.get("RAMET")
    return Path(named) if named else ROOT / "build" / "release" / "src" / "cli" / "ramet"


@pytest.fixture
def ramet(tmp_path: Path) -> Ramet:
    path = command_path()
    assert path.exists(), f"{path} is not built: run `make`, or name the command in RAMET_COMMAND"
    return Ramet(path.resolve(), tmp_path)


def table(rows: int = 200, seed: int = 1, label: Callable[[float, str, float], object] | None = None) -> str:
    """A CSV table: x (some missing), c (categories), z, w (weights) and the label y."""
    label = label or (lambda x, c, noise: int(x + (c == "red") + noise > 0.5))
    generator = random.Random(seed)
    lines = ["x,c,z,w,y"]
    for row in range(rows):
        x, noise = generator.gauss(0, 1), generator.gauss(0, 0.5)
        c = generator.choice(["red", "green", "blue"])
        lines.append(f"{'' if row % 11 == 3 else repr(x)},{c},{row},{1 + row % 3},{label(x, c, noise)}")
    return "\n".join(lines) + "\n"


def regression_table(rows: int = 200, seed: int = 1) -> str:
    return table(rows, seed, lambda x, c, noise: repr(2 * x + (c == "red") + noise))
