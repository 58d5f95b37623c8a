"""What the service answers, as typed objects with the wire's names: figures and frames, and the document as it came.

Returns, weights, contributions and effects are in **percent**: 2.01 is 2.01 %. Those of `ReturnsSeries` alone are
fractions. A figure that the service leaves out is None; a table that it leaves out is an empty frame. Members that this
client does not know yet are in `document`.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import pandas as pd

Document = dict[str, Any]

PERIODS = {"monthly": "M", "quarterly": "Q", "yearly": "Y"}
"""Frequencies of pandas for labels such as 2025-01, 2025-Q1 and 2025."""


def _empty() -> Any:
    return pd.DataFrame()


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What all answers have: `document`, the JSON object as it came."""

    document: Document = field(repr=False)


T = TypeVar("T", bound=Answer)


@dataclass(frozen=True, kw_only=True, eq=False)
class Calculation(Answer):
    """What the answers of all calculations have.

    `meta` holds the conventions used, hashes and the version of the engine; `diagnostics` notes, and warnings
    (`diagnostics["warnings"]`: `code`, `detail`, `dates`); `audit` counts, and how far parts are from their total.
    """

    calculation_id: str
    portfolio_id: str
    meta: Document = field(repr=False)
    diagnostics: Document = field(repr=False)
    audit: Document = field(repr=False)

    @property
    def warnings(self) -> list[Document]:
        """Warnings: `{code, severity, detail, dates?}`."""
        return list(self.diagnostics["warnings"])


@dataclass(frozen=True, kw_only=True, eq=False)
class PortfolioReturn(Answer):
    """Return of a period in percent: in the portfolio's currency, of the currency (None where undefined), together."""

    local: float
    fx: float | None = None
    base: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TwrPeriod(Answer):
    """Time-weighted return of one period, in percent.

    `breakdowns` has a frame for each frequency, indexed by `period`: the day or the week's Friday as timestamps,
    months, quarters and years as pandas periods. `daily_data` is the working of each day, indexed by `perf_date`:
    `numerator` and `denominator` in money, `return_pct`, `factor`, `sign`.
    """

    portfolio_return: PortfolioReturn
    annualized_return_pct: float | None = None
    gross_return_pct: float | None = None
    net_return_pct: float | None = None
    fee_effect_pct: float | None = None
    breakdowns: dict[str, pd.DataFrame] = field(repr=False)
    daily_data: pd.DataFrame = field(repr=False, default_factory=_empty)
    reset_events: pd.DataFrame = field(repr=False, default_factory=_empty)


@dataclass(frozen=True, kw_only=True, eq=False)
class Twr(Calculation):
    """Time-weighted returns by the label of their period; periods without rows are in `diagnostics["notes"]`."""

    results_by_period: dict[str, TwrPeriod]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mwr(Calculation):
    """Money-weighted return.

    `money_weighted_return` is the return **of the period** and `mwr_annualized` the rate per year, both in percent.
    `convergence["roots"]` has every rate that solves the equation. `cashflows_used` is indexed by date.
    """

    money_weighted_return: float
    mwr_annualized: float | None = None
    method: str
    convergence: Document
    start_date: datetime.date
    end_date: datetime.date
    notes: list[str]
    cashflows_used: pd.DataFrame = field(repr=False, default_factory=_empty)


@dataclass(frozen=True, kw_only=True, eq=False)
class ContributionPeriod(Answer):
    """Contributions to the return of one period, in percent; `residual_bp` in basis points.

    Without `hierarchy` there are `total_portfolio_return` and `position_contributions`, indexed by `position_id`; with
    it `summary` and `levels`: a frame for each level by its name, indexed by the keys from the top.
    `total_contribution` is there in both; of a hierarchy it is `portfolio_contribution` of the summary. `timeseries`
    and `by_position_timeseries` (a column for each position) are indexed by date.
    """

    total_contribution: float
    residual_bp: float
    total_portfolio_return: float | None = None
    summary: Document = field(default_factory=dict)
    position_contributions: pd.DataFrame = field(repr=False, default_factory=_empty)
    levels: dict[str, pd.DataFrame] = field(repr=False, default_factory=dict)
    timeseries: pd.DataFrame = field(repr=False, default_factory=_empty)
    by_position_timeseries: pd.DataFrame = field(repr=False, default_factory=_empty)


