"""The OpenAPI 3.1 document: requests from their schemas, answers from theirs, refusals from the table of problems."""

import inspect
from dataclasses import dataclass
from typing import Any, cast

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields

from lotus_performance import __version__
from lotus_performance.api import integration
from lotus_performance.api.errors import PROBLEM_JSON, SERVICE_UNAVAILABLE
from lotus_performance.api.openapi_integration import INTEGRATION_TAG, add_integration
from lotus_performance.api.openapi_lineage import LINEAGE_TAG, add_lineage, read_example
from lotus_performance.api.problems import PROBLEMS, Problem, codes_of
from lotus_performance.api.wire import EXTENSION, JSON, Services
from lotus_performance.schemas.attribution import AttributionRequestSchema
from lotus_performance.schemas.base import RequestSchema
from lotus_performance.schemas.contribution import ContributionRequestSchema
from lotus_performance.schemas.fields import MAX_ID_LENGTH, MAX_LABEL_LENGTH, Columns, Distinct, StrictField, limits_of
from lotus_performance.schemas.holdings import StackField
from lotus_performance.schemas.limits import MEBIBYTE, Limits
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.schemas.responses import COMPONENTS, UNITS, JsonSchema
from lotus_performance.schemas.twr import TwrRequestSchema
from lotus_performance.strict_json import MAX_NESTING, dump_json

HEADERS: dict[str, JsonSchema] = {
    "X-Request-Id": {
        "description": "Identity of this request, as sent or new; log and problem document have it too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "X-Correlation-Id": {
        "description": "Identity of what the request belongs to, as sent or new.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "traceparent": {
        "description": "W3C trace context: the caller's trace with a span of its own, or a new trace.",
        "required": True,
        "schema": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    },
    "X-Content-Type-Options": {
        "description": "The media type is what it says.",
        "required": True,
        "schema": {"type": "string", "const": "nosniff"},
    },
    "Cache-Control": {
        "description": "No cache may keep the answer.",
        "required": True,
        "schema": {"type": "string", "const": "no-store"},
    },
    "Vary": {
        "description": "The answer depends on these headers of the request.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "When to ask again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1, "x-unit": "seconds"},
    },
    "Location": {
        "description": "Where the execution is.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Preference-Applied": {
        "description": "That the answer is not waited for.",
        "required": True,
        "schema": {"type": "string", "const": "respond-async"},
    },
    "ETag": {
        "description": "Checksum of the artifact.",
        "required": True,
        "schema": {"type": "string"},
    },
}
PREFER: JsonSchema = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`respond-async`: do not wait for the answer (RFC 7240).",
    "schema": {"type": "string"},
}
ON_EVERY_ANSWER = ("X-Request-Id", "X-Correlation-Id", "traceparent", "X-Content-Type-Options")

REFUSALS = {
    400: ("Refused", "The request is no strict JSON document, or its values contradict each other."),
    404: ("NotFound", "Nothing is kept under this id or name, or what is asked for is switched off."),
    409: ("Conflict", "The `calculation_id` stands for other data already."),
    413: ("TooLarge", "The body is larger than the service takes."),
    415: ("UnsupportedMediaType", "The body is not sent as `application/json`, or it is compressed."),
    422: ("Unprocessable", "Members of the request are invalid; or it is valid, yet has no result."),
    500: ("Failed", "Our fault; the log has the details under the request id."),
    503: ("Unavailable", "Not at the moment; ask again after `Retry-After`."),
}
"""Name and description of the response of each status that is not a success."""


@dataclass(frozen=True)
class Calculation:
    """What the document says of a calculation."""

    stem: str
    summary: str
    description: str
    request: type[RequestSchema]
    response: str
    example: str

    @property
    def request_name(self) -> str:
        """Name of the request's schema in the document."""
        return self.request.__name__.removesuffix("Schema")


