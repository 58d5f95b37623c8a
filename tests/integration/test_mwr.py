"""What each member of a request to `POST /performance/mwr` does to the answer."""

import json
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from answers import Post, codes, fingerprint, posting, refusing, warning

PATH = "/performance/mwr"
UUID = "2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a"
START, MIDDLE, END = "2022-12-31", "2023-12-31", "2024-12-30"
"""365 days apart."""

Body = dict[str, Any]


def flow(date: str, amount: float) -> Body:
    return {"date": date, "amount": amount}


def explicit(start: str = START, end: str = END) -> Body:
    return {"type": "EXPLICIT", "explicit": {"start": start, "end": end}}


FLOWS = [flow(MIDDLE, 60)]


def request(**changes: Any) -> Body:
    """Return a request; a member that is `...` is left out. 100 and 60 a year later earn 10 % a year."""
    body = {
        "portfolio_id": "P1",
        "begin_mv": 100,
        "end_mv": 187,
        "as_of": END,
        "cash_flows": FLOWS,
        "periods": explicit(),
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


@pytest.fixture
def mwr(client: FlaskClient) -> Post:
    """Return a function that posts a request that is to succeed, and returns the answer."""
    return posting(client, PATH, request)


@pytest.fixture
def refusal(client: FlaskClient) -> Post:
    """Return a function that posts a request that is to be refused; it returns status, code and pointers."""
    return refusing(client, PATH, request)


def figures(answer: Any) -> tuple[float, float | None, str]:
    return answer["money_weighted_return"], answer.get("mwr_annualized"), answer["method"]


# ------------------------------------------------------------------ identity


def test_ids_come_back_and_are_not_in_the_fingerprint(mwr: Post) -> None:
    answer, plain = mwr(calculation_id=UUID), mwr()
    assert answer["calculation_id"] == answer["meta"]["calculation_id"] == UUID
    assert plain["calculation_id"] != UUID
    assert answer["portfolio_id"] == "P1"
    assert fingerprint(answer) == fingerprint(plain)


def test_the_same_body_gives_the_same_answer(mwr: Post) -> None:
    assert mwr(calculation_id=UUID) == mwr(calculation_id=UUID)


def test_the_headline_is_percent_of_the_period_and_of_a_year(mwr: Post) -> None:
    assert figures(mwr()) == (21.0, 10.0, "XIRR")


# ------------------------------------------------------------------ cash_flows


def test_rows_and_columns_give_the_same_answer(mwr: Post) -> None:
    rows = [flow("2023-03-31", 10), flow(MIDDLE, 50)]
    columns = {"date": ["2023-03-31", MIDDLE], "amount": [10, 50]}
    assert mwr(cash_flows=rows, calculation_id=UUID) == mwr(cash_flows=columns, calculation_id=UUID)


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_the_order_of_the_flows_changes_nothing(mwr: Post, mode: str) -> None:
    rows = [flow("2023-03-31", 10), flow(MIDDLE, 50.5), flow(MIDDLE, -3), flow("2024-01-31", 2)]
    first = mwr(cash_flows=rows, calculation_id=UUID, precision_mode=mode)
    for other in (rows[::-1], [rows[2], rows[3], rows[0], rows[1]]):
        assert mwr(cash_flows=other, calculation_id=UUID, precision_mode=mode) == first


def test_flows_of_one_day_are_one_flow(mwr: Post) -> None:
    answer = mwr(cash_flows=[flow(MIDDLE, 100), flow(MIDDLE, -40)])
    assert figures(answer) == figures(mwr())
    assert [each["amount"] for each in answer["cashflows_used"]] == [-40.0, 100.0]
    assert answer["audit"]["counts"]["cash_flows"] == 2


@pytest.mark.parametrize("empty", [[], {"date": [], "amount": []}], ids=["rows", "columns"])
def test_there_may_be_no_flows(mwr: Post, empty: Any) -> None:
    answer = mwr(cash_flows=empty, end_mv=121)
    assert figures(answer) == (21.0, 10.0, "XIRR")
    assert answer["cashflows_used"] == []


def test_a_flow_on_the_first_and_the_last_day_is_inside(mwr: Post) -> None:
    assert figures(mwr(cash_flows=[flow(START, 100), flow(END, 8)], end_mv=250)) == (21.0, 10.0, "XIRR")


def test_the_flows_used_are_listed_in_date_order(mwr: Post) -> None:
    answer = mwr(cash_flows=[flow(END, 1), flow(MIDDLE, -2.5)])
    assert answer["cashflows_used"] == [flow(MIDDLE, -2.5), flow(END, 1.0)]


def test_the_flows_used_may_be_left_out(mwr: Post) -> None:
    answer = mwr(emit_cashflows_used=False)
    assert "cashflows_used" not in answer
    assert figures(answer) == figures(mwr())


# ------------------------------------------------------------------ mwr_method

# Modified Dietz: 27 on 100 + 60 / 2; Dietz the same, the flow being in the middle. Early: on 100 + 60 · 547 / 730.
EARLY = [flow("2023-07-02", 60)]


@pytest.mark.parametrize(
    ("method", "flows", "value"),
    [
        ("MODIFIED_DIETZ", FLOWS, 20.769231),
        ("DIETZ", FLOWS, 20.769231),
        ("MODIFIED_DIETZ", EARLY, 18.625969),
        ("DIETZ", EARLY, 20.769231),
    ],
    ids=["Modified Dietz in the middle", "Dietz in the middle", "Modified Dietz early", "Dietz early"],
)
def test_a_dietz_method_has_no_rate_per_year_unless_asked(
    mwr: Post, method: str, flows: list[Body], value: float
) -> None:
    answer = mwr(mwr_method=method, cash_flows=flows)
    assert answer["money_weighted_return"] == pytest.approx(value, abs=5e-6)
    assert answer["method"] == method
    assert "mwr_annualized" not in answer
    assert answer["convergence"] == {"iterations": 0, "converged": True, "roots": []}


@pytest.mark.parametrize("method", ["MODIFIED_DIETZ", "DIETZ"])
@pytest.mark.parametrize(
    ("annualization", "rate"),
    [
        ({"enabled": True}, 1.21 ** (365 / 730)),
        ({"enabled": True, "basis": "BUS/252"}, 1.21 ** (365 / 730)),
        ({"enabled": True, "basis": "ACT/365"}, 1.21 ** (365 / 730)),
        ({"enabled": True, "basis": "ACT/ACT"}, 1.21 ** (365.25 / 730)),
        ({"enabled": True, "periods_per_year": 1, "allow_short_periods": True}, 1.21 ** (365 / 730)),
    ],
    ids=["default", "BUS/252 counts as ACT/365", "ACT/365", "ACT/ACT", "members without effect"],
)
def test_a_dietz_method_is_annualised_when_asked(mwr: Post, method: str, annualization: Body, rate: float) -> None:
    answer = mwr(mwr_method=method, cash_flows=[], end_mv=121, annualization=annualization)
    assert answer["mwr_annualized"] == pytest.approx(100 * (rate - 1), abs=1e-6)


def test_a_dietz_return_of_a_short_period_is_not_annualised_and_a_note_says_so(mwr: Post) -> None:
    answer = mwr(mwr_method="DIETZ", annualization={"enabled": True}, periods=explicit("2024-01-02"), cash_flows=[])
    assert "mwr_annualized" not in answer
    assert "363 days are not annualised" in answer["notes"][0]
    assert answer["diagnostics"]["notes"] == answer["notes"]


def test_a_dietz_loss_of_everything_is_not_annualised_and_a_note_says_so(mwr: Post) -> None:
    answer = mwr(mwr_method="DIETZ", annualization={"enabled": True}, end_mv=-40)
    assert answer["money_weighted_return"] == pytest.approx(-153.846154)
    assert "mwr_annualized" not in answer
    assert answer["notes"] == ["A loss of everything or more has no rate per year."]


@pytest.mark.parametrize(("basis", "year_days"), [("BUS/252", 365), ("ACT/365", 365), ("ACT/ACT", 365.25)])
def test_the_internal_rate_is_per_year_of_the_basis(mwr: Post, basis: str, year_days: float) -> None:
    answer = mwr(cash_flows=[], end_mv=121, annualization={"basis": basis})
    assert answer["mwr_annualized"] == pytest.approx(100 * (1.21 ** (year_days / 730) - 1), abs=1e-6)
    assert answer["money_weighted_return"] == 21.0


def test_an_internal_rate_of_a_short_period_comes_with_a_warning(mwr: Post) -> None:
    answer = mwr(periods=explicit("2024-10-31"), cash_flows=[], end_mv=101)
    assert answer["money_weighted_return"] == 1.0
    assert answer["mwr_annualized"] == pytest.approx(100 * (1.01 ** (365 / 60) - 1), abs=1e-6)
    assert "60 days" in warning(answer, "short_period_annualised")["detail"]


def test_a_year_is_not_short(mwr: Post) -> None:
    assert codes(mwr(periods=explicit(MIDDLE), cash_flows=[])) == []


# ------------------------------------------------------------------ roots


def test_one_sign_change_proves_the_rate(mwr: Post) -> None:
    convergence = mwr()["convergence"]
    assert convergence["search"] == "proven"
    assert convergence["unique"] is True
    assert convergence["converged"] is True
    assert convergence["roots"] == [10.0]
    assert convergence["residual"] < 1e-12


TWO_ROOTS = {"begin_mv": 1000, "end_mv": -1320, "cash_flows": [flow(MIDDLE, -2300)]}
"""10 % and 20 % a year."""


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_several_rates_are_all_given_with_a_warning(mwr: Post, mode: str) -> None:
    answer = mwr(precision_mode=mode, **TWO_ROOTS)
    assert answer["convergence"]["roots"] == [10.0, 20.0]
    assert answer["convergence"]["unique"] is False
    assert answer["convergence"]["search"] == "exact"
    assert answer["audit"]["counts"]["roots"] == 2
    assert "2 internal rates" in warning(answer, "multiple_roots")["detail"]
    # The Modified Dietz return has no capital: nearest 0 is taken.
    assert figures(answer) == (21.0, 10.0, "XIRR")


def test_without_a_rate_modified_dietz_stands_in_and_a_note_says_so(mwr: Post) -> None:
    answer = mwr(end_mv=-10)
    assert answer["method"] == "MODIFIED_DIETZ"
    assert answer["money_weighted_return"] == pytest.approx(-130.769231)
    assert answer["convergence"]["converged"] is False
    assert answer["convergence"]["roots"] == []
    assert "No internal rate of return" in answer["notes"][0]


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_without_capital_for_modified_dietz_dietz_stands_in(mwr: Post, mode: str) -> None:
    # 10 - 100 + 150 on 100 - 150, or on 100 - 150 / 2.
    answer = mwr(end_mv=10, cash_flows=[flow(START, -150)], precision_mode=mode)
    assert figures(answer) == (240.0, None, "DIETZ")
    assert "No internal rate of return" in answer["notes"][0]


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_a_stand_in_is_annualised_when_asked(mwr: Post, mode: str) -> None:
    # -60 - 100 + 150 on 100 - 150 / 2; 100 z² - 150 z + 60 has no real root.
    body = {"end_mv": -60, "cash_flows": [flow(MIDDLE, -150)], "precision_mode": mode}
    assert figures(mwr(**body)) == (-40.0, None, "MODIFIED_DIETZ")
    rate = 100 * (0.6**0.5 - 1)
    assert mwr(annualization={"enabled": True}, **body)["mwr_annualized"] == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_a_total_loss_is_all_of_it_with_a_note(mwr: Post, mode: str) -> None:
    answer = mwr(end_mv=0, precision_mode=mode)
    assert figures(answer) == (-100.0, -100.0, "XIRR")
    assert "total loss" in answer["notes"][0]
    assert answer["convergence"]["roots"] == [-100.0]


# ------------------------------------------------------------------ flags.fail_fast


def test_fail_fast_refuses_a_stand_in(refusal: Post) -> None:
    assert refusal(end_mv=-10, flags={"fail_fast": True}) == (422, "not_computable.no_root", [])


@pytest.mark.parametrize("changes", [{}, {"end_mv": 0}, {"mwr_method": "DIETZ"}], ids=["a rate", "a loss", "Dietz"])
def test_fail_fast_changes_nothing_where_there_is_a_figure(mwr: Post, changes: Body) -> None:
    assert figures(mwr(flags={"fail_fast": True}, **changes)) == figures(mwr(**changes))


# ------------------------------------------------------------------ periods


@pytest.mark.parametrize(
    ("periods", "start"),
    [
        (explicit(), START),
        ({"type": "MTD"}, "2024-11-30"),
        ({"type": "QTD"}, "2024-09-30"),
        ({"type": "YTD"}, "2023-12-31"),
        ({"type": "WTD"}, "2024-12-29"),
        ({"type": "1Y"}, "2023-12-30"),
        ({"type": "3Y"}, "2021-12-30"),
        ({"type": "5Y"}, "2019-12-30"),
        ({"type": "ROLLING", "rolling": {"months": 6}}, "2024-06-30"),
        ({"type": "ROLLING", "rolling": {"days": 10}}, "2024-12-20"),
        ({"type": "ITD"}, "2024-12-30"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else value,
)
def test_the_measuring_period(mwr: Post, periods: Body, start: str) -> None:
    answer = mwr(periods=periods, cash_flows=[])
    assert (answer["start_date"], answer["end_date"]) == (start, END)
    assert answer["meta"]["periods"] == {"requested": [periods["type"]], "master_start": start, "master_end": END}
    assert answer["diagnostics"]["effective_period_start"] == start
    assert answer["money_weighted_return"] == 87.0


@pytest.mark.parametrize("periods", [..., {"type": "ITD"}], ids=["no period", "ITD"])
def test_the_first_flow_starts_the_period_and_a_warning_says_so(mwr: Post, periods: Any) -> None:
    answer = mwr(periods=periods, cash_flows=[flow(MIDDLE, 60), flow(START, 0.5)])
    assert answer["start_date"] == START
    assert START in warning(answer, "start_from_first_flow")["detail"]


def test_the_warning_of_itd_does_not_deny_that_it_was_sent(mwr: Post) -> None:
    assert (
        "No measuring period was sent" not in warning(mwr(periods={"type": "ITD"}), "start_from_first_flow")["detail"]
    )


def test_without_a_period_none_is_named_as_requested(mwr: Post) -> None:
    assert mwr(periods=...)["meta"]["periods"]["requested"] == []


def test_without_period_and_flows_the_growth_has_no_rate_per_year(mwr: Post) -> None:
    answer = mwr(periods=..., cash_flows=[], annualization={"enabled": True})
    assert figures(answer) == (87.0, None, "MODIFIED_DIETZ")
    assert (answer["start_date"], answer["end_date"]) == (END, END)
    assert "no days" in answer["notes"][0]
    assert codes(answer) == []


# ------------------------------------------------------------------ precision


@pytest.mark.parametrize("method", ["XIRR", "MODIFIED_DIETZ", "DIETZ"])
def test_doubles_and_decimals_give_the_same_answer(mwr: Post, method: str) -> None:
    options = {
        "mwr_method": method,
        "begin_mv": 100.1,
        "end_mv": 187.37,
        "cash_flows": [flow("2023-02-28", 0.1), flow(MIDDLE, 60.2), flow(MIDDLE, -0.3)],
        "annualization": {"enabled": True},
        "rounding_precision": 9,
    }
    doubles, decimals = mwr(**options), mwr(precision_mode="DECIMAL_STRICT", **options)
    assert figures(decimals) == figures(doubles)
    assert decimals["convergence"] == doubles["convergence"]
    assert decimals["cashflows_used"] == doubles["cashflows_used"]
    assert (doubles["meta"]["precision_mode"], decimals["meta"]["precision_mode"]) == ("FLOAT64", "DECIMAL_STRICT")
    assert fingerprint(decimals) != fingerprint(doubles)


def test_decimals_read_the_text_of_a_number(client: FlaskClient) -> None:
    body = json.dumps(request(precision_mode="DECIMAL_STRICT", rounding_precision=15, mwr_method="DIETZ"))
    body = body.replace('"begin_mv": 100', '"begin_mv": 1e16').replace('"end_mv": 187', '"end_mv": 10000000000000060.1')
    answer = client.post(PATH, data=body, content_type="application/json").get_json()
    assert answer["money_weighted_return"] == 1e-15


@pytest.mark.parametrize(("ours", "theirs"), [("60", "60.0"), ("60", "6e1"), ("60.50", "60.5"), ("0", "-0.0")])
def test_a_number_is_one_decimal_however_it_is_written(client: FlaskClient, ours: str, theirs: str) -> None:
    def sent(number: str) -> str:
        body = json.dumps(request(precision_mode="DECIMAL_STRICT")).replace('"amount": 60', f'"amount": {number}')
        return fingerprint(client.post(PATH, data=body, content_type="application/json").get_json())

    assert sent(ours) == sent(theirs)


def test_the_flows_used_are_rounded_as_decimals(mwr: Post) -> None:
    answer = mwr(precision_mode="DECIMAL_STRICT", rounding_precision=2, cash_flows=[flow(MIDDLE, 1.015)])
    assert answer["cashflows_used"] == [flow(MIDDLE, 1.02)]


@pytest.mark.parametrize("decimals", range(16))
@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_every_figure_is_rounded_to_the_decimals_asked_for(mwr: Post, mode: str, decimals: int) -> None:
    answer = mwr(
        rounding_precision=decimals,
        precision_mode=mode,
        mwr_method="DIETZ",
        begin_mv=3.0625,
        end_mv=3.1875,
        cash_flows=[flow(MIDDLE, 0.03125)],
    )
    unit = Decimal(1).scaleb(-decimals)
    exact = 100 * (Decimal("3.1875") - Decimal("3.09375")) / (Decimal("3.0625") + Decimal("0.015625"))
    # The last digits of 15 decimals are beyond those of a double.
    assert answer["money_weighted_return"] == pytest.approx(float(exact.quantize(unit)), rel=2e-15, abs=0.0)
    assert answer["cashflows_used"][0]["amount"] == float(Decimal("0.03125").quantize(unit))


def test_the_residual_of_the_search_is_not_rounded(mwr: Post) -> None:
    answer = mwr(rounding_precision=0, begin_mv=1234.567, cash_flows=[flow("2023-05-05", 13.7), flow("2024-03-03", -7)])
    assert 0.0 < answer["convergence"]["residual"] < 1e-9


# ------------------------------------------------------------------ members without effect


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"calendar": {"type": "NATURAL"}}, "calendar"),
        ({"calendar": {"trading_calendar": "XNYS"}}, "calendar"),
        ({"output": {"include_timeseries": True}}, "output"),
        ({"output": {"include_cumulative": True}}, "output"),
        ({"output": {"top_n": 5}}, "output"),
        ({"data_policy": {"outliers": {"enabled": True}}}, "data_policy"),
        ({"currency_mode": "BOTH"}, "currency_mode"),
        ({"fx": {"rates": [{"date": END, "ccy": "EUR", "rate": 1.1}]}}, "fx"),
        ({"hedging": {"series": [{"date": END, "ccy": "EUR", "hedge_ratio": 1}]}}, "hedging"),
        ({"annualization": {"periods_per_year": 250}}, "annualization.periods_per_year"),
        ({"annualization": {"allow_short_periods": True}}, "annualization.allow_short_periods"),
        ({"mwr_method": "DIETZ", "flags": {"fail_fast": True}}, "flags.fail_fast"),
        ({"mwr_method": "MODIFIED_DIETZ", "annualization": {"basis": "ACT/ACT"}}, "annualization.basis"),
        ({"periods": {**explicit(), "rolling": {"days": 5}}}, "periods.rolling"),
        ({"periods": {**explicit(), "type": "YTD"}}, "periods.explicit"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:50],
)
def test_without_effect_is(mwr: Post, changes: Body, named: str) -> None:
    answer = mwr(**{"cash_flows": [], **changes})
    found = warning(answer, "no_effect")
    assert found["detail"] == f"These members change nothing in this answer: {named}."
    assert found["severity"] == "info"


