"""Laws of a data set in parts: however a table is cut, pickled and merged, its model is that of the whole table."""

from __future__ import annotations

import itertools
import pickle
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest

from ramet import _core

CONTEXT = _core.Context(threads=2)
PARAMETERS = {"max_iter": "5", "min_samples_leaf": "5", "random_state": "7"}


def frame(rows=2_000, seed=0, classes=None, weights=None):
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    x[random.random(rows) < 0.1] = np.nan
    words = random.choice(["red", "green", "blue", None], size=rows)
    label = (np.nan_to_num(x) + (words == "red") + random.normal(size=rows) * 0.3).astype("float64")
    columns = {"x": x, "n": random.integers(-5, 300, rows), "words": pa.array(words.tolist(), pa.string())}
    columns["y"] = label if classes is None else np.asarray(classes)[(label > 0.5).astype(int)]
    if weights is not None:
        columns["w"] = random.choice(weights, rows).astype("float64")
    return pa.table(columns)


def table(data: pa.Table) -> _core.Table:
    return _core.Table.from_arrow(data)


def sent(value, protocol=5):
    """As it arrives on another machine: the large buffers apart, if the protocol has that."""
    if protocol < 5:
        return pickle.loads(pickle.dumps(value, protocol=protocol))
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(head, buffers=[bytearray(buffer) for buffer in buffers])


