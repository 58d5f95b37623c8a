"""Corrections of the rows before a calculation, and the test for outliers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from lotus_performance.engine.holdings import Holdings
from lotus_performance.engine.series import MONEY, BoolArray, DailyValues, DateArray, FloatArray, IntArray
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
    """Corrected rows of a portfolio and of its holdings, if there are any, and what was done to them.

    `is_ignored` and `is_ignored_holding` tell the rows that were taken as unchanged, `n_ignored_days` how many days of
    entities they are: a day of the portfolio counts once, though all of its holdings are taken as unchanged with it.
    """

    values: DailyValues
    is_ignored: BoolArray
    n_market_values: int = 0
    n_cash_flows: int = 0
    n_ignored_days: int = 0
    notes: list[str] = field(default_factory=list)
    holdings: Holdings | None = None
    is_ignored_holding: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=bool))


def apply_policy(
    values: DailyValues, policy: DataPolicy, portfolio_id: str, holdings: Holdings | None = None
) -> AppliedPolicy:
    """Return the rows of a portfolio and of its holdings as a policy corrects them: overrides, then ignored days.

    Parameters
    ----------
    values : DailyValues
        Values and flows of the portfolio, T rows.
    policy : DataPolicy
        The corrections.
    portfolio_id : str
        Identity of the portfolio; what a policy says of other portfolios is left alone.
    holdings : Holdings, optional
        Values and flows of positions; without them what a policy says of positions is left alone.

    Returns
    -------
    AppliedPolicy
        Corrected rows, counts and notes. On an ignored day begin and end are the end of the row before (on the first
        row its own begin), and there are neither flows nor fees; a portfolio's ignored day is one of all its holdings.

    Raises
    ------
    DuplicateDatesError
        Two overrides are about one date of one entity.
    """
    notes: list[str] = []
    rows = _Rows(values, holdings)
    n_market_values = rows.override(policy.market_values, "market values", notes)
    n_cash_flows = rows.override(policy.cash_flows, "cash flows", notes)
    others, n_ignored_days = [], 0
    for ignored in policy.ignored_days:
        entity = None if ignored.entity_type is EntityType.PORTFOLIO else ignored.entity_id
        if entity not in rows.entities or (entity is None and ignored.entity_id != portfolio_id):
            others.append(f"{ignored.entity_type} {ignored.entity_id}")
        else:
            n_ignored_days += rows.ignore(entity, ignored.dates, notes)
    if others:
        notes.append(f"Ignored days of other entities were left alone: {_listed(sorted(set(others)))}.")
    values, holdings = rows.corrected()
    return AppliedPolicy(
        values=values,
        is_ignored=rows.is_ignored[: len(values)],
        n_market_values=n_market_values,
        n_cash_flows=n_cash_flows,
        n_ignored_days=n_ignored_days,
        notes=notes,
        holdings=holdings,
        is_ignored_holding=rows.is_ignored[len(values) :],
    )


class _Rows:
    """Rows of a portfolio and, below them, those of its holdings: entity 0 and entities 1 to n."""

    def __init__(self, values: DailyValues, holdings: Holdings | None) -> None:
        self.values, self.holdings = values, holdings
        self.entities: dict[str | None, int] = {None: 0}
        first = [0]
        parts = [values]
        if holdings is not None:
            self.entities |= {identity: i for i, identity in enumerate(holdings.ids, start=1)}
            first += (holdings.first + len(values)).tolist()
            parts.append(holdings.values)
        else:
            first.append(len(values))
        self.first = np.array(first)
        self.of_row = np.repeat(np.arange(len(first) - 1), np.diff(self.first))
        self.dates = np.concatenate([part.perf_date for part in parts])
        self.columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in MONEY}
        self.is_ignored = np.zeros(len(self.dates), dtype=bool)
        self.key = self._key(self.of_row, self.dates)

    def override(self, overrides: Overrides | None, what: str, notes: list[str]) -> int:
        """Replace values of rows; return how many rows were changed."""
        if overrides is None:
            return 0
        _refuse_repeats(overrides)
        entity = np.array([self.entities.get(position, -1) for position in overrides.position_id], dtype=np.int64)
        others = sorted({p for p in overrides.position_id if p is not None and p not in self.entities})
        if others:
            notes.append(f"Overrides of {what} of {self._unknown} were left alone: {_listed(others)}.")
        rows, is_there = self._find(entity, overrides.perf_date)
        has_value = ~np.isnan(list(overrides.columns.values())).all(axis=0)
        for text, which in (
            (f"Overridden {what}", is_there & has_value),
            (f"Overrides of {what} without a value", is_there & ~has_value),
            (f"Overrides of {what} for dates without a row", (entity >= 0) & ~is_there),
        ):
            if which.any():
                notes.append(f"{text}: {self._named(overrides, which)}.")
        for name, new in overrides.columns.items():
            is_given = is_there & ~np.isnan(new)
            self.columns[name][rows[is_given]] = new[is_given]
        return int(np.count_nonzero(is_there & has_value))

    def ignore(self, entity: str | None, dates: DateArray, notes: list[str]) -> int:
        """Mark days of an entity, of the portfolio those of all holdings, too; return how many of its rows they are."""
        dates = np.unique(dates)
        who = "" if entity is None else f" of {entity}"
        rows, is_there = self._find(np.full(len(dates), self.entities[entity]), dates)
        if not is_there.all():
            notes.append(f"Ignored days{who} without a row: {_listed(dates[~is_there])}.")
        if is_there.any():
            notes.append(f"Ignored days{who}, taken as unchanged: {_listed(dates[is_there])}.")
        self.is_ignored[rows[is_there]] = True
        if entity is None:
            self.is_ignored |= np.isin(self.dates, dates[is_there])
        return int(np.count_nonzero(is_there))

    def corrected(self) -> tuple[DailyValues, Holdings | None]:
        """Return the portfolio and its holdings after all corrections."""
        if self.is_ignored.any():
            self._flatten()
        n = len(self.values)
        values = self.values.with_money({name: column[:n] for name, column in self.columns.items()})
        if self.holdings is None:
            return values, None
        of_holdings = {name: column[n:] for name, column in self.columns.items()}
        return values, replace(self.holdings, values=self.holdings.values.with_money(of_holdings))

    def _flatten(self) -> None:
        # The value that stands: the end of the entity's last row that is not ignored, its first row's begin before any.
        last = np.maximum.accumulate(np.where(self.is_ignored, -1, np.arange(len(self.dates))))
        first = self.first[self.of_row]
        standing = np.where(last < first, self.columns["begin_mv"][first], self.columns["end_mv"][last])
        for name, column in self.columns.items():
            column[self.is_ignored] = standing[self.is_ignored] if name in ("begin_mv", "end_mv") else 0.0

    def _find(self, entity: IntArray, dates: DateArray) -> tuple[IntArray, BoolArray]:
        wanted = self._key(entity, dates)
        rows = np.minimum(self.key.searchsorted(wanted), len(self.key) - 1)
        return rows, self.key[rows] == wanted

    @staticmethod
    def _key(entity: IntArray, dates: DateArray) -> IntArray:
        # Days of the years 1 to 9999 lie within 2^22 of 1970.
        return entity * 2**23 + dates.astype(np.int64)

    @property
    def _unknown(self) -> str:
        return "positions" if self.holdings is None else "positions that were not sent"

    @staticmethod
    def _named(overrides: Overrides, which: BoolArray) -> str:
        named = sorted(
            (str(overrides.perf_date[i]), overrides.position_id[i] or "") for i in np.flatnonzero(which).tolist()
        )
        return _listed([f"{date} of {position}" if position else date for date, position in named])


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


def _listed(items: DateArray | Sequence[str]) -> str:
    shown = ", ".join(map(str, items[:_MOST_NAMED]))
    return shown if len(items) <= _MOST_NAMED else f"{shown} and {len(items) - _MOST_NAMED} more"
