"""The Kubernetes that the end-to-end tests run on: the one that KUBECONFIG names.

`make e2e` starts one of two nodes on this machine for that (kubernetes/cluster.py), and ends it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import DATA, ROOT, World


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The cluster, and a namespace for this file's tests alone: bare at first, and gone afterwards."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster: KUBECONFIG is not set; `make e2e` starts one")
    name = request.module.__name__.removeprefix("test_").replace("_", "-")
    found = World(os.environ.get("RAMET_IMAGE", ""), f"ramet-e2e-{name}")
    remove = ["delete", "namespace", found.namespace, "--ignore-not-found", "--wait", "--timeout=180s"]
    found.kubectl(*remove)
    yield found
    if not os.environ.get("E2E_KEEP"):
        found.kubectl(*remove)


@pytest.fixture(scope="session")
def flights() -> Path:
    """The folder with train.parquet and valid.parquet."""
    if not (DATA / "train.parquet").exists():
        subprocess.run([sys.executable, ROOT / "examples/flights/prepare.py", "--output", DATA], check=True)
    return DATA


@pytest.fixture(scope="module")
def first_node(world: World) -> str:
    """Where the scheduler stays, so that the other node can be lost."""
    return sorted(node["metadata"]["name"] for node in world.list("nodes"))[0]
