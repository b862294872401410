"""scikit-learn's checks of any estimator."""

import warnings

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

# Each of these must fail, for its reason.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": (
        "with min_samples_leaf above 1 a row repeated is more rows, a row with a weight is one; scikit-learn's own are"
        " excused as well (test_training.py, test_weights_are_repetitions)"
    ),
    "check_dataframe_column_names_consistency": (
        "a data frame whose columns are in another order is put in order, where scikit-learn refuses it"
    ),
}


@parametrize_with_checks(
    [
        HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5),
        HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5),
    ],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", EXPECTED)
def test_expected_failures_are_still_needed(name):
    from sklearn.utils import estimator_checks

    with pytest.raises(AssertionError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(estimator_checks, name)(
            "HistGradientBoostingRegressor", HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5)
        )
