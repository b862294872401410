"""XGBoost: tree_method hist, best-first growth. It has no min_samples_leaf; min_child_weight stands alone."""

from typing import Any

import xgboost
from numpy.typing import NDArray

from peers.library import Clock, Features, Table, main
from peers.protocol import Job

OBJECTIVES = {
    "binary": "binary:logistic",
    "regression": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
}


class XGBoost:
    """Binning is forced by QuantileDMatrix, which keeps no raw values."""

    def fit(self, job: Job, train: Table, clock: Clock) -> None:
        with clock("bin"):
            data = xgboost.QuantileDMatrix(
                train.take_features(),
                train.label,
                weight=train.weight,
                max_bin=job.bins,
                nthread=job.threads,
                enable_categorical=True,
            )
        parameters = {
            "objective": OBJECTIVES[job.task],
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "learning_rate": job.learning_rate,
            "max_leaves": job.leaves,
            "max_depth": job.depth,
            "min_child_weight": job.min_child_weight,
            "reg_lambda": job.l2,
            "max_bin": job.bins,
            "subsample": job.subsample,
            "seed": job.seed,
            "nthread": job.threads,
        }
        if job.task == "quantile":
            parameters["quantile_alpha"] = job.quantile
        with clock("train"):
            self.model = xgboost.train(parameters, data, job.rounds)

    def predict(self, job: Job, features: Features) -> NDArray[Any]:
        return self.model.inplace_predict(features)


if __name__ == "__main__":
    main(XGBoost())
