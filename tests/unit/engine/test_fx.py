import numpy as np
import pytest

from lotus_performance.engine.fx import (
    Conversion,
    DatedValues,
    currency_path,
    in_report_currency,
    order_by_currency,
    portfolio_currency,
)
from lotus_performance.engine.returns import DayReturns
from lotus_performance.errors import DuplicateDatesError, FxRateMissingError

ROWS = list[tuple[str, str, float]]
FRIDAY, MONDAY, TUESDAY = "2025-01-03", "2025-01-06", "2025-01-07"


def dated(rows: ROWS) -> DatedValues:
    dates, ccys, values = zip(*rows, strict=True)
    return order_by_currency(np.array(dates, "M8[D]"), ccys, np.array(values), ("fx", "rates"))


def euro(*rows: tuple[str, float]) -> DatedValues:
    return dated([(date, "EUR", value) for date, value in rows])


def returns_of(
    rates: DatedValues, dates: list[str], hedges: DatedValues | None = None, needed: list[bool] | None = None
) -> np.ndarray:
    is_needed = np.array([True] * len(dates) if needed is None else needed)
    return currency_path(Conversion("EUR", rates, hedges), np.array(dates, "M8[D]"), is_needed).returns


def days_of(capital: list[float], returns: list[float]) -> DayReturns:
    n = len(capital)
    return DayReturns(np.zeros(n), np.array(capital), np.array(returns), np.zeros(n, dtype=bool))


def converted(capital: float, local: float, fx: float) -> float:
    return float(in_report_currency(days_of([capital], [local]), np.array([fx])).returns[0])


# ------------------------------------------------------------------ the table of rates


def test_values_are_put_in_date_order_and_keep_their_currency() -> None:
    values = dated([(TUESDAY, "EUR", 3.0), (FRIDAY, "GBP", 1.0), (MONDAY, "EUR", 2.0)])
    assert values.date.astype(str).tolist() == [FRIDAY, MONDAY, TUESDAY]
    assert values.ccy.tolist() == ["GBP", "EUR", "EUR"]
    assert values.value.tolist() == [1.0, 2.0, 3.0]


def test_values_of_one_currency_are_told_apart_from_those_of_another() -> None:
    date, value = dated([(TUESDAY, "EUR", 3.0), (FRIDAY, "GBP", 1.0), (FRIDAY, "EUR", 2.0)]).of("EUR")
    assert date.astype(str).tolist() == [FRIDAY, TUESDAY]
    assert value.tolist() == [2.0, 3.0]


def test_a_currency_without_values_has_none() -> None:
    date, value = euro((FRIDAY, 1.0)).of("CHF")
    assert (len(date), len(value)) == (0, 0)


def test_two_values_of_one_currency_and_date_are_refused_and_every_second_one_is_named() -> None:
    rows = [(MONDAY, "EUR", 1.0), (FRIDAY, "GBP", 1.0), (MONDAY, "EUR", 1.0), (FRIDAY, "GBP", 2.0)]
    with pytest.raises(DuplicateDatesError) as caught:
        dated(rows)
    faults = sorted(caught.value.faults, key=lambda fault: fault.place)
    assert [fault.place for fault in faults] == [("fx", "rates", 2, "date"), ("fx", "rates", 3, "date")]
    assert [fault.row for fault in faults] == [{"date": MONDAY}, {"date": FRIDAY}]
    assert faults[0].detail.startswith("EUR")


def test_two_currencies_may_have_a_value_on_one_date() -> None:
    assert len(dated([(FRIDAY, "EUR", 1.0), (FRIDAY, "GBP", 1.0)]).value) == 2


