"""What a calculation has to tell its reader besides the figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lotus_performance.engine.periods import Window
from lotus_performance.engine.returns import DayReturns
from lotus_performance.engine.series import BoolArray, DailyValues, DateArray, date_texts

DISCONTINUITY_EPSILON = 1e-9
"""Relative jump from one row's end_mv to the next begin_mv that is more than rounding."""


@dataclass(frozen=True)
class Notice:
    """A warning that goes with a result.

    Attributes
    ----------
    code : str
        Stable code, such as ``"multiple_roots"``.
    detail : str
        What happened, in a sentence.
    severity : str
        How much it matters; ``"warning"`` unless stated.
    dates : tuple of str
        Days concerned, ``YYYY-MM-DD``; empty when none are.
    """

    code: str
    detail: str
    severity: str = "warning"
    dates: tuple[str, ...] = ()


def dated(code: str, detail: str, dates: DateArray) -> list[Notice]:
    """Return a warning about days, none where there are no days.

    Parameters
    ----------
    code, detail : str
        Code and sentence.
    dates : ndarray of datetime64[D], shape (n,)
        Days concerned.

    Returns
    -------
    list of Notice
        One notice, or none.
    """
    return [Notice(code, detail, dates=tuple(date_texts(dates)))] if len(dates) else []


def value_notices(values: DailyValues, days: DayReturns, is_requested: BoolArray) -> list[Notice]:
    """Return what is to be said about the values of a portfolio.

    Parameters
    ----------
    values : DailyValues
        Values and flows, n rows.
    days : DayReturns
        Their returns.
    is_requested : ndarray of bool, shape (n,)
        Rows of at least one requested period.

    Returns
    -------
    list of Notice
        Gains without capital, jumps of the value from row to row, and positive fees.
    """
    with np.errstate(over="ignore"):
        jump = np.abs(values.begin_mv[1:] - values.end_mv[:-1])
    is_jump = jump > DISCONTINUITY_EPSILON * np.maximum(np.abs(values.begin_mv[1:]), np.abs(values.end_mv[:-1]))
    return [
        *dated(
            "no_capital",
            "A gain without capital has no return; the days were left out of the chain.",
            values.perf_date[~days.is_defined & is_requested],
        ),
        *dated(
            "discontinuity",
            "begin_mv differs from end_mv of the row before; the difference is in no return. A flow belongs in bod_cf.",
            values.perf_date[1:][is_jump & is_requested[1:] & is_requested[:-1]],
        ),
        *dated(
            "positive_fee",
            "Management fees are negative by convention; a positive one raises the net return. Send it negative.",
            values.perf_date[(values.mgmt_fees > 0.0) & is_requested],
        ),
    ]


def reset_notices(dates: DateArray) -> list[Notice]:
    """Return the warning of days on which a chain of returns was cut.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (n,)
        Days of losses and restarts.

    Returns
    -------
    list of Notice
        One notice, or none.
    """
    detail = "Capital was lost or a new chain was opened; returns are linked from the last restart on."
    return dated("reset", detail, dates)


def order_note(is_reordered: bool) -> list[str]:
    """Return the note of rows that had to be sorted.

    Parameters
    ----------
    is_reordered : bool
        Whether they had to be.

    Returns
    -------
    list of str
        A sentence, or none.
    """
    return ["Rows were not in date order; they were sorted by perf_date."] if is_reordered else []


def late_note(dates: DateArray, windows: Sequence[Window]) -> list[str]:
    """Return the note of rows after all requested periods.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (n,)
        Dates of the rows, rising.
    windows : sequence of Window
        Requested periods.

    Returns
    -------
    list of str
        A sentence, or none.
    """
    last = max(window.end for window in windows)
    n_late = len(dates) - int(dates.searchsorted(last, side="right"))
    return [f"Rows after {last}, the last day of all requested periods, were left out: {n_late}."] if n_late else []
