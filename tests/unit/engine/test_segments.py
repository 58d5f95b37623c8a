from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from groups import Side, days, observations
from lotus_performance.engine.holdings import on_dates
from lotus_performance.engine.returns import Basis, day_returns, gains
from lotus_performance.engine.segments import (
    Cells,
    Joined,
    gains_of,
    held,
    in_buckets,
    joined,
    net_weights,
    prefixes,
    refuse_repeats,
    sums,
)
from lotus_performance.errors import DuplicateDatesError, DuplicateIdsError
from rows import Row, holdings_of, values_of

FIRST, SECOND, THIRD = days(3)


def cells_of(side: Side, *, is_local: bool = False, n_days: int | None = None) -> Cells:
    made = observations(side)
    dates = np.array(days(n_days), dtype="M8[D]") if n_days else made.dates
    return made.cells(dates, sorted(made.keys), is_local=is_local)


def columns(cells: Cells, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(getattr(cells, name).tolist() for name in names), strict=True))


def near(*rows: tuple[Any, ...]) -> list[Any]:
    return [pytest.approx(row, rel=1e-13, abs=1e-15) for row in rows]


# ------------------------------------------------------------------ sums


def test_figures_are_added_up_where_they_belong() -> None:
    assert sums(np.array([2, 0, 2]), np.array([1.0, 2.0, 4.0]), 4).tolist() == [2.0, 0.0, 5.0, 0.0]


def test_weights_that_cancel_leave_nothing_to_divide_by() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17 in doubles.
    assert net_weights(np.zeros(3, dtype=int), np.array([0.1, 0.2, -0.3]), 1).tolist() == [0.0]


def test_a_small_weight_is_a_weight() -> None:
    assert net_weights(np.zeros(2, dtype=int), np.array([1.0, -1.0 + 1e-9]), 1)[0] == pytest.approx(1e-9)


# ------------------------------------------------------------------ observations


def test_observations_are_cells_by_day_and_segment() -> None:
    cells = cells_of({"b": [(0.5, 0.1), (0.6, 0.2)], "a": [None, (0.4, 0.3)]})
    assert columns(cells, "time", "segment", "weight", "returns") == [
        (0, 1, 0.5, 0.1),
        (1, 0, 0.4, 0.3),
        (1, 1, 0.6, 0.2),
    ]


def test_days_that_do_not_count_are_left_out() -> None:
    cells = cells_of({"a": [(1.0, 0.1), (1.0, 0.2), (1.0, 0.3)]}, n_days=2)
    assert columns(cells, "time", "returns") == [(0, 0.1), (1, 0.2)]


def test_local_returns_replace_those_in_the_report_currency() -> None:
    cells = cells_of({"a": (1.0, 0.0302, 0.02, 0.01)}, is_local=True)
    assert columns(cells, "returns", "local", "fx") == [(0.02, 0.02, 0.0)]


def test_two_groups_of_one_key_are_refused() -> None:
    twice = replace(observations({"a": (1.0, 0.1), "b": (0.0, 0.1)}), keys=(("a",), ("a",)))
    with pytest.raises(DuplicateIdsError, match="same key") as caught:
        refuse_repeats(twice)
    (fault,) = caught.value.faults
    assert fault.place == ("groups", 1, "key")


def test_a_date_twice_in_a_group_is_refused_where_it_stands_second() -> None:
    with pytest.raises(DuplicateDatesError, match="1 observations repeat") as caught:
        observations({"a": [(1.0, 0.1), (1.0, 0.2)], "b": [(0.0, 0.1)]}, dates=[FIRST, FIRST])
    (fault,) = caught.value.faults
    assert fault.place == ("groups", 0, "observations", 1, "date")
    assert fault.row == {"date": FIRST}


# ------------------------------------------------------------------ instruments by segment


def held_by(positions: dict[str, list[Row]], portfolio: list[Row], segment: list[int]) -> Cells:
    values, instruments = values_of(portfolio), holdings_of(positions)
    panel = on_dates(instruments, values.perf_date)
    gain, capital, _ = gains(instruments.values, Basis.NET)
    ones, none = np.ones(len(panel.date)), np.zeros(len(panel.date))
    parts = gains_of(gain, capital, panel, day_returns(values, Basis.NET).capital, ones, none)
    return held(panel, *parts, np.array(segment), max(segment) + 1)


def test_instruments_of_a_segment_are_added_up() -> None:
    # 300 + 100 of 1,000: 40 %; they gain 30 + 10 = 40 on 400: 10 %.
    cells = held_by({"a": [(FIRST, 300, 330)], "b": [(FIRST, 100, 110)]}, [(FIRST, 1000, 1040)], [0, 0])
    assert columns(cells, "weight", "returns", "alone") == near((0.4, 0.1, 0.0))


def test_a_short_has_a_negative_weight_and_a_signed_return() -> None:
    # Sold for 200, now worth 250: a loss of 50 on -200 is -50 / -200 = 25 %; -20 % x 25 % = -5 % of 1,000.
    cells = held_by({"a": [(FIRST, -200, -250)]}, [(FIRST, 1000, 950)], [0])
    assert columns(cells, "weight", "returns", "alone") == near((-0.2, 0.25, 0.0))


