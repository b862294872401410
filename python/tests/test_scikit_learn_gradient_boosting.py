"""scikit-learn's tests of its estimators, run against Ramet's. What must fail, and why, stands in EXCEPTIONS."""

from scikit_learn_suite import load

INNER = "about the inside of scikit-learn's implementation: "
load(
    "sklearn.ensemble._hist_gradient_boosting.tests.test_gradient_boosting",
    globals(),
    without={
        # No estimator in them: scikit-learn's bin mapper, grower and losses alone.
        "test_sum_hessians_are_sample_weight",
    },
)

EXCEPTIONS = {}
