"""What each member of a request to `POST /performance/twr` does to the answer."""

import datetime
import json
import uuid
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from answers import Post, codes, fingerprint, posting, refusing, warning

PATH = "/performance/twr"
UUID = "2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a"
FRIDAY, MONDAY, TUESDAY, WEDNESDAY = "2025-01-31", "2025-02-03", "2025-02-04", "2025-02-05"

Body = dict[str, Any]


def point(date: str, begin_mv: float, end_mv: float, **others: float) -> Body:
    return {"perf_date": date, "begin_mv": begin_mv, "end_mv": end_mv, **others}


POINTS = [
    point(FRIDAY, 100, 110),
    point(MONDAY, 110, 121, mgmt_fees=-1.1),
    point(TUESDAY, 121, 133.1, bod_cf=10, eod_cf=-9),
    point(WEDNESDAY, 133.1, 140),
]


def request(**changes: Any) -> Body:
    """Return a request; a member that is `...` is left out."""
    body = {
        "portfolio_id": "P1",
        "performance_start_date": "2025-01-01",
        "metric_basis": "GROSS",
        "report_end_date": WEDNESDAY,
        "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
        "valuation_points": POINTS,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def analysis(period: str = "ITD", *frequencies: str, **others: Any) -> Body:
    return {"period": period, "frequencies": list(frequencies or ("daily",)), **others}


def columns_of(rows: list[Body]) -> dict[str, list[Any]]:
    defaults = {"bod_cf": 0, "eod_cf": 0, "mgmt_fees": 0}
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [{**defaults, **row}[name] for row in rows] for name in names}


@pytest.fixture
def twr(client: FlaskClient) -> Post:
    """Return a function that posts a request that is to succeed, and returns the answer."""
    return posting(client, PATH, request)


@pytest.fixture
def refusal(client: FlaskClient) -> Post:
    """Return a function that posts a request that is to be refused; it returns status, code and pointers."""
    return refusing(client, PATH, request)


def period_of(answer: Any, label: str = "ITD") -> Any:
    return answer["results_by_period"][label]


def base_of(answer: Any, label: str = "ITD") -> float:
    return float(period_of(answer, label)["portfolio_return"]["base"])


def summaries(answer: Any, frequency: str = "daily", label: str = "ITD") -> dict[str, Any]:
    return {bucket["period"]: bucket["summary"] for bucket in period_of(answer, label)["breakdowns"][frequency]}


def working(answer: Any, frequency: str = "daily") -> list[Any]:
    return [day for bucket in period_of(answer)["breakdowns"][frequency] for day in bucket["daily_data"]]


# ------------------------------------------------------------------ identity


def test_an_id_that_was_sent_comes_back(twr: Post) -> None:
    answer = twr(calculation_id=UUID)
    assert answer["calculation_id"] == answer["meta"]["calculation_id"] == UUID


def test_without_an_id_each_answer_gets_its_own(twr: Post) -> None:
    first, second = twr()["calculation_id"], twr()["calculation_id"]
    assert first != second
    assert str(uuid.UUID(first)) == first


def test_the_portfolio_id_comes_back_as_sent(twr: Post) -> None:
    assert twr(portfolio_id="Müller & Söhne / 1")["portfolio_id"] == "Müller & Söhne / 1"


def test_the_id_of_the_calculation_is_not_in_the_fingerprint(twr: Post) -> None:
    assert fingerprint(twr(calculation_id=UUID)) == fingerprint(twr())


def test_the_same_body_gives_the_same_hashes(twr: Post) -> None:
    assert twr(calculation_id=UUID) == twr(calculation_id=UUID)


# ------------------------------------------------------------------ rows


def test_returns_are_percent(twr: Post) -> None:
    answer = twr(valuation_points=[point(MONDAY, 100, 102.01)])
    assert period_of(answer)["portfolio_return"] == {"local": 2.01, "fx": 0.0, "base": 2.01}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (point(MONDAY, 100, 111), 11.0),
        (point(MONDAY, 100, 110, bod_cf=10), 0.0),
        (point(MONDAY, 100, 110, eod_cf=10), 0.0),
        (point(MONDAY, 100, 90, eod_cf=-10), 0.0),
        (point(MONDAY, 100, 99, mgmt_fees=-1), -1.0),
        (point(MONDAY, -100, -110), -10.0),
        (point(MONDAY, 0, 0, bod_cf=100, eod_cf=-90), -10.0),
    ],
    ids=[
        "a gain",
        "a morning's flow",
        "an evening's flow",
        "a withdrawal",
        "fees left out",
        "a short",
        "a day's visit",
    ],
)
def test_the_return_of_a_row_with(twr: Post, row: Body, expected: float) -> None:
    assert base_of(twr(valuation_points=[row])) == expected


def test_a_flow_at_the_end_of_the_day_does_not_earn_the_return(twr: Post) -> None:
    assert base_of(twr(valuation_points=[point(MONDAY, 100, 160, eod_cf=50)])) == 10.0


@pytest.mark.parametrize("day", [-5, 0, 7], ids=["negative", "zero", "other"])
def test_the_number_of_a_day_is_a_label_without_effect(twr: Post, day: int) -> None:
    answer, plain = twr(valuation_points=[{**each, "day": day} for each in POINTS]), twr()
    assert answer["results_by_period"] == plain["results_by_period"]
    assert fingerprint(answer) == fingerprint(plain)
    assert codes(answer) == []


def test_rows_and_columns_give_the_same_answer(twr: Post) -> None:
    rows, columns = twr(calculation_id=UUID), twr(calculation_id=UUID, valuation_points=columns_of(POINTS))
    assert rows == columns


def test_the_order_of_the_rows_changes_nothing_but_a_note(twr: Post) -> None:
    sorted_rows, others = twr(), twr(valuation_points=[POINTS[2], POINTS[0], POINTS[3], POINTS[1]])
    assert others["results_by_period"] == sorted_rows["results_by_period"]
    assert others["meta"]["result_hash"] == sorted_rows["meta"]["result_hash"]
    assert fingerprint(others) == fingerprint(sorted_rows)
    assert others["diagnostics"]["notes"] == ["Rows were not in date order; they were sorted by perf_date."]


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_the_order_of_columns_changes_nothing(twr: Post, mode: str) -> None:
    columns = columns_of(POINTS)
    backwards = {name: cells[::-1] for name, cells in columns.items()}
    rows = twr(precision_mode=mode)
    for other in (columns, backwards):
        assert fingerprint(twr(valuation_points=other, precision_mode=mode)) == fingerprint(rows)


def test_a_row_more_is_another_input(twr: Post) -> None:
    assert fingerprint(twr(valuation_points=POINTS[:3])) != fingerprint(twr())


def test_the_rows_are_counted(twr: Post) -> None:
    counts = twr(performance_start_date=MONDAY)["audit"]["counts"]
    assert counts == {"input_rows": 4, "used_rows": 3, "periods": 1}


# ------------------------------------------------------------------ metric_basis and fee_effect


def test_net_takes_the_fees_off_and_gross_does_not(twr: Post) -> None:
    assert summaries(twr(metric_basis="NET"))[MONDAY]["period_return_pct"] == 9.0
    assert summaries(twr(metric_basis="GROSS"))[MONDAY]["period_return_pct"] == 10.0


@pytest.mark.parametrize("basis", ["NET", "GROSS"])
def test_the_fee_effect_is_net_less_gross_on_either_basis(twr: Post, basis: str) -> None:
    period = period_of(twr(metric_basis=basis, fee_effect={"enabled": True}, valuation_points=POINTS[:2]))
    assert period["gross_return_pct"] == 21.0
    assert period["net_return_pct"] == 19.9
    assert period["fee_effect_pct"] == -1.1
    assert period["portfolio_return"]["base"] == {"NET": 19.9, "GROSS": 21.0}[basis]


def test_without_the_fee_effect_no_such_member_is_there(twr: Post) -> None:
    assert period_of(twr(fee_effect={"enabled": False})).keys() == {"breakdowns", "portfolio_return"}


def test_a_positive_fee_is_warned_of_and_counts(twr: Post) -> None:
    answer = twr(metric_basis="NET", valuation_points=[point(MONDAY, 100, 100, mgmt_fees=1)])
    assert base_of(answer) == 1.0
    assert warning(answer, "positive_fee")["dates"] == [MONDAY]


# ------------------------------------------------------------------ periods


def test_the_answer_is_keyed_by_the_label_of_a_period(twr: Post) -> None:
    answer = twr(analyses=[analysis(), analysis("MTD"), analysis("YTD", label="this year")])
    assert list(answer["results_by_period"]) == ["ITD", "MTD", "this year"]
    assert answer["meta"]["periods"]["requested"] == ["ITD", "MTD", "this year"]


