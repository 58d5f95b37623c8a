"""Windows, expected dates, gaps, fills and intersections of series of returns, each figure checkable by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lotus_performance.engine.returns import Basis
from lotus_performance.engine.returns_series import (
    AskedWindow,
    CalendarPolicy,
    DataPolicy,
    FillMethod,
    Grid,
    MissingDataPolicy,
    Points,
    RelativePeriod,
    ResolvedWindow,
    SentReturns,
    SeriesFrequency,
    SeriesName,
    WindowMode,
    align,
    compounded,
    expected_dates,
    portfolio_points,
    resolve_window,
)
from lotus_performance.engine.series import MONEY, DateArray, order_by_date
from lotus_performance.errors import FigureOverflowError, InsufficientDataError, InvalidRequestError

DAILY, WEEKLY, MONTHLY = SeriesFrequency
MARKET, BUSINESS, CALENDAR = CalendarPolicy


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


def days(*texts: str) -> DateArray:
    return np.array(texts, dtype="datetime64[D]")


def texts(dates: DateArray) -> list[str]:
    return [str(date) for date in dates]


def window(start: str, end: str) -> ResolvedWindow:
    return ResolvedWindow(day(start), day(end), "EXPLICIT")


def sent(**returns: float) -> SentReturns:
    """Return returns by date, written ``d2026_01_05``."""
    return SentReturns(days(*(name[1:].replace("_", "-") for name in returns)), np.array(list(returns.values())))


def grid(of: ResolvedWindow, frequency: SeriesFrequency = DAILY, calendar: CalendarPolicy = BUSINESS) -> Grid:
    return expected_dates(of, frequency, calendar, [], 40_000)


# ---------------------------------------------------------------- the window


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ("MTD", "2026-02-01"),
        ("QTD", "2026-01-01"),
        ("YTD", "2026-01-01"),
        ("ONE_YEAR", "2025-02-28"),
        ("THREE_YEAR", "2023-02-28"),
        ("FIVE_YEAR", "2021-02-28"),
    ],
)
def test_relative_windows_end_on_as_of(period: str, start: str) -> None:
    asked = AskedWindow(WindowMode.RELATIVE, period=RelativePeriod(period))
    assert resolve_window(asked, day("2026-02-27")) == ResolvedWindow(day(start), day("2026-02-27"), period)


def test_a_year_ends_on_31_december() -> None:
    asked = AskedWindow(WindowMode.RELATIVE, period=RelativePeriod.YEAR, year=2024)
    assert resolve_window(asked, day("2026-02-27")) == ResolvedWindow(day("2024-01-01"), day("2024-12-31"), "YEAR_2024")


def test_the_running_year_ends_on_as_of() -> None:
    asked = AskedWindow(WindowMode.RELATIVE, period=RelativePeriod.YEAR, year=2026)
    assert resolve_window(asked, day("2026-02-27")).end == day("2026-02-27")


def test_a_window_may_be_one_day() -> None:
    asked = AskedWindow(WindowMode.EXPLICIT, day("2026-02-27"), day("2026-02-27"))
    assert resolve_window(asked, day("2026-02-27")) == window("2026-02-27", "2026-02-27")


def test_since_inception_starts_on_the_first_day() -> None:
    asked = AskedWindow(WindowMode.RELATIVE, period=RelativePeriod.SI)
    assert resolve_window(asked, day("2026-02-27"), day("2020-03-04")).start == day("2020-03-04")


def test_windows_of_years_stop_at_the_first_day_of_the_calendar() -> None:
    asked = AskedWindow(WindowMode.RELATIVE, period=RelativePeriod.FIVE_YEAR)
    assert resolve_window(asked, day("0003-01-31")).start == day("0001-01-01")


@pytest.mark.parametrize(
    "asked",
    [
        AskedWindow(WindowMode.EXPLICIT, day("2026-01-02"), day("2026-01-01")),
        AskedWindow(WindowMode.EXPLICIT, day("2026-01-02"), day("2026-02-28")),
        AskedWindow(WindowMode.RELATIVE, period=RelativePeriod.YEAR, year=2027),
        AskedWindow(WindowMode.RELATIVE, period=RelativePeriod.SI),
    ],
    ids=["reversed", "after as_of", "a year to come", "no inception"],
)
def test_windows_without_days_are_refused(asked: AskedWindow) -> None:
    with pytest.raises(InvalidRequestError):
        resolve_window(asked, day("2026-02-27"))


# ---------------------------------------------------------------- expected dates


def test_business_expects_monday_to_friday() -> None:
    expected = ["2026-02-26", "2026-02-27", "2026-03-02"]
    assert texts(grid(window("2026-02-26", "2026-03-02")).label) == expected


def test_calendar_expects_every_day() -> None:
    assert len(grid(window("2026-02-26", "2026-03-02"), DAILY, CALENDAR)) == 5


def test_market_expects_the_days_on_which_a_series_has_a_return() -> None:
    observed = [days("2026-02-26", "2026-03-01"), days("2026-02-27")]
    found = expected_dates(window("2026-02-26", "2026-03-02"), DAILY, MARKET, observed, 100)
    assert texts(found.label) == ["2026-02-26", "2026-02-27", "2026-03-01"]


def test_market_expects_each_month_of_the_window() -> None:
    observed = [days("2025-11-03", "2026-01-05")]
    found = expected_dates(window("2025-11-01", "2026-01-31"), MONTHLY, MARKET, observed, 100)
    assert texts(found.label) == ["2025-11-30", "2025-12-31", "2026-01-31"]
    assert found.n_days.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("start", "end", "frequency", "labels"),
    [
        ("2026-01-30", "2026-02-15", MONTHLY, ["2026-01-31", "2026-02-15"]),
        ("2024-02-01", "2024-03-31", MONTHLY, ["2024-02-29", "2024-03-31"]),
        ("2026-02-23", "2026-03-08", WEEKLY, ["2026-02-27", "2026-03-06"]),
        ("2026-02-23", "2026-03-03", WEEKLY, ["2026-02-27", "2026-03-03"]),
        ("2026-02-27", "2026-02-27", WEEKLY, ["2026-02-27"]),
        # From a Saturday on: BUSINESS expects nothing of its week.
        ("2026-02-28", "2026-03-06", WEEKLY, ["2026-03-06"]),
    ],
    ids=["cut month", "leap year", "whole weeks", "cut week", "one Friday", "weekend first"],
)
def test_labels_never_lie_outside_the_window(
    start: str, end: str, frequency: SeriesFrequency, labels: list[str]
) -> None:
    assert texts(grid(window(start, end), frequency).label) == labels


def test_a_week_of_which_the_window_has_the_weekend_is_named_after_its_first_day_there() -> None:
    found = grid(window("2026-02-28", "2026-03-06"), WEEKLY, CALENDAR)
    assert texts(found.label) == ["2026-02-28", "2026-03-06"]
    assert found.n_days.tolist() == [2, 5]


@pytest.mark.parametrize(
    ("frequency", "calendar", "n_most"),
    [
        (DAILY, CALENDAR, 365),
        (DAILY, BUSINESS, 261),
        (DAILY, MARKET, 261),
        (WEEKLY, BUSINESS, 53),
        (MONTHLY, MARKET, 12),
    ],
)
def test_dates_are_counted_before_they_are_laid_out(
    frequency: SeriesFrequency, calendar: CalendarPolicy, n_most: int
) -> None:
    year, observed = window("2025-01-01", "2025-12-31"), [days("2025-01-01")]
    expected_dates(year, frequency, calendar, observed, n_most)
    with pytest.raises(InvalidRequestError):
        expected_dates(year, frequency, calendar, observed, n_most - 1)


def test_a_window_without_expected_dates_has_no_answer() -> None:
    with pytest.raises(InsufficientDataError, match="BUSINESS"):
        grid(window("2026-02-28", "2026-03-01"))


# ---------------------------------------------------------------- compounding


def test_days_of_a_month_are_multiplied() -> None:
    points = compounded(
        SeriesName.PORTFOLIO,
        sent(d2026_01_05=0.1, d2026_01_06=-0.5, d2026_02_03=0.02, d2026_02_16=9.0),
        MONTHLY,
        window("2026-01-01", "2026-02-15"),
    )
    # 1.1 · 0.5 - 1; the day after the window is in no month.
    assert texts(points.label) == ["2026-01-31", "2026-02-15"]
    assert points.value == pytest.approx([-0.45, 0.02], abs=1e-15)


def test_weeks_run_from_monday_to_sunday() -> None:
    points = compounded(
        SeriesName.PORTFOLIO,
        sent(d2026_02_22=0.5, d2026_02_23=0.1, d2026_03_01=0.1, d2026_03_02=0.3),
        WEEKLY,
        window("2026-02-01", "2026-03-08"),
    )
    assert texts(points.label) == ["2026-02-20", "2026-02-27", "2026-03-06"]
    assert points.value == pytest.approx([0.5, 0.21, 0.3], abs=1e-15)


def test_days_are_told_as_they_are() -> None:
    points = compounded(SeriesName.PORTFOLIO, sent(d2026_02_23=0.123456789), DAILY, window("2026-02-23", "2026-02-23"))
    assert points.value.tolist() == [0.123456789]


def test_no_return_in_the_window_makes_no_point() -> None:
    points = compounded(SeriesName.PORTFOLIO, sent(d2026_01_05=0.1), MONTHLY, window("2026-02-01", "2026-02-15"))
    assert len(points.label) == 0


def test_products_beyond_a_double_are_refused() -> None:
    huge = SentReturns(day("2026-01-01") + np.arange(31), np.full(31, 1e12))
    with pytest.raises(FigureOverflowError):
        compounded(SeriesName.PORTFOLIO, huge, MONTHLY, window("2026-01-01", "2026-01-31"))


def portfolio(rows: Sequence[tuple[str, float, float, float, float]], **changes: Any) -> Points:
    columns = dict(zip(("begin_mv", "end_mv", "bod_cf", "eod_cf"), np.array([r[1:] for r in rows]).T, strict=True))
    values = order_by_date(days(*(r[0] for r in rows)), columns | {"mgmt_fees": np.zeros(len(rows))}, ())
    assert set(columns) | {"mgmt_fees"} == set(MONEY)
    arguments = {"inception": day("2026-01-01"), "frequency": DAILY, "window": window("2026-01-01", "2026-01-31")}
    return portfolio_points(values, basis=Basis.NET, **(arguments | changes))


ROWS = [
    ("2026-01-05", 100.0, 110.0, 0.0, 0.0),
    ("2026-01-06", 110.0, 150.0, 10.0, 30.0),
    ("2026-01-07", 150.0, 150.0, 0.0, 0.0),
]


def test_a_portfolio_has_the_returns_of_its_days() -> None:
    # 110/100 - 1; (150 - 30)/(110 + 10) - 1; none.
    assert portfolio(ROWS).value == pytest.approx([0.1, 0.0, 0.0], abs=1e-15)


def test_a_portfolio_has_the_return_of_its_months() -> None:
    points = portfolio(ROWS, frequency=MONTHLY, window=window("2026-01-01", "2026-01-20"))
    assert texts(points.label) == ["2026-01-20"]
    assert points.value == pytest.approx([0.1], abs=1e-15)


def test_rows_before_inception_and_outside_the_window_are_left_out() -> None:
    points = portfolio(ROWS, inception=day("2026-01-06"), window=window("2026-01-01", "2026-01-06"))
    assert texts(points.label) == ["2026-01-06"]


def test_gains_without_capital_are_no_return() -> None:
    points = portfolio([("2026-01-05", 0.0, 9.0, 0.0, 0.0), *ROWS[1:]])
    assert texts(points.label) == ["2026-01-06", "2026-01-07"]


def test_a_portfolio_without_rows_or_capital_in_the_window_has_no_return() -> None:
    assert len(portfolio(ROWS, window=window("2026-02-01", "2026-02-02")).label) == 0
    assert len(portfolio([("2026-01-05", 0.0, 9.0, 0.0, 0.0)]).label) == 0


# ---------------------------------------------------------------- gaps, fills, intersections

WEEK = window("2026-02-23", "2026-02-27")


def points(*texts_and_values: Any, name: SeriesName = SeriesName.PORTFOLIO) -> Points:
    labels = days(*texts_and_values[::2])
    return Points(name, labels, np.array(texts_and_values[1::2], dtype=float), labels)


HOLED = points("2026-02-23", 0.1, "2026-02-26", 0.4, "2026-02-27", 0.5)
OTHER = points("2026-02-24", 0.2, "2026-02-26", 0.4, name=SeriesName.BENCHMARK)
PARTIAL = MissingDataPolicy.ALLOW_PARTIAL
INTERSECTION = MissingDataPolicy.STRICT_INTERSECTION


def test_a_gap_is_a_run_of_expected_dates_and_has_its_days() -> None:
    two_weeks = window("2026-02-19", "2026-02-27")
    aligned = align([points("2026-02-19", 0.1, "2026-02-26", 0.1)], grid(two_weeks), DataPolicy(PARTIAL))
    told = [(str(gap.start), str(gap.end), gap.n_dates, gap.n_days) for gap in aligned.gaps]
    # From Friday to Wednesday there are four dates and six days.
    assert told == [("2026-02-20", "2026-02-25", 4, 6), ("2026-02-27", "2026-02-27", 1, 1)]


def test_fail_fast_names_the_dates() -> None:
    with pytest.raises(InsufficientDataError, match="2026-02-24 to 2026-02-25") as caught:
        align([HOLED], grid(WEEK), DataPolicy())
    (fault,) = caught.value.faults
    assert fault.row == {"date": "2026-02-24"}
    assert "2026-02-24 to 2026-02-25: 2 days" in fault.detail
    assert "more" not in caught.value.message
    with pytest.raises(InsufficientDataError, match=r"2 dates.*2026-02-23, and 1 more gaps"):
        align([OTHER], grid(window("2026-02-23", "2026-02-26")), DataPolicy())


def test_coverage_counts_dates_that_all_series_have() -> None:
    aligned = align([HOLED, OTHER], grid(WEEK), DataPolicy(PARTIAL))
    assert (aligned.n_requested, aligned.n_returned) == (5, 1)
    assert [len(each.label) for each in aligned.series] == [3, 2]


def test_strict_intersection_keeps_the_common_dates() -> None:
    aligned = align([HOLED, OTHER], grid(WEEK), DataPolicy(INTERSECTION))
    assert [texts(each.label) for each in aligned.series] == [["2026-02-26"]] * 2


def test_no_common_date_is_refused() -> None:
    only = points("2026-02-24", 0.2, name=SeriesName.BENCHMARK)
    with pytest.raises(InsufficientDataError, match="common"):
        align([HOLED, only], grid(WEEK), DataPolicy(INTERSECTION))


def test_forward_fill_repeats_the_last_return_and_makes_up_none_before_the_first() -> None:
    aligned = align([HOLED, OTHER], grid(WEEK), DataPolicy(PARTIAL, FillMethod.FORWARD_FILL))
    assert [each.value.tolist() for each in aligned.series] == [[0.1, 0.1, 0.1, 0.4, 0.5], [0.2, 0.2, 0.4, 0.4]]
    assert [(str(gap.start), gap.name) for gap in aligned.gaps] == [("2026-02-23", SeriesName.BENCHMARK)]
    assert aligned.n_returned == 4


def test_zero_fill_is_told() -> None:
    aligned = align([HOLED], grid(WEEK), DataPolicy(fill=FillMethod.ZERO_FILL))
    assert aligned.series[0].value.tolist() == [0.1, 0.0, 0.0, 0.4, 0.5]
    assert aligned.gaps == []
    (notice,) = aligned.notices
    assert (notice.code, notice.dates) == ("filled", ("2026-02-24", "2026-02-25"))


def test_series_are_filled_before_they_are_intersected() -> None:
    aligned = align([HOLED, OTHER], grid(WEEK), DataPolicy(INTERSECTION, FillMethod.FORWARD_FILL))
    assert texts(aligned.series[0].label) == ["2026-02-24", "2026-02-25", "2026-02-26", "2026-02-27"]


@pytest.mark.parametrize("fill", FillMethod)
@pytest.mark.parametrize("missing", [PARTIAL, INTERSECTION])
def test_a_gap_longer_than_allowed_is_refused_filled_or_not(fill: FillMethod, missing: MissingDataPolicy) -> None:
    align([HOLED], grid(WEEK), DataPolicy(missing, fill, max_gap_days=2))
    with pytest.raises(InsufficientDataError, match="max_gap_days, 1"):
        align([HOLED], grid(WEEK), DataPolicy(missing, fill, max_gap_days=1))


def test_a_missing_month_is_as_long_as_its_days() -> None:
    months = grid(window("2025-11-01", "2026-01-31"), MONTHLY)
    found = points("2025-11-30", 0.1, "2026-01-31", 0.1)
    align([found], months, DataPolicy(PARTIAL, max_gap_days=31))
    with pytest.raises(InsufficientDataError):
        align([found], months, DataPolicy(PARTIAL, max_gap_days=30))


@pytest.mark.parametrize("fill", FillMethod)
def test_a_series_without_any_return_is_refused_whatever_the_policy(fill: FillMethod) -> None:
    with pytest.raises(InsufficientDataError, match="no return in the window"):
        align([HOLED, points(name=SeriesName.BENCHMARK)], grid(WEEK), DataPolicy(PARTIAL, fill))


def test_a_return_on_a_date_that_is_not_expected_stays_and_is_not_counted() -> None:
    saturday = points("2026-02-26", 0.1, "2026-02-27", 0.1, "2026-02-28", 0.7)
    aligned = align([saturday], grid(window("2026-02-26", "2026-02-28")), DataPolicy())
    assert aligned.series[0].value.tolist() == [0.1, 0.1, 0.7]
    assert (aligned.n_requested, aligned.n_returned) == (2, 2)
    assert [(notice.code, notice.dates) for notice in aligned.notices] == [("off_calendar", ("2026-02-28",))]


def test_months_of_fewer_days_than_expected_are_named() -> None:
    cut = window("2026-02-27", "2026-03-03")
    found = compounded(SeriesName.PORTFOLIO, sent(d2026_02_27=0.1, d2026_02_28=0.1, d2026_03_02=0.1), MONTHLY, cut)
    aligned = align([found], grid(cut, MONTHLY), DataPolicy())
    # February has its one business day; March lacks the third.
    assert [(notice.code, notice.dates) for notice in aligned.notices] == [("incomplete_bucket", ("2026-03-03",))]
