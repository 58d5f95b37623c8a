from typing import Any

import pytest

from groups import Side, effects_of, leaf_effects, period_of
from lotus_performance.engine.attribution import PeriodAttribution
from lotus_performance.engine.brinson import Interaction, Model, OffBenchmark
from lotus_performance.engine.linking import Linking
from lotus_performance.errors import LinkingUndefinedError, NotSupportedError


def near(*figures: float) -> Any:
    return pytest.approx(figures, rel=1e-13, abs=1e-15)


# Weights 60 and 40 % against 50 and 50 %; returns 10 and 2 % against 8 and 4 %: r = 6.8 %, b = 6 %.
PORTFOLIO: Side = {"A": (0.6, 0.10), "B": (0.4, 0.02)}
BENCHMARK: Side = {"A": (0.5, 0.08), "B": (0.5, 0.04)}


# ------------------------------------------------------------------ models and interaction


def test_brinson_fachler_takes_returns_less_that_of_the_benchmark() -> None:
    effects = leaf_effects(period_of(PORTFOLIO, BENCHMARK))
    # A: 0.1 x (8 % - 6 %), 0.5 x (10 % - 8 %), 0.1 x 2 %; B: -0.1 x (4 % - 6 %), 0.5 x -2 %, -0.1 x -2 %.
    assert effects["A",] == near(0.002, 0.01, 0.002)
    assert effects["B",] == near(0.002, -0.01, 0.002)


def test_brinson_hood_beebower_takes_returns_as_they_are() -> None:
    effects = leaf_effects(period_of(PORTFOLIO, BENCHMARK, model=Model.BHB))
    # A: 0.1 x 8 %; B: -0.1 x 4 %. The sum is the same 0.4 %.
    assert effects["A",] == near(0.008, 0.01, 0.002)
    assert effects["B",] == near(-0.004, -0.01, 0.002)


def test_interaction_may_belong_to_selection() -> None:
    effects = leaf_effects(period_of(PORTFOLIO, BENCHMARK, interaction=Interaction.SELECTION))
    # A: 0.6 x (10 % - 8 %); B: 0.4 x (2 % - 4 %).
    assert effects["A",] == near(0.002, 0.012, 0.0)
    assert effects["B",] == near(0.002, -0.008, 0.0)


def test_interaction_may_belong_to_allocation() -> None:
    effects = leaf_effects(period_of(PORTFOLIO, BENCHMARK, interaction=Interaction.ALLOCATION))
    assert effects["A",] == near(0.004, 0.01, 0.0)
    assert effects["B",] == near(0.004, -0.01, 0.0)


# ------------------------------------------------------------------ what one side lacks


def test_what_is_not_held_has_the_return_of_the_benchmark() -> None:
    effects = leaf_effects(period_of({"A": (1.0, 0.10)}, BENCHMARK))
    # B: (0 - 0.5) x (4 % - 6 %), and no selection.
    assert effects["B",] == near(0.01, 0.0, 0.0)


def test_a_return_on_no_weight_is_not_held_either() -> None:
    """A return of nothing adds nothing: were it taken, selection and interaction would cancel."""
    effects = leaf_effects(period_of({"A": (1.0, 0.10), "B": (0.0, 0.5)}, BENCHMARK))
    assert effects["B",] == near(0.01, 0.0, 0.0)


OFF: Side = {"A": (0.6, 0.10), "B": (0.3, 0.02), "C": (0.1, 0.30)}


@pytest.mark.parametrize(
    ("policy", "allocation", "selection"),
    [
        # C against 6 %, the benchmark's total; against its own 30 %; against 0. W = 0: all else is interaction.
        pytest.param(OffBenchmark.BENCHMARK_TOTAL, 0.0, 0.1 * 0.24, id="benchmark_total"),
        pytest.param(OffBenchmark.OWN_RETURN, 0.1 * 0.24, 0.0, id="own_return"),
        pytest.param(OffBenchmark.ZERO, 0.1 * -0.06, 0.1 * 0.30, id="zero"),
    ],
)
def test_off_benchmark_policies(policy: OffBenchmark, allocation: float, selection: float) -> None:
    period = period_of(OFF, BENCHMARK, off_benchmark=policy, interaction=Interaction.SELECTION)
    assert leaf_effects(period)["C",] == near(allocation, selection, 0.0)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_a_benchmark_return_on_no_weight_is_kept() -> None:
    benchmark = {**BENCHMARK, "C": (0.0, 0.20)}
    for policy in OffBenchmark:
        period = period_of(OFF, benchmark, off_benchmark=policy, interaction=Interaction.SELECTION)
        # 0.1 x (20 % - 6 %) and 0.1 x (30 % - 20 %).
        assert leaf_effects(period)["C",] == near(0.014, 0.01, 0.0)


