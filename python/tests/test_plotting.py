"""Plots: what is drawn is what the model says. How they look is for eyes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
from ramet.callbacks import Record
from random_models import Feature, Node, Recipe, random_recipe

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor, plotting, trees_to_dataframe

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 3))
Y = X[:, 0] + 0.5 * RANDOM.normal(size=400)


@pytest.fixture(autouse=True)
def close_figures() -> Any:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def regressor() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=60, early_stopping=True, n_iter_no_change=5).fit(X, Y)


def overlaps(ax: Any) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other."""
    ax.figure.canvas.draw()
    boxes = [(t.get_text(), t.get_window_extent()) for t in ax.texts if t.get_text()]
    return [
        (a, b)
        for i, (a, one) in enumerate(boxes)
        for b, two in boxes[i + 1 :]
        if one.shrunk(0.98, 0.9).overlaps(two.shrunk(0.98, 0.9))
    ]


def test_training_curves_are_the_recorded_values(regressor: HistGradientBoostingRegressor) -> None:
    ax = plotting.plot_training(regressor)
    lines = {line.get_label(): line for line in ax.lines}
    (metric,) = regressor.evals_result_["validation"]
    assert ax.get_ylabel() == metric
    for name in ("train", "validation"):
        values = regressor.evals_result_[name][metric]
        assert lines[name].get_ydata().tolist() == values
        assert lines[name].get_xdata().tolist() == list(range(len(values)))
    validation = regressor.evals_result_["validation"][metric]
    (mark,) = [line for label, line in lines.items() if str(label).startswith("best")]
    assert mark.get_xdata()[0] == np.argmin(validation)
    assert mark.get_ydata()[0] == min(validation)


def test_several_metrics_have_axes_each_and_the_highest_auc_is_best() -> None:
    history = {"train": {"logloss": [3.0, 2.0], "auc": [0.5, 0.9]}, "test": {"logloss": [3.0, 2.5], "auc": [0.8, 0.7]}}
    axes = plotting.plot_training(history)
    assert [ax.get_ylabel() for ax in axes] == ["logloss", "auc"]
    marks = [line.get_label() for ax in axes for line in ax.lines if "best" in str(line.get_label())]
    assert marks == ["best: 2.5 in round 1", "best: 0.8 in round 0"]
    ax = pyplot.subplots()[1]
    assert plotting.plot_training(history, metric="auc", sets=["test"], ax=ax) is ax
    assert "train" not in [line.get_label() for line in ax.lines]


def test_rounds_of_an_initial_model_are_counted() -> None:
    first = HistGradientBoostingRegressor(max_iter=5).fit(X, Y)
    record = Record()
    second = HistGradientBoostingRegressor(max_iter=9, callbacks=[record]).fit(
        X, Y, init_model=first, eval_set=[(X, Y)]
    )
    (metric,) = second.evals_result_["eval_0"]
    for source, values in ((second, second.evals_result_), (record, record.values)):
        ax = plotting.plot_training(source)
        line = next(line for line in ax.lines if line.get_label() == "eval_0")
        rounds = line.get_xdata().tolist()
        assert rounds[-1] == 9 and np.diff(rounds).tolist() == [1] * (len(rounds) - 1)
        assert line.get_ydata()[-1] == values["eval_0"][metric][-1]


def test_training_refusals() -> None:
    history = {"test": {"auc": [0.5]}}
    with pytest.raises(ValueError, match="No metric was recorded"):
        plotting.plot_training({})
    with pytest.raises(ValueError, match="metric 'rmse' was not recorded; there are 'auc'"):
        plotting.plot_training(history, metric="rmse")
    with pytest.raises(ValueError, match="set 'train' was not recorded"):
        plotting.plot_training(history, sets=["train"])
    with pytest.raises(ValueError, match="2 Axes for 1 metrics"):
        plotting.plot_training(history, ax=pyplot.subplots(1, 2)[1])


