from typing import Any

import numpy as np
import pytest

from lotus_performance.engine.day_count import WEEKDAYS, Annualization, DayCount
from lotus_performance.engine.fx import Conversion, DatedValues
from lotus_performance.engine.periods import Frequency, Window
from lotus_performance.engine.returns import Basis, ResetReason
from lotus_performance.engine.twr import PeriodReturn, TimeWeightedReturn, time_weighted_return
from lotus_performance.errors import FxRateMissingError, NoCapitalError, NoResolvedPeriodError
from rows import Row, values_of

YEARLY = Annualization(True, DayCount.ACT_365)
ANY_LENGTH = Annualization(True, DayCount.ACT_365, allow_short_periods=True)

# Five weekdays of two months, 10 % a day; the second of them is the last of January.
WEEK: list[Row] = [
    ("2025-01-30", 100.0, 110.0),
    ("2025-01-31", 110.0, 121.0),
    ("2025-02-03", 121.0, 133.1),
    ("2025-02-04", 133.1, 146.41),
    ("2025-02-05", 146.41, 161.051),
]
# The short loses 250 % in January; in February a long position earns 10 %.
SHORT_THEN_LONG: list[Row] = [("2025-01-31", -100.0, -350.0), ("2025-02-03", 100.0, 110.0)]


def window(start: str, end: str, *frequencies: Frequency, label: str = "W") -> Window:
    return Window(label, frequencies, np.datetime64(start), np.datetime64(end))


ALL = window("2025-01-01", "2025-12-31")


def measure(
    rows: list[Row],
    *windows: Window,
    basis: Basis = Basis.NET,
    inception: str = "2000-01-01",
    annualization: Annualization = Annualization(),  # noqa: B008 # frozen
    **options: Any,
) -> TimeWeightedReturn:
    return time_weighted_return(
        values_of(rows), windows or (ALL,), basis, np.datetime64(inception), annualization, **options
    )


def period_of(rows: list[Row], *windows: Window, **options: Any) -> PeriodReturn:
    (period,) = measure(rows, *windows, **options).periods
    return period


def warned(result: TimeWeightedReturn) -> dict[str, tuple[str, ...]]:
    return {notice.code: notice.dates for notice in result.notices}


def rates_of(ccy: str, *rates: tuple[str, float]) -> DatedValues:
    dates = np.array([date for date, _ in rates], dtype="M8[D]")
    return DatedValues(dates, np.full(len(rates), ccy), np.array([rate for _, rate in rates]))


# Which rows belong to a window.


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param("2025-01-01", "2025-12-31", 1.1**5, id="all"),
        pytest.param("2025-01-30", "2025-02-05", 1.1**5, id="both ends count"),
        pytest.param("2025-01-31", "2025-02-04", 1.1**3, id="rows before and after are left out"),
        pytest.param("2025-02-01", "2025-02-02", None, id="a weekend has no row"),
        pytest.param("2025-02-01", "2025-02-03", 1.1, id="one row"),
    ],
)
def test_a_window_links_its_own_rows(start: str, end: str, expected: float | None) -> None:
    result = measure(WEEK, ALL, window(start, end, label="part"))
    figures = [period.base for period in result.periods if period.window.label == "part"]
    assert figures == ([] if expected is None else [pytest.approx(expected - 1.0, rel=1e-14)])


def test_a_period_knows_its_rows() -> None:
    period = period_of(WEEK, window("2025-01-31", "2025-02-04"))
    assert (period.first, period.stop) == (1, 4)


def test_without_conversion_the_local_return_is_the_return() -> None:
    period = period_of(WEEK)
    assert (period.local, period.fx) == (period.base, 0.0)


def test_periods_are_answered_in_the_order_of_the_windows() -> None:
    result = measure(WEEK, window("2025-02-01", "2025-02-28", label="later"), window("2025-01-01", "2025-01-31"))
    assert [period.window.label for period in result.periods] == ["later", "W"]


def test_a_window_without_rows_is_named() -> None:
    result = measure(WEEK, ALL, window("2024-01-01", "2024-12-31", label="old"))
    assert result.notes == ["Period old (2024-01-01 to 2024-12-31) has no rows and was left out."]


