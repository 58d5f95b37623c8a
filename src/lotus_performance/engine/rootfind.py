"""All real roots of f(x) = Σ amount·exp(-time·x), the present value of flows at the rate exp(x) - 1.

Working in x = ln(1 + rate) puts every rate from next to -100 % to 1e+100 within a few hundred, and makes f an
exponential sum, for which the following is known:

- With k sign changes of the amounts in date order f has at most k real roots, multiple ones counted as often
  (Descartes' rule carries over to real exponents). One change: exactly one root.
- If f has a root at which the balance, the running sum of the discounted amounts, never changes sign, it has no other
  (Soper 1959; a "pure investment" of Teichroew, Robichek and Montalbano 1965). Most portfolios pass: their value stays
  positive. It spares the work of the next item.
- (exp(τ·x)·f)' is an exponential sum with the same times and the amounts (τ - time)·amount. With τ between the dates
  of a sign change it has one change less. So the roots of the last sum of this chain, which has one, separate those
  of the sum before, and so on down to f. Every root is found between two neighbours by a bracketed search, touching
  (multiple) ones are among the separating points themselves.

One list of flows is a batch of one: there is a single implementation.

References
----------
.. [1] Jameson, G. J. O. (2006), "Counting zeros of generalised polynomials: Descartes' rule of signs and Laguerre's
   extensions", The Mathematical Gazette 90, 223-234.
.. [2] Soper, C. S. (1959), "The marginal efficiency of capital: a further note", The Economic Journal 69, 174-177.
.. [3] Teichroew, D., Robichek, A. A., Montalbano, M. (1965), "An analysis of criteria for investment and financing
   decisions under certainty", Management Science 12, 151-179.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lotus_performance.engine.series import BoolArray, FloatArray, IntArray

EXACT_CHANGES = 64
"""Most sign changes for which all roots are separated by the chain of derivatives."""

SCAN_PANELS, SCAN_STEPS = 16, 16
"""A scan has 16 panels of 16 x 16 points each, 4,096 in all."""

ZERO = 1e-13
"""|f| over the sum of the absolute terms that counts as zero: some hundred times the rounding of the sum."""

RESIDUAL_LIMIT = 1e-9
"""Largest |f| over the sum of the absolute terms for a root to count as converged."""

STEP_LIMIT = 1e-10
"""Step, in units of max(1, |y|), after which Newton's next one would be lost in rounding."""

VANISHING = 1e-290
"""Amounts below this share of the largest are zero: discounted, doubles could no longer hold them."""

CHUNK = 1 << 14
"""Flows handled together: their arrays, 128 KiB each, stay in the cache and are not asked of the system each time."""


class Search(StrEnum):
    """How far the roots found are known to be all there are."""

    PROVEN = "proven"
    EXACT = "exact"
    SCAN = "scan"


_SEARCHES = np.array(list(Search), dtype=object)


@dataclass(frozen=True)
class Roots:
    """The real roots of one list of flows.

    Attributes
    ----------
    x : ndarray of float64, shape (r,)
        Roots, rising: ln(1 + annual rate).
    search : Search
        PROVEN: at most one sign change decides. EXACT: none can have been missed. SCAN: closely spaced ones can.
    iterations : int
        Newton and bisection steps spent.
    residual : float
        Largest \\|f\\| at a root over the sum of the absolute terms there; 0 without roots.
    converged : bool
        There are roots, and `residual` is at most `RESIDUAL_LIMIT`.
    """

    x: FloatArray
    search: Search
    iterations: int
    residual: float
    converged: bool

    @property
    def is_unique(self) -> bool | None:
        """Whether exactly one real root exists.

        Returns
        -------
        bool or None
            None when the search may have missed some.
        """
        return None if self.search is Search.SCAN else len(self.x) == 1


@dataclass(frozen=True)
class RootsBatch:
    """The real roots of many lists of flows; ``batch[i]`` are those of list i.

    Attributes
    ----------
    x : ndarray of float64, shape (r,)
        Roots of all lists, list after list, rising within each.
    first : ndarray of int64, shape (m + 1,)
        The roots of list i are ``x[first[i]:first[i + 1]]``.
    search : ndarray of Search, shape (m,)
        How complete the roots of each list are.
    iterations : ndarray of int64, shape (m,)
        Steps spent on each list.
    residual : ndarray of float64, shape (r,)
        \\|f\\| at each root over the sum of the absolute terms there.
    """

    x: FloatArray
    first: IntArray
    search: NDArray[np.object_]
    iterations: IntArray
    residual: FloatArray

    def __len__(self) -> int:
        return len(self.search)

    def __getitem__(self, i: int) -> Roots:
        part = slice(int(self.first[i]), int(self.first[i + 1]))
        residual = float(self.residual[part].max(initial=0.0))
        return Roots(
            x=self.x[part],
            search=self.search[i],
            iterations=int(self.iterations[i]),
            residual=residual,
            converged=part.stop > part.start and residual <= RESIDUAL_LIMIT,
        )


