"""What a service hands over: the figures, and what is told beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lotus_performance.engine import ENGINE_VERSION
from lotus_performance.engine.notices import Notice
from lotus_performance.engine.requests import Request
from lotus_performance.engine.series import Day
from lotus_performance.services.figures import without_missing

MAX_DATES = 100


@dataclass(frozen=True)
class Result:
    """One answer in wire names, but for ids and hashes: `figures` are what `result_hash` is taken over.

    `workings` makes the CSV files from which every figure can be recomputed, by name.
    """

    figures: dict[str, Any]
    meta: dict[str, Any]
    diagnostics: dict[str, Any]
    audit: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    workings: Callable[[], dict[str, bytes]] = dict


def shared_meta(request: Request, requested: Sequence[str], start: Day, end: Day) -> dict[str, Any]:
    """Return what an answer says about its request."""
    annualization, calendar = request.annualization, request.calendar
    return without_missing(
        {
            "engine_version": ENGINE_VERSION,
            "precision_mode": request.precision_mode,
            "annualization": without_missing(
                {
                    "enabled": annualization.is_enabled,
                    "basis": annualization.basis,
                    "periods_per_year": annualization.periods_per_year,
                    "allow_short_periods": annualization.allow_short_periods,
                }
            ),
            "calendar": without_missing({"type": calendar.type, "trading_calendar": calendar.trading_calendar}),
            "periods": {"requested": list(requested), "master_start": str(start), "master_end": str(end)},
            "report_ccy": request.report_ccy,
        }
    )


def shared_diagnostics(
    request: Request, start: Day, notes: Sequence[str], notices: Sequence[Notice], n_idle: int = 0, n_resets: int = 0
) -> dict[str, Any]:
    """Return what an answer says about its data."""
    return {
        "nip_days": n_idle,
        "reset_days": n_resets,
        "effective_period_start": str(start),
        "notes": list(notes),
        "warnings": [warning_of(notice) for notice in (*notices, *_no_effect(request))],
    }


def _no_effect(request: Request) -> list[Notice]:
    return no_effect_notices(request.no_effect)


def no_effect_notices(members: Sequence[str]) -> list[Notice]:
    """Return the warning of members that change nothing, none where there are none."""
    if not members:
        return []
    detail = f"These members change nothing in this answer: {', '.join(members)}."
    return [Notice("no_effect", detail, "info")]


def warning_of(notice: Notice) -> dict[str, Any]:
    """Return a notice in wire names."""
    detail = notice.detail
    if len(notice.dates) > MAX_DATES:
        detail = f"{detail} {len(notice.dates)} days, of which the first {MAX_DATES} are listed."
    warning: dict[str, Any] = {"code": notice.code, "severity": notice.severity, "detail": detail}
    return {**warning, "dates": list(notice.dates[:MAX_DATES])} if notice.dates else warning
