"""Pictures of a model: its training, its features, its trees. Needs matplotlib.

Every function takes ``ax=`` and returns the Axes that it drew on, so that a picture can be changed and saved as any
other of matplotlib's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import numpy as np

from ramet import _core
from ramet._trees import Key, find_tree, model_of, text_of
from ramet.callbacks import Record

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

__all__ = ["GraphvizSource", "plot_importance", "plot_training", "plot_tree", "to_graphviz"]

_GREY = "0.45"
_LONGEST_NAME = 40


def _new_axes(columns: int, size: tuple[float, float]) -> list[Axes]:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib, which is not installed. Install it: pip install matplotlib"
        ) from error
    _, axes = pyplot.subplots(1, columns, figsize=(size[0] * columns, size[1]), layout="constrained", squeeze=False)
    return list(axes[0])


def _shortened(text: str) -> str:
    """The ends of a long name: what tells names apart is at either."""
    text = text_of(text)
    if len(text) <= _LONGEST_NAME:
        return text
    half = (_LONGEST_NAME - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


# ── Training ──


def plot_training(
    source: Any,
    *,
    metric: str | Sequence[str] | None = None,
    sets: Sequence[str] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Any:
    """The metrics of every round, with the best round marked.

    Parameters
    ----------
    source : estimator, Record or dict
        A fitted estimator whose training was watched, a :class:`ramet.callbacks.Record`, or
        ``{set: {metric: values}}``.
    metric : str or sequence of str, optional
        Which metrics, each on Axes of its own; by default all.
    sets : sequence of str, optional
        Which sets; by default all.
    ax : matplotlib Axes, or a sequence of as many as metrics, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes, or a list of them if there are several metrics
        The best round of the first set that is not the training set is marked, where it is known whether the metric
        is to be high or low.

    Raises
    ------
    ValueError
        If nothing was watched, or a metric or set is unknown.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from ramet import HistGradientBoostingRegressor
    >>> from ramet.plotting import plot_training
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = HistGradientBoostingRegressor(max_iter=20, early_stopping=True).fit(X, y)
    >>> ax = plot_training(model)
    >>> ax.get_xlabel()
    'round'
    """
    history, first_round = _history(source)
    history = {name: history[name] for name in _chosen(sets, list(history), "set")}
    known = list(dict.fromkeys(m for values in history.values() for m in values))
    metrics = _chosen([metric] if isinstance(metric, str) else metric, known, "metric")
    if ax is None:
        axes = _new_axes(len(metrics), (5.6, 3.6))
    else:
        axes = list(ax) if isinstance(ax, Sequence | np.ndarray) else [ax]
        if len(axes) != len(metrics):
            raise ValueError(
                f"ax: {len(axes)} Axes for {len(metrics)} metrics ({', '.join(metrics)}). Choose by metric=."
            )
    for axis, name in zip(axes, metrics, strict=True):
        _draw_metric(axis, name, {s: values[name] for s, values in history.items() if name in values}, first_round)
    return axes[0] if len(axes) == 1 else axes


def _history(source: Any) -> tuple[dict[str, dict[str, Sequence[float]]], int]:
    """The values, and the round of the first."""
    first_round = 0
    if isinstance(source, Record):
        values: Any = source.values
        first_round = source.rounds[0] if source.rounds else 0
    elif isinstance(source, Mapping):
        values = source
    else:
        model = model_of(source)
        values = getattr(source, "evals_result_", None) or {}
        length = max((len(v) for by_metric in values.values() for v in by_metric.values()), default=0)
        first_round = max(0, model.num_rounds + 1 - length) if length else 0
    history = {name: dict(by_metric) for name, by_metric in values.items() if by_metric}
    if not history:
        raise ValueError("No metric was recorded. Fit with eval_set=…, or with early_stopping=True.")
    return history, first_round


def _chosen(wanted: Sequence[str] | None, known: list[str], what: str) -> list[str]:
    for name in wanted or ():
        if name not in known:
            raise ValueError(f"{what} {name!r} was not recorded; there are {', '.join(map(repr, known))}.")
    return list(wanted) if wanted else known


def _draw_metric(ax: Axes, metric: str, values: Mapping[str, Sequence[float]], first_round: int) -> None:
    directions = {name: higher for name, _, higher in _core.metric_names()}
    watched = next((name for name in values if name != "train"), None)
    for name, line in values.items():
        rounds = np.arange(first_round, first_round + len(line))
        behind: dict[str, Any] = {"color": _GREY, "zorder": 1.5} if name == "train" else {}
        ax.plot(rounds, line, linewidth=1.4, label=text_of(name), **behind)
        if name == watched and metric in directions and np.isfinite(line).any():
            best = int(np.nanargmax(line) if directions[metric] else np.nanargmin(line))
            color = ax.lines[-1].get_color()
            ax.axvline(rounds[best], color=color, linewidth=0.8, linestyle=(0, (2, 3)), zorder=1)
            label = f"best: {line[best]:.5g} in round {rounds[best]}"
            ax.plot(rounds[best], line[best], "o", markersize=5, color=color, label=label)
    ax.set_xlabel("round")
    ax.set_ylabel(text_of(metric))
    ax.spines[["top", "right"]].set_visible(False)
    ax.locator_params(axis="x", integer=True)
    ax.margins(x=0.02)
    ax.legend(frameon=False)


# ── Importance ──


def plot_importance(source: Any, *, kind: str = "gain", top: int | None = 20, ax: Axes | None = None) -> Axes:
    """How much each feature was used.

    Parameters
    ----------
    source : estimator, model or path
        A fitted estimator, a model, or the path of a model file.
    kind : {"gain", "split"}, default="gain"
        "gain": each feature's share of the decrease of the loss; "split": how many splits ask for it. Both speak of
        the training data; neither says that a feature is a cause.
    top : int or None, default=20
        How many features, the most important first; None: all.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `kind` is unknown or `top` not positive.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ramet import HistGradientBoostingClassifier
    >>> from ramet.plotting import plot_importance
    >>> model = HistGradientBoostingClassifier(max_iter=5).fit(*load_iris(return_X_y=True))
    >>> ax = plot_importance(model, top=3)
    >>> len(ax.patches)
    3
    """
    if kind not in ("gain", "split"):
        raise ValueError(f"kind: {kind!r} is unknown. Use 'gain' or 'split'.")
    if top is not None and top < 1:
        raise ValueError(f"top: {top}. Give a positive number of features, or None for all.")
    model = model_of(source)
    importance = model.importance(kind)
    order = np.argsort(-importance, kind="stable")[:top]
    if ax is None:
        (ax,) = _new_axes(1, (5.6, 0.8 + 0.24 * max(4, len(order))))
    shown = importance[order]
    if kind == "gain" and importance.sum() > 0:
        shown = 100 * shown / importance.sum()
    bars = ax.barh(np.arange(len(order)), shown, height=0.55)
    labels = [_share_text(value) if kind == "gain" else f"{value:,.0f}" for value in shown]
    ax.bar_label(bars, labels, padding=3, fontsize="small", color=_GREY)
    names = [_shortened(model.feature_names[i]) for i in order]
    ax.set_yticks(np.arange(len(order)), names, parse_math=False)
    ax.set_ylim(max(len(order), 4) - 0.5, -0.5)  # the first at the top; few bars stay thin
    ax.set_xlabel("share of the total gain, %" if kind == "gain" else "splits")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.margins(x=0.12)
    ax.set_xlim(left=0)
    rest = len(importance) - len(order)
    if rest > 0:
        ax.set_title(f"{len(order)} of {len(importance)} features", fontsize="small", color=_GREY, loc="right")
    return ax


def _share_text(percent: float) -> str:
    return "< 0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"


# ── Trees ──


def plot_tree(
    source: Any,
    tree: int = 0,
    *,
    class_: Key | None = None,
    max_depth: int | None = 6,
    fontsize: float = 9,
    ax: Axes | None = None,
) -> Axes:
    """One tree, from the root at the left to the leaves at the right.

    Each split shows its question, the training rows that came to it and its gain. The upper branch is yes. A line is
    the wider, the more rows went along it. Leaves show what they add to the raw score: blue above zero, red below.

    Parameters
    ----------
    source : estimator, model or path
        A fitted estimator, a model, or the path of a model file.
    tree : int, default=0
        Which tree, counted from 0; negative numbers count from the end. With `class_`, which round.
    class_ : int or str, optional
        With several classes: the class whose tree of that round is meant.
    max_depth : int or None, default=6
        Deeper nodes are counted, not drawn; None: draw all.
    fontsize : float, default=9
        In points. On given Axes text is made smaller where it would not fit.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure as large as the tree needs.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    IndexError
        If there is no such tree.
    ValueError
        If there is no such class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ramet import HistGradientBoostingClassifier
    >>> from ramet.plotting import plot_tree
    >>> model = HistGradientBoostingClassifier(max_iter=5).fit(*load_iris(return_X_y=True))
    >>> ax = plot_tree(model, tree=0, class_=2)
    """
    from ramet._tree_picture import TreePicture

    picture = TreePicture(find_tree(model_of(source), tree, class_), max_depth, fontsize)
    if ax is None:
        (ax,) = _new_axes(1, picture.figure_size())
    picture.draw(ax)
    return ax


class GraphvizSource(str):
    """A tree in the language of Graphviz: text, which notebooks show as a picture where its `dot` is installed."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        if not which("dot"):
            return None
        svg = self._run_dot("svg").decode()
        svg = svg[svg.index("<svg") :].replace("<svg", '<svg style="max-width:none"', 1)  # large ones are scrolled
        return f'<div style="overflow:auto;max-height:40em">{svg}</div>'

    def render(self, path: str | os.PathLike[str]) -> Path:
        """Draws the tree in a file, whose suffix says the format: ``.svg``, ``.png``, ``.pdf``.

        Raises
        ------
        RuntimeError
            If ``dot`` is not installed, or fails.
        """
        path = Path(path)
        if not path.suffix:
            raise ValueError(f"{path}: the name has no suffix. Add the format: {path}.svg, {path}.png or {path}.pdf.")
        path.write_bytes(self._run_dot(path.suffix[1:]))
        return path

    def _run_dot(self, form: str) -> bytes:
        if not which("dot"):
            raise RuntimeError("Graphviz's command dot is not on the PATH. Install Graphviz, or use plot_tree.")
        done = subprocess.run(["dot", f"-T{form}"], input=self.encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout


def to_graphviz(source: Any, tree: int = 0, *, class_: Key | None = None) -> GraphvizSource:
    """One tree in the language of Graphviz.

    Parameters
    ----------
    source : estimator, model or path
        A fitted estimator, a model, or the path of a model file.
    tree : int, default=0
        Which tree, counted from 0; negative numbers count from the end. With `class_`, which round.
    class_ : int or str, optional
        With several classes: the class whose tree of that round is meant.

    Returns
    -------
    GraphvizSource
        Text; its method ``render(path)`` draws it where Graphviz is installed.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ramet import HistGradientBoostingClassifier
    >>> from ramet.plotting import to_graphviz
    >>> model = HistGradientBoostingClassifier(max_iter=5).fit(*load_iris(return_X_y=True))
    >>> print(to_graphviz(model)[:14])
    digraph tree {
    """
    found = find_tree(model_of(source), tree, class_)
    # From left to right, questions stand below one another instead of side by side.
    return GraphvizSource(found.model.tree_graphviz(found.index).replace("{\n", "{\n  rankdir=LR;\n", 1))