@pytest.mark.parametrize(
    ("asked", "start", "end", "first_row"),
    [
        (analysis("MTD"), "2025-02-01", WEDNESDAY, MONDAY),
        (analysis("WTD"), MONDAY, WEDNESDAY, MONDAY),
        (analysis("QTD"), "2025-01-01", WEDNESDAY, FRIDAY),
        (analysis("YTD"), "2025-01-01", WEDNESDAY, FRIDAY),
        (analysis("ITD"), "2024-06-30", WEDNESDAY, FRIDAY),
        (analysis("1Y"), "2024-06-30", WEDNESDAY, FRIDAY),
        (analysis("ROLLING", days=2), TUESDAY, WEDNESDAY, TUESDAY),
        (analysis("ROLLING", months=1), "2025-01-06", WEDNESDAY, FRIDAY),
        (analysis("EXPLICIT", start=MONDAY, end=TUESDAY), MONDAY, TUESDAY, MONDAY),
        (analysis("EXPLICIT", start=TUESDAY), TUESDAY, WEDNESDAY, TUESDAY),
        (analysis("EXPLICIT", end=TUESDAY), "2025-02-01", TUESDAY, MONDAY),
        (analysis("EXPLICIT"), "2025-02-01", WEDNESDAY, MONDAY),
    ],
    ids=[
        "MTD",
        "WTD",
        "QTD",
        "YTD",
        "ITD",
        "1Y is cut to inception",
        "ROLLING days",
        "ROLLING months",
        "EXPLICIT with its own dates",
        "EXPLICIT ends on the anchor",
        "EXPLICIT starts on report_start_date",
        "EXPLICIT of the report",
    ],
)
def test_the_window_of(twr: Post, asked: Body, start: str, end: str, first_row: str) -> None:
    answer = twr(analyses=[asked], performance_start_date="2024-06-30", report_start_date="2025-02-01")
    periods = answer["meta"]["periods"]
    assert (periods["master_start"], periods["master_end"]) == (start, end)
    assert answer["diagnostics"]["effective_period_start"] == first_row
    assert next(iter(summaries(answer, label=asked["period"]))) == first_row


def test_the_master_window_spans_all_periods(twr: Post) -> None:
    asked = [analysis("WTD"), analysis("EXPLICIT", start="2025-01-15", end=FRIDAY, label="a")]
    periods = twr(analyses=asked)["meta"]["periods"]
    assert (periods["master_start"], periods["master_end"]) == ("2025-01-15", WEDNESDAY)


def test_every_period_ends_on_the_anchor(twr: Post) -> None:
    answer = twr(report_end_date=MONDAY)
    assert list(summaries(answer)) == [FRIDAY, MONDAY]
    assert base_of(answer) == 21.0


@pytest.mark.parametrize("label", ["ü/ö", "a b", "x" * 64], ids=["other letters", "a blank", "64 characters"])
def test_a_label_may_have(twr: Post, label: str) -> None:
    assert list(twr(analyses=[analysis(label=label)])["results_by_period"]) == [label]


def test_the_same_period_twice_merges_its_frequencies(twr: Post) -> None:
    answer = twr(analyses=[analysis("ITD", "daily", "daily"), analysis("ITD", "monthly"), analysis("ITD", "daily")])
    assert list(period_of(answer)["breakdowns"]) == ["daily", "monthly"]
    assert answer["meta"]["periods"]["requested"] == ["ITD"]


def test_a_period_without_rows_is_left_out_and_named(twr: Post) -> None:
    answer = twr(analyses=[analysis(), analysis("EXPLICIT", start="2025-01-02", end="2025-01-03", label="old")])
    assert list(answer["results_by_period"]) == ["ITD"]
    assert "Period old (2025-01-02 to 2025-01-03) has no rows" in answer["diagnostics"]["notes"][0]
    assert answer["meta"]["periods"]["requested"] == ["ITD", "old"]
    assert answer["audit"]["counts"]["periods"] == 1


def test_a_period_without_a_return_is_left_out_and_named(twr: Post) -> None:
    rows = [point(MONDAY, 0, 5), point(TUESDAY, 5, 5.5)]
    asked = [analysis(), analysis("EXPLICIT", start=MONDAY, end=MONDAY, label="none")]
    answer = twr(valuation_points=rows, analyses=asked)
    assert base_of(answer) == 10.0
    assert list(answer["results_by_period"]) == ["ITD"]
    assert "none" in answer["diagnostics"]["notes"][0]


def test_the_rows_before_inception_are_left_out_with_a_warning(twr: Post) -> None:
    answer = twr(performance_start_date=TUESDAY)
    assert warning(answer, "before_inception")["dates"] == [FRIDAY, MONDAY]
    assert list(summaries(answer)) == [TUESDAY, WEDNESDAY]


# ------------------------------------------------------------------ frequencies

WEEK_ROWS = [
    point("2024-12-31", 100, 110),
    point("2025-01-02", 110, 121, eod_cf=1),
    point("2025-04-01", 121, 127.05),
]


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        ("daily", {"2024-12-31": 10.0, "2025-01-02": 9.090909, "2025-04-01": 5.0}),
        ("weekly", {"2025-01-03": 20.0, "2025-04-04": 5.0}),
        ("monthly", {"2024-12": 10.0, "2025-01": 9.090909, "2025-04": 5.0}),
        ("quarterly", {"2024-Q4": 10.0, "2025-Q1": 9.090909, "2025-Q2": 5.0}),
        ("yearly", {"2024": 10.0, "2025": 14.545455}),
    ],
)
def test_the_buckets_of_a_frequency(twr: Post, frequency: str, expected: dict[str, float]) -> None:
    answer = twr(
        valuation_points=WEEK_ROWS,
        performance_start_date="2024-12-31",
        report_end_date="2025-04-01",
        analyses=[analysis("ITD", frequency)],
    )
    found = summaries(answer, frequency)
    assert {label: summary["period_return_pct"] for label, summary in found.items()} == expected


def test_a_bucket_sums_its_flows_and_has_the_values_of_its_first_and_last_row(twr: Post) -> None:
    answer = twr(analyses=[analysis("ITD", "weekly")])
    assert summaries(answer, "weekly") == {
        FRIDAY: {"begin_mv": 100.0, "end_mv": 110.0, "net_cash_flow": 0.0, "period_return_pct": 10.0},
        # 1.1 · (133.1 + 9) / 131 · 140 / 133.1
        "2025-02-07": {"begin_mv": 110.0, "end_mv": 140.0, "net_cash_flow": 1.0, "period_return_pct": 25.506277},
    }


@pytest.mark.parametrize("options", [{}, {"include_timeseries": True}], ids=["as text", "with the working"])
def test_a_bucket_without_a_return_has_no_such_member(twr: Post, options: Body) -> None:
    rows = [point(FRIDAY, 0, 5), point(MONDAY, 5, 5.5)]
    output = {"include_cumulative": True, **options}
    found = summaries(twr(valuation_points=rows, analyses=[analysis("ITD", "weekly")], output=output), "weekly")
    assert found[FRIDAY] == {"begin_mv": 0.0, "end_mv": 5.0, "net_cash_flow": 0.0}
    assert found["2025-02-07"]["cumulative_return_pct_to_date"] == 10.0


# ------------------------------------------------------------------ output


def test_cumulative_returns_run_from_the_start_of_the_period(twr: Post) -> None:
    answer = twr(
        valuation_points=POINTS[:2],
        analyses=[analysis(), analysis("MTD")],
        output={"include_cumulative": True},
    )
    to_date = [each["cumulative_return_pct_to_date"] for each in summaries(answer).values()]
    assert to_date == [10.0, 21.0]
    assert [each["cumulative_return_pct_to_date"] for each in summaries(answer, label="MTD").values()] == [10.0]


def test_without_the_option_there_are_no_cumulative_returns_and_no_working(twr: Post) -> None:
    for bucket in period_of(twr())["breakdowns"]["daily"]:
        assert "cumulative_return_pct_to_date" not in bucket["summary"]
        assert "daily_data" not in bucket


def test_the_working_does_not_change_the_figures(twr: Post) -> None:
    plain, shown = twr(), twr(output={"include_timeseries": True})
    for bucket in period_of(shown)["breakdowns"]["daily"]:
        del bucket["daily_data"]
    assert plain["results_by_period"] == shown["results_by_period"]


MIXED = [
    point(FRIDAY, 100, 110, bod_cf=5, eod_cf=-3, mgmt_fees=-0.25),
    point(MONDAY, -100, -110, bod_cf=-5, eod_cf=3, mgmt_fees=-0.25),
    point(TUESDAY, 0, 0),
    point(WEDNESDAY, 0, 10),
]


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
@pytest.mark.parametrize("basis", ["NET", "GROSS"])
def test_the_working_recomputes_the_return_of_each_day(twr: Post, basis: str, mode: str) -> None:
    answer = twr(
        valuation_points=MIXED,
        metric_basis=basis,
        precision_mode=mode,
        rounding_precision=12,
        output={"include_timeseries": True},
    )
    days = working(answer)
    assert [day["perf_date"] for day in days] == [FRIDAY, MONDAY, TUESDAY, WEDNESDAY]
    assert [day["sign"] for day in days] == [1, -1, 0, 0]
    fee = -0.25 if basis == "NET" else 0.0
    assert [day["numerator"] for day in days] == [8.0 + fee, -8.0 + fee, 0.0, 10.0]
    assert [day["denominator"] for day in days] == [105.0, 105.0, 0.0, 0.0]
    for day in days[:2]:
        assert day["return_pct"] == pytest.approx(100.0 * day["numerator"] / day["denominator"], abs=1e-11)
        assert day["factor"] == pytest.approx(1.0 + day["sign"] * day["return_pct"] / 100.0, abs=1e-11)
    assert (days[2]["return_pct"], days[2]["factor"]) == (0.0, 1.0)
    assert "return_pct" not in days[3]
    assert days[3]["factor"] == 1.0


