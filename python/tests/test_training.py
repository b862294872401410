"""What `fit` does: stopping, watching, going on, being interrupted, losses and metrics in Python."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from ramet.callbacks import Callback, Checkpoint, LearningRateSchedule, Record, StopWhen
from sklearn import metrics
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import get_scorer, make_scorer

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

XR, YR = make_regression(n_samples=400, n_features=5, noise=20, random_state=0)
XC, YC = make_classification(n_samples=400, n_features=5, n_redundant=0, flip_y=0.2, random_state=0)
XM, YM = make_classification(
    n_samples=400, n_features=5, n_informative=4, n_redundant=0, n_classes=3, flip_y=0.1, random_state=0
)
TASKS = [
    (HistGradientBoostingRegressor, XR, YR),
    (HistGradientBoostingClassifier, XC, YC),
    (HistGradientBoostingClassifier, XM, YM),
]


def close(measured, expected):
    np.testing.assert_allclose(measured, expected, rtol=1e-6, atol=1e-9)


# ── Scores ──


@pytest.mark.parametrize(("estimator", "X", "y"), TASKS)
@pytest.mark.parametrize("given", [True, False])
def test_scores_are_minus_the_loss_of_each_stage(estimator, X, y, given):
    more = {"X_val": X[300:], "y_val": y[300:]} if given else {}
    model = estimator(max_iter=12, early_stopping=True, n_iter_no_change=100, validation_fraction=None)
    model.fit(X[:300], y[:300], **more)
    assert model.do_early_stopping_
    assert len(model.train_score_) == model.n_iter_ + 1

    def losses(X, y):
        if estimator is HistGradientBoostingRegressor:
            return [-metrics.root_mean_squared_error(y, p) for p in model.staged_predict(X)]
        return [-metrics.log_loss(y, p) for p in model.staged_predict_proba(X)]

    close(model.train_score_[1:], losses(X[:300], y[:300]))
    if given:
        close(model.validation_score_[1:], losses(X[300:], y[300:]))
    else:
        assert model.validation_score_.size == 0


REGRESSION_SCORERS = ["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error", "neg_mean_squared_error",
    "neg_median_absolute_error", "explained_variance"]  # fmt: skip
CLASS_SCORERS = [
    "accuracy",
    "neg_log_loss",
    "balanced_accuracy",
    "f1",
    "roc_auc",
    "average_precision",
    "neg_brier_score",
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", [*REGRESSION_SCORERS, *CLASS_SCORERS])
def test_scoring_means_what_scikit_learn_means(scoring, weighted):
    """The validation score of the last round is the scorer's of the fitted estimator, by the engine or in Python."""
    estimator, X, y = TASKS[0] if scoring in REGRESSION_SCORERS else TASKS[1]
    weights = np.random.default_rng(0).uniform(0.5, 2, size=400).astype(np.float32) if weighted else None
    model = estimator(max_iter=8, early_stopping=True, n_iter_no_change=100, scoring=scoring)
    cut = (lambda a, b: None) if weights is None else (lambda a, b: weights[a:b])
    model.fit(X[:300], y[:300], cut(0, 300), X_val=X[300:], y_val=y[300:], sample_weight_val=cut(300, 400))
    more = {} if weights is None else {"sample_weight": weights[300:]}
    close(model.validation_score_[-1], get_scorer(scoring)(model, X[300:], y[300:], **more))


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr", "f1_macro", None])
def test_scoring_of_three_classes(scoring):
    model = HistGradientBoostingClassifier(max_iter=8, early_stopping=True, n_iter_no_change=100, scoring=scoring)
    model.fit(XM[:300], YM[:300], X_val=XM[300:], y_val=YM[300:])
    close(model.validation_score_[-1], get_scorer(scoring or "accuracy")(model, XM[300:], YM[300:]))


