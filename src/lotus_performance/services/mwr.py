"""The answer to a money-weighted return."""

from dataclasses import replace
from typing import Any

import numpy as np

from lotus_performance.engine.day_count import PERIODS_PER_YEAR, Annualization, DayCount
from lotus_performance.engine.exact import exact_money_weighted_return
from lotus_performance.engine.mwr import MoneyWeightedReturn, money_weighted_return
from lotus_performance.engine.notices import Notice
from lotus_performance.engine.periods import measuring_start
from lotus_performance.engine.requests import MwrRequest
from lotus_performance.engine.series import Day, date_texts
from lotus_performance.services.figures import Rounding, figures_of, without_missing
from lotus_performance.services.result import Result, shared_diagnostics, shared_meta
from lotus_performance.services.workings import csv_of


def calculate_mwr(request: MwrRequest) -> Result:
    """Calculate the money-weighted return of one portfolio."""
    start, notices = _start(request)
    basis = DayCount.ACT_ACT if request.annualization.basis is DayCount.ACT_ACT else DayCount.ACT_365
    result = money_weighted_return(
        request.begin_mv,
        request.end_mv,
        request.flows,
        start,
        request.as_of,
        request.method,
        year_days=PERIODS_PER_YEAR[basis],
        annualise_dietz=request.annualization.is_enabled,
        fail_fast=request.fail_fast,
    )
    if request.exact is not None:
        offsets = (request.flows.date - start).astype(np.int64)
        days = int((request.as_of - start).astype(np.int64))
        result = exact_money_weighted_return(result, request.exact, offsets, days, PERIODS_PER_YEAR[basis])
    rounding = Rounding(request.rounding_precision)
    period = request.measuring_period
    return Result(
        figures={
            **rounding.percents(
                {"money_weighted_return": result.money_weighted_return, "mwr_annualized": result.ann_rate}
            ),
            "method": result.method,
        },
        details={
            "convergence": _convergence(result, rounding),
            **({"cashflows_used": _flows(request, rounding)} if request.emit_cashflows_used else {}),
            "start_date": str(start),
            "end_date": str(request.as_of),
            "notes": list(result.notes),
        },
        meta=shared_meta(
            replace(request, annualization=Annualization(request.annualization.is_enabled, basis)),
            [period.label] if period else [],
            start,
            request.as_of,
        ),
        diagnostics=shared_diagnostics(request, start, result.notes, [*notices, *result.notices]),
        audit={"counts": {"cash_flows": len(request.flows.amount), "roots": len(result.roots)}},
        workings=lambda: {"mwr_cashflow_schedule.csv": _schedule(request, result, start, PERIODS_PER_YEAR[basis])},
    )


def _schedule(request: MwrRequest, result: MoneyWeightedReturn, start: Day, year_days: float) -> bytes:
    """Return every flow, opening and closing value among them, with its time, weight and present value."""
    flows = request.flows
    dates = np.concatenate(([start], flows.date, [request.as_of])).astype("datetime64[D]")
    amounts = np.concatenate(([-request.begin_mv], -flows.amount, [request.end_mv]))
    days = (dates - start).astype(np.int64)
    years = days / year_days
    rate = np.nan if result.ann_rate is None else float(result.ann_rate)
    with np.errstate(all="ignore"):
        discount = np.power(1.0 + rate, -years)
        weight = (days[-1] - days) / days[-1] if days[-1] else np.zeros(len(days))
        value = amounts * discount
    columns: dict[str, Any] = {
        "date": dates,
        "kind": ["begin_mv", *["cash_flow"] * len(flows.amount), "end_mv"],
        "amount": amounts,
        "days": days,
        "years": years,
        "part_of_period_left": weight,
        "rate_per_year": np.full(len(days), rate),
        "discount_factor": discount,
        "present_value": value,
    }
    return csv_of({name: np.where(np.isfinite(c), c, np.nan) if _is_float(c) else c for name, c in columns.items()})


def _is_float(column: Any) -> bool:
    return isinstance(column, np.ndarray) and column.dtype.kind == "f"


def _start(request: MwrRequest) -> tuple[Day, list[Notice]]:
    """Return the start of the measuring period, and a warning when the first flow had to give it."""
    start = measuring_start(request.measuring_period, request.as_of)
    if start is not None:
        return start, []
    if len(request.flows.date):
        first = request.flows.date.min()
        detail = f"The opening value was taken to stand on the day of the first flow, {first}; send periods to say."
        return first, [Notice("start_from_first_flow", detail)]
    return request.as_of, []


def _convergence(result: MoneyWeightedReturn, rounding: Rounding) -> dict[str, Any]:
    return without_missing(
        {
            "iterations": result.iterations,
            "residual": result.residual,
            "converged": result.converged,
            "search": result.search,
            "roots": rounding.percent(result.roots).tolist(),
            "unique": result.is_unique,
        }
    )


def _flows(request: MwrRequest, rounding: Rounding) -> list[dict[str, Any]]:
    amounts = request.flows.amount if request.exact is None else np.array(request.exact.amounts, dtype=object)
    return figures_of({"date": date_texts(request.flows.date), "amount": rounding.money(amounts)})
