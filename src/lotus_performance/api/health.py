"""Health and metrics."""

import os

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.wire import services
from lotus_performance.draining import is_draining
from lotus_performance.errors import NotReadyError
from lotus_performance.telemetry import metrics_text

bp = with_domain_handlers(Blueprint("health", __name__))


@bp.get("/health")
def get_health() -> ResponseReturnValue:
    """Say that the service answers."""
    return {"status": "ok"}


@bp.get("/health/live")
def get_live() -> ResponseReturnValue:
    """Say that the process works; asks nothing else."""
    return {"status": "live"}


@bp.get("/health/ready")
def get_ready() -> ResponseReturnValue:
    """Say whether new requests are welcome."""
    if is_draining():
        raise NotReadyError("The service is draining: it finishes its requests and stops.")
    kept = services().lineage
    if kept is not None:
        kept.refuse_unready()
    return {"status": "ready"}


@bp.get("/metrics")
def get_metrics() -> ResponseReturnValue:
    """Return the counters of all workers."""
    return Response(metrics_text(os.environ.get("PROMETHEUS_MULTIPROC_DIR")), content_type=CONTENT_TYPE_LATEST)
