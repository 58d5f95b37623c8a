import math
from typing import Any

import numpy as np
import pytest

from lotus_performance.engine.contribution import (
    Contribution,
    PeriodContribution,
    Smoothing,
    WeightingScheme,
    contribution,
)
from lotus_performance.engine.fx import DatedValues
from lotus_performance.engine.holdings import HoldingCurrencies
from lotus_performance.engine.periods import Window
from lotus_performance.engine.returns import Basis
from lotus_performance.errors import (
    FigureOverflowError,
    FxRateMissingError,
    LinkingUndefinedError,
    NoCapitalError,
    NoResolvedPeriodError,
)
from rows import Row, holdings_of, values_of

MONDAY, TUESDAY, WEDNESDAY = "2025-01-06", "2025-01-07", "2025-01-08"
LINKED = [Smoothing.CARINO, Smoothing.MENCHERO, Smoothing.TO_DATE, Smoothing.SYMMETRIC]

# 1,000 grow by 10 % to 1,100 and then by 20 % to 1,320: R = 32 %. A adds 60 / 1,000 = 6 % and 110 / 1,100 = 10 %,
# B adds 4 % and 10 %.
PORTFOLIO: list[Row] = [(MONDAY, 1000.0, 1100.0), (TUESDAY, 1100.0, 1320.0)]
POSITIONS: dict[str, list[Row]] = {
    "A": [(MONDAY, 600.0, 660.0), (TUESDAY, 660.0, 770.0)],
    "B": [(MONDAY, 400.0, 440.0), (TUESDAY, 440.0, 550.0)],
}
FIRST_DAY = {name: rows[:1] for name, rows in POSITIONS.items()}


def window(start: str = "2025-01-01", end: str = "2025-12-31", label: str = "W") -> Window:
    return Window(label, (), np.datetime64(start), np.datetime64(end))


def contribute(
    portfolio: list[Row],
    positions: dict[str, list[Row]],
    *windows: Window,
    smoothing: Smoothing = Smoothing.NONE,
    scheme: WeightingScheme = WeightingScheme.BOD,
    basis: Basis = Basis.NET,
    labels: dict[str, dict[str, str]] | None = None,
    **options: Any,
) -> Contribution:
    holdings = holdings_of(positions, labels)
    return contribution(values_of(portfolio), holdings, windows or (window(),), basis, scheme, smoothing, **options)


def period_of(portfolio: list[Row], positions: dict[str, list[Row]], **options: Any) -> PeriodContribution:
    (period,) = contribute(portfolio, positions, **options).periods
    return period


def near(*figures: float) -> Any:
    return pytest.approx(figures, rel=1e-13, abs=1e-15)


# The day.


def test_a_contribution_is_the_gain_over_the_capital_of_the_portfolio() -> None:
    period = period_of(PORTFOLIO[:1], FIRST_DAY)
    assert period.total == near(0.06, 0.04)
    assert period.weight == near(0.6, 0.4)
    assert period.returns == near(0.1, 0.1)
    assert period.portfolio_return == pytest.approx(0.1)


def test_a_short_that_falls_adds_to_the_return() -> None:
    # -500 to -450 is a gain of 50, which is 5 % of 1,000; the weight is -50 %, that of the longs 150 %.
    period = period_of(
        [(MONDAY, 1000.0, 1050.0)], {"LONG": [(MONDAY, 1500.0, 1500.0)], "SHORT": [(MONDAY, -500.0, -450.0)]}
    )
    assert period.total == near(0.0, 0.05)
    assert period.weight == near(1.5, -0.5)
    assert period.returns == near(0.0, 0.1)


def test_the_weights_of_a_short_portfolio_sum_to_one() -> None:
    # -1,000 to -900: a gain of 10 % on |-1,000|. Each weight is capital over capital, both negative.
    period = period_of([(MONDAY, -1000.0, -900.0)], {"A": [(MONDAY, -600.0, -550.0)], "B": [(MONDAY, -400.0, -350.0)]})
    assert period.weight == near(0.6, 0.4)
    assert period.total == near(0.05, 0.05)
    assert period.portfolio_return == pytest.approx(0.1)


