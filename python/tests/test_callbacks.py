"""Callbacks, by what real fits do with them."""

from __future__ import annotations

import os
import pickle
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ramet.callbacks import (
    Callback,
    CallbackRunner,
    Checkpoint,
    LearningRateSchedule,
    Progress,
    Record,
    StopWhen,
    TimeLimit,
    TrainingInfo,
)
from sklearn.base import clone

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor, trees_to_dataframe

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(500, 4))
Y = X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * RANDOM.normal(size=500)


def fit(callbacks: Any = None, max_iter: int = 12, **parameters: Any) -> HistGradientBoostingRegressor:
    more = {"eval_set": [(X[:200], Y[:200])]} if parameters.pop("measured", False) else {}
    return HistGradientBoostingRegressor(max_iter=max_iter, callbacks=callbacks, **parameters).fit(X, Y, **more)


class Log(Callback):
    """What was called, in order."""

    def __init__(self, stop_at: int | None = None, fail_at: int | None = None) -> None:
        self.events: list[Any] = []
        self.stop_at, self.fail_at = stop_at, fail_at

    def before_training(self, info: TrainingInfo) -> None:
        self.events.append(("before", info.rounds, info.first_round, info.n_rows, info.n_features))

    def after_iteration(self, report: Any) -> bool:
        self.events.append(report.round)
        if report.round == self.fail_at:
            raise RuntimeError("enough")
        return report.round == self.stop_at

    def after_training(self, result: Any) -> None:
        self.events.append(("after", None if result is None else result.model.num_rounds))


# ── The protocol ──


def test_every_callback_sees_every_round_in_order() -> None:
    first, second = Log(), Log()
    fit([first, second])
    assert first.events == second.events
    before, *rounds, after = first.events
    assert before == ("before", 12, 0, 500, 4)
    assert rounds == list(range(1, 13))
    assert after == ("after", 12)


def test_callbacks_do_not_change_the_model() -> None:
    assert fit([Log(), Record(), TimeLimit(1e6)]).digest_ == fit().digest_


def test_one_that_stops_ends_training_after_that_round_for_all() -> None:
    log = Log()
    model = fit([Log(stop_at=4), log])
    assert model.n_iter_ == 4
    assert log.events[-2:] == [4, ("after", 4)]
    same = fit(max_iter=12).predict(X), fit(max_iter=4).predict(X)
    assert (model.predict(X) == same[1]).all() and (model.predict(X) != same[0]).any()


def test_an_error_keeps_the_rounds_so_far_and_ends_every_callback_once() -> None:
    log = Log()
    model = HistGradientBoostingRegressor(max_iter=12, callbacks=[log, Log(fail_at=5)])
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, Y)
    assert log.events[-1] == ("after", 5)
    assert sum(isinstance(e, tuple) and e[0] == "after" for e in log.events) == 1


def test_an_error_before_training_ends_those_that_began() -> None:
    log = Log()
    with pytest.raises(ValueError, match="3 rates for 12 rounds"):
        fit([log, LearningRateSchedule([0.1] * 3)])
    assert log.events[-1] == ("after", None)


def test_functions_and_objects_with_some_of_the_methods() -> None:
    rounds: list[int] = []

    class Ends:
        ended = False

        def after_training(self, result: object) -> None:
            self.ended = True

    ends = Ends()
    model = fit([lambda report: rounds.append(report.round), ends, lambda report: report.round >= 3])
    assert rounds == [1, 2, 3] and ends.ended and model.n_iter_ == 3


def test_what_is_no_callback_is_refused() -> None:
    for wrong, words in ((3, "neither a function"), (Record, r"Give an object of it: Record\(\)")):
        with pytest.raises(TypeError, match=words):
            fit([wrong])
    with pytest.raises(ValueError, match="2 of them set the learning rate"):
        fit([LearningRateSchedule([0.1] * 12), LearningRateSchedule([0.1] * 12)])
    with pytest.raises(ValueError, match="2 of them are checkpoints"):
        CallbackRunner([Checkpoint("a"), Checkpoint("b")], TrainingInfo(1))


# ── Each of them ──


def test_record_is_the_history() -> None:
    record = Record()
    model = fit([record], measured=True)
    assert record.rounds == list(range(1, 13))
    history = model.evals_result_  # and what was measured before the first round
    assert record.values == {s: {m: v[1:] for m, v in by_metric.items()} for s, by_metric in history.items()}
    assert record.seconds == sorted(record.seconds)
    assert record.learning_rates == [0.1] * 12
    fit([record], max_iter=3)
    assert record.rounds == [1, 2, 3]


def test_a_constant_schedule_is_that_learning_rate() -> None:
    want = fit(learning_rate=0.3).predict(X)
    for rates in ([0.3] * 12, lambda iteration: 0.3):
        assert (fit([LearningRateSchedule(rates)]).predict(X) == want).all()


def test_a_schedule_scales_the_leaves_of_its_round() -> None:
    plain = trees_to_dataframe(fit(learning_rate=0.1, max_iter=1))
    twice = trees_to_dataframe(fit([LearningRateSchedule(lambda iteration: 0.2)], max_iter=1))
    np.testing.assert_allclose(twice["value"], 2 * plain["value"], rtol=1e-15)
    record = Record()
    fit([LearningRateSchedule([0.5 / (i + 1) for i in range(12)]), record])
    assert record.learning_rates == [0.5 / (i + 1) for i in range(12)]


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf")])
def test_impossible_rates_are_named(rate: float) -> None:
    with pytest.raises(ValueError, match="the rate of round 2 is"):
        fit([LearningRateSchedule([0.1, rate, *[0.1] * 10])])
    with pytest.raises(ValueError, match="is empty"):
        LearningRateSchedule([])


