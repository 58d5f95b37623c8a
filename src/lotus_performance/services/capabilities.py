"""What is open here, as other services ask for it."""

import datetime
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lotus_performance.engine.requests import TRADING_CALENDARS

CONTRACT_VERSION = "v1"
SERVICE = "lotus-performance"
POLICY_VERSION = "v1"
"""Changes when the rule by which features become open changes."""
STATELESS, STATEFUL = "pa.execution.stateless", "pa.execution.stateful"
ANALYTICS = {
    "pa.analytics.twr": "Time-weighted returns.",
    "pa.analytics.mwr": "Money-weighted returns.",
    "pa.analytics.contribution": "Contributions of positions to the return of a portfolio.",
    "pa.analytics.attribution": "Attribution of the difference between a portfolio and its benchmark.",
}
DESCRIPTIONS = {
    **ANALYTICS,
    STATELESS: "Requests hold the data.",
    STATEFUL: "Data is read from lotus-core.",
}
WORKFLOWS = {
    "performance_snapshot": ("pa.analytics.twr", "pa.analytics.mwr"),
    "performance_explainability": ("pa.analytics.contribution", "pa.analytics.attribution"),
    "execution_stateful": (STATEFUL,),
    "execution_stateless": (STATELESS,),
}


@dataclass(frozen=True)
class Switches:
    """What the operator has left open, by the key of its feature, and whether lotus-core is configured."""

    is_on: Mapping[str, bool]
    has_core: bool

    def is_open(self, key: str) -> bool:
        """Return whether requests for a feature are taken; the calculations know stateless input alone."""
        needs_stateless = key in ANALYTICS
        return self.is_on[key] and (self.is_on[STATELESS] or not needs_stateless)

    def is_enabled(self, key: str) -> bool:
        """Return whether a feature is there for others: open, and with what it needs."""
        return self.is_open(key) and (self.has_core or key != STATEFUL)


def capabilities(switches: Switches, query: Mapping[str, Any], now: datetime.datetime | None = None) -> dict[str, Any]:
    """Return what is open, as far as the limits of the query."""
    now = now or datetime.datetime.now(datetime.UTC)
    enabled = {key: switches.is_enabled(key) for key in DESCRIPTIONS}
    features = [
        {"key": key, "enabled": enabled[key], "owner_service": SERVICE, "description": description}
        for key, description in DESCRIPTIONS.items()
    ]
    workflows = [
        {"workflow_key": key, "enabled": all(enabled[each] for each in required), "required_features": list(required)}
        for key, required in WORKFLOWS.items()
    ]
    modes = {"stateless": STATELESS, "stateful": STATEFUL}
    return {
        "contract_version": CONTRACT_VERSION,
        "source_service": SERVICE,
        "consumer_system": query["consumer_system"],
        "tenant_id": query["tenant_id"],
        "generated_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "as_of_date": now.strftime("%Y-%m-%d"),
        "policy_version": POLICY_VERSION,
        "supported_input_modes": [mode for mode, key in modes.items() if enabled[key]],
        "features": features[: query["feature_limit"]],
        "workflows": workflows[: query["workflow_limit"]],
        "trading_calendars": trading_calendars(),
    }


def trading_calendars() -> list[str]:
    """Return the exchanges whose sessions are known: none without the extra `calendars`."""
    return list(TRADING_CALENDARS) if importlib.util.find_spec("exchange_calendars") else []
