"""Timing that stands noise, and the table of figures with their bounds."""

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measured figure, and the bound that it must keep."""

    what: str
    figure: float
    at_most: float | None = None
    at_least: float | None = None
    aim: float | None = None
    detail: str = ""

    @property
    def is_kept(self) -> bool:
        return (self.at_most is None or self.figure <= self.at_most) and (
            self.at_least is None or self.figure >= self.at_least
        )

    def cells(self) -> list[str]:
        bound = "" if self.at_most is None else f"<= {self.at_most:g}"
        bound = bound if self.at_least is None else f">= {self.at_least:g}"
        aim = "" if self.aim is None else f"{self.aim:g}"
        verdict = "" if not bound else "kept" if self.is_kept else "BROKEN"
        return [self.what, f"{self.figure:.3g}", bound, aim, verdict, self.detail]


def cpu_seconds(calls: Mapping[str, Callable[[], object]], rounds: int, budget: float = 20.0) -> dict[str, float]:
    """Return the least CPU time of each call, their rounds taken in turns, at least three and within a budget.

    CPU time of this thread does not count the waiting for other processes, and the least of many rounds is the one
    that they disturbed least.
    """
    least = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    end = time.monotonic() + budget
    for done in range(rounds):
        if done >= 3 and time.monotonic() > end:
            break
        gc.collect()
        for name, call in calls.items():
            start = time.thread_time()
            call()
            least[name] = min(least[name], time.thread_time() - start)
    return least


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in markdown, its columns in line."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
