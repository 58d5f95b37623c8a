"""Identities of the money-weighted return, whatever the flows."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lotus_performance.engine.mwr import CashFlows, MwrMethod, dietz, modified_dietz, money_weighted_return
from lotus_performance.engine.rootfind import Search, find_roots, find_roots_batch
from lotus_performance.errors import NotComputableError

START = np.datetime64("2015-06-30")

cents = st.integers(-10_000_000, 10_000_000).map(lambda amount: amount / 100.0)
positive_cents = st.integers(1, 10_000_000).map(lambda amount: amount / 100.0)


@st.composite
def flow_lists(draw: st.DrawFn, max_size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Draw flows, one a day, over ten years."""
    days = sorted(draw(st.sets(st.integers(0, 3650), min_size=2, max_size=max_size)))
    amounts = draw(st.lists(cents, min_size=len(days), max_size=len(days)))
    return np.array(amounts), np.array(days) / 365.0


@st.composite
def portfolios(draw: st.DrawFn) -> tuple[float, float, CashFlows, int]:
    """Draw a period of some days, its values, and flows in any order, several on one day."""
    days = draw(st.integers(1, 3650))
    rows = draw(st.lists(st.tuples(st.integers(0, days), cents), max_size=30))
    return draw(positive_cents), draw(positive_cents), cash_flows(rows), days


def cash_flows(rows: list[tuple[int, float]]) -> CashFlows:
    offsets = np.array([offset for offset, _ in rows], dtype=np.int64)
    return CashFlows(np.array([amount for _, amount in rows], dtype=float), START + offsets, np.arange(len(rows)))


def xirr(begin_mv: float, end_mv: float, flows: CashFlows, days: int) -> np.ndarray:
    """Return all rates as ln(1 + rate), which needs no tolerance of its own for rates of 1e100."""
    result = money_weighted_return(begin_mv, end_mv, flows, START, START + days, MwrMethod.XIRR, 365.0)
    assume(result.method is MwrMethod.XIRR and (result.roots > -1.0).all())
    return np.log1p(result.roots)


@given(flow_lists())
def test_the_present_value_at_each_root_is_zero(flows: tuple[np.ndarray, np.ndarray]) -> None:
    amounts, times = flows
    total = math.fsum(map(abs, amounts.tolist()))
    for x in find_roots(amounts, times).x.tolist():
        # At the end of the flows for negative rates, so that no discount factor is larger than 1.
        origin = times[-1] if x < 0.0 else times[0]
        value = math.fsum(a * math.exp((origin - t) * x) for a, t in zip(amounts.tolist(), times.tolist(), strict=True))
        assert abs(value) <= 1e-9 * total


@given(flow_lists())
def test_there_are_no_more_roots_than_sign_changes_and_of_an_odd_number_at_least_one(
    flows: tuple[np.ndarray, np.ndarray],
) -> None:
    amounts, times = flows
    signs = np.sign(amounts[amounts != 0.0])
    n_changes = int(np.count_nonzero(np.diff(signs)))
    roots = find_roots(amounts, times)
    assert n_changes % 2 <= len(roots.x) <= n_changes
    assert roots.search is (Search.EXACT if n_changes > 1 else Search.PROVEN)
    assert (np.diff(roots.x) > 0.0).all()


@example((np.array([0.0, -19.71, 0.06, 0.0]), np.array([0.0, 311.0, 333.0, 3137.0]) / 365.0))
@given(flow_lists(max_size=12))
def test_no_change_of_sign_goes_without_a_root(flows: tuple[np.ndarray, np.ndarray]) -> None:
    amounts, times = flows
    assume(np.count_nonzero(amounts) > 1)
    roots = find_roots(amounts, times).x
    # Counted from a flow of 0 all other terms may underflow, and rounding would pass for a change of sign.
    amounts, times = amounts[amounts != 0.0], times[amounts != 0.0]
    y = np.sinh(np.linspace(-10.0, 10.0, 4001))
    grid = y / (times[-1] - times[0])
    origin = np.where(y < 0.0, times[-1], times[0])
    terms = amounts * np.exp((origin[:, None] - times) * grid[:, None])
    value, noise = terms.sum(axis=1), 1e-12 * np.abs(terms).sum(axis=1)
    is_clear = np.abs(value) > noise
    grid, sign = grid[is_clear], np.sign(value[is_clear])
    for i in np.flatnonzero(sign[1:] != sign[:-1]).tolist():
        assert ((roots > grid[i]) & (roots < grid[i + 1])).any()


