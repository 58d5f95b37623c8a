from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lotus_performance.engine.day_count import Annualization, DayCount
from lotus_performance.engine.exact import (
    ExactFlows,
    ExactRows,
    exact_days,
    exact_link,
    exact_money_weighted_return,
    exact_time_weighted_return,
)
from lotus_performance.engine.mwr import CashFlows, MoneyWeightedReturn, MwrMethod, money_weighted_return
from lotus_performance.engine.periods import Frequency, Window
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.series import order_by_date
from lotus_performance.engine.twr import PeriodReturn, TimeWeightedReturn, time_weighted_return
from lotus_performance.errors import FigureOverflowError

COLUMNS = ("begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees")
DIGITS = Fraction(1, 10**32)
"""Two digits less than the arithmetic has, for figures near 1."""

Row = dict[str, str]


def row(begin_mv: str, end_mv: str, **others: str) -> Row:
    return {"begin_mv": begin_mv, "end_mv": end_mv, **others}


def rows_of(*rows: Row) -> ExactRows:
    return ExactRows(**{name: [Decimal(each.get(name, "0")) for each in rows] for name in COLUMNS})


def returns_of(*rows: Row, basis: Basis = Basis.NET) -> list[Decimal | None]:
    return [day.returns for day in exact_days(rows_of(*rows), basis)]


def linked(*rows: Row) -> list[Decimal | None]:
    return list(exact_link(exact_days(rows_of(*rows), Basis.NET)))


def is_close(found: Any, expected: str | Fraction) -> bool:
    """Return whether a decimal agrees with an exact fraction."""
    assert isinstance(found, Decimal)
    return abs(Fraction(found) - Fraction(expected)) <= DIGITS


# ------------------------------------------------------------------ the day's return


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (row("100", "101"), "0.01"),
        (row("0.1", "0.3", bod_cf="0.2"), "0"),
        (row("0.7", "0.8", eod_cf="0.1"), "0"),
        (row("100", "130", bod_cf="10", eod_cf="20"), "0"),
        (row("-1000", "-1500"), "-0.5"),
        (row("-1000", "-900"), "0.1"),
        (row("100", "100", mgmt_fees="-0.1"), "-0.001"),
        (row("100", "100.000000000000000000000000000001"), "1e-32"),
        (row("0", "0"), "0"),
        (row("0", "5", eod_cf="5", mgmt_fees="-1"), "0"),
        (row("1000000000000", "7", bod_cf="-1000000000000.5"), None),
        (row("1000000000000", "0", bod_cf="-1000000000002"), "1"),
        (row("0", "1"), None),
    ],
    ids=[
        "a gain",
        "cents in the morning that doubles do not add up",
        "cents in the evening that doubles do not take off",
        "flows in the morning and in the evening",
        "a short that loses",
        "a short that gains",
        "fees",
        "a gain beyond the digits of a double",
        "no investment",
        "no investment, fees ignored",
        "capital of a 1e-12th of its parts is none",
        "capital of more than that counts",
        "a gain without capital",
    ],
)
def test_the_day_return_of(day: Row, expected: str | None) -> None:
    (found,) = returns_of(day)
    assert found == (None if expected is None else Decimal(expected))


def test_gross_of_fees_leaves_them_out() -> None:
    assert returns_of(row("100", "101", mgmt_fees="-0.5"), basis=Basis.GROSS) == [Decimal("0.01")]
    assert returns_of(row("100", "101", mgmt_fees="-0.5"), basis=Basis.NET) == [Decimal("0.005")]


def test_a_return_has_34_digits() -> None:
    (found,) = returns_of(row("3", "4"))
    assert str(found) == "0." + "3" * 34


def test_new_capital_arrives_in_the_morning_or_the_evening_before_and_needs_capital() -> None:
    rows = rows_of(row("1", "1", eod_cf="1"), row("1", "1"), row("1", "1"), row("1", "2", bod_cf="1"), row("0", "0"))
    assert [day.has_new_capital for day in exact_days(rows, Basis.NET)] == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("day", "factor"),
    [(row("4", "5"), "1.25"), (row("-4", "-5"), "1.25"), (row("0", "0"), "1"), (row("0", "1"), "1")],
    ids=["long", "short", "idle", "undefined"],
)
def test_the_factor_of_a_day(day: Row, factor: str) -> None:
    assert exact_days(rows_of(day), Basis.NET)[0].factor == Decimal(factor)


