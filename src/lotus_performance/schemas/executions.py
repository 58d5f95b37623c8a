"""Query of the list of executions."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from marshmallow import pre_load

from lotus_performance.schemas.base import StrictSchema
from lotus_performance.schemas.fields import Choice, Text, Whole

MAX_PAGE = 500


class AnalyticsType(StrEnum):
    """Kinds of calculations."""

    TWR = "twr"
    MWR = "mwr"
    CONTRIBUTION = "contribution"
    ATTRIBUTION = "attribution"
    RETURNS_SERIES = "returns_series"


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class ExecutionsQuerySchema(StrictSchema):
    """Query of `GET /performance/executions`."""

    portfolio_id = Text(metadata={"description": "Executions of this portfolio alone."})
    analytics_type = Choice(AnalyticsType, metadata={"description": "Executions of this kind alone."})
    status = Choice(ExecutionStatus, metadata={"description": "Executions that stand there alone."})
    limit = Whole(1, MAX_PAGE, load_default=50, metadata={"description": "Most items of a page.", "x-unit": "count"})
    cursor = Text(metadata={"description": "`next_cursor` of the page before."})

    @pre_load
    def read_limit(self, data: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Read the number in a query, where everything is text."""
        limit = data.get("limit", "")
        return {**data, "limit": int(limit)} if limit.isascii() and limit.isdigit() and len(limit) < 9 else dict(data)
