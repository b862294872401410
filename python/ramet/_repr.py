"""How a fitted estimator looks in a notebook: scikit-learn's diagram, and below it a card of the model."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ramet import _core
from ramet._trees import Tree, text_of

_FEATURES_SHOWN = 6
_POINTS_SHOWN = 200
_WIDTH, _HEIGHT = 300, 96  # of the curves, in pixels


class CardMixin:
    """Adds the card to the HTML forms of scikit-learn's estimators; the text form stays."""

    def _repr_html_inner(self) -> str:
        diagram: str = super()._repr_html_inner()  # type: ignore[misc]
        return diagram + card(self)

    def _repr_mimebundle_(self, **arguments: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**arguments)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] += "" if bundle["text/html"].endswith(_END) else card(self)
        return bundle


def card(estimator: Any) -> str:
    """The card as HTML; empty for an estimator that is not fitted."""
    from sklearn.exceptions import NotFittedError

    try:
        model: _core.Model = estimator.model_
    except NotFittedError:
        return ""
    history = getattr(estimator, "evals_result_", None) or {}
    parts = [
        _facts(model, getattr(estimator, "best_iteration_", None) if history else None),
        _importances(model),
        _curves(history, model.num_rounds),
    ]
    return f'<div class="ramet-card">{_STYLE}{"".join(parts)}{_END}'


# Text, lines and backgrounds take the page's own colours, so that light and dark themes both do; the two hues have
# enough contrast on either. The class is named twice to weigh more than the tables' styles of notebooks.
_STYLE = """<style>
.ramet-card.ramet-card{display:flex;flex-wrap:wrap;align-items:flex-start;gap:.8em 2.2em;margin:.6em 0;padding:.7em 1em;
width:fit-content;max-width:100%;
box-sizing:border-box;border:1px solid color-mix(in srgb,currentColor 25%,transparent);border-radius:6px;
font:13px/1.5 system-ui,sans-serif;color:inherit}
.ramet-card.ramet-card table{border-collapse:collapse;margin:0;font:inherit;color:inherit;border:0}
.ramet-card.ramet-card tr:nth-child(n),.ramet-card.ramet-card tr:hover{background:none}
.ramet-card.ramet-card td,.ramet-card.ramet-card th{padding:0 .8em 0 0;border:0;text-align:left;vertical-align:middle;
font-weight:normal;color:inherit;white-space:nowrap;font-size:inherit}
.ramet-card.ramet-card th{opacity:.7}
.ramet-card.ramet-card code{font-size:12px;background:none;color:inherit;padding:0}
.ramet-card.ramet-card .n{max-width:14em;overflow:hidden;text-overflow:ellipsis}
.ramet-card.ramet-card .v{text-align:right;font-variant-numeric:tabular-nums}
.ramet-card.ramet-card .b{width:7em;padding:0 .5em 0 0}
.ramet-card.ramet-card .b i{display:block;height:.55em;border-radius:2px;background:#3b82c4}
.ramet-card.ramet-card svg{display:block;overflow:visible;margin:.2em 0}
.ramet-card.ramet-card .k{display:inline-block;width:1.1em;height:0;border-top:2px solid;
margin-right:.4em;vertical-align:middle}
.ramet-card.ramet-card p{margin:0;opacity:.7}
</style>"""
_END = "</div><!-- ramet -->"
_HUES = ("#3b82c4", "#d1772e", "#4a9d5b", "#a267c4")


def _cell(text: str, kind: str = "", title: str = "") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' title="{html.escape(title)}"' if title else "")
    return f"<td{attributes}>{text}</td>"


def _facts(model: _core.Model, best_round: int | None) -> str:
    leaves = sum(int(Tree(model, index).is_leaf.sum()) for index in range(model.num_trees))
    categorical = model.feature_kinds.count("categorical")
    features = f"{len(model.feature_kinds):,}" + (f" ({categorical:,} categorical)" if categorical else "")
    rows = {
        "rounds": f"{model.num_rounds:,}" + (f" (best: {best_round:,})" if best_round else ""),
        "trees": f"{model.num_trees:,}",
        "leaves": f"{leaves:,}",
        "loss": html.escape(text_of(model.loss)),
        "features": features,
    }
    if model.classes:
        rows["classes"] = f"{len(model.classes):,}"
    cells = [f'<tr><th scope="row">{name}</th>{_cell(value)}</tr>' for name, value in rows.items()]
    digest = _cell(f"<code>{model.digest[:12]}…</code>", title=model.digest)
    return f'<table>{"".join(cells)}<tr><th scope="row">digest</th>{digest}</tr></table>'


def _importances(model: _core.Model) -> str:
    gains = model.importance("gain")
    total = gains.sum()
    if not total > 0:
        return "<div><p>No feature was used.</p></div>"
    rows = []
    for i in np.argsort(-gains, kind="stable")[:_FEATURES_SHOWN]:
        name, share = html.escape(text_of(model.feature_names[i])), gains[i] / total
        bar = f'<i style="width:{100 * gains[i] / gains.max():.1f}%"></i>'
        rows.append(
            f"<tr>{_cell(name, 'n', text_of(model.feature_names[i]))}{_cell(bar, 'b')}{_cell(f'{share:.1%}', 'v')}</tr>"
        )
    more = len(gains) - len(rows)
    title = "share of the gain" + (f", {len(rows)} of {len(gains):,} features" if more > 0 else "")
    return f"<div><p>{title}</p><table>{''.join(rows)}</table></div>"


def _curves(history: dict[str, dict[str, list[float]]], num_rounds: int) -> str:
    """The first metric of every set."""
    metric = next((name for values in history.values() for name in values), None)
    if metric is None:
        return ""
    lines = {name: np.asarray(values[metric], dtype=float) for name, values in history.items() if metric in values}
    finite = np.concatenate([line[np.isfinite(line)] for line in lines.values()])
    if len(finite) == 0:
        return ""
    low, high = float(finite.min()), float(finite.max())
    paths, legend = [], []
    for i, (name, line) in enumerate(lines.items()):
        hue = _HUES[i % len(_HUES)]
        paths.append(_path(line, low, high, hue))
        key = f'<span class="k" style="color:{hue}"></span>{html.escape(text_of(name))}'
        legend.append(f"<tr>{_cell(key, 'n', text_of(name))}{_cell(f'{line[-1]:.5g}', 'v')}</tr>")
    label = html.escape(text_of(metric))
    longest = max(len(line) for line in lines.values())
    first = num_rounds + 1 - longest if longest <= num_rounds else 0
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    picture = (
        f'<svg {size} role="img" aria-label="{label} by round">'
        f'<path d="M0 {_HEIGHT}H{_WIDTH}" stroke="currentColor" opacity=".3"/>{"".join(paths)}</svg>'
    )
    title = f"{label}, rounds {first} to {first + longest - 1}; last values:"
    return f"<div><p>{title}</p>{picture}<table>{''.join(legend)}</table></div>"


def _path(line: Any, low: float, high: float, hue: str) -> str:
    """A curve, thinned to what can be seen."""
    at = np.unique(np.linspace(0, len(line) - 1, min(len(line), _POINTS_SHOWN)).round().astype(int))
    x = at / max(1, len(line) - 1) * _WIDTH
    y = (high - line[at]) / ((high - low) or 1.0) * (_HEIGHT - 8) + 4
    points: Sequence[str] = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{hue}" stroke-width="1.6" stroke-linejoin="round"/>'
    )