def test_scorer_sees_labels_and_a_fitted_estimator():
    seen = []

    def scorer(estimator, X, y):
        seen.append((set(y), set(estimator.predict(X)), estimator.predict_proba(X).shape, estimator.classes_.tolist()))
        return estimator.score(X, y)

    texts = np.array(["no", "yes"])[YC]
    model = HistGradientBoostingClassifier(max_iter=3, early_stopping=True, scoring=scorer).fit(XC, texts)
    assert all(labels <= {"no", "yes"} and predicted <= {"no", "yes"} for labels, predicted, _, _ in seen)
    assert all(classes == ["no", "yes"] for *_, classes in seen)
    assert len(model.validation_score_) == model.n_iter_ + 1


def test_scorer_by_hand_is_a_function_of_predictions():
    pinball = make_scorer(metrics.mean_pinball_loss, alpha=0.3, greater_is_better=False)
    model = HistGradientBoostingRegressor(max_iter=5, early_stopping=True, n_iter_no_change=9, scoring=pinball)
    model.fit(XR[:300], YR[:300], X_val=XR[300:], y_val=YR[300:])
    close(model.validation_score_[-1], pinball(model, XR[300:], YR[300:]))


# ── Stopping ──


@pytest.mark.parametrize(("estimator", "X", "y"), TASKS)
@pytest.mark.parametrize("patience", [1, 3, 7])
@pytest.mark.parametrize("tol", [0.0, 1e-3])
def test_stops_by_scikit_learns_rule(estimator, X, y, patience, tol):
    model = estimator(max_iter=300, early_stopping=True, n_iter_no_change=patience, tol=tol, learning_rate=0.5)
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    scores = model.validation_score_

    def should_stop(scores):
        return len(scores) > patience and not any(s > scores[-patience - 1] + tol for s in scores[-patience:])

    assert model.n_iter_ < 300
    stops = [should_stop(scores[: i + 1]) for i in range(1, len(scores))]
    assert stops == [False] * (len(scores) - 2) + [True]


def test_keep_best_keeps_the_best_round():
    parameters = {"max_iter": 300, "early_stopping": True, "learning_rate": 0.5, "n_iter_no_change": 5}
    held = {"X_val": XC[300:], "y_val": YC[300:]}
    last = HistGradientBoostingClassifier(**parameters).fit(XC[:300], YC[:300], **held)
    best = HistGradientBoostingClassifier(keep_best=True, **parameters).fit(XC[:300], YC[:300], **held)
    assert best.n_iter_ == last.best_iteration_ == int(np.argmax(last.validation_score_[1:])) + 1
    close(best.decision_function(XC), list(last.staged_decision_function(XC))[best.n_iter_ - 1])


@pytest.mark.parametrize("rows", [10_000, 10_001])
def test_auto_is_by_the_number_of_rows(rows):
    X = np.arange(rows, dtype=np.float32).reshape(-1, 1)
    assert HistGradientBoostingRegressor(max_iter=2).fit(X, X.ravel()).do_early_stopping_ == (rows > 10_000)


def test_validation_turns_auto_on_and_eval_set_does_not():
    assert HistGradientBoostingRegressor(max_iter=2).fit(XR, YR, X_val=XR, y_val=YR).do_early_stopping_
    assert not HistGradientBoostingRegressor(max_iter=2).fit(XR, YR, eval_set=[(XR, YR)]).do_early_stopping_


def test_a_count_of_rows_may_be_held_out():
    share = HistGradientBoostingRegressor(max_iter=3, early_stopping=True, validation_fraction=0.25).fit(XR, YR)
    count = HistGradientBoostingRegressor(max_iter=3, early_stopping=True, validation_fraction=100).fit(XR, YR)
    assert share.digest_ == count.digest_


# ── Watching ──


def test_many_sets_and_metrics():
    def worst(y_true, y_pred, sample_weight=None):
        return np.max(np.abs(y_true - y_pred))

    model = HistGradientBoostingRegressor(max_iter=6, eval_metric=["mae", "r2", worst, metrics.mean_squared_error])
    weights = np.linspace(1, 2, 100)
    model.fit(XR, YR, eval_set=[(XR[:200], YR[:200]), (XR[300:], YR[300:], weights)], eval_names=["old", "new"])
    assert list(model.evals_result_) == ["old", "new", "train"]
    stages = list(model.staged_predict(XR))
    result = model.evals_result_
    for name, rows, w in [
        ("old", slice(0, 200), None),
        ("new", slice(300, 400), weights),
        ("train", slice(0, 400), None),
    ]:
        close(
            result[name]["mae"][1:], [metrics.mean_absolute_error(YR[rows], p[rows], sample_weight=w) for p in stages]
        )
        close(result[name]["r2"][1:], [metrics.r2_score(YR[rows], p[rows], sample_weight=w) for p in stages])
        close(result[name]["worst"][1:], [worst(YR[rows], p[rows]) for p in stages])
        close(
            result[name]["mean_squared_error"][1:],
            [metrics.mean_squared_error(YR[rows], p[rows], sample_weight=w) for p in stages],
        )


