import numpy as np
import pytest

from lotus_performance.engine.fx import DatedValues, no_rates
from lotus_performance.engine.holdings import HoldingCurrencies, Holdings, convert, on_dates, stack, sum_ranges
from lotus_performance.engine.series import MONEY
from lotus_performance.errors import DatesMismatchError, DuplicateDatesError, DuplicateIdsError, FxRateMissingError
from rows import Row, holdings_of

MONDAY, TUESDAY, WEDNESDAY = "2025-01-06", "2025-01-07", "2025-01-08"
DATES = np.array([MONDAY, TUESDAY, WEDNESDAY], dtype="M8[D]")


def stacked(ids: list[str], dates: list[list[str]], begin_mv: list[float]) -> Holdings:
    """Return positions as they were sent, rows in any order."""
    n_rows = np.array([len(each) for each in dates])
    columns = {name: np.zeros(n_rows.sum()) for name in MONEY} | {"begin_mv": np.array(begin_mv)}
    places = [("positions_data", i, "valuation_points") for i in range(len(ids))]
    perf_date = np.array([date for each in dates for date in each], dtype="M8[D]")
    return stack(ids, [{} for _ in ids], places, n_rows, perf_date, columns)


# Stacking.


def test_positions_are_put_in_order_of_identity_and_rows_in_order_of_date() -> None:
    holdings = stacked(["B", "A"], [[TUESDAY, MONDAY], [MONDAY]], [12.0, 11.0, 20.0])
    assert holdings.ids == ("A", "B")
    assert holdings.first.tolist() == [0, 1, 3]
    assert holdings.values.perf_date.astype(str).tolist() == [MONDAY, MONDAY, TUESDAY]
    assert holdings.values.begin_mv.tolist() == [20.0, 11.0, 12.0]
    assert holdings.of_row.tolist() == [0, 1, 1]


def test_a_row_is_named_where_it_stood_in_the_request() -> None:
    holdings = stacked(["B", "A"], [[TUESDAY, MONDAY], [MONDAY]], [12.0, 11.0, 20.0])
    assert [holdings.place_of(i) for i in range(3)] == [
        ("positions_data", 1, "valuation_points", 0),
        ("positions_data", 0, "valuation_points", 1),
        ("positions_data", 0, "valuation_points", 0),
    ]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [([[MONDAY, TUESDAY], [MONDAY, TUESDAY]], False), ([[MONDAY, TUESDAY], [TUESDAY, MONDAY]], True)],
    ids=["in order", "one position out of order"],
)
def test_only_rows_out_of_order_within_a_position_count_as_reordered(dates: list[list[str]], expected: bool) -> None:
    assert stacked(["B", "A"], dates, [1.0] * 4).is_reordered is expected


def test_an_identity_that_comes_again_is_refused_where_it_stands_second() -> None:
    with pytest.raises(DuplicateIdsError) as caught:
        stacked(["A", "B", "A", "A"], [[MONDAY]] * 4, [1.0] * 4)
    assert [fault.place for fault in caught.value.faults] == [("positions_data", 2), ("positions_data", 3)]


def test_a_date_that_comes_again_in_one_position_is_refused() -> None:
    with pytest.raises(DuplicateDatesError) as caught:
        stacked(["A", "B"], [[MONDAY], [TUESDAY, MONDAY, TUESDAY]], [1.0] * 4)
    (fault,) = caught.value.faults
    assert fault.place == ("positions_data", 1, "valuation_points", 2, "perf_date")
    assert fault.row == {"perf_date": TUESDAY}


def test_two_positions_may_have_the_same_dates() -> None:
    assert len(stacked(["A", "B"], [[MONDAY], [MONDAY]], [1.0, 2.0])) == 2


# On the portfolio's dates.


def test_positions_may_come_and_go() -> None:
    panel = on_dates(stacked(["A", "B"], [[TUESDAY], [MONDAY, WEDNESDAY]], [1.0, 2.0, 4.0]), DATES)
    assert panel.date.tolist() == [1, 0, 2]
    assert panel.sum_by_date(panel.holdings.values.begin_mv).tolist() == [2.0, 1.0, 4.0]


@pytest.mark.parametrize(
    ("first", "stop", "expected"),
    [(0, 3, [(0, 1), (1, 3)]), (0, 1, [(0, 0), (1, 2)]), (1, 2, [(0, 1), (2, 2)]), (1, 3, [(0, 1), (2, 3)])],
    ids=["all dates", "the first", "the second", "the last two"],
)
def test_the_rows_of_a_range_of_dates(first: int, stop: int, expected: list[tuple[int, int]]) -> None:
    panel = on_dates(stacked(["A", "B"], [[TUESDAY], [MONDAY, WEDNESDAY]], [1.0, 2.0, 4.0]), DATES)
    begin, end = panel.ranges(first, stop)
    assert list(zip(begin.tolist(), end.tolist(), strict=True)) == expected


