"""One Slurm for all tests of this folder, one table, and the model that one machine makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import SETTINGS, Jobs, make_table, train_here
from site_of_three import Site, missing

REASON = missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if REASON and "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("slurm")
    with Site(folder) as running:
        yield running
    # A law of its own: what the tests have started has ended, and nothing of it is left in the kernel.
    assert running.processes() == []
    assert list(Path("/sys/fs/cgroup").glob("*/slurm_n[123]")) == []


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Parquet files."""
    return make_table(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="session")
def alone(table: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the model that this machine makes of the table, without Dask and Slurm."""
    return train_here(table, tmp_path_factory.mktemp("alone") / "alone.ramet", SETTINGS)


@pytest.fixture
def jobs(site: Site, table: Path, tmp_path: Path) -> Iterator[Jobs]:
    """Jobs submitted from an empty folder; those that a failed test leaves are cancelled."""
    given = Jobs(site, table, tmp_path)
    yield given
    given.cancel()