def test_a_window_that_ends_before_inception_is_named() -> None:
    result = measure(WEEK, ALL, window("2025-01-01", "2024-12-31", label="old"))
    assert len(result.periods) == 1
    assert result.notes[0].startswith("Period old (ends on 2024-12-31, before the first day that counts, 2025-01-01)")


def test_a_window_without_a_return_is_named() -> None:
    rows = [*WEEK, ("2025-03-03", 0.0, 5.0)]
    result = measure(rows, ALL, window("2025-03-01", "2025-03-31", label="March"))
    assert [period.window.label for period in result.periods] == ["W"]
    assert result.notes == ["Period March has no row with capital, hence no return, and was left out."]


def test_no_window_with_rows_is_refused() -> None:
    with pytest.raises(NoResolvedPeriodError) as caught:
        measure(WEEK, window("2024-01-01", "2024-12-31"))
    assert "asked for W (2024-01-01 to 2024-12-31)" in caught.value.message
    assert "sent rows from 2025-01-30 to 2025-02-05" in caught.value.message


def test_no_rows_are_refused() -> None:
    with pytest.raises(NoResolvedPeriodError, match="sent no rows"):
        measure([])


def test_no_window_with_a_return_is_refused() -> None:
    with pytest.raises(NoCapitalError, match="No requested period has a row with capital"):
        measure([("2025-01-30", 0.0, 5.0)])


# Rows before inception.


def test_rows_before_inception_are_left_out_with_a_warning() -> None:
    result = measure(WEEK, inception="2025-02-03")
    assert result.periods[0].base == pytest.approx(1.1**3 - 1.0, rel=1e-14)
    assert warned(result) == {"before_inception": ("2025-01-30", "2025-01-31")}


def test_the_rows_used_begin_with_inception() -> None:
    assert measure(WEEK, inception="2025-02-03").values.perf_date[0] == np.datetime64("2025-02-03")


def test_a_row_on_the_day_of_inception_counts() -> None:
    assert warned(measure(WEEK, inception="2025-01-30")) == {}


def test_inception_after_all_rows_is_refused() -> None:
    with pytest.raises(NoResolvedPeriodError, match="performance_start_date 2026-01-01; sent rows from 2025-01-30"):
        measure(WEEK, inception="2026-01-01")


# Days without capital.


def test_an_idle_day_is_counted_once_for_all_windows() -> None:
    rows = [*WEEK, ("2025-02-06", 0.0, 0.0)]
    assert measure(rows, ALL, window("2025-02-01", "2025-02-28", label="February")).n_idle_days == 1


def test_an_idle_day_that_nobody_asked_for_is_not_counted() -> None:
    rows = [*WEEK, ("2025-03-03", 0.0, 0.0)]
    assert measure(rows, window("2025-01-01", "2025-02-28")).n_idle_days == 0


def test_an_undefined_day_is_not_idle() -> None:
    assert measure([*WEEK, ("2025-02-06", 0.0, 5.0)]).n_idle_days == 0


def test_an_undefined_day_is_left_out_with_a_warning() -> None:
    result = measure([*WEEK, ("2025-02-06", 161.051, 5.0, -161.051)])
    assert result.periods[0].base == pytest.approx(1.1**5 - 1.0, rel=1e-14)
    assert warned(result) == {"no_capital": ("2025-02-06",)}


def test_an_undefined_day_that_nobody_asked_for_is_not_warned_of() -> None:
    assert warned(measure([*WEEK, ("2025-03-03", 161.051, 5.0, -161.051)], window("2025-01-01", "2025-02-28"))) == {}


def test_fail_fast_refuses_an_undefined_day() -> None:
    with pytest.raises(NoCapitalError) as caught:
        measure([*reversed(WEEK), ("2025-02-06", 0.0, 5.0)], fail_fast=True)
    (fault,) = caught.value.faults
    assert (fault.place, fault.row) == (("valuation_points", 5), {"perf_date": "2025-02-06"})


def test_fail_fast_refuses_no_day_that_nobody_asked_for() -> None:
    rows = [*WEEK, ("2025-03-03", 0.0, 5.0)]
    assert len(measure(rows, window("2025-01-01", "2025-02-28"), fail_fast=True).periods) == 1


