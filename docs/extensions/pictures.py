"""Pictures of the page's own examples, drawn when the site is built.

    ```python
    >>> ax = plot_importance(model)
    ```
    ```{picture} What the picture shows, for those who cannot see it.
    ```
    ```{shown} model
    ```

`picture` runs the page's Python blocks as far as itself and shows the figure that the last block drew, once for light
pages and once for dark ones. `shown` shows an expression as a notebook would.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from docutils import nodes
from matplotlib import pyplot
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sybil.example import SybilFailure

import examples

matplotlib.use("Agg")

_CLEAR = {"figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none"}
_LIGHT = ["default", {"svg.hashsalt": "ramet", **_CLEAR}]
_DARK = ["default", "dark_background", {"svg.hashsalt": "ramet", **_CLEAR}]


class Page:
    """A page's examples, run as far as asked, in a folder of their own."""

    def __init__(self, path: Path) -> None:
        document = examples.parse(path)
        self.pictures = 0
        self._namespace = document.namespace
        self._examples = list(document.examples())
        self._next = 0
        self._lines = path.read_text(encoding="utf-8").splitlines()
        self._folder = tempfile.TemporaryDirectory()

    def draw(self, line: int, style: list[Any]) -> Figure:
        """The figure that the last block before `line` draws in this style."""
        first = max(i for i, text in enumerate(self._lines[: line - 1], start=1) if text.startswith("```python"))
        self._run_until(first)
        with self._inside(), pyplot.style.context(style):
            pyplot.close("all")
            for example in self._examples[self._next :]:
                if example.line < line:
                    example.evaluate()
            if not pyplot.get_fignums():
                raise RuntimeError(f"the block at line {first} draws no figure")
            return pyplot.gcf()

    def evaluate(self, line: int, expression: str) -> Any:
        """The value of an expression, once what stands before `line` has run."""
        self._run_until(line)
        with self._inside():
            return eval(expression, self._namespace)

    def _run_until(self, line: int) -> None:
        with self._inside():
            while self._next < len(self._examples) and self._examples[self._next].line < line:
                self._examples[self._next].evaluate()
                self._next += 1

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        before = Path.cwd()
        os.chdir(self._folder.name)
        try:
            yield
        finally:
            os.chdir(before)


class _OfPage(SphinxDirective):
    def page(self) -> Page:
        pages: dict[str, Page] = self.env.temp_data.setdefault("ramet_pages", {})
        path = self.env.doc2path(self.env.docname)
        if path not in pages:
            pages[path] = Page(Path(path))
        return pages[path]

    def ran(self, run: Callable[..., Any], *arguments: Any) -> Any:
        """The value of `run`; an example that fails is an error of the page."""
        try:
            return run(*arguments)
        except (SybilFailure, RuntimeError) as error:
            raise self.error(str(error)) from error


class Picture(_OfPage):
    required_arguments = 1  # what it shows, in words
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        page = self.page()
        page.pictures += 1
        folder = Path(self.env.app.outdir) / "_images"
        folder.mkdir(parents=True, exist_ok=True)
        shown: list[nodes.Node] = []
        for name, style in (("light", _LIGHT), ("dark", _DARK)):
            figure = self.ran(page.draw, self.lineno, style)
            file = f"{self.env.docname.replace('/', '-')}-{page.pictures}-{name}.svg"
            with pyplot.style.context(style):
                figure.savefig(folder / file, metadata={"Date": None}, bbox_inches="tight")
            up = "../" * self.env.docname.count("/")
            width = figure.get_figwidth() * 72
            html = (
                f'<img class="only-{name} ramet-picture" src="{up}_images/{file}" loading="lazy" '
                f'alt="{escape(self.arguments[0])}" style="width:{width:.0f}pt;min-width:{0.6 * width:.0f}pt">'
            )
            shown.append(nodes.raw("", html, format="html"))
        pyplot.close("all")
        return [
            nodes.raw("", '<div class="ramet-scroll">', format="html"),
            *shown,
            nodes.raw("", "</div>", format="html"),
        ]


class Shown(_OfPage):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        value = self.ran(self.page().evaluate, self.lineno, self.arguments[0])
        html = value._repr_mimebundle_()["text/html"] if hasattr(value, "_repr_mimebundle_") else value._repr_html_()
        return [nodes.raw("", f'<div class="ramet-scroll">{html}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("picture", Picture)
    app.add_directive("shown", Shown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
