import numpy as np
import pytest

from lotus_performance.engine.returns import (
    CAPITAL_EPSILON,
    Basis,
    DayReturns,
    Reset,
    ResetReason,
    day_returns,
    link_ranges,
    link_to_date,
    link_window,
)
from lotus_performance.engine.series import DailyValues
from lotus_performance.errors import FigureOverflowError

Row = tuple[float, ...]
"""begin_mv, end_mv, then bod_cf, eod_cf and mgmt_fees, 0 where left out."""

CALM: Row = (100.0, 110.0)
LOST: Row = (100.0, 0.0)
RUIN: Row = (100.0, -50.0)
SHORT_GAIN: Row = (-100.0, -50.0)
SHORT_LOSS: Row = (-100.0, -200.0)
SHORT_RUIN: Row = (-100.0, -350.0)
SHORT_CLOSED: Row = (-100.0, 0.0)
SHORT_TURNED: Row = (-100.0, 50.0)
IDLE: Row = (0.0, 0.0)
UNDEFINED: Row = (0.0, 10.0)
PAID_IN: Row = (0.0, 120.0, 100.0)
"""100 arrive in the morning and earn 20 %."""
SHORT_AGAIN: Row = (0.0, -120.0, -100.0)
"""A new short of 100 loses 20 %."""
ARRIVED_LATE: Row = (0.0, 100.0, 0.0, 100.0)
"""100 arrive in the evening, so that the next row has new capital."""

LONG_RUIN, SHORT_TURNED_POSITIVE = ResetReason.LONG_RUIN, ResetReason.SHORT_TURNED_POSITIVE
BOTH_RUIN, NEW_CAPITAL = ResetReason.SHORT_RUIN, ResetReason.NEW_CAPITAL


def values_of(*rows: Row) -> DailyValues:
    cells = np.array([(*row, 0.0, 0.0, 0.0)[:5] for row in rows]).reshape(-1, 5).T
    return DailyValues(np.datetime64("2025-01-01") + np.arange(len(rows)), *cells, row=np.arange(len(rows)))


def days_of(*rows: Row, basis: Basis = Basis.NET) -> DayReturns:
    return day_returns(values_of(*rows), basis)


def linked(*rows: Row) -> float:
    return link_window(days_of(*rows), 0, len(rows))[0]


def to_date(*rows: Row) -> list[float]:
    return link_to_date(days_of(*rows), 0, len(rows)).tolist()


def resets(*rows: Row) -> list[tuple[int, ResetReason, int]]:
    _, found = link_window(days_of(*rows), 0, len(rows))
    return [(reset.row, reset.reason, reset.impacted_rows) for reset in found]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param((100.0, 110.0), 0.1, id="a gain"),
        pytest.param((100.0, 90.0), -0.1, id="a loss"),
        pytest.param((100.0, 100.0), 0.0, id="nothing"),
        pytest.param((100.0, 110.0, 10.0), 0.0, id="a flow in the morning is no gain"),
        pytest.param((100.0, 165.0, 50.0), 0.1, id="a flow in the morning earns the return"),
        pytest.param((100.0, 160.0, 0.0, 50.0), 0.1, id="a flow in the evening does not earn the return"),
        pytest.param((100.0, 60.0, 0.0, -50.0), 0.1, id="a withdrawal in the evening earns the return"),
        pytest.param((100.0, 55.0, -50.0), 0.1, id="a withdrawal in the morning does not earn the return"),
        pytest.param((0.0, 110.0, 100.0), 0.1, id="the first money earns at once"),
        pytest.param((100.0, 0.0, 0.0, -110.0), 0.1, id="the last money leaves with its gain"),
        pytest.param((100.0, 0.0), -1.0, id="everything is lost"),
        pytest.param((100.0, -50.0), -1.5, id="more than everything is lost"),
        pytest.param((-100.0, -90.0), 0.1, id="a short earns when it shrinks"),
        pytest.param((-100.0, -110.0), -0.1, id="a short loses when it grows"),
        pytest.param((-100.0, 50.0), 1.5, id="a short turns positive"),
        pytest.param((100.0, -110.0, -200.0), -0.1, id="a long turned short in the morning"),
        pytest.param((0.0, 0.0), 0.0, id="no investment"),
        pytest.param((50.0, 0.0, -50.0), 0.0, id="all withdrawn in the morning"),
        pytest.param((0.0, 50.0, 0.0, 50.0), 0.0, id="the first money arrives in the evening"),
        pytest.param((0.0, 10.0), np.nan, id="a gain without capital"),
        pytest.param((50.0, 10.0, -50.0), np.nan, id="a gain after all was withdrawn"),
        pytest.param((0.0, 0.3, 0.0, 0.1 + 0.2), 0.0, id="a rounding error is no gain without capital"),
        pytest.param((100.0, 0.3, 0.0, 0.1 + 0.2), -1.0, id="a rounding error is nothing left"),
        pytest.param((100.0, 1e9 + 2.0**-7, 0.0, 1e9), 2.0**-7 / 100.0 - 1.0, id="a cent beside a billion is left"),
    ],
)
def test_the_return_of_a_day(row: Row, expected: float) -> None:
    assert days_of(row).returns == pytest.approx([expected], rel=1e-14, abs=1e-15, nan_ok=True)


