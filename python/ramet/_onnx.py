"""A model as an ONNX graph.

    inputs ─► numbers and category codes (rows x columns, float64) ─► TreeEnsemble ─► + base ─► link ─► outputs

Invariants
  O1. Decisions are exact: thresholds and inputs are float64, as in the engine; float32 inputs are widened, exactly.
  O2. Category codes are integers: 1 missing, 2 + i for category i, 2 + n for any other key. A set is a list of codes.
  O3. What differs from the engine is the order in which a runtime adds the leaves, and its exp: see `to_onnx`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ramet import _core
from ramet._trees import Key, Tree, model_of

_OPSET, _ML_OPSET, _IR_VERSION = 18, 5, 10  # TreeEnsemble is in ai.onnx.ml 5
_MISSING_CODE = 1
_LESS_OR_EQUAL, _MEMBER = 0, 6  # TreeEnsemble's modes


def to_onnx(source: Any, *, inputs: str = "auto", dtype: str = "float64", missing: str = "") -> Any:
    """The model as an ONNX graph, for prediction without Ramet.

    Parameters
    ----------
    source : estimator, model or path
        A fitted estimator, a model, or the path of a model file.
    inputs : {"auto", "matrix", "columns"}, default="auto"
        "matrix": one input ``X``, rows x features, in the order of training. "columns": an input per feature, rows x 1,
        called like it. "auto": a matrix, but columns where some categories are strings or integers beyond 2**53.
    dtype : {"float64", "float32"}, default="float64"
        Of numeric inputs. Thresholds are float64 either way, so decisions are exact for what is passed: use "float32"
        where the data are float32 already.
    missing : str, default=""
        The string that stands for a missing value in string columns, for ONNX has none. In all others it is NaN.

    Returns
    -------
    onnx.ModelProto
        Outputs of a classifier: ``label`` (rows; integers or strings) and ``probabilities`` (rows x classes). Of a
        regressor: ``prediction`` (rows). It needs opset 5 of ``ai.onnx.ml``: onnxruntime 1.23 or newer (earlier ones
        are too slow on sets of categories, or lack it).

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        If the model cannot be expressed: strings asked for in a matrix, a category equal to `missing`.

    Notes
    -----
    Every row reaches the same leaves as in Ramet. Sums are float64, but a runtime may add the leaves in another order:
    with T trees and the largest leaf of each :math:`m_t`, raw scores differ by at most
    :math:`2 (T + 1) 2^{-53} (|base| + \\sum_t m_t)`. Probabilities differ by at most that and a few units in the last
    place of 1; predictions of Poisson and gamma losses by at most that relatively, and a few units in the last place.
    A label differs only where two scores are that close.

    Integer categories are read from floating-point columns; a number that is no integer is an unknown category, as in
    Ramet. Integer categories that float64 does not hold are read from int64 columns, which have no missing values.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ramet import HistGradientBoostingClassifier, to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> graph = to_onnx(HistGradientBoostingClassifier(max_iter=5).fit(X, y))
    >>> [output.name for output in graph.graph.output]
    ['label', 'probabilities']
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(graph.SerializeToString())
    >>> label, probabilities = session.run(None, {"X": X[:2]})
    >>> label.tolist(), probabilities.shape
    ([0, 0], (2, 3))
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx, which is not installed. Install it: pip install onnx") from error
    for name, value, known in (
        ("inputs", inputs, ("auto", "matrix", "columns")),
        ("dtype", dtype, ("float64", "float32")),
    ):
        if value not in known:
            raise ValueError(f"{name}: {value!r} is unknown. Use one of {', '.join(map(repr, known))}.")
    model = model_of(source)
    graph = _Graph(onnx, onnx.TensorProto.DOUBLE if dtype == "float64" else onnx.TensorProto.FLOAT)
    table, positions = _encode_inputs(graph, model, inputs, missing)
    scores = _add_trees(graph, model, table, positions)
    _add_outputs(graph, model, scores)
    made: Any = graph.make()
    onnx.checker.check_model(made, full_check=True)
    return made


