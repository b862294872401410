"""Pipelines, searches, clones, metadata routing, inspection, threads, processes."""

import multiprocessing
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingRegressor, StackingRegressor
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

IRIS_X, IRIS_Y = load_iris(return_X_y=True, as_frame=True)
DIABETES_X, DIABETES_Y = load_diabetes(return_X_y=True, as_frame=True)


def test_kinds():
    assert is_classifier(HistGradientBoostingClassifier())
    assert is_regressor(HistGradientBoostingRegressor())


def test_grid_search_in_processes():
    search = GridSearchCV(
        HistGradientBoostingClassifier(max_iter=5),
        {"max_leaf_nodes": [2, 8], "class_weight": [None, "balanced"]},
        n_jobs=2,
    ).fit(IRIS_X, IRIS_Y)
    assert search.best_score_ > 0.9
    assert search.best_estimator_.digest_ == clone(search.best_estimator_).fit(IRIS_X, IRIS_Y).digest_


def test_random_search_of_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=5))
    space = {"histgradientboostingregressor__l2_regularization": [0.0, 1.0, 10.0]}
    RandomizedSearchCV(pipeline, space, n_iter=2, random_state=0).fit(DIABETES_X, DIABETES_Y)


def test_set_output_gives_names():
    pipeline = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=5)).set_output(transform="pandas")
    pipeline.fit(DIABETES_X, DIABETES_Y)
    assert pipeline[-1].feature_names_in_.tolist() == DIABETES_X.columns.tolist()
    pipeline.set_output(transform="polars").fit(DIABETES_X, DIABETES_Y)
    assert pipeline[-1].feature_names_in_.tolist() == DIABETES_X.columns.tolist()


def test_meta_estimators():
    regressor = HistGradientBoostingRegressor(max_iter=5)
    for meta in (
        BaggingRegressor(regressor, n_estimators=2),
        StackingRegressor([("a", regressor)], cv=2),
        TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp),
        make_pipeline(make_column_transformer((StandardScaler(), ["age"]), remainder="passthrough"), regressor),
    ):
        assert meta.fit(DIABETES_X, DIABETES_Y).score(DIABETES_X, DIABETES_Y) > 0.2
    calibrated = CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=5), cv=2).fit(IRIS_X, IRIS_Y)
    assert calibrated.score(IRIS_X, IRIS_Y) > 0.9


def test_clone_has_parameters_and_no_model():
    callbacks = [lambda report: None]
    model = HistGradientBoostingRegressor(
        max_iter=3, callbacks=callbacks, eval_metric=["mae"], monotonic_cst={"age": 1}
    )
    copy = clone(model.fit(DIABETES_X, DIABETES_Y))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "n_features_in_")
    with pytest.raises(AttributeError):
        copy.n_iter_  # noqa: B018


def test_sample_weight_is_routed():
    weights = np.linspace(0.1, 2, len(IRIS_Y))
    with sklearn.config_context(enable_metadata_routing=True):
        plain = HistGradientBoostingClassifier(max_iter=5).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, plain).fit(IRIS_X, IRIS_Y, sample_weight=weights)
        scaled = StandardScaler().fit_transform(IRIS_X)
        assert pipeline[-1].digest_ == clone(plain).fit(scaled, IRIS_Y, weights).digest_
        assert pipeline[-1].digest_ != clone(plain).fit(scaled, IRIS_Y).digest_
        result = cross_validate(plain.set_score_request(sample_weight=True), IRIS_X, IRIS_Y,
                                params={"sample_weight": weights})  # fmt: skip
        assert result["test_score"].mean() > 0.9


def test_validation_data_pass_through_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        model = HistGradientBoostingRegressor(max_iter=50).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(DIABETES_X[:300], DIABETES_Y[:300], X_val=DIABETES_X[300:], y_val=DIABETES_Y[300:])
        assert pipeline[-1].do_early_stopping_
        scaled = pipeline[0].transform(DIABETES_X[300:])
        rmse = -pipeline[-1].validation_score_[-1]
        assert rmse == pytest.approx(np.sqrt(np.mean((pipeline[-1].predict(scaled) - DIABETES_Y[300:]) ** 2)))


def test_partial_dependence():
    model = HistGradientBoostingRegressor(max_iter=20).fit(DIABETES_X, DIABETES_Y)
    result = partial_dependence(model, DIABETES_X, ["bmi"], grid_resolution=5)
    for value, average in zip(result["grid_values"][0], result["average"][0], strict=True):
        assert average == pytest.approx(model.predict(DIABETES_X.assign(bmi=value)).mean())
    display = PartialDependenceDisplay.from_estimator(
        HistGradientBoostingClassifier(max_iter=5).fit(IRIS_X, IRIS_Y), IRIS_X, [0, (2, 3)], target=1
    )
    assert display.axes_.size == 2