CALCULATIONS = (
    Calculation(
        "twr",
        "Time-weighted return",
        "Calculates the return of one portfolio over any number of periods, free of the effect of flows, and breaks "
        "each period down by day, week, month, quarter or year.\n\n"
        "A row holds the value before the first flow of its day (`begin_mv`) and after the last (`end_mv`). "
        "Flows **into** the portfolio are positive: `bod_cf` comes on top of `begin_mv` before trading, `eod_cf` is "
        "already inside `end_mv`. `mgmt_fees` are negative and count under `metric_basis: NET`. The return of a day is "
        "`(end_mv - eod_cf - begin_mv - bod_cf [+ mgmt_fees]) / |begin_mv + bod_cf|`; days are linked by "
        "multiplication. Amounts are money, all returns of the answer are **percent**.\n\n"
        "Every period but EXPLICIT ends on `report_end_date`. A period without rows is left out and named in "
        "`diagnostics.notes`. Periods of fewer than 365 days are not annualised unless "
        "`annualization.allow_short_periods` is true.",
        TwrRequestSchema,
        "TwrResponse",
        "twr_five_days",
    ),
    Calculation(
        "mwr",
        "Money-weighted return",
        "Calculates the internal rate of return of one portfolio (XIRR, ACT/365 as in a spreadsheet), or one of its "
        "approximations, Modified Dietz and Dietz.\n\n"
        "`begin_mv` stands at the close of the first day of the measuring period, `end_mv` at the close of `as_of`. "
        "Flows **into** the portfolio are positive, withdrawals negative. `money_weighted_return` is the return of the "
        "whole period, `mwr_annualized` the rate per year, both in **percent**.\n\n"
        "All real rates are searched for: `convergence.roots` holds them, `convergence.unique` says whether there is "
        "one only. Where there is none, Modified Dietz stands in, then Dietz; `method` names the one used.",
        MwrRequestSchema,
        "MwrResponse",
        "mwr_one_year",
    ),
    Calculation(
        "contribution",
        "Contribution",
        "Calculates what each position, and each group of positions, added to the return of one portfolio, over any "
        "number of periods.\n\n"
        "Send the rows of the portfolio and those of its positions, on dates of the portfolio's; a position may come "
        "and go. The contribution of a day is the position's gain over the portfolio's capital, so that it is exact "
        "for shorts and for positions without capital. The weight is capital over capital, signed; "
        "`weighting_scheme: AVG_CAPITAL` counts flows for half in both. Days are **linked** so that the contributions "
        "of a period sum to its return:\n\n"
        "- `CARINO` (default): the usual choice; needs every day above -100 %.\n"
        "- `SYMMETRIC`: ignores the order of days as CARINO does, and is defined where a day has lost everything.\n"
        "- `MENCHERO`: close to CARINO; weighs days with large returns otherwise.\n"
        "- `TO_DATE`: what was reported once is never restated by a later day; depends on the order of days.\n"
        "- `NONE`: plain sums of days; the residual holds what compounding adds. It takes windows with resets or "
        "without positive capital, which the others refuse (400 `linking_undefined`).\n\n"
        "What positions do not explain, such as fees at the top or a position that was not sent, is the **residual**: "
        "stated in `residual_bp`, and spread over positions by `emit.residual_per_position` alone. With `hierarchy` "
        "positions are rolled up by labels of their `meta`; without it the answer lists them. All contributions, "
        "weights and returns of the answer are **percent**.\n\n"
        "Under `currency_mode: BOTH` positions in the currency of their label `currency` are converted into "
        "`report_ccy`, in which the portfolio's rows stand, and each contribution has a local and a currency part.",
        ContributionRequestSchema,
        "ContributionResponse",
        "contribution_three_days",
    ),
    Calculation(
        "attribution",
        "Attribution",
        "Calculates why one portfolio returned something else than its benchmark: what other weights did "
        "(**allocation**), what other returns did (**selection**), and both together (**interaction**), for each group "
        "and each level of groups, over any number of periods.\n\n"
        "The benchmark comes by group: weights at the beginning of a day and returns, as **fractions**. The portfolio "
        "comes by group, too (`mode: by_group`), or as rows of values of itself and of its instruments "
        "(`by_instrument`), whose labels in `meta` make the groups. Days are put together to buckets of `frequency` "
        "(weights of the first day, returns compounded), and the effects of the buckets are **linked**:\n\n"
        "- `carino` (default; `log` is its other name) and `menchero`: the usual choices; they need totals above "
        "-100 %.\n"
        "- `symmetric`: ignores the order of buckets as these do, and is defined for any returns.\n"
        "- `grap`, `frongello`: any returns; depend on the order of buckets.\n"
        "- `geometric`: effects compound to (1 + R) / (1 + B) - 1; model BF, weights that sum to 1, rollup.\n"
        "- `none`: plain sums; the residual holds what compounding adds.\n\n"
        "`compare_linking` tells the totals by all exact methods side by side. What the effects do not explain is "
        "stated as the **residual**, never spread: with buckets longer than a day it holds what weights did within "
        "them. `off_benchmark` says which return stands for that of a group that the benchmark has not. Weights that "
        "do not sum to 1 have a group of their own, `Leverage`. All figures of the answer are **percent**.\n\n"
        "With `hierarchy_method: rollup` a level is the sum of its groups; `top_down` takes levels as decisions one "
        "after another. Under `currency_mode: BOTH` with `currency` among the labels, effects of local markets and of "
        "currencies are told besides.",
        AttributionRequestSchema,
        "AttributionResponse",
        "attribution_four_quarters",
    ),
)


