import numpy as np
import pytest

from lotus_performance.engine.day_count import (
    WEEKDAYS,
    Annualization,
    DayCount,
    annualise,
    count_days,
    is_short_window,
    measured_end,
)
from lotus_performance.engine.series import DateArray

WITH_HOLIDAY = np.busdaycalendar("1111100", ["2024-12-31"])


def day(text: str) -> DateArray:
    return np.array([text], dtype="M8[D]")


def rate(
    value: float,
    start: str,
    end: str,
    basis: DayCount = DayCount.ACT_365,
    *,
    periods_per_year: float | None = None,
    allow_short_periods: bool = False,
    is_excluded: bool = False,
    calendar: np.busdaycalendar = WEEKDAYS,
) -> float:
    method = Annualization(True, basis, periods_per_year, allow_short_periods)
    (result,) = annualise(np.array([value]), day(start), day(end), method, calendar, np.array([is_excluded]))
    return float(result)


@pytest.mark.parametrize(
    ("basis", "start", "end", "days"),
    [
        pytest.param(DayCount.ACT_365, "2024-01-01", "2024-12-31", 366, id="a leap year of calendar days"),
        pytest.param(DayCount.ACT_ACT, "2023-01-01", "2023-12-31", 365, id="a common year of calendar days"),
        pytest.param(DayCount.ACT_365, "2024-01-01", "2024-01-01", 1, id="both ends are one calendar day"),
        pytest.param(DayCount.ACT_365, "2024-01-02", "2024-01-01", 0, id="an empty window"),
        pytest.param(DayCount.BUS_252, "2024-01-01", "2024-12-31", 262, id="a leap year of weekdays"),
        pytest.param(DayCount.BUS_252, "2024-01-05", "2024-01-08", 2, id="Friday and Monday"),
        pytest.param(DayCount.BUS_252, "2024-01-06", "2024-01-07", 0, id="a weekend has no business day"),
        pytest.param(DayCount.BUS_252, "2024-01-05", "2024-01-05", 1, id="both ends are one business day"),
    ],
)
def test_days_are_counted_with_both_ends(basis: DayCount, start: str, end: str, days: int) -> None:
    assert count_days(day(start), day(end), basis, WEEKDAYS).tolist() == [days]


def test_a_holiday_is_not_a_business_day() -> None:
    assert count_days(day("2024-01-01"), day("2024-12-31"), DayCount.BUS_252, WITH_HOLIDAY).tolist() == [261]


def test_a_holiday_is_a_calendar_day() -> None:
    assert count_days(day("2024-01-01"), day("2024-12-31"), DayCount.ACT_365, WITH_HOLIDAY).tolist() == [366]


@pytest.mark.parametrize("basis", list(DayCount))
def test_days_are_counted_in_whole_numbers(basis: DayCount) -> None:
    assert count_days(day("2024-01-01"), day("2024-12-31"), basis, WEEKDAYS).dtype == np.int64


@pytest.mark.parametrize(
    ("basis", "days"),
    [
        pytest.param(DayCount.BUS_252, 252.0, id="BUS/252"),
        pytest.param(DayCount.ACT_365, 365.0, id="ACT/365"),
        pytest.param(DayCount.ACT_ACT, 365.25, id="ACT/ACT"),
    ],
)
def test_a_year_has_the_days_of_its_basis(basis: DayCount, days: float) -> None:
    assert Annualization(True, basis).days_per_year == days


def test_the_days_of_a_year_may_be_sent() -> None:
    assert Annualization(True, DayCount.BUS_252, periods_per_year=260.0).days_per_year == 260.0


def test_nothing_is_annualised_unless_asked_for() -> None:
    assert not Annualization().is_enabled


@pytest.mark.parametrize(
    ("end", "last_row", "expected"),
    [
        pytest.param("2023-12-31", "2023-12-31", "2023-12-31", id="a row on the last day"),
        pytest.param("2023-12-31", "2023-12-29", "2023-12-31", id="a weekend after the last row"),
        pytest.param("2023-12-31", "2023-12-28", "2023-12-28", id="a Friday after the last row"),
        pytest.param("2024-01-01", "2023-12-29", "2023-12-29", id="a Monday after the last row"),
        pytest.param("2023-12-30", "2023-12-29", "2023-12-30", id="a Saturday after the last row"),
    ],
)
def test_a_window_counts_to_its_end_unless_a_business_day_is_missing(end: str, last_row: str, expected: str) -> None:
    assert measured_end(day(end), day(last_row), WEEKDAYS) == day(expected)


def test_a_holiday_after_the_last_row_takes_nothing_off() -> None:
    assert measured_end(day("2024-12-31"), day("2024-12-30"), WITH_HOLIDAY) == day("2024-12-31")


def test_each_window_has_its_own_end() -> None:
    end = np.array(["2023-12-31", "2023-12-31"], "M8[D]")
    last_row = np.array(["2023-12-29", "2023-12-27"], "M8[D]")
    assert measured_end(end, last_row, WEEKDAYS).astype(str).tolist() == ["2023-12-31", "2023-12-27"]


