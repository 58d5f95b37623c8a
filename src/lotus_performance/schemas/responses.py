"""Answers as JSON schemas: what services build, described once, and closed against members that are not described.

Each entry of `COMPONENTS` is a schema of the OpenAPI document; a test validates every answer of the test suite
against them. Every number says its unit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lotus_performance.engine.contribution import WeightingScheme
from lotus_performance.engine.day_count import DayCount
from lotus_performance.engine.mwr import MwrMethod
from lotus_performance.engine.periods import Frequency
from lotus_performance.engine.requests import CalendarType, PrecisionMode
from lotus_performance.engine.returns import ResetReason
from lotus_performance.engine.rootfind import Search
from lotus_performance.schemas.executions import ExecutionStatus

JsonSchema = dict[str, Any]

UNITS = {
    "percent": "2.01 is 2.01 %",
    "fraction": "0.0201 is 2.01 %",
    "basis points": "201 is 2.01 %",
    "money": "an amount in the currency of the portfolio; into the portfolio is positive",
    "ratio": "a number without unit, such as a growth factor or an exchange rate",
    "days": "a time in days",
    "months": "a time in calendar months",
    "seconds": "a time in seconds",
    "count": "a number of things",
    "decimals": "digits after the point",
    "none": "a label or a code, which enters no calculation",
}
"""What each value of `x-unit` means."""

WARNINGS = {
    "no_capital": "A gain without capital has no return; the days were left out.",
    "discontinuity": "A row begins with another value than the one at which the row before ended.",
    "reset": "Capital was lost or a new chain was opened; returns are linked from the last restart on.",
    "before_inception": "Rows before the inception were left out.",
    "positive_fee": "Management fees are negative by convention; a positive one raises the net return.",
    "multiple_roots": "Several internal rates of return exist; `convergence.roots` holds all of them.",
    "short_period_annualised": "A rate per year extrapolates fewer than 365 days.",
    "start_from_first_flow": "No measuring period was sent; the first flow's day was taken as its start.",
    "fx_missing_base_only": "Returns in two currencies were asked for without rates.",
    "one_sided_date": "A date of the portfolio or of its benchmark alone, on which nothing moved, was left out.",
    "calendar_unavailable": "The trading calendar is not at hand; Monday to Friday were counted.",
    "no_effect": "Optional members were sent that change nothing in this answer.",
    "filled": "Returns were not there, and were filled as asked for.",
    "incomplete_bucket": "Weeks or months are compounded from fewer days than are expected.",
    "off_calendar": "Dates have a return on which none is expected; it is told and not counted.",
}
"""What each code of a warning means."""


def _record(description: str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> JsonSchema:
    """Return the schema of an object that has these members and no others."""
    return {
        "type": "object",
        "description": description,
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _number(unit: str, description: str, **bounds: float) -> JsonSchema:
    return {"type": "number", "x-unit": unit, "description": description, **bounds}


def _whole(unit: str, description: str, **bounds: int) -> JsonSchema:
    return {"type": "integer", "x-unit": unit, "description": description, **bounds}


def _count(description: str) -> JsonSchema:
    return _whole("count", description, minimum=0)


def _text(description: str) -> JsonSchema:
    return {"type": "string", "description": description}


def _one_of(values: Iterable[str], description: str) -> JsonSchema:
    return {"type": "string", "enum": [str(value) for value in values], "description": description}


def _date(description: str) -> JsonSchema:
    return {"type": "string", "format": "date", "description": description}


def _flag(description: str) -> JsonSchema:
    return {"type": "boolean", "description": description}


def _list(items: JsonSchema, description: str) -> JsonSchema:
    return {"type": "array", "items": items, "description": description}


def _uuid(description: str) -> JsonSchema:
    return {"type": "string", "format": "uuid", "description": description}


def _digest(description: str) -> JsonSchema:
    return {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": description}


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _result(
    description: str, required: Mapping[str, Any], optional: Mapping[str, Any], audit: JsonSchema
) -> JsonSchema:
    """Return the schema of a calculation's answer: the members that all of them share, and its own."""
    return _record(
        description,
        {
            "calculation_id": _uuid("Identity of the calculation, as sent or made by the service."),
            "portfolio_id": _text("Identity of the portfolio, as sent."),
            **required,
            "meta": _ref("Meta"),
            "diagnostics": _ref("Diagnostics"),
            "audit": audit,
        },
        optional,
    )


