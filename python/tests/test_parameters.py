"""Every engine parameter is reachable, and every default is the engine's (or means the same)."""

import inspect

import numpy as np
import pytest
from sklearn import ensemble

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor, _core, _parameters

ESTIMATORS = [HistGradientBoostingClassifier, HistGradientBoostingRegressor]
ENGINE = {info.name: info for info in _core.parameters()}
# Python's way of saying the engine's default.
SAME_MEANING = {
    ("loss", "log_loss"): "auto",  # of classes
    ("loss", "squared_error"): "auto",  # of numbers
    ("scoring", "loss"): "auto",
    ("max_depth", None): 0,
    ("quantile", None): 0.5,
    ("class_weight", None): "",
    ("monotonic_cst", None): "",
    ("interaction_cst", None): "",
    ("random_state", None): 0,
}
# What only Python has: how data, callbacks and threads come in.
PYTHON_ONLY = {"categorical_features", "warm_start", "verbose", "eval_metric", "callbacks", "n_jobs"}


def defaults(estimator):
    return {name: p.default for name, p in inspect.signature(estimator).parameters.items()}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_defaults_are_the_engines(estimator):
    named = {python: engine for engine, python in _parameters.TRANSLATED.items()}
    for name, default in defaults(estimator).items():
        if name in PYTHON_ONLY:
            continue
        engine = ENGINE[named.get(name, name)]
        if isinstance(default, float | int) and not isinstance(default, bool):
            assert default == engine.default, name
        else:
            assert SAME_MEANING.get((name, default), default) == engine.default, name


def test_every_engine_parameter_is_reachable():
    ours = set(_parameters.PLAIN) | set(_parameters.LIMITS) | set(_parameters.TRANSLATED)
    assert ours == set(ENGINE)
    arguments = set().union(*(defaults(estimator) for estimator in ESTIMATORS))
    assert (
        arguments
        == set(_parameters.PLAIN) | set(_parameters.LIMITS) | set(_parameters.TRANSLATED.values()) | PYTHON_ONLY
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_names_and_order_are_scikit_learns(estimator):
    theirs = list(inspect.signature(getattr(ensemble, estimator.__name__)).parameters)
    assert list(defaults(estimator))[: len(theirs)] == theirs


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_defaults_are_scikit_learns(estimator):
    theirs = inspect.signature(getattr(ensemble, estimator.__name__)).parameters
    ours = defaults(estimator)
    assert {name: ours[name] for name in theirs} == {name: p.default for name, p in theirs.items()}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_methods_take_what_scikit_learns_take(estimator):
    theirs = getattr(ensemble, estimator.__name__)
    for name, method in inspect.getmembers(theirs, inspect.isfunction):
        if name.startswith(("_", "set_")):
            continue
        ours = list(inspect.signature(getattr(estimator, name)).parameters)
        assert ours[: len(inspect.signature(method).parameters)] == list(inspect.signature(method).parameters), name


# A value of each that is not the default.
OTHER = {
    "max_iter": 7, "learning_rate": 0.25, "min_samples_leaf": 3, "l2_regularization": 1.5, "max_features": 0.5,
    "max_bins": 16, "n_iter_no_change": 3, "tol": 0.01, "subsample": 0.5, "min_child_weight": 0.5,
    "min_split_gain": 0.125, "max_categories_one_vs_rest": 2, "categorical_smoothing": 3.0, "categorical_l2": 2.0,
    "max_categories_per_split": 5, "min_samples_category": 2, "min_samples_category_group": 9, "keep_best": True,
    "max_leaf_nodes": 5, "max_depth": 3, "validation_fraction": 0.25, "early_stopping": True, "random_state": 11,
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_a_value_reaches_the_model(name):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    model = HistGradientBoostingRegressor(**{"max_iter": 5, name: OTHER[name]}).fit(X, y)
    kept = model.model_.parameters[name]
    assert kept == _parameters.text(OTHER[name]) or float(kept) == OTHER[name]


def test_a_model_remembers_its_parameters(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), rng.normal(size=300)
    given = OTHER | {
        "loss": "quantile",
        "quantile": 0.75,
        "monotonic_cst": [1, 0, -1],
        "interaction_cst": [[0, 1], [2]],
    }
    model = HistGradientBoostingRegressor(**given).fit(X, y)
    model.save(tmp_path / "m.ramet")
    loaded = HistGradientBoostingRegressor.load(tmp_path / "m.ramet")
    assert {name: loaded.get_params()[name] for name in given} == given
    assert loaded.fit(X, y).digest_ == model.digest_


def test_random_state_none_is_zero():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), rng.normal(size=300)

    def digest(random_state):
        return HistGradientBoostingRegressor(max_iter=5, subsample=0.5, random_state=random_state).fit(X, y).digest_

    assert digest(None) == digest(None) == digest(0) != digest(1)
    assert digest(np.random.RandomState(5)) == digest(np.random.RandomState(5))
    shared = np.random.RandomState(5)
    assert digest(shared) != digest(shared)
