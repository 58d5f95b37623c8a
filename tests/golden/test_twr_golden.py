"""Time-weighted returns that others published or that can be checked by hand, each with its source.

Published figures are met to half a unit of their last digit; exact ones, which follow from the published values by
rational arithmetic, to 1e-12 (some twenty operations on doubles). Any other tolerance stands with its reason.
"""

from typing import Any

import numpy as np
import pytest

from lotus_performance.engine.day_count import Annualization, DayCount
from lotus_performance.engine.fx import Conversion, DatedValues
from lotus_performance.engine.periods import Frequency, Window
from lotus_performance.engine.returns import Basis, ResetReason
from lotus_performance.engine.twr import Buckets, PeriodReturn, TimeWeightedReturn, time_weighted_return
from lotus_performance.errors import NoCapitalError
from rows import Row, values_of

EXACT = 1e-12


def chained(start_value: float, *days: tuple[str, float, float, float]) -> list[Row]:
    """Return rows of date, flow in the morning, flow in the evening and value in the evening."""
    begins = [start_value, *(end for *_, end in days)]
    return [(date, begin, end, bod, eod) for begin, (date, bod, eod, end) in zip(begins[:-1], days, strict=True)]


def measure(
    rows: list[Row],
    *frequencies: Frequency,
    start: str | None = None,
    end: str | None = None,
    basis: Basis = Basis.NET,
    annualization: Annualization = Annualization(),  # noqa: B008 # frozen
    conversion: Conversion | None = None,
) -> TimeWeightedReturn:
    values = values_of(rows)
    window = Window(
        "all", frequencies, np.datetime64(start or values.perf_date[0]), np.datetime64(end or values.perf_date[-1])
    )
    return time_weighted_return(
        values, [window], basis, window.start, annualization, with_cumulative=True, conversion=conversion
    )


def period_of(rows: list[Row], *frequencies: Frequency, **options: Any) -> PeriodReturn:
    (period,) = measure(rows, *frequencies, **options).periods
    return period


def buckets_of(rows: list[Row], frequency: Frequency, **options: Any) -> Buckets:
    return period_of(rows, frequency, **options).buckets[frequency]


# Portfolio Performance (buchen/portfolio), ClientIndexTest.testExcelSample: inflows arrive in the morning, outflows
# leave in the evening. The file publishes the figures with 7 to 10 digits.
EXCEL_SAMPLE = chained(
    10000.0,
    ("2012-01-01", 0.0, 0.0, 10230.0),
    ("2012-01-02", 200.0, 0.0, 10630.0),
    ("2012-01-03", 0.0, -400.0, 9995.59),
    ("2012-01-04", 0.0, 0.0, 10289.58),
    ("2012-01-05", 0.0, 0.0, 10583.57),
    ("2012-01-06", 5400.0, 0.0, 16179.56),
    ("2012-01-07", 0.0, -3697.04, 11600.0),
    ("2012-01-08", 0.0, 0.0, 10596.15),
)


def test_portfolio_performance_excel_sample() -> None:
    """Published -0.056182678, by a sheet whose values are rounded to cents: half a unit, 5e-10, holds all the same."""
    assert period_of(EXCEL_SAMPLE).base == pytest.approx(-0.056182678, abs=5e-10)


def test_portfolio_performance_excel_sample_exactly() -> None:
    assert period_of(EXCEL_SAMPLE).base == pytest.approx(-0.0561826775502341, abs=EXACT)


@pytest.mark.parametrize(
    ("day", "published", "tolerance"),
    [
        pytest.param(1, 0.023, 5e-10, id="1"),
        pytest.param(2, 0.019175455, 5e-10, id="2: 200 in"),
        pytest.param(3, -0.0220517, 5e-8, id="3: 400 out"),
        # The sheet goes on with unrounded values, of which the file shows cents: 5e-3 / 1e4 on either side of a day.
        pytest.param(4, 0.0294117647, 1e-6, id="4"),
        pytest.param(5, 0.0285714286, 1e-6, id="5"),
        pytest.param(6, 0.012261967, 5e-10, id="6: 5,400 in"),
        pytest.param(7, -0.0545454545, 1e-6, id="7: 3,697.04 out"),
        pytest.param(8, -0.0865384615, 1e-6, id="8"),
    ],
)
def test_portfolio_performance_excel_sample_by_day(day: int, published: float, tolerance: float) -> None:
    returns = buckets_of(EXCEL_SAMPLE, Frequency.DAILY).returns
    assert returns[day - 1] == pytest.approx(published, abs=tolerance)