@dataclass(frozen=True, kw_only=True, eq=False)
class Contribution(Calculation):
    """Contributions by the label of their period."""

    results_by_period: dict[str, ContributionPeriod]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconciliation(Answer):
    """Active return, sum of the effects that make it, and what they leave unexplained, in percent."""

    total_active_return: float
    sum_of_effects: float
    residual: float


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributionPeriod(Answer):
    """Effects of one period, in percent.

    `levels` has a frame of effects for each dimension, indexed by the keys from the top; `totals` has their sums,
    indexed by dimension (top-down a row for each parent). `currency_attribution` is indexed by currency,
    `linking_comparison` by the name of the linking.
    """

    levels: dict[str, pd.DataFrame] = field(repr=False)
    totals: pd.DataFrame = field(repr=False)
    reconciliation: Reconciliation
    currency_attribution: pd.DataFrame = field(repr=False, default_factory=_empty)
    currency_attribution_totals: Document = field(default_factory=dict)
    linking_comparison: pd.DataFrame = field(repr=False, default_factory=_empty)
    linking_spread: Document = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution(Calculation):
    """Attributions by the label of their period."""

    results_by_period: dict[str, AttributionPeriod]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReturnsSeries(Answer):
    """Series of returns on common dates, as **fractions**: 0.0201 is 2.01 %.

    `series` has a column for each series, indexed by date, NaN where one has no return. The values as decimals of
    12 digits are in `document`.
    """

    series: pd.DataFrame = field(repr=False)
    resolved_window: Document
    provenance: Document = field(repr=False)
    diagnostics: Document = field(repr=False)
    metadata: Document = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Accepted(Answer):
    """A calculation that a worker answers: hand `execution_id` to `Client.wait`."""

    execution_id: str
    status: str
    links: Document


