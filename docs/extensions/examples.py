"""The examples of a page of documentation, run in order in one namespace.

    page.md ──parse──► ```python and ```console blocks ──run──► as the page says, or an error with its line

Python blocks are doctests (or plain programs); console blocks are commands after ``$``, with their output. `...` stands
for any text. Other languages (``bash``, ``cmake``, …) are shown and not run. The documentation's build draws its
pictures from the same runs.
"""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path

from sybil import Document, Example
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

import ramet

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def parse(page: Path) -> Document:
    """The page's examples."""
    return Document.parse(str(page), PythonCodeBlockParser(doctest_optionflags=_FLAGS), _console())


def run_page(page: Path) -> int:
    """Runs all examples of a page in the working folder, and returns how many there were."""
    count = 0
    for example in parse(page).examples():
        example.evaluate()
        count += 1
    return count


def _console() -> CodeBlockParser:
    return CodeBlockParser(language="console", evaluator=_evaluate_console)


def _evaluate_console(example: Example) -> str | None:
    """Runs each `$ command` and compares what it prints with the lines below it."""
    for command, expected in _commands(example.parsed):
        got = _run(command)
        if not doctest.OutputChecker().check_output(expected, got, _FLAGS):
            return f"$ {command}\nexpected:\n{expected}\ngot:\n{got}"
    return None


def _commands(text: str) -> list[tuple[str, str]]:
    commands: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], ""))
        elif commands and commands[-1][0].endswith("\\"):
            commands[-1] = (commands[-1][0][:-1] + line.strip(), "")
        elif commands:
            commands[-1] = (commands[-1][0], commands[-1][1] + line + "\n")
    return commands


def _run(command: str) -> str:
    """What a command prints on its standard output; if it fails, errors too. `ramet` is this Python's."""
    prelude = f'ramet() {{ "{sys.executable}" -m ramet "$@"; }}\n'
    package = str(Path(ramet.__file__).parents[1])
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONPATH": package}
    done = subprocess.run(
        ["bash", "-c", prelude + command], capture_output=True, text=True, env=environment, check=False
    )
    return done.stdout + (done.stderr if done.returncode else "")
