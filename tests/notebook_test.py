"""Runs the notebooks of examples/ from top to bottom, as a newcomer would, and fails where a cell fails.

    python tests/notebook_test.py [NOTEBOOK...] [--output FOLDER]

Each has its time, and in the repository none has outputs: they are what it makes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

EXAMPLES = Path(__file__).parents[1] / "examples"
SECONDS = {"quickstart": 120, "scaling": 480}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", default=list(SECONDS), help=f"of {', '.join(SECONDS)}; all if left out")
    parser.add_argument("--output", type=Path, help="the folder where the executed notebooks go")
    options = parser.parse_args()
    return max(run(EXAMPLES / f"{name}.ipynb", SECONDS[name], options.output) for name in options.notebooks)


def run(path: Path, limit: float, output: Path | None) -> int:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any(cell.outputs or cell.execution_count for cell in code):
        print(f"{path.name}: has outputs. Clear them before it is committed.", file=sys.stderr)
        return 1

    began = time.monotonic()
    client = NotebookClient(notebook, timeout=limit, resources={"metadata": {"path": str(path.parent)}})
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if output:
            output.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, output / path.name)
    seconds = time.monotonic() - began
    if seconds > limit:
        print(f"{path.name}: {seconds:.0f} s, more than {limit:.0f}", file=sys.stderr)
        return 1
    print(f"{path.name}: {len(code)} cells in {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