@pytest.mark.parametrize("stray", ["2025-01-05", "2025-01-09"], ids=["before all rows", "after all rows"])
def test_a_row_on_a_date_without_the_portfolio_is_refused(stray: str) -> None:
    with pytest.raises(DatesMismatchError, match="1 rows") as caught:
        on_dates(stacked(["A", "B"], [[MONDAY], [stray, TUESDAY]], [1.0] * 3), DATES)
    assert [fault.place for fault in caught.value.faults] == [("positions_data", 1, "valuation_points", 0, "perf_date")]
    assert caught.value.faults[0].row == {"perf_date": stray}


@pytest.mark.parametrize("last", ["2025-01-08", "9999-12-31"], ids=["dates near one another", "dates far apart"])
def test_rows_find_their_dates_however_far_these_are_apart(last: str) -> None:
    dates = np.array(["0001-01-01" if last > "3000" else MONDAY, TUESDAY, last], dtype="M8[D]")
    panel = on_dates(stacked(["A", "B"], [[TUESDAY, last], [str(dates[0])]], [1.0] * 3), dates)
    assert panel.date.tolist() == [1, 2, 0]
    with pytest.raises(DatesMismatchError):
        on_dates(stacked(["A"], [["2025-02-01"]], [1.0]), dates)


# Sums.


def test_sums_of_ranges_leave_out_what_lies_between_them() -> None:
    figures = np.array([1.0, np.nan, 2.0, 4.0, 8.0])
    begin, end = np.array([0, 1, 2, 5]), np.array([1, 1, 4, 5])
    assert sum_ranges(figures, begin, end).tolist() == [1.0, 0.0, 6.0, 0.0]


def test_sums_of_no_range_at_all() -> None:
    assert sum_ranges(np.ones(2), np.array([0, 2]), np.array([0, 2])).tolist() == [0.0, 0.0]


# Conversion.

# EUR: 1.0 on the day before the first row, then 1.1, 1.1, 1.21.
RATES = DatedValues(
    np.array(["2025-01-05", MONDAY, WEDNESDAY], dtype="M8[D]"), np.array(["EUR"] * 3), np.array([1.0, 1.1, 1.21])
)
LABELS = {"B": {"currency": "EUR"}, "C": {"currency": "USD"}}
ROWS: list[Row] = [(date, 100.0, 100.0) for date in (MONDAY, TUESDAY, WEDNESDAY)]


def converted(
    positions: dict[str, list[Row]], rates: DatedValues = RATES, needed: bool = True
) -> tuple[list[float], ...]:
    panel = on_dates(holdings_of(positions, LABELS), DATES)
    currencies = HoldingCurrencies("USD", rates)
    is_needed = np.full(len(panel.date), needed)
    return tuple(figures.round(15).tolist() for figures in convert(panel, DATES, currencies, is_needed))


def test_a_row_opens_at_the_rate_of_the_row_before_and_returns_what_the_rate_did_since() -> None:
    rate, fx_return = converted({"B": ROWS})
    assert rate == [1.0, 1.1, 1.1]
    assert fx_return == [0.1, 0.0, 0.1]


def test_the_row_before_is_the_portfolios_where_the_position_has_none() -> None:
    assert converted({"B": ROWS[2:]}) == ([1.1], [0.1])


@pytest.mark.parametrize("name", ["A", "C"], ids=["without the label", "in the portfolio's currency"])
def test_a_position_in_the_portfolios_currency_needs_no_rate(name: str) -> None:
    assert converted({name: ROWS}, no_rates()) == ([1.0] * 3, [0.0] * 3)


def test_without_conversion_all_rates_are_one() -> None:
    panel = on_dates(holdings_of({"B": ROWS}, LABELS), DATES)
    rate, fx_return = convert(panel, DATES, None, np.ones(3, dtype=bool))
    assert (rate.tolist(), fx_return.tolist()) == ([1.0] * 3, [0.0] * 3)


def test_a_missing_rate_is_refused_by_currency_and_date() -> None:
    with pytest.raises(FxRateMissingError, match="EUR is known on or before 2025-01-05"):
        converted({"B": ROWS}, no_rates())


@pytest.mark.parametrize(
    ("rows", "needed"),
    [([(MONDAY, 0.0, 0.0), (TUESDAY, 0.0, 0.0)], True), (ROWS, False)],
    ids=["rows without a value", "rows that no period asks for"],
)
def test_rows_that_enter_no_figure_need_no_rate(rows: list[Row], needed: bool) -> None:
    converted({"B": rows}, no_rates(), needed)


@pytest.mark.parametrize(
    "row",
    [(MONDAY, 0.0, 0.0, 0.0, -5.0), (MONDAY, 0.0, 0.0, 0.0, 0.0, -5.0)],
    ids=["a payment out of nothing", "a fee on a line of its own"],
)
def test_a_row_with_money_of_any_kind_is_converted(row: Row) -> None:
    assert converted({"B": [row]}) == ([1.0], [0.1])
    with pytest.raises(FxRateMissingError):
        converted({"B": [row]}, no_rates())
