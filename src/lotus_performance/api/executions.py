"""Executions: their lifecycle, their list, and the answers of those that nobody waited for."""

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from lotus_performance.api.errors import kept_problem, with_domain_handlers
from lotus_performance.api.lineage import checked_id
from lotus_performance.api.wire import accepted, executions, no_store
from lotus_performance.schemas.executions import ExecutionsQuerySchema
from lotus_performance.storage.executions import Execution, Status
from lotus_performance.strict_json import dump_json

bp = with_domain_handlers(Blueprint("executions", __name__, url_prefix="/performance/executions"))
PATIENCE_SECONDS = 1.0
"""How long a question for an execution waits for its end: one question instead of many."""
query_schema = ExecutionsQuerySchema()


@bp.get("")
def get_executions() -> ResponseReturnValue:
    """Return executions, the newest first, a page at a time."""
    query = query_schema.load(request.args.to_dict(flat=False))
    limit, cursor = query.pop("limit"), query.pop("cursor", None)
    found, following = executions().newest(query, limit, cursor)
    stages = executions().stages_of([each.execution_id for each in found])
    items = [_shown(each, stages[each.execution_id]) for each in found]
    return no_store(dump_json({"items": items, **({"next_cursor": following} if following else {})}))


@bp.get("/<execution_id>")
def get_execution(execution_id: str) -> ResponseReturnValue:
    """Return the lifecycle of one execution, after up to a second for one that has not ended."""
    found = executions().settled(checked_id(execution_id), PATIENCE_SECONDS)
    return no_store(dump_json(_shown(found, executions().stages_of([execution_id])[execution_id])))


@bp.get("/<execution_id>/result")
def get_execution_result(execution_id: str) -> ResponseReturnValue:
    """Return the answer of an execution, or the problem with which it failed, or that there is none yet."""
    found = executions().get(checked_id(execution_id))
    if found.status is Status.FAILED and found.problem is not None:
        return kept_problem(found.problem)
    if found.status is not Status.COMPLETE:
        return accepted(found)
    return no_store(executions().payload(execution_id).answer)


def _shown(execution: Execution, stages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an execution in wire names."""
    problem = execution.problem or {}
    optional = {
        "result_hash": execution.result_hash,
        "error_message": problem.get("detail"),
        "error_code": problem.get("code"),
        "started_at_utc": execution.started_at_utc,
        "completed_at_utc": execution.completed_at_utc,
    }
    return {
        "execution_id": execution.execution_id,
        "analytics_type": execution.analytics_type,
        "portfolio_id": execution.portfolio_id,
        "execution_mode": execution.mode,
        "status": execution.status,
        "requested_window": execution.requested_window,
        "engine_version": execution.engine_version,
        "input_fingerprint": execution.input_fingerprint,
        "calculation_hash": execution.calculation_hash,
        "created_at_utc": execution.created_at_utc,
        "stages": stages,
        **{name: value for name, value in optional.items() if value is not None},
    }
