"""Trees as arrays and as a table; what the plots, the export and `diff` read of a model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ramet import _core

Key = int | str


def model_of(source: Any) -> _core.Model:
    """The engine's model of a fitted estimator, a model or a path of a model file.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If `source` is none of these.
    OSError
        If the file cannot be read.
    """
    if isinstance(source, _core.Model):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _core.Model.load(os.fspath(source))
    if hasattr(type(source), "model_"):
        model: _core.Model = source.model_
        return model
    raise TypeError(
        f"{type(source).__name__} is no Ramet model. Give a fitted estimator of ramet, a model or a path; "
        "of a pipeline its last step, of a search its best_estimator_."
    )


def text_of(key: Key) -> str:
    """A category, class or column name for people: control characters are shown, not sent."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in str(key))


@dataclass(frozen=True)
class Tree:
    """One tree of a model; arrays have one entry per node, node 0 is the root, children come after their parents."""

    model: _core.Model
    index: int

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        return self.model.tree(self.index)

    @property
    def feature(self) -> NDArray[np.int32]:
        """The feature that is asked; -1 for a leaf."""
        return self._arrays["feature"]

    @property
    def left(self) -> NDArray[np.int32]:
        """Where rows go whose answer is yes; -1 for a leaf."""
        return self._arrays["left"]

    @property
    def right(self) -> NDArray[np.int32]:
        return self._arrays["right"]

    @property
    def threshold(self) -> NDArray[np.float64]:
        """Numeric splits: values up to it go left; +inf: all that are present."""
        return self._arrays["threshold"]

    @property
    def value(self) -> NDArray[np.float64]:
        """Leaves: what they add to the raw score."""
        return self._arrays["value"]

    @property
    def gain(self) -> NDArray[np.float64]:
        return self._arrays["gain"]

    @property
    def count(self) -> NDArray[np.uint64]:
        return self._arrays["count"]

    @property
    def missing_left(self) -> NDArray[np.bool_]:
        return self._arrays["missing_left"]

    @property
    def category_set(self) -> NDArray[np.int32]:
        """-1 but for categorical splits."""
        return self._arrays["category_set"]

    @property
    def num_nodes(self) -> int:
        return len(self.feature)

    @cached_property
    def is_leaf(self) -> NDArray[np.bool_]:
        return self.feature < 0

    @cached_property
    def parent(self) -> NDArray[np.int32]:
        """-1 for the root."""
        parent = np.full(self.num_nodes, -1, dtype=np.int32)
        splits = np.flatnonzero(~self.is_leaf).astype(np.int32)
        parent[self.left[splits]] = splits
        parent[self.right[splits]] = splits
        return parent

    @cached_property
    def depth(self) -> NDArray[np.int32]:
        """0 for the root."""
        depth = np.zeros(self.num_nodes, dtype=np.int32)
        level = np.zeros(1, dtype=np.int32)
        while len(level := level[~self.is_leaf[level]]):
            children = np.concatenate([self.left[level], self.right[level]])
            depth[children] = np.tile(depth[level] + 1, 2)
            level = children
        return depth

    @property
    def round(self) -> int:
        """Counted from 1."""
        return self.index // self.model.num_outputs + 1

    @property
    def output(self) -> int:
        return self.index % self.model.num_outputs

    @property
    def class_(self) -> Key | None:
        """The class whose score the tree adds to (of two classes the second); None for regression."""
        classes = self.model.classes
        if not classes:
            return None
        return classes[self.output if self.model.num_outputs > 1 else 1]

    def categories_left(self, node: int) -> tuple[list[Key], bool]:
        """The categories that a categorical split sends left, and whether others go with them."""
        indices, others = self.model.tree_category_set(self.index, int(self.category_set[node]))
        categories = self.model.categories[int(self.feature[node])]
        return [categories[i] for i in indices], others

    def condition(self, node: int, categories_shown: int = 8, digits: str = ".6g") -> str:
        """The question whose yes goes left: ``hour ≤ 13.5 or missing``; `digits` is how a threshold is formatted."""
        text = text_of(self.model.feature_names[int(self.feature[node])])
        if self.category_set[node] < 0:
            threshold = float(self.threshold[node])
            text += " is present" if np.isinf(threshold) else f" ≤ {threshold:{digits}}"
        else:
            keys, others = self.categories_left(node)
            shown = [text_of(key) for key in keys[:categories_shown]]
            if len(keys) > categories_shown:
                shown.append(f"{len(keys) - categories_shown} more")
            text += " in {" + ", ".join(shown) + "}" + (" or another" if others else "")
        return text + (" or missing" if self.missing_left[node] else "")


