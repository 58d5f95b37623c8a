"""The day's return, and linking days over any window: two legs, resets, days without capital."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np

from lotus_performance.engine.series import BoolArray, DailyValues, Figure, FloatArray, IntArray
from lotus_performance.errors import Fault, FigureOverflowError, NoCapitalError

CAPITAL_EPSILON = 1e-12
"""Capital below this part of the amounts that it is the sum of is rounding noise: none."""

ROUNDING_EPSILON = 2.0**-50
"""What the rounding of a few doubles that cancel leaves of them: 0.3 - (0.1 + 0.2) is none, a cent of a billion is."""

SHORT_RUIN_FACTOR = 2.0 + CAPITAL_EPSILON
"""Product of 1 - r from which a short leg has lost more than everything: more than rounding above 2."""

Number = TypeVar("Number", float, Decimal)


class Basis(StrEnum):
    """Whether management fees reduce the return."""

    NET = "NET"
    GROSS = "GROSS"


class ResetReason(StrEnum):
    """Why the chain of returns was cut: what was lost, or that new capital opened a new chain."""

    LONG_RUIN = "NCTRL_1"
    SHORT_TURNED_POSITIVE = "NCTRL_2"
    SHORT_RUIN = "NCTRL_3"
    NEW_CAPITAL = "NCTRL_4"


class Reset(NamedTuple):
    """One cut of the chain: the row of the loss (of the restart for NEW_CAPITAL) and the rows it takes away."""

    row: int
    reason: ResetReason
    impacted_rows: int


@dataclass(frozen=True)
class DayReturns:
    """What each day contributes to a chain of returns.

    Attributes
    ----------
    gain, capital : ndarray of float64, shape (n,)
        Gain of each day, and the capital at work, negative for a short day and 0 where there is none.
    returns : ndarray of float64, shape (n,)
        Return of each day as a fraction; 0 on days without investment, NaN on days whose return is undefined.
    has_new_capital : ndarray of bool, shape (n,)
        Days with capital, part of which arrived at their beginning or at the end of the row before.
    """

    gain: FloatArray
    capital: FloatArray
    returns: FloatArray
    has_new_capital: BoolArray

    @cached_property
    def sign(self) -> FloatArray:
        """Return the sign of each day's capital.

        Returns
        -------
        ndarray of float64, shape (n,)
            1 on long days, -1 on short ones, 0 without capital.
        """
        return np.sign(self.capital)

    @cached_property
    def is_defined(self) -> BoolArray:
        """Return which days have a return.

        Returns
        -------
        ndarray of bool, shape (n,)
            False on days with a gain but no capital.
        """
        return ~np.isnan(self.returns)

    @cached_property
    def is_idle(self) -> BoolArray:
        """Return which days are without investment.

        Returns
        -------
        ndarray of bool, shape (n,)
            True on days with neither capital nor gain.
        """
        return np.asarray((self.sign == 0) & self.is_defined)

    @cached_property
    def factor(self) -> FloatArray:
        """Return the factor by which each day's leg grows.

        Returns
        -------
        ndarray of float64, shape (n,)
            1 + r on long days, 1 - r on short ones, 1 without capital.
        """
        return 1.0 + np.where(self.sign != 0, self.sign * self.returns, 0.0)

    @cached_property
    def n_defined(self) -> IntArray:
        """Return the number of days with a return before each row.

        Returns
        -------
        ndarray of int64, shape (n + 1,)
            Counts, 0 first.
        """
        return _count_before(self.is_defined)

    @cached_property
    def n_irregular(self) -> IntArray:
        """Return the number of irregular days before each row.

        Returns
        -------
        ndarray of int64, shape (n + 1,)
            Counts of days that are short or lose their whole capital, 0 first.
        """
        return _count_before((self.sign < 0) | (self.factor <= 0.0))


def day_returns(values: DailyValues, basis: Basis, *, begins: IntArray | None = None) -> DayReturns:
    r"""Return the return of each day on the capital at work that day.

    Parameters
    ----------
    values : DailyValues
        Values and flows, n rows.
    basis : Basis
        NET adds the (negative) management fees to the gain.
    begins : ndarray of int64, optional
        Rows before which others of the same series do not stand: the first of each holding, where several are stacked.

    Returns
    -------
    DayReturns
        Returns as fractions, n rows.

    Notes
    -----
    With capital :math:`c = B + F_b` and gain :math:`g = E - F_e - c`, the return is :math:`r = g / |c|`: dividing by
    the absolute capital makes the gain of a short position positive. Without capital the return is 0 when there is no
    gain either, and undefined (NaN) otherwise.

    References
    ----------
    Bacon, C. R.: Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley 2008, chapter 2
    (true time-weighted return with flows at the start and at the end of the day).

    Examples
    --------
    100 grow to 110 after 10 arrived in the morning: nothing was earned.

    >>> day = DailyValues(np.array(["2025-01-02"], "M8[D]"), *np.array([[100.0], [110.0], [10.0], [0.0], [0.0]]),
    ...                   row=np.array([0]))
    >>> day_returns(day, Basis.NET).returns.tolist()
    [0.0]
    """
    gain, capital, is_idle = gains(values, basis)
    has_capital = capital != 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        returns = np.where(is_idle, 0.0, np.nan)
        np.divide(gain, np.abs(capital), out=returns, where=has_capital)
    # What is beyond any number is refused where it is linked: a day that no window asks for harms none.
    returns[~np.isfinite(capital)] = np.inf
    arrived = values.bod_cf != 0.0
    arrived[1:] |= values.eod_cf[:-1] != 0.0
    if begins is not None:
        first = begins[begins < len(values)]
        arrived[first] = values.bod_cf[first] != 0.0
    return DayReturns(gain, capital, returns, has_capital & arrived)


def gains(values: DailyValues, basis: Basis) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return the gain of each day and the capital at work.

    Parameters
    ----------
    values : DailyValues
        Values and flows, n rows.
    basis : Basis
        NET adds the (negative) management fees to the gain.

    Returns
    -------
    gain, capital : ndarray of float64, shape (n,)
        Gain, and capital, negative for a short day and 0 where there is none.
    is_idle : ndarray of bool, shape (n,)
        Days with neither capital nor gain; fees on them are ignored.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        capital = _sum_without_noise(CAPITAL_EPSILON, values.begin_mv, values.bod_cf)
        is_idle = capital == 0.0
        if is_idle.any():
            is_idle &= _sum_without_noise(ROUNDING_EPSILON, values.end_mv, -values.eod_cf) == 0.0
        charged = values.mgmt_fees if basis is Basis.NET else np.zeros(len(values))
        if is_idle.any():
            charged = np.where(is_idle, 0.0, charged)
        left = _sum_without_noise(ROUNDING_EPSILON, values.end_mv, -values.eod_cf, charged)
        return left - capital, capital, is_idle


def paid_gains(gain: FloatArray, is_idle: BoolArray, values: DailyValues, basis: Basis) -> FloatArray:
    """Return what each row of a holding added to its portfolio.

    Fees of a holding without investment are in no return of its own, but its portfolio has paid them.

    Parameters
    ----------
    gain : ndarray of float64, shape (n,)
        Gain of each row.
    is_idle : ndarray of bool, shape (n,)
        Rows with neither capital nor gain.
    values : DailyValues
        Values and flows, n rows.
    basis : Basis
        NET adds the (negative) management fees.

    Returns
    -------
    ndarray of float64, shape (n,)
        Gains, fees of idle rows among them.
    """
    return np.where(is_idle, values.mgmt_fees, gain) if basis is Basis.NET else gain


def on_average_capital(days: DayReturns, values: DailyValues) -> DayReturns:
    r"""Return day's returns on the average capital of the day.

    Parameters
    ----------
    days : DayReturns
        Returns on the capital at the beginning of the day, n rows.
    values : DailyValues
        Values and flows, n rows.

    Returns
    -------
    DayReturns
        The same gains, on :math:`B + (F_b + F_e) / 2`.

    References
    ----------
    Dietz, P. O.: Pension Funds: Measuring Investment Performance, Free Press 1966: flows count for half of the time.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        capital = _sum_without_noise(CAPITAL_EPSILON, values.begin_mv, 0.5 * values.bod_cf, 0.5 * values.eod_cf)
        returns = np.where(days.gain == 0.0, 0.0, np.nan)
        np.divide(days.gain, np.abs(capital), out=returns, where=capital != 0.0)
    returns[~np.isfinite(capital)] = np.inf
    return replace(days, capital=capital, returns=returns)