def test_the_working_of_longer_buckets_holds_their_days(twr: Post) -> None:
    answer = twr(analyses=[analysis("ITD", "weekly")], output={"include_timeseries": True})
    buckets = period_of(answer)["breakdowns"]["weekly"]
    assert [[day["perf_date"] for day in bucket["daily_data"]] for bucket in buckets] == [
        [FRIDAY],
        [MONDAY, TUESDAY, WEDNESDAY],
    ]


# ------------------------------------------------------------------ rounding_precision


@pytest.mark.parametrize("decimals", range(16))
@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_every_figure_is_rounded_to_the_decimals_asked_for(twr: Post, mode: str, decimals: int) -> None:
    rows = [point(MONDAY, 3.0625, 3.1875, bod_cf=0.03125)]
    answer = twr(valuation_points=rows, rounding_precision=decimals, precision_mode=mode)
    exact = {
        "begin_mv": Decimal("3.0625"),
        "end_mv": Decimal("3.1875"),
        "net_cash_flow": Decimal("0.03125"),
        "period_return_pct": 100 * (Decimal("3.1875") / Decimal("3.09375") - 1),
    }
    unit = Decimal(1).scaleb(-decimals)
    for name, figure in summaries(answer)[MONDAY].items():
        # The last digits of 15 decimals are beyond those of a double.
        assert figure == pytest.approx(float(exact[name].quantize(unit)), rel=2e-15, abs=0.0), name


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_nothing_is_written_as_a_negative_zero(client: FlaskClient, mode: str) -> None:
    body = request(
        valuation_points=[point(MONDAY, 1000000, 999999.99, eod_cf=-0.0)], rounding_precision=3, precision_mode=mode
    )
    assert "-0.0" not in client.post(PATH, json=body).text


def test_decimals_are_rounded_once(client: FlaskClient) -> None:
    text = json.dumps(request(valuation_points="ROWS", precision_mode="DECIMAL_STRICT", rounding_precision=0))
    row = f'[{{"perf_date": "{MONDAY}", "begin_mv": 100, "end_mv": 100.500000000000000000000000000001}}]'
    answer = client.post(PATH, data=text.replace('"ROWS"', row), content_type="application/json").get_json()
    assert base_of(answer) == 1.0


# ------------------------------------------------------------------ annualization

YEARS = [
    point("2023-01-02", 100, 100),
    point("2023-12-29", 100, 110),
    point("2024-12-31", 110, 121),
]


def annualised(twr: Post, *frequencies: str, **options: Any) -> Any:
    return twr(
        performance_start_date="2023-01-01",
        report_end_date="2024-12-31",
        valuation_points=options.pop("rows", YEARS),
        analyses=[analysis("ITD", *(frequencies or ("yearly",)))],
        output=options.pop("output", {}),
        annualization={"enabled": True, **options},
    )


@pytest.mark.parametrize(
    ("options", "exponent"),
    [
        ({"basis": "ACT/365"}, 365 / 730),
        ({"basis": "ACT/ACT"}, 365.25 / 730),
        ({"basis": "BUS/252"}, 252 / 522),
        ({}, 252 / 522),
        ({"basis": "ACT/365", "periods_per_year": 730}, 1.0),
        ({"periods_per_year": 261}, 0.5),
    ],
    ids=["ACT/365", "ACT/ACT", "BUS/252", "BUS/252 by default", "calendar days a year", "weekdays a year"],
)
def test_the_rate_per_year_by(twr: Post, options: Body, exponent: float) -> None:
    # From the first row, 2 January 2023, to 31 December 2024: 730 days, 522 of them weekdays.
    period = period_of(annualised(twr, **options))
    assert period["annualized_return_pct"] == pytest.approx(100 * (1.21**exponent - 1), abs=1e-6)


def test_a_rate_per_year_of_each_bucket_that_is_long_enough(twr: Post) -> None:
    found = summaries(annualised(twr, basis="ACT/365"), "yearly")
    # 2023 has 364 days from the first row on.
    assert "annualized_return_pct" not in found["2023"]
    assert found["2024"]["annualized_return_pct"] == pytest.approx(100 * (1.1 ** (365 / 366) - 1), abs=1e-6)


def test_short_periods_are_annualised_when_allowed(twr: Post) -> None:
    found = summaries(annualised(twr, basis="ACT/365", allow_short_periods=True), "yearly")
    assert found["2023"]["annualized_return_pct"] == pytest.approx(100 * (1.1 ** (365 / 364) - 1), abs=1e-6)


def test_days_are_never_annualised(twr: Post) -> None:
    answer = annualised(twr, "daily", allow_short_periods=True)
    assert all("annualized_return_pct" not in summary for summary in summaries(answer).values())
    assert any("Days have no rate" in note for note in answer["diagnostics"]["notes"])


def test_without_annualisation_there_is_no_rate_per_year(twr: Post) -> None:
    period = period_of(annualised(twr, enabled=False))
    assert "annualized_return_pct" not in period
    assert all("annualized_return_pct" not in bucket["summary"] for bucket in period["breakdowns"]["yearly"])


@pytest.mark.parametrize(
    ("rows", "options", "reason"),
    [
        (YEARS[2:], {}, "shorter than 365 days"),
        ([*YEARS[:2], point("2024-12-31", 110, 0)], {}, "total loss"),
        ([point("2023-01-02", 100, -5), point("2024-12-31", 95, 99, bod_cf=100)], {}, "reset"),
        ([point("2024-12-31", 100, 1e6)], {"allow_short_periods": True, "periods_per_year": 1000}, "too large a rate"),
    ],
    ids=["a short period", "a total loss", "a reset", "a rate beyond a double"],
)
def test_what_is_not_annualised_is_said_in_a_note(twr: Post, rows: list[Body], options: Body, reason: str) -> None:
    answer = annualised(twr, rows=rows, **options)
    assert "annualized_return_pct" not in period_of(answer)
    (note,) = (note for note in answer["diagnostics"]["notes"] if note.endswith("ITD."))
    assert note.startswith("Not annualised")
    assert reason in note


def test_the_annualisation_and_calendar_come_back_with_their_defaults(twr: Post) -> None:
    meta = twr(annualization={"enabled": True, "periods_per_year": 250}, calendar={"type": "NATURAL"})["meta"]
    assert meta["annualization"] == {
        "enabled": True,
        "basis": "BUS/252",
        "periods_per_year": 250.0,
        "allow_short_periods": False,
    }
    assert meta["calendar"] == {"type": "NATURAL"}
    assert twr()["meta"]["calendar"] == {"type": "BUSINESS"}


# ------------------------------------------------------------------ resets

RESETS = [
    ("NCTRL_1", [point(MONDAY, 100, -50), point(TUESDAY, -50, 110, bod_cf=150)], MONDAY, 1, 10.0),
    ("NCTRL_2", [point(MONDAY, -100, 50), point(TUESDAY, 50, 55)], MONDAY, 1, 10.0),
    ("NCTRL_3", [point(FRIDAY, 100, 110), point(MONDAY, -100, -320), point(TUESDAY, -320, -300)], MONDAY, 3, -232.0),
    ("NCTRL_4", [point(MONDAY, 100, 0), point(TUESDAY, 0, 55, bod_cf=50)], TUESDAY, 1, 10.0),
]


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
@pytest.mark.parametrize(
    ("reason", "rows", "date", "impacted", "base"), RESETS, ids=[str(reset[0]) for reset in RESETS]
)
def test_a_cut_of_the_chain_is_an_event_and_a_warning(
    twr: Post, reason: str, rows: list[Body], date: str, impacted: int, base: float, mode: str
) -> None:
    answer = twr(valuation_points=rows, reset_policy={"emit": True}, precision_mode=mode)
    assert period_of(answer)["reset_events"] == [{"date": date, "reason": reason, "impacted_rows": impacted}]
    assert warning(answer, "reset")["dates"] == [date]
    assert answer["diagnostics"]["reset_days"] == 1
    assert base_of(answer) == base


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_a_short_that_loses_all_of_it_and_no_more_goes_on(twr: Post, mode: str) -> None:
    values = [-5, -6, -7, -10, -5]
    shorts = [point(f"2025-02-0{3 + i}", *pair) for i, pair in enumerate(pairwise(values))]
    answer = twr(
        valuation_points=[POINTS[0], *shorts],
        report_end_date="2025-02-06",
        output={"include_cumulative": True},
        precision_mode=mode,
    )
    # L = 1.1 throughout, S = 2 - 6/5, 2 - 7/5, 2 - 10/5 and 2 - 5/5.
    found = [each["cumulative_return_pct_to_date"] for each in summaries(answer).values()]
    assert found == [10.0, -12.0, -34.0, -100.0, 10.0]
    assert answer["diagnostics"]["reset_days"] == 0


def test_without_the_reset_policy_the_warning_stays(twr: Post) -> None:
    answer = twr(valuation_points=RESETS[0][1])
    assert "reset_events" not in period_of(answer)
    assert warning(answer, "reset")["dates"] == [MONDAY]


def test_a_period_without_a_cut_has_no_events(twr: Post) -> None:
    answer = twr(reset_policy={"emit": True})
    assert "reset_events" not in period_of(answer)
    assert answer["diagnostics"]["reset_days"] == 0


