"""Shell scripts, those of the tree and those within the chart, and the two programs that the chart carries."""

from __future__ import annotations

import base64
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
from charts import CHART, ROOT, Object, environment, only, pod, pods, render


def shell_scripts() -> list[Path]:
    """All files of the tree that a shell reads, by their names or first lines."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    found = []
    for path in (ROOT / name for name in listed.stdout.splitlines()):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                first = file.readline(80)
            if path.suffix in (".sh", ".sbatch") or (first.startswith(b"#!") and first.rstrip().endswith(b"sh")):
                found.append(path)
    return found


def shellcheck(*arguments: str, script: str | None = None) -> None:
    result = subprocess.run(["shellcheck", *arguments], input=script, text=True, capture_output=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_shell_scripts_pass_shellcheck() -> None:
    scripts = shell_scripts()
    assert ROOT / "scripts/bootstrap.sh" in scripts and ROOT / ".ci/run" in scripts
    shellcheck(*map(str, scripts))


def scripts_of_pods() -> set[str]:
    objects = render({"extraPipPackages": ["shap"], "notebook": {"enabled": True}})
    found = set()
    for made in pods(objects):
        for container in made.containers:
            hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
            for words in (container.get("args", []), container.get("command", []), hook):
                if words[:1] == ["sh"]:
                    found.add(words[2])
    return found


def test_the_chart_s_shell_scripts_pass_shellcheck() -> None:
    scripts = scripts_of_pods()
    assert len(scripts) == 2  # extra packages, handing over
    for script in scripts:
        shellcheck("--shell=sh", "-", script=script)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Two packages: one that goes with what is installed, and one that wants another pytest."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, needs in (("probe", "pytest"), ("quarrel", "pytest<1")):
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            info = f"{name}-1.0.dist-info"
            wheel.writestr(f"{name}.py", "HERE = __file__\n")
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {needs}\n"
            )
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.mark.parametrize(("package", "fits"), [("probe", True), ("quarrel", False)])
def test_extra_packages_come_beside_the_image_s_and_never_replace_them(
    package: str, fits: bool, wheels: Path, tmp_path: Path
) -> None:
    (init,) = pod(render({"extraPipPackages": [package]}), "scheduler").spec["initContainers"]
    home, temporary = tmp_path / "packages", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    arguments = [
        word.replace("/tmp/", f"{temporary}/").replace("/packages", str(home)) if "\n" in word else word
        for word in init["args"]
    ]
    variables = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    result = subprocess.run(arguments, env=variables, text=True, capture_output=True, check=False)
    assert (result.returncode == 0) is fits, result.stderr
    if fits:
        code = f"import {package}; print({package}.HERE)"
        path = {**variables, "PYTHONPATH": str(home / "site")}
        said = subprocess.run([sys.executable, "-c", code], env=path, text=True, capture_output=True, check=True)
        assert Path(said.stdout.strip()).resolve() == (home / "site" / f"{package}.py").resolve()
        assert not list(home.rglob("pytest")), "what the image has is not installed again"
    else:
        assert "pytest" in result.stdout + result.stderr


class Dashboard(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(f"you asked for {self.path}".encode())

    def log_message(self, *_: object) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_metrics_get_out_and_nothing_else() -> None:
    dashboard = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dashboard)
    threading.Thread(target=dashboard.serve_forever, daemon=True).start()
    port, script = free_port(), (CHART / "files/metrics.py").read_text()
    behind = f"http://127.0.0.1:{dashboard.server_port}/metrics"
    process = subprocess.Popen([sys.executable, "-ISc", script, behind, str(port)], stderr=subprocess.DEVNULL)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
                    assert answer.read() == b"you asked for /metrics"
                    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
                break
            except urllib.error.URLError:
                time.sleep(0.05)
        else:
            pytest.fail("no answer within 20 s")
        for path in ("/", "/status", "/metrics/", "/metrics?x=1", "/metrics/../status"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{address}{path}", timeout=5)
        with pytest.raises(urllib.error.HTTPError, match="501"):
            urllib.request.urlopen(urllib.request.Request(f"{address}/metrics", data=b"x", method="POST"), timeout=5)
    finally:
        process.kill()
        process.wait()
        dashboard.shutdown()


def tls_files(objects: list[Object], folder: Path) -> Path:
    folder.mkdir()
    for name, content in only(objects, "Secret", "-tls")["data"].items():
        (folder / name).write_bytes(base64.b64decode(content))
    return folder


@pytest.mark.parametrize("scheme", ["tls", "tcp"])
def test_workers_wait_for_the_scheduler_and_for_no_other(scheme: str, tmp_path: Path) -> None:
    """For a port that is closed, then one with another release's certificate, then the scheduler's."""
    port, objects = free_port(), render({})
    ours, theirs = tls_files(objects, tmp_path / "ours"), tls_files(render({}), tmp_path / "theirs")
    wait = next(c for c in pod(objects, "worker").spec["initContainers"] if c["name"] == "wait")
    variables = {name: value.replace("/etc/ramet/tls", str(ours)) for name, value in environment(wait).items()}
    variables["DASK_SCHEDULER_ADDRESS"] = f"{scheme}://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, *wait["args"][1:]], env=variables, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"waiting for {scheme}://127.0.0.1:{port}: [Errno 111] Connection refused\n"
        for folder in (theirs, ours) if scheme == "tls" else (ours,):
            with socket.create_server(("127.0.0.1", port)) as server:
                server.settimeout(20)
                connection, _ = server.accept()
                connection.settimeout(20)
                assert process.poll() is None
                if scheme == "tls":
                    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
                    context.verify_mode = ssl.CERT_REQUIRED
                    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
                    if folder is theirs:
                        with pytest.raises(ssl.SSLError):
                            context.wrap_socket(connection, server_side=True).recv(1)
                    else:
                        context.wrap_socket(connection, server_side=True).close()
                connection.close()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
