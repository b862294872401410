"""Laws of the extension module: what crosses the border, and what does not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ramet import _core

CONTEXT = _core.Context(threads=2)
DTYPES = """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64""".split()


def dataset(X, y, *, classification=True, context=CONTEXT, names=None, **parameters):
    names = names or [f"x{i}" for i in range(X.shape[1])]
    table = _core.Table.from_arrays([*names, "y"], [X, y])
    return _core.Dataset.make(context, table, label="y", classification=classification, parameters=parameters)


def train(X, y, *, classification=True, context=CONTEXT, options=None, **parameters):
    parameters = {"max_iter": "10", "min_samples_leaf": "5"} | parameters
    data = dataset(X, y, classification=classification, context=context, **parameters)
    return _core.train(context, parameters, data, **(options or {}))


def problem(rows=1_000, features=4, seed=0, dtype="float64"):
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, features)).astype(dtype)
    return X, (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(np.int64)


# --- arrays in


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_matrix_of_any_order_and_stride_is_the_same_data(dtype: str):
    random = np.random.default_rng(1)
    X = random.integers(0, 2 if dtype == "bool" else 100, size=(300, 3)).astype(dtype)
    y = (X[:, 0].astype("int64") + X[:, 1] > 50 * (dtype != "bool")).astype("int64")
    padded = np.zeros((600, 7), dtype)
    padded[::2, 1:7:2] = X
    records = np.zeros(300, [("odd", "i1"), ("x", dtype, 3)])  # values that are not aligned
    records["x"] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    shapes = {
        "C": np.ascontiguousarray(X),
        "Fortran": np.asfortranarray(X),
        "strided": padded[::2, 1:7:2],
        "backwards": X[::-1].copy()[::-1],
        "unaligned": records["x"],
        "read-only": frozen,
    }
    expected = train(X.astype("float64"), y, max_leaf_nodes="7").model
    scores = _core.Predictor(expected).raw_scores(CONTEXT, X.astype("float64"))
    for name, matrix in shapes.items():
        model = train(matrix, y, max_leaf_nodes="7").model
        assert model.digest == expected.digest, name
        assert np.array_equal(_core.Predictor(model).raw_scores(CONTEXT, matrix), scores), name


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 2), ">f8"),
        np.zeros((3, 2), "complex128"),
        np.zeros((3, 2), "longdouble"),
        np.zeros((3, 2), "U3"),
        np.zeros((3, 2), "M8[us]"),
        np.zeros((3, 2), object),
    ],
    ids=lambda array: str(array.dtype),
)
def test_other_dtypes_are_refused_by_name(array: np.ndarray):
    with pytest.raises(TypeError, match=f"dtype {array.dtype}".replace("[", r"\[")):
        _core.Table.from_arrays(["a", "b"], [array])
    model = train(*problem(features=2)).model
    with pytest.raises(TypeError, match=f"dtype {array.dtype}".replace("[", r"\[")):
        _core.Predictor(model).raw_scores(CONTEXT, array)


@pytest.mark.parametrize(
    ("names", "columns", "says"),
    [
        (["a"], [np.zeros((3, 2))], "1 names for 2 columns"),
        (["a", "b", "c"], [np.zeros((3, 2))], "3 names for 2 columns"),
        (["a", "b"], [np.zeros(3), np.zeros(4)], "4"),
        (["a"], [np.zeros((3, 1, 1))], "3 dimensions"),
        (["a"], [np.float64(1)], "0 dimensions"),
    ],
)
def test_shapes_that_make_no_table_are_refused(names, columns, says):
    with pytest.raises(ValueError, match=says):
        _core.Table.from_arrays(names, columns)


def peak_memory_beyond_the_input(program: str) -> int:
    """Bytes that a process's peak rises by while `program` runs on a matrix X of 400 MB."""
    code = f"""
import resource
import numpy as np
from ramet import _core
context = _core.Context(threads=2)
X = np.ones((2_000_000, 25)); X[::3] = 2
y = np.zeros(len(X)); y[::2] = 1
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{textwrap.dedent(program)}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_a_table_of_arrays_is_no_copy():
    grown = peak_memory_beyond_the_input(
        """
        names = [f"x{i}" for i in range(25)] + ["y"]
        tables = [_core.Table.from_arrays(names, [X[:, :: 1 - 2 * (i % 2)], y]) for i in range(10)]
        """
    )
    assert grown < 20e6


def test_a_data_set_needs_the_bins_beside_the_input():
    grown = peak_memory_beyond_the_input(
        """
        table = _core.Table.from_arrays([f"x{i}" for i in range(25)] + ["y"], [X, y])
        data = _core.Dataset.make(context, table, label="y", classification=False, parameters={})
        """
    )
    bins = 2_000_000 * (25 + 32)  # by column, and by row padded to 32
    assert grown < bins + 2_000_000 * 8 + 60e6  # labels, samples


def test_predicting_a_matrix_copies_nothing_of_it():
    grown = peak_memory_beyond_the_input(
        """
        table = _core.Table.from_arrays([f"x{i}" for i in range(25)] + ["y"], [X[:1000], y[:1000]])
        data = _core.Dataset.make(context, table, label="y", classification=False, parameters={})
        model = _core.train(context, {"max_iter": "3"}, data).model
        scores = _core.Predictor(model).raw_scores(context, np.asfortranarray(X[:1]))
        scores = _core.Predictor(model).raw_scores(context, X[:, ::-1])
        """
    )
    assert grown < 2_000_000 * 8 + 40e6  # scores


def test_arrays_live_as_long_as_the_table_needs_them():
    X, y = problem()
    expected = train(X, y).model.digest
    table = _core.Table.from_arrays([f"x{i}" for i in range(4)] + ["y"], [X.copy(), y.copy()])
    np.full(X.size, 7.0)  # where the copies were, if they were let go
    parameters = {"max_iter": "10", "min_samples_leaf": "5"}
    data = _core.Dataset.make(CONTEXT, table, label="y", classification=True, parameters=parameters)
    assert _core.train(CONTEXT, parameters, data).model.digest == expected


def test_a_table_is_used_up_by_a_data_set():
    X, y = problem()
    table = _core.Table.from_arrays([f"x{i}" for i in range(4)] + ["y"], [X, y])
    _core.Dataset.make(CONTEXT, table, label="y", classification=True, parameters={})
    with pytest.raises(ValueError, match="used up"):
        _ = table.num_rows


def test_arrow_streams_are_read_as_arrays_are():
    X, y = problem()
    columns = {f"x{i}": X[:, i] for i in range(4)} | {"y": y}
    whole = pa.table(columns)
    chunked = pa.Table.from_batches(whole.to_batches(max_chunksize=77))
    parameters = {"max_iter": "10", "min_samples_leaf": "5"}
    digests = set()
    for stream in (whole, chunked, pa.RecordBatchReader.from_batches(whole.schema, iter(chunked.to_batches()))):
        table = _core.Table.from_arrow(stream)
        assert table.num_rows == 1_000 and table.column_names == [*columns]
        data = _core.Dataset.make(CONTEXT, table, label="y", classification=True, parameters=parameters)
        digests.add(_core.train(CONTEXT, parameters, data).model.digest)
    assert digests == {train(X, y).model.digest}


def test_an_object_without_a_stream_is_a_type_error():
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        _core.Table.from_arrow([1, 2, 3])


# --- errors


def test_errors_have_the_exceptions_that_python_people_expect(tmp_path: Path):
    X, y = problem()
    model = train(X, y).model
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _core.Model.load(str(tmp_path / "nowhere.ramet"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model.save(str(tmp_path / "nowhere" / "m.ramet"))
    with pytest.raises(OSError, match=re.escape(str(tmp_path))) as caught:
        model.save(str(tmp_path))
    assert not isinstance(caught.value, FileNotFoundError)
    with pytest.raises(ValueError, match="model"):
        _core.Model.from_bytes(b"not a model, but long enough to be looked at as one" * 3)
    with pytest.raises(ValueError, match="learning_rat"):
        dataset(X, y, learning_rat="0.1")
    with pytest.raises(ValueError, match="max_iter"):
        dataset(X, y, max_iter="-1")
    with pytest.raises(ValueError, match='"z"'):
        _core.Dataset.make(CONTEXT, _core.Table.from_arrays(["a"], [y]), label="z", classification=True, parameters={})
    with pytest.raises(ValueError, match="threads"):
        _core.Context(threads=0)
    with pytest.raises(ValueError, match="mmx"):
        _core.Context(isa="mmx")
    with pytest.raises(IndexError, match="10"):
        model.tree(10)
    with pytest.raises(ValueError, match="rounds"):
        model.first_rounds(11)
    with pytest.raises(ValueError, match="features"):
        _core.Predictor(model).raw_scores(CONTEXT, X[:, :3])


# --- models


def test_a_model_is_its_bytes(tmp_path: Path):
    model = train(*problem()).model
    again = _core.Model.from_bytes(model.to_bytes())
    model.save(str(tmp_path / "m.ramet"))
    loaded = _core.Model.load(str(tmp_path / "m.ramet"))
    assert (tmp_path / "m.ramet").read_bytes() == model.to_bytes() == again.to_bytes() == loaded.to_bytes()
    assert again.digest == loaded.digest == model.digest


def test_nodes_as_arrays_give_the_scores():
    X, y = problem()
    X[::5, 0] = np.nan
    model = train(X, y).model
    scores = np.full(len(X), model.base_scores[0])
    for index in range(model.num_trees):
        tree = model.tree(index)
        node = np.zeros(len(X), int)
        while (inner := tree["feature"][node] >= 0).any():
            value = X[np.arange(len(X)), np.maximum(tree["feature"][node], 0)]
            left = np.where(np.isnan(value), tree["missing_left"][node], value <= tree["threshold"][node])
            node = np.where(inner, np.where(left, tree["left"][node], tree["right"][node]), node)
        assert np.array_equal(node, _core.Predictor(model).leaves(CONTEXT, X)[:, index])
        scores += tree["value"][node]
    assert np.array_equal(scores, _core.Predictor(model).raw_scores(CONTEXT, X)[:, 0])


def test_stages_are_the_first_rounds():
    X, y = problem()
    model = train(X, y).model
    predictor = _core.Predictor(model)
    stages = list(predictor.staged_raw_scores(CONTEXT, X))
    assert len(stages) == model.num_rounds == 10
    for round, stage in enumerate(stages, 1):
        assert np.array_equal(stage, predictor.raw_scores(CONTEXT, X, round))
        assert np.array_equal(stage, _core.Predictor(model.first_rounds(round)).raw_scores(CONTEXT, X))


def test_responses_and_classes_are_those_of_the_scores():
    X, y = problem()
    model = train(X, y).model
    predictor = _core.Predictor(model)
    scores = predictor.raw_scores(CONTEXT, X)
    probabilities = predictor.response(CONTEXT, X)
    assert np.array_equal(_core.response_of(model, scores), probabilities)
    assert np.allclose(probabilities[:, 1], 1 / (1 + np.exp(-scores[:, 0])), rtol=1e-12)
    assert np.array_equal(predictor.classes(CONTEXT, X), (scores[:, 0] > 0).astype(int))


# --- training and its callbacks


def test_a_metric_of_ones_own_is_measured_as_the_engines():
    X, y = problem()
    seen = {}

    def accuracy(labels, raw_scores, response, weights):
        seen.update(labels=labels, raw_scores=raw_scores, response=response, weights=weights)
        return float(np.mean((response[:, 1] > 0.5) == labels))

    parameters = {"max_iter": "10", "min_samples_leaf": "5"}
    own = _core.Metric("own", accuracy, True)
    result = _core.train(
        CONTEXT,
        parameters,
        dataset(X, y, **parameters),
        eval_sets=[("same", dataset(X, y, **parameters))],
        metrics=["logloss", own, "accuracy"],
        watch_training=True,
    )
    assert [*result.history] == [(s, m) for s in ("same", "train") for m in ("logloss", "own", "accuracy")]
    assert result.history["same", "own"] == pytest.approx(result.history["same", "accuracy"], abs=1e-12)
    assert all(len(curve) == 11 for curve in result.history.values())
    assert np.array_equal(seen["labels"], y) and seen["weights"] is None
    assert np.array_equal(seen["raw_scores"], _core.Predictor(result.model).raw_scores(CONTEXT, X))
    assert np.array_equal(seen["response"], _core.Predictor(result.model).response(CONTEXT, X))


def test_gradients_of_ones_own_train_the_same_model_as_the_loss_that_they_are_of():
    X, _ = problem()
    target = X @ [1.0, -2.0, 0.5, 0.0]

    def squared_error(labels, raw_scores, weights):
        assert raw_scores.shape == labels.shape and weights is None
        return raw_scores - labels, np.ones_like(labels)

    own = train(X, target, classification=False, options={"gradients": squared_error}).model
    assert own.parameters["loss"] == "custom"
    assert _same_trees(own, train(X, target, classification=False).model)


def test_a_learning_rate_schedule_scales_the_trees():
    X, y = problem()
    rounds = []

    def rate(round):
        rounds.append(round)
        return 0.1 if round < 5 else 0.0

    result = train(X, y, options={"learning_rate": rate})
    constant = train(X, y, max_iter="4").model
    assert rounds == [*range(1, 11)]
    kept = result.model.first_rounds(4)
    scores = [_core.Predictor(model).raw_scores(CONTEXT, X) for model in (kept, constant, result.model)]
    assert np.array_equal(scores[0], scores[1]) and np.array_equal(scores[0], scores[2])


def test_a_callback_sees_the_rounds_and_may_stop_them():
    X, y = problem()
    reports = []

    def on_round(report):
        reports.append((report.round, report.rounds))
        return report.round == 3

    result = train(X, y, options={"on_round": on_round})
    assert result.stopped and not result.stopped_early
    assert reports == [(round, 10) for round in (1, 2, 3)] or reports == [(round, 10) for round in (0, 1, 2, 3)]
    assert result.model.num_rounds == 3
    assert _same_trees(result.model, train(X, y, max_iter="3").model)


def _same_trees(a, b) -> bool:
    return a.num_trees == b.num_trees and all(a.tree_text(i) == b.tree_text(i) for i in range(a.num_trees))


class OwnError(Exception):
    pass


@pytest.mark.parametrize("which", ["on_round", "learning_rate", "gradients", "metric"])
def test_what_a_callback_raises_comes_out_with_the_rounds_so_far(which: str):
    X, y = problem()
    calls = 0

    def fail(*_):
        nonlocal calls
        calls += 1
        if which == "gradients":
            labels, scores, _ = _
            if calls < 4:
                return scores - labels, np.ones_like(labels)
        if calls == 4:
            raise OwnError("mine")
        return None if which == "on_round" else 0.1

    parameters = {"max_iter": "10"}
    options = {which: fail}
    if which == "metric":
        options = {"metrics": [_core.Metric("own", fail, True)], "watch_training": True}
    with pytest.raises(OwnError, match="mine") as caught:
        _core.train(CONTEXT, parameters, dataset(X, y, **parameters), **options)
    assert calls == 4
    result = caught.value.result
    assert 2 <= result.model.num_rounds <= 4
    if which != "gradients":
        assert _same_trees(
            result.model, train(X, y, min_samples_leaf="20", max_iter=str(result.model.num_rounds)).model
        )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"gradients": lambda labels, scores, weights: scores}, "pair"),
        ({"gradients": lambda labels, scores, weights: (scores[:3], scores)}, "shape"),
        ({"learning_rate": lambda round: "fast"}, "float"),
        ({"metrics": [_core.Metric("m", lambda *_: None, True)], "watch_training": True}, "float"),
    ],
)
def test_callbacks_that_return_something_else_are_told(options, says):
    with pytest.raises((TypeError, ValueError), match=says):
        train(*problem(), options=options)


# --- threads, signals


def counts_while(work) -> int:
    """How far Python counts in another thread while `work` runs."""
    count, running = 0, True

    def tick():
        nonlocal count
        while running:
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        work()
    finally:
        running = False
        thread.join()
    return count


@pytest.mark.parametrize("call", ["make", "train", "predict"])
def test_the_gil_is_released(call: str):
    X, y = problem(rows=60_000, features=20)
    one = _core.Context(threads=1)
    data = dataset(X, y, context=one)
    predictor = _core.Predictor(_core.train(one, {"max_iter": "20"}, data).model)
    work = {
        "make": lambda: dataset(X, y, context=one),
        "train": lambda: _core.train(one, {"max_iter": "10"}, data),
        "predict": lambda: [predictor.raw_scores(one, X) for _ in range(3)],
    }[call]
    begin = time.perf_counter()
    count = counts_while(work)
    seconds = time.perf_counter() - begin
    assert count > 0.1 * seconds / 0.001


INTERRUPTED = """
import signal, sys, threading, time
import numpy as np
from ramet import _core
random = np.random.default_rng(0)
X = random.normal(size=({rows}, 10)); y = (X[:, 0] > 0).astype(int)
context = _core.Context(threads=2)
parameters = {{"max_iter": "100000", "early_stopping": "false"}}
table = _core.Table.from_arrays([f"x{{i}}" for i in range(10)] + ["y"], [X, y])
{before}
sent = None
def interrupt():
    global sent
    time.sleep({delay})
    sent = time.monotonic()
    signal.raise_signal(signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    {call}
    print("not interrupted")
except KeyboardInterrupt as error:
    print("seconds", time.monotonic() - sent)
    result = getattr(error, "result", None)
    print("rounds", result.model.num_rounds if result else None)
"""
MAKE = '_core.Dataset.make(context, table, label="y", classification=True, parameters=parameters)'


SMALL_MODEL = """
few = _core.Table.from_arrays([f"x{i}" for i in range(10)] + ["y"], [X[:2000], y[:2000]])
many_rounds = {"max_iter": "300", "early_stopping": "false", "min_samples_leaf": "1"}
data = _core.Dataset.make(context, few, label="y", classification=True, parameters=many_rounds)
predictor = _core.Predictor(_core.train(context, many_rounds, data).model)
"""


@pytest.mark.parametrize(
    ("rows", "delay", "before", "call"),
    [
        (20_000, 0.5, f"data = {MAKE}", "_core.train(context, parameters, data)"),
        (4_000_000, 0.1, "", MAKE),
        (500_000, 0.3, SMALL_MODEL, "[predictor.raw_scores(context, X) for _ in range(100)]"),
    ],
    ids=["train", "make", "predict"],
)
def test_ctrl_c_is_heard_within_a_second(rows: int, delay: float, before: str, call: str):
    code = INTERRUPTED.format(rows=rows, delay=delay, before=before, call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = dict(line.split() for line in done.stdout.splitlines())
    assert float(said["seconds"]) < 1
    if "train(context, parameters" in call:
        assert int(said["rounds"]) > 0


def test_a_signal_without_a_python_handler_does_not_stop_training():
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(True))
    try:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        result = train(*problem(rows=20_000), max_iter="100", early_stopping="false")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert result.model.num_rounds == 100


def test_one_model_serves_many_threads():
    X, y = problem(rows=3_000)
    predictor = _core.Predictor(train(X, y).model)
    expected = predictor.raw_scores(CONTEXT, X)

    def predict(seed):
        random = np.random.default_rng(seed)
        for _ in range(30):
            rows = random.integers(0, len(X), random.integers(1, 2_000))
            context = _core.Context(threads=int(random.integers(1, 4)))
            if not np.array_equal(predictor.raw_scores(context, X[rows]), expected[rows]):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(predict, range(8)))


def test_one_thread_trains_while_another_predicts():
    X, y = problem(rows=3_000)
    first = train(X, y).model
    expected = _core.Predictor(first).raw_scores(CONTEXT, X)
    with ThreadPoolExecutor(3) as pool:
        trained = [pool.submit(train, X, y, max_iter="30") for _ in range(2)]
        for _ in range(50):
            assert np.array_equal(_core.Predictor(first).raw_scores(CONTEXT, X), expected)
        assert len({result.result().model.digest for result in trained}) == 1


# --- defaults and names


def test_parameters_are_described_with_defaults_that_are_allowed():
    infos = {info.name: info for info in _core.parameters()}
    assert infos["learning_rate"].default == 0.1 and infos["max_iter"].default == 100
    for info in infos.values():
        assert info.help
        if isinstance(info.default, (int, float)) and not isinstance(info.default, bool):
            assert info.minimum <= info.default <= info.maximum, info.name
    X, y = problem()
    texts = {name: str(info.default) for name, info in infos.items() if not isinstance(info.default, bool)}
    assert train(X, y, **texts).model.digest == train(X, y, max_iter="100", min_samples_leaf="20").model.digest


def test_metrics_by_name_are_those_of_the_definition():
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 500).astype(float)
    scores = random.normal(size=(500, 1)) + labels[:, None]
    weights = random.uniform(0.5, 2, 500).astype(np.float32)
    probability = 1 / (1 + np.exp(-scores[:, 0]))
    likelihood = np.where(labels == 1, np.log(probability), np.log1p(-probability))
    computed = {
        name: _core.compute_metric(CONTEXT, name, labels, scores, weights) for name in ("logloss", "accuracy", "auc")
    }
    assert computed["logloss"] == pytest.approx(-np.average(likelihood, weights=weights), rel=1e-12)
    assert computed["accuracy"] == pytest.approx(np.average((scores[:, 0] > 0) == labels, weights=weights), rel=1e-12)
    positive, negative = labels == 1, labels == 0
    above = scores[positive] > scores[negative].T
    share = weights[positive][:, None] * weights[negative]
    assert computed["auc"] == pytest.approx((above * share).sum() / share.sum(), rel=1e-6)
