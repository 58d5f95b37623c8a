"""Values of the holdings of one portfolio: stacked one after another, and set on the portfolio's dates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from lotus_performance.engine.fx import Conversion, DatedValues, currency_path
from lotus_performance.engine.series import MONEY, BoolArray, DailyValues, DateArray, FloatArray, IntArray, date_texts
from lotus_performance.errors import DatesMismatchError, DuplicateDatesError, DuplicateIdsError, Fault, Place

CURRENCY = "currency"
"""Label that says in which currency a holding is valued."""

LONGEST_TABLE = 1 << 17
"""Days, some 350 years, of a table in which dates are looked up; beyond it they are searched for."""


@dataclass(frozen=True)
class Holdings:
    """Values and flows of n positions or instruments, N rows.

    Stacked rows, and not a table of dates by holdings: memory grows with the rows that were sent, also where each
    holding is there on few of the dates.

    Attributes
    ----------
    ids : tuple of str, length n
        Identities, rising.
    labels : tuple of Mapping, length n
        What is known of each holding, such as sector and currency.
    places : tuple of Place, length n
        Where the rows of each holding stand in the request document.
    values : DailyValues
        Rows of all holdings, one holding after another, strictly increasing in date within each.
    first : ndarray of int64, shape (n + 1,)
        Row at which each holding begins, and N.
    """

    ids: tuple[str, ...]
    labels: tuple[Mapping[str, str], ...]
    places: tuple[Place, ...]
    values: DailyValues
    first: IntArray

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def of_row(self) -> IntArray:
        """Return the holding of each row.

        Returns
        -------
        ndarray of int64, shape (N,)
            Position in `ids`.
        """
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def is_reordered(self) -> bool:
        """Return whether the rows of a holding were in another order than that of their dates.

        Returns
        -------
        bool
            True when they had to be sorted.
        """
        row = self.values.row
        return bool(((row[1:] < row[:-1]) & (self.of_row[1:] == self.of_row[:-1])).any())

    def place_of(self, row: int) -> Place:
        """Return where a row stands in the request document.

        Parameters
        ----------
        row : int
            Position among the N rows.

        Returns
        -------
        tuple
            Path of the row.
        """
        return (*self.places[self.of_row[row]], int(self.values.row[row]))


def stack(
    ids: Sequence[str],
    labels: Sequence[Mapping[str, str]],
    places: Sequence[Place],
    n_rows: IntArray,
    perf_date: DateArray,
    columns: dict[str, FloatArray],
) -> Holdings:
    """Return holdings in order of their identities, the rows of each in order of date.

    Parameters
    ----------
    ids, labels, places : sequence, length n
        Identity, labels and place in the request of each holding; the place ends in the name of its rows.
    n_rows : ndarray of int64, shape (n,)
        Number of rows of each holding.
    perf_date : ndarray of datetime64[D], shape (N,)
        Dates of all rows, one holding after another.
    columns : dict of ndarray of float64, shape (N,)
        `begin_mv`, `end_mv`, `bod_cf`, `eod_cf` and `mgmt_fees`.

    Returns
    -------
    Holdings
        The same, sorted.

    Raises
    ------
    DuplicateIdsError
        Two holdings have the same identity; the faults name every second one.
    DuplicateDatesError
        Two rows of one holding have the same date; the faults name every second one.
    """
    order = sorted(range(len(ids)), key=ids.__getitem__)
    _refuse_repeated_ids(ids, places, order)
    n_rows = np.asarray(n_rows, dtype=np.int64)
    row = np.arange(len(perf_date)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    of_row = np.repeat(rank, n_rows)
    is_rising = (of_row[1:] > of_row[:-1]) | ((of_row[1:] == of_row[:-1]) & (perf_date[1:] > perf_date[:-1]))
    if not is_rising.all():
        sorting = np.lexsort((perf_date, of_row))
        row, perf_date, of_row = row[sorting], perf_date[sorting], of_row[sorting]
        columns = {name: column[sorting] for name, column in columns.items()}
    holdings = Holdings(
        ids=tuple(ids[i] for i in order),
        labels=tuple(labels[i] for i in order),
        places=tuple(places[i] for i in order),
        values=DailyValues(perf_date=perf_date, **columns, row=row, place=()),
        first=np.concatenate(([0], np.cumsum(n_rows[order]))),
    )
    _refuse_repeated_dates(holdings)
    return holdings


@dataclass(frozen=True)
class HoldingCurrencies:
    """How holdings in other currencies than the portfolio's are converted.

    Attributes
    ----------
    report_ccy : str
        Currency of the portfolio, and of holdings without the label ``currency``.
    rates : DatedValues
        Exchange rates.
    hedges : DatedValues, optional
        Hedge ratios.
    is_local : bool
        Whether returns are those before conversion; weights are converted all the same.
    is_still : ndarray of bool, shape (T,), optional
        Days of the portfolio that are taken as unchanged: no currency moves on them.
    """

    report_ccy: str
    rates: DatedValues
    hedges: DatedValues | None = None
    is_local: bool = False
    is_still: BoolArray | None = None


@dataclass(frozen=True)
class Panel:
    """Holdings on the T dates of their portfolio.

    Attributes
    ----------
    holdings : Holdings
        The n holdings, N rows.
    date : ndarray of int64, shape (N,)
        Position of each row's date among the dates of the portfolio.
    n_dates : int
        T.
    """

    holdings: Holdings
    date: IntArray
    n_dates: int

    @cached_property
    def _key(self) -> IntArray:
        return self.holdings.of_row * (self.n_dates + 1) + self.date

    def ranges(self, first: int, stop: int) -> tuple[IntArray, IntArray]:
        """Return the rows of each holding within a range of dates.

        Parameters
        ----------
        first, stop : int
            Half-open range of the portfolio's dates.

        Returns
        -------
        begin, end : ndarray of int64, shape (n,)
            Half-open range of rows of each holding, empty where it has none.
        """
        if first == 0 and stop == self.n_dates:
            return self.holdings.first[:-1], self.holdings.first[1:]
        start = np.arange(len(self.holdings)) * (self.n_dates + 1)
        return self._key.searchsorted(start + first), self._key.searchsorted(start + stop)

    def sum_by_date(self, figures: FloatArray) -> FloatArray:
        """Return the sum of the rows of each date.

        Parameters
        ----------
        figures : ndarray of float64, shape (N,)
            A figure of each row.

        Returns
        -------
        ndarray of float64, shape (T,)
            Sums, 0 where no holding has a row.
        """
        return np.bincount(self.date, weights=figures, minlength=self.n_dates).astype(np.float64)


def on_dates(holdings: Holdings, dates: DateArray) -> Panel:
    """Return holdings on the dates of their portfolio.

    Parameters
    ----------
    holdings : Holdings
        N rows.
    dates : ndarray of datetime64[D], shape (T,)
        Dates of the portfolio's rows, rising.

    Returns
    -------
    Panel
        The holdings, and the date of each of their rows.

    Raises
    ------
    DatesMismatchError
        A row has a date on which the portfolio has none; the faults name them all.
    """
    mine = holdings.values.perf_date
    position = _positions(dates, mine)
    stray = np.flatnonzero(dates[position] != mine)
    if len(stray):
        faults = [
            Fault(
                (*holdings.place_of(i), "perf_date"),
                "the portfolio has no row on this date; send one, or leave this row out",
                row={"perf_date": text},
            )
            for i, text in zip(stray.tolist(), date_texts(mine[stray]), strict=True)
        ]
        raise DatesMismatchError(
            f"{len(stray)} rows of holdings have a date on which the portfolio has no row; nothing was calculated.",
            faults=faults,
        )
    return Panel(holdings, position, len(dates))


def convert(
    panel: Panel, dates: DateArray, currencies: HoldingCurrencies | None, is_needed: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return the rate at which each row opens, and its currency return.

    Parameters
    ----------
    panel : Panel
        Holdings on the dates of their portfolio, N rows.
    dates : ndarray of datetime64[D], shape (T,)
        Those dates.
    currencies : HoldingCurrencies or None
        Rates and hedges; None where nothing is converted.
    is_needed : ndarray of bool, shape (N,)
        Rows that enter a figure: those of them with a value, a flow or a fee must have a rate.

    Returns
    -------
    rate, fx_return : ndarray of float64, shape (N,)
        1 and 0 in the currency of the portfolio.

    Raises
    ------
    FxRateMissingError
        No rate is known for a needed row; the message names currency and date.
    """
    n_rows = len(panel.date)
    rate, fx_return = np.ones(n_rows), np.zeros(n_rows)
    if currencies is None:
        return rate, fx_return
    holdings = panel.holdings
    own = [labels.get(CURRENCY, currencies.report_ccy) for labels in holdings.labels]
    names, code = np.unique(np.array(own, dtype=np.str_), return_inverse=True)
    code_of_row = code[holdings.of_row]
    by_currency = np.argsort(code_of_row, kind="stable")
    bounds = code_of_row[by_currency].searchsorted(np.arange(len(names) + 1))
    values = holdings.values
    needs_rate = is_needed & np.logical_or.reduce([getattr(values, name) != 0.0 for name in MONEY])
    for i, name in enumerate(names.tolist()):
        if name == currencies.report_ccy:
            continue
        rows = by_currency[bounds[i] : bounds[i + 1]]
        on_date = np.zeros(panel.n_dates, dtype=bool)
        on_date[panel.date[rows[needs_rate[rows]]]] = True
        path = currency_path(Conversion(name, currencies.rates, currencies.hedges), dates, on_date)
        rate[rows], fx_return[rows] = path.rate[panel.date[rows]], path.returns[panel.date[rows]]
    if currencies.is_still is not None:
        fx_return[currencies.is_still[panel.date]] = 0.0
    return rate, fx_return


