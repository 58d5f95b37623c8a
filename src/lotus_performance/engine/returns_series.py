"""Series of returns for other services: the window, the dates that it expects, and what is missing of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lotus_performance.engine.day_count import WEEKDAYS, Annualization
from lotus_performance.engine.notices import Notice, dated
from lotus_performance.engine.periods import FIRST_DAY, Frequency, Period, Window, bucket_starts, named_start
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.series import BoolArray, DailyValues, DateArray, Day, FloatArray, IntArray
from lotus_performance.engine.twr import time_weighted_return
from lotus_performance.errors import (
    Fault,
    FigureOverflowError,
    InsufficientDataError,
    InvalidRequestError,
    NoCapitalError,
    NoResolvedPeriodError,
    Place,
)

FRIDAY = 4
"""Days from the Monday of a week, by whose Friday a week is named."""


MAX_RETURN = 1e9
"""Far beyond any return that is a fraction: what is larger is a percentage, or an amount of money."""


class SeriesName(StrEnum):
    """The series that one answer can hold."""

    PORTFOLIO = "portfolio_returns"
    BENCHMARK = "benchmark_returns"
    RISK_FREE = "risk_free_returns"


class SeriesFrequency(StrEnum):
    """Lengths of time over which returns are compounded."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


class WindowMode(StrEnum):
    """How a window is told."""

    EXPLICIT = "EXPLICIT"
    RELATIVE = "RELATIVE"


class RelativePeriod(StrEnum):
    """Windows that end on `as_of_date`, and YEAR."""

    MTD = "MTD"
    QTD = "QTD"
    YTD = "YTD"
    ONE_YEAR = "ONE_YEAR"
    THREE_YEAR = "THREE_YEAR"
    FIVE_YEAR = "FIVE_YEAR"
    SI = "SI"
    YEAR = "YEAR"


class MissingDataPolicy(StrEnum):
    """What is done where an expected date has no return."""

    FAIL_FAST = "FAIL_FAST"
    ALLOW_PARTIAL = "ALLOW_PARTIAL"
    STRICT_INTERSECTION = "STRICT_INTERSECTION"


class FillMethod(StrEnum):
    """What a missing return is taken for."""

    NONE = "NONE"
    FORWARD_FILL = "FORWARD_FILL"
    ZERO_FILL = "ZERO_FILL"


class CalendarPolicy(StrEnum):
    """Which dates of a window are expected to have a return."""

    MARKET = "MARKET"
    BUSINESS = "BUSINESS"
    CALENDAR = "CALENDAR"


PERIODS = {
    RelativePeriod.MTD: Period.MTD,
    RelativePeriod.QTD: Period.QTD,
    RelativePeriod.YTD: Period.YTD,
    RelativePeriod.ONE_YEAR: Period.ONE_YEAR,
    RelativePeriod.THREE_YEAR: Period.THREE_YEARS,
    RelativePeriod.FIVE_YEAR: Period.FIVE_YEARS,
}
FREQUENCIES = {
    SeriesFrequency.DAILY: Frequency.DAILY,
    SeriesFrequency.WEEKLY: Frequency.WEEKLY,
    SeriesFrequency.MONTHLY: Frequency.MONTHLY,
}


@dataclass(frozen=True)
class AskedWindow:
    """A window as it is asked for; `start`, `end` belong to EXPLICIT, `period` and `year` to RELATIVE."""

    mode: WindowMode
    start: Day | None = None
    end: Day | None = None
    period: RelativePeriod | None = None
    year: int | None = None


@dataclass(frozen=True)
class ResolvedWindow:
    """First and last day of a window, both included, and its name."""

    start: Day
    end: Day
    label: str


@dataclass(frozen=True)
class DataPolicy:
    """What is expected of the data, and what is done where it is not there."""

    missing: MissingDataPolicy = MissingDataPolicy.FAIL_FAST
    fill: FillMethod = FillMethod.NONE
    calendar: CalendarPolicy = CalendarPolicy.BUSINESS
    max_gap_days: int | None = None


