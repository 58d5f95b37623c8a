"""The OpenAPI document says what the service does: its schemas, examples, units, routes and limits."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from answers import (
    PAGES,
    PROBLEM_JSON,
    absolute,
    faults_of,
    operation_of,
    operations,
    resolved,
    validate_answer,
    without_changing,
)
from lotus_performance import errors
from lotus_performance.api import openapi
from lotus_performance.api.problems import DOMAIN_PROBLEMS, FAULTS, PROBLEMS
from lotus_performance.app import create_app
from lotus_performance.schemas import fields as wire_fields
from lotus_performance.schemas import responses
from lotus_performance.schemas.attribution import AttributionRequestSchema
from lotus_performance.schemas.contribution import ContributionRequestSchema
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.schemas.twr import TwrRequestSchema
from lotus_performance.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHIPPED = Path(openapi.__file__).parent / "examples"


@pytest.fixture(scope="module")
def document(app: Flask) -> Any:
    return app.test_client().get("/openapi.json").get_json()


def requests_of(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield path, name and body of each example of a request."""
    for _, path, operation in operations(document):
        if "requestBody" in operation:
            for name, example in operation["requestBody"]["content"]["application/json"]["examples"].items():
                yield path, name, example["value"]


def schemas_within(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every schema and sub-schema below a node of the document that is one."""
    if isinstance(node, dict):
        if node.keys() & {"type", "$ref", "enum", "const", "oneOf", "allOf"}:
            yield place, node
        for name, value in node.items():
            if name == "properties":
                for member, schema in value.items():
                    yield from schemas_within(schema, f"{place}/{member}")
            elif name not in ("default", "examples", "example"):
                yield from schemas_within(value, f"{place}/{name}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from schemas_within(value, f"{place}/{i}")


def as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, 0) for row in rows] for name in names}


def leaf_classes(kind: type[errors.PerformanceError]) -> Iterator[type[errors.PerformanceError]]:
    children = kind.__subclasses__()
    if not children:
        yield kind
    for child in children:
        yield from leaf_classes(child)


# ---------------------------------------------------------------------- the document


def test_document_is_valid_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_two_applications_give_the_same_bytes() -> None:
    first, second = (create_app(Settings()).test_client().get("/openapi.json").data for _ in range(2))
    assert first == second


def test_document_is_built_once_for_an_application(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr("lotus_performance.api.docs.build_document", lambda app: built.append(app) or {})
    client = create_app(Settings()).test_client()
    assert [client.get("/openapi.json").json for _ in range(3)] == [{}, {}, {}]
    assert len(built) == 1


def test_document_is_not_sent_again_to_those_who_have_it(client: FlaskClient) -> None:
    etag = client.get("/openapi.json").headers["ETag"]
    again = client.get("/openapi.json", headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


def test_limits_of_the_settings_are_in_the_document() -> None:
    settings = Settings(max_body_bytes=3 * 1024 * 1024, max_rows=7, max_positions=6, max_periods=5, max_errors=9)
    document = create_app(settings).test_client().get("/openapi.json").json
    request = document["components"]["schemas"]["TwrRequest"]["properties"]
    rows, columns = request["valuation_points"]["oneOf"]
    assert rows["maxItems"] == columns["properties"]["perf_date"]["maxItems"] == 7
    assert "At most 5 different" in request["analyses"]["description"]
    positions = document["components"]["schemas"]["ContributionRequest"]["properties"]["positions_data"]
    assert positions["maxItems"] == 6
    assert positions["items"]["properties"]["valuation_points"]["oneOf"][0]["maxItems"] == 7
    description = " ".join(document["info"]["description"].split())
    for limit in ("Body 3 MiB", "7 rows", "6 positions", "5 different periods", "at most 9 faults"):
        assert limit in description


def test_every_route_is_documented_or_a_page(app: Flask, document: Any) -> None:
    undocumented = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in PAGES and operation_of(document, method, rule.rule) is None
    }
    assert undocumented == set()


def test_every_operation_is_a_route_and_has_its_views_name(app: Flask, document: Any) -> None:
    views = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule)): rule.endpoint.rpartition(".")[2]
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set())
    }
    named = {(method, path): operation["operationId"] for method, path, operation in operations(document)}
    assert named == {key: views.get(key) for key in named}


def test_every_operation_says_what_it_does(document: Any) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        assert len(operation["description"]) > 40, (method, path)
        assert set(operation["tags"]) <= tags, (method, path)
        assert "200" in operation["responses"], (method, path)
        assert "500" in operation["responses"], (method, path)


def test_every_answer_but_a_success_is_a_problem(document: Any) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if not status.startswith("2") and status != "304":
                content = resolved(document, response)["content"]
                assert list(content) == [PROBLEM_JSON], (method, path, status)
                schema = resolved(document, content[PROBLEM_JSON]["schema"])
                assert {"$ref": "#/components/schemas/Problem"} in schema["allOf"], (method, path, status)


def test_calculations_document_every_refusal_of_a_body(document: Any) -> None:
    for method, path, operation in operations(document):
        if method == "POST" and "requestBody" in operation:
            assert operation["responses"].keys() >= {"400", "413", "415", "422", "500"}, path


@pytest.mark.parametrize("path", ["/", "/health", "/health/live", "/health/ready", "/metrics"])
def test_documented_headers_are_sent(client: FlaskClient, document: Any, path: str) -> None:
    answer = client.get(path)
    for name, reference in document["paths"][path]["get"]["responses"]["200"]["headers"].items():
        schema = resolved(document, reference)["schema"]
        assert faults_of(document, schema, answer.headers[name]) == []


def test_headers_of_a_result_are_sent(client: FlaskClient, document: Any) -> None:
    for path, _, body in requests_of(document):
        headers = client.post(path, json=body).headers
        documented = document["paths"][path]["post"]["responses"]["200"]["headers"]
        assert headers["Cache-Control"] == "no-store"
        assert set(documented) <= set(headers.keys())


# ---------------------------------------------------------------------- members


def test_every_number_says_its_unit(document: Any) -> None:
    numbers = [
        (place, schema.get("x-unit"))
        for place, schema in schemas_within(document)
        if {"number", "integer"} & {schema.get("type")} or isinstance(schema.get("const"), int)
    ]
    assert len(numbers) > 50
    assert [(place, unit) for place, unit in numbers if unit not in responses.UNITS] == []


def test_every_member_has_a_description(document: Any) -> None:
    silent = []
    for place, schema in schemas_within(document["components"]["schemas"]):
        for name, member in schema.get("properties", {}).items():
            if not (member.get("description") or resolved(document, member).get("description")):
                silent.append(f"{place}/{name}")
    assert silent == []


def test_every_object_is_closed_or_says_what_its_values_are(document: Any) -> None:
    is_open = [
        place
        for place, schema in schemas_within(document["components"]["schemas"])
        if schema.get("type") == "object" and schema.get("additionalProperties", True) is True
    ]
    assert is_open == []


@pytest.mark.parametrize(
    "kind",
    [TwrRequestSchema, MwrRequestSchema, ContributionRequestSchema, AttributionRequestSchema],
    ids=["twr", "mwr", "contribution", "attribution"],
)
def test_request_is_documented_with_all_members_and_those_required(document: Any, kind: Any) -> None:
    schema = document["components"]["schemas"][kind.__name__.removesuffix("Schema")]
    members = kind().load_fields
    assert list(schema["properties"]) == list(members)
    assert set(schema["required"]) == {name for name, field in members.items() if field.required}


@pytest.mark.parametrize(
    ("request_name", "member"), [("TwrRequest", "valuation_points"), ("MwrRequest", "cash_flows")], ids=["twr", "mwr"]
)
def test_rows_and_columns_have_the_same_members(document: Any, request_name: str, member: str) -> None:
    rows, columns = document["components"]["schemas"][request_name]["properties"][member]["oneOf"]
    cells = rows["items"]["properties"]
    assert list(columns["properties"]) == list(cells)
    assert columns["required"] == rows["items"]["required"]
    for name, column in columns["properties"].items():
        assert column["items"].items() <= cells[name].items()
        assert column["description"].startswith(cells[name]["description"])


def test_positions_are_documented_with_all_members_and_both_forms_of_rows(document: Any, example: Any) -> None:
    schema = {"$ref": "urn:document#/components/schemas/ContributionRequest"}
    body = example("contribution_three_days")
    assert faults_of(document, schema, body) == []
    first, *others = body["positions_data"]
    columns = first | {"valuation_points": as_columns(first["valuation_points"])}
    assert faults_of(document, schema, body | {"positions_data": [columns, *others]}) == []
    labels = first | {"meta": {"sector": None, "isin": 1, "tags": ["a"]}}
    assert faults_of(document, schema, body | {"positions_data": [labels]}) == []
    for wrong in ({"unknown": 1}, {"position_id": 1}, {"meta": "x"}, {"valuation_points": []}):
        assert faults_of(document, schema, body | {"positions_data": [first | wrong]}) != []
    assert faults_of(document, schema, body | {"positions_data": []}) != []
    assert faults_of(document, schema, body | {"positions_data": [{"position_id": "A"}]}) != []


# ---------------------------------------------------------------------- examples


@pytest.mark.parametrize(
    "name", ["twr_five_days", "mwr_one_year", "contribution_three_days", "attribution_four_quarters"]
)
def test_documented_request_is_the_one_of_the_examples_folder(name: str) -> None:
    assert (SHIPPED / f"{name}.json").read_bytes() == (EXAMPLES / f"{name}.json").read_bytes()


def test_every_calculation_has_an_example(document: Any) -> None:
    posts = {path for _, path, operation in operations(document) if "requestBody" in operation}
    assert {path for path, _, _ in requests_of(document)} == posts


def test_every_request_example_is_answered_as_documented(client: FlaskClient, document: Any) -> None:
    for path, name, body in requests_of(document):
        answer = client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        validate_answer(document, "POST", path, answer.status_code, answer.data, answer.content_type)
        content = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
        assert without_changing(answer.json) == without_changing(content["examples"][name]["value"])


def test_every_example_fits_its_schema(document: Any) -> None:
    contents = [
        media
        for _, _, operation in operations(document)
        for holder in (operation.get("requestBody", {}), *operation["responses"].values())
        for media in resolved(document, holder).get("content", {}).values()
    ]
    examples = [(media["schema"], example) for media in contents for example in media.get("examples", {}).values()]
    assert len(examples) > len(PROBLEMS)
    for schema, example in examples:
        assert faults_of(document, absolute(schema), example["value"]) == []


@pytest.mark.parametrize(
    ("request_name", "example_name", "member"),
    [("TwrRequest", "twr_five_days", "valuation_points"), ("MwrRequest", "mwr_one_year", "cash_flows")],
    ids=["twr", "mwr"],
)
def test_both_forms_of_a_table_fit_the_documented_request(
    document: Any, example: Any, request_name: str, example_name: str, member: str
) -> None:
    schema = {"$ref": f"urn:document#/components/schemas/{request_name}"}
    body = example(example_name)
    assert faults_of(document, schema, body) == []
    assert faults_of(document, schema, body | {member: as_columns(body[member])}) == []
    assert faults_of(document, schema, body | {member: [{**body[member][0], "unknown": 1}]}) != []
    assert faults_of(document, schema, body | {member: {**as_columns(body[member]), "unknown": [1]}}) != []
    assert faults_of(document, schema, body | {"unknown": 1}) != []


@pytest.mark.parametrize(
    "name",
    [
        "twr_daily_ten_years",
        "twr_monthly_ten_years",
        "mwr_ten_years",
        "contribution_by_sector",
        "contribution_two_currencies",
        "attribution_by_sector",
        "attribution_two_currencies",
    ],
)
def test_long_examples_fit_the_documented_request(document: Any, example: Any, name: str) -> None:
    schema = {"$ref": f"urn:document#/components/schemas/{name.partition('_')[0].capitalize()}Request"}
    assert faults_of(document, schema, example(name)) == []


# ---------------------------------------------------------------------- answers

EVERYTHING = {
    "rounding_precision": 9,
    "annualization": {"enabled": True, "basis": "ACT/365", "periods_per_year": 360, "allow_short_periods": True},
    "calendar": {"type": "NATURAL"},
    "output": {"include_timeseries": True, "include_cumulative": True, "top_n": 3},
    "report_ccy": "USD",
}
LOSS = [
    {"perf_date": "2025-01-01", "begin_mv": 100, "end_mv": -5},
    {"perf_date": "2025-01-02", "begin_mv": 0, "end_mv": 3, "mgmt_fees": 1},
    {"perf_date": "2025-01-03", "begin_mv": 0, "end_mv": 0},
    {"perf_date": "2025-01-06", "begin_mv": 0, "bod_cf": 50, "end_mv": 0},
    {"perf_date": "2025-01-07", "begin_mv": 0, "bod_cf": -50, "end_mv": -60},
]
DAYS_WITH_AN_OUTLIER = [
    {"perf_date": f"2025-01-{day:02}", "begin_mv": 1000, "end_mv": 1000 + gain}
    for day, gain in zip(range(6, 14), (1, 2, 1, 2, 3, 2, 1, 400), strict=True)
]
TWR_VARIANTS: dict[str, dict[str, Any]] = {
    "data_policy": {
        "performance_start_date": "2025-01-06",
        "report_end_date": "2025-01-13",
        "valuation_points": DAYS_WITH_AN_OUTLIER,
        "data_policy": {
            "overrides": {"market_values": [{"perf_date": "2025-01-07", "end_mv": 1001}]},
            "ignore_days": [
                {"entity_type": "PORTFOLIO", "entity_id": "TWENTY-STOCKS", "dates": ["2025-01-08"]},
            ],
            "outliers": {"enabled": True, "params": {"window": 5}},
        },
    },
    "two_currencies": {
        "currency_mode": "BOTH",
        "currency": "USD",
        "report_ccy": "EUR",
        "fx": {
            "rates": [
                {"date": "2012-12-20", "ccy": "USD", "rate": 0.90},
                {"date": "2012-12-28", "ccy": "USD", "rate": 0.95},
            ]
        },
        "hedging": {"series": [{"date": "2012-12-28", "ccy": "USD", "hedge_ratio": 0.5}]},
        "output": {"include_timeseries": True},
    },
    "exact_decimals": {"precision_mode": "DECIMAL_STRICT", "output": {"include_timeseries": True}},
    "everything": {
        **EVERYTHING,
        "fee_effect": {"enabled": True},
        "analyses": [{"period": p, "frequencies": ["daily", "weekly", "monthly", "yearly"]} for p in ("ITD", "MTD")],
    },
    "resets": {
        **EVERYTHING,
        "performance_start_date": "2025-01-01",
        "report_end_date": "2025-01-07",
        "reset_policy": {"emit": True},
        "valuation_points": LOSS,
        "analyses": [{"period": "ITD", "frequencies": ["daily", "quarterly"], "label": "all"}],
    },
    "period_left_out": {
        "analyses": [
            {"period": "ITD", "frequencies": ["yearly"]},
            {"period": "EXPLICIT", "frequencies": ["daily"], "start": "2012-12-29", "end": "2012-12-30"},
        ]
    },
}
MWR_VARIANTS: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING | {"calendar": {"trading_calendar": "XNYS"}},
    "no_flows_listed": {"emit_cashflows_used": False},
    "modified_dietz": {"mwr_method": "MODIFIED_DIETZ"},
    "dietz_annualised": {"mwr_method": "DIETZ", "annualization": {"enabled": True}},
    "no_period": {"periods": {"type": "ITD"}},
    "no_days": {"periods": {"type": "ITD"}, "cash_flows": []},
    "total_loss": {"end_mv": 0, "cash_flows": []},
    "no_root": {"end_mv": -1, "cash_flows": []},
    "many_roots": {
        "begin_mv": 100,
        "end_mv": -132,
        "cash_flows": [{"date": "2025-06-30", "amount": -230}],
    },
}
CONTRIBUTION_VARIANTS: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING | {"emit": {"timeseries": True, "by_position_timeseries": True}},
    "flat": {
        "hierarchy": [],
        "emit": {"timeseries": True, "by_position_timeseries": True, "residual_per_position": True},
    },
    "folded": {"emit": {"top_n_per_level": 1}},
    "summary_alone": {"emit": {"by_level": False}, "weighting_scheme": "AVG_CAPITAL"},
    "two_currencies": {
        "currency_mode": "BOTH",
        "report_ccy": "USD",
        "fx": {"rates": [{"date": "2025-01-05", "ccy": "EUR", "rate": 1.1}]},
    },
    "outlier_of_a_position": {
        "hierarchy": [],
        "report_end_date": "2025-01-13",
        "portfolio_data": {"metric_basis": "NET", "valuation_points": DAYS_WITH_AN_OUTLIER},
        "positions_data": [{"position_id": "A", "valuation_points": DAYS_WITH_AN_OUTLIER}],
        "data_policy": {"outliers": {"enabled": True, "params": {"window": 5}}},
    },
}
ATTRIBUTION_VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {"flags": {"fail_fast": True}, "hierarchy_method": "top_down"},
    "geometric": {"linking": "geometric"},
    "levered": {
        "portfolio_groups_data": [
            {"key": {"region": "UK"}, "observations": [{"date": "2024-03-29", "weight_bop": 1.2, "return_base": 0.01}]}
        ],
        "benchmark_groups_data": [
            {"key": {"region": "UK"}, "observations": [{"date": "2024-03-29", "weight_bop": 1, "return_base": 0.02}]}
        ],
    },
    "two_levels_top_down": {
        "group_by": ["market", "sector"],
        "hierarchy_method": "top_down",
        "portfolio_groups_data": [
            {
                "key": {"market": "UK", "sector": "Banks"},
                "observations": {"date": ["2024-03-29"], "weight_bop": [1], "return_base": [0.01]},
            }
        ],
        "benchmark_groups_data": [
            {
                "key": {"market": "UK", "sector": "Oil"},
                "observations": [{"date": "2024-03-29", "weight_bop": 1, "return_base": 0.02}],
            }
        ],
    },
    "by_currency": {
        "group_by": ["currency"],
        "currency_mode": "BOTH",
        "report_ccy": "USD",
        "portfolio_groups_data": [
            {
                "key": {"currency": "EUR"},
                "observations": [
                    {
                        "date": "2024-03-29",
                        "weight_bop": 1,
                        "return_base": 0.0302,
                        "return_local": 0.02,
                        "return_fx": 0.01,
                    }
                ],
            }
        ],
        "benchmark_groups_data": [
            {
                "key": {"currency": "USD"},
                "observations": [{"date": "2024-03-29", "weight_bop": 1, "return_base": 0.02}],
            }
        ],
    },
}
PATHS = {
    "twr_five_days": ("/performance/twr", TWR_VARIANTS),
    "mwr_one_year": ("/performance/mwr", MWR_VARIANTS),
    "contribution_three_days": ("/performance/contribution", CONTRIBUTION_VARIANTS),
    "attribution_four_quarters": ("/performance/attribution", ATTRIBUTION_VARIANTS),
}


@pytest.mark.parametrize("variant", ATTRIBUTION_VARIANTS.values(), ids=ATTRIBUTION_VARIANTS)
def test_every_member_of_an_attribution_answer_is_documented(
    client: FlaskClient, document: Any, example: Any, variant: dict[str, Any]
) -> None:
    answer = client.post("/performance/attribution", json=example("attribution_four_quarters") | variant)
    assert answer.status_code == 200, answer.text
    validate_answer(document, "POST", "/performance/attribution", 200, answer.data, answer.content_type)


@pytest.mark.parametrize("variant", CONTRIBUTION_VARIANTS.values(), ids=CONTRIBUTION_VARIANTS)
def test_every_member_of_a_contribution_answer_is_documented(
    client: FlaskClient, document: Any, example: Any, variant: dict[str, Any]
) -> None:
    answer = client.post("/performance/contribution", json=example("contribution_three_days") | variant)
    assert answer.status_code == 200, answer.text
    validate_answer(document, "POST", "/performance/contribution", 200, answer.data, answer.content_type)


@pytest.mark.parametrize("variant", TWR_VARIANTS.values(), ids=TWR_VARIANTS)
def test_every_member_of_a_twr_answer_is_documented(
    client: FlaskClient, document: Any, example: Any, variant: dict[str, Any]
) -> None:
    answer = client.post("/performance/twr", json=example("twr_five_days") | variant)
    assert answer.status_code == 200, answer.text
    validate_answer(document, "POST", "/performance/twr", 200, answer.data, answer.content_type)


@pytest.mark.parametrize("variant", MWR_VARIANTS.values(), ids=MWR_VARIANTS)
def test_every_member_of_an_mwr_answer_is_documented(
    client: FlaskClient, document: Any, example: Any, variant: dict[str, Any]
) -> None:
    answer = client.post("/performance/mwr", json=example("mwr_one_year") | variant)
    assert answer.status_code == 200, answer.text
    validate_answer(document, "POST", "/performance/mwr", 200, answer.data, answer.content_type)


def test_variants_bring_every_documented_member_of_an_answer_to_light(
    client: FlaskClient, document: Any, example: Any
) -> None:
    seen: set[str] = set()
    posts = [
        (path, example(name) | variant) for name, (path, variants) in PATHS.items() for variant in variants.values()
    ]
    for path, body in posts:
        seen |= set(re.findall(r'"([a-z_]+)":', client.post(path, json=body).text))
    others = {"Root", "Health", "Liveness", "Readiness", "Problem", "Fault"}
    others |= {"Accepted", "Execution", "ExecutionPage", "Lineage", "Replay"}
    names = [name for name in responses.COMPONENTS if name not in others]
    documented = {
        name
        for _, schema in schemas_within({name: document["components"]["schemas"][name] for name in names})
        for name in schema.get("properties", {})
    }
    assert documented - seen == set()


@pytest.mark.parametrize(
    ("status", "change", "fault"),
    [
        (200, {"extra": 1}, "extra"),
        (200, {"audit": {}}, "counts"),
        (200, {"money_weighted_return": "6.7"}, "money_weighted_return"),
        (201, {}, "not documented"),
        (501, {}, "not documented"),
    ],
    ids=["unknown-member", "missing-member", "wrong-type", "success-status", "failure-status"],
)
def test_an_answer_that_is_not_as_documented_is_noticed(
    client: FlaskClient, document: Any, example: Any, status: int, change: Any, fault: str
) -> None:
    body = client.post("/performance/mwr", json=example("mwr_one_year")).json | change
    with pytest.raises(AssertionError, match=fault):
        validate_answer(document, "POST", "/performance/mwr", status, json.dumps(body).encode(), "application/json")


def test_a_problem_that_is_not_as_documented_is_noticed(client: FlaskClient, document: Any) -> None:
    problem = client.post("/performance/mwr", json={}).json
    arguments = ("POST", "/performance/mwr", 422)
    validate_answer(document, *arguments, json.dumps(problem).encode(), PROBLEM_JSON)
    with pytest.raises(AssertionError, match="documented are"):
        validate_answer(document, *arguments, json.dumps(problem).encode(), "application/json")
    strange = json.dumps(problem | {"code": "strange"}).encode()
    with pytest.raises(AssertionError, match="strange"):
        validate_answer(document, *arguments, strange, PROBLEM_JSON)
    validate_answer(document, *arguments, strange, PROBLEM_JSON, any_problem=True)


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("GET", "/nope", None),
        ("GET", "/performance/twr", "/performance/twr"),
        ("GET", "/docs/assets/nope", "/docs/assets/<name>"),
        ("HEAD", "/health", "/health"),
        ("OPTIONS", "/health", "/health"),
        ("GET", "/docs", "/docs"),
        ("GET", "/metrics", "/metrics"),
    ],
    ids=["unmatched", "method", "asset", "head", "options", "page", "metrics"],
)
def test_answers_of_every_kind_are_as_documented(
    client: FlaskClient, document: Any, method: str, path: str, rule: str | None
) -> None:
    answer = client.open(path, method=method)
    validate_answer(document, method, rule, answer.status_code, answer.data, answer.content_type)


def test_a_page_for_browsers_is_documented(client: FlaskClient, document: Any) -> None:
    answer = client.get("/", headers={"Accept": "text/html"})
    validate_answer(document, "GET", "/", answer.status_code, answer.data, answer.content_type)


# ---------------------------------------------------------------------- the table of problems


def test_every_domain_error_has_a_row_in_the_table_of_problems() -> None:
    assert set(DOMAIN_PROBLEMS) == set(leaf_classes(errors.PerformanceError))
    assert {kind.code: problem.code for kind, problem in DOMAIN_PROBLEMS.items()} == {
        kind.code: kind.code for kind in DOMAIN_PROBLEMS
    }


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/nope", {}),
        ("DELETE", "/", {}),
        ("POST", "/performance/twr", {"data": b"{", "content_type": "application/json"}),
        ("POST", "/performance/twr", {"data": b"{}", "content_type": "text/plain"}),
        ("POST", "/performance/twr", {"json": {}}),
    ],
    ids=["not-found", "method", "malformed", "media-type", "invalid"],
)
def test_title_of_a_problem_is_that_of_the_table(
    client: FlaskClient, method: str, path: str, options: dict[str, Any]
) -> None:
    problem = client.open(path, method=method, **options).json
    assert problem["title"] == PROBLEMS[problem["code"]].title
    assert problem["status"] == PROBLEMS[problem["code"]].status


def test_every_code_of_a_member_is_explained() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in Path(inspect.getfile(wire_fields)).parent.glob("*.py")
    )
    keys = {
        key
        for _, kind in inspect.getmembers(wire_fields, inspect.isclass)
        if issubclass(kind, wire_fields.StrictField)
        for key in kind.default_error_messages
    }
    used = {"missing" if key == "required" else key for key in keys}
    used |= set(re.findall(r'Message\([^()]*(?:\([^()]*\)[^()]*)*, "([a-z_]+)"[,)]', source))
    used |= set(re.findall(r'refuse\(\[[^\]]*\], [^()]*, "([a-z_]+)"\)', source))
    assert "conflict" in FAULTS
    assert used - {"unreported"} <= FAULTS.keys()