def refuse_undefined_days(values: DailyValues, days: DayReturns, is_requested: BoolArray) -> None:
    """Refuse days whose return is undefined.

    Parameters
    ----------
    values : DailyValues
        Values and flows, n rows.
    days : DayReturns
        Their returns.
    is_requested : ndarray of bool, shape (n,)
        Rows of at least one requested period.

    Raises
    ------
    NoCapitalError
        A requested day has a gain without capital; the faults name them all.
    """
    undefined = np.flatnonzero(~days.is_defined & is_requested)
    if len(undefined):
        raise NoCapitalError(
            f"{len(undefined)} days have a gain but no capital, hence no return; nothing was calculated.",
            faults=[
                Fault(
                    (*values.place, int(values.row[i])),
                    "the capital of the day is 0, and its gain is not; correct the row, or send fail_fast: false",
                    row={"perf_date": str(values.perf_date[i])},
                )
                for i in undefined.tolist()
            ],
        )


def _sum_without_noise(epsilon: float, *parts: FloatArray) -> FloatArray:
    """Return a sum, 0 where it is no more than what rounding leaves of parts that cancel."""
    first, *others = parts
    # Mostly there are no flows and fees, and nothing that could cancel.
    others = [part for part in others if part.any()]
    total = first + 0.0
    if others:
        largest = np.abs(first)
        for part in others:
            total += part
            np.maximum(largest, np.abs(part), out=largest)
        largest *= epsilon
        total[np.abs(total) <= largest] = 0.0
    return total


