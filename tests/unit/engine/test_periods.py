import datetime

import numpy as np
import pytest

from lotus_performance.engine.periods import (
    FIRST_DAY,
    Analysis,
    Frequency,
    Period,
    Window,
    bucket_labels,
    bucket_starts,
    measuring_start,
    months_before,
    named_start,
    resolve_windows,
    rolling_start,
    window_of,
)
from lotus_performance.engine.series import DateArray, Day
from lotus_performance.errors import DuplicateLabelError, WindowMismatchError, WindowReversedError

ANCHOR = "2025-05-14"  # a Wednesday
INCEPTION = "2010-03-01"
EVERY_FREQUENCY = tuple(Frequency)
BUCKETS = [frequency for frequency in Frequency if frequency is not Frequency.DAILY]


def day(text: str) -> Day:
    return np.datetime64(text, "D")


def explicit(
    start: str | None, end: str | None, label: str = "EXPLICIT", place: tuple[str | int, ...] = ()
) -> Analysis:
    return Analysis(
        Period.EXPLICIT,
        (Frequency.DAILY,),
        label,
        start=None if start is None else day(start),
        end=None if end is None else day(end),
        place=place,
    )


def named(period: Period, label: str | None = None, *frequencies: Frequency) -> Analysis:
    return Analysis(period, frequencies or (Frequency.DAILY,), label or period.value)


def rolling(label: str = "ROLLING", months: int | None = None, days: int | None = None) -> Analysis:
    return Analysis(Period.ROLLING, (Frequency.DAILY,), label, months=months, days=days)


def resolved(*analyses: Analysis, anchor: str = ANCHOR, inception: str = INCEPTION) -> list[tuple[str, str, str]]:
    windows = resolve_windows(analyses, day(anchor), day(inception))
    return [(window.label, str(window.start), str(window.end)) for window in windows]


@pytest.mark.parametrize(
    ("period", "anchor", "start"),
    [
        pytest.param(Period.MTD, "2025-05-14", "2025-05-01", id="month"),
        pytest.param(Period.MTD, "2025-05-01", "2025-05-01", id="first day of a month"),
        pytest.param(Period.QTD, "2025-05-14", "2025-04-01", id="quarter"),
        pytest.param(Period.QTD, "2025-12-31", "2025-10-01", id="last quarter"),
        pytest.param(Period.QTD, "1969-02-03", "1969-01-01", id="quarter before 1970"),
        pytest.param(Period.YTD, "2025-05-14", "2025-01-01", id="year"),
        pytest.param(Period.YTD, "1969-12-31", "1969-01-01", id="year before 1970"),
        pytest.param(Period.WTD, "2025-05-14", "2025-05-12", id="week"),
        pytest.param(Period.WTD, "2025-05-12", "2025-05-12", id="Monday"),
        pytest.param(Period.WTD, "2025-05-18", "2025-05-12", id="Sunday"),
        pytest.param(Period.WTD, "2025-01-01", "2024-12-30", id="week over the turn of the year"),
        pytest.param(Period.WTD, "1970-01-01", "1969-12-29", id="week of day 0"),
        pytest.param(Period.WTD, "0001-01-01", "0001-01-01", id="the first day was a Monday"),
        pytest.param(Period.ONE_YEAR, "2025-05-14", "2024-05-15", id="one year"),
        pytest.param(Period.ONE_YEAR, "2025-12-31", "2025-01-01", id="one year to the end of a year"),
        pytest.param(Period.ONE_YEAR, "2024-02-29", "2023-03-01", id="one year to a leap day"),
        pytest.param(Period.ONE_YEAR, "2025-02-28", "2024-02-29", id="one year from a leap day"),
        pytest.param(Period.THREE_YEARS, "2025-05-14", "2022-05-15", id="three years"),
        pytest.param(Period.FIVE_YEARS, "2025-05-14", "2020-05-15", id="five years"),
        pytest.param(Period.FIVE_YEARS, "2024-02-29", "2019-03-01", id="five years to a leap day"),
    ],
)
def test_a_named_period_starts_on(period: Period, anchor: str, start: str) -> None:
    assert named_start(period, day(anchor)) == day(start)


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        pytest.param("2025-05-14", 1, "2025-04-14", id="same day"),
        pytest.param("2025-12-31", 6, "2025-06-30", id="a month of 30 days"),
        pytest.param("2025-03-31", 1, "2025-02-28", id="February"),
        pytest.param("2024-03-31", 1, "2024-02-29", id="February of a leap year"),
        pytest.param("2024-02-29", 12, "2023-02-28", id="leap day to a common year"),
        pytest.param("2024-02-29", 48, "2020-02-29", id="leap day to a leap year"),
        pytest.param("2000-02-29", 1200, "1900-02-28", id="a century without a leap day"),
        pytest.param("2025-01-31", 1, "2024-12-31", id="over the turn of the year"),
        pytest.param("1970-01-31", 2, "1969-11-30", id="before day 0"),
        pytest.param("2025-05-14", 0, "2025-05-14", id="no month"),
    ],
)
def test_months_before_a_day_keep_the_day_of_the_month(anchor: str, months: int, expected: str) -> None:
    assert months_before(day(anchor), months) == day(expected)