def test_fail_fast_refuses_no_idle_day() -> None:
    assert measure([*WEEK, ("2025-02-06", 0.0, 0.0)], fail_fast=True).n_idle_days == 1


# Resets.


def test_a_reset_is_told_and_warned_of() -> None:
    result = measure(SHORT_THEN_LONG)
    ((reset,),) = [period.resets for period in result.periods]
    assert (reset.row, reset.reason, reset.impacted_rows) == (1, ResetReason.NEW_CAPITAL, 1)
    assert warned(result)["reset"] == ("2025-02-03",)


def test_a_reset_is_counted_once_for_all_windows() -> None:
    result = measure(SHORT_THEN_LONG, ALL, window("2025-01-15", "2025-02-15", label="middle"))
    assert result.n_reset_days == 1


def test_resets_of_different_windows_are_all_counted() -> None:
    rows = [("2025-01-30", 100.0, -10.0), ("2025-02-03", 100.0, -10.0, 0.0, 0.0)]
    windows = (window("2025-01-01", "2025-01-31"), window("2025-02-01", "2025-02-28", label="February"))
    result = measure(rows, *windows)
    assert result.n_reset_days == 2
    assert warned(result)["reset"] == ("2025-01-30", "2025-02-03")


def test_a_reset_outside_the_windows_is_not_told() -> None:
    result = measure(SHORT_THEN_LONG, window("2025-02-01", "2025-02-28"))
    assert (result.n_reset_days, result.periods[0].resets) == (0, [])


# Other warnings and notes.


@pytest.mark.parametrize(
    ("begin_mv", "is_jump"),
    [
        pytest.param(110.0, False, id="no jump"),
        pytest.param(110.0 * (1.0 + 5e-10), False, id="rounding"),
        pytest.param(110.0 * (1.0 + 5e-9), True, id="more than rounding"),
        pytest.param(0.0, True, id="all gone"),
    ],
)
def test_a_jump_between_two_rows_is_warned_of(begin_mv: float, is_jump: bool) -> None:
    result = measure([WEEK[0], ("2025-01-31", begin_mv, 121.0, 121.0)])
    assert warned(result) == ({"discontinuity": ("2025-01-31",)} if is_jump else {})


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2025-01-31", "2025-12-31", id="into the window"),
        pytest.param("2025-01-01", "2025-01-30", id="out of the window"),
    ],
)
def test_a_jump_at_the_edge_of_the_window_is_not_warned_of(start: str, end: str) -> None:
    assert warned(measure([WEEK[0], ("2025-01-31", 120.0, 121.0)], window(start, end))) == {}


def test_a_jump_is_measured_against_the_two_values_that_it_parts() -> None:
    rows = [("2025-01-30", 1e12, 1e12), ("2025-01-31", 1e12, 100.0, 0.0, 100.0 - 1e12), ("2025-02-03", 90.0, 90.0)]
    assert warned(measure(rows)) == {"discontinuity": ("2025-02-03",)}


def test_a_jump_within_the_window_is_warned_of_whatever_lies_before_it() -> None:
    rows = [*WEEK[:2], ("2025-02-03", 120.0, 133.1)]
    assert warned(measure(rows, window("2025-01-31", "2025-12-31"))) == {"discontinuity": ("2025-02-03",)}


def test_nothing_after_nothing_is_no_jump() -> None:
    assert warned(measure([("2025-01-30", 0.0, 0.0), ("2025-01-31", 0.0, 0.0)])) == {}


def test_a_positive_fee_is_warned_of() -> None:
    assert warned(measure([(*WEEK[0], 0.0, 0.0, 1.0), (*WEEK[1], 0.0, 0.0, -1.0)])) == {"positive_fee": ("2025-01-30",)}


def test_a_positive_fee_that_nobody_asked_for_is_not_warned_of() -> None:
    assert warned(measure([(*WEEK[0], 0.0, 0.0, 1.0), *WEEK[1:]], window("2025-02-01", "2025-02-28"))) == {}


def test_rows_in_another_order_are_noted() -> None:
    assert measure([*reversed(WEEK)]).notes == ["Rows were not in date order; they were sorted by perf_date."]


