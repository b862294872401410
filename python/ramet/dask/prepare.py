"""Bins and binned parts, as tasks of the cluster. Each table is read twice: once to find bins, once to apply them.

    survey() ─► lengths of all parts      find_bins()      make() ─► parts: futures, whose lineage the scheduler keeps

Invariants
  B1. What all parts need (the bins) is a task that holds it as a constant: lost with its worker, it is made again
      without reading a row.
  B2. An error of a part names the part.
  B3. With copies, a part that died with its worker is replaced by a copy, and nothing is made again. Two workers have a
      copy each: of the replicas of one task's result, Dask drops whichever it likes.
  B4. A task is not given up because all workers of a machine died at once and it was sent from one to the next.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from itertools import accumulate
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from ramet.dask import stages
from ramet.dask.deal import PartId
from ramet.dask.errors import ClusterError, DataLostError, MembersError
from ramet.dask.job import FitJob
from ramet.dask.rows import Rows
from ramet.dask.scheduler import ask
from ramet.dask.values import value_of

FAN_IN = 16
COPIES = 2
PAUSES = (0.5, 2.0, 4.0)  # seconds until a task whose workers died is tried again


class Preparation:
    def __init__(self, client: Client, fit: str, tables: Sequence[Rows], job: FitJob) -> None:
        self.client = client
        self.fit = fit
        self.tables = tables
        self.job = job
        self.lengths: dict[PartId, int] = {}
        self.first_rows: dict[PartId, int] = {}
        self.parts: dict[PartId, Future[Any]] = {}
        self.copies: dict[PartId, dict[str, Future[Any]]] = {}  # by the worker that has it
        self.binning: Future[Any] | None = None
        self.weighted: set[int] = set()  # tables of which some row weighs other than 1
        self._surveyed: Future[Any] | None = None
        self._copies_made = 0
        self._surveys: dict[PartId, Future[Any]] = {}

    def describe(self, part: PartId) -> str:
        return self.tables[part.table].describe(part.number)

    def total_rows(self, table: int) -> int:
        return sum(length for part, length in self.lengths.items() if part.table == table)

    async def survey(self) -> dict[PartId, int]:
        """Rows of every part."""
        counts = await asyncio.to_thread(self._submit_surveys)
        assert self._surveyed is not None
        surveyed: stages.Surveyed = await self._result(self._surveyed, self._surveys)
        self.lengths |= {PartId(0, number): rows for number, rows in surveyed.rows.items()}
        for part, length in counts.items():
            self.lengths[part] = await self._result(length, counts) if isinstance(length, Future) else length
        for table in range(len(self.tables)):
            own = sorted(part for part in self.lengths if part.table == table)
            starts = accumulate((self.lengths[part] for part in own), initial=0)
            self.first_rows |= dict(zip(own, starts, strict=False))
        return self.lengths

    def _submit_surveys(self) -> dict[PartId, Future[Any] | int]:
        rows = self.tables[0]
        weight = self.job.parameters.get("class_weight", "")
        for number in range(rows.num_parts):
            self._surveys[PartId(0, number)] = rows.submit(
                self.client, stages.survey, number, number, rows.columns, weight, key=self._key("survey", 0, number)
            )
        self._surveyed = self._tree(stages.merge_surveys, list(self._surveys.values()), "merge_surveys")
        counts: dict[PartId, Future[Any] | int] = {}
        for table, rows in enumerate(self.tables[1:], 1):
            for number in range(rows.num_parts):
                known = rows.known_length(number)
                counts[PartId(table, number)] = (
                    rows.submit(self.client, stages.count, number, key=self._key("count", table, number))
                    if known is None
                    else known
                )
        return counts

    async def find_bins(self) -> None:
        binning = await self._find_bins(everything=False) or await self._find_bins(everything=True)
        self.binning = self._submit(stages.same, binning, name="bins")  # B1
        self._surveyed = None
        self._surveys.clear()

    async def _find_bins(self, everything: bool) -> Any:
        samples = await asyncio.to_thread(self._submit_samples, everything)
        suffix = "_again" if everything else ""
        sample = self._tree(stages.merge_samples, list(samples.values()), f"merge_samples{suffix}")
        found = self._submit(stages.find_bins, self._surveyed, sample, self.job.parameters, name=f"find_bins{suffix}")
        return await self._result(found, samples)

    def _submit_samples(self, everything: bool) -> dict[PartId, Future[Any]]:
        rows = self.tables[0]
        return {
            part: rows.submit(
                self.client,
                stages.sample,
                part.number,
                self._surveyed,
                self.first_rows[part],
                self.job.parameters,
                everything,
                key=self._key("sample_again" if everything else "sample", *part),
            )
            for part in self._surveys
        }

    async def make(self, made: Callable[[PartId, stages.PartInfo], None]) -> None:
        """Bins all parts; tells of each, in whatever order they come out."""
        infos = await asyncio.to_thread(self._submit_parts)

        async def tell(part: PartId) -> None:
            info: stages.PartInfo = await self._result(infos[part], self.parts)
            if info.weighted:
                self.weighted.add(part.table)
            made(part, info)

        await asyncio.gather(*(tell(part) for part in infos))
        for rows in self.tables:
            rows.release()

    def _submit_parts(self) -> dict[PartId, Future[Any]]:
        model = self.job.initial_model
        given = None if model is None else self._submit(stages.same, model, name="initial_model")
        infos = {}
        for part, first_row in self.first_rows.items():
            columns = self.tables[part.table].columns
            self.parts[part] = self.tables[part.table].submit(
                self.client,
                stages.make,
                part.number,
                self.binning,
                first_row,
                columns["label"],
                columns.get("weight", ""),
                given,
                key=self._key("part", *part),
            )
            infos[part] = self._submit(stages.info, self.parts[part], name=f"info-{part.table}-{part.number}")
        return infos

    async def locate(self) -> dict[PartId, tuple[str, ...]]:
        """Which workers hold each part now."""
        copies = [copy for of_part in self.copies.values() for copy in of_part.values()]
        holders = await ask(self.client, "who_has", keys=[future.key for future in [*self.parts.values(), *copies]])
        for part, of_part in self.copies.items():  # B3
            found = [(copy, holders.get(copy.key)) for copy in of_part.values()]
            self.copies[part] = {where[0]: copy for copy, where in found if where}
            if self.copies[part] and not holders.get(self.parts[part].key):
                self.parts[part] = self.copies[part].pop(min(self.copies[part]))
        return {part: tuple(holders.get(future.key, ())) for part, future in self.parts.items()}

    async def copy(self, workers: Sequence[str]) -> None:
        """Of each part a copy where it lies, and one on another worker."""
        for part, where in (await self.locate()).items():
            if not where:
                continue
            copies = self.copies.setdefault(part, {})
            others = [worker for worker in workers if worker not in where]
            turn = part.number % max(1, len(others))
            order = [*(worker for worker in workers if worker in where), *others[turn:], *others[:turn]]
            for worker in [worker for worker in order if worker not in copies][: COPIES - len(copies)]:
                self._copies_made += 1
                copies[worker] = self.client.submit(
                    stages.same,
                    self.parts[part],
                    key=self._key("copy", *part, self._copies_made),
                    workers=[worker],
                    allow_other_workers=False,
                    pure=False,
                )

    def can_go_on(self) -> bool:
        """Whether of all parts that are lost there are copies."""
        lost = [part for part, future in self.parts.items() if future.status in ("lost", "cancelled")]
        return all(self.copies.get(part) for part in lost)

    def _key(self, name: str, *numbers: int) -> str:
        return "-".join([f"ramet_{name}", self.fit, *map(str, numbers)])

    def _submit(self, function: Callable[..., Any], *args: Any, name: str) -> Future[Any]:
        stage, *numbers = name.split("-")
        key = "-".join([f"ramet_{stage}", self.fit, *numbers])
        return self.client.submit(function, *args, key=key, pure=False)

    def _tree(self, function: Callable[..., Any], futures: list[Future[Any]], name: str) -> Future[Any]:
        level = 0
        while len(futures) > 1 or level == 0:
            groups = [futures[i : i + FAN_IN] for i in range(0, len(futures), FAN_IN)]
            futures = [self._submit(function, group, name=f"{name}-{level}-{i}") for i, group in enumerate(groups)]
            level += 1
        return futures[0]

    async def _result(self, future: Future[Any], parts: Mapping[PartId, Future[Any] | int]) -> Any:
        for pause in (*PAUSES, 0.0):
            try:
                return await value_of(future)
            except Exception as error:
                if not (pause and isinstance(error, KilledWorker)):
                    raise await self.named(error, parts) from error
            await asyncio.sleep(pause)
            await self.try_again([future])

    async def try_again(self, futures: Sequence[Future[Any]]) -> None:
        """B4. Tasks whose workers died too often, for Dask."""
        failed = [future.key for future in futures if future.status == "error"]
        if failed:
            for key in await ask(self.client, "retry", keys=failed, client=self.client.id):
                state = self.client.futures.get(key)
                if state is not None:
                    state.retry()

    async def named(self, error: Exception, parts: Mapping[PartId, Future[Any] | int] | None = None) -> Exception:
        """The error, and which part it is about (B2)."""
        futures = {part: future for part, future in (parts or self.parts).items() if isinstance(future, Future)}
        failed = [part for part, future in futures.items() if future.status in ("error", "lost", "cancelled")]
        if not failed:
            return _of_cancelled(error)
        culprit = min(failed, key=lambda part: futures[part].status != "error")
        if futures[culprit].status == "error":  # what failed afterwards failed because of it
            error = await futures[culprit].exception() or error
        if hasattr(error, "part"):  # Rows named it
            return error
        name = self.describe(culprit)
        if isinstance(error, KilledWorker):
            return MembersError(
                f"{name}: the worker died each time that it was read or binned. It may need more memory than a worker "
                "has; use smaller partitions, or workers with more memory."
            )
        if isinstance(error, CancelledError) and getattr(error, "reason", "") == "lost dependencies":
            return DataLostError(
                f"{name} was lost with its worker, and Dask cannot make it again: it was scattered, or its future was "
                "cancelled. Train from files or from a collection that reads them, or keep copies (recovery='replica')."
            )
        return _of_cancelled(error)


def _of_cancelled(error: Exception) -> Exception:
    if isinstance(error, CancelledError):
        return ClusterError(
            f"Dask cancelled a task of the fit: {error} Was the client closed, or the cluster restarted?"
        )
    return error