@pytest.mark.parametrize(
    ("anchor", "months", "days", "start"),
    [
        pytest.param("2025-05-14", 6, None, "2024-11-15", id="months"),
        pytest.param("2025-03-31", 1, None, "2025-03-01", id="a month to the end of March"),
        pytest.param("2025-02-28", 1, None, "2025-01-29", id="a month to the end of February"),
        pytest.param("2024-02-29", 12, None, "2023-03-01", id="twelve months to a leap day"),
        pytest.param("2025-05-14", None, 1, "2025-05-14", id="one day"),
        pytest.param("2025-05-14", None, 30, "2025-04-15", id="thirty days"),
    ],
)
def test_a_rolling_period_starts_on(anchor: str, months: int | None, days: int | None, start: str) -> None:
    assert rolling_start(day(anchor), months, days) == day(start)


def test_twelve_months_are_one_year() -> None:
    dates = np.arange(day("2023-01-01"), day("2028-01-01"))
    assert [rolling_start(date, 12, None) for date in dates] == [named_start(Period.ONE_YEAR, date) for date in dates]


def test_a_rolling_period_of_days_has_that_many_days() -> None:
    assert day(ANCHOR) - rolling_start(day(ANCHOR), None, 365) + 1 == np.timedelta64(365)


@pytest.mark.parametrize(
    ("analysis", "window"),
    [
        pytest.param(named(Period.ITD), (INCEPTION, ANCHOR), id="ITD"),
        pytest.param(named(Period.MTD), ("2025-05-01", ANCHOR), id="named"),
        pytest.param(rolling(days=10), ("2025-05-05", ANCHOR), id="rolling"),
        pytest.param(explicit("2024-01-01", "2024-06-30"), ("2024-01-01", "2024-06-30"), id="explicit"),
        pytest.param(
            explicit("2024-01-01", "2026-06-30"), ("2024-01-01", "2026-06-30"), id="explicit beyond the anchor"
        ),
        pytest.param(explicit("2024-01-01", None), ("2024-01-01", ANCHOR), id="explicit without an end"),
        pytest.param(explicit(None, "2024-06-30"), (INCEPTION, "2024-06-30"), id="explicit without a start"),
        pytest.param(explicit("2024-01-01", "2024-01-01"), ("2024-01-01", "2024-01-01"), id="explicit of one day"),
        pytest.param(
            explicit("2001-01-01", "2024-01-01"), ("2001-01-01", "2024-01-01"), id="explicit before inception"
        ),
    ],
)
def test_a_period_means_these_days(analysis: Analysis, window: tuple[str, str]) -> None:
    start, end = window_of(analysis, day(ANCHOR), day(INCEPTION))
    assert (str(start), str(end)) == window


def test_an_explicit_period_does_not_end_before_it_starts() -> None:
    with pytest.raises(WindowReversedError, match="'back' starts on 2024-06-30, after its end on 2024-01-01"):
        window_of(explicit("2024-06-30", "2024-01-01", "back"), day(ANCHOR), day(INCEPTION))


def test_a_reversed_period_blames_its_start() -> None:
    with pytest.raises(WindowReversedError) as caught:
        window_of(explicit("2024-06-30", "2024-01-01", place=("analyses", 3)), day(ANCHOR), day(INCEPTION))
    assert [fault.place for fault in caught.value.faults] == [("analyses", 3, "start")]


@pytest.mark.parametrize(
    "analysis",
    [
        pytest.param(named(Period.YTD), id="named"),
        pytest.param(rolling(months=36), id="rolling"),
        pytest.param(explicit("2020-01-01", ANCHOR), id="explicit"),
    ],
)
def test_no_window_starts_before_inception(analysis: Analysis) -> None:
    assert resolved(analysis, inception="2025-03-10") == [(analysis.label, "2025-03-10", ANCHOR)]


def test_a_window_that_ends_before_inception_is_left_empty() -> None:
    ((_, start, end),) = resolved(explicit("2024-01-01", "2024-06-30"), inception="2025-03-10")
    assert start > end


def test_windows_keep_the_order_of_the_request() -> None:
    assert [label for label, _, _ in resolved(named(Period.YTD), named(Period.ITD), named(Period.MTD))] == [
        "YTD",
        "ITD",
        "MTD",
    ]


