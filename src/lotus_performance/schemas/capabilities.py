"""Query of the capabilities."""

from enum import StrEnum

from lotus_performance.schemas.fields import Choice, Text, Whole
from lotus_performance.schemas.query import QuerySchema

MAX_FEATURES, MAX_WORKFLOWS = 500, 200


class ConsumerSystem(StrEnum):
    """Who asks."""

    GATEWAY = "lotus-gateway"
    PERFORMANCE = "lotus-performance"
    MANAGE = "lotus-manage"
    UI = "UI"
    UNKNOWN = "UNKNOWN"


class CapabilitiesQuerySchema(QuerySchema):
    """Query of `GET /integration/capabilities`: each name once."""

    consumer_system = Choice(
        ConsumerSystem, load_default=ConsumerSystem.UNKNOWN, metadata={"description": "Who asks; comes back as sent."}
    )
    tenant_id = Text(load_default="default", metadata={"description": "Whose capabilities; comes back as sent."})
    feature_limit = Whole(
        1, MAX_FEATURES, load_default=MAX_FEATURES, metadata={"description": "Most features.", "x-unit": "count"}
    )
    workflow_limit = Whole(
        1, MAX_WORKFLOWS, load_default=MAX_WORKFLOWS, metadata={"description": "Most workflows.", "x-unit": "count"}
    )
