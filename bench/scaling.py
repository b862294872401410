"""One fit at every size: without Dask, on one node, on several; beside xgboost.dask and lightgbm.dask.

    python bench/scaling.py --rows 20000000 --parts 32                       # what docs/performance.md shows
    python bench/scaling.py --rows 1000000 --parts 8 --layouts local node    # quicker
    python bench/scaling.py --scheduler tcp://10.0.0.7:8786                  # "nodes" are that cluster's workers

Layouts, which share the same number of cores (--cores):
    local   one process with all of them as threads, no Dask
    node    Dask on this node: a worker of one thread for each core
    nodes   a scheduler and workers as separate processes that know each other by address only, as on separate hosts;
            or the cluster at --scheduler

Every measurement is a process of its own. Rows (bench/data.py's `higgs`) lie in Parquet files, one for each part. Timed
is the fit from rows in the workers' memory (binning included) to a model at the client; reading is told apart.
Repeats alternate between libraries. Writes docs/performance.md and docs/static/performance.svg; raw figures go to
bench/results/.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from data import ROWS_PER_BLOCK, blocks_of

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("ramet", "xgboost", "lightgbm")
LAYOUTS = ("local", "node", "nodes")
DEPTH, LEAVES = 8, 255

Fit = Callable[[], Any]


# ── Data ──


def make_parts(rows: int, parts: int, folder: Path) -> None:
    """Parquet files of equal numbers of rows; whole or not there."""
    if folder.exists():
        return
    partial = folder.with_name(folder.name + ".part")
    partial.mkdir(parents=True, exist_ok=True)
    borders = [rows * i // parts for i in range(parts + 1)]
    pending, part, begin = [], 0, 0
    for batch in blocks_of("higgs", rows, 0, "train"):
        taken = 0
        while taken < batch.num_rows:
            count = min(batch.num_rows - taken, borders[part + 1] - begin)
            pending.append(batch.slice(taken, count))
            taken, begin = taken + count, begin + count
            if begin == borders[part + 1]:
                pa.parquet.write_table(pa.Table.from_batches(pending), partial / f"{part:05}.parquet")
                pending, part = [], part + 1
    partial.rename(folder)


def test_rows() -> tuple[np.ndarray, np.ndarray]:
    table = pa.Table.from_batches(blocks_of("higgs", ROWS_PER_BLOCK, 0, "test"))
    return split(table)


def split(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    names = [name for name in table.column_names if name != "label"]
    return np.column_stack([table[name].to_numpy() for name in names]), table["label"].to_numpy()


# ── One measurement, in a process of its own ──


class MemoryWatch:
    """The most resident memory of each process, looked at 20 times a second."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.peaks = dict.fromkeys(pids, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._over.wait(0.05):
            for pid in self.peaks:
                with contextlib.suppress(OSError):
                    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                    self.peaks[pid] = max(self.peaks[pid], pages * page)

    def stop(self) -> list[int]:
        self._over.set()
        self._thread.join()
        return sorted(self.peaks.values())


