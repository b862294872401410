"""Rows that workers generate, part by part, and what one machine makes of the same table."""

import time
from dataclasses import dataclass, field

import numpy as np
from ramet.dask.rows import Rows, naming

from ramet import _core

FEATURES = ("a", "b", "c")


@dataclass
class Recipe:
    """Rows from `begin` of an endless table; in Python, so that any cut gives the same rows."""

    seed: int = 0
    noise: bool = False  # comes out differently each time
    bad_row: int = -1  # has a label that is no number
    seconds: float = 0.0  # that each part takes
    folder: str = ""  # for marks of those who use it

    def values(self, begin: int, end: int) -> np.ndarray:
        return np.stack([self._row(row) for row in range(begin, end)]) if end > begin else np.empty((0, 4))

    def table(self, begin: int, end: int) -> _core.Table:
        values = self.values(begin, end)
        if self.noise:
            values[:, 0] += np.random.default_rng().normal(size=len(values))
        if begin <= self.bad_row < end:
            values[self.bad_row - begin, 3] = np.nan
        time.sleep(self.seconds)
        return _core.Table.from_arrays([*FEATURES, "y"], [values[:, :3], values[:, 3]])

    def _row(self, row: int) -> np.ndarray:
        draw = np.random.default_rng([self.seed, row])
        a, b, c = draw.normal(size=3).round(2)
        return np.array([a, b, np.nan if row % 7 == 0 else c, a * b + np.sin(3 * a) + 0.1 * draw.normal()])


def _call(function, name, recipe, begin, end, *args):
    with naming(name):
        return function(recipe.table(begin, end), *args)


@dataclass
class GeneratedRows(Rows):
    """Parts of the given lengths."""

    lengths: tuple[int, ...]
    recipe: Recipe = field(default_factory=Recipe)
    known: bool = True

    def __post_init__(self):
        self.num_parts = len(self.lengths)
        self.columns = {"label": "y", "features": FEATURES, "classification": False}

    def describe(self, part):
        return f"part {part} of the generated rows"

    def known_length(self, part):
        return self.lengths[part] if self.known else None

    def submit(self, client, function, part, *args, key, **options):
        begin = sum(self.lengths[:part])
        given = (function, self.describe(part), self.recipe, begin, begin + self.lengths[part], *args)
        return client.submit(_call, *given, key=key, pure=False, **options)

    def release(self):
        pass


def _call_scattered(function, name, block, *args):
    with naming(name):
        return function(_core.Table.from_arrays([*FEATURES, "y"], [block[:, :3], block[:, 3]]), *args)


@dataclass
class ScatteredRows(GeneratedRows):
    """Parts that nobody can make again: the client made them, and workers hold them."""

    blocks: list = field(default_factory=list)

    def scatter(self, client):
        ends = np.cumsum(self.lengths)
        blocks = [self.recipe.values(end - length, end) for end, length in zip(ends, self.lengths, strict=True)]
        self.blocks = [client.scatter(block, hash=False) for block in blocks]
        return self

    def submit(self, client, function, part, *args, key, **options):
        given = (function, self.describe(part), self.blocks[part], *args)
        return client.submit(_call_scattered, *given, key=key, pure=False, **options)


def parameters(**given):
    """Texts of training parameters, as the engine takes them."""
    texts = {"loss": "squared_error", "max_iter": 30, "max_leaf_nodes": 7, "early_stopping": "false"} | given
    return {name: str(value) for name, value in texts.items()}


def alone(texts, rows=1000, eval_rows=0, **more):
    """The training of one machine. The evaluation set are the first rows of another seed."""
    context = _core.Context(threads=1)

    def dataset(table, reference):
        return _core.Dataset.make(
            context,
            table,
            label="y",
            features=FEATURES,
            classification=False,
            parameters=texts,
            reference=reference,
        )

    train = dataset(Recipe().table(0, rows), None)
    sets = [("new", dataset(Recipe(seed=1).table(0, eval_rows), train))] if eval_rows else []
    return _core.train(context, texts, train, eval_sets=sets, **more)


def slow_rate(iteration):
    """A learning rate that takes its time, so that things can happen while members train."""
    time.sleep(0.03)
    return 0.1


def same_rate(iteration):
    """The same, at once."""
    return 0.1
