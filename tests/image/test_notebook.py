"""The notebook server as Kubeflow starts it, and as everybody else does, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lab
import pytest
from conftest import CHECK
from container import Container, volume

SOMEBODY = 1_000_680_000  # as OpenShift numbers its users
PREFIX = "/notebook/team/gbt"  # as the notebook controller writes it
SERVER = "http://127.0.0.1:8888"
Start = Callable[..., Container]


def test_kubeflow_s_notebook_shows_jupyterlab_and_the_tutorial_runs_in_it(start: Start, tmp_path: Path) -> None:
    """A user without a name, a root file system that is read-only, a new volume as home, a path that is not `/`."""
    home = volume(tmp_path / "home")
    server = start(user=SOMEBODY, environment={"NB_PREFIX": PREFIX}, volumes={"/home/jovyan": home})
    server.wait_for("is running at")
    tutorial = home / "examples/scaling.ipynb"
    assert tutorial.stat().st_uid == SOMEBODY and (home / ".bashrc").exists()

    with lab.browser(tmp_path, server.network) as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        answer = page.goto(f"{SERVER}{PREFIX}/api/status")
        assert answer and answer.status == 200, "Kubeflow's gateway has asked who it is; here nobody does"
        assert answer.headers["access-control-allow-origin"] == "*"
        outside = page.goto(f"{SERVER}/lab")
        assert outside and outside.status == 404, "the server is under NB_PREFIX and nowhere else"

        lab.open_lab(page, f"{SERVER}{PREFIX}/lab")
        page.get_by_role("listitem", name="Name: examples").wait_for()
        page.screenshot(path=CHECK / "jupyterlab.png")
        lab.open_lab(page, f"{SERVER}{PREFIX}/lab/tree/examples/scaling.ipynb")
        cells = lab.run_all(page, tutorial.read_text, seconds=480)
        page.screenshot(path=CHECK / "tutorial.png")
    said = lab.printed(cells)
    assert "4 trainings, one digest" in said and "AUC on" in said


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_without_kubeflow_nobody_enters_without_the_token(start: Start, tmp_path: Path, prefix: str) -> None:
    """The token is random where none is given. With a token given NB_PREFIX is a path, and nothing more."""
    home, secret = volume(tmp_path / "home"), tmp_path / "secret"
    secret.mkdir()
    (secret / "token").write_text("only-the-tests-know")
    given = {"NB_PREFIX": prefix, "JUPYTER_TOKEN_FILE": "/secret/token"} if prefix else {}
    server = start(user=SOMEBODY, environment=given, volumes={"/home/jovyan": home, "/secret": secret})
    server.wait_for("is running at")
    token = "only-the-tests-know" if prefix else server.log.partition("?token=")[2].split()[0]
    assert len(token) > 15

    with lab.browser(tmp_path, server.network) as browser:
        page = browser.new_page()
        for path in ("/api/contents", "/api/kernels", "/api/terminals", "/metrics", "/proxy/8787/"):
            answer = page.goto(f"{SERVER}{prefix}{path}")
            assert answer and (answer.status == 403 or "/login" in answer.url), f"{path}: {answer and answer.status}"
            assert "access-control-allow-origin" not in answer.headers
        lab.open_lab(page, f"{SERVER}{prefix}/lab?token={token}")


def test_the_proxy_reaches_this_pod_alone(start: Start, tmp_path: Path) -> None:
    """jupyter-server-proxy shows a dashboard of this pod, and is no way into the network."""
    dashboard = "python -m http.server 8787 --bind 127.0.0.1 --directory /opt/ramet/examples"
    server = start(
        command=["bash", "-c", f"{dashboard} & exec ramet-notebook"],
        environment={"NB_PREFIX": PREFIX},
        volumes={"/home/jovyan": volume(tmp_path / "home")},
    )
    server.wait_for("is running at")
    with lab.browser(tmp_path, server.network) as browser:
        page = browser.new_page()
        itself = page.goto(f"{SERVER}{PREFIX}/proxy/8787/")
        assert itself and itself.status == 200 and "scaling.ipynb" in itself.text()
        elsewhere = page.goto(f"{SERVER}{PREFIX}/proxy/10.96.0.1:443/")
        assert elsewhere and elsewhere.status == 403
