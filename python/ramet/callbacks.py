"""What happens between the rounds of a ``fit``: progress, learning rates, records, stops, checkpoints.

A callback is an object with any of the methods of :class:`Callback`, or a function of a round's report:

    >>> from ramet.callbacks import Record, StopWhen
    >>> stop = StopWhen(lambda report: report.round == 3)
    >>> record = Record()

Callbacks are called in order, all of them in every round; training stops after a round in which one returned True.
They watch and stop: what they return cannot change a tree. :class:`LearningRateSchedule` alone does, and the
model is then a function of the rates as well.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ramet._progress import Display, make_display

if TYPE_CHECKING:
    from ramet._core import RoundReport, TrainResult

__all__ = [
    "Callback",
    "Checkpoint",
    "LearningRateSchedule",
    "Progress",
    "Record",
    "StopWhen",
    "TimeLimit",
    "TrainingInfo",
]


@dataclass(frozen=True)
class TrainingInfo:
    """What is known before the first round.

    Attributes
    ----------
    rounds : int
        Rounds planned, those of an initial model included.
    first_round : int
        Rounds that an initial model brings; 0 without one.
    n_rows, n_features : int
        Size of the training set.
    loss : str
        The loss's name.
    """

    rounds: int
    first_round: int = 0
    n_rows: int = 0
    n_features: int = 0
    loss: str = ""


class Callback:
    """Base of callbacks: override what you need.

    A callback may also have a method ``learning_rate(iteration: int) -> float``, the rate of a round (counted from 1);
    one callback of a ``fit`` at most.

    Examples
    --------
    >>> from ramet.callbacks import Callback
    >>> class Tenth(Callback):
    ...     def after_iteration(self, report):
    ...         return report.round == 10
    """

    def before_training(self, info: TrainingInfo) -> None:
        """Called once, before the first round."""

    def after_iteration(self, report: RoundReport) -> bool | None:
        """Called after every round.

        Parameters
        ----------
        report : RoundReport
            ``round`` (from 1, those of an initial model included), ``rounds`` (planned), ``seconds``, ``learning_rate``
            and ``values``, which maps (set, metric) to the value; the pair that early stopping watches comes first.

        Returns
        -------
        bool or None
            True stops training after this round.
        """
        return None

    def after_training(self, result: TrainResult | None) -> None:
        """Called once at the end, also after an error or Ctrl-C; `result` is None where there is no model."""


class Progress(Callback):
    """A progress bar with round, metrics, elapsed and remaining time.

    In a notebook it is an HTML bar; in a terminal, a bar by rich if that is installed; everywhere else, lines of text.
    It writes to the standard error. ``verbose=1`` of an estimator is this callback.

    Parameters
    ----------
    style : {"auto", "notebook", "terminal", "text"}, default="auto"
        What to show; "auto" looks where it runs.
    every_round : bool, default=False
        Lines of text: one for each round. Otherwise about ten in all, and one whenever five seconds have passed.

    Examples
    --------
    >>> from ramet.callbacks import Progress
    >>> Progress(style="text", every_round=True)
    Progress(style='text', every_round=True)
    """

    def __init__(self, style: str = "auto", every_round: bool = False) -> None:
        if style not in ("auto", "notebook", "terminal", "text"):
            raise ValueError(f"Progress: style {style!r} is unknown. Use 'auto', 'notebook', 'terminal' or 'text'.")
        self.style = style
        self.every_round = every_round
        self._display: Display | None = None

    def __repr__(self) -> str:
        return f"Progress(style={self.style!r}, every_round={self.every_round})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_display": None}  # a bar belongs to one process and one fit

    def before_training(self, info: TrainingInfo) -> None:
        self._display = make_display(self.style, self.every_round, info.first_round, info.rounds)

    def after_iteration(self, report: RoundReport) -> None:
        if self._display is not None:
            self._display.update(report)

    def after_training(self, result: TrainResult | None) -> None:
        if self._display is not None:
            self._display.close(result)
            self._display = None


class LearningRateSchedule(Callback):
    """A learning rate for each round.

    Parameters
    ----------
    rates : callable or sequence of float
        A function of the round, counted from 1, or one rate for each round.

    Raises
    ------
    ValueError
        At `fit`, if a rate is not a positive finite number or a sequence is shorter than the rounds.

    Examples
    --------
    >>> from ramet.callbacks import LearningRateSchedule
    >>> schedule = LearningRateSchedule(lambda iteration: 0.3 * 0.99**iteration)
    >>> round(schedule.learning_rate(1), 3)
    0.297
    """

    def __init__(self, rates: Callable[[int], float] | Sequence[float]) -> None:
        if not callable(rates) and len(rates) == 0:
            raise ValueError("LearningRateSchedule: the list of rates is empty. Give one for each round.")
        self.rates = rates

    def before_training(self, info: TrainingInfo) -> None:
        if not callable(self.rates) and len(self.rates) < info.rounds:
            raise ValueError(
                f"LearningRateSchedule: {len(self.rates)} rates for {info.rounds} rounds. "
                "Give one for each round, or a function of the round."
            )

    def learning_rate(self, iteration: int) -> float:
        """The rate of round `iteration`, counted from 1."""
        rate = float(self.rates(iteration) if callable(self.rates) else self.rates[iteration - 1])
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(
                f"LearningRateSchedule: the rate of round {iteration} is {rate}. It must be a positive finite number."
            )
        return rate


class Record(Callback):
    """Keeps what happened.

    Attributes
    ----------
    rounds : list of int
        The rounds seen, counted from 1, those of an initial model included.
    seconds : list of float
        Time since training began.
    learning_rates : list of float
        The rate of each round.
    values : dict of str to dict of str to list of float
        ``values[set][metric]``, one entry for each of `rounds`.

    Examples
    --------
    >>> from ramet.callbacks import Record
    >>> record = Record()
    >>> record.rounds
    []
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.rounds: list[int] = []
        self.seconds: list[float] = []
        self.learning_rates: list[float] = []
        self.values: dict[str, dict[str, list[float]]] = {}

    def before_training(self, info: TrainingInfo) -> None:
        self._clear()

    def after_iteration(self, report: RoundReport) -> None:
        self.rounds.append(report.round)
        self.seconds.append(report.seconds)
        self.learning_rates.append(report.learning_rate)
        for (set_name, metric), value in report.values.items():
            self.values.setdefault(set_name, {}).setdefault(metric, []).append(value)


