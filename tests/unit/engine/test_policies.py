from typing import Any

import numpy as np
import pytest

from lotus_performance.engine.policies import (
    AppliedPolicy,
    DataPolicy,
    EntityType,
    IgnoredDays,
    OutlierTest,
    Overrides,
    apply_policy,
    find_outliers,
)
from lotus_performance.engine.series import DailyValues, order_by_date
from lotus_performance.errors import DuplicateDatesError
from rows import holdings_of

DATES = ["2025-01-06", "2025-01-07", "2025-01-08", "2025-01-09"]
FIRST, SECOND, THIRD, LAST = DATES
COLUMNS: dict[str, list[float]] = {
    "begin_mv": [100.0, 110.0, 125.0, 130.0],
    "end_mv": [110.0, 125.0, 130.0, 140.0],
    "bod_cf": [0.0, 5.0, 0.0, 1.0],
    "eod_cf": [0.0, 5.0, 2.0, 0.0],
    "mgmt_fees": [-1.0, -1.0, -1.0, -1.0],
}
MARKET_VALUES = ("begin_mv", "end_mv")
CASH_FLOWS = ("bod_cf", "eod_cf", "mgmt_fees")


def values() -> DailyValues:
    columns = {name: np.array(column) for name, column in COLUMNS.items()}
    return order_by_date(np.array(DATES, "M8[D]"), columns, ("valuation_points",))


def overrides(names: tuple[str, ...], *rows: dict[str, Any]) -> Overrides:
    return Overrides(
        np.array([row["perf_date"] for row in rows], "M8[D]"),
        [row.get("position_id") for row in rows],
        {name: np.array([row.get(name, np.nan) for row in rows]) for name in names},
        ("data_policy", "overrides", "market_values" if names is MARKET_VALUES else "cash_flows"),
    )


def ignored(
    *dates: str, entity_id: str = "P1", entity_type: EntityType = EntityType.PORTFOLIO
) -> tuple[IgnoredDays, ...]:
    return (IgnoredDays(entity_type, entity_id, np.array(dates, "M8[D]")),)


def applied(**policy: Any) -> AppliedPolicy:
    return apply_policy(values(), DataPolicy(**policy), "P1")


def changes(result: AppliedPolicy) -> dict[tuple[str, str], float]:
    """Return the cells that differ from the rows sent."""
    return {
        (date, name): getattr(result.values, name)[i]
        for i, date in enumerate(DATES)
        for name, column in COLUMNS.items()
        if getattr(result.values, name)[i] != column[i]
    }


# ------------------------------------------------------------------ overrides


def test_a_policy_without_rules_changes_nothing_and_says_nothing() -> None:
    result = applied()
    assert changes(result) == {}
    assert (result.notes, result.n_market_values, result.n_cash_flows) == ([], 0, 0)
    assert not result.is_ignored.any()


@pytest.mark.parametrize(
    ("names", "row", "expected"),
    [
        (MARKET_VALUES, {"perf_date": SECOND, "begin_mv": 1.0, "end_mv": 2.0}, {"begin_mv": 1.0, "end_mv": 2.0}),
        (MARKET_VALUES, {"perf_date": SECOND, "end_mv": 2.0}, {"end_mv": 2.0}),
        (MARKET_VALUES, {"perf_date": SECOND, "end_mv": 0.0}, {"end_mv": 0.0}),
        (CASH_FLOWS, {"perf_date": SECOND, "bod_cf": 1.0, "eod_cf": 2.0}, {"bod_cf": 1.0, "eod_cf": 2.0}),
        (CASH_FLOWS, {"perf_date": SECOND, "mgmt_fees": 0.0}, {"mgmt_fees": 0.0}),
    ],
    ids=["both values", "one value", "zero is a value", "flows", "fees"],
)
def test_an_override_replaces_what_it_gives_and_nothing_else(
    names: tuple[str, ...], row: dict[str, Any], expected: dict[str, float]
) -> None:
    member = "market_values" if names is MARKET_VALUES else "cash_flows"
    result = applied(**{member: overrides(names, row)})
    assert changes(result) == {(SECOND, name): value for name, value in expected.items()}


