"""The results as a person and a program read them: the machine, the versions, tables, files under bench/results/."""

import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from runner import BENCH, ROOT

RESULTS = BENCH / "results"
LIBRARIES = ("lightgbm", "xgboost", "catboost", "scikit-learn", "numpy", "pandas", "pyarrow")


def _field(path: str, name: str) -> str:
    """The value of the first `name: value` line of a file of /proc."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _output_of(command: list[str]) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def hardware() -> dict[str, Any]:
    """The machine."""
    kilobytes = int(_field("/proc/meminfo", "MemTotal").split()[0])
    return {
        "cpu": f"{_field('/proc/cpuinfo', 'model name')}, family {_field('/proc/cpuinfo', 'cpu family')}, "
        f"model {_field('/proc/cpuinfo', 'model')}",
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(kilobytes / 2**20, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
    }


def versions(ramet: str) -> dict[str, str]:
    """Of everything compared. The commit says whether the checkout had changes."""
    commit = _output_of(["git", "rev-parse", "--short", "HEAD"])
    changed = "" if _output_of(["git", "status", "--porcelain", "--", "src"]) == "" else " with changes in src/"
    own = f"{_output_of([ramet, '--version'])} (commit {commit}{changed})"
    return {"ramet": own, "python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def cpu_ticks() -> dict[str, int]:
    """Clock ticks since boot that all cores together spent: all of them, and those that other machines took."""
    ticks = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return {"total": sum(ticks), "stolen": ticks[7]}


class Quietness:
    """Tells how undisturbed a run was: the load before it, and the share of time stolen by other virtual machines."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._ticks = cpu_ticks()
        if self._load > 0.5:
            print(f"warning: the machine is not quiet (load {self._load:.2f}); ratios may mislead", file=sys.stderr)

    def report(self) -> dict[str, float]:
        """The figures, at the end of the run."""
        now = cpu_ticks()
        stolen = (now["stolen"] - self._ticks["stolen"]) / max(1, now["total"] - self._ticks["total"])
        return {"load_before": round(self._load, 2), "stolen_percent": round(100 * stolen, 2)}


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is left-aligned, the others right-aligned; padded to read well as plain text."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def write(name: str, title: str, body: str, raw: dict[str, Any], ramet: str, quiet: Quietness) -> Path:
    """Writes DATE-name.md and .json and returns the first."""
    today = datetime.date.today().isoformat()
    command = shlex.join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    machine, libraries, quietness = hardware(), versions(ramet), quiet.report()
    facts = [
        f"- date: {today}",
        f"- machine: {machine['cpu']}; {machine['cores']} cores; {machine['memory_gib']} GiB; {machine['system']}",
        f"- versions: {', '.join(f'{key} {value}' for key, value in libraries.items() if key != 'ramet')}",
        f"- Ramet: {libraries['ramet']}",
        f"- load before the run {quietness['load_before']}; time stolen by other virtual machines "
        f"{quietness['stolen_percent']} %",
        f"- again: `{command}`",
    ]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{today}-{name}.md"
    path.write_text("\n".join([f"# {title}", "", *facts, "", body, ""]))
    record = {"date": today, "command": command, "machine": machine, "versions": libraries, "quiet": quietness} | raw
    path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    return path
