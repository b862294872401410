"""`fit` on a cluster: the estimator's job as `ramet.dask.run` takes it, and back."""

from __future__ import annotations

from typing import Any

from ramet import _core
from ramet._data import Data
from ramet._training import Job
from ramet.callbacks import CallbackRunner
from ramet.dask.collections import CollectionRows, Parts
from ramet.dask.options import fit_options
from ramet.dask.run import FitJob, fit


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
