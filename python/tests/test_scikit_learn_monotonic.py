"""scikit-learn's tests of monotonic constraints, run against Ramet's estimators."""

from scikit_learn_suite import load

load(
    "sklearn.ensemble._hist_gradient_boosting.tests.test_monotonic_constraints",
    globals(),
    without={
        # scikit-learn's grower and splitter alone, no estimator.
        "test_nodes_values",
        "test_bounded_value_min_gain_to_split",
    },
)