def test_a_gain_without_capital_stands_alone() -> None:
    cells = held_by({"a": [(FIRST, 0, 5)]}, [(FIRST, 1000, 1005)], [0])
    assert columns(cells, "weight", "returns", "alone") == near((0.0, 0.0, 0.005))


def test_longs_and_shorts_that_cancel_have_no_return() -> None:
    # 100.1 + 200.2 - 300.3 is rounding, and the gain of 3 no return on it.
    positions = {"a": [(FIRST, 100.1, 102.1)], "b": [(FIRST, 200.2, 203.2)], "c": [(FIRST, -300.3, -302.3)]}
    cells = held_by(positions, [(FIRST, 1000, 1003)], [0, 0, 0])
    assert columns(cells, "weight", "returns") == [(0.0, 0.0)]
    assert cells.alone == pytest.approx(0.003, abs=1e-12)


def test_many_segments_on_few_rows_take_no_table_of_both() -> None:
    # 3,000 instruments, each a segment with one row on its own day: 9 million cells of a table, 3,000 here.
    dates = np.datetime64("2010-01-01") + np.arange(3000)
    portfolio = [(str(date), 100.0, 101.0) for date in dates]
    cells = held_by(
        {f"{i:04}": [(str(date), 100.0, 101.0)] for i, date in enumerate(dates)}, portfolio, list(range(3000))
    )
    assert len(cells.time) == 3000
    assert cells.time.tolist() == cells.segment.tolist() == list(range(3000))


# ------------------------------------------------------------------ buckets


def test_returns_compound_in_a_bucket_and_the_weight_is_that_of_its_first_day() -> None:
    cells = in_buckets(cells_of({"a": [(0.5, 0.1), (0.7, 0.2), (0.9, 0.3)]}), 0, 3, np.array([0, 2]))
    assert columns(cells, "time", "weight", "returns") == near((0, 0.5, 1.1 * 1.2 - 1.0), (1, 0.9, 0.3))


def test_local_and_currency_returns_compound_apart() -> None:
    cells = cells_of({"a": [(0.5, 0.0302, 0.02, 0.01), (0.5, 0.0506, 0.03, 0.02)]})
    assert columns(in_buckets(cells, 0, 2, np.array([0])), "local", "fx") == near(
        (1.02 * 1.03 - 1.0, 1.01 * 1.02 - 1.0)
    )


def test_what_is_not_there_on_the_first_day_weighs_nothing() -> None:
    cells = in_buckets(cells_of({"a": [(1.0, 0.1), (0.5, 0.0)], "b": [None, (0.5, 0.2)]}), 0, 2, np.array([0]))
    assert columns(cells, "segment", "weight", "returns") == near((0, 1.0, 0.1), (1, 0.0, 0.2))


def test_gains_without_capital_add_up() -> None:
    portfolio: list[Row] = [(FIRST, 1000, 1005), (SECOND, 1000, 1002)]
    cells = held_by({"a": [(FIRST, 0, 5), (SECOND, 0, 2)]}, portfolio, [0])
    assert columns(in_buckets(cells, 0, 2, np.array([0])), "weight", "alone") == near((0.0, 0.007))


def test_a_range_of_days_has_buckets_of_its_own() -> None:
    cells = in_buckets(cells_of({"a": [(0.5, 0.1), (0.7, 0.2), (0.9, 0.3)]}), 1, 3, np.array([0]))
    assert columns(cells, "time", "weight", "returns") == near((0, 0.7, 1.2 * 1.3 - 1.0))


def test_a_range_without_cells_has_no_buckets() -> None:
    cells = in_buckets(cells_of({"a": [(0.5, 0.1), None, None]}, n_days=3), 1, 3, np.array([0]))
    assert len(cells.time) == 0


# ------------------------------------------------------------------ both sides


def both(portfolio: Side, benchmark: Side) -> Joined:
    mine, theirs = observations(portfolio), observations(benchmark)
    keys = sorted({*mine.keys, *theirs.keys})
    sides = [each.cells(each.dates, keys, is_local=False) for each in (mine, theirs)]
    return joined(sides[0], sides[1], 1, len(keys))


def test_sides_are_joined_on_all_cells_of_either() -> None:
    made = both({"a": (0.6, 0.1), "b": (0.4, 0.2)}, {"b": (0.7, 0.3), "c": (0.3, 0.4)})
    assert made.segment.tolist() == [0, 1, 2]
    assert made.portfolio.weight.tolist() == [0.6, 0.4, 0.0]
    assert made.benchmark.weight.tolist() == [0.0, 0.7, 0.3]
    assert made.is_observed.tolist() == [False, True, True]


def test_an_observation_of_weight_zero_is_one() -> None:
    made = both({"a": (1.0, 0.1)}, {"a": (0.0, 0.3), "b": (1.0, 0.2)})
    assert made.is_observed.tolist() == [True, True]
    assert made.benchmark.returns.tolist() == [0.3, 0.2]


# ------------------------------------------------------------------ levels


def test_prefixes_of_keys_are_the_groups_of_a_level() -> None:
    keys = [("Bd", "Gov"), ("Eq", "Bank"), ("Eq", "Tech")]
    groups, position = prefixes(keys, 1)
    assert groups == [("Bd",), ("Eq",)]
    assert position.tolist() == [0, 1, 1]
    assert prefixes(keys, 2)[0] == keys
