"""`POST /performance/attribution`."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.wire import answer
from lotus_performance.schemas.attribution import AttributionRequestSchema
from lotus_performance.services.attribution import calculate_attribution

bp = with_domain_handlers(Blueprint("attribution", __name__, url_prefix="/performance"))


@bp.post("/attribution")
def post_attribution() -> ResponseReturnValue:
    """Calculate why one portfolio returned something else than its benchmark."""
    return answer("attribution", AttributionRequestSchema, calculate_attribution)