def test_days_are_counted_once_over_all_periods(twr: Post) -> None:
    rows = [point(FRIDAY, 0, 0), *RESETS[0][1]]
    answer = twr(valuation_points=rows, analyses=[analysis(), analysis("YTD"), analysis("MTD")])
    assert answer["diagnostics"]["reset_days"] == 1
    assert answer["diagnostics"]["nip_days"] == 1


def test_idle_days_outside_all_periods_are_not_counted(twr: Post) -> None:
    answer = twr(valuation_points=[point(FRIDAY, 0, 0), *POINTS[1:]], analyses=[analysis("MTD")])
    assert answer["diagnostics"]["nip_days"] == 0


# ------------------------------------------------------------------ flags.fail_fast

NO_CAPITAL = [point(FRIDAY, 100, 110), point(MONDAY, 0, 7), point(TUESDAY, 0, 8), point(WEDNESDAY, 100, 110)]


def test_days_without_capital_are_left_out_with_a_warning(twr: Post) -> None:
    answer = twr(valuation_points=NO_CAPITAL)
    assert base_of(answer) == 21.0
    assert warning(answer, "no_capital")["dates"] == [MONDAY, TUESDAY]


def test_fail_fast_refuses_days_without_capital_and_names_each(refusal: Post) -> None:
    rows = [NO_CAPITAL[2], NO_CAPITAL[0], NO_CAPITAL[3], NO_CAPITAL[1]]
    status, code, pointers = refusal(valuation_points=rows, flags={"fail_fast": True})
    assert (status, code) == (422, "not_computable.no_capital")
    assert sorted(pointers) == ["/valuation_points/0", "/valuation_points/3"]


def test_fail_fast_does_not_mind_days_outside_all_periods(twr: Post) -> None:
    asked = [analysis("EXPLICIT", start=WEDNESDAY, end=WEDNESDAY)]
    answer = twr(valuation_points=NO_CAPITAL, flags={"fail_fast": True}, analyses=asked)
    assert base_of(answer, "EXPLICIT") == 10.0


# ------------------------------------------------------------------ data_policy


def policy(**members: Any) -> Body:
    return {"data_policy": members}


def ignore(*dates: str, entity_type: str = "PORTFOLIO", entity_id: str = "P1") -> Body:
    return policy(ignore_days=[{"entity_type": entity_type, "entity_id": entity_id, "dates": list(dates)}])


def override(kind: str, *rows: Body) -> Body:
    return policy(overrides={kind: list(rows)})


@pytest.mark.parametrize(
    ("kind", "row", "base", "counts"),
    [
        ("market_values", {"perf_date": MONDAY, "end_mv": 132}, 20.0, (1, 0)),
        ("market_values", {"perf_date": MONDAY, "begin_mv": 100}, 21.0, (1, 0)),
        ("market_values", {"perf_date": MONDAY, "begin_mv": 121, "end_mv": 121}, 0.0, (1, 0)),
        ("cash_flows", {"perf_date": MONDAY, "bod_cf": 11}, 0.0, (0, 1)),
        ("cash_flows", {"perf_date": MONDAY, "eod_cf": 11}, 0.0, (0, 1)),
        ("cash_flows", {"perf_date": MONDAY, "mgmt_fees": -11}, 0.0, (0, 1)),
    ],
    ids=["end_mv", "begin_mv", "both", "bod_cf", "eod_cf", "mgmt_fees"],
)
def test_an_override_of(twr: Post, kind: str, row: Body, base: float, counts: tuple[int, int]) -> None:
    rows = [point(MONDAY, 110, 121)]
    answer = twr(valuation_points=rows, metric_basis="NET", **override(kind, row))
    assert base_of(answer) == base
    found = answer["diagnostics"]["policy"]["overrides"]
    assert (found["applied_mv_count"], found["applied_cf_count"]) == counts
    assert answer["diagnostics"]["notes"] == [f"Overridden {kind.replace('_', ' ')}: {MONDAY}."]
    assert codes(answer) == []


def test_an_override_shows_in_the_buckets(twr: Post) -> None:
    answer = twr(**override("market_values", {"perf_date": MONDAY, "end_mv": 132}))
    assert summaries(answer)[MONDAY]["end_mv"] == 132.0
    assert warning(answer, "discontinuity")["dates"] == [TUESDAY]


def test_overrides_may_be_columns(twr: Post) -> None:
    columns = {"perf_date": [MONDAY, FRIDAY], "end_mv": [121, 111]}
    rows = [{"perf_date": FRIDAY, "end_mv": 111}, {"perf_date": MONDAY, "end_mv": 121}]
    answer, other = twr(**policy(overrides={"market_values": columns})), twr(**override("market_values", *rows))
    assert answer["results_by_period"] == other["results_by_period"]
    assert fingerprint(answer) == fingerprint(other)


@pytest.mark.parametrize(
    "row",
    [{"perf_date": "2025-02-02", "end_mv": 1}, {"perf_date": MONDAY, "end_mv": 1, "position_id": "A"}],
    ids=["of a date without a row", "of a position"],
)
def test_an_override_changes_nothing_and_is_told(twr: Post, row: Body) -> None:
    answer = twr(**override("market_values", row))
    assert answer["results_by_period"] == twr()["results_by_period"]
    assert answer["diagnostics"]["policy"]["overrides"]["applied_mv_count"] == 0
    assert answer["diagnostics"]["notes"] != []


def test_overrides_of_portfolio_and_position_may_stand_together(twr: Post) -> None:
    rows = [{"perf_date": MONDAY, "end_mv": 1, "position_id": "A"}, {"perf_date": MONDAY, "end_mv": 132}]
    answer = twr(**override("market_values", *rows))
    assert summaries(answer)[MONDAY]["period_return_pct"] == 20.0
    assert fingerprint(answer) == fingerprint(twr(**override("market_values", *rows[::-1])))


def test_two_overrides_of_one_date_are_refused(refusal: Post) -> None:
    rows = [{"perf_date": MONDAY, "end_mv": 1}, {"perf_date": FRIDAY, "end_mv": 1}, {"perf_date": MONDAY, "end_mv": 2}]
    assert refusal(**override("market_values", *rows)) == (
        400,
        "duplicate_dates",
        ["/data_policy/overrides/market_values/2/perf_date"],
    )


def test_an_ignored_day_is_flat_counted_and_noted(twr: Post) -> None:
    answer = twr(metric_basis="NET", **ignore(MONDAY))
    assert summaries(answer)[MONDAY] == {
        "begin_mv": 110.0,
        "end_mv": 110.0,
        "net_cash_flow": 0.0,
        "period_return_pct": 0.0,
    }
    assert answer["diagnostics"]["policy"]["ignored_days_count"] == 1
    assert answer["diagnostics"]["notes"] == [f"Ignored days, taken as unchanged: {MONDAY}."]
    assert warning(answer, "discontinuity")["dates"] == [TUESDAY]


def test_ignored_days_of_another_entity_change_nothing_and_are_told(twr: Post) -> None:
    for others in (ignore(MONDAY, entity_id="P2"), ignore(MONDAY, entity_type="POSITION")):
        answer = twr(**others)
        assert answer["results_by_period"] == twr()["results_by_period"]
        assert answer["diagnostics"]["policy"]["ignored_days_count"] == 0
        assert answer["diagnostics"]["notes"] != []


OUTLIERS = [point(f"2025-01-{day:02}", 100, 100 + gain) for day, gain in enumerate([1, 2, 3, 4, 5, 9, 3], start=1)]


def outliers(**members: Any) -> Body:
    return policy(outliers={"enabled": True, **members})


def test_an_outlier_is_counted_sampled_and_changes_nothing(twr: Post) -> None:
    answer, plain = twr(valuation_points=OUTLIERS, **outliers()), twr(valuation_points=OUTLIERS)
    assert answer["diagnostics"]["policy"]["outliers"] == {"flagged_rows": 1}
    assert answer["diagnostics"]["samples"]["outliers"] == [{"date": "2025-01-06", "raw_return": 9.0, "threshold": 5.0}]
    assert answer["results_by_period"] == plain["results_by_period"]


@pytest.mark.parametrize(
    ("params", "flagged"),
    [({"mad_k": 6.5}, 0), ({"mad_k": 0.5}, 2), ({"window": 5}, 1), ({"mad_k": 5, "window": 63}, 1)],
    ids=["wide", "narrow", "window", "defaults"],
)
def test_the_width_and_window_of_the_outlier_test(twr: Post, params: Body, flagged: int) -> None:
    # Before the 9 on the sixth day lie 1 to 5: median 3, median deviation 1, so that it is 6 deviations away. Before
    # the 6 on the seventh lie 1 to 5 and 9, median 3.5 and deviation 1.5, or 2 to 5 and 9, median 4 and deviation 1:
    # 1.67 or 2 deviations.
    rows = [*OUTLIERS[:6], point("2025-01-07", 100, 106)]
    answer = twr(valuation_points=rows, **outliers(params=params))
    assert answer["diagnostics"]["policy"]["outliers"]["flagged_rows"] == flagged


