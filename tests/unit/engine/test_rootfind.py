import numpy as np
import pytest

from lotus_performance.engine.rootfind import RootsBatch, Search, find_roots, find_roots_batch

DAY = 1.0 / 365.0
YEARS = np.arange(100.0)


def alternating(n: int) -> np.ndarray:
    return np.where(np.arange(n) % 2, -1.0, 1.0) * (1.0 + 0.01 * np.arange(n))


def with_root(amounts: np.ndarray, times: np.ndarray, x: float, multiplicity: int = 1) -> np.ndarray:
    """Return the amounts, the last ones replaced so that f, and its derivatives up to the multiplicity, are 0 at x."""
    powers = times ** np.arange(multiplicity)[:, None] * np.exp(-times * x)
    last = slice(len(amounts) - multiplicity, None)
    out = amounts.copy()
    out[last] = np.linalg.solve(powers[:, last], -powers[:, :-multiplicity] @ amounts[:-multiplicity])
    return out


@pytest.mark.parametrize(
    ("amounts", "rates"),
    [
        pytest.param([-100.0, 121.0], [0.21], id="one"),
        pytest.param([-100.0, 50.0, 0.0, 50.0], [0.0], id="zero"),
        pytest.param([-100.0, 230.0, -132.0], [0.1, 0.2], id="two"),
        pytest.param([-1000.0, 3600.0, -4310.0, 1716.0], [0.1, 0.2, 0.3], id="three"),
        pytest.param([-100.0, 220.0, -121.0], [0.1], id="double"),
        pytest.param([-1000.0, 3300.0, -3630.0, 1331.0], [0.1], id="triple"),
        pytest.param([10000.0, -44000.0, 72600.0, -53240.0, 14641.0], [0.1], id="quadruple"),
        pytest.param([-1000.0, 3400.0, -3850.0, 1452.0], [0.1, 0.2], id="double and single"),
    ],
)
def test_all_rates_are_found(amounts: list[float], rates: list[float]) -> None:
    roots = find_roots(np.array(amounts), YEARS[: len(amounts)])
    assert np.expm1(roots.x) == pytest.approx(rates, abs=1e-12)
    assert roots.converged


@pytest.mark.parametrize(
    ("amounts", "search"),
    [
        pytest.param([], Search.PROVEN, id="no flows"),
        pytest.param([0.0, 0.0], Search.PROVEN, id="zeros"),
        pytest.param([-100.0], Search.PROVEN, id="one flow"),
        pytest.param([0.0, 5.0, 7.0], Search.PROVEN, id="one sign"),
        pytest.param([-100.0, 219.0, -121.0], Search.EXACT, id="two changes"),
        pytest.param([1.0, -1.0, 1.0, -1.0, 1.0], Search.EXACT, id="four changes"),
    ],
)
def test_flows_without_a_rate_have_no_root(amounts: list[float], search: Search) -> None:
    roots = find_roots(np.array(amounts), YEARS[: len(amounts)])
    assert len(roots.x) == 0
    assert roots.search is search
    assert roots.is_unique is False
    assert not roots.converged


def test_one_sign_change_proves_the_root() -> None:
    roots = find_roots(np.array([-100.0, -10.0, 60.0, 60.0]), YEARS[:4])
    assert roots.search is Search.PROVEN
    assert roots.is_unique is True


def test_a_balance_that_keeps_its_sign_leaves_no_other_root() -> None:
    roots = find_roots(np.array([-100.0, 20.0, -5.0, 20.0, -5.0, 95.0]), YEARS[:6])
    assert roots.search is Search.EXACT
    assert roots.is_unique is True
    assert roots.iterations < 10


def test_several_roots_are_not_unique() -> None:
    assert find_roots(np.array([-100.0, 230.0, -132.0]), YEARS[:3]).is_unique is False


@pytest.mark.parametrize(
    ("amounts", "times", "x"),
    [
        pytest.param([-1e9, 1e-9], [0.0, 1.0], np.log(1e-18), id="next to -100 %"),
        pytest.param([-1000.0, 6000.0], [0.0, DAY], 365.0 * np.log(6.0), id="six times overnight"),
        pytest.param([-1.0, 1e280], [0.0, DAY], 365.0 * np.log(1e280), id="beyond any rate a double holds"),
        pytest.param([-1.0, 2.0], [0.0, 9999.0], np.log(2.0) / 9999.0, id="9,999 years"),
        pytest.param([-1e308, 1e308, 1e308], [0.0, DAY, 1.0], None, id="sums beyond doubles"),
        pytest.param([-5e-324, 1e-323], [0.0, 1.0], np.log(2.0), id="the smallest doubles"),
        pytest.param([-1.0, 1.0, 1e-300], [0.0, 1.0, 2.0], 0.0, id="a flow that vanishes beside the others"),
        pytest.param([-1e-6, 1.0, 1e6], [0.0, 1e4, 1e4 + DAY], None, id="a tiny first flow"),
    ],
)
def test_extreme_rates_times_and_amounts_are_solved(amounts: list[float], times: list[float], x: float | None) -> None:
    roots = find_roots(np.array(amounts), np.array(times))
    assert roots.converged
    assert roots.residual < 1e-12
    assert len(roots.x) == 1
    if x is not None:
        assert roots.x[0] == pytest.approx(x, rel=1e-14, abs=1e-15)


