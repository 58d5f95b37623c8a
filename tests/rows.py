"""Rows of values and flows for tests of the engine."""

from typing import Any

import numpy as np

from lotus_performance.engine.holdings import Holdings, stack
from lotus_performance.engine.series import MONEY, DailyValues, order_by_date

Row = tuple[Any, ...]
"""Date, begin_mv, end_mv, then bod_cf, eod_cf and mgmt_fees, 0 where left out."""


def values_of(rows: list[Row]) -> DailyValues:
    cells = np.array([(*row[1:], 0.0, 0.0, 0.0)[:5] for row in rows], dtype=float).reshape(-1, 5).T
    names = ("begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees")
    dates = np.array([row[0] for row in rows], dtype="M8[D]")
    return order_by_date(dates, dict(zip(names, cells, strict=True)), ("valuation_points",))


def holdings_of(positions: dict[str, list[Row]], labels: dict[str, dict[str, str]] | None = None) -> Holdings:
    """Return positions, by identity, as one stack."""
    parts = [values_of(rows) for rows in positions.values()]
    return stack(
        list(positions),
        [(labels or {}).get(name, {}) for name in positions],
        [("positions_data", i, "valuation_points") for i in range(len(positions))],
        np.array([len(part) for part in parts]),
        np.concatenate([part.perf_date for part in parts]),
        {name: np.concatenate([getattr(part, name) for part in parts]) for name in MONEY},
    )
