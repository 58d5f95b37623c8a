"""Requested periods and the windows of dates that they mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lotus_performance.engine.series import BoolArray, DateArray, Day, IntArray, date_texts
from lotus_performance.errors import (
    DuplicateLabelError,
    Fault,
    NoResolvedPeriodError,
    Place,
    WindowMismatchError,
    WindowReversedError,
)

FIRST_DAY = np.datetime64("0001-01-01", "D")
"""Earliest day that ``YYYY-MM-DD`` can write."""


class Period(StrEnum):
    """Periods that end on the anchor, and the two that bring their own dates."""

    MTD = "MTD"
    QTD = "QTD"
    YTD = "YTD"
    WTD = "WTD"
    ITD = "ITD"
    ONE_YEAR = "1Y"
    THREE_YEARS = "3Y"
    FIVE_YEARS = "5Y"
    EXPLICIT = "EXPLICIT"
    ROLLING = "ROLLING"


class Frequency(StrEnum):
    """Lengths of the buckets into which a period is broken down."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


UNNAMED = {Period.EXPLICIT, Period.ROLLING}
"""Periods whose name alone does not say what they are."""

YEARS = {Period.ONE_YEAR: 1, Period.THREE_YEARS: 3, Period.FIVE_YEARS: 5}


@dataclass(frozen=True)
class Analysis:
    """One requested period; `start`, `end` belong to EXPLICIT, `months` xor `days` to ROLLING."""

    period: Period
    frequencies: tuple[Frequency, ...]
    label: str
    start: Day | None = None
    end: Day | None = None
    months: int | None = None
    days: int | None = None
    place: Place = ()


@dataclass(frozen=True)
class Window:
    """The dates of one answer, both included; `start` lies after `end` when nothing is left of it."""

    label: str
    frequencies: tuple[Frequency, ...]
    start: Day
    end: Day


@dataclass(frozen=True)
class Slice:
    """A window and the half-open range of rows that it holds."""

    window: Window
    first: int
    stop: int

    @property
    def is_empty(self) -> bool:
        """Return whether the window holds no row.

        Returns
        -------
        bool
            True when nothing is there to calculate from.
        """
        return self.first == self.stop

    @property
    def no_rows(self) -> str:
        """Return the note of a window without rows.

        Returns
        -------
        str
            A sentence.
        """
        return f"Period {self.window.label} ({_dates(self.window)}) has no rows and was left out."

    @property
    def no_capital(self) -> str:
        """Return the note of a window without a return.

        Returns
        -------
        str
            A sentence.
        """
        return f"Period {self.window.label} has no row with capital, hence no return, and was left out."


def slice_of(dates: DateArray, window: Window) -> Slice:
    """Return the rows of a window.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (n,)
        Dates of the rows, rising.
    window : Window
        Requested period.

    Returns
    -------
    Slice
        The window and its rows, which may be none.
    """
    first = int(dates.searchsorted(window.start))
    return Slice(window, first, max(first, int(dates.searchsorted(window.end, side="right"))))


def slice_rows(
    dates: DateArray, windows: Sequence[Window], sent: DateArray | None = None, since: str = ""
) -> list[Slice]:
    """Return the rows of each window.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (n,)
        Dates of the rows, rising.
    windows : sequence of Window
        Requested periods.
    sent : ndarray of datetime64[D], optional
        Dates of all rows that were sent, where some of them do not count; for the message.
    since : str
        Why they do not; for the message.

    Returns
    -------
    list of Slice
        One slice for each window, in order; some may be empty.

    Raises
    ------
    NoResolvedPeriodError
        No window holds a row.
    """
    slices = [slice_of(dates, window) for window in windows]
    if all(each.is_empty for each in slices):
        asked = ", ".join(f"{window.label} ({_dates(window)})" for window in windows)
        sent = dates if sent is None else sent
        rows = f"rows from {sent[0]} to {sent[-1]}" if len(sent) else "no rows"
        raise NoResolvedPeriodError(
            f"No requested period holds a row: asked for {asked}{since}; sent {rows}. "
            "Send rows for the periods, or ask for others."
        )
    return slices


def rows_of(slices: Sequence[Slice], n_rows: int) -> BoolArray:
    """Return which rows lie in at least one of several slices.

    Parameters
    ----------
    slices : sequence of Slice
        Windows and their rows.
    n_rows : int
        Number of all rows.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        True for a row of a slice.
    """
    is_within = np.zeros(n_rows, dtype=bool)
    for each in slices:
        is_within[each.first : each.stop] = True
    return is_within


