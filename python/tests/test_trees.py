"""Trees as a table: the model's JSON and the rows' leaves are the oracles."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ramet._trees import Tree, find_tree, text_of
from random_models import random_recipe
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor, trees_to_dataframe

pd = pytest.importorskip("pandas")


def none(value: Any) -> Any:
    return None if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) else value


@pytest.mark.parametrize("seed", range(25))
def test_every_node_is_as_the_json_says(seed: int) -> None:
    model = random_recipe(seed).model()
    exported = json.loads(model.to_json())
    texts = any(isinstance(key, str) for feature in exported["features"] for key in feature.get("categories", ()))
    frame = trees_to_dataframe(model)
    nodes = [(t, tree, node) for t, tree in enumerate(exported["trees"]) for node in tree["nodes"]]
    assert len(frame) == len(nodes)
    for row, (t, tree, node) in zip(frame.to_dict("records"), nodes, strict=True):
        assert (row["tree"], row["round"], row["output"], row["node"]) == (t, tree["round"], tree["output"], node["id"])
        split = "feature" in node
        assert none(row["feature"]) == (exported["features"][node["feature"]]["name"] if split else None)
        assert (none(row["left"]), none(row["right"])) == (node.get("left"), node.get("right"))
        assert none(row["missing"]) == node.get("missing")
        assert none(row["others"]) == node.get("others")
        assert (row["count"], none(row["gain"]), none(row["value"])) == (
            node["count"],
            node.get("gain"),
            node.get("value"),
        )
        if "threshold" in node:
            assert row["threshold"] == (math.inf if node["threshold"] is None else node["threshold"])
        left = node.get("categories_left")
        want = None if left is None else [str(key) if texts else key for key in left]
        assert (None if row["categories"] is None else list(row["categories"])) == want


@pytest.mark.parametrize("seed", range(25))
def test_parents_and_depths(seed: int) -> None:
    model = random_recipe(seed).model()
    for tree in (Tree(model, index) for index in range(model.num_trees)):
        assert tree.parent[0] == -1 and tree.depth[0] == 0
        for node in range(1, tree.num_nodes):
            parent = int(tree.parent[node])
            assert node in (tree.left[parent], tree.right[parent])
            assert tree.depth[node] == tree.depth[parent] + 1


def test_counts_are_the_rows_that_fall_into_the_leaves() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(500, 3))
    model = HistGradientBoostingRegressor(max_iter=4).fit(X, X[:, 0] * X[:, 1])
    frame = trees_to_dataframe(model)
    leaves = model.apply(X)
    for t in range(4):
        nodes, counts = np.unique(leaves[:, t], return_counts=True)
        there = frame[(frame["tree"] == t) & frame["value"].notna()].set_index("node")["count"]
        assert there.to_dict() == dict(zip(nodes.tolist(), counts.tolist(), strict=True))


def test_without_pandas_it_is_an_arrow_table(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_recipe(3).model()
    frame = trees_to_dataframe(model)
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = trees_to_dataframe(model)
    assert isinstance(table, pa.Table)
    assert table.column_names == list(frame.columns)
    assert table.num_rows == len(frame)


def test_classes() -> None:
    X = np.random.default_rng(1).normal(size=(300, 2))
    three = HistGradientBoostingClassifier(max_iter=2).fit(
        X, np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    )
    two = HistGradientBoostingClassifier(max_iter=2).fit(X, np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)])
    one = HistGradientBoostingRegressor(max_iter=2).fit(X, X[:, 0])
    assert trees_to_dataframe(three).groupby("tree")["class"].first().tolist() == ["a", "b", "c"] * 2
    assert set(trees_to_dataframe(two)["class"]) == {"yes"}
    assert trees_to_dataframe(one)["class"].isna().all()
    assert find_tree(three.model_, 1, "b").index == 4
    assert find_tree(three.model_, -1, "c").index == 5
    assert find_tree(three.model_, -1).index == 5
    with pytest.raises(ValueError, match="none of the classes"):
        find_tree(three.model_, 0, "d")
    with pytest.raises(ValueError, match="one tree a round"):
        find_tree(two.model_, 0, "yes")
    for tree, class_ in ((6, None), (-7, None), (2, "a")):
        with pytest.raises(IndexError, match="counted from 0"):
            find_tree(three.model_, tree, class_)


def test_what_a_model_is_read_from(tmp_path: Path) -> None:
    X = np.arange(100.0).reshape(-1, 1)
    estimator = HistGradientBoostingRegressor(max_iter=2)
    with pytest.raises(NotFittedError):
        trees_to_dataframe(estimator)
    estimator.fit(X, X.ravel())
    path = tmp_path / "m.ramet"
    estimator.save(path)
    want = trees_to_dataframe(estimator)
    for source in (estimator.model_, path, str(path)):
        pd.testing.assert_frame_equal(trees_to_dataframe(source), want)
    with pytest.raises(TypeError, match="of a pipeline its last step"):
        trees_to_dataframe(make_pipeline(estimator))
    with pytest.raises(FileNotFoundError):
        trees_to_dataframe(tmp_path / "none.ramet")


def test_names_are_shown_not_sent() -> None:
    assert text_of("a\x1b[31m\n") == "a\\x1b[31m\\n"
    assert text_of("naïve ≤ 木") == "naïve ≤ 木"
