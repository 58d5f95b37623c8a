"""Weights and returns of groups for tests of attribution."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lotus_performance.engine.attribution import (
    Attribution,
    LevelEffects,
    Method,
    PeriodAttribution,
    attribution,
    of_groups,
)
from lotus_performance.engine.periods import Frequency, Window
from lotus_performance.engine.segments import Key, Observations, refuse_repeats

Cell = tuple[float, ...] | None
"""Weight and return, then the return in the group's own currency and that of the currency; None: not there."""

Side = Mapping[str | Key, Cell | Sequence[Cell]]
"""Cells of each group, day by day; a single one stands for a single day."""

FIRST_DAY = np.datetime64("2025-01-06")
DAILY = Frequency.DAILY


def days(n: int) -> list[str]:
    return [str(FIRST_DAY + i) for i in range(n)]


def key_of(name: str | Key) -> Key:
    return (name,) if isinstance(name, str) else name


def observations(side: Side, dates: Sequence[str] | None = None, place: str = "groups") -> Observations:
    series = {key_of(name): [cells] if _is_cell(cells) else list(cells or ()) for name, cells in side.items()}
    dates = dates or days(max(map(len, series.values())))
    rows: list[tuple[Any, ...]] = []
    for i, cells in enumerate(series.values()):
        there = [(date, cell) for date, cell in zip(dates, cells, strict=False) if cell is not None]
        rows += [(i, row, date, *cell, *(cell[1], 0.0)[len(cell) - 2 :]) for row, (date, cell) in enumerate(there)]
    group, row, date, weight, returns, local, fx = zip(*rows, strict=True)
    made = Observations(
        keys=tuple(series),
        places=tuple((place, i, "observations") for i in range(len(series))),
        group=np.array(group),
        row=np.array(row),
        date=np.array(date, dtype="M8[D]"),
        weight=np.array(weight, dtype=float),
        returns=np.array(returns, dtype=float),
        local=np.array(local, dtype=float),
        fx=np.array(fx, dtype=float),
    )
    refuse_repeats(made)
    return made


def _is_cell(cells: Any) -> bool:
    return cells is not None and len(cells) > 0 and isinstance(cells[0], int | float)


def window(start: str = "2025-01-01", end: str = "2025-12-31", label: str = "W") -> Window:
    return Window(label, (), np.datetime64(start), np.datetime64(end))


def compare_groups(
    portfolio: Side,
    benchmark: Side,
    *windows: Window,
    dates: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    is_local: bool = False,
    with_currencies: bool = False,
    fail_fast: bool = False,
    **method: Any,
) -> Attribution:
    mine, theirs = observations(portfolio, dates), observations(benchmark, dates, "benchmark")
    keys = sorted({*mine.keys, *theirs.keys})
    return attribution(
        of_groups(mine, keys, is_local=is_local),
        theirs,
        keys,
        names or [f"level{i}" for i in range(len(keys[0]))],
        windows or [window("2000-01-01", "2030-12-31")],
        Method(**{"frequency": DAILY, **method}),
        is_local=is_local,
        with_currencies=with_currencies,
        fail_fast=fail_fast,
    )


def period_of(portfolio: Side, benchmark: Side, **options: Any) -> PeriodAttribution:
    (period,) = compare_groups(portfolio, benchmark, **options).periods
    return period


def effects_of(level: LevelEffects) -> dict[Key, tuple[float, float, float]]:
    """Return allocation, selection and interaction of each group."""
    columns = (level.allocation.tolist(), level.selection.tolist(), level.interaction.tolist())
    return dict(zip(level.keys, zip(*columns, strict=True), strict=True))


def leaf_effects(period: PeriodAttribution) -> dict[Key, tuple[float, float, float]]:
    """Return the effects of the groups of the last level, whatever their parents."""
    names = period.levels[-1].names
    return {key: each for level in period.levels if level.names == names for key, each in effects_of(level).items()}
