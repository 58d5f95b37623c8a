"""Published money-weighted returns.

Tolerance: half a unit of the last printed digit, 1e-12 where a source prints all digits, 1e-15 and less where the
arithmetic is exact but for the last bit. Any other tolerance stands with its reason.
"""

import numpy as np
import pytest

from lotus_performance.engine.mwr import CashFlows, MwrMethod, dietz, modified_dietz, money_weighted_return
from lotus_performance.engine.rootfind import find_roots


def test_the_example_of_excels_xirr() -> None:
    """Microsoft Support, XIRR function: -10,000 and four receipts give 0.373362535 (Excel stops at 1e-8)."""
    dates = np.array(["2008-01-01", "2008-03-01", "2008-10-30", "2009-02-15", "2009-04-01"], "M8[D]")
    flows = CashFlows(np.array([-2750.0, -4250.0, -3250.0]), dates[1:4], np.arange(3))
    result = money_weighted_return(10000.0, 2750.0, flows, dates[0], dates[4], MwrMethod.XIRR, 365.0)
    assert result.ann_rate == pytest.approx(0.373362535, abs=2e-9)
    assert result.is_unique


@pytest.mark.parametrize(
    ("amounts", "rates"),
    [
        # numpy-financial, docstring of irr; where several rates exist the docstring prints one of them.
        pytest.param([-100, 39, 59, 55, 20], [0.28095], id="numpy-financial 1"),
        pytest.param([-100, 0, 0, 74], [-0.0955], id="numpy-financial 2"),
        pytest.param([-100, 100, 0, -7], [-0.67889, -0.0833], id="numpy-financial 3"),
        pytest.param([-100, 100, 0, 7], [0.06206], id="numpy-financial 4"),
        pytest.param([-5, 10.5, 1, -8, 1], [-0.87020, 0.0886, 0.70956], id="numpy-financial 5"),
        # Wikipedia, "Internal rate of return", example.
        pytest.param([-123400, 36200, 54800, 48100], [0.0596], id="Wikipedia"),
        # The oil-pump problem: Solomon (1956), "The arithmetic of capital-budgeting decisions", Journal of Business 29.
        pytest.param([-1600, 10000, -10000], [0.25, 4.0], id="oil pump"),
    ],
)
def test_published_internal_rates(amounts: list[float], rates: list[float]) -> None:
    roots = find_roots(np.array(amounts, dtype=float), np.arange(float(len(amounts))))
    # Half a unit of the fourth decimal, the last that all of them have.
    assert np.expm1(roots.x) == pytest.approx(rates, abs=5e-5)


def test_a_loan_of_forty_years_of_months() -> None:
    """Anexen/pyxirr, issue 24: 480 payments of 787.74 on 172,545.85 cost 0.384 % a month, not -198 %."""
    amounts = np.array([-172545.848122807] + [787.735232517999] * 480)
    roots = find_roots(amounts, np.arange(481.0))
    assert np.expm1(roots.x) == pytest.approx([0.00384010481257069], abs=1e-12)


def test_a_loss_that_solvers_in_the_rate_do_not_find() -> None:
    """Anexen/pyxirr, issue 61: two payments of 100, 100 back after twelve days; 1 + rate is 1.68e-14.

    The source has the rate as a double near -1, where doubles are 1.1e-16 apart: half a step is 0.3 %.
    """
    times = np.array([0.0, 7.0, 12.0]) / 365.0
    roots = find_roots(np.array([-100.0, -100.0, 100.0]), times)
    assert np.exp(roots.x) == pytest.approx([1.68e-14], rel=5e-3)


def test_six_times_overnight() -> None:
    """tubedude/xirr, test of a good investment: 1,000 becomes 6,000 in a day, 1.0597572345993451e+284 a year."""
    roots = find_roots(np.array([1000.0, -6000.0]), np.array([0.0, 1.0]) / 365.0)
    assert np.expm1(roots.x) == pytest.approx([1.0597572345993451e284], rel=1e-12)


def test_modified_dietz_of_wikipedia() -> None:
    """Wikipedia, "Modified Dietz method": 100 becomes 300 in two years, 50 paid in after one: 120 %."""
    assert modified_dietz(100.0, 300.0, np.array([50.0]), np.array([365]), 730) == pytest.approx(1.2, abs=1e-15)
    assert dietz(100.0, 300.0, np.array([50.0])) == pytest.approx(1.2, abs=1e-15)


@pytest.mark.parametrize(
    ("begin_mv", "end_mv", "amount"),
    [pytest.param(10000.0, 2000.0, -8000.0, id="cash"), pytest.param(0.0, 8000.0, 8000.0, id="shares")],
)
def test_a_purchase_at_three_quarters_of_the_year_earns_nothing(begin_mv: float, end_mv: float, amount: float) -> None:
    """Wikipedia, "Modified Dietz method": 8,000 of 10,000 in cash buy shares on 1 October: 0 % on both accounts."""
    assert modified_dietz(begin_mv, end_mv, np.array([amount]), np.array([273.75]), 365) == 0.0


def test_a_negative_average_capital_is_not_turned_into_a_gain() -> None:
    """Wikipedia, "Modified Dietz method": 1,000, 1,100 withdrawn after a day, -150: the formula shows 78.9 %."""
    assert modified_dietz(1000.0, -150.0, np.array([-1100.0]), np.array([1]), 30) is None
