from typing import Any

import numpy as np
import pytest

from groups import Side, compare_groups, days, effects_of, leaf_effects, observations, period_of, window
from lotus_performance.engine.attribution import Attribution, Method, PeriodAttribution, attribution, of_instruments
from lotus_performance.engine.fx import DatedValues
from lotus_performance.engine.holdings import HoldingCurrencies
from lotus_performance.engine.linking import EXACT_METHODS, Linking
from lotus_performance.engine.periods import Frequency, Window
from lotus_performance.engine.returns import Basis
from lotus_performance.errors import (
    DatesMismatchError,
    FigureOverflowError,
    FxRateMissingError,
    LinkingUndefinedError,
    NoCapitalError,
    NoResolvedPeriodError,
    WeightsNotOneError,
)
from rows import Row, holdings_of, values_of

FIRST, SECOND, THIRD = days(3)
JANUARY, FEBRUARY = ["2025-01-30", "2025-01-31"], ["2025-02-03"]
MONTHLY = {"frequency": Frequency.MONTHLY, "dates": JANUARY + FEBRUARY}


def near(*figures: float) -> Any:
    return pytest.approx(figures, rel=1e-13, abs=1e-15)


# ------------------------------------------------------------------ days and buckets


def test_effects_of_two_days_are_linked() -> None:
    """20 % and 10 % against 10 % and 5 %: 32 % less 15.5 %."""
    portfolio: Side = {"A": [(1.0, 0.2), (1.0, 0.1)]}
    benchmark: Side = {"A": [(1.0, 0.1), (1.0, 0.05)]}
    period = period_of(portfolio, benchmark, linking=Linking.GRAP)
    # Selection of 10 % grows with the benchmark's 1.05, that of 5 % with the portfolio's 1.2.
    assert leaf_effects(period)["A",] == near(0.0, 0.1 * 1.05 + 0.05 * 1.2, 0.0)
    assert period.active_return == pytest.approx(0.165, abs=1e-15)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_without_linking_the_residual_is_what_compounding_adds() -> None:
    period = period_of({"A": [(1.0, 0.2), (1.0, 0.1)]}, {"A": [(1.0, 0.1), (1.0, 0.05)]}, linking=Linking.NONE)
    assert (period.active_return, period.sum_of_effects, period.residual) == near(0.165, 0.15, 0.015)


def test_buckets_take_the_weights_of_their_first_day() -> None:
    """A month of two days of which a trade changes the weights, then a part of a month of one day."""
    portfolio: Side = {"A": [(0.6, 0.10), (0.2, 0.05), (0.5, 0.02)], "B": [(0.4, 0.0), (0.8, 0.0), (0.5, 0.0)]}
    benchmark: Side = {"A": [(0.5, 0.10), (0.5, 0.05), (0.5, 0.02)], "B": [(0.5, 0.0), (0.5, 0.0), (0.5, 0.0)]}
    period = period_of(portfolio, benchmark, linking=Linking.NONE, **MONTHLY)
    # January: A 1.1 x 1.05 - 1 = 15.5 %; b = 7.75 %; 0.1 x (15.5 - 7.75) and -0.1 x (0 - 7.75).
    assert leaf_effects(period) == {("A",): near(0.00775, 0.0, 0.0), ("B",): near(0.00775, 0.0, 0.0)}
    # What the days made of it: 1.06 x 1.01 x 1.01 against 1.05 x 1.025 x 1.01.
    assert period.active_return == pytest.approx(1.06 * 1.01 * 1.01 - 1.05 * 1.025 * 1.01, abs=1e-15)
    assert period.residual == pytest.approx(period.active_return - 0.0155, abs=1e-15)


