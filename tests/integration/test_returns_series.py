"""Series of returns whose data is in the request: members, policies, codes and the form of the answer."""

import re
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from answers import checked
from lotus_performance.app import create_app
from lotus_performance.settings import Settings

PATH = "/integration/returns/series"
WEEK = ["2026-02-23", "2026-02-24", "2026-02-25", "2026-02-26", "2026-02-27"]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return checked(create_app(Settings()))


def rows(*pairs: Any) -> list[dict[str, Any]]:
    return [{"date": day, "return_value": value} for day, value in zip(pairs[::2], pairs[1::2], strict=True)]


def request_of(**changes: Any) -> dict[str, Any]:
    return {
        "portfolio_id": "P1",
        "as_of_date": "2026-02-27",
        "window": {"mode": "EXPLICIT", "from_date": "2026-02-23", "to_date": "2026-02-27"},
        "input_mode": "stateless",
        "stateless_input": {"portfolio_returns": rows(*(each for day in WEEK for each in (day, "0.001")))},
        **changes,
    }


def ask(client: FlaskClient, **changes: Any) -> tuple[int, Any]:
    answer = client.post(PATH, json=request_of(**changes))
    return answer.status_code, answer.get_json()


def refused(client: FlaskClient, **changes: Any) -> tuple[int, str, list[str]]:
    status, problem = ask(client, **changes)
    return status, problem["code"], [each["pointer"] for each in problem.get("errors", [])]


def returns_of(answer: Any, name: str = "portfolio_returns") -> dict[str, str]:
    return {point["date"]: point["return_value"] for point in answer["series"][name]}


# ---------------------------------------------------------------- the answer


def test_an_answer_has_its_series_window_provenance_diagnostics_and_metadata(client: FlaskClient) -> None:
    status, answer = ask(client, reporting_currency="EUR")
    assert status == 200
    assert returns_of(answer) == dict.fromkeys(WEEK, "0.001000000000")
    window = {"start_date": "2026-02-23", "end_date": "2026-02-27", "resolved_period_label": "EXPLICIT"}
    assert answer["resolved_window"] == window
    coverage = {"requested_points": 5, "returned_points": 5, "missing_points": 0, "coverage_ratio": 1.0}
    assert answer["diagnostics"] == {
        "coverage": coverage,
        "gaps": [],
        "policy_applied": {
            "missing_data_policy": "FAIL_FAST",
            "fill_method": "NONE",
            "calendar_policy": "BUSINESS",
        },
        "warnings": [],
    }
    assert answer["metadata"] | {"engine_version": ""} == {
        "portfolio_id": "P1",
        "as_of_date": "2026-02-27",
        "frequency": "DAILY",
        "metric_basis": "NET",
        "reporting_currency": "EUR",
        "engine_version": "",
    }
    provenance = answer["provenance"]
    assert provenance.pop("input_mode") == "stateless"
    assert provenance.keys() == {"input_fingerprint", "calculation_hash"}
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in provenance.values())


def test_numbers_and_decimals_in_any_order_as_rows_or_columns_are_one_request(client: FlaskClient) -> None:
    numbers = rows(*(each for day in reversed(WEEK) for each in (day, 0.001)))
    columns = {"date": WEEK, "return_value": ["0.0010", 0.001, "1e-3", "0.001", 0.001]}
    answers = [ask(client, stateless_input={"portfolio_returns": each})[1] for each in (numbers, columns)]
    assert answers == [ask(client)[1]] * 2


def test_the_same_body_gives_the_same_bytes(client: FlaskClient) -> None:
    assert client.post(PATH, json=request_of()).data == client.post(PATH, json=request_of()).data


def test_minus_zero_is_zero(client: FlaskClient) -> None:
    sent = rows(*(each for day in WEEK for each in (day, "-1e-13")))
    assert set(returns_of(ask(client, stateless_input={"portfolio_returns": sent})[1]).values()) == {"0.000000000000"}