def find_roots(amounts: FloatArray, times: FloatArray) -> Roots:
    """Return all real roots of the present value of one list of flows.

    Parameters
    ----------
    amounts : ndarray of float64, shape (n,)
        Flows of one sign convention, one a date; zeros are ignored.
    times : ndarray of float64, shape (n,)
        Dates in years, strictly increasing.

    Returns
    -------
    Roots
        Empty when no rate makes the present value zero.

    Notes
    -----
    The present value is taken at the first flow for x >= 0 and at the last one for x < 0, so that no term exceeds its
    amount: nothing overflows, whatever the rate.

    Examples
    --------
    100 becomes 121 in two years, 10 % a year; and 100, -220, 121 touches zero there.

    >>> np.expm1(find_roots(np.array([-100.0, 121.0]), np.array([0.0, 2.0])).x).round(12)
    array([0.1])
    >>> np.expm1(find_roots(np.array([-100.0, 220.0, -121.0]), np.arange(3.0)).x).round(12)
    array([0.1])
    >>> np.expm1(find_roots(np.array([-100.0, 230.0, -132.0]), np.arange(3.0)).x).round(12)
    array([0.1, 0.2])
    """
    return find_roots_batch(amounts[None, :], times[None, :])[0]


def find_roots_batch(amounts: FloatArray, times: FloatArray) -> RootsBatch:
    """Return all real roots of the present values of many lists of flows.

    Parameters
    ----------
    amounts : ndarray of float64, shape (m, n)
        Flows, a list a row; shorter lists are filled up with zeros.
    times : ndarray of float64, shape (m, n) or (n,)
        Dates in years, strictly increasing where the amount is not zero; one row serves all lists when 1-D.

    Returns
    -------
    RootsBatch
        The same roots as `find_roots` gives for each list.
    """
    n = amounts.shape[1]
    times = np.broadcast_to(times, amounts.shape)
    rows = max(1, CHUNK // max(1, n))
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
        parts = [
            _roots_of_chunk(amounts[i : i + rows], times[i : i + rows]) for i in range(0, max(1, len(amounts)), rows)
        ]
    per_list = np.concatenate([part.per_list for part in parts])
    return RootsBatch(
        x=np.concatenate([part.x for part in parts]),
        first=np.concatenate([[0], np.cumsum(per_list)]),
        search=np.concatenate([part.search for part in parts]),
        iterations=np.concatenate([part.steps for part in parts]),
        residual=np.concatenate([part.residual for part in parts]),
    )


class _Flows(NamedTuple):
    """Lists of flows: amounts c of at most 1, zeros only at the end; dates s from 0 to 1, so that y = x·span."""

    c: FloatArray  # (m, n)
    s: FloatArray  # (m, n)
    span: FloatArray  # (m,)
    change: BoolArray  # (m, n - 1): the sign changes after this flow
    n_changes: IntArray  # (m,)

    def take(self, rows: IntArray) -> "_Flows":
        return _Flows(self.c[rows], self.s[rows], self.span[rows], self.change[rows], self.n_changes[rows])


class _Points(NamedTuple):
    """Values y, each with the number of the list it belongs to."""

    of: IntArray
    y: FloatArray

    def take(self, which: BoolArray) -> "_Points":
        return _Points(self.of[which], self.y[which])


class _Found(NamedTuple):
    x: FloatArray  # (r,)
    residual: FloatArray  # (r,)
    per_list: IntArray  # (m,)
    search: NDArray[np.object_]  # (m,)
    steps: IntArray  # (m,)


def _roots_of_chunk(amounts: FloatArray, times: FloatArray) -> _Found:
    flows = _scaled(amounts, times)
    k = flows.n_changes
    steps = np.zeros(len(k), dtype=np.int64)
    pending, is_scanned = k > 1, k > EXACT_CHANGES
    found: list[_Points] = []

    odd = np.flatnonzero(k % 2)
    if len(odd):
        part = flows if len(odd) == len(k) else flows.take(odd)
        y, steps[odd] = _solve(part.c, part.s, *_bracket(part), part.c[:, 0] > 0.0, np.zeros(len(odd)))
        alone = part.n_changes == 1
        if not alone.all():
            alone |= ~is_scanned[odd] & _balance_keeps_its_sign(part, y)
            pending[odd[alone]] = False
        found.append(_Points(odd[alone], y[alone]))

    rows = np.flatnonzero(pending & ~is_scanned)
    if len(rows):
        points, spent, lost = _separated(flows.take(rows))
        steps[rows] += spent
        is_scanned[rows[lost]] = True
        found.append(_Points(rows[points.of], points.y))

    for row in np.flatnonzero(is_scanned)[:, None]:
        points, spent = _scanned(flows.take(row))
        steps[row] += spent
        found.append(_Points(row[points.of], points.y))

    roots = _in_order(found)
    value, gross = _values(flows.c, flows.s, roots)
    return _Found(
        x=roots.y / flows.span[roots.of],
        residual=np.abs(value) / gross,
        per_list=np.bincount(roots.of, minlength=len(k)),
        search=_SEARCHES[(k > 1).astype(np.int64) + is_scanned],
        steps=steps,
    )


def _scaled(amounts: FloatArray, times: FloatArray) -> _Flows:
    # A power of two is exact: the same flows in another unit have the very same roots.
    exponent = np.frexp(np.abs(amounts).max(axis=1, initial=0.0))[1]
    c = np.ldexp(amounts, -exponent[:, None])
    if (np.abs(c) < VANISHING).any():
        c, times = _without_zeros(np.where(np.abs(c) < VANISHING, 0.0, c), times)
    positive = c > 0.0
    change = (positive[:, 1:] != positive[:, :-1]) & (c[:, 1:] != 0.0)
    start = times.min(axis=1, initial=np.inf)
    span = times.max(axis=1, initial=-np.inf) - start
    s = (times - start[:, None]) / span[:, None]
    return _Flows(c, s, span, change, np.count_nonzero(change, axis=1))


def _without_zeros(c: FloatArray, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the lists with zeros moved to the end, where they repeat the last date."""
    longest = np.count_nonzero(c, axis=1).max(initial=0)
    order = np.argsort(c == 0.0, axis=1, kind="stable")[:, :longest]
    c = np.take_along_axis(c, order, axis=1)
    times = np.where(c != 0.0, np.take_along_axis(times, order, axis=1), -np.inf)
    return c, np.maximum.accumulate(times, axis=1)


def _in_order(parts: list[_Points]) -> _Points:
    of = np.concatenate([np.empty(0, dtype=np.int64), *(part.of for part in parts)])
    y = np.concatenate([np.empty(0), *(part.y for part in parts)])
    order = np.lexsort((y, of))
    return _Points(of[order], y[order])


def _pieces(count: int, n: int) -> list[slice]:
    size = max(1, CHUNK // max(1, n))
    return [slice(i, i + size) for i in range(0, count, size)]


def _discount(s: FloatArray, y: FloatArray) -> FloatArray:
    """Return the discount factors to the first date for y >= 0, to the last one for y < 0: none exceeds 1."""
    exponent = (y < 0.0)[:, None] - s
    exponent *= y[:, None]
    discount: FloatArray = np.exp(exponent, out=exponent)
    return discount


def _values(c: FloatArray, s: FloatArray, at: _Points) -> tuple[FloatArray, FloatArray]:
    """Return f and the sum of its absolute terms at each point."""
    value, gross = np.empty(len(at.y)), np.empty(len(at.y))
    for piece in _pieces(len(at.y), c.shape[1]):
        terms = _discount(s[at.of[piece]], at.y[piece])
        terms *= c[at.of[piece]]
        value[piece] = terms.sum(axis=1)
        gross[piece] = np.abs(terms, out=terms).sum(axis=1)
    return value, gross


def _bracket(flows: _Flows) -> tuple[FloatArray, FloatArray]:
    """Return bounds of all roots of each list.

    Up to the first sign change, at date a, the flows sum to A; the later ones of the other sign, from date b on, to B.
    For y > 0 the former are worth at least A·exp(-a·y), the latter at most B·exp(-b·y), so that a root has
    y <= ln(B / A) / (b - a). Seen from the end the same bounds the negative ones. The 1 keeps the root inside.
    """
    c, s = flows.c, flows.s
    rows, column, size = np.arange(len(c)), np.arange(c.shape[1]), np.abs(c)
    gains, losses = np.maximum(c, 0.0).sum(axis=1), np.maximum(-c, 0.0).sum(axis=1)

    def bound(a: IntArray, b: IntArray, run: BoolArray, flow: IntArray) -> FloatArray:
        within = np.where(run, size, 0.0).sum(axis=1)
        against = np.where(c[rows, flow] > 0.0, losses, gains)
        bounds: FloatArray = 1.0 + np.maximum(0.0, np.log(against / within) / (s[rows, b] - s[rows, a]))
        return bounds

    first = flows.change.argmax(axis=1)
    last = len(column) - 2 - flows.change[:, ::-1].argmax(axis=1)
    high = bound(first, first + 1, column <= first[:, None], first)
    low = bound(last, last + 1, column > last[:, None], last + 1)
    return -low, high


def _solve(
    c: FloatArray, s: FloatArray, low: FloatArray, high: FloatArray, rising: BoolArray, y: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Return the root of each sum between `low` and `high`, where its signs differ, and the steps spent from `y`.

    Newton on g = ln(gains / losses), the logarithm of the ratio of the two sides' present values: nearly straight, and
    exactly so for two flows. Where a step leaves the bracket, or is not half as long as the one before, the bracket is
    cut in the middle, measured by asinh so that a bracket of a million is cut as fast as one of 1.
    """
    gain, loss = np.maximum(c, 0.0), np.maximum(-c, 0.0)
    gain_s, loss_s = gain * s, loss * s
    before = np.full(len(y), np.inf)
    todo = np.ones(len(y), dtype=np.bool_)
    steps = np.zeros(len(y), dtype=np.int64)
    while np.count_nonzero(todo) > len(todo) // 2:
        steps += todo
        discount = _discount(s, y)
        gains, losses = np.vecdot(discount, gain), np.vecdot(discount, loss)
        is_below = (gains < losses) == rising
        low, high = np.where(is_below, y, low), np.where(is_below, high, y)
        duration_gap = np.vecdot(discount, gain_s) / gains - np.vecdot(discount, loss_s) / losses
        step = np.log(gains / losses) / duration_gap
        is_newton = (y + step >= low) & (y + step <= high) & (np.abs(step) < 0.5 * before)
        if not is_newton.all():
            step = np.where(is_newton, step, np.sinh(0.5 * (np.arcsinh(low) + np.arcsinh(high))) - y)
        y = np.where(todo, y + step, y)
        before = np.abs(step)
        todo &= before > STEP_LIMIT * np.maximum(1.0, np.abs(y))
    if todo.any():  # without the many that are done
        y[todo], more = _solve(c[todo], s[todo], low[todo], high[todo], rising[todo], y[todo])
        steps[todo] += more
    return y, steps


def _balance_keeps_its_sign(flows: _Flows, y: FloatArray) -> BoolArray:
    terms = flows.c * _discount(flows.s, y)
    rounding = ZERO * np.abs(terms).sum(axis=1)
    balance = np.cumsum(terms, axis=1) * np.sign(flows.c[:, :1])
    # From the last flow on the balance is the present value, zero.
    is_over = flows.s >= 1.0
    kept: BoolArray = np.all((balance > rounding[:, None]) | is_over, axis=1)
    return kept


def _separated(flows: _Flows) -> tuple[_Points, IntArray, BoolArray]:
    """Return all roots of lists with several sign changes, the steps spent, and the lists beyond doubles' range."""
    low, high = _bracket(flows)
    chain, lost = _chain(flows)
    m = len(flows.n_changes)
    k = np.where(lost, 0, flows.n_changes)
    ends = _Points(np.repeat(np.arange(m), 2), np.stack([low, high], axis=1).ravel())
    points = ends.take(k[ends.of] > 0)
    steps = np.zeros(m, dtype=np.int64)
    found = []
    for left in range(1, len(chain)):
        values = _values(chain[left], flows.s, points)
        roots, spent = _roots_between(chain[left], flows.s, points, *values)
        steps += spent
        found.append(roots.take(k[roots.of] == left))
        points = _in_order([ends.take(k[ends.of] > left), roots.take(k[roots.of] > left)])
    return _in_order(found), steps, lost


def _chain(flows: _Flows) -> tuple[list[FloatArray], BoolArray]:
    """Return the amounts of the chain of derivatives, by the number of sign changes left, and the lists lost in it."""
    rows, columns = np.nonzero(flows.change)
    nth = np.arange(len(rows)) - np.searchsorted(rows, rows)
    tau = np.full((len(flows.n_changes), flows.n_changes.max()), np.nan)
    tau[rows, nth] = 0.5 * (flows.s[rows, columns] + flows.s[rows, columns + 1])
    chain = [flows.c]
    for at in tau.T[:0:-1]:
        factor = at[:, None] - flows.s
        chain.append(chain[-1] * np.where(np.isnan(factor), 1.0, factor))
    lost = ((np.abs(chain[-1]) < VANISHING) & (flows.c != 0.0)).any(axis=1)
    return [np.empty(0), *chain[::-1]], lost


def _roots_between(
    c: FloatArray, s: FloatArray, points: _Points, value: FloatArray, gross: FloatArray
) -> tuple[_Points, IntArray]:
    """Return the roots of sums that are monotone, but for a factor, between neighbouring points of a list.

    A point where the sum is zero is a touching root; of neighbouring ones the first stands for all, because the sum
    is zero, to rounding, between them.
    """
    sign = np.where(np.abs(value) <= ZERO * gross, 0.0, np.sign(value))
    is_pair = points.of[1:] == points.of[:-1]
    touching = sign == 0.0
    touching[1:] &= ~(is_pair & touching[:-1])
    left = np.flatnonzero(is_pair & (sign[1:] * sign[:-1] < 0.0))
    # As far on the way as g would be zero, were it straight between the two points.
    g = np.arctanh(np.clip(value / gross, -1.0 + ZERO, 1.0 - ZERO))
    low, high = points.y[left], points.y[left + 1]
    y = low + (high - low) * g[left] / (g[left] - g[left + 1])
    of = points.of[left]
    spent = np.empty(len(left), dtype=np.int64)
    for piece in _pieces(len(left), c.shape[1]):
        rows = of[piece]
        y[piece], spent[piece] = _solve(c[rows], s[rows], low[piece], high[piece], sign[left[piece]] < 0.0, y[piece])
    steps = np.bincount(of, weights=spent, minlength=len(c)).astype(np.int64)
    return _in_order([points.take(touching), _Points(of, y)]), steps


def _scanned(flows: _Flows) -> tuple[_Points, IntArray]:
    """Return the roots of one list that a scan can tell apart, and the steps spent."""
    c, s = flows.c, flows.s
    low, high = _bracket(flows)
    # Any derivative (exp(τ·y)·f)' would do; about the mean date it is the smallest.
    derivative = (np.vecdot(np.abs(c), s) / np.abs(c).sum(axis=1) - s) * c
    amounts = np.concatenate([c, np.abs(c), derivative, np.abs(derivative)])
    y, sums = zip(*(_panels(amounts, s, end.item()) for end in (low, high)), strict=True)
    grid = np.concatenate(y)
    value, gross, slope, slope_gross = np.concatenate(sums, axis=1)

    def roots_between(c: FloatArray, y: FloatArray, value: FloatArray, gross: FloatArray) -> tuple[_Points, IntArray]:
        order = np.argsort(y)
        points = _Points(np.zeros(len(y), dtype=np.int64), y[order])
        return _roots_between(c, s, points, value[order], gross[order])

    extremes, spent = roots_between(derivative, grid, slope, slope_gross)
    there = _values(c, s, extremes)
    points = np.concatenate([grid, extremes.y])
    roots, more = roots_between(c, points, np.concatenate([value, there[0]]), np.concatenate([gross, there[1]]))
    return roots, spent + more


def _panels(amounts: FloatArray, s: FloatArray, end: float) -> tuple[FloatArray, FloatArray]:
    """Return half the points of a scan, from 0 to `end`, and the sums of each row of `amounts` there.

    The panels widen away from 0; inside one, exp(s·(u + v)) = exp(s·u)·exp(s·v) makes a matrix product of 256 points.
    """
    weight = (end < 0.0) - s
    i = np.arange(SCAN_STEPS)
    y, sums = [], []
    for start, stop in pairwise(np.sinh(np.linspace(0.0, np.arcsinh(end), SCAN_PANELS // 2 + 1))):
        step = (stop - start) / (SCAN_STEPS**2 - 1)
        coarse, fine = step * SCAN_STEPS * i[:, None], step * i[:, None]
        terms = amounts[:, None, :] * np.exp(weight * (start + coarse))
        sums.append((terms @ np.exp(weight * fine).T).reshape(len(amounts), -1))
        y.append((start + coarse + fine.T).ravel())
    return np.concatenate(y), np.concatenate(sums, axis=1)