def test_own_return_of_what_neither_holds_nor_is_held_is_that_of_the_benchmark() -> None:
    period = period_of({**PORTFOLIO, "C": (0.0, 0.9)}, BENCHMARK, off_benchmark=OffBenchmark.OWN_RETURN)
    assert leaf_effects(period)["C",] == near(0.0, 0.0, 0.0)


# ------------------------------------------------------------------ leverage


LEVERED: Side = {"A": (0.9, 0.10), "B": (0.4, 0.02)}
"""130 % of the capital: r = 9.8 %."""


def test_weights_beyond_one_are_a_row_of_their_own() -> None:
    period = period_of(LEVERED, BENCHMARK)
    (level,) = period.levels
    # 6 % x (1.3 - 1).
    assert effects_of(level)["Leverage",] == near(0.018, 0.0, 0.0)
    assert level.keys[-1] == ("Leverage",)
    assert period.sum_of_effects == pytest.approx(0.098 - 0.06, abs=1e-15)
    assert level.totals.allocation == pytest.approx(0.4 * 0.02 + 0.1 * 0.02 + 0.018, abs=1e-15)


def test_leverage_is_in_each_level_of_a_rollup() -> None:
    portfolio = {("Eq", "A"): (0.9, 0.10), ("Bd", "B"): (0.4, 0.02)}
    benchmark = {("Eq", "A"): (0.5, 0.08), ("Bd", "B"): (0.5, 0.04)}
    period = period_of(portfolio, benchmark)
    assert [level.keys[-1] for level in period.levels] == [("Leverage",), ("Leverage", "Leverage")]
    assert [level.totals.total for level in period.levels] == near(0.038, 0.038)


def test_leverage_is_in_the_first_level_of_top_down_alone() -> None:
    portfolio = {("Eq", "A"): (0.9, 0.10), ("Bd", "B"): (0.4, 0.02)}
    benchmark = {("Eq", "A"): (0.5, 0.08), ("Bd", "B"): (0.5, 0.04)}
    first, *others = period_of(portfolio, benchmark, is_top_down=True).levels
    assert first.keys[-1] == ("Leverage",)
    assert all(("Leverage", "Leverage") not in level.keys for level in others)


def test_brinson_hood_beebower_needs_no_leverage() -> None:
    period = period_of(LEVERED, BENCHMARK, model=Model.BHB)
    assert ("Leverage",) not in leaf_effects(period)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_weights_that_miss_one_by_rounding_are_no_leverage() -> None:
    period = period_of({"A": (0.1, 0.1), "B": (0.2, 0.1), "C": (0.7000000001, 0.1)}, BENCHMARK)
    assert ("Leverage",) not in leaf_effects(period)


# ------------------------------------------------------------------ top-down


# Equities of 70 % (Tech 50, Banks 20) against 60 % (30, 30); bonds of 30 % against 40 %.
# Benchmark: equities (0.3 x 10 % + 0.3 x 4 %) / 0.6 = 7 %, bonds 2 %, total 0.6 x 7 % + 0.4 x 2 % = 5 %.
DEEP_PORTFOLIO: Side = {("Eq", "Tech"): (0.5, 0.12), ("Eq", "Bank"): (0.2, 0.03), ("Bd", "Gov"): (0.3, 0.01)}
DEEP_BENCHMARK: Side = {("Eq", "Tech"): (0.3, 0.10), ("Eq", "Bank"): (0.3, 0.04), ("Bd", "Gov"): (0.4, 0.02)}


def top_down(portfolio: Side, benchmark: Side, **options: Any) -> PeriodAttribution:
    return period_of(portfolio, benchmark, is_top_down=True, **options)


