"""Operations of executions and lineage for the OpenAPI document."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apispec import APISpec

from lotus_performance.api.wire import JSON
from lotus_performance.schemas.executions import ExecutionsQuerySchema
from lotus_performance.schemas.responses import JsonSchema

EXAMPLES = Path(__file__).parent / "examples"
LINEAGE_TAG = {
    "name": "lineage",
    "description": "What is kept of every calculation, and whether it is what was written.",
}

ID: JsonSchema = {
    "in": "path",
    "required": True,
    "description": "Identity of the calculation.",
    "schema": {"type": "string", "format": "uuid"},
}
NAME: JsonSchema = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "Name of an artifact, as the lineage lists it.",
    "schema": {"type": "string"},
}


def read_example(name: str) -> Any:
    """Return an example of the documentation."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def schema_of(field: Any) -> JsonSchema:
    """Return the JSON schema of a member of a query, its unit among it."""
    unit = field.metadata.get("x-unit")
    return field.json_schema() | ({"x-unit": unit} if unit else {})  # type: ignore[no-any-return]


Parts = Callable[..., JsonSchema]


def add_lineage(spec: APISpec, headers: Parts, refusals: Parts) -> None:
    """Add the operations; `headers` and `refusals` refer to shared components."""

    def answer(schema: str, description: str, *names: str) -> JsonSchema:
        return {
            "description": description,
            "headers": headers("Cache-Control", *names),
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        }

    def add(path: str, method: str, name: str, summary: str, description: str, **members: Any) -> None:
        operation = {"operationId": name, "tags": [LINEAGE_TAG["name"]], "summary": summary, "description": description}
        spec.path(path, operations={method: operation | members})

    not_yet = answer("Accepted", "A worker will answer; ask again.", "Retry-After")
    by_execution, by_calculation = {"name": "execution_id"} | ID, {"name": "calculation_id"} | ID
    add(
        "/performance/executions",
        "get",
        "get_executions",
        "Executions, the newest first",
        "A page of executions with their stages; `next_cursor` leads to the next page.",
        parameters=[
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": field.metadata["description"],
                "schema": schema_of(field),
            }
            for name, field in ExecutionsQuerySchema().fields.items()
        ],
        responses={"200": answer("ExecutionPage", "The page."), **refusals(400, 404, 422, 500, 503)},
    )
    add(
        "/performance/executions/{execution_id}",
        "get",
        "get_execution",
        "Lifecycle of an execution",
        "Where it stands; waits up to a second for one that has not ended, so that few questions are enough.",
        parameters=[by_execution],
        responses={"200": answer("Execution", "The execution."), **refusals(404, 500, 503)},
    )
    add(
        "/performance/executions/{execution_id}/result",
        "get",
        "get_execution_result",
        "Answer of an execution",
        "The answer as it was calculated, the problem with which the execution failed, or 202 while there is neither.",
        parameters=[by_execution],
        responses={
            "200": {
                "description": "The answer, as that of the calculation's own operation.",
                "headers": headers("Cache-Control"),
                "content": {JSON: {"schema": {"type": "object"}}},
            },
            "202": not_yet,
            **refusals(400, 404, 422, 500, 503),
        },
    )
    add(
        "/performance/lineage/{calculation_id}",
        "get",
        "get_lineage",
        "What is kept of a calculation",
        "Request, answer and CSV workings with their checksums; what is not written yet is written now.",
        parameters=[by_calculation],
        responses={"200": answer("Lineage", "The manifest."), **refusals(404, 500, 503)},
    )
    add(
        "/performance/lineage/{calculation_id}/replay",
        "post",
        "post_replay",
        "Calculate anew and compare",
        "Calculates from the stored request; `identical` compares hashes, `match` figures to 1e-9 relative or one unit "
        "of the last decimal.",
        parameters=[by_calculation],
        responses={"200": answer("Replay", "The comparison."), **refusals(400, 404, 422, 500, 503)},
    )
    add(
        "/lineage/{calculation_id}/{name}",
        "get",
        "get_artifact",
        "An artifact",
        "Its checksum is verified before it is sent; it never changes, and its `ETag` is that checksum.",
        parameters=[by_calculation, NAME],
        responses={
            "200": {
                "description": "The artifact.",
                "headers": headers("ETag"),
                "content": {"text/csv": {"schema": {"type": "string"}}, JSON: {"schema": {}}},
            },
            "304": {"description": "It is the one that you have.", "headers": headers("ETag")},
            **refusals(404, 500, 503),
        },
    )