def surveyed(data, cuts, settings, protocol=5):
    pieces = [data.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    surveys = [sent(_core.Survey.of(CONTEXT, table(piece), **settings), protocol) for piece in pieces]
    return pieces, _core.Survey.merge(surveys[::-1])


def in_parts(data, cuts, settings, parameters=PARAMETERS, protocol=5):
    pieces, survey = surveyed(data, cuts, settings, protocol)
    samples = [
        _core.Sample.of(CONTEXT, table(piece), survey, first_row=first, parameters=parameters)
        for piece, first in zip(pieces, cuts, strict=False)
    ]
    sample = _core.Sample.merge([sent(sample, protocol) for sample in samples])
    binning = sent(_core.Binning.find(CONTEXT, survey, sample, parameters=parameters), protocol)
    roles = {name: settings[name] for name in ("label", "weight") if name in settings}
    parts = [
        sent(_core.Part.make(CONTEXT, table(piece), binning, first_row=first, **roles), protocol)
        for piece, first in zip(pieces, cuts, strict=False)
    ]
    return binning, parts


CASES = {
    "numbers": ({}, {"classification": False}),
    "weights": ({"weights": [0, 0.5, 1, 2]}, {"classification": False, "weight": "w"}),
    "unit weights": ({"weights": [1]}, {"classification": False, "weight": "w"}),
    "classes": ({"classes": ["no", "yes"]}, {"classification": True, "class_weight": "balanced"}),
    "integer classes": ({"classes": [3, -1], "weights": [1, 2]}, {"classification": True, "weight": "w"}),
}


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("case", CASES)
def test_parts_train_the_model_of_the_whole_table(case: str, protocol: int):
    made, roles = CASES[case]
    data = frame(**made)
    settings = {"label": "y", **roles}
    parameters = PARAMETERS | ({"class_weight": roles["class_weight"]} if "class_weight" in roles else {})
    spec = {name: value for name, value in settings.items() if name != "class_weight"}
    whole = _core.Dataset.make(CONTEXT, table(data), parameters=parameters, **spec)
    expected = _core.train(CONTEXT, parameters, whole).model.digest

    binning, parts = in_parts(data, [0, 3, 3, 1_700, 2_000], settings, parameters, protocol)
    assert binning.num_rows == 2_000
    assert binning.feature_names == whole.feature_names
    assert binning.feature_kinds == whole.feature_kinds
    assert binning.classes == whole.classes
    assert binning.weighted == (case not in ("numbers", "unit weights"))
    together = _core.Dataset.assemble(CONTEXT, binning, parts[::-1], total_rows=2_000)
    assert together.num_rows == 2_000
    assert _core.train(CONTEXT, parameters, together).model.digest == expected


def test_a_part_tells_what_it_is():
    data = frame(weights=[1, 2])
    binning, parts = in_parts(data, [0, 500, 2_000], {"label": "y", "weight": "w", "classification": False})
    assert [part.first_row for part in parts] == [0, 500]
    assert [part.num_rows for part in parts] == [500, 1_500]
    assert all(part.weighted for part in parts)
    for part in parts:
        assert part.nbytes == part.num_rows * (3 + 8 + 4)
        assert sys.getsizeof(part) >= part.nbytes
        assert len(part.fingerprint) == 32
        assert sent(part).fingerprint == part.fingerprint
    again = _core.Part.make(CONTEXT, table(data.slice(0, 500)), binning, first_row=0, label="y", weight="w")
    assert again.fingerprint == parts[0].fingerprint
    other = data.slice(0, 500).set_column(3, "y", pa.array(np.arange(500.0)))
    made = _core.Part.make(CONTEXT, table(other), binning, first_row=0, label="y", weight="w")
    assert made.fingerprint != parts[0].fingerprint


def test_large_buffers_are_not_copied_when_they_travel_apart():
    data = frame(rows=50_000)
    _, (part,) = in_parts(data, [0, 50_000], {"label": "y", "classification": False})
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(part, protocol=5, buffer_callback=buffers.append)
    assert len(head) < 1_000
    assert sum(buffer.raw().nbytes for buffer in buffers) == part.nbytes


def test_a_member_without_rows_has_an_empty_data_set():
    binning, _ = in_parts(frame(), [0, 2_000], {"label": "y", "classification": False})
    empty = _core.Dataset.assemble(CONTEXT, binning, [], total_rows=2_000)
    assert empty.num_rows == 0
    assert empty.feature_names == binning.feature_names


def test_an_empty_part_may_have_columns_of_nulls_alone():
    data = frame()
    nothing = pa.table({"x": pa.nulls(0), "n": pa.nulls(0), "words": pa.nulls(0), "y": pa.nulls(0)})
    settings = {"label": "y", "classification": False}
    _, whole = surveyed(data, [0, 2_000], settings)
    empty = _core.Survey.of(CONTEXT, table(nothing), **settings)
    for surveys in ([whole, empty], [empty, whole], [empty, whole, empty]):
        assert pickle.dumps(_core.Survey.merge(surveys)) == pickle.dumps(whole)


def test_evaluation_rows_are_parts_too():
    data, others = frame(seed=1), frame(rows=700, seed=2)
    settings = {"label": "y", "classification": False}
    whole = _core.Dataset.make(CONTEXT, table(data), parameters=PARAMETERS, **settings)
    reference = _core.Dataset.make(CONTEXT, table(others), parameters=PARAMETERS, reference=whole, **settings)
    expected = _core.train(CONTEXT, PARAMETERS, whole, eval_sets=[("eval", reference)]).history
    binning, _ = in_parts(data, [0, 2_000], settings)
    parts = [
        _core.Part.make(CONTEXT, table(others.slice(a, b - a)), binning, first_row=a, label="y")
        for a, b in [(0, 200), (200, 700)]
    ]
    cut = _core.Dataset.assemble(CONTEXT, binning, parts, total_rows=700)
    assert _core.train(CONTEXT, PARAMETERS, whole, eval_sets=[("eval", cut)]).history == expected


def test_evaluation_rows_with_weights_of_their_own_must_be_said_to_have_some():
    binning, _ = in_parts(frame(), [0, 2_000], {"label": "y", "classification": False})
    part = _core.Part.make(CONTEXT, table(frame(weights=[1, 3])), binning, first_row=0, label="y", weight="w")
    with pytest.raises(ValueError, match="rows 0 to 1999 have weights other than 1"):
        _core.Dataset.assemble(CONTEXT, binning, [part], total_rows=2_000)
    _core.Dataset.assemble(CONTEXT, binning, [part], total_rows=2_000, weighted=True)


def test_initial_scores_are_kept_in_the_parts():
    data = frame()
    settings = {"label": "y", "classification": False}
    whole = _core.Dataset.make(CONTEXT, table(data), parameters=PARAMETERS, **settings)
    first = _core.train(CONTEXT, PARAMETERS, whole).model
    more = PARAMETERS | {"max_iter": "9"}
    goes_on = _core.Dataset.make(CONTEXT, table(data), parameters=more, initial_model=first, **settings)
    expected = _core.train(CONTEXT, more, goes_on, initial_model=first).model.digest
    binning, parts = in_parts(data, [0, 900, 2_000], settings)
    scored = [
        sent(
            _core.Part.make(
                CONTEXT,
                table(data.slice(part.first_row, part.num_rows)),
                binning,
                first_row=part.first_row,
                label="y",
                initial_model=first,
            )
        )
        for part in parts
    ]
    assert [a.fingerprint != b.fingerprint for a, b in zip(parts, scored, strict=True)] == [True, True]
    together = _core.Dataset.assemble(CONTEXT, binning, scored, total_rows=2_000)
    assert _core.train(CONTEXT, more, together, initial_model=first).model.digest == expected
    with pytest.raises(ValueError, match="initial scores"):
        _core.Dataset.assemble(CONTEXT, binning, [parts[0], scored[1]], total_rows=2_000)


# --- refusals


def test_parts_that_disagree_name_the_column():
    settings = {"label": "y", "classification": False}

    def survey(**columns):
        data = pa.table({"x": [1.0, 2.0], "z": [1.0, 2.0], "y": [1.0, 2.0]} | columns)
        return _core.Survey.of(CONTEXT, table(data), **settings)

    def error(other):
        messages = set()
        for surveys in ([survey(), other], [other, survey()]):
            with pytest.raises(ValueError) as caught:
                _core.Survey.merge(surveys)
            messages.add(str(caught.value))
        assert len(messages) == 1
        return messages.pop()

    assert error(survey(z=["a", "b"])).startswith('column "z" holds')
    dictionary = pa.array([1, 2]).dictionary_encode()
    assert error(survey(z=dictionary)).startswith('column "z" is categorical in one part and numeric in another')
    assert error(survey(extra=[1, 2])).startswith('column "extra" is in one part and not in another')
    swapped = pa.table({"z": [1.0], "x": [1.0], "y": [1.0]})
    assert "is not in the same place" in error(_core.Survey.of(CONTEXT, table(swapped), **settings))
    weighted = pa.table({"x": [1.0], "z": [1.0], "y": [1.0]})
    other = _core.Survey.of(CONTEXT, table(weighted), label="y", classification=False, weight="z")
    assert "different settings" in error(other)
    assert pickle.dumps(_core.Survey.merge([survey(z=[1, 2]), survey()])) != pickle.dumps(survey())


def test_a_message_counts_rows_within_the_part():
    bad = pa.table({"x": [1.0, 2.0], "y": [1.0, None]})
    with pytest.raises(ValueError, match='column "y", row 2: the label is missing'):
        _core.Survey.of(CONTEXT, table(bad), label="y", classification=False)


@pytest.mark.parametrize(
    ("label", "classes", "message"),
    [("y", ["only", "only"], "has only one class"), ("y", None, "")],
)
def test_what_only_all_rows_show_is_an_error_of_the_merged_survey(label, classes, message):
    data = frame(classes=classes)
    settings = {"label": label, "classification": classes is not None}
    _, survey = surveyed(data.slice(0, 0) if classes is None else data, [0, 0 if classes is None else 2_000], settings)
    with pytest.raises(ValueError, match=message or "the table has no rows"):
        _core.Sample.of(CONTEXT, table(data), survey, first_row=0, parameters=PARAMETERS)


def test_parts_must_be_apart_and_of_one_binning():
    data = frame()
    settings = {"label": "y", "classification": False}
    binning, parts = in_parts(data, [0, 900, 2_000], settings)
    with pytest.raises(ValueError, match="rows 0 to 899 overlap"):
        _core.Dataset.assemble(CONTEXT, binning, [parts[0], parts[0]], total_rows=2_000)
    with pytest.raises(ValueError, match="rows 900 to 1999 lie beyond"):
        _core.Dataset.assemble(CONTEXT, binning, parts, total_rows=1_999)
    other, _ = in_parts(frame(seed=9), [0, 2_000], settings)
    with pytest.raises(ValueError, match="another binning"):
        _core.Dataset.assemble(CONTEXT, other, parts, total_rows=2_000)


def test_samples_must_be_those_of_the_survey():
    data = frame()
    settings = {"label": "y", "classification": False}
    pieces, survey = surveyed(data, [0, 900, 2_000], settings)
    samples = [
        _core.Sample.of(CONTEXT, table(piece), survey, first_row=first, parameters=PARAMETERS)
        for piece, first in zip(pieces, [0, 900], strict=True)
    ]
    assert all(sample.enough for sample in samples)
    assert sum(sample.num_rows for sample in samples) == 2_000
    with pytest.raises(ValueError, match="the sample has 900 rows, not the 2000"):
        _core.Binning.find(CONTEXT, survey, samples[0], parameters=PARAMETERS)
    with pytest.raises(ValueError, match="is in two of the samples"):
        _core.Sample.merge([samples[0], samples[0]])
    with pytest.raises(ValueError, match="no samples"):
        _core.Sample.merge([])
    with pytest.raises(ValueError, match="no surveys"):
        _core.Survey.merge([])


def test_damaged_pickles_are_errors():
    data = frame(weights=[1, 2])
    settings = {"label": "y", "weight": "w", "classification": False}
    binning, (part,) = in_parts(data, [0, 2_000], settings)
    _, survey = surveyed(data, [0, 2_000], settings)
    sample = _core.Sample.of(CONTEXT, table(data), survey, first_row=0, parameters=PARAMETERS)
    random = np.random.default_rng(0)
    for value in (part, sample):
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        for which in range(len(buffers)):
            copies = [bytearray(buffer) for buffer in buffers]
            copies[which][random.integers(len(copies[which]))] ^= 1 << random.integers(8)
            with pytest.raises(ValueError, match="damaged"):
                pickle.loads(head, buffers=copies)
            copies[which] = copies[which][:-1]
            with pytest.raises(ValueError, match="damaged"):
                pickle.loads(head, buffers=copies)
    for value in (survey, binning):
        state = bytearray(value.__getstate__())
        state[random.integers(20, len(state))] ^= 16
        made = type(value).__new__(type(value))
        with pytest.raises(ValueError, match="damaged"):
            made.__setstate__(bytes(state))


def test_heavy_calls_let_other_threads_work():
    data = frame(rows=400_000)
    survey = _core.Survey.of(CONTEXT, table(data), label="y", classification=False)
    sample = _core.Sample.of(CONTEXT, table(data), survey, first_row=0, parameters=PARAMETERS)
    binning = _core.Binning.find(CONTEXT, survey, sample, parameters=PARAMETERS)
    counted, stop = 0, threading.Event()

    def count():
        nonlocal counted
        while not stop.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted
    _core.Part.make(_core.Context(threads=1), table(data), binning, first_row=0, label="y")
    during = counted - before
    stop.set()
    thread.join()
    assert during > 100
