"""`fit` on a cluster: the estimator's job as `ramet.dask.run` takes it, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import dask

from ramet import _core
from ramet._training import Data, Job
from ramet.callbacks import CallbackRunner
from ramet.dask.collections import CollectionRows, Parts
from ramet.dask.run import FitJob, FitOptions, fit


class ClusterTraining:
    """Training by the workers of a cluster."""

    def __init__(self, job: Job, parts: Parts, eval_sets: dict[str, Data]) -> None:
        self.job = job
        self.client = parts.client
        self.rows = CollectionRows(parts, job.layout)
        self.eval_rows = {name: self._rows(item.parts, parts) for name, item in eval_sets.items()}
        lengths = parts.lengths
        self.info = job.info(0 if None in lengths else sum(length or 0 for length in lengths))

    def _rows(self, parts: Parts | None, training: Parts) -> CollectionRows:
        assert parts is not None
        return self.rows if parts is training else CollectionRows(parts, self.job.layout)

    def run(self, callbacks: CallbackRunner) -> tuple[_core.TrainResult, Any]:
        job = self.job
        fit_job = FitJob(
            parameters=job.parameters,
            metrics=tuple(job.metrics),
            watch_training=job.watch_training,
            gradients=job.gradients,
            learning_rate=callbacks.learning_rate,
            initial_model=job.previous.model.to_bytes() if job.previous else None,
        )
        options = fit_options(threads=job.n_jobs, on_round=callbacks.on_round, **callbacks.checkpoint)
        outcome = fit(self.client, self.rows, self.eval_rows, fit_job, options)
        return outcome.result, outcome.report


def fit_options(threads: int | None = None, **given: Any) -> FitOptions:
    """Run parameters: those under "ramet" in Dask's configuration, and `given` ones over them."""
    known = {field.name for field in fields(FitOptions)} - {"on_round"}
    options = {name.replace("-", "_"): value for name, value in dask.config.get("ramet", {}).items()}
    for name in options:
        if name not in known:
            raise ValueError(
                f"Dask's configuration has ramet.{name}, which is no option of training. They are: "
                f"{', '.join(sorted(known))}."
            )
    if threads is not None and threads > 0:
        options["threads"] = threads
    return FitOptions(**{**options, **given})