def test_an_ignored_day_is_never_an_outlier(twr: Post) -> None:
    rows = [point(f"2025-01-{day:02}", 100, 110 + day) for day in range(1, 8)]
    body = outliers()["data_policy"] | ignore("2025-01-07")["data_policy"]
    with_it, without_it = twr(valuation_points=rows, **outliers()), twr(valuation_points=rows, data_policy=body)
    assert with_it["diagnostics"]["policy"]["outliers"]["flagged_rows"] == 0
    assert without_it["diagnostics"]["policy"]["outliers"]["flagged_rows"] == 0


def test_twenty_outliers_are_shown_and_all_are_counted(twr: Post) -> None:
    rows = [
        point(str(date), 100, 101 + i % 4 if i % 8 else 200) for i, date in enumerate(dates_from("2024-01-01", 240))
    ]
    diagnostics = twr(valuation_points=rows, performance_start_date="2024-01-01", **outliers())["diagnostics"]
    # Every eighth of 240 days gains 100 %, 30 in all; the first has no days before it.
    assert diagnostics["policy"]["outliers"]["flagged_rows"] == 29
    assert len(diagnostics["samples"]["outliers"]) == 20


def dates_from(first: str, count: int) -> list[datetime.date]:
    start = datetime.date.fromisoformat(first)
    return [start + datetime.timedelta(days=i) for i in range(count)]


def test_without_a_policy_counts_are_zero_and_samples_empty(twr: Post) -> None:
    diagnostics = twr()["diagnostics"]
    assert diagnostics["policy"] == {
        "overrides": {"applied_mv_count": 0, "applied_cf_count": 0},
        "ignored_days_count": 0,
        "outliers": {"flagged_rows": 0},
    }
    assert diagnostics["samples"] == {"outliers": []}


# ------------------------------------------------------------------ currencies


def rate(date: str, value: float, ccy: str = "EUR") -> Body:
    return {"date": date, "ccy": ccy, "rate": value}


def hedge(date: str, ratio: float, ccy: str = "EUR") -> Body:
    return {"date": date, "ccy": ccy, "hedge_ratio": ratio}


RATES = [rate("2025-01-30", 1.0), rate(FRIDAY, 1.1), rate(TUESDAY, 1.32)]
TWO_ROWS = [point(FRIDAY, 100, 110), point(TUESDAY, 110, 121)]


def both(**changes: Any) -> Body:
    return {
        "valuation_points": TWO_ROWS,
        "currency": "EUR",
        "report_ccy": "USD",
        "currency_mode": "BOTH",
        "fx": {"rates": RATES},
        **changes,
    }


def test_both_tells_the_return_and_its_local_and_currency_part(twr: Post) -> None:
    answer = twr(**both())
    # 1.1 · 1.1 locally; 1.32 / 1.0 of the currency.
    assert period_of(answer)["portfolio_return"] == {"local": 21.0, "fx": 32.0, "base": 59.72}
    assert [each["period_return_pct"] for each in summaries(answer).values()] == [21.0, 32.0]
    assert answer["meta"]["report_ccy"] == "USD"


def test_values_and_flows_stay_in_the_currency_of_the_portfolio(twr: Post) -> None:
    assert summaries(twr(**both()))[FRIDAY]["begin_mv"] == 100.0


@pytest.mark.parametrize("mode", ["BASE_ONLY", "LOCAL_ONLY"])
def test_another_currency_mode_reports_the_local_return_as_base(twr: Post, mode: str) -> None:
    answer = twr(**both(currency_mode=mode, hedging={"series": [hedge(FRIDAY, 1.0)]}))
    assert period_of(answer)["portfolio_return"] == {"local": 21.0, "fx": 0.0, "base": 21.0}
    assert warning(answer, "no_effect")["detail"].endswith("fx, hedging.")


@pytest.mark.parametrize("mode", ["BASE_ONLY", "LOCAL_ONLY"])
def test_a_report_currency_into_which_nothing_is_converted_is_named(twr: Post, mode: str) -> None:
    sent = {"currency": "EUR", "currency_mode": mode}
    assert "report_ccy (the figures stay in EUR)" in warning(twr(**sent, report_ccy="USD"), "no_effect")["detail"]
    assert "no_effect" not in codes(twr(**sent, report_ccy="EUR"))


def test_the_currency_part_is_left_out_after_a_local_total_loss(twr: Post) -> None:
    answer = twr(**both(valuation_points=[point(FRIDAY, 100, 0)]))
    assert period_of(answer)["portfolio_return"] == {"local": -100.0, "base": -100.0}


@pytest.mark.parametrize(
    ("changes", "base"),
    [
        ({"currency": ...}, 59.72),
        ({"currency": "GBP", "fx": {"rates": [*RATES, rate("2025-01-01", 2.0, "GBP")]}}, 21.0),
        ({"currency": ..., "report_ccy": ...}, 59.72),
        ({"currency": ..., "fx": {"rates": [*RATES, rate("2025-01-01", 2.0, "GBP")]}}, 21.0),
        ({"currency": "USD"}, 21.0),
        ({"currency": ..., "report_ccy": "EUR"}, 21.0),
    ],
    ids=[
        "is that of the only rates",
        "is the one sent",
        "is that of the only rates without a report currency",
        "is the report currency when several have rates",
        "may be the report currency",
        "may be the report currency, the only one with rates",
    ],
)
def test_the_currency_of_the_portfolio(twr: Post, changes: Body, base: float) -> None:
    assert base_of(twr(**both(**changes))) == base


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"currency": ..., "fx": {"rates": [*RATES, rate("2025-01-01", 2.0, "GBP")]}}, "fx ("),
        ({"currency": "USD", "hedging": {"series": [hedge(FRIDAY, 1.0)]}}, "fx and hedging ("),
    ],
    ids=["taken-to-be-the-report-currency", "sent-as-the-report-currency"],
)
def test_rates_that_convert_nothing_are_named_with_the_remedy(twr: Post, changes: Body, named: str) -> None:
    detail = warning(twr(**both(**changes)), "no_effect")["detail"]
    assert f": {named}" in detail
    assert "in USD, the report currency; send currency" in detail


def test_an_unknown_currency_of_the_portfolio_is_refused(refusal: Post) -> None:
    rates = [*RATES, rate("2025-01-01", 2.0, "GBP")]
    found = refusal(**both(currency=..., report_ccy=..., fx={"rates": rates}))
    assert found == (400, "fx_rate_missing", ["/currency"])


def test_rates_may_be_columns_in_any_order(twr: Post) -> None:
    columns = {name: [each[name] for each in RATES[::-1]] for name in RATES[0]}
    answer, rows = twr(**both(fx={"rates": columns})), twr(**both())
    assert answer["meta"]["result_hash"] == rows["meta"]["result_hash"]
    assert fingerprint(answer) == fingerprint(rows)


@pytest.mark.parametrize(
    ("series", "fx"),
    [
        ([hedge(FRIDAY, 0.5)], 26.0),
        ([hedge(FRIDAY, 1.0), hedge(TUESDAY, 1.0)], 0.0),
        ([hedge(MONDAY, 1.0)], 32.0),
        ([hedge(FRIDAY, 1.0, "GBP")], 32.0),
    ],
    ids=["a half of one day", "all of both", "a day without a row", "another currency"],
)
def test_a_hedge_of(twr: Post, series: list[Body], fx: float) -> None:
    answer = twr(**both(hedging={"mode": "RATIO", "series": series}))
    assert period_of(answer)["portfolio_return"]["fx"] == fx


@pytest.mark.parametrize(
    "row",
    [
        point("2025-01-07", 1e-300, 1e300),
        point("2025-01-07", 1e-300, 1e8),
        point("2025-01-07", 1e307, 1e308, bod_cf=1e307, eod_cf=1.7e308),
    ],
    ids=["linked", "percent", "flows"],
)
def test_a_figure_beyond_any_number_names_the_period_and_the_day(client: FlaskClient, row: Body) -> None:
    rows = [point("2025-01-06", 100, 101), row, point("2025-01-08", 100, 101)]
    analyses = [
        analysis("EXPLICIT", "daily", start="2025-01-08", end="2025-01-08", label="one"),
        analysis("ITD", "monthly"),
    ]
    problem = client.post(PATH, json=request(valuation_points=rows, analyses=analyses)).get_json()
    assert problem["code"] == "not_computable.overflow"
    assert problem["detail"].startswith("Period ITD, 3 rows from 2025-01-06 to 2025-01-08: ")
    assert problem["detail"].endswith("The largest return is that of 2025-01-07.")


@pytest.mark.parametrize("end_mv", [120, 1e308], ids=["a-number", "beyond-any-percent"])
def test_an_outlier_outside_the_requested_periods_is_not_told(twr: Post, end_mv: float) -> None:
    rows = [*OUTLIERS[:5], point("2025-01-06", 100, end_mv), point("2025-01-07", 100, 103)]
    answer = twr(
        valuation_points=rows, analyses=[analysis("EXPLICIT", start="2025-01-07", end="2025-01-07")], **outliers()
    )
    assert answer["diagnostics"]["policy"]["outliers"]["flagged_rows"] == 0
    assert answer["diagnostics"]["samples"]["outliers"] == []


def test_hedges_of_other_currencies_and_of_dates_without_a_row_are_named(twr: Post) -> None:
    series = [hedge(FRIDAY, 0.5), hedge("2025-01-05", 0.5), hedge(TUESDAY, 0.5, "GBP")]
    detail = warning(twr(**both(hedging={"series": series})), "no_effect")["detail"]
    assert "2 of 3 hedges (not of EUR, or on a date without a row, such as EUR on 2025-01-05)" in detail
    assert "no_effect" not in codes(twr(**both(hedging={"series": series[:1]})))


