"""Compares the speed and memory of Ramet and its peers on one table, in one interleaved run.

    python bench/compare.py --rows 1000000 --rounds 100 --depth 8 --threads 1 2 --repeats 5
    python bench/compare.py --rows 1000000 --threads 2 --with-neighbour
    python bench/compare.py --train data/flights/train.parquet --test data/flights/test.parquet --label late

Every measurement is a fresh process; a round measures each peer once, then the next round begins. Medians are reported.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import report
import runner
from peers.protocol import ChildError, Job, Measurement

MEGABYTE = 1e6
# Of the histogram floor: nanoseconds per update of a prefetched kernel, and the share of rows that a level below the
# root reads when the larger child of each node is had by subtraction.
FLOOR_NS_PER_UPDATE = 0.5
FLOOR_ROWS_PER_LEVEL = 0.4


@dataclass
class Series:
    """The measurements of one peer under one condition."""

    measurements: list[Measurement] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)

    def median(self, value: Callable[[Measurement], float]) -> float:
        """Of that value."""
        return statistics.median(map(value, self.measurements))

    def seconds(self, name: str) -> float:
        """The median seconds of a step."""
        return self.median(lambda one: one.seconds[name])

    def step(self, name: str) -> float:
        """The median seconds of a step of training."""
        return self.median(lambda one: one.steps[name])

    @property
    def fit(self) -> float:
        """Median seconds of binning and training together."""
        return self.median(lambda one: one.fit_seconds)


@dataclass(frozen=True, order=True)
class Condition:
    """What changes within a run, besides the peer."""

    threads: int
    busy: bool

    @property
    def of_threads(self) -> str:
        """The number of threads in words."""
        return "1 thread" if self.threads == 1 else f"{self.threads} threads"


Results = dict[Condition, dict[str, Series]]


def run_all(table: runner.Table, settings: Job, peers: list[str], conditions: list[Condition], repeats: int) -> Results:
    """The interleaved measurements. A peer that fails is reported and left out, of the results too."""
    results: Results = {condition: defaultdict(Series) for condition in conditions}
    failed: set[str] = set()
    runner.warm_cache(table)
    for repeat in range(1, repeats + 1):
        for condition in conditions:
            for peer in peers:
                if peer in failed:
                    continue
                job = runner.job_for(table, replace(settings, threads=condition.threads))
                try:
                    with runner.busy_neighbour(condition.busy):
                        measurement, scores = runner.measure(peer, job)
                except ChildError as error:
                    print(f"{peer} failed and is left out: {error}", file=sys.stderr)
                    failed.add(peer)
                    continue
                series = results[condition][peer]
                series.measurements.append(measurement)
                series.scores = scores
                print(progress_line(repeat, condition, peer, measurement, scores), file=sys.stderr)
    return {c: {p: s for p, s in by_peer.items() if p not in failed} for c, by_peer in results.items()}


def progress_line(
    repeat: int, condition: Condition, peer: str, measurement: Measurement, scores: dict[str, float]
) -> str:
    """What a person who waits wants to see."""
    times = "  ".join(f"{name} {seconds:.3f}" for name, seconds in measurement.seconds.items())
    quality = "  ".join(f"{name} {value:.5f}" for name, value in scores.items())
    neighbour = ", busy neighbour" if condition.busy else ""
    memory = f"{measurement.peak_bytes / MEGABYTE:.0f} MB"
    return f"{repeat}. {condition.of_threads}{neighbour}  {peer:18}  {times} s  {memory}  {quality}"


def main_table(by_peer: dict[str, Series]) -> str:
    """Times, memory and quality of each peer."""
    others = {peer: series.fit for peer, series in by_peer.items() if peer != "ramet"}
    fastest = min(others.values(), default=float("nan"))
    metrics = list(next(iter(by_peer.values())).scores)
    header = ["library", "read s", "bin s", "train s", "bin + train s", "min - max", "ratio", "read + fit s"]
    header += ["predict s", "peak MB", "at start MB", *metrics]
    rows = []
    for peer, series in by_peer.items():
        fits = [one.fit_seconds for one in series.measurements]
        row = [peer, *(f"{series.seconds(name):.3f}" for name in ("read", "bin", "train")), f"{series.fit:.3f}"]
        row += [f"{min(fits):.3f} - {max(fits):.3f}", f"{series.fit / fastest:.2f}"]
        row += [f"{series.median(lambda one: one.seconds['read'] + one.fit_seconds):.3f}"]
        row += [f"{series.seconds('predict'):.3f}", f"{series.median(lambda one: one.peak_bytes) / MEGABYTE:.0f}"]
        row += [f"{series.median(lambda one: one.started_bytes) / MEGABYTE:.0f}"]
        rows.append([*row, *(f"{series.scores[metric]:.5f}" for metric in metrics)])
    return report.markdown_table(header, rows)


def neighbour_table(quiet: dict[str, Series], busy: dict[str, Series]) -> str:
    """How much longer training takes beside one busy process."""
    rows = []
    for peer in quiet:
        alone, beside = quiet[peer].seconds("train"), busy[peer].seconds("train")
        slowest = max(one.seconds["train"] for one in busy[peer].measurements)
        rows.append([peer, f"{alone:.3f}", f"{beside:.3f}", f"{beside / alone:.2f}", f"{slowest / alone:.2f}"])
    return report.markdown_table(["library", "train s, quiet", "train s, busy", "ratio", "worst ratio"], rows)


def steps_table(series: Series) -> str:
    """Where Ramet's training time goes."""
    names = series.measurements[0].steps
    return report.markdown_table(["step", "s"], [[name, f"{series.step(name):.3f}"] for name in names])