def test_ordinary_rows_need_no_word() -> None:
    result = measure(WEEK)
    assert (result.notes, result.notices) == ([], [])


# Fees.


def test_the_basis_decides_which_return_is_the_headline() -> None:
    rows = [("2025-01-30", 100.0, 110.0, 0.0, 0.0, -2.0)]
    figures = [period_of(rows, basis=basis).base for basis in (Basis.NET, Basis.GROSS)]
    assert figures == pytest.approx([0.08, 0.1], rel=1e-14)


@pytest.mark.parametrize("basis", list(Basis))
def test_the_fee_effect_is_net_less_gross_on_either_basis(basis: Basis) -> None:
    period = period_of([("2025-01-30", 100.0, 110.0, 0.0, 0.0, -2.0)], basis=basis, with_fee_effect=True)
    assert (period.net, period.gross, period.fee_effect) == pytest.approx((0.08, 0.1, -0.02), rel=1e-13)


def test_the_return_of_the_basis_is_the_headline_itself() -> None:
    period = period_of([("2025-01-30", 100.0, 110.0, 0.0, 0.0, -2.0)], basis=Basis.GROSS, with_fee_effect=True)
    assert period.gross == period.base


def test_no_fee_effect_unless_asked_for() -> None:
    period = period_of(WEEK)
    assert (period.net, period.gross, period.fee_effect) == (None, None, None)


# Buckets.


@pytest.mark.parametrize(
    ("frequency", "labels", "factors"),
    [
        pytest.param(
            Frequency.DAILY,
            ["2025-01-30", "2025-01-31", "2025-02-03", "2025-02-04", "2025-02-05"],
            [1.1] * 5,
            id="daily",
        ),
        pytest.param(Frequency.WEEKLY, ["2025-01-31", "2025-02-07"], [1.21, 1.331], id="weekly"),
        pytest.param(Frequency.MONTHLY, ["2025-01", "2025-02"], [1.21, 1.331], id="monthly"),
        pytest.param(Frequency.QUARTERLY, ["2025-Q1"], [1.1**5], id="quarterly"),
        pytest.param(Frequency.YEARLY, ["2025"], [1.1**5], id="yearly"),
    ],
)
def test_a_period_is_cut_into_buckets(frequency: Frequency, labels: list[str], factors: list[float]) -> None:
    buckets = period_of(WEEK, window("2025-01-01", "2025-12-31", frequency)).buckets[frequency]
    assert buckets.labels == labels
    assert buckets.returns == pytest.approx(np.array(factors) - 1.0, rel=1e-13)


def test_buckets_know_their_rows_in_the_whole_series() -> None:
    buckets = period_of(WEEK, window("2025-01-31", "2025-02-04", Frequency.MONTHLY)).buckets[Frequency.MONTHLY]
    assert (buckets.first.tolist(), buckets.stop.tolist()) == ([1, 2], [2, 4])


def test_a_bucket_is_cut_to_its_window() -> None:
    buckets = period_of(WEEK, window("2025-01-31", "2025-02-04", Frequency.MONTHLY)).buckets[Frequency.MONTHLY]
    assert buckets.returns == pytest.approx([0.1, 0.21], rel=1e-13)


def test_a_bucket_without_a_return_has_none() -> None:
    rows = [*WEEK, ("2025-03-03", 161.051, 5.0, -161.051)]
    buckets = period_of(rows, window("2025-01-01", "2025-12-31", Frequency.MONTHLY)).buckets[Frequency.MONTHLY]
    assert np.isnan(buckets.returns).tolist() == [False, False, True]


def test_a_bucket_links_its_own_chain() -> None:
    # In the year the long day meets a short that lost more than its capital; in February there is no short.
    rows = [*SHORT_THEN_LONG, ("2025-02-04", 110.0, 121.0)]
    period = period_of(rows, window("2025-01-01", "2025-12-31", Frequency.MONTHLY))
    assert period.buckets[Frequency.MONTHLY].returns == pytest.approx([-2.5, 0.21], rel=1e-13)


