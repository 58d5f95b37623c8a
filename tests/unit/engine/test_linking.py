import math
from itertools import permutations

import numpy as np
import pytest

from lotus_performance.engine.linking import EXACT_METHODS, Linking, defined_methods, link_factors
from lotus_performance.errors import FigureOverflowError, LinkingUndefinedError

CARINO, LOG, MENCHERO, GRAP, FRONGELLO, SYMMETRIC = (
    Linking.CARINO,
    Linking.LOG,
    Linking.MENCHERO,
    Linking.GRAP,
    Linking.FRONGELLO,
    Linking.SYMMETRIC,
)
CONTRIBUTION_NAMES = {
    Linking.NONE: "NONE",
    CARINO: "CARINO",
    MENCHERO: "MENCHERO",
    GRAP: "TO_DATE",
    SYMMETRIC: "SYMMETRIC",
}


def factors_of(method: Linking, returns: list[float], benchmark: list[float] | None = None) -> np.ndarray:
    return link_factors(method, np.array(returns), np.array(benchmark or [0.0] * len(returns)))


def residual(method: Linking, returns: np.ndarray, benchmark: np.ndarray) -> float:
    """Return what the linked active returns miss of R - B, in units of the largest of 1, R and B."""
    total, bmk_total = np.prod(1.0 + returns) - 1.0, np.prod(1.0 + benchmark) - 1.0
    linked = link_factors(method, returns, benchmark) @ (returns - benchmark)
    return float(abs(linked - (total - bmk_total)) / max(1.0, abs(total), abs(bmk_total)))


def message_of(method: Linking, returns: list[float], benchmark: list[float]) -> str:
    with pytest.raises(LinkingUndefinedError) as caught:
        factors_of(method, returns, benchmark)
    return caught.value.message


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize(
    ("method", "returns", "bmk_returns", "expected"),
    [
        pytest.param(Linking.NONE, [0.2, -1.5], [0.1, 0.0], [1.0, 1.0], id="none"),
        # k = ln(4/2)/2 and ln(2/1)/1; 8 against 2: K = ln(8/2)/6 = ln 2/3. 1.5 x 2 + 3 x 1 = 6.
        pytest.param(CARINO, [3.0, 1.0], [1.0, 0.0], [1.5, 3.0], id="carino"),
        # The same with portfolio and benchmark exchanged: k is symmetric.
        pytest.param(CARINO, [1.0, 0.0], [3.0, 1.0], [1.5, 3.0], id="carino of losses"),
        # k = ln 2/1 and ln 4/3; K = ln 8/7. 7/3 x 1 + 14/9 x 3 = 7.
        pytest.param(CARINO, [1.0, 3.0], None, [7.0 / 3.0, 14.0 / 9.0], id="carino without benchmark"),
        # M = (1.44 - 1.21)/2 / (1.2 - 1.1) = 1.15; M x 0.2 = 0.23 leaves nothing: c = 0.
        pytest.param(MENCHERO, [0.2, 0.2], [0.1, 0.1], [1.15, 1.15], id="menchero of equal periods"),
        # 1.8 x 0.8 = 1.44 again, d = 0.7 and -0.3: c = (0.23 - 1.15 x 0.4) / 0.58.
        pytest.param(
            MENCHERO, [0.8, -0.2], [0.1, 0.1], [1.15 - 0.7 * 0.23 / 0.58, 1.15 + 0.3 * 0.23 / 0.58], id="menchero"
        ),
        # (-2) x (-0.72) = 1.44 too, d = -3.1 and -1.82: c = (0.23 + 1.15 x 4.92) / 12.9224.
        pytest.param(
            MENCHERO,
            [-3.0, -1.72],
            [0.1, 0.1],
            [1.15 - 3.1 * 5.888 / 12.9224, 1.15 - 1.82 * 5.888 / 12.9224],
            id="menchero of two losses beyond everything",
        ),
        # Before: 1, 1.2, 1.2 x 0.5; after: 1.1 x 1.2, 1.2, 1.
        pytest.param(GRAP, [0.2, -0.5, 0.3], [0.0, 0.1, 0.2], [1.32, 1.44, 0.6], id="grap"),
        # Before: 1, 1.2, 0; the loss of everything takes later effects with it.
        pytest.param(GRAP, [0.2, -1.0, 0.3], None, [1.0, 1.2, 0.0], id="to date"),
        # The other period grows by 1.05 or 1.10, and by 1.10 or 1.20, as it comes later or earlier.
        pytest.param(SYMMETRIC, [0.2, 0.1], [0.1, 0.05], [1.075, 1.15], id="symmetric"),
        # Over x: (1 + x)(1 + 2x) = 1 + 3x + 2x²: 1 + 3/2 + 2/3 = 19/6; (1 + 3x)(1 + 2x): 1 + 5/2 + 2 = 11/2;
        # (1 + 3x)(1 + x): 1 + 2 + 1 = 4. 3 x 19/6 + 11/2 + 2 x 4 = 23 = 4 x 2 x 3 - 1.
        pytest.param(SYMMETRIC, [3.0, 1.0, 2.0], None, [19.0 / 6.0, 5.5, 4.0], id="symmetric without benchmark"),
        # Over x: 1 + x gives 3/2, 1 - x gives 1/2. -3/2 + 1/2 = -1.
        pytest.param(SYMMETRIC, [-1.0, 1.0], None, [1.5, 0.5], id="symmetric of a total loss"),
    ],
)
def test_the_factors_of(
    method: Linking, returns: list[float], bmk_returns: list[float] | None, expected: list[float]
) -> None:
    assert factors_of(method, returns, bmk_returns) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("method", list(Linking)[:-1])
