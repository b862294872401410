"""`ramet.diff`: what was changed is what it names."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from random_models import Feature, Node, Recipe, random_recipe

from ramet import HistGradientBoostingRegressor, diff


@pytest.mark.parametrize("seed", range(20))
def test_a_model_equals_itself(seed: int, tmp_path: Path) -> None:
    model = random_recipe(seed).model()
    path = tmp_path / "m.ramet"
    model.save(str(path))
    for difference in (diff(model, model), diff(model, path), diff(str(path), model)):
        assert difference.equal and not difference
        assert not (difference.body or difference.parameters or difference.features or difference.names)
        assert difference.first_tree is None
        assert model.digest in repr(difference)


@pytest.mark.parametrize("seed", range(60))
def test_the_first_changed_node_is_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    recipe = random_recipe(seed)
    if not recipe.trees:
        recipe.trees = [[Node(value=1.0)] for _ in recipe.base_scores]
    changed = copy.deepcopy(recipe)
    touched = sorted(int(t) for t in random.choice(len(recipe.trees), size=min(2, len(recipe.trees)), replace=False))
    nodes = [int(random.integers(len(recipe.trees[t]))) for t in touched]
    for t, n in zip(touched, nodes, strict=True):
        node = changed.trees[t][n]
        if node.feature < 0:
            node.value = np.nextafter(node.value, 9e9)
        elif node.members is not None and random.random() < 0.5:
            node.members = (node.members[0], not node.members[1])
        else:
            node.gain = np.nextafter(node.gain, 9e9)
    first = diff(recipe.model(), changed.model()).first_tree
    assert first is not None
    assert (first.tree, first.node) == (touched[0], nodes[0])
    assert first.round == touched[0] // len(recipe.base_scores) + 1
    assert first.a != first.b


def test_categories_that_go_left() -> None:
    def model(members: set[int]) -> Recipe:
        nodes = [Node(0, 1, members=(members, False)), Node(value=1.0), Node(value=2.0)]
        return Recipe("squared_error", [Feature(["a", "b", "c"])], [], [0.0], [nodes])

    first = diff(model({0, 1}).model(), model({0, 2}).model()).first_tree
    assert first is not None and first.node == 0
    assert "{a, b}" in str(first.a) and "{a, c}" in str(first.b)


def test_lengths_of_models_and_trees() -> None:
    stump = [Node(0, 1, 0.5), Node(value=1.0), Node(value=2.0)]
    deep = [Node(0, 1, 0.5), Node(value=1.0), Node(0, 3, 0.7), Node(value=2.0), Node(value=3.0)]

    def model(*trees: list[Node]) -> Recipe:
        return Recipe("squared_error", [Feature()], [], [0.0], list(trees))

    more = diff(model(stump).model(), model(stump, stump).model())
    assert more.body == {"rounds": (1, 2)}
    assert more.first_tree is not None
    assert (more.first_tree.tree, more.first_tree.node, more.first_tree.a) == (1, 0, None)
    deeper = diff(model(deep).model(), model(stump).model()).first_tree
    assert deeper is not None and deeper.node == 2


def test_features_classes_and_base_scores() -> None:
    a = Recipe("logistic", [Feature(), Feature(["x", "y"])], ["no", "yes"], [0.5], [], ["n", "c"])
    b = copy.deepcopy(a)
    b.features[1] = Feature(["x", "z"], folded=True)
    b.base_scores, b.classes, b.names = [0.25], ["no", "sure"], ["n", "renamed"]
    difference = diff(a.model(), b.model())
    assert list(difference.features) == ["feature 1 (c / renamed)"]
    assert difference.features["feature 1 (c / renamed)"] == (
        "categorical: 'x', 'y'",
        "categorical: 'x', 'z'; rare ones folded",
    )
    assert difference.body == {"classes": (["no", "yes"], ["no", "sure"]), "base scores": ([0.5], [0.25])}
    assert list(difference.names) == ["feature 1"]


def test_names_alone_leave_models_equal() -> None:
    a = Recipe("squared_error", [Feature()], [], [0.0], [], ["old"])
    b = Recipe("squared_error", [Feature()], [], [0.0], [], ["new"])
    difference = diff(a.model(), b.model())
    assert difference.equal
    assert difference.names == {"feature 0": ("old (g)", "new (g)")}


def test_estimators_differ_by_their_parameters() -> None:
    X = np.arange(200.0).reshape(-1, 1)
    a = HistGradientBoostingRegressor(max_iter=3).fit(X, X.ravel())
    b = HistGradientBoostingRegressor(max_iter=3, l2_regularization=2.0).fit(X, X.ravel())
    difference = diff(a, b)
    assert difference.digests == (a.digest_, b.digest_)
    assert difference.parameters == {"l2_regularization": ("0", "2")}
    for form in (repr(difference), difference._repr_html_()):
        assert a.digest_ in form and b.digest_ in form and "l2_regularization" in form


def test_html_escapes_what_comes_from_files() -> None:
    a = Recipe("squared_error", [Feature()], [], [0.0], [], ["<script>alert(1)</script>"])
    b = Recipe("squared_error", [Feature()], [], [1.0], [], ["b"])
    assert "<script>" not in diff(a.model(), b.model())._repr_html_()
