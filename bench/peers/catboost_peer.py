"""CatBoost: with a depth limit its own symmetric trees (all nodes of a level share one split, so the number of leaves
is 2^depth and min_samples_leaf does not apply); without one, best-first growth, which it limits to depth 16.

What the other libraries do not do is switched off: randomised split scores, Bayesian row weights, several Newton steps
per leaf. It has no min_child_weight."""

from typing import Any

import pandas as pd
from catboost import CatBoost as CatBoostModel
from catboost import Pool
from numpy.typing import NDArray

from peers.library import Clock, Features, Table, main, text_columns
from peers.protocol import Job

LOSSES = {"binary": "Logloss", "regression": "RMSE"}
DEEPEST = 16


def _without_null_text(features: Features) -> Features:
    """CatBoost wants missing categories as a text of their own."""
    if not isinstance(features, pd.DataFrame):
        return features
    filled = {name: features[name].cat.add_categories("").fillna("") for name in text_columns(features)}
    return features.assign(**filled)


class CatBoost:
    """Binning is forced by Pool.quantize where all features are numbers; it cannot quantise text ahead of training."""

    def fit(self, job: Job, train: Table, clock: Clock) -> None:
        growth: dict[str, Any] = {"grow_policy": "SymmetricTree", "depth": job.depth}
        if job.depth == 0:
            growth = {"grow_policy": "Lossguide", "depth": DEEPEST, "max_leaves": job.leaves}
            growth["min_data_in_leaf"] = job.min_samples_leaf
        sampling = {"bootstrap_type": "Bernoulli", "subsample": job.subsample} if job.subsample < 1 else {}
        parameters = {
            "loss_function": LOSSES[job.task],
            "iterations": job.rounds,
            "learning_rate": job.learning_rate,
            "l2_leaf_reg": job.l2,
            "border_count": job.bins - 1,
            "boosting_type": "Plain",
            "boost_from_average": True,
            "bootstrap_type": "No",
            "random_strength": 0,
            "leaf_estimation_iterations": 1,
            "random_seed": job.seed,
            "thread_count": job.threads,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
        with clock("bin"):
            features = _without_null_text(train.take_features())
            texts = text_columns(features)
            pool = Pool(features, train.label, weight=train.weight, cat_features=texts, thread_count=job.threads)
            del features
            if not texts:
                pool.quantize(border_count=job.bins - 1)
        with clock("train"):
            self.model = CatBoostModel(parameters | growth | sampling)
            self.model.fit(pool)

    def predict(self, job: Job, features: Features) -> NDArray[Any]:
        features = _without_null_text(features)
        if job.task == "regression":
            return self.model.predict(features, thread_count=job.threads)
        probabilities = self.model.predict(features, prediction_type="Probability", thread_count=job.threads)
        return probabilities[:, 1]


if __name__ == "__main__":
    main(CatBoost())