@dataclass(frozen=True)
class SentReturns:
    """Returns of single days as fractions, strictly increasing in date; `place` is where they stand in the request."""

    date: DateArray
    value: FloatArray
    place: Place = ()


@dataclass(frozen=True)
class ReturnsRequest:
    """A request for series of returns.

    `canonical` is the canonical request as JSON text. `sent` are the series of the request, those of stateless input;
    under stateful input they are read from lotus-core on behalf of `consumer_system`.
    """

    portfolio_id: str
    as_of: Day
    window: AskedWindow
    frequency: SeriesFrequency
    basis: Basis
    selected: tuple[SeriesName, ...]
    policy: DataPolicy
    canonical: bytes
    currency: str | None = None
    consumer_system: str | None = None
    sent: tuple[tuple[SeriesName, SentReturns], ...] = ()
    no_effect: tuple[str, ...] = ()
    max_dates: int = 40_000

    @property
    def is_stateful(self) -> bool:
        """Return whether the data is read from lotus-core.

        Returns
        -------
        bool
            False when the request holds the data.
        """
        return self.consumer_system is not None


@dataclass(frozen=True)
class Points:
    """One series at the requested frequency.

    Attributes
    ----------
    name : SeriesName
        Which series it is.
    label : ndarray of datetime64[D], shape (n,)
        Dates by which the returns are told, strictly increasing.
    value : ndarray of float64, shape (n,)
        Returns as fractions, all finite.
    date : ndarray of datetime64[D], shape (m,)
        Days inside the window that have a return of their own, from which `value` was compounded.
    place : tuple
        Where the series stands in the request document.
    notices : tuple of Notice
        What is to be said about the values behind it.
    """

    name: SeriesName
    label: DateArray
    value: FloatArray
    date: DateArray
    place: Place = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Grid:
    """The expected dates of a window, in order.

    Attributes
    ----------
    label : ndarray of datetime64[D], shape (k,)
        The date by which each is told.
    first, last : ndarray of datetime64[D], shape (k,)
        First and last calendar day that each stands for, inside the window.
    n_days : ndarray of int64, shape (k,)
        Single days on which a return is expected, of those.
    """

    label: DateArray
    first: DateArray
    last: DateArray
    n_days: IntArray

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Gap:
    """A run of expected dates without a return: labels of its ends, how many dates, and the calendar days it spans."""

    name: SeriesName
    start: Day
    end: Day
    n_dates: int
    n_days: int


@dataclass(frozen=True)
class Aligned:
    """The answer: the series, what was expected and what is there, and what is to be said about it."""

    series: list[Points]
    n_requested: int
    n_returned: int
    gaps: list[Gap]
    notices: list[Notice]


# ---------------------------------------------------------------------- the window


def resolve_window(asked: AskedWindow, as_of: Day, since: Day | None = None) -> ResolvedWindow:
    """Return the dates that a window means.

    Parameters
    ----------
    asked : AskedWindow
        The window as it is asked for.
    as_of : datetime64[D]
        The last day of which anything is known; RELATIVE windows end there, but for YEAR.
    since : datetime64[D], optional
        Inception of the portfolio, the start of SI.

    Returns
    -------
    ResolvedWindow
        First and last day, both included.

    Raises
    ------
    InvalidRequestError
        The window starts after its end, or ends after `as_of`; or SI has nothing to start from.

    Examples
    --------
    >>> asked = AskedWindow(WindowMode.RELATIVE, period=RelativePeriod.YEAR, year=2024)
    >>> window = resolve_window(asked, np.datetime64("2026-02-27"))
    >>> str(window.start), str(window.end), window.label
    ('2024-01-01', '2024-12-31', 'YEAR_2024')
    """
    if asked.mode is WindowMode.EXPLICIT and asked.start is not None and asked.end is not None:
        start, end, label = asked.start, asked.end, "EXPLICIT"
        place: Place = ("window", "from_date")
    elif asked.period is RelativePeriod.YEAR and asked.year is not None:
        year = np.datetime64(f"{asked.year:04d}", "Y")
        start, label = year.astype("datetime64[D]"), f"YEAR_{asked.year:04d}"
        end = min((year + 1).astype("datetime64[D]") - 1, as_of)
        place = ("window", "year")
    else:
        period = asked.period or RelativePeriod.SI
        start, end, label = _relative_start(period, as_of, since), as_of, period.value
        place = ("window", "period")
    if end > as_of:
        raise InvalidRequestError(
            f"The window ends on {end}, after as_of_date {as_of}: no return can be known of the days between.",
            faults=[Fault(("window", "to_date"), f"must not be later than as_of_date {as_of}")],
        )
    if start > end:
        raise InvalidRequestError(
            f"The window starts on {start}, after its end on {end}.",
            faults=[Fault(place, f"the window would start on {start} and end on {end}")],
        )
    return ResolvedWindow(start, end, label)


