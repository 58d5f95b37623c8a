"""The day's return, and linking days over any window: two legs, resets, days without capital."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lotus_performance.engine.series import BoolArray, DailyValues, FloatArray, IntArray
from lotus_performance.errors import FigureOverflowError

CAPITAL_EPSILON = 1e-12
"""Capital below this part of the amounts that it is the sum of is rounding noise: none."""

ROUNDING_EPSILON = 2.0**-50
"""What the rounding of a few doubles that cancel leaves of them: 0.3 - (0.1 + 0.2) is none, a cent of a billion is."""

SHORT_RUIN = 2.0 + CAPITAL_EPSILON
"""Product of 1 - r from which a short leg has lost more than everything: more than rounding above 2."""

_FIRST_SCAN = 64


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


@dataclass(frozen=True)
class Reset:
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
    def long_factor(self) -> FloatArray:
        """Return the factor of the long leg.

        Returns
        -------
        ndarray of float64, shape (n,)
            1 + r on long days, else 1.
        """
        return 1.0 + np.where(self.sign > 0, self.returns, 0.0)

    @cached_property
    def short_factor(self) -> FloatArray:
        """Return the factor of the short leg.

        Returns
        -------
        ndarray of float64, shape (n,)
            1 - r on short days, else 1.
        """
        return 1.0 - np.where(self.sign < 0, self.returns, 0.0)

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
        return _count_before((self.sign < 0) | (self.long_factor <= 0.0))

    @cached_property
    def ended_chains(self) -> "dict[int, _Chain]":
        """Return the chains found so far that end, by their first row.

        Returns
        -------
        dict of int to chain
            Filled by the functions that link ranges.
        """
        return {}

    @cached_property
    def n_short(self) -> IntArray:
        """Return the number of short days before each row.

        Returns
        -------
        ndarray of int64, shape (n + 1,)
            Counts, 0 first.
        """
        return _count_before(self.sign < 0)

    @cached_property
    def next_loss(self) -> IntArray:
        """Return the first row from each on that loses a leg's whole capital.

        Returns
        -------
        ndarray of int64, shape (n + 1,)
            Rows, n where there is none.
        """
        return _next_true((self.long_factor <= 0.0) | (self.short_factor <= 0.0))

    @cached_property
    def next_capital(self) -> IntArray:
        """Return the first row from each on that has capital.

        Returns
        -------
        ndarray of int64, shape (n + 1,)
            Rows, n where there is none.
        """
        return _next_true(self.sign != 0)

    @cached_property
    def next_new_capital(self) -> IntArray:
        """Return the first row from each on that has new capital.

        Returns
        -------
        ndarray of int64, shape (n + 1,)
            Rows, n where there is none.
        """
        return _next_true(self.has_new_capital)


def day_returns(values: DailyValues, basis: Basis) -> DayReturns:
    r"""Return the return of each day on the capital at work that day.

    Parameters
    ----------
    values : DailyValues
        Values and flows, n rows.
    basis : Basis
        NET adds the (negative) management fees to the gain.

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
    with np.errstate(over="ignore", invalid="ignore"):
        capital = _sum_without_noise(CAPITAL_EPSILON, values.begin_mv, values.bod_cf)
        has_capital = capital != 0.0
        charged = np.where(has_capital, values.mgmt_fees, 0.0) if basis is Basis.NET else np.zeros(len(values))
        left = _sum_without_noise(ROUNDING_EPSILON, values.end_mv, -values.eod_cf, charged)
        gain = left - capital
        returns = np.where(left == 0.0, 0.0, np.nan)
        np.divide(gain, np.abs(capital), out=returns, where=has_capital)
    # What is beyond any number is refused where it is linked: a day that no window asks for harms none.
    returns[~np.isfinite(capital) | (has_capital & np.isnan(returns))] = np.inf
    arrived = values.bod_cf != 0.0
    arrived[1:] |= values.eod_cf[:-1] != 0.0
    return DayReturns(gain, capital, returns, has_capital & arrived)


