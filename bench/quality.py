"""Compares the quality of Ramet's models with that of other libraries at equal settings, mean of several seeds.

    python bench/quality.py --rows 1000000 --threads 2
    python bench/quality.py --rows 100000 --test-rows 100000 --depth 6 --peers lightgbm sklearn --name quality-losses \\
        --tables counts amounts absolute quantile

Tables: the flights (data/flights/, where they have been prepared), a classification, a mixed table, and two that are
hard on quantised gradients: a heavy-tailed target and one huge weight. Named by --tables: one for each of the losses
Poisson, gamma, absolute error and pinball loss of the quantile 0.9. The seed makes the generated tables; on the flights
it draws 0.8 of the rows of each tree. Ramet passes where it is at most 0.0005 worse than the best peer (0.1 % for RMSE,
0.5 % for the losses' own metrics).
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import report
import runner
from peers.protocol import ChildError, Job

OTHERS = ("lightgbm", "xgboost", "sklearn")
KINDS = ("higgs", "mixed", "heavy_tail", "huge_weight")
# A table of data.py and the loss to learn it with.
LOSSES = {
    "counts": ("counts", "poisson"),
    "amounts": ("amounts", "gamma"),
    "absolute": ("skewed", "absolute_error"),
    "quantile": ("skewed", "quantile"),
}
FLIGHTS = runner.DATA / "flights"
FLIGHTS_SUBSAMPLE = 0.8


@dataclass(frozen=True)
class Metric:
    """How a metric is judged."""

    higher_is_better: bool
    allowed: float
    relative: bool = False

    def shortfall(self, ramet: float, best: float) -> float:
        """How much worse Ramet is; negative where it is better."""
        worse = best - ramet if self.higher_is_better else ramet - best
        return worse / abs(best) if self.relative else worse


METRICS = {
    "auc": Metric(higher_is_better=True, allowed=0.0005),
    "logloss": Metric(higher_is_better=False, allowed=0.0005),
    "rmse": Metric(higher_is_better=False, allowed=0.001, relative=True),
    "mae": Metric(higher_is_better=False, allowed=0.005, relative=True),
    "pinball": Metric(higher_is_better=False, allowed=0.005, relative=True),
    "poisson_deviance": Metric(higher_is_better=False, allowed=0.005, relative=True),
    "gamma_deviance": Metric(higher_is_better=False, allowed=0.005, relative=True),
}


@dataclass(frozen=True)
class Score:
    """One metric of one peer's model of one table and seed."""

    table: str
    seed: int
    peer: str
    metric: str
    value: float


@dataclass(frozen=True)
class Verdict:
    """One metric on one table, means over the seeds."""

    table: str
    metric: str
    means: dict[str, float]
    best: str
    shortfall: float

    @property
    def passed(self) -> bool:
        """Whether Ramet is close enough to the best peer."""
        return self.shortfall <= METRICS[self.metric].allowed


def tasks_of(options: argparse.Namespace) -> list[tuple[str, runner.Table, Job]]:
    """Every (name, table, settings), seeds together."""
    settings = Job(
        rounds=options.rounds, depth=options.depth, threads=options.threads, ramet=str(options.ramet.resolve())
    )
    tasks = []
    for seed in range(options.seeds):
        seeded = replace(settings, seed=seed)
        if "flights" in options.tables:
            flights = runner.Table("flights", FLIGHTS / "train.parquet", FLIGHTS / "test.parquet", label="late")
            tasks.append(("flights", flights, replace(seeded, subsample=FLIGHTS_SUBSAMPLE)))
        for kind in KINDS:
            if kind in options.tables:
                tasks.append((kind, runner.generated(kind, options.rows, options.test_rows, seed), seeded))
        for name, (kind, loss) in LOSSES.items():
            if name in options.tables:
                tasks.append((name, runner.generated(kind, options.rows, options.test_rows, seed, loss), seeded))
    return tasks


def scores_of(name: str, table: runner.Table, settings: Job, others: Sequence[str]) -> list[Score]:
    """Trains and scores Ramet and the others."""
    scores = []
    for peer in ("ramet", *others):
        _, values = runner.measure(peer, runner.job_for(table, settings))
        scores += [Score(name, settings.seed, peer, metric, value) for metric, value in values.items()]
        shown = "  ".join(f"{metric} {value:.6f}" for metric, value in values.items())
        print(f"{name}, seed {settings.seed}  {peer:9}  {shown}", file=sys.stderr)
    return scores


