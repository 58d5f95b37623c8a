"""Query of the list of executions."""

from enum import StrEnum

from lotus_performance.schemas.fields import Choice, Text, Whole
from lotus_performance.schemas.query import QuerySchema

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


class ExecutionsQuerySchema(QuerySchema):
    """Query of `GET /performance/executions`."""

    portfolio_id = Text(metadata={"description": "Executions of this portfolio alone."})
    analytics_type = Choice(AnalyticsType, metadata={"description": "Executions of this kind alone."})
    status = Choice(ExecutionStatus, metadata={"description": "Executions that stand there alone."})
    limit = Whole(1, MAX_PAGE, load_default=50, metadata={"description": "Most items of a page.", "x-unit": "count"})
    cursor = Text(metadata={"description": "`next_cursor` of the page before."})
