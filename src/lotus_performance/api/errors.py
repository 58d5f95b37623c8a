"""The one place where an exception becomes a status and a problem document (RFC 9457), by the table of `problems`."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WsgiResponse

from lotus_performance.api.problems import DOMAIN_PROBLEMS, PROBLEMS
from lotus_performance.api.wire import services
from lotus_performance.errors import Fault, PerformanceError
from lotus_performance.schemas.faults import pointer, refusal_of
from lotus_performance.strict_json import dump_json

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
MAX_PROBLEM_BYTES = 64 * 1024
SERVICE_UNAVAILABLE = 503
RETRY_AFTER_SECONDS = "5"


def with_domain_handlers(blueprint: Blueprint) -> Blueprint:
    """Return the Blueprint with a handler for each domain error and for a schema's refusal."""
    for kind in DOMAIN_PROBLEMS:
        blueprint.register_error_handler(kind, handle_domain_error)
    blueprint.register_error_handler(ValidationError, handle_validation_error)
    return blueprint


def register_application_handlers(app: Flask) -> None:
    """Register the handlers of HTTP errors and of bugs.

    On the application only: Flask asks a Blueprint's handlers first, so that one for ``Exception`` there would swallow
    every HTTPException raised in its views.
    """
    app.register_error_handler(HTTPException, handle_http_exception)
    app.register_error_handler(Exception, handle_unexpected)


def handle_domain_error(error: PerformanceError) -> Response:
    """Return the problem of a domain error."""
    return _asking_again(
        problem(error.code, error.message, faults=[_fault_entry(error.code, fault) for fault in error.faults])
    )


def kept_problem(kept: Mapping[str, Any]) -> Response:
    """Return the problem with which an execution failed that nobody waited for."""
    code = kept["code"]
    faults = [
        {"pointer": pointer(fault["place"]), "code": code, "detail": fault["detail"], **fault["row"]}
        for fault in kept["faults"]
    ]
    return _asking_again(problem(code, kept["detail"], faults=faults, total=kept["n_faults"]))


def _asking_again(response: Response) -> Response:
    if response.status_code == SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return response


def handle_validation_error(error: ValidationError) -> Response:
    """Return the problem of a document that does not fit its schema, every member at fault named."""
    refusal = refusal_of(error.messages, services().limits.max_errors)
    entries = [
        {"pointer": pointer(place), "code": message.code, "detail": str(message), **message.row}
        for place, message in refusal.faults
    ]
    return problem("validation_failed", refusal.detail, faults=entries, total=refusal.n_faults)


def handle_http_exception(error: HTTPException) -> Response | HTTPException:
    """Write an HTTP error as a problem document, its status and headers untouched."""
    if error.response is not None or error.code is None or error.code < 400:
        return error
    raw = error.get_response(request.environ)
    code = getattr(error, "problem_code", None) or re.sub(r"[^a-z]+", "_", error.name.lower()).strip("_")
    response = problem(code, error.description or error.name, status=error.code, title=error.name)
    response.headers.extend(_without_entity_headers(raw))
    return response


def handle_unexpected(error: Exception) -> Response | HTTPException:
    """Return the problem of a bug; the log has the traceback."""
    if isinstance(error, HTTPException):
        return error
    logger.error("unhandled exception", exc_info=error)
    return problem("internal_error", "An unexpected error occurred; it has been logged under the request id.")


def problem(
    code: str,
    detail: str,
    *,
    faults: Sequence[Mapping[str, Any]] = (),
    total: int | None = None,
    status: int | None = None,
    title: str = "",
) -> Response:
    """Return a problem document of at most 64 KiB; `status` and `title` are those of codes that the table lacks."""
    known = PROBLEMS.get(code)
    if known and status in (None, known.status):
        status, title = known.status, known.title
    document: dict[str, Any] = {
        "type": f"/docs/problems#{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": request.path[:1024],
        "request_id": g.get("request_id", "unknown"),
    }
    shown = list(faults)[: services().limits.max_errors]
    if shown:
        document["errors_total"] = len(faults) if total is None else total
        document["errors"] = shown
    body = dump_json(document)
    while len(body) > MAX_PROBLEM_BYTES and shown:
        document["errors"] = shown = shown[: len(shown) // 2]
        body = dump_json(document)
    return Response(body, status=status, mimetype=PROBLEM_JSON, headers={"Cache-Control": "no-store"})


def _fault_entry(code: str, fault: Fault) -> dict[str, Any]:
    return {"pointer": pointer(fault.place), "code": code, "detail": fault.detail, **fault.row}


def _without_entity_headers(response: WsgiResponse) -> list[tuple[str, str]]:
    return [(n, v) for n, v in response.headers if n.lower() not in ("content-type", "content-length")]