def test_what_is_bought_within_a_bucket_is_the_residual() -> None:
    """Checked figure by figure: B is not held on the first day, so that it has the benchmark's return."""
    portfolio: Side = {"A": [(1.0, 0.01), (0.5, 0.02)], "B": [None, (0.5, 0.04)]}
    benchmark: Side = {"A": [(0.5, 0.01), (0.5, 0.02)], "B": [(0.5, 0.03), (0.5, 0.05)]}
    period = period_of(portfolio, benchmark, linking=Linking.NONE, frequency=Frequency.MONTHLY, dates=JANUARY)
    # A 1.01 x 1.02 - 1 = 3.02 %, B 1.03 x 1.05 - 1 = 8.15 %; b = 5.585 %; 0.5 x (3.02 - 5.585) twice.
    assert leaf_effects(period) == {("A",): near(-0.012825, 0.0, 0.0), ("B",): near(-0.012825, 0.0, 0.0)}
    # 1.01 x 1.03 against 1.02 x 1.035.
    assert (period.active_return, period.residual) == near(-0.0154, 0.01025)


def test_a_window_has_buckets_of_its_own() -> None:
    portfolio: Side = {"A": [(0.6, 0.10), (0.2, 0.05), (0.5, 0.02)], "B": [(0.4, 0.0), (0.8, 0.0), (0.5, 0.0)]}
    benchmark: Side = {"A": [(0.5, 0.10), (0.5, 0.05), (0.5, 0.02)], "B": [(0.5, 0.0), (0.5, 0.0), (0.5, 0.0)]}
    both, cut = compare_groups(
        portfolio, benchmark, window(), window("2025-01-31", "2025-01-31", "CUT"), linking=Linking.NONE, **MONTHLY
    ).periods
    # The second window's January begins on its 31st: (0.2 - 0.5) x (5 - 2.5) and (0.8 - 0.5) x -2.5.
    assert leaf_effects(cut) == {("A",): near(-0.0075, 0.0, 0.0), ("B",): near(-0.0075, 0.0, 0.0)}
    assert leaf_effects(both)["A",] == near(0.00775, 0.0, 0.0)


@pytest.mark.parametrize("frequency", Frequency)
def test_one_day_is_one_bucket_of_any_frequency(frequency: Frequency) -> None:
    period = period_of({"A": (1.0, 0.2)}, {"A": (1.0, 0.1)}, frequency=frequency)
    assert leaf_effects(period)["A",] == near(0.0, 0.1, 0.0)


# ------------------------------------------------------------------ levels


DEEP: Side = {("Eq", "Tech"): (0.5, 0.12), ("Eq", "Bank"): (0.2, 0.03), ("Bd", "Gov"): (0.3, 0.01)}
DEEP_BENCHMARK: Side = {("Eq", "Tech"): (0.3, 0.10), ("Eq", "Bank"): (0.3, 0.04), ("Bd", "Gov"): (0.4, 0.02)}


def test_levels_of_a_rollup_are_sums_of_their_groups() -> None:
    first, second = period_of(DEEP, DEEP_BENCHMARK, names=["class", "sector"]).levels
    leaves = effects_of(second)
    tech, bank = np.array(leaves["Eq", "Tech"]), np.array(leaves["Eq", "Bank"])
    assert effects_of(first)["Eq",] == near(*(tech + bank))
    assert effects_of(first)["Bd",] == leaves["Bd", "Gov"]
    assert (first.names, second.names) == (("class",), ("class", "sector"))


def test_groups_stand_in_order_of_their_keys() -> None:
    portfolio = dict(reversed(list(DEEP.items())))
    assert period_of(portfolio, DEEP_BENCHMARK).levels[1].keys == [("Bd", "Gov"), ("Eq", "Bank"), ("Eq", "Tech")]


def test_a_group_of_another_window_is_not_told() -> None:
    portfolio: Side = {"A": [(0.5, 0.1), (1.0, 0.1)], "B": [(0.5, 0.1), None]}
    benchmark: Side = {"A": [(1.0, 0.1), (1.0, 0.1)]}
    second = window(SECOND, SECOND)
    (period,) = compare_groups(portfolio, benchmark, second).periods
    assert period.levels[0].keys == [("A",)]


