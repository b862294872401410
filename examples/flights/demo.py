"""The demo: trains on the flights of 2013 with the command, and proves that the model is the same everywhere.

   python examples/flights/demo.py --ramet build/release/src/cli/ramet

1. Makes the tables (prepare.py) and measures what is to be beaten (baseline.py).
2. Trains, with live progress; measures on the months that the model has not seen.
3. Trains three times more: with one thread, with another instruction set, and from the same rows in seven files. Prints
   the four digests, and exits with 1 unless they are equal.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

HERE = Path(__file__).parent
SETTINGS = [
    "--label", "late",
    "--max-iter", "300",
    "--learning-rate", "0.05",
    "--early-stopping", "true",
    "--n-iter-no-change", "30",
]  # fmt: skip
PARTS = 7


class Command:
    """The command `ramet`, run in a process of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def json(self, *arguments: object, environment: dict[str, str] | None = None):
        """Runs it with --json; its progress goes to our standard error."""
        line = [str(self.path), *map(str, arguments), "--json"]
        run = subprocess.run(line, stdout=subprocess.PIPE, env={**os.environ, **(environment or {})}, check=False)
        if run.returncode != 0:
            raise SystemExit(f"demo: this failed with exit code {run.returncode}: {' '.join(line)}")
        return json.loads(run.stdout)


def run_script(name: str, *arguments: object) -> str:
    """Runs one of our scripts with this interpreter and returns what it printed."""
    line = [sys.executable, str(HERE / name), *map(str, arguments)]
    run = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"demo: {name} failed with exit code {run.returncode}")
    return run.stdout


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def cut(table_path: Path, folder: Path) -> list[Path]:
    """The same rows in PARTS files of random, uneven sizes."""
    table = pq.read_table(table_path)
    draw = random.Random(2013)
    borders = [0, *sorted(draw.sample(range(1, table.num_rows), PARTS - 1)), table.num_rows]
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part in range(PARTS):
        files.append(folder / f"train-{part + 1}.parquet")
        pq.write_table(table.slice(borders[part], borders[part + 1] - borders[part]), files[-1])
    return files


def print_quality(baseline: dict[str, dict[str, float]], metrics: dict[str, float]) -> None:
    heading("On the test months (November, December)")
    print(f"  {'':<20} {'AUC':>7} {'logloss':>9}")
    rows = {
        "base rate": baseline["base_rate"],
        "logistic regression": baseline["logistic_regression"],
        "ramet": metrics,
    }
    for name, values in rows.items():
        print(f"  {name:<20} {values['auc']:>7.4f} {values['logloss']:>9.4f}")


def print_importance(importance: list[dict], count: int = 5) -> None:
    heading("What it looks at (share of the total gain)")
    for entry in importance[:count]:
        print(f"  {entry['name']:<20} {entry['share']:>6.1%}  {'#' * round(60 * entry['share'])}")


def print_speed(report: dict, rows_predicted: int, seconds_predicting: float) -> None:
    heading("How fast")
    seconds, rounds = report["seconds"], len(report["validation"]["history"])  # those after the best one too
    for step, took, count, unit in (
        ("read and bin", seconds["read"] + seconds["bin"], report["rows"], "rows per second"),
        (
            "train",
            seconds["train"],
            report["rows"] * rounds,
            f"rows per second, times {rounds} rounds",
        ),
        ("evaluate", seconds_predicting, rows_predicted, "rows per second, start and reading included"),
    ):
        print(f"  {step:<20} {took:>6.2f} s  {count / took:>13,.0f} {unit}")
    print(f"  {'peak memory':<20} {report['peak_memory_bytes'] / 1e6:>6.0f} MB")


def other_isa(doctor: dict) -> str | None:
    """The next best instruction set to the one in use; None where there is no other."""
    others = [isa for isa in doctor["processor"]["isa_supported"] if isa != doctor["used by default"]["isa"]]
    return others[-1] if others else None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Trains on the flights of 2013, four times, and compares the digests.")
    parser.add_argument("--ramet", type=Path, required=True, help="the command")
    parser.add_argument("--data", type=Path, default=Path("data/flights"), help="folder for tables and models")
    options = parser.parse_args(arguments)
    command, data = Command(options.ramet), options.data

    heading("The data: does a flight arrive 15 or more minutes late?")
    print(run_script("prepare.py", "--output", data), end="", flush=True)
    baseline = json.loads(run_script("baseline.py", "--data", data))
    train, valid, test = (data / f"{name}.parquet" for name in ("train", "valid", "test"))

    doctor = command.json("doctor")
    threads, isa = doctor["used by default"]["threads"], doctor["used by default"]["isa"]
    usual = f"{threads} thread{'s' if threads != 1 else ''}, {isa}"
    heading(f"Training ({usual})")
    model = data / "late.ramet"
    report = command.json("train", train, "--valid", valid, *SETTINGS, "--out", model)
    began = time.monotonic()
    evaluation = command.json("evaluate", model, test, "--quiet")
    seconds_predicting = time.monotonic() - began

    print_quality(baseline, evaluation["metrics"])
    print_importance(command.json("inspect", model, "--importance"))
    print_speed(report, evaluation["rows"], seconds_predicting)

    heading("The same model everywhere")
    runs = [(f"one thread, {isa}", [train], {"RAMET_THREADS": "1"})]
    if (other := other_isa(doctor)) is not None:
        runs.append((f"{threads} threads, {other}", [train], {"RAMET_ISA": other}))
    else:
        print(f"  (no second instruction set: this processor runs {isa} only)")
    runs.append((f"from {PARTS} files", cut(train, data / "parts"), {}))
    models = [model]
    print(f"  {usual:<20} {report['seconds']['train']:>6.2f} s  {report['digest']}", flush=True)
    for number, (what, files, environment) in enumerate(runs, start=2):
        models.append(data / f"late-{number}.ramet")
        again = command.json(
            "train", *files, "--valid", valid, *SETTINGS, "--quiet", "--out", models[-1], environment=environment
        )
        print(f"  {what:<20} {again['seconds']['train']:>6.2f} s  {again['digest']}", flush=True)
    # From the files themselves, by a process that knows nothing of how they were made.
    digests = {entry["digest"] for entry in command.json("digest", *models)}
    equal = len(digests) == 1 and digests == {report["digest"]}
    print(f"\n  {len(models)} models, {len(digests)} digest{'s' if len(digests) > 1 else ''}: "
          f"{'equal' if equal else 'NOT EQUAL'}")  # fmt: skip
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
