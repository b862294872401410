"""Notebooks in the cluster, in a real browser: the chart's, where the tutorial trains on it, and Kubeflow's."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from world import BIN, ROOT, World, until

sys.path.insert(0, str(ROOT / "tests/image"))
import lab

CONTROLLER = BIN.parent / "notebook-controller"
KUBEFLOW = ROOT / "deploy/kubeflow"
TUTORIAL = "/home/jovyan/examples/scaling.ipynb"
SHOWN = ROOT / "build/e2e/notebook"


@pytest.fixture(scope="module", autouse=True)
def cluster(world: World, first_node: str) -> None:
    SHOWN.mkdir(parents=True, exist_ok=True)
    world.up(first_node, "--notebook", "--workers=2", "--set=notebook.resources.requests.cpu=100m")


@contextmanager
def running(world: World, log: Path, *line: object) -> Iterator[subprocess.Popen]:
    """A program in the background, whose output is in `log`."""
    words = [str(word) for word in line]
    with log.open("wb") as file:
        process = subprocess.Popen(words, env=world.environment, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_the_tutorial_runs_in_the_notebook_on_the_cluster(world: World, tmp_path: Path) -> None:
    """From the laptop's `ramet cluster notebook` to one digest: alone, on one node, on the cluster, with a death."""
    pod = world.ready("notebook")[0]
    log = tmp_path / "log"
    with running(world, log, *world.ramet_line, "cluster", "notebook", "-n", world.namespace):
        until("an address", lambda: "token=" in log.read_text())
        address = re.search(r"http://\S+", log.read_text())[0]  # type: ignore[index]
        with lab.browser(tmp_path) as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            lab.open_lab(page, address)
            lab.open_lab(page, address.replace("/lab?", "/lab/tree/examples/scaling.ipynb?"))
            cells = lab.run_all(page, lambda: world.kubectl("exec", pod, "--", "cat", TUTORIAL), seconds=470)
            page.screenshot(path=SHOWN / "tutorial.png")
    said = lab.printed(cells)
    assert "4 trainings, one digest" in said and "AUC on" in said
    assert len(world.ready("worker")) == 2, "the tutorial ends no cluster that is not its own"


def test_kubeflow_s_controller_makes_a_pod_of_our_notebook_that_trains_on_the_cluster(
    world: World, tmp_path: Path
) -> None:
    if not (CONTROLLER / "controller").exists():
        pytest.skip(
            "not verified: Kubeflow's notebook controller is not here; tests/e2e/notebook_controller.sh builds it"
        )
    notebook = (KUBEFLOW / "notebook.yaml").read_text()
    notebook = re.sub(r"image: \S+", f"image: {world.image}", notebook)
    try:
        world.kubectl("apply", "--server-side", "--filename", CONTROLLER / "crd.yaml")
        world.kubectl("wait", "crd/notebooks.kubeflow.org", "--for=condition=Established", "--timeout=60s")
        world.kubectl("create", "serviceaccount", "default-editor")  # as Kubeflow does in each profile
        ports = ("-metrics-addr=127.0.0.1:0", "-probe-addr=127.0.0.1:0")
        with running(world, tmp_path / "log", CONTROLLER / "controller", *ports):
            world.kubectl("apply", "--filename", "-", given=notebook)
            until("a pod", lambda: world.list("pods", "notebook-name=gbt"))
            world.kubectl("wait", "pod/gbt-0", "--for=condition=Ready", "--timeout=120s")
            until("a server", lambda: "is running at" in world.kubectl("logs", "gbt-0"))
            until("a state", lambda: "running" in world.list("notebooks")[0]["status"]["containerState"])
            opens(world, tmp_path)
            program = (ROOT / "tests/image/train.py").read_text()
            alone = world.kubectl("exec", "--stdin", "gbt-0", "--", "python", "-", given=program)
            on_cluster = 'python - "$DASK_SCHEDULER_ADDRESS"'
            assert world.kubectl("exec", "--stdin", "gbt-0", "--", "sh", "-c", on_cluster, given=program) == alone
            world.kubectl("delete", "notebook", "gbt", "--wait")
    finally:
        world.kubectl("delete", "crd", "notebooks.kubeflow.org", "--ignore-not-found")


def opens(world: World, tmp_path: Path) -> None:
    """JupyterLab, as the gateway would show it: under NB_PREFIX, without a token."""
    log = tmp_path / "forward"
    with running(world, log, "kubectl", "-n", world.namespace, "port-forward", "service/gbt", ":80"):
        until("a port", lambda: "Forwarding from" in log.read_text())
        port = re.search(r"127\.0\.0\.1:(\d+)", log.read_text())[1]  # type: ignore[index]
        with lab.browser(tmp_path) as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            prefix = f"http://127.0.0.1:{port}/notebook/{world.namespace}/gbt"
            answer = page.goto(f"{prefix}/api/status")
            assert answer and answer.status == 200 and answer.headers["access-control-allow-origin"] == "*"
            lab.open_lab(page, f"{prefix}/lab")
            page.get_by_role("listitem", name="Name: examples").wait_for()
            time.sleep(1)  # icons
            page.screenshot(path=SHOWN / "kubeflow.png")