def _relative_start(period: RelativePeriod, as_of: Day, since: Day | None) -> Day:
    if period in PERIODS:
        return max(named_start(PERIODS[period], as_of), FIRST_DAY)
    if since is None:
        raise InvalidRequestError(
            "SI starts on the first date that is known, and none of the series sent has one.",
            faults=[Fault(("window", "period"), "has nothing to start from")],
        )
    return since


# ---------------------------------------------------------------------- the dates that are expected


def expected_dates(
    window: ResolvedWindow,
    frequency: SeriesFrequency,
    calendar: CalendarPolicy,
    observed: Sequence[DateArray],
    max_dates: int,
) -> Grid:
    """Return the dates of a window that are expected to have a return.

    Parameters
    ----------
    window : ResolvedWindow
        First and last day.
    frequency : SeriesFrequency
        Length of time of each return.
    calendar : CalendarPolicy
        CALENDAR: every day. BUSINESS: Monday to Friday. MARKET: days on which at least one series has a return; its
        weeks and months are those of BUSINESS, for no market is closed for so long.
    observed : sequence of ndarray of datetime64[D]
        Days inside the window that have a return, of each series.
    max_dates : int
        Most expected dates. They are counted before any is laid out.

    Returns
    -------
    Grid
        The expected dates.

    Raises
    ------
    InvalidRequestError
        There are more than `max_dates`.
    InsufficientDataError
        There is none.

    Examples
    --------
    >>> window = ResolvedWindow(np.datetime64("2026-01-30"), np.datetime64("2026-02-15"), "EXPLICIT")
    >>> expected_dates(window, SeriesFrequency.MONTHLY, CalendarPolicy.BUSINESS, [], 100).label.astype(str).tolist()
    ['2026-01-31', '2026-02-15']
    """
    _refuse_too_many(window, frequency, calendar, max_dates)
    market = np.unique(np.concatenate([_no_dates(), *observed]))
    if frequency is SeriesFrequency.DAILY:
        days = market if calendar is CalendarPolicy.MARKET else np.arange(window.start, window.end + 1)
        days = days[_is_expected_day(days, calendar)]
        grid = Grid(days, days, days, np.ones(len(days), dtype=np.int64))
    else:
        first, last = _calendar_units(window, frequency)
        n_days = _weekdays(first, last)
        if calendar is CalendarPolicy.CALENDAR:
            n_days = (last - first).astype(np.int64) + 1
        is_expected = n_days > 0
        if calendar is CalendarPolicy.MARKET:
            n_days = market.searchsorted(last, side="right") - market.searchsorted(first)
        first, last, n_days = first[is_expected], last[is_expected], n_days[is_expected]
        grid = Grid(_labels(first, frequency, window), first, last, n_days)
    if not len(grid):
        raise InsufficientDataError(
            f"The window {window.start} to {window.end} holds no date on which {calendar} expects a return.",
            faults=[Fault(("window",), f"holds no date of the calendar {calendar}")],
        )
    return grid


