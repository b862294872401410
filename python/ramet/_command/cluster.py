"""``ramet train`` with ``--workers``, ``--scheduler…`` or ``--cluster``: files, trained on by `ramet.dask`."""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ramet import _core
from ramet._command import stores, types
from ramet._command.files import Options

VALIDATION = "validation"  # what the command calls the rows of --valid
LOOK = 0.1  # seconds between looks at Ctrl-C
GRACE = 5.0  # seconds in which a stopped run may end by itself


@dataclass
class Training:
    """What the engine's command passes on (`ClusterTraining` in src/cli/cluster.h)."""

    workers: int
    scheduler: str
    scheduler_file: str
    cluster: str  # with it, files are as they were given: the workers list them
    namespace: str
    threads: int | None
    files: list[bytes]
    valid: list[bytes]
    columns: list[str]
    drop: list[str]
    types: list[tuple[str, str]]
    missing: list[str]
    delimiter: str
    format: str
    label: str
    weight: str
    features: list[str]
    categorical: list[str]
    numeric: list[str]
    task: str
    parameters: dict[str, str]
    initial_model: _core.Model | None
    checkpoint_path: bytes
    checkpoint_every: int
    on_stage: Callable[[str], None]
    on_warning: Callable[[str], None]
    on_round: Callable[[Any], None]
    cancelled: Callable[[], bool]


def train_on_cluster(**given: Any) -> tuple[Any, int, int, float, float]:
    """The result, the numbers of rows and features, and the seconds of reading and binning."""
    run = Training(**given)
    flags = ("--workers", run.workers), ("--scheduler", run.scheduler), ("--cluster", run.cluster)
    flag = next((flag for flag, value in flags if value), "--scheduler-file")
    try:
        from ramet.dask.clients import client_of  # noqa: F401
        from ramet.dask.errors import ClusterError
    except ImportError:
        raise _core.UsageError(f"{flag} needs Dask, which is not installed. Use pip install 'ramet[dask]'.") from None
    try:
        with _client(run) as client, _closing_if_cancelled(client, run.cancelled):
            return _train(run, client)
    except ClusterError as error:
        raise OSError(str(error)) from error
    except Exception:
        if run.cancelled():
            raise KeyboardInterrupt("stopped.") from None
        raise