def test_hedges_may_be_columns_in_any_order(twr: Post) -> None:
    series = [hedge(FRIDAY, 0.5), hedge(TUESDAY, 1.0)]
    columns = {name: [each[name] for each in series[::-1]] for name in series[0]}
    rows, other = twr(**both(hedging={"series": series})), twr(**both(hedging={"series": columns}))
    assert rows["results_by_period"] == other["results_by_period"]
    assert fingerprint(rows) == fingerprint(other)


@pytest.mark.parametrize("label", ["source", "fixing"])
def test_labels_of_the_rates_change_nothing(twr: Post, label: str) -> None:
    answer = twr(**both(fx={"rates": RATES, label: "ECB"}))
    assert answer["results_by_period"] == twr(**both())["results_by_period"]
    assert codes(answer) == []


def test_both_without_rates_is_base_only_with_a_warning(twr: Post) -> None:
    answer = twr(**both(fx=..., hedging={"series": [hedge(FRIDAY, 1.0)]}))
    assert base_of(answer) == 21.0
    assert codes(answer) == ["fx_missing_base_only", "no_effect"]


def test_a_missing_rate_is_refused_with_currency_and_date(client: FlaskClient) -> None:
    problem = client.post(PATH, json=request(**both(fx={"rates": RATES[1:]}))).get_json()
    assert (problem["status"], problem["code"]) == (400, "fx_rate_missing")
    assert "EUR" in problem["detail"]
    assert "2025-01-30" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "/fx/rates"


def test_rows_outside_all_periods_need_no_rate(twr: Post) -> None:
    answer = twr(**both(fx={"rates": RATES[1:]}, analyses=[analysis("MTD")]))
    assert base_of(answer, "MTD") == 32.0


def test_two_rates_of_a_date_are_refused(refusal: Post) -> None:
    found = refusal(**both(fx={"rates": [*RATES, rate(FRIDAY, 1.1)]}))
    assert found == (400, "duplicate_dates", ["/fx/rates/3/date"])


def test_two_hedges_of_a_date_are_refused(refusal: Post) -> None:
    found = refusal(**both(hedging={"series": [hedge(FRIDAY, 1.0), hedge(FRIDAY, 1.0)]}))
    assert found == (400, "duplicate_dates", ["/hedging/series/1/date"])


def test_outliers_are_looked_for_in_the_returns_before_conversion(twr: Post) -> None:
    rates = [rate("2024-12-31", 1.0), rate("2025-01-07", 3.0)]
    answer = twr(**both(valuation_points=OUTLIERS, fx={"rates": rates}), **outliers())
    assert [each["date"] for each in answer["diagnostics"]["samples"]["outliers"]] == ["2025-01-06"]


@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
def test_the_working_recomputes_the_return_of_a_converted_day(twr: Post, sign: int) -> None:
    rows = [point(FRIDAY, sign * 100, sign * 110), point(TUESDAY, sign * 110, sign * 121)]
    hedges = {"series": [hedge(FRIDAY, 0.5)]}
    days = working(twr(**both(valuation_points=rows, hedging=hedges, output={"include_timeseries": True})))
    assert [day["fx_return_pct"] for day in days] == [5.0, 20.0]
    for day in days:
        local = day["sign"] * day["numerator"] / day["denominator"]
        base = (1 + local) * (1 + day["fx_return_pct"] / 100) - 1
        assert day["return_pct"] == pytest.approx(100 * day["sign"] * base)
        assert day["factor"] == pytest.approx(1 + base)


def test_the_working_without_conversion_has_no_currency_return(twr: Post) -> None:
    assert all("fx_return_pct" not in day for day in working(twr(output={"include_timeseries": True})))


def test_an_idle_day_needs_no_rate_of_its_own(twr: Post) -> None:
    # The day before the first row has no rate; only a return on 2 January would need one.
    rows, rates = [point("2025-01-02", 0, 0), *TWO_ROWS], [rate("2025-01-02", 1.0), *RATES]
    assert base_of(twr(**both(valuation_points=rows, fx={"rates": rates}))) == 59.72


# ------------------------------------------------------------------ precision_mode


def test_decimals_read_the_text_of_a_number(client: FlaskClient) -> None:
    text = json.dumps(request(valuation_points="ROWS", precision_mode="DECIMAL_STRICT", rounding_precision=15))
    row = f'[{{"perf_date": "{MONDAY}", "begin_mv": 1e16, "end_mv": 10000000000000000.1}}]'
    answer = client.post(PATH, data=text.replace('"ROWS"', row), content_type="application/json").get_json()
    assert base_of(answer) == 1e-15


def test_doubles_and_decimals_give_the_same_answer(twr: Post) -> None:
    options = {
        "output": {"include_timeseries": True, "include_cumulative": True},
        "fee_effect": {"enabled": True},
        "annualization": {"enabled": True, "periods_per_year": 12, "allow_short_periods": True},
        "analyses": [analysis("ITD", "daily", "weekly", "monthly", "quarterly", "yearly"), analysis("MTD", "weekly")],
    }
    doubles, decimals = twr(**options), twr(precision_mode="DECIMAL_STRICT", **options)
    assert decimals["results_by_period"] == doubles["results_by_period"]
    assert decimals["diagnostics"] == doubles["diagnostics"]
    assert (doubles["meta"]["precision_mode"], decimals["meta"]["precision_mode"]) == ("FLOAT64", "DECIMAL_STRICT")
    assert fingerprint(decimals) != fingerprint(doubles)


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_gain_without_capital_that_only_decimals_see_is_told(client: FlaskClient, fail_fast: bool) -> None:
    row = f'{{"perf_date": "{MONDAY}", "begin_mv": 0, "end_mv": 100, "eod_cf": 100.00000000000000000001}}'
    rows = f'[{{"perf_date": "{FRIDAY}", "begin_mv": 100, "end_mv": 110, "eod_cf": 0}}, {row}]'
    body = request(valuation_points="ROWS", precision_mode="DECIMAL_STRICT", flags={"fail_fast": fail_fast})
    answer = client.post(PATH, data=json.dumps(body).replace('"ROWS"', rows), content_type="application/json")
    if fail_fast:
        assert (answer.status_code, answer.json["code"]) == (422, "not_computable.no_capital")
        assert [fault["perf_date"] for fault in answer.json["errors"]] == [MONDAY]
    else:
        assert warning(answer.json, "no_capital")["dates"] == [MONDAY]
        assert (base_of(answer.json), answer.json["diagnostics"]["nip_days"]) == (10.0, 0)
        assert "period_return_pct" not in summaries(answer.json)[MONDAY]


def test_buckets_with_gaps_are_the_same_with_and_without_the_working(twr: Post) -> None:
    rows = [point(FRIDAY, 0, 7), point(MONDAY, 100, 110), point(TUESDAY, 0, 7), point(WEDNESDAY, 110, 121)]
    sent = {"valuation_points": rows, "analyses": [analysis("ITD", "daily"), analysis("MTD", "monthly")]}
    with_working, without = (
        summaries(twr(**sent, output={"include_cumulative": True, "include_timeseries": told}))
        for told in (True, False)
    )
    assert without == with_working
    assert [len(summary) for summary in without.values()] == [3, 5, 4, 5]


def test_decimals_use_the_rows_from_inception_on(twr: Post) -> None:
    answer = twr(performance_start_date=MONDAY, precision_mode="DECIMAL_STRICT", output={"include_timeseries": True})
    assert list(summaries(answer)) == [MONDAY, TUESDAY, WEDNESDAY]
    assert summaries(answer)[MONDAY]["period_return_pct"] == 10.0
    assert working(answer)[0]["denominator"] == 110.0


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("110", "110.0"), ("110", "110.00"), ("110", "11e1"), ("110.50", "110.5"), ("0", "-0.0"), ("0", "0.000")],
)
def test_a_number_is_one_decimal_however_it_is_written(client: FlaskClient, ours: str, theirs: str) -> None:
    def sent(number: str) -> str:
        row = f'[{{"perf_date": "{MONDAY}", "begin_mv": 100, "end_mv": 110, "eod_cf": {number}}}]'
        body = json.dumps(request(valuation_points="ROWS", precision_mode="DECIMAL_STRICT")).replace('"ROWS"', row)
        return fingerprint(client.post(PATH, data=body, content_type="application/json").get_json())

    assert sent(ours) == sent(theirs)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [(both(), "/currency_mode"), (outliers(), "/data_policy"), (ignore(MONDAY), "/data_policy")],
    ids=["currencies", "outliers", "ignored days"],
)
def test_decimals_do_not_go_with(refusal: Post, changes: Body, pointer: str) -> None:
    found = refusal(precision_mode="DECIMAL_STRICT", **changes)
    assert found == (400, "precision_mode_unsupported", [pointer])


