"""Runs examples/quickstart.ipynb from top to bottom, as a newcomer would, and fails where a cell fails.

    python tests/notebook_test.py [--output executed.ipynb]

It must take less than two minutes, and the notebook in the repository must carry no outputs: they are what it makes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"
SECONDS = 120


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="where the executed notebook goes")
    options = parser.parse_args()

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any(cell.outputs or cell.execution_count for cell in code):
        print(f"{NOTEBOOK.name}: has outputs. Clear them before it is committed.", file=sys.stderr)
        return 1

    began = time.monotonic()
    client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if options.output:
            nbformat.write(notebook, options.output)
    seconds = time.monotonic() - began
    if seconds > SECONDS:
        print(f"{NOTEBOOK.name}: {seconds:.0f} s, more than {SECONDS}", file=sys.stderr)
        return 1
    print(f"{NOTEBOOK.name}: {len(code)} cells in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