def test_a_period_sent_twice_has_the_frequencies_of_both() -> None:
    (window,) = resolve_windows(
        [
            named(Period.YTD, None, Frequency.MONTHLY, Frequency.DAILY),
            named(Period.YTD, None, Frequency.DAILY, Frequency.YEARLY),
        ],
        day(ANCHOR),
        day(INCEPTION),
    )
    assert window.frequencies == (Frequency.MONTHLY, Frequency.DAILY, Frequency.YEARLY)


def test_one_window_may_have_two_labels() -> None:
    assert [label for label, _, _ in resolved(explicit(INCEPTION, ANCHOR, "all"), named(Period.ITD))] == ["all", "ITD"]


@pytest.mark.parametrize(
    "analyses",
    [
        pytest.param((named(Period.YTD, "x"), explicit("2025-01-01", ANCHOR, "x")), id="explicit and named"),
        pytest.param((rolling("x", days=14), named(Period.MTD, "x")), id="rolling and named"),
        pytest.param((rolling("x", months=12), rolling("x", days=365)), id="twelve months and 365 days"),
    ],
)
def test_one_label_may_stand_for_one_window_in_two_words(analyses: tuple[Analysis, ...]) -> None:
    assert len(resolved(*analyses)) == 1


def test_windows_that_inception_makes_equal_are_merged() -> None:
    assert resolved(rolling("x", days=90), rolling("x", days=365), inception="2025-05-01") == [
        ("x", "2025-05-01", ANCHOR)
    ]


@pytest.mark.parametrize(
    "analyses",
    [
        pytest.param((named(Period.YTD, "x"), named(Period.MTD, "x")), id="two names"),
        pytest.param((named(Period.ITD), explicit("2025-01-01", ANCHOR, "ITD")), id="the name of another period"),
        pytest.param((explicit("2025-01-01", "2025-01-01"), explicit("2025-01-01", "2025-01-02")), id="another end"),
        pytest.param((explicit("2025-01-01", "2025-01-02"), explicit("2025-01-02", "2025-01-02")), id="another start"),
    ],
)
def test_one_label_does_not_stand_for_two_windows(analyses: tuple[Analysis, ...]) -> None:
    with pytest.raises(DuplicateLabelError):
        resolved(*analyses)


def test_two_names_do_not_share_a_label_even_where_inception_makes_them_equal() -> None:
    with pytest.raises(DuplicateLabelError):
        resolved(named(Period.ITD, "x"), named(Period.MTD, "x"), inception="2025-05-06")


def test_whether_a_label_is_taken_does_not_depend_on_the_order() -> None:
    with pytest.raises(DuplicateLabelError):
        resolved(
            explicit("2025-05-06", ANCHOR, "x"),
            named(Period.ITD, "x"),
            named(Period.MTD, "x"),
            inception="2025-05-06",
        )


def test_a_taken_label_is_blamed_on_the_later_period() -> None:
    with pytest.raises(DuplicateLabelError) as caught:
        resolved(named(Period.YTD, "x"), explicit("2025-01-02", ANCHOR, "x", place=("analyses", 1)))
    (fault,) = caught.value.faults
    assert fault.place == ("analyses", 1, "label")
    assert fault.detail == "another period, 2025-01-01 to 2025-05-14, has this label"


@pytest.mark.parametrize(
    ("analysis", "start"),
    [
        pytest.param(None, None, id="no period: the first flow decides"),
        pytest.param(named(Period.ITD), None, id="ITD: the first flow decides"),
        pytest.param(named(Period.YTD), "2024-12-31", id="named: the close before"),
        pytest.param(named(Period.ONE_YEAR), "2024-05-14", id="a year: its own day a year before"),
        pytest.param(rolling(months=1), "2025-04-14", id="rolling: the close before"),
        pytest.param(explicit("2024-01-01", ANCHOR), "2024-01-01", id="explicit: as it stands"),
        pytest.param(explicit(ANCHOR, ANCHOR), ANCHOR, id="explicit of no day"),
    ],
)
def test_the_opening_value_of_a_money_weighted_return_stands_on(analysis: Analysis | None, start: str | None) -> None:
    assert measuring_start(analysis, day(ANCHOR)) == (None if start is None else day(start))


def test_the_opening_value_does_not_stand_before_the_first_day_that_can_be_written() -> None:
    assert measuring_start(named(Period.YTD), day("0001-05-14")) == FIRST_DAY


@pytest.mark.parametrize("end", [pytest.param("2025-05-13", id="earlier"), pytest.param("2025-05-15", id="later")])
def test_an_explicit_measuring_period_ends_on_the_closing_value(end: str) -> None:
    with pytest.raises(WindowMismatchError, match=f"ends on {end}, but the closing value stands on {ANCHOR}"):
        measuring_start(explicit("2025-01-01", end), day(ANCHOR))


