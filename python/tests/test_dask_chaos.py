"""A few of the random fault schedules of `make chaos`."""

import pytest

pytest.importorskip("distributed")

from dask_chaos import Oracle, Playground, Schedule, run

SEEDS = [1, 9, 1004]


@pytest.fixture(scope="module")
def playground():
    with Playground() as it:
        yield it


@pytest.fixture(scope="module")
def oracle():
    return Oracle()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fit_ends_as_it_should(playground, oracle, seed):
    schedule = Schedule(seed)
    playground.heal()
    ending = run(playground, schedule, oracle)
    assert not ending.wrong, f"seed {seed}: {schedule}"