def _audit(
    counts: Mapping[str, str],
    figures: Mapping[str, JsonSchema] | None = None,
    optional: Mapping[str, JsonSchema] | None = None,
) -> JsonSchema:
    members = {name: _count(description) for name, description in counts.items()}
    return _record(
        "What was counted and checked.",
        {"counts": _record("Sizes of the calculation.", members), **(figures or {})},
        optional,
    )


_META = _record(
    "How the answer was calculated.",
    {
        "calculation_id": _uuid("Identity of the calculation."),
        "engine_version": _text("Version of the formulas; changes whenever a figure can."),
        "precision_mode": _one_of(PrecisionMode, "Arithmetic of the calculation."),
        "annualization": _record(
            "Annualisation as asked for, defaults filled in.",
            {
                "enabled": _flag("Whether rates per year were asked for."),
                "basis": _one_of(DayCount, "How days are counted."),
                "allow_short_periods": _flag("Whether periods of fewer than 365 days are annualised."),
            },
            {"periods_per_year": _number("days", "Days of a year, where they replace those of the basis.")},
        ),
        "calendar": _record(
            "Calendar as asked for.",
            {"type": _one_of(CalendarType, "A label.")},
            {"trading_calendar": _text("Name of the calendar of trading days.")},
        ),
        "periods": _record(
            "Periods as asked for.",
            {
                "requested": _list(_text("Label of a period."), "Labels in the order of the request."),
                "master_start": _date("First day of the earliest period."),
                "master_end": _date("Last day of the latest period."),
            },
        ),
        "input_fingerprint": _digest("Of the request, defaults filled in and rows in date order."),
        "calculation_hash": _digest("Of the fingerprint and the engine's version."),
        "result_hash": _digest("Of the figures as they stand in the answer."),
    },
    {"report_ccy": _text("Currency of the answer, as sent.")},
)

_WARNING = _record(
    "Something that a reader of the figures should know.",
    {
        "code": _one_of(WARNINGS, " ".join(f"`{code}`: {meaning}" for code, meaning in WARNINGS.items())),
        "severity": _one_of(("info", "warning"), "How much it matters."),
        "detail": _text("What happened, in a sentence."),
    },
    {"dates": _list(_date("A day concerned."), "Days concerned, at most the first 100.")},
)

_POLICY = _record(
    "What the data policy changed.",
    {
        "overrides": _record(
            "Values that were replaced.",
            {
                "applied_mv_count": _count("Market values replaced."),
                "applied_cf_count": _count("Flows and fees replaced."),
            },
        ),
        "ignored_days_count": _count("Days taken as unchanged."),
        "outliers": _record("Outcome of the test.", {"flagged_rows": _count("Days flagged as outliers.")}),
    },
)

_SAMPLES = _record(
    "Examples of what was counted.",
    {
        "outliers": _list(
            _record(
                "A day flagged as an outlier; its return stays in every figure.",
                {
                    "date": _date("The day."),
                    "raw_return": _number("percent", "Return of the day."),
                    "threshold": _number("percent", "Distance from the median from which a return is an outlier."),
                },
                {"position_id": _text("The position; left out where the return is the portfolio's.")},
            ),
            "The first outliers.",
        )
    },
)

_DIAGNOSTICS = _record(
    "What is to be said about the data.",
    {
        "nip_days": _count("Days without investment in the requested periods."),
        "reset_days": _count("Days on which a chain of returns was cut."),
        "effective_period_start": _date("First day that is in a figure."),
        "notes": _list(_text("A sentence."), "What was done with the request, periods left out among it."),
        "warnings": _list(_ref("Warning"), "What a reader of the figures should know."),
    },
    {"policy": _ref("PolicyEffect"), "samples": _ref("Samples")},
)