@pytest.mark.parametrize(
    ("row", "net", "gross"),
    [
        pytest.param((100.0, 110.0, 0.0, 0.0, -1.0), 0.09, 0.1, id="a fee lowers the net return"),
        pytest.param((-100.0, -90.0, 0.0, 0.0, -1.0), 0.09, 0.1, id="also of a short"),
        pytest.param((100.0, 110.0, 0.0, 0.0, 1.0), 0.11, 0.1, id="a positive fee raises the net return"),
        pytest.param((100.0, 101.0, 0.0, 0.0, -101.0), -1.0, 0.01, id="a fee may take everything"),
        pytest.param((0.0, 0.0, 0.0, 0.0, -1.0), 0.0, 0.0, id="a fee without investment is ignored"),
        pytest.param((50.0, 0.0, -50.0, 0.0, -1.0), 0.0, 0.0, id="a fee after all was withdrawn is ignored"),
        pytest.param((0.0, 10.0, 0.0, 0.0, -10.0), np.nan, np.nan, id="a fee does not make up for capital"),
    ],
)
def test_fees_belong_to_the_net_return_alone(row: Row, net: float, gross: float) -> None:
    returns = [days_of(row, basis=basis).returns[0] for basis in (Basis.NET, Basis.GROSS)]
    assert returns == pytest.approx([net, gross], rel=1e-14, nan_ok=True)


def test_a_fee_without_investment_is_no_gain() -> None:
    assert days_of((0.0, 0.0, 0.0, 0.0, -1.0)).gain.tolist() == [0.0]


@pytest.mark.parametrize(
    ("row", "capital"),
    [
        pytest.param((100.0, 0.0, 20.0), 120.0, id="value and flow"),
        pytest.param((0.3, 0.0, -(0.1 + 0.2)), 0.0, id="a rounding error is none"),
        pytest.param((-(0.1 + 0.2), 0.0, 0.3), 0.0, id="a rounding error of a short is none"),
        pytest.param((1.0, 0.0, -1.0 + 2.0**-40), 0.0, id="just below the limit"),
        pytest.param((1.0, 0.0, -1.0 + 2.0**-39), 2.0**-39, id="just above the limit"),
        pytest.param((1e-9, 0.0, 0.0), 1e-9, id="small money is money"),
    ],
)
def test_the_capital_of_a_day(row: Row, capital: float) -> None:
    assert 2.0**-40 < CAPITAL_EPSILON < 2.0**-39
    assert days_of(row).capital.tolist() == [capital]


def test_the_side_of_a_day_is_the_sign_of_its_capital() -> None:
    assert days_of(CALM, SHORT_GAIN, IDLE, UNDEFINED).sign.tolist() == [1.0, -1.0, 0.0, 0.0]


def test_idle_days_have_neither_capital_nor_gain() -> None:
    assert days_of(CALM, SHORT_GAIN, IDLE, UNDEFINED).is_idle.tolist() == [False, False, True, False]


def test_days_without_a_return_are_undefined() -> None:
    assert days_of(CALM, IDLE, UNDEFINED).is_defined.tolist() == [True, True, False]


def test_the_legs_grow_by_factors_of_opposite_sign() -> None:
    days = days_of(CALM, SHORT_LOSS, IDLE, UNDEFINED)
    assert days.factor.tolist() == [1.1, 2.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("rows", "has_new_capital"),
    [
        pytest.param([CALM, CALM], [False, False], id="no flow"),
        pytest.param([CALM, PAID_IN], [False, True], id="a flow in the morning"),
        pytest.param([ARRIVED_LATE, CALM], [False, True], id="a flow in the evening before"),
        pytest.param([(100.0, 50.0, -20.0)], [True], id="a withdrawal is a flow too"),
        pytest.param([CALM, (100.0, 0.0, -100.0)], [False, False], id="a flow that leaves no capital"),
        pytest.param([ARRIVED_LATE, IDLE, CALM], [False, False, False], id="a flow two days before"),
    ],
)
def test_new_capital_came_with_the_row_or_the_evening_before(rows: list[Row], has_new_capital: list[bool]) -> None:
    assert days_of(*rows).has_new_capital.tolist() == has_new_capital