# ------------------------------------------------------------------ linkings


TWO_DAYS: tuple[Side, Side] = (
    {"A": [(0.6, 0.10), (0.3, -0.05)], "B": [(0.4, 0.02), (0.7, 0.03)]},
    {"A": [(0.5, 0.08), (0.5, -0.02)], "B": [(0.5, 0.04), (0.5, 0.01)]},
)


def test_linkings_are_compared_on_the_same_effects() -> None:
    period = period_of(*TWO_DAYS, linking=Linking.NONE, compares_linkings=True)
    assert period.comparison is not None
    assert tuple(period.comparison) == EXACT_METHODS
    for linking, totals in period.comparison.items():
        alone = period_of(*TWO_DAYS, linking=linking).levels[-1].totals
        assert (totals.allocation, totals.selection, totals.interaction) == near(
            alone.allocation, alone.selection, alone.interaction
        )
        assert totals.total == pytest.approx(period.active_return, abs=1e-15)


def test_linkings_of_top_down_are_compared_over_all_levels() -> None:
    period = period_of(DEEP, DEEP_BENCHMARK, is_top_down=True, compares_linkings=True)
    assert period.comparison is not None
    for totals in period.comparison.values():
        # Levels: 0.5 % and 0.9 % of allocation, 0.5 % of selection.
        assert (totals.allocation, totals.selection, totals.total) == near(0.014, 0.005, 0.019)


def test_undefined_linkings_are_named_and_left_out_of_the_comparison() -> None:
    lost: Side = {"A": [(1.0, -1.0), (1.0, 0.1)]}
    result = compare_groups(lost, {"A": [(1.0, 0.1), (1.0, 0.1)]}, linking=Linking.GRAP, compares_linkings=True)
    (period,) = result.periods
    assert period.comparison is not None
    assert list(period.comparison) == [Linking.GRAP, Linking.FRONGELLO, Linking.SYMMETRIC]
    assert result.notes == ["W: not defined for these returns: carino, menchero."]


def test_a_linking_outside_its_domain_names_period_date_and_remedy() -> None:
    lost: Side = {"A": [(1.0, 0.1), (1.0, -1.0)]}
    with pytest.raises(LinkingUndefinedError) as caught:
        period_of(lost, {"A": [(1.0, 0.1), (1.0, 0.1)]}, linking=Linking.CARINO)
    assert "the returns of W" in str(caught.value)
    assert f"-100 % on {SECOND}" in str(caught.value)
    assert "Ask for grap, frongello or symmetric" in str(caught.value)


def test_a_bucket_outside_the_domain_is_named_by_its_number() -> None:
    lost: Side = {"A": [(1.0, 0.1), (1.0, 0.1), (1.0, -1.0)]}
    with pytest.raises(LinkingUndefinedError, match="period 2 of 2"):
        period_of(lost, {"A": [(1.0, 0.1)] * 3}, linking=Linking.CARINO, **MONTHLY)


@pytest.mark.parametrize("linking", [Linking.GRAP, Linking.FRONGELLO, Linking.SYMMETRIC])
def test_losses_of_more_than_everything_are_linked_by_these(linking: Linking) -> None:
    # 1 - 1.5 = -0.5 and then 1.1: -155 %, against 21 %.
    period = period_of({"A": [(1.0, -1.5), (1.0, 0.1)]}, {"A": [(1.0, 0.1), (1.0, 0.1)]}, linking=linking)
    assert (period.active_return, period.residual) == near(-0.55 - 1.21, 0.0)


# ------------------------------------------------------------------ days of both sides


def test_weights_of_a_benchmark_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(WeightsNotOneError, match=f"1 of 2 dates .* on {SECOND} to 0.9") as caught:
        period_of({"A": [(1.0, 0.1), (1.0, 0.1)]}, {"A": [(1.0, 0.1), (0.9, 0.1)]})
    assert caught.value.faults[0].place == ("benchmark_groups_data",)
    assert caught.value.faults[0].row == {"date": SECOND}


