"""Why a fit on a cluster could not go on.

Each error carries `result`: the rounds that were complete when it was raised (as an interrupted fit on one machine
does), or None. What a checkpoint file held stays there: ``init_model=path`` resumes from it.
"""

from __future__ import annotations

from typing import Any


class ClusterError(RuntimeError):
    """Base of what can end a fit on a cluster beside bad data (ValueError) and a stop by hand (KeyboardInterrupt)."""

    result: Any = None


class NotDeterministicError(ClusterError):
    """A part of the data came out differently when it was made again."""


class DataLostError(ClusterError):
    """A part of the data died with its worker and cannot be made again."""


class NoWorkersError(ClusterError):
    """No worker was there for longer than the time-out."""


class MembersError(ClusterError):
    """Workers are there, but training on them failed time after time."""


class SchedulerLostError(ClusterError):
    """The connection to the scheduler broke."""
