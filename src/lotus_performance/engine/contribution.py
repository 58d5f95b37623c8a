"""Contribution: what each position added to the return of the portfolio, over any period."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from lotus_performance.engine.fx import in_report_currency
from lotus_performance.engine.holdings import HoldingCurrencies, Holdings, Panel, convert, on_dates, sum_ranges
from lotus_performance.engine.linking import Linking, link_factors
from lotus_performance.engine.notices import Notice, dated, late_note, order_note, reset_notices, value_notices
from lotus_performance.engine.periods import Slice, Window, rows_of, slice_rows
from lotus_performance.engine.returns import (
    CAPITAL_EPSILON,
    Basis,
    DayReturns,
    Reset,
    day_returns,
    link_ranges,
    link_window,
    on_average_capital,
    paid_gains,
    refuse_undefined_days,
)
from lotus_performance.engine.series import BoolArray, DailyValues, FloatArray, IntArray
from lotus_performance.errors import FigureOverflowError, LinkingUndefinedError, NoCapitalError


class WeightingScheme(StrEnum):
    """Capital by which gains are divided."""

    BOD = "BOD"
    AVG_CAPITAL = "AVG_CAPITAL"
    TWR_DENOM = "TWR_DENOM"


class Smoothing(StrEnum):
    """How the contributions of days are linked."""

    CARINO = "CARINO"
    NONE = "NONE"
    MENCHERO = "MENCHERO"
    TO_DATE = "TO_DATE"
    SYMMETRIC = "SYMMETRIC"


LINKINGS = {
    Smoothing.NONE: Linking.NONE,
    Smoothing.CARINO: Linking.CARINO,
    Smoothing.MENCHERO: Linking.MENCHERO,
    Smoothing.TO_DATE: Linking.GRAP,
    Smoothing.SYMMETRIC: Linking.SYMMETRIC,
}
"""Linking of effects that each smoothing is, against a benchmark that earns nothing."""

MOST_NAMED = 10
"""Positions that a sentence names."""

NAMES = {linking: smoothing.value for smoothing, linking in LINKINGS.items()}
"""What a request calls them."""


@dataclass(frozen=True)
class PeriodContribution:
    """Contributions of n positions over one window, as fractions.

    Attributes
    ----------
    slice : Slice
        The window and its rows of the portfolio.
    portfolio_return : float
        Return of the portfolio that the contributions explain.
    factor : ndarray of float64, shape (m,)
        By what the contributions of each of the window's days are multiplied.
    local, fx : ndarray of float64, shape (n,)
        Linked contribution of each position in its own currency, and that of its currency.
    weight : ndarray of float64, shape (n,)
        Average weight over all days of the window.
    returns : ndarray of float64, shape (n,)
        Linked return of each position itself; NaN where it has none.
    restarted : ndarray of int64
        Positions whose return is linked from a restart on.
    spread : float
        Residual that was added to the local parts.
    """

    slice: Slice
    portfolio_return: float
    factor: FloatArray
    local: FloatArray
    fx: FloatArray
    weight: FloatArray
    returns: FloatArray
    restarted: IntArray
    spread: float = 0.0

    @property
    def total(self) -> FloatArray:
        """Return the contribution of each position.

        Returns
        -------
        ndarray of float64, shape (n,)
            Local and currency part together.
        """
        return self.local + self.fx

    @property
    def residual(self) -> float:
        """Return what the positions explain beyond the return.

        Returns
        -------
        float
            Sum of the contributions less the return of the portfolio.
        """
        return float(self.total.sum()) - self.portfolio_return

    @property
    def has_weight(self) -> bool:
        """Return whether the average weights of the positions have a sum that a residual can be spread by.

        Returns
        -------
        bool
            False where they sum to 0 but for rounding: there is no position, or longs and shorts cancel.
        """
        return bool(abs(self.weight.sum()) > CAPITAL_EPSILON * np.abs(self.weight).sum())

    def with_residual_spread(self) -> "PeriodContribution":
        """Return the same with the residual spread over the positions, by average weight.

        Returns
        -------
        PeriodContribution
            Local contributions that sum to the return; unchanged where the weights sum to 0.
        """
        if not self.has_weight:
            return self
        share = self.weight / self.weight.sum()
        return replace(self, local=self.local - self.residual * share, spread=-self.residual)


@dataclass(frozen=True)
class Contribution:
    """The answer: a figure for each position and period, and what is to be said about them.

    `days` are the returns of the portfolio's T days, `own_days` those of the N rows of positions before conversion,
    and `daily` what each of these rows added to the return of its day.
    """

    values: DailyValues
    panel: Panel
    days: DayReturns
    own_days: DayReturns
    daily: FloatArray
    weight: FloatArray
    periods: list[PeriodContribution]
    n_used_rows: int
    n_idle_days: int
    n_reset_days: int
    notes: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def contribution(
    values: DailyValues,
    holdings: Holdings,
    windows: Sequence[Window],
    basis: Basis,
    scheme: WeightingScheme,
    smoothing: Smoothing,
    *,
    currencies: HoldingCurrencies | None = None,
    fail_fast: bool = False,
) -> Contribution:
    r"""Return what each position contributed to the return of the portfolio over several windows.

    Parameters
    ----------
    values : DailyValues
        Values and flows of the portfolio, T rows.
    holdings : Holdings
        Values and flows of n positions, N rows on dates of the portfolio.
    windows : sequence of Window
        Requested periods.
    basis : Basis
        NET or GROSS of management fees, of portfolio and positions alike.
    scheme : WeightingScheme
        Capital by which gains are divided: at the beginning of the day, or on its average.
    smoothing : Smoothing
        How the contributions of days become those of a window.
    currencies : HoldingCurrencies, optional
        Rates by which positions in other currencies are converted.
    fail_fast : bool
        Refuse days of the portfolio whose return is undefined, instead of leaving them out.

    Returns
    -------
    Contribution
        Figures for each window that has a return, and what was left out.

    Raises
    ------
    NoResolvedPeriodError
        No window holds a row.
    DatesMismatchError
        A position has a row on a date on which the portfolio has none.
    NoCapitalError
        No window has a return; or, under `fail_fast`, a day has a gain without capital.
    LinkingUndefinedError
        A window has a reset, a day without positive capital, or a return outside the domain of the smoothing.
    FxRateMissingError
        A position has no exchange rate on a needed date.
    FigureOverflowError
        A figure is larger than a double.

    Notes
    -----
    Of day t and position i, with gain g, capital c, opening rate q and currency return x of the position and the
    capital b of the portfolio,

    .. math::

        l_{it} = \frac{q_{it}\,g_{it}}{|b_t|}, \qquad
        x_{it} = \frac{q_{it}\,(c_{it} + g_{it})\,x_{it}}{|b_t|}, \qquad
        w_{it} = \frac{q_{it}\,c_{it}}{b_t}

    are the local and the currency part of the contribution and the weight. They need no return of the position, so
    that they hold for shorts and for positions without capital. Under AVG_CAPITAL, b and the c of the weight are
    average capital; the currency earns on the capital of the day, so that both parts together are the converted gain.
    Over a window they are :math:`\sum_t f_t\,l_{it}` with the factors of `linking.link_factors`, which make the sum
    of all positions the return of the portfolio.

    References
    ----------
    Carino, D. R.: Combining Attribution Effects Over Time, Journal of Performance Measurement 3/4 (1999), 5-14.
    Menchero, J. G.: An Optimized Approach to Linking Attribution Effects Over Time, Journal of Performance
    Measurement 5/1 (2000), 36-42.
    Bacon, C. R.: Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley 2008, chapter 5.
    """
    slices = slice_rows(values.perf_date, windows)
    panel = on_dates(holdings, values.perf_date)
    is_requested = rows_of(slices, len(values))
    daily = _daily(values, panel, basis, scheme, currencies, is_requested)
    if fail_fast:
        refuse_undefined_days(values, daily.portfolio, is_requested)

    periods, notes = [], []
    is_reset = np.zeros(len(values), dtype=bool)
    for part in slices:
        if part.is_empty:
            notes.append(part.no_rows)
        elif not daily.portfolio.is_defined[part.first : part.stop].any():
            notes.append(part.no_capital)
        else:
            period, resets = _period(daily, panel, values, part, smoothing)
            periods.append(period)
            is_reset[resets] = True
    if not periods:
        raise NoCapitalError("No requested period has a row with capital, so that there is no return to state.")
    return Contribution(
        values=values,
        panel=panel,
        days=daily.portfolio,
        own_days=daily.local_days,
        daily=daily.local + daily.fx,
        weight=daily.weight,
        periods=periods,
        n_used_rows=int(is_requested.sum()),
        n_idle_days=int((daily.portfolio.is_idle & is_requested).sum()),
        n_reset_days=int(is_reset.sum()),
        notes=[
            *order_note(values.is_reordered or holdings.is_reordered),
            *late_note(values.perf_date, windows),
            *notes,
        ],
        notices=[
            *value_notices(values, daily.portfolio, is_requested),
            *_positive_fees(holdings, is_requested[panel.date]),
            *reset_notices(values.perf_date[is_reset]),
        ],
    )


@dataclass(frozen=True)
class _Daily:
    """Returns of the portfolio's T days; and of N rows of positions: own returns before and after conversion, parts."""

    portfolio: DayReturns
    local_days: DayReturns
    own: DayReturns
    local: FloatArray
    fx: FloatArray
    weight: FloatArray


