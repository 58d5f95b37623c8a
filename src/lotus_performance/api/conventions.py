"""What `/docs/conventions` shows besides its sentences: tables out of the code that applies what they say."""

from typing import Any, NamedTuple

import numpy as np

from lotus_performance.api.errors import MAX_PROBLEM_BYTES
from lotus_performance.api.openapi import HEADERS, ON_EVERY_ANSWER, REFUSALS
from lotus_performance.engine.periods import Analysis, Frequency, Period, bucket_labels, bucket_starts, window_of
from lotus_performance.schemas.base import RequestSchema
from lotus_performance.schemas.fields import MAX_ID_LENGTH, MAX_LABEL_LENGTH
from lotus_performance.schemas.holdings_request import MAX_LEVELS
from lotus_performance.schemas.limits import MEBIBYTE, Limits
from lotus_performance.schemas.responses import UNITS, WARNINGS
from lotus_performance.strict_json import MAX_NESTING

ANCHOR, INCEPTION = np.datetime64("2025-05-14", "D"), np.datetime64("2022-03-01", "D")
"""Dates of the examples: a Wednesday in the middle of its month, quarter and year."""

STARTS = {
    Period.MTD: "the first day of the month of `report_end_date`",
    Period.QTD: "the first day of its quarter",
    Period.YTD: "the first day of its year",
    Period.WTD: "the Monday of its week",
    Period.ITD: "`performance_start_date`",
    Period.ONE_YEAR: "the day after `report_end_date` less a year",
    Period.THREE_YEARS: "the day after it less three years",
    Period.FIVE_YEARS: "the day after it less five years",
    Period.EXPLICIT: "`start`, and ends on `end`",
    Period.ROLLING: "the day after it less `months`, or `days` days with it as the last",
}
"""Where each period starts."""

DATES: dict[Period, dict[str, Any]] = {
    Period.EXPLICIT: {"start": np.datetime64("2024-07-01", "D"), "end": np.datetime64("2024-12-31", "D")},
    Period.ROLLING: {"months": 6},
}
"""What the examples of periods without dates of their own bring."""

BUCKETS = {
    Frequency.DAILY: "the date",
    Frequency.WEEKLY: "the Friday of the week, which runs from Monday to Sunday",
    Frequency.MONTHLY: "year and month",
    Frequency.QUARTERLY: "year and quarter",
    Frequency.YEARLY: "the year",
}
"""The label of a bucket of each frequency."""


class Row(NamedTuple):
    """One line of a table: a name, what is said of it, and an example or figure."""

    name: str
    text: str
    figure: str = ""


def conventions(limits: Limits) -> dict[str, Any]:
    """Return what the page needs, with the limits of the running service."""
    rounding = RequestSchema().fields["rounding_precision"]
    return {
        "units": [Row(*unit) for unit in UNITS.items()],
        "anchor": ANCHOR,
        "inception": INCEPTION,
        "periods": [Row(period, text, _window(period)) for period, text in STARTS.items()],
        "buckets": [Row(frequency, text, _label(frequency)) for frequency, text in BUCKETS.items()],
        "decimals": rounding.load_default,
        "most_decimals": rounding.json_schema()["maximum"],  # type: ignore[attr-defined]
        "statuses": [Row(str(status), text) for status, (_, text) in REFUSALS.items()],
        "headers": [Row(name, HEADERS[name]["description"]) for name in ON_EVERY_ANSWER],
        "warnings": [Row(*warning) for warning in WARNINGS.items()],
        "limits": _limits(limits),
    }


def _window(period: Period) -> str:
    """Return the example of a period, cut to inception as an answer's window is."""
    start, end = window_of(Analysis(period, (), "", **DATES.get(period, {})), ANCHOR, INCEPTION)
    return f"{max(start, INCEPTION)} to {end}"


def _label(frequency: Frequency) -> str:
    _, start, _ = bucket_starts(np.array([ANCHOR]), frequency)
    (label,) = bucket_labels(start, frequency)
    return label


def _limits(limits: Limits) -> list[Row]:
    return [
        Row("body, chunked or not", "413", f"{limits.max_body_bytes / MEBIBYTE:.4g} MiB"),
        Row("nesting of the document", "400 `malformed_json`", f"{MAX_NESTING} levels"),
        Row("rows of a series", "422 `too_many`", f"{limits.max_rows:,}"),
        Row("positions, instruments, groups of a side", "422 `too_many`", f"{limits.max_positions:,}"),
        Row("different periods", "422 `too_many`", f"{limits.max_periods:,}"),
        Row("levels of a hierarchy", "422 `too_many`", f"{MAX_LEVELS}"),
        Row("characters of an id", "422 `too_long`", f"{MAX_ID_LENGTH}"),
        Row("characters of a label", "422 `too_long`", f"{MAX_LABEL_LENGTH}"),
        Row(
            "faults listed in one answer",
            "the rest is counted in `errors_total`",
            f"{limits.max_errors} and {MAX_PROBLEM_BYTES // 1024} KiB",
        ),
    ]
