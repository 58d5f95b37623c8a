"""Segments: what the portfolio and its benchmark held and earned in each, by day and by bucket."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lotus_performance.engine.holdings import Panel
from lotus_performance.engine.returns import CAPITAL_EPSILON
from lotus_performance.engine.series import BoolArray, DateArray, FloatArray, IntArray
from lotus_performance.errors import DuplicateDatesError, DuplicateIdsError, Fault, Place

Key = tuple[str, ...]
"""Groups of a segment, from the top of the hierarchy down."""


INSTRUMENT = "instrument_id"
"""Level of the instruments themselves."""


@dataclass(frozen=True)
class Cells:
    """What one side held and earned, a cell a time and segment, in this order; M cells.

    Only what is there is a cell, so that memory grows with what was sent, not with times by segments.

    Attributes
    ----------
    time : ndarray of int64, shape (M,)
        Position of the day, or of the bucket.
    segment : ndarray of int64, shape (M,)
        Position among the keys of the attribution.
    weight : ndarray of float64, shape (M,)
        Part of the capital at the beginning, negative for a short.
    returns, local, fx : ndarray of float64, shape (M,)
        Return in the report currency, in the segment's own, and of the currency itself; with sign, so that weight x
        return is what the segment added.
    alone : ndarray of float64, shape (M,)
        Gain without capital, as a part of the capital of all.
    """

    time: IntArray
    segment: IntArray
    weight: FloatArray
    returns: FloatArray
    local: FloatArray
    fx: FloatArray
    alone: FloatArray

    def take(self, selection: BoolArray | IntArray | slice) -> "Cells":
        """Return some of the cells.

        Parameters
        ----------
        selection : slice or ndarray
            Cells to keep, in order.

        Returns
        -------
        Cells
            Those.
        """
        return Cells(**{name: column[selection] for name, column in vars(self).items()})

    def earned(self, n_times: int) -> FloatArray:
        """Return what all segments earned together at each time.

        Parameters
        ----------
        n_times : int
            Number of days or buckets.

        Returns
        -------
        ndarray of float64, shape (n_times,)
            Sum of weight x return, and of gains without capital.
        """
        return sums(self.time, self.weight * self.returns + self.alone, n_times)


def sums(position: IntArray, figures: FloatArray, n: int) -> FloatArray:
    """Return the sum of the figures at each position.

    Parameters
    ----------
    position : ndarray of int64, shape (M,)
        Where each figure belongs.
    figures : ndarray of float64, shape (M,)
        The figures.
    n : int
        Number of positions.

    Returns
    -------
    ndarray of float64, shape (n,)
        Sums.
    """
    return np.bincount(position, weights=figures, minlength=n).astype(np.float64)


def net_weights(position: IntArray, weight: FloatArray, n: int) -> FloatArray:
    """Return the sum of weights at each position, 0 where it is no more than what rounding leaves of those that cancel.

    Parameters
    ----------
    position : ndarray of int64, shape (M,)
        Where each weight belongs.
    weight : ndarray of float64, shape (M,)
        Weights.
    n : int
        Number of positions.

    Returns
    -------
    ndarray of float64, shape (n,)
        Sums; one that is not 0 may be divided by.

    Examples
    --------
    >>> net_weights(np.array([0, 0, 0, 1]), np.array([0.1, 0.2, -0.3, 0.5]), 2).tolist()
    [0.0, 0.5]
    """
    net = sums(position, weight, n)
    if len(weight) == 0 or weight.min() >= 0.0:
        return net
    return np.where(np.abs(net) <= CAPITAL_EPSILON * sums(position, np.abs(weight), n), 0.0, net)


@dataclass(frozen=True)
class Observations:
    """Weights and returns of n groups as they were sent, N rows.

    Attributes
    ----------
    keys : tuple of tuple of str, length n
        Groups, each once.
    places : tuple of Place, length n
        Where the rows of each group stand in the request document.
    group, row : ndarray of int64, shape (N,)
        Group of each row, and its position among the rows of the group.
    date : ndarray of datetime64[D], shape (N,)
        Day of each row.
    weight, returns, local, fx : ndarray of float64, shape (N,)
        Weight at the beginning of the day, and returns: in the report currency, the group's own, the currency's.
    """

    keys: tuple[Key, ...]
    places: tuple[Place, ...]
    group: IntArray
    row: IntArray
    date: DateArray
    weight: FloatArray
    returns: FloatArray
    local: FloatArray
    fx: FloatArray

    @cached_property
    def dates(self) -> DateArray:
        """Return the days that have a row.

        Returns
        -------
        ndarray of datetime64[D], shape (T,)
            Days, rising.
        """
        return np.unique(self.date)

    def place_of(self, row: int) -> Place:
        """Return where a row stands in the request document.

        Parameters
        ----------
        row : int
            Position among the N rows.

        Returns
        -------
        tuple
            Path of the row.
        """
        return (*self.places[self.group[row]], int(self.row[row]))

    def cells(self, dates: DateArray, keys: Sequence[Key], *, is_local: bool) -> Cells:
        """Return the observations of some days as cells.

        Parameters
        ----------
        dates : ndarray of datetime64[D], shape (T,)
            Days that count, rising; rows of others are left out.
        keys : sequence of tuple of str
            All segments of the attribution.
        is_local : bool
            Whether the returns are those in the groups' own currencies.

        Returns
        -------
        Cells
            A cell a row.
        """
        position = {key: i for i, key in enumerate(keys)}
        segment = np.array([position[key] for key in self.keys], dtype=np.int64)[self.group]
        day = np.minimum(dates.searchsorted(self.date), len(dates) - 1)
        rows = np.flatnonzero(dates[day] == self.date)
        rows = rows[np.argsort(day[rows] * len(keys) + segment[rows], kind="stable")]
        return Cells(
            time=day[rows],
            segment=segment[rows],
            weight=self.weight[rows],
            returns=(self.local if is_local else self.returns)[rows],
            local=self.local[rows],
            fx=np.zeros(len(rows)) if is_local else self.fx[rows],
            alone=np.zeros(len(rows)),
        )


def refuse_repeats(observations: Observations) -> None:
    """Refuse groups and days that are there twice.

    Parameters
    ----------
    observations : Observations
        Rows of groups.

    Raises
    ------
    DuplicateIdsError
        Two groups have one key; the faults name every second one.
    DuplicateDatesError
        Two rows of one group have the same date; the faults name every second one.
    """
    seen: set[Key] = set()
    twice = [i for i, key in enumerate(observations.keys) if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    if twice:
        raise DuplicateIdsError(
            "Two groups have the same key; send one entry a group.",
            faults=[
                Fault(
                    (*observations.places[i][:-1], "key"), f"another group is {' / '.join(observations.keys[i])}, too"
                )
                for i in twice
            ],
        )
    order = np.lexsort((observations.date, observations.group))
    dates, groups = observations.date[order], observations.group[order]
    repeats = order[1:][(dates[1:] == dates[:-1]) & (groups[1:] == groups[:-1])].tolist()
    if repeats:
        raise DuplicateDatesError(
            f"{len(repeats)} observations repeat a date of their group; send one a date.",
            faults=[
                Fault(
                    (*observations.place_of(i), "date"),
                    "the group has another observation on this date",
                    row={"date": str(observations.date[i])},
                )
                for i in repeats
            ],
        )


def held(
    panel: Panel, capital: FloatArray, local: FloatArray, fx: FloatArray, segment: IntArray, n_segments: int
) -> Cells:
    """Return holdings as cells: added up by segment and day.

    Parameters
    ----------
    panel : Panel
        Holdings on the dates of their portfolio, N rows.
    capital, local, fx : ndarray of float64, shape (N,)
        Capital of each row, and what it earned in its own currency and by it, as parts of the portfolio's capital.
    segment : ndarray of int64, shape (n,)
        Segment of each holding.
    n_segments : int
        Number of segments.

    Returns
    -------
    Cells
        Weights and returns; where the capital of a segment is 0 its gain stands alone.
    """
    key = panel.date * n_segments + segment[panel.holdings.of_row]
    cell, position = _distinct(key, panel.n_dates * n_segments)
    weight = net_weights(position, capital, len(cell))
    from_local = sums(position, local, len(cell))
    from_fx = sums(position, fx, len(cell)) if fx.any() else np.zeros(len(cell))
    has_capital = weight != 0.0
    returns, own = np.zeros(len(cell)), np.zeros(len(cell))
    np.divide(from_local + from_fx, weight, out=returns, where=has_capital)
    np.divide(from_local, weight, out=own, where=has_capital)
    currency = np.zeros(len(cell))
    np.divide(returns - own, 1.0 + own, out=currency, where=own != -1.0)
    time, of_segment = np.divmod(cell, n_segments)
    alone = np.where(has_capital, 0.0, from_local + from_fx)
    return Cells(time, of_segment, weight, returns, own, currency, alone)


def _distinct(key: IntArray, n_keys: int) -> tuple[IntArray, IntArray]:
    """Return the different keys, rising, and the position of each key among them."""
    if n_keys > 4 * len(key) + 1024:
        cell, position = np.unique(key, return_inverse=True)
        return cell, position
    # Counting is faster than sorting, and no larger than the rows themselves.
    is_there = np.zeros(n_keys, dtype=bool)
    is_there[key] = True
    cell = np.flatnonzero(is_there)
    rank = np.cumsum(is_there) - 1
    return cell, rank[key]


def in_buckets(cells: Cells, first: int, stop: int, starts: IntArray) -> Cells:
    """Return the cells of a range of days, put together by bucket.

    Parameters
    ----------
    cells : Cells
        A cell a day and segment.
    first, stop : int
        Half-open range of days.
    starts : ndarray of int64, shape (k,)
        Day on which each bucket begins, counted from `first`.

    Returns
    -------
    Cells
        A cell a bucket and segment: returns compound, gains without capital add up, the weight is that of the bucket's
        first day, 0 where the segment is not there on it.
    """
    begin, end = cells.time.searchsorted([first, stop])
    days = cells.take(slice(begin, end))
    day = days.time - first
    bucket = starts.searchsorted(day, side="right") - 1
    if len(starts) == stop - first:
        return replace(days, time=bucket)
    order = np.lexsort((day, days.segment, bucket))
    days, day, bucket = days.take(order), day[order], bucket[order]
    is_new = np.ones(len(bucket), dtype=bool)
    is_new[1:] = (bucket[1:] != bucket[:-1]) | (days.segment[1:] != days.segment[:-1])
    edges = np.flatnonzero(is_new)
    if len(edges) == 0:
        return replace(days, time=bucket)
    compounded = {
        name: np.multiply.reduceat(1.0 + getattr(days, name), edges) - 1.0 for name in ("returns", "local", "fx")
    }
    is_there = day[edges] == starts[bucket[edges]]
    return Cells(
        time=bucket[edges],
        segment=days.segment[edges],
        weight=np.where(is_there, days.weight[edges], 0.0),
        **compounded,
        alone=np.add.reduceat(days.alone, edges),
    )


@dataclass(frozen=True)
class Joined:
    """Both sides on the same M cells.

    Attributes
    ----------
    time, segment : ndarray of int64, shape (M,)
        Bucket and segment of each cell.
    portfolio, benchmark : Cells
        What each side held and earned there, 0 where it has no cell.
    is_observed : ndarray of bool, shape (M,)
        Cells of which the benchmark has a return.
    n_times : int
        Number of buckets.
    """

    time: IntArray
    segment: IntArray
    portfolio: Cells
    benchmark: Cells
    is_observed: BoolArray
    n_times: int


def joined(portfolio: Cells, benchmark: Cells, n_times: int, n_segments: int) -> Joined:
    """Return two sides on the same cells.

    Parameters
    ----------
    portfolio, benchmark : Cells
        A cell a bucket and segment.
    n_times, n_segments : int
        Number of buckets and of segments.

    Returns
    -------
    Joined
        Every cell that at least one side has.
    """
    keys = [side.time * n_segments + side.segment for side in (portfolio, benchmark)]
    cell, position = _distinct(np.concatenate(keys), n_times * n_segments)
    mine, theirs = position[: len(keys[0])], position[len(keys[0]) :]
    time, segment = np.divmod(cell, n_segments)
    is_observed = np.zeros(len(cell), dtype=bool)
    is_observed[theirs] = True
    sides = _spread(portfolio, mine, time, segment), _spread(benchmark, theirs, time, segment)
    return Joined(time, segment, *sides, is_observed, n_times)


def _spread(side: Cells, position: IntArray, time: IntArray, segment: IntArray) -> Cells:
    columns = {}
    for name in ("weight", "returns", "local", "fx", "alone"):
        columns[name] = np.zeros(len(time))
        columns[name][position] = getattr(side, name)
    return Cells(time, segment, **columns)


def gains_of(
    gain: FloatArray, capital: FloatArray, panel: Panel, base: FloatArray, rate: FloatArray, fx_return: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return capital and gains of holdings as parts of the capital of their portfolio.

    Parameters
    ----------
    gain, capital : ndarray of float64, shape (N,)
        Gain and capital of each row of the holdings.
    panel : Panel
        The holdings on the T dates of their portfolio.
    base : ndarray of float64, shape (T,)
        Capital of the portfolio.
    rate, fx_return : ndarray of float64, shape (N,)
        Rate at which each row opens, and its currency return.

    Returns
    -------
    capital, local, fx : ndarray of float64, shape (N,)
        Weight of each row, and what it added in its own currency and by it; 0 on days without capital of the portfolio.
    """
    scale = np.zeros(len(base))
    np.divide(1.0, base, out=scale, where=base != 0.0)
    of_row = scale[panel.date]
    of_row *= rate
    size = np.abs(of_row) if base.min() < 0.0 else of_row
    fx = (capital + gain) * size * fx_return if fx_return.any() else fx_return
    return capital * of_row, gain * size, fx


def prefixes(keys: Sequence[Key], depth: int) -> tuple[list[Key], IntArray]:
    """Return the groups of a level of the hierarchy, and the group of each segment.

    Parameters
    ----------
    keys : sequence of tuple of str, length n
        Segments, rising.
    depth : int
        Number of labels that make a group.

    Returns
    -------
    groups : list of tuple of str
        Groups, rising.
    position : ndarray of int64, shape (n,)
        Group of each segment.
    """
    groups: dict[Key, int] = {}
    position = [groups.setdefault(key[:depth], len(groups)) for key in keys]
    return list(groups), np.array(position, dtype=np.int64)
