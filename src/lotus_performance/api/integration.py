"""What other services of the platform ask for: capabilities, and series of returns."""

from dataclasses import dataclass
from typing import cast

from flask import Blueprint, Flask, current_app, g, request
from flask.typing import ResponseReturnValue

from lotus_performance.api.errors import kept_problem, with_domain_handlers
from lotus_performance.api.wire import accepted, executions, no_store, read_json
from lotus_performance.errors import FeatureDisabledError, ResourceNotFoundError
from lotus_performance.jobs.returns_series import ReturnsJobs
from lotus_performance.schemas.capabilities import CapabilitiesQuerySchema
from lotus_performance.schemas.fields import is_uuid
from lotus_performance.services.capabilities import STATEFUL, STATELESS, Switches, capabilities
from lotus_performance.storage.executions import Execution, Status
from lotus_performance.strict_json import dump_json

bp = with_domain_handlers(Blueprint("integration", __name__, url_prefix="/integration"))
query_schema = CapabilitiesQuerySchema()

EXTENSION = "lotus-performance-integration"
FEATURES = {
    "twr.post_twr": "pa.analytics.twr",
    "mwr.post_mwr": "pa.analytics.mwr",
    "contribution.post_contribution": "pa.analytics.contribution",
    "attribution.post_attribution": "pa.analytics.attribution",
}
"""Feature of each view that a switch closes."""
MODES = {False: STATELESS, True: STATEFUL}


@dataclass(frozen=True)
class Integration:
    """What the views share."""

    returns: ReturnsJobs
    switches: Switches


def register_integration(app: Flask, returns: ReturnsJobs, switches: Switches) -> None:
    """Give an application what these views share, and close what is switched off."""
    app.extensions[EXTENSION] = Integration(returns, switches)
    app.before_request(refuse_disabled)


def shared() -> Integration:
    """Return what these views of the running application share."""
    return cast(Integration, current_app.extensions[EXTENSION])


def refuse_disabled() -> None:
    """Refuse a request for a calculation that is switched off, before its body is read."""
    key = FEATURES.get(request.endpoint or "")
    if key is not None:
        refuse_closed(key)


def refuse_closed(key: str) -> None:
    """Raise FeatureDisabledError when a feature is switched off."""
    if not shared().switches.is_open(key):
        raise FeatureDisabledError(f"{key} is switched off here.")


@bp.get("/capabilities")
def get_capabilities() -> ResponseReturnValue:
    """Return what is open here."""
    query = query_schema.load(request.args.to_dict(flat=False))
    return no_store(dump_json(capabilities(shared().switches, query)))


@bp.post("/returns/series")
def post_returns_series() -> ResponseReturnValue:
    """Return series of returns of one portfolio, its benchmark and the risk-free rate."""
    returns = shared().returns
    loaded = returns.schema.load(read_json(request))
    refuse_closed(MODES[loaded.is_stateful])
    headers = {"X-Request-Id": g.request_id, "X-Correlation-Id": g.correlation_id, "traceparent": g.traceparent}
    answer = returns.answer(loaded, headers)
    return _accepted(answer) if isinstance(answer, Execution) else no_store(answer)


@bp.get("/returns/series/results/<execution_id>")
def get_returns_result(execution_id: str) -> ResponseReturnValue:
    """Return the answer of an execution, or the problem with which it failed, or that there is none yet."""
    if not is_uuid(execution_id):
        raise ResourceNotFoundError("There is no series of returns under this id.")
    found = shared().returns.found(execution_id)
    if found.status is Status.FAILED and found.problem is not None:
        return kept_problem(found.problem)
    if found.status is not Status.COMPLETE:
        return _accepted(found)
    return no_store(executions().payload(execution_id).answer)


def _accepted(execution: Execution) -> ResponseReturnValue:
    return accepted(execution, f"/integration/returns/series/results/{execution.execution_id}")