def test_portfolio_performance_excel_sample_by_day_exactly() -> None:
    assert buckets_of(EXCEL_SAMPLE, Frequency.DAILY).returns == pytest.approx(
        [
            230 / 10000,
            200 / 10430,
            (9995.59 + 400) / 10630 - 1,
            10289.58 / 9995.59 - 1,
            10583.57 / 10289.58 - 1,
            16179.56 / 15983.57 - 1,
            (11600 + 3697.04) / 16179.56 - 1,
            10596.15 / 11600 - 1,
        ],
        abs=EXACT,
    )


def test_portfolio_performance_excel_sample_by_week() -> None:
    """testExcelSampleAggregatedWeekly: 1 January 2012 is a Sunday; published 2.3 % and -0.077402422."""
    weeks = buckets_of(EXCEL_SAMPLE, Frequency.WEEKLY)
    assert weeks.returns == pytest.approx([0.023, -0.077402422], abs=5e-10)
    assert weeks.labels == ["2011-12-30", "2012-01-06"]


def test_portfolio_performance_deposit_on_the_last_day() -> None:
    """ClientIndexTest.testThatDepositsOnTheLastDayArePerformanceNeutral: 100 grow to 110, then 100 are paid in."""
    still = [(f"2012-01-{day:02d}", 0.0, 0.0, 110.0) for day in range(2, 10)]
    assert period_of(chained(100.0, *still, ("2012-01-10", 100.0, 0.0, 210.0))).base == pytest.approx(0.1, abs=EXACT)


def test_portfolio_performance_first_day_of_investment() -> None:
    """ClientIndexTest.testChangesOnFirstDayOfInvestment: the value of the start day is the base."""
    assert period_of(chained(100.0, ("2012-01-02", 0.0, 0.0, 110.0))).base == pytest.approx(0.1, abs=EXACT)


def test_portfolio_performance_without_valuation() -> None:
    """ClientIndexTest.testThatNoValuationResultsInZeroPerformance: 0, and all days are idle."""
    result = measure(chained(0.0, *((f"2012-01-{day:02d}", 0.0, 0.0, 0.0) for day in range(2, 10))))
    assert (result.periods[0].base, result.n_idle_days) == (0.0, 8)


def test_portfolio_performance_interest_without_investment() -> None:
    """ClientIndexTest.testThatInterstWithoutInvestmentDoesNotCorruptResultAndIsReported: there 0 and a warning.

    Here a gain without capital has no return, and without any other day neither has the period (methodology 1).
    """
    with pytest.raises(NoCapitalError):
        measure(chained(0.0, ("2012-01-02", 0.0, 0.0, 1.0)))


# CFA Institute practice question, discussed at analystforum.com/t/2314: the answer is 32 %, by
# 1.0909 x 0.9286 x 1.3333 x 0.9762, with flows at the beginning of each quarter; the poster read them at the end.
CFA_QUARTERS = [("2020-03-31", 0.2, 2.4), ("2020-06-30", 0.4, 2.6), ("2020-09-30", -0.2, 3.2), ("2020-12-31", 1.0, 4.1)]


def test_cfa_quarters_with_flows_at_the_beginning() -> None:
    rows = chained(2.0, *((date, flow, 0.0, end) for date, flow, end in CFA_QUARTERS))
    assert period_of(rows).base == pytest.approx(2.4 / 2.2 * 2.6 / 2.8 * 3.2 / 2.4 * 4.1 / 4.2 - 1.0, abs=EXACT)
    assert buckets_of(rows, Frequency.QUARTERLY).returns == pytest.approx(
        [0.0909, 0.9286 - 1, 0.3333, 0.9762 - 1], abs=5e-5
    )


def test_cfa_quarters_with_flows_at_the_end() -> None:
    rows = chained(2.0, *((date, 0.0, flow, end) for date, flow, end in CFA_QUARTERS))
    assert period_of(rows).base == pytest.approx(2.2 / 2.0 * 2.2 / 2.4 * 3.4 / 2.6 * 3.1 / 3.2 - 1.0, abs=EXACT)


