"""Training by members: threads of this process, each with some of the rows."""

from __future__ import annotations

import pickle
import threading
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ramet import _core

ROWS, FEATURES = 3000, 5
PARAMETERS = {"max_iter": "12", "early_stopping": "false", "loss": "squared_error"}


def rows_of(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(ROWS, FEATURES))
    return X, X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + 0.1 * random.normal(size=ROWS)


def whole(X: NDArray[np.float64], y: NDArray[np.float64]) -> _core.Dataset:
    names = [f"x{i}" for i in range(FEATURES)] + ["y"]
    table = _core.Table.from_arrays(names, [X, y])
    return _core.Dataset.make(_core.Context(1), table, label="y", classification=False, parameters=PARAMETERS)


def test_rounds_so_far_are_gone_on_from() -> None:
    data = whole(*rows_of())
    expected = _core.train(_core.Context(1), PARAMETERS, data)
    first = _core.train(_core.Context(1), PARAMETERS, data, on_round=lambda report: report.round == 5)
    assert (first.stopped, first.model.num_rounds) == (True, 5)
    so_far = pickle.loads(pickle.dumps(first))
    assert so_far.model.digest == first.model.digest
    assert so_far.history == first.history
    rest = _core.train(_core.Context(2), PARAMETERS, data, so_far=so_far)
    assert rest.model.digest == expected.model.digest
    assert rest.history == expected.history
    assert not rest.stopped


def test_a_report_has_the_rounds_so_far() -> None:
    data = whole(*rows_of())
    kept: list[tuple[_core.RoundReport, _core.TrainResult]] = []
    expected = _core.train(
        _core.Context(1), PARAMETERS, data, watch_training=True, on_round=lambda r: kept.append((r, r.result()))
    )
    for report, so_far in kept:
        assert so_far.model.digest == expected.model.first_rounds(report.round).digest
        assert so_far.history[("train", "rmse")] == expected.history[("train", "rmse")][: report.round + 1]
    rest = _core.train(
        _core.Context(1), PARAMETERS, data, watch_training=True, so_far=pickle.loads(pickle.dumps(kept[6][1]))
    )
    assert (rest.model.digest, rest.history) == (expected.model.digest, expected.history)
    with pytest.raises(RuntimeError, match="within on_round"):
        kept[0][0].result()


def test_rounds_of_other_data_are_refused() -> None:
    first = _core.train(_core.Context(1), PARAMETERS, whole(*rows_of()))
    with pytest.raises(ValueError, match="trained on other data"):
        _core.train(_core.Context(1), PARAMETERS | {"max_iter": "20"}, whole(*rows_of(1)), so_far=first)


def run_members(size: int, body: Any) -> list[Any]:
    """body(collective, rank) on a thread per member; what each returned or raised."""
    answers: list[Any] = [None] * size

    def run(rank: int, collective: _core.Collective) -> None:
        try:
            answers[rank] = body(collective, rank)
        except BaseException as error:
            answers[rank] = error

    threads = [
        threading.Thread(target=run, args=(rank, collective), daemon=True)
        for rank, collective in enumerate(_core.local_group(size))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a member hangs"
    return answers


def members_data(size: int, cuts: list[int]) -> tuple[list[_core.Dataset], _core.Dataset]:
    """Parts dealt to members in turn, and the whole."""
    X, y = rows_of()
    names = [f"x{i}" for i in range(FEATURES)] + ["y"]
    context = _core.Context(1)
    columns: dict[str, Any] = {"label": "y", "classification": False}
    borders = [0, *cuts, ROWS]
    pieces = [_core.Table.from_arrays(names, [X[a:b], y[a:b]]) for a, b in pairwise(borders)]
    survey = _core.Survey.merge([_core.Survey.of(context, piece, **columns) for piece in pieces])
    samples = [
        _core.Sample.of(context, piece, survey, first_row=first, parameters=PARAMETERS)
        for piece, first in zip(pieces, borders[:-1], strict=True)
    ]
    binning = _core.Binning.find(context, survey, _core.Sample.merge(samples), parameters=PARAMETERS)
    parts = [
        _core.Part.make(context, piece, binning, first_row=first, label="y")
        for piece, first in zip(pieces, borders[:-1], strict=True)
    ]
    parts = [pickle.loads(pickle.dumps(part, protocol=5)) for part in parts]
    data = [_core.Dataset.assemble(context, binning, parts[rank::size], total_rows=ROWS) for rank in range(size)]
    return data, whole(X, y)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_members_make_one_model(size: int) -> None:
    data, all_rows = members_data(size, [100, 101, 900, 900, 2500])
    expected = _core.train(_core.Context(1), PARAMETERS, all_rows)
    results = run_members(
        size, lambda collective, rank: _core.train(_core.Context(1), PARAMETERS, data[rank], collective=collective)
    )
    for result in results:
        assert result.model.digest == expected.model.digest
        assert result.history == expected.history


def test_a_member_that_fails_ends_the_others_with_the_rounds_so_far() -> None:
    data, all_rows = members_data(3, [700, 1800])

    def body(collective: _core.Collective, rank: int) -> _core.TrainResult:
        def on_round(report: _core.RoundReport) -> None:
            if rank == 1 and report.round == 4:
                raise RuntimeError("lost")

        return _core.train(_core.Context(1), PARAMETERS, data[rank], collective=collective, on_round=on_round)

    answers = run_members(3, body)
    assert isinstance(answers[1], RuntimeError)
    for rank in (0, 2):
        assert isinstance(answers[rank], ConnectionError)
        assert answers[rank].result.model.num_rounds == 4
    expected = _core.train(_core.Context(1), PARAMETERS, all_rows)
    rest = _core.train(_core.Context(1), PARAMETERS, all_rows, so_far=answers[0].result)
    assert rest.model.digest == expected.model.digest


def test_a_stop_asked_for_by_one_stops_all_after_the_same_round() -> None:
    data, _ = members_data(3, [700, 1800])
    results = run_members(
        3,
        lambda collective, rank: _core.train(
            _core.Context(1),
            PARAMETERS,
            data[rank],
            collective=collective,
            on_round=lambda report: rank == 2 and report.round == 3,
        ),
    )
    assert [result.model.num_rounds for result in results] == [3, 3, 3]
    assert all(result.stopped for result in results)


def test_a_metric_of_ones_own_sees_all_rows_in_order() -> None:
    data, all_rows = members_data(3, [700, 1800])

    def spread(labels: Any, scores: Any, response: Any, weights: Any) -> float:
        return float(np.dot(np.arange(len(labels)), labels - response[:, 0]))

    metric = _core.Metric("spread", spread, False)
    expected = _core.train(_core.Context(1), PARAMETERS, all_rows, metrics=[metric], watch_training=True)
    results = run_members(
        3,
        lambda collective, rank: _core.train(
            _core.Context(1), PARAMETERS, data[rank], collective=collective, metrics=[metric], watch_training=True
        ),
    )
    for result in results:
        assert result.history == expected.history