@pytest.mark.parametrize(
    "policy",
    [
        {"ignore_days": [{"entity_type": "PORTFOLIO", "entity_id": "other", "dates": [MONDAY]}]},
        {"overrides": {"market_values": [{"perf_date": MONDAY, "position_id": "A", "end_mv": 1}]}},
        {"overrides": {"cash_flows": [{"perf_date": "1999-12-31", "bod_cf": 1}]}},
    ],
    ids=["another portfolio", "a position", "a date without a row"],
)
def test_decimals_go_with_a_policy_that_corrects_no_row_and_a_note_says_so(twr: Post, policy: Body) -> None:
    answer = twr(precision_mode="DECIMAL_STRICT", data_policy=policy)
    assert base_of(answer) == base_of(twr())
    assert len(answer["diagnostics"]["notes"]) == 1


def test_decimals_go_with_members_that_have_no_effect(twr: Post) -> None:
    answer = twr(precision_mode="DECIMAL_STRICT", currency_mode="LOCAL_ONLY", fx={"rates": RATES}, data_policy={})
    assert base_of(answer) == base_of(twr())
    assert codes(answer) == ["no_effect"]


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (analysis("ROLLING", days=1.5), "/analyses/0/days"),
        (analysis("ITD", "daily") | {"frequencies": ["daily", 1.5]}, "/analyses/0/frequencies/1"),
    ],
    ids=["a fraction", "a number in a list"],
)
def test_a_wrong_number_in_a_list_is_refused(refusal: Post, wrong: Body, pointer: str, mode: str) -> None:
    assert refusal(analyses=[wrong], precision_mode=mode) == (422, "validation_failed", [pointer])


@pytest.mark.parametrize(
    "mode",
    ["FLOAT64", "DECIMAL_STRICT"],
)
def test_a_huge_number_in_a_list_is_refused(refusal: Post, mode: str) -> None:
    found = refusal(analyses=[analysis("ROLLING", days=10**20)], precision_mode=mode)
    assert found == (422, "validation_failed", ["/analyses/0/days"])


@pytest.fixture
def send_number(client: FlaskClient) -> Post:
    """Post a request in decimals whose last row has a number written as given; return status and answer."""

    def post(member: str, number: str) -> tuple[int, Any]:
        rows = [*POINTS[:3], point(WEDNESDAY, 133.1, 140) | {member: "NUMBER"}]
        body = request(calculation_id=UUID, precision_mode="DECIMAL_STRICT", valuation_points=rows)
        text = json.dumps(body).replace('"NUMBER"', number)
        answer = client.post(PATH, data=text, content_type="application/json")
        return answer.status_code, answer.get_json()

    return post


@pytest.mark.parametrize("member", ["begin_mv", "end_mv"])
@pytest.mark.parametrize(
    "number", ["1e-401", "1e-999999", "1e-99999999999999999999", "-1e-401", "0e99999999999999999999"]
)
def test_a_number_beyond_the_exponents_of_decimals_is_zero(send_number: Post, number: str, member: str) -> None:
    # Answers hold the fingerprint, too.
    assert send_number(member, number) == send_number(member, "0")
    assert send_number(member, number)[0] == 200


def test_the_smallest_number_of_decimals_is_no_zero(send_number: Post) -> None:
    status, problem = send_number("begin_mv", "1e-400")
    assert (status, problem["code"]) == (422, "not_computable.overflow")
    assert fingerprint(send_number("end_mv", "1e-400")[1]) != fingerprint(send_number("end_mv", "0")[1])


# ------------------------------------------------------------------ warnings