@given(
    st.dictionaries(st.integers(-5, 10), st.integers(1, 2), min_size=1, max_size=4),
    st.integers(1, 1000),
)
def test_all_roots_of_a_constructed_polynomial_are_found(tenths: dict[int, int], scale: int) -> None:
    assume(sum(tenths.values()) <= 6)
    coefficients = [Fraction(scale)]
    for tenth, multiplicity in tenths.items():
        for _ in range(multiplicity):  # times 1 - (1 + rate)·z, zero at z = 1 / (1 + rate)
            shifted = [Fraction(0), *(-(1 + Fraction(tenth, 10)) * c for c in coefficients)]
            coefficients = [a + b for a, b in zip([*coefficients, Fraction(0)], shifted, strict=True)]
    amounts = np.array([float(c) for c in coefficients])
    roots = find_roots(amounts, np.arange(float(len(amounts))))
    assert np.expm1(roots.x) == pytest.approx([tenth / 10.0 for tenth in sorted(tenths)], abs=1e-6)


@given(
    st.sets(st.integers(-12, 12), min_size=1, max_size=3),
    st.sets(st.integers(0, 40), min_size=4, max_size=4),
)
def test_all_roots_of_constructed_flows_on_uneven_dates_are_found(tenths: set[int], quarters: set[int]) -> None:
    x = np.array(sorted(tenths)) / 10.0
    times = np.array(sorted(quarters))[: len(x) + 1] / 4.0
    # One flow more than roots: up to their scale the amounts are determined, and each root uses up a sign change.
    powers = np.exp(-np.outer(x, times))
    assume(np.linalg.cond(powers[:, 1:]) < 1e6)
    amounts = np.concatenate([[1.0], np.linalg.solve(powers[:, 1:], -powers[:, 0])])
    assert find_roots(amounts, times).x == pytest.approx(x, abs=1e-6)


@given(flow_lists(), st.integers(-300, 300).map(lambda exponent: 10.0 ** (exponent / 10.0)))
def test_the_unit_of_the_amounts_does_not_matter(flows: tuple[np.ndarray, np.ndarray], unit: float) -> None:
    amounts, times = flows
    found, scaled = find_roots(amounts, times), find_roots(amounts * unit, times)
    assume(len(found.x) == len(scaled.x))  # what touches zero to the last digit need not after a rounded product
    assert scaled.x == pytest.approx(found.x, rel=1e-6, abs=1e-6)


@given(st.lists(flow_lists(), min_size=1, max_size=12))
def test_a_batch_gives_what_each_list_gives_alone(lists: list[tuple[np.ndarray, np.ndarray]]) -> None:
    longest = max(len(amounts) for amounts, _ in lists)
    amounts, times = np.zeros((len(lists), longest)), np.zeros((len(lists), longest))
    for i, (some_amounts, some_times) in enumerate(lists):
        amounts[i, : len(some_amounts)], times[i, : len(some_times)] = some_amounts, some_times
    batch = find_roots_batch(amounts, times)
    for i, flows in enumerate(lists):
        alone = find_roots(*flows)
        assert batch[i].search is alone.search
        assert batch[i].x == pytest.approx(alone.x, rel=1e-7, abs=1e-9)


@given(portfolios(), st.randoms(use_true_random=False))
def test_the_order_of_the_flows_changes_nothing(portfolio: tuple[float, float, CashFlows, int], random: object) -> None:
    begin_mv, end_mv, flows, days = portfolio
    order = list(range(len(flows.amount)))
    random.shuffle(order)  # type: ignore[attr-defined]
    other = CashFlows(flows.amount[order], flows.date[order], flows.row[order])
    for method in MwrMethod:
        assert outcome(begin_mv, end_mv, flows, days, method) == outcome(begin_mv, end_mv, other, days, method)


def outcome(begin_mv: float, end_mv: float, flows: CashFlows, days: int, method: MwrMethod) -> object:
    try:
        result = money_weighted_return(begin_mv, end_mv, flows, START, START + days, method, 365.0)
    except NotComputableError as refusal:
        return refusal.code
    return result.method, result.money_weighted_return, result.ann_rate, result.roots.tolist()


@given(portfolios(), st.data())
def test_splitting_a_flow_changes_nothing(portfolio: tuple[float, float, CashFlows, int], data: st.DataObject) -> None:
    begin_mv, end_mv, flows, days = portfolio
    assume(len(flows.amount) > 0)
    i = data.draw(st.integers(0, len(flows.amount) - 1))
    part = data.draw(st.sampled_from([0.5, 0.25, 2.0, -1.0]))  # multiples of a power of two add up exactly
    amount = np.append(flows.amount, flows.amount[i] * (1.0 - part))
    amount[i] *= part
    other = CashFlows(amount, np.append(flows.date, flows.date[i]), np.arange(len(amount)))
    try:
        whole, split = xirr(begin_mv, end_mv, flows, days), xirr(begin_mv, end_mv, other, days)
    except NotComputableError:
        return
    assume(len(whole) == len(split))
    assert split == pytest.approx(whole, rel=1e-6, abs=1e-6)


