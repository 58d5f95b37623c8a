"""`POST /performance/mwr`."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.wire import answer
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.services.mwr import calculate_mwr

bp = with_domain_handlers(Blueprint("mwr", __name__, url_prefix="/performance"))


@bp.post("/mwr")
def post_mwr() -> ResponseReturnValue:
    """Calculate the money-weighted return of one portfolio."""
    return answer("mwr", MwrRequestSchema, calculate_mwr)
