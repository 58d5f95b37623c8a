"""Capabilities: what is told, what the query may hold, and that switches close what they describe."""

import importlib.util
from typing import Any

import pytest
from flask.testing import FlaskClient

from answers import checked
from lotus_performance.app import create_app
from lotus_performance.engine.requests import TRADING_CALENDARS
from lotus_performance.settings import Settings, read_settings

PATH = "/integration/capabilities"
CALCULATIONS = ("twr", "mwr", "contribution", "attribution")


def client_of(**settings: Any) -> FlaskClient:
    return checked(create_app(Settings(**settings)))


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return client_of(core_url="http://127.0.0.1:1")


def features(client: FlaskClient) -> dict[str, bool]:
    return {each["key"]: each["enabled"] for each in client.get(PATH).json["features"]}


def workflows(client: FlaskClient) -> dict[str, bool]:
    return {each["workflow_key"]: each["enabled"] for each in client.get(PATH).json["workflows"]}


# ---------------------------------------------------------------- what is told


def test_everything_is_open_unless_it_is_switched_off(client: FlaskClient) -> None:
    answer = client.get(f"{PATH}?consumer_system=lotus-gateway&tenant_id=t1")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json
    assert told["contract_version"] == "v1"
    assert told["source_service"] == "lotus-performance"
    assert (told["consumer_system"], told["tenant_id"]) == ("lotus-gateway", "t1")
    assert told["supported_input_modes"] == ["stateless", "stateful"]
    assert told["generated_at"].startswith(told["as_of_date"])
    assert features(client) == dict.fromkeys(
        [*(f"pa.analytics.{name}" for name in CALCULATIONS), "pa.execution.stateless", "pa.execution.stateful"], True
    )
    assert all(workflows(client).values())
    assert all(each["owner_service"] == "lotus-performance" and each["description"] for each in told["features"])


def test_a_query_has_defaults(client: FlaskClient) -> None:
    told = client.get(PATH).json
    assert (told["consumer_system"], told["tenant_id"]) == ("UNKNOWN", "default")


def test_limits_cut_the_lists(client: FlaskClient) -> None:
    told = client.get(f"{PATH}?feature_limit=2&workflow_limit=1").json
    assert [each["key"] for each in told["features"]] == ["pa.analytics.twr", "pa.analytics.mwr"]
    assert [each["workflow_key"] for each in told["workflows"]] == ["performance_snapshot"]


def test_exchanges_are_named_where_their_sessions_are_known(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get(PATH).json["trading_calendars"] == list(TRADING_CALENDARS)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert client.get(PATH).json["trading_calendars"] == []


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("consumer_system=evil", "/consumer_system", "not_allowed"),
        ("consumer_system=lotus-Gateway", "/consumer_system", "not_allowed"),
        ("feature_limit=0", "/feature_limit", "out_of_range"),
        ("feature_limit=501", "/feature_limit", "out_of_range"),
        ("feature_limit=-1", "/feature_limit", "wrong_type"),
        ("feature_limit=", "/feature_limit", "wrong_type"),
        ("feature_limit=%D9%A1", "/feature_limit", "wrong_type"),
        ("workflow_limit=201", "/workflow_limit", "out_of_range"),
        ("workflow_limit=1&workflow_limit=2", "/workflow_limit", "conflict"),
        ("tenant_id=%00", "/tenant_id", "control_character"),
        ("tenant_id=", "/tenant_id", "empty"),
        ("tenantid=t", "/tenantid", "unknown"),
    ],
)
def test_queries_are_checked(client: FlaskClient, query: str, pointer: str, code: str) -> None:
    answer = client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert [(each["pointer"], each["code"]) for each in answer.json["errors"]] == [(pointer, code)]


# ---------------------------------------------------------------- switches


@pytest.mark.parametrize("name", CALCULATIONS)
def test_a_switch_closes_its_calculation_and_no_other(name: str) -> None:
    client = client_of(**{f"cap_{name}": False})
    open_features = features(client)
    assert not open_features.pop(f"pa.analytics.{name}")
    assert all(open_features[f"pa.analytics.{other}"] for other in CALCULATIONS if other != name)
    for each in CALCULATIONS:
        answer = client.post(f"/performance/{each}", json={})
        assert answer.status_code == (404 if each == name else 422)
        assert answer.json["code"] == ("feature_disabled" if each == name else "validation_failed")


@pytest.mark.parametrize(
    ("name", "workflow"),
    [
        ("twr", "performance_snapshot"),
        ("mwr", "performance_snapshot"),
        ("contribution", "performance_explainability"),
        ("attribution", "performance_explainability"),
    ],
)
def test_a_workflow_is_open_when_all_that_it_needs_is(name: str, workflow: str) -> None:
    told = workflows(client_of(core_url="http://127.0.0.1:1", **{f"cap_{name}": False}))
    assert [key for key, enabled in told.items() if not enabled] == [workflow]


def returns(client: FlaskClient, **changes: Any) -> tuple[int, str]:
    body = {
        "portfolio_id": "P",
        "as_of_date": "2026-02-27",
        "window": {"mode": "EXPLICIT", "from_date": "2026-02-27", "to_date": "2026-02-27"},
        "stateless_input": {"portfolio_returns": [{"date": "2026-02-27", "return_value": 0.1}]},
        "stateful_input": {},
        **changes,
    }
    answer = client.post("/integration/returns/series", json=body)
    return answer.status_code, answer.json.get("code", "")


def test_without_stateless_input_the_calculations_have_none() -> None:
    client = client_of(mode_stateless=False, core_url="http://127.0.0.1:1")
    assert returns(client) == (404, "feature_disabled")
    assert returns(client, input_mode="stateful") == (503, "upstream_unavailable")
    for name in CALCULATIONS:
        assert client.post(f"/performance/{name}", json={}).json["code"] == "feature_disabled"
    assert [key for key, enabled in features(client).items() if enabled] == ["pa.execution.stateful"]
    assert client.get(PATH).json["supported_input_modes"] == ["stateful"]
    assert [key for key, enabled in workflows(client).items() if enabled] == ["execution_stateful"]


def test_without_stateful_input_lotus_core_is_not_asked() -> None:
    client = client_of(mode_stateful=False, core_url="http://127.0.0.1:1")
    assert returns(client, input_mode="stateful") == (404, "feature_disabled")
    assert returns(client) == (200, "")
    assert client.get(PATH).json["supported_input_modes"] == ["stateless"]


def test_stateful_input_is_not_there_where_lotus_core_is_not_configured() -> None:
    client = client_of()
    assert not features(client)["pa.execution.stateful"]
    assert returns(client, input_mode="stateful") == (503, "upstream_unavailable")


def test_other_methods_of_a_closed_path_are_still_not_allowed() -> None:
    assert client_of(cap_twr=False).get("/performance/twr").status_code == 405


@pytest.mark.parametrize(("text", "is_open"), [("false", False), ("0", False), ("true", True), ("1", True)])
def test_switches_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, is_open: bool) -> None:
    for variable in ("PA_CAP_ATTRIBUTION_ENABLED", "PLATFORM_INPUT_MODE_STATEFUL_ENABLED"):
        monkeypatch.setenv(variable, text)
    settings = read_settings()
    assert (settings.cap_attribution, settings.mode_stateful) == (is_open, is_open)