@pytest.mark.parametrize("weight", [1.0 + 9e-7, 1.0 - 9e-7])
def test_weights_may_miss_one_by_a_millionth(weight: float) -> None:
    assert period_of({"A": (1.0, 0.1)}, {"A": (weight, 0.1)}).residual == pytest.approx(0.0, abs=1e-15)


def test_a_date_of_the_portfolio_alone_is_refused() -> None:
    with pytest.raises(DatesMismatchError, match="both sides") as caught:
        period_of({"A": [(1.0, 0.1), (1.0, 0.1)]}, {"A": [(1.0, 0.1), None]})
    (fault,) = caught.value.faults
    assert fault.place == ("groups", 0, "observations", 1, "date")
    assert fault.row == {"date": SECOND}


def test_a_date_of_the_benchmark_alone_is_refused() -> None:
    with pytest.raises(DatesMismatchError) as caught:
        period_of({"A": [(1.0, 0.1), None, (1.0, 0.1)]}, {"A": [(1.0, 0.1), (1.0, 0.2), (1.0, 0.1)]})
    assert [fault.place for fault in caught.value.faults] == [("benchmark", 0, "observations", 1, "date")]


def test_a_date_of_one_side_on_which_nothing_moved_is_left_out_and_told() -> None:
    result = compare_groups({"A": [(1.0, 0.1), (1.0, 0.0)]}, {"A": [(1.0, 0.2), None, (1.0, 0.0)]})
    (notice,) = result.notices
    assert (notice.code, notice.dates) == ("one_sided_date", (SECOND, THIRD))
    assert result.periods[0].active_return == pytest.approx(-0.1)


def test_fail_fast_refuses_also_those() -> None:
    with pytest.raises(DatesMismatchError) as caught:
        compare_groups({"A": [(1.0, 0.1), (1.0, 0.0)]}, {"A": [(1.0, 0.2), None, (1.0, 0.0)]}, fail_fast=True)
    assert [fault.row["date"] for fault in caught.value.faults] == [SECOND, THIRD]


def test_dates_outside_all_periods_may_be_one_sided() -> None:
    result = compare_groups(
        {"A": [(1.0, 0.1), (1.0, 0.1)]}, {"A": [(1.0, 0.2), None]}, window(FIRST, FIRST), fail_fast=True
    )
    assert result.notices == []
    assert result.periods[0].active_return == pytest.approx(-0.1)


# ------------------------------------------------------------------ periods


def test_a_period_without_rows_is_left_out_and_named() -> None:
    result = compare_groups({"A": (1.0, 0.1)}, {"A": (1.0, 0.2)}, window(), window("2024-01-01", "2024-12-31", "LY"))
    assert [period.slice.window.label for period in result.periods] == ["W"]
    assert result.notes == ["Period LY (2024-01-01 to 2024-12-31) has no rows and was left out."]


def test_a_period_without_days_of_both_sides_is_left_out_and_named() -> None:
    portfolio: Side = {"A": [(1.0, 0.1), (1.0, 0.0)]}
    result = compare_groups(portfolio, {"A": [(1.0, 0.2)]}, window(), window(SECOND, SECOND, "IDLE"))
    assert [period.slice.window.label for period in result.periods] == ["W"]
    assert result.notes == ["Period IDLE has no day of both sides and was left out."]


def test_no_period_with_rows_is_refused() -> None:
    with pytest.raises(NoResolvedPeriodError):
        compare_groups({"A": (1.0, 0.1)}, {"A": (1.0, 0.2)}, window("2024-01-01", "2024-12-31"))


