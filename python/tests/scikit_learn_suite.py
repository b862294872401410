"""Runs scikit-learn's own test modules with the import of its histogram gradient boosting replaced by Ramet's.

The source is read from the scikit-learn that is installed; nothing of it is kept here.
"""

import ast
import importlib.util
from pathlib import Path

NAMES = {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}


class _ReplaceImports(ast.NodeTransformer):
    def __init__(self):
        self.replaced = 0

    def visit_ImportFrom(self, node):
        if node.module != "sklearn.ensemble":
            return node
        ours = [name for name in node.names if name.name in NAMES]
        rest = [name for name in node.names if name.name not in NAMES]
        self.replaced += len(ours)
        nodes = []
        if ours:
            nodes.append(ast.copy_location(ast.ImportFrom("ramet", ours, 0), node))
        if rest:
            nodes.append(ast.copy_location(ast.ImportFrom("sklearn.ensemble", rest, 0), node))
        return nodes


def load(module, namespace, only=None, without=()):
    """Defines the tests of `module` in `namespace`: all but `without` (not about the estimators), or `only` those."""
    spec = importlib.util.find_spec(module)
    path = Path(spec.origin)
    tree = ast.parse(path.read_text(), str(path))
    replace = _ReplaceImports()
    tree = ast.fix_missing_locations(replace.visit(tree))
    assert replace.replaced, f"{module} does not import the estimators"
    names = {"__name__": module, "__file__": str(path), "__package__": module.rpartition(".")[0]}
    exec(compile(tree, str(path), "exec"), names)
    tests = {name for name in names if name.startswith("test_")}
    unknown = (set(only or ()) | set(without)) - tests
    assert not unknown, f"{module} has no tests called {sorted(unknown)}"
    for name in tests:
        if name not in without and (only is None or name in only):
            namespace[name] = names[name]