def link_ranges(days: DayReturns, first: IntArray, stop: IntArray) -> tuple[FloatArray, dict[int, list[Reset]]]:
    r"""Return the linked return of each of several ranges of rows.

    Parameters
    ----------
    days : DayReturns
        Returns of all rows.
    first, stop : ndarray of int64, shape (k,)
        Half-open ranges in rising order, none empty, each beginning where the one before stops or later.

    Returns
    -------
    linked : ndarray of float64, shape (k,)
        Linked return of each range as a fraction; NaN where no day has a return.
    resets : dict of int to list of Reset
        The cuts, by the position of the range; ranges without any are left out.

    Raises
    ------
    FigureOverflowError
        A linked return is larger than a double.

    Notes
    -----
    Long and short days compound apart: :math:`R = L \cdot S - 1` with :math:`L = \prod (1 + r)` over the long days and
    :math:`S = 2 - \prod (1 - r)` over the short ones, both after the last restart of the range.
    A range without short days and without a day that loses everything is one product; only the others are traced.
    """
    resets: dict[int, list[Reset]] = {}
    if len(first) == 0:
        return np.empty(0), resets
    # Between two ranges lie rows of neither: each second section of the products is such a gap, and is dropped.
    edges = np.empty(2 * len(first), dtype=np.int64)
    edges[::2], edges[1::2] = first, np.minimum(stop, len(days.returns) - 1)
    with np.errstate(over="ignore", invalid="ignore"):
        linked: FloatArray = np.multiply.reduceat(days.factor, edges)[::2] - 1.0
        if stop[-1] == len(days.returns):
            linked[-1] = days.factor[first[-1] :].prod() - 1.0
        for i in np.flatnonzero(days.n_irregular[stop] > days.n_irregular[first]).tolist():
            figures, cuts = _trace(days, int(first[i]), int(stop[i]))
            linked[i] = figures[-1]
            if cuts:
                resets[i] = cuts
    _refuse_overflow(linked)
    linked[days.n_defined[stop] == days.n_defined[first]] = np.nan
    return linked, resets


def link_window(days: DayReturns, first: int, stop: int) -> tuple[float, list[Reset]]:
    """Return the linked return of one range of rows.

    Parameters
    ----------
    days : DayReturns
        Returns of all rows.
    first, stop : int
        Half-open range, not empty.

    Returns
    -------
    linked : float
        Linked return as a fraction; NaN where no day has a return.
    resets : list of Reset
        The cuts, in order; none in the ordinary case.

    Raises
    ------
    FigureOverflowError
        The linked return is larger than a double.
    """
    linked, resets = link_ranges(days, np.array([first]), np.array([stop]))
    return float(linked[0]), resets.get(0, [])


