"""Ids, timing and headers of every request and answer, errors included."""

import logging
import re
import secrets
import time
import uuid

from flask import Flask, Response, g, request

from lotus_performance.telemetry import REQUEST_ID, count_request

logger = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
UNMATCHED = "unmatched"


def register_tracing(app: Flask) -> None:
    """Give every request its ids, and every answer the headers that carry them."""
    app.before_request(begin_trace)
    app.after_request(end_trace)
    app.teardown_request(forget_trace)


def begin_trace() -> None:
    """Take the caller's ids where they are well formed, else make new ones."""
    g.started = time.perf_counter()
    g.request_id = _given_or_new("X-Request-Id")
    REQUEST_ID.set(g.request_id)
    g.correlation_id = _given_or_new("X-Correlation-Id")
    given = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    trace_id, flags = given.groups() if given else (secrets.token_hex(16), "01")
    g.traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"


def end_trace(response: Response) -> Response:
    """Write the ids into the answer's headers, count and log the request."""
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else UNMATCHED
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Correlation-Id"] = g.correlation_id
    response.headers["traceparent"] = g.traceparent
    response.headers["X-Content-Type-Options"] = "nosniff"
    count_request(route, _bounded_method(), response.status_code, seconds)
    logger.info(
        "request",
        extra={
            "correlation_id": g.correlation_id,
            "trace_id": g.traceparent[3:35],
            "method": request.method,
            "path": request.path[:256],
            "route": route,
            "status": response.status_code,
            "ms": round(seconds * 1000, 2),
        },
    )
    return response


def forget_trace(error: BaseException | None) -> None:
    """Leave no id behind for what this thread logs next."""
    REQUEST_ID.set(None)


def _given_or_new(header: str) -> str:
    given = request.headers.get(header, "")
    return given if _ID.fullmatch(given) else str(uuid.uuid4())


def _bounded_method() -> str:
    """Return the method as a label: a caller can invent methods, but not labels without end."""
    return request.method if request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "OTHER"