def test_the_flows_of_the_caller_are_not_changed() -> None:
    values = values_of(ARRIVED_LATE, CALM)
    day_returns(values, Basis.NET)
    assert values.bod_cf.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([CALM, CALM], 0.21, id="long days compound"),
        pytest.param([CALM, IDLE, CALM], 0.21, id="an idle day changes nothing"),
        pytest.param([CALM, UNDEFINED, CALM], 0.21, id="an undefined day is left out"),
        pytest.param([IDLE], 0.0, id="idle alone is 0"),
        pytest.param([UNDEFINED], np.nan, id="undefined alone is no return"),
        pytest.param([UNDEFINED, IDLE], 0.0, id="one idle day is enough for a return"),
        pytest.param([SHORT_GAIN, SHORT_GAIN], 0.75, id="a short halved twice keeps a quarter"),
        pytest.param([SHORT_LOSS], -1.0, id="a short doubled has lost its capital"),
        pytest.param([SHORT_LOSS, SHORT_GAIN], 0.0, id="a short doubled and halved has lost nothing"),
        pytest.param([SHORT_RUIN], -2.5, id="a short may lose more than its capital"),
        pytest.param([CALM, SHORT_GAIN], 0.65, id="a long gain and a short gain"),
        pytest.param([SHORT_GAIN, CALM], 0.65, id="in either order"),
        pytest.param([CALM, SHORT_LOSS, SHORT_GAIN, CALM], 0.21, id="each leg compounds apart"),
        pytest.param([(100.0, 1.0), SHORT_GAIN, CALM], 0.01 * 1.1 * 1.5 - 1.0, id="a long day that loses nearly all"),
        pytest.param([(-100.0, -1.0), CALM, CALM], 1.21 * 1.99 - 1.0, id="a short day that earns nearly all"),
        pytest.param([SHORT_RUIN, SHORT_GAIN, CALM], -0.725, id="a short that has recovered meets a long day"),
    ],
)
def test_the_linked_return(rows: list[Row], expected: float) -> None:
    assert linked(*rows) == pytest.approx(expected, rel=1e-14, abs=1e-15, nan_ok=True)