def test_a_gain_without_capital_counts_though_the_position_has_no_return() -> None:
    # An option that was worth 0 is worth 10 in the evening: 1 % of 1,000.
    period = period_of(
        [(MONDAY, 1000.0, 1010.0)], {"CASH": [(MONDAY, 1000.0, 1000.0)], "OPTION": [(MONDAY, 0.0, 10.0)]}
    )
    assert period.total == near(0.0, 0.01)
    assert math.isnan(period.returns[1])
    assert period.residual == pytest.approx(0.0, abs=1e-15)


def test_a_flow_between_positions_is_no_gain() -> None:
    # 100 go from A to B in the morning: A earns 10 % of 500, B 10 % of 500.
    period = period_of(PORTFOLIO[:1], {"A": [(MONDAY, 600.0, 550.0, -100.0)], "B": [(MONDAY, 400.0, 550.0, 100.0)]})
    assert period.total == near(0.05, 0.05)
    assert period.weight == near(0.5, 0.5)


def test_net_takes_the_fees_of_positions_off_and_gross_does_not() -> None:
    rows = {"A": [(MONDAY, 1000.0, 1090.0, 0.0, -10.0, -10.0)]}
    # 1,100 less a fee of 10 that was paid out.
    assert period_of(rows["A"], rows, basis=Basis.GROSS).total == near(0.1)
    assert period_of(rows["A"], rows, basis=Basis.NET).total == near(0.09)


@pytest.mark.parametrize("scheme", [WeightingScheme.BOD, WeightingScheme.AVG_CAPITAL])
def test_fees_booked_on_a_position_without_investment_count(scheme: WeightingScheme) -> None:
    # The portfolio of 1,000 pays 10: the fee stands on a line of its own, which has no return.
    positions: dict[str, list[Row]] = {"A": [(MONDAY, 1000.0, 1100.0)], "FEES": [(MONDAY, 0.0, 0.0, 0.0, 0.0, -10.0)]}
    portfolio: list[Row] = [(MONDAY, 1000.0, 1100.0, 0.0, 0.0, -10.0)]
    period = period_of(portfolio, positions, scheme=scheme)
    assert period.total == near(0.1, -0.01)
    assert period.portfolio_return == pytest.approx(0.09)
    assert period.returns == near(0.1, 0.0)
    assert period_of(portfolio, positions, scheme=scheme, basis=Basis.GROSS).total == near(0.1, 0.0)


def test_average_capital_counts_flows_for_half() -> None:
    # 100 arrive in the morning and 60 leave in the evening: 1,000 + 50 - 30 = 1,020 on average. The gain is
    # 1,142 + 60 - 1,100 = 102, so 10 % of 1,020. A has 1,000 throughout, B the flows: 50 - 30 = 20 on average.
    portfolio: list[Row] = [(MONDAY, 1000.0, 1142.0, 100.0, -60.0)]
    positions: dict[str, list[Row]] = {"A": [(MONDAY, 1000.0, 1051.0)], "B": [(MONDAY, 0.0, 91.0, 100.0, -60.0)]}
    period = period_of(portfolio, positions, scheme=WeightingScheme.AVG_CAPITAL)
    assert period.portfolio_return == pytest.approx(0.1)
    assert period.total == near(0.05, 0.05)
    assert period.weight == near(1000 / 1020, 20 / 1020)
    # Its own return is that of any TWR: 51 on 1,000, and 51 on the 100 of the morning.
    assert period.returns == near(0.051, 0.51)


def test_the_denominator_of_the_twr_is_the_capital_of_the_morning() -> None:
    bod, twr = (period_of(PORTFOLIO, POSITIONS, scheme=scheme) for scheme in ("BOD", "TWR_DENOM"))
    assert bod.total.tolist() == twr.total.tolist()
    assert bod.weight.tolist() == twr.weight.tolist()


# The window.


