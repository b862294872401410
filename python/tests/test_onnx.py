"""ONNX graphs, run by onnxruntime, against the engine: the same leaves, and scores within the stated bound."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from random_models import Feature, Node, Recipe, random_columns, random_recipe

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor, _core, to_onnx

onnxruntime = pytest.importorskip("onnxruntime")
pa = pytest.importorskip("pyarrow")

UNIT = 2.0**-53


def run(graph: Any, feeds: dict[str, Any]) -> list[Any]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == set(feeds)
    return list(session.run(None, feeds))


def bound(model: _core.Model) -> float:
    """What `to_onnx` states for raw scores."""
    largest = sum(float(np.abs(model.tree(t)["value"]).max()) for t in range(model.num_trees))
    return 2 * (model.num_trees + 1) * UNIT * (float(np.abs(model.base_scores).max()) + largest)


def table(recipe: Recipe, columns: list[list[Any]]) -> _core.Table:
    names = recipe.names or [f"x{i}" for i in range(len(columns))]
    arrays = []
    for feature, column in zip(recipe.features, columns, strict=True):
        text = feature.categories is not None and any(isinstance(v, str) for v in column)
        number = pa.float64() if feature.categories is None else pa.int64()
        arrays.append(pa.array(column, pa.string() if text else number))
    return _core.Table.from_arrow(pa.table(arrays, names=names))


def feeds(graph: Any, columns: list[list[Any]], missing: str = "") -> dict[str, Any]:
    """The columns as the graph's inputs take them."""
    inputs = {i.name: i.type.tensor_type.elem_type for i in graph.graph.input}
    if list(inputs) == ["X"]:
        return {"X": np.array(columns, dtype=float).T.copy()}
    kinds = {8: object, 7: np.int64, 11: np.float64}
    return {
        name: np.array([missing if v is None and kind == 8 else v for v in column], dtype=kinds[kind]).reshape(-1, 1)
        for (name, kind), column in zip(inputs.items(), columns, strict=True)
    }


def expressible(recipe: Recipe, columns: list[list[Any]]) -> list[list[Any]]:
    """Without missing values where ONNX has none: in columns of integers that no float64 holds."""

    def has_none(keys: list[Any]) -> bool:
        return any(isinstance(key, int) and int(float(key)) != key for key in keys)

    return [
        [0 if value is None else value for value in column] if has_none(feature.categories or []) else column
        for feature, column in zip(recipe.features, columns, strict=True)
    ]


@pytest.mark.parametrize("seed", range(120))
def test_random_models_predict_the_same(seed: int) -> None:
    recipe = random_recipe(seed)
    model = recipe.model()
    rows = (1, 7, 300)[seed % 3]  # onnxruntime has a path for each
    columns = expressible(recipe, random_columns(recipe, rows, seed))
    graph = to_onnx(model)
    inputs = feeds(graph, columns)
    predictor, context = _core.Predictor(model), _core.Context()
    raw = predictor.raw_scores(context, table(recipe, columns))
    response = predictor.response(context, table(recipe, columns))
    outputs = run(graph, inputs)
    allowed = bound(model)
    if not recipe.classes:
        assert np.abs(outputs[0] - response).max() <= allowed
        return
    assert np.abs(outputs[1] - response).max() <= allowed + 16 * UNIT
    assert np.abs(outputs[1].sum(axis=1) - 1).max() <= 16 * UNIT * len(recipe.classes)
    classes = predictor.classes(context, table(recipe, columns))
    gaps = np.abs(raw[:, 0]) if raw.shape[1] == 1 else np.diff(np.sort(raw, axis=1)[:, -2:]).ravel()
    clear = (gaps > 2 * allowed) | (gaps == 0) & (model.num_trees == 0)
    assert outputs[0][clear].tolist() == [recipe.classes[c] for c in classes[clear]]


