"""Counting days and turning a return of a window into a rate per year."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lotus_performance.engine.series import BoolArray, DateArray, FloatArray, IntArray

DAYS_OF_A_YEAR = 365
"""Fewest calendar days of a window that is annualised (GIPS Standards for Firms, 2020)."""


class DayCount(StrEnum):
    """Conventions by which days are counted and divided into years."""

    BUS_252 = "BUS/252"
    ACT_365 = "ACT/365"
    ACT_ACT = "ACT/ACT"


PERIODS_PER_YEAR = {DayCount.BUS_252: 252.0, DayCount.ACT_365: 365.0, DayCount.ACT_ACT: 365.25}
"""Days of each convention that a year holds."""

WEEKDAYS = np.busdaycalendar("1111100")
"""Monday to Friday, without holidays."""


@dataclass(frozen=True)
class Annualization:
    """How, and whether, a return is turned into a rate per year."""

    is_enabled: bool = False
    basis: DayCount = DayCount.BUS_252
    periods_per_year: float | None = None
    allow_short_periods: bool = False

    @property
    def days_per_year(self) -> float:
        """Return the number of days that a year holds.

        Returns
        -------
        float
            Days, counted by the basis.
        """
        return PERIODS_PER_YEAR[self.basis] if self.periods_per_year is None else self.periods_per_year


def measured_end(end: DateArray, last_row: DateArray, calendar: np.busdaycalendar) -> DateArray:
    """Return the day on which each window stops counting.

    Parameters
    ----------
    end : ndarray of datetime64[D], shape (k,)
        Last calendar day of each window.
    last_row : ndarray of datetime64[D], shape (k,)
        Date of each window's last row.
    calendar : busdaycalendar
        Business days.

    Returns
    -------
    ndarray of datetime64[D], shape (k,)
        `end`, or `last_row` where at least one business day lies after it: a Sunday that ends a year
        takes nothing from a year whose last row is a Friday.
    """
    idle = np.busday_count(last_row + 1, end + 1, busdaycal=calendar)
    return np.where(idle > 0, last_row, end)


def count_days(start: DateArray, end: DateArray, basis: DayCount, calendar: np.busdaycalendar) -> IntArray:
    """Return the number of days of each window, both ends included.

    Parameters
    ----------
    start, end : ndarray of datetime64[D], shape (k,)
        First and last day.
    basis : DayCount
        BUS/252 counts business days, the others calendar days.
    calendar : busdaycalendar
        Business days.

    Returns
    -------
    ndarray of int64, shape (k,)
        Days; 0 for a window without any.

    Examples
    --------
    >>> two_years = np.array(["2024-01-01"], "M8[D]"), np.array(["2025-12-31"], "M8[D]")
    >>> count_days(*two_years, DayCount.BUS_252, WEEKDAYS).tolist()
    [523]
    >>> count_days(*two_years, DayCount.ACT_365, WEEKDAYS).tolist()
    [731]
    """
    if basis is DayCount.BUS_252:
        return np.busday_count(start, end + 1, busdaycal=calendar).astype(np.int64)
    return (end - start).astype(np.int64) + 1


def annualise(
    returns: FloatArray,
    start: DateArray,
    end: DateArray,
    method: Annualization,
    calendar: np.busdaycalendar,
    is_excluded: BoolArray,
) -> FloatArray:
    r"""Return the rate per year of the return of each window.

    Parameters
    ----------
    returns : ndarray of float64, shape (k,)
        Return of each window as a fraction.
    start, end : ndarray of datetime64[D], shape (k,)
        First and last day that count.
    method : Annualization
        Basis, days per year, and whether windows of fewer than 365 calendar days are annualised.
    calendar : busdaycalendar
        Business days.
    is_excluded : ndarray of bool, shape (k,)
        Windows without a rate, such as those with a reset.

    Returns
    -------
    ndarray of float64, shape (k,)
        Rate per year; NaN where the window is short, excluded, without days, or has lost everything, and where the
        rate is larger than a double.

    Notes
    -----
    .. math:: (1 + R)^{p / d} - 1

    with d days in the window and p days in a year.

    References
    ----------
    Global Investment Performance Standards (GIPS) for Firms, 2020, provisions on annualisation: returns for periods
    of less than one year are not annualised.
    """
    days = count_days(start, end, method.basis, calendar)
    is_short = is_short_window(start, end) & (not method.allow_short_periods)
    is_defined = (days > 0) & (returns > -1.0) & ~is_short & ~is_excluded
    rate = np.full(returns.shape, np.nan)
    exponent = method.days_per_year / np.where(is_defined, days, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        np.expm1(np.log1p(np.where(is_defined, returns, 0.0)) * exponent, out=rate, where=is_defined)
    rate[np.isinf(rate)] = np.nan
    return rate


def is_short_window(start: DateArray, end: DateArray) -> BoolArray:
    """Return whether each window has fewer than 365 calendar days.

    Parameters
    ----------
    start, end : ndarray of datetime64[D], shape (k,)
        First and last day, both included.

    Returns
    -------
    ndarray of bool, shape (k,)
        True for a short window.
    """
    return (end - start).astype(np.int64) + 1 < DAYS_OF_A_YEAR