def _refuse_too_many(
    window: ResolvedWindow, frequency: SeriesFrequency, calendar: CalendarPolicy, max_dates: int
) -> None:
    start, end = window.start, window.end
    if frequency is SeriesFrequency.MONTHLY:
        n_dates = int((end.astype("datetime64[M]") - start.astype("datetime64[M]")).astype(np.int64)) + 1
    elif frequency is SeriesFrequency.WEEKLY:
        n_dates = int((end - start).astype(np.int64)) // 7 + 1
    elif calendar is CalendarPolicy.CALENDAR:
        n_dates = int((end - start).astype(np.int64)) + 1
    else:
        # MARKET has no more dates than were sent; its window is bounded all the same, as that of BUSINESS.
        n_dates = int(_weekdays(start, end))
    if n_dates > max_dates:
        raise InvalidRequestError(
            f"The window {start} to {end} holds {n_dates} dates; one answer holds at most {max_dates}.",
            faults=[Fault(("window",), f"holds {n_dates} dates; at most {max_dates} are allowed")],
        )


def _weekdays(first: DateArray | Day, last: DateArray | Day) -> IntArray:
    return np.asarray(np.busday_count(first, last + 1, busdaycal=WEEKDAYS))


def _is_expected_day(days: DateArray, calendar: CalendarPolicy) -> BoolArray:
    """Return which days a calendar expects; MARKET expects any day that has a return."""
    if calendar is CalendarPolicy.BUSINESS:
        return np.asarray(np.is_busday(days, busdaycal=WEEKDAYS))
    return np.ones(len(days), dtype=bool)


def _no_dates() -> DateArray:
    return np.empty(0, dtype="datetime64[D]")


def _calendar_units(window: ResolvedWindow, frequency: SeriesFrequency) -> tuple[DateArray, DateArray]:
    """Return the first and last day of each week or month, cut to the window."""
    start, end = window.start, window.end
    if frequency is SeriesFrequency.MONTHLY:
        months = np.arange(start.astype("datetime64[M]"), end.astype("datetime64[M]") + 1)
        first, last = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]") - 1
    else:
        # 1970-01-01, day 0, was a Thursday: three days after a Monday.
        first = np.arange(start - (int(start.astype(np.int64)) + 3) % 7, end + 1, 7)
        last = first + 6
    return np.maximum(first, start), np.minimum(last, end)