@dataclass
class _Graph:
    """Nodes and values as they are added."""

    onnx: Any
    input_type: int
    nodes: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def name(self, wanted: str) -> str:
        """`wanted`, or with a number where that is taken."""
        name, number = wanted, 1
        while name in self.used:
            number += 1
            name = f"{wanted}_{number}"
        self.used.add(name)
        return name

    def add(self, kind: str, arguments: list[str], wanted: str = "", domain: str = "", **attributes: Any) -> str:
        """The name of the new node's result."""
        result = self.name(wanted or kind.lower())
        self.nodes.append(self.onnx.helper.make_node(kind, arguments, [result], domain=domain, **attributes))
        return result

    def constant(self, array: Any) -> str:
        name = self.name("constant")
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def input(self, wanted: str, kind: int, columns: int) -> str:
        name = self.name(wanted)
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, kind, ["rows", columns]))
        return name

    def number_input(self, wanted: str, columns: int) -> str:
        name = self.input(wanted, self.input_type, columns)
        double = self.onnx.TensorProto.DOUBLE
        return name if self.input_type == double else self.add("Cast", [name], to=double)

    def output(self, name: str, kind: int, shape: list[Any]) -> None:
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, kind, shape))

    def tensor(self, kind: int, values: Any) -> Any:
        if kind == self.onnx.TensorProto.STRING:
            values = [value.encode() for value in values]
        return self.onnx.helper.make_tensor("values", kind, [len(values)], values)

    def make(self) -> Any:
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "ramet", self.inputs, self.outputs, initializer=self.constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
        return helper.make_model(graph, producer_name="ramet", opset_imports=opsets, ir_version=_IR_VERSION)


# ── Inputs ──


def _encode_inputs(graph: _Graph, model: _core.Model, inputs: str, missing: str) -> tuple[str, list[int]]:
    """The table that the trees read, and each feature's column in it."""
    strings = [_are_strings(keys, name) for keys, name in zip(model.categories, model.feature_names, strict=True)]
    large = [not text and _beyond_float64(keys) for text, keys in zip(strings, model.categories, strict=True)]
    typed = [i for i in range(len(strings)) if strings[i] or large[i]]
    if inputs == "matrix" and typed:
        raise ValueError(
            f"inputs='matrix': the categories of {model.feature_names[typed[0]]!r} are not float64 numbers. "
            "Use inputs='columns'."
        )
    if inputs == "matrix" or (inputs == "auto" and not typed):
        return _encode_matrix(graph, model)
    types = graph.onnx.TensorProto
    columns = []
    for i, name in enumerate(model.feature_names):
        categories = model.categories[i]
        if model.feature_kinds[i] == "numeric":
            columns.append(graph.number_input(name, 1))
        elif strings[i]:
            if missing in categories:
                raise ValueError(f"missing: {missing!r} is a category of {name!r}. Choose a string that is none.")
            columns.append(_encode_keys(graph, graph.input(name, types.STRING, 1), types.STRING, categories, missing))
        elif large[i]:
            columns.append(_encode_keys(graph, graph.input(name, types.INT64, 1), types.INT64, categories, None))
        else:
            columns.append(_encode_keys(graph, graph.number_input(name, 1), types.DOUBLE, categories, np.nan))
    table = columns[0] if len(columns) == 1 else graph.add("Concat", columns, "table", axis=1)
    return table, list(range(len(columns)))


def _encode_matrix(graph: _Graph, model: _core.Model) -> tuple[str, list[int]]:
    """X, and beside it the codes of its categorical columns."""
    count = len(model.feature_names)
    parts, positions = [graph.number_input("X", count)], list(range(count))
    for i, kind in enumerate(model.feature_kinds):
        if kind == "numeric":
            continue
        column = graph.add("Gather", [parts[0], graph.constant(np.array([i]))], axis=1)
        positions[i] = count + len(parts) - 1
        parts.append(_encode_keys(graph, column, graph.onnx.TensorProto.DOUBLE, model.categories[i], np.nan))
    return parts[0] if len(parts) == 1 else graph.add("Concat", parts, "table", axis=1), positions