class StopWhen(Callback):
    """Stops after the first round for which a condition holds.

    Parameters
    ----------
    condition : callable
        A function of the round's report (see :meth:`Callback.after_iteration`).

    Examples
    --------
    >>> from ramet.callbacks import StopWhen
    >>> good_enough = StopWhen(lambda report: report.values[("validation", "auc")] > 0.9)
    """

    def __init__(self, condition: Callable[[RoundReport], Any]) -> None:
        if not callable(condition):
            raise TypeError(f"StopWhen: the condition must be a function of a report, not {type(condition).__name__}.")
        self.condition = condition

    def after_iteration(self, report: RoundReport) -> bool:
        return bool(self.condition(report))


class TimeLimit(Callback):
    """Stops after the first round that ends later than a limit; how many rounds that is depends on the machine.

    Parameters
    ----------
    seconds : float
        Time since training began.

    Examples
    --------
    >>> from ramet.callbacks import TimeLimit
    >>> TimeLimit(60).seconds
    60.0
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"TimeLimit: {seconds} seconds. Give a positive number.")
        self.seconds = float(seconds)
        self._begin = 0.0

    def before_training(self, info: TrainingInfo) -> None:
        self._begin = time.monotonic()

    def after_iteration(self, report: RoundReport) -> bool:
        return time.monotonic() - self._begin >= self.seconds


class Checkpoint(Callback):
    """Saves the trees so far in a file, from which a `fit` resumes with ``init_model=path``.

    The file holds the old state or the new one, never a part. It is written by the engine between rounds.

    Parameters
    ----------
    path : str or path-like
        The file.
    every : int, default=10
        Rounds between two writes.

    Examples
    --------
    >>> from ramet.callbacks import Checkpoint
    >>> Checkpoint("model.ramet", every=50).every
    50
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 10) -> None:
        if every < 1:
            raise ValueError(f"Checkpoint: every={every}. Give a number of rounds, at least 1.")
        self.path = os.fspath(path)
        self.every = every