@pytest.mark.parametrize(
    ("currency", "report_ccy", "ccys", "expected"),
    [
        ("CHF", "USD", ["EUR"], "CHF"),
        (None, "USD", ["EUR"], "EUR"),
        (None, "USD", ["USD"], "USD"),
        (None, "USD", ["EUR", "GBP"], "USD"),
        (None, None, ["EUR"], "EUR"),
        (None, None, ["EUR", "GBP"], None),
    ],
    ids=[
        "the one that was sent",
        "the only one with rates",
        "the only one with rates is the report currency",
        "the report currency among several",
        "the only one with rates without a report currency",
        "unknown",
    ],
)
def test_the_portfolio_is_in(
    currency: str | None, report_ccy: str | None, ccys: list[str], expected: str | None
) -> None:
    rates = dated([(FRIDAY, ccy, 1.0) for ccy in ccys])
    assert portfolio_currency(currency, report_ccy, rates) == expected


# ------------------------------------------------------------------ the currency return of a row


@pytest.mark.parametrize(
    ("rates", "dates", "expected"),
    [
        ([(MONDAY, 1.0), (TUESDAY, 1.1)], [MONDAY, TUESDAY], [None, 0.1]),
        ([("2025-01-05", 1.0), (MONDAY, 1.1)], [MONDAY], [0.1]),
        ([(FRIDAY, 1.0), (MONDAY, 1.1)], [MONDAY], [0.1]),
        ([("2024-06-28", 2.0), (TUESDAY, 3.0)], [MONDAY, TUESDAY], [0.0, 0.5]),
        ([(FRIDAY, 1.0), ("2025-01-04", 9.0), (MONDAY, 1.1)], [FRIDAY, MONDAY], [None, 0.1]),
        ([(FRIDAY, 1.0), (MONDAY, 1.25), (TUESDAY, 1.0)], [FRIDAY, TUESDAY], [None, 0.0]),
        ([(FRIDAY, 1.0), ("2025-01-08", 2.0)], [MONDAY, TUESDAY], [0.0, 0.0]),
    ],
    ids=[
        "spans from the row before",
        "of the first row spans from the day before",
        "of Monday starts from Friday's rate",
        "is 0 until there is another rate",
        "ignores a rate between two rows",
        "of a row after a gap spans the gap",
        "does not look ahead",
    ],
)
def test_the_currency_return(rates: list[tuple[str, float]], dates: list[str], expected: list[float | None]) -> None:
    needed = [figure is not None for figure in expected]
    found = returns_of(euro(*rates), dates, needed=needed)
    assert found == pytest.approx([figure or 0.0 for figure in expected], abs=1e-15)


def test_the_rates_of_another_currency_are_of_no_use() -> None:
    rates = dated([(FRIDAY, "EUR", 1.0), (FRIDAY, "GBP", 1.0), (MONDAY, "GBP", 2.0)])
    assert returns_of(rates, [MONDAY]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("rates", "dates", "missing"),
    [
        ([(MONDAY, 1.0)], [MONDAY], "2025-01-05"),
        ([(TUESDAY, 1.0)], [FRIDAY, MONDAY], "2025-01-02"),
        ([("2025-01-02", 1.0)], ["2025-01-02", FRIDAY], "2025-01-01"),
    ],
    ids=["before the first row", "for all rows", "before the first row alone"],
)
def test_a_missing_rate_is_named_with_currency_and_date(
    rates: list[tuple[str, float]], dates: list[str], missing: str
) -> None:
    with pytest.raises(FxRateMissingError, match=f"EUR.*{missing}") as caught:
        returns_of(euro(*rates), dates)
    assert caught.value.faults[0].place == ("fx", "rates")


def test_a_row_outside_all_periods_needs_no_rate() -> None:
    rates = euro((MONDAY, 1.0), (TUESDAY, 1.5))
    assert returns_of(rates, [FRIDAY, MONDAY, TUESDAY], needed=[False, False, True]).tolist() == [0.0, 0.0, 0.5]


def test_a_return_beyond_a_double_is_infinite_without_a_warning() -> None:
    assert returns_of(euro((FRIDAY, 1e-300), (MONDAY, 1e300)), [MONDAY]).tolist() == [np.inf]