def sum_ranges(figures: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
    """Return the sum of each of several ranges of rows.

    Parameters
    ----------
    figures : ndarray of float64, shape (N,)
        A figure of each row.
    begin, end : ndarray of int64, shape (n,)
        Half-open ranges in rising order; they may be empty.

    Returns
    -------
    ndarray of float64, shape (n,)
        Sums, 0 for an empty range.

    Examples
    --------
    >>> sum_ranges(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2]), np.array([2, 2, 3])).tolist()
    [3.0, 0.0, 4.0]
    """
    sums = np.zeros(len(begin))
    filled = np.flatnonzero(end > begin)
    if len(filled):
        # A 0 behind the last row, so that a range may end there; each second section lies between two ranges.
        edges = np.stack((begin[filled], end[filled]), axis=1).ravel()
        sums[filled] = np.add.reduceat(np.append(figures, 0.0), edges)[::2]
    return sums


def _positions(dates: DateArray, wanted: DateArray) -> IntArray:
    """Return where dates stand among rising ones; of a date that is not there any position."""
    days = dates.astype(np.int64) - dates[0].astype(np.int64)
    if days[-1] >= LONGEST_TABLE:
        return np.minimum(dates.searchsorted(wanted), len(dates) - 1)
    # By looking up each day of the span: a tenth of the time of a search.
    table = np.zeros(days[-1] + 1, dtype=np.int64)
    table[days] = np.arange(len(days))
    day = wanted.view(np.int64) - dates[0].astype(np.int64)
    position: IntArray = table[np.clip(day, 0, days[-1], out=day)]
    return position


def _refuse_repeated_ids(ids: Sequence[str], places: Sequence[Place], order: Sequence[int]) -> None:
    faults = [
        Fault(places[second][:-1], f"{ids[second]!r} is the identity of another entry, too; give each its own")
        for first, second in pairwise(order)
        if ids[first] == ids[second]
    ]
    if faults:
        raise DuplicateIdsError("Two entries have the same identity; nothing was calculated.", faults=faults)


def _refuse_repeated_dates(holdings: Holdings) -> None:
    dates, of_row = holdings.values.perf_date, holdings.of_row
    repeats = np.flatnonzero((dates[1:] == dates[:-1]) & (of_row[1:] == of_row[:-1])) + 1
    if len(repeats):
        raise DuplicateDatesError(
            f"{len(repeats)} rows of holdings repeat a date; send one row a date.",
            faults=[
                Fault(
                    (*holdings.place_of(i), "perf_date"),
                    f"row {holdings.values.row[i - 1]} of this holding has the same date; merge the two or correct one",
                    row={"perf_date": text},
                )
                for i, text in zip(repeats.tolist(), date_texts(dates[repeats]), strict=True)
            ],
        )