def test_top_down_decides_level_by_level() -> None:
    first, bonds, equities = top_down(DEEP_PORTFOLIO, DEEP_BENCHMARK).levels
    # (0.7 - 0.6) x (7 % - 5 %) and (0.3 - 0.4) x (2 % - 5 %).
    assert effects_of(first) == {("Bd",): near(0.003, 0.0, 0.0), ("Eq",): near(0.002, 0.0, 0.0)}
    assert first.parent is None
    # Expected within equities: 0.7 x 0.3 / 0.6 = 0.35 each.
    # Tech (0.5 - 0.35) x (10 % - 7 %), 0.5 x (12 % - 10 %); Banks (0.2 - 0.35) x (4 % - 7 %), 0.2 x (3 % - 4 %).
    assert equities.parent == ("Eq",)
    assert effects_of(equities)["Eq", "Tech"] == near(0.0045, 0.01, 0.0)
    assert effects_of(equities)["Eq", "Bank"] == near(0.0045, -0.002, 0.0)
    # Bonds are what they are expected to be: 0.3 x (1 % - 2 %) of selection.
    assert bonds.parent == ("Bd",)
    assert effects_of(bonds)["Bd", "Gov"] == near(0.0, -0.003, 0.0)


def test_levels_of_top_down_sum_to_the_active_return() -> None:
    period = top_down(DEEP_PORTFOLIO, DEEP_BENCHMARK)
    # r = 0.06 + 0.006 + 0.003 = 6.9 % against 5 %.
    assert period.sum_of_effects == pytest.approx(0.019, abs=1e-15)
    assert [level.totals.total for level in period.levels] == near(0.005, -0.003, 0.017)


def test_a_group_off_the_benchmark_takes_the_return_of_its_parent() -> None:
    portfolio = {**DEEP_PORTFOLIO, ("Eq", "Bank"): (0.1, 0.03), ("Eq", "Oil"): (0.1, 0.20)}
    *_, equities = top_down(portfolio, DEEP_BENCHMARK).levels
    # 0.1 x (7 % - 7 %) of allocation, 0.1 x (20 % - 7 %) of selection.
    assert effects_of(equities)["Eq", "Oil"] == near(0.0, 0.013, 0.0)


def test_a_parent_off_the_benchmark_expects_nothing_of_its_groups() -> None:
    portfolio = {**DEEP_PORTFOLIO, ("Bd", "Gov"): (0.2, 0.01), ("Cash", "EUR"): (0.1, 0.01)}
    period = top_down(portfolio, DEEP_BENCHMARK)
    # Cash takes the total of 5 %, and so does its only group: 0.1 x (1 % - 5 %) of selection.
    assert effects_of(period.levels[0])["Cash",] == near(0.0, 0.0, 0.0)
    assert leaf_effects(period)["Cash", "EUR"] == near(0.0, -0.004, 0.0)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_a_parent_of_no_weight_with_returns_keeps_them() -> None:
    """The benchmark shows what cash earns and holds none: W of the parent is 0, so w (b - b of the parent)."""
    portfolio = {**DEEP_PORTFOLIO, ("Bd", "Gov"): (0.2, 0.01), ("Cash", "EUR"): (0.1, 0.01)}
    benchmark = {**DEEP_BENCHMARK, ("Cash", "EUR"): (0.0, 0.02), ("Cash", "USD"): (0.0, 0.04)}
    period = top_down(portfolio, benchmark)
    # Cash earns 3 % on average: 0.1 x (3 % - 5 %); EUR 0.1 x (2 % - 3 %) and 0.1 x (1 % - 2 %).
    assert effects_of(period.levels[0])["Cash",] == near(-0.002, 0.0, 0.0)
    assert leaf_effects(period)["Cash", "EUR"] == near(-0.001, -0.001, 0.0)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_groups_of_a_benchmark_may_cancel_within_their_parent() -> None:
    """Long 30 % and short 30 %: the parent weighs nothing, and a portfolio that is its benchmark has no effects."""
    benchmark: Side = {
        ("Eq", "A"): (0.1, 0.05),
        ("Eq", "B"): (0.2, 0.1),
        ("Eq", "C"): (-0.3, 0.02),
        ("Bd", "D"): (1.0, 0.01),
    }
    period = top_down(benchmark, benchmark)
    assert max(abs(x) for each in leaf_effects(period).values() for x in each) < 1e-15
    portfolio = {**benchmark, ("Eq", "A"): (0.2, 0.05), ("Bd", "D"): (0.9, 0.03)}
    period = top_down(portfolio, benchmark)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("policy", [OffBenchmark.OWN_RETURN, OffBenchmark.ZERO])
def test_other_policies_below_the_first_level_are_not_supported(policy: OffBenchmark) -> None:
    portfolio = {**DEEP_PORTFOLIO, ("Eq", "Bank"): (0.1, 0.03), ("Eq", "Oil"): (0.1, 0.20)}
    with pytest.raises(NotSupportedError, match="Eq / Oil") as caught:
        top_down(portfolio, DEEP_BENCHMARK, off_benchmark=policy)
    assert caught.value.faults[0].place == ("off_benchmark",)