@pytest.mark.parametrize(
    ("value", "code"),
    [("abc", "wrong_type"), ("NaN", "wrong_type"), ("1_0", "wrong_type"), ("", "wrong_type"), (True, "wrong_type"),
     (" 1", "wrong_type"), ("٣", "wrong_type"), (None, "null"), (1e10, "out_of_range"), ("1e10", "out_of_range"),
     ("1e999", "not_finite"), ({}, "wrong_type")],
)  # fmt: skip
def test_what_is_no_return_is_refused(client: FlaskClient, value: Any, code: str) -> None:
    sent = rows("2026-02-23", "0.1", "2026-02-24", value)
    status, problem = ask(client, stateless_input={"portfolio_returns": sent})
    assert (status, problem["code"]) == (422, "validation_failed")
    (fault,) = problem["errors"]
    assert fault["pointer"] == "/stateless_input/portfolio_returns/1/return_value"
    assert (fault["code"], fault["date"]) == (code, "2026-02-24")


def test_a_date_that_is_there_twice_is_refused(client: FlaskClient) -> None:
    sent = rows("2026-02-23", "0.1", "2026-02-24", "0.1", "2026-02-23", "0.1")
    pointer = "/stateless_input/portfolio_returns/2/date"
    assert refused(client, stateless_input={"portfolio_returns": sent}) == (400, "duplicate_dates", [pointer])


def test_returns_after_the_window_are_left_out(client: FlaskClient) -> None:
    sent = rows(*(each for day in [*WEEK, "2026-03-02"] for each in (day, 0.1)))
    assert list(returns_of(ask(client, stateless_input={"portfolio_returns": sent})[1])) == WEEK


# ---------------------------------------------------------------- which series


def test_the_portfolio_is_left_out_when_it_is_not_selected(client: FlaskClient) -> None:
    sent = {"benchmark_returns": rows(*(each for day in WEEK for each in (day, 0.1)))}
    selection = {"include_portfolio": False, "include_benchmark": True}
    status, answer = ask(client, series_selection=selection, stateless_input=sent)
    assert status == 200
    assert list(answer["series"]) == ["benchmark_returns"]


def test_no_series_is_no_request(client: FlaskClient) -> None:
    selection = {"include_portfolio": False}
    assert refused(client, series_selection=selection) == (400, "invalid_request", ["/series_selection"])


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"series_selection": {"include_benchmark": True}}, ["/stateless_input/benchmark_returns"]),
        ({"series_selection": {"include_risk_free": True}}, ["/stateless_input/risk_free_returns"]),
        ({"stateless_input": {}}, ["/stateless_input/portfolio_returns"]),
    ],
)
def test_a_series_that_is_asked_for_and_not_sent_is_named(
    client: FlaskClient, changes: Any, pointers: list[str]
) -> None:
    assert refused(client, **changes) == (400, "invalid_request", pointers)


def test_a_stateless_request_without_data_is_refused(client: FlaskClient) -> None:
    body = request_of()
    del body["stateless_input"]
    answer = client.post(PATH, json=body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_request")


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("window", "pointer"),
    [
        ({"mode": "EXPLICIT", "from_date": "2026-02-23"}, "/window/to_date"),
        ({"mode": "RELATIVE"}, "/window/period"),
        ({"mode": "RELATIVE", "period": "YEAR"}, "/window/year"),
        ({"mode": "RELATIVE", "period": "YEAR", "year": 0}, "/window/year"),
        ({"mode": "RELATIVE", "period": "MTDS"}, "/window/period"),
        ({"period": "MTD"}, "/window/mode"),
    ],
)
def test_incomplete_windows_name_what_is_missing(client: FlaskClient, window: Any, pointer: str) -> None:
    assert refused(client, window=window) == (422, "validation_failed", [pointer])


@pytest.mark.parametrize(
    "window",
    [
        {"mode": "EXPLICIT", "from_date": "2026-02-24", "to_date": "2026-02-23"},
        {"mode": "EXPLICIT", "from_date": "2026-02-24", "to_date": "2026-02-28"},
        {"mode": "RELATIVE", "period": "YEAR", "year": 2027},
    ],
    ids=["reversed", "after as_of_date", "a year to come"],
)
def test_windows_that_contradict_their_dates_are_refused(client: FlaskClient, window: Any) -> None:
    assert refused(client, window=window)[:2] == (400, "invalid_request")


def test_since_inception_starts_on_the_first_date_sent(client: FlaskClient) -> None:
    sent = rows("2026-02-25", 0.1, "2026-02-26", 0.1, "2026-02-27", 0.1)
    window = {"mode": "RELATIVE", "period": "SI"}
    status, answer = ask(client, window=window, stateless_input={"portfolio_returns": sent})
    assert status == 200
    assert answer["resolved_window"]["start_date"] == "2026-02-25"