@given(positive_cents, positive_cents, st.integers(365, 36500), st.sampled_from([365.0, 365.25]))
def test_without_flows_the_rate_is_the_growth_per_year(begin: float, end: float, days: int, year_days: float) -> None:
    result = money_weighted_return(begin, end, cash_flows([]), START, START + days, MwrMethod.XIRR, year_days)
    assert result.money_weighted_return == pytest.approx(end / begin - 1.0, rel=1e-12, abs=1e-12)
    assert result.ann_rate == pytest.approx((end / begin) ** (year_days / days) - 1.0, rel=1e-12, abs=1e-12)
    assert result.is_unique is True


@given(
    positive_cents,
    st.lists(st.tuples(st.integers(1, 999), st.floats(-0.4, 0.6)), max_size=25, unique_by=lambda row: row[0]),
    st.floats(-0.8, 3.0),
)
def test_an_account_that_earns_one_rate_has_that_rate_and_no_other(
    begin_mv: float, moves: list[tuple[int, float]], rate: float
) -> None:
    balance, before, rows = begin_mv, 0, []
    for offset, share in sorted(moves):
        balance *= (1.0 + rate) ** ((offset - before) / 365.0)
        rows.append((offset, share * balance))
        balance, before = balance * (1.0 + share), offset
    end_mv = balance * (1.0 + rate) ** ((1000 - before) / 365.0)
    result = money_weighted_return(begin_mv, end_mv, cash_flows(rows), START, START + 1000, MwrMethod.XIRR, 365.0)
    assert result.ann_rate == pytest.approx(rate, rel=1e-8, abs=1e-8)
    assert result.money_weighted_return == pytest.approx((1.0 + rate) ** (1000 / 365.0) - 1.0, rel=1e-8, abs=1e-8)
    assert result.is_unique is True


@given(portfolios())
def test_a_figure_is_finite_and_a_substitute_is_named(portfolio: tuple[float, float, CashFlows, int]) -> None:
    begin_mv, end_mv, flows, days = portfolio
    try:
        result = money_weighted_return(begin_mv, end_mv, flows, START, START + days, MwrMethod.XIRR, 365.0)
    except NotComputableError:
        return
    assert math.isfinite(result.money_weighted_return)
    assert np.isfinite(result.roots).all()
    assert (np.diff(result.roots) >= 0.0).all()
    if result.method is MwrMethod.XIRR:
        assert result.ann_rate in result.roots
        assert result.converged
    else:
        assert result.notes


@given(positive_cents, cents, st.integers(1, 3650))
def test_without_flows_both_dietz_returns_are_the_growth(begin_mv: float, end_mv: float, days: int) -> None:
    none = np.empty(0)
    growth = pytest.approx(end_mv / begin_mv - 1.0, rel=1e-12, abs=1e-12)
    assert modified_dietz(begin_mv, end_mv, none, none, days) == growth
    assert dietz(begin_mv, end_mv, none) == growth


@given(positive_cents, cents, st.lists(positive_cents, max_size=10), st.integers(1, 1000))
def test_flows_in_the_middle_make_the_dietz_returns_equal(
    begin_mv: float, end_mv: float, amounts: list[float], half: int
) -> None:
    flows = np.array(amounts)
    middle = modified_dietz(begin_mv, end_mv, flows, np.full(len(flows), half), 2 * half)
    assert middle == pytest.approx(dietz(begin_mv, end_mv, flows), rel=1e-12, abs=1e-12)


@given(positive_cents, cents, positive_cents, st.integers(1, 3650))
def test_a_flow_at_the_start_is_opening_capital_and_one_at_the_end_is_closing_value(
    begin_mv: float, end_mv: float, amount: float, days: int
) -> None:
    flow, none = np.array([amount]), np.empty(0)
    at_start = modified_dietz(begin_mv, end_mv, flow, np.array([0]), days)
    assert at_start == pytest.approx(modified_dietz(begin_mv + amount, end_mv, none, none, days), rel=1e-9, abs=1e-9)
    at_end = modified_dietz(begin_mv, end_mv, flow, np.array([days]), days)
    assert at_end == pytest.approx(modified_dietz(begin_mv, end_mv - amount, none, none, days), rel=1e-9, abs=1e-9)


@given(portfolios(), st.integers(-200, 200).map(lambda exponent: 2.0**exponent))
def test_the_dietz_returns_know_no_unit(portfolio: tuple[float, float, CashFlows, int], unit: float) -> None:
    begin_mv, end_mv, flows, days = portfolio
    scaled = CashFlows(flows.amount * unit, flows.date, flows.row)
    for method in (MwrMethod.DIETZ, MwrMethod.MODIFIED_DIETZ):
        here, there = (
            outcome(begin_mv * by, end_mv * by, some, days, method) for by, some in ((1.0, flows), (unit, scaled))
        )
        assert here == there
