"""Lineage of a calculation, its artifacts and its replay."""

import re

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.wire import JSON, lineage, no_store
from lotus_performance.errors import ExecutionNotFoundError
from lotus_performance.strict_json import dump_json

bp = with_domain_handlers(Blueprint("lineage", __name__))

IMMUTABLE = "private, max-age=31536000, immutable"
TYPES = {"json": JSON, "csv": "text/csv; charset=utf-8"}

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def checked_id(text: str) -> str:
    """Return an id that is a canonical UUID; no other is asked for in storage."""
    if not _ID.fullmatch(text):
        raise ExecutionNotFoundError("There is no calculation with this id.")
    return text


@bp.get("/performance/lineage/<calculation_id>")
def get_lineage(calculation_id: str) -> ResponseReturnValue:
    """Return what is kept of a calculation."""
    return no_store(dump_json(lineage().view(checked_id(calculation_id))))


@bp.post("/performance/lineage/<calculation_id>/replay")
def post_replay(calculation_id: str) -> ResponseReturnValue:
    """Calculate anew from the stored request, and compare."""
    return no_store(dump_json(lineage().replay(checked_id(calculation_id))))


@bp.get("/lineage/<calculation_id>/<name>")
def get_artifact(calculation_id: str, name: str) -> ResponseReturnValue:
    """Return one artifact, after its checksum was verified."""
    content, digest = lineage().artifact(checked_id(calculation_id), name)
    kind = TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    response = Response(content, content_type=kind, headers={"Cache-Control": IMMUTABLE})
    response.set_etag(digest)
    return response.make_conditional(request)