@pytest.mark.parametrize("seed", range(40))
def test_leaves_are_exactly_the_engines(seed: int) -> None:
    """One tree whose leaves are powers of two apart: the sum tells the leaf, without rounding."""
    recipe = random_recipe(1000 + seed, ("squared_error",))
    recipe.base_scores, recipe.trees = [0.0], recipe.trees[:1] or [[Node(value=1.0)]]
    leaves = [node for node in recipe.trees[0] if node.feature < 0]
    for i, node in enumerate(leaves):
        node.value = float(i + 1)
    columns = expressible(recipe, random_columns(recipe, 400, seed))
    model = recipe.model()
    graph = to_onnx(model)
    expected = _core.Predictor(model).response(_core.Context(), table(recipe, columns))
    assert run(graph, feeds(graph, columns))[0].tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(40))
def test_no_root_has_a_leaf_and_a_split_of_one_number(seed: int) -> None:
    """They are numbered apart, but onnxruntime before 1.24 would take them for one node."""
    (node,) = [n for n in to_onnx(random_recipe(seed).model()).graph.node if n.op_type == "TreeEnsemble"]
    attributes = {a.name: a for a in node.attribute}
    yes, no, roots = (attributes[name].ints for name in ("nodes_truenodeids", "nodes_falsenodeids", "tree_roots"))
    assert [root for root in roots if yes[root] == no[root]] == []


def test_adjacent_floats_infinities_and_signed_zero() -> None:
    """The edges by name: thresholds between neighbours, and what only missing values pass."""
    for threshold in (0.0, 5e-324, 1.0, -1.0, math.nextafter(1, 2), 1e308, math.inf):
        for missing_left in (False, True) if math.isfinite(threshold) else (False,):
            nodes = [Node(0, 1, threshold, missing_left=missing_left), Node(value=1.0), Node(value=2.0)]
            model = Recipe("squared_error", [Feature()], [], [0.0], [nodes]).model()
            x = [threshold, math.nextafter(threshold, 9e307), math.nextafter(threshold, -9e307)]
            x = np.array([*x, 0.0, -0.0, math.inf, -math.inf, math.nan]).reshape(-1, 1)
            want = np.where(np.isnan(x), missing_left, x <= threshold).ravel()
            assert (run(to_onnx(model), {"X": x})[0] == np.where(want, 1.0, 2.0)).all()


def test_float32_inputs_decide_as_the_engine_does_on_them() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(500, 3)).astype(np.float32)
    y = X[:, 0] + X[:, 1] ** 2
    model = HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=1).fit(X, y)
    (got,) = run(to_onnx(model, dtype="float32"), {"X": X})
    assert np.abs(got - model.predict(X)).max() <= bound(model.model_)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_log_links_predict_on_the_scale_of_y(loss: str) -> None:
    random = np.random.default_rng(1)
    X = random.normal(size=(400, 2))
    y = np.exp(X[:, 0]) + 0.01
    model = HistGradientBoostingRegressor(loss=loss, max_iter=20).fit(X, y)
    (got,) = run(to_onnx(model), {"X": X})
    assert np.abs(got / model.predict(X) - 1).max() <= bound(model.model_) + 8 * UNIT


@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"], [3, 5, 9], ["a", "b", "c"]])
def test_frames_with_categories_of_estimators(classes: list[Any]) -> None:
    pd = pytest.importorskip("pandas")
    random = np.random.default_rng(2)
    n = 600
    size = random.normal(size=n)
    size[random.random(n) < 0.1] = np.nan
    town = random.choice(["Oslo", "Bergen", "Å", None], size=n)
    grade = random.integers(-3, 4, n)
    y = np.array(classes)[
        (np.nan_to_num(size) + (town == "Oslo") + grade > 0).astype(int) + (grade == 3) * (len(classes) - 2)
    ]
    frame = pd.DataFrame({"size": size, "town": pd.Categorical(town), "grade": pd.Categorical(grade)})
    model = HistGradientBoostingClassifier(max_iter=15, min_samples_leaf=5).fit(frame, y)
    assert list(model.is_categorical_) == [False, True, True]
    new = frame.copy()
    new["town"] = new["town"].cat.add_categories("unseen")
    new.loc[:20, "town"] = "unseen"
    inputs = {
        "size": new[["size"]].to_numpy(),
        "town": new["town"].astype(object).where(new["town"].notna(), "").to_numpy(object).reshape(-1, 1),
        "grade": new["grade"].astype(float).to_numpy().reshape(-1, 1),
    }
    label, probabilities = run(to_onnx(model), inputs)
    assert np.abs(probabilities - model.predict_proba(new)).max() <= bound(model.model_) + 16 * UNIT
    assert label.tolist() == model.predict(new).tolist()


