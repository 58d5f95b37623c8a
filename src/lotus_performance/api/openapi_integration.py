"""Operations of the integration endpoints for the OpenAPI document."""

import inspect
from collections.abc import Callable
from typing import Any

from apispec import APISpec

from lotus_performance.api.openapi_lineage import read_example, schema_of
from lotus_performance.api.wire import JSON
from lotus_performance.schemas.capabilities import CapabilitiesQuerySchema
from lotus_performance.schemas.integration_responses import COMPONENTS, JsonSchema
from lotus_performance.schemas.returns_series import ReturnsSeriesRequestSchema

INTEGRATION_TAG = {"name": "integration", "description": "What other services of the platform ask for."}
EXAMPLE = "returns_two_days"


def add_integration(
    spec: APISpec,
    schema: ReturnsSeriesRequestSchema,
    headers: Callable[..., JsonSchema],
    refusals: Callable[..., JsonSchema],
) -> None:
    """Add schemas and operations; `schema` is the application's, `headers` and `refusals` refer to shared components.

    `refusals` must know 404.
    """
    for name, component in COMPONENTS.items():
        spec.components.schema(name, component)
    spec.components.schema("ReturnsSeriesRequest", schema=schema)
    spec.path("/integration/capabilities", operations={"get": _capabilities(headers, refusals)})
    spec.path("/integration/returns/series", operations={"post": _returns(headers, refusals)})
    spec.path("/integration/returns/series/results/{execution_id}", operations={"get": _result(headers, refusals)})


def _operation(name: str, summary: str, description: str, **members: Any) -> JsonSchema:
    return {
        "operationId": name,
        "tags": [INTEGRATION_TAG["name"]],
        "summary": summary,
        "description": description,
        **members,
    }


def _answer(description: str, schema: str, headers: Callable[..., JsonSchema]) -> JsonSchema:
    return {
        "description": description,
        "headers": headers("Cache-Control"),
        "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _with_example(answer: JsonSchema) -> JsonSchema:
    answer["content"][JSON]["examples"] = {EXAMPLE: {"value": read_example(f"{EXAMPLE}.answer")}}
    return answer


def _later(headers: Callable[..., JsonSchema]) -> JsonSchema:
    answer = _answer("A worker will answer; ask again.", "Accepted", headers)
    return answer | {"headers": headers("Cache-Control", "Retry-After")}


def _capabilities(headers: Callable[..., JsonSchema], refusals: Callable[..., JsonSchema]) -> JsonSchema:
    parameters = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": field.metadata["description"],
            "schema": schema_of(field) | {"default": field.load_default},
        }
        for name, field in CapabilitiesQuerySchema().fields.items()
    ]
    responses = {"200": _answer("What is open.", "Capabilities", headers), **refusals(422, 500)}
    description = inspect.cleandoc(
        """
        Features and workflows with whether they are open. What is not enabled here is 404 `feature_disabled` where it
        is asked for, or 503 where lotus-core is not configured.
        """
    )
    return _operation("get_capabilities", "What is open here", description, parameters=parameters, responses=responses)


def _returns(headers: Callable[..., JsonSchema], refusals: Callable[..., JsonSchema]) -> JsonSchema:
    description = inspect.cleandoc(
        """
        Returns of a portfolio, its benchmark and the risk-free rate on common dates, out of the request (stateless) or
        out of lotus-core (stateful). All values are **fractions**, as decimals in quotes.

        Coverage counts expected dates that all series have. What is missing is refused, told or filled as
        `data_policy` says; it is never 0 unless ZERO_FILL asks for that. Stateful windows of 180 days and more are
        answered by a worker: 202, and the answer under `links.result`.
        """
    )
    schema = {"$ref": "#/components/schemas/ReturnsSeriesRequest"}
    return _operation(
        "post_returns_series",
        "Series of returns",
        description,
        requestBody={
            "required": True,
            "content": {JSON: {"schema": schema, "examples": {EXAMPLE: {"value": read_example(EXAMPLE)}}}},
        },
        responses={
            "200": _with_example(_answer("The series.", "ReturnsSeries", headers)),
            "202": _later(headers),
            **refusals(400, 404, 413, 415, 422, 500, 503),
        },
    )


def _result(headers: Callable[..., JsonSchema], refusals: Callable[..., JsonSchema]) -> JsonSchema:
    parameter = {
        "name": "execution_id",
        "in": "path",
        "required": True,
        "description": "`execution_id` of the answer 202, or `metadata.calculation_id`.",
        "schema": {"type": "string", "format": "uuid"},
    }
    return _operation(
        "get_returns_result",
        "Answer of a series of returns that nobody waited for",
        "The answer, the problem with which it failed, or 202 while there is none.",
        parameters=[parameter],
        responses={
            "200": _answer("The series.", "ReturnsSeries", headers),
            "202": _later(headers),
            **refusals(400, 404, 422, 500, 503),
        },
    )
