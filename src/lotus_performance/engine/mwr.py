"""Money-weighted return: the internal rate of return, and the Dietz approximations of it."""

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from lotus_performance.engine.day_count import DAYS_OF_A_YEAR
from lotus_performance.engine.notices import Notice
from lotus_performance.engine.returns import CAPITAL_EPSILON
from lotus_performance.engine.rootfind import Roots, Search, find_roots
from lotus_performance.engine.series import DateArray, Day, Figure, FloatArray, IntArray
from lotus_performance.errors import (
    Fault,
    FigureOverflowError,
    FlowOutsidePeriodError,
    NoCapitalError,
    NoPeriodError,
    NoRootError,
    Place,
)


class MwrMethod(StrEnum):
    """How the return is measured."""

    XIRR = "XIRR"
    MODIFIED_DIETZ = "MODIFIED_DIETZ"
    DIETZ = "DIETZ"


@dataclass(frozen=True)
class CashFlows:
    """External flows of one portfolio, in any order.

    Attributes
    ----------
    amount : ndarray of float64, shape (n,)
        Flows into the portfolio, portfolio currency; withdrawals are negative.
    date : ndarray of datetime64[D], shape (n,)
        Day of each flow; several may share one.
    row : ndarray of int64, shape (n,)
        Position of each flow in the request, for messages.
    place : tuple
        Where the flows stand in the request document.
    """

    amount: FloatArray
    date: DateArray
    row: IntArray
    place: Place = ("cash_flows",)


@dataclass(frozen=True)
class MoneyWeightedReturn:
    """A money-weighted return, and how it was found.

    Attributes
    ----------
    money_weighted_return : float
        Return of the period as a fraction.
    ann_rate : float or None
        Rate per year as a fraction; None where there is none.
    method : MwrMethod
        The method used, which is not always the one asked for.
    roots : ndarray of float64, shape (r,)
        All internal rates of return per year as fractions, rising; empty for the Dietz methods.
    search : Search or None
        How complete `roots` is; None where no rate was searched for.
    is_unique : bool or None
        Whether exactly one internal rate exists; None where that was not asked or is not known.
    iterations : int
        Steps of the search.
    residual : float or None
        Present value at the worst root over the sum of the absolute present values; None without roots.
    converged : bool
        Whether the method found its figure: False where no internal rate was found and another method stood in.
    notes : list of str
        What a reader of the figures has to know.
    notices : list of Notice
        Warnings.
    """

    money_weighted_return: Figure
    ann_rate: Figure | None
    method: MwrMethod
    roots: FloatArray = field(default_factory=lambda: np.empty(0))
    search: Search | None = None
    is_unique: bool | None = None
    iterations: int = 0
    residual: float | None = None
    converged: bool = True
    notes: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


@dataclass(frozen=True)
class _Period:
    """The figures of a measuring period, scaled, and the conventions for a rate per year."""

    begin_mv: float
    end_mv: float
    amounts: FloatArray
    day_offset: IntArray
    days: int
    year_days: float
    annualise_dietz: bool