class CallbackRunner:
    """The callbacks of one ``fit`` as the engine calls them; a context around the training.

        with CallbackRunner(callbacks, info) as run:
            run.result = train(..., on_round=run.on_round, learning_rate=run.learning_rate,
                               **run.checkpoint)

    `on_round` and `learning_rate` are None where nothing listens. Leaving the context calls `after_training` of every
    callback whose `before_training` was called, whatever went wrong between.
    """

    def __init__(self, callbacks: Iterable[object], info: TrainingInfo) -> None:
        self.callbacks = [_as_callback(callback) for callback in callbacks]
        self.info = info
        self.result: TrainResult | None = None
        self.on_round = self._on_round if self.callbacks else None
        self.learning_rate = self._only_learning_rate()
        self.checkpoint: dict[str, Any] = self._only_checkpoint()
        self._begun: list[Callback] = []

    def _only_learning_rate(self) -> Callable[[int], float] | None:
        rates = [rate for c in self.callbacks if callable(rate := getattr(c, "learning_rate", None))]
        if len(rates) > 1:
            raise ValueError(f"callbacks: {len(rates)} of them set the learning rate. Keep one.")
        return rates[0] if rates else None

    def _only_checkpoint(self) -> dict[str, Any]:
        found = [callback for callback in self.callbacks if isinstance(callback, Checkpoint)]
        if len(found) > 1:
            raise ValueError(f"callbacks: {len(found)} of them are checkpoints. Keep one.")
        return {"checkpoint_path": found[0].path, "checkpoint_every": found[0].every} if found else {}

    def _on_round(self, report: RoundReport) -> bool:
        answers = [callback.after_iteration(report) for callback in self.callbacks]
        return any(answer is not None and bool(answer) for answer in answers)

    def __enter__(self) -> CallbackRunner:
        try:
            for callback in self.callbacks:
                self._begun.append(callback)
                callback.before_training(self.info)
        except BaseException:
            self._end(None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end(self.result if self.result is not None else getattr(error, "result", None))

    def _end(self, result: TrainResult | None) -> None:
        begun, self._begun = self._begun, []
        for callback in begun:
            callback.after_training(result)


class _Function(Callback):
    def __init__(self, function: Callable[[RoundReport], bool | None]) -> None:
        self.function = function

    def after_iteration(self, report: RoundReport) -> bool | None:
        return self.function(report)


class _Partial(Callback):
    """An object that has some of the methods."""

    def __init__(self, methods: dict[str, Any]) -> None:
        self.__dict__.update(methods)


def _as_callback(callback: object) -> Callback:
    if isinstance(callback, Callback):
        return callback
    names = ("before_training", "after_iteration", "after_training", "learning_rate")
    if isinstance(callback, type):
        raise TypeError(f"callbacks: {callback.__name__} is a class. Give an object of it: {callback.__name__}().")
    methods = {name: method for name in names if callable(method := getattr(callback, name, None))}
    if methods:
        return _Partial(methods)
    if callable(callback):
        return _Function(callback)
    raise TypeError(
        f"callbacks: {type(callback).__name__} is neither a function of a round's report nor an object with one of the "
        f"methods {', '.join(names)}."
    )