def test_kaplan_two_years() -> None:
    """CFA level I, LOS 7.d (Kaplan): 22 % and 10 %.

    A share costs 100 and is worth 120 after a year, when it pays 2 and a second one is bought; 264 after two years.
    """
    period = period_of([("2022-12-31", 100.0, 240.0, 0.0, 118.0), ("2023-12-31", 240.0, 264.0)], Frequency.YEARLY)
    assert period.buckets[Frequency.YEARLY].returns == pytest.approx([0.22, 0.1], abs=EXACT)
    assert period.base == pytest.approx(0.342, abs=EXACT)


def test_kaplan_two_years_as_a_rate() -> None:
    """The same two years: published 15.84 % a year, cut, not rounded; sqrt(1.342) - 1 is 0.158447236605966."""
    rows: list[Row] = [
        ("2022-01-01", 100.0, 100.0),
        ("2022-12-31", 100.0, 240.0, 0.0, 118.0),
        ("2023-12-31", 240.0, 264.0),
    ]
    rate = period_of(rows, annualization=Annualization(True, DayCount.ACT_365)).ann_return
    assert rate == pytest.approx(0.158447236605966, abs=EXACT)


def test_fava_savings_plan() -> None:
    """andreasgerstmayr/fava-portfolio-returns, twr_test.test_series_savings_plan: the price goes 10, 15, 20, 25."""
    rows = chained(
        10.0, ("2020-02-01", 0.0, 15.0, 30.0), ("2020-03-01", 0.0, 20.0, 60.0), ("2020-04-01", 0.0, 25.0, 100.0)
    )
    assert buckets_of(rows, Frequency.MONTHLY).cum_returns == pytest.approx([0.5, 1.0, 1.5], abs=EXACT)


def test_fava_series_in_another_currency() -> None:
    """andreasgerstmayr/fava-portfolio-returns, twr_test.test_twr_with_changing_target_currency: one cash flow.

    The first figure of the file, 0 on the day of the purchase, is the base of the others here.
    """
    prices_and_rates = [
        ("2020-01-01", 2.0, 2.0),
        ("2020-01-04", 2.0, 4.0),
        ("2020-02-01", 3.0, 4.0),
        ("2020-03-01", 3.0, 4.0),
        ("2020-03-03", 3.0, 1.5),
        ("2020-03-15", 1.5, 1.5),
        ("2020-03-20", 1.5, 2.0),
    ]
    rates = DatedValues(
        np.array([date for date, _, _ in prices_and_rates], dtype="M8[D]"),
        np.full(7, "EUR"),
        np.array([rate for _, _, rate in prices_and_rates]),
    )
    rows = chained(200.0, *((date, 0.0, 0.0, 100.0 * price) for date, price, _ in prices_and_rates[1:]))
    buckets = buckets_of(rows, Frequency.DAILY, conversion=Conversion("EUR", rates))
    assert buckets.cum_returns == pytest.approx([1.0, 2.0, 2.0, 0.125, -0.4375, -0.25], abs=EXACT)


def test_mathcelebrity_two_flows() -> None:
    """mathcelebrity.com/intweighttimeinst.htm: 112,000, then 30,000 in; 125,000, then 42,000 out; 100,000: 18.78 %."""
    rows = chained(
        100_000.0,
        ("2023-03-01", 0.0, 30_000.0, 142_000.0),
        ("2023-08-01", 0.0, -42_000.0, 83_000.0),
        ("2024-01-01", 0.0, 0.0, 100_000.0),
    )
    assert period_of(rows).base == pytest.approx(0.1878, abs=5e-5)
    assert period_of(rows).base == pytest.approx(1.12 * 125 / 142 * 100 / 83 - 1.0, abs=EXACT)


def test_a_withdrawal_and_a_contribution() -> None:
    """qammunity.org/9067575: 110,000, of which 5,000 leave; 108,000, to which 3,000 come; 100,000: 1.93 %."""
    rows = chained(
        100_000.0,
        ("2016-09-30", 0.0, -5_000.0, 105_000.0),
        ("2017-09-30", 0.0, 3_000.0, 111_000.0),
        ("2017-12-31", 0.0, 0.0, 100_000.0),
    )
    assert period_of(rows).base == pytest.approx(0.0193, abs=5e-5)


