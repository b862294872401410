"""LightGBM: best-first growth, histograms of float64 sums. Has every setting of a job."""

from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from peers.library import Clock, Features, Table, main
from peers.protocol import Job


class LightGBM:
    """`extra` are parameters of a variant, such as quantised training."""

    def __init__(self, **extra: Any) -> None:
        self.extra = extra

    def fit(self, job: Job, train: Table, clock: Clock) -> None:
        parameters = {
            "objective": "regression_l1" if job.task == "absolute_error" else job.task,
            "alpha": job.quantile,
            "learning_rate": job.learning_rate,
            "num_leaves": job.leaves,
            "max_depth": job.depth or -1,
            "min_data_in_leaf": job.min_samples_leaf,
            "min_sum_hessian_in_leaf": job.min_child_weight,
            "lambda_l2": job.l2,
            "max_bin": job.bins,
            "bagging_fraction": job.subsample,
            "bagging_freq": 1 if job.subsample < 1 else 0,
            "seed": job.seed,
            "num_threads": job.threads,
            "verbosity": -1,
        } | self.extra
        with clock("bin"):
            data = lightgbm.Dataset(train.take_features(), train.label, weight=train.weight, params=parameters)
            data.construct()
        with clock("train"):
            self.model = lightgbm.train(parameters, data, job.rounds)

    def predict(self, job: Job, features: Features) -> NDArray[Any]:
        return np.asarray(self.model.predict(features, num_threads=job.threads))


if __name__ == "__main__":
    main(LightGBM())