@pytest.mark.parametrize(
    ("smoothing", "first", "second"),
    [
        pytest.param(Smoothing.NONE, 1.0, 1.0, id="NONE"),
        # ln 1.1 / 0.1 = 0.953102 and ln 1.2 / 0.2 = 0.911608 over ln 1.32 / 0.32 = 0.867598
        pytest.param(Smoothing.CARINO, 1.098551, 1.050725, id="CARINO"),
        # What comes first grows on with nothing, what comes second stands on 1.1.
        pytest.param(Smoothing.TO_DATE, 1.0, 1.1, id="TO_DATE"),
        # The mean over both orders: (1 + 1.2) / 2 and (1 + 1.1) / 2
        pytest.param(Smoothing.SYMMETRIC, 1.1, 1.05, id="SYMMETRIC"),
        # M = (0.32 / 2) / (1.32^0.5 - 1) = 1.074456, c = (0.32 - 0.3 M) / (0.1² + 0.2²) = -0.046738
        pytest.param(Smoothing.MENCHERO, 1.069783, 1.065109, id="MENCHERO"),
    ],
)
def test_days_are_weighed_by(smoothing: Smoothing, first: float, second: float) -> None:
    period = period_of(PORTFOLIO, POSITIONS, smoothing=smoothing)
    assert period.factor == pytest.approx([first, second], abs=5e-7)
    assert period.total == pytest.approx([0.06 * first + 0.1 * second, 0.04 * first + 0.1 * second], abs=1e-7)


def test_without_linking_the_residual_is_what_compounding_adds() -> None:
    # 10 % + 20 % = 30 % are the sum of days, 32 % the return.
    assert period_of(PORTFOLIO, POSITIONS).residual == pytest.approx(-0.02)


@pytest.mark.parametrize("smoothing", LINKED)
def test_linked_contributions_sum_to_the_return(smoothing: Smoothing) -> None:
    assert period_of(PORTFOLIO, POSITIONS, smoothing=smoothing).residual == pytest.approx(0.0, abs=1e-15)


def test_average_weights_count_days_without_the_position_as_zero() -> None:
    # A has 60 % and nothing, B 40 % and everything.
    positions = {"A": POSITIONS["A"][:1], "B": [POSITIONS["B"][0], (TUESDAY, 440.0, 1320.0, 660.0)]}
    assert period_of(PORTFOLIO, positions).weight == near(0.3, 0.7)


def test_average_weights_leave_out_days_on_which_the_portfolio_has_no_capital() -> None:
    portfolio: list[Row] = [(MONDAY, 0.0, 0.0), (TUESDAY, 0.0, 110.0, 100.0)]
    assert period_of(portfolio, {"A": portfolio}).weight == near(1.0)


def test_a_position_without_a_row_in_the_window_has_no_return() -> None:
    positions = POSITIONS | {"GONE": [(MONDAY, 0.0, 0.0)]}
    (period,) = contribute(PORTFOLIO, positions, window(TUESDAY)).periods
    assert period.total == near(0.1, 0.1, 0.0)
    assert period.weight[2] == 0.0
    assert math.isnan(period.returns[2])


def test_a_window_links_its_own_days() -> None:
    whole, tuesday = contribute(
        PORTFOLIO, POSITIONS, window(), window(TUESDAY, label="tuesday"), smoothing=Smoothing.CARINO
    ).periods
    assert tuesday.total == near(0.1, 0.1)
    assert whole.total.sum() == pytest.approx(0.32)


def test_windows_without_rows_are_left_out_and_named() -> None:
    result = contribute(PORTFOLIO, POSITIONS, window(), window("2024-01-01", "2024-12-31", label="2024"))
    assert [period.slice.window.label for period in result.periods] == ["W"]
    assert "2024" in result.notes[-1]


def test_no_window_with_rows_is_refused() -> None:
    with pytest.raises(NoResolvedPeriodError):
        contribute(PORTFOLIO, POSITIONS, window("2024-01-01", "2024-12-31"))


# The residual.


def test_what_positions_do_not_explain_is_stated() -> None:
    # A fee of 10 held at the top: the portfolio earns 9 %, the positions 10 %.
    assert period_of([(MONDAY, 1000.0, 1090.0)], FIRST_DAY).residual == (pytest.approx(0.01))