@pytest.mark.parametrize("kind", ["gain", "split"])
def test_importance_is_that_of_the_nodes(regressor: HistGradientBoostingRegressor, kind: str) -> None:
    ax = plotting.plot_importance(regressor, kind=kind)
    widths = dict(zip((t.get_text() for t in ax.get_yticklabels()), (p.get_width() for p in ax.patches), strict=True))
    splits = trees_to_dataframe(regressor).dropna(subset="gain").groupby("feature")["gain"]
    want = splits.sum() / splits.sum().sum() * 100 if kind == "gain" else splits.count()
    assert widths == pytest.approx(want.to_dict())
    assert list(widths.values()) == sorted(widths.values(), reverse=True)
    assert len(plotting.plot_importance(regressor, kind=kind, top=2).patches) == 2


def test_importance_refusals(regressor: HistGradientBoostingRegressor) -> None:
    with pytest.raises(ValueError, match="kind: 'cover' is unknown"):
        plotting.plot_importance(regressor, kind="cover")
    with pytest.raises(ValueError, match="top: 0"):
        plotting.plot_importance(regressor, top=0)


def test_importance_of_a_model_without_splits() -> None:
    ax = plotting.plot_importance(Recipe("squared_error", [Feature()], [], [0.0], []).model())
    assert [patch.get_width() for patch in ax.patches] == [0.0]


@pytest.mark.parametrize("seed", range(12))
def test_a_tree_shows_every_node_once_and_no_text_covers_another(seed: int) -> None:
    recipe = random_recipe(seed)
    recipe.names = [f"feature $number$ {i} with a long name \\frac" for i in range(len(recipe.features))]
    if not recipe.trees:
        recipe.trees = [[Node(value=1.0)] for _ in recipe.base_scores]
    model = recipe.model()
    ax = plotting.plot_tree(model, 0, max_depth=6)
    frame = trees_to_dataframe(model)
    nodes = frame[(frame["tree"] == 0) & (frame["depth"] <= 6)]
    texts = [t.get_text() for t in ax.texts]
    leaves = nodes["value"].notna()
    assert sum(text in ("yes", "no") for text in texts) == len(nodes) - 1
    assert sum("gain" in text for text in texts) == ((~leaves) & (nodes["depth"] < 6)).sum()
    assert sum(text.startswith("…") for text in texts) == ((~leaves) & (nodes["depth"] == 6)).sum()
    for value in nodes.loc[leaves, "value"]:
        assert f"{value:+.4g}" in texts
    assert overlaps(ax) == []


def test_a_tree_fits_the_axes_that_it_is_given(regressor: HistGradientBoostingRegressor) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(16, 8))
    assert plotting.plot_tree(regressor, 3, ax=left) is left
    plotting.plot_tree(regressor, 4, ax=right)
    figure.canvas.draw()
    for ax in (left, right):
        assert max(t.get_fontsize() for t in ax.texts) < 9
        inside = ax.get_window_extent()
        for text in ax.texts:
            box = text.get_window_extent()
            assert inside.x0 - 3 <= box.x0 and box.x1 <= inside.x1 + 3


def test_trees_of_classes() -> None:
    labels = np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    model = HistGradientBoostingClassifier(max_iter=3).fit(X, labels)
    assert plotting.plot_tree(model, 1, class_="b").get_title("left").startswith("tree 4 (round 2, class b)")
    assert "tree 4 (round 2, class b)" in plotting.to_graphviz(model, 1, class_="b")
    with pytest.raises(ValueError, match="max_depth: -1"):
        plotting.plot_tree(model, max_depth=-1)


def test_graphviz(regressor: HistGradientBoostingRegressor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = plotting.to_graphviz(regressor, 0)
    frame = trees_to_dataframe(regressor)
    assert source.count(" -> ") == (frame["tree"] == 0).sum() - 1
    with pytest.raises(ValueError, match="has no suffix"):
        source.render(tmp_path / "tree")
    if which("dot"):
        assert source.render(tmp_path / "tree.svg").read_text().count('class="edge"') == source.count(" -> ")
        assert "<svg" in str(source._repr_html_())
        with pytest.raises(RuntimeError, match="dot failed"):
            source.render(tmp_path / "tree.nonsense")
    monkeypatch.setenv("PATH", "")
    assert source._repr_html_() is None
    with pytest.raises(RuntimeError, match="not on the PATH"):
        source.render(tmp_path / "tree.svg")


def test_without_matplotlib_the_package_imports_and_plots_say_what_to_install() -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from ramet import plotting\n"
        "try: plotting.plot_training({'t': {'rmse': [1.0]}})\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install matplotlib" in done.stdout