def test_no_period_with_days_of_both_sides_is_refused() -> None:
    with pytest.raises(NoResolvedPeriodError, match="on dates of the portfolio"):
        compare_groups({"A": [(1.0, 0.0)]}, {"A": [None, (1.0, 0.0)]})


# ------------------------------------------------------------------ hostile numbers


@pytest.mark.parametrize(
    ("portfolio", "against", "options"),
    [
        pytest.param({"A": (1e308, 1e308)}, {"A": (1.0, 0.1)}, {}, id="product"),
        pytest.param({"A": [(1.0, 1e200)] * 2}, {"A": [(1.0, 0.1)] * 2}, {"linking": Linking.GRAP}, id="linked"),
        pytest.param({"A": [(1.0, 1e300)] * 2}, {"A": [(1.0, 0.1)] * 2}, {"linking": Linking.CARINO}, id="totals"),
        pytest.param({"A": (1.0, 1.7e308)}, {"A": (1.0, -1.7e308)}, {"linking": Linking.GRAP}, id="difference"),
        pytest.param(
            {"EUR": (1.0, 0.1, 1e200, 1e200)},
            {"EUR": (1.0, 0.1, 0.05, 0.05)},
            {"names": ["currency"], "with_currencies": True},
            id="currency",
        ),
    ],
)
def test_an_overflow_names_the_period(portfolio: Side, against: Side, options: dict[str, Any]) -> None:
    with pytest.raises(FigureOverflowError, match=r"period W|Period W"):
        period_of(portfolio, against, **options)


def test_large_and_tiny_numbers_that_fit_are_calculated() -> None:
    period = period_of({"A": (1e-300, 1e300), "B": (1.0, 5e-324)}, {"A": (0.5, 0.0), "B": (0.5, 0.0)})
    assert period.active_return == pytest.approx(1.0)


# ------------------------------------------------------------------ instruments


LABELS = {"a": "A", "b": "B", "c": "A"}


def by_instrument(
    portfolio: list[Row],
    instruments: dict[str, list[Row]],
    benchmark: Side,
    *windows: Window,
    dates: list[str] | None = None,
    basis: Basis = Basis.NET,
    currencies: HoldingCurrencies | None = None,
    labels: dict[str, dict[str, str]] | None = None,
    fail_fast: bool = False,
    with_currencies: bool = False,
    **method: Any,
) -> Attribution:
    theirs = observations(benchmark, dates, "benchmark")
    name = "currency" if with_currencies else "sector"
    own = {
        i: ((labels or {}).get(i, {}).get("currency", LABELS[i]) if with_currencies else LABELS[i],)
        for i in instruments
    }
    keys = sorted({*own.values(), *theirs.keys})
    values, holdings = values_of(portfolio), holdings_of(instruments, labels)
    segment = np.array([keys.index(own[i]) for i in holdings.ids])
    needed = np.ones(len(values), dtype=bool)
    mine = of_instruments(values, holdings, segment, len(keys), basis, currencies, needed, fail_fast=fail_fast)
    return attribution(
        mine,
        theirs,
        keys,
        [name],
        windows or [window()],
        Method(**{"frequency": Frequency.DAILY, **method}),
        is_local=currencies is not None and currencies.is_local,
        with_currencies=with_currencies,
    )


def one(result: Attribution) -> PeriodAttribution:
    (period,) = result.periods
    return period


ONE_DAY: list[Row] = [(FIRST, 1000.0, 1044.0)]
HELD: dict[str, list[Row]] = {"a": [(FIRST, 400.0, 440.0)], "b": [(FIRST, 400.0, 400.0)], "c": [(FIRST, 200.0, 204.0)]}
AGAINST: Side = {"A": (0.5, 0.05), "B": (0.5, 0.01)}
"""b = 3 %. The portfolio: A 600 of 1,000 with a gain of 44, 7.33 %; B 400 with none: r = 4.4 %."""