def test_an_explicit_measuring_period_blames_its_end() -> None:
    with pytest.raises(WindowMismatchError) as caught:
        measuring_start(explicit("2025-01-01", "2025-05-13", place=("periods", "explicit")), day(ANCHOR))
    assert [fault.place for fault in caught.value.faults] == [("periods", "explicit", "end")]


def test_a_reversed_measuring_period_is_refused() -> None:
    with pytest.raises(WindowReversedError):
        measuring_start(explicit("2025-05-15", ANCHOR), day(ANCHOR))


def calendar_days(frequency: Frequency, date: datetime.date) -> tuple[datetime.date, datetime.date]:
    """Return the first and last day of a date's bucket, by the standard library's calendar."""
    one = datetime.timedelta(days=1)
    if frequency is Frequency.WEEKLY:
        monday = datetime.date.fromisocalendar(*date.isocalendar()[:2], 1)
        return monday, monday + 6 * one
    length = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.YEARLY: 12}[frequency]
    first = (date.month - 1) // length * length + 1
    year, month = divmod(date.year * 12 + first - 1 + length, 12)
    return date.replace(month=first, day=1), datetime.date(year, month + 1, 1) - one


@pytest.mark.parametrize("frequency", BUCKETS)
def test_every_day_of_five_years_is_in_the_bucket_of_the_calendar(frequency: Frequency) -> None:
    dates = np.arange(day("1967-12-30"), day("1972-12-31"))
    first, start, end = bucket_starts(dates, frequency)
    bucket = first.searchsorted(np.arange(len(dates)), side="right") - 1
    expected = [calendar_days(frequency, date) for date in dates.tolist()]
    assert list(zip(start[bucket].tolist(), end[bucket].tolist(), strict=True)) == expected


@pytest.mark.parametrize("frequency", EVERY_FREQUENCY)
def test_one_date_is_one_bucket(frequency: Frequency) -> None:
    first, _, _ = bucket_starts(np.array([day(ANCHOR)]), frequency)
    assert first.tolist() == [0]


def test_a_day_is_its_own_bucket() -> None:
    dates = np.array([day("2025-05-14"), day("2025-05-16")])
    first, start, end = bucket_starts(dates, Frequency.DAILY)
    assert first.tolist() == [0, 1]
    assert start.tolist() == end.tolist() == dates.tolist()


def test_a_bucket_without_a_date_is_left_out() -> None:
    dates: DateArray = np.array([day("2025-01-31"), day("2025-04-01")])
    first, start, _ = bucket_starts(dates, Frequency.MONTHLY)
    assert first.tolist() == [0, 1]
    assert start.astype(str).tolist() == ["2025-01-01", "2025-04-01"]


@pytest.mark.parametrize(
    ("frequency", "start", "label"),
    [
        pytest.param(Frequency.DAILY, "2025-05-14", "2025-05-14", id="day"),
        pytest.param(Frequency.WEEKLY, "2025-05-12", "2025-05-16", id="week: its Friday"),
        pytest.param(Frequency.WEEKLY, "2024-12-30", "2025-01-03", id="week: its Friday in the new year"),
        pytest.param(Frequency.WEEKLY, "9999-12-27", "9999-12-31", id="week: the last Friday"),
        pytest.param(Frequency.MONTHLY, "2025-05-01", "2025-05", id="month"),
        pytest.param(Frequency.MONTHLY, "0987-05-01", "0987-05", id="month of a year of three digits"),
        pytest.param(Frequency.QUARTERLY, "2025-01-01", "2025-Q1", id="first quarter"),
        pytest.param(Frequency.QUARTERLY, "2025-10-01", "2025-Q4", id="last quarter"),
        pytest.param(Frequency.QUARTERLY, "1969-04-01", "1969-Q2", id="quarter before 1970"),
        pytest.param(Frequency.QUARTERLY, "0987-04-01", "0987-Q2", id="quarter of a year of three digits"),
        pytest.param(Frequency.YEARLY, "2025-01-01", "2025", id="year"),
        pytest.param(Frequency.YEARLY, "0987-01-01", "0987", id="year of three digits"),
    ],
)
def test_a_bucket_is_called(frequency: Frequency, start: str, label: str) -> None:
    assert bucket_labels(np.array([day(start)]), frequency) == [label]


def test_a_window_is_its_label_its_frequencies_and_its_days() -> None:
    assert resolve_windows([named(Period.MTD)], day(ANCHOR), day(INCEPTION)) == [
        Window("MTD", (Frequency.DAILY,), day("2025-05-01"), day(ANCHOR))
    ]