def test_overrides_may_come_in_any_order_and_are_counted_by_kind() -> None:
    result = applied(
        market_values=overrides(MARKET_VALUES, {"perf_date": LAST, "end_mv": 2.0}, {"perf_date": FIRST, "end_mv": 1.0}),
        cash_flows=overrides(CASH_FLOWS, {"perf_date": THIRD, "bod_cf": 3.0}),
    )
    assert changes(result) == {(FIRST, "end_mv"): 1.0, (LAST, "end_mv"): 2.0, (THIRD, "bod_cf"): 3.0}
    assert (result.n_market_values, result.n_cash_flows) == (2, 1)
    assert result.notes == [f"Overridden market values: {FIRST}, {LAST}.", f"Overridden cash flows: {THIRD}."]


def test_the_rows_sent_are_not_touched() -> None:
    sent = values()
    apply_policy(
        sent,
        DataPolicy(overrides(MARKET_VALUES, {"perf_date": FIRST, "end_mv": 1.0}), ignored_days=ignored(SECOND)),
        "P1",
    )
    assert sent.end_mv.tolist() == COLUMNS["end_mv"]
    assert sent.begin_mv.tolist() == COLUMNS["begin_mv"]


@pytest.mark.parametrize("date", ["2025-01-05", "2025-01-10", "1999-12-31"], ids=["before", "after", "long before"])
def test_an_override_without_a_row_changes_nothing_and_is_named(date: str) -> None:
    result = applied(market_values=overrides(MARKET_VALUES, {"perf_date": date, "end_mv": 1.0}))
    assert changes(result) == {}
    assert result.n_market_values == 0
    assert result.notes == [f"Overrides of market values for dates without a row: {date}."]


def test_an_override_without_a_value_is_named_as_such_and_not_counted() -> None:
    result = applied(market_values=overrides(MARKET_VALUES, {"perf_date": FIRST}, {"perf_date": LAST, "end_mv": 1.0}))
    assert changes(result) == {(LAST, "end_mv"): 1.0}
    assert result.n_market_values == 1
    assert result.notes == [
        f"Overridden market values: {LAST}.",
        f"Overrides of market values without a value: {FIRST}.",
    ]


def test_an_override_of_a_position_leaves_the_portfolio_alone_and_a_note_says_so() -> None:
    result = applied(
        market_values=overrides(MARKET_VALUES, {"perf_date": FIRST, "position_id": "A", "end_mv": 1.0}),
    )
    assert changes(result) == {}
    assert result.n_market_values == 0
    assert result.notes == ["Overrides of market values of positions were left alone: A."]


def test_two_overrides_of_one_date_and_entity_are_refused_and_every_second_one_is_named() -> None:
    rows = [{"perf_date": date, "end_mv": 1.0} for date in (FIRST, SECOND, FIRST, FIRST)]
    with pytest.raises(DuplicateDatesError) as caught:
        applied(market_values=overrides(MARKET_VALUES, *rows))
    place = ("data_policy", "overrides", "market_values")
    assert [fault.place for fault in caught.value.faults] == [(*place, 2, "perf_date"), (*place, 3, "perf_date")]
    assert caught.value.faults[0].row == {"perf_date": FIRST}


def test_overrides_of_two_entities_may_have_one_date() -> None:
    rows = [{"perf_date": FIRST, "end_mv": 1.0}, {"perf_date": FIRST, "position_id": "A", "end_mv": 2.0}]
    assert changes(applied(market_values=overrides(MARKET_VALUES, *rows))) == {(FIRST, "end_mv"): 1.0}


def test_a_note_lists_ten_dates_and_counts_the_others() -> None:
    dates = np.datetime64("2020-01-01") + np.arange(12)
    none = overrides(MARKET_VALUES, *({"perf_date": date, "end_mv": 1.0} for date in dates))
    (note,) = applied(market_values=none).notes
    assert note.endswith("2020-01-10 and 2 more.")


# ------------------------------------------------------------------ ignored days


