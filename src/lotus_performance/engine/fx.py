"""Exchange rates and hedges: the currency part of a day's return."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lotus_performance.engine.returns import DayReturns
from lotus_performance.engine.series import BoolArray, DateArray, FloatArray, IntArray
from lotus_performance.errors import DuplicateDatesError, Fault, FxRateMissingError, Place

DEFAULT_CCY = "USD"
"""Currency of a portfolio whose request names none."""


class CurrencyMode(StrEnum):
    """Which part of the return is told: in one currency, local, or local and currency."""

    BASE_ONLY = "BASE_ONLY"
    LOCAL_ONLY = "LOCAL_ONLY"
    BOTH = "BOTH"


@dataclass(frozen=True)
class DatedValues:
    """Values by date and currency, in date order: exchange rates, or hedge ratios.

    Attributes
    ----------
    date : ndarray of datetime64[D], shape (n,)
        Dates, rising.
    ccy : ndarray of str, shape (n,)
        Currency of each value.
    value : ndarray of float64, shape (n,)
        Report currency per unit of `ccy`, or the hedged part of the currency return, 0 to 1.
    """

    date: DateArray
    ccy: np.ndarray[tuple[int], np.dtype[np.str_]]
    value: FloatArray

    def of(self, ccy: str) -> tuple[DateArray, FloatArray]:
        """Return dates and values of one currency.

        Parameters
        ----------
        ccy : str
            The currency.

        Returns
        -------
        tuple of ndarray, shape (m,)
            Dates, rising, and values.
        """
        mine = self.ccy == ccy
        return self.date[mine], self.value[mine]


def order_by_currency(date: DateArray, ccy: Iterable[str], value: FloatArray, place: Place) -> DatedValues:
    """Return dated values in date order.

    Parameters
    ----------
    date : ndarray of datetime64[D], shape (n,)
        Dates in any order.
    ccy : iterable of str
        Currency of each value.
    value : ndarray of float64, shape (n,)
        The values.
    place : tuple
        Where they stand in the request document.

    Returns
    -------
    DatedValues
        The same, sorted.

    Raises
    ------
    DuplicateDatesError
        Two values of one currency have the same date; the faults name every second one.
    """
    names = np.array(list(ccy), dtype=np.str_)
    order = np.lexsort((date, names))
    is_repeat = (date[order][1:] == date[order][:-1]) & (names[order][1:] == names[order][:-1])
    if is_repeat.any():
        faults = [
            Fault((*place, row, "date"), f"{names[row]} has another value on this date", {"date": str(date[row])})
            for row in order[1:][is_repeat].tolist()
        ]
        raise DuplicateDatesError("A currency has more than one value on a date; send one.", faults=faults)
    by_date: IntArray = np.argsort(date, kind="stable")
    return DatedValues(date[by_date], names[by_date], value[by_date])


@dataclass(frozen=True)
class Conversion:
    """How the returns of a portfolio in currency `ccy` become returns in the report currency."""

    ccy: str
    rates: DatedValues
    hedges: DatedValues | None = None


def portfolio_currency(currency: str | None, report_ccy: str | None, rates: DatedValues) -> str | None:
    """Return the currency in which a portfolio is valued.

    Parameters
    ----------
    currency, report_ccy : str or None
        What the request says.
    rates : DatedValues
        Exchange rates.

    Returns
    -------
    str or None
        `currency`; without it the one currency that has rates; else `report_ccy`.
    """
    if currency is not None:
        return currency
    known = np.unique(rates.ccy)
    return str(known[0]) if len(known) == 1 else report_ccy


@dataclass(frozen=True)
class CurrencyPath:
    """What a currency did between the portfolio's rows, n rows.

    Attributes
    ----------
    rate : ndarray of float64, shape (n,)
        Rate at which each row opens: the last one on or before the date of the row before.
    returns : ndarray of float64, shape (n,)
        Currency return of each row as a fraction, hedges taken off.
    """

    rate: FloatArray
    returns: FloatArray


def currency_path(conversion: Conversion, dates: DateArray, is_needed: BoolArray) -> CurrencyPath:
    r"""Return the rate at which each row opens and its currency return, hedges taken off.

    Parameters
    ----------
    conversion : Conversion
        Currency, rates and hedges.
    dates : ndarray of datetime64[D], shape (n,)
        Valuation dates of the portfolio.
    is_needed : ndarray of bool, shape (n,)
        Rows that must have a rate; the others get 0.

    Returns
    -------
    CurrencyPath
        Rates and currency returns, n rows.

    Raises
    ------
    FxRateMissingError
        No rate is known on or before a needed date; the message names currency and date.

    Notes
    -----
    .. math:: x_t = (q_t / q_{t-1} - 1)(1 - h_t)

    with the last rate q on or before the row's date and on or before the date of the row before (for the first row:
    the day before), and the hedge ratio h of the row's own date, 0 where there is none. Friday's rate serves Monday.
    """
    known, value = conversion.rates.of(conversion.ccy)
    before = np.concatenate((dates[:1] - 1, dates[:-1]))
    start, end = (known.searchsorted(when, side="right") - 1 for when in (before, dates))
    missing = before[(start < 0) & is_needed]
    if len(missing):
        raise FxRateMissingError(
            f"No rate of {conversion.ccy} is known on or before {missing[0]}; send one of that date or earlier.",
            faults=[Fault(("fx", "rates"), f"no rate of {conversion.ccy} on or before {missing[0]}")],
        )
    rate, returns = np.zeros(len(dates)), np.zeros(len(dates))
    rate[is_needed] = value[start[is_needed]]
    with np.errstate(over="ignore"):
        returns[is_needed] = value[end[is_needed]] / rate[is_needed] - 1.0
    if conversion.hedges is not None:
        hedged_dates, ratio = conversion.hedges.of(conversion.ccy)
        _, mine, theirs = np.intersect1d(dates, hedged_dates, return_indices=True)
        hedged = ratio[theirs]
        with np.errstate(invalid="ignore"):
            returns[mine] = np.where(hedged == 1.0, 0.0, returns[mine] * (1.0 - hedged))
    return CurrencyPath(rate, returns)


def in_report_currency(days: DayReturns, fx_return: FloatArray) -> DayReturns:
    r"""Return day's returns in the report currency.

    Parameters
    ----------
    days : DayReturns
        Returns in the portfolio's currency, n rows.
    fx_return : ndarray of float64, shape (n,)
        Currency return of each row.

    Returns
    -------
    DayReturns
        Converted returns, n rows; rows without capital keep theirs. What is beyond any number is infinite, and refused
        where it is linked.

    Notes
    -----
    .. math:: b = \mathrm{sign}(c)\,[(1 + u)(1 + x) - 1]

    with the signed return u = g / c, which for a long day is (1 + local)(1 + fx) - 1.

    References
    ----------
    Karnosky, D. S., and Singer, B. D.: Global Asset Management and Performance Attribution, Research Foundation of the
    ICFA 1994: returns in two currencies compound.
    """
    signed = days.sign * days.returns
    with np.errstate(over="ignore", invalid="ignore"):
        converted = days.sign * ((1.0 + signed) * (1.0 + fx_return) - 1.0)
    # Nothing is left to convert without capital, and after the loss of all of it.
    converted = np.where((days.sign == 0.0) | (signed == -1.0), days.returns, converted)
    return replace(days, returns=converted)


def no_rates() -> DatedValues:
    """Return the rates of a request that holds none.

    Returns
    -------
    DatedValues
        Nothing: each currency that needs a rate is refused by name.
    """
    return DatedValues(np.empty(0, "datetime64[D]"), np.empty(0, np.str_), np.empty(0))