# ------------------------------------------------------------------ hedges


@pytest.mark.parametrize(
    ("hedges", "expected"),
    [
        ([(MONDAY, "EUR", 0.5)], [0.125, 0.2]),
        ([(MONDAY, "EUR", 1.0), (TUESDAY, "EUR", 1.0)], [0.0, 0.0]),
        ([(MONDAY, "EUR", 0.0)], [0.25, 0.2]),
        ([(FRIDAY, "EUR", 1.0)], [0.25, 0.2]),
        ([("2025-01-05", "EUR", 1.0)], [0.25, 0.2]),
        ([(MONDAY, "GBP", 1.0)], [0.25, 0.2]),
        ([(MONDAY, "GBP", 1.0), (TUESDAY, "EUR", 0.25)], [0.25, 0.15]),
    ],
    ids=[
        "takes its part of its own date",
        "of everything leaves nothing",
        "of nothing changes nothing",
        "of the row before is over",
        "between two rows is of no row",
        "of another currency is not of this one",
        "is chosen by date and currency",
    ],
)
def test_a_hedge(hedges: ROWS, expected: list[float]) -> None:
    rates = euro((FRIDAY, 1.0), (MONDAY, 1.25), (TUESDAY, 1.5))
    assert returns_of(rates, [MONDAY, TUESDAY], dated(hedges)) == pytest.approx(expected, abs=1e-15)


def test_a_full_hedge_of_a_return_beyond_a_double_leaves_nothing() -> None:
    rates = euro((FRIDAY, 1e-300), (MONDAY, 1e300))
    assert returns_of(rates, [MONDAY], euro((MONDAY, 1.0))).tolist() == [0.0]


# ------------------------------------------------------------------ returns in the report currency


@pytest.mark.parametrize(
    ("capital", "local", "fx", "base"),
    [
        (1000.0, 0.1, 0.1, 0.21),
        (1000.0, 0.1, 0.0, 0.1),
        (1000.0, -1.0, 0.5, -1.0),
        (1000.0, 0.25, -0.2, 0.0),
        # -1000 of which 1 USD a piece was paid become -1500 at 1.10 USD: -1650.
        (-1000.0, -0.5, 0.1, -0.65),
        # -1000 become -900 at 1.10: -990, so that 10 of 1000 were earned.
        (-1000.0, 0.1, 0.1, 0.01),
        # -1000 become 0: nothing is left to convert.
        (-1000.0, 1.0, 0.1, 1.0),
        (0.0, 0.0, 0.1, 0.0),
    ],
    ids=[
        "of a long day compounds",
        "without a currency return is the local one",
        "of a total loss stays a total loss",
        "may cancel",
        "of a short that lost loses more in a rising currency",
        "of a short that gained gains less in a rising currency",
        "of a short that was given back for nothing is the local one",
        "of a day without capital is 0",
    ],
)
def test_the_return_in_the_report_currency(capital: float, local: float, fx: float, base: float) -> None:
    assert converted(capital, local, fx) == pytest.approx(base, abs=1e-15)


def test_a_day_without_a_return_has_none_in_the_report_currency() -> None:
    assert np.isnan(converted(0.0, np.nan, 0.1))


def test_conversion_leaves_gain_capital_and_new_capital_alone() -> None:
    days = days_of([100.0, -100.0], [0.1, 0.1])
    other = in_report_currency(days, np.array([0.5, 0.5]))
    assert other.capital is days.capital
    assert other.gain is days.gain
    assert other.has_new_capital is days.has_new_capital


@pytest.mark.parametrize(("local", "fx"), [(1e200, 1e200), (0.0, np.inf)], ids=["product", "rate"])
def test_a_converted_return_beyond_a_double_is_left_to_the_linking_to_refuse(local: float, fx: float) -> None:
    assert converted(100.0, local, fx) == np.inf