def test_a_residual_is_spread_by_average_weight() -> None:
    # -1 % over 60 and 40 %: 6 - 0.6 and 4 - 0.4.
    spread = period_of([(MONDAY, 1000.0, 1090.0)], FIRST_DAY).with_residual_spread()
    assert spread.total == near(0.054, 0.036)
    assert spread.local == near(0.054, 0.036)
    assert spread.spread == pytest.approx(-0.01)
    assert spread.residual == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(
    "positions",
    [
        {"A": [(MONDAY, 0.3, 0.4)], "B": [(MONDAY, -0.1, -0.1)], "C": [(MONDAY, -0.2, -0.2)]},
        {"A": [(MONDAY, 0.0, 1.0)]},
    ],
    ids=["longs and shorts that cancel but for rounding", "no capital at all"],
)
def test_a_residual_is_not_spread_over_weights_that_sum_to_zero(positions: dict[str, list[Row]]) -> None:
    period = period_of([(MONDAY, 1000.0, 1090.0)], positions)
    assert not period.has_weight
    assert period.with_residual_spread() is period


# What cannot be linked.


@pytest.mark.parametrize("smoothing", LINKED)
@pytest.mark.parametrize(
    ("portfolio", "reason"),
    [
        ([(MONDAY, 100.0, 110.0), (TUESDAY, -100.0, -90.0)], f"no positive capital on {TUESDAY}"),
        ([(MONDAY, 100.0, 0.0), (TUESDAY, 0.0, 0.0)], f"no positive capital on {TUESDAY}"),
        ([(MONDAY, 100.0, -20.0), (TUESDAY, -20.0, 110.0, 120.0)], f"capital was lost.* on {MONDAY}"),
    ],
    ids=["a short day", "a day without investment", "a reset"],
)
def test_only_sums_of_days_are_there_for(smoothing: Smoothing, portfolio: list[Row], reason: str) -> None:
    with pytest.raises(LinkingUndefinedError, match=f"{smoothing} cannot link .* of W: .*{reason}.*NONE"):
        contribute(portfolio, {"A": portfolio}, smoothing=smoothing)
    assert len(contribute(portfolio, {"A": portfolio}).periods) == 1


def test_a_day_that_loses_everything_has_no_logarithm_and_is_named() -> None:
    portfolio: list[Row] = [(MONDAY, 100.0, 110.0), (TUESDAY, 110.0, 0.0)]
    with pytest.raises(LinkingUndefinedError, match=rf"returns of W: .* -100 % on {TUESDAY}\. Ask for TO_DATE or SYMM"):
        contribute(portfolio, {"A": portfolio}, smoothing=Smoothing.CARINO)
    period = period_of(portfolio, {"A": portfolio}, smoothing=Smoothing.SYMMETRIC)
    # The mean over both orders of 10 % and -100 %: 0.1 (1 + 0) / 2 - 1 (1 + 1.1) / 2 = -1
    assert period.total == near(-1.0)


def test_days_without_a_return_are_left_out_of_sums() -> None:
    portfolio: list[Row] = [(MONDAY, 0.0, 100.0), (TUESDAY, 100.0, 110.0)]
    result = contribute(portfolio, {"A": portfolio})
    assert result.periods[0].total == near(0.1)
    assert [notice.dates for notice in result.notices if notice.code == "no_capital"] == [(MONDAY,)]


def test_fail_fast_refuses_days_without_a_return() -> None:
    portfolio: list[Row] = [(MONDAY, 0.0, 100.0), (TUESDAY, 100.0, 110.0)]
    with pytest.raises(NoCapitalError):
        contribute(portfolio, {"A": portfolio}, fail_fast=True)


def test_no_return_at_all_is_refused() -> None:
    with pytest.raises(NoCapitalError):
        contribute([(MONDAY, 0.0, 100.0)], {"A": [(MONDAY, 0.0, 100.0)]})


def test_a_figure_beyond_any_number_is_refused_by_position() -> None:
    with pytest.raises(FigureOverflowError, match="A to W"):
        contribute([(MONDAY, 1e-300, 1e-300)], {"A": [(MONDAY, 1e300, 1e308)]})


def test_positions_that_restart_are_told() -> None:
    position: list[Row] = [(MONDAY, 100.0, -20.0), (TUESDAY, -20.0, 110.0, 120.0)]
    period = period_of([(MONDAY, 1000.0, 880.0), (TUESDAY, 880.0, 890.0)], {"A": position})
    assert period.restarted.tolist() == [0]
    # From the restart on: 100 to 110. Its contribution is that of both days: -12 % + 10 / 880.
    assert period.returns == near(0.1)
    assert period.total == near(-0.12 + 10 / 880)


