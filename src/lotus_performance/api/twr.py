"""`POST /performance/twr`."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.wire import answer
from lotus_performance.schemas.twr import TwrRequestSchema
from lotus_performance.services.twr import calculate_twr

bp = with_domain_handlers(Blueprint("twr", __name__, url_prefix="/performance"))


@bp.post("/twr")
def post_twr() -> ResponseReturnValue:
    """Calculate the time-weighted return of one portfolio."""
    return answer("twr", TwrRequestSchema, calculate_twr)