@pytest.mark.parametrize(
    ("policy", "allocation", "selection"),
    [
        (OffBenchmark.BENCHMARK_TOTAL, 0.0, 0.024),
        (OffBenchmark.OWN_RETURN, 0.024, 0.0),
        (OffBenchmark.ZERO, -0.006, 0.03),
    ],
)
def test_policies_hold_at_the_first_level_of_top_down(
    policy: OffBenchmark, allocation: float, selection: float
) -> None:
    period = top_down(OFF, BENCHMARK, off_benchmark=policy)
    assert leaf_effects(period)["C",] == near(allocation, selection, 0.0)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_policies_do_not_matter_where_all_is_in_the_benchmark() -> None:
    plain = top_down(DEEP_PORTFOLIO, DEEP_BENCHMARK)
    for policy in OffBenchmark:
        assert leaf_effects(top_down(DEEP_PORTFOLIO, DEEP_BENCHMARK, off_benchmark=policy)) == leaf_effects(plain)


# ------------------------------------------------------------------ geometric


def test_geometric_effects_are_relative_to_the_benchmark() -> None:
    period = period_of(PORTFOLIO, BENCHMARK, linking=Linking.GEOMETRIC)
    effects = leaf_effects(period)
    # A: 0.1 x (1.08 / 1.06 - 1); semi-notional 0.6 x 8 % + 0.4 x 4 % = 6.4 %: 0.6 x 2 % / 1.064.
    assert effects["A",] == near(0.1 * 0.02 / 1.06, 0.012 / 1.064, 0.0)
    assert effects["B",] == near(0.1 * 0.02 / 1.06, -0.008 / 1.064, 0.0)
    assert period.active_return == pytest.approx(1.068 / 1.06 - 1.0, abs=1e-15)
    totals = period.levels[-1].totals
    assert (totals.allocation, totals.selection) == near(1.064 / 1.06 - 1.0, 1.068 / 1.064 - 1.0)


def test_totals_of_geometric_effects_compound_and_rows_sum_to_them() -> None:
    period = period_of(
        {"A": [(0.6, 0.10), (0.5, 0.05)], "B": [(0.4, 0.02), (0.5, 0.01)]},
        {"A": [(0.5, 0.08), (0.5, 0.02)], "B": [(0.5, 0.04), (0.5, 0.04)]},
        linking=Linking.GEOMETRIC,
    )
    totals = period.levels[-1].totals
    # Second day: weights are the benchmark's, so A = 0; b = 3 % and S = 1.03 / 1.03 - 1 = 0.
    assert totals.allocation == pytest.approx(1.064 / 1.06 - 1.0, abs=1e-15)
    assert (1.0 + totals.allocation) * (1.0 + totals.selection) - 1.0 == pytest.approx(1.068 / 1.06 - 1.0, abs=1e-14)
    rows = leaf_effects(period).values()
    assert sum(row[0] for row in rows) == pytest.approx(totals.allocation, abs=1e-15)
    assert sum(row[1] for row in rows) == pytest.approx(totals.selection, abs=1e-15)


def test_geometric_effects_need_weights_that_sum_alike() -> None:
    with pytest.raises(NotSupportedError, match="another linking"):
        period_of(LEVERED, BENCHMARK, linking=Linking.GEOMETRIC)


@pytest.mark.parametrize(
    ("portfolio", "against"),
    [
        pytest.param({"A": (1.0, -1.0)}, {"A": (1.0, 0.1)}, id="portfolio"),
        pytest.param({"A": (1.0, 0.1)}, {"A": (1.0, -1.0)}, id="benchmark"),
        pytest.param({"A": (2.0, 0.1), "B": (-1.0, 0.0)}, {"A": (0.5, -0.7), "B": (0.5, 0.1)}, id="semi-notional"),
    ],
)
def test_geometric_effects_of_a_total_loss_are_refused(portfolio: Side, against: Side) -> None:
    with pytest.raises(LinkingUndefinedError, match=r"returns of W: .* symmetric"):
        period_of(portfolio, against, linking=Linking.GEOMETRIC)


# ------------------------------------------------------------------ by currency


