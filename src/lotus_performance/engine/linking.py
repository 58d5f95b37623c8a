"""Linking: weights of single periods with which effects, or contributions, add up over time.

Returns compound, effects add. With the portfolio's returns r, the benchmark's b and their compounded totals R and B,
the effects of period t sum to r_t - b_t, but these do not sum to R - B. An exact method has one factor f_t a period, by
which every effect of the period is multiplied, such that the sum of f_t (r_t - b_t) is R - B. Contributions are the
case b = 0.

References
----------
.. [1] Bacon, C. R. (2008), Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley, chapter 8.
.. [2] Cariño, D. R. (1999), "Combining attribution effects over time", The Journal of Performance Measurement 3 (4),
   5-14.
.. [3] Menchero, J. (2000), "An optimized approach to linking attribution effects over time", The Journal of Performance
   Measurement 5 (1), 36-42.
.. [4] Groupe de Recherche en Attribution de Performance (1997), Synthèse des modèles d'attribution de performance,
   Paris.
.. [5] Frongello, A. S. B. (2002), "Attribution linking: proofed and clarified", The Journal of Performance Measurement
   7 (1), 54-67.
.. [6] Shapley, L. S. (1953), "A value for n-person games", Contributions to the Theory of Games II, 307-317.
.. [7] Owen, G. (1972), "Multilinear extensions of games", Management Science 18 (5), P64-P79.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import numpy as np

from lotus_performance.engine.series import DateArray, FloatArray
from lotus_performance.errors import FigureOverflowError, LinkingUndefinedError


class Linking(StrEnum):
    """How effects of single periods are put together over time."""

    NONE = "none"
    CARINO = "carino"
    LOG = "log"
    MENCHERO = "menchero"
    GRAP = "grap"
    FRONGELLO = "frongello"
    SYMMETRIC = "symmetric"
    GEOMETRIC = "geometric"


EXACT_METHODS = (Linking.CARINO, Linking.MENCHERO, Linking.GRAP, Linking.FRONGELLO, Linking.SYMMETRIC)
"""The methods whose factors make effects sum to R - B, each once: LOG is another name of CARINO."""

WIRE_NAMES: Mapping[Linking, str] = {method: method.value for method in Linking}
"""The methods as an attribution names them."""

SMALL_RATIO = 1e-9
"""Up to here ln(1 + x) / x is 1 - x / 2, the next term being lost in rounding; at 0 the quotient itself is none."""

NODES = 32
"""Nodes of Gauss-Legendre a panel: exact up to the degree 63, which is that of 64 periods."""

RESIDUAL_LIMIT = 1e-13
"""What the integrals of up to `DAYS` periods may be off, in units of the largest of 1, 1 + R, 1 + B and the factors."""

DAYS = 2520
"""Ten years of days: in longer histories rounding, and the limit with it, grows in proportion."""

MAX_CELLS = 1 << 24
"""Most nodes x periods of one attempt; all attempts together have less than twice as many."""

CHUNK = 1 << 15
"""Nodes x periods handled together, so that they stay in the cache; one node is the least."""


def link_factors(
    method: Linking,
    returns: FloatArray,
    benchmark: FloatArray,
    names: Mapping[Linking, str] = WIRE_NAMES,
    *,
    what: str = "these returns",
    dates: DateArray | None = None,
) -> FloatArray:
    r"""Return the factor of each period, by which its effects are multiplied so that they add up over time.

    Parameters
    ----------
    method : Linking
        Any but GEOMETRIC, whose effects compound; its groups take the factors of CARINO on the totals of each effect.
    returns, benchmark : ndarray of float64, shape (T,)
        Returns of portfolio and benchmark in each of T >= 1 periods, as fractions; the benchmark of contributions is 0.
    names : mapping of Linking to str
        What the caller names the methods that it knows, for messages: `method` and those that can stand in for it.
    what : str
        What is linked, for messages.
    dates : ndarray of datetime64[D], shape (T,), optional
        Date of each period, for messages; without dates a period has its number.

    Returns
    -------
    ndarray of float64, shape (T,)
        Factors. Those of NONE are 1; with those of every other method the active returns sum to R - B.

    Raises
    ------
    LinkingUndefinedError
        CARINO, LOG: a return is -100 % or less. MENCHERO: a total return is.
    FigureOverflowError
        A factor, or a product on the way to it, is larger than a double.
    ValueError
        The method is GEOMETRIC.

    Notes
    -----
    With the active return :math:`d_t = r_t - b_t`:

    - CARINO, also known as LOG [2]_: :math:`f_t = k_t / K` with :math:`k_t = [\ln(1 + r_t) - \ln(1 + b_t)] / d_t` and
      :math:`K` likewise of R and B; where the two returns are equal, :math:`k = 1 / (1 + b)`. With b = 0 it is
      :math:`\ln(1 + r) / r`.
    - MENCHERO [3]_: :math:`f_t = M + c\,d_t` with :math:`M = [(R - B) / T] / [(1 + R)^{1/T} - (1 + B)^{1/T}]`, or
      :math:`(1 + R)^{(T-1)/T}` where R = B, and :math:`c = (R - B - M \sum d_t) / \sum d_t^2`, or 0 where all
      :math:`d_t` are: no limit, since however small they are, the correction depends on their ratios.
    - GRAP [4]_: :math:`f_t = \prod_{s<t} (1 + r_s) \prod_{s>t} (1 + b_s)`: what was earned before is kept in the
      portfolio, and grows on with the benchmark. With b = 0 it is a contribution "to date", which no later period
      restates.
    - FRONGELLO [5]_ links an effect a by :math:`F_t = a_t \prod_{s<t} (1 + r_s) + b_t \sum_{s<t} F_s`. The sums
      :math:`C_t = \sum_{s \le t} F_s` obey :math:`C_t = (1 + b_t)\,C_{t-1} + a_t \prod_{s<t} (1 + r_s)`, whose solution
      :math:`C_T = \sum_t a_t \prod_{s<t} (1 + r_s) \prod_{s>t} (1 + b_s)` has GRAP's factors: both are one here.
    - SYMMETRIC: the mean of GRAP over all orders of the periods, which is the Shapley value [6]_ of the game in which
      the portfolio replaces the benchmark one period after the other. By Owen's formula [7]_ that is
      :math:`f_t = \int_0^1 \prod_{s \ne t} (1 + b_s + x\,d_s)\,dx`.

    CARINO, MENCHERO and SYMMETRIC do not depend on the order of the periods; GRAP and SYMMETRIC are defined for any
    data.

    No formula is evaluated where it cancels. With :math:`\ell = \min(r, b)` and :math:`x = |d| / (1 + \ell)`,
    :math:`k = \ln(1 + x) / x / (1 + \ell)` has one argument of ``log1p``, never negative, for gains and losses alike.
    :math:`1 / K` is the logarithmic mean of 1 + R and 1 + B, :math:`\max(1 + R, 1 + B)\,(1 - e^{-|L|}) / |L|` with
    :math:`L = \sum k_t d_t`, and M the quotient of it and the one of the T-th roots. The integrand of SYMMETRIC is a
    polynomial of degree T - 1, for which :math:`\lceil T/2 \rceil` nodes of Gauss-Legendre are exact. Longer histories
    than 64 take 32 nodes, on 1, 2, 4, ... panels until :math:`\int G' = R - B` and :math:`\int (xG)' = 1 + R` hold to
    `RESIDUAL_LIMIT`, G being the product of all periods. The second is there because a portfolio that swaps its returns
    with the benchmark's fulfils the first with any nodes. Beyond `MAX_CELLS` the best attempt is returned, and the
    caller states what is missing in R - B.

    Examples
    --------
    20 % and 10 % against 10 % and 5 %: 32 % against 15.5 %. GRAP grows the first period's effects with the benchmark's
    1.05, and the second period's with the portfolio's 1.20; in the other order they would have 1.10 and 1.10.

    >>> returns, benchmark = np.array([0.20, 0.10]), np.array([0.10, 0.05])
    >>> link_factors(Linking.GRAP, returns, benchmark).tolist()
    [1.05, 1.2]
    >>> link_factors(Linking.SYMMETRIC, returns, benchmark).round(12).tolist()
    [1.075, 1.15]
    >>> [round(float(link_factors(method, returns, benchmark) @ (returns - benchmark)), 12) for method in EXACT_METHODS]
    [0.165, 0.165, 0.165, 0.165, 0.165]
    """
    if method not in _FACTORS:
        raise ValueError(f"{method} linking has no factors of its own")
    reason = _why_undefined(method, returns, benchmark, dates)
    if reason is not None:
        others = [names[other] for other in defined_methods(returns, benchmark) if other in names]
        raise LinkingUndefinedError(
            f"Linking by {names[method]} is not defined for {what}: {reason}. Ask for {_listed(others)}."
        )
    with np.errstate(all="ignore"):
        factors = _FACTORS[method](returns, benchmark)
    if not np.isfinite(factors).all():
        raise _overflow()
    return factors


def defined_methods(returns: FloatArray, benchmark: FloatArray) -> tuple[Linking, ...]:
    """Return the exact methods that are defined for given returns.

    Parameters
    ----------
    returns, benchmark : ndarray of float64, shape (T,)
        Returns of portfolio and benchmark in each period, as fractions.

    Returns
    -------
    tuple of Linking
        Those of `EXACT_METHODS`, in their order; GRAP, FRONGELLO and SYMMETRIC always.

    Raises
    ------
    FigureOverflowError
        A total return is larger than a double.

    Examples
    --------
    A total loss has no logarithm:

    >>> [method.value for method in defined_methods(np.array([0.1, -1.0]), np.array([0.0, 0.0]))]
    ['grap', 'frongello', 'symmetric']
    """
    return tuple(method for method in EXACT_METHODS if _why_undefined(method, returns, benchmark) is None)


def _why_undefined(
    method: Linking, returns: FloatArray, benchmark: FloatArray, dates: DateArray | None = None
) -> str | None:
    for whose, single in (("portfolio", returns), ("benchmark", benchmark)):
        if method in (Linking.CARINO, Linking.LOG) and (lost := np.flatnonzero(single <= -1.0)).size:
            at = f"in period {lost[0] + 1} of {len(single)}" if dates is None else f"on {dates[lost[0]]}"
            return f"it takes logarithms of 1 + return, and the {whose} has {100.0 * single[lost[0]]:.6g} % {at}"
        if method is Linking.MENCHERO and (growth := _growth(single)) <= 0.0:
            return f"it takes roots of 1 + total return, and the {whose} has {100.0 * (growth - 1.0):.6g} % in total"
    return None


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _overflow() -> FigureOverflowError:
    return FigureOverflowError("Linked returns are too large for a number; check the returns, or link fewer periods.")


def _growth(returns: FloatArray) -> float:
    with np.errstate(all="ignore"):
        growth = float(np.prod(1.0 + returns))
    if not math.isfinite(growth):
        raise _overflow()
    return growth


def _none(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    return np.ones_like(returns)


def _carino(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    k = _log_coefficients(returns, benchmark)
    log_ratio = float((k * (returns - benchmark)).sum())
    return k * _log_mean(_growth(returns), _growth(benchmark), log_ratio)


def _menchero(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    n, active = len(returns), returns - benchmark
    growth, bmk_growth = _growth(returns), _growth(benchmark)
    if (returns > -1.0).all() and (benchmark > -1.0).all():
        log_ratio = float((_log_coefficients(returns, benchmark) * active).sum())
    else:
        log_ratio = math.log(growth) - math.log(bmk_growth)
    log_mean = _log_mean(growth, bmk_growth, log_ratio)
    mean = log_mean / _log_mean(growth ** (1.0 / n), bmk_growth ** (1.0 / n), log_ratio / n)
    largest = float(np.abs(active).max())
    if largest == 0.0:
        return np.full(n, mean)
    # Scaled, since the squares of tiny numbers are 0.
    unit = active / largest
    rest = log_ratio * log_mean / largest - mean * float(unit.sum())
    return mean + rest / float((unit * unit).sum()) * unit


def _log_coefficients(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    """Return [ln(1 + r) - ln(1 + b)] / (r - b), symmetric in the two."""
    low = 1.0 + np.minimum(returns, benchmark)
    x = np.abs(returns - benchmark) / low
    out = 1.0 - 0.5 * x
    np.divide(np.log1p(x), x, out=out, where=x > SMALL_RATIO)
    return out / low


def _log_mean(x: float, y: float, log_ratio: float) -> float:
    """Return (x - y) / ln(x / y), x where the two are equal."""
    size = abs(log_ratio)
    return max(x, y) * (-math.expm1(-size) / size if size else 1.0)


def _grap(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    return _products_before(1.0 + returns) * _products_after(1.0 + benchmark)


def _products_before(growth: FloatArray) -> FloatArray:
    """Return the product of all elements before each one, along the last axis."""
    out = np.ones_like(growth)
    np.cumprod(growth[..., :-1], axis=-1, out=out[..., 1:])
    return out


def _products_after(growth: FloatArray) -> FloatArray:
    return _products_before(growth[..., ::-1])[..., ::-1]


def _symmetric(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    n = len(returns)
    if n <= 2 * NODES:
        return _integrate(returns, benchmark, (n + 1) // 2, 1)[0]
    growth, bmk_growth = _growth(returns), _growth(benchmark)
    limit = RESIDUAL_LIMIT * max(1.0, n / DAYS)
    best, least, n_panels = np.full(n, np.nan), math.inf, 1
    while n_panels == 1 or n_panels * NODES * n <= MAX_CELLS:
        factors, moment = _integrate(returns, benchmark, NODES, n_panels)
        missing = float(factors @ (returns - benchmark)) - (growth - bmk_growth)
        residual = max(abs(missing), abs(moment - growth))
        if not math.isfinite(residual):
            break
        if residual < least:
            best, least = factors, residual
        if residual <= limit * max(1.0, abs(growth), abs(bmk_growth), float(np.abs(factors).max())):
            break
        n_panels *= 2
    return best


def _integrate(returns: FloatArray, benchmark: FloatArray, n_nodes: int, n_panels: int) -> tuple[FloatArray, float]:
    """Return the integrals of the products of all periods but one, and that of (x G)', G being the product of all.

    Products before and after a period, because a quotient of G would not exist where a factor is 0.
    """
    root, root_weight = np.polynomial.legendre.leggauss(n_nodes)
    nodes = ((np.arange(n_panels)[:, None] + 0.5 * (1.0 + root)) / n_panels).ravel()
    weights = np.tile(0.5 * root_weight / n_panels, n_panels)
    active = returns - benchmark
    factors, moment = np.zeros_like(active), 0.0
    step = max(1, CHUNK // len(active))
    for first in range(0, len(nodes), step):
        x, weight = nodes[first : first + step], weights[first : first + step]
        growth = 1.0 + benchmark + x[:, None] * active
        before = _products_before(growth)
        whole = before[:, -1] * growth[:, -1]
        others = before * _products_after(growth)
        factors += weight @ others
        moment += float(weight @ (whole + x * (others @ active)))
    return factors, moment


_FACTORS: Mapping[Linking, Callable[[FloatArray, FloatArray], FloatArray]] = {
    Linking.NONE: _none,
    Linking.CARINO: _carino,
    Linking.LOG: _carino,
    Linking.MENCHERO: _menchero,
    Linking.GRAP: _grap,
    Linking.FRONGELLO: _grap,
    Linking.SYMMETRIC: _symmetric,
}
