"""Sessions of an exchange as business days, and what is told where they are not to be had."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from answers import codes
from lotus_performance.engine.requests import TRADING_CALENDARS
from lotus_performance.services.calendars import _sessions

YEAR = {
    "performance_start_date": "2023-01-01",
    "report_end_date": "2023-12-31",
    "analyses": [{"period": "ITD", "frequencies": ["yearly"]}],
    "valuation_points": [
        {"perf_date": "2023-01-01", "begin_mv": 100.0, "end_mv": 100.0},
        {"perf_date": "2023-12-29", "begin_mv": 100.0, "end_mv": 110.0},
    ],
}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    _sessions.cache_clear()
    yield
    _sessions.cache_clear()


def answer_with(client: FlaskClient, calendar: str | None, **changes: Any) -> Any:
    body = {"portfolio_id": "P1", "metric_basis": "GROSS", "annualization": {"enabled": True, "basis": "BUS/252"}}
    body |= YEAR | changes | ({"calendar": {"trading_calendar": calendar}} if calendar else {})
    return client.post("/performance/twr", json=body).json


def rate(answer: Any) -> float:
    return float(answer["results_by_period"]["ITD"]["annualized_return_pct"])


def test_the_sessions_of_new_york_are_counted(client: FlaskClient) -> None:
    # 2023 had 260 weekdays, of which 10 were holidays at the New York Stock Exchange.
    answer = answer_with(client, "XNYS")
    assert rate(answer) == pytest.approx(100 * (1.1 ** (252 / 250) - 1), abs=1e-6)
    assert codes(answer) == []


def test_sessions_on_sundays_count(client: FlaskClient) -> None:
    # Riyadh trades from Sunday to Thursday: the last Sunday of the year is a session, after a last row on Friday.
    answer = answer_with(client, "XSAU")
    assert "annualized_return_pct" not in answer["results_by_period"]["ITD"]
    assert any("shorter than 365 days" in note for note in answer["diagnostics"]["notes"])


def test_without_a_calendar_weekdays_are_counted(client: FlaskClient) -> None:
    assert rate(answer_with(client, None)) == pytest.approx(100 * (1.1 ** (252 / 260) - 1), abs=1e-6)


def test_without_the_extra_weekdays_are_counted_and_a_warning_says_so(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    answer = answer_with(client, "XNYS")
    assert rate(answer) == rate(answer_with(client, None))
    assert codes(answer) == ["calendar_unavailable"]


def test_years_without_known_sessions_are_counted_in_weekdays_and_a_warning_says_so(client: FlaskClient) -> None:
    rows = [
        {"perf_date": "1800-01-01", "begin_mv": 100.0, "end_mv": 100.0},
        {"perf_date": "1800-12-31", "begin_mv": 100.0, "end_mv": 110.0},
    ]
    year = {"valuation_points": rows, "performance_start_date": "1800-01-01", "report_end_date": "1800-12-31"}
    answer = answer_with(client, "XHKG", **year)
    # 1800 began and ended on a Wednesday, with 261 weekdays.
    assert rate(answer) == pytest.approx(100 * (1.1 ** (252 / 261) - 1), abs=1e-6)
    assert rate(answer) == rate(answer_with(client, None, **year))
    assert codes(answer) == ["calendar_unavailable"]


@pytest.mark.parametrize("name", TRADING_CALENDARS)
def test_the_sessions_of_every_listed_exchange_are_known(name: str) -> None:
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2025-01-01"))
    assert 230 <= np.is_busday(days, busdaycal=_sessions(name, "2024", "2024")).sum() <= 262


def test_a_failure_of_the_library_is_told_apart_from_unknown_years(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise NotImplementedError

    monkeypatch.setattr("exchange_calendars.get_calendar", fail)
    answer = answer_with(client, "XNYS")
    assert rate(answer) == rate(answer_with(client, None))
    assert codes(answer) == ["calendar_unavailable"]
    assert "the library" in answer["diagnostics"]["warnings"][0]["detail"]


def test_years_before_the_first_that_the_library_knows_are_named(client: FlaskClient) -> None:
    rows = [{"perf_date": f"1950-{day}", "begin_mv": 100.0, "end_mv": 100.0} for day in ("01-01", "12-31")]
    answer = answer_with(
        client, "XHKG", valuation_points=rows, performance_start_date="1950-01-01", report_end_date="1950-12-31"
    )
    assert codes(answer) == ["calendar_unavailable"]
    assert "not known for all years from 1950-01-01 to 1950-12-31" in answer["diagnostics"]["warnings"][0]["detail"]


def test_decimals_count_the_same_days(client: FlaskClient) -> None:
    exact = answer_with(client, "XNYS", precision_mode="DECIMAL_STRICT")
    assert rate(exact) == rate(answer_with(client, "XNYS"))


def test_a_calendar_that_is_not_listed_is_refused(client: FlaskClient) -> None:
    problem = answer_with(client, "MOON")
    assert problem["errors"][0]["pointer"] == "/calendar/trading_calendar"
    assert "XNYS" in problem["errors"][0]["detail"]


def test_a_calendar_without_annualisation_changes_nothing_and_a_warning_says_so(client: FlaskClient) -> None:
    answer = answer_with(client, "XNYS", annualization={})
    assert codes(answer) == ["no_effect"]
    assert "trading_calendar" in answer["diagnostics"]["warnings"][0]["detail"]