# Currencies.

EUR = {"E": {"currency": "EUR"}}
RATES = DatedValues(np.array(["2025-01-05", MONDAY], dtype="M8[D]"), np.array(["EUR"] * 2), np.array([2.0, 2.2]))
# 300 EUR grow by 5 % to 315 while EUR rises from 2.00 to 2.20 USD: 600 USD become 693. 400 USD become 420.
TWO_CURRENCIES: dict[str, list[Row]] = {"E": [(MONDAY, 300.0, 315.0)], "U": [(MONDAY, 400.0, 420.0)]}
CONVERTED: list[Row] = [(MONDAY, 1000.0, 1113.0)]


def test_a_contribution_has_a_local_and_a_currency_part() -> None:
    period = period_of(CONVERTED, TWO_CURRENCIES, labels=EUR, currencies=HoldingCurrencies("USD", RATES))
    # Weight 60 %. Local 0.6 x 5 % = 3 %, currency 0.6 x 1.05 x 10 % = 6.3 %, together (693 - 600) / 1,000.
    assert period.weight == near(0.6, 0.4)
    assert period.local == near(0.03, 0.02)
    assert period.fx == near(0.063, 0.0)
    assert period.total.sum() == pytest.approx(0.113)
    assert period.returns == near(1.05 * 1.1 - 1, 0.05)


def test_a_hedge_takes_its_part_of_the_currency_away() -> None:
    hedges = DatedValues(np.array([MONDAY], dtype="M8[D]"), np.array(["EUR"]), np.array([0.75]))
    period = period_of(CONVERTED, TWO_CURRENCIES, labels=EUR, currencies=HoldingCurrencies("USD", RATES, hedges))
    assert period.fx == near(0.063 / 4, 0.0)
    assert period.local == near(0.03, 0.02)


def test_local_only_adds_up_local_contributions_on_converted_weights() -> None:
    currencies = HoldingCurrencies("USD", RATES, is_local=True)
    period = period_of(CONVERTED, TWO_CURRENCIES, labels=EUR, currencies=currencies)
    assert period.portfolio_return == pytest.approx(0.05)
    assert period.total == near(0.03, 0.02)
    assert period.fx.tolist() == [0.0, 0.0]
    assert period.weight == near(0.6, 0.4)
    assert period.returns == near(0.05, 0.05)


def test_the_currency_earns_on_what_was_there_all_day_under_average_capital() -> None:
    # 100 EUR arrive in the morning on top of 200 and grow by 5 % as above: 300 EUR were exposed to the currency, while
    # the average capital is 250 EUR = 500 USD, that of the portfolio 400 + 500 = 900 USD.
    positions: dict[str, list[Row]] = {"E": [(MONDAY, 200.0, 315.0, 100.0)], "U": [(MONDAY, 400.0, 420.0)]}
    period = period_of(
        [(MONDAY, 800.0, 1113.0, 200.0)],
        positions,
        labels=EUR,
        currencies=HoldingCurrencies("USD", RATES),
        scheme=WeightingScheme.AVG_CAPITAL,
    )
    assert period.portfolio_return == pytest.approx(113 / 900)
    assert period.local == near(30 / 900, 20 / 900)
    assert period.fx == near(63 / 900, 0.0)
    assert period.weight == near(5 / 9, 4 / 9)


def test_rows_that_no_window_asks_for_need_no_rate() -> None:
    positions: dict[str, list[Row]] = {"E": [(MONDAY, 50.0, 50.0), (TUESDAY, 50.0, 55.0)]}
    portfolio: list[Row] = [(MONDAY, 100.0, 100.0), (TUESDAY, 110.0, 121.0)]
    late = DatedValues(np.array([MONDAY], dtype="M8[D]"), np.array(["EUR"]), np.array([2.2]))
    currencies = HoldingCurrencies("USD", late)
    (period,) = contribute(portfolio, positions, window(TUESDAY), labels=EUR, currencies=currencies).periods
    assert period.total == near(0.1)
    with pytest.raises(FxRateMissingError):
        contribute(portfolio, positions, labels=EUR, currencies=currencies)