def test_instruments_are_added_up_to_their_segments() -> None:
    period = one(by_instrument(ONE_DAY, HELD, AGAINST))
    # A 0.1 x 2 %, 0.5 x (7.333 - 5), 0.1 x 2.333; B -0.1 x -2 %, 0.5 x -1, -0.1 x -1.
    gained = 0.044 / 0.6 - 0.05
    assert leaf_effects(period) == {
        ("A",): near(0.002, 0.5 * gained, 0.1 * gained),
        ("B",): near(0.002, -0.005, 0.001),
    }
    assert (period.active_return, period.residual) == near(0.014, 0.0)


def test_what_instruments_do_not_explain_is_the_residual() -> None:
    """Fees of 10 at the top are no segment's."""
    period = one(by_instrument([(FIRST, 1000.0, 1044.0, 0.0, 0.0, -10.0)], HELD, AGAINST))
    assert (period.active_return, period.sum_of_effects, period.residual) == near(0.004, 0.014, -0.01)
    gross = one(by_instrument([(FIRST, 1000.0, 1044.0, 0.0, 0.0, -10.0)], HELD, AGAINST, basis=Basis.GROSS))
    assert (gross.active_return, gross.residual) == near(0.014, 0.0)


def test_a_gain_without_capital_is_selection() -> None:
    """A dividend of 6 of what was sold: 0.6 % of the portfolio, and no interaction."""
    held: dict[str, list[Row]] = {"a": [(FIRST, 0.0, 6.0)], "b": [(FIRST, 1000.0, 1010.0)]}
    period = one(by_instrument([(FIRST, 1000.0, 1016.0)], held, AGAINST))
    # A: (0 - 0.5) x (5 - 3) of allocation.
    assert leaf_effects(period)["A",] == near(-0.01, 0.006, 0.0)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_a_gain_without_capital_on_a_later_day_of_a_bucket_is_selection() -> None:
    held: dict[str, list[Row]] = {
        "a": [(JANUARY[1], 0.0, 6.0)],
        "b": [(JANUARY[0], 1000.0, 1000.0), (JANUARY[1], 1000.0, 1000.0)],
    }
    portfolio: list[Row] = [(JANUARY[0], 1000.0, 1000.0), (JANUARY[1], 1000.0, 1006.0)]
    benchmark: Side = {"B": [(1.0, 0.0), (1.0, 0.0)]}
    period = one(by_instrument(portfolio, held, benchmark, dates=JANUARY, frequency=Frequency.MONTHLY))
    assert leaf_effects(period)["A",] == near(0.0, 0.006, 0.0)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_a_short_counts_with_its_sign() -> None:
    # a: -200 to -250 is 25 % of -20 %; b: 1,200 without a gain; r = -5 % against 3 %; leverage none: -0.2 + 1.2 = 1.
    held: dict[str, list[Row]] = {"a": [(FIRST, -200.0, -250.0)], "b": [(FIRST, 1200.0, 1200.0)]}
    period = one(by_instrument([(FIRST, 1000.0, 950.0)], held, AGAINST))
    # A: -0.7 x 2 %, 0.5 x (25 - 5) %, -0.7 x 20 %.
    assert leaf_effects(period)["A",] == near(-0.014, 0.1, -0.14)
    assert (period.active_return, period.residual) == near(-0.08, 0.0)


@pytest.mark.parametrize("begin", [0.0, -100.0])
def test_no_capital_on_the_first_day_of_a_bucket_is_refused(begin: float) -> None:
    portfolio: list[Row] = [(FIRST, 1000.0, 1000.0), (SECOND, begin, begin)]
    with pytest.raises(NoCapitalError, match=f"{SECOND}, the first day of a daily bucket"):
        by_instrument(portfolio, {"a": [(FIRST, 1000.0, 1000.0)]}, {"A": [(1.0, 0.0)] * 2})


