"""scikit-learn's checks of any estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

# Each of these must fail, for its reason; scikit-learn's own estimators are excused from the first two as well.
EXPECTED = {
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

    with pytest.raises(AssertionError):
        getattr(estimator_checks, name)("HistGradientBoostingRegressor", HistGradientBoostingRegressor(max_iter=5))