@pytest.mark.parametrize(
    ("rows", "figures", "found"),
    [
        # More than everything is lost.
        pytest.param([CALM, RUIN], [0.1, -1.55], [(1, LONG_RUIN, 2)], id="1: a long loses more than everything"),
        pytest.param([CALM, RUIN, CALM], [0.1, -1.55, -1.55], [(1, LONG_RUIN, 3)], id="1: capital alone is not new"),
        pytest.param([RUIN, PAID_IN], [-1.5, 0.2], [(0, LONG_RUIN, 1)], id="1: money in the morning restarts"),
        pytest.param(
            [RUIN, ARRIVED_LATE, CALM], [-1.5, -1.5, 0.1], [(0, LONG_RUIN, 2)], id="1: money in the evening restarts"
        ),
        pytest.param(
            [(100.0, 50.0, 0.0, 100.0), CALM],
            [-1.5, 0.1],
            [(0, LONG_RUIN, 1)],
            id="1: money in the evening of the loss restarts",
        ),
        pytest.param(
            [RUIN, (-50.0, 0.0, 50.0), CALM],
            [-1.5, -1.5, -1.5],
            [(0, LONG_RUIN, 3)],
            id="1: money that settles the debt is no capital",
        ),
        pytest.param([RUIN, SHORT_AGAIN], [-1.5, -0.2], [(0, LONG_RUIN, 1)], id="1: the new capital may be short"),
        pytest.param([RUIN, UNDEFINED, IDLE], [-1.5] * 3, [(0, LONG_RUIN, 3)], id="1: a day without capital waits"),
        pytest.param(
            [RUIN, PAID_IN, RUIN, PAID_IN],
            [-1.5, 0.2, -1.6, 0.2],
            [(0, LONG_RUIN, 1), (2, LONG_RUIN, 3)],
            id="1: twice",
        ),
        pytest.param(
            [(0.0, -50.0, 100.0), CALM],
            [-1.5, -1.5],
            [(0, LONG_RUIN, 2)],
            id="1: the money that was lost is not new",
        ),
        # The short turned positive.
        pytest.param([SHORT_TURNED], [1.5], [(0, SHORT_TURNED_POSITIVE, 1)], id="2: a short turns positive"),
        pytest.param([SHORT_TURNED, CALM], [1.5, 0.1], [(0, SHORT_TURNED_POSITIVE, 1)], id="2: any capital restarts"),
        pytest.param(
            [SHORT_TURNED, IDLE, UNDEFINED, CALM],
            [1.5, 1.5, 1.5, 0.1],
            [(0, SHORT_TURNED_POSITIVE, 3)],
            id="2: a day without capital waits",
        ),
        pytest.param(
            [CALM, SHORT_TURNED, SHORT_LOSS],
            [0.1, 1.75, -1.0],
            [(1, SHORT_TURNED_POSITIVE, 2)],
            id="2: the long leg restarts with it",
        ),
        pytest.param(
            [SHORT_RUIN, SHORT_TURNED],
            [-2.5, 2.75],
            [(1, SHORT_TURNED_POSITIVE, 2)],
            id="2: a short beyond its capital turns positive",
        ),
        # The short leg has lost more than its capital while there is a long one.
        pytest.param([CALM, SHORT_RUIN], [0.1, -2.65], [(1, BOTH_RUIN, 2)], id="3: a short loses the long leg too"),
        pytest.param(
            [CALM, SHORT_RUIN, SHORT_GAIN, CALM],
            [0.1, -2.65, -2.65, -2.65],
            [(1, BOTH_RUIN, 4)],
            id="3: capital alone is not new",
        ),
        pytest.param([CALM, SHORT_RUIN, PAID_IN], [0.1, -2.65, 0.2], [(1, BOTH_RUIN, 2)], id="3: new capital restarts"),
        pytest.param(
            [CALM, SHORT_LOSS, IDLE, SHORT_LOSS],
            [0.1, -1.0, -1.0, -3.2],
            [(3, BOTH_RUIN, 4)],
            id="3: two losses together",
        ),
        pytest.param(
            [CALM, (0.0, -350.0, -100.0), CALM],
            [0.1, -2.65, -2.65],
            [(1, BOTH_RUIN, 3)],
            id="3: the money that was lost is not new",
        ),
        pytest.param([CALM, SHORT_LOSS], [0.1, -1.0], [], id="3: not at exactly nothing"),
        # New capital opens a new chain.
        pytest.param([LOST, CALM, IDLE], [-1.0] * 3, [], id="4: everything lost stays lost"),
        pytest.param([(0.0, 0.0, 100.0), CALM], [-1.0, -1.0], [], id="4: the money that was lost is not new"),
        pytest.param([CALM, LOST, PAID_IN], [0.1, -1.0, 0.2], [(2, NEW_CAPITAL, 2)], id="4: until new capital"),
        pytest.param(
            [LOST, ARRIVED_LATE, CALM], [-1.0, -1.0, 0.1], [(2, NEW_CAPITAL, 2)], id="4: also from the evening before"
        ),
        pytest.param([SHORT_CLOSED, SHORT_LOSS], [1.0, 1.0], [], id="4: a short that earned everything stays there"),
        pytest.param(
            [SHORT_CLOSED, SHORT_AGAIN], [1.0, -0.2], [(1, NEW_CAPITAL, 1)], id="4: until there is a new short"
        ),
        pytest.param([CALM, SHORT_CLOSED], [0.1, 1.2], [], id="4: all earned on top of a long leg"),
        pytest.param([SHORT_RUIN, CALM], [-2.5, 0.1], [(1, NEW_CAPITAL, 1)], id="4: the first long day after a ruin"),
        pytest.param(
            [SHORT_RUIN, IDLE, UNDEFINED, CALM],
            [-2.5, -2.5, -2.5, 0.1],
            [(3, NEW_CAPITAL, 3)],
            id="4: with days between",
        ),
        pytest.param([SHORT_LOSS, CALM], [-1.0, -1.0], [], id="4: not at exactly nothing"),
        pytest.param(
            [SHORT_RUIN, RUIN],
            [-2.5, -1.5],
            [(1, NEW_CAPITAL, 1), (1, LONG_RUIN, 2)],
            id="4: the day that opens a chain ends it",
        ),
        pytest.param(
            [SHORT_RUIN, LOST, PAID_IN],
            [-2.5, -1.0, 0.2],
            [(1, NEW_CAPITAL, 1), (2, NEW_CAPITAL, 2)],
            id="4: twice",
        ),
        pytest.param([CALM, SHORT_GAIN, IDLE, UNDEFINED], [0.1, 0.65, 0.65, 0.65], [], id="an ordinary chain"),
    ],
)
def test_the_chain_breaks_when_capital_is_lost(
    rows: list[Row], figures: list[float], found: list[tuple[int, ResetReason, int]]
) -> None:
    assert to_date(*rows) == pytest.approx(figures, rel=1e-14)
    assert linked(*rows) == pytest.approx(figures[-1], rel=1e-14)
    assert resets(*rows) == found