def test_the_returns_to_date_stand_at_the_end_of_each_bucket() -> None:
    period = period_of(WEEK, window("2025-01-01", "2025-12-31", Frequency.MONTHLY), with_cumulative=True)
    assert period.buckets[Frequency.MONTHLY].cum_returns == pytest.approx([0.21, 1.1**5 - 1.0], rel=1e-13)


def test_the_returns_to_date_begin_with_the_window() -> None:
    period = period_of(WEEK, window("2025-01-31", "2025-12-31", Frequency.DAILY), with_cumulative=True)
    assert period.buckets[Frequency.DAILY].cum_returns == pytest.approx([0.1, 0.21, 0.331, 0.4641], rel=1e-13)


def test_no_returns_to_date_unless_asked_for() -> None:
    period = period_of(WEEK, window("2025-01-01", "2025-12-31", Frequency.DAILY))
    assert period.buckets[Frequency.DAILY].cum_returns is None


def test_a_period_without_frequencies_has_no_buckets() -> None:
    assert period_of(WEEK).buckets == {}


# Rates per year.

TWO_YEARS: list[Row] = [("2022-01-03", 100.0, 110.0), ("2022-12-30", 110.0, 110.0), ("2023-12-29", 110.0, 121.0)]


def test_a_period_of_a_year_or_more_has_a_rate() -> None:
    period = period_of(TWO_YEARS, window("2022-01-03", "2023-12-31"), annualization=YEARLY)
    assert period.ann_return == pytest.approx(1.21 ** (365.0 / 728.0) - 1.0, rel=1e-14)


def test_no_rate_unless_asked_for() -> None:
    assert period_of(TWO_YEARS, window("2022-01-03", "2023-12-31")).ann_return is None


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        pytest.param("2022-02-01", "2023-12-29", ("2022-02-01", "2023-12-29"), id="its own days"),
        pytest.param("2020-01-01", "2023-12-29", ("2022-01-03", "2023-12-29"), id="not before the first row"),
        pytest.param(
            "2022-12-31", "2023-12-31", ("2022-12-31", "2023-12-31"), id="a weekend after the last row counts"
        ),
        pytest.param("2022-01-03", "2024-01-01", ("2022-01-03", "2023-12-29"), id="a Monday without a row does not"),
        pytest.param("2022-01-03", "2023-12-28", ("2022-01-03", "2022-12-30"), id="to the last row of the window"),
    ],
)
def test_the_days_that_count_for_a_rate(start: str, end: str, span: tuple[str, str]) -> None:
    period = period_of(TWO_YEARS, window(start, end), annualization=YEARLY)
    assert tuple(str(day[0]) for day in period.span) == span


def test_rows_before_inception_do_not_count_for_a_rate() -> None:
    rows = [("2021-01-04", 90.0, 100.0), *TWO_YEARS]
    period = period_of(rows, window("2021-06-01", "2023-12-29"), inception="2021-06-01", annualization=YEARLY)
    assert str(period.span[0][0]) == "2022-01-03"


def test_a_holiday_after_the_last_row_counts_with_its_calendar() -> None:
    calendar = np.busdaycalendar("1111100", ["2024-01-01"])
    period = period_of(TWO_YEARS, window("2022-01-03", "2024-01-01"), annualization=YEARLY, calendar=calendar)
    assert str(period.span[1][0]) == "2024-01-01"


def test_business_days_are_those_of_the_calendar() -> None:
    calendar = np.busdaycalendar("1111100", ["2022-07-04", "2023-07-04"])
    rates = [
        period_of(
            TWO_YEARS, window("2022-01-03", "2023-12-29"), annualization=Annualization(True), calendar=each
        ).ann_return
        for each in (WEEKDAYS, calendar)
    ]
    assert rates == pytest.approx([1.21 ** (252.0 / 520.0) - 1.0, 1.21 ** (252.0 / 518.0) - 1.0], rel=1e-14)


def test_each_bucket_has_the_rate_of_its_own_days() -> None:
    period = period_of(TWO_YEARS, window("2021-01-01", "2023-12-31", Frequency.YEARLY), annualization=ANY_LENGTH)
    rates = period.buckets[Frequency.YEARLY].ann_returns
    assert rates == pytest.approx([1.1 ** (365.0 / 363.0) - 1.0, 0.1], rel=1e-13)