def link_to_date(days: DayReturns, first: int, stop: int) -> FloatArray:
    """Return, for each row of a range, the linked return from the first row to it.

    Parameters
    ----------
    days : DayReturns
        Returns of all rows.
    first, stop : int
        Half-open range.

    Returns
    -------
    ndarray of float64, shape (stop - first,)
        Linked return to date as a fraction; NaN before the first day that has a return.

    Raises
    ------
    FigureOverflowError
        A linked return is larger than a double.
    """
    linked: FloatArray = np.empty(stop - first)
    if days.n_irregular[stop] == days.n_irregular[first]:
        with np.errstate(over="ignore"):
            np.cumprod(days.factor[first:stop], out=linked)
        linked -= 1.0
    else:
        linked[:] = _trace(days, first, stop)[0]
    _refuse_overflow(linked)
    linked[days.n_defined[first + 1 : stop + 1] == days.n_defined[first]] = np.nan
    return linked


def trace(days: Iterable[tuple[int, Number, bool]], one: Number, first: int = 0) -> tuple[list[Number], list[Reset]]:
    """Link days one by one: the rule for short days, losses of everything and restarts, for any kind of number.

    Parameters
    ----------
    days : iterable of tuple, length n
        Sign of the capital, factor of the day's leg, and whether new capital arrived. A sign of 0 links nothing.
    one : float or Decimal
        The number 1.
    first : int
        Row of the first day.

    Returns
    -------
    figures : list of float or Decimal, length n
        Linked return to each day as a fraction, 0 before the first day with capital. It stands still from a loss of
        everything to the restart.
    resets : list of Reset
        The cuts, in order.
    """
    figures: list[Number] = []
    resets: list[Reset] = []
    figure, long, short = one - one, one, one
    has_long = is_lost = False
    loss, reason = 0, ResetReason.NEW_CAPITAL
    for row, (sign, factor, has_new_capital) in enumerate(days, start=first):
        # A short that turned positive has its capital: it waits for no other.
        if sign and is_lost and (has_new_capital or reason is ResetReason.SHORT_TURNED_POSITIVE):
            resets.append(Reset(row if reason is ResetReason.NEW_CAPITAL else loss, reason, row - first))
            long, short, has_long, is_lost = one, one, False, False
        if sign and not is_lost:
            # No growth counts against a factor of 0, not even one beyond any number.
            if sign < 0:
                short = short * factor if factor else factor
            else:
                if short > SHORT_RUIN_FACTOR and not has_long:
                    resets.append(Reset(row, ResetReason.NEW_CAPITAL, row - first))
                    short = one
                long, has_long = long * factor if factor else factor, True
            left = 2 - short
            figure = long * left - one if long and left else -one
            if factor <= 0 or (short > SHORT_RUIN_FACTOR and has_long):
                is_lost, loss, reason = True, row, _loss_reason(sign, factor)
        figures.append(figure)
    if is_lost and reason is not ResetReason.NEW_CAPITAL:
        resets.append(Reset(loss, reason, len(figures)))
    return figures, resets


def _loss_reason(sign: int, factor: Figure) -> ResetReason:
    """Return what a day lost; a loss of no more than everything is told when new capital arrives."""
    if factor == 0:
        return ResetReason.NEW_CAPITAL
    if factor > 0:
        return ResetReason.SHORT_RUIN
    return ResetReason.LONG_RUIN if sign > 0 else ResetReason.SHORT_TURNED_POSITIVE


def _trace(days: DayReturns, first: int, stop: int) -> tuple[list[float], list[Reset]]:
    rows = slice(first, stop)
    columns = (days.sign[rows].astype(int), days.factor[rows], days.has_new_capital[rows])
    return trace(zip(*(column.tolist() for column in columns), strict=True), 1.0, first)


def _refuse_overflow(linked: FloatArray) -> None:
    if not np.isfinite(linked).all():
        raise FigureOverflowError("The linked return is too large for a number; check the amounts, or link fewer days.")


def _count_before(mask: BoolArray) -> IntArray:
    count = np.zeros(len(mask) + 1, dtype=np.int64)
    np.cumsum(mask, out=count[1:])
    return count
