"""Timing that stands noise, and the table of figures with their bounds."""

import gc
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """What a figure must keep, and what it should."""

    at_most: float = math.inf
    at_least: float = -math.inf
    aim: float | None = None

    def __str__(self) -> str:
        parts = [f"<= {self.at_most:g}"] if self.at_most < math.inf else []
        parts += [f">= {self.at_least:g}"] if self.at_least > -math.inf else []
        parts += [f"aim {self.aim:g}"] if self.aim is not None else []
        return ", ".join(parts)


NONE = Bound()


@dataclass(frozen=True)
class Row:
    """One measured figure, its bound, and the times behind it."""

    what: str
    figure: float
    bound: Bound = NONE
    detail: str = ""

    @property
    def is_kept(self) -> bool:
        return self.bound.at_least <= self.figure <= self.bound.at_most

    def cells(self) -> list[str]:
        verdict = "" if self.bound == NONE else "kept" if self.is_kept else "BROKEN"
        return [self.what, f"{self.figure:.3g}", str(self.bound), verdict, self.detail]


def cpu_seconds(calls: Mapping[str, Callable[[], object]], rounds: int, budget: float = 20.0) -> dict[str, float]:
    """Return the least CPU time of each call, the calls taken in turns for some rounds, three at least in a budget.

    CPU time of this thread leaves out the waiting for other processes; the least of many rounds is the one that they
    disturbed least.
    """
    for call in calls.values():
        call()
    gc.collect()
    least = dict.fromkeys(calls, math.inf)
    end = time.monotonic() + budget
    for done in range(rounds):
        if done >= 3 and time.monotonic() > end:
            break
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
