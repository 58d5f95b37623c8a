"""The answer to a request for series of returns."""

from collections.abc import Sequence
from typing import Any

from lotus_performance.engine import ENGINE_VERSION
from lotus_performance.engine.returns_series import (
    Aligned,
    Points,
    ResolvedWindow,
    ReturnsRequest,
    SentReturns,
    align,
    compounded,
    expected_dates,
    resolve_window,
)
from lotus_performance.engine.series import Day, date_texts
from lotus_performance.services.figures import without_missing
from lotus_performance.services.result import no_effect_notices, warning_of

MAX_GAPS = 1_000
"""Gaps that are listed; coverage counts all."""
PLACES = 12


def stateless_answer(request: ReturnsRequest) -> dict[str, Any]:
    """Return the answer to a request that holds its data, but for its provenance."""
    window = resolve_window(request.window, request.as_of, _first_date([sent for _, sent in request.sent]))
    points = [compounded(name, sent, request.frequency, window) for name, sent in request.sent]
    return answer_of(request, window, points)


def _first_date(series: Sequence[SentReturns]) -> Day | None:
    return min((each.date[0] for each in series if len(each.date)), default=None)


def answer_of(request: ReturnsRequest, window: ResolvedWindow, points: Sequence[Points]) -> dict[str, Any]:
    """Return the answer out of series at the requested frequency, but for its provenance."""
    policy = request.policy
    observed = [each.date for each in points]
    grid = expected_dates(window, request.frequency, policy.calendar, observed, request.max_dates)
    aligned = align(points, grid, policy)
    return {
        "series": {each.name.value: _shown(each) for each in aligned.series},
        "resolved_window": {
            "start_date": str(window.start),
            "end_date": str(window.end),
            "resolved_period_label": window.label,
        },
        "diagnostics": {
            **_coverage(aligned),
            "policy_applied": without_missing(
                {
                    "missing_data_policy": policy.missing,
                    "fill_method": policy.fill,
                    "calendar_policy": policy.calendar,
                    "max_gap_days": policy.max_gap_days,
                }
            ),
            "warnings": [warning_of(each) for each in (*aligned.notices, *no_effect_notices(request.no_effect))],
        },
        "metadata": without_missing(
            {
                "portfolio_id": request.portfolio_id,
                "as_of_date": str(request.as_of),
                "frequency": request.frequency,
                "metric_basis": request.basis,
                "reporting_currency": request.currency,
                "engine_version": ENGINE_VERSION,
            }
        ),
    }


def _shown(points: Points) -> list[dict[str, str]]:
    values = [f"{value:.{PLACES}f}" for value in points.value.tolist()]
    zero = f"{0.0:.{PLACES}f}"
    return [
        {"date": date, "return_value": zero if value == f"-{zero}" else value}
        for date, value in zip(date_texts(points.label), values, strict=True)
    ]


def _coverage(aligned: Aligned) -> dict[str, Any]:
    n_requested, n_returned = aligned.n_requested, aligned.n_returned
    return {
        "coverage": {
            "requested_points": n_requested,
            "returned_points": n_returned,
            "missing_points": n_requested - n_returned,
            "coverage_ratio": round(n_returned / n_requested, PLACES),
        },
        "gaps": [
            {
                "series": gap.name,
                "start_date": str(gap.start),
                "end_date": str(gap.end),
                "missing_points": gap.n_dates,
                "days": gap.n_days,
            }
            for gap in aligned.gaps[:MAX_GAPS]
        ],
    }
