"""What a data policy did, as the diagnostics of an answer tell it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lotus_performance.engine.holdings import Holdings
from lotus_performance.engine.policies import AppliedPolicy, OutlierTest, find_outliers
from lotus_performance.engine.series import BoolArray, DateArray, FloatArray, date_texts
from lotus_performance.services.figures import Rounding

MAX_SAMPLES = 20
"""Outliers shown; all are counted."""


@dataclass(frozen=True)
class Tested:
    """Returns of one entity, and the days on which an outlier is told; without `position_id` those of the portfolio."""

    dates: DateArray
    returns: FloatArray
    is_told: BoolArray
    position_id: str | None = None


def tested_holdings(holdings: Holdings, returns: FloatArray, is_told: BoolArray) -> Iterator[Tested]:
    """Yield each of some holdings out of the returns of all their rows."""
    edges = holdings.first.tolist()
    for name, first, stop in zip(holdings.ids, edges[:-1], edges[1:], strict=True):
        yield Tested(holdings.values.perf_date[first:stop], returns[first:stop], is_told[first:stop], name)


def policy_effect(
    applied: AppliedPolicy, test: OutlierTest | None, entities: Iterable[Tested], rounding: Rounding
) -> dict[str, Any]:
    """Return the members `policy` and `samples` of the diagnostics."""
    outliers: list[dict[str, Any]] = []
    if test is not None:
        for entity in entities:
            outliers += _outliers(test, entity, rounding)
    return {
        "policy": {
            "overrides": {"applied_mv_count": applied.n_market_values, "applied_cf_count": applied.n_cash_flows},
            "ignored_days_count": applied.n_ignored_days,
            "outliers": {"flagged_rows": len(outliers)},
        },
        "samples": {"outliers": outliers[:MAX_SAMPLES]},
    }


def _outliers(test: OutlierTest, entity: Tested, rounding: Rounding) -> list[dict[str, Any]]:
    """Return every flagged day with its return and the distance from the median that it passes, in percent."""
    is_outlier, threshold = find_outliers(entity.returns, test)
    flagged = np.flatnonzero(is_outlier & entity.is_told)
    figures = zip(
        date_texts(entity.dates[flagged]),
        rounding.percent(entity.returns[flagged]).tolist(),
        rounding.percent(threshold[flagged]).tolist(),
        strict=True,
    )
    who = {} if entity.position_id is None else {"position_id": entity.position_id}
    return [who | {"date": date, "raw_return": figure, "threshold": limit} for date, figure, limit in figures]
