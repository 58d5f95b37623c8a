"""Effects of single periods: Brinson models, off-benchmark segments, top-down, geometric, and currencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lotus_performance.engine.segments import Joined, Key, net_weights, sums
from lotus_performance.engine.series import BoolArray, FloatArray, IntArray
from lotus_performance.errors import Fault, NotSupportedError

LEVERAGE = "Leverage"
"""Group of the effect of weights that do not sum to those of the benchmark."""

WEIGHT_EPSILON = 1e-9
"""Difference between the sums of weights that is more than rounding."""


class Model(StrEnum):
    """Allocation against the segment's return, or against its difference to the benchmark's."""

    BF = "BF"
    BHB = "BHB"


class Interaction(StrEnum):
    """Where the effect of weight and return together belongs."""

    SEPARATE = "separate"
    SELECTION = "selection"
    ALLOCATION = "allocation"


class OffBenchmark(StrEnum):
    """Return that stands for that of a segment that the benchmark has not."""

    BENCHMARK_TOTAL = "benchmark_total"
    OWN_RETURN = "own_return"
    ZERO = "zero"


@dataclass(frozen=True)
class Effects:
    """Effects of M cells as fractions; `time` and `group` say to which bucket and group each belongs.

    `leverage` is the part of allocation of each bucket that is no group's, 0 where weights sum alike.
    """

    time: IntArray
    group: IntArray
    allocation: FloatArray
    selection: FloatArray
    interaction: FloatArray
    leverage: FloatArray


@dataclass(frozen=True)
class Comparison:
    """Weights and returns of both sides, segments that one of them lacks filled in; M cells, n buckets.

    Attributes
    ----------
    time, segment : ndarray of int64, shape (M,)
        Bucket and segment of each cell.
    weight, bmk_weight, returns, bmk_returns : ndarray of float64, shape (M,)
        Weight and return of each side. What is not held has the benchmark's return.
    alone : ndarray of float64, shape (M,)
        Gains without capital.
    is_observed : ndarray of bool, shape (M,)
        Cells of which the benchmark has a return of its own.
    total, bmk_total : ndarray of float64, shape (n,)
        Return of each side.
    excess_weight : ndarray of float64, shape (n,)
        Sum of the portfolio's weights less that of the benchmark's, 0 where they differ by rounding.
    """

    time: IntArray
    segment: IntArray
    weight: FloatArray
    bmk_weight: FloatArray
    returns: FloatArray
    bmk_returns: FloatArray
    alone: FloatArray
    is_observed: BoolArray
    total: FloatArray
    bmk_total: FloatArray
    excess_weight: FloatArray


def compare(both: Joined, off_benchmark: OffBenchmark) -> Comparison:
    """Return both sides with the returns that one of them lacks filled in.

    Parameters
    ----------
    both : Joined
        Portfolio and benchmark on the same cells.
    off_benchmark : OffBenchmark
        Return of a segment that the benchmark has not.

    Returns
    -------
    Comparison
        Weights and returns of every cell, and totals of every bucket.
    """
    mine, theirs, n = both.portfolio, both.benchmark, both.n_times
    bmk_total = theirs.earned(n)
    if off_benchmark is OffBenchmark.OWN_RETURN:
        # What is neither held nor observed has no return of its own.
        stand_in = np.where(mine.weight != 0.0, mine.returns, bmk_total[both.time])
    else:
        stand_in = bmk_total[both.time] if off_benchmark is OffBenchmark.BENCHMARK_TOTAL else np.zeros(len(both.time))
    bmk_returns = np.where(both.is_observed, theirs.returns, stand_in)
    excess = sums(both.time, mine.weight, n) - sums(both.time, theirs.weight, n)
    return Comparison(
        time=both.time,
        segment=both.segment,
        weight=mine.weight,
        bmk_weight=theirs.weight,
        returns=np.where(mine.weight != 0.0, mine.returns, bmk_returns),
        bmk_returns=bmk_returns,
        alone=mine.alone,
        is_observed=both.is_observed,
        total=mine.earned(n),
        bmk_total=bmk_total,
        excess_weight=np.where(np.abs(excess) > WEIGHT_EPSILON, excess, 0.0),
    )


def brinson(sides: Comparison, model: Model, interaction: Interaction) -> Effects:
    r"""Return the effects of each segment and bucket.

    Parameters
    ----------
    sides : Comparison
        Weights and returns, M cells.
    model : Model
        BF or BHB.
    interaction : Interaction
        Where the interaction belongs.

    Returns
    -------
    Effects
        M cells; with the leverage they sum to r - b of each bucket.

    Notes
    -----
    With weights w and W and returns r and b of a segment, and the benchmark's total B,

    .. math::

        A = (w - W)(b - B), \quad S = W (r - b), \quad I = (w - W)(r - b)

    where BHB takes b in place of b - B. Selection with interaction is :math:`w (r - b)`. Under BF the sum lacks
    :math:`B (\sum w - \sum W)`, the leverage. Gains without capital are selection.

    References
    ----------
    Brinson, G. P., Hood, L. R., and Beebower, G. L.: Determinants of Portfolio Performance, Financial Analysts Journal
    42/4 (1986), 39-44.
    Brinson, G. P., and Fachler, N.: Measuring Non-U.S. Equity Portfolio Performance, Journal of Portfolio Management
    11/3 (1985), 73-76.
    """
    active = sides.weight - sides.bmk_weight
    added = sides.returns - sides.bmk_returns
    if model is Model.BF:
        allocation = active * (sides.bmk_returns - sides.bmk_total[sides.time])
        leverage = sides.bmk_total * sides.excess_weight
    else:
        allocation, leverage = active * sides.bmk_returns, np.zeros(len(sides.bmk_total))
    selection, together = sides.bmk_weight * added, active * added
    if interaction is Interaction.SELECTION:
        selection, together = sides.weight * added, np.zeros(len(added))
    elif interaction is Interaction.ALLOCATION:
        allocation, together = allocation + together, np.zeros(len(added))
    return Effects(sides.time, sides.segment, allocation, selection + sides.alone, together, leverage)


def geometric(sides: Comparison) -> tuple[Effects, FloatArray, FloatArray]:
    r"""Return the geometric effects of each segment and bucket.

    Parameters
    ----------
    sides : Comparison
        Weights and returns, M cells; the weights of both sides sum alike.

    Returns
    -------
    effects : Effects
        M cells, without interaction.
    allocation, selection : ndarray of float64, shape (n,)
        Totals of each bucket.

    Notes
    -----
    With the semi-notional return :math:`b_S = \sum w b`,

    .. math::

        A = (w - W)\left(\frac{1 + b}{1 + B} - 1\right), \qquad S = \frac{w (r - b)}{1 + b_S}

    and (1 + A)(1 + S) = (1 + R) / (1 + B) of their sums.

    References
    ----------
    Burnie, J. S., Knowles, J. A., and Teder, T. J.: Arithmetic and Geometric Attribution, Journal of Performance
    Measurement 3/1 (1998), 59-68.
    Bacon, C. R.: Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley 2008, chapter 5.
    """
    n = len(sides.bmk_total)
    semi_notional = sums(sides.time, sides.weight * sides.bmk_returns, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = (1.0 + sides.bmk_returns) / (1.0 + sides.bmk_total[sides.time]) - 1.0
        allocation = (sides.weight - sides.bmk_weight) * relative
        earned = sides.weight * (sides.returns - sides.bmk_returns) + sides.alone
        selection = earned / (1.0 + semi_notional[sides.time])
        totals = (
            (1.0 + semi_notional) / (1.0 + sides.bmk_total) - 1.0,
            (1.0 + sides.total) / (1.0 + semi_notional) - 1.0,
        )
    none = np.zeros(len(allocation))
    return Effects(sides.time, sides.segment, allocation, selection, none, np.zeros(n)), *totals


def top_down(
    sides: Comparison, levels: Sequence[tuple[Sequence[Key], IntArray]], off_benchmark: OffBenchmark
) -> list[Effects]:
    r"""Return the effects of a sequence of decisions, level by level.

    Parameters
    ----------
    sides : Comparison
        Weights and returns, M cells.
    levels : sequence of tuple
        Groups of each level from the top, and the group of each segment, as `segments.prefixes` returns them.
    off_benchmark : OffBenchmark
        Return of a group of the first level that the benchmark has not; below it is that of the parent.

    Returns
    -------
    list of Effects
        One for each level: allocation within the parents, selection at the last level, leverage at the first.

    Raises
    ------
    NotSupportedError
        Another return than the parent's is asked for a group below the first level that the benchmark has not.

    Notes
    -----
    Of group n within its parent p,

    .. math:: A_n = \left(w_n - w_p \frac{W_n}{W_p}\right)(b_n - b_p)

    and :math:`(w_n - W_n)(b_n - b_p)` where the benchmark's parent weighs nothing, mostly because it has none of its
    groups; at the last level :math:`S = w (r - b)`. All levels together sum to r - b.

    References
    ----------
    Bacon, C. R.: Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley 2008, chapter 5
    (multi-level attribution).
    """
    n = len(sides.bmk_total)
    effects = []
    parent_of_cell = sides.time
    ones = np.ones(n)
    above = (ones, ones, sides.bmk_total)
    for level, (groups, position) in enumerate(levels, start=1):
        cell, of_cell = np.unique(sides.time * len(groups) + position[sides.segment], return_inverse=True)
        time, group = np.divmod(cell, len(groups))
        weight, bmk_weight = (net_weights(of_cell, w, len(cell)) for w in (sides.weight, sides.bmk_weight))
        parent = np.zeros(len(cell), dtype=np.int64)
        parent[of_cell] = parent_of_cell
        w, bmk_w, b = (figures[parent] for figures in above)
        returns = _benchmark_returns(sides, of_cell, len(cell), bmk_weight)
        is_off = np.isnan(returns) & (weight != 0.0)
        if level > 1 and off_benchmark is not OffBenchmark.BENCHMARK_TOTAL and is_off.any():
            name = " / ".join(groups[group[int(np.argmax(is_off))]])
            raise NotSupportedError(
                f"Top-down, a group below the first level that the benchmark has not, such as {name}, takes its "
                "parent's return; use off_benchmark benchmark_total, or hierarchy_method rollup.",
                faults=[Fault(("off_benchmark",), "does not go with top_down for groups below the first level")],
            )
        if level == 1:
            own = _ratio(sums(of_cell, sides.weight * sides.returns, len(cell)), weight, b)
            stand_in = {OffBenchmark.OWN_RETURN: own, OffBenchmark.ZERO: np.zeros(len(cell))}.get(off_benchmark, b)
        else:
            stand_in = b
        returns = np.where(np.isnan(returns), stand_in, returns)
        expected = np.where(bmk_w == 0.0, bmk_weight, w * _ratio(bmk_weight, bmk_w, np.zeros(len(cell))))
        none = np.zeros(len(cell))
        selection = none
        if level == len(levels):
            # At the last level each cell is a segment; what is not held adds nothing.
            selection = sums(of_cell, sides.weight * (sides.returns - returns[of_cell]) + sides.alone, len(cell))
        leverage = sides.bmk_total * sides.excess_weight if level == 1 else np.zeros(n)
        effects.append(Effects(time, group, (weight - expected) * (returns - b), selection, none, leverage))
        parent_of_cell, above = of_cell, (weight, bmk_weight, returns)
    return effects


def _benchmark_returns(sides: Comparison, of_cell: IntArray, n_cells: int, bmk_weight: FloatArray) -> FloatArray:
    """Return the benchmark's return of groups: weighted, plain where no member weighs anything, NaN where none is."""
    observed = sides.is_observed.astype(np.float64)
    earned = sums(of_cell, sides.bmk_weight * sides.bmk_returns * observed, n_cells)
    n_members = sums(of_cell, observed, n_cells)
    plain = _ratio(sums(of_cell, sides.bmk_returns * observed, n_cells), n_members, np.full(n_cells, np.nan))
    # A group of one member has its very return, not one that went through its weight.
    return np.where(n_members == 1.0, plain, _ratio(earned, bmk_weight, plain))