def money_weighted_return(
    begin_mv: float,
    end_mv: float,
    flows: CashFlows,
    start: Day,
    end: Day,
    method: MwrMethod,
    year_days: float,
    *,
    annualise_dietz: bool = False,
    fail_fast: bool = False,
) -> MoneyWeightedReturn:
    r"""Return the money-weighted return of a portfolio over a period.

    Flows of one day are one flow. Without an internal rate of return the Modified Dietz return stands in, without
    capital for that the Dietz return; notes say so. Losing everything without a withdrawal is -100 %.

    Parameters
    ----------
    begin_mv, end_mv : float
        Market value at the close of `start` and of `end`, `end_mv` with the flows of that day.
    flows : CashFlows
        Flows into the portfolio from `start` to `end`, both included.
    start, end : datetime64[D]
        First and last day of the measuring period.
    method : MwrMethod
        Method asked for.
    year_days : float
        Days of a year: 365 as in Excel's XIRR (ACT/365F), or 365.25 (ACT/ACT).
    annualise_dietz : bool
        Whether the Dietz methods give a rate per year, for a period of 365 days or more.
    fail_fast : bool
        Refuse to let another method stand in for XIRR.

    Returns
    -------
    MoneyWeightedReturn
        The figures and how they were found.

    Raises
    ------
    FlowOutsidePeriodError
        A flow lies before `start` or after `end`; a fault for each.
    NoPeriodError
        There are flows, but the period has no days.
    NoRootError
        No internal rate of return exists or was found, under `fail_fast`.
    NoCapitalError
        The average capital is not positive.
    FigureOverflowError
        The rate per year or the return of the period is larger than a double.

    Notes
    -----
    XIRR solves, for x = ln(1 + rate), with :math:`d_i` the days from `start` and Y the days of a year,

    .. math:: -V_0 - \sum F_i e^{-x d_i / Y} + V_1 e^{-x D / Y} = 0

    and the return of the period is :math:`e^{x D / Y} - 1`. Of several roots the one whose return of the period is
    nearest the Modified Dietz return, without one nearest 0, is the figure; all of them are given.

    References
    ----------
    Microsoft, Excel function reference: XIRR.
    Global Investment Performance Standards (GIPS) for Firms, 2020: returns of less than a year are not annualised.

    Examples
    --------
    100 grows to 110 while 10 are paid in on the last day: nothing was earned. 100 grows to 121 in two years: 10 % each.

    >>> days = np.array(["2021-12-31", "2022-12-31", "2023-12-31"], "M8[D]")
    >>> flows = CashFlows(np.array([10.0]), days[2:], np.array([0]))
    >>> money_weighted_return(100.0, 110.0, flows, days[1], days[2], MwrMethod.XIRR, 365.0).money_weighted_return
    0.0
    >>> none = CashFlows(np.empty(0), days[:0], np.empty(0, int))
    >>> result = money_weighted_return(100.0, 121.0, none, days[0], days[2], MwrMethod.XIRR, 365.0)
    >>> round(result.money_weighted_return, 12), round(result.ann_rate, 12)
    (0.21, 0.1)
    """
    _refuse_flows_outside(flows, start, end)
    days = int((end - start).astype(np.int64))
    if days < 0 or (days == 0 and len(flows.amount)):
        raise NoPeriodError(
            f"The measuring period from {start} to {end} has no days, in which flows could be at work.",
            faults=[Fault(flows.place, f"the period starts and ends on {end}")],
        )
    # By a power of two, which is exact: sums of the largest doubles must not overflow.
    exponent = math.frexp(max(abs(begin_mv), abs(end_mv), np.abs(flows.amount).max(initial=0.0)))[1]
    period = _Period(
        begin_mv=math.ldexp(begin_mv, -exponent),
        end_mv=math.ldexp(end_mv, -exponent),
        amounts=np.ldexp(flows.amount, -exponent),
        day_offset=(flows.date - start).astype(np.int64),
        days=days,
        year_days=year_days,
        annualise_dietz=annualise_dietz,
    )
    if method is MwrMethod.XIRR and days > 0:
        return _internal_rate(period, fail_fast)
    result = _dietz_return(period, MwrMethod.MODIFIED_DIETZ if method is MwrMethod.XIRR else method)
    if days > 0:
        return result
    return replace(
        result,
        notes=[f"The period has no days: the return is {result.method}'s, without a rate per year; send periods."],
    )


def modified_dietz(
    begin_mv: float, end_mv: float, amounts: FloatArray, day_offset: FloatArray | IntArray, days: int
) -> float | None:
    r"""Return the Modified Dietz return of a period.

    Each flow counts as capital from its day to the end of the period.

    Parameters
    ----------
    begin_mv, end_mv : float
        Market value at the start and at the end of the period.
    amounts : ndarray of float64, shape (n,)
        Flows into the portfolio.
    day_offset : ndarray of float64 or int64, shape (n,)
        Days from the start of the period to each flow.
    days : int
        Days of the period; only looked at when there are flows.

    Returns
    -------
    float or None
        Return of the period as a fraction; None when the average capital is not positive.

    Notes
    -----
    .. math:: \frac{V_1 - V_0 - \sum F_i}{V_0 + \sum F_i (D - d_i) / D}

    References
    ----------
    Dietz, P. O. (1968), "Components of a measurement model: rate of return, risk, and timing", Journal of Finance 23.
    Bacon, C. R. (2008), Practical Portfolio Performance Measurement and Attribution, 2nd edition, chapter 2.

    Examples
    --------
    100 becomes 300 in two years, 50 of it paid in after one: a gain of 150 on 100 + 50 / 2.

    >>> modified_dietz(100.0, 300.0, np.array([50.0]), np.array([365]), 730)
    1.2
    """
    return _gain_over_capital(begin_mv, end_mv, amounts, (days - day_offset) / days if len(amounts) else amounts)