def rows_of(result: AppliedPolicy) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(result.values, name).tolist() for name in COLUMNS), strict=True))


def test_an_ignored_day_stands_at_the_end_of_the_day_before_without_flows_and_fees() -> None:
    result = applied(ignored_days=ignored(SECOND))
    assert rows_of(result) == [
        (100.0, 110.0, 0.0, 0.0, -1.0),
        (110.0, 110.0, 0.0, 0.0, 0.0),
        (125.0, 130.0, 0.0, 2.0, -1.0),
        (130.0, 140.0, 1.0, 0.0, -1.0),
    ]
    assert result.is_ignored.tolist() == [False, True, False, False]
    assert result.notes == [f"Ignored days, taken as unchanged: {SECOND}."]


def test_an_ignored_first_day_stands_at_its_own_begin() -> None:
    assert rows_of(applied(ignored_days=ignored(FIRST)))[0] == (100.0, 100.0, 0.0, 0.0, 0.0)


def test_ignored_days_in_a_row_all_stand_at_the_last_end_before_them() -> None:
    flat = rows_of(applied(ignored_days=ignored(LAST, THIRD, SECOND)))[1:]
    assert flat == [(110.0, 110.0, 0.0, 0.0, 0.0)] * 3


def test_ignored_days_in_a_row_from_the_first_on_all_stand_at_its_begin() -> None:
    flat = rows_of(applied(ignored_days=ignored(FIRST, SECOND)))[:2]
    assert flat == [(100.0, 100.0, 0.0, 0.0, 0.0)] * 2


def test_several_lists_of_ignored_days_count_together() -> None:
    result = applied(ignored_days=(*ignored(SECOND), *ignored(THIRD, SECOND)))
    assert result.is_ignored.tolist() == [False, True, True, False]


def test_overrides_come_before_ignored_days() -> None:
    result = applied(
        market_values=overrides(MARKET_VALUES, {"perf_date": FIRST, "end_mv": 90.0}), ignored_days=ignored(SECOND)
    )
    assert rows_of(result)[1] == (90.0, 90.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "others",
    [ignored(SECOND, entity_id="P2"), ignored(SECOND, entity_type=EntityType.POSITION)],
    ids=["another portfolio", "a position of that name"],
)
def test_ignored_days_of_another_entity_change_nothing_and_are_named(others: tuple[IgnoredDays, ...]) -> None:
    result = applied(ignored_days=others)
    assert changes(result) == {}
    assert not result.is_ignored.any()
    assert f"{others[0].entity_type} {others[0].entity_id}" in result.notes[0]


def test_an_ignored_day_without_a_row_changes_nothing() -> None:
    result = applied(ignored_days=ignored("2025-01-05", "2025-01-10"))
    assert changes(result) == {}
    assert not result.is_ignored.any()


def test_an_ignored_day_without_a_row_is_named() -> None:
    assert "2025-01-05" in " ".join(applied(ignored_days=ignored("2025-01-05")).notes)


# ------------------------------------------------------------------ outliers


def flagged(returns: list[float], mad_k: float = 5.0, window: int = 63) -> list[int]:
    is_outlier, _ = find_outliers(np.array(returns), OutlierTest(mad_k, window))
    return np.flatnonzero(is_outlier).tolist()


def test_a_day_is_flagged_beyond_k_deviations_from_the_median_of_the_days_before() -> None:
    is_outlier, threshold = find_outliers(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 3.0]), OutlierTest(5.0, 63))
    assert is_outlier.tolist() == [False] * 5 + [True, False]
    assert np.isnan(threshold[:5]).all()
    # Median 3, deviations 2 1 0 1 2, of which the median is 1; then median 3.5 and deviations 2.5 1.5 .5 .5 1.5 5.5.
    assert threshold[5:].tolist() == [5.0, 7.5]


@pytest.mark.parametrize(
    ("day", "expected"),
    [(8.0, []), (8.001, [5]), (-2.0, []), (-2.001, [5])],
    ids=["on the upper edge", "above it", "on the lower edge", "below it"],
)
def test_the_edge_of_the_band_is_inside(day: float, expected: list[int]) -> None:
    assert flagged([1.0, 2.0, 3.0, 4.0, 5.0, day]) == expected