_DAY = _record(
    "Working of a day: numerator / denominator is its return, before any conversion of currency.",
    {
        "perf_date": _date("The day."),
        "numerator": _number("money", "Gain: end_mv - eod_cf - begin_mv - bod_cf, under NET plus the fees (negative)."),
        "denominator": _number("money", "Capital at work: |begin_mv + bod_cf|.", minimum=0),
        "factor": _number("ratio", "Growth of the day's leg: 1 + return, of a short day 1 - return, 1 without one."),
        "sign": _whole("none", "1: capital is positive, -1: negative (short), 0: none.", minimum=-1, maximum=1),
    },
    {
        "return_pct": _number(
            "percent", "Return of the day, converted if asked for; left out where a gain has no capital to relate to."
        ),
        "fx_return_pct": _number(
            "percent", "Currency return of the day, hedges taken off: on a long day 1 + return = (1 + local) (1 + fx)."
        ),
    },
)

_BUCKET = _record(
    "A day, week, month, quarter or year of a period.",
    {
        "period": _text("`2025-01-29`, of a week its Friday; `2025-01`; `2025-Q1`; `2025`."),
        "summary": _record(
            "Figures of the bucket.",
            {
                "begin_mv": _number("money", "Value at the beginning of its first row."),
                "end_mv": _number("money", "Value at the end of its last row."),
                "net_cash_flow": _number("money", "Sum of its flows; into the portfolio is positive."),
            },
            {
                "period_return_pct": _number("percent", "Return of the bucket; left out where there is none."),
                "cumulative_return_pct_to_date": _number(
                    "percent", "Return from the start of the period to the bucket's end, if asked for."
                ),
                "annualized_return_pct": _number("percent", "Rate per year, if asked for and defined."),
            },
        ),
    },
    {"daily_data": _list(_ref("DayWorking"), "Working of its days, if asked for.")},
)

_PERIOD = _record(
    "Returns of one requested period.",
    {
        "breakdowns": {
            "type": "object",
            "description": "Buckets of the period, in date order, by frequency.",
            "properties": {
                frequency.value: _list(_ref("Bucket"), f"The {frequency.value} buckets.") for frequency in Frequency
            },
            "minProperties": 1,
            "additionalProperties": False,
        },
        "portfolio_return": _record(
            "Time-weighted return of the period, and its parts: 1 + base = (1 + local) (1 + fx).",
            {
                "local": _number("percent", "Return in the portfolio's own currency."),
                "base": _number("percent", "Return in the report currency: the figure asked for."),
            },
            {"fx": _number("percent", "Return of the currency, 0 without conversion; left out after a total loss.")},
        ),
    },
    {
        "annualized_return_pct": _number("percent", "Rate per year, if asked for and defined."),
        "gross_return_pct": _number("percent", "Return before management fees, if the fee effect was asked for."),
        "net_return_pct": _number("percent", "Return after management fees, if the fee effect was asked for."),
        "fee_effect_pct": _number("percent", "net_return_pct - gross_return_pct: what fees cost, negative."),
        "reset_events": _list(
            _record(
                "A cut of the chain of returns.",
                {
                    "date": _date("Day of the loss; of NCTRL_4 the day on which the new chain begins."),
                    "reason": _one_of(
                        ResetReason,
                        "NCTRL_1: long days lost more than everything. NCTRL_2: a short portfolio turned positive. "
                        "NCTRL_3: short days of a chain with long ones lost more than everything. "
                        "NCTRL_4: new capital opened a new chain.",
                    ),
                    "impacted_rows": _count("Rows of the period before the restart, which its return leaves out."),
                },
            ),
            "Cuts of the chain, if asked for and there are any.",
        ),
    },
)

_TWR = _result(
    "Time-weighted returns of one portfolio.",
    {
        "results_by_period": {
            "type": "object",
            "description": "One entry for each period that has a return, by its label.",
            "additionalProperties": _ref("TwrPeriod"),
            "minProperties": 1,
        }
    },
    {},
    _audit(
        {
            "input_rows": "Rows sent.",
            "used_rows": "Rows in at least one requested period.",
            "periods": "Periods with a return.",
        }
    ),
)

_CONVERGENCE = _record(
    "How the rate was found.",
    {
        "iterations": _count("Steps of the search."),
        "converged": _flag("Whether the method found its figure; false where another method stood in."),
        "roots": _list(
            _number("percent", "Internal rate of return per year."), "All internal rates of return found, rising."
        ),
    },
    {
        "residual": _number(
            "ratio", "Present value at the worst root over the sum of the absolute present values.", minimum=0
        ),
        "search": _one_of(
            Search,
            "proven: the signs of the flows decide how many rates there are. exact: no rate can have been missed. "
            "scan: there may be others. Left out where no rate was searched for.",
        ),
        "unique": _flag("Whether exactly one rate exists; left out where that is not known."),
    },
)