def dietz(begin_mv: float, end_mv: float, amounts: FloatArray) -> float | None:
    r"""Return the simple Dietz return of a period: every flow counts as capital for half of it.

    Parameters
    ----------
    begin_mv, end_mv : float
        Market value at the start and at the end of the period.
    amounts : ndarray of float64, shape (n,)
        Flows into the portfolio.

    Returns
    -------
    float or None
        Return of the period as a fraction; None when the average capital is not positive.

    Notes
    -----
    .. math:: \frac{V_1 - V_0 - \sum F_i}{V_0 + \frac{1}{2} \sum F_i}

    References
    ----------
    Dietz, P. O. (1966), Pension Funds: Measuring Investment Performance.

    Examples
    --------
    A gain of 100 on 1,000 + 100 / 2:

    >>> round(dietz(1000.0, 1200.0, np.array([100.0])), 6)
    0.095238
    """
    return _gain_over_capital(begin_mv, end_mv, amounts, np.full(len(amounts), 0.5))


def _gain_over_capital(begin_mv: float, end_mv: float, amounts: FloatArray, weights: FloatArray) -> float | None:
    parts = [begin_mv, *(amounts * weights).tolist()]
    capital = math.fsum(parts)
    if capital <= CAPITAL_EPSILON * math.fsum(map(abs, parts)):
        return None
    return math.fsum([end_mv, -begin_mv, *(-amounts).tolist()]) / capital


def _refuse_flows_outside(flows: CashFlows, start: Day, end: Day) -> None:
    outside = np.flatnonzero((flows.date < start) | (flows.date > end)).tolist()
    if outside:
        allowed = f"from {start} to {end}" if start <= end else f"not after {end}, the day of the closing value"
        raise FlowOutsidePeriodError(
            f"Flows must lie in the measuring period, {allowed}; outside of it: {len(outside)}.",
            faults=[
                Fault(
                    place=(*flows.place, int(flows.row[i]), "date"),
                    detail=f"must be {allowed}",
                    row={"date": str(flows.date[i])},
                )
                for i in outside
            ],
        )


def _net_flows(period: _Period) -> tuple[FloatArray, IntArray]:
    """Return the investor's flows, one a day and none of them zero, and their days from the start."""
    amounts = np.concatenate([[-period.begin_mv], -period.amounts, [period.end_mv]])
    day_offset = np.concatenate([[0], period.day_offset, [period.days]])
    # Added up in order of size, so that the order in which flows are sent cannot show in the last digit.
    order = np.lexsort((amounts, day_offset))
    amounts, day_offset = amounts[order], day_offset[order]
    first = np.flatnonzero(np.diff(day_offset, prepend=-1))
    net, gross = np.add.reduceat(amounts, first), np.add.reduceat(np.abs(amounts), first)
    # What rounding leaves of flows that cancel is no flow: it would be a change of sign, and a rate.
    is_flow = np.abs(net) > CAPITAL_EPSILON * gross
    return net[is_flow], day_offset[first[is_flow]]


