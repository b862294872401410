"""What tasks do with a part before training: look at it, sample it, bin it. Run by workers.

part ──survey──┐                ┌──sample──┐                 ┌──make──► Part
               ├─merge─► Survey ┤          ├─merge─► Binning ┤
part ──survey──┘                └──sample──┘                 └──make──► Part

A task has one thread: a worker with several runs several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ramet import _core


@dataclass(frozen=True)
class Surveyed:
    """What parts' rows tell, and how many each has."""

    survey: _core.Survey
    rows: Mapping[int, int]


@dataclass(frozen=True)
class PartInfo:
    rows: int
    nbytes: int
    fingerprint: str
    weighted: bool


def _context() -> _core.Context:
    return _core.Context(threads=1)


def count(table: _core.Table) -> int:
    return table.num_rows


def survey(table: _core.Table, part: int, columns: dict[str, Any], class_weight: str) -> Surveyed:
    rows = table.num_rows
    return Surveyed(_core.Survey.of(_context(), table, class_weight=class_weight, **columns), {part: rows})


def merge_surveys(parts: Sequence[Surveyed]) -> Surveyed:
    rows = {part: length for one in parts for part, length in one.rows.items()}
    return Surveyed(_core.Survey.merge([one.survey for one in parts]), rows)


def sample(
    table: _core.Table, surveyed: Surveyed, first_row: int, parameters: dict[str, str], everything: bool
) -> _core.Sample:
    return _core.Sample.of(
        _context(), table, surveyed.survey, first_row=first_row, parameters=parameters, everything=everything
    )


def merge_samples(samples: Sequence[_core.Sample]) -> _core.Sample:
    return _core.Sample.merge(list(samples))


def find_bins(surveyed: Surveyed, sample: _core.Sample, parameters: dict[str, str]) -> _core.Binning | None:
    """None if the sample does not do: `everything` is needed."""
    if not sample.enough:
        return None
    return _core.Binning.find(_context(), surveyed.survey, sample, parameters=parameters)


def same(value: Any) -> Any:
    """A small value as a task, so that Dask brings it where it is needed and makes it again when it is lost."""
    return value


def make(
    table: _core.Table, binning: _core.Binning, first_row: int, label: str, weight: str, initial_model: bytes | None
) -> _core.Part:
    model = None if initial_model is None else _core.Model.from_bytes(initial_model)
    return _core.Part.make(
        _context(), table, binning, first_row=first_row, label=label, weight=weight, initial_model=model
    )


def info(part: _core.Part) -> PartInfo:
    return PartInfo(part.num_rows, part.nbytes, part.fingerprint, part.weighted)