_MWR = _result(
    "Money-weighted return of one portfolio.",
    {
        "money_weighted_return": _number("percent", "Return of the whole measuring period, not of a year."),
        "method": _one_of(MwrMethod, "Method used, which is another than the one asked for where that has no result."),
        "convergence": _ref("Convergence"),
        "start_date": _date("Day at whose close the opening value stands."),
        "end_date": _date("Day of the closing value."),
        "notes": _list(_text("A sentence."), "Why another method stood in, and the like."),
    },
    {
        "mwr_annualized": _number("percent", "Rate per year; always there for XIRR."),
        "cashflows_used": _list(
            _record(
                "A flow.",
                {
                    "date": _date("Day of the flow."),
                    "amount": _number("money", "Into the portfolio is positive."),
                },
            ),
            "Flows in date order; left out if `emit_cashflows_used` is false.",
        ),
    },
    _audit({"cash_flows": "Flows sent.", "roots": "Internal rates of return found."}),
)

_LOCAL = _number("percent", "Part of the contribution in the currency of the position itself.")
_FX = _number("percent", "Part of the contribution that is its currency's; 0 without conversion.")
_RESIDUAL = _number("basis points", "Sum of the contributions less the return of the portfolio.")

_POSITION = _record(
    "Contribution of a position.",
    {
        "position_id": _text("Identity of the position, as sent."),
        "total_contribution": _number("percent", "What it added to the return: local and currency part together."),
        "average_weight": _number("percent", "Average weight over all days of the period, those without it included."),
        "local_contribution": _LOCAL,
        "fx_contribution": _FX,
    },
    {"total_return": _number("percent", "Linked return of the position itself; left out where it has none.")},
)

_SERIES = {
    "timeseries": _list(
        _record(
            "A day.",
            {
                "date": _date("The day."),
                "total_contribution": _number("percent", "Sum of the positions' linked contributions of the day."),
            },
        ),
        "Days that have a return, if asked for; they sum to the total but for a residual that was spread.",
    ),
    "by_position_timeseries": _list(
        _record(
            "Days of a position.",
            {
                "position_id": _text("Identity of the position."),
                "series": _list(
                    _record(
                        "A day.",
                        {
                            "date": _date("The day."),
                            "contribution": _number("percent", "Linked contribution of the day."),
                        },
                    ),
                    "Its days in the period.",
                ),
            },
        ),
        "One entry for each position, if asked for.",
    ),
}

_FLAT_CONTRIBUTION = _record(
    "Contributions to the return of one period by position: the form without `hierarchy`.",
    {
        "total_portfolio_return": _number("percent", "Return of the portfolio: the TWR, but under AVG_CAPITAL."),
        "total_contribution": _number("percent", "Sum of the positions."),
        "position_contributions": _list(_ref("PositionContribution"), "All positions, in order of their identities."),
        "residual_bp": _RESIDUAL,
    },
    _SERIES,
)

_LEVEL = _record(
    "One level of the hierarchy.",
    {
        "level": _whole("none", "1 at the top.", minimum=1),
        "name": _text("Label by which the level groups."),
        "rows": _list(
            _record(
                "A group; its figures are the sums over its positions.",
                {
                    "key": {
                        "type": "object",
                        "description": "Group at this level and at those above, by label: `Unclassified` without the "
                        "label, `Other` where rows were folded.",
                        "additionalProperties": {"type": "string"},
                        "minProperties": 1,
                    },
                    "contribution": _number("percent", "What its positions added to the return."),
                    "weight_avg": _number("percent", "Sum of their average weights."),
                    "children_count": _count("Groups of the next level in it; of a folded row the rows folded."),
                    "is_other": _flag("Whether rows were folded into this one."),
                },
                {"local_contribution": _LOCAL, "fx_contribution": _FX},
            ),
            "Groups in order of their keys.",
        ),
    },
    {"parent": _text("Name of the level above.")},
)