@pytest.mark.parametrize("n_before", [0, 1, 4], ids=lambda n: f"{n} before")
def test_a_day_with_fewer_than_five_days_before_it_is_not_tested(n_before: int) -> None:
    assert flagged([*[0.0, 1.0, 0.0, 1.0][:n_before], 1000.0]) == []


def test_days_without_a_return_do_not_count_as_days_before() -> None:
    some = [1.0, 2.0, 3.0, 4.0]
    assert flagged([*some, np.nan, 1000.0]) == []
    assert flagged([*some, np.nan, 5.0, 1000.0]) == [6]


def test_a_day_without_a_return_is_not_flagged() -> None:
    assert flagged([1.0, 2.0, 3.0, 4.0, 5.0, np.nan]) == []


def test_equal_days_have_no_deviation_and_flag_nothing() -> None:
    assert flagged([0.0] * 10 + [1000.0]) == []


def test_days_before_the_window_do_not_count() -> None:
    wild, calm = [-50.0, 50.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]
    assert flagged([*wild, *calm, 9.0], window=5) == [15]
    assert flagged([*wild, *calm, 9.0], window=15) == []


def test_a_day_does_not_hide_itself_but_belongs_to_the_window_of_the_next_ones() -> None:
    returns = [1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 9.0, 9.0, 9.0]
    assert flagged(returns, window=5) == [5]


def test_an_even_number_of_days_has_the_middle_of_two_as_its_median() -> None:
    is_outlier, threshold = find_outliers(np.array([0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 3.0]), OutlierTest(2.0, 6))
    # Median 3 of the six, deviations 3 2 1 1 2 3, of which the median is 2.
    assert threshold[6] == 4.0
    assert not is_outlier[6]


@pytest.mark.parametrize("n", [0, 1, 5, 6], ids=lambda n: f"{n} days")
def test_a_short_series_gives_as_many_answers_as_days(n: int) -> None:
    is_outlier, threshold = find_outliers(np.arange(float(n)), OutlierTest(5.0, 63))
    assert (len(is_outlier), len(threshold)) == (n, n)


def test_in_a_long_series_each_day_is_tested_as_if_alone() -> None:
    # Long enough for several of the pieces in which the windows are looked through.
    returns = np.sin(np.arange(2500.0) ** 2)
    is_outlier, threshold = find_outliers(returns, OutlierTest(1.5, 2000))
    for day in range(5, len(returns)):
        past = returns[max(day - 2000, 0) : day]
        distances = np.abs(past - np.median(past))
        assert threshold[day] == pytest.approx(1.5 * np.median(distances), rel=1e-12)
        assert is_outlier[day] == (abs(returns[day] - np.median(past)) > 1.5 * np.median(distances))
    assert 0 < np.count_nonzero(is_outlier) < len(returns)


def test_a_band_beyond_a_double_flags_nothing() -> None:
    assert flagged([10.0, 20.0, 30.0, 40.0, 50.0, 900.0], mad_k=1e308) == []


# ------------------------------------------------------------------ positions


# A has rows on the first three dates, B on the first and the last.
POSITIONS = {
    "B": [(FIRST, 40.0, 45.0), (LAST, 50.0, 56.0, 1.0, 2.0, -0.5)],
    "A": [(FIRST, 60.0, 65.0), (SECOND, 65.0, 70.0), (THIRD, 70.0, 80.0)],
}


def corrected(**policy: Any) -> tuple[AppliedPolicy, dict[tuple[str, str, str], float]]:
    """Return what a policy does to a portfolio with positions, and the cells of positions that it changed."""
    holdings = holdings_of(POSITIONS)
    result = apply_policy(values(), DataPolicy(**policy), "P1", holdings)
    assert result.holdings is not None
    return result, {
        (holdings.ids[holdings.of_row[i]], str(holdings.values.perf_date[i]), name): float(new)
        for name in COLUMNS
        for i, (old, new) in enumerate(
            zip(getattr(holdings.values, name), getattr(result.holdings.values, name), strict=True)
        )
        if old != new
    }