def _daily(
    values: DailyValues,
    panel: Panel,
    basis: Basis,
    scheme: WeightingScheme,
    currencies: HoldingCurrencies | None,
    is_requested: BoolArray,
) -> _Daily:
    stacked = panel.holdings.values
    portfolio = day_returns(values, basis)
    local_days = weighed = day_returns(stacked, basis, begins=panel.holdings.first[:-1])
    if scheme is WeightingScheme.AVG_CAPITAL:
        portfolio, weighed = on_average_capital(portfolio, values), on_average_capital(weighed, stacked)
    gain = paid_gains(local_days.gain, local_days.is_idle, stacked, basis)
    rate, currency_return = convert(panel, values.perf_date, currencies, is_requested[panel.date])
    is_local = currencies is not None and currencies.is_local
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scale = np.where(portfolio.capital == 0.0, 0.0, 1.0 / portfolio.capital)[panel.date] * rate
        weight = weighed.capital * scale
        size = np.abs(scale)
        local = gain * size
        # The currency earns on what was there all day, whatever the gain is divided by.
        fx = np.zeros(len(local)) if is_local else (local_days.capital + gain) * size * currency_return
        if is_local:
            portfolio = replace(
                portfolio, returns=np.where(portfolio.sign == 0.0, portfolio.returns, panel.sum_by_date(local))
            )
    own = local_days if currencies is None or is_local else in_report_currency(local_days, currency_return)
    return _Daily(portfolio, local_days, own, local, fx, weight)


