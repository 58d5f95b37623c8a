"""The answer to a time-weighted return."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import MAX_PREC, localcontext
from itertools import chain
from typing import Any

import numpy as np
import orjson

from lotus_performance.engine.day_count import DAYS_OF_A_YEAR, WEEKDAYS
from lotus_performance.engine.exact import ExactDay, ExactRows, exact_days, exact_time_weighted_return
from lotus_performance.engine.fx import Conversion, CurrencyMode, portfolio_currency
from lotus_performance.engine.notices import Notice
from lotus_performance.engine.periods import Frequency, Slice, resolve_windows, rows_of
from lotus_performance.engine.policies import AppliedPolicy, DataPolicy, apply_policy
from lotus_performance.engine.requests import TwrRequest
from lotus_performance.engine.returns import Reset
from lotus_performance.engine.series import MONEY, Day, FloatArray, date_bytes, date_texts
from lotus_performance.engine.twr import Buckets, PeriodReturn, TimeWeightedReturn, overflow_named, time_weighted_return
from lotus_performance.errors import Fault, FxRateMissingError, PrecisionModeUnsupportedError
from lotus_performance.services.calendars import business_days
from lotus_performance.services.figures import AnyArray, Rounding, cell_texts, figures_of, without_missing
from lotus_performance.services.policies import Tested, policy_effect
from lotus_performance.services.result import Result, shared_diagnostics, shared_meta
from lotus_performance.services.workings import csv_of


def calculate_twr(request: TwrRequest) -> Result:
    """Calculate the time-weighted return of one portfolio."""
    policy = request.policy or DataPolicy()
    applied = apply_policy(request.values, policy, request.portfolio_id)
    _refuse_inexact(request, policy, applied)
    windows = resolve_windows(request.analyses, request.anchor, request.inception)
    conversion, notices, idle = _conversion(request)
    if idle:
        request = replace(request, no_effect=(*request.no_effect, *idle))
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    calendar, unavailable = _calendar(request, start, end)
    rows, days = _exact_days(request)
    result = time_weighted_return(
        applied.values,
        windows,
        request.basis,
        request.inception,
        request.annualization,
        with_cumulative=request.include_cumulative,
        with_fee_effect=request.has_fee_effect,
        fail_fast=request.fail_fast,
        conversion=conversion,
        calendar=calendar,
        is_defined=None if rows is None else np.array([day.returns is not None for day in days], dtype=bool),
    )
    if rows is not None:
        result = exact_time_weighted_return(
            result,
            rows,
            request.basis,
            request.annualization,
            with_cumulative=request.include_cumulative,
            calendar=calendar,
            days=days,
        )
    shape = _Shape(request, result, rows, days)
    first = min(period.first for period in result.periods)
    return Result(
        figures={"results_by_period": {period.window.label: shape.period(period) for period in result.periods}},
        meta=shared_meta(request, [window.label for window in windows], start, end),
        diagnostics={
            **shared_diagnostics(
                request,
                result.values.perf_date[first],
                [*result.notes, *applied.notes],
                [*result.notices, *notices, *unavailable],
                result.n_idle_days,
                result.n_reset_days,
            ),
            **policy_effect(applied, policy.outliers, [_tested(applied, result)], shape.rounding),
        },
        audit={
            "counts": {
                "input_rows": len(request.values),
                "used_rows": result.n_used_rows,
                "periods": len(result.periods),
            }
        },
        workings=lambda: {"twr_calculation_details.csv": _details(result, rows, days)},
    )


def _details(result: TimeWeightedReturn, rows: ExactRows | None, exact: Sequence[ExactDay]) -> bytes:
    """Return the working of every row: its return, and the periods that link it by the rule of legs and restarts."""
    values, days = result.values, result.days
    periods: list[list[str]] = [[] for _ in range(len(values))]
    for period in result.periods:
        for row in range(period.first, period.stop):
            periods[row].append(period.window.label)
    money = vars(values) if rows is None else vars(rows)
    figures: dict[str, Any] = {
        "gain": days.gain,
        "capital": days.capital,
        "return": days.returns,
        "factor": days.factor,
    }
    if exact:
        names = {"gain": "gain", "capital": "capital", "return": "returns", "factor": "factor"}
        figures = {name: [getattr(day, member) for day in exact] for name, member in names.items()}
    return csv_of(
        {
            "perf_date": values.perf_date,
            **{name: money[name] for name in MONEY},
            "capital": figures["capital"],
            "gain": figures["gain"],
            "sign": days.sign.astype(np.int64),
            "local_return": result.local_days.returns,
            "fx_return": np.zeros(len(values)) if result.fx_return is None else result.fx_return,
            "return": figures["return"],
            "factor": figures["factor"],
            "has_new_capital": days.has_new_capital,
            "periods": [";".join(labels) for labels in periods],
        }
    )


def _calendar(request: TwrRequest, start: Day, end: Day) -> tuple[np.busdaycalendar, list[Notice]]:
    """Return the business days of the years that hold rows; nothing counts them without annualisation."""
    if not request.annualization.is_enabled:
        return WEEKDAYS, []
    dates = request.values.perf_date
    # Whether a business day follows the last row shows within a year of it.
    return business_days(request.calendar.trading_calendar, max(start, dates[0]), min(end, dates[-1] + DAYS_OF_A_YEAR))


def _exact_days(request: TwrRequest) -> tuple[ExactRows | None, list[ExactDay]]:
    """Return the rows from inception on as decimals, and their days; nothing without DECIMAL_STRICT."""
    if request.exact is None:
        return None, []
    rows = request.exact.last(int(np.count_nonzero(request.values.perf_date >= request.inception)))
    return rows, exact_days(rows, request.basis)


def _refuse_inexact(request: TwrRequest, policy: DataPolicy, applied: AppliedPolicy) -> None:
    if request.exact is None:
        return
    is_corrected = applied.n_market_values or applied.n_cash_flows or applied.is_ignored.any()
    asked = {
        "currency_mode": request.currency_mode is CurrencyMode.BOTH,
        "data_policy": is_corrected or policy.outliers is not None,
    }
    names = [name for name, is_asked in asked.items() if is_asked]
    if names:
        text = " and ".join(names)
        raise PrecisionModeUnsupportedError(
            f"DECIMAL_STRICT does not go with the {text} of this request; use FLOAT64, or leave {text} out.",
            faults=[Fault((name,), "is not calculated in exact decimals") for name in names],
        )


def _conversion(request: TwrRequest) -> tuple[Conversion | None, list[Notice], list[str]]:
    """Return how to convert returns into the report currency, None where nothing is to be converted.

    Beside it warnings, and the members that change nothing, each with the reason.
    """
    if request.currency_mode is not CurrencyMode.BOTH:
        return None, [], []
    if request.rates is None:
        detail = "currency_mode BOTH needs an fx block; without one the returns are those of one currency."
        return None, [Notice("fx_missing_base_only", detail)], []
    ccy = portfolio_currency(request.currency, request.report_ccy, request.rates)
    if ccy is None:
        raise FxRateMissingError(
            "The rates are of several currencies and the portfolio's is not known; send currency.",
            faults=[Fault(("currency",), "is needed to choose among the rates")],
        )
    if ccy == request.report_ccy:
        members = "fx" if request.hedges is None else "fx and hedging"
        reason = f"the portfolio is taken to be in {ccy}, the report currency; send currency if it is in another"
        return None, [], [f"{members} ({reason})"]
    return Conversion(ccy, request.rates, request.hedges), [], _idle_hedges(request, ccy)


def _idle_hedges(request: TwrRequest, ccy: str) -> list[str]:
    hedges = request.hedges
    if hedges is None:
        return []
    is_idle = (hedges.ccy != ccy) | ~np.isin(hedges.date, request.values.perf_date)
    if not is_idle.any():
        return []
    first = int(is_idle.argmax())
    n, example = np.count_nonzero(is_idle), f"{hedges.ccy[first]} on {hedges.date[first]}"
    return [f"{n} of {len(is_idle)} hedges (not of {ccy}, or on a date without a row, such as {example})"]


def _tested(applied: AppliedPolicy, result: TimeWeightedReturn) -> Tested:
    """Return the days on which an outlier is told: those of a period, but for ignored ones."""
    dates = result.values.perf_date
    is_told = rows_of([Slice(period.window, period.first, period.stop) for period in result.periods], len(dates))
    is_told &= ~np.isin(dates, applied.values.perf_date[applied.is_ignored])
    return Tested(dates, result.local_days.returns, is_told)


class _Shape:
    """Turns figures of the engine into members of the wire."""

    def __init__(
        self, request: TwrRequest, result: TimeWeightedReturn, rows: ExactRows | None, days: Sequence[ExactDay]
    ) -> None:
        self.request = request
        self.values = result.values
        self.days = result.days
        self.fx_return = result.fx_return
        self.money: dict[str, AnyArray] = vars(result.values)
        self.exact_days = days
        if rows is not None:
            self.money = {name: np.array(column) for name, column in vars(rows).items()}
        self.rounding = Rounding(request.rounding_precision)

    def period(self, period: PeriodReturn) -> dict[str, Any]:
        """Return one entry of `results_by_period`."""
        with overflow_named(self.values, self.days, period.window.label, period.first, period.stop):
            return self._period(period)

    def _period(self, period: PeriodReturn) -> dict[str, Any]:
        has_both = period.fee_effect is not None
        percent = self.rounding.percents(
            {
                "local": period.local,
                "fx": period.fx,
                "base": period.base,
                "annualized_return_pct": period.ann_return,
                "gross_return_pct": period.gross if has_both else None,
                "net_return_pct": period.net if has_both else None,
                "fee_effect_pct": period.fee_effect,
            }
        )
        # The days' working is told once a period: in the buckets of its finest frequency.
        finest = next(f for f in Frequency if f in period.buckets) if self.request.include_timeseries else None
        shaped: dict[str, Any] = {
            "breakdowns": {
                frequency.value: self._buckets(buckets, with_working=frequency is finest)
                for frequency, buckets in period.buckets.items()
            },
            "portfolio_return": {name: percent.pop(name) for name in ("local", "fx", "base") if name in percent},
            **percent,
        }
        if self.request.emit_resets and period.resets:
            shaped["reset_events"] = [self._reset(reset) for reset in period.resets]
        return shaped

    def _reset(self, reset: Reset) -> dict[str, Any]:
        date = str(self.values.perf_date[reset.row])
        return {"date": date, "reason": reset.reason, "impacted_rows": reset.impacted_rows}

    def _buckets(self, buckets: Buckets, *, with_working: bool) -> list[dict[str, Any]] | orjson.Fragment:
        first, stop = int(buckets.first[0]), int(buckets.stop[-1])
        # A sum beyond any number is infinite here, and refused where it is rounded.
        with localcontext(prec=MAX_PREC), np.errstate(over="ignore", invalid="ignore"):
            flows = (self.money["bod_cf"] + self.money["eod_cf"])[first:stop]
            net_cash_flow = np.add.reduceat(flows, buckets.first - first)
        amounts = {
            "begin_mv": self.money["begin_mv"][buckets.first],
            "end_mv": self.money["end_mv"][buckets.stop - 1],
            "net_cash_flow": net_cash_flow,
        }
        fractions = without_missing(
            {
                "period_return_pct": buckets.returns,
                "cumulative_return_pct_to_date": buckets.cum_returns,
                "annualized_return_pct": buckets.ann_returns,
            }
        )
        percents = self.rounding.percent(np.array(list(fractions.values())))
        columns = {
            **dict(zip(amounts, self.rounding.money(np.array(list(amounts.values()))), strict=True)),
            **{name: column for name, column in zip(fractions, percents, strict=True) if not np.isnan(column).all()},
        }
        if not with_working:
            return _summaries_text(buckets, columns)
        shaped: list[dict[str, Any]] = [
            {"period": label, "summary": summary}
            for label, summary in zip(buckets.labels, figures_of(columns), strict=True)
        ]
        working = self._working(slice(first, stop))
        for bucket, begin, end in zip(shaped, buckets.first - first, buckets.stop - first, strict=True):
            bucket["daily_data"] = working[begin:end]
        return shaped

    def _working(self, rows: slice) -> list[dict[str, Any]]:
        """Return how the return of each day comes about."""
        days = self.days
        gain, capital, returns = days.gain[rows], days.capital[rows], days.returns[rows]
        factor = days.factor[rows]
        if self.exact_days:
            exact = self.exact_days[rows]
            gain, capital, returns, factor = (
                np.array([getattr(day, name) for day in exact], dtype=object)
                for name in ("gain", "capital", "returns", "factor")
            )
        columns = {
            "perf_date": date_texts(self.values.perf_date[rows]),
            "numerator": self.rounding.money(gain),
            "denominator": self.rounding.money(np.abs(capital)),
            "return_pct": self.rounding.percent(returns),
            "factor": self.rounding.money(factor),
            "sign": days.sign[rows].astype(int).tolist(),
        }
        if self.fx_return is not None:
            columns["fx_return_pct"] = self.rounding.percent(self.fx_return[rows])
        return figures_of(columns)


def _summaries_text(buckets: Buckets, columns: Mapping[str, FloatArray]) -> orjson.Fragment:
    """Return the buckets of a frequency as JSON text, for a sixth of the time that as many dicts take.

    The text is that of the dicts: all cells of a column are written at once, and joined with the names of the members
    between them.
    """
    is_daily = buckets.frequency is Frequency.DAILY
    labels = date_bytes(buckets.start).tolist() if is_daily else [label.encode() for label in buckets.labels]
    # No bucket is without values and flows: the comma before the first member can go.
    opening, *others = columns
    names = [b'","summary":{"%b":' % opening.encode(), *(b',"%b":' % name.encode() for name in others)]
    row = [b'}},{"period":"', b"", *chain.from_iterable((name, b"") for name in names)]
    pieces = row * len(labels)
    pieces[1 :: len(row)] = labels
    for i, (name, column) in enumerate(zip(names, columns.values(), strict=True), start=1):
        texts = cell_texts(column)
        if np.isnan(column).any():  # a member without figure goes with its name
            pieces[2 * i :: len(row)] = [b"" if text == b"null" else name for text in texts]
            texts = [b"" if text == b"null" else text for text in texts]
        pieces[2 * i + 1 :: len(row)] = texts
    pieces[0] = b'[{"period":"'
    pieces.append(b"}}]")
    return orjson.Fragment(b"".join(pieces))