def verdicts_of(scores: list[Score], others: Sequence[str]) -> list[Verdict]:
    """Means over the seeds, judged."""
    verdicts = []
    for table, metric in dict.fromkeys((score.table, score.metric) for score in scores):
        here = [score for score in scores if (score.table, score.metric) == (table, metric)]
        means = {
            peer: statistics.mean(score.value for score in here if score.peer == peer) for peer in ("ramet", *others)
        }
        judge = METRICS[metric]
        best = (max if judge.higher_is_better else min)(others, key=means.__getitem__)
        verdicts.append(Verdict(table, metric, means, best, judge.shortfall(means["ramet"], means[best])))
    return verdicts


def verdict_table(verdicts: list[Verdict], others: Sequence[str]) -> str:
    """One row per table and metric."""
    rows = []
    for verdict in verdicts:
        judge = METRICS[verdict.metric]

        def amount(value: float, relative: bool = judge.relative) -> str:
            return f"{100 * value:.3f} %" if relative else f"{value:.5f}"

        values = [verdict.means[peer] for peer in others]
        apart = judge.shortfall(min(values), max(values))
        rows.append(
            [
                f"{verdict.table} {verdict.metric}",
                *(f"{verdict.means[peer]:.5f}" for peer in ("ramet", *others)),
                verdict.best,
                amount(verdict.shortfall),
                amount(judge.allowed),
                "pass" if verdict.passed else "FAIL",
                amount(abs(apart)),
            ]
        )
    header = ["table, metric", "ramet", *others, "best peer", "ramet worse by", "allowed", "verdict", "peers apart by"]
    return report.markdown_table(header, rows)


def seeds_table(scores: list[Score], others: Sequence[str]) -> str:
    """Every single value."""
    values = {(s.table, s.metric, s.seed, s.peer): s.value for s in scores}
    rows = [
        [f"{table} {metric}", str(seed), *(f"{values[table, metric, seed, peer]:.6f}" for peer in ("ramet", *others))]
        for table, metric, seed in dict.fromkeys(key[:3] for key in sorted(values))
    ]
    return report.markdown_table(["table, metric", "seed", "ramet", *others], rows)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables = ("flights", *KINDS)
    parser.add_argument("--tables", nargs="+", choices=(*tables, *LOSSES), default=list(tables))
    parser.add_argument("--peers", nargs="+", choices=OTHERS, default=["lightgbm", "xgboost"])
    parser.add_argument("--rows", type=int, default=1_000_000, help="training rows of the generated tables")
    parser.add_argument("--test-rows", type=int, default=500_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--depth", type=int, default=8, help="0: unlimited")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ramet", type=Path, default=runner.RAMET, help="the command")
    parser.add_argument("--name", default="quality", help="of the files under bench/results/")
    options = parser.parse_args(argv)
    if not options.ramet.is_file():
        parser.error(f"--ramet {options.ramet}: no such file; build it first")
    if "flights" in options.tables and not (FLIGHTS / "train.parquet").exists():
        print(f"warning: {FLIGHTS}/train.parquet is missing, the flights are left out", file=sys.stderr)
        options.tables = [table for table in options.tables if table != "flights"]
    return options


def main() -> int:
    """The command line; 1 where a verdict is FAIL."""
    options = arguments()
    quiet = report.Quietness()
    try:
        scores = [score for task in tasks_of(options) for score in scores_of(*task, options.peers)]
    except ChildError as error:
        print(error, file=sys.stderr)
        return 1
    verdicts = verdicts_of(scores, options.peers)
    table = verdict_table(verdicts, options.peers)
    body = f"{table}\n\n## Every seed\n\n{seeds_table(scores, options.peers)}"
    depth = f"depth {options.depth}" if options.depth else "unlimited depth"
    title = f"Quality at equal settings: {options.rounds} rounds, 255 leaves, {depth}, mean of {options.seeds} seeds"
    raw = {"scores": list(map(asdict, scores)), "verdicts": list(map(asdict, verdicts))}
    path = report.write(options.name, title, body, raw, str(options.ramet), quiet)
    print(f"{body}\n\nwritten to {path} and .json")
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