def _dates(window: Window) -> str:
    if window.start > window.end:
        return f"ends on {window.end}, before the first day that counts, {window.start}"
    return f"{window.start} to {window.end}"


def resolve_windows(analyses: Sequence[Analysis], anchor: Day, inception: Day) -> list[Window]:
    """Return the windows that the analyses mean, in the order in which their labels first appear.

    Parameters
    ----------
    analyses : sequence of Analysis
        Requested periods. Analyses with one label and one window are merged.
    anchor : datetime64[D]
        End of every period but EXPLICIT.
    inception : datetime64[D]
        No window starts before this day.

    Returns
    -------
    list of Window
        One window for each label.

    Raises
    ------
    WindowReversedError
        An explicit start lies after its end.
    DuplicateLabelError
        One label stands for two windows.
    """
    windows: dict[str, Window] = {}
    names: dict[str, set[Period]] = {}
    for analysis in analyses:
        start, end = window_of(analysis, anchor, inception)
        window = Window(analysis.label, analysis.frequencies, max(start, inception), end)
        known = windows.setdefault(analysis.label, window)
        # Two different names would hide one another, even where their windows happen to be equal.
        named = names.setdefault(analysis.label, set()) | ({analysis.period} - UNNAMED)
        if known.start != window.start or known.end != window.end or len(named) > 1:
            raise DuplicateLabelError(
                f"Two different periods are labelled {analysis.label!r}; give each its own label.",
                faults=[
                    Fault((*analysis.place, "label"), f"another period, {known.start} to {known.end}, has this label")
                ],
            )
        names[analysis.label] = named
        frequencies = tuple(dict.fromkeys(known.frequencies + window.frequencies))
        windows[analysis.label] = replace(known, frequencies=frequencies)
    return list(windows.values())


def window_of(analysis: Analysis, anchor: Day, inception: Day) -> tuple[Day, Day]:
    """Return the first and the last day of one analysis, not yet cut to inception.

    Parameters
    ----------
    analysis : Analysis
        The requested period.
    anchor, inception : datetime64[D]
        End of every period but EXPLICIT; start of ITD.

    Returns
    -------
    tuple of datetime64[D]
        First and last day.

    Raises
    ------
    WindowReversedError
        An explicit start lies after its end.
    """
    if analysis.period is Period.EXPLICIT:
        start = inception if analysis.start is None else analysis.start
        end = anchor if analysis.end is None else analysis.end
        if start > end:
            raise WindowReversedError(
                f"The period {analysis.label!r} starts on {start}, after its end on {end}.",
                faults=[Fault((*analysis.place, "start"), f"must not be later than the end {end}")],
            )
        return start, end
    if analysis.period is Period.ITD:
        return inception, anchor
    if analysis.period is Period.ROLLING:
        return rolling_start(anchor, analysis.months, analysis.days), anchor
    return named_start(analysis.period, anchor), anchor


def named_start(period: Period, anchor: Day) -> Day:
    """Return the first day of a period that is known by its name alone.

    Parameters
    ----------
    period : Period
        MTD, QTD, YTD, WTD, 1Y, 3Y or 5Y.
    anchor : datetime64[D]
        Last day of the period.

    Returns
    -------
    datetime64[D]
        First day: of the anchor's calendar unit, or the day after the anchor n years before.
    """
    if period in YEARS:
        return months_before(anchor, 12 * YEARS[period]) + 1
    starts: dict[Period, Callable[[DateArray], DateArray]] = {
        Period.MTD: _month_start,
        Period.QTD: _quarter_start,
        Period.YTD: _year_start,
        Period.WTD: _week_start,
    }
    start: Day = starts[period](np.array([anchor]))[0].astype("datetime64[D]")
    return start


def rolling_start(anchor: Day, months: int | None, days: int | None) -> Day:
    """Return the first day of a rolling period.

    Parameters
    ----------
    anchor : datetime64[D]
        Last day of the period.
    months, days : int or None
        Length; one of the two is given.

    Returns
    -------
    datetime64[D]
        The day after the anchor `months` before, or `days` - 1 days before the anchor.
    """
    return months_before(anchor, months or 0) - (days or 0) + 1