def test_an_override_of_a_position_changes_its_row_alone() -> None:
    result, changed = corrected(
        market_values=overrides(MARKET_VALUES, {"perf_date": FIRST, "position_id": "A", "end_mv": 66.0}),
        cash_flows=overrides(CASH_FLOWS, {"perf_date": LAST, "position_id": "B", "eod_cf": 3.0}),
    )
    assert changed == {("A", FIRST, "end_mv"): 66.0, ("B", LAST, "eod_cf"): 3.0}
    assert changes(result) == {}
    assert (result.n_market_values, result.n_cash_flows) == (1, 1)
    assert result.notes == [f"Overridden market values: {FIRST} of A.", f"Overridden cash flows: {LAST} of B."]


def test_an_override_of_the_portfolio_changes_no_position() -> None:
    result, changed = corrected(market_values=overrides(MARKET_VALUES, {"perf_date": FIRST, "end_mv": 111.0}))
    assert changed == {}
    assert changes(result) == {(FIRST, "end_mv"): 111.0}


def test_overrides_of_unknown_positions_and_of_dates_without_a_row_are_told() -> None:
    result, changed = corrected(
        market_values=overrides(
            MARKET_VALUES,
            {"perf_date": FIRST, "position_id": "C", "end_mv": 1.0},
            {"perf_date": SECOND, "position_id": "B", "end_mv": 1.0},
        )
    )
    assert changed == {}
    assert result.n_market_values == 0
    assert result.notes == [
        "Overrides of market values of positions that were not sent were left alone: C.",
        f"Overrides of market values for dates without a row: {SECOND} of B.",
    ]


def test_an_ignored_day_of_a_position_stands_at_the_end_of_its_own_row_before() -> None:
    # B's row before its last is the first, though the portfolio has two between; A's first row keeps its own begin.
    result, changed = corrected(
        ignored_days=(
            *ignored(LAST, entity_id="B", entity_type=EntityType.POSITION),
            *ignored(FIRST, SECOND, entity_id="A", entity_type=EntityType.POSITION),
        )
    )
    assert changed == {
        ("B", LAST, "begin_mv"): 45.0,
        ("B", LAST, "end_mv"): 45.0,
        ("B", LAST, "bod_cf"): 0.0,
        ("B", LAST, "eod_cf"): 0.0,
        ("B", LAST, "mgmt_fees"): 0.0,
        ("A", FIRST, "end_mv"): 60.0,
        ("A", SECOND, "begin_mv"): 60.0,
        ("A", SECOND, "end_mv"): 60.0,
    }
    assert result.n_ignored_days == 3
    assert not result.is_ignored.any()
    assert result.is_ignored_holding.tolist() == [True, True, False, False, True]


def test_an_ignored_day_of_the_portfolio_is_one_of_all_its_positions_and_counts_once() -> None:
    result, changed = corrected(ignored_days=ignored(FIRST))
    assert changed == {("A", FIRST, "end_mv"): 60.0, ("B", FIRST, "end_mv"): 40.0}
    assert changes(result) == {(FIRST, "end_mv"): 100.0, (FIRST, "mgmt_fees"): 0.0}
    assert result.n_ignored_days == 1
    assert result.is_ignored_holding.tolist() == [True, False, False, True, False]


def test_ignored_days_of_unknown_positions_are_told() -> None:
    result, changed = corrected(ignored_days=ignored(FIRST, entity_id="C", entity_type=EntityType.POSITION))
    assert (changed, result.n_ignored_days) == ({}, 0)
    assert result.notes == ["Ignored days of other entities were left alone: POSITION C."]


def test_a_position_may_have_the_identity_of_the_portfolio() -> None:
    holdings = holdings_of({"P1": POSITIONS["A"]})
    policy = DataPolicy(ignored_days=ignored(THIRD, entity_id="P1", entity_type=EntityType.POSITION))
    result = apply_policy(values(), policy, "P1", holdings)
    assert changes(result) == {}
    assert result.is_ignored_holding.tolist() == [False, False, True]