def build_document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of an application; the same for the same code and limits."""
    shared = cast(Services, app.extensions[EXTENSION])
    plugin = MarshmallowPlugin()
    spec = APISpec(
        title="lotus-performance",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={
            "summary": "Portfolio performance analytics: returns, time- and money-weighted, contribution, attribution.",
            "description": _conventions(shared.limits),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the document, as the links of its texts are: right under any prefix.
        servers=[{"url": ".", "description": "The service that this document comes from."}],
        tags=[
            {"name": "performance", "description": "Calculations: one request, one complete answer."},
            LINEAGE_TAG,
            INTEGRATION_TAG,
            {"name": "service", "description": "What the service is, and how it is."},
        ],
    )
    converter: Any = plugin.converter  # its annotations are too loose to be called
    converter.add_attribute_function(_strict_properties)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for name, schema in COMPONENTS.items():
        spec.components.schema(name, schema)
    for status, (name, description) in REFUSALS.items():
        spec.components.schema(f"Problem{status}", _problem_schema(status))
        spec.components.response(name, _problem_response(status, description))
    for calculation in CALCULATIONS:
        spec.components.schema(calculation.request_name, schema=shared.schemas[calculation.request])
        _add_calculation(spec, calculation)
    add_lineage(spec, _headers, _refusals)
    add_integration(spec, app.extensions[integration.EXTENSION].returns.schema, _headers, _refusals)
    _add_service_paths(spec)
    for key, name in converter.refs.items():
        spec.components.schemas[name] |= {"description": _docstring(key[0]), "additionalProperties": False}
    # Through JSON text once, so that nothing is left but plain members and values.
    return cast(dict[str, Any], orjson.loads(dump_json(spec.to_dict())))


# ---------------------------------------------------------------------- members of requests


def _strict_properties(converter: Any, field: fields.Field[Any], ret: JsonSchema) -> JsonSchema:
    """Return what apispec cannot know of our fields."""
    if isinstance(field, Columns):
        return _columns(converter, field)
    if isinstance(field, Distinct):
        return _distinct(converter, field)
    if isinstance(field, StackField):
        return _stack(converter, field)
    return field.json_schema() if isinstance(field, StrictField) else {}


def _columns(converter: Any, field: Columns) -> JsonSchema:
    """Return the two forms of a table."""
    cells = {name: converter.field2property(column) for name, column in field.columns.items()}
    bounds = {"minItems": 0 if field.allow_empty else 1, "maxItems": limits_of(field).max_rows}
    shared = {"required": field.required_columns, "additionalProperties": False}
    row = {"type": "object", "properties": cells, **shared}
    columns = {name: _column(cell, bounds) for name, cell in cells.items()}
    return {
        "oneOf": [
            {"title": "rows", "description": "One object a row.", "type": "array", "items": row, **bounds},
            {
                "title": f"{field.name} columns",  # generators of clients name a class after it
                "description": "One list a member, all equally long: the same data in a third of the space.",
                "type": "object",
                "properties": columns,
                **shared,
            },
        ]
    }


def _column(cell: JsonSchema, bounds: JsonSchema) -> JsonSchema:
    said_of_the_column = ("description", "default")
    items = {name: value for name, value in cell.items() if name not in said_of_the_column}
    default = f" Each cell of a column that is left out: {cell['default']:g}." if "default" in cell else ""
    return {"type": "array", "description": f"{cell['description']}{default}", "items": items, **bounds}


def _distinct(converter: Any, field: Distinct) -> JsonSchema:
    items = converter.field2property(field.inner)
    description = f"{field.metadata['description']} At most {field.most(limits_of(field)):,} different ones."
    return {"type": "array", "items": items, "minItems": int(not field.allow_empty), "description": description}


def _stack(converter: Any, field: StackField) -> JsonSchema:
    """Return a list of objects that each have a table."""
    element = {
        "type": "object",
        "properties": {name: converter.field2property(member) for name, member in field.fields.items()},
        "required": [name for name, member in field.fields.items() if member.required],
        "additionalProperties": False,
    }
    return {"type": "array", "items": element, "minItems": 1, "maxItems": field.most(limits_of(field))}


def _docstring(schema: type[Schema]) -> str:
    return inspect.getdoc(schema) or ""


# ---------------------------------------------------------------------- operations


def _add_calculation(spec: APISpec, calculation: Calculation) -> None:
    example = calculation.example
    answer = {
        "description": "The result.",
        "headers": _headers("Cache-Control"),
        "content": {
            JSON: {
                "schema": _ref(calculation.response),
                "examples": {example: {"value": read_example(f"{example}.answer")}},
            }
        },
    }
    later = {
        "description": "Under `Prefer: respond-async`, where calculations are recorded: a worker will answer.",
        "headers": _headers("Cache-Control", "Location", "Retry-After", "Preference-Applied"),
        "content": {JSON: {"schema": _ref("Accepted")}},
    }
    operation = {
        "operationId": f"post_{calculation.stem}",
        "tags": ["performance"],
        "summary": calculation.summary,
        "description": calculation.description,
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": _ref(calculation.request_name),
                    "examples": {example: {"value": read_example(example)}},
                }
            },
        },
        "parameters": [PREFER],
        "responses": {"200": answer, "202": later, **_refusals(400, 404, 409, 413, 415, 422, 500, 503)},
    }
    spec.path(f"/performance/{calculation.stem}", operations={"post": operation})


def _add_service_paths(spec: APISpec) -> None:
    root = _success("What the service is.", "Root", "Vary")
    root["content"]["text/html"] = {"schema": {"type": "string"}}
    _add_get(
        spec,
        "/",
        "get_root",
        "What this service is",
        "Answers as JSON, and as a page to those whose `Accept` prefers text/html, as browsers' does.",
        {"200": root, **_refusals(500)},
    )
    _add_get(
        spec,
        "/health",
        "get_health",
        "Whether the service answers",
        "Asks nothing else; the same as `/health/live`, for those who look here.",
        {"200": _success("It does.", "Health"), **_refusals(500)},
    )
    _add_get(
        spec,
        "/health/live",
        "get_live",
        "Whether the process works",
        "For the supervisor that restarts what does not answer. Depends on nothing but the process itself.",
        {"200": _success("It does.", "Liveness"), **_refusals(500)},
    )
    _add_get(
        spec,
        "/health/ready",
        "get_ready",
        "Whether new requests are welcome",
        "For the load balancer. 503 `not_ready` while the service is about to stop; `detail` says why.",
        {"200": _success("They are.", "Readiness"), **_refusals(500, 503)},
    )
    text = {"schema": {"type": "string", "description": "Prometheus text exposition format."}}
    metrics = {"description": "Counters of all workers.", "headers": _headers(), "content": {"text/plain": text}}
    _add_get(
        spec,
        "/metrics",
        "get_metrics",
        "Counters of all workers",
        "Requests and their duration by route template, method and status, for Prometheus.",
        {"200": metrics, **_refusals(500)},
    )


def _add_get(spec: APISpec, path: str, name: str, summary: str, description: str, responses: JsonSchema) -> None:
    operation = {
        "operationId": name,
        "tags": ["service"],
        "summary": summary,
        "description": description,
        "responses": responses,
    }
    spec.path(path, operations={"get": operation})


def _success(description: str, schema: str, *headers: str) -> JsonSchema:
    return {
        "description": description,
        "headers": _headers(*headers),
        "content": {JSON: {"schema": _ref(schema)}},
    }


def _ref(schema: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{schema}"}


def _headers(*names: str) -> JsonSchema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*ON_EVERY_ANSWER, *names)}


def _refusals(*statuses: int) -> JsonSchema:
    return {str(status): {"$ref": f"#/components/responses/{REFUSALS[status][0]}"} for status in statuses}


def _problem_schema(status: int) -> JsonSchema:
    """Return the schema of the problems of a status: a component, so that generated clients have one class of it."""
    narrowed = {
        "status": {"type": "integer", "enum": [status], "x-unit": "none", "description": "The HTTP status."},
        "code": {"type": "string", "enum": codes_of(status), "description": "Stable code: decide by this one."},
    }
    return {
        "description": f"A problem with status {status}.",
        "allOf": [_ref("Problem"), {"properties": narrowed}],
    }


def _problem_response(status: int, description: str) -> JsonSchema:
    problems = [PROBLEMS[code] for code in codes_of(status)]
    lines = [f"- [`{problem.code}`](docs/problems#{problem.code}): {problem.when}" for problem in problems]
    examples = {problem.code: {"summary": problem.title, "value": _problem_example(problem)} for problem in problems}
    return {
        "description": "\n".join([description, "", *lines]),
        "headers": _headers("Cache-Control", *(["Retry-After"] if status == SERVICE_UNAVAILABLE else [])),
        "content": {PROBLEM_JSON: {"schema": _ref(f"Problem{status}"), "examples": examples}},
    }


def _problem_example(problem: Problem) -> JsonSchema:
    document: JsonSchema = {
        "type": f"/docs/problems#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.when,
        "instance": "/health/ready" if problem.status == SERVICE_UNAVAILABLE else "/performance/twr",
        "request_id": "9b2d7f0e-5a0c-4c43-8f7e-3d1c0b5a6e21",
    }
    if problem.code != "validation_failed":
        return document
    fault = {"code": "not_finite", "detail": "must be a finite number", "perf_date": "2025-01-29"}
    return {
        **document,
        "detail": "1 member is invalid; nothing was calculated.",
        "errors_total": 1,
        "errors": [{"pointer": "/valuation_points/17/end_mv", **fault}],
    }


# ---------------------------------------------------------------------- conventions


def _conventions(limits: Limits) -> str:
    """Return what holds for every operation, as Markdown."""
    units = "; ".join(f"`{unit}`: {meaning}" for unit, meaning in UNITS.items())
    body = f"{limits.max_body_bytes / MEBIBYTE:.4g} MiB"
    return f"""\