def test_a_bucket_below_a_year_has_no_rate() -> None:
    period = period_of(TWO_YEARS, window("2022-01-03", "2023-12-31", Frequency.YEARLY), annualization=YEARLY)
    assert period.buckets[Frequency.YEARLY].ann_returns == pytest.approx([np.nan, 0.1], rel=1e-13, nan_ok=True)


def test_a_bucket_counts_no_day_outside_its_window() -> None:
    period = period_of(TWO_YEARS, window("2022-06-01", "2023-06-30", Frequency.YEARLY), annualization=YEARLY)
    span = period.buckets[Frequency.YEARLY].span
    assert span is not None
    assert [day.astype(str).tolist() for day in span] == [["2022-06-01"], ["2022-12-31"]]


def test_days_have_no_rate() -> None:
    period = period_of(TWO_YEARS, window("2022-01-03", "2023-12-31", Frequency.DAILY), annualization=ANY_LENGTH)
    assert period.buckets[Frequency.DAILY].ann_returns is None


def test_buckets_have_no_rate_unless_asked_for() -> None:
    period = period_of(TWO_YEARS, window("2022-01-03", "2023-12-31", Frequency.YEARLY))
    assert period.buckets[Frequency.YEARLY].ann_returns is None


def test_a_bucket_with_a_reset_has_no_rate() -> None:
    rows = [*SHORT_THEN_LONG, ("2026-01-30", 100.0, 110.0)]
    period = period_of(rows, window("2025-01-01", "2026-12-31", Frequency.YEARLY), annualization=ANY_LENGTH)
    rates = period.buckets[Frequency.YEARLY].ann_returns
    assert rates is not None
    assert np.isnan(rates).tolist() == [True, False]


@pytest.mark.parametrize(
    ("rows", "annualization", "notes"),
    [
        pytest.param(WEEK, YEARLY, ["Not annualised, because shorter than 365 days (GIPS): W."], id="short"),
        pytest.param(WEEK, ANY_LENGTH, [], id="short and allowed"),
        pytest.param(WEEK, Annualization(), [], id="not asked for"),
        pytest.param(
            SHORT_THEN_LONG,
            ANY_LENGTH,
            ["Not annualised, because of a reset, a total loss or too large a rate: W."],
            id="a reset",
        ),
        pytest.param(
            [("2025-01-30", 100.0, 0.0)],
            ANY_LENGTH,
            ["Not annualised, because of a reset, a total loss or too large a rate: W."],
            id="a total loss",
        ),
        pytest.param(
            [("2025-01-30", 100.0, 1100.0)],
            ANY_LENGTH,
            ["Not annualised, because of a reset, a total loss or too large a rate: W."],
            id="too large a rate",
        ),
        pytest.param(
            SHORT_THEN_LONG,
            YEARLY,
            ["Not annualised, because shorter than 365 days (GIPS): W."],
            id="a reset in a short window",
        ),
    ],
)
def test_a_period_without_a_rate_is_noted(rows: list[Row], annualization: Annualization, notes: list[str]) -> None:
    period = measure(rows, annualization=annualization)
    assert [period.periods[0].ann_return is None, period.notes] == [bool(notes) or not annualization.is_enabled, notes]


def test_each_reason_names_its_own_periods() -> None:
    rows = [("2022-06-30", 100.0, 0.0), *((date, 100.0, 110.0, 100.0) for date in ("2023-06-30", "2024-12-31"))]
    windows = (
        window("2022-01-01", "2022-12-31", label="lost"),
        window("2024-12-01", "2024-12-31", label="month"),
        window("2022-01-01", "2024-12-31", label="reset"),
        window("2023-01-01", "2024-12-31", label="fine"),
    )
    notes = measure(rows, *windows, annualization=YEARLY).notes
    assert notes == [
        "Not annualised, because shorter than 365 days (GIPS): lost, month.",
        "Not annualised, because of a reset, a total loss or too large a rate: reset.",
    ]