def test_metrics_of_classes_get_labels_and_probabilities():
    def auc(y_true, y_pred):
        return metrics.roc_auc_score(y_true == "yes", y_pred)

    texts = np.array(["no", "yes"])[YC]
    model = HistGradientBoostingClassifier(max_iter=4, eval_metric=[auc, "auc"]).fit(
        XC, texts, eval_set={"all": (XC, texts)}
    )
    close(
        model.evals_result_["all"]["auc"][1:],
        [metrics.roc_auc_score(YC, p[:, 1]) for p in model.staged_predict_proba(XC)],
    )


def test_watching_does_not_change_the_model():
    plain = HistGradientBoostingRegressor(max_iter=6, early_stopping=False).fit(XR, YR)
    record = Record()
    watched = HistGradientBoostingRegressor(
        max_iter=6, early_stopping=False, eval_metric=["mae", "r2"], callbacks=[record]
    )
    watched.fit(XR, YR, eval_set=[(XR, YR)])
    np.testing.assert_array_equal(plain.predict(XR), watched.predict(XR))
    assert record.rounds[-6:] == [1, 2, 3, 4, 5, 6]
    for metric, values in watched.evals_result_["eval_0"].items():
        assert record.values["eval_0"][metric][-6:] == values[1:]


def test_silent_unless_asked(capfd):
    HistGradientBoostingRegressor(max_iter=2).fit(XR, YR)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    HistGradientBoostingRegressor(max_iter=2, verbose=2).fit(XR, YR)
    _, err = capfd.readouterr()
    assert "2/2" in err


# ── Going on ──


@pytest.mark.parametrize(("estimator", "X", "y"), TASKS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_warm_start_is_one_fit(estimator, X, y, early_stopping):
    parameters = {"early_stopping": early_stopping, "n_iter_no_change": 50, "subsample": 0.7, "random_state": 3}
    warm = estimator(max_iter=5, warm_start=True, **parameters).fit(X, y)
    first = warm.digest_
    assert warm.fit(X, y).digest_ == first
    warm.set_params(max_iter=12).fit(X, y)
    once = estimator(max_iter=12, **parameters).fit(X, y)
    assert warm.digest_ == once.digest_
    np.testing.assert_array_equal(warm.validation_score_, once.validation_score_)
    np.testing.assert_array_equal(warm.train_score_, once.train_score_)
    warm.set_params(warm_start=False, max_iter=5).fit(X, y)
    assert warm.digest_ == first


def test_a_stopped_fit_has_nothing_to_add():
    model = HistGradientBoostingRegressor(max_iter=1000, early_stopping=True, n_iter_no_change=5, warm_start=True)
    first = model.fit(XR, YR).digest_
    assert model.n_iter_ < 1000
    assert model.fit(XR, YR).digest_ == first


def test_a_warm_start_keeps_a_drawn_seed():
    rng = np.random.RandomState(7)
    warm = HistGradientBoostingRegressor(max_iter=3, warm_start=True, subsample=0.5, random_state=rng).fit(XR, YR)
    seed = warm.model_.parameters["random_state"]
    warm.set_params(max_iter=6).fit(XR, YR)
    assert warm.model_.parameters["random_state"] == seed
    assert warm.set_params(warm_start=False).fit(XR, YR).model_.parameters["random_state"] != seed


def test_parameters_may_change_between_warm_fits():
    model = HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=2, warm_start=True).fit(XR, YR)
    model.set_params(max_iter=5, max_leaf_nodes=8).fit(XR, YR)
    leaves = [int((model.model_.tree(i)["feature"] < 0).sum()) for i in range(5)]
    assert leaves[:3] == [2, 2, 2]
    assert min(leaves[3:]) > 2


