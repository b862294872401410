"""JupyterLab in a real browser: Debian's Chromium, headless, as a person would use it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()


def install(*packages: str) -> None:
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages], check=True)


@contextmanager
def browser(folder: Path, network: str = "") -> Iterator[Browser]:
    """A browser; within a network namespace if its file is named."""
    if not CHROMIUM.exists():
        install("chromium")
    program = folder / "chromium"
    enter = f"nsenter --net={network} " if network else ""
    program.write_text(f'#!/bin/sh\nexec {enter}{CHROMIUM} "$@"\n')
    program.chmod(0o755)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        try:
            yield started
        finally:
            started.close()


def open_lab(page: Page, address: str, seconds: float = 120) -> None:
    """Opens a page of JupyterLab and waits until its menu is there."""
    limit = time.monotonic() + seconds
    while True:  # the server may still be on its way
        try:
            page.goto(address, timeout=30_000)
            break
        except Exception:
            if time.monotonic() > limit:
                raise
            time.sleep(0.5)
    page.get_by_role("menuitem", name="Run", exact=True).wait_for(timeout=seconds * 1000)


def run_all(page: Page, read: Callable[[], str], seconds: float) -> list[dict]:
    """Runs the notebook on the page, by the menu, to its end; its code cells, as they were saved where `read` reads.

    An error in a cell ends it: Jupyter doesn't run those after it.
    """
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    limit = time.monotonic() + seconds
    while True:
        time.sleep(3)
        page.keyboard.press("Control+s")
        time.sleep(1)
        cells = code_cells(read())
        failed = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
        assert not failed, f"{failed[0]['ename']}: {failed[0]['evalue']}\n" + "\n".join(failed[0]["traceback"])
        if all(cell["execution_count"] for cell in cells):
            return cells
        done = sum(bool(cell["execution_count"]) for cell in cells)
        assert time.monotonic() < limit, f"after {seconds:.0f} s only {done} of {len(cells)} cells ran"


def code_cells(notebook: str) -> list[dict]:
    return [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]


def printed(cells: list[dict]) -> str:
    """All that the cells wrote."""
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell["outputs"])
