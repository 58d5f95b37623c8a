"""`POST /performance/contribution`."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.wire import answer
from lotus_performance.schemas.contribution import ContributionRequestSchema
from lotus_performance.services.contribution import calculate_contribution

bp = with_domain_handlers(Blueprint("contribution", __name__, url_prefix="/performance"))


@bp.post("/contribution")
def post_contribution() -> ResponseReturnValue:
    """Calculate what each position contributed to the return of one portfolio."""
    return answer("contribution", ContributionRequestSchema, calculate_contribution)