@pytest.mark.parametrize("n_idle", [0, 61, 62, 63, 64, 65, 189, 190, 191, 192, 399])
def test_the_ruin_of_a_short_is_found_at_any_distance(n_idle: int) -> None:
    rows = [CALM, *[IDLE] * n_idle, SHORT_RUIN]
    assert resets(*rows) == [(n_idle + 1, BOTH_RUIN, n_idle + 2)]


@pytest.mark.parametrize("n_idle", [0, 61, 62, 63, 64, 65, 189, 190, 191, 192, 399])
def test_a_long_day_is_found_to_meet_the_ruin_of_a_short_at_any_distance(n_idle: int) -> None:
    rows = [SHORT_RUIN, *[IDLE] * n_idle, CALM]
    assert resets(*rows) == [(n_idle + 1, NEW_CAPITAL, n_idle + 1)]


@pytest.mark.parametrize("n_rows", [63, 64, 65, 300])
def test_a_short_that_loses_slowly_is_ruined_on_the_day_that_crosses_twice_its_capital(n_rows: int) -> None:
    growth = 2.0 ** (1.0 / (n_rows - 0.5))
    assert resets(CALM, *[(-100.0, -100.0 * growth)] * n_rows) == [(n_rows, BOTH_RUIN, n_rows + 1)]


def test_the_returns_to_date_begin_with_the_first_day_that_has_one() -> None:
    assert to_date(UNDEFINED, UNDEFINED, CALM) == pytest.approx([np.nan, np.nan, 0.1], nan_ok=True)


def test_the_returns_to_date_of_an_irregular_chain_begin_with_the_first_day_that_has_one() -> None:
    assert to_date(UNDEFINED, SHORT_GAIN) == pytest.approx([np.nan, 0.5], nan_ok=True)


def test_a_return_to_date_may_begin_anywhere() -> None:
    assert link_to_date(days_of(RUIN, CALM, CALM), 1, 3) == pytest.approx([0.1, 0.21])


def test_an_irregular_return_to_date_may_begin_and_end_anywhere() -> None:
    days = days_of(UNDEFINED, CALM, RUIN, CALM, PAID_IN, SHORT_RUIN)
    assert link_to_date(days, 1, 5) == pytest.approx([0.1, -1.55, -1.55, 0.2])


def test_a_loss_before_the_window_is_not_its_loss() -> None:
    days = days_of(CALM, SHORT_RUIN, CALM, CALM)
    assert link_window(days, 2, 4)[0] == pytest.approx(0.21)
    assert link_window(days, 2, 4)[1] == []


def test_a_loss_after_the_window_is_not_its_loss() -> None:
    days = days_of(SHORT_GAIN, CALM, SHORT_RUIN)
    assert link_window(days, 0, 2)[0] == pytest.approx(0.65)
    assert link_window(days, 0, 2)[1] == []


def test_a_restart_after_the_window_does_not_count() -> None:
    days = days_of(RUIN, CALM, PAID_IN)
    assert link_window(days, 0, 2)[1] == [Reset(0, LONG_RUIN, 2)]


def test_a_long_day_after_the_window_does_not_cut_its_short_chain() -> None:
    days = days_of(SHORT_RUIN, CALM)
    assert link_window(days, 0, 1)[0] == pytest.approx(-2.5)
    assert link_window(days, 0, 1)[1] == []


def test_what_a_long_window_has_found_is_not_told_of_a_short_one() -> None:
    days = days_of(SHORT_GAIN, RUIN, CALM, PAID_IN)
    assert link_window(days, 0, 4)[1] == [Reset(1, LONG_RUIN, 3)]
    assert link_window(days, 0, 1)[1] == []
    assert link_window(days, 0, 3)[1] == [Reset(1, LONG_RUIN, 3)]
    assert link_window(days, 0, 2)[1] == [Reset(1, LONG_RUIN, 2)]