def _internal_rate(period: _Period, fail_fast: bool) -> MoneyWeightedReturn:
    amounts, day_offset = _net_flows(period)
    found = find_roots(amounts, day_offset / period.year_days)
    if len(found.x):
        return _chosen_root(period, found)
    if period.end_mv == 0.0 and len(amounts) and (amounts < 0.0).all():
        return MoneyWeightedReturn(
            money_weighted_return=-1.0,
            ann_rate=-1.0,
            method=MwrMethod.XIRR,
            roots=np.array([-1.0]),
            search=found.search,
            is_unique=True,
            residual=0.0,
            notes=["Nothing is left and nothing was withdrawn: a total loss, -100 % whatever the period."],
            notices=_short_period_notices(period.days),
        )
    reason = {
        Search.PROVEN: "all net flows have one sign",
        Search.EXACT: "no rate makes the present value of the flows zero",
        Search.SCAN: "a scan found no rate that makes the present value of the flows zero",
    }[found.search]
    if fail_fast:
        raise NoRootError(f"There is no internal rate of return: {reason}.")
    substitute = _dietz_return(period, MwrMethod.MODIFIED_DIETZ, MwrMethod.DIETZ)
    return replace(
        substitute,
        search=found.search,
        is_unique=found.is_unique,
        iterations=found.iterations,
        converged=False,
        notes=[f"No internal rate of return: {reason}. The return is {substitute.method}'s.", *substitute.notes],
    )


def _chosen_root(period: _Period, found: Roots) -> MoneyWeightedReturn:
    with np.errstate(over="ignore"):
        rates, returns = np.expm1(found.x), np.expm1(found.x * (period.days / period.year_days))
    reference = _modified_dietz(period)
    best = int(np.argmin(np.abs(returns - (reference or 0.0))))
    is_finite = np.isfinite(rates)
    if not is_finite[best] or not np.isfinite(returns[best]):
        raise FigureOverflowError(
            f"exp({found.x[best]:.6g}) - 1, the rate per year, or the return of {period.days} days at that rate, "
            "is larger than a double can hold."
        )
    notes, notices = [], _short_period_notices(period.days)
    if found.search is Search.SCAN:
        notes.append(
            "The net flows change sign too often for all rates to be separated: "
            "a scan found those given, whether there are others is not known."
        )
    if not is_finite.all():
        notes.append(f"{np.count_nonzero(~is_finite)} more internal rates are larger than a double can hold.")
    if len(rates) > 1:
        nearest = "0" if reference is None else f"the Modified Dietz return, {reference:.6%}"
        detail = f"{len(rates)} internal rates of return exist; taken is the one whose return is nearest {nearest}."
        notices.append(Notice("multiple_roots", detail))
    return MoneyWeightedReturn(
        money_weighted_return=float(returns[best]),
        ann_rate=float(rates[best]),
        method=MwrMethod.XIRR,
        roots=rates[is_finite],
        search=found.search,
        is_unique=found.is_unique,
        iterations=found.iterations,
        residual=found.residual,
        converged=found.converged,
        notes=notes,
        notices=notices,
    )


def _short_period_notices(days: int) -> list[Notice]:
    if days >= DAYS_OF_A_YEAR:
        return []
    detail = f"The rate per year extrapolates {days} days; GIPS reports the return of the period alone."
    return [Notice("short_period_annualised", detail)]


def _modified_dietz(period: _Period) -> float | None:
    return modified_dietz(period.begin_mv, period.end_mv, period.amounts, period.day_offset, period.days)


def _dietz_return(period: _Period, *methods: MwrMethod) -> MoneyWeightedReturn:
    """Return the first of the Dietz methods that has capital."""
    for method in methods:
        if method is MwrMethod.MODIFIED_DIETZ:
            value = _modified_dietz(period)
        else:
            value = dietz(period.begin_mv, period.end_mv, period.amounts)
        if value is not None:
            ann_rate, notes = _annualised(value, period)
            return MoneyWeightedReturn(value, ann_rate, method, notes=notes)
    raise NoCapitalError(
        f"The average capital of {' and of '.join(methods)} is not positive, so that the gain cannot be related to it.",
        faults=[Fault(("begin_mv",), "with the flows, weighted by their time, must be above 0")],
    )


def _annualised(value: float, period: _Period) -> tuple[float | None, list[str]]:
    if not period.annualise_dietz:
        return None, []
    if period.days < DAYS_OF_A_YEAR:
        return None, [f"{period.days} days are not annualised: fewer than {DAYS_OF_A_YEAR} (GIPS)."]
    if value <= -1.0:
        return None, ["A loss of everything or more has no rate per year."]
    try:
        return math.expm1(math.log1p(value) * (period.year_days / period.days)), []
    except OverflowError:
        return None, ["The rate per year is larger than a double can hold."]