@pytest.mark.parametrize(("estimator", "X", "y"), TASKS)
def test_init_model_from_anywhere(estimator, X, y, tmp_path):
    first = estimator(max_iter=4).fit(X, y)
    first.save(tmp_path / "first.ramet")
    expected = estimator(max_iter=9).fit(X, y).digest_
    for source in (first, first.model_, tmp_path / "first.ramet", str(tmp_path / "first.ramet")):
        assert estimator(max_iter=9).fit(X, y, init_model=source).digest_ == expected


def test_a_checkpoint_resumes(tmp_path):
    path = tmp_path / "check.ramet"
    stop = StopWhen(lambda report: report.round == 7)
    model = HistGradientBoostingRegressor(max_iter=20, callbacks=[Checkpoint(path, every=3), stop]).fit(XR, YR)
    assert model.n_iter_ == 7
    resumed = HistGradientBoostingRegressor(max_iter=20).fit(XR, YR, init_model=path)
    assert resumed.digest_ == HistGradientBoostingRegressor(max_iter=20).fit(XR, YR).digest_


# ── Callbacks, Ctrl-C ──


def test_learning_rates_by_round():
    constant = HistGradientBoostingRegressor(max_iter=5, learning_rate=0.3).fit(XR, YR)
    schedule = LearningRateSchedule(lambda iteration: 0.3)
    scheduled = HistGradientBoostingRegressor(max_iter=5, callbacks=[schedule]).fit(XR, YR)
    np.testing.assert_array_equal(constant.predict(XR), scheduled.predict(XR))


def test_an_error_in_a_callback_comes_through_and_the_rounds_are_kept():
    def broken(report):
        if report.round == 3:
            raise LookupError("mine")

    model = HistGradientBoostingRegressor(max_iter=9, callbacks=[broken], warm_start=True)
    with pytest.raises(LookupError, match="mine"):
        model.fit(XR, YR)
    assert model.n_iter_ == 3
    model.set_params(callbacks=None).fit(XR, YR)
    assert model.digest_ == HistGradientBoostingRegressor(max_iter=9).fit(XR, YR).digest_


class Signal(Callback):
    """Presses Ctrl-C once, in the middle of the training."""

    def __init__(self, round):
        self.round = round
        self.pressed = None

    def after_iteration(self, report):
        if report.round == self.round and self.pressed is None:
            self.pressed = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_the_rounds_so_far():
    X = np.random.default_rng(0).normal(size=(20_000, 20))
    y = X[:, 0] * X[:, 1]
    press = Signal(5)
    model = HistGradientBoostingRegressor(max_iter=2000, early_stopping=False, warm_start=True, callbacks=[press])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert time.monotonic() - press.pressed < 1
    assert 5 <= model.n_iter_ < 2000
    rounds = model.n_iter_
    model.set_params(max_iter=rounds + 2).fit(X, y)
    assert model.digest_ == HistGradientBoostingRegressor(max_iter=rounds + 2, early_stopping=False).fit(X, y).digest_


def test_ctrl_c_from_outside_a_callback():
    X = np.random.default_rng(0).normal(size=(100_000, 30)).astype(np.float32)
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.0, press)
    model = HistGradientBoostingRegressor(max_iter=100_000, early_stopping=False, max_leaf_nodes=255)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, X[:, 0])
    assert time.monotonic() - pressed[0] < 1


# ── A loss of one's own ──


def test_a_loss_in_python_is_the_engines():
    """Squared error written in Python: the same trees, but for the loss's name in the body."""

    def squared_error(y_true, raw_prediction):
        return raw_prediction - y_true, np.ones_like(y_true)

    ours = HistGradientBoostingRegressor(loss=squared_error, max_iter=10).fit(XR, YR)
    engine = HistGradientBoostingRegressor(max_iter=10).fit(XR, YR)
    close(ours.predict(XR), engine.predict(XR))
    assert ours.model_.parameters["loss"] == "custom"