@pytest.mark.parametrize(
    ("changes", "code", "dates"),
    [
        ({"valuation_points": [POINTS[0], point(MONDAY, 111, 121)]}, "discontinuity", [MONDAY]),
        ({"currency_mode": "BOTH"}, "fx_missing_base_only", None),
        ({"output": {"top_n": 5}}, "no_effect", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_warning(twr: Post, changes: Body, code: str, dates: list[str] | None) -> None:
    found = warning(twr(**changes), code)
    assert found.get("dates") == dates
    assert found["severity"] == ("info" if code == "no_effect" else "warning")
    assert found["detail"].endswith(".")


def test_an_ordinary_request_has_no_warnings_and_no_notes(twr: Post) -> None:
    diagnostics = twr()["diagnostics"]
    assert (diagnostics["warnings"], diagnostics["notes"]) == ([], [])


def test_a_rounding_error_is_no_discontinuity(twr: Post) -> None:
    rows = [point(FRIDAY, 100, 110), point(MONDAY, 110.00000000001, 121), point(TUESDAY, 121.0000001, 130)]
    assert codes(twr(valuation_points=rows[:2])) == []
    assert codes(twr(valuation_points=rows)) == []
    assert codes(twr(valuation_points=[rows[0], point(MONDAY, 110.000001, 121)])) == ["discontinuity"]


def test_a_jump_at_the_edge_of_a_period_is_not_its_own(twr: Post) -> None:
    rows = [point(FRIDAY, 100, 110), point(MONDAY, 111, 121)]
    assert codes(twr(valuation_points=rows, analyses=[analysis("MTD")])) == []


def test_a_hundred_dates_of_a_warning_are_listed_and_all_are_counted(twr: Post) -> None:
    rows = [point(str(date), 100, 101, mgmt_fees=1) for date in dates_from("2024-01-01", 130)]
    found = warning(twr(valuation_points=rows, performance_start_date="2024-01-01"), "positive_fee")
    assert len(found["dates"]) == 100
    assert "130 days, of which the first 100 are listed" in found["detail"]


# ------------------------------------------------------------------ members without effect


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"output": {"top_n": 5}}, "output.top_n"),
        ({"calendar": {"type": "NATURAL"}}, "calendar.type"),
        ({"annualization": {"basis": "ACT/365"}}, "annualization.basis"),
        ({"annualization": {"periods_per_year": 250}}, "annualization.periods_per_year"),
        ({"annualization": {"allow_short_periods": True}}, "annualization.allow_short_periods"),
        ({"calendar": {"trading_calendar": "XNYS"}}, "calendar.trading_calendar"),
        ({"report_start_date": MONDAY}, "report_start_date"),
        ({"fx": {"rates": RATES}}, "fx"),
        ({"hedging": {"series": [hedge(FRIDAY, 1.0)]}}, "hedging"),
        ({"analyses": [analysis("MTD", start=FRIDAY)]}, "analyses.0.start"),
        ({"analyses": [analysis("MTD", end=FRIDAY)]}, "analyses.0.end"),
        ({"analyses": [analysis(), analysis("MTD", months=3)]}, "analyses.1.months"),
        ({"analyses": [analysis("EXPLICIT", start=FRIDAY, days=3)]}, "analyses.0.days"),
        ({"analyses": [analysis("ROLLING", days=30, start=FRIDAY)]}, "analyses.0.start"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_effect_is(twr: Post, changes: Body, named: str) -> None:
    found = warning(twr(**changes), "no_effect")
    assert found["detail"] == f"These members change nothing in this answer: {named}."


@pytest.mark.parametrize(
    "changes",
    [
        {"annualization": {"enabled": True, "basis": "ACT/365"}},
        {"report_start_date": MONDAY, "analyses": [analysis("EXPLICIT")]},
        both(hedging={"series": [hedge(FRIDAY, 1.0)]}),
        {"analyses": [analysis("ROLLING", days=30)]},
        {"currency": "EUR", "report_ccy": "EUR"},
    ],
    ids=["annualization", "report_start_date", "currencies", "rolling", "labels"],
)
def test_with_effect_are(twr: Post, changes: Body) -> None:
    assert "no_effect" not in codes(twr(**changes))


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_the_parameters_of_a_test_that_is_off_have_no_effect(twr: Post, mode: str) -> None:
    answer = twr(precision_mode=mode, **policy(outliers={"params": {"window": 10}}))
    assert "data_policy.outliers" in warning(answer, "no_effect")["detail"]


DEFAULTS: list[Body] = [
    {"precision_mode": "FLOAT64"},
    {"rounding_precision": 6},
    {"calendar": {}},
    {"calendar": {"type": "BUSINESS"}},
    {"annualization": {}},
    {"annualization": {"enabled": False, "basis": "BUS/252", "allow_short_periods": False}},
    {"output": {}},
    {"output": {"include_timeseries": False, "include_cumulative": False, "top_n": 20}},
    {"flags": {}},
    {"flags": {"fail_fast": False}},
    {"data_policy": {}},
    {"data_policy": {"overrides": {}, "ignore_days": [], "outliers": {}}},
    {
        "data_policy": {
            "outliers": {
                "enabled": False,
                "method": "MAD",
                "params": {"mad_k": 5, "window": 63},
                "action": "FLAG",
            }
        }
    },
    {"currency_mode": "BASE_ONLY"},
    {"fee_effect": {}},
    {"fee_effect": {"enabled": False}},
    {"reset_policy": {"emit": False}},
    {"valuation_points": [{"bod_cf": 0, "eod_cf": 0, "mgmt_fees": 0, **each} for each in POINTS]},
    {"valuation_points": [{"bod_cf": 0.0, **each} for each in POINTS]},
]


@pytest.mark.parametrize("sent", DEFAULTS, ids=lambda sent: json.dumps(sent)[:60])
def test_a_default_that_is_sent_is_no_other_input(twr: Post, sent: Body) -> None:
    answer, plain = twr(**sent), twr()
    assert fingerprint(answer) == fingerprint(plain)
    assert answer["meta"]["result_hash"] == plain["meta"]["result_hash"]
    assert codes(answer) == []


def test_the_default_of_a_hedge_is_no_other_input(twr: Post) -> None:
    series = [hedge(FRIDAY, 0.5)]
    sent = twr(**both(hedging={"mode": "RATIO", "series": series}))
    assert fingerprint(sent) == fingerprint(twr(**both(hedging={"series": series})))


def test_the_default_label_is_no_other_input(twr: Post) -> None:
    assert fingerprint(twr(analyses=[analysis(label="ITD")])) == fingerprint(twr())


@pytest.mark.parametrize(
    "changes",
    [
        {"portfolio_id": "P2"},
        {"metric_basis": "NET"},
        {"rounding_precision": 7},
        {"precision_mode": "DECIMAL_STRICT"},
        {"output": {"include_cumulative": True}},
        {"report_ccy": "EUR"},
        {"flags": {"fail_fast": True}},
        {"performance_start_date": "2025-01-02"},
        {"annualization": {"periods_per_year": 250}},
        {"valuation_points": [*POINTS[:3], point(WEDNESDAY, 133.1, 140.00000000000003)]},
        ignore(MONDAY),
    ],
    ids=lambda sent: json.dumps(sent)[:60],
)
def test_another_value_is_another_input(twr: Post, changes: Body) -> None:
    assert fingerprint(twr(**changes)) != fingerprint(twr())


def test_whole_numbers_and_fractions_are_one_input(twr: Post) -> None:
    rows = [{name: float(cell) if name != "perf_date" else cell for name, cell in each.items()} for each in POINTS]
    assert fingerprint(twr(valuation_points=rows)) == fingerprint(twr())


def test_the_result_hash_is_that_of_the_figures(twr: Post) -> None:
    assert twr()["meta"]["result_hash"] == twr(currency_mode="LOCAL_ONLY")["meta"]["result_hash"]
    assert twr()["meta"]["result_hash"] != twr(metric_basis="NET")["meta"]["result_hash"]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "status", "code", "pointers"),
    [
        (
            {"valuation_points": [*POINTS, point(MONDAY, 1, 1)]},
            400,
            "duplicate_dates",
            ["/valuation_points/4/perf_date"],
        ),
        (
            {"valuation_points": columns_of([POINTS[1], *POINTS])},
            400,
            "duplicate_dates",
            ["/valuation_points/2/perf_date"],
        ),
        (
            {"analyses": [analysis("MTD", label="x"), analysis("ITD", label="x")]},
            400,
            "duplicate_label",
            ["/analyses/1/label"],
        ),
        (
            {"analyses": [analysis(), analysis("ROLLING", days=2, label="r"), analysis("ROLLING", days=3, label="r")]},
            400,
            "duplicate_label",
            ["/analyses/2/label"],
        ),
        (
            {"analyses": [analysis("EXPLICIT", start=TUESDAY, end=MONDAY)]},
            400,
            "window_reversed",
            ["/analyses/0/start"],
        ),
        (
            {"analyses": [analysis(), analysis("EXPLICIT")], "report_start_date": "2025-03-01"},
            400,
            "window_reversed",
            ["/analyses/1/start"],
        ),
        ({"analyses": [analysis("MTD")], "report_end_date": "2025-03-31"}, 400, "no_resolved_period", []),
        ({"performance_start_date": "2025-02-06"}, 400, "no_resolved_period", []),
        ({"valuation_points": [point(MONDAY, 0, 7)]}, 422, "not_computable.no_capital", []),
        ({"valuation_points": [point(MONDAY, 1e-300, 1e300)]}, 422, "not_computable.overflow", []),
        ({"analyses": [analysis("EXPLICIT")]}, 422, "validation_failed", ["/analyses/0/start"]),
        ({"analyses": [analysis("ROLLING")]}, 422, "validation_failed", ["/analyses/0/months"]),
        ({"analyses": [analysis("ROLLING", months=1, days=1)]}, 422, "validation_failed", ["/analyses/0/months"]),
        ({"analyses": []}, 422, "validation_failed", ["/analyses"]),
        ({"analyses": [{"period": "ITD", "frequencies": []}]}, 422, "validation_failed", ["/analyses/0/frequencies"]),
        ({"valuation_points": []}, 422, "validation_failed", ["/valuation_points"]),
        ({"rounding_precision": 16}, 422, "validation_failed", ["/rounding_precision"]),
        ({"rounding_precision": -1}, 422, "validation_failed", ["/rounding_precision"]),
        ({"metric_basis": "net"}, 422, "validation_failed", ["/metric_basis"]),
        (
            {"annualization": {"periods_per_year": 1001}},
            422,
            "validation_failed",
            ["/annualization/periods_per_year"],
        ),
        ({"fx": {"rates": [rate(FRIDAY, 0)]}}, 422, "validation_failed", ["/fx/rates/0/rate"]),
        (
            {"hedging": {"series": [hedge(FRIDAY, 1.5)]}},
            422,
            "validation_failed",
            ["/hedging/series/0/hedge_ratio"],
        ),
        (outliers(params={"window": 4}), 422, "validation_failed", ["/data_policy/outliers/params/window"]),
        (outliers(params={"mad_k": 0}), 422, "validation_failed", ["/data_policy/outliers/params/mad_k"]),
        (outliers(action="DROP"), 422, "validation_failed", ["/data_policy/outliers/action"]),
        (
            policy(ignore_days=[{"entity_type": "PLANET", "entity_id": "P1", "dates": [MONDAY]}]),
            422,
            "validation_failed",
            ["/data_policy/ignore_days/0/entity_type"],
        ),
        (
            override("market_values", {"perf_date": MONDAY, "bod_cf": 1}),
            422,
            "validation_failed",
            ["/data_policy/overrides/market_values/0/bod_cf"],
        ),
        ({"metric_basis": ..., "analyses": ...}, 422, "validation_failed", ["/metric_basis", "/analyses"]),
        ({"portfolioId": "x"}, 422, "validation_failed", ["/portfolioId"]),
    ],
    ids=[
        "a date twice in rows",
        "a date twice in columns",
        "a label of two periods",
        "a label of two rolling periods",
        "a reversed window",
        "a reversed window of the report",
        "no period with rows",
        "no row since inception",
        "no return at all",
        "a return beyond a double",
        "EXPLICIT without a start",
        "ROLLING without a length",
        "ROLLING with two lengths",
        "no analyses",
        "no frequencies",
        "no rows",
        "too many decimals",
        "negative decimals",
        "a choice in another case",
        "too many days a year",
        "a rate of zero",
        "a hedge of more than all",
        "too short a window",
        "no width",
        "an action that is not there",
        "an entity that is not there",
        "a flow among market values",
        "missing members",
        "an unknown member",
    ],
)
def test_refused_is(refusal: Post, changes: Body, status: int, code: str, pointers: list[str]) -> None:
    found = refusal(**changes)
    assert found[:2] == (status, code)
    assert sorted(found[2]) == sorted(pointers)


@pytest.mark.parametrize("body", ["[]", '"x"', "null"], ids=["a list", "text", "null"])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post(PATH, data=body, content_type="application/json")
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.get_json()["errors"]] == ["wrong_type"]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"flags": None}, "/flags", "null"),
        ({"flags": []}, "/flags", "wrong_type"),
        ({"fx": {}}, "/fx/rates", "missing"),
        ({"valuation_points": [{**POINTS[0], "end_mv": None}]}, "/valuation_points/0/end_mv", "null"),
    ],
    ids=["null", "a list", "without its rates", "a cell that is null"],
)
def test_an_object_that_is_none_is_refused(client: FlaskClient, changes: Body, pointer: str, code: str) -> None:
    (fault,) = client.post(PATH, json=request(**changes)).get_json()["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)


def test_sixteen_different_periods_are_answered_and_a_seventeenth_is_refused(twr: Post, refusal: Post) -> None:
    asked = [analysis("ROLLING", days=10 + i, label=str(i)) for i in range(17)]
    assert len(twr(analyses=asked[:16])["results_by_period"]) == 16
    assert refusal(analyses=asked) == (422, "validation_failed", ["/analyses"])


def test_a_period_may_be_asked_for_again_and_again_but_not_in_thousands_of_forms(twr: Post, refusal: Post) -> None:
    assert base_of(twr(analyses=[analysis()] * 5000)) == base_of(twr())
    repeats = [["daily"] * n for n in range(1, 1500)]
    forms = [{"period": "ITD", "frequencies": frequencies} for frequencies in repeats]
    assert refusal(analyses=forms) == (422, "validation_failed", ["/analyses"])


def test_two_names_of_one_window_under_one_label_are_refused(refusal: Post) -> None:
    asked = [analysis("ITD", label="x"), analysis("YTD", label="x")]
    assert refusal(analyses=asked) == (400, "duplicate_label", ["/analyses/1/label"])


def test_an_explicit_window_may_share_label_and_window_with_a_named_one(twr: Post) -> None:
    asked = [analysis("ITD", label="x"), analysis("EXPLICIT", "monthly", start="2020-01-01", label="x")]
    assert list(period_of(twr(analyses=asked), "x")["breakdowns"]) == ["daily", "monthly"]


def test_an_empty_list_of_overrides_is_accepted(client: FlaskClient) -> None:
    body = request(**policy(overrides={"market_values": [], "cash_flows": []}))
    assert client.post(PATH, json=body).status_code == 200
