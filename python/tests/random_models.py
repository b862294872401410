"""Random valid models, written byte for byte as docs/model-format.md says: no training is needed to have odd ones."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash

from ramet import _core

Key = int | str
Random = np.random.Generator

EDGES = [0.0, 5e-324, -5e-324, 1.0, math.nextafter(1.0, 2.0), 1e300, -1e300, 2.0**53, 2.0**53 + 2, 0.1]


@dataclass
class Feature:
    categories: list[Key] | None = None  # None: numeric
    folded: bool = False


@dataclass
class Node:
    feature: int = -1
    left: int = 0
    threshold: float = 0.0
    value: float = 0.0
    gain: float = 0.0
    count: int = 1
    members: tuple[set[int], bool] | None = None  # categories that go left, and whether others do
    missing_left: bool = False


@dataclass
class Recipe:
    loss: str
    features: list[Feature]
    classes: list[Key]
    base_scores: list[float]
    trees: list[list[Node]]
    names: list[str] = field(default_factory=list)

    def model(self) -> _core.Model:
        return _core.Model.from_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        body = struct.pack("<I", 1) + _text(self.loss) + _list([], bytes) + _list(self.features, _feature)
        body += _list(self.classes, _key) + _list(self.base_scores, lambda v: struct.pack("<d", v + 0.0))
        body += _list(self.trees, self._tree)
        names = self.names or [f"x{i}" for i in range(len(self.features))]
        texts = [_list(names, _text), _list(["g"] * len(names), _text), _text("y"), _list([], bytes)]
        section = b"".join(texts)
        header = b"RAMET\0" + struct.pack("<H", 1)
        for part in (body, section):
            header += struct.pack("<QQ", len(part), xxhash.xxh3_64_intdigest(part))
        return header + body + section

    def _tree(self, nodes: list[Node]) -> bytes:
        splits = [node for node in nodes if node.members is not None]
        out = struct.pack("<II", len(nodes), len(splits))
        sets = {id(node): i for i, node in enumerate(splits)}
        columns: list[tuple[str, Callable[[Node], Any]]] = [
            ("i", lambda n: n.feature),
            ("i", lambda n: n.left),
            ("d", lambda n: n.threshold + 0.0),
            ("d", lambda n: n.value + 0.0),
            ("d", lambda n: n.gain),
            ("Q", lambda n: n.count),
            ("i", lambda n: sets.get(id(n), -1)),
            ("B", lambda n: n.missing_left),
        ]
        for form, read in columns:
            out += struct.pack(f"<{len(nodes)}{form}", *map(read, nodes))
        for node in splits:
            assert node.members is not None
            indices, others = node.members
            words = [0] * math.ceil(len(self.features[node.feature].categories or ()) / 64)
            for index in indices:
                words[index // 64] |= 1 << index % 64
            out += struct.pack("<B", others) + _list(words, lambda w: struct.pack("<Q", w))
        return out


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def _list(items: Any, form: Callable[[Any], bytes]) -> bytes:
    return struct.pack("<I", len(items)) + b"".join(map(form, items))


def _key(key: Key) -> bytes:
    return b"\0" + struct.pack("<q", key) if isinstance(key, int) else b"\1" + _text(key)


def _feature(feature: Feature) -> bytes:
    kind = feature.categories is not None
    return struct.pack("<BB", kind, feature.folded) + _list(feature.categories or [], _key)


def random_categories(random: Random) -> list[Key]:
    count = int(random.choice([0, 1, 2, 5, 29, 30, 31, 64, 200]))
    if random.random() < 0.5:
        return sorted(
            {f"k{random.integers(10**6)}" + random.choice(["", " é", '"\n']) for _ in range(count)}, key=str.encode
        )
    largest = int(random.choice([10, 300, 2**40, 2**62]))
    return sorted({int(v) for v in random.integers(-largest, largest, count)})


def random_feature(random: Random) -> Feature:
    if random.random() < 0.5:
        return Feature()
    return Feature(random_categories(random), bool(random.random() < 0.3))


def random_tree(random: Random, features: list[Feature]) -> list[Node]:
    """Bushy, a chain, or one leaf."""
    leaves = int(random.choice([1, 2, 3, 31, 60]))
    chain = random.random() < 0.2
    nodes, open_leaves = [Node()], [0]
    for _ in range(leaves - 1):
        at = open_leaves.pop(-1 if chain else int(random.integers(len(open_leaves))))
        node = nodes[at]
        node.feature = int(random.integers(len(features)))
        node.left = len(nodes)
        node.missing_left = bool(random.random() < 0.5)
        node.gain = float(random.random())
        categories = features[node.feature].categories
        if categories is not None:
            share = random.choice([0.0, 0.1, 0.5, 1.0])
            members = {i for i in range(len(categories)) if random.random() < share}
            node.members = (members, bool(random.random() < 0.5))
        elif random.random() < 0.1:
            node.threshold, node.missing_left = math.inf, False
        else:
            node.threshold = float(random.choice(EDGES) if random.random() < 0.5 else random.normal())
        open_leaves += [len(nodes), len(nodes) + 1]
        nodes += [Node(), Node()]
    for node in nodes:
        node.count = int(random.integers(1, 1000))
        if node.feature < 0:
            node.value = float(random.normal() * random.choice([1e-3, 1.0, 30.0]))
    return nodes


def random_recipe(seed: int, losses: tuple[str, ...] = ("squared_error", "logistic", "softmax")) -> Recipe:
    random = np.random.default_rng(seed)
    loss = str(random.choice(losses))
    classes: list[Key] = []
    if loss in ("logistic", "softmax"):
        count = 2 if loss == "logistic" else int(random.integers(3, 6))
        classes = [f"class {i}" for i in range(count)] if random.random() < 0.5 else list(range(-1, count - 1))
    outputs = len(classes) if loss == "softmax" else 1
    features = [random_feature(random) for _ in range(int(random.integers(1, 6)))]
    rounds = int(random.choice([0, 1, 3, 40]))
    trees = [random_tree(random, features) for _ in range(rounds * outputs)]
    return Recipe(loss, features, classes, [float(v) for v in random.normal(size=outputs)], trees)


def random_columns(recipe: Recipe, rows: int, seed: int) -> list[list[Any]]:
    """Values for each feature that meet the model's thresholds and categories; None is missing."""
    random = np.random.default_rng(seed)
    columns: list[list[Any]] = []
    for i, feature in enumerate(recipe.features):
        if feature.categories is None:
            at = [n.threshold for tree in recipe.trees for n in tree if n.feature == i and n.members is None] or [0.0]
            near = [
                f(t)
                for t in at
                for f in (float, lambda v: math.nextafter(v, 9e307), lambda v: math.nextafter(v, -9e307))
            ]
            pool: list[Any] = [*near, *EDGES, -0.0, math.inf, -math.inf, None, float(2**63), -7.5]
        else:
            text = any(isinstance(key, str) for key in feature.categories)
            pool = [*feature.categories, *(["unknown", "K0"] if text else [7_000_001, -7_000_001]), None]
        columns.append([pool[j] for j in random.integers(len(pool), size=rows)])
    return columns
