"""The walks of docs/deploy: pages whose code blocks are run literally, from top to bottom, on a real cluster.

    page.md ──blocks──► bash, py, yaml, text ──run──► as the page says, or an error with its line

A `bash` block is pasted into a shell that stays open for the page; a `py` block is a program of its own; a `text` block
right below one of them is what it prints, where `...` stands for any text. A comment above a block says how it is run:

    <!-- file: storage.yaml -->       the block is saved under that name, in the page's working folder
    <!-- fails: 1 -->                 the command ends with this exit code
    <!-- until: Ctrl-C -->            the command stays; once it has printed these words, Ctrl-C is pressed
    <!-- not run: a cloud's account --> with the reason: shown to the reader, counted and printed by the test

A page that takes something for granted says what, once, and how the test makes it: `<!-- before: COMMANDS -->`.

Other languages than these, and text that belongs to no command, are shown only. Three tests use this: tests/deploy
(every block is run, checked, or says why not; the chart takes the values), python/tests (options exist), tests/e2e.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RUN = ("bash", "py")
PAGES = sorted((Path(__file__).parents[1] / "deploy").glob("*.md"))
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S)
_COMMENT = re.compile(r"<!-- (?P<key>not run|file|fails|until): (?P<value>[^>]*?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """A block of code: where it is, what it is, how it is run, and what it then prints (None: not said)."""

    page: Path
    line: int
    language: str
    text: str
    file: str | None = None
    fails: int = 0
    until: str | None = None
    not_run: str | None = None
    prints: str | None = None

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The command lines of a bash block, continuations joined, comments and documents (<<) left out."""
        text = re.sub(r"<<-?\s*'?(\w+)'?([^\n]*)\n.*?^\s*\1$", r"\2", self.text, flags=re.M | re.S)
        lines = text.replace("\\\n", " ").splitlines()
        return [line for raw in lines if (line := re.sub(r"(^|\s)#.*$", "", raw).strip())]


def before(page: Path) -> str:
    """The commands that make what the page takes for granted."""
    found = re.search(r"<!-- before:(.*?)-->", page.read_text(encoding="utf-8"), re.S)
    return found[1].strip() if found else ""


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in order, each with the output that follows it."""
    source = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(source):
        between = source[end : fence.start()]
        indent = fence["indent"]
        text = "".join(line.removeprefix(indent) for line in fence["text"].splitlines(keepends=True))
        if fence["language"] == "text" and not between.strip() and found and found[-1].language in RUN:
            found[-1] = Block(**{**vars(found[-1]), "prints": text})
        else:
            how = _comments(between)
            line = source.count("\n", 0, fence.start()) + 1
            found.append(Block(page=page, line=line, language=fence["language"], text=text, **how))
        end = fence.end()
    return found


def _comments(between: str) -> dict[str, str | int]:
    how: dict[str, str | int] = {}
    while comment := _COMMENT.search(between):
        key = comment["key"].replace(" ", "_")
        how[key] = int(comment["value"]) if key == "fails" else comment["value"]
        between = between[: comment.start()]
    return how