def test_the_unit_of_the_amounts_does_not_matter() -> None:
    amounts = np.array([-1000.0, 3600.0, -4310.0, 1716.0])
    roots = find_roots(amounts, YEARS[:4])
    assert np.array_equal(find_roots(amounts * 2.0**700, YEARS[:4]).x, roots.x)
    assert find_roots(amounts * 1e-200, YEARS[:4]).x == pytest.approx(roots.x, rel=1e-13)


def test_zeros_between_the_flows_change_nothing() -> None:
    times = np.array([0.0, 1.0, 2.5, 3.0, 4.0])
    roots = find_roots(np.array([0.0, -100.0, 0.0, 121.0, 0.0]), times)
    assert np.array_equal(roots.x, find_roots(np.array([-100.0, 121.0]), times[[1, 3]]).x)


def test_the_most_sign_changes_that_are_separated() -> None:
    amounts = with_root(alternating(65), YEARS[:65] / 12.0, 0.03)
    roots = find_roots(amounts, YEARS[:65] / 12.0)
    assert roots.search is Search.EXACT
    assert np.abs(roots.x - 0.03).min() < 1e-12


@pytest.mark.parametrize("multiplicity", [1, 2])
@pytest.mark.parametrize("x", [-7.5, 0.03, 4.0])
def test_more_sign_changes_are_scanned(x: float, multiplicity: int) -> None:
    times = YEARS[:80] / 12.0
    amounts = with_root(alternating(80), times, x, multiplicity)
    roots = find_roots(amounts, times)
    assert roots.search is Search.SCAN
    assert roots.is_unique is None
    assert np.abs(roots.x - x).min() < 1e-9
    assert roots.converged


def test_two_roots_between_neighbouring_points_of_a_scan_are_found() -> None:
    times = YEARS[:80] / 12.0
    touching = with_root(alternating(80), times, 0.03, 2)
    # A little less than touching: two roots on either side, much closer than the points.
    value = np.exp(-times * 0.03) @ np.abs(touching)
    crossing = touching + 1e-9 * value * np.sign(touching[0]) * np.eye(80)[0]
    apart = touching - 1e-9 * value * np.sign(touching[0]) * np.eye(80)[0]
    near = [np.abs(find_roots(amounts, times).x - 0.03) < 1e-3 for amounts in (crossing, apart)]
    assert sorted(map(np.count_nonzero, near)) == [0, 2]


def test_a_chain_that_doubles_cannot_hold_is_scanned() -> None:
    times = np.append(np.arange(64.0), 3_650_000.0) * DAY
    amounts = with_root(alternating(65), times, 1e-4)
    roots = find_roots(amounts, times)
    assert roots.search is Search.SCAN
    assert np.abs(roots.x - 1e-4).min() < 1e-12


def test_a_batch_gives_each_list_its_own_roots() -> None:
    amounts = np.zeros((6, 80))
    amounts[0, :2] = [-100.0, 121.0]
    amounts[2, :3] = [-100.0, 230.0, -132.0]
    amounts[3, :3] = [-100.0, 219.0, -121.0]
    amounts[4, 5:9] = [-1000.0, 3600.0, -4310.0, 1716.0]
    amounts[5] = with_root(alternating(80), YEARS[:80] / 12.0, 0.5)
    batch = find_roots_batch(amounts, YEARS[:80] / 12.0)
    assert len(batch) == 6
    for i in range(6):
        alone = find_roots(amounts[i], YEARS[:80] / 12.0)
        assert batch[i].x == pytest.approx(alone.x, rel=1e-13)
        assert batch[i].search is alone.search
        assert batch[i].converged is alone.converged
        assert batch[i].iterations > 0 or len(alone.x) == 0
    assert [len(batch[i].x) for i in range(5)] == [1, 0, 2, 0, 3]


def test_a_batch_longer_than_a_chunk_keeps_its_order() -> None:
    rates = np.linspace(-0.9, 5.0, 3000)
    amounts = np.zeros((3000, 60))
    amounts[:, 0], amounts[:, 59] = -1.0, 1.0 + rates
    batch = find_roots_batch(amounts, YEARS[:60] / 59.0)
    assert np.expm1(batch.x) == pytest.approx(rates, rel=1e-13)
    assert np.array_equal(batch.first, np.arange(3001))


def test_a_batch_may_be_empty() -> None:
    batch = find_roots_batch(np.empty((0, 3)), YEARS[:3])
    assert len(batch) == 0
    assert len(batch.x) == 0


def test_a_root_that_leaves_a_residual_has_not_converged() -> None:
    batch = RootsBatch(
        x=np.array([0.1]),
        first=np.array([0, 1]),
        search=np.array([Search.PROVEN], dtype=object),
        iterations=np.array([3]),
        residual=np.array([1e-3]),
    )
    assert not batch[0].converged
    assert batch[0].residual == 1e-3