@pytest.mark.parametrize(
    ("frequency", "n_notes"),
    [
        pytest.param(Frequency.DAILY, 1, id="daily"),
        pytest.param(Frequency.MONTHLY, 1, id="monthly"),
        pytest.param(Frequency.YEARLY, 1, id="yearly, the first of 363 days"),
    ],
)
def test_buckets_without_a_rate_are_noted(frequency: Frequency, n_notes: int) -> None:
    notes = measure(TWO_YEARS, window("2022-01-03", "2023-12-31", frequency), annualization=YEARLY).notes
    assert len(notes) == n_notes


# Currency.

EURO = rates_of("EUR", ("2025-01-29", 1.0), ("2025-01-30", 1.1), ("2025-01-31", 1.1))


def test_a_currency_compounds_with_the_local_return() -> None:
    period = period_of(WEEK[:2], conversion=Conversion("EUR", EURO))
    assert (period.local, period.fx, period.base) == pytest.approx((0.21, 0.1, 0.331), rel=1e-13)


def test_days_before_and_after_conversion_are_both_told() -> None:
    result = measure(WEEK[:2], conversion=Conversion("EUR", EURO))
    assert result.local_days.returns == pytest.approx([0.1, 0.1], rel=1e-13)
    assert result.days.returns == pytest.approx([0.21, 0.1], rel=1e-13)


def test_buckets_are_converted() -> None:
    period = period_of(
        WEEK[:2], window("2025-01-01", "2025-12-31", Frequency.DAILY), conversion=Conversion("EUR", EURO)
    )
    assert period.buckets[Frequency.DAILY].returns == pytest.approx([0.21, 0.1], rel=1e-13)


def test_net_and_gross_returns_are_converted() -> None:
    rows = [("2025-01-30", 100.0, 110.0, 0.0, 0.0, -2.0)]
    period = period_of(rows, conversion=Conversion("EUR", EURO), with_fee_effect=True)
    assert (period.net, period.gross) == pytest.approx((1.08 * 1.1 - 1.0, 0.21), rel=1e-13)


def test_of_a_total_loss_no_currency_return_is_left() -> None:
    period = period_of([("2025-01-30", 100.0, 0.0)], conversion=Conversion("EUR", EURO))
    assert (period.local, period.fx, period.base) == (-1.0, None, -1.0)


def test_a_missing_rate_is_refused() -> None:
    with pytest.raises(FxRateMissingError):
        measure(WEEK, conversion=Conversion("EUR", rates_of("EUR", ("2025-02-01", 1.0))))


def test_a_rate_is_needed_only_for_the_rows_of_a_window() -> None:
    conversion = Conversion("EUR", rates_of("EUR", ("2025-02-01", 1.0)))
    assert period_of(WEEK, window("2025-02-04", "2025-02-05"), conversion=conversion).base == pytest.approx(0.21)


def test_a_return_beyond_any_number_outside_the_windows_refuses_nothing() -> None:
    rows = [("2024-12-31", 1e-200, 1e200), *WEEK]
    assert measure(rows).periods[0].base == pytest.approx(1.1**5 - 1.0)


def test_a_bucket_that_was_cut_is_warned_of_also_where_the_period_was_not() -> None:
    rows = [("2025-01-31", -100.0, -10.0), ("2025-02-03", -100.0, -350.0), ("2025-02-04", 100.0, 110.0)]
    result = measure(rows, window("2025-01-01", "2025-12-31", Frequency.MONTHLY))
    assert result.periods[0].resets == []
    assert result.periods[0].buckets[Frequency.MONTHLY].returns == pytest.approx([0.9, 0.1])
    assert "reset" in warned(result)


def test_a_window_without_business_days_has_a_reason_of_its_own() -> None:
    rows = [("2025-02-01", 100.0, 110.0)]
    method = Annualization(True, DayCount.BUS_252, allow_short_periods=True)
    (note,) = measure(rows, window("2025-02-01", "2025-02-02"), annualization=method).notes
    assert "without a business day" in note


def test_a_return_beyond_any_number_outside_the_windows_refuses_no_conversion() -> None:
    rows = [("2024-12-31", 1e-200, 1e200), *WEEK[:2]]
    rates = rates_of("EUR", ("2024-12-31", 1.0), ("2025-01-30", 1.1), ("2025-01-31", 1.1))
    assert period_of(rows, conversion=Conversion("EUR", rates)).base == pytest.approx(0.331)
