"""DECIMAL_STRICT: the same figures in exact decimals, by plain loops apart from the fast engine.

Arithmetic has 34 significant digits, those of IEEE 754 decimal128. What is told about the data (periods, notes,
warnings) comes from the fast engine; every figure is calculated anew from the decimals of the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, Overflow, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lotus_performance.engine.day_count import WEEKDAYS, Annualization, count_days
from lotus_performance.engine.mwr import MoneyWeightedReturn, MwrMethod
from lotus_performance.engine.returns import Basis, trace
from lotus_performance.engine.series import FloatArray, IntArray
from lotus_performance.engine.twr import Buckets, PeriodReturn, Span, TimeWeightedReturn
from lotus_performance.errors import FigureOverflowError

DECIMAL128 = Context(prec=34, rounding=ROUND_HALF_EVEN)
CAPITAL_EPSILON = Decimal("1e-12")
NEWTON_STEPS = 4
"""Each step doubles the digits of a root: 15 of the fast engine become 34 in two, with two to spare."""

GUARD_DIGITS = 16
"""More digits than the powers of thousands of days can lose."""

ZERO, ONE = Decimal(0), Decimal(1)
ObjectArray = NDArray[np.object_]


@dataclass(frozen=True)
class ExactRows:
    """Values and flows of one portfolio as decimals, in date order; the members are those of `DailyValues`."""

    begin_mv: Sequence[Decimal]
    end_mv: Sequence[Decimal]
    bod_cf: Sequence[Decimal]
    eod_cf: Sequence[Decimal]
    mgmt_fees: Sequence[Decimal]

    def last(self, n: int) -> "ExactRows":
        """Return the last rows.

        Parameters
        ----------
        n : int
            Number of rows to keep.

        Returns
        -------
        ExactRows
            The last `n` rows.
        """
        return ExactRows(**{name: column[len(column) - n :] for name, column in vars(self).items()})


@dataclass(frozen=True)
class ExactFlows:
    """Opening value, closing value and flows of a measuring period as decimals."""

    begin_mv: Decimal
    end_mv: Decimal
    amounts: Sequence[Decimal]


@dataclass(frozen=True)
class ExactDay:
    """One day: gain, capital, return (None where it is undefined), whether new capital arrived, growth of its leg."""

    gain: Decimal
    capital: Decimal
    returns: Decimal | None
    has_new_capital: bool
    factor: Decimal


def exact_days(rows: ExactRows, basis: Basis) -> list[ExactDay]:
    """Return the return of each day, by the rule of `returns.day_returns`.

    Parameters
    ----------
    rows : ExactRows
        Values and flows, n rows.
    basis : Basis
        NET adds the (negative) management fees to the gain.

    Returns
    -------
    list of ExactDay
        One for each row.
    """
    days = []
    eod_before = ZERO
    with localcontext(DECIMAL128):
        cells = zip(rows.begin_mv, rows.end_mv, rows.bod_cf, rows.eod_cf, rows.mgmt_fees, strict=True)
        for begin, end, bod, eod, fees in cells:
            capital = begin + bod
            if abs(capital) <= CAPITAL_EPSILON * max(abs(begin), abs(bod)):
                capital = ZERO
            is_idle = not capital and end == eod
            charged = fees if basis is Basis.NET and not is_idle else ZERO
            gain = end - eod + charged - capital
            change, factor = ZERO if is_idle else None, ONE
            if capital:
                change = gain / abs(capital)
                factor = ONE + change if capital > 0 else ONE - change
            days.append(ExactDay(gain, capital, change, bool(capital and (bod or eod_before)), factor))
            eod_before = eod
    return days


def exact_link(days: Sequence[ExactDay]) -> list[Decimal | None]:
    """Return the linked return from the first day to each day, by the rule of `returns.trace`.

    Parameters
    ----------
    days : sequence of ExactDay
        The days of a window.

    Returns
    -------
    list of Decimal or None
        Linked return to each day as a fraction; None before the first day that has a return.
    """
    with localcontext(DECIMAL128):
        figures, _ = trace(
            (((day.capital > 0) - (day.capital < 0), day.factor, day.has_new_capital) for day in days), ONE
        )
    n_before = next((i for i, day in enumerate(days) if day.returns is not None), len(days))
    return [None] * n_before + figures[n_before:]


def exact_time_weighted_return(
    result: TimeWeightedReturn,
    rows: ExactRows,
    basis: Basis,
    annualization: Annualization,
    *,
    with_cumulative: bool = False,
    calendar: np.busdaycalendar = WEEKDAYS,
    days: Sequence[ExactDay] | None = None,
) -> TimeWeightedReturn:
    """Return a result of the fast engine with every figure calculated anew in decimals.

    Parameters
    ----------
    result : TimeWeightedReturn
        The fast engine's answer, for its periods, buckets, notes and warnings.
    rows : ExactRows
        The rows that `result` used.
    basis : Basis
        NET or GROSS of management fees.
    annualization : Annualization
        How to turn a return into a rate per year.
    with_cumulative : bool
        Whether buckets carry the return to date.
    calendar : busdaycalendar
        Business days for BUS/252.
    days : sequence of ExactDay, optional
        The days of `basis`, where they are known already.

    Returns
    -------
    TimeWeightedReturn
        The same answer; figures are Decimal, arrays of figures are of dtype object with None where there is none.

    Raises
    ------
    FigureOverflowError
        A figure has an exponent of more than six digits.
    """
    try:
        days = exact_days(rows, basis) if days is None else days
        return _exact_figures(result, rows, basis, days, annualization, with_cumulative, calendar)
    except Overflow as error:
        raise FigureOverflowError("A figure is too large for a number; check the amounts of the request.") from error


def _exact_figures(
    result: TimeWeightedReturn,
    rows: ExactRows,
    basis: Basis,
    days: Sequence[ExactDay],
    annualization: Annualization,
    with_cumulative: bool,
    calendar: np.busdaycalendar,
) -> TimeWeightedReturn:
    has_both = result.periods[0].net is not None
    by_basis = {each: days if each is basis else exact_days(rows, each) for each in Basis} if has_both else {}

    def exact_buckets(buckets: Buckets, first_row: int, to_date: Sequence[Decimal | None]) -> Buckets:
        first, stop = buckets.first.tolist(), buckets.stop.tolist()
        linked = [exact_link(days[b:e])[-1] for b, e in zip(first, stop, strict=True)]
        return replace(
            buckets,
            returns=_objects(linked),
            cum_returns=_objects([to_date[e - 1 - first_row] for e in stop]) if with_cumulative else None,
            ann_returns=None
            if buckets.ann_returns is None or buckets.span is None
            else _objects(_rates(linked, buckets.ann_returns, buckets.span, annualization, calendar)),
        )

    def exact_period(period: PeriodReturn) -> PeriodReturn:
        part = slice(period.first, period.stop)
        to_date = exact_link(days[part])
        linked = to_date[-1] or ZERO
        fast = np.array([period.ann_return], dtype=float)
        (ann_return,) = _rates([linked], fast, period.span, annualization, calendar)
        return replace(
            period,
            base=linked,
            local=linked,
            ann_return=ann_return,
            net=exact_link(by_basis[Basis.NET][part])[-1] if by_basis else None,
            gross=exact_link(by_basis[Basis.GROSS][part])[-1] if by_basis else None,
            buckets={
                frequency: exact_buckets(buckets, period.first, to_date)
                for frequency, buckets in period.buckets.items()
            },
        )

    return replace(result, periods=[exact_period(period) for period in result.periods])


def _rates(
    linked: Sequence[Decimal | None],
    fast: FloatArray,
    span: Span,
    annualization: Annualization,
    calendar: np.busdaycalendar,
) -> list[Decimal | None]:
    """Return rates per year where the fast engine has them: it has decided which windows are annualised."""
    days = count_days(*span, annualization.basis, calendar).tolist()
    per_year = Decimal(repr(annualization.days_per_year))
    with localcontext(DECIMAL128):
        return [
            None if figure is None or figure <= -ONE or np.isnan(rate) else (ONE + figure) ** (per_year / n) - ONE
            for figure, rate, n in zip(linked, fast.tolist(), days, strict=True)
        ]


def exact_money_weighted_return(
    result: MoneyWeightedReturn,
    flows: ExactFlows,
    day_offset: IntArray,
    days: int,
    year_days: float,
) -> MoneyWeightedReturn:
    """Return a result of the fast engine with every figure calculated anew in decimals.

    Parameters
    ----------
    result : MoneyWeightedReturn
        The fast engine's answer: its method, and roots to start from.
    flows : ExactFlows
        Opening value, closing value and n flows into the portfolio.
    day_offset : ndarray of int64, shape (n,)
        Days from the start to each flow.
    days : int
        Days of the measuring period.
    year_days : float
        Days of a year.

    Returns
    -------
    MoneyWeightedReturn
        The same answer; figures are Decimal, `roots` is an array of dtype object.
    """
    begin_mv, end_mv, amounts = flows.begin_mv, flows.end_mv, flows.amounts
    offsets = [Decimal(offset) for offset in day_offset.tolist()]
    year = Decimal(repr(year_days))
    with localcontext(DECIMAL128):
        if result.method is not MwrMethod.XIRR:
            half = result.method is MwrMethod.DIETZ or days == 0
            weights = [Decimal("0.5") if half else (days - offset) / Decimal(days) for offset in offsets]
            capital = begin_mv + sum((a * w for a, w in zip(amounts, weights, strict=True)), ZERO)
            value = (end_mv - begin_mv - sum(amounts, ZERO)) / capital
            has_rate = result.ann_rate is not None and value > -ONE
            ann = (ONE + value) ** (year / days) - ONE if has_rate else None
            return replace(result, money_weighted_return=value, ann_rate=ann)
        by_day: dict[int, Decimal] = {}
        for day, amount in [(0, begin_mv), *zip(day_offset.tolist(), amounts, strict=True), (days, -end_mv)]:
            by_day[day] = by_day.get(day, ZERO) + amount
        dated = [(day, amount) for day, amount in sorted(by_day.items()) if amount]
        chosen = int(np.abs(result.roots - float(result.ann_rate or 0.0)).argmin())
        growths = [ONE + Decimal(float(root)) for root in result.roots]
        if days < year:
            # Of two figures near -100 % the one over fewer years has the more digits.
            growths[chosen] = (ONE + Decimal(result.money_weighted_return)) ** (year / days)
        logs = [_polished_log(dated, growth, year) for growth in growths]
        rates = [-ONE if log is None else log.exp() - ONE for log in logs]
        log = logs[chosen]
        value = -ONE if log is None else (log * days / year).exp() - ONE
        return replace(result, money_weighted_return=value, ann_rate=rates[chosen], roots=_objects(rates))


def _polished_log(flows: Sequence[tuple[int, Decimal]], growth: Decimal, year: Decimal) -> Decimal | None:
    """Return ln(1 + rate) at which the flows are worth nothing, by Newton's method; None after a loss of everything.

    A root that touches zero without crossing it may be none for decimals: it stays where doubles found it.
    """
    if growth <= 0:
        return None
    x = growth.ln()
    best = x, *_present_value(flows, x, year)
    for _ in range(NEWTON_STEPS):
        _, value, slope = best
        if not slope or not value:
            break
        x = best[0] - value / slope
        found = x, *_present_value(flows, x, year)
        if abs(found[1]) >= abs(value):
            break
        best = found
    return best[0]


def _present_value(flows: Sequence[tuple[int, Decimal]], x: Decimal, year: Decimal) -> tuple[Decimal, Decimal]:
    """Return the value of flows at the start, and its slope in x; one power a day between two flows."""
    value = slope = ZERO
    with localcontext(DECIMAL128) as context:
        context.prec += GUARD_DIGITS
        daily, factor, last = (-x / year).exp(), ONE, 0
        for day, amount in flows:
            factor *= daily ** (day - last)
            last = day
            value += amount * factor
            slope -= amount * factor * day / year
    return value, slope


def _objects(figures: Sequence[Decimal | None]) -> Any:
    array: ObjectArray = np.empty(len(figures), dtype=object)
    array[:] = figures
    return array