def test_importances():
    model = HistGradientBoostingRegressor(max_iter=30).fit(DIABETES_X, DIABETES_Y)
    assert model.feature_importances_.sum() == pytest.approx(1)
    by_permutation = permutation_importance(model, DIABETES_X, DIABETES_Y, n_repeats=2, random_state=0)
    assert np.argmax(model.feature_importances_) == np.argmax(by_permutation.importances_mean)
    flat = HistGradientBoostingRegressor(max_iter=2).fit(np.zeros((50, 3)), np.arange(50))
    np.testing.assert_array_equal(flat.feature_importances_, [0, 0, 0])


def test_apply_names_leaves_whose_values_make_the_score():
    model = HistGradientBoostingClassifier(max_iter=4).fit(IRIS_X, IRIS_Y)
    leaves = model.apply(IRIS_X)
    assert leaves.shape == (150, 12)
    values = np.stack([model.model_.tree(i)["value"][leaves[:, i]] for i in range(12)], axis=1)
    scores = model.model_.base_scores + values.reshape(150, 4, 3).sum(axis=1)
    np.testing.assert_allclose(scores, model.decision_function(IRIS_X), rtol=1e-12)


# ── Keeping ──


@pytest.mark.parametrize("keep", [pickle, joblib])
def test_pickles_carry_the_models_bytes(keep, tmp_path):
    model = HistGradientBoostingClassifier(max_iter=20, early_stopping=True, class_weight={"b": 2.0})
    names = np.array(["a", "b", "c"], dtype=object)[IRIS_Y]
    model.fit(IRIS_X, names)
    if keep is pickle:
        data = pickle.dumps(model)
        copy = pickle.loads(data)
        assert len(data) < len(model.model_.to_bytes()) + 6000
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        copy = joblib.load(tmp_path / "model.joblib")
    assert copy.get_params() == model.get_params()
    assert copy.digest_ == model.digest_
    assert copy.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(copy.validation_score_, model.validation_score_)
    np.testing.assert_array_equal(copy.predict_proba(IRIS_X), model.predict_proba(IRIS_X))


@pytest.mark.parametrize("named", [True, False])
def test_save_and_load(named, tmp_path):
    X = IRIS_X if named else IRIS_X.to_numpy()
    model = HistGradientBoostingClassifier(max_iter=5).fit(X, IRIS_Y)
    model.save(tmp_path / "iris.ramet")
    loaded = HistGradientBoostingClassifier.load(tmp_path / "iris.ramet")
    assert loaded.digest_ == model.digest_
    assert hasattr(loaded, "feature_names_in_") == named
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.classes_, model.classes_)


# ── Threads and processes ──


def test_eight_threads_predict():
    model = HistGradientBoostingRegressor(max_iter=50).fit(DIABETES_X, DIABETES_Y)
    expected = model.predict(DIABETES_X)
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: model.predict(DIABETES_X), range(200)):
            np.testing.assert_array_equal(result, expected)


def test_fit_in_one_thread_while_others_predict():
    """Whoever predicts sees the old model or the new one, whole."""
    model = HistGradientBoostingRegressor(max_iter=5).fit(DIABETES_X, DIABETES_Y)
    answers = {model.predict(DIABETES_X).tobytes()}
    other = clone(model).set_params(max_iter=40).fit(DIABETES_X, DIABETES_Y)
    allowed = answers | {other.predict(DIABETES_X).tobytes()}
    seen, done = set(), threading.Event()

    def look():
        while not done.is_set():
            seen.add(model.predict(DIABETES_X).tobytes())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for max_iter in (40, 5) * 5:
        model.set_params(max_iter=max_iter).fit(DIABETES_X, DIABETES_Y)
    done.set()
    for thread in threads:
        thread.join()
    assert seen <= allowed


def test_models_fit_in_many_threads_are_the_same():
    expected = HistGradientBoostingRegressor(max_iter=20).fit(DIABETES_X, DIABETES_Y).digest_
    with ThreadPoolExecutor(8) as pool:
        digests = pool.map(
            lambda _: HistGradientBoostingRegressor(max_iter=20).fit(DIABETES_X, DIABETES_Y).digest_, range(16)
        )
        assert set(digests) == {expected}


def _fit_and_predict(queue):
    model = HistGradientBoostingRegressor(max_iter=20).fit(DIABETES_X, DIABETES_Y)
    queue.put((model.digest_, model.predict(DIABETES_X).sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_works(method):
    model = HistGradientBoostingRegressor(max_iter=20).fit(DIABETES_X, DIABETES_Y)  # the parent's threads have run
    processes = multiprocessing.get_context(method)
    queue = processes.Queue()
    child = processes.Process(target=_fit_and_predict, args=(queue,))
    child.start()
    try:
        digest, total = queue.get(timeout=60)
    finally:
        child.join(timeout=10)
        if child.is_alive():
            child.kill()
    assert digest == model.digest_
    assert total == model.predict(DIABETES_X).sum()


def test_repr_names_what_was_set():
    assert repr(HistGradientBoostingRegressor(max_iter=3)) == "HistGradientBoostingRegressor(max_iter=3)"
    frame = pd.DataFrame({"a": [0.0, 1.0] * 20})
    html = HistGradientBoostingRegressor(max_iter=2).fit(frame, frame["a"])._repr_html_()
    assert "HistGradientBoostingRegressor" in html