def test_one_period_needs_no_linking(method: Linking) -> None:
    assert factors_of(method, [0.25], [0.1]) == pytest.approx([1.0], rel=1e-15)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # 1 + B = 8, over 1 + b.
        pytest.param(CARINO, [4.0, 2.0], id="carino"),
        pytest.param(GRAP, [4.0, 2.0], id="grap"),
        pytest.param(SYMMETRIC, [4.0, 2.0], id="symmetric"),
    ],
)
@pytest.mark.parametrize("distance", [0.0, 2.0**-52, 2.0**-48, 2.0**-40])
def test_factors_do_not_jump_where_portfolio_and_benchmark_are_the_same(
    method: Linking, expected: list[float], distance: float
) -> None:
    found = factors_of(method, [1.0 + distance, 3.0 - 3.0 * distance], [1.0, 3.0])
    assert found == pytest.approx(expected, rel=1e-14 + 10.0 * distance)


@pytest.mark.parametrize("method", EXACT_METHODS)
@pytest.mark.parametrize("size", [1e-8, 1e-10, 1e-17, 1e-200, 5e-324])
def test_tiny_returns_have_factors_of_one(method: Linking, size: float) -> None:
    assert factors_of(method, [size, -size, size]) == pytest.approx([1.0] * 3, rel=3.0 * size + 1e-15)


def test_menchero_takes_no_correction_where_portfolio_and_benchmark_are_the_same() -> None:
    assert factors_of(MENCHERO, [1.0, 3.0], [1.0, 3.0]) == pytest.approx([math.sqrt(8.0)] * 2, rel=1e-15)


@pytest.mark.parametrize("distance", [2.0**-48, 2.0**-40])
def test_the_correction_of_menchero_does_not_drown_in_rounding(distance: float) -> None:
    # d = (1, -3) x distance: R - B is (4 - 6) x distance, M = sqrt 8 leaves c d = (-2 + 2 sqrt 8)/10 (1, -3).
    found = factors_of(MENCHERO, [1.0 + distance, 3.0 - 3.0 * distance], [1.0, 3.0])
    correction = 0.2 * (math.sqrt(8.0) - 1.0)
    assert found == pytest.approx(math.sqrt(8.0) + correction * np.array([1.0, -3.0]), rel=1e-14 + 10.0 * distance)


def test_log_is_another_name_of_carino() -> None:
    assert factors_of(LOG, [0.2, 0.1], [0.1, 0.0]).tolist() == factors_of(CARINO, [0.2, 0.1], [0.1, 0.0]).tolist()


def test_the_recursion_of_frongello_has_the_factors_of_grap() -> None:
    returns, benchmark, effects = [0.2, -0.4, 0.1, 0.3], [0.1, 0.05, -0.2, 0.15], [0.03, -0.01, 0.02, 0.05]
    growth, linked = 1.0, 0.0
    for r, b, effect in zip(returns, benchmark, effects, strict=True):
        linked += effect * growth + b * linked
        growth *= 1.0 + r
    for method in (FRONGELLO, GRAP):
        assert factors_of(method, returns, benchmark) @ effects == pytest.approx(linked, rel=1e-14)