Requests and answers are JSON. [The conventions in full](docs/conventions), [every problem explained](docs/problems).

- **Units.** Every number says its unit in `x-unit`. {units}.
- **Signs.** Flows **into** the portfolio are positive, management fees negative.
- **Values.** Dates are `YYYY-MM-DD`, ids canonical UUIDs, values of enumerations exactly as listed. Answers are rounded
  once, to `rounding_precision` decimals; members without a value are left out; null, NaN and Infinity never occur.
- **Requests.** `Content-Type: {JSON}`, strict JSON: a member twice in one object, NaN and Infinity are 400. Unknown
  members are 422 at any depth, and the nearest known name is told. Optional members that change nothing in an answer
  give the warning `no_effect`. A table is a list of rows or an object of equally long columns: same data, same answer.
- **Refusals.** `{PROBLEM_JSON}` (RFC 9457), all faults of a request at once. Unknown paths are 404, other methods 405.
- **Limits.** Body {body} ({limits.max_body_bytes} bytes), {MAX_NESTING} levels of nesting, {limits.max_rows} rows a
  table, {limits.max_positions} positions, {limits.max_periods} different periods, {MAX_ID_LENGTH} characters an id and
  {MAX_LABEL_LENGTH} a label; at most {limits.max_errors} faults are listed.
- **Tracing.** `X-Request-Id` and `X-Correlation-Id` (1 to 128 of `A-Z a-z 0-9 . _ -`) come back as sent, else new;
  `traceparent` continues the caller's trace (W3C).
"""