@dataclass(frozen=True, kw_only=True, eq=False)
class Execution(Answer):
    """How a calculation stands: `status` is pending, running, complete or failed; times are in UTC."""

    execution_id: str
    analytics_type: str
    portfolio_id: str
    execution_mode: str
    status: str
    requested_window: Document
    engine_version: str
    input_fingerprint: str
    calculation_hash: str
    stages: list[Document]
    created_at_utc: str
    started_at_utc: str | None = None
    completed_at_utc: str | None = None
    result_hash: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is complete or failed."""
        return self.status in ("complete", "failed")


@dataclass(frozen=True, kw_only=True, eq=False)
class ExecutionPage(Answer):
    """Executions, the newest first; `next_cursor` leads to the next page, None on the last one."""

    items: list[Execution]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Lineage(Answer):
    """What is kept of a calculation: `artifacts` by name, each `{url, sha256, size}`, size in bytes."""

    calculation_id: str
    calculation_type: str
    timestamp_utc: str
    status: str
    artifacts: dict[str, Document]
    error_message: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay(Answer):
    """A calculation made anew: `match` when all figures agree, `identical` when their hashes do.

    `max_difference` is the largest difference of two figures, in their own units; None where the answers have other
    members.
    """

    match: bool
    identical: bool
    max_difference: float | None = None
    engine_version: str
    stored_engine_version: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Capabilities(Answer):
    """What is open at the service: `features` indexed by key, `workflows` by `workflow_key`."""

    contract_version: str
    policy_version: str
    source_service: str
    consumer_system: str
    tenant_id: str
    generated_at: str
    as_of_date: str
    supported_input_modes: list[str]
    trading_calendars: list[str]
    features: pd.DataFrame = field(repr=False)
    workflows: pd.DataFrame = field(repr=False)


# ---------------------------------------------------------------------- from documents


def read(kind: type[T], document: Document, **made: Any) -> T:
    """Return a document as an object; `made` are the members that are not taken as they are."""
    taken = {each.name: document[each.name] for each in fields(kind) if each.name in document}
    return kind(**{**taken, **made, "document": document})


def read_twr(document: Document) -> Twr:
    """Return a time-weighted return."""
    return read(Twr, document, results_by_period=_by_period(document, _twr_period))


def read_mwr(document: Document) -> Mwr:
    """Return a money-weighted return."""
    days = {name: datetime.date.fromisoformat(document[name]) for name in ("start_date", "end_date")}
    return read(Mwr, document, **days, cashflows_used=_dated(document.get("cashflows_used"), "date"))


def read_contribution(document: Document) -> Contribution:
    """Return contributions."""
    return read(Contribution, document, results_by_period=_by_period(document, _contribution_period))


def read_attribution(document: Document) -> Attribution:
    """Return an attribution."""
    return read(Attribution, document, results_by_period=_by_period(document, _attribution_period))


def read_returns_series(document: Document) -> ReturnsSeries:
    """Return a series of returns."""
    columns = {name: _dated(rows, "date")["return_value"] for name, rows in document["series"].items() if rows}
    return read(ReturnsSeries, document, series=pd.DataFrame(columns).astype(float))


READERS: dict[str, Callable[[Document], Twr | Mwr | Contribution | Attribution | ReturnsSeries]] = {
    "twr": read_twr,
    "mwr": read_mwr,
    "contribution": read_contribution,
    "attribution": read_attribution,
    "returns_series": read_returns_series,
}


def read_executions(document: Document) -> ExecutionPage:
    """Return a page of executions."""
    return read(ExecutionPage, document, items=[read(Execution, item) for item in document["items"]])


def read_capabilities(document: Document) -> Capabilities:
    """Return what is open."""
    features = _indexed(document["features"], "key")
    workflows = _indexed(document["workflows"], "workflow_key")
    return read(Capabilities, document, features=features, workflows=workflows)


def _by_period(document: Document, reader: Callable[[Document], T]) -> dict[str, T]:
    return {label: reader(period) for label, period in document["results_by_period"].items()}


def _twr_period(document: Document) -> TwrPeriod:
    days = (day for rows in document["breakdowns"].values() for row in rows for day in row.get("daily_data", ()))
    return read(
        TwrPeriod,
        document,
        portfolio_return=read(PortfolioReturn, document["portfolio_return"]),
        breakdowns={frequency: _breakdown(rows, frequency) for frequency, rows in document["breakdowns"].items()},
        daily_data=_dated(list(days), "perf_date"),
        reset_events=_dated(document.get("reset_events"), "date"),
    )


def _breakdown(rows: Sequence[Document], frequency: str) -> pd.DataFrame:
    labels = [row["period"] for row in rows]
    if frequency in PERIODS:
        index = pd.PeriodIndex(labels, freq=PERIODS[frequency], name="period")
    else:
        index = pd.DatetimeIndex(labels, name="period")
    return pd.DataFrame([row["summary"] for row in rows], index=index)


def _contribution_period(document: Document) -> ContributionPeriod:
    summary = document.get("summary")
    by_position = {
        each["position_id"]: _dated(each["series"], "date").get("contribution")
        for each in document.get("by_position_timeseries", ())
    }
    return read(
        ContributionPeriod,
        document,
        total_contribution=summary["portfolio_contribution"] if summary else document["total_contribution"],
        residual_bp=(summary or document)["residual_bp"],
        position_contributions=_indexed(document.get("position_contributions"), "position_id"),
        levels={level["name"]: _keyed(level["rows"]) for level in document.get("levels", ())},
        timeseries=_dated(document.get("timeseries"), "date"),
        by_position_timeseries=pd.DataFrame(by_position),
    )


def _attribution_period(document: Document) -> AttributionPeriod:
    groups: dict[str, list[Document]] = {}
    for level in document["levels"]:
        groups.setdefault(level["dimension"], []).extend(level["groups"])
    totals = [{"dimension": each["dimension"], **each["totals"]} for each in document["levels"]]
    currencies = [
        {**{name: value for name, value in row.items() if name != "effects"}, **row["effects"]}
        for row in document.get("currency_attribution", ())
    ]
    return read(
        AttributionPeriod,
        document,
        levels={dimension: _keyed(rows) for dimension, rows in groups.items()},
        totals=_indexed(totals, "dimension"),
        reconciliation=read(Reconciliation, document["reconciliation"]),
        currency_attribution=_indexed(currencies, "currency"),
        linking_comparison=pd.DataFrame.from_dict(document.get("linking_comparison", {}), orient="index"),
    )


def _indexed(rows: Sequence[Document] | None, name: str) -> pd.DataFrame:
    return pd.DataFrame(rows).set_index(name) if rows else _empty()


def _dated(rows: Sequence[Document] | None, name: str) -> pd.DataFrame:
    frame = _indexed(rows, name)
    return frame.set_axis(pd.DatetimeIndex(frame.index, name=name)) if rows else frame


def _keyed(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows indexed by the labels of their keys, from the top."""
    keys = pd.DataFrame([row["key"] for row in rows])
    if keys.empty:
        return _empty()
    index = pd.MultiIndex.from_frame(keys) if keys.shape[1] > 1 else pd.Index(keys.iloc[:, 0])
    return pd.DataFrame([{name: v for name, v in row.items() if name != "key"} for row in rows], index=index)