def test_a_span_of_8000_years_is_refused_at_once(client: FlaskClient) -> None:
    window = {"mode": "EXPLICIT", "from_date": "0001-01-01", "to_date": "9999-12-31"}
    for policy in ("CALENDAR", "BUSINESS", "MARKET"):
        for frequency in ("DAILY", "WEEKLY", "MONTHLY"):
            data_policy = {
                "missing_data_policy": "ALLOW_PARTIAL",
                "fill_method": "ZERO_FILL",
                "calendar_policy": policy,
            }
            began = time.monotonic()
            changes = {"window": window, "as_of_date": "9999-12-31", "data_policy": data_policy}
            assert refused(client, frequency=frequency, **changes) == (400, "invalid_request", ["/window"])
            assert time.monotonic() - began < 0.5


# ---------------------------------------------------------------- policies


def holed(policy: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a request whose portfolio lacks two days."""
    sent = rows("2026-02-23", 0.1, "2026-02-26", 0.4, "2026-02-27", 0.5)
    return {"stateless_input": {"portfolio_returns": sent}, "data_policy": policy, **changes}


def test_fail_fast_names_the_missing_dates(client: FlaskClient) -> None:
    status, problem = ask(client, **holed({}))
    assert (status, problem["code"]) == (422, "insufficient_data")
    (fault,) = problem["errors"]
    assert fault["pointer"] == "/stateless_input/portfolio_returns"
    assert fault["date"] == "2026-02-24"
    assert "2026-02-24 to 2026-02-25" in fault["detail"]
    assert "2026-02-24" in problem["detail"]


def test_partial_series_tell_their_gaps(client: FlaskClient) -> None:
    _, answer = ask(client, **holed({"missing_data_policy": "ALLOW_PARTIAL"}))
    gap = {
        "series": "portfolio_returns",
        "start_date": "2026-02-24",
        "end_date": "2026-02-25",
        "missing_points": 2,
        "days": 2,
    }
    assert answer["diagnostics"]["gaps"] == [gap]
    coverage = {"requested_points": 5, "returned_points": 3, "missing_points": 2, "coverage_ratio": 0.6}
    assert answer["diagnostics"]["coverage"] == coverage


@pytest.mark.parametrize(("fill", "value"), [("FORWARD_FILL", "0.100000000000"), ("ZERO_FILL", "0.000000000000")])
def test_filled_dates_are_there_and_told(client: FlaskClient, fill: str, value: str) -> None:
    _, answer = ask(client, **holed({"fill_method": fill}))
    assert returns_of(answer)["2026-02-24"] == value
    (warning,) = answer["diagnostics"]["warnings"]
    assert (warning["code"], warning["dates"]) == ("filled", ["2026-02-24", "2026-02-25"])
    assert answer["diagnostics"]["coverage"]["missing_points"] == 0


@pytest.mark.parametrize("missing", ["FAIL_FAST", "ALLOW_PARTIAL", "STRICT_INTERSECTION"])
def test_longer_gaps_than_allowed_are_refused_though_they_would_be_filled(client: FlaskClient, missing: str) -> None:
    policy = {"missing_data_policy": missing, "fill_method": "FORWARD_FILL"}
    assert ask(client, **holed(policy | {"max_gap_days": 2}))[0] == 200
    assert refused(client, **holed(policy | {"max_gap_days": 1}))[:2] == (422, "insufficient_data")


def test_an_empty_month_is_missing(client: FlaskClient) -> None:
    sent = {"portfolio_returns": rows("2025-11-03", 0.01, "2026-01-05", 0.02)}
    window = {"mode": "EXPLICIT", "from_date": "2025-11-01", "to_date": "2026-01-31"}
    policy = {"missing_data_policy": "ALLOW_PARTIAL"}
    _, answer = ask(client, window=window, stateless_input=sent, frequency="MONTHLY", data_policy=policy)
    assert list(returns_of(answer)) == ["2025-11-30", "2026-01-31"]
    assert answer["diagnostics"]["gaps"][0]["days"] == 31
    assert [each["code"] for each in answer["diagnostics"]["warnings"]] == ["incomplete_bucket"]


def test_days_of_the_market_are_those_of_any_series(client: FlaskClient) -> None:
    """A holiday that no series has is no gap; a day that one of them has is one of the other."""
    sent = {
        "portfolio_returns": rows("2026-02-23", 0.1, "2026-02-26", 0.4),
        "benchmark_returns": rows("2026-02-23", 0.1, "2026-02-25", 0.1, "2026-02-26", 0.4),
    }
    policy = {"missing_data_policy": "ALLOW_PARTIAL", "calendar_policy": "MARKET"}
    selection = {"include_benchmark": True}
    _, answer = ask(client, stateless_input=sent, data_policy=policy, series_selection=selection)
    assert answer["diagnostics"]["coverage"]["requested_points"] == 3
    assert [(gap["series"], gap["start_date"]) for gap in answer["diagnostics"]["gaps"]] == [
        ("portfolio_returns", "2026-02-25")
    ]


def test_no_return_in_the_window_is_refused_under_every_policy(client: FlaskClient) -> None:
    sent = {"portfolio_returns": rows("2026-01-05", 0.1)}
    for policy in ("FAIL_FAST", "ALLOW_PARTIAL", "STRICT_INTERSECTION"):
        found = refused(client, stateless_input=sent, data_policy={"missing_data_policy": policy})
        assert found == (422, "insufficient_data", ["/stateless_input/portfolio_returns"])


def test_many_gaps_are_counted_and_100_of_them_named(client: FlaskClient) -> None:
    """Every second day of ten years."""
    days = [f"{year}-{month:02d}-{day:02d}" for year in range(2010, 2020) for month in range(1, 13)
            for day in range(1, 28, 2)]  # fmt: skip
    window = {"mode": "EXPLICIT", "from_date": "2010-01-01", "to_date": "2019-12-31"}
    sent = {"portfolio_returns": {"date": days, "return_value": [0.001] * len(days)}}
    policy = {"calendar_policy": "CALENDAR"}
    status, problem = ask(client, window=window, stateless_input=sent, data_policy=policy)
    assert (status, len(problem["errors"])) == (422, 100)
    assert problem["errors_total"] == len(days)
    status, answer = ask(
        client, window=window, stateless_input=sent, data_policy=policy | {"missing_data_policy": "ALLOW_PARTIAL"}
    )
    assert len(answer["diagnostics"]["gaps"]) == 1_000
    assert answer["diagnostics"]["coverage"]["returned_points"] == len(days)


# ---------------------------------------------------------------- members without effect


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"window": {"mode": "RELATIVE", "period": "YEAR", "year": 2026, "to_date": "2026-02-27"}}, "window.to_date"),
        ({"stateful_input": {}}, "stateful_input"),
        (
            {
                "window": {
                    "mode": "EXPLICIT",
                    "from_date": "2026-02-23",
                    "to_date": "2026-02-27",
                    "period": "MTD",
                    "year": 2026,
                }
            },
            "window.period, window.year",
        ),
    ],
)
def test_members_without_effect_are_named(client: FlaskClient, changes: Any, named: str) -> None:
    _, answer = ask(client, data_policy={"missing_data_policy": "ALLOW_PARTIAL"}, **changes)
    (warning,) = [each for each in answer["diagnostics"]["warnings"] if each["code"] == "no_effect"]
    assert f": {named}." in warning["detail"]


def test_a_series_that_is_sent_and_not_selected_is_named(client: FlaskClient) -> None:
    sent = request_of()["stateless_input"] | {"benchmark_returns": rows("2026-02-23", 0.1)}
    (warning,) = ask(client, stateless_input=sent)[1]["diagnostics"]["warnings"]
    assert "stateless_input.benchmark_returns" in warning["detail"]


def test_stateful_requests_need_their_input(client: FlaskClient) -> None:
    assert refused(client, input_mode="stateful") == (422, "validation_failed", ["/stateful_input"])


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"frequncy": "DAILY"}, "/frequncy"),
        ({"data_policy": {"fill": "NONE"}}, "/data_policy/fill"),
        ({"window": {"mode": "RELATIVE", "period": "MTD", "yaer": 1}}, "/window/yaer"),
    ],
)
def test_unknown_members_are_refused_with_the_nearest_known(client: FlaskClient, changes: Any, pointer: str) -> None:
    status, problem = ask(client, **changes)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    assert "did you mean" in problem["errors"][0]["detail"]