def test_the_factor_of_a_day_has_34_digits() -> None:
    assert str(exact_days(rows_of(row("3", "4")), Basis.NET)[0].factor) == "1." + "3" * 33


def test_the_last_rows_are_the_last_of_each_column() -> None:
    rows = rows_of(row("1", "2"), row("3", "4"), row("5", "6"))
    assert rows.last(2) == rows_of(row("3", "4"), row("5", "6"))
    assert rows.last(3) == rows
    assert rows.last(0) == rows_of()


# ------------------------------------------------------------------ linking

LOSS = row("100", "0")
IDLE = row("0", "0")
UNDEFINED = row("0", "7")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("100", "110"), row("110", "121")], ["0.1", "0.21"]),
        ([row("-1000", "-1500"), row("-1500", "-3500")], ["-0.5", "-2.5"]),
        ([row("-1000", "-2100"), row("-2100", "-2000"), row("-2000", "-1900")], ["-1.1", "-1", "-0.9"]),
        # L = 1.1 and S = 2 - 1.1: 1.1 · 0.9 - 1.
        ([row("100", "110"), row("-100", "-110")], ["0.1", "-0.01"]),
        ([row("100", "110"), UNDEFINED, IDLE, row("100", "110")], ["0.1", "0.1", "0.1", "0.21"]),
        ([UNDEFINED, row("100", "110")], [None, "0.1"]),
        ([UNDEFINED], [None]),
        ([IDLE, row("100", "110")], ["0", "0.1"]),
    ],
    ids=[
        "long days compound",
        "a short loses 250 %",
        "a short-only loss beyond 100 % stays linked",
        "a long and a short leg",
        "days without a return or without capital stand still",
        "nothing before the first return",
        "nothing at all",
        "an idle first day is 0",
    ],
)
def test_linking(rows: list[Row], expected: list[str | None]) -> None:
    assert linked(*rows) == [None if figure is None else Decimal(figure) for figure in expected]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([LOSS, row("50", "55"), row("50", "55", bod_cf="50")], ["-1", "-1", "-0.45"]),
        ([LOSS, row("0", "550", bod_cf="500"), row("550", "605")], ["-1", "0.1", "0.21"]),
        ([row("100", "10", eod_cf="10"), row("10", "11")], ["-1", "0.1"]),
        ([LOSS, IDLE, row("10", "11")], ["-1", "-1", "-1"]),
        ([row("100", "-50"), row("-50", "-55"), row("-55", "155", bod_cf="155")], ["-1.5", "-1.5", "0.55"]),
        ([row("-100", "50"), row("50", "55")], ["1.5", "0.1"]),
        ([row("-100", "0"), row("50", "55")], ["1", "1"]),
        ([row("-100", "0"), row("50", "110", bod_cf="50")], ["1", "0.1"]),
        ([row("100", "110"), row("-100", "-320"), row("-320", "-300")], ["0.1", "-2.32", "-2.32"]),
        ([row("-1000", "-3500"), row("1500", "1650"), row("1650", "1815")], ["-2.5", "0.1", "0.21"]),
        ([row("-1000", "-3500"), IDLE, row("1500", "1650")], ["-2.5", "-2.5", "0.1"]),
        ([LOSS, row("0", "0", bod_cf="5", eod_cf="-5"), row("5", "6")], ["-1", "0", "0.2"]),
    ],
    ids=[
        "after a total loss new capital opens a new chain",
        "new capital counts on its own day",
        "new capital in the evening counts on the next day",
        "without new capital nothing restarts",
        "NCTRL_1 restarts on new capital",
        "NCTRL_2 restarts on the next day with capital",
        "a short closed for nothing stays at +100 %",
        "a short closed for nothing restarts on new capital",
        "NCTRL_3 waits for new capital",
        "the first long day that meets S < 0 opens a chain",
        "an idle day does not open it",
        "a flow out the same evening restarts, too",
    ],
)
def test_after_capital_was_lost(rows: list[Row], expected: list[str]) -> None:
    assert linked(*rows) == [Decimal(figure) for figure in expected]


