"""Identities of linking, whatever the returns."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lotus_performance.engine.linking import EXACT_METHODS, Linking, defined_methods, link_factors

ORDERLESS = [Linking.CARINO, Linking.MENCHERO, Linking.SYMMETRIC]
ALWAYS_DEFINED = [Linking.GRAP, Linking.FRONGELLO, Linking.SYMMETRIC]
Pair = tuple[np.ndarray, np.ndarray]

sane = st.floats(-0.2, 0.2)
above_ruin = st.floats(-0.99, 3.0) | st.sampled_from([0.0, -1.0 + 1e-9])
any_return = st.floats(-3.0, 3.0) | st.sampled_from([-1.0, -2.0, 0.0, -1.0 + 1e-9])


@st.composite
def pairs(draw: st.DrawFn, single: st.SearchStrategy[float], max_size: int = 80) -> Pair:
    """Draw returns of a portfolio and a benchmark, now and then as close to each other as doubles are."""
    n = draw(st.integers(1, max_size))
    benchmark = np.array(draw(st.lists(single, min_size=n, max_size=n)))
    if draw(st.booleans()):
        return benchmark + draw(st.sampled_from([0.0, 1e-15, 1e-9, 1e-4])) * draw(st.integers(-3, 3)), benchmark
    return np.array(draw(st.lists(single, min_size=n, max_size=n))), benchmark


def assert_links(method: Linking, returns: np.ndarray, benchmark: np.ndarray) -> None:
    """Assert that linked active returns sum to R - B, to the rounding of the largest number that takes part."""
    total, bmk_total = np.prod(1.0 + returns) - 1.0, np.prod(1.0 + benchmark) - 1.0
    parts = link_factors(method, returns, benchmark) * (returns - benchmark)
    scale = max(1.0, abs(total), abs(bmk_total), np.abs(parts).max())
    assert abs(parts.sum() - (total - bmk_total)) <= 1e-12 * scale


@pytest.mark.parametrize("method", EXACT_METHODS)
@given(pairs(sane))
def test_linked_active_returns_sum_to_the_active_return(method: Linking, pair: Pair) -> None:
    assert_links(method, *pair)


@pytest.mark.parametrize("method", EXACT_METHODS)
@given(pairs(above_ruin, max_size=12))
def test_every_method_links_where_something_is_left(method: Linking, pair: Pair) -> None:
    assume(method in defined_methods(*pair))
    assert_links(method, *pair)


@pytest.mark.parametrize("method", ALWAYS_DEFINED)
@given(pairs(any_return, max_size=12))
def test_grap_and_symmetric_link_whatever_was_lost(method: Linking, pair: Pair) -> None:
    assert method in defined_methods(*pair)
    assert_links(method, *pair)


@pytest.mark.parametrize("method", EXACT_METHODS)
@given(st.integers(65, 2520), st.floats(0.0, 0.2), st.floats(0.0, 0.2), st.integers(0, 2**32 - 1))
def test_histories_of_years_link(method: Linking, n: int, spread: float, active: float, seed: int) -> None:
    benchmark, difference = np.random.default_rng(seed).uniform(-1.0, 1.0, (2, n))
    assert_links(method, np.clip(spread * benchmark + active * difference, -0.2, 0.2), spread * benchmark)


@pytest.mark.parametrize("method", ORDERLESS)
@given(pairs(sane), st.randoms(use_true_random=False))
def test_the_order_of_periods_does_not_matter(method: Linking, pair: Pair, random: object) -> None:
    returns, benchmark = pair
    order = np.arange(len(returns))
    random.shuffle(order)
    factors = link_factors(method, returns, benchmark)
    shuffled = link_factors(method, returns[order], benchmark[order])
    assert shuffled == pytest.approx(factors[order], rel=1e-11, abs=1e-11)


@given(pairs(any_return, max_size=6))
def test_symmetric_is_the_mean_of_grap_over_all_orders(pair: Pair) -> None:
    returns, benchmark = pair
    orders = [list(order) for order in permutations(range(len(returns)))]
    total, size = np.zeros(len(returns)), 1.0
    for order in orders:
        factors = link_factors(Linking.GRAP, returns[order], benchmark[order])
        total[order] += factors
        size = max(size, np.abs(factors).max())
    assert link_factors(Linking.SYMMETRIC, returns, benchmark) == pytest.approx(total / len(orders), abs=1e-13 * size)


@given(st.lists(above_ruin, min_size=1, max_size=20).map(np.array))
def test_a_portfolio_that_is_its_benchmark_has_effects_that_sum_to_nothing(returns: np.ndarray) -> None:
    others = np.array([np.prod(1.0 + np.delete(returns, t)) for t in range(len(returns))])
    for method in defined_methods(returns, returns):
        factors = link_factors(method, returns, returns)
        expected = np.prod(1.0 + returns) ** (1.0 - 1.0 / len(returns)) if method is Linking.MENCHERO else others
        assert factors == pytest.approx(expected, rel=1e-12)
        assert factors @ (returns - returns) == 0.0


@given(st.lists(sane, min_size=1, max_size=80).map(np.array))
def test_carino_without_a_benchmark_is_the_formula_of_contributions(returns: np.ndarray) -> None:
    def coefficient(r: float) -> float:
        return float(np.log1p(r) / r) if r else 1.0

    total = float(np.expm1(np.log1p(returns).sum()))
    expected = np.array([coefficient(r) for r in returns.tolist()]) / coefficient(total)
    assert link_factors(Linking.CARINO, returns, np.zeros_like(returns)) == pytest.approx(expected, rel=1e-12)


@given(st.lists(any_return, min_size=2, max_size=80).map(np.array))
def test_a_contribution_to_date_is_not_restated_by_later_periods(returns: np.ndarray) -> None:
    to_date = link_factors(Linking.GRAP, returns, np.zeros_like(returns))
    assert to_date == pytest.approx([np.prod(1.0 + returns[:t]) for t in range(len(returns))], rel=1e-13)
    until = link_factors(Linking.GRAP, returns[:-1], np.zeros(len(returns) - 1))
    assert to_date[:-1].tolist() == until.tolist()
