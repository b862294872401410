"""What the image is, and that whoever runs it in whichever way gets the laptop's model."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ARCHIVE, ROOT, VERSION
from container import Container, Image, volume

SOMEBODY = 1_000_680_000  # as OpenShift numbers its users
MEGABYTES = 350  # of all layers, compressed
Start = Callable[..., Container]


def output(started: Container, seconds: float = 120) -> str:
    code = started.wait(seconds)
    assert code == 0, f"exit code {code}: {started.log}"
    return started.log


def test_what_runs_is_not_root_and_the_name_is_the_release_s(image: Image) -> None:
    how = image.config["config"]
    assert how["User"] == "1000"
    assert how["Entrypoint"] == ["tini", "--"] and how["Cmd"] == ["ramet-notebook"]
    assert how["WorkingDir"] == "/home/jovyan" and "8888/tcp" in how["ExposedPorts"]
    assert image.name == f"localhost/ramet:{VERSION}"


def test_it_is_small(image: Image) -> None:
    assert image.size < MEGABYTES * 1e6
    assert ARCHIVE.stat().st_size < 1.01 * MEGABYTES * 1e6


def test_nobody_but_root_may_change_a_program(image: Image) -> None:
    """Where a container's root is writable, its user still can't change what the next process runs."""
    wrong = []
    for folder, _, files in os.walk(image.root):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            there = path.lstat()
            inside = "/" + str(path.relative_to(image.root))
            if stat.S_ISLNK(there.st_mode) or inside.startswith(
                ("/dev", "/tmp", "/var/tmp", "/home/jovyan", "/run/lock")
            ):
                continue
            if (
                there.st_uid != 0
                or there.st_mode & stat.S_IWOTH
                or (there.st_mode & stat.S_IWGRP and there.st_gid == 0)
            ):
                wrong.append(inside)
    assert not wrong


def test_there_is_no_secret(image: Image) -> None:
    for folder in ("root", "home", "tmp_home", "opt/ramet/etc", "etc"):
        for path in (image.root / folder).rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert b"PRIVATE KEY" not in path.read_bytes(), path
    assert not [line for line in (image.root / "etc/shadow").read_text().splitlines() if line.split(":")[1] not in "*!"]


@pytest.mark.parametrize("user", [1000, SOMEBODY])
def test_the_commands_are_there_for_any_user(start: Start, user: int) -> None:
    commands = ["python", "dask", "ramet", "jupyter", "dask-scheduler", "dask-worker"]
    line = " && ".join(f"{name} --version" for name in commands) + " && id -u"
    said = output(start(command=["sh", "-c", line], user=user))
    assert f"ramet {VERSION}" in said and said.endswith(f"{user}\n")


def test_nothing_is_missing_that_a_package_needs(start: Start) -> None:
    """After what was taken out: each package finds its dependencies, and what is compiled can be loaded."""
    load = """
import importlib, pathlib, sys, sysconfig
packages = pathlib.Path(sysconfig.get_path("purelib"))
suffix = sysconfig.get_config_var("EXT_SUFFIX")
for path in sorted(packages.rglob("*" + suffix)):
    name = ".".join(path.relative_to(packages).parts).removesuffix(suffix)
    if "_vendored" in name or "_pydevd" in name:
        continue  # a debugger puts these on its path
    try:
        importlib.import_module(name)
    except ImportError as error:
        if "undefined symbol" in str(error) or "cannot open shared object" in str(error):
            raise
import s3fs, polars, bokeh.server.server, jupyter_server_proxy, matplotlib.pyplot, nbconvert, jedi, sklearn.inspection
import botocore.session; botocore.session.get_session().create_client("s3", region_name="eu-west-1")
print("loaded")
"""
    assert output(start(command=["sh", "-c", "pip check && python -c '" + load + "'"])).endswith("loaded\n")


def test_the_model_is_the_laptop_s_alone_and_on_dask(start: Start, tmp_path: Path) -> None:
    """A scheduler and a worker by their old names, whose nanny starts a process; a user that has no name; no home."""
    script = tmp_path / "script"
    script.mkdir(mode=0o755)
    (script / "train.py").write_text((ROOT / "tests/image/train.py").read_text())
    here = subprocess.run([sys.executable, script / "train.py"], check=True, capture_output=True, text=True).stdout
    volumes = {"/script": script}
    assert output(start(command=["python", "/script/train.py"], user=SOMEBODY, volumes=volumes)) == here
    line = """
dask-scheduler --host 127.0.0.1 --port 8786 --no-dashboard >/tmp/scheduler 2>&1 &
dask-worker tcp://127.0.0.1:8786 --nthreads 1 --memory-limit 2GB --no-dashboard >/tmp/worker 2>&1 &
python /script/train.py tcp://127.0.0.1:8786 || cat /tmp/scheduler /tmp/worker
"""
    assert output(start(command=["bash", "-c", line], user=SOMEBODY, volumes=volumes)).endswith(here)


def test_it_ends_when_it_is_told_to(start: Start, tmp_path: Path) -> None:
    """tini passes the signal on, and the server ends: a pod needs no kill."""
    started = start(user=SOMEBODY, volumes={"/home/jovyan": volume(tmp_path / "home")})
    started.wait_for("is running at")
    started.terminate()
    assert started.wait(20) in (0, 143)


def test_a_home_that_is_not_empty_is_left_alone(start: Start, tmp_path: Path) -> None:
    home = volume(tmp_path / "home")
    (home / "mine.txt").write_text("mine")
    start(user=SOMEBODY, volumes={"/home/jovyan": home}).wait_for("is running at")
    assert (home / "mine.txt").read_text() == "mine" and not (home / "examples").exists()
