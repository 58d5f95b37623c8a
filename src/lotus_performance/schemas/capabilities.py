"""Query of the capabilities."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from marshmallow import pre_load

from lotus_performance.schemas.base import StrictSchema, refuse
from lotus_performance.schemas.fields import Choice, Text, Whole

MAX_FEATURES, MAX_WORKFLOWS = 500, 200
_COUNTS = ("feature_limit", "workflow_limit")


class ConsumerSystem(StrEnum):
    """Who asks."""

    GATEWAY = "lotus-gateway"
    PERFORMANCE = "lotus-performance"
    MANAGE = "lotus-manage"
    UI = "UI"
    UNKNOWN = "UNKNOWN"


class CapabilitiesQuerySchema(StrictSchema):
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

    @pre_load
    def read_texts(self, data: Mapping[str, list[str]], **kwargs: Any) -> dict[str, Any]:
        """Read numbers in a query, where everything is a list of texts."""
        read: dict[str, Any] = {}
        for name, texts in data.items():
            if len(texts) > 1:
                raise refuse([name], f"is there {len(texts)} times; send it once", "conflict")
            (text,) = texts
            is_number = name in _COUNTS and text.isascii() and text.isdigit() and len(text) < 9
            read[name] = int(text) if is_number else text
        return read