def _sum_without_noise(epsilon: float, *parts: FloatArray) -> FloatArray:
    """Return a sum, 0 where it is no more than what rounding leaves of parts that cancel."""
    total = sum(parts[1:], parts[0])
    largest = np.maximum.reduce([np.abs(part) for part in parts])
    return np.where(np.abs(total) <= epsilon * largest, 0.0, total)


def link_ranges(days: DayReturns, first: IntArray, stop: IntArray) -> FloatArray:
    r"""Return the linked return of each of several ranges of rows.

    Parameters
    ----------
    days : DayReturns
        Returns of all rows.
    first, stop : ndarray of int64, shape (k,)
        Half-open ranges in rising order, none empty, each beginning where the one before stops or later.

    Returns
    -------
    ndarray of float64, shape (k,)
        Linked return of each range as a fraction; NaN where no day has a return.

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
    if len(first) == 0:
        return np.empty(0)
    # Between two ranges lie rows of neither: each second section of the products is such a gap, and is dropped.
    edges = np.stack((first, np.minimum(stop, len(days.returns) - 1)), axis=1).ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        linked: FloatArray = np.multiply.reduceat(days.long_factor, edges)[::2] - 1.0
        if stop[-1] == len(days.returns):
            linked[-1] = days.long_factor[first[-1] :].prod() - 1.0
        for i in np.flatnonzero(days.n_irregular[stop] > days.n_irregular[first]).tolist():
            linked[i] = _linked_after_last_restart(days, int(first[i]), int(stop[i]))
    _refuse_overflow(linked)
    linked[days.n_defined[stop] == days.n_defined[first]] = np.nan
    return linked


def link_window(days: DayReturns, first: int, stop: int) -> float:
    """Return the linked return of one range of rows.

    Parameters
    ----------
    days : DayReturns
        Returns of all rows.
    first, stop : int
        Half-open range, not empty.

    Returns
    -------
    float
        Linked return as a fraction; NaN where no day has a return.

    Raises
    ------
    FigureOverflowError
        The linked return is larger than a double.
    """
    return float(link_ranges(days, np.array([first]), np.array([stop]))[0])


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
    with np.errstate(over="ignore", invalid="ignore"):
        if days.n_irregular[stop] == days.n_irregular[first]:
            np.subtract(np.cumprod(days.long_factor[first:stop]), 1.0, out=linked)
        else:
            long, short = np.ones(stop - first), np.ones(stop - first)
            is_linked = np.zeros(stop - first, dtype=bool)
            for chain in _chains(days, first, stop):
                rows, part = slice(chain.first, chain.last + 1), slice(chain.first - first, chain.last + 1 - first)
                is_linked[part] = True
                long[part] = _products(days.long_factor[rows])
                if days.n_short[rows.stop] > days.n_short[rows.start]:
                    short[part] = _products(days.short_factor[rows])
            # Between the end of a chain and the next restart the figure stands still.
            standing = np.maximum.accumulate(np.where(is_linked, np.arange(stop - first), 0))
            linked = _figures(long, short)[standing]
    _refuse_overflow(linked)
    linked[days.n_defined[first + 1 : stop + 1] == days.n_defined[first]] = np.nan
    return linked


def find_resets(days: DayReturns, first: int, stop: int) -> list[Reset]:
    """Return the cuts of the chain of a range of rows, in order.

    Parameters
    ----------
    days : DayReturns
        Returns of all rows.
    first, stop : int
        Half-open range.

    Returns
    -------
    list of Reset
        Empty in the ordinary case.
    """
    if days.n_irregular[stop] == days.n_irregular[first]:
        return []
    resets = []
    for chain in _chains(days, first, stop):
        if chain.reason is ResetReason.NEW_CAPITAL:
            if chain.restart < stop:
                resets.append(Reset(chain.restart, chain.reason, chain.restart - first))
        elif chain.reason is not None:
            resets.append(Reset(chain.last, chain.reason, chain.restart - first))
    return resets


class _Chain(NamedTuple):
    """Rows linked with one another: `first` to `last`; the figure then stands still until `restart`."""

    first: int
    last: int
    restart: int
    reason: ResetReason | None


def _chains(days: DayReturns, first: int, stop: int) -> Iterator[_Chain]:
    """Yield the chains of a range. A chain ends where a leg has lost its capital.

    Where a chain that begins at a row ends does not depend on the range: what one range has found, others take.
    """
    while first < stop:
        chain = days.ended_chains.get(first)
        if chain is None:
            chain = _chain_from(days, first, stop)
            if chain.reason is not None:
                days.ended_chains[first] = chain
        if chain.last >= stop:
            chain = _Chain(first, stop - 1, stop, None)
        elif chain.restart > stop:
            chain = chain._replace(restart=stop)
        yield chain
        first = chain.restart


def _chain_from(days: DayReturns, first: int, stop: int) -> _Chain:
    """Return the chain that begins at a row, as far as it can be told from the rows before `stop`."""
    loss = min(int(days.next_loss[first]), stop)
    has_short = days.n_short[min(loss + 1, stop)] > days.n_short[first]
    ruin = _first_short_ruin(days, first, loss) if has_short else len(days.returns)
    if ruin < loss and days.sign[ruin] < 0:
        return _Chain(first, ruin, int(days.next_new_capital[ruin + 1]), ResetReason.SHORT_RUIN)
    if ruin <= loss and ruin < stop:
        return _Chain(first, ruin - 1, ruin, ResetReason.NEW_CAPITAL)
    if loss == stop:
        return _Chain(first, stop - 1, stop, None)
    if days.sign[loss] < 0 and days.short_factor[loss] < 0.0:
        return _Chain(first, loss, int(days.next_capital[loss + 1]), ResetReason.SHORT_TURNED_POSITIVE)
    lost_more_than_all = days.sign[loss] > 0 and days.long_factor[loss] < 0.0
    reason = ResetReason.LONG_RUIN if lost_more_than_all else ResetReason.NEW_CAPITAL
    return _Chain(first, loss, int(days.next_new_capital[loss + 1]), reason)


def _first_short_ruin(days: DayReturns, first: int, loss: int) -> int:
    """Return the first row at or before `loss` at which S < 0 meets a long row of the chain, else a row after it.

    Scanned in growing pieces, so that many short chains cost no more than their own rows.
    """
    end = min(loss + 1, len(days.returns))
    product, has_long, size = 1.0, False, _FIRST_SCAN
    while first < end:
        part = slice(first, min(first + size, end))
        short_factor = days.short_factor[part].copy()
        short_factor[0] *= product
        with np.errstate(over="ignore", invalid="ignore"):  # beyond any number is beyond 2
            products = np.cumprod(short_factor)
        is_long_met = np.logical_or.accumulate(days.sign[part] > 0) | has_long
        hits = np.flatnonzero((products > SHORT_RUIN) & is_long_met)
        if len(hits):
            return first + int(hits[0])
        product, has_long = float(products[-1]), bool(is_long_met[-1])
        first, size = part.stop, 2 * size
    return end


def _linked_after_last_restart(days: DayReturns, first: int, stop: int) -> float:
    *_, chain = _chains(days, first, stop)
    part = slice(chain.first, chain.last + 1)
    return float(_figures(_products(days.long_factor[part]), _products(days.short_factor[part]))[-1])


def _products(factors: FloatArray) -> FloatArray:
    """Return the running products of a chain, of which only the last factor can be 0: no growth counts against it."""
    products: FloatArray = np.asarray(np.cumprod(factors), dtype=np.float64)
    if factors[-1] == 0.0:
        products[-1] = 0.0
    return products


def _figures(long: FloatArray, short: FloatArray) -> FloatArray:
    left = 2.0 - short
    return np.where((long == 0.0) | (left == 0.0), -1.0, long * left - 1.0)


def _refuse_overflow(linked: FloatArray) -> None:
    if not np.isfinite(linked).all():
        raise FigureOverflowError("The linked return is too large for a number; check the amounts, or link fewer days.")


def _count_before(mask: BoolArray) -> IntArray:
    return np.concatenate(([0], np.cumsum(mask)))


def _next_true(mask: BoolArray) -> IntArray:
    n = len(mask)
    rows = np.where(mask, np.arange(n), n)
    return np.append(np.minimum.accumulate(rows[::-1])[::-1], n)