@contextlib.contextmanager
def cluster_of(layout: str, cores: int, scheduler: str | None) -> Iterator[Any]:
    """A client of the layout's cluster."""
    from distributed import Client, LocalCluster

    if layout == "node":
        with (
            LocalCluster(n_workers=cores, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    file = Path(f"/tmp/scaling-{os.getpid()}.json")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    started = [
        subprocess.Popen([*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)], **quiet)
    ]
    try:
        worker = [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1", "--memory-limit", "0"]
        started += [subprocess.Popen([*worker, "--no-dashboard"], **quiet) for _ in range(cores)]
        with Client(scheduler_file=str(file), timeout=60) as client:
            client.wait_for_workers(cores, timeout=60)
            yield client
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()
        file.unlink(missing_ok=True)


def fit_local(library: str, folder: Path, cores: int, rounds: int) -> tuple[Fit, float, list[int]]:
    begin = time.perf_counter()
    X, y = split(pa.parquet.read_table(folder))
    reading = time.perf_counter() - begin
    if library == "ramet":
        from ramet import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            max_iter=rounds, max_depth=DEPTH, max_leaf_nodes=LEAVES, early_stopping=False, n_jobs=cores
        )
        return (lambda: model.fit(X, y)), reading, [os.getpid()]
    if library == "lightgbm":
        import lightgbm

        boosted = lightgbm.LGBMClassifier(
            n_estimators=rounds, max_depth=DEPTH, num_leaves=LEAVES, n_jobs=cores, verbosity=-1
        )
        return (lambda: boosted.fit(X, y)), reading, [os.getpid()]
    import xgboost

    trees = xgboost.XGBClassifier(n_estimators=rounds, max_depth=DEPTH, tree_method="hist", n_jobs=cores)
    return (lambda: trees.fit(X, y)), reading, [os.getpid()]


def fit_on(client: Any, library: str, folder: Path, rounds: int) -> tuple[Fit, float, list[int]]:
    import dask.dataframe
    from distributed import wait

    begin = time.perf_counter()
    frame = dask.dataframe.read_parquet(folder, split_row_groups=False, blocksize=None).persist()
    wait(frame)
    X, y = frame.drop(columns="label"), frame["label"]
    reading = time.perf_counter() - begin
    pids = list(client.run(os.getpid).values())
    if library == "ramet":
        from ramet import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            max_iter=rounds, max_depth=DEPTH, max_leaf_nodes=LEAVES, early_stopping=False
        )
        return (lambda: model.fit(X, y)), reading, pids
    if library == "lightgbm":
        import lightgbm

        boosted = lightgbm.DaskLGBMClassifier(
            client=client, n_estimators=rounds, max_depth=DEPTH, num_leaves=LEAVES, verbosity=-1
        )
        return (lambda: boosted.fit(X, y)), reading, pids
    import xgboost.dask

    trees = xgboost.dask.DaskXGBClassifier(n_estimators=rounds, max_depth=DEPTH, tree_method="hist")
    trees.client = client
    return (lambda: trees.fit(X, y)), reading, pids


def probabilities(library: str, layout: str, model: Any, X: np.ndarray) -> np.ndarray:
    if library == "lightgbm" and layout != "local":
        model = model.to_local()
    if library == "xgboost":
        return model.get_booster().inplace_predict(X)
    return model.predict_proba(X)[:, 1]


def measure(library: str, layout: str, folder: Path, cores: int, rounds: int, scheduler: str | None) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    with contextlib.ExitStack() as stack:
        if layout == "local":
            fit, reading, pids = fit_local(library, folder, cores, rounds)
        else:
            client = stack.enter_context(cluster_of(layout, cores, scheduler))
            fit, reading, pids = fit_on(client, library, folder, rounds)
        watch = MemoryWatch(pids if scheduler is None else [])
        begin = time.perf_counter()
        model = fit()
        seconds = time.perf_counter() - begin
        figures = {"library": library, "layout": layout, "reading": reading, "seconds": seconds, "peaks": watch.stop()}
        X, y = test_rows()
        figures["auc"] = float(roc_auc_score(y, probabilities(library, layout, model, X)))
        if library == "ramet":
            figures["digest"] = model.digest_
        report = getattr(model, "fit_report_", None)
        if report is not None:
            figures["phases"] = report.seconds
            figures["exchanges_per_tree"] = report.exchanges_per_tree
            figures["megabytes_per_tree"] = sum(w.bytes_sent for w in report.workers) / rounds / 1e6
        return figures


# ── The report ──


