"""Compares the quality of Ramet's constrained models with LightGBM's and scikit-learn's at equal settings, mean of
several seeds.

    python bench/quality_constraints.py --rows 100000 --threads 2

The table has twelve numbers, some missing. Predictions are asked to rise with x0 and x2 and to fall with x1; in truth
the target waves along x2, so that the constraint has something to refuse. Groups that may interact leave out one true
interaction. "sampled" draws half of the features for each split and adds L2. Ramet passes where it is at most 0.3 %
worse than the better peer (0.001 of AUC), or by less than the peers are apart. The last columns are the
share of steps along a constrained feature on which predictions go the wrong way. LightGBM refuses monotonic constraints
with absolute errors.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import report
import runner
from numpy.typing import NDArray

PEERS = ("ramet", "lightgbm", "sklearn")
REFUSED = {("lightgbm", "absolute_error", "monotonic")}
Array = NDArray[Any]
FEATURES = 12
DIRECTIONS = {0: 1, 1: -1, 2: 1}
GROUPS = [[0, 1, 2, 7], [3, 4], [5, 6], [8, 9, 10, 11]]
SETTINGS = {"rounds": 200, "learning_rate": 0.1, "leaves": 31, "min_samples_leaf": 20}
MAX_FEATURES, L2 = 0.5, 10.0
CASES = [
    ("binary", "monotonic"),
    ("binary", "interactions"),
    ("binary", "both"),
    ("binary", "sampled"),
    ("regression", "monotonic"),
    ("regression", "interactions"),
    ("regression", "sampled"),
    ("absolute_error", "monotonic"),
    ("poisson", "monotonic"),
]


@dataclass(frozen=True)
class Score:
    """One metric of one library's model of one case and seed."""

    task: str
    constraint: str
    seed: int
    peer: str
    metric: str
    value: float


@dataclass(frozen=True)
class Case:
    """What is asked of a library."""

    task: str
    constraint: str
    seed: int
    threads: int

    @property
    def monotonic(self) -> bool:
        """Whether there are directions."""
        return self.constraint in ("monotonic", "both")

    @property
    def grouped(self) -> bool:
        """Whether there are groups."""
        return self.constraint in ("interactions", "both")

    @property
    def sampled(self) -> bool:
        """Whether splits draw features, and leaves are regularised."""
        return self.constraint == "sampled"


def table(rows: int, seed: int, split: int, task: str) -> tuple[Array, Array]:
    """Features (rows x 12, float32) and the target."""
    rng = np.random.default_rng((seed, split))
    x = rng.random((rows, FEATURES), dtype=np.float32)
    signal = (
        1.5 / (1 + np.exp(-8 * (x[:, 0] - 0.5)))
        - 1.2 * x[:, 1] ** 2
        + 0.8 * (x[:, 2] + 0.25 * np.sin(14 * x[:, 2]))
        + 2.0 * x[:, 3] * x[:, 4]
        + 0.7 * np.sin(8 * x[:, 5]) * x[:, 6]
        + 0.8 * (x[:, 7] > 0.6) * x[:, 0]
        + 0.8 * (x[:, 3] > 0.5) * (x[:, 5] > 0.5)
        - 1.7
    )
    for column in (1, 4, 8):
        x[rng.random(rows) < 0.1, column] = np.nan
    if task == "binary":
        return x, (rng.random(rows) < 1 / (1 + np.exp(-2 * signal))).astype(np.float64)
    if task == "poisson":
        return x, rng.poisson(np.exp(signal)).astype(np.float64)
    noise = rng.standard_normal(rows)
    return x, signal + (noise if task == "regression" else noise**3 / 3)


