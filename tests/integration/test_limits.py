"""What one request may cost: at the limit 200, beyond it a refusal before the work is done."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from lotus_performance.app import create_app
from lotus_performance.engine.periods import Frequency
from lotus_performance.settings import Settings

RATES = [{"date": "2012-12-31", "ccy": "EUR", "rate": 1.3}]


@pytest.fixture(scope="module")
def small() -> FlaskClient:
    """Return a client of a service with small limits."""
    return create_app(Settings(max_rows=5, max_periods=12)).test_client()


def periods(n: int) -> list[dict[str, Any]]:
    return [{"period": "ITD", "frequencies": ["daily"], "label": f"p{i}"} for i in range(n)]


@pytest.mark.parametrize(
    ("changes", "at_the_limit", "pointer"),
    [
        ({"output": {"include_timeseries": True}}, 4, "/output/include_timeseries"),
        ({"precision_mode": "DECIMAL_STRICT"}, 2, "/precision_mode"),
        ({}, 12, "/analyses"),
    ],
    ids=["working", "decimals", "periods"],
)
def test_rows_times_periods_are_bounded(
    small: FlaskClient, example: Any, changes: dict[str, Any], at_the_limit: int, pointer: str
) -> None:
    body = example("twr_five_days") | changes
    assert small.post("/performance/twr", json=body | {"analyses": periods(at_the_limit)}).status_code == 200
    answer = small.post("/performance/twr", json=body | {"analyses": periods(at_the_limit + 1)})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert answer.json["errors"][0]["code"] == "too_many"


def test_rows_times_the_window_of_the_outlier_test_are_bounded() -> None:
    client = create_app(Settings(max_rows=600)).test_client()
    dates = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-01-01") + 600).astype(str).tolist()

    def answer(window: int, *, enabled: bool = True) -> Any:
        return client.post(
            "/performance/twr",
            json={
                "portfolio_id": "P1",
                "metric_basis": "NET",
                "performance_start_date": dates[0],
                "report_end_date": dates[-1],
                "analyses": periods(1),
                "valuation_points": {"perf_date": dates, "begin_mv": [1] * 600, "end_mv": [1] * 600},
                "data_policy": {"outliers": {"enabled": enabled, "params": {"window": window}}},
            },
        )

    assert answer(500).status_code == 200
    assert answer(501, enabled=False).status_code == 200
    problem = answer(501).json
    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [
        ("/data_policy/outliers/params/window", "too_many")
    ]


def test_a_period_may_have_64_times_as_many_forms_as_there_may_be_periods(small: FlaskClient, example: Any) -> None:
    lists = [list(each) for n in range(1, 5) for each in product(Frequency, repeat=n)]
    forms = [{"period": "ITD", "frequencies": frequencies} for frequencies in lists[: 12 * 64 + 1]]
    body = example("twr_five_days")
    assert small.post("/performance/twr", json=body | {"analyses": forms[:-1]}).status_code == 200
    answer = small.post("/performance/twr", json=body | {"analyses": forms})
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [("/analyses", "too_many")]


def ignoring(dates: list[str], entity_id: str = "P") -> dict[str, Any]:
    return {"data_policy": {"ignore_days": [{"entity_type": "PORTFOLIO", "entity_id": entity_id, "dates": dates}]}}


def test_as_many_dates_are_ignored_as_a_series_may_have_rows(client: FlaskClient, example: Any) -> None:
    dates = np.datetime_as_string(np.datetime64("1900-01-01") + np.arange(40_001)).tolist()
    body = example("twr_five_days")
    assert client.post("/performance/twr", json=body | ignoring(dates[:-1])).status_code == 200
    answer = client.post("/performance/twr", json=body | ignoring(dates))
    assert answer.status_code == 422
    pointer = "/data_policy/ignore_days/0/dates"
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [(pointer, "too_many")]


@pytest.mark.parametrize(
    ("path", "part", "pointer"),
    [
        ("twr", lambda text: {"portfolio_id": text}, "/portfolio_id"),
        ("twr", lambda text: {"fx": {"source": text, "rates": RATES}}, "/fx/source"),
        ("twr", lambda text: {"fx": {"fixing": text, "rates": RATES}}, "/fx/fixing"),
        ("twr", lambda text: ignoring(["2012-12-31"], text), "/data_policy/ignore_days/0/entity_id"),
        ("mwr", lambda text: {"solver": {"method": text}}, "/solver/method"),
    ],
    ids=["portfolio_id", "source", "fixing", "entity_id", "method"],
)
def test_a_text_of_256_characters_is_taken_and_one_more_is_refused(
    client: FlaskClient, example: Any, path: str, part: Callable[[str], Any], pointer: str
) -> None:
    body = example({"twr": "twr_five_days", "mwr": "mwr_one_year"}[path])
    assert client.post(f"/performance/{path}", json=body | part("x" * 256)).status_code == 200
    answer = client.post(f"/performance/{path}", json=body | part("x" * 257))
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [(pointer, "too_long")]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"data_policy": {"ignore_days": [{"x": i} for i in range(1001)]}}, "/data_policy/ignore_days", "too_many"),
        (
            {"analyses": [{"period": "ITD", "frequencies": [f"x{i}" for i in range(65)]}]},
            "/analyses/0/frequencies",
            "too_many",
        ),
        ({"analyses": [{"period": "ITD", "frequencies": ["daily"] * 200_001}]}, "/analyses/0/frequencies", "too_long"),
        (
            {"data_policy": {"ignore_days": [{"entity_id": f"{i}", "dates": [1] * 50_000} for i in range(4)]}},
            "/data_policy/ignore_days",
            "too_long",
        ),
    ],
    ids=["ignored-days", "frequencies", "repeated", "repeated-in-several"],
)
def test_a_list_with_too_many_elements_is_refused_before_they_are_read(
    client: FlaskClient, example: Any, changes: dict[str, Any], pointer: str, code: str
) -> None:
    answer = client.post("/performance/twr", json=example("twr_five_days") | changes)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [(pointer, code)]


def test_repeated_elements_cost_nothing(client: FlaskClient, example: Any) -> None:
    body = example("twr_five_days")
    often = {"period": "ITD", "frequencies": ["daily"] * 100_000}
    body["analyses"] = [often, *[{"period": "ITD", "frequencies": ["daily"]}] * 10_000]
    assert client.post("/performance/twr", json=body).status_code == 200


def test_only_the_unknown_members_that_are_shown_are_compared_with_known_ones(
    client: FlaskClient, example: Any
) -> None:
    body = example("twr_five_days")
    body["valuation_points"] = [{f"begin_{i}": 1 for i in range(20)}] * 2_000
    answer = client.post("/performance/twr", json=body)
    assert answer.status_code == 422
    # Each row has 20 unknown members and lacks the 3 that are required.
    assert answer.json["errors_total"] == 2_000 * 23
    assert len(answer.json["errors"]) == 100


def test_the_nearest_name_is_looked_for_when_it_is_shown(
    client: FlaskClient, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    monkeypatch.setattr("difflib.get_close_matches", lambda *names, **options: compared.append(names) or [])
    ignored = [{f"entity_{i}_{j}": 1 for j in range(20)} for i in range(100)]
    answer = client.post("/performance/twr", json=example("twr_five_days") | {"data_policy": {"ignore_days": ignored}})
    assert answer.json["errors_total"] == 100 * 23
    assert len(compared) <= 100


def test_a_number_of_many_digits_is_refused_under_decimal_strict_alone(client: FlaskClient, example: Any) -> None:
    def answer(mode: str) -> tuple[int, str | None]:
        body = json.dumps(example("twr_five_days") | {"precision_mode": mode})
        many = body.replace("1000000.0", f"1000000.{'0' * 500}1", 1)
        found = client.post("/performance/twr", data=many, content_type="application/json")
        return found.status_code, found.json.get("code")

    assert answer("DECIMAL_STRICT") == (400, "malformed_json")
    assert answer("FLOAT64") == (200, None)


def test_a_dietz_rate_beyond_any_number_is_no_failure_of_ours(client: FlaskClient) -> None:
    body = {
        "portfolio_id": "P1",
        "begin_mv": 6e-309,
        "end_mv": 1,
        "as_of": "2025-12-31",
        "cash_flows": [],
        "mwr_method": "MODIFIED_DIETZ",
        "annualization": {"enabled": True, "basis": "ACT/ACT"},
        "periods": {"type": "EXPLICIT", "explicit": {"start": "2024-12-31", "end": "2025-12-31"}},
    }
    answer = client.post("/performance/mwr", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "not_computable.overflow")


def test_negative_zero_is_zero_in_the_fingerprint(client: FlaskClient, example: Any) -> None:
    def fingerprint(flow: float) -> str:
        body = example("twr_five_days")
        body["valuation_points"][0]["bod_cf"] = flow
        return str(client.post("/performance/twr", json=body).json["meta"]["input_fingerprint"])

    assert fingerprint(-0.0) == fingerprint(0.0)


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        (lambda dates: ignoring(dates)["data_policy"], "/data_policy/ignore_days/0/dates"),
        (
            lambda dates: {"overrides": {"market_values": [{"perf_date": date, "end_mv": 1} for date in dates]}},
            "/data_policy/overrides/market_values",
        ),
    ],
    ids=["ignored-dates", "overrides"],
)
def test_the_limit_of_rows_holds_in_objects_within_objects(
    small: FlaskClient, example: Any, part: Callable[[list[str]], Any], pointer: str
) -> None:
    dates = [f"2025-01-0{day}" for day in range(1, 7)]
    answer = small.post("/performance/twr", json=example("twr_five_days") | {"data_policy": part(dates)})
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [(pointer, "too_many")]