def test_a_short_that_loses_all_of_it_and_no_more_goes_on() -> None:
    values = ["-5", "-6", "-7", "-10", "-5"]
    rows = [row("100", "110"), *(row(*pair) for pair in pairwise(values))]
    for found, expected in zip(linked(*rows), ["0.1", "-0.12", "-0.34", "-1", "0.1"], strict=True):
        assert is_close(found, expected)


# ------------------------------------------------------------------ time-weighted


def time_weighted(
    rows: list[Row],
    dates: list[str],
    frequency: Frequency = Frequency.MONTHLY,
    start: str | None = None,
    annualization: Annualization | None = None,
    **options: Any,
) -> tuple[TimeWeightedReturn, TimeWeightedReturn]:
    """Return the answer of the fast engine over one window, and the exact one."""
    annualization = annualization or Annualization()
    columns = {name: np.array([float(each.get(name, "0")) for each in rows]) for name in COLUMNS}
    values = order_by_date(np.array(dates, "M8[D]"), columns, ("valuation_points",))
    first, end = np.datetime64(dates[0]), np.datetime64(dates[-1])
    window = Window("W", (frequency,), first if start is None else np.datetime64(start), end)
    fast = time_weighted_return(values, [window], Basis.NET, first, annualization, **options)
    exact = exact_time_weighted_return(
        fast,
        rows_of(*rows).last(len(fast.values)),
        Basis.NET,
        annualization,
        with_cumulative=options.get("with_cumulative", False),
    )
    return fast, exact


def exact_period(*arguments: Any, **options: Any) -> PeriodReturn:
    return time_weighted(*arguments, **options)[1].periods[0]


DATES = ["2025-01-30", "2025-01-31", "2025-02-03"]
ROWS = [
    row("0.1", "0.31", bod_cf="0.2", mgmt_fees="-0.01"),
    row("0.31", "0.62"),
    row("0.62", "0.31", mgmt_fees="-0.01"),
]
LAST_RETURN = Fraction(-32, 62)


def test_a_window_is_linked_in_decimals() -> None:
    period = exact_period(ROWS, DATES)
    # 0.3 to 0.31 less 0.01 of fees: nothing; 0.31 doubles; 0.62 loses 0.31 and 0.01.
    assert is_close(period.base, 2 * (1 + LAST_RETURN) - 1)
    assert period.local == period.base
    assert period.fx == 0.0


def test_a_window_knows_its_own_rows_alone() -> None:
    assert is_close(exact_period(ROWS, DATES, start="2025-01-31").base, 2 * (1 + LAST_RETURN) - 1)
    assert is_close(exact_period(ROWS, DATES, start="2025-02-01").base, LAST_RETURN)


def test_buckets_and_returns_to_date_are_decimals() -> None:
    buckets = exact_period(ROWS, DATES, with_cumulative=True).buckets[Frequency.MONTHLY]
    assert buckets.returns[0] == 1
    assert is_close(buckets.returns[1], LAST_RETURN)
    assert buckets.cum_returns is not None
    assert buckets.cum_returns[0] == 1
    assert is_close(buckets.cum_returns[1], 2 * (1 + LAST_RETURN) - 1)


def test_daily_buckets_are_the_day_returns() -> None:
    buckets = exact_period(ROWS, DATES, frequency=Frequency.DAILY).buckets[Frequency.DAILY]
    assert buckets.returns[:2].tolist() == [0, 1]
    assert is_close(buckets.returns[2], LAST_RETURN)