def fit_ramet(case: Case, x: Array, y: Array, ramet: str) -> Callable[[Array], Array]:
    """Trains by the command; what is returned predicts by it."""
    kept = tempfile.TemporaryDirectory(prefix="ramet-constraints-")  # as long as what is returned

    def write(values: Array, target: Array | None) -> str:
        columns = {f"x{i}": pa.array(values[:, i], from_pandas=True) for i in range(FEATURES)}
        if target is not None:
            columns["y"] = pa.array(target.astype(np.int64) if case.task == "binary" else target)
        path = f"{kept.name}/table.parquet"
        pa.parquet.write_table(pa.table(columns), path)
        return path

    losses = {"binary": "logistic", "regression": "squared_error"}
    command = [ramet, "train", write(x, y), "--label", "y", "--loss", losses.get(case.task, case.task)]
    command += ["--max-iter", str(SETTINGS["rounds"]), "--learning-rate", str(SETTINGS["learning_rate"])]
    command += ["--max-leaf-nodes", str(SETTINGS["leaves"]), "--early-stopping", "false"]
    command += ["--min-samples-leaf", str(SETTINGS["min_samples_leaf"]), "--random-state", str(case.seed)]
    if case.monotonic:
        command += ["--monotonic-cst", ",".join(f"x{f}:{way}" for f, way in DIRECTIONS.items())]
    if case.grouped:
        command += ["--interaction-cst", str(GROUPS)]
    if case.sampled:
        command += ["--max-features", str(MAX_FEATURES), "--l2-regularization", str(L2)]
    environment = os.environ | {"RAMET_THREADS": str(case.threads)}
    model = f"{kept.name}/model.ramet"
    subprocess.run([*command, "--out", model], check=True, env=environment, capture_output=True)

    def predict(values: Array) -> Array:
        out = f"{kept.name}/predictions.csv"
        command = [ramet, "predict", model, write(values, None), "--out", out]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        return pa.csv.read_csv(out).columns[-1].to_numpy()

    return predict


def fit_lightgbm(case: Case, x: Array, y: Array, _: str) -> Callable[[Array], Array]:
    """LightGBM; monotonic constraints by its default method."""
    import lightgbm

    objective = {"absolute_error": "regression_l1"}.get(case.task, case.task)
    parameters: dict[str, Any] = {
        "objective": objective,
        "learning_rate": SETTINGS["learning_rate"],
        "num_leaves": SETTINGS["leaves"],
        "min_data_in_leaf": SETTINGS["min_samples_leaf"],
        "seed": case.seed,
        "num_threads": case.threads,
        "verbosity": -1,
        "poisson_max_delta_step": 1e-9,  # its own damping of Poisson steps, which the others lack
    }
    if case.monotonic:
        parameters["monotone_constraints"] = [DIRECTIONS.get(f, 0) for f in range(FEATURES)]
    if case.grouped:
        parameters["interaction_constraints"] = GROUPS
    if case.sampled:
        parameters |= {"feature_fraction_bynode": MAX_FEATURES, "lambda_l2": L2}
    model = lightgbm.train(parameters, lightgbm.Dataset(x, y, params=parameters), int(SETTINGS["rounds"]))
    return lambda values: np.asarray(model.predict(values, num_threads=case.threads))


def fit_sklearn(case: Case, x: Array, y: Array, _: str) -> Callable[[Array], Array]:
    """scikit-learn's histogram gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings: dict[str, Any] = {
        "learning_rate": SETTINGS["learning_rate"],
        "max_iter": SETTINGS["rounds"],
        "max_leaf_nodes": SETTINGS["leaves"],
        "min_samples_leaf": SETTINGS["min_samples_leaf"],
        "early_stopping": False,
        "random_state": case.seed,
    }
    if case.monotonic:
        settings["monotonic_cst"] = [DIRECTIONS.get(f, 0) for f in range(FEATURES)]
    if case.grouped:
        settings["interaction_cst"] = GROUPS
    if case.sampled:
        settings |= {"max_features": MAX_FEATURES, "l2_regularization": L2}
    if case.task == "binary":
        classifier = HistGradientBoostingClassifier(**settings).fit(x, y)
        return lambda values: classifier.predict_proba(values)[:, 1]
    loss = {"regression": "squared_error"}.get(case.task, case.task)
    return HistGradientBoostingRegressor(loss=loss, **settings).fit(x, y).predict


FITS = {"ramet": fit_ramet, "lightgbm": fit_lightgbm, "sklearn": fit_sklearn}


def metrics_of(task: str, y: Array, predicted: Array) -> dict[str, float]:
    """The task's metrics; lower is better but for auc."""
    from sklearn import metrics

    if task == "binary":
        return {"auc": metrics.roc_auc_score(y, predicted), "logloss": metrics.log_loss(y, predicted)}
    if task == "regression":
        return {"rmse": metrics.root_mean_squared_error(y, predicted)}
    if task == "poisson":
        return {"deviance": metrics.mean_poisson_deviance(y, predicted)}
    return {"mae": metrics.mean_absolute_error(y, predicted)}