@pytest.mark.parametrize(
    "changes",
    [
        {"solver": {"method": "brent", "max_iter": 50, "tolerance": 1e-6}},
        {"currency": "EUR"},
        {"report_ccy": "EUR"},
        {"annualization": {"enabled": True, "basis": "ACT/365"}},
    ],
    ids=["solver", "currency", "report_ccy", "annualization"],
)
def test_labels_and_members_with_an_effect_bring_no_warning(mwr: Post, changes: Body) -> None:
    answer = mwr(**changes)
    assert codes(answer) == []
    assert figures(answer) == (21.0, 10.0, "XIRR")


def test_a_report_currency_into_which_nothing_is_converted_is_named(mwr: Post) -> None:
    found = warning(mwr(currency="EUR", report_ccy="USD"), "no_effect")
    assert "report_ccy (the figures stay in EUR)" in found["detail"]


@pytest.mark.parametrize(("sent", "used"), [("BUS/252", "ACT/365"), ("ACT/365", "ACT/365"), ("ACT/ACT", "ACT/ACT")])
def test_the_basis_that_was_used_is_told(mwr: Post, sent: str, used: str) -> None:
    told = mwr(annualization={"basis": sent, "periods_per_year": 250})["meta"]["annualization"]
    assert told == {"enabled": False, "basis": used, "allow_short_periods": False}


