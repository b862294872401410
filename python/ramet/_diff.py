"""Where two models differ."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ramet import _core
from ramet._trees import Key, Tree, model_of, text_of

_CATEGORIES_SHOWN = 1000


@dataclass(frozen=True)
class TreeDifference:
    """The first tree that differs, and its first node that does.

    Attributes
    ----------
    tree : int
        Its index; counted from 0.
    round : int
        Its round; counted from 1.
    class_ : int, str or None
        The class whose score it adds to; None for regression.
    node : int
        Its first node that differs.
    a, b : str or None
        That node in both models, with all digits; None where a model has no such tree or node.
    """

    tree: int
    round: int
    class_: Key | None
    node: int
    a: str | None
    b: str | None


@dataclass(frozen=True)
class Difference:
    """Where two models differ; what :func:`diff` returns. True where they do.

    Attributes
    ----------
    equal : bool
        Whether the digests are equal: the same model, byte for byte, up to names and provenance.
    digests : tuple of str
        Those of `a` and `b`.
    body : dict
        ``{what: (in a, in b)}`` for algorithm version, loss, classes, base scores, number of rounds.
    parameters : dict of str to tuple
        ``{parameter: (in a, in b)}``; None where a model lacks it.
    features : dict of str to tuple
        ``{"feature 3 (name)": (in a, in b)}`` for features whose kind or categories differ.
    names : dict of str to tuple
        What differs outside the digest: feature names and types, the label, provenance.
    first_tree : TreeDifference or None
        The first tree that differs.
    """

    equal: bool
    digests: tuple[str, str]
    body: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    parameters: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    features: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    names: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    first_tree: TreeDifference | None = None

    def __bool__(self) -> bool:
        return not self.equal

    def _sections(self) -> Iterator[tuple[str, Mapping[str, tuple[Any, Any]]]]:
        yield "model", self.body
        yield "parameters", self.parameters
        yield "features", self.features
        if (first := self.first_tree) is not None:
            where = f"tree {first.tree} (round {first.round}"
            where += f", class {text_of(first.class_)})" if first.class_ is not None else ")"
            yield "first differing tree", {f"{where}, node {first.node}": (first.a, first.b)}
        yield "names (not in the digest)", self.names

    def _title(self) -> str:
        return f"The models are equal: digest {self.digests[0]}" if self.equal else "The models differ"

    def __repr__(self) -> str:
        lines = [self._title()]
        if not self.equal:
            lines += [f"  a: digest {self.digests[0]}", f"  b: digest {self.digests[1]}"]
        for title, rows in self._sections():
            if not rows:
                continue
            lines.append(f"{title}:")
            for what, (a, b) in rows.items():
                lines += [f"  {text_of(what)}", f"    a: {_shown(a)}", f"    b: {_shown(b)}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [] if self.equal else [_row("digest", *self.digests)]
        for title, differences in self._sections():
            if differences:
                rows.append(f'<tr><th colspan="3" scope="rowgroup">{html.escape(title)}</th></tr>')
                rows += [_row(what, *pair) for what, pair in differences.items()]
        table = f"<table><tr><th></th><th>a</th><th>b</th></tr>{''.join(rows)}</table>" if rows else ""
        return f'<div class="ramet-diff">{_STYLE}<p><b>{html.escape(self._title())}</b></p>{table}</div>'


# Colours come from the page, so that light and dark themes both do. The class is named twice to weigh more than the
# tables' styles of notebooks.
_STYLE = """<style>
.ramet-diff.ramet-diff{font:13px/1.5 system-ui,sans-serif}
.ramet-diff.ramet-diff table{border-collapse:collapse;font:inherit;margin:0;border:0}
.ramet-diff.ramet-diff tr:nth-child(n),.ramet-diff.ramet-diff tr:hover{background:none}
.ramet-diff.ramet-diff th,.ramet-diff.ramet-diff td{text-align:left;vertical-align:top;padding:.2em .8em;color:inherit;
font-size:inherit;border:0;border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}
.ramet-diff.ramet-diff td:not(:first-child){font-family:monospace;overflow-wrap:anywhere;white-space:pre-wrap}
</style>"""


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return text_of(value) if isinstance(value, str) else repr(value)


def _row(what: str, a: Any, b: Any) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in (text_of(what), _shown(a), _shown(b))) + "</tr>"


def diff(a: Any, b: Any) -> Difference:
    """Where two models differ: parameters, features, base scores, the first differing tree.

    Parameters
    ----------
    a, b : estimator, model or path
        Fitted estimators, models, or paths of model files.

    Returns
    -------
    Difference
        Its text and HTML forms are for people; its truth value is whether the models differ.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If an estimator is not fitted.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ramet import HistGradientBoostingClassifier, diff
    >>> X, y = load_iris(return_X_y=True)
    >>> a = HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    >>> b = HistGradientBoostingClassifier(max_iter=2, learning_rate=0.2).fit(X, y)
    >>> diff(a, a).equal
    True
    >>> diff(a, b).parameters
    {'learning_rate': ('0.1', '0.2')}
    """
    model_a, model_b = model_of(a), model_of(b)
    digests = (model_a.digest, model_b.digest)
    return Difference(
        equal=digests[0] == digests[1],
        digests=digests,
        body=_differing(_body(model_a), _body(model_b)),
        parameters=_differing(model_a.parameters, model_b.parameters),
        features=_named(_differing(_features(model_a), _features(model_b)), model_a, model_b),
        names=_differing(_names(model_a), _names(model_b)),
        first_tree=_first_tree(model_a, model_b) if digests[0] != digests[1] else None,
    )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = [*a, *(key for key in b if key not in a)]
    return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}


def _body(model: _core.Model) -> dict[str, Any]:
    return {
        "algorithm version": model.algorithm_version,
        "loss": model.loss,
        "classes": model.classes,
        "base scores": model.base_scores.tolist(),
        "rounds": model.num_rounds,
    }


def _features(model: _core.Model) -> dict[str, str]:
    """A feature's position and what of it is in the digest; names are not."""

    def text(kind: str, categories: Sequence[Key], folded: bool) -> str:
        if kind == "numeric":
            return kind
        shown = ", ".join(repr(key) for key in categories[:_CATEGORIES_SHOWN])
        more = f" and {len(categories) - _CATEGORIES_SHOWN} more" if len(categories) > _CATEGORIES_SHOWN else ""
        return f"{kind}: {shown}{more}{'; rare ones folded' if folded else ''}"

    described = zip(model.feature_kinds, model.categories, model.folded, strict=True)
    return {f"feature {i}": text(*feature) for i, feature in enumerate(described)}


