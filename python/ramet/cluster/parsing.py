"""Command lines of the verbs that Python parses, in the words and with the help of those that the engine parses.

parser = Parser("ramet submit", "Example\n  ramet submit …")
parser.add_argument("--workers", type=count, metavar="N", help="…")
run_verb(lambda: work(parser.parse_args(arguments)))          # -> exit code
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from ramet.cluster.errors import ClusterError

DONE, WORLD, USAGE, STOPPED = 0, 1, 2, 130  # C1 of src/cli/command.h
_COLUMN = 36

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    f"{unit}i": 1024**power for power, unit in enumerate("kmgt", 1)
}


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_COLUMN, width=104)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """`-o,--out FILE`, as CLI11 writes it."""
        if not action.option_strings:
            return str(super()._format_action_invocation(action))
        names = ",".join(action.option_strings)
        return names if action.nargs == 0 else f"{names} {action.metavar or action.dest.upper()}"


class Parser(argparse.ArgumentParser):
    """A verb's command line. What `example` says stands above everything else in its help."""

    def __init__(self, prog: str, example: str, **options: Any) -> None:
        super().__init__(prog, allow_abbrev=False, add_help=False, formatter_class=_Help, **options)
        self._example = example
        self._positionals.title, self._optionals.title = "Positionals", "Options"
        self.add_argument("-h", "--help", action="help", help="Print this help message and exit")

    def format_help(self) -> str:
        usage = " ".join(filter(None, ["Usage:", self.prog, "[OPTIONS]", *map(_positional, self._positionals_of())]))
        body = super().format_help().split("\n\n", 1)[1]
        return f"{self._example}\n\n{usage}\n\n{body}\n"

    def _positionals_of(self) -> list[argparse.Action]:
        return [action for action in self._actions if not action.option_strings]

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument ([^:]*): ", lambda match: match[1].split("/")[-1] + ": ", message)
        message = re.sub(r"^the following arguments are required: ", "missing: ", message)
        print(f"ramet: {message.rstrip('.')}.\nSee `{self.prog} --help`.", file=sys.stderr)
        sys.exit(USAGE)


def _positional(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return "VERB"
    name = str(action.metavar or action.dest)
    return f"[{name}]" if action.nargs in ("?", "*") else name


def count(text: str) -> int:
    """A whole number of things, 0 included."""
    if not text.isascii() or not text.isdigit() or int(text) > 10_000:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 0 to 10000')
    return int(text)


def port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port. Use a number from 1 to 65535')
    return int(text)


def processors(text: str) -> str:
    """A number of processors as Kubernetes writes it: "2", "0.5", "500m"."""
    if not re.fullmatch(r"\d+(\.\d+)?|\d+m", text) or float(text.rstrip("m")) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of processors. Write, for example, 4 or 500m')
    return text


def quantity(text: str) -> str:
    """A size as Kubernetes writes it ("8Gi", "500M"); "8 GB" and "8GiB" are understood too."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmMgGtT]?i?)[bB]?", text.strip())
    if not match or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a size. Write, for example, 8Gi')
    unit = match[2].capitalize()
    return match[1] + ("k" if unit == "K" else unit)  # kilo is small, kibi is not


def bytes_of(text: str) -> float:
    """The bytes of a quantity as Kubernetes writes it; "500m" of something is half of one."""
    if re.fullmatch(r"\d+(\.\d+)?m", text):
        return float(text[:-1]) / 1000
    match = re.fullmatch(r"([0-9.eE+-]+)([kKMGT]?i?)", text)
    return float(match[1]) * _UNITS[match[2].lower()] if match else 0.0


def run_verb(work: Callable[[], int | None]) -> int:
    """Do the work of a verb. Errors become one message and an exit code, as the engine's do."""
    try:
        return work() or DONE
    except ClusterError as error:
        print(f"ramet: {error}", file=sys.stderr)
        return WORLD
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("kr8s", "httpx", "distributed", "dask"):
            raise
        print(f"ramet: {error.name} is not installed. Use pip install 'ramet[kubernetes]'.", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("ramet: stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        return WORLD