@contextmanager
def _client(run: Training) -> Iterator[Any]:
    import distributed

    if run.cluster:
        with _client_by_name(run) as client:
            yield client
        return
    if run.workers:
        run.on_stage(f"starting {_count(run.workers, 'worker')}")
        threads = run.threads or _core.Context().threads
        with (
            distributed.LocalCluster(
                n_workers=run.workers,
                threads_per_worker=max(1, threads // run.workers),
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                preload=["ramet.dask.deaf"],
                silence_logs=logging.CRITICAL,  # what went wrong is said once, at the end,
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            client.wait_for_workers(run.workers)
            yield client
        return
    where = {"address": run.scheduler} if run.scheduler else {"scheduler_file": run.scheduler_file}
    if run.scheduler_file and not os.path.exists(run.scheduler_file):  # noqa: PTH110
        raise OSError(f"{run.scheduler_file}: there is no such file. The scheduler writes it when it starts.")
    try:
        client = distributed.Client(**where, set_as_default=False)
    except (OSError, ValueError) as error:
        name = run.scheduler or run.scheduler_file
        raise OSError(f"the Dask scheduler at {name} cannot be reached: {error}. Check address and network.") from None
    with client:
        yield client


@contextmanager
def _client_by_name(run: Training) -> Iterator[Any]:
    from ramet.cluster.errors import ClusterError
    from ramet.cluster.paths import require_absolute
    from ramet.cluster.remote import client_for_files

    require_absolute([*run.files, *run.valid], "--cluster")
    run.on_stage(f"connecting to cluster {run.cluster}")
    try:
        client = client_for_files(run.cluster, run.namespace or None)
    except ImportError:
        needs = "--cluster needs kr8s, which is not installed. Use pip install 'ramet[kubernetes]'."
        raise _core.UsageError(needs) from None
    except ClusterError as error:
        raise OSError(str(error)) from error
    with client:
        yield client


@contextmanager
def _closing_if_cancelled(client: Any, cancelled: Callable[[], bool]) -> Iterator[None]:
    """A stop that comes while nobody asks for it closes the client, which ends every wait for the cluster."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            if cancelled():
                if not over.wait(GRACE):
                    client.close(timeout=0)
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _train(run: Training, client: Any) -> tuple[Any, int, int, float, float]:
    from ramet.dask.files import FileRows, FileTable, looks_like_classes, never, survey_files
    from ramet.dask.options import fit_options
    from ramet.dask.run import FitJob, fit

    workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    read = Options(run.columns, run.drop, run.types, run.missing, run.delimiter, run.format, 1, never)

    def survey(names: list[str], read: Options) -> FileTable:
        return survey_files(client, names, read, workers, seen_by_workers_alone=bool(run.cluster))

    run.on_stage("reading")
    names = _names(run, run.files, client)
    table = survey(names, read)
    named = [run.label, *([run.weight] if run.weight else [])]
    shown = names if run.cluster else list(map(os.fsdecode, run.files))
    _core.choose_columns(_name_of(shown), table.schema.names, named, [], [])
    features = run.features or [name for name in table.schema.names if name not in (run.label, run.weight)]
    is_classes = run.task == "classification" or (run.task == "auto" and looks_like_classes(client, table, run.label))
    columns = {
        "label": run.label,
        "weight": run.weight,
        "features": features,
        "categorical": run.categorical,
        "numeric": run.numeric,
        "classification": is_classes,
    }
    eval_rows = {}
    if run.valid:
        valid = replace(read, columns=[*features, *named], drop=[])
        eval_rows[VALIDATION] = FileRows(_as_in(table, _names(run, run.valid, client), valid, survey), columns)
    run.on_stage(f"training on {_count(len(table.parts), 'part')} of {_count(len(names), 'file')}")

    def on_round(report: Any) -> bool:
        if run.cancelled():
            raise KeyboardInterrupt("stopped.")
        run.on_round(report)
        return False

    job = FitJob(run.parameters, initial_model=run.initial_model.to_bytes() if run.initial_model else None)
    options = fit_options(
        threads=None if run.workers else run.threads,
        checkpoint_path=os.fsdecode(run.checkpoint_path),
        checkpoint_every=run.checkpoint_every,
        on_round=on_round,
    )
    outcome = fit(client, FileRows(table, columns), eval_rows, job, options)
    seconds = outcome.report.seconds
    return outcome.result, outcome.report.rows, len(features), seconds.get("survey", 0.0), seconds.get("bin", 0.0)


def _names(run: Training, files: list[bytes], client: Any) -> list[str]:
    """The files' names for the workers."""
    if run.cluster:
        from ramet.cluster.paths import with_remedy
        from ramet.dask.files import list_files

        try:
            return list_files(client, files)
        except OSError as error:
            raise with_remedy(error, files, run.cluster) from None
    names = [os.fsdecode(file) for file in files]
    if run.workers:
        return names
    # Workers of another's may be in another folder.
    return [name if stores.is_uri(name) else os.path.abspath(name) for name in names]  # noqa: PTH100


def _name_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]} ({len(names):,} files)"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _as_in(table: Any, names: list[str], read: Options, survey: Callable[[list[str], Options], Any]) -> Any:
    """The table of other files, where what is text in `table` is read as text too."""
    other = survey(names, read)
    typed = {column for column, _ in read.types}
    more = []
    for name in other.schema.names:
        own = other.schema.field(name).type
        if name in typed or types.is_text(own) or str(own) == "null":
            continue
        if types.is_text(types.values_of(table.schema.field(name).type)):
            more.append((name, "string"))
    return survey(names, replace(read, types=[*read.types, *more])) if more else other