def test_the_report_currency_comes_back(mwr: Post) -> None:
    assert mwr(report_ccy="EUR")["meta"]["report_ccy"] == "EUR"
    assert "report_ccy" not in mwr()["meta"]


@pytest.mark.parametrize(
    "sent",
    [
        {"precision_mode": "FLOAT64"},
        {"rounding_precision": 6},
        {"calendar": {"type": "BUSINESS"}},
        {"annualization": {"enabled": False, "basis": "BUS/252", "allow_short_periods": False}},
        {"output": {}},
        {"output": {"include_timeseries": False, "include_cumulative": False, "top_n": 20}},
        {"flags": {"fail_fast": False}},
        {"data_policy": {"overrides": {}, "ignore_days": [], "outliers": {"enabled": False}}},
        {"currency_mode": "BASE_ONLY"},
        {"mwr_method": "XIRR"},
        {"solver": {}},
        {"emit_cashflows_used": True},
        {"begin_mv": 100.0, "end_mv": 187.0, "cash_flows": [flow(MIDDLE, 60.0)]},
    ],
    ids=lambda sent: json.dumps(sent)[:60],
)
def test_a_default_that_is_sent_is_no_other_input(mwr: Post, sent: Body) -> None:
    answer, plain = mwr(**sent), mwr()
    assert fingerprint(answer) == fingerprint(plain)
    assert answer["meta"]["result_hash"] == plain["meta"]["result_hash"]
    assert codes(answer) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"portfolio_id": "P2"},
        {"begin_mv": 100.00000000000001},
        {"end_mv": 188},
        {"cash_flows": [flow("2023-12-30", 60)]},
        {"mwr_method": "DIETZ"},
        {"emit_cashflows_used": False},
        {"periods": ...},
        {"precision_mode": "DECIMAL_STRICT"},
    ],
    ids=lambda sent: json.dumps(sent, default=lambda _: "absent")[:60],
)
def test_another_value_is_another_input(mwr: Post, changes: Body) -> None:
    assert fingerprint(mwr(**changes)) != fingerprint(mwr())


