"""docs/deploy/slurm.md is followed literally: its code blocks, in order, on three nodes."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

from jobs import ROOT, Jobs

sys.path.insert(0, str(ROOT / "docs" / "extensions"))
from walks import RUN, Block, blocks

PAGE = ROOT / "docs" / "deploy" / "slurm.md"
SECONDS = 300.0  # for a block
OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_the_page_is_followed(jobs: Jobs, tmp_path: Path) -> None:
    bin_folder = tmp_path / ".bin"
    bin_folder.mkdir()
    for name, words in {"python": "", "ramet": "-m ramet "}.items():
        (bin_folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        (bin_folder / name).chmod(0o755)
    environment = {
        **jobs.environment,
        "PATH": f"{bin_folder}:{jobs.environment['PATH']}",
        "HOME": str(tmp_path),
        "DASK_JOBQUEUE__SLURM__INTERFACE": "lo",  # the nodes are on this machine
    }
    try:
        counts = [follow(block, tmp_path, environment) for block in blocks(PAGE)]
    finally:
        down = [str(bin_folder / "ramet"), "cluster", "down", "--slurm"]
        subprocess.run(down, env=environment, check=True, timeout=SECONDS)
    assert counts.count(True) >= 10
    print(f"{PAGE.name}: {counts.count(True)} blocks run, {counts.count(False)} not")


def follow(block: Block, folder: Path, environment: dict[str, str]) -> bool:
    """Whether it was run; a failure is an assertion with the page's line."""
    if block.file:
        (folder / block.file).write_text(block.text)
    if block.not_run or block.file or block.language not in RUN:
        return False
    program = folder / ".program.py"
    program.write_text(block.text)
    line = [sys.executable, str(program)] if block.language == "py" else ["bash", "-eo", "pipefail", "-c", block.text]
    done = subprocess.run(
        line,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == block.fails, f"{block.where}: exit code {done.returncode}\n{block.text}\n{done.stdout}"
    if block.prints is not None:
        same = doctest.OutputChecker().check_output(block.prints, done.stdout, OUTPUT)
        assert same, f"{block.where}\n{block.text}\nsays:\n{block.prints}\nprinted:\n{done.stdout}"
    return True