def _labels(first: DateArray, frequency: SeriesFrequency, window: ResolvedWindow) -> DateArray:
    """Return the date by which the week or month of each day is told.

    The Friday of the week, the last day of the month; where that lies outside the window, the day of the window that is
    nearest to it.
    """
    if frequency is SeriesFrequency.DAILY:
        return first
    if frequency is SeriesFrequency.MONTHLY:
        label = (first.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
    else:
        label = first - (first.astype(np.int64) + 3) % 7 + FRIDAY
    return np.clip(label, window.start, window.end)  # type: ignore[no-any-return]


# ---------------------------------------------------------------------- one series


def compounded(name: SeriesName, sent: SentReturns, frequency: SeriesFrequency, window: ResolvedWindow) -> Points:
    r"""Return a series of single days at a frequency.

    Parameters
    ----------
    name : SeriesName
        Which series it is.
    sent : SentReturns
        Returns of single days; those outside the window are left out.
    frequency : SeriesFrequency
        Weeks run from Monday to Sunday.
    window : ResolvedWindow
        First and last day.

    Returns
    -------
    Points
        One return for each week or month that holds a day with a return. None is made up for one that holds none.

    Raises
    ------
    FigureOverflowError
        A product is larger than a double.

    Notes
    -----
    .. math:: 1 + R = \prod_t (1 + r_t)

    Examples
    --------
    >>> sent = SentReturns(np.array(["2026-01-05", "2026-01-06"], "M8[D]"), np.array([0.001, 0.002]))
    >>> window = ResolvedWindow(np.datetime64("2026-01-01"), np.datetime64("2026-02-15"), "EXPLICIT")
    >>> points = compounded(SeriesName.PORTFOLIO, sent, SeriesFrequency.MONTHLY, window)
    >>> str(points.label[0]), round(float(points.value[0]), 12)
    ('2026-01-31', 0.003002)
    """
    inside = slice(sent.date.searchsorted(window.start), sent.date.searchsorted(window.end, side="right"))
    date, value = sent.date[inside], sent.value[inside]
    if not len(date) or frequency is SeriesFrequency.DAILY:
        return Points(name, date, value, date, sent.place)
    first, start, _ = bucket_starts(date, FREQUENCIES[frequency])
    with np.errstate(over="ignore"):
        linked = np.multiply.reduceat(1.0 + value, first) - 1.0
    if not np.isfinite(linked).all():
        raise FigureOverflowError(
            f"The {name} of a {frequency} bucket compound to more than a number can hold; send them as fractions.",
            faults=[Fault(sent.place, "compounds to more than a number can hold")],
        )
    return Points(name, _labels(start, frequency, window), linked, date, sent.place)


def portfolio_points(
    values: DailyValues, inception: Day, basis: Basis, frequency: SeriesFrequency, window: ResolvedWindow
) -> Points:
    """Return the returns of a portfolio out of its daily values, as the time-weighted return has them.

    Parameters
    ----------
    values : DailyValues
        Values and flows in date order.
    inception : datetime64[D]
        Rows before it are left out.
    basis : Basis
        NET or GROSS of management fees.
    frequency : SeriesFrequency
        Length of time of each return.
    window : ResolvedWindow
        First and last day.

    Returns
    -------
    Points
        One return for each bucket of the time-weighted return that has one.

    Raises
    ------
    FigureOverflowError
        A figure is larger than a double.
    """
    each = FREQUENCIES[frequency]
    asked = Window(window.label, (each,), max(window.start, inception), window.end)
    place = values.place
    try:
        result = time_weighted_return(values, [asked], basis, inception, Annualization())
    except (NoResolvedPeriodError, NoCapitalError):
        return Points(SeriesName.PORTFOLIO, _no_dates(), np.empty(0), _no_dates(), place)
    (period,) = result.periods
    buckets = period.buckets[each]
    rows = slice(period.first, period.stop)
    has_return = ~np.isnan(buckets.returns)
    return Points(
        SeriesName.PORTFOLIO,
        _labels(buckets.start[has_return], frequency, window),
        buckets.returns[has_return],
        result.values.perf_date[rows][result.days.is_defined[rows]],
        place,
        tuple(result.notices),
    )


# ---------------------------------------------------------------------- all of them


def align(series: Sequence[Points], grid: Grid, policy: DataPolicy) -> Aligned:
    """Return series as the policies of the request want them.

    In this order: gaps are found and measured; they are filled; FAIL_FAST refuses what is still missing;
    STRICT_INTERSECTION takes away the dates that not all series have. Filling comes first, for after the intersection
    there is nothing left to fill.

    Parameters
    ----------
    series : sequence of Points
        At least one.
    grid : Grid
        The expected dates.
    policy : DataPolicy
        What is done where a return is missing.

    Returns
    -------
    Aligned
        The series, coverage counted in dates that all of them have, gaps that were not filled.

    Raises
    ------
    InsufficientDataError
        A series has no return in the window; a gap is longer than `max_gap_days`; under FAIL_FAST a date is missing;
        under STRICT_INTERSECTION no date is common.
    """
    _refuse_empty([each for each in series if not len(each.label)])
    gaps = [gap for each in series for gap in _gaps(each, grid)]
    if policy.max_gap_days is not None:
        longest = [gap for gap in gaps if gap.n_days > policy.max_gap_days]
        _refuse_gaps(longest, series, f"longer than max_gap_days, {policy.max_gap_days},")
    notices = [notice for each in series for notice in _notices(each, grid, policy.calendar)]
    if policy.fill is not FillMethod.NONE:
        series, filled = _filled(series, grid, policy.fill)
        notices += filled
        gaps = [gap for each in series for gap in _gaps(each, grid)]
    if policy.missing is MissingDataPolicy.FAIL_FAST:
        _refuse_gaps(gaps, series, "under FAIL_FAST")
    if policy.missing is MissingDataPolicy.STRICT_INTERSECTION:
        series = _common(series)
    has_all = np.ones(len(grid), dtype=bool)
    for each in series:
        has_all &= np.isin(grid.label, each.label)
    return Aligned(list(series), len(grid), int(has_all.sum()), gaps, notices)


def _refuse_empty(empty: Sequence[Points]) -> None:
    if empty:
        names = " and ".join(each.name for each in empty)
        raise InsufficientDataError(
            f"There is no return in the window for {names}.",
            faults=[Fault(each.place, "has no return in the window") for each in empty],
        )


def _gaps(points: Points, grid: Grid) -> list[Gap]:
    """Return the runs of expected dates on which a series has no return."""
    is_missing = ~np.isin(grid.label, points.label)
    edges = np.diff(np.concatenate(([False], is_missing, [False])).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    n_days = (grid.last[stops - 1] - grid.first[starts]).astype(np.int64) + 1
    rows = zip(starts.tolist(), stops.tolist(), n_days.tolist(), strict=True)
    return [Gap(points.name, grid.label[i], grid.label[j - 1], j - i, n) for i, j, n in rows]


def _refuse_gaps(gaps: Sequence[Gap], series: Sequence[Points], why: str) -> None:
    if not gaps:
        return
    places = {each.name: each.place for each in series}
    n_dates = sum(gap.n_dates for gap in gaps)
    more = f", and {len(gaps) - 1} more gaps" if len(gaps) > 1 else ""
    raise InsufficientDataError(
        f"Returns are missing on {n_dates} dates {why}: {gaps[0].name} {_dates(gaps[0])}{more}.",
        faults=[
            Fault(
                places[gap.name],
                f"has no return on {gap.n_dates} expected dates, {_dates(gap)}: {gap.n_days} days",
                {"date": str(gap.start)},
            )
            for gap in gaps
        ],
    )


def _dates(gap: Gap) -> str:
    return f"{gap.start}" if gap.n_dates == 1 else f"{gap.start} to {gap.end}"


def _notices(points: Points, grid: Grid, calendar: CalendarPolicy) -> list[Notice]:
    """Return what is to be said of a series before anything is filled or taken away."""
    n_there = _count_inside(points.date[_is_expected_day(points.date, calendar)], grid)
    is_partial = (n_there < grid.n_days) & np.isin(grid.label, points.label)
    return [
        *points.notices,
        *dated(
            "incomplete_bucket",
            f"These {points.name} are compounded from fewer days than {calendar} expects.",
            grid.label[is_partial],
        ),
        *dated(
            "off_calendar",
            f"{calendar} expects no return on these dates; the {points.name} have one. It is told and not counted.",
            points.label[~np.isin(points.label, grid.label)],
        ),
    ]


def _count_inside(date: DateArray, grid: Grid) -> IntArray:
    return date.searchsorted(grid.last, side="right") - date.searchsorted(grid.first)


def _filled(series: Sequence[Points], grid: Grid, method: FillMethod) -> tuple[list[Points], list[Notice]]:
    """Return series whose missing dates have a return, where there is one to be had."""
    filled, notices = [], []
    for each in series:
        before = each.label.searchsorted(grid.label, side="right") - 1
        is_new = ~np.isin(grid.label, each.label)
        if method is FillMethod.FORWARD_FILL:
            is_new &= before >= 0  # before the first return there is nothing to carry forward
        value = np.zeros(len(grid)) if method is FillMethod.ZERO_FILL else each.value[before]
        label = np.concatenate((each.label, grid.label[is_new]))
        order = np.argsort(label, kind="stable")
        made = np.concatenate((each.value, value[is_new]))
        filled.append(replace(each, label=label[order], value=made[order]))
        notices += dated("filled", f"These {each.name} were not there: {method}.", grid.label[is_new])
    return filled, notices


def _common(series: Sequence[Points]) -> list[Points]:
    """Return series on the dates that all of them have."""
    label = series[0].label
    for each in series[1:]:
        label = np.intersect1d(label, each.label, assume_unique=True)
    if not len(label):
        names = ", ".join(each.name for each in series)
        raise InsufficientDataError(
            f"No date is common to {names}.",
            faults=[Fault(each.place, "has no date that all other series have") for each in series],
        )
    cut = []
    for each in series:
        is_kept = np.isin(each.label, label)
        cut.append(replace(each, label=each.label[is_kept], value=each.value[is_kept]))
    return cut