# EUR 70 % against 40 %: local 3 % against 2 %, the currency 1 % on both. USD 30 % against 60 %: 1 % against 0.5 %.
CURRENCY_PORTFOLIO: Side = {"EUR": (0.7, 0.0403, 0.03, 0.01), "USD": (0.3, 0.01)}
CURRENCY_BENCHMARK: Side = {"EUR": (0.4, 0.0302, 0.02, 0.01), "USD": (0.6, 0.005)}


def by_currency(portfolio: Side, benchmark: Side, **options: Any) -> tuple[PeriodAttribution, dict[str, Any]]:
    names = options.pop("names", ["currency"])
    period = period_of(portfolio, benchmark, with_currencies=True, names=names, **options)
    parts = period.currencies
    assert parts is not None
    columns = (parts.local_allocation, parts.local_selection, parts.currency_allocation, parts.currency_selection)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return period, dict(zip(parts.names, rows, strict=True))


def test_four_effects_of_a_currency() -> None:
    period, effects = by_currency(CURRENCY_PORTFOLIO, CURRENCY_BENCHMARK)
    # Benchmark: local 0.4 x 2 % + 0.6 x 0.5 % = 1.1 %, currency 0.4 x 1.02 x 1 % = 0.408 %.
    # EUR: 0.3 x (2 - 1.1), 0.7 x (3 - 2), 0.3 x (1.02 - 0.408), 0.7 x (1.03 - 1.02).
    assert effects["EUR"] == near(0.0027, 0.007, 0.001836, 0.00007)
    # USD: -0.3 x (0.5 - 1.1), 0.3 x (1 - 0.5), -0.3 x (0 - 0.408), 0.
    assert effects["USD"] == near(0.0018, 0.0015, 0.001224, 0.0)
    assert sum(map(sum, effects.values())) == pytest.approx(period.active_return, abs=1e-15)


def test_a_currency_that_the_benchmark_lacks_takes_its_totals() -> None:
    _, effects = by_currency(
        {**CURRENCY_PORTFOLIO, "EUR": (0.6, 0.0403, 0.03, 0.01), "JPY": (0.1, 0.0506, 0.03, 0.02)}, CURRENCY_BENCHMARK
    )
    # 0.1 x (3 - 1.1) and 0.1 x (1.03 x 2 - 0.408).
    assert effects["JPY"] == near(0.0, 0.0019, 0.0, 0.1 * (0.0206 - 0.00408))


def test_currencies_have_a_row_of_leverage() -> None:
    period, effects = by_currency({**CURRENCY_PORTFOLIO, "USD": (0.5, 0.01)}, CURRENCY_BENCHMARK)
    # 0.2 x 1.1 % and 0.2 x 0.408 %.
    assert effects["Leverage"] == near(0.0022, 0.0, 0.000816, 0.0)
    assert sum(map(sum, effects.values())) == pytest.approx(period.active_return, abs=1e-15)


def test_leaves_of_a_currency_are_added_up() -> None:
    portfolio: Side = {
        ("EUR", "A"): (0.3, 0.0403, 0.03, 0.01),
        ("EUR", "B"): (0.4, 0.0403, 0.03, 0.01),
        ("USD", "A"): (0.3, 0.01),
    }
    benchmark: Side = {("EUR", "A"): (0.4, 0.0302, 0.02, 0.01), ("USD", "B"): (0.6, 0.005)}
    _, effects = by_currency(portfolio, benchmark, names=["currency", "sector"])
    assert effects == {
        "EUR": near(0.0027, 0.007, 0.001836, 0.00007),
        "USD": near(0.0018, 0.0015, 0.001224, 0.0),
    }


def test_groups_that_cancel_within_a_currency_have_no_allocation() -> None:
    """Long and short of 30 % each in EUR: what they earn together is selection, against the portfolio's of the same."""
    benchmark: Side = {("EUR", "A"): (0.3, 0.05), ("EUR", "B"): (-0.3, 0.02), ("USD", "C"): (1.0, 0.01)}
    portfolio: Side = {("USD", "C"): (1.0, 0.01)}
    period, effects = by_currency(portfolio, benchmark, names=["currency", "sector"])
    # r = 1 %; b = 0.3 x 3 % + 1 % = 1.9 %.
    assert effects["EUR"] == near(0.0, -0.009, 0.0, 0.0)
    assert sum(map(sum, effects.values())) == pytest.approx(period.active_return, abs=1e-15)
    assert by_currency(benchmark, benchmark, names=["currency", "sector"])[1] == {
        "EUR": near(0.0, 0.0, 0.0, 0.0),
        "USD": near(0.0, 0.0, 0.0, 0.0),
    }