def test_impacted_rows_are_counted_from_the_start_of_the_window() -> None:
    assert link_window(days_of(CALM, CALM, RUIN, PAID_IN), 1, 4)[1] == [Reset(2, LONG_RUIN, 2)]


def test_rows_before_new_capital_are_counted_from_the_start_of_the_window() -> None:
    assert link_window(days_of(CALM, CALM, LOST, PAID_IN), 1, 4)[1] == [Reset(3, NEW_CAPITAL, 2)]


@pytest.mark.parametrize(
    ("first", "stop", "expected"),
    [
        pytest.param([0, 2, 3], [2, 3, 5], [0.21, -0.1, 0.32], id="side by side, to the end"),
        pytest.param([0, 3], [2, 5], [0.21, 0.32], id="with a gap"),
        pytest.param([1], [3], [-0.01], id="in the middle"),
        pytest.param([4], [5], [0.2], id="the last row alone"),
        pytest.param([0, 4], [1, 5], [0.1, 0.2], id="the first and the last row"),
        pytest.param([0], [5], [0.43748], id="everything"),
        pytest.param([], [], [], id="nothing"),
    ],
)
def test_ranges_are_linked_each_over_its_own_rows(first: list[int], stop: list[int], expected: list[float]) -> None:
    # All five days: 1.1 · 1.1 · 0.9 · 1.1 · 1.2 - 1 = 0.43748.
    days = days_of(CALM, CALM, (100.0, 90.0), CALM, PAID_IN)
    figures, _ = link_ranges(days, np.array(first, dtype=int), np.array(stop, dtype=int))
    assert figures == pytest.approx(expected, rel=1e-13)


def test_ranges_with_and_without_a_return_do_not_touch_one_another() -> None:
    days = days_of(CALM, UNDEFINED, SHORT_RUIN, LOST, PAID_IN, IDLE, UNDEFINED)
    figures, _ = link_ranges(days, np.array([0, 1, 2, 3, 5, 6]), np.array([1, 2, 3, 5, 6, 7]))
    assert figures == pytest.approx([0.1, np.nan, -2.5, 0.2, 0.0, np.nan], nan_ok=True)


def test_many_small_losses_are_not_the_loss_of_everything() -> None:
    rows = [(100.0, 1.0)] * 400
    assert linked(*rows) == -1.0
    assert resets(*rows, PAID_IN) == []
    assert resets(*rows, SHORT_GAIN, PAID_IN) == []


@pytest.mark.parametrize("row", [(1e-200, 1e200), (-1e-200, 1e200), (-1e-200, -1e200)], ids=["long", "short", "ruin"])
def test_the_return_of_a_day_beyond_any_number_is_refused_where_it_is_linked(row: Row) -> None:
    days_of(row)
    with pytest.raises(FigureOverflowError, match="The linked return is too large"):
        linked(row)


def test_a_return_to_date_beyond_any_number_is_refused() -> None:
    with pytest.raises(FigureOverflowError, match="The linked return is too large"):
        to_date((1.0, 1e200), (1.0, 1e200))


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(1.0, 1e200), (1.0, 1e200)], id="long"),
        pytest.param([(-1.0, -1e200), (-1.0, -1e200)], id="short"),
    ],
)
def test_a_linked_return_beyond_any_number_is_refused(rows: list[Row]) -> None:
    with pytest.raises(FigureOverflowError, match="The linked return is too large"):
        linked(*rows)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([(1.0, 1e200), (1.0, 1e200), LOST], -1.0, id="everything is lost after a growth beyond numbers"),
        pytest.param([(-1.0, -1e200), (-1.0, -1e200), SHORT_CLOSED], 1.0, id="a short beyond numbers is closed"),
    ],
)
def test_a_growth_beyond_any_number_does_not_hide_the_loss_of_everything(rows: list[Row], expected: float) -> None:
    assert linked(*rows) == expected


def test_a_capital_beyond_any_number_is_refused_where_it_is_linked() -> None:
    with pytest.raises(FigureOverflowError):
        linked((1e308, 1e308, 1e308))


def test_a_growth_beyond_any_number_does_not_hide_that_a_short_has_lost_everything() -> None:
    assert linked((1.0, 1e200), (1.0, 1e200), SHORT_LOSS) == -1.0


def test_a_short_beyond_any_number_that_is_closed_is_no_reset() -> None:
    assert resets((-1.0, -1e200), (-1.0, -1e200), SHORT_CLOSED) == []
