"""Attribution: why a portfolio returned something else than its benchmark, over any period."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lotus_performance.engine.brinson import (
    LEVERAGE,
    Comparison,
    Effects,
    Interaction,
    Model,
    OffBenchmark,
    brinson,
    compare,
    currency_effects,
    geometric,
    top_down,
)
from lotus_performance.engine.holdings import HoldingCurrencies, Holdings, convert, on_dates
from lotus_performance.engine.linking import EXACT_METHODS, Linking, defined_methods, link_factors
from lotus_performance.engine.notices import Notice, dated, late_note, reset_notices
from lotus_performance.engine.periods import Frequency, Slice, Window, bucket_starts, rows_of, slice_of, slice_rows
from lotus_performance.engine.returns import (
    Basis,
    DayReturns,
    day_returns,
    gains,
    link_window,
    paid_gains,
    refuse_undefined_days,
)
from lotus_performance.engine.segments import (
    Cells,
    Joined,
    Key,
    Observations,
    gains_of,
    held,
    in_buckets,
    joined,
    prefixes,
    sums,
)
from lotus_performance.engine.series import BoolArray, DailyValues, DateArray, FloatArray, IntArray, date_texts
from lotus_performance.errors import (
    DatesMismatchError,
    Fault,
    FigureOverflowError,
    LinkingUndefinedError,
    NoCapitalError,
    NoResolvedPeriodError,
    NotSupportedError,
    Place,
    WeightsNotOneError,
)

WEIGHTS_EPSILON = 1e-6
"""By what the weights of a benchmark may miss 1."""


@dataclass(frozen=True)
class Method:
    """How effects are calculated and linked."""

    model: Model = Model.BF
    linking: Linking = Linking.CARINO
    interaction: Interaction = Interaction.SEPARATE
    off_benchmark: OffBenchmark = OffBenchmark.BENCHMARK_TOTAL
    is_top_down: bool = False
    frequency: Frequency = Frequency.MONTHLY
    compares_linkings: bool = False


@dataclass(frozen=True)
class Portfolio:
    """The portfolio's side: cells a day and segment, and what it really returned.

    Attributes
    ----------
    dates : ndarray of datetime64[D], shape (T,)
        Days of the portfolio, rising.
    cells : Cells
        What it held and earned, by position among `dates`.
    days : DayReturns or None
        Returns of its own rows; None where it is no more than the sum of its groups.
    places : sequence of Place, length T
        Where each day stands in the request, for messages.
    """

    dates: DateArray
    cells: Cells
    days: DayReturns | None
    places: Sequence[Place]


def of_groups(groups: Observations, keys: Sequence[Key], *, is_local: bool) -> Portfolio:
    """Return the portfolio's side as the sum of groups.

    Parameters
    ----------
    groups : Observations
        Weights and returns of the portfolio's groups.
    keys : sequence of tuple of str
        Segments of both sides.
    is_local : bool
        Whether returns are those in the groups' own currencies.

    Returns
    -------
    Portfolio
        A cell an observation.
    """
    dates = groups.dates
    rows = dates.searchsorted(groups.date)
    first = np.full(len(dates), len(rows))
    np.minimum.at(first, rows, np.arange(len(rows)))
    places = [(*groups.place_of(i), "date") for i in first.tolist()]
    return Portfolio(dates, groups.cells(dates, keys, is_local=is_local), None, places)


def of_instruments(
    values: DailyValues,
    instruments: Holdings,
    segment: IntArray,
    n_segments: int,
    basis: Basis,
    currencies: HoldingCurrencies | None,
    is_needed: BoolArray,
    *,
    fail_fast: bool = False,
) -> Portfolio:
    """Return the portfolio's side as the sum of instruments.

    Parameters
    ----------
    values : DailyValues
        Values and flows of the portfolio, T rows.
    instruments : Holdings
        Values and flows of n instruments, on dates of the portfolio.
    segment : ndarray of int64, shape (n,)
        Segment of each instrument.
    n_segments : int
        Number of segments.
    basis : Basis
        NET or GROSS of management fees.
    currencies : HoldingCurrencies or None
        Rates by which instruments in other currencies are converted.
    is_needed : ndarray of bool, shape (T,)
        Days of requested periods: on them every instrument must have a rate.
    fail_fast : bool
        Refuse needed days on which the portfolio has a gain without capital, instead of leaving them out.

    Returns
    -------
    Portfolio
        A cell a segment and day.

    Raises
    ------
    DatesMismatchError
        An instrument has a row on a date on which the portfolio has none.
    FxRateMissingError
        An instrument has no exchange rate on a needed date.
    NoCapitalError
        Under `fail_fast`, a needed day has a gain without capital.
    """
    panel = on_dates(instruments, values.perf_date)
    days = day_returns(values, basis)
    if fail_fast:
        refuse_undefined_days(values, days, is_needed)
    earned, of_instrument, is_idle = gains(instruments.values, basis)
    gain = paid_gains(earned, is_idle, instruments.values, basis)
    rate, fx_return = convert(panel, values.perf_date, currencies, is_needed[panel.date])
    with np.errstate(over="ignore", invalid="ignore"):
        capital, local, fx = gains_of(gain, of_instrument, panel, days.capital, rate, fx_return)
        if currencies is not None and currencies.is_local:
            fx = np.zeros(len(fx))
            days = replace(days, returns=np.where(days.sign == 0.0, days.returns, panel.sum_by_date(local)))
        cells = held(panel, capital, local, fx, segment, n_segments)
    places = [(*values.place, row, "perf_date") for row in values.row.tolist()]
    return Portfolio(values.perf_date, cells, days, places)


@dataclass(frozen=True)
class EffectTotals:
    """Effects of one group, or of all, as fractions; `total` is None where parts do not add up to one."""

    allocation: float
    selection: float
    interaction: float
    total: float


@dataclass(frozen=True)
class LevelEffects:
    """Linked effects of the groups of one level, of all or of those of one parent; k groups in order of their keys."""

    names: tuple[str, ...]
    parent: Key | None
    keys: list[Key]
    allocation: FloatArray
    selection: FloatArray
    interaction: FloatArray
    totals: EffectTotals


@dataclass(frozen=True)
class CurrencyAttribution:
    """Linked effects by currency, k currencies in order, the leverage last where there is any.

    `weight` and `bmk_weight` are averages over the buckets; the four effects are fractions.
    """

    names: list[str]
    weight: FloatArray
    bmk_weight: FloatArray
    local_allocation: FloatArray
    local_selection: FloatArray
    currency_allocation: FloatArray
    currency_selection: FloatArray

    @property
    def total(self) -> FloatArray:
        """Return the effect of each currency.

        Returns
        -------
        ndarray of float64, shape (k,)
            Sum of its four effects.
        """
        return self.local_allocation + self.local_selection + self.currency_allocation + self.currency_selection


@dataclass(frozen=True)
class Working:
    """How the figures of one window come about, n buckets and M cells.

    Attributes
    ----------
    starts : ndarray of datetime64[D], shape (n,)
        First day of each bucket.
    sides : Comparison
        Weights and returns of both sides.
    effects : sequence of Effects
        Effects of segments, or those of each level from the top down.
    factors : tuple of ndarray of float64, shape (n,)
        By what allocation, and by what selection and interaction of each bucket are multiplied.
    """

    starts: DateArray
    sides: Comparison
    effects: Sequence[Effects]
    factors: tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class PeriodAttribution:
    """Attribution of one window; figures are fractions."""

    slice: Slice
    working: Working
    levels: list[LevelEffects]
    active_return: float
    sum_of_effects: float
    currencies: CurrencyAttribution | None = None
    comparison: dict[Linking, EffectTotals] | None = None

    @property
    def residual(self) -> float:
        """Return what the effects leave unexplained.

        Returns
        -------
        float
            Active return less the sum of the effects.
        """
        return self.active_return - self.sum_of_effects


@dataclass(frozen=True)
class Attribution:
    """The answer: effects for each period, and what is to be said about them.

    `daily` and `bmk_daily` are the returns of both sides on `dates`, and `groups` the groups of each level.
    """

    dates: DateArray
    daily: FloatArray
    bmk_daily: FloatArray
    groups: Sequence[tuple[Sequence[Key], IntArray]]
    periods: list[PeriodAttribution]
    n_segments: int
    n_idle_days: int
    n_reset_days: int
    notes: list[str]
    notices: list[Notice]


def attribution(
    portfolio: Portfolio,
    benchmark: Observations,
    keys: Sequence[Key],
    names: Sequence[str],
    windows: Sequence[Window],
    method: Method,
    *,
    is_local: bool = False,
    with_currencies: bool = False,
    fail_fast: bool = False,
) -> Attribution:
    r"""Return the effects that make the difference between a portfolio and its benchmark, over several windows.

    Parameters
    ----------
    portfolio : Portfolio
        What the portfolio held and earned.
    benchmark : Observations
        Weights and returns of the benchmark's groups.
    keys : sequence of tuple of str, length n
        Segments of both sides, rising.
    names : sequence of str
        Labels that make a key, from the top down.
    windows : sequence of Window
        Requested periods.
    method : Method
        How effects are calculated and linked.
    is_local : bool
        Whether returns are those in the segments' own currencies.
    with_currencies : bool
        Whether effects are told by currency, which must be one of the names.
    fail_fast : bool
        Refuse days that one side alone has, instead of leaving them out where all their returns are 0.

    Returns
    -------
    Attribution
        Effects for each window that has days of both sides, and what was left out.

    Raises
    ------
    NoResolvedPeriodError
        No window holds a day of the portfolio, or none a day of both sides.
    DatesMismatchError
        A day of a window is there for one side alone.
    WeightsNotOneError
        The weights of the benchmark do not sum to 1.
    NoCapitalError
        The portfolio has no positive capital on the first day of a bucket.
    LinkingUndefinedError
        Returns of a window lie outside the domain of the linking method.
    NotSupportedError
        The methods asked for do not go together, or not with these data.
    FigureOverflowError
        A figure is larger than a double.

    Notes
    -----
    Days are put together to buckets of the frequency: weights are those of a bucket's first day, returns of segments
    compound. The effects of bucket t are multiplied by the factor of `linking.link_factors` and added up. The active
    return is that of the days, so that what weights do within a bucket is the stated residual.

    References
    ----------
    Bacon, C. R.: Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley 2008, chapters 5 to 8.
    """
    _refuse_weights(benchmark)
    slices = slice_rows(portfolio.dates, windows)
    dates, dropped = _common_dates(portfolio, benchmark, slices, fail_fast=fail_fast)
    commons = [slice_of(dates, part.window) for part in slices]
    if all(common.is_empty for common in commons):
        raise NoResolvedPeriodError(
            "No requested period has a day of both sides, so that there is nothing to compare. Send observations of "
            "the benchmark on dates of the portfolio."
        )
    mine = _on(portfolio.cells, portfolio.dates, dates)
    theirs = benchmark.cells(dates, keys, is_local=is_local)
    is_mine = np.isin(portfolio.dates, dates)
    days = None if portfolio.days is None else _taken(portfolio.days, is_mine)
    calculation = _Calculation(dates, mine, theirs, days, keys, names, method, with_currencies)
    periods, notes = [], []
    for part, common in zip(slices, commons, strict=True):
        if part.is_empty:
            notes.append(part.no_rows)
        elif common.is_empty:
            notes.append(f"Period {part.window.label} has no day of both sides and was left out.")
        else:
            period = _named(calculation, common)
            periods.append(period)
            notes += [*_undefined_note(period), *_leverage_note(period)]
    resets = dates[calculation.is_reset]
    return Attribution(
        dates=dates,
        daily=calculation.daily,
        bmk_daily=calculation.bmk_daily,
        groups=calculation.groups,
        periods=periods,
        n_segments=len(keys),
        n_idle_days=calculation.n_idle_days([period.slice for period in periods]),
        n_reset_days=len(resets),
        notes=[*late_note(portfolio.dates, windows), *notes],
        notices=[
            *reset_notices(resets),
            *dated(
                "one_sided_date",
                "A date was there for the portfolio or for the benchmark alone; its returns are 0, and it was left "
                "out.",
                dropped,
            ),
        ],
    )


def _named(calculation: "_Calculation", part: Slice) -> PeriodAttribution:
    """Return the attribution of one window; what is too large for a number names it."""
    label = part.window.label
    try:
        with np.errstate(all="ignore"):
            period = calculation.period(part)
    except FigureOverflowError as error:
        raise FigureOverflowError(f"Period {label}: {error.message}") from error
    if not all(np.isfinite(column).all() for column in _figures(period)):
        raise FigureOverflowError(f"An effect of period {label} is too large for a number; check returns and weights.")
    return period


class _Calculation:
    """Both sides on their common days, and what each window makes of them."""

    def __init__(
        self,
        dates: DateArray,
        portfolio: Cells,
        benchmark: Cells,
        days: DayReturns | None,
        keys: Sequence[Key],
        names: Sequence[str],
        method: Method,
        with_currencies: bool,
    ) -> None:
        self.dates, self.portfolio, self.benchmark, self.days = dates, portfolio, benchmark, days
        self.keys, self.names, self.method, self.with_currencies = keys, tuple(names), method, with_currencies
        with np.errstate(all="ignore"):
            self.daily = portfolio.earned(len(dates)) if days is None else days.returns
            self.bmk_daily = benchmark.earned(len(dates))
        self.groups = [prefixes(keys, depth) for depth in range(1, len(names) + 1)]
        self.is_reset = np.zeros(len(dates), dtype=bool)

    def period(self, part: Slice) -> PeriodAttribution:
        """Return the attribution of one window that holds days of both sides."""
        first, stop = part.first, part.stop
        starts = bucket_starts(self.dates[first:stop], self.method.frequency)[0]
        self._refuse_days(first, starts)
        both = joined(
            in_buckets(self.portfolio, first, stop, starts),
            in_buckets(self.benchmark, first, stop, starts),
            len(starts),
            len(self.keys),
        )
        sides = compare(both, self.method.off_benchmark)
        total, benchmark = self._returns(first, stop)
        if self.method.linking is Linking.GEOMETRIC:
            return self._geometric(part, self.dates[first + starts], sides, total, benchmark)
        active_return = total - benchmark
        levels_of_buckets = self._effects(sides)
        factor = link_factors(
            self.method.linking,
            sides.total,
            sides.bmk_total,
            what=f"the returns of {part.window.label}",
            dates=self.dates[first + starts] if self.method.frequency is Frequency.DAILY else None,
        )
        levels = self._levels(levels_of_buckets, sides, factor)
        parts = levels if self.method.is_top_down else levels[-1:]
        return PeriodAttribution(
            slice=part,
            working=Working(self.dates[first + starts], sides, levels_of_buckets, (factor, factor)),
            levels=levels,
            active_return=active_return,
            sum_of_effects=sum(level.totals.total for level in parts),
            currencies=self._currencies(both, factor) if self.with_currencies else None,
            comparison=self._comparison(levels_of_buckets, sides, factor) if self.method.compares_linkings else None,
        )

    def n_idle_days(self, slices: Sequence[Slice]) -> int:
        """Return the number of days of some windows on which the portfolio held nothing."""
        if self.days is None:
            return 0
        return int((self.days.is_idle & rows_of(slices, len(self.dates))).sum())

    def _returns(self, first: int, stop: int) -> tuple[float, float]:
        """Return what portfolio and benchmark really returned: their days, compounded."""
        if self.days is None:
            total = float(np.prod(1.0 + self.daily[first:stop])) - 1.0
        else:
            total, resets = link_window(self.days, first, stop)
            self.is_reset[[reset.row for reset in resets]] = True
        return total, float(np.prod(1.0 + self.bmk_daily[first:stop])) - 1.0

    def _refuse_days(self, first: int, starts: IntArray) -> None:
        if self.days is not None:
            without = np.flatnonzero(self.days.capital[first + starts] <= 0.0)
            if len(without):
                day = self.dates[first + starts[without[0]]]
                raise NoCapitalError(
                    f"The portfolio has no positive capital on {day}, the first day of a {self.method.frequency} "
                    "bucket, so that there are no weights; ask for periods or a frequency without such a day."
                )

    # ------------------------------------------------------------------ effects of buckets

    def _effects(self, sides: Comparison) -> list[Effects]:
        """Return the effects of segments, or those of each level from the top down."""
        if self.method.is_top_down:
            return top_down(sides, self.groups, self.method.off_benchmark)
        return [brinson(sides, self.method.model, self.method.interaction)]

    def _levels(self, effects: Sequence[Effects], sides: Comparison, factor: FloatArray) -> list[LevelEffects]:
        has_leverage = bool(sides.excess_weight.any()) and self.method.model is Model.BF
        present = np.unique(sides.segment)
        if self.method.is_top_down:
            levels: list[LevelEffects] = []
            for depth, level in enumerate(effects, start=1):
                groups, position = self.groups[depth - 1]
                shown = np.unique(position[present])
                levels += self._by_parent(level, groups, shown, factor, depth, has_leverage=has_leverage and depth == 1)
            return levels
        (by_segment,) = effects
        linked = _linked(by_segment, factor, len(self.keys))
        leverage = float(factor @ by_segment.leverage)
        levels = []
        for depth, (groups, position) in enumerate(self.groups, start=1):
            columns = [sums(position, column, len(groups)) for column in linked]
            rolled = _level(self.names[:depth], None, groups, np.unique(position[present]), columns)
            levels.append(_with_leverage(rolled, leverage) if has_leverage else rolled)
        return levels

    def _by_parent(
        self,
        effects: Effects,
        groups: Sequence[Key],
        shown: IntArray,
        factor: FloatArray,
        depth: int,
        *,
        has_leverage: bool,
    ) -> list[LevelEffects]:
        columns = _linked(effects, factor, len(groups))
        names = self.names[:depth]
        if depth == 1:
            level = _level(names, None, groups, shown, columns)
            return [_with_leverage(level, float(factor @ effects.leverage)) if has_leverage else level]
        by_parent: dict[Key, list[int]] = {}
        for i in shown.tolist():
            by_parent.setdefault(groups[i][:-1], []).append(i)
        return [_level(names, parent, groups, np.array(mine), columns) for parent, mine in by_parent.items()]

    def _geometric(
        self, part: Slice, starts: DateArray, sides: Comparison, total: float, benchmark: float
    ) -> PeriodAttribution:
        if sides.excess_weight.any():
            raise NotSupportedError(
                "Geometric attribution needs weights that sum to those of the benchmark; use another linking.",
                faults=[Fault(("linking",), "geometric does not go with weights that do not sum to 1")],
            )
        effects, allocation, selection = geometric(sides)
        # None of the three may lose everything: the benchmark, its returns at the portfolio's weights, the portfolio.
        is_defined = (sides.bmk_total > -1.0) & (allocation > -1.0) & (selection > -1.0)
        if not (is_defined.all() and benchmark > -1.0):
            raise LinkingUndefinedError(
                f"Geometric effects are not defined for the returns of {part.window.label}: portfolio, benchmark, or "
                "the benchmark's returns at the portfolio's weights have -100 % or less. Ask for linking grap, "
                "frongello or symmetric."
            )
        none = np.zeros(len(allocation))
        factors = [link_factors(Linking.CARINO, totals, none) for totals in (allocation, selection)]
        by_segment = [
            sums(effects.group, factor[effects.time] * column, len(self.keys))
            for factor, column in zip(factors, (effects.allocation, effects.selection), strict=True)
        ]
        a, s = (float(np.prod(1.0 + totals)) - 1.0 for totals in (allocation, selection))
        totals = EffectTotals(a, s, 0.0, (1.0 + a) * (1.0 + s) - 1.0)
        levels = []
        present = np.unique(sides.segment)
        for depth, (groups, position) in enumerate(self.groups, start=1):
            columns = [sums(position, column, len(groups)) for column in (*by_segment, np.zeros(len(self.keys)))]
            level = _level(self.names[:depth], None, groups, np.unique(position[present]), columns)
            levels.append(replace(level, totals=totals))
        working = Working(starts, sides, [effects], (factors[0], factors[1]))
        return PeriodAttribution(part, working, levels, (1.0 + total) / (1.0 + benchmark) - 1.0, totals.total)

    # ------------------------------------------------------------------ by currency, by linking

    def _currencies(self, both: Joined, factor: FloatArray) -> CurrencyAttribution:
        level = self.names.index("currency")
        names = sorted({key[level] for key in self.keys})
        position = {name: i for i, name in enumerate(names)}
        currency = np.array([position[key[level]] for key in self.keys], dtype=np.int64)
        effects = currency_effects(both, currency, len(names))
        n_buckets = both.n_times

        def linked(column: FloatArray) -> FloatArray:
            return sums(effects.currency, factor[effects.time] * column, len(names))

        present = np.unique(currency[both.segment])
        parts = CurrencyAttribution(
            names=[names[i] for i in present.tolist()],
            weight=sums(effects.currency, effects.weight, len(names))[present] / n_buckets,
            bmk_weight=sums(effects.currency, effects.bmk_weight, len(names))[present] / n_buckets,
            local_allocation=linked(effects.local_allocation)[present],
            local_selection=linked(effects.local_selection)[present],
            currency_allocation=linked(effects.currency_allocation)[present],
            currency_selection=linked(effects.currency_selection)[present],
        )
        local, currencies = (float(factor @ part) for part in effects.leverage)
        if not any(part.any() for part in effects.leverage):
            return parts
        return CurrencyAttribution(
            names=[*parts.names, LEVERAGE],
            weight=np.append(parts.weight, 0.0),
            bmk_weight=np.append(parts.bmk_weight, 0.0),
            local_allocation=np.append(parts.local_allocation, local),
            local_selection=np.append(parts.local_selection, 0.0),
            currency_allocation=np.append(parts.currency_allocation, currencies),
            currency_selection=np.append(parts.currency_selection, 0.0),
        )

    def _comparison(
        self, effects: Sequence[Effects], sides: Comparison, known: FloatArray
    ) -> dict[Linking, EffectTotals]:
        """Return the totals by every exact linking that is defined; `known` are the factors of the one asked for."""
        n = len(sides.total)
        allocation, selection, interaction = (
            sum((sums(each.time, getattr(each, name), n) for each in effects), np.zeros(n))
            for name in ("allocation", "selection", "interaction")
        )
        allocation = allocation + sum((each.leverage for each in effects), np.zeros(n))
        defined = defined_methods(sides.total, sides.bmk_total)
        comparison = {}
        for linking in defined:
            is_known = linking is self.method.linking
            factor = known if is_known else link_factors(linking, sides.total, sides.bmk_total)
            a, s, i = float(factor @ allocation), float(factor @ selection), float(factor @ interaction)
            comparison[linking] = EffectTotals(a, s, i, a + s + i)
        return comparison


# ---------------------------------------------------------------------- days of both sides


def _refuse_weights(benchmark: Observations) -> None:
    dates = benchmark.dates
    weight = sums(dates.searchsorted(benchmark.date), benchmark.weight, len(dates))
    off = np.flatnonzero(np.abs(weight - 1.0) > WEIGHTS_EPSILON)
    if len(off):
        raise WeightsNotOneError(
            f"On {len(off)} of {len(dates)} dates the weights of the benchmark do not sum to 1, on {dates[off[0]]} to "
            f"{weight[off[0]]:.6g}. Weights are fractions, of all groups of the benchmark.",
            faults=[
                Fault(("benchmark_groups_data",), f"weights sum to {weight[i]:.6g}", {"date": text})
                for i, text in zip(off.tolist(), date_texts(dates[off]), strict=True)
            ],
        )


def _common_dates(
    portfolio: Portfolio, benchmark: Observations, slices: Sequence[Slice], *, fail_fast: bool
) -> tuple[DateArray, DateArray]:
    """Return the days of both sides, and those of one side alone that were left out because nothing moved on them."""
    mine, theirs = portfolio.dates, benchmark.dates
    asked = [part.window for part in slices if not part.is_empty]

    def in_window(dates: DateArray) -> BoolArray:
        return rows_of([slice_of(dates, window) for window in asked], len(dates))

    only_mine = np.flatnonzero(in_window(mine) & ~np.isin(mine, theirs))
    only_theirs = theirs[in_window(theirs) & ~np.isin(theirs, mine)]
    earned = np.abs(portfolio.cells.returns) + np.abs(portfolio.cells.alone)
    has_moved = sums(portfolio.cells.time, earned, len(mine)) != 0.0
    if portfolio.days is not None:
        has_moved |= portfolio.days.returns != 0.0
    faults = [
        Fault(portfolio.places[i], "the benchmark has no observation on this date", {"date": str(mine[i])})
        for i in only_mine.tolist()
        if fail_fast or has_moved[i]
    ]
    rows = np.flatnonzero(np.isin(benchmark.date, only_theirs) & (fail_fast | (benchmark.returns != 0.0)))
    faults += [
        Fault(
            (*benchmark.place_of(i), "date"), "the portfolio has nothing on this date", {"date": str(benchmark.date[i])}
        )
        for i in rows.tolist()
    ]
    if faults:
        raise DatesMismatchError(
            "Dates are there for the portfolio or for the benchmark alone; send both sides of them, or neither.",
            faults=faults,
        )
    return np.intersect1d(mine, theirs), np.union1d(mine[only_mine], only_theirs)


def _on(cells: Cells, mine: DateArray, dates: DateArray) -> Cells:
    """Return the cells of the days of both sides, by position among these."""
    is_there = np.isin(mine, dates)
    if is_there.all():
        return cells
    kept = cells.take(is_there[cells.time])
    return replace(kept, time=(np.cumsum(is_there) - 1)[kept.time])


def _taken(days: DayReturns, selection: BoolArray) -> DayReturns:
    return DayReturns(
        days.gain[selection], days.capital[selection], days.returns[selection], days.has_new_capital[selection]
    )


# ---------------------------------------------------------------------- groups


def _linked(effects: Effects, factor: FloatArray, n_groups: int) -> list[FloatArray]:
    return [
        sums(effects.group, factor[effects.time] * column, n_groups)
        for column in (effects.allocation, effects.selection, effects.interaction)
    ]


def _level(
    names: tuple[str, ...], parent: Key | None, groups: Sequence[Key], shown: IntArray, columns: Sequence[FloatArray]
) -> LevelEffects:
    allocation, selection, interaction = (column[shown] for column in columns)
    return LevelEffects(
        names=names,
        parent=parent,
        keys=[groups[i] for i in shown.tolist()],
        allocation=allocation,
        selection=selection,
        interaction=interaction,
        totals=_totals(float(allocation.sum()), float(selection.sum()), float(interaction.sum())),
    )


def _with_leverage(level: LevelEffects, leverage: float) -> LevelEffects:
    totals = level.totals
    return replace(
        level,
        keys=[*level.keys, (LEVERAGE,) * len(level.names)],
        allocation=np.append(level.allocation, leverage),
        selection=np.append(level.selection, 0.0),
        interaction=np.append(level.interaction, 0.0),
        totals=_totals(totals.allocation + leverage, totals.selection, totals.interaction),
    )


def _totals(allocation: float, selection: float, interaction: float) -> EffectTotals:
    return EffectTotals(allocation, selection, interaction, allocation + selection + interaction)


def _undefined_note(period: PeriodAttribution) -> list[str]:
    if period.comparison is None:
        return []
    undefined = [linking for linking in EXACT_METHODS if linking not in period.comparison]
    return [f"{period.slice.window.label}: not defined for these returns: {', '.join(undefined)}."] if undefined else []


def _leverage_note(period: PeriodAttribution) -> list[str]:
    """Return the note of weights that do not sum alike: often they are in percent, or a group is missing."""
    working = period.working
    levered = np.flatnonzero(working.sides.excess_weight)
    if not len(levered):
        return []
    first = levered[0]
    return [
        f"{period.slice.window.label}: in {len(levered)} of {len(working.starts)} buckets the portfolio's weights do "
        f"not sum to those of the benchmark, first on {working.starts[first]}, where they are more by "
        f"{working.sides.excess_weight[first]:.6g}; weights are fractions. Under BF the row Leverage has the effect."
    ]


def _figures(period: PeriodAttribution) -> Iterator[FloatArray]:
    """Yield all figures of a window."""
    yield np.array([period.active_return, period.sum_of_effects])
    for level in period.levels:
        yield from (level.allocation, level.selection, level.interaction)
    if period.currencies is not None:
        yield period.currencies.total
    for totals in (period.comparison or {}).values():
        yield np.array([totals.total])