def test_a_bucket_without_a_return_has_none() -> None:
    buckets = exact_period([row("0", "7"), row("7", "7.7")], ["2025-01-31", "2025-02-03"], with_cumulative=True).buckets
    assert buckets[Frequency.MONTHLY].returns.tolist() == [None, Decimal("0.1")]
    assert buckets[Frequency.MONTHLY].cum_returns is not None
    assert buckets[Frequency.MONTHLY].cum_returns.tolist() == [None, Decimal("0.1")]


def test_growth_beyond_the_exponents_of_decimals_is_refused() -> None:
    rows = [row("1", "1"), *(row("1e-400", "1e300") for _ in range(1500))]
    dates = [str(np.datetime64("2020-01-01") + i) for i in range(len(rows))]
    with pytest.raises(FigureOverflowError):
        time_weighted(rows, dates)


def test_net_and_gross_returns_are_decimals_and_their_difference_is_the_fee_effect() -> None:
    period = exact_period([row("100", "101.1", mgmt_fees="-0.1")], ["2025-01-31"], with_fee_effect=True)
    assert (period.gross, period.net, period.fee_effect) == (Decimal("0.011"), Decimal("0.01"), Decimal("-0.001"))


@pytest.mark.parametrize(
    ("basis", "per_year", "exponent"),
    [
        (DayCount.ACT_365, None, Fraction(365, 731)),
        (DayCount.ACT_ACT, None, Fraction(36525, 73100)),
        (DayCount.BUS_252, None, Fraction(252, 523)),
        (DayCount.ACT_365, 360.5, Fraction(721, 1462)),
    ],
    ids=["ACT/365", "ACT/ACT", "BUS/252", "days per year"],
)
def test_the_rate_per_year(basis: DayCount, per_year: float | None, exponent: Fraction) -> None:
    period = exact_period(
        [row("100", "110"), row("110", "121")],
        ["2024-01-01", "2025-12-31"],
        annualization=Annualization(True, basis, per_year),
    )
    with localcontext(prec=40):
        expected = Decimal("1.21") ** (Decimal(exponent.numerator) / exponent.denominator) - 1
    assert is_close(period.ann_return, Fraction(expected))


def test_the_rate_per_year_of_a_bucket() -> None:
    dates = ["2024-01-01", "2024-12-31", "2025-12-31"]
    rows = [row("100", "100"), row("100", "110"), row("110", "121")]
    whole_years = Annualization(True, DayCount.ACT_365, 366.0)
    buckets = exact_period(rows, dates, frequency=Frequency.YEARLY, annualization=whole_years).buckets
    rates = buckets[Frequency.YEARLY].ann_returns
    assert rates is not None
    assert is_close(rates[0], "0.1")
    with localcontext(prec=40):
        assert is_close(rates[1], Fraction(Decimal("1.1") ** (Decimal(366) / 365) - 1))


def test_what_the_fast_engine_does_not_annualise_is_not_annualised() -> None:
    period = exact_period([row("100", "110")], ["2025-01-31"], annualization=Annualization(True))
    assert period.ann_return is None
    assert period.buckets[Frequency.MONTHLY].ann_returns.tolist() == [None]


def test_notes_warnings_and_resets_are_those_of_the_fast_engine() -> None:
    fast, exact = time_weighted([LOSS, row("0", "55", bod_cf="50")], ["2025-01-30", "2025-01-31"])
    assert exact.periods[0].base == Decimal("0.1")
    assert (exact.notes, exact.notices) == (fast.notes, fast.notices)
    assert exact.periods[0].resets == fast.periods[0].resets != []


@pytest.mark.parametrize(
    ("begin_mv", "bod_cf", "fee"),
    [("24.72", "66.05", "5.07"), ("112.92", "268.28", "22.78"), ("266.00", "134.20", "24.28")],
    ids=["first", "second", "third"],
)
def test_a_total_loss_in_cents_is_one_for_doubles_too(begin_mv: str, bod_cf: str, fee: str) -> None:
    lost = row(begin_mv, fee, bod_cf=bod_cf, mgmt_fees=f"-{fee}")
    funded = row(fee, str(Decimal(fee) + 110), bod_cf="100")
    fast, exact = time_weighted([lost, funded], ["2025-01-30", "2025-01-31"])
    assert float(exact.periods[0].base) == pytest.approx(float(fast.periods[0].base), abs=1e-12)
    assert len(fast.periods[0].resets) == 1


