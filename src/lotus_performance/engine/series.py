"""Arrays with a meaning: aliases, and the daily values of one portfolio in date order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from lotus_performance.errors import DuplicateDatesError, Fault, Place

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DateArray = NDArray[np.datetime64]
Day = np.datetime64
"""A date of resolution ``D``."""
LAST_DAY = np.datetime64("9999-12-31", "D")
"""Latest day that ``YYYY-MM-DD`` can write."""

_FIRST_WRITTEN, _LAST_WRITTEN = np.datetime64("1900-01-01", "D"), np.datetime64("2100-12-31", "D")
_WRITTEN = np.arange(_FIRST_WRITTEN, _LAST_WRITTEN + 1).astype("S10")
"""The days of two centuries as texts: looking one up takes a tenth of the time of writing it."""

MONEY = ("begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees")
"""Columns of amounts of `DailyValues`."""

Figure = float | Decimal
"""A number of an answer: a double, under DECIMAL_STRICT a decimal."""


@dataclass(frozen=True)
class DailyValues:
    """Values and flows of one portfolio, a row a valuation date, strictly increasing in date.

    Attributes
    ----------
    perf_date : ndarray of datetime64[D], shape (n,)
        Valuation dates.
    begin_mv, end_mv : ndarray of float64, shape (n,)
        Market value before the first and after the last flow of the row, portfolio currency.
    bod_cf, eod_cf : ndarray of float64, shape (n,)
        Flows into the portfolio: `bod_cf` comes on top of `begin_mv` before trading, `eod_cf` is inside `end_mv`.
    mgmt_fees : ndarray of float64, shape (n,)
        Management fees of the row, negative.
    row : ndarray of int64, shape (n,)
        Position of each row in the request, for messages.
    place : tuple
        Where the rows stand in the request document.
    """

    perf_date: DateArray
    begin_mv: FloatArray
    end_mv: FloatArray
    bod_cf: FloatArray
    eod_cf: FloatArray
    mgmt_fees: FloatArray
    row: IntArray
    place: Place = ("valuation_points",)

    def __len__(self) -> int:
        return len(self.perf_date)

    @property
    def is_reordered(self) -> bool:
        """Return whether the request's rows were in another order.

        Returns
        -------
        bool
            True when they had to be sorted.
        """
        return bool((self.row[1:] < self.row[:-1]).any())

    def take(self, selection: slice | BoolArray | IntArray) -> "DailyValues":
        """Return the selected rows.

        Parameters
        ----------
        selection : slice or ndarray
            Rows to keep, in date order.

        Returns
        -------
        DailyValues
            The selected rows; arrays are views where `selection` is a slice.
        """
        names = ("perf_date", *MONEY, "row")
        return replace(self, **{name: getattr(self, name)[selection] for name in names})

    def with_money(self, columns: dict[str, FloatArray]) -> "DailyValues":
        """Return the rows with other amounts.

        Parameters
        ----------
        columns : dict of ndarray of float64, shape (n,)
            `begin_mv`, `end_mv`, `bod_cf`, `eod_cf` and `mgmt_fees`.

        Returns
        -------
        DailyValues
            The same dates, in the same places of the request.
        """
        return DailyValues(perf_date=self.perf_date, **columns, row=self.row, place=self.place)


def date_texts(dates: DateArray) -> list[str]:
    """Return dates as ``YYYY-MM-DD``, several times as fast as numpy's own conversion.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (n,)
        Dates from the year 1 on.

    Returns
    -------
    list of str
        One text for each date.

    Examples
    --------
    >>> date_texts(np.array(["0001-01-31", "2024-02-29"], "M8[D]"))
    ['0001-01-31', '2024-02-29']
    """
    if len(dates) and dates.max() > LAST_DAY:
        return [str(date) for date in dates]
    text = date_bytes(dates).tobytes().decode("ascii")
    return [text[i : i + 10] for i in range(0, len(text), 10)]


def date_bytes(dates: DateArray) -> NDArray[np.bytes_]:
    """Return dates as ``YYYY-MM-DD`` in ASCII.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (n,)
        Dates of the years 1 to 9999.

    Returns
    -------
    ndarray of bytes, shape (n,)
        One text of ten characters for each date.
    """
    if len(dates) and dates.min() >= _FIRST_WRITTEN and dates.max() <= _LAST_WRITTEN:
        return _WRITTEN[(dates - _FIRST_WRITTEN).astype(np.int64)]
    return dates.astype("S10")


def order_by_date(perf_date: DateArray, columns: dict[str, FloatArray], place: Place) -> DailyValues:
    """Return daily values in date order.

    Parameters
    ----------
    perf_date : ndarray of datetime64[D], shape (n,)
        Valuation dates in any order.
    columns : dict of ndarray of float64, shape (n,)
        `begin_mv`, `end_mv`, `bod_cf`, `eod_cf` and `mgmt_fees`.
    place : tuple
        Where the rows stand in the request document.

    Returns
    -------
    DailyValues
        The rows, strictly increasing in date.

    Raises
    ------
    DuplicateDatesError
        Two rows have the same date; the faults name every second row.
    """
    row = np.arange(len(perf_date))
    if (perf_date[1:] <= perf_date[:-1]).any():
        row = np.argsort(perf_date, kind="stable")
        perf_date = perf_date[row]
        columns = {name: column[row] for name, column in columns.items()}
        _refuse_repeats(perf_date, row, place)
    return DailyValues(perf_date=perf_date, **columns, row=row, place=place)


def _refuse_repeats(perf_date: DateArray, row: IntArray, place: Place) -> None:
    repeats = np.flatnonzero(perf_date[1:] == perf_date[:-1]) + 1
    if len(repeats):
        raise DuplicateDatesError(
            f"{len(np.unique(perf_date[repeats]))} dates have more than one row; send one row a date.",
            faults=_repeated_rows(perf_date, row, repeats, place),
        )


def _repeated_rows(perf_date: DateArray, row: IntArray, repeats: IntArray, place: Place) -> Sequence[Fault]:
    return [
        Fault(
            place=(*place, int(row[i]), "perf_date"),
            detail=f"row {row[i - 1]} has the same date; merge the two or correct one",
            row={"perf_date": str(perf_date[i])},
        )
        for i in repeats.tolist()
    ]