def histogram_floor(options: argparse.Namespace, threads: int) -> str:
    """One line on the time that histograms alone need, for the generated table with a depth limit."""
    levels = 1 + FLOOR_ROWS_PER_LEVEL * (options.depth - 1)
    updates = options.rows * 28 * options.rounds * levels
    seconds = updates * FLOOR_NS_PER_UPDATE * 1e-9 / threads
    return f"Floor: {updates:.3g} histogram updates x {FLOOR_NS_PER_UPDATE} ns / {threads} = {seconds:.2f} s."


def body_of(results: Results, options: argparse.Namespace) -> str:
    """All tables."""
    parts = []
    for condition in sorted(results):
        quiet = results[Condition(condition.threads, False)]
        if not quiet:
            continue
        if condition.busy:
            parts.append(f"## {condition.of_threads} beside one busy process")
            parts.append(neighbour_table(quiet, results[condition]))
            continue
        parts.append(f"## {condition.of_threads}")
        parts.append(main_table(quiet))
        if "ramet" in quiet and quiet["ramet"].measurements[0].steps:
            parts.append(f"### Where Ramet's training time goes, {condition.of_threads}")
            parts.append(steps_table(quiet["ramet"]))
            if options.train is None and options.kind == "higgs" and options.depth > 0:
                parts.append(histogram_floor(options, condition.threads))
    return "\n\n".join(parts)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("higgs", "heavy_tail", "huge_weight", "mixed"), default="higgs")
    parser.add_argument("--rows", type=int, default=1_000_000, help="training rows of the generated table")
    parser.add_argument("--test-rows", type=int, default=500_000, help="rows to predict of the generated table")
    parser.add_argument("--train", type=Path, help="a Parquet file to train on instead of a generated table")
    parser.add_argument("--test", type=Path, help="its test file")
    parser.add_argument("--label", default="label")
    parser.add_argument("--task", choices=("binary", "regression"), default="binary", help="of --train")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--leaves", type=int, default=255)
    parser.add_argument("--depth", type=int, default=8, help="0: unlimited")
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", nargs="+", choices=runner.PEERS, default=list(runner.PEERS))
    parser.add_argument("--with-neighbour", action="store_true", help="measure again beside one busy process")
    parser.add_argument("--ramet", type=Path, default=runner.RAMET, help="the command")
    parser.add_argument("--name", help="of the files under bench/results/")
    options = parser.parse_args(argv)
    if (options.train is None) != (options.test is None):
        parser.error("--train and --test go together")
    if "ramet" in options.peers and not options.ramet.is_file():
        parser.error(f"--ramet {options.ramet}: no such file; build it, or choose other --peers")
    return options


def main() -> int:
    """The command line."""
    options = arguments()
    if options.train is None:
        table = runner.generated(options.kind, options.rows, options.test_rows)
    else:
        table = runner.Table(options.train.stem, options.train, options.test, label=options.label, task=options.task)
    settings = Job(
        rounds=options.rounds, leaves=options.leaves, depth=options.depth, ramet=str(options.ramet.resolve())
    )
    conditions = [
        Condition(n, busy) for n in options.threads for busy in ([False, True] if options.with_neighbour else [False])
    ]
    quiet = report.Quietness()
    results = run_all(table, settings, options.peers, conditions, options.repeats)

    depth = f"depth {options.depth}" if options.depth else "unlimited depth"
    title = f"{table.name}: {options.rounds} rounds, {options.leaves} leaves, {depth}, median of {options.repeats}"
    body = body_of(results, options)
    raw = [
        {
            "peer": peer,
            **asdict(condition),
            "scores": series.scores,
            "measurements": list(map(asdict, series.measurements)),
        }
        for condition, by_peer in results.items()
        for peer, series in by_peer.items()
    ]
    model_settings = {"rounds": options.rounds, "leaves": options.leaves, "depth": options.depth}
    name = options.name or f"{table.name}-{depth.replace(' ', '-')}"
    path = report.write(name, title, body, {"settings": model_settings, "results": raw}, settings.ramet, quiet)
    print(f"{body}\n\nwritten to {path} and .json")
    return 0 if all(set(by_peer) == set(options.peers) for by_peer in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