def _are_strings(keys: list[Key], name: str) -> bool:
    kinds = {isinstance(key, str) for key in keys}
    if len(kinds) > 1:
        raise ValueError(f"feature {name!r} has integers and strings among its categories, which no ONNX column holds.")
    return kinds == {True}


def _beyond_float64(keys: list[Key]) -> bool:
    """Whether some integer is no float64."""
    return any(isinstance(key, int) and int(float(key)) != key for key in keys)


def _encode_keys(graph: _Graph, column: str, kind: int, keys: list[Key], missing: Any) -> str:
    codes = [_MISSING_CODE + 1.0 + i for i in range(len(keys))]
    known: list[Any] = list(keys)
    if missing is not None:
        known, codes = [missing, *known], [float(_MISSING_CODE), *codes]
    double = graph.onnx.TensorProto.DOUBLE
    others = graph.tensor(double, [_MISSING_CODE + 1.0 + len(keys)])
    return graph.add(
        "LabelEncoder", [column], "code", domain="ai.onnx.ml", keys_tensor=graph.tensor(kind, known),
        values_tensor=graph.tensor(double, codes), default_tensor=others,
    )  # fmt: skip


# ── Trees ──


@dataclass
class _Ensemble:
    """TreeEnsemble's attributes: splits and leaves are numbered apart."""

    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    children: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))  # yes, no
    are_leaves: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    members: list[float] = field(default_factory=list)  # a NaN after each set
    outputs: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)

    def add_split(self, feature: int, mode: int, threshold: float, missing_left: bool) -> None:
        self.features.append(feature)
        self.modes.append(mode)
        self.splits.append(threshold)
        self.missing.append(int(missing_left))

    def add_leaf(self, value: float, output: int) -> int:
        self.values.append(value)
        self.outputs.append(output)
        return len(self.values) - 1


def _add_trees(graph: _Graph, model: _core.Model, table: str, positions: list[int]) -> str:
    """Raw scores: rows x outputs."""
    base = graph.constant(model.base_scores.reshape(1, -1))
    ensemble = _Ensemble()
    for index in range(max(1, model.num_trees)):
        if index < model.num_trees:
            _add_tree(ensemble, Tree(model, index), positions)
        else:
            _add_constant(ensemble, 0.0, 0, positions)  # a model without trees: the base score for every row
    onnx = graph.onnx
    double, byte = onnx.TensorProto.DOUBLE, onnx.TensorProto.UINT8
    optional = {"membership_values": graph.tensor(double, ensemble.members)} if ensemble.members else {}
    sums = graph.add(
        "TreeEnsemble", [table], "sums", domain="ai.onnx.ml", n_targets=model.num_outputs, aggregate_function=1,
        nodes_featureids=ensemble.features, nodes_modes=graph.tensor(byte, ensemble.modes),
        nodes_splits=graph.tensor(double, ensemble.splits), nodes_missing_value_tracks_true=ensemble.missing,
        nodes_truenodeids=ensemble.children[0], nodes_falsenodeids=ensemble.children[1],
        nodes_trueleafs=ensemble.are_leaves[0], nodes_falseleafs=ensemble.are_leaves[1],
        leaf_targetids=ensemble.outputs, leaf_weights=graph.tensor(double, ensemble.values), tree_roots=ensemble.roots,
        **optional,
    )  # fmt: skip
    return graph.add("Add", [sums, base], "scores")


def _add_constant(ensemble: _Ensemble, value: float, output: int, positions: list[int]) -> None:
    """A tree of one leaf: TreeEnsemble starts at a split, so one whose sides are equal."""
    ensemble.roots.append(len(ensemble.features))
    ensemble.add_split(positions[0], _LESS_OR_EQUAL, 0.0, False)
    for side in (0, 1):
        ensemble.children[side].append(ensemble.add_leaf(value, output))
        ensemble.are_leaves[side].append(1)