def find_tree(model: _core.Model, tree: int, class_: Key | None = None) -> Tree:
    """Tree `tree` of the model, or with `class_` the tree of that class in round `tree`, both counted from 0.

    Negative numbers count from the end, as in a list.
    """
    count, offset, step = model.num_trees, 0, 1
    if class_ is not None:
        if model.num_outputs == 1:
            raise ValueError("class_: this model has one tree a round. Leave class_ out.")
        if class_ not in model.classes:
            raise ValueError(f"class_: {class_!r} is none of the classes {model.classes}.")
        count, offset, step = model.num_rounds, model.classes.index(class_), model.num_outputs
    if not -count <= tree < count:
        what = "rounds" if class_ is not None else "trees"
        raise IndexError(f"tree {tree} does not exist: the model has {count} {what}, counted from 0.")
    return Tree(model, tree % count * step + offset)


def trees_to_dataframe(source: Any) -> Any:
    """All nodes of all trees as a table, a row a node.

    Parameters
    ----------
    source : estimator, model or path
        A fitted estimator, a model, or the path of a model file.

    Returns
    -------
    pandas.DataFrame, or pyarrow.Table where pandas is not installed
        Columns:

        - ``tree``, ``round`` (from 1), ``output``, ``class`` (whose score the tree adds to; of two classes the second)
        - ``node`` (0 is the root), ``depth``, ``parent``, ``left``, ``right`` (missing for the root, or a leaf)
        - ``feature`` (name), ``threshold`` (values up to it go left; infinite: all that are present),
          ``categories`` (those that go left; integers if all the model's categories are, else text),
          ``others`` (where categories unseen in training go: "left" or "right"), ``missing`` (where missing values go)
        - ``gain``, ``count`` (training rows), ``value`` (what a leaf adds to the raw score)

        What a node does not have is missing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ramet import HistGradientBoostingClassifier, trees_to_dataframe
    >>> model = HistGradientBoostingClassifier(max_iter=2).fit(*load_iris(return_X_y=True))
    >>> frame = trees_to_dataframe(model)
    >>> sorted(set(frame["class"]))
    [0, 1, 2]
    """
    import pyarrow as pa

    model = model_of(source)
    texts = any(isinstance(key, str) for keys in model.categories for key in keys)
    trees = [Tree(model, index) for index in range(model.num_trees)]
    columns = [_tree_columns(tree, texts) for tree in trees]
    schema = _schema(model, texts)
    table = pa.table(
        {
            field.name: pa.chunked_array(
                [pa.array(c[field.name], field.type, from_pandas=False) for c in columns], field.type
            )
            for field in schema
        },
        schema=schema,
    )
    try:
        import pandas as pd
    except ImportError:
        return table
    whole = {pa.int32(): pd.Int32Dtype()}
    return table.combine_chunks().to_pandas(types_mapper=whole.get)


def _schema(model: _core.Model, texts: bool) -> Any:
    import pyarrow as pa

    texts_in_classes = any(isinstance(c, str) for c in model.classes)
    key = pa.string() if texts_in_classes else pa.int64() if model.classes else pa.null()
    types = {
        **dict.fromkeys(["tree", "round", "output"], pa.int32()),
        "class": key,
        **dict.fromkeys(["node", "depth", "parent", "left", "right"], pa.int32()),
        "feature": pa.string(),
        "threshold": pa.float64(),
        "categories": pa.list_(pa.string() if texts else pa.int64()),
        "others": pa.string(),
        "missing": pa.string(),
        "gain": pa.float64(),
        "count": pa.int64(),
        "value": pa.float64(),
    }
    return pa.schema(list(types.items()))


def _tree_columns(tree: Tree, texts: bool) -> dict[str, Any]:
    """The columns of one tree; masked arrays and None where a node has no such thing."""
    n, leaf, categorical = tree.num_nodes, tree.is_leaf, tree.category_set >= 0
    names = np.array(tree.model.feature_names, dtype=object)
    categories: list[list[Key] | None] = [None] * n
    others: list[str | None] = [None] * n
    for node in np.flatnonzero(categorical):
        keys, left = tree.categories_left(int(node))
        categories[node] = [str(key) for key in keys] if texts else keys
        others[node] = "left" if left else "right"

    def masked(values: NDArray[Any], absent: NDArray[np.bool_]) -> Any:
        import pyarrow as pa

        return pa.array(values, mask=absent)

    return {
        "tree": np.full(n, tree.index, dtype=np.int32),
        "round": np.full(n, tree.round, dtype=np.int32),
        "output": np.full(n, tree.output, dtype=np.int32),
        "class": [tree.class_] * n,
        "node": np.arange(n, dtype=np.int32),
        "depth": tree.depth,
        "parent": masked(tree.parent, tree.parent < 0),
        "left": masked(tree.left, leaf),
        "right": masked(tree.right, leaf),
        "feature": [None if is_leaf else name for is_leaf, name in zip(leaf, names[tree.feature], strict=True)],
        "threshold": masked(tree.threshold, leaf | categorical),
        "categories": categories,
        "others": others,
        "missing": [None if a else "left" if b else "right" for a, b in zip(leaf, tree.missing_left, strict=True)],
        "gain": masked(tree.gain, leaf),
        "count": tree.count.astype(np.int64),
        "value": masked(tree.value, ~leaf),
    }