def wrong_way(predict: Callable[[Array], Array], x: Array) -> float:
    """Percent of steps along the constrained features, from 100 rows, that go against the direction."""
    steps, wrong = 0, 0
    grid = np.linspace(-0.01, 1.01, 104, dtype=np.float32)
    for feature, way in DIRECTIONS.items():
        moved = np.repeat(x[:100], len(grid), axis=0)
        moved[:, feature] = np.tile(grid, 100)
        differences = np.diff(predict(moved).reshape(100, len(grid)), axis=1) * way
        steps += differences.size
        wrong += int((differences < 0).sum())
    return 100 * wrong / steps


def scores_of(options: argparse.Namespace, task: str, constraint: str, seed: int) -> list[Score]:
    """All libraries on one table."""
    x, y = table(options.rows, seed, 0, task)
    test_x, test_y = table(options.test_rows, seed, 1, task)
    case = Case(task, constraint, seed, options.threads)
    scores = []
    for peer in PEERS:
        if (peer, task, constraint) in REFUSED:
            continue
        predict = FITS[peer](case, x, y, str(options.ramet.resolve()))
        values = metrics_of(task, test_y, predict(test_x))
        if case.monotonic:
            values["wrong way %"] = wrong_way(predict, test_x)
        scores += [Score(task, constraint, seed, peer, metric, value) for metric, value in values.items()]
        shown = "  ".join(f"{metric} {value:.6f}" for metric, value in values.items())
        print(f"{task}, {constraint}, seed {seed}  {peer:9}  {shown}", file=sys.stderr, flush=True)
    return scores


def verdict_rows(scores: list[Score]) -> tuple[list[list[str]], bool]:
    """One row per case and metric, means over the seeds; whether all passed."""
    rows, passed = [], True
    mean = {
        key: statistics.mean(s.value for s in scores if (s.task, s.constraint, s.metric, s.peer) == key)
        for key in {(s.task, s.constraint, s.metric, s.peer): None for s in scores}
    }
    for task, constraint, metric in dict.fromkeys((s.task, s.constraint, s.metric) for s in scores):
        if metric == "wrong way %":
            continue
        means = [mean.get((task, constraint, metric, peer)) for peer in PEERS]
        ours, *others = (value for value in means if value is not None)
        worse = max(others) - ours if metric == "auc" else ours - min(others)
        apart = max(others) - min(others)
        allowed = max(0.001 if metric == "auc" else 0.003 * min(others), apart)
        passed &= worse <= allowed
        shares = [mean.get((task, constraint, "wrong way %", peer)) for peer in PEERS]
        passed &= not shares[0]
        rows.append(
            [
                f"{task}, {constraint}, {metric}",
                *("refused" if value is None else f"{value:.5f}" for value in means),
                f"{worse:.5f}",
                f"{apart:.5f}",
                "pass" if worse <= allowed and not shares[0] else "FAIL",
                " / ".join("-" if share is None else f"{share:.2f}" for share in shares),
            ]
        )
    return rows, passed


def main() -> int:
    """The command line; 1 where a verdict is FAIL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--test-rows", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ramet", type=Path, default=runner.RAMET, help="the command")
    parser.add_argument("--name", default="quality-constraints", help="of the files under bench/results/")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    quiet = report.Quietness()
    scores = [
        score
        for task, constraint in CASES
        for seed in range(options.seeds)
        for score in scores_of(options, task, constraint, seed)
    ]
    rows, passed = verdict_rows(scores)
    header = ["task, constraint, metric", *PEERS, "ramet worse by", "peers apart by", "verdict"]
    body = report.markdown_table([*header, f"wrong way %: {' / '.join(PEERS)}"], rows)
    title = (
        f"Quality of constrained models at equal settings: {options.rows} rows, {SETTINGS['rounds']} rounds, "
        f"{SETTINGS['leaves']} leaves, mean of {options.seeds} seeds"
    )
    path = report.write(options.name, title, body, {"scores": list(map(asdict, scores))}, str(options.ramet), quiet)
    print(f"{body}\n\nwritten to {path} and .json")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
