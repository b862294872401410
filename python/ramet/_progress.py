"""How progress is shown: an HTML bar in notebooks, rich in terminals, lines of text elsewhere."""

from __future__ import annotations

import html
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ramet._core import RoundReport, TrainResult


class Display(Protocol):
    def update(self, report: RoundReport) -> None: ...
    def close(self, result: TrainResult | None) -> None: ...


def make_display(style: str, every_round: bool, first_round: int, rounds: int) -> Display:
    """The display of `style`, or the best that there is here."""
    if style == "auto":
        style = "notebook" if _in_notebook() else "terminal" if _is_terminal() else "text"
    if style == "notebook":
        return _NotebookBar(first_round)
    if style == "terminal":
        try:
            return _TerminalBar(first_round, rounds)
        except ImportError:
            pass
    return _Lines(first_round, every_round)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell" and hasattr(shell, "kernel")


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def duration(seconds: float) -> str:
    """`seconds` for people: "0.4 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def seconds_left(report: RoundReport, first_round: int) -> float | None:
    """Remaining time if rounds go on as they went on average; None before the first."""
    done = report.round - first_round
    return report.seconds / done * (report.rounds - report.round) if done > 0 else None


def metrics_text(report: RoundReport, limit: int = 3) -> str:
    """The first values: "validation auc 0.8123, train auc 0.8456"."""
    items = list(report.values.items())
    shown = [f"{set_name} {metric} {value:.5g}" for (set_name, metric), value in items[:limit]]
    return ", ".join(shown + (["…"] if len(items) > limit else []))


def summary(report: RoundReport | None, result: TrainResult | None, first_round: int) -> str:
    """The last line: how it ended."""
    if report is None:
        return ""
    rounds = report.round - first_round
    text = f"{rounds} {'round' if rounds == 1 else 'rounds'} in {duration(report.seconds)}"
    if result is None:
        return text + ", interrupted"
    if result.stopped_early:
        return text + f", stopped early (best: round {result.best_round})"
    return text + (", stopped by a callback" if result.stopped else "")


class _Lines:
    """About ten lines in all, the first round's among them, and one whenever `PATIENCE` seconds have passed."""

    PATIENCE = 5.0

    def __init__(self, first_round: int, every_round: bool) -> None:
        self._first_round = first_round
        self._every_round = every_round
        self._next_round = first_round
        self._next_second = 0.0
        self._last: RoundReport | None = None
        self._printed = -1

    def update(self, report: RoundReport) -> None:
        self._last = report
        if not (self._every_round or report.round >= self._next_round or report.seconds >= self._next_second):
            return
        self._print(report)
        step = max(1, (report.rounds - self._first_round) // 10)
        self._next_round = self._first_round + ((report.round - self._first_round) // step + 1) * step
        self._next_second = report.seconds + self.PATIENCE

    def close(self, result: TrainResult | None) -> None:
        if self._last is not None and self._last.round != self._printed:
            self._print(self._last)
        if text := summary(self._last, result, self._first_round):
            print(text, file=sys.stderr, flush=True)

    def _print(self, report: RoundReport) -> None:
        self._printed = report.round
        width = len(str(report.rounds))
        parts = [f"round {report.round:{width}d}/{report.rounds}", metrics_text(report), duration(report.seconds)]
        if (left := seconds_left(report, self._first_round)) is not None and report.round < report.rounds:
            parts.append(f"{duration(left)} left")
        print("   ".join(part for part in parts if part), file=sys.stderr, flush=True)


class _TerminalBar:
    """A bar by rich."""

    def __init__(self, first_round: int, rounds: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._first_round = first_round
        self._last: RoundReport | None = None
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.fields[rounds]}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),  # goes on within a slow round
            TextColumn("{task.fields[left]}", style="progress.remaining"),
            TextColumn("{task.fields[metrics]}", style="progress.percentage", markup=False),
            console=self._console,
        )
        fields: dict[str, Any] = {"rounds": f"{first_round}/{rounds}", "left": "", "metrics": ""}
        self._task = self._bar.add_task("", total=rounds - first_round, **fields)
        self._bar.start()

    def update(self, report: RoundReport) -> None:
        self._last = report
        width = len(str(report.rounds))
        left = seconds_left(report, self._first_round)
        fields: dict[str, Any] = {
            "rounds": f"{report.round:{width}d}/{report.rounds}",
            "left": f"{duration(left)} left" if left is not None and report.round < report.rounds else "",
            "metrics": metrics_text(report),
        }
        self._bar.update(self._task, completed=report.round - self._first_round, **fields)

    def close(self, result: TrainResult | None) -> None:
        self._bar.stop()
        if text := summary(self._last, result, self._first_round):
            self._console.print(text, highlight=False)


class _NotebookBar:
    """An HTML bar that IPython's display replaces in place; it needs no widgets."""

    SECONDS_BETWEEN = 0.1

    def __init__(self, first_round: int) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._first_round = first_round
        self._last: RoundReport | None = None
        self._shown = time.monotonic()
        self._handle: Any = display(HTML("preparing…"), display_id=True)  # type: ignore[no-untyped-call]

    def update(self, report: RoundReport) -> None:
        self._last = report
        if time.monotonic() - self._shown >= self.SECONDS_BETWEEN or report.round == self._first_round + 1:
            left = seconds_left(report, self._first_round)
            self._show(f"{duration(report.seconds)}, {duration(left)} left" if left is not None else "")

    def close(self, result: TrainResult | None) -> None:
        if self._last is not None:
            self._show(summary(self._last, result, self._first_round))
        else:
            self._handle.update(self._html(""))

    def _show(self, text: str) -> None:
        self._shown = time.monotonic()
        if self._handle is not None and self._last is not None:
            self._handle.update(self._html(bar_html(self._last, self._first_round, text)))


def bar_html(report: RoundReport, first_round: int, text: str) -> str:
    """A bar, its rounds, a text and the metrics, in one line."""
    done, total = report.round - first_round, report.rounds - first_round
    cells = [f"{report.round}/{report.rounds}", text, metrics_text(report)]
    words = " &nbsp; ".join(html.escape(cell) for cell in cells if cell)
    return (
        '<div style="display:flex;align-items:center;gap:.8em;font-variant-numeric:tabular-nums">'
        f'<progress value="{done}" max="{max(total, 1)}" style="width:16em" aria-label="training"></progress>'
        f"<span>{words}</span></div>"
    )