def test_a_cent_that_a_large_flow_joins_is_not_lost() -> None:
    rows = [row("100", "150"), row("150", "0.01", eod_cf="-149.99"), row("0.01", "100000000000.01", eod_cf="1e11")]
    fast, exact = time_weighted(rows, DATES)
    assert is_close(exact.periods[0].base, "0.5")
    # Beside 1e11 doubles tell a cent to a thousandth.
    assert fast.periods[0].base == pytest.approx(0.5, abs=0.01)


# ------------------------------------------------------------------ money-weighted


def money_weighted(
    begin_mv: str,
    end_mv: str,
    flows: list[tuple[int, str]] = [],  # noqa: B006
    days: int = 365,
    method: MwrMethod = MwrMethod.XIRR,
    year_days: float = 365.0,
    annualise_dietz: bool = False,
) -> tuple[MoneyWeightedReturn, MoneyWeightedReturn]:
    """Return the answer of the fast engine, and the exact one."""
    start = np.datetime64("2020-01-01")
    offsets = np.array([offset for offset, _ in flows], dtype=np.int64)
    amounts = [Decimal(amount) for _, amount in flows]
    cash_flows = CashFlows(np.array([float(a) for a in amounts]), start + offsets, np.arange(len(flows)))
    fast = money_weighted_return(
        float(begin_mv),
        float(end_mv),
        cash_flows,
        start,
        start + days,
        method,
        year_days,
        annualise_dietz=annualise_dietz,
    )
    exact = exact_money_weighted_return(
        fast, ExactFlows(Decimal(begin_mv), Decimal(end_mv), amounts), offsets, days, year_days
    )
    return fast, exact


def exact_money_weighted(*arguments: Any, **options: Any) -> MoneyWeightedReturn:
    return money_weighted(*arguments, **options)[1]


@pytest.mark.parametrize(
    ("method", "capital"),
    [(MwrMethod.MODIFIED_DIETZ, "135.17"), (MwrMethod.DIETZ, "125.2")],
    ids=["Modified Dietz", "Dietz"],
)
def test_the_dietz_return(method: MwrMethod, capital: str) -> None:
    # 300.3 - 100.1 - 50.1 - 0.1 on 100.1 + 50.1 · 511/730 + 0.1 · 0, or on 100.1 + 50.2 / 2.
    result = exact_money_weighted("100.1", "300.3", [(219, "50.1"), (730, "0.1")], days=730, method=method)
    assert is_close(result.money_weighted_return, 150 / Fraction(capital))
    assert result.ann_rate is None
    assert len(result.roots) == 0


def test_the_dietz_return_per_year() -> None:
    result = exact_money_weighted("100", "121", days=730, method=MwrMethod.DIETZ, annualise_dietz=True)
    assert result.money_weighted_return == Decimal("0.21")
    assert is_close(result.ann_rate, "0.1")


def test_a_period_without_days_has_the_growth_as_its_return() -> None:
    result = exact_money_weighted("100", "110.1", days=0)
    assert result.method is MwrMethod.MODIFIED_DIETZ
    assert result.money_weighted_return == Decimal("0.101")


@pytest.mark.parametrize(
    ("end_mv", "days", "year_days", "rate", "value"),
    [
        ("110", 365, 365.0, "0.1", "0.1"),
        ("121", 730, 365.0, "0.1", "0.21"),
        ("50", 365, 365.0, "-0.5", "-0.5"),
        ("146.41", 1461, 365.25, "0.1", "0.4641"),
    ],
    ids=["one year", "two years", "a loss", "four years of 365.25 days"],
)
def test_the_internal_rate_of_growth(end_mv: str, days: int, year_days: float, rate: str, value: str) -> None:
    result = exact_money_weighted("100", end_mv, days=days, year_days=year_days)
    assert is_close(result.ann_rate, rate)
    assert is_close(result.money_weighted_return, value)
    assert result.roots.tolist() == [result.ann_rate]


