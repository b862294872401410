"""Tests of other parts of scikit-learn that use the estimators, run against Ramet's."""

from scikit_learn_suite import load

for module, tests in {
    "sklearn.ensemble.tests.test_bagging": {"test_bagging_allow_nan_tag"},
    "sklearn.feature_selection.tests.test_from_model": {"test_fit_accepts_nan_inf"},
    "sklearn.feature_selection.tests.test_sequential": {"test_nan_support"},
    "sklearn.tests.test_pipeline": {"test_n_features_in_pipeline"},
    "sklearn.model_selection.tests.test_search": {"test_n_features_in"},
    "sklearn.inspection.tests.test_partial_dependence": {
        "test_partial_dependence_easy_target",
        "test_recursion_decision_function",
    },
}.items():
    load(module, globals(), only=tests)

EXCEPTIONS = {
    "test_recursion_decision_function[[]?-est1]": (
        "method='recursion' is for scikit-learn's own trees by their class; 'brute' gives the same"
    ),
}
