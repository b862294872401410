"""scikit-learn's tests of its estimators, run against Ramet's. What must fail, and why, stands in EXCEPTIONS."""

from scikit_learn_suite import load

load(
    "sklearn.ensemble._hist_gradient_boosting.tests.test_gradient_boosting",
    globals(),
    # No estimator in it: scikit-learn's bin mapper, grower and losses alone.
    without={"test_sum_hessians_are_sample_weight"},
)

FOLDS = "more categories than bins are no error: the rarest fold into one (test_inputs.py, test_many_categories_fold)"
EXCEPTIONS = {
    # By design.
    "test_X_val_in_fit*": "rows are held out by a hash of their position, not by train_test_split",
    "test_categorical_bad_encoding_errors*": FOLDS,
    "test_dataframe_categorical_errors*": FOLDS,
    "test_unknown_categories_nan[[]-1-*-HistGradientBoostingRegressor-True[]]": (
        "a negative number is a category like any other, so -1 that was seen in training is not missing"
    ),
    # Private attributes; where the public behaviour is worth a test, it is named.
    "test_should_stop*": "_should_stop (test_training.py, test_stops_by_scikit_learns_rule)",
    "test_check_interaction_cst*": "_check_interaction_cst (test_interaction_cst_numerically of this suite passes)",
    "test_binning_train_validation_are_separated": "_bin_mapper",
    "test_small_trainset": "_get_small_trainset; train scores are of all rows here",
    "test_sample_weight_effect*": "_raw_predict (test_training.py, test_weights_are_repetitions)",
    "test_max_depth_max_leaf_nodes": "_predictors (test_training.py, test_depth_and_leaves_are_both_kept)",
    "test_early_stopping_with_sample_weights": "_raw_predict (test_scoring_means_what_scikit_learn_means)",
    "test_raw_predict_is_called_with_custom_scorer": "_raw_predict",
    "test_single_node_trees*": "_predictors (test_training.py, test_constant_target); one class alone is refused",
    "test_categorical_encoding_strategies": "_predictors, after the public checks have passed",
    "test_dataframe_categorical_results_same_as_ndarray*": "_preprocessor (test_inputs.py: equal digests)",
    "test_categorical_different_order_same_model*": "_predictors (test_inputs.py: equal digests)",
}
