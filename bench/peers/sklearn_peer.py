"""scikit-learn's HistGradientBoosting: best-first growth. It has no row subsampling, and its least hessian of a split
is fixed at 1e-3. The number of threads is OMP_NUM_THREADS, which the runner sets."""

from typing import Any

from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from peers.library import Clock, Features, Table, main
from peers.protocol import Job


class _Timed:
    """Times binning, which happens inside fit."""

    clock: Clock

    def _bin_data(self, *arguments: Any, **named: Any) -> NDArray[Any]:
        with self.clock("bin"):
            return super()._bin_data(*arguments, **named)  # type: ignore[misc]


class _Classifier(_Timed, HistGradientBoostingClassifier):  # type: ignore[misc]
    pass


class _Regressor(_Timed, HistGradientBoostingRegressor):  # type: ignore[misc]
    pass


class ScikitLearn:
    """What fit does besides binning (such as widening to float64) counts as training."""

    def fit(self, job: Job, train: Table, clock: Clock) -> None:
        if job.subsample < 1:
            raise ValueError("HistGradientBoosting has no row subsampling")
        estimator: Any = _Classifier
        loss: dict[str, Any] = {}
        if job.task != "binary":
            estimator = _Regressor
            loss = {"loss": "squared_error" if job.task == "regression" else job.task}
            loss |= {"quantile": job.quantile} if job.task == "quantile" else {}
        self.model = estimator(
            learning_rate=job.learning_rate,
            max_iter=job.rounds,
            max_leaf_nodes=job.leaves,
            max_depth=job.depth or None,
            min_samples_leaf=job.min_samples_leaf,
            l2_regularization=job.l2,
            max_bins=job.bins,
            early_stopping=False,
            random_state=job.seed,
            **loss,
        )
        self.model.clock = Clock()
        features = train.take_features()
        with clock("train"):
            self.model.fit(features, train.label, sample_weight=train.weight)
        clock.seconds["bin"] = self.model.clock.seconds["bin"]
        clock.seconds["train"] -= clock.seconds["bin"]

    def predict(self, job: Job, features: Features) -> NDArray[Any]:
        if job.task == "binary":
            return self.model.predict_proba(features)[:, 1]
        return self.model.predict(features)


if __name__ == "__main__":
    main(ScikitLearn())