def measuring_start(analysis: Analysis | None, as_of: Day) -> Day | None:
    """Return the day at whose close the opening value of a money-weighted return stands.

    Parameters
    ----------
    analysis : Analysis or None
        Requested measuring period.
    as_of : datetime64[D]
        Day of the closing value.

    Returns
    -------
    datetime64[D] or None
        The start of EXPLICIT, else the day before the period's first day; None when the first flow decides: without a
        period, and for ITD.

    Raises
    ------
    WindowReversedError
        An explicit start lies after its end.
    WindowMismatchError
        An explicit period does not end on `as_of`.
    """
    if analysis is None or analysis.period is Period.ITD:
        return None
    start, end = window_of(analysis, as_of, as_of)
    if analysis.period is not Period.EXPLICIT:
        return max(start - 1, FIRST_DAY)
    if end != as_of:
        raise WindowMismatchError(
            f"The measuring period ends on {end}, but the closing value stands on {as_of}; make them one day.",
            faults=[Fault((*analysis.place, "end"), f"must be as_of, {as_of}")],
        )
    return start


def months_before(day: Day, months: int) -> Day:
    """Return the same day some months before, the month's last day where there is none.

    Parameters
    ----------
    day : datetime64[D]
        The day to count from.
    months : int
        Calendar months to go back.

    Returns
    -------
    datetime64[D]
        31 December less 6 months is 30 June; 29 February less 12 months is 28 February.
    """
    month = day.astype("datetime64[M]")
    target = month - months
    day_of_month = (day - month.astype("datetime64[D]")).astype(np.int64)
    last = (target + 1).astype("datetime64[D]") - 1
    return min(target.astype("datetime64[D]") + day_of_month, last)


def bucket_starts(dates: DateArray, frequency: Frequency) -> tuple[IntArray, DateArray, DateArray]:
    """Return where each bucket of a frequency begins, and the calendar days that it spans.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (n,)
        Dates in order, n at least 1.
    frequency : Frequency
        Length of the buckets. Weeks run from Monday to Sunday.

    Returns
    -------
    first : ndarray of int64, shape (k,)
        Position of each bucket's first date.
    start, end : ndarray of datetime64[D], shape (k,)
        First and last calendar day of each bucket.
    """
    if frequency is Frequency.DAILY:
        return np.arange(len(dates)), dates, dates
    start_of, next_of = _CALENDAR[frequency]
    starts = start_of(dates)
    first = np.flatnonzero(np.concatenate(([True], starts[1:] != starts[:-1])))
    start = starts[first]
    return first, start.astype("datetime64[D]"), next_of(start).astype("datetime64[D]") - 1


def bucket_labels(start: DateArray, frequency: Frequency) -> list[str]:
    """Return the name of each bucket: date, Friday of the week, month, quarter or year.

    Parameters
    ----------
    start : ndarray of datetime64[D], shape (k,)
        First calendar day of each bucket.
    frequency : Frequency
        Length of the buckets.

    Returns
    -------
    list of str
        ``YYYY-MM-DD``, the week's Friday, ``YYYY-MM``, ``YYYY-Qn`` or ``YYYY``.
    """
    if frequency is Frequency.QUARTERLY:
        months = start.astype("datetime64[M]").astype(np.int64)
        years = start.astype("datetime64[Y]").astype(str).tolist()
        return [f"{year}-Q{month % 12 // 3 + 1}" for year, month in zip(years, months.tolist(), strict=True)]
    if frequency is Frequency.DAILY or frequency is Frequency.WEEKLY:
        return date_texts(start + 4 if frequency is Frequency.WEEKLY else start)
    unit = "M" if frequency is Frequency.MONTHLY else "Y"
    labels: list[str] = start.astype(f"datetime64[{unit}]").astype(str).tolist()
    return labels


# In the unit of each: only the starts themselves are turned into days.
def _month_start(dates: DateArray) -> DateArray:
    return dates.astype("datetime64[M]")


def _quarter_start(dates: DateArray) -> DateArray:
    months: DateArray = dates.astype("datetime64[M]")
    first: DateArray = months - (months.astype(np.int64) % 3).astype("timedelta64[M]")
    return first


def _year_start(dates: DateArray) -> DateArray:
    return dates.astype("datetime64[Y]")


def _week_start(dates: DateArray) -> DateArray:
    # 1970-01-01, day 0, was a Thursday: three days after a Monday.
    return dates - (dates.astype(np.int64) + 3) % 7


_CALENDAR: dict[Frequency, tuple[Callable[[DateArray], DateArray], Callable[[DateArray], DateArray]]] = {
    Frequency.WEEKLY: (_week_start, lambda start: start + 7),
    Frequency.MONTHLY: (_month_start, lambda start: start + 1),
    Frequency.QUARTERLY: (_quarter_start, lambda start: start + 3),
    Frequency.YEARLY: (_year_start, lambda start: start + 1),
}
