"""The card in notebooks: well-formed, escaped, and with the model's own numbers."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import sklearn
from ramet._repr import card
from random_models import Feature, Node, Recipe

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor, trees_to_dataframe

VOID = {"path", "polyline", "br", "meta"}


class Balance(HTMLParser):
    """Fails on a tag that is closed in the wrong place; keeps the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def fitted(**parameters: object) -> HistGradientBoostingRegressor:
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 3))
    return HistGradientBoostingRegressor(max_iter=20, **parameters).fit(X, X[:, 0] + 0.1 * X[:, 1])


def test_the_card_has_the_models_numbers() -> None:
    model = fitted(early_stopping=True)
    text = card(model)
    words = " ".join(Balance(text).words)
    frame = trees_to_dataframe(model)
    assert model.digest_ in text
    assert f"{frame['value'].notna().sum():,}" in words
    for share in model.feature_importances_:
        assert f"{share:.1%}" in words
    for values in model.evals_result_.values():
        assert f"{next(iter(values.values()))[-1]:.5g}" in words
    assert text.count("<polyline") == len(model.evals_result_)


def test_curves_stay_within_their_picture() -> None:
    for points in re.findall(r'points="([^"]*)"', card(fitted(early_stopping=True))):
        x, y = np.array([list(map(float, p.split(","))) for p in points.split()]).T
        assert x.min() >= 0 and x.max() <= 300 and y.min() >= 0 and y.max() <= 96
        assert (np.diff(x) > 0).all()


@pytest.mark.parametrize("display", ["diagram", "text"])
def test_notebooks_get_scikit_learns_diagram_and_one_card(display: str) -> None:
    model = fitted()
    with sklearn.config_context(display=display):
        bundle = model._repr_mimebundle_()
        assert bundle["text/plain"] == repr(model)
        assert bundle.get("text/html", "").count('class="ramet-card"') == (display == "diagram")
        if display == "diagram":
            assert "sk-top-container" in bundle["text/html"]
            assert model._repr_html_().count('class="ramet-card"') == 1
        else:
            assert not hasattr(model, "_repr_html_")


def test_without_a_model_there_is_no_card() -> None:
    assert card(HistGradientBoostingClassifier()) == ""
    assert "ramet-card" not in HistGradientBoostingClassifier()._repr_html_()


class Estimator:
    """Has a model from outside, as a loaded estimator has."""

    def __init__(self, recipe: Recipe) -> None:
        self.model_ = recipe.model()


def test_names_are_escaped() -> None:
    nodes = [Node(0, 1, 0.5, gain=1.0), Node(value=1.0), Node(value=2.0)]
    recipe = Recipe("squared_error", [Feature()], [], [0.0], [nodes], ['<script>"x"</script>'])
    text = card(Estimator(recipe))
    assert "<script>" not in text
    Balance(text)


def test_models_without_trees_or_curves() -> None:
    text = card(Estimator(Recipe("squared_error", [Feature()], [], [0.0], [])))
    assert "No feature was used" in text and "<polyline" not in text
    estimator = Estimator(Recipe("squared_error", [Feature()], [], [0.0], []))
    estimator.evals_result_ = {"t": {"m": [float("nan"), 1.0, float("inf")]}}  # type: ignore[attr-defined]
    Balance(card(estimator))