def _named(features: dict[str, Any], a: _core.Model, b: _core.Model) -> dict[str, Any]:
    """With the features' names, or both where they differ."""

    def names(label: str) -> str:
        index = int(label.split()[1])
        found = [model.feature_names[index] for model in (a, b) if index < len(model.feature_names)]
        return " / ".join(dict.fromkeys(found))

    return {f"{label} ({names(label)})": pair for label, pair in features.items()}


def _names(model: _core.Model) -> dict[str, Any]:
    features = enumerate(zip(model.feature_names, model.feature_types, strict=True))
    return {
        **{f"feature {i}": f"{name} ({kind})" for i, (name, kind) in features},
        "label": model.label_name,
        **{f"provenance: {name}": value for name, value in model.provenance.items()},
    }


def _first_tree(a: _core.Model, b: _core.Model) -> TreeDifference | None:
    for index in range(max(a.num_trees, b.num_trees)):
        in_a = Tree(a, index) if index < a.num_trees else None
        in_b = Tree(b, index) if index < b.num_trees else None
        node = _first_node(in_a, in_b)
        if node is None:
            continue
        there = in_a if in_a is not None else in_b
        assert there is not None
        return TreeDifference(index, there.round, there.class_, node, _node_text(in_a, node), _node_text(in_b, node))
    return None


def _first_node(a: Tree | None, b: Tree | None) -> int | None:
    if a is None or b is None:
        return 0
    common = min(a.num_nodes, b.num_nodes)
    differs = np.zeros(common, dtype=bool)
    for name in ("feature", "left", "threshold", "value", "gain", "count", "missing_left"):
        differs |= getattr(a, name)[:common] != getattr(b, name)[:common]
    categorical = (a.category_set[:common] >= 0, b.category_set[:common] >= 0)
    differs |= categorical[0] != categorical[1]
    for node in np.flatnonzero(categorical[0] & ~differs):
        differs[node] = a.categories_left(int(node)) != b.categories_left(int(node))
    if differs.any():
        return int(differs.argmax())
    return common if a.num_nodes != b.num_nodes else None


def _node_text(tree: Tree | None, node: int) -> str | None:
    if tree is None or node >= tree.num_nodes:
        return None
    rows = f"{tree.count[node]} rows"
    if tree.is_leaf[node]:
        return f"leaf {float(tree.value[node])!r} ({rows})"
    condition = tree.condition(node, _CATEGORIES_SHOWN, digits="")
    return f"{condition}? ({rows}, gain {float(tree.gain[node])!r})"