_HIERARCHY_CONTRIBUTION = _record(
    "Contributions to the return of one period by group: the form with `hierarchy`.",
    {
        "summary": _record(
            "The portfolio.",
            {
                "portfolio_contribution": _number("percent", "Sum of all positions."),
                "coverage_mv_pct": _number("percent", "Sum of all average weights: 100 where positions cover it."),
                "residual_bp": _RESIDUAL,
                "weighting_scheme": _one_of(WeightingScheme, "As asked for."),
            },
            {"local_contribution": _LOCAL, "fx_contribution": _FX},
        )
    },
    {"levels": _list(_ref("ContributionLevel"), "Levels from the top, unless `emit.by_level` is false."), **_SERIES},
)

_CONTRIBUTION = _result(
    "Contributions of positions to the return of one portfolio.",
    {
        "results_by_period": {
            "type": "object",
            "description": "One entry for each period that has a return, by its label.",
            "additionalProperties": {"oneOf": [_ref("FlatContribution"), _ref("HierarchyContribution")]},
            "minProperties": 1,
        }
    },
    {},
    _audit(
        {
            "portfolio_rows": "Rows of the portfolio sent.",
            "position_rows": "Rows of positions sent.",
            "positions": "Positions sent.",
            "periods": "Periods with a return.",
        },
        {
            "sum_of_parts_vs_total_bp": _number(
                "basis points", "Sum of the contributions less the return, of the period where it is largest."
            )
        },
        {
            "residual_applied_bp": _number(
                "basis points", "What `emit.residual_per_position` added to the positions, where it is largest."
            )
        },
    ),
)

_EFFECTS = {
    "allocation": _number("percent", "Effect of other weights than the benchmark's."),
    "selection": _number("percent", "Effect of other returns than the benchmark's, gains without capital included."),
    "interaction": _number("percent", "Effect of both together, where it stands alone."),
}

_EFFECT_TOTALS = _record(
    "Effects of all groups.",
    {**_EFFECTS, "total_effect": _number("percent", "All together; under geometric linking (1 + A)(1 + S) - 1.")},
)

_SEGMENT_KEY = {
    "type": "object",
    "description": "Group at this level and at those above, by label: `Unclassified` without the label, `Leverage` "
    "for weights that do not sum to those of the benchmark.",
    "additionalProperties": {"type": "string"},
    "minProperties": 1,
}

_ATTRIBUTION_LEVEL = _record(
    "One level of the hierarchy; top-down, the groups of one parent.",
    {
        "dimension": _text("Labels by which the level groups, joined by ` -> `."),
        "groups": _list(
            _record(
                "Linked effects of a group.",
                {"key": _SEGMENT_KEY, **_EFFECTS},
                {
                    "total_effect": _number(
                        "percent", "Sum of its effects; left out under geometric linking, where they do not add up."
                    )
                },
            ),
            "Groups in order of their keys.",
        ),
        "totals": _ref("EffectTotals"),
    },
    {
        "parent_key": {
            "type": "object",
            "description": "Parent of these groups, by label; top-down, below the first level.",
            "additionalProperties": {"type": "string"},
            "minProperties": 1,
        }
    },
)

_CURRENCY_EFFECTS = {
    "local_allocation": _number("percent", "Effect of other weights, by returns in the currencies themselves."),
    "local_selection": _number("percent", "Effect of other returns in the currency itself."),
    "currency_allocation": _number("percent", "Effect of other weights, by what the currencies themselves earned."),
    "currency_selection": _number("percent", "Effect of another return of the currency, by hedges for example."),
    "total_effect": _number("percent", "Sum of the four."),
}