def test_the_result_hash_is_that_of_the_headline(mwr: Post) -> None:
    plain = mwr()["meta"]["result_hash"]
    assert mwr(emit_cashflows_used=False)["meta"]["result_hash"] == plain
    assert mwr(cash_flows=[flow(MIDDLE, 30), flow(MIDDLE, 30)])["meta"]["result_hash"] == plain
    assert mwr(end_mv=188)["meta"]["result_hash"] != plain


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "status", "code", "pointers"),
    [
        (
            {"cash_flows": [flow("2022-12-30", 1), flow(MIDDLE, 1), flow("2024-12-31", 1)]},
            400,
            "flow_outside_period",
            ["/cash_flows/0/date", "/cash_flows/2/date"],
        ),
        (
            {"cash_flows": [flow("2024-12-31", 1), flow(MIDDLE, 1), flow("2022-12-30", 1)]},
            400,
            "flow_outside_period",
            ["/cash_flows/0/date", "/cash_flows/2/date"],
        ),
        ({"periods": ..., "cash_flows": [flow("2025-01-01", 1)]}, 400, "flow_outside_period", ["/cash_flows/0/date"]),
        ({"periods": explicit(END, START)}, 400, "window_reversed", ["/periods/explicit/start"]),
        ({"periods": explicit(START, MIDDLE)}, 400, "window_mismatch", ["/periods/explicit/end"]),
        (
            {"periods": explicit(END, END), "cash_flows": [flow(END, 1)]},
            422,
            "not_computable.no_period",
            ["/cash_flows"],
        ),
        ({"periods": ..., "cash_flows": [flow(END, 1)]}, 422, "not_computable.no_period", ["/cash_flows"]),
        ({"begin_mv": 0, "end_mv": 0, "cash_flows": []}, 422, "not_computable.no_capital", ["/begin_mv"]),
        ({"mwr_method": "DIETZ", "begin_mv": -100}, 422, "not_computable.no_capital", ["/begin_mv"]),
        ({"mwr_method": "MODIFIED_DIETZ", "begin_mv": -30}, 422, "not_computable.no_capital", ["/begin_mv"]),
        (
            {"begin_mv": 1, "end_mv": 1e9, "periods": explicit("2024-12-29"), "cash_flows": []},
            422,
            "not_computable.overflow",
            [],
        ),
        ({"periods": {"type": "EXPLICIT"}}, 422, "validation_failed", ["/periods/explicit"]),
        ({"periods": {"type": "ROLLING"}}, 422, "validation_failed", ["/periods/rolling"]),
        ({"periods": {"type": "ROLLING", "rolling": {}}}, 422, "validation_failed", ["/periods/rolling/months"]),
        (
            {"periods": {"type": "ROLLING", "rolling": {"months": 1, "days": 1}}},
            422,
            "validation_failed",
            ["/periods/rolling/months"],
        ),
        ({"mwr_method": "xirr"}, 422, "validation_failed", ["/mwr_method"]),
        ({"rounding_precision": 16}, 422, "validation_failed", ["/rounding_precision"]),
        ({"solver": {"tolerance": 0}}, 422, "validation_failed", ["/solver/tolerance"]),
        ({"cash_flows": [{"date": MIDDLE}]}, 422, "validation_failed", ["/cash_flows/0/amount"]),
        ({"cash_flows": [flow(MIDDLE, 1), flow("2023-02-30", 1)]}, 422, "validation_failed", ["/cash_flows/1/date"]),
        ({"begin_mv": ..., "cash_flows": ...}, 422, "validation_failed", ["/begin_mv", "/cash_flows"]),
        ({"analyses": []}, 422, "validation_failed", ["/analyses"]),
    ],
    ids=[
        "flows outside the period",
        "flows outside the period in another order",
        "a flow after the day of the closing value",
        "a reversed period",
        "a period that ends elsewhere",
        "flows in a period of no days",
        "flows on the day of the closing value alone",
        "nothing at all",
        "Dietz without capital",
        "Modified Dietz without capital",
        "a rate beyond a double",
        "EXPLICIT without dates",
        "ROLLING without a length",
        "ROLLING with an empty length",
        "ROLLING with two lengths",
        "a choice in another case",
        "too many decimals",
        "no tolerance",
        "a flow without an amount",
        "a day that is none",
        "missing members",
        "an unknown member",
    ],
)
def test_refused_is(refusal: Post, changes: Body, status: int, code: str, pointers: list[str]) -> None:
    found = refusal(**changes)
    assert found[:2] == (status, code)
    assert sorted(found[2]) == sorted(pointers)


@pytest.mark.parametrize("mode", ["FLOAT64", "DECIMAL_STRICT"])
def test_a_loss_within_a_day_is_no_total_loss(mwr: Post, mode: str) -> None:
    answer = mwr(end_mv=1, periods=explicit("2024-12-29"), cash_flows=[], precision_mode=mode)
    assert answer["money_weighted_return"] == -99.0


def test_a_loss_of_more_than_everything_has_no_rate_per_year(client: FlaskClient) -> None:
    body = request(
        begin_mv=322.4,
        end_mv="END",
        cash_flows=[flow("2023-05-21", -380.33)],
        mwr_method="MODIFIED_DIETZ",
        annualization={"enabled": True},
        precision_mode="DECIMAL_STRICT",
    )
    text = json.dumps(body).replace('"END"', "-73.4610000000000000000001")
    answer = client.post(PATH, data=text, content_type="application/json")
    assert answer.status_code == 200
    assert "mwr_annualized" not in answer.get_json()
