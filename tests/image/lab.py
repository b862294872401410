"""JupyterLab in a real browser: Debian's Chromium, headless, as a person would use it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()


@contextmanager
def browser(folder: Path, network: str = "") -> Iterator[Browser]:
    """A browser; within a network namespace if its file is named."""
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


def run_all(page: Page, file: Path, seconds: float) -> list[dict]:
    """Runs the notebook on the page, by the menu, to its end; its code cells, as they were saved into `file`.

    An error in a cell ends it: Jupyter doesn't run those after it.
    """
    page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    limit = time.monotonic() + seconds
    while True:
        time.sleep(3)
        page.keyboard.press("Control+s")
        time.sleep(1)
        cells = code_cells(file)
        failed = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
        assert not failed, f"{failed[0]['ename']}: {failed[0]['evalue']}\n" + "\n".join(failed[0]["traceback"])
        if all(cell["execution_count"] for cell in cells):
            return cells
        done = sum(bool(cell["execution_count"]) for cell in cells)
        assert time.monotonic() < limit, f"after {seconds:.0f} s only {done} of {len(cells)} cells ran"


def code_cells(file: Path) -> list[dict]:
    return [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == "code"]


def printed(cells: list[dict]) -> str:
    """All that the cells wrote."""
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell["outputs"])
