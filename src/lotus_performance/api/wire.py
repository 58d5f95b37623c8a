"""What all endpoints do with a request's body and an answer's."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from flask import Request, Response, current_app, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from lotus_performance.errors import ExecutionNotFoundError
from lotus_performance.jobs.lineage import Lineage
from lotus_performance.jobs.run import Jobs
from lotus_performance.schemas.base import RequestSchema
from lotus_performance.schemas.limits import Limits
from lotus_performance.services.result import Result
from lotus_performance.storage.executions import Execution, Executions
from lotus_performance.strict_json import MalformedJsonError, dump_json, load_document

EXTENSION = "lotus-performance"
RESPOND_ASYNC = "respond-async"
JSON = "application/json"


class MalformedBody(BadRequest):
    """The body is not a strict JSON document."""

    problem_code = "malformed_json"


class Services:
    """What the views share: the runner, and each schema with this application's limits."""

    def __init__(
        self, jobs: Jobs, limits: Limits, kinds: Sequence[type[RequestSchema]], lineage: Lineage | None = None
    ) -> None:
        self.jobs = jobs
        self.lineage = lineage
        self.limits = limits
        # Made once, before there are threads: loading changes nothing in a schema.
        self.schemas = {kind: kind(limits=limits) for kind in kinds}


def services() -> Services:
    """Return what the views of the running application share."""
    return cast(Services, current_app.extensions[EXTENSION])


def jobs() -> Jobs:
    """Return the runner of calculations."""
    return services().jobs


def lineage() -> Lineage:
    """Return the lineage of recorded calculations; where none are recorded, nothing is found."""
    kept = services().lineage
    if kept is None:
        raise ExecutionNotFoundError("Nothing is recorded here: LINEAGE_MODE is off.")
    return kept


def executions() -> Executions:
    """Return the recorded executions."""
    return lineage().executions


def load_request(kind: type[RequestSchema]) -> Any:
    """Return the request in engine types.

    Raises werkzeug's 400, 413 or 415, marshmallow's ValidationError, or a domain error.
    """
    return services().schemas[kind].load(read_json(request))


def read_json(incoming: Request) -> Any:
    """Return the document of a request's body; raises werkzeug's own 400, 413 or 415."""
    if incoming.mimetype != JSON:
        raise UnsupportedMediaType(f"Send the body as JSON, with the header Content-Type: {JSON}.")
    if incoming.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    body = _read_body(incoming)
    if not body:
        raise MalformedBody("The body is empty; send a JSON object.")
    try:
        return load_document(body)
    except MalformedJsonError as error:
        raise MalformedBody(str(error)) from None


def _read_body(incoming: Request) -> bytes:
    limit = services().limits.max_body_bytes
    # One byte more than the limit: werkzeug cuts a body without Content-Length at its maximum, and a body that was
    # cut must not be taken for a whole one.
    incoming.max_content_length = limit + 1
    try:
        body = incoming.get_data(cache=False)
    except RequestEntityTooLarge:
        raise
    except Exception as error:
        # The server raises errors of its own while it reads broken chunks or a body that is cut short. All are the
        # sender's: nothing but the body is read here.
        raise MalformedBody("The body could not be read to its end; check its chunks and Content-Length.") from error
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


def answer(analytics_type: str, kind: type[RequestSchema], calculate: Callable[[Any], Result]) -> Response:
    """Return the answer to a request, or that a worker will answer it where the caller prefers that."""
    loaded = load_request(kind)
    if prefers_async(request):
        execution = jobs().enqueue(analytics_type, loaded)
        if execution is not None:
            response = accepted(execution)
            response.headers["Preference-Applied"] = RESPOND_ASYNC
            return response
    return no_store(jobs().run(analytics_type, loaded, calculate))


def prefers_async(incoming: Request) -> bool:
    """Return whether a request says that it does not wait for its answer (RFC 7240)."""
    preferences = ",".join(incoming.headers.getlist("Prefer")).split(",")
    return RESPOND_ASYNC in {each.partition(";")[0].strip().lower() for each in preferences}


def accepted(execution: Execution, result: str | None = None) -> Response:
    """Return that an execution has no answer yet, and where there will be one."""
    place = f"/performance/executions/{execution.execution_id}"
    links = {
        "self": place,
        "result": result or f"{place}/result",
        "lineage": f"/performance/lineage/{execution.execution_id}",
    }
    body = dump_json({"execution_id": execution.execution_id, "status": execution.status, "links": links})
    response = no_store(body)
    response.status_code = 202
    response.headers.extend({"Location": place, "Retry-After": "1"})
    return response


def no_store(body: bytes) -> Response:
    """Return a result, which no cache may keep."""
    return Response(body, mimetype=JSON, headers={"Cache-Control": "no-store"})
