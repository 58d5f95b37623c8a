"""Answers of the integration endpoints as JSON schemas, closed against members that are not described."""

from collections.abc import Iterable, Mapping
from typing import Any

from lotus_performance.engine.requests import TRADING_CALENDARS
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.returns_series import (
    CalendarPolicy,
    FillMethod,
    MissingDataPolicy,
    SeriesFrequency,
    SeriesName,
)
from lotus_performance.schemas.capabilities import MAX_FEATURES, MAX_WORKFLOWS, ConsumerSystem
from lotus_performance.schemas.returns_series import InputMode

JsonSchema = dict[str, Any]


def _record(description: str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> JsonSchema:
    """Return the schema of an object that has these members and no others."""
    return {
        "type": "object",
        "description": description,
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: JsonSchema, description: str, **bounds: int) -> JsonSchema:
    return {"type": "array", "items": items, "description": description, **bounds}


def _text(description: str, **more: str) -> JsonSchema:
    return {"type": "string", "description": description, **more}


def _date(description: str) -> JsonSchema:
    return _text(description, format="date")


def _one_of(values: Iterable[str], description: str) -> JsonSchema:
    return {"type": "string", "enum": [str(value) for value in values], "description": description}


def _whole(unit: str, description: str, minimum: int) -> JsonSchema:
    return {"type": "integer", "x-unit": unit, "minimum": minimum, "description": description}


def _flag(description: str) -> JsonSchema:
    return {"type": "boolean", "description": description}


def _digest(description: str) -> JsonSchema:
    return _text(description, pattern="^sha256:[0-9a-f]{64}$")


_FEATURE = _record(
    "One thing that can be open or closed.",
    {
        "key": _text("Its name, which stays."),
        "enabled": _flag("Whether requests for it are answered."),
        "owner_service": _text("Which service has it."),
        "description": _text("What it is."),
    },
)
_WORKFLOW = _record(
    "What several features together make possible.",
    {
        "workflow_key": _text("Its name, which stays."),
        "enabled": _flag("Whether all features that it needs are."),
        "required_features": _list(_text("Key of a feature."), "What it needs."),
    },
)
_CAPABILITIES = _record(
    "What is open here.",
    {
        "contract_version": {"type": "string", "const": "v1", "description": "Version of this answer's form."},
        "source_service": _text("Which service answers."),
        "consumer_system": _one_of(ConsumerSystem, "Who asked, as sent."),
        "tenant_id": _text("Whose capabilities, as sent."),
        "generated_at": _text("When this was found out, in UTC.", format="date-time"),
        "as_of_date": _date("Day of `generated_at`."),
        "policy_version": _text("Version of the rule by which features are open."),
        "supported_input_modes": _list(_one_of(InputMode, "A mode."), "Where the data of a request may be."),
        "features": _list(_FEATURE, "As many as `feature_limit`.", maxItems=MAX_FEATURES),
        "workflows": _list(_WORKFLOW, "As many as `workflow_limit`.", maxItems=MAX_WORKFLOWS),
        "trading_calendars": _list(
            _one_of(TRADING_CALENDARS, "Market identifier code (ISO 10383)."), "Exchanges whose sessions are known."
        ),
    },
)

_POINT = _record(
    "One return.",
    {
        "date": _date("The day; of a week its Friday, of a month its last day, both inside the window."),
        "return_value": _text("Return as a decimal: 0.010000000000 is 1 %.", pattern=r"^-?[0-9]+\.[0-9]{12}$")
        | {"x-unit": "fraction"},
    },
)
_GAP = _record(
    "Expected dates, one after another, on which a series has no return.",
    {
        "series": _one_of(SeriesName, "Which series."),
        "start_date": _date("First of the dates."),
        "end_date": _date("Last of the dates."),
        "missing_points": _whole("count", "How many dates.", 1),
        "days": _whole("days", "How many calendar days they stand for.", 1),
    },
)
_COVERAGE = _record(
    "How many of the expected dates all series have.",
    {
        "requested_points": _whole("count", "Expected dates.", 1),
        "returned_points": _whole("count", "Those that all series of the answer have.", 0),
        "missing_points": _whole("count", "The others.", 0),
        "coverage_ratio": {
            "type": "number",
            "x-unit": "fraction",
            "minimum": 0,
            "maximum": 1,
            "description": "Returned out of requested ones.",
        },
    },
)
_UPSTREAM = _record(
    "One answer of another service.",
    {
        "service": {"type": "string", "const": "lotus-core", "description": "Which service."},
        "operation": _text("Path of the question."),
        "request_fingerprint": _digest("Digest of path and question."),
        "response_fingerprint": _digest("Digest of the answer as it came."),
    },
)
_RETURNS = _record(
    "Series of returns of one window.",
    {
        "series": _record(
            "The selected series.",
            {},
            {name.value: _list(_POINT, "Returns in date order.") for name in SeriesName},
        ),
        "resolved_window": _record(
            "The window that was meant.",
            {
                "start_date": _date("First day."),
                "end_date": _date("Last day."),
                "resolved_period_label": _text("EXPLICIT, the period, or YEAR_ and the year."),
            },
        ),
        "provenance": _record(
            "Where the figures come from.",
            {
                "input_mode": _one_of(InputMode, "Where the data was."),
                "input_fingerprint": _digest("Digest of the canonical request."),
                "calculation_hash": _digest("Digest of the fingerprint and the version of the formulas."),
            },
            {"upstream": _list(_UPSTREAM, "Under stateful input: each answer that was used.")},
        ),
        "diagnostics": _record(
            "What is to be said about the data.",
            {
                "coverage": _COVERAGE,
                "gaps": _list(_GAP, "Dates that are missing and were not filled.", maxItems=1000),
                "policy_applied": _record(
                    "The policies, defaults filled in.",
                    {
                        "missing_data_policy": _one_of(MissingDataPolicy, "What was done where a return is missing."),
                        "fill_method": _one_of(FillMethod, "What a missing return was taken for."),
                        "calendar_policy": _one_of(CalendarPolicy, "Which dates were expected."),
                    },
                    {"max_gap_days": _whole("days", "Longest gap that is not refused.", 0)},
                ),
                "warnings": _list({"$ref": "#/components/schemas/Warning"}, "What to know before using the figures."),
            },
        ),
        "metadata": _record(
            "What was asked for.",
            {
                "portfolio_id": _text("Identity of the portfolio, as sent."),
                "as_of_date": _date("As sent."),
                "frequency": _one_of(SeriesFrequency, "Length of time of each return."),
                "metric_basis": _one_of(Basis, "As sent."),
                "engine_version": _text("Version of the formulas; changes whenever a figure can."),
            },
            {
                "reporting_currency": _text("As sent."),
                "calculation_id": _text("Under stateful input: the id under which the answer is kept.", format="uuid"),
            },
        ),
    },
)
COMPONENTS: dict[str, JsonSchema] = {"Capabilities": _CAPABILITIES, "ReturnsSeries": _RETURNS}
