"""Corrections of the rows before a calculation, and the test for outliers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from lotus_performance.engine.series import BoolArray, DailyValues, DateArray, FloatArray
from lotus_performance.errors import DuplicateDatesError, Fault, Place

FEWEST_ROWS = 5
"""Rows with a return before a day without which the day is not tested."""

_MOST_NAMED = 10
_CELLS_AT_ONCE = 1_000_000


class EntityType(StrEnum):
    """What a policy is about."""

    PORTFOLIO = "PORTFOLIO"
    POSITION = "POSITION"


@dataclass(frozen=True)
class Overrides:
    """Values that replace those of the rows of a date.

    Attributes
    ----------
    perf_date : ndarray of datetime64[D], shape (n,)
        Dates in any order.
    position_id : sequence of str or None, length n
        The position that is meant; None for the portfolio.
    columns : dict of ndarray of float64, shape (n,)
        Values by member; NaN leaves a row's value alone.
    place : tuple
        Where the overrides stand in the request document.
    """

    perf_date: DateArray
    position_id: Sequence[str | None]
    columns: dict[str, FloatArray]
    place: Place


@dataclass(frozen=True)
class IgnoredDays:
    """Days on which an entity is taken as unchanged."""

    entity_type: EntityType
    entity_id: str
    dates: DateArray


@dataclass(frozen=True)
class OutlierTest:
    """Width, in median absolute deviations (MAD), and number of rows of the test."""

    mad_k: float
    window: int


@dataclass(frozen=True)
class DataPolicy:
    """What is done to the rows before the calculation."""

    market_values: Overrides | None = None
    cash_flows: Overrides | None = None
    ignored_days: tuple[IgnoredDays, ...] = ()
    outliers: OutlierTest | None = None


@dataclass(frozen=True)
class AppliedPolicy:
    """Corrected rows, and what was done to them."""

    values: DailyValues
    is_ignored: BoolArray
    n_market_values: int = 0
    n_cash_flows: int = 0
    notes: list[str] = field(default_factory=list)


def apply_policy(values: DailyValues, policy: DataPolicy, portfolio_id: str) -> AppliedPolicy:
    """Return the rows of a portfolio as a policy corrects them: first overrides, then ignored days.

    Parameters
    ----------
    values : DailyValues
        Values and flows, n rows.
    policy : DataPolicy
        The corrections.
    portfolio_id : str
        Identity of the portfolio; what a policy says of other entities is left alone.

    Returns
    -------
    AppliedPolicy
        Corrected rows, counts and notes. On an ignored day begin and end are the end of the row before (on the first
        row its own begin), and there are neither flows nor fees.

    Raises
    ------
    DuplicateDatesError
        Two overrides are about one date of one entity.
    """
    notes: list[str] = []
    values, n_market_values = _overridden(values, policy.market_values, "market values", notes)
    values, n_cash_flows = _overridden(values, policy.cash_flows, "cash flows", notes)
    others = sorted(
        {
            f"{ignored.entity_type} {ignored.entity_id}"
            for ignored in policy.ignored_days
            if ignored.entity_type is not EntityType.PORTFOLIO or ignored.entity_id != portfolio_id
        }
    )
    if others:
        notes.append(f"Ignored days of other entities were left alone: {_listed(others)}.")
    dates = [
        ignored.dates
        for ignored in policy.ignored_days
        if ignored.entity_type is EntityType.PORTFOLIO and ignored.entity_id == portfolio_id
    ]
    is_ignored = np.isin(values.perf_date, np.concatenate(dates)) if dates else np.zeros(len(values), dtype=bool)
    without_row = np.setdiff1d(np.concatenate(dates), values.perf_date) if dates else np.empty(0, "datetime64[D]")
    if len(without_row):
        notes.append(f"Ignored days without a row: {_listed(without_row)}.")
    if is_ignored.any():
        values = _flattened(values, is_ignored)
        notes.append(f"Ignored days, taken as unchanged: {_listed(values.perf_date[is_ignored])}.")
    return AppliedPolicy(values, is_ignored, n_market_values, n_cash_flows, notes)


def find_outliers(returns: FloatArray, test: OutlierTest) -> tuple[BoolArray, FloatArray]:
    r"""Return the days whose return is far from the returns of the rows before.

    Parameters
    ----------
    returns : ndarray of float64, shape (n,)
        Day's returns as fractions; NaN where there is none.
    test : OutlierTest
        Number of rows k of the window, and width of the band.

    Returns
    -------
    is_outlier : ndarray of bool, shape (n,)
        Flagged days.
    threshold : ndarray of float64, shape (n,)
        Largest distance from the median that is not flagged; NaN where a day is not tested.

    Notes
    -----
    .. math:: |r_t - m_t| > k \cdot \mathrm{median}_s |r_s - m_t|

    with the median m over the returns of the rows before the day, at least five of them. A deviation of 0 flags
    nothing. The day itself is not in its window, so that it cannot hide itself.

    References
    ----------
    Hampel, F. R.: The influence curve and its role in robust estimation, Journal of the American Statistical
    Association 69 (1974), 383-393.
    """
    n, window = len(returns), min(test.window, max(len(returns), 1))
    padded = np.concatenate((np.full(window, np.nan), returns))
    threshold = np.full(n, np.nan)
    center = np.full(n, np.nan)
    rows_at_once = max(1, _CELLS_AT_ONCE // window)
    for first in range(0, n, rows_at_once):
        part = slice(first, min(first + rows_at_once, n))
        past = np.lib.stride_tricks.sliding_window_view(padded[part.start : part.stop + window - 1], window)
        center[part] = _row_medians(past)
        with np.errstate(over="ignore", invalid="ignore"):
            threshold[part] = test.mad_k * _row_medians(np.abs(past - center[part, None]))
    with np.errstate(invalid="ignore"):
        return (threshold > 0.0) & (np.abs(returns - center) > threshold), threshold


def _row_medians(rows: FloatArray) -> FloatArray:
    """Return the median of the numbers of each row; NaN where there are fewer than five."""
    ordered = np.sort(rows, axis=1)  # NaN goes last
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    position = np.arange(len(rows))
    low, high = (
        ordered[position, np.maximum(count - 1, 0) // 2],
        ordered[position, np.minimum(count // 2, rows.shape[1] - 1)],
    )
    return np.where(count >= FEWEST_ROWS, low + (high - low) / 2.0, np.nan)


def _overridden(
    values: DailyValues, overrides: Overrides | None, what: str, notes: list[str]
) -> tuple[DailyValues, int]:
    if overrides is None:
        return values, 0
    _refuse_repeats(overrides)
    others = sorted({position for position in overrides.position_id if position is not None})
    if others:
        notes.append(f"Overrides of {what} of positions were left alone: {_listed(others)}.")
    is_mine = [position is None for position in overrides.position_id]
    dates = overrides.perf_date[is_mine]
    columns = {name: new[is_mine] for name, new in overrides.columns.items()}
    rows = np.minimum(values.perf_date.searchsorted(dates), len(values) - 1)
    is_there = values.perf_date[rows] == dates
    has_value = ~np.isnan(list(columns.values())).all(axis=0)
    for text, which in (
        (f"Overridden {what}", is_there & has_value),
        (f"Overrides of {what} without a value", is_there & ~has_value),
        (f"Overrides of {what} for dates without a row", ~is_there),
    ):
        if which.any():
            notes.append(f"{text}: {_listed(np.sort(dates[which]))}.")
    changed = {}
    for name, new in columns.items():
        is_given = is_there & ~np.isnan(new)
        changed[name] = getattr(values, name).copy()
        changed[name][rows[is_given]] = new[is_given]
    return replace(values, **changed), int(np.count_nonzero(is_there & has_value))


def _refuse_repeats(overrides: Overrides) -> None:
    seen: dict[tuple[str, str | None], int] = {}
    faults = []
    for row, key in enumerate(zip(overrides.perf_date.astype(str).tolist(), overrides.position_id, strict=True)):
        if key in seen:
            detail = f"override {seen[key]} is about the same date and entity"
            faults.append(Fault((*overrides.place, row, "perf_date"), detail, {"perf_date": key[0]}))
        seen.setdefault(key, row)
    if faults:
        raise DuplicateDatesError("Two overrides are about one date of one entity; send one.", faults=faults)


def _flattened(values: DailyValues, is_ignored: BoolArray) -> DailyValues:
    # The value that stands: the end of the last row that is not ignored, the first row's begin before any.
    last = np.maximum.accumulate(np.where(is_ignored, -1, np.arange(len(values))))
    standing = np.where(last < 0, values.begin_mv[0], values.end_mv[last])[is_ignored]
    changed = {name: getattr(values, name).copy() for name in ("begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees")}
    for name, column in changed.items():
        column[is_ignored] = standing if name in ("begin_mv", "end_mv") else 0.0
    return replace(values, **changed)


def _listed(items: DateArray | Sequence[str]) -> str:
    shown = ", ".join(map(str, items[:_MOST_NAMED]))
    return shown if len(items) <= _MOST_NAMED else f"{shown} and {len(items) - _MOST_NAMED} more"
