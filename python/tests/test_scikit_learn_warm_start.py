"""scikit-learn's tests of warm starts, run against Ramet's estimators."""

from scikit_learn_suite import load

load("sklearn.ensemble._hist_gradient_boosting.tests.test_warm_start", globals())

EXCEPTIONS = {
    "test_warm_start_yields_identical_results*": "looks at _predictors (see test_training.py: equal digests)",
    "test_warm_start_max_depth*": "looks at _predictors (see test_training.py: depths by model_.tree)",
    "test_warm_start_equal_n_estimators*": "looks at _predictors (see test_training.py: equal digests)",
    "test_warm_start_clear*": "looks at _predictors (see test_training.py: equal digests)",
    "test_warm_start_early_stopping*": (
        "asks for at least one more round after an early stop; here the same fit again has nothing to add"
        " (test_training.py, test_a_stopped_fit_has_nothing_to_add)"
    ),
    "test_random_seeds_warm_start*": "looks at _random_seed; and random_state=None is 0 here, by design",
}
