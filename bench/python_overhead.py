"""What the Python estimators cost beside the engine that they call.

    python bench/python_overhead.py --rows 1000000 --rounds 100 --repeats 3

Three figures: `fit` beside the same data set and training made by `ramet._core` directly, `predict` of one row and of
many beside the engine's own call. Both sides alternate; the fastest of each counts. Results are JSON lines. With --cpu,
processor time is measured instead of wall-clock time, which a busy machine stretches.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from ramet import HistGradientBoostingClassifier, _core

Clock = Callable[[], float]


def seconds(work: Callable[[], object], clock: Clock) -> float:
    begin = clock()
    work()
    return clock() - begin


def fastest(
    first: Callable[[], object], second: Callable[[], object], repeats: int, clock: Clock
) -> tuple[float, float]:
    """Seconds of both, which alternate so that a noisy neighbour meets both."""
    pairs = [(seconds(first, clock), seconds(second, clock)) for _ in range(repeats)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def report(name: str, python: float, engine: float, unit: float, unit_name: str) -> None:
    print(
        json.dumps(
            {
                "what": name,
                "unit": unit_name,
                "python": round(python / unit, 3),
                "engine": round(engine / unit, 3),
                "overhead": round((python - engine) / unit, 3),
                "percent": round(100 * (python / engine - 1), 2),
            }
        ),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter

    rng = np.random.default_rng(0)
    X = rng.standard_normal((options.rows, options.features), dtype=np.float32)
    y = (X[:, 0] * X[:, 1] + X[:, 2] + rng.standard_normal(options.rows, dtype=np.float32) > 0).astype(np.int64)
    model = HistGradientBoostingClassifier(
        max_iter=options.rounds, max_leaf_nodes=255, early_stopping=False, n_jobs=options.threads
    )
    context = _core.Context(threads=options.threads)
    names = [f"x{i}" for i in range(options.features)]
    parameters = {"max_iter": str(options.rounds), "max_leaf_nodes": "255", "early_stopping": "false"}

    def by_engine() -> None:
        table = _core.Table.from_arrays([*names, "y"], [X, y])
        data = _core.Dataset.make(context, table, label="y", features=names, classification=True, parameters=parameters)
        _core.train(context, parameters, data)

    python, engine = fastest(lambda: model.fit(X, y), by_engine, options.repeats, clock)
    report(f"fit, {options.rows} x {options.features}", python, engine, 1, "s")

    predictor = _core.Predictor(model.model_)
    for rows, repeats, unit, unit_name in [(1, 20_000, 1e-6, "us"), (min(500_000, options.rows), 5, 1e-3, "ms")]:
        part = X[:rows]
        python, engine = fastest(
            lambda part=part: model.predict(part), lambda part=part: predictor.classes(context, part), repeats, clock
        )
        report(f"predict, {rows} rows", python, engine, unit, unit_name)


if __name__ == "__main__":
    main()