def _period(
    daily: _Daily, panel: Panel, values: DailyValues, part: Slice, smoothing: Smoothing
) -> tuple[PeriodContribution, list[int]]:
    """Return the figures of one window that has a return, and the rows of its resets."""
    days = slice(part.first, part.stop)
    linked, resets = link_window(daily.portfolio, part.first, part.stop)
    if smoothing is Smoothing.NONE:
        factor = np.ones(part.stop - part.first)
    else:
        _refuse_unlinkable(daily.portfolio, values, part, smoothing, resets)
        returns, dates = daily.portfolio.returns[days], values.perf_date[days]
        what = f"the returns of {part.window.label}"
        factor = link_factors(LINKINGS[smoothing], returns, np.zeros(len(returns)), NAMES, what=what, dates=dates)
    begin, end = panel.ranges(part.first, part.stop)
    weighing = np.zeros(panel.n_dates)
    weighing[days] = factor
    of_row = weighing[panel.date]
    n_days = np.count_nonzero(daily.portfolio.sign[days])
    is_there = end > begin
    returns = np.full(len(begin), np.nan)
    own, own_resets = link_ranges(daily.own, begin[is_there], end[is_there])
    returns[is_there] = own
    with np.errstate(over="ignore", invalid="ignore"):
        period = PeriodContribution(
            slice=part,
            portfolio_return=linked,
            factor=factor,
            local=sum_ranges(daily.local * of_row, begin, end),
            fx=sum_ranges(daily.fx * of_row, begin, end),
            weight=sum_ranges(daily.weight, begin, end) / (n_days or 1),
            returns=returns,
            restarted=np.flatnonzero(is_there)[list(own_resets)],
        )
        is_finite = np.isfinite(period.total) & np.isfinite(period.weight)
    if not is_finite.all():
        first = panel.holdings.ids[int(np.argmin(is_finite))]
        raise FigureOverflowError(
            f"The contribution of {first} to {part.window.label} is too large for a number; check its amounts."
        )
    return period, [reset.row for reset in resets]


def _positive_fees(holdings: Holdings, is_requested: BoolArray) -> list[Notice]:
    """Return the warning of positions with fees that are none."""
    positive = np.flatnonzero((holdings.values.mgmt_fees > 0.0) & is_requested)
    names = [holdings.ids[i] for i in np.unique(holdings.of_row[positive]).tolist()]
    who = f"{', '.join(names[:MOST_NAMED])}{' and others' if len(names) > MOST_NAMED else ''}"
    detail = f"Management fees are negative by convention; positive ones raise the net return of positions: {who}."
    return dated("positive_fee", detail, np.unique(holdings.values.perf_date[positive]))


def _refuse_unlinkable(
    portfolio: DayReturns, values: DailyValues, part: Slice, smoothing: Smoothing, resets: Sequence[Reset]
) -> None:
    """Refuse to link contributions to a return that is no product of the window's days."""
    without = np.flatnonzero(portfolio.sign[part.first : part.stop] <= 0.0)
    if len(without):
        reason = f"the portfolio has no positive capital on {values.perf_date[part.first + without[0]]}"
    elif resets:
        reason = f"capital was lost, or a new chain was opened, on {values.perf_date[resets[0].row]}"
    else:
        return
    raise LinkingUndefinedError(
        f"{smoothing} cannot link the contributions of {part.window.label}: {reason}. Use smoothing method NONE, "
        "which adds the days up and states the difference to the return, or ask for another period."
    )