def test_the_same_fund_is_the_same_return_whatever_was_paid_in() -> None:
    """Wikipedia, "Time-weighted return", the problem of external flows: 500, a year later 1,000 more, 1,500 at last.

    Let the 500 grow to 1,000 in the first year; then 2,000 fall to 1,500: 100 %, -25 %, 50 % in all, while the
    investor gained nothing.
    """
    rows = chained(500.0, ("2022-12-31", 0.0, 1000.0, 2000.0), ("2023-12-31", 0.0, 0.0, 1500.0))
    assert period_of(rows).base == pytest.approx(0.5, abs=EXACT)


# By hand, from methodology 1.


def test_a_short_from_1000_to_3500_has_lost_250_percent() -> None:
    """2,500 are lost on 1,000; in two steps too: -1,000 to -2,000 to -3,500 is S = 2 - 2 x 1.75."""
    in_one = period_of(chained(-1000.0, ("2025-01-02", 0.0, 0.0, -3500.0)))
    in_two = period_of(chained(-1000.0, ("2025-01-02", 0.0, 0.0, -2000.0), ("2025-01-03", 0.0, 0.0, -3500.0)))
    assert (in_one.base, in_two.base) == (-2.5, -2.5)


def test_a_short_from_1000_to_nothing_has_earned_everything() -> None:
    assert period_of(chained(-1000.0, ("2025-01-02", 0.0, 0.0, 0.0))).base == 1.0


def test_legs_compound_apart() -> None:
    """Long 100 to 110 to 121: L = 1.21. Short -100 to -110, then -100 to -90: S = 2 - 1.1 x 0.9 = 1.01."""
    rows: list[Row] = [
        ("2025-01-02", 100.0, 110.0),
        ("2025-01-03", 110.0, -110.0, -210.0, 0.0),
        ("2025-01-06", -110.0, 0.0, 10.0, 90.0),
        ("2025-01-07", 0.0, 121.0, 110.0),
    ]
    assert period_of(rows).base == pytest.approx(1.21 * 1.01 - 1.0, abs=EXACT)


def test_a_loss_beyond_everything_stands_until_money_comes() -> None:
    """1,000 fall to -100: -110 %. It stays there, also while the broker lends; 500 paid in start anew with 2 %."""
    rows = chained(
        1000.0,
        ("2025-01-02", 0.0, 0.0, -100.0),
        ("2025-01-03", 0.0, 0.0, -120.0),
        ("2025-01-06", 620.0, 0.0, 510.0),
    )
    result = measure(rows, Frequency.DAILY)
    (period,) = result.periods
    assert period.buckets[Frequency.DAILY].cum_returns == pytest.approx([-1.1, -1.1, 0.02], abs=EXACT)
    assert [(reset.row, reset.reason, reset.impacted_rows) for reset in period.resets] == [
        (0, ResetReason.LONG_RUIN, 2)
    ]


def test_flows_in_the_morning_and_in_the_evening_of_one_day() -> None:
    """1,000 and 500 earn 75, of which 20 are fees; 300 leave in the evening: 3.6667 % net, 5 % gross."""
    rows: list[Row] = [("2025-01-02", 1000.0, 1275.0, 500.0, -300.0, -20.0)]
    assert period_of(rows).base == pytest.approx(55 / 1500, abs=EXACT)
    assert period_of(rows, basis=Basis.GROSS).base == pytest.approx(0.05, abs=EXACT)


def test_a_leap_year_of_calendar_days_is_a_little_more_than_a_year() -> None:
    """10 % in 366 days are 1.1^(365/366) - 1 = 9.9714 % a year by ACT/365, 9.9778 % by ACT/ACT (365.25)."""
    rows: list[Row] = [("2024-01-01", 100.0, 105.0), ("2024-12-31", 105.0, 110.0)]
    rates = [
        period_of(rows, annualization=Annualization(True, basis)).ann_return
        for basis in (DayCount.ACT_365, DayCount.ACT_ACT)
    ]
    assert rates == pytest.approx([0.0997136, 0.0997852], abs=5e-8)
