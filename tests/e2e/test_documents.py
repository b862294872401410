"""docs/deploy is followed literally: its code blocks, command by command, on the real Kubernetes of these tests.

What a page says it prints, it must print; each page takes down what it put up. Blocks that cannot run here say why in
the page; how many were run, and how many not and why, is printed at the end.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from world import ROOT, World

sys.path.insert(0, str(ROOT / "docs" / "extensions"))
from walks import PAGES, RUN, Block, before, blocks

# The page on Slurm is followed by tests/slurm.
WALKED = [
    page for page in PAGES if page.stem != "slurm" and any(b.language in RUN and not b.not_run for b in blocks(page))
]
SECONDS = 420.0  # for a block
OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", WALKED, ids=lambda page: page.stem)
def test_a_page_is_followed(page: Path, reader: Reader, counted: Counter[str]) -> None:
    if setting := before(page):
        printed, code = reader.run(Block(page, 0, "bash", setting))
        assert code == 0, f"{page.name}: what it takes for granted\n{setting}\n{printed}"
    for block in blocks(page):
        if block.file:
            (reader.folder / block.file).write_text(block.text)
        elif block.language in RUN and not block.not_run:
            printed, code = reader.run(block)
            assert code == block.fails, f"{block.where}: exit code {code}\n{block.text}\n{printed}"
            if block.prints is not None:
                same = doctest.OutputChecker().check_output(block.prints, printed, OUTPUT)
                assert same, f"{block.where}\n{block.text}\nsays:\n{block.prints}\nprinted:\n{printed}"
            counted[f"{page.name}: run"] += 1
    assert counted[f"{page.name}: run"] > 0


@pytest.fixture(scope="module")
def counted(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """How many blocks were run, and how many of all pages not, and why; printed when all are through."""
    unrun = [block for page in PAGES if page.stem != "slurm" for block in blocks(page) if block.not_run]
    counts = Counter(f"{block.page.name}: not run: {block.not_run}" for block in unrun)
    yield counts
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join(f"{number:4} {what}" for what, number in sorted(counts.items())))


@dataclass
class Reader:
    """Somebody at a shell: a folder, an environment, and what they have exported so far."""

    folder: Path
    environment: dict[str, str]

    def run(self, block: Block) -> tuple[str, int]:
        """What a block prints, on both streams, and its exit code."""
        if block.language == "py":
            program = self.folder / ".program.py"
            program.write_text(block.text)
            return self._wait(["python", str(program)], block)
        # An interactive shell goes on after a failure; here the block ends, so that nothing fails unseen.
        state = self.folder / ".exported"
        state.touch()
        script = f"source {state}; trap 'export -p >{state}' EXIT; set -eo pipefail\n{block.text}"
        return self._wait(["bash", "-c", script], block)

    def _wait(self, line: list[str], block: Block) -> tuple[str, int]:
        log = self.folder / ".printed"
        with log.open("w") as printed:
            process = subprocess.Popen(
                line,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                if block.until:
                    self._await(process, log, block)
                    os.killpg(process.pid, signal.SIGINT)
                code = process.wait(SECONDS)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                print(log.read_text())
                raise
        return log.read_text(), 0 if block.until and code in (130, -signal.SIGINT) else code

    def _await(self, process: subprocess.Popen[bytes], log: Path, block: Block) -> None:
        assert block.until
        limit = time.monotonic() + SECONDS
        while block.until not in log.read_text():
            assert process.poll() is None, f"{block.where}: ended before it said {block.until}\n{log.read_text()}"
            assert time.monotonic() < limit, f"{block.where}: did not say {block.until}\n{log.read_text()}"
            time.sleep(0.2)


@pytest.fixture
def reader(page: Path, tmp_path: Path, world: World) -> Iterator[Reader]:
    """With a kubeconfig of their own, which a page may change; their namespaces are deleted when they have left."""
    config = tmp_path / ".kubeconfig"
    shutil.copyfile(world.environment["KUBECONFIG"], config)
    shell = {
        "PATH": f"{Path(sys.executable).parent}:{world.environment['PATH']}",
        "KUBECONFIG": str(config),
        "IMAGE": world.image,
        "COLUMNS": "160",
    }
    made = re.findall(r"^ *kubectl create namespace (\S+)", page.read_text(encoding="utf-8"), re.M)
    _delete(made, world)  # of a run that was cut off
    yield Reader(tmp_path, {**world.environment, **shell})
    _delete(made, world)


def _delete(namespaces: list[str], world: World) -> None:
    if namespaces:
        world.kubectl("delete", "namespace", *namespaces, "--ignore-not-found", "--timeout=180s")
