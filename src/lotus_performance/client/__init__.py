"""A client of the service: typed, with frames in and out. `runbook/client.md` shows its use.

It stands alone: it knows nothing of the service but what goes over the wire, and needs requests and pandas.
"""

from lotus_performance.client.answers import (
    Accepted,
    Attribution,
    AttributionPeriod,
    Capabilities,
    Contribution,
    ContributionPeriod,
    Execution,
    ExecutionPage,
    Lineage,
    Mwr,
    Replay,
    ReturnsSeries,
    Twr,
    TwrPeriod,
)
from lotus_performance.client.client import Client
from lotus_performance.client.errors import (
    ApiError,
    ConflictError,
    Fault,
    IntegrityError,
    InvalidInputError,
    NotComputableError,
    NotFoundError,
    StillRunningError,
    TransportError,
    UnavailableError,
)

__all__ = [
    "Accepted",
    "ApiError",
    "Attribution",
    "AttributionPeriod",
    "Capabilities",
    "Client",
    "ConflictError",
    "Contribution",
    "ContributionPeriod",
    "Execution",
    "ExecutionPage",
    "Fault",
    "IntegrityError",
    "InvalidInputError",
    "Lineage",
    "Mwr",
    "NotComputableError",
    "NotFoundError",
    "Replay",
    "ReturnsSeries",
    "StillRunningError",
    "TransportError",
    "Twr",
    "TwrPeriod",
    "UnavailableError",
]