def test_no_rows_and_many_rows() -> None:
    X = np.random.default_rng(3).normal(size=(5000, 2))
    model = HistGradientBoostingRegressor(max_iter=60).fit(X, X[:, 0])
    graph = to_onnx(model)
    (got,) = run(graph, {"X": X})
    assert np.abs(got - model.predict(X)).max() <= bound(model.model_)
    assert run(graph, {"X": X[:0]})[0].shape == (0,)


def test_names_of_features_stay_and_outputs_give_way() -> None:
    nodes = [Node(0, 1, members=({0}, False)), Node(value=1.0), Node(value=2.0)]
    recipe = Recipe("squared_error", [Feature(["a", "b"]), Feature()], [], [0.0], [nodes], ["prediction", "sums"])
    graph = to_onnx(recipe.model())
    assert [i.name for i in graph.graph.input] == ["prediction", "sums"]
    feed = {"prediction": np.array([["a"], ["b"], [""]], dtype=object), "sums": np.zeros((3, 1))}
    assert run(graph, feed)[0].tolist() == [1.0, 2.0, 2.0]


@pytest.mark.parametrize("others_left", [False, True])
def test_numbers_that_are_no_integers_are_unknown_categories(others_left: bool) -> None:
    nodes = [Node(0, 1, members=({0}, others_left)), Node(value=1.0), Node(value=2.0)]
    model = Recipe("squared_error", [Feature([-3, 0, 7])], [], [0.0], [nodes]).model()
    x = np.array([-3.0, 0.0, -0.0, 7.0, 2.5, -2.999, 1e300, math.inf, -math.inf, math.nan]).reshape(-1, 1)
    expected = _core.Predictor(model).response(_core.Context(), x)
    assert run(to_onnx(model), {"X": x})[0].tolist() == expected.tolist()
    assert set(expected[4:9]) == {1.0 if others_left else 2.0}


def test_integers_that_no_float64_holds_have_int64_columns() -> None:
    big = 2**53 + 1
    nodes = [Node(0, 1, members=({0}, False)), Node(value=1.0), Node(value=2.0)]
    graph = to_onnx(Recipe("squared_error", [Feature([big])], [], [0.0], [nodes]).model())
    assert run(graph, {"x0": np.array([[big], [big - 1]])})[0].tolist() == [1.0, 2.0]


def test_refusals() -> None:
    nodes = [Node(0, 1, members=({0}, False)), Node(value=1.0), Node(value=2.0)]

    def model(keys: list[Any]) -> _core.Model:
        return Recipe("squared_error", [Feature(keys)], [], [0.0], [nodes]).model()

    with pytest.raises(ValueError, match="inputs='columns'"):
        to_onnx(model(["a"]), inputs="matrix")
    with pytest.raises(ValueError, match="Choose a string that is none"):
        to_onnx(model(["", "a"]))
    with pytest.raises(ValueError, match="integers and strings"):
        to_onnx(model([1, "a"]))
    with pytest.raises(ValueError, match="inputs: 'rows' is unknown"):
        to_onnx(model(["a"]), inputs="rows")
    with pytest.raises(ValueError, match="dtype: 'float16' is unknown"):
        to_onnx(model(["a"]), dtype="float16")
    other = to_onnx(model(["", "a"]), missing="?")
    assert run(other, {"x0": np.array([[""], ["?"]], dtype=object)})[0].tolist() == [1.0, 2.0]