@pytest.mark.parametrize("classes", [2, 3])
def test_a_loss_of_classes_in_python(classes):
    X, y = (XC, YC) if classes == 2 else (XM, YM)

    def loss(y_true, raw):
        if classes == 2:
            p = 1 / (1 + np.exp(-raw))
            return p - y_true, p * (1 - p)
        p = np.exp(raw - raw.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p - np.eye(3)[y_true.astype(int)], p * (1 - p)

    ours = HistGradientBoostingClassifier(loss=loss, max_iter=10).fit(X, y)
    engine = HistGradientBoostingClassifier(max_iter=10).fit(X, y)
    assert abs(metrics.log_loss(y, ours.predict_proba(X)) - metrics.log_loss(y, engine.predict_proba(X))) < 0.02


# ── Trees ──


def depth_of(tree):
    depth = np.zeros(len(tree["feature"]), dtype=int)
    for node in np.flatnonzero(tree["feature"] >= 0):  # parents come first
        depth[tree["left"][node]] = depth[tree["right"][node]] = depth[node] + 1
    return depth.max()


def test_depth_and_leaves_are_both_kept():
    tree = HistGradientBoostingClassifier(max_depth=2, max_leaf_nodes=3, max_iter=1).fit(XC, YC).model_.tree(0)
    assert depth_of(tree) == 2
    assert (tree["feature"] < 0).sum() == 3


def test_constant_target():
    model = HistGradientBoostingRegressor(max_iter=3).fit(XR, np.full(400, 7.5))
    assert all(len(model.model_.tree(i)["feature"]) == 1 for i in range(3))
    np.testing.assert_array_equal(model.predict(XR), np.full(400, 7.5))


# ── Weights ──


def test_weights_are_repetitions():
    weights = np.random.default_rng(0).integers(0, 3, size=400)
    weighted = HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=1).fit(XR, YR, weights)
    repeated = HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=1).fit(
        np.repeat(XR, weights, axis=0), np.repeat(YR, weights)
    )
    np.testing.assert_allclose(weighted.predict(XR), repeated.predict(XR), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("y", [YC, YC.astype(bool), YC.astype(float), np.array(["a", "b"])[YC]])
def test_class_weights_are_weights_of_rows(y):
    second = np.unique(y)[1]
    by_class = HistGradientBoostingClassifier(max_iter=5, class_weight={second: 3}).fit(XC, y)
    by_row = HistGradientBoostingClassifier(max_iter=5).fit(XC, y, np.where(y == second, 3.0, 1.0))
    np.testing.assert_array_equal(by_class.decision_function(XC), by_row.decision_function(XC))
    balanced = HistGradientBoostingClassifier(max_iter=5, class_weight="balanced").fit(XC[:250], y[:250])
    assert balanced.model_.parameters["class_weight"] == "balanced"


@pytest.mark.parametrize("n_jobs", [1, 2, 3, -1, -2, None])
def test_threads_do_not_change_a_bit(n_jobs):
    assert (
        HistGradientBoostingClassifier(max_iter=5, n_jobs=n_jobs).fit(XM, YM).digest_
        == HistGradientBoostingClassifier(max_iter=5, n_jobs=1).fit(XM, YM).digest_
    )


ENDS_EARLY = """
import builtins, sys, threading, time
import numpy as np
from ramet import HistGradientBoostingRegressor
X = np.random.default_rng(0).normal(size=(3000, 4))

class GivesUpTheGil:  # while the interpreter ends
    def __del__(self, sleep=time.sleep):
        sleep(0.2)

def fit():
    begun.set()
    HistGradientBoostingRegressor(max_iter=100, n_jobs=1, early_stopping=False).fit(X, X[:, 0])

builtins.last = GivesUpTheGil()
begun = threading.Event()
threading.Thread(target=fit, daemon=True).start()
begun.wait()
time.sleep(0.05)
sys.setswitchinterval(100)
end = time.monotonic() + 0.7
while time.monotonic() < end:  # the fit ends, and its thread waits for the GIL
    pass
"""


def test_a_program_that_ends_while_a_daemon_thread_fits_does_not_abort():
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", ENDS_EARLY], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