_PERIOD_ATTRIBUTION = _record(
    "Attribution of one period.",
    {
        "levels": _list(_ref("AttributionLevel"), "Levels from the top."),
        "reconciliation": _record(
            "Effects against the return that they explain.",
            {
                "total_active_return": _number(
                    "percent",
                    "Return of the portfolio less that of the benchmark, of days compounded; geometric: the "
                    "quotient of the growths less 1.",
                ),
                "sum_of_effects": _number("percent", "Sum of the totals."),
                "residual": _number("percent", "What the effects leave unexplained: the first less the second."),
            },
        ),
    },
    {
        "currency_attribution": _list(
            _record(
                "A currency.",
                {
                    "currency": _text("Code of the currency, or `Leverage`."),
                    "weight_portfolio_avg": _number("percent", "Average weight over the buckets of the period."),
                    "weight_benchmark_avg": _number("percent", "The same of the benchmark."),
                    "effects": _record("Its effects.", _CURRENCY_EFFECTS),
                },
            ),
            "Under `currency_mode: BOTH` with `currency` in `group_by`.",
        ),
        "currency_attribution_totals": _record(
            "All currencies together.",
            {
                "effects": _record("Sums of the effects.", _CURRENCY_EFFECTS),
                "reconciliation_residual_bp": _number("basis points", "Active return less the sum of the effects."),
            },
        ),
        "linking_comparison": {
            "type": "object",
            "description": "Totals by each exact linking that is defined for the returns, if asked for.",
            "additionalProperties": _ref("EffectTotals"),
        },
        "linking_spread": {
            **_record("Largest less smallest of each effect among them.", {}, _EFFECT_TOTALS["properties"]),
        },
    },
)

_ATTRIBUTION = _result(
    "Why one portfolio returned something else than its benchmark.",
    {
        "results_by_period": {
            "type": "object",
            "description": "One entry for each period that has days of both sides, by its label.",
            "additionalProperties": _ref("PeriodAttribution"),
            "minProperties": 1,
        }
    },
    {},
    _audit(
        {
            "portfolio_rows": "Rows of the portfolio, or of its groups, sent.",
            "benchmark_rows": "Rows of the benchmark's groups sent.",
            "segments": "Different groups of the last level.",
            "periods": "Periods that are answered.",
        },
        {
            "sum_of_parts_vs_total_bp": _number(
                "basis points", "Sum of the effects less the active return, of the period where it is largest."
            )
        },
    ),
)

_FAULT = _record(
    "One member of the request at fault.",
    {
        "pointer": _text("JSON pointer (RFC 6901) to the member, the same for rows and columns."),
        "code": {
            "type": "string",
            "pattern": "^[a-z0-9_.]+$",
            "description": "Stable code of the fault; the list stands at `/docs/problems#validation_failed`.",
        },
        "detail": _text("What is wrong, in words that follow the member's name."),
    },
    {
        "perf_date": _text("Date of the row, as sent."),
        "date": _text("Date of the row, as sent."),
    },
)

_PROBLEM = _record(
    "A refusal or failure (RFC 9457).",
    {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Where the problem is explained: `/docs/problems#<code>`.",
        },
        "title": _text("What kind of problem it is; the same for each `code`."),
        "status": _whole("none", "The HTTP status.", minimum=400, maximum=599),
        "code": {"type": "string", "pattern": "^[a-z0-9_.]+$", "description": "Stable code: decide by this one."},
        "detail": _text("What happened in this case."),
        "instance": _text("Path of the request."),
        "request_id": _text("The `X-Request-Id` of the answer, under which the log has the details."),
    },
    {
        "errors": _list(_ref("Fault"), "Members at fault, all at once up to the limit."),
        "errors_total": _whole("count", "Number of faults, those beyond the limit included.", minimum=1),
    },
)

_ROOT = _record(
    "What this service is.",
    {
        "message": _text("A greeting."),
        "service": {"type": "string", "const": "lotus-performance", "description": "Name of the service."},
        "version": _text("Version of the service."),
        "docs": _text("Path of the interactive documentation."),
    },
)


def _status(value: str) -> JsonSchema:
    return _record("State of the service.", {"status": {"type": "string", "const": value, "description": "The state."}})


_ACCEPTED = _record(
    "There is no answer yet.",
    {
        "execution_id": _uuid("Identity of the execution."),
        "status": _one_of(ExecutionStatus, "Where it stands."),
        "links": _record(
            "Where to look.",
            {
                "self": _text("The execution."),
                "result": _text("Its answer."),
                "lineage": _text("What is kept of it."),
            },
        ),
    },
)

