"""Members of requests, by exactly the names of the wire. `runbook/api.md` says what each is; left out, the service's
default holds. What stands inside an object such as `data_policy` is passed on as it is, and checked by the service.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypeAlias, TypedDict

import pandas as pd

Date: TypeAlias = str | datetime.date
"""A day: ``YYYY-MM-DD``, a date, or a datetime or Timestamp at midnight."""
Object: TypeAlias = Mapping[str, Any]
Table: TypeAlias = pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A table: a frame, columns (lists, arrays or Series by name), or rows."""
Entries: TypeAlias = pd.DataFrame | Sequence[Mapping[str, Any]]
"""Positions, instruments or groups: a list of them, each with its own table, or one long frame of all rows, whose
further columns are identity and labels of the row's owner."""

AnalyticsType: TypeAlias = Literal["twr", "mwr", "contribution", "attribution"]


class _Shared(TypedDict, total=False):
    """Members of all calculations."""

    calculation_id: str
    portfolio_id: Required[str]
    currency: str
    report_ccy: str
    precision_mode: Literal["FLOAT64", "DECIMAL_STRICT"]
    rounding_precision: int
    calendar: Object
    annualization: Object
    output: Object
    flags: Object
    data_policy: Object
    currency_mode: Literal["BASE_ONLY", "LOCAL_ONLY", "BOTH"]
    fx: Object
    hedging: Object


class TwrRequest(_Shared, total=False):
    """Members of a time-weighted return; amounts are money, flows into the portfolio positive, fees negative."""

    performance_start_date: Required[Date]
    report_start_date: Date
    report_end_date: Required[Date]
    metric_basis: Required[Literal["NET", "GROSS"]]
    analyses: Required[Sequence[Object]]
    valuation_points: Required[Table]
    fee_effect: Object
    reset_policy: Object


class MwrRequest(_Shared, total=False):
    """Members of a money-weighted return; amounts are money, flows into the portfolio positive."""

    begin_mv: Required[float]
    end_mv: Required[float]
    as_of: Required[Date]
    cash_flows: Required[Table]
    mwr_method: Literal["XIRR", "MODIFIED_DIETZ", "DIETZ"]
    periods: Object
    solver: Object
    emit_cashflows_used: bool


class _Holdings(_Shared, total=False):
    report_start_date: Required[Date]
    report_end_date: Required[Date]
    analyses: Required[Sequence[Object]]


class ContributionRequest(_Holdings, total=False):
    """Members of a contribution; amounts are money."""

    portfolio_data: Required[Object]
    positions_data: Required[Entries]
    hierarchy: Sequence[str]
    weighting_scheme: Literal["BOD", "AVG_CAPITAL", "TWR_DENOM"]
    smoothing: Object
    emit: Object
    lookthrough: Object
    bucketing: Object


class AttributionRequest(_Holdings, total=False):
    """Members of an attribution; `weight_bop` and `return_*` of groups are **fractions**, 0.0201 is 2.01 %."""

    mode: Required[Literal["by_instrument", "by_group"]]
    group_by: Required[Sequence[str]]
    benchmark_groups_data: Required[Entries]
    portfolio_groups_data: Entries
    portfolio_data: Object
    instruments_data: Entries
    frequency: Literal["daily", "weekly", "monthly", "quarterly", "yearly"]
    model: Literal["BF", "BHB"]
    linking: Literal["carino", "log", "menchero", "grap", "frongello", "symmetric", "geometric", "none"]
    interaction: Literal["separate", "selection", "allocation"]
    off_benchmark: Literal["benchmark_total", "own_return", "zero"]
    hierarchy_method: Literal["rollup", "top_down"]
    compare_linking: bool


class ReturnsSeriesRequest(TypedDict, total=False):
    """Members of a series of returns; `return_value` is a **fraction**, 0.0201 is 2.01 %."""

    portfolio_id: Required[str]
    as_of_date: Required[Date]
    window: Required[Object]
    frequency: Literal["DAILY", "WEEKLY", "MONTHLY"]
    metric_basis: Literal["NET", "GROSS"]
    reporting_currency: str
    series_selection: Object
    data_policy: Object
    input_mode: Literal["stateless", "stateful"]
    stateless_input: Object
    stateful_input: Object
