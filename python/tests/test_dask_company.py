"""Fits beside each other, within tasks, and in the workers' own processes: none waits for ever."""

import asyncio

import dask
import joblib
import numpy as np
import pandas as pd
from dask_clusters import PATIENCE, all_done, client, cut_frame, delays, flights, processes  # noqa: F401
from sklearn.model_selection import GridSearchCV

from ramet import HistGradientBoostingClassifier, HistGradientBoostingRegressor

RNG = np.random.default_rng(11)
X = flights(800, RNG)
Y = delays(X, RNG)
CUTS = [0, 300, 300, 500, 800]


def lazy():
    return cut_frame(X, CUTS), cut_frame(Y, CUTS)


def regressor(**more):
    return HistGradientBoostingRegressor(**{"max_iter": 8, "early_stopping": False, **more})


LOCAL = regressor().fit(X, Y).digest_


def test_processes(processes):  # noqa: F811
    model = regressor().fit(*lazy(), client=processes)
    assert model.digest_ == LOCAL
    assert sorted(worker.rows for worker in model.fit_report_.workers) != [0, len(X)]
    np.testing.assert_array_equal(model.predict(cut_frame(X, CUTS)).compute(), model.predict(X))


def test_two_fits_at_once(processes):  # noqa: F811
    seeds = [1, 2]
    models = all_done(
        *[lambda s=s: regressor(random_state=s, subsample=0.5).fit(*lazy(), client=processes) for s in seeds]
    )
    expected = [regressor(random_state=seed, subsample=0.5).fit(X, Y).digest_ for seed in seeds]
    assert [model.digest_ for model in models] == expected


def fit_in_a_task(X, Y, cuts):
    return regressor().fit(cut_frame(X, cuts), cut_frame(Y, cuts)).digest_


def test_a_fit_within_a_task(client):  # noqa: F811
    future = client.submit(fit_in_a_task, X, Y, CUTS, pure=False)
    assert future.result(timeout=PATIENCE) == LOCAL


def test_fits_within_as_many_tasks_as_threads(processes):  # noqa: F811
    futures = [processes.submit(fit_in_a_task, X, Y, CUTS, pure=False) for _ in range(2)]
    assert processes.gather(futures, direct=False) == [LOCAL, LOCAL]


def test_a_search_over_parameters(client):  # noqa: F811
    numbers, late = X[["distance", "hour"]], (Y > 25).to_numpy()
    search = GridSearchCV(HistGradientBoostingClassifier(max_iter=4), {"max_leaf_nodes": [3, 7]}, cv=3)

    def on_dask():
        with joblib.parallel_config("dask"):
            return search.fit(numbers, late)

    [found] = all_done(on_dask)
    here = GridSearchCV(HistGradientBoostingClassifier(max_iter=4), {"max_leaf_nodes": [3, 7]}, cv=3).fit(numbers, late)
    assert found.cv_results_["mean_test_score"].tolist() == here.cv_results_["mean_test_score"].tolist()


def test_an_asynchronous_client():
    import distributed

    async def fit():
        settings = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
        async with (
            distributed.LocalCluster(**settings, asynchronous=True) as cluster,
            distributed.Client(cluster, asynchronous=True) as own,
        ):
            model = await asyncio.to_thread(lambda: regressor().fit(*lazy(), client=own))
            parts = [dask.delayed(pd.concat([X, Y], axis=1).iloc[a:b]) for a, b in ((0, 100), (100, 800))]
            listed = await asyncio.to_thread(lambda: regressor().fit(parts, "delay", client=own))
            return model.digest_, listed.digest_

    expected = LOCAL, regressor().fit(pd.concat([X, Y], axis=1), "delay").digest_
    assert asyncio.run(asyncio.wait_for(fit(), PATIENCE)) == expected