def test_symmetric_is_the_mean_of_grap_over_all_orders() -> None:
    returns, benchmark = np.array([0.2, -1.5, 0.1, 2.0]), np.array([0.1, 0.3, -1.0, 0.0])
    total = np.zeros(4)
    for order in map(list, permutations(range(4))):
        total[order] += link_factors(GRAP, returns[order], benchmark[order])
    assert link_factors(SYMMETRIC, returns, benchmark) == pytest.approx(total / 24.0, rel=1e-14)


def test_geometric_has_no_factors_of_its_own() -> None:
    with pytest.raises(ValueError, match="geometric"):
        factors_of(Linking.GEOMETRIC, [0.1])


# ------------------------------------------------------------------ where a method is not defined


@pytest.mark.parametrize(
    ("returns", "bmk_returns", "expected"),
    [
        pytest.param([0.1, -0.99], [0.0, 0.2], EXACT_METHODS, id="ordinary returns"),
        pytest.param([0.1, -1.0], [0.0, 0.2], (GRAP, FRONGELLO, SYMMETRIC), id="a total loss"),
        pytest.param([0.1, 0.1], [0.0, -1.1], (GRAP, FRONGELLO, SYMMETRIC), id="a benchmark lost more"),
        pytest.param(
            [-1.5, -1.5], [0.0, 0.2], (MENCHERO, GRAP, FRONGELLO, SYMMETRIC), id="losses that multiply to a gain"
        ),
    ],
)
def test_the_methods_defined_for(returns: list[float], bmk_returns: list[float], expected: tuple[Linking, ...]) -> None:
    assert defined_methods(np.array(returns), np.array(bmk_returns)) == expected


@pytest.mark.parametrize(
    ("method", "returns", "bmk_returns", "expected"),
    [
        pytest.param(
            CARINO,
            [0.1, -1.2, -1.3],
            [0.0, 0.0, 0.0],
            "Linking by carino is not defined for these returns: it takes logarithms of 1 + return, and the portfolio "
            "has -120 % in period 2 of 3. Ask for menchero, grap, frongello or symmetric.",
            id="carino",
        ),
        pytest.param(
            LOG,
            [0.1, 0.2],
            [0.0, -1.0],
            "Linking by log is not defined for these returns: it takes logarithms of 1 + return, and the benchmark "
            "has -100 % in period 2 of 2. Ask for grap, frongello or symmetric.",
            id="log",
        ),
        pytest.param(
            MENCHERO,
            [0.25, 0.0],
            [0.5, -1.5],
            "Linking by menchero is not defined for these returns: it takes roots of 1 + total return, and the "
            "benchmark has -175 % in total. Ask for grap, frongello or symmetric.",
            id="menchero",
        ),
    ],
)
def test_the_refusal_of(method: Linking, returns: list[float], bmk_returns: list[float], expected: str) -> None:
    assert message_of(method, returns, bmk_returns) == expected


def test_a_refusal_names_the_methods_as_the_caller_does_and_only_those_it_knows() -> None:
    with pytest.raises(LinkingUndefinedError, match=r"^Linking by CARINO .*\. Ask for TO_DATE or SYMMETRIC\.$"):
        link_factors(CARINO, np.array([-1.0]), np.zeros(1), CONTRIBUTION_NAMES)


@pytest.mark.parametrize("method", [GRAP, SYMMETRIC])
def test_losses_of_everything_and_more_are_linked(method: Linking) -> None:
    returns, benchmark = np.array([0.1, -1.0, -2.5, 0.3]), np.array([-1.0, 0.2, -1.2, 0.0])
    assert residual(method, returns, benchmark) < 1e-15


# ------------------------------------------------------------------ beyond doubles


@pytest.mark.parametrize("method", EXACT_METHODS)
@pytest.mark.parametrize(
    "returns",
    [
        pytest.param([9.0] * 400, id="the total"),
        pytest.param([1e200, 1e200, -1.0 + 2.0**-50, 0.0], id="a product on the way"),
    ],
)
def test_a_product_beyond_a_double_is_refused(method: Linking, returns: list[float]) -> None:
    with pytest.raises(FigureOverflowError, match="too large"):
        factors_of(method, returns)