_EXECUTION = _record(
    "One execution of a calculation.",
    {
        "execution_id": _uuid("Identity of the execution, which is that of the calculation."),
        "analytics_type": _text("Kind of the calculation."),
        "portfolio_id": _text("Identity of the portfolio, as sent."),
        "execution_mode": _one_of(("sync", "async"), "Whether the caller waited for the answer."),
        "status": _one_of(ExecutionStatus, "Where it stands."),
        "requested_window": {
            "type": "object",
            "description": "Dates of the request, by member.",
            "additionalProperties": _date("A date."),
        },
        "engine_version": _text("Version of the formulas."),
        "input_fingerprint": _digest("Of the request, defaults filled in and rows in date order."),
        "calculation_hash": _digest("Of the fingerprint and the engine's version."),
        "created_at_utc": _text("When the request was taken."),
        "stages": _list(
            _record(
                "A stage of the execution.",
                {
                    "stage_name": _one_of(("calculate", "materialise"), "The stage."),
                    "status": _one_of(ExecutionStatus, "Where it stands."),
                },
                {"started_at_utc": _text("When it began."), "completed_at_utc": _text("When it ended.")},
            ),
            "What it goes through.",
        ),
    },
    {
        "result_hash": _digest("Of the figures of the answer."),
        "error_message": _text("Why it failed."),
        "error_code": _text("Code of the problem with which it failed."),
        "started_at_utc": _text("When the calculation began."),
        "completed_at_utc": _text("When it ended."),
    },
)

_EXECUTION_PAGE = _record(
    "Executions, the newest first.",
    {"items": _list(_ref("Execution"), "A page of them.")},
    {"next_cursor": _text("Leads to the next page; left out on the last one.")},
)

_LINEAGE = _record(
    "What is kept of a calculation.",
    {
        "calculation_id": _uuid("Identity of the calculation."),
        "calculation_type": _text("Kind of the calculation."),
        "timestamp_utc": _text("When it ended, or was taken where it has not."),
        "status": _one_of(("pending", "complete", "failed"), "Whether the artifacts are there."),
        "artifacts": {
            "type": "object",
            "description": "Artifacts by name.",
            "additionalProperties": _record(
                "An artifact.",
                {
                    "url": _text("Where it is."),
                    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Its checksum."},
                    "size": _count("Its bytes."),
                },
            ),
        },
    },
    {"error_message": _text("Why there are none.")},
)

_REPLAY = _record(
    "How a calculation made anew compares with what was answered.",
    {
        "match": _flag("Whether all figures agree to 1e-9 relative, or one unit of the last decimal."),
        "identical": _flag("Whether the hashes of the figures are equal."),
        "engine_version": _text("Version of the formulas now."),
        "stored_engine_version": _text("Version of the formulas then."),
    },
    {
        "max_difference": _number(
            "none",
            "Largest difference of two figures, in their own units; left out where the answers have other members.",
            minimum=0,
        ),
    },
)


COMPONENTS: dict[str, JsonSchema] = {
    "Accepted": _ACCEPTED,
    "Execution": _EXECUTION,
    "ExecutionPage": _EXECUTION_PAGE,
    "Lineage": _LINEAGE,
    "Replay": _REPLAY,
    "Root": _ROOT,
    "Health": _status("ok"),
    "Liveness": _status("live"),
    "Readiness": _status("ready"),
    "Problem": _PROBLEM,
    "Fault": _FAULT,
    "TwrResponse": _TWR,
    "TwrPeriod": _PERIOD,
    "Bucket": _BUCKET,
    "DayWorking": _DAY,
    "MwrResponse": _MWR,
    "Convergence": _CONVERGENCE,
    "ContributionResponse": _CONTRIBUTION,
    "FlatContribution": _FLAT_CONTRIBUTION,
    "HierarchyContribution": _HIERARCHY_CONTRIBUTION,
    "PositionContribution": _POSITION,
    "ContributionLevel": _LEVEL,
    "AttributionResponse": _ATTRIBUTION,
    "PeriodAttribution": _PERIOD_ATTRIBUTION,
    "AttributionLevel": _ATTRIBUTION_LEVEL,
    "EffectTotals": _EFFECT_TOTALS,
    "Meta": _META,
    "Diagnostics": _DIAGNOSTICS,
    "Warning": _WARNING,
    "PolicyEffect": _POLICY,
    "Samples": _SAMPLES,
}
"""Schemas of the OpenAPI document, by name."""