def test_stop_when() -> None:
    seen = fit(measured=True).evals_result_["eval_0"]
    (metric,) = seen
    limit = seen[metric][5]
    model = fit([StopWhen(lambda report: report.values["eval_0", metric] <= limit)], measured=True)
    assert model.n_iter_ == 5
    with pytest.raises(TypeError, match="must be a function"):
        StopWhen(3)  # type: ignore[arg-type]


def test_time_limit() -> None:
    begin = time.monotonic()
    model = fit([TimeLimit(0.3), lambda report: time.sleep(0.05)], max_iter=1000)
    assert 1 <= model.n_iter_ <= 7
    assert 0.3 <= time.monotonic() - begin < 3
    with pytest.raises(ValueError, match="positive"):
        TimeLimit(0)


def test_training_from_a_checkpoint_gives_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "half.ramet"
    with pytest.raises(RuntimeError):
        HistGradientBoostingRegressor(max_iter=12, callbacks=[Checkpoint(path, every=4), Log(fail_at=10)]).fit(X, Y)
    half = HistGradientBoostingRegressor.load(path)
    assert half.n_iter_ in (8, 10)
    resumed = HistGradientBoostingRegressor(max_iter=12).fit(X, Y, init_model=path)
    assert resumed.digest_ == fit().digest_
    with pytest.raises(ValueError, match="at least 1"):
        Checkpoint(path, every=0)


@pytest.mark.parametrize(
    "callback", [Progress(style="text"), Record(), TimeLimit(9), Checkpoint("p"), LearningRateSchedule([0.1])], ids=repr
)
def test_callbacks_can_be_copied_with_their_estimator(callback: Callback) -> None:
    for copy in (
        clone(HistGradientBoostingRegressor(callbacks=[callback])).callbacks[0],
        pickle.loads(pickle.dumps(callback)),
    ):
        assert type(copy) is type(callback) and vars(copy) == vars(callback)


# ── Progress ──


def test_silent_when_not_asked(capfd: pytest.CaptureFixture[str]) -> None:
    fit([Record()], measured=True, verbose=0)
    assert capfd.readouterr() == ("", "")


def rounds_of(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"round +(\d+)/", text)]


def test_lines_of_text(capfd: pytest.CaptureFixture[str]) -> None:
    fit(measured=True, verbose=1, max_iter=50)
    out, err = capfd.readouterr()
    assert out == ""
    assert rounds_of(err) == [1, *range(5, 51, 5)]
    assert "left" in err.splitlines()[3] and "eval_0" in err.splitlines()[3]
    assert err.splitlines()[-1].startswith("50 rounds in ")
    fit(verbose=2)
    assert rounds_of(capfd.readouterr().err) == list(range(1, 13))


def test_the_last_line_says_how_it_ended(capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(1)
    model = HistGradientBoostingClassifier(max_iter=500, early_stopping=True, n_iter_no_change=3, verbose=1)
    model.fit(random.normal(size=(200, 2)), random.integers(0, 2, 200))
    assert f"stopped early (best: round {model.best_iteration_})" in capfd.readouterr().err
    fit([Log(stop_at=3)], verbose=1)
    assert "3 rounds in" in (err := capfd.readouterr().err) and "stopped by a callback" in err


PROGRAM = """
import sys, time
{before}
import numpy as np
from ramet import HistGradientBoostingRegressor
X = np.random.default_rng(0).normal(size=(300, 3))
HistGradientBoostingRegressor(max_iter=30, verbose=1, callbacks=[lambda report: time.sleep(0.01)]).fit(
    X, X[:, 0], eval_set=[(X, X[:, 0])])
"""


def in_terminal(program: str) -> str:
    """What a program writes to its standard error where that is a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stderr=theirs, env=environment) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                text += (part := os.read(ours, 4096))
            except OSError:  # the other side is closed
                break
            if not part:
                break
    os.close(ours)
    assert process.returncode == 0
    return text.decode()


def test_a_bar_in_terminals() -> None:
    pytest.importorskip("rich")
    text = in_terminal(PROGRAM.format(before=""))
    assert "━" in text and "30/30" in text and "left" in text and "eval_0" in text
    assert "30 rounds in" in text.splitlines()[-1]


def test_lines_in_terminals_without_rich() -> None:
    text = in_terminal(PROGRAM.format(before="sys.modules['rich'] = None"))
    assert "━" not in text
    assert rounds_of(text) == [1, *range(3, 31, 3)]


def test_a_bar_in_notebooks() -> None:
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            fit([Progress(style="notebook"), lambda report: time.sleep(0.03)], measured=True)
    finally:
        InteractiveShell.clear_instance()
    shown = [output.data["text/html"] for output in captured.outputs if "text/html" in output.data]
    assert captured.stdout == captured.stderr == ""
    assert '<progress value="12" max="12"' in shown[-1] and "12 rounds in" in shown[-1]
    assert 3 <= len(shown) <= 8  # at most ten a second
    with pytest.raises(ValueError, match="style 'html' is unknown"):
        Progress(style="html")
