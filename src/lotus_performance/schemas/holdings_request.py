"""What requests share that divide the return of a portfolio among its holdings."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from marshmallow import validates_schema

from lotus_performance.engine.fx import CurrencyMode
from lotus_performance.engine.requests import PrecisionMode
from lotus_performance.engine.series import MONEY, DailyValues, IntArray, order_by_date
from lotus_performance.errors import Fault, PrecisionModeUnsupportedError, WindowReversedError
from lotus_performance.schemas.base import PeriodsRequestSchema, refuse
from lotus_performance.schemas.fields import Date

MAX_LEVELS = 16
MOST_TESTED = 1000
"""Rows times rows before them, in numbers of the longest series, that a test for outliers looks at."""


class HoldingsRequestSchema(PeriodsRequestSchema):
    """Request about a portfolio and its holdings, or groups of them."""

    NEVER_EFFECTIVE: ClassVar = (
        "output.include_timeseries",
        "output.include_cumulative",
        "output.top_n",
        "calendar.type",
        "calendar.trading_calendar",
        "annualization.enabled",
        "annualization.basis",
        "annualization.periods_per_year",
        "annualization.allow_short_periods",
    )

    report_start_date = Date(
        required=True, metadata={"description": "Start of EXPLICIT periods that bring none; no other is cut to it."}
    )

    @validates_schema(skip_on_field_errors=True)
    def require_report_currency(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Require the currency into which holdings are converted."""
        if data["currency_mode"] is CurrencyMode.BOTH and "report_ccy" not in data:
            raise refuse(["report_ccy"], "is required: currency_mode BOTH converts into it", "missing")

    def bound(self, place: Sequence[str], count: int, most: int, what: str) -> None:
        """Refuse a member that asks for more than `most` times the longest series."""
        limit = most * self.limits.max_rows
        if count > limit:
            raise refuse(place, f"asks for {count} {what}; at most {limit} are allowed", "too_many")

    def bound_tested(self, data: Mapping[str, Any], n_holding_rows: IntArray) -> None:
        """Bound the rows that are tested for outliers."""
        outliers = data["data_policy"]["outliers"]
        n_sent = np.append(n_holding_rows, len(data["portfolio_data"]["valuation_points"]["perf_date"]))
        n_tested = int((n_sent * np.minimum(n_sent, outliers["params"]["window"])).sum())
        if outliers["enabled"]:
            place = ("data_policy", "outliers", "params", "window")
            self.bound(place, n_tested, MOST_TESTED, "rows times rows before them")

    @staticmethod
    def portfolio_of(data: Mapping[str, Any]) -> tuple[DailyValues, dict[str, Any]]:
        """Return the portfolio as engine type, and for the canonical request."""
        portfolio = data["portfolio_data"]
        table = portfolio["valuation_points"]
        place = ("portfolio_data", "valuation_points")
        values = order_by_date(table["perf_date"], {name: table[name] for name in MONEY}, place)
        rows = {name: cells for name, cells in table.canonical(values.row).items() if name != "day"}
        return values, {"metric_basis": portfolio["metric_basis"], "valuation_points": rows}

    @staticmethod
    def refuse_window_and_decimals(data: Mapping[str, Any]) -> None:
        """Refuse a window that ends before it starts, and decimals."""
        start, end = data["report_start_date"], data["report_end_date"]
        if start > end:
            raise WindowReversedError(
                f"report_start_date {start} lies after report_end_date {end}.",
                faults=[Fault(("report_start_date",), f"must not be later than report_end_date, {end}")],
            )
        if data["precision_mode"] is PrecisionMode.DECIMAL_STRICT:
            raise PrecisionModeUnsupportedError(
                "Contributions and attributions are calculated in doubles; use precision_mode FLOAT64.",
                faults=[Fault(("precision_mode",), "must be FLOAT64 here")],
            )
