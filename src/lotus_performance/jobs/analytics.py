"""The calculations by name: how a stored request is read, and what calculates its answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from marshmallow import ValidationError

from lotus_performance.engine.requests import Request
from lotus_performance.errors import NotSupportedError
from lotus_performance.schemas.attribution import AttributionRequestSchema
from lotus_performance.schemas.base import RequestSchema
from lotus_performance.schemas.contribution import ContributionRequestSchema
from lotus_performance.schemas.limits import Limits
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.schemas.twr import TwrRequestSchema
from lotus_performance.services.attribution import calculate_attribution
from lotus_performance.services.contribution import calculate_contribution
from lotus_performance.services.mwr import calculate_mwr
from lotus_performance.services.result import Result
from lotus_performance.services.twr import calculate_twr
from lotus_performance.storage.executions import Execution
from lotus_performance.strict_json import load_document

NO_LIMITS = Limits(max_rows=10**9, max_positions=10**9, max_periods=10**6)
"""What was accepted once is read again, whatever the limits are now."""


@dataclass(frozen=True)
class Analytics:
    """One kind of calculation."""

    schema: type[RequestSchema]
    calculate: Callable[[Any], Result]


ANALYTICS = {
    "twr": Analytics(TwrRequestSchema, calculate_twr),
    "mwr": Analytics(MwrRequestSchema, calculate_mwr),
    "contribution": Analytics(ContributionRequestSchema, calculate_contribution),
    "attribution": Analytics(AttributionRequestSchema, calculate_attribution),
}


@cache
def _schema(kind: type[RequestSchema]) -> RequestSchema:
    return kind(limits=NO_LIMITS)


def stored_request(execution: Execution, canonical: bytes) -> Request:
    """Return the canonical request of an execution in engine types; raises NotSupportedError."""
    if execution.analytics_type not in ANALYTICS:
        # Its data was another service's, which may hold other data by now.
        raise NotSupportedError(f"A calculation of the kind {execution.analytics_type} is not calculated anew.")
    try:
        request: Request = _schema(ANALYTICS[execution.analytics_type].schema).load(load_document(canonical))
    except ValidationError:
        raise NotSupportedError("The stored request is none that this version reads.") from None
    return replace(request, calculation_id=execution.execution_id)