@pytest.mark.parametrize("method", [GRAP, SYMMETRIC])
@pytest.mark.parametrize("n_idle", [1, 100])
def test_a_factor_beyond_a_double_is_refused_though_the_totals_are_not(method: Linking, n_idle: int) -> None:
    tiny, idle = -1.0 + 2.0**-53, [0.0] * n_idle
    with pytest.raises(FigureOverflowError, match="too large"):
        factors_of(method, [1e300, *idle, tiny], [tiny, *idle, 1e300])


def test_a_total_that_is_too_small_for_a_double_is_a_total_loss() -> None:
    returns, benchmark = [-0.9] * 400, [-0.8] * 500
    assert factors_of(CARINO, returns) @ returns == pytest.approx(-1.0, rel=1e-14)
    assert factors_of(CARINO, [*returns, *[0.0] * 100], benchmark).tolist() == [0.0] * 500
    assert "-100 % in total" in message_of(MENCHERO, returns, [0.0] * 400)


# ------------------------------------------------------------------ long histories


def days(n: int, volatility: float, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0004, volatility, n)
    return benchmark + rng.normal(0.0, 0.3 * volatility, n), benchmark


@pytest.mark.parametrize("method", EXACT_METHODS)
@pytest.mark.parametrize(
    ("returns", "bmk_returns"),
    [
        pytest.param(*days(2520, 0.01), id="ten years of days"),
        pytest.param(*days(2520, 0.06), id="ten wild years"),
        pytest.param(np.full(2520, 0.0013), np.full(2520, 0.0001), id="one return for ten years"),
        pytest.param(*days(40_000, 0.01), id="forty thousand days"),
        pytest.param(np.random.default_rng(2).uniform(-0.2, 0.2, 2520), np.zeros(2520), id="no benchmark"),
        pytest.param(*np.random.default_rng(3).uniform(-0.2, 0.2, (2, 2520)), id="unlike its benchmark"),
    ],
)
def test_linked_active_returns_of(method: Linking, returns: np.ndarray, bmk_returns: np.ndarray) -> None:
    assert residual(method, returns, bmk_returns) < 1e-12


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 66, 100, 300])
def test_idle_periods_change_no_factor_of_symmetric(n: int) -> None:
    """64 periods are linked by one set of nodes, more of them by panels."""
    returns, benchmark = days(n, 0.2)
    short = link_factors(SYMMETRIC, returns, benchmark)
    longer = link_factors(SYMMETRIC, np.append(returns, np.zeros(300)), np.append(benchmark, np.zeros(300)))
    assert longer[:n] == pytest.approx(short, rel=1e-12)


def test_a_portfolio_that_swaps_returns_with_its_benchmark_is_linked_exactly() -> None:
    """The active return is 0 with any nodes, however far from the integral."""
    n = 120
    returns, benchmark = np.tile([3.0, -0.5], n), np.tile([-0.5, 3.0], n)
    # The other days are n of 1 + 3 - 3.5 x and n - 1 of 1 - 0.5 + 3.5 x, or the mirror image: of degree 2n - 1.
    nodes, weights = np.polynomial.legendre.leggauss(n)
    x = 0.5 * (1.0 + nodes)
    exact = 0.5 * weights @ ((4.0 - 3.5 * x) ** n * (0.5 + 3.5 * x) ** (n - 1))
    found = link_factors(SYMMETRIC, returns, benchmark)
    assert found == pytest.approx(np.full(2 * n, exact), rel=1e-12)


def test_a_hostile_history_is_answered_as_well_as_its_share_of_work_allows() -> None:
    rng = np.random.default_rng(5)
    signs = np.where(rng.random(40_000) < 0.5, -1.0, 1.0)
    factors = link_factors(SYMMETRIC, signs - 1.0, np.roll(signs, 1) - 1.0)
    assert np.isfinite(factors).all()


def test_a_refusal_names_what_is_linked_and_its_dates_where_they_are_told() -> None:
    returns, dates = np.array([0.1, -1.0]), np.array(["2025-01-06", "2025-01-07"], dtype="M8[D]")
    with pytest.raises(LinkingUndefinedError, match=r"not defined for the returns of YTD: .* -100 % on 2025-01-07"):
        link_factors(Linking.CARINO, returns, np.zeros(2), what="the returns of YTD", dates=dates)
    with pytest.raises(LinkingUndefinedError, match=r"not defined for these returns: .* -100 % in period 2 of 2"):
        link_factors(Linking.CARINO, returns, np.zeros(2))