def test_days_without_investment_within_a_bucket_are_counted() -> None:
    portfolio: list[Row] = [(JANUARY[0], 1000.0, 1100.0, 0.0, 0.0), (JANUARY[1], 0.0, 0.0)]
    benchmark: Side = {"A": [(1.0, 0.1), (1.0, 0.0)]}
    held: dict[str, list[Row]] = {"a": [(JANUARY[0], 1000.0, 1100.0)]}
    result = by_instrument(portfolio, held, benchmark, dates=JANUARY, frequency=Frequency.MONTHLY)
    assert result.n_idle_days == 1
    assert one(result).active_return == pytest.approx(0.0, abs=1e-15)


def test_a_lost_capital_is_told() -> None:
    """1,000 become -100: the chain is cut, and the figure stays at the loss."""
    portfolio: list[Row] = [(FIRST, 1000.0, -100.0), (SECOND, 50.0, 60.0, 50.0)]
    held: dict[str, list[Row]] = {"a": [(FIRST, 1000.0, -100.0), (SECOND, 50.0, 60.0, 50.0)]}
    result = by_instrument(portfolio, held, {"A": [(1.0, 0.0)] * 2}, linking=Linking.SYMMETRIC)
    assert result.n_reset_days == 1
    assert [notice.code for notice in result.notices] == ["reset"]
    # The return after the restart is -40 %, the buckets have (1 - 1.1) x 0.6 - 1: the difference is stated.
    period = one(result)
    assert (period.active_return, period.sum_of_effects) == near(-0.4, -1.06)


def test_a_gain_of_the_portfolio_without_capital_is_refused_under_fail_fast() -> None:
    portfolio: list[Row] = [(JANUARY[0], 1000.0, 1000.0), (JANUARY[1], 0.0, 5.0)]
    held: dict[str, list[Row]] = {"a": [(JANUARY[0], 1000.0, 1000.0)]}
    benchmark: Side = {"A": [(1.0, 0.0)] * 2}
    options: Any = {"dates": JANUARY, "frequency": Frequency.MONTHLY}
    assert one(by_instrument(portfolio, held, benchmark, **options)).active_return == 0.0
    with pytest.raises(NoCapitalError):
        by_instrument(portfolio, held, benchmark, fail_fast=True, **options)


def test_an_instrument_on_a_date_without_the_portfolio_is_refused() -> None:
    with pytest.raises(DatesMismatchError, match="no row"):
        by_instrument(ONE_DAY, {"a": [(SECOND, 1.0, 1.0)]}, AGAINST)


def test_a_date_of_the_portfolio_alone_is_refused_by_its_row() -> None:
    portfolio: list[Row] = [(FIRST, 1000.0, 1000.0), (SECOND, 1000.0, 1010.0)]
    with pytest.raises(DatesMismatchError) as caught:
        by_instrument(portfolio, {"a": [(FIRST, 1000.0, 1000.0)]}, {"A": [(1.0, 0.0)]})
    assert caught.value.faults[0].place == ("valuation_points", 1, "perf_date")


# ------------------------------------------------------------------ instruments in other currencies


EURO = {"a": {"currency": "EUR"}, "b": {"currency": "USD"}}


def rates(*, is_local: bool = False, skipped: int = 0) -> HoldingCurrencies:
    """1.00 on the day before, 1.02 on the first day, 1.02 x 1.01 on the second."""
    return HoldingCurrencies(
        "USD",
        DatedValues(
            np.array(["2025-01-05", FIRST, SECOND], dtype="M8[D]")[skipped:],
            np.array(["EUR"] * 3)[skipped:],
            np.array([1.0, 1.02, 1.02 * 1.01])[skipped:],
        ),
        None,
        is_local,
    )


# 600 EUR at 1.00 gain 5 % to 630, worth 642.6 USD at 1.02; 400 USD gain nothing: 1,042.6 of 1,000.
CONVERTED: list[Row] = [(FIRST, 1000.0, 1042.6)]
IN_EURO: dict[str, list[Row]] = {"a": [(FIRST, 600.0, 630.0)], "b": [(FIRST, 400.0, 400.0)]}
CURRENCIES: Side = {"EUR": (0.5, 1.03 * 1.02 - 1.0, 0.03, 0.02), "USD": (0.5, 0.01)}


