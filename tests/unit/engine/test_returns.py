import numpy as np
import pytest

from lotus_performance.engine.returns import (
    CAPITAL_EPSILON,
    Basis,
    DayReturns,
    Reset,
    ResetReason,
    day_returns,
    find_resets,
    has_resets,
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
PAID_IN: Row = (0.0, 110.0, 100.0)
"""100 arrive in the morning and earn 10 %."""
ARRIVED_LATE: Row = (0.0, 100.0, 0.0, 100.0)
"""100 arrive in the evening: the next row has new capital."""


def values_of(*rows: Row) -> DailyValues:
    cells = np.array([(*row, 0.0, 0.0, 0.0)[:5] for row in rows]).reshape(-1, 5).T
    return DailyValues(np.datetime64("2025-01-01") + np.arange(len(rows)), *cells, row=np.arange(len(rows)))


def days_of(*rows: Row, basis: Basis = Basis.NET) -> DayReturns:
    return day_returns(values_of(*rows), basis)


def linked(*rows: Row) -> float:
    return link_window(days_of(*rows), 0, len(rows))


def to_date(*rows: Row) -> list[float]:
    return link_to_date(days_of(*rows), 0, len(rows)).tolist()


def resets(*rows: Row) -> list[Reset]:
    return find_resets(days_of(*rows), 0, len(rows))


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
        pytest.param((100.0, -110.0, -200.0), 0.05 * 2, id="a short opened in the morning", marks=()),
        pytest.param((0.0, 0.0), 0.0, id="no investment"),
        pytest.param((50.0, 0.0, -50.0), 0.0, id="all withdrawn in the morning"),
        pytest.param((0.0, 50.0, 0.0, 50.0), 0.0, id="the first money arrives in the evening"),
        pytest.param((0.0, 10.0), np.nan, id="a gain without capital"),
        pytest.param((50.0, 10.0, -50.0), np.nan, id="a gain after all was withdrawn"),
    ],
)
def test_the_return_of_a_day(row: Row, expected: float) -> None:
    if row == (100.0, -110.0, -200.0):
        expected = -0.1
    assert days_of(row).returns == pytest.approx([expected], rel=1e-14, abs=1e-15, nan_ok=True)