def _add_tree(ensemble: _Ensemble, tree: Tree, positions: list[int]) -> None:
    if tree.is_leaf[0]:
        return _add_constant(ensemble, float(tree.value[0]), tree.output, positions)
    first = len(ensemble.features)
    ensemble.roots.append(first)
    splits, leaves = np.flatnonzero(~tree.is_leaf), np.flatnonzero(tree.is_leaf)
    number = np.empty(tree.num_nodes, dtype=np.int64)  # of a node, among all splits or among all leaves
    number[splits] = first + np.arange(len(splits))
    number[leaves] = len(ensemble.values) + np.arange(len(leaves))
    left, right = int(tree.left[0]), int(tree.right[0])
    if len(leaves) > 2 and number[left] == number[right]:
        # A leaf and a split: onnxruntime before 1.24 takes equal numbers for equal nodes, so the leaf swaps places.
        leaves = np.roll(leaves, 1)
        number[leaves] = len(ensemble.values) + np.arange(len(leaves))
    for node in splits.tolist():
        position = positions[int(tree.feature[node])]
        if tree.category_set[node] < 0:
            threshold, missing_left = float(tree.threshold[node]), bool(tree.missing_left[node])
            ensemble.add_split(position, _LESS_OR_EQUAL, threshold, missing_left)
        else:
            _add_category_split(ensemble, tree, node, position)
        for side, child in enumerate((int(tree.left[node]), int(tree.right[node]))):
            ensemble.children[side].append(int(number[child]))
            ensemble.are_leaves[side].append(int(tree.is_leaf[child]))
    for node in leaves.tolist():
        ensemble.add_leaf(float(tree.value[node]), tree.output)


def _add_category_split(ensemble: _Ensemble, tree: Tree, node: int, position: int) -> None:
    """The codes that go left; where that is a run from either end, a comparison."""
    indices, others_left = tree.model.tree_category_set(tree.index, int(tree.category_set[node]))
    count = len(tree.model.categories[int(tree.feature[node])])
    codes = [_MISSING_CODE + 1 + i for i in indices]
    if tree.missing_left[node]:
        codes = [_MISSING_CODE, *codes]
    if others_left:
        codes.append(_MISSING_CODE + 1 + count)
    if codes == list(range(_MISSING_CODE, _MISSING_CODE + len(codes))):  # none and all, too
        ensemble.add_split(position, _LESS_OR_EQUAL, _MISSING_CODE + len(codes) - 0.5, False)
        return
    ensemble.add_split(position, _MEMBER, 0.0, False)
    ensemble.members += [*map(float, codes), float("nan")]


# ── Outputs ──


def _add_outputs(graph: _Graph, model: _core.Model, scores: str) -> None:
    types = graph.onnx.TensorProto
    if not model.classes:
        flat = graph.add("Squeeze", [scores, graph.constant(np.array([1]))])
        graph.add("Exp" if model.loss in _LOG_LINK else "Identity", [flat], "prediction")
        graph.output(graph.nodes[-1].output[0], types.DOUBLE, ["rows"])
        return
    if model.num_outputs == 1:
        zero = graph.constant(np.array([0.0]))
        index = graph.add("Cast", [graph.add("Greater", [scores, zero])], to=types.INT64)
        index = graph.add("Squeeze", [index, graph.constant(np.array([1]))])
        sides = [graph.add("Sigmoid", [graph.add("Neg", [scores])]), graph.add("Sigmoid", [scores])]
        probabilities = graph.add("Concat", sides, "probabilities", axis=1)
    else:
        index = graph.add("ArgMax", [scores], axis=1, keepdims=0)
        probabilities = graph.add("Softmax", [scores], "probabilities", axis=1)
    texts = any(isinstance(key, str) for key in model.classes)
    labels = np.array([str(key) for key in model.classes], dtype=object) if texts else np.array(model.classes, np.int64)
    label = graph.add("Gather", [graph.constant(labels), index], "label", axis=0)
    graph.output(label, types.STRING if texts else types.INT64, ["rows"])
    graph.output(probabilities, types.DOUBLE, ["rows", len(model.classes)])


_LOG_LINK = ("poisson", "gamma")