def test_an_internal_rate_is_polished_to_the_digits_of_the_arithmetic() -> None:
    result = exact_money_weighted("100", "181.5", [(365, "60")], days=730)
    with localcontext(prec=40):  # 100 (1 + r)² + 60 (1 + r) = 181.5
        root = ((Decimal(60) ** 2 + 4 * 100 * Decimal("181.5")).sqrt() - 60) / 200 - 1
    assert is_close(result.ann_rate, Fraction(root))


def test_all_internal_rates_are_given_and_the_one_of_the_fast_engine_is_chosen() -> None:
    # 1000 - 2300 z + 1320 z²: 10 % and 20 %.
    fast, exact = money_weighted("1000", "-1320", [(365, "-2300")], days=730)
    assert [is_close(root, rate) for root, rate in zip(exact.roots, ("0.1", "0.2"), strict=True)] == [True, True]
    assert float(exact.ann_rate) == pytest.approx(float(fast.ann_rate))
    assert exact.ann_rate in exact.roots.tolist()


def test_a_root_that_touches_zero_is_not_lost() -> None:
    # 100 z² - 220 z + 121 = (10 z - 11)²: 10 %, of which a double root leaves half the digits of a double.
    result = exact_money_weighted("100", "-121", [(365, "-220")], days=730)
    assert float(result.ann_rate) == pytest.approx(0.1, abs=1e-7)


def test_a_root_without_a_slope_is_left_alone() -> None:
    # 100 - 200 z + 100 z²: at 0 % the slope is zero, too.
    result = exact_money_weighted("100", "-100", [(365, "-200")], days=730)
    assert float(result.ann_rate) == pytest.approx(0.0, abs=1e-12)
    nothing = replace(result, money_weighted_return=0.0, ann_rate=0.0, roots=np.array([0.0]))
    flows = ExactFlows(Decimal(100), Decimal(-100), [Decimal(-200)])
    assert exact_money_weighted_return(nothing, flows, np.array([365]), 730, 365.0).ann_rate == 0


def test_a_total_loss_is_all_of_it() -> None:
    result = exact_money_weighted("100", "0", days=10)
    assert (result.money_weighted_return, result.ann_rate, result.roots.tolist()) == (-1, -1, [-1])


def test_a_root_that_decimals_do_not_confirm_stays_where_doubles_found_it() -> None:
    fast, exact = money_weighted("100", "-121.00000000000001", [(365, "-220")], days=730)
    assert float(exact.ann_rate) == pytest.approx(float(fast.ann_rate), abs=1e-6)


def test_a_loss_within_a_day_is_no_total_loss_though_its_rate_per_year_rounds_to_one() -> None:
    fast, exact = money_weighted("100", "1", days=1)
    assert fast.money_weighted_return == pytest.approx(-0.99)
    assert float(exact.money_weighted_return) == pytest.approx(-0.99)


def test_a_loss_over_many_years_is_no_total_loss_though_the_return_of_the_period_rounds_to_one() -> None:
    # 100 of which 1 is left after a year and taken out: -99 % a year, (1 - 0.99)^9 - 1 in nine.
    fast, exact = money_weighted("100", "0", [(365, "-1")], days=9 * 365)
    assert fast.ann_rate == pytest.approx(-0.99)
    assert is_close(exact.ann_rate, "-0.99")


def test_a_rate_is_polished_though_the_return_of_the_period_is_nearly_a_total_loss() -> None:
    # 1 of 3 is left after 30 days and taken out: (1 / 3)^(365 / 30) - 1 a year.
    result = exact_money_weighted("3", "0", [(30, "-1")], days=858)
    assert is_close(result.ann_rate, "-0.99999843315969664439830647468607")


def test_a_loss_of_more_than_everything_has_no_rate_per_year() -> None:
    result = exact_money_weighted(
        "322.4",
        "-73.4610000000000000000001",
        [(141, "-380.33")],
        days=730,
        method=MwrMethod.MODIFIED_DIETZ,
        annualise_dietz=True,
    )
    assert result.ann_rate is None