@pytest.mark.parametrize(
    ("start", "end", "is_short"),
    [
        pytest.param("2023-01-01", "2023-12-31", False, id="365 days"),
        pytest.param("2023-01-01", "2023-12-30", True, id="364 days"),
        pytest.param("2024-01-01", "2024-12-30", False, id="365 days of a leap year"),
        pytest.param("2024-01-01", "2024-01-01", True, id="one day"),
    ],
)
def test_a_window_is_short_below_365_days(start: str, end: str, is_short: bool) -> None:
    assert is_short_window(day(start), day(end)).tolist() == [is_short]


@pytest.mark.parametrize(
    ("value", "start", "end", "basis", "expected"),
    [
        pytest.param(0.1, "2023-01-01", "2023-12-31", DayCount.ACT_365, 0.1, id="one year is its own rate"),
        pytest.param(0.21, "2022-01-01", "2023-12-31", DayCount.ACT_365, 0.1, id="two years of 365 days"),
        pytest.param(0.21, "2022-01-01", "2023-12-31", DayCount.ACT_ACT, 1.21 ** (365.25 / 730) - 1, id="ACT/ACT"),
        pytest.param(0.21, "2022-01-01", "2023-12-31", DayCount.BUS_252, 1.21 ** (252 / 520) - 1, id="BUS/252"),
        pytest.param(-0.19, "2022-01-01", "2023-12-31", DayCount.ACT_365, -0.1, id="two years of losses"),
        pytest.param(0.0, "2022-01-01", "2023-12-31", DayCount.ACT_365, 0.0, id="nothing earned"),
    ],
)
def test_a_return_becomes_a_rate_per_year(value: float, start: str, end: str, basis: DayCount, expected: float) -> None:
    assert rate(value, start, end, basis) == pytest.approx(expected, rel=1e-14, abs=1e-15)


def test_a_tiny_return_keeps_its_digits() -> None:
    assert rate(1e-15, "2022-01-01", "2023-12-31") == pytest.approx(5e-16, rel=1e-12)


def test_the_days_of_a_year_that_are_sent_count_the_days_of_the_basis() -> None:
    # 2022 and 2023 have 520 weekdays: at 260 a year they are two years.
    value = rate(0.21, "2022-01-01", "2023-12-31", DayCount.BUS_252, periods_per_year=260.0)
    assert value == pytest.approx(0.1, rel=1e-14)


def test_holidays_make_a_business_year_shorter() -> None:
    value = rate(0.1, "2024-01-01", "2024-12-31", DayCount.BUS_252, calendar=WITH_HOLIDAY)
    assert value == pytest.approx(1.1 ** (252 / 261) - 1, rel=1e-14)


@pytest.mark.parametrize("basis", list(DayCount))
def test_a_window_below_a_year_has_no_rate_whatever_the_basis(basis: DayCount) -> None:
    assert np.isnan(rate(0.1, "2023-01-01", "2023-12-30", basis))


def test_few_periods_a_year_make_no_short_window_longer() -> None:
    assert np.isnan(rate(0.1, "2023-01-01", "2023-06-30", periods_per_year=1.0))


def test_a_short_window_has_a_rate_when_that_is_allowed() -> None:
    assert rate(0.1, "2023-01-01", "2023-03-14", allow_short_periods=True) == pytest.approx(1.1**5 - 1, rel=1e-14)


def test_one_day_has_a_rate_when_that_is_allowed() -> None:
    assert rate(0.001, "2023-01-02", "2023-01-02", allow_short_periods=True) == pytest.approx(1.001**365 - 1, rel=1e-12)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(-1.0, id="everything is lost"),
        pytest.param(-2.5, id="more than everything is lost"),
        pytest.param(np.nan, id="no return"),
    ],
)
def test_there_is_no_rate_without_growth(value: float) -> None:
    assert np.isnan(rate(value, "2023-01-01", "2023-12-31"))


def test_a_window_that_is_left_out_has_no_rate() -> None:
    assert np.isnan(rate(0.1, "2023-01-01", "2023-12-31", is_excluded=True))


def test_a_weekend_has_no_rate_in_business_days() -> None:
    assert np.isnan(rate(0.1, "2024-01-06", "2024-01-07", DayCount.BUS_252, allow_short_periods=True))


def test_a_rate_beyond_any_number_is_none() -> None:
    assert np.isnan(rate(10.0, "2024-01-05", "2024-01-05", allow_short_periods=True))


def test_the_windows_of_one_call_do_not_touch_one_another() -> None:
    start = np.array(["2022-01-01", "2023-01-01", "2023-12-31", "2022-01-01"], "M8[D]")
    end = np.full(4, "2023-12-31", "M8[D]")
    rates = annualise(
        np.array([0.21, 0.1, 0.1, -1.0]), start, end, Annualization(True, DayCount.ACT_365), WEEKDAYS, np.zeros(4, bool)
    )
    assert rates == pytest.approx([0.1, 0.1, np.nan, np.nan], rel=1e-14, nan_ok=True)
