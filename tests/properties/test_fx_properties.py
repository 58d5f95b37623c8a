"""Identities of currency conversion and of data policies, whatever the rows and rates."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lotus_performance.engine.day_count import Annualization
from lotus_performance.engine.fx import Conversion, DatedValues, currency_path, in_report_currency, order_by_currency
from lotus_performance.engine.periods import Frequency, Window
from lotus_performance.engine.policies import (
    DataPolicy,
    EntityType,
    IgnoredDays,
    OutlierTest,
    Overrides,
    apply_policy,
    find_outliers,
)
from lotus_performance.engine.returns import Basis, day_returns
from lotus_performance.engine.series import DailyValues, order_by_date
from lotus_performance.engine.twr import PeriodReturn, TimeWeightedReturn, time_weighted_return
from lotus_performance.errors import NoCapitalError

FIRST = np.datetime64("2025-01-06")
MARKET_VALUES, CASH_FLOWS = ("begin_mv", "end_mv"), ("bod_cf", "eod_cf", "mgmt_fees")

cents = st.integers(-100_000, 100_000).map(lambda amount: amount / 100.0) | st.just(0.0)
positive_rates = st.floats(1e-3, 1e3)


# ------------------------------------------------------------------ random rows, rates and hedges


@st.composite
def day_lists(draw: st.DrawFn, n: int) -> np.ndarray:
    return FIRST + np.cumsum(draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)))


@st.composite
def any_values(draw: st.DrawFn) -> DailyValues:
    """Draw rows that are long, short, idle or without a return, in any order."""
    n = draw(st.integers(1, 8))
    columns = {name: np.array(draw(st.lists(cents, min_size=n, max_size=n))) for name in (*MARKET_VALUES, *CASH_FLOWS)}
    return order_by_date(draw(day_lists(n)), columns, ("valuation_points",))


@st.composite
def long_values(draw: st.DrawFn) -> DailyValues:
    """Draw rows whose capital is positive and never lost."""
    n = draw(st.integers(1, 8))
    capital = np.array(draw(st.lists(st.floats(10.0, 1000.0), min_size=n, max_size=n)))
    growth = np.array(draw(st.lists(st.floats(0.5, 2.0), min_size=n, max_size=n)))
    bod, eod = (np.array(draw(st.lists(st.floats(-5.0, 5.0), min_size=n, max_size=n))) for _ in range(2))
    columns = {
        "begin_mv": capital - bod,
        "end_mv": capital * growth + eod,
        "bod_cf": bod,
        "eod_cf": eod,
        "mgmt_fees": np.zeros(n),
    }
    return order_by_date(draw(day_lists(n)), columns, ("valuation_points",))


@st.composite
def rate_tables(draw: st.DrawFn) -> DatedValues:
    """Draw rates of two currencies on any days; the first is known before all rows."""
    offsets = [-10, *sorted(draw(st.sets(st.integers(-5, 35), max_size=10)))]
    ours = draw(st.lists(positive_rates, min_size=len(offsets), max_size=len(offsets)))
    rows = [(FIRST + offset, "EUR", rate) for offset, rate in zip(offsets, ours, strict=True)]
    rows += [(FIRST + offset, "GBP", draw(positive_rates)) for offset in draw(st.sets(st.integers(-5, 35), max_size=2))]
    order = draw(st.permutations(rows))
    return order_by_currency(
        np.array([date for date, _, _ in order]),
        [ccy for _, ccy, _ in order],
        np.array([rate for _, _, rate in order]),
        ("fx", "rates"),
    )


def ratios(dates: np.ndarray, ratio: list[float]) -> DatedValues:
    return order_by_currency(dates, ["EUR"] * len(dates), np.array(ratio), ("hedging", "series"))


def scaled(rates: DatedValues, factor: float) -> DatedValues:
    return replace(rates, value=rates.value * factor)


def answer_of(values: DailyValues, conversion: Conversion | None) -> TimeWeightedReturn:
    window = Window("W", (Frequency.DAILY, Frequency.WEEKLY), FIRST, values.perf_date[-1])
    return time_weighted_return(
        values,
        [window],
        Basis.NET,
        FIRST,
        Annualization(),
        with_cumulative=True,
        with_fee_effect=True,
        conversion=conversion,
    )


def period_of(values: DailyValues, conversion: Conversion | None) -> PeriodReturn:
    try:
        return answer_of(values, conversion).periods[0]
    except NoCapitalError:
        assume(False)
        raise


def assert_same_figures(one: PeriodReturn, other: PeriodReturn) -> None:
    assert (one.base, one.local, one.gross, one.net, one.resets) == (
        other.base,
        other.local,
        other.gross,
        other.net,
        other.resets,
    )
    for frequency, buckets in one.buckets.items():
        np.testing.assert_array_equal(buckets.returns, other.buckets[frequency].returns)
        np.testing.assert_array_equal(buckets.cum_returns, other.buckets[frequency].cum_returns)


# ------------------------------------------------------------------ currencies


@given(any_values(), positive_rates, st.integers(1, 30))
def test_constant_rates_change_nothing(values: DailyValues, rate: float, n: int) -> None:
    rates = order_by_currency(FIRST - 1 + np.arange(n), ["EUR"] * n, np.full(n, rate), ("fx", "rates"))
    local, converted = period_of(values, None), period_of(values, Conversion("EUR", rates))
    assume(converted.resets == local.resets)  # a chain that ends on a cut exactly may fall on either side of it
    assert converted.base == pytest.approx(local.base, rel=1e-12, abs=1e-12)
    assert converted.local == local.base
    # One row's 1 + u - 1 may lose the last digits of u, nothing else differs.
    np.testing.assert_allclose(
        converted.buckets[Frequency.DAILY].returns, local.buckets[Frequency.DAILY].returns, rtol=1e-12, atol=1e-12
    )


@given(any_values(), rate_tables())
def test_a_full_hedge_gives_the_local_return(values: DailyValues, rates: DatedValues) -> None:
    hedges = ratios(values.perf_date, [1.0] * len(values))
    local, hedged = period_of(values, None), period_of(values, Conversion("EUR", rates, hedges))
    assume(hedged.resets == local.resets)
    assert hedged.base == pytest.approx(local.base, rel=1e-12, abs=1e-12)
    assert hedged.local == local.base


@given(any_values(), rate_tables(), st.integers(-20, 20))
def test_the_unit_of_the_report_currency_does_not_matter(values: DailyValues, rates: DatedValues, power: int) -> None:
    one = period_of(values, Conversion("EUR", rates))
    other = period_of(values, Conversion("EUR", scaled(rates, 2.0**power)))
    assert_same_figures(one, other)


@given(any_values(), rate_tables(), st.data())
def test_hedges_of_nothing_and_of_others_change_nothing(
    values: DailyValues, rates: DatedValues, data: st.DataObject
) -> None:
    dates = values.perf_date
    n_hedged = data.draw(st.integers(0, len(dates)))
    theirs = order_by_currency(dates, ["GBP"] * len(dates), np.ones(len(dates)), ("hedging", "series"))
    plain = period_of(values, Conversion("EUR", rates))
    assert_same_figures(plain, period_of(values, Conversion("EUR", rates, ratios(dates[:n_hedged], [0.0] * n_hedged))))
    assert_same_figures(plain, period_of(values, Conversion("EUR", rates, theirs)))


@given(any_values(), rate_tables())
def test_the_rates_of_another_currency_change_nothing(values: DailyValues, rates: DatedValues) -> None:
    mine = rates.ccy == "EUR"
    alone = DatedValues(rates.date[mine], rates.ccy[mine], rates.value[mine])
    assert_same_figures(
        period_of(values, Conversion("EUR", rates)),
        period_of(values, Conversion("EUR", alone)),
    )


@given(long_values(), rate_tables())
def test_base_is_local_and_currency_compounded(values: DailyValues, rates: DatedValues) -> None:
    period = period_of(values, Conversion("EUR", rates))
    assert period.fx is not None
    assert 1.0 + period.base == pytest.approx((1.0 + period.local) * (1.0 + period.fx), rel=1e-12)


@given(long_values(), rate_tables(), st.data())
def test_the_currency_return_of_a_long_window_is_that_of_its_rates(
    values: DailyValues, rates: DatedValues, data: st.DataObject
) -> None:
    n = len(values)
    first = data.draw(st.integers(0, n - 1))
    window = Window("W", (Frequency.DAILY,), values.perf_date[first], values.perf_date[-1])
    period = time_weighted_return(
        values, [window], Basis.NET, FIRST, Annualization(), conversion=Conversion("EUR", rates)
    ).periods[0]

    def rate_on(date: np.datetime64) -> float:
        known = [
            (day, rate)
            for day, ccy, rate in zip(rates.date, rates.ccy, rates.value, strict=True)
            if ccy == "EUR" and day <= date
        ]
        return float(max(known)[1])

    before = values.perf_date[first - 1] if first else values.perf_date[0] - 1
    assert period.fx is not None
    assert 1.0 + period.fx == pytest.approx(rate_on(values.perf_date[-1]) / rate_on(before), rel=1e-9)


@given(any_values(), rate_tables(), st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8))
def test_each_day_earns_on_its_value_in_the_report_currency(
    values: DailyValues, rates: DatedValues, hedged: list[float]
) -> None:
    """A capital of c at the rate of 1 ends as c + gain at the rate of 1 + fx: what it earned over what it was."""
    days = day_returns(values, Basis.NET)
    hedges = ratios(values.perf_date, hedged[: len(values)])
    fx = currency_path(Conversion("EUR", rates, hedges), values.perf_date, np.ones(len(values), dtype=bool)).returns
    converted = in_report_currency(days, fx)
    for i in range(len(values)):
        if days.capital[i] == 0.0:
            np.testing.assert_equal(converted.returns[i], days.returns[i])
        else:
            earned = (days.capital[i] + days.gain[i]) * (1.0 + fx[i]) - days.capital[i]
            size = (abs(days.capital[i]) + abs(days.gain[i])) * (1.0 + abs(fx[i])) / abs(days.capital[i])
            assert abs(converted.returns[i] - earned / abs(days.capital[i])) <= 1e-14 * size


@given(long_values(), rate_tables(), st.floats(0.0, 1.0))
def test_a_hedge_takes_its_part_of_each_currency_return(values: DailyValues, rates: DatedValues, ratio: float) -> None:
    needed = np.ones(len(values), dtype=bool)
    hedges = ratios(values.perf_date, [ratio] * len(values))
    plain = currency_path(Conversion("EUR", rates), values.perf_date, needed).returns
    hedged = currency_path(Conversion("EUR", rates, hedges), values.perf_date, needed).returns
    assert hedged == pytest.approx(plain * (1.0 - ratio), rel=1e-12, abs=1e-15)


# ------------------------------------------------------------------ overrides and ignored days


def overrides_of(values: DailyValues, names: tuple[str, ...], order: list[int]) -> Overrides:
    columns = {name: getattr(values, name)[order] for name in names}
    return Overrides(values.perf_date[order], [None] * len(order), columns, ("data_policy",))


def assert_same_rows(one: DailyValues, other: DailyValues) -> None:
    for name in ("perf_date", *MARKET_VALUES, *CASH_FLOWS, "row"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(any_values(), st.data())
def test_an_override_with_the_values_of_the_row_changes_nothing(values: DailyValues, data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(values) - 1), unique=True))
    policy = DataPolicy(overrides_of(values, MARKET_VALUES, order), overrides_of(values, CASH_FLOWS, order))
    applied = apply_policy(values, policy, "P1")
    assert_same_rows(applied.values, values)
    assert (applied.n_market_values, applied.n_cash_flows) == (len(order), len(order))


@given(any_values(), any_values())
def test_overrides_of_every_row_make_the_rows_those_of_the_overrides(values: DailyValues, others: DailyValues) -> None:
    n = min(len(values), len(others))
    values, others = values.take(slice(n)), others.take(slice(n))
    others = replace(others, perf_date=values.perf_date, row=values.row)
    order = list(range(n))[::-1]
    policy = DataPolicy(overrides_of(others, MARKET_VALUES, order), overrides_of(others, CASH_FLOWS, order))
    assert_same_rows(apply_policy(values, policy, "P1").values, others)


def ignoring(*dates: np.datetime64) -> DataPolicy:
    return DataPolicy(ignored_days=(IgnoredDays(EntityType.PORTFOLIO, "P1", np.array(dates, dtype="M8[D]")),))


@given(any_values(), st.data())
def test_ignoring_a_flat_day_changes_nothing(values: DailyValues, data: st.DataObject) -> None:
    day = data.draw(st.integers(0, len(values) - 1))
    columns = {name: getattr(values, name).copy() for name in (*MARKET_VALUES, *CASH_FLOWS)}
    columns["begin_mv"][day] = columns["end_mv"][day] = columns["end_mv"][day - 1] if day else columns["begin_mv"][0]
    for name in CASH_FLOWS:
        columns[name][day] = 0.0
    flat = replace(values, **columns)
    applied = apply_policy(flat, ignoring(values.perf_date[day]), "P1")
    assert_same_rows(applied.values, flat)
    assert applied.is_ignored.sum() == 1


@given(any_values(), st.data())
def test_ignoring_days_twice_is_ignoring_them_once(values: DailyValues, data: st.DataObject) -> None:
    some = data.draw(st.lists(st.sampled_from(values.perf_date.tolist())))
    once = apply_policy(values, ignoring(*some), "P1")
    twice = apply_policy(once.values, ignoring(*some), "P1")
    assert_same_rows(twice.values, once.values)
    assert once.is_ignored.tolist() == [date in some for date in values.perf_date.tolist()]


@given(long_values(), st.data())
def test_an_ignored_day_earns_nothing_and_leaves_the_others_alone(values: DailyValues, data: st.DataObject) -> None:
    some = data.draw(st.sets(st.sampled_from(values.perf_date.tolist())))
    before = day_returns(values, Basis.NET).returns
    after = day_returns(apply_policy(values, ignoring(*some), "P1").values, Basis.NET).returns
    expected = [0.0 if date in some else r for date, r in zip(values.perf_date.tolist(), before.tolist(), strict=True)]
    assert after.tolist() == expected


# ------------------------------------------------------------------ outliers


def plain_outliers(returns: list[float], test: OutlierTest) -> list[tuple[bool, float | None]]:
    """Return the flag and threshold of each day by the rule as it reads."""
    found = []
    for i, figure in enumerate(returns):
        before = [r for r in returns[max(0, i - test.window) : i] if r == r]
        if len(before) < 5:
            found.append((False, None))
            continue
        center = statistics.median(before)
        threshold = test.mad_k * statistics.median(abs(r - center) for r in before)
        found.append((threshold > 0.0 and abs(figure - center) > threshold, threshold))
    return found


# Eighths add up exactly, so that the edge of the band is met; medians of two of them are sixteenths.
figures = st.integers(-40, 40).map(lambda eighths: eighths / 8.0) | st.just(0.125) | st.just(float("nan"))


@given(
    st.lists(figures, max_size=40),
    st.sampled_from((0.5, 1.0, 2.0, 5.0)),
    st.integers(5, 50),
)
def test_the_outliers_are_those_of_the_rule_as_it_reads(returns: list[float], mad_k: float, window: int) -> None:
    test = OutlierTest(mad_k, window)
    is_outlier, threshold = find_outliers(np.array(returns), test)
    expected = plain_outliers(returns, test)
    assert is_outlier.tolist() == [flag for flag, _ in expected]
    assert [None if limit != limit else limit for limit in threshold.tolist()] == [limit for _, limit in expected]


@given(st.lists(st.floats(-1.0, 1.0), max_size=40), st.integers(-8, 8), st.integers(5, 50))
def test_outliers_know_no_unit(returns: list[float], power: int, window: int) -> None:
    assume(all(figure == 0.0 or abs(figure) > 1e-100 for figure in returns))
    test = OutlierTest(2.0, window)
    is_outlier, threshold = find_outliers(np.array(returns), test)
    others, other_threshold = find_outliers(np.array(returns) * 2.0**power, test)
    assert others.tolist() == is_outlier.tolist()
    np.testing.assert_array_equal(other_threshold, threshold * 2.0**power)


@given(st.lists(figures, min_size=1, max_size=40), st.integers(5, 50))
def test_later_days_do_not_change_the_test_of_a_day(returns: list[float], window: int) -> None:
    test = OutlierTest(2.0, window)
    whole, _ = find_outliers(np.array(returns), test)
    part, _ = find_outliers(np.array(returns[:-1]), test)
    assert whole[:-1].tolist() == part.tolist()