def test_instruments_are_converted_and_told_by_currency() -> None:
    result = by_instrument(CONVERTED, IN_EURO, CURRENCIES, currencies=rates(), labels=EURO, with_currencies=True)
    period = one(result)
    parts = period.currencies
    assert parts is not None
    assert parts.names == ["EUR", "USD"]
    assert (parts.weight.tolist(), parts.bmk_weight.tolist()) == (near(0.6, 0.4), near(0.5, 0.5))
    # Benchmark: local 0.5 x 3 % + 0.5 x 1 % = 2 %, currency 0.5 x 1.03 x 2 % = 1.03 %.
    assert parts.local_allocation.tolist() == near(0.1 * 0.01, -0.1 * -0.01)
    assert parts.local_selection.tolist() == near(0.6 * 0.02, 0.4 * -0.01)
    assert parts.currency_allocation.tolist() == near(0.1 * (0.0206 - 0.0103), -0.1 * -0.0103)
    assert parts.currency_selection.tolist() == near(0.6 * (0.021 - 0.0206), 0.0)
    assert parts.total.sum() == pytest.approx(period.active_return, abs=1e-15)
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_local_returns_are_those_before_conversion() -> None:
    local: Side = {"A": (0.5, 0.0506, 0.03, 0.02), "B": (0.5, 0.01)}
    result = by_instrument(
        CONVERTED, IN_EURO, local, currencies=rates(is_local=True), labels=EURO, with_currencies=False
    )
    period = one(result)
    # 600 x 5 % of 1,000 against 0.5 x 3 % + 0.5 x 1 %.
    assert (period.active_return, period.residual) == near(0.03 - 0.02, 0.0)


def test_local_returns_of_the_portfolio_compound() -> None:
    """Second day: 642.6 USD at the rate of the first, 630 EUR, gain 10 %; of 1,042.6 that is 6.16 %."""
    held: dict[str, list[Row]] = {
        "a": [(FIRST, 600.0, 630.0), (SECOND, 630.0, 693.0)],
        "b": [(FIRST, 400.0, 400.0), (SECOND, 400.0, 400.0)],
    }
    portfolio: list[Row] = [(FIRST, 1000.0, 1042.6), (SECOND, 1042.6, 400.0 + 693.0 * 1.02 * 1.01)]
    benchmark: Side = {"A": [(1.0, 0.0)] * 2}
    period = one(by_instrument(portfolio, held, benchmark, currencies=rates(is_local=True), labels=EURO))
    expected = 1.03 * (1.0 + 63.0 * 1.02 / 1042.6) - 1.0
    assert (period.active_return, period.residual) == near(expected, 0.0)


def test_a_missing_rate_is_refused() -> None:
    with pytest.raises(FxRateMissingError, match="EUR"):
        by_instrument(CONVERTED, IN_EURO, CURRENCIES, currencies=rates(skipped=1), labels=EURO, with_currencies=True)


# ------------------------------------------------------------------ size


def test_many_groups_on_days_of_their_own_take_no_table() -> None:
    """2,000 groups with one row each, each on its own day: 4 million cells of a table, 2,000 here."""
    dates = [str(np.datetime64("2000-01-01") + i) for i in range(2000)]
    sides: Side = {f"{i:04}": [None] * i + [(1.0, 0.001)] for i in range(2000)}
    made = observations(sides, dates)
    cells = made.cells(made.dates, sorted(made.keys), is_local=False)
    assert len(cells.time) == 2000
    period = period_of(sides, sides, dates=dates, linking=Linking.GRAP)
    assert len(period.levels[0].keys) == 2000
    assert period.residual == 0.0