def _ratio(numerator: FloatArray, denominator: FloatArray, otherwise: FloatArray) -> FloatArray:
    ratio = otherwise.astype(np.float64, copy=True)
    np.divide(numerator, denominator, out=ratio, where=denominator != 0.0)
    return ratio


@dataclass(frozen=True)
class CurrencyEffects:
    """Effects of M cells by currency, as fractions; `leverage` are local and currency allocation that are none's."""

    time: IntArray
    currency: IntArray
    weight: FloatArray
    bmk_weight: FloatArray
    local_allocation: FloatArray
    local_selection: FloatArray
    currency_allocation: FloatArray
    currency_selection: FloatArray
    leverage: tuple[FloatArray, FloatArray]


def currency_effects(both: Joined, currency: IntArray, n_currencies: int) -> CurrencyEffects:
    r"""Return what currencies and what local markets added.

    Parameters
    ----------
    both : Joined
        Portfolio and benchmark on the same cells.
    currency : ndarray of int64, shape (n,)
        Currency of each segment.
    n_currencies : int
        Number of currencies.

    Returns
    -------
    CurrencyEffects
        A cell a bucket and currency; with the leverage they sum to r - b of each bucket.

    Notes
    -----
    With the local return L and the currency's part :math:`X = (1 + L) x` of each side and currency, and their totals
    over the benchmark,

    .. math::

        (w - W)(L_b - \bar L_b), \quad w (L_p - L_b), \quad (w - W)(X_b - \bar X_b), \quad w (X_p - X_b)

    A currency that the benchmark lacks takes the totals. Gains without capital are local selection. The selections are
    taken as :math:`(w L_p - W L_b) - (w - W) L_b`, which is the same and holds for long and short groups that cancel.

    References
    ----------
    Ankrim, E. M., and Hensel, C. R.: Multicurrency Performance Attribution, Financial Analysts Journal 50/2 (1994),
    29-35.
    """
    n, mine, theirs = both.n_times, both.portfolio, both.benchmark
    cell, of_cell = np.unique(both.time * n_currencies + currency[both.segment], return_inverse=True)
    time, of_currency = np.divmod(cell, n_currencies)
    weight, bmk_weight = (net_weights(of_cell, side.weight, len(cell)) for side in (mine, theirs))
    allocations, selections, leverages = [], [], []
    observed = both.is_observed.astype(np.float64)
    n_members = sums(of_cell, observed, len(cell))
    excess = sums(both.time, mine.weight - theirs.weight, n)
    excess = np.where(np.abs(excess) > WEIGHT_EPSILON, excess, 0.0)
    for mine_part, theirs_part, alone in (
        (mine.local, theirs.local, mine.alone),
        ((1.0 + mine.local) * mine.fx, (1.0 + theirs.local) * theirs.fx, np.zeros(len(both.time))),
    ):
        earned, bmk_earned = mine.weight * mine_part, theirs.weight * theirs_part
        total = sums(both.time, bmk_earned, n)
        plain = _ratio(sums(of_cell, theirs_part * observed, len(cell)), n_members, total[time])
        bmk = np.where(n_members == 1.0, plain, _ratio(sums(of_cell, bmk_earned, len(cell)), bmk_weight, plain))
        allocations.append((weight - bmk_weight) * (bmk - total[time]))
        # What a benchmark's groups of no weight together earn is not in W x b: it is selection, as without capital.
        added = sums(of_cell, earned - bmk_earned + alone, len(cell))
        selections.append(added - (weight - bmk_weight) * bmk)
        leverages.append(total * excess)
    return CurrencyEffects(
        time=time,
        currency=of_currency,
        weight=weight,
        bmk_weight=bmk_weight,
        local_allocation=allocations[0],
        local_selection=selections[0],
        currency_allocation=allocations[1],
        currency_selection=selections[1],
        leverage=(leverages[0], leverages[1]),
    )
