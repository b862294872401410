"""Tables and texts that the program itself says: its parameters, its losses and metrics, the help of its command.

```{parameters}
```
```{losses}
```
```{metrics}
```
```{command-help} train
```
"""

from __future__ import annotations

import inspect
import math
import re
import subprocess
import sys
import textwrap
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import ramet
from ramet import _core, _parameters


class _Table(SphinxDirective):
    """A table from a head and rows of Markdown."""

    head: tuple[str, ...] = ()
    classes = "ramet-table"

    def rows(self) -> list[tuple[str, ...]]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        def line(cells: tuple[str, ...]) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

        text = [line(self.head), "|" + "---|" * len(self.head), *map(line, self.rows())]
        holder = nodes.container(classes=[self.classes])
        self.state.nested_parse(StringList(text, source=self.env.docname), 0, holder)
        return [holder]


class Parameters(_Table):
    """Every model parameter: what an estimator calls it (and the flag, if another), default, range, meaning."""

    head = ("parameter", "default", "range", "what it is")

    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                self._names(info.name),
                _value(info.default),
                _range(info),
                _plain(info.help),
            )
            for info in _core.parameters()
        ]

    @staticmethod
    def _names(name: str) -> str:
        python_name = _parameters.TRANSLATED.get(name, name)
        return f"`{python_name}`" + (f" (`--{name}`)" if python_name != name else "")


class PythonParameters(_Table):
    """The parameters of the estimators that the engine does not have."""

    head = ("Python", "default", "classifier", "regressor")

    def rows(self) -> list[tuple[str, ...]]:
        signatures = [
            inspect.signature(estimator).parameters
            for estimator in (ramet.HistGradientBoostingClassifier, ramet.HistGradientBoostingRegressor)
        ]
        known = {_parameters.TRANSLATED.get(info.name, info.name) for info in _core.parameters()}
        names = dict.fromkeys(name for signature in signatures for name in signature if name not in known)
        rows = []
        for name in names:
            there = [name in signature for signature in signatures]
            default = signatures[there.index(True)][name].default
            rows.append((f"`{name}`", f"`{default!r}`", *("yes" if has else "–" for has in there)))
        return rows


class Losses(_Table):
    head = ("loss", "of")

    def rows(self) -> list[tuple[str, ...]]:
        return [(f"`{name}`", "classes" if classes else "numbers") for name, classes in _core.loss_names()]


class Metrics(_Table):
    head = ("metric", "of", "better")

    def rows(self) -> list[tuple[str, ...]]:
        return [
            (f"`{name}`", "classes" if classes else "numbers", "higher" if higher else "lower")
            for name, classes, higher in _core.metric_names()
        ]


class CommandHelp(Directive):
    """What `ramet VERB --help` prints."""

    optional_arguments = 2  # `cluster up`

    def run(self) -> list[nodes.Node]:
        command = [sys.executable, "-m", "ramet", *self.arguments, "--help"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        text = "\n".join(_wrapped(line) for line in text.rstrip().splitlines())
        return [nodes.container("", nodes.literal_block(text, text, language="text"), classes=["ramet-help"])]


def _wrapped(line: str, width: int = 98) -> str:
    """A line of help, with what is too long below its second column."""
    start = re.match(r"\s*\S.*?\s{2,}(?=\S)", line) or re.match(r"\s*", line)
    indent = " " * (start.end() if start else 0)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False) if len(line) > width else line


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f"`{value}`" if value else "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _range(info: _core.ParameterInfo) -> str:
    if isinstance(info.default, str | bool):
        return ""
    above = 0 < info.minimum < 1e-300
    low = "> 0" if above else f"{info.minimum:,g}"
    if math.isinf(info.maximum):
        return low if above else f"≥ {low}"
    high = f"{info.maximum:,g}" if info.maximum < 1e6 else _power(info.maximum)
    return f"{low}, ≤ {high}" if above else f"{low} – {high}"


def _power(value: float) -> str:
    mantissa, exponent = f"{value:e}".split("e")
    factor = "" if float(mantissa) == 1 else f"{float(mantissa):g}·"
    return f"{factor}10{str(int(exponent)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _plain(text: str) -> str:
    for character in "[]*_{}":
        text = text.replace(character, "\\" + character)
    return text


def setup(app: Sphinx) -> dict[str, bool]:
    for name, directive in {
        "parameters": Parameters,
        "python-parameters": PythonParameters,
        "losses": Losses,
        "metrics": Metrics,
        "command-help": CommandHelp,
    }.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
