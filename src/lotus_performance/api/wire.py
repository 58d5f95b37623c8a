"""What all endpoints do with a request's body and an answer's."""

from collections.abc import Sequence
from typing import Any, cast

from flask import Request, Response, current_app, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from lotus_performance.engine.requests import PrecisionMode
from lotus_performance.jobs.run import Jobs
from lotus_performance.schemas.base import RequestSchema
from lotus_performance.schemas.limits import Limits
from lotus_performance.strict_json import MalformedJsonError, load_exact_json, load_json

EXTENSION = "lotus-performance"
JSON = "application/json"


class MalformedBody(BadRequest):
    """The body is not a strict JSON document."""

    problem_code = "malformed_json"


class Services:
    """What the views share: the runner, and each schema with this application's limits."""

    def __init__(self, jobs: Jobs, limits: Limits, kinds: Sequence[type[RequestSchema]]) -> None:
        self.jobs = jobs
        self.limits = limits
        # Made once, before there are threads: loading changes nothing in a schema.
        self.schemas = {kind: kind(limits=limits) for kind in kinds}


def services() -> Services:
    """Return what the views of the running application share."""
    return cast(Services, current_app.extensions[EXTENSION])


def jobs() -> Jobs:
    """Return the runner of calculations."""
    return services().jobs


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
        document = load_json(body)
        is_exact = isinstance(document, dict) and document.get("precision_mode") == PrecisionMode.DECIMAL_STRICT
        return load_exact_json(body) if is_exact else document
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


def respond(body: bytes) -> Response:
    """Return a result, which no cache may keep."""
    return Response(body, mimetype=JSON, headers={"Cache-Control": "no-store"})