def measure_apart(arguments: argparse.Namespace, library: str, layout: str, folder: Path) -> dict[str, Any]:
    """In a fresh process."""
    command = [sys.executable, __file__, "--one", library, layout, "--folder", str(folder)]
    command += ["--cores", str(arguments.cores), "--rounds", str(arguments.rounds)]
    if arguments.scheduler:
        command += ["--scheduler", arguments.scheduler]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{library} {layout} failed:\n{done.stderr[-4000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{library:9} {layout:6} {figures['seconds']:8.2f} s  AUC {figures['auc']:.5f}", flush=True)
    return figures


def summary(runs: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Medians over the repeats."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["library"], run["layout"]), []).append(run)
    return {
        key: {
            "seconds": statistics.median(run["seconds"] for run in group),
            "reading": statistics.median(run["reading"] for run in group),
            "peak": max((max(run["peaks"]) for run in group if run["peaks"]), default=0),
            "auc": sorted({round(run["auc"], 5) for run in group}),
            "digests": {run["digest"] for run in group if "digest" in run},
            "last": group[-1],
        }
        for key, group in groups.items()
    }


def table_of(figures: dict[tuple[str, str], dict[str, Any]], layouts: Sequence[str]) -> str:
    from report import markdown_table

    rows = []
    for layout in layouts:
        for library in LIBRARIES:
            if (library, layout) not in figures:
                continue
            own = figures[library, layout]
            alone = figures.get((library, "local"))
            last = own["last"]
            rows.append(
                [
                    f"{library}, {layout}",
                    f"{own['seconds']:.1f}",
                    f"{alone['seconds'] / own['seconds']:.2f}" if alone and layout != "local" else "",
                    f"{own['peak'] / 2**20:,.0f}" if own["peak"] else "",
                    f"{last['exchanges_per_tree']:.0f}" if "exchanges_per_tree" in last else "",
                    f"{last['megabytes_per_tree']:.1f}" if "megabytes_per_tree" in last else "",
                    " ".join(f"{auc:.5f}" for auc in own["auc"]),
                ]
            )
    head = ["", "fit s", "efficiency", "peak MiB of a process", "exchanges a tree", "MB a tree", "AUC"]
    return markdown_table(head, rows)


def draw(figures: dict[tuple[str, str], dict[str, Any]], layouts: Sequence[str], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "ramet"
    from matplotlib import pyplot

    plot, (times, memory) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    present = [library for library in LIBRARIES if any((library, layout) in figures for layout in layouts)]
    for i, library in enumerate(present):
        places = [at + 0.26 * (i - 1) for at, layout in enumerate(layouts) if (library, layout) in figures]
        own = [figures[library, layout] for layout in layouts if (library, layout) in figures]
        times.bar(places, [one["seconds"] for one in own], 0.24, label=library)
        memory.bar(places, [one["peak"] / 2**30 for one in own], 0.24, label=library)
    for axes, title in ((times, "fit, seconds"), (memory, "most memory of a process, GiB")):
        axes.set_xticks(range(len(layouts)), layouts)
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
    times.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    plot.savefig(path, metadata={"Date": None})


def write_page(arguments: argparse.Namespace, runs: list[dict[str, Any]], quiet: Any) -> None:
    import report

    figures = summary(runs)
    digests = {digest for one in figures.values() for digest in one["digests"]}
    body = "\n".join(
        [
            f"{arguments.rows:,} rows x 28 float32 features in {arguments.parts} Parquet files, "
            f"{arguments.rounds} rounds of depth {DEPTH} and up to {LEAVES} leaves, {arguments.cores} cores; "
            f"{f'median of {arguments.repeats} runs' if arguments.repeats > 1 else 'one run of each'}. "
            "*Efficiency*: the library's own time without Dask over its time here, on as many cores.",
            "",
            table_of(figures, arguments.layouts),
            "",
            f"Ramet's digest over all layouts and repeats: {', '.join(f'`{one[:16]}…`' for one in sorted(digests))}.",
        ]
    )
    raw = {"runs": runs}
    path = report.write("scaling", "Without Dask, on one node, on many", body, raw, str(arguments.ramet), quiet)
    if not arguments.page:
        return
    picture = ROOT / "docs" / "static" / "performance.svg"
    draw(figures, arguments.layouts, picture)
    lines = path.read_text().split("\n")
    lines[0] = "# Performance at every size"
    page = ROOT / "docs" / "performance.md"
    page.write_text(
        "\n".join([*lines[:-1], "", "![Seconds and memory by layout](static/performance.svg)", ""])
        + "\n`make scale-report` measures again and writes this page. Layouts: `local` is one process; `node` is Dask\n"
        "on one node, a worker for each core; `nodes` are a scheduler and workers as separate processes, as on\n"
        "separate hosts.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--parts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--scheduler", help="address of a cluster for the layout `nodes`")
    parser.add_argument("--ramet", type=Path, default=ROOT / "build/release/src/cli/ramet")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md too")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        library, layout = arguments.one
        figures = measure(library, layout, arguments.folder, arguments.cores, arguments.rounds, arguments.scheduler)
        print(json.dumps(figures))
        return
    import report

    quiet = report.Quietness()
    folder = ROOT / "data" / "bench" / f"higgs-{arguments.rows}-{arguments.parts}"
    make_parts(arguments.rows, arguments.parts, folder)
    runs = [
        measure_apart(arguments, library, layout, folder)
        for _ in range(arguments.repeats)
        for layout in arguments.layouts
        for library in arguments.libraries
    ]
    write_page(arguments, runs, quiet)


if __name__ == "__main__":
    main()
