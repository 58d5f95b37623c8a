"""What each member of a request to `POST /performance/contribution` does to the answer."""

import math
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from answers import Post, codes, fingerprint, posting, refusing, warning
from lotus_performance.app import create_app
from lotus_performance.settings import Settings

PATH = "/performance/contribution"
UUID = "2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a"
MONDAY, TUESDAY, WEDNESDAY = "2025-01-06", "2025-01-07", "2025-01-08"

Body = dict[str, Any]


def point(date: str, begin_mv: float, end_mv: float, **others: float) -> Body:
    return {"perf_date": date, "begin_mv": begin_mv, "end_mv": end_mv, **others}


def position(name: str, *rows: Body, **meta: Any) -> Body:
    return {"position_id": name, "meta": meta, "valuation_points": list(rows)}


def portfolio(*rows: Body, basis: str = "NET") -> Body:
    return {"metric_basis": basis, "valuation_points": list(rows)}


# 1,000 grow by 10 % and by 20 % to 1,320: 32 %. A adds 6 % and 10 %, B 3 % and 5 %, C 1 % and 5 %.
PORTFOLIO = portfolio(point(MONDAY, 1000, 1100), point(TUESDAY, 1100, 1320))
POSITIONS = [
    position("A", point(MONDAY, 600, 660), point(TUESDAY, 660, 770), sector="Tech", land="US"),
    position("B", point(MONDAY, 300, 330), point(TUESDAY, 330, 385), sector="Health", land="US"),
    position("C", point(MONDAY, 100, 110), point(TUESDAY, 110, 165), land="JP"),
]


def request(**changes: Any) -> Body:
    """Return a request; a member that is `...` is left out."""
    body = {
        "portfolio_id": "P1",
        "report_start_date": MONDAY,
        "report_end_date": TUESDAY,
        "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
        "portfolio_data": PORTFOLIO,
        "positions_data": POSITIONS,
        "smoothing": {"method": "TO_DATE"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def analysis(period: str = "ITD", **others: Any) -> Body:
    return {"period": period, "frequencies": ["daily"], **others}


def columns_of(rows: list[Body]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture
def contribute(client: FlaskClient) -> Post:
    """Return a function that posts a request that is to succeed, and returns the answer."""
    return posting(client, PATH, request)


@pytest.fixture
def refusal(client: FlaskClient) -> Post:
    """Return a function that posts a request that is to be refused; it returns status, code and pointers."""
    return refusing(client, PATH, request)


@pytest.fixture
def detail(client: FlaskClient) -> Post:
    """Return a function that posts a request that is to be refused; it returns the detail."""
    return lambda **changes: client.post(PATH, json=request(**changes)).json["detail"]


def period_of(answer: Any, label: str = "ITD") -> Any:
    return answer["results_by_period"][label]


def positions_of(answer: Any, member: str = "total_contribution", label: str = "ITD") -> dict[str, float]:
    return {row["position_id"]: row.get(member) for row in period_of(answer, label)["position_contributions"]}


def rows_of(answer: Any, level: int = 0, member: str = "contribution") -> dict[str, Any]:
    """Return a member of a level's rows by the parts of their keys."""
    rows = period_of(answer)["levels"][level]["rows"]
    return {"/".join(row["key"].values()): row[member] for row in rows}


def notes(answer: Any) -> str:
    return " ".join(answer["diagnostics"]["notes"])


def no_effect(answer: Any) -> str:
    return str(warning(answer, "no_effect")["detail"])


# ------------------------------------------------------------------ identity and form


def test_an_id_that_was_sent_comes_back_and_is_not_in_the_fingerprint(contribute: Post) -> None:
    answer = contribute(calculation_id=UUID)
    assert answer["calculation_id"] == answer["meta"]["calculation_id"] == UUID
    assert fingerprint(answer) == fingerprint(contribute())
    assert answer == contribute(calculation_id=UUID)


def test_columns_and_any_order_are_the_same_request(contribute: Post) -> None:
    rows = contribute(calculation_id=UUID)
    columns = [each | {"valuation_points": columns_of(each["valuation_points"])} for each in POSITIONS]
    assert contribute(calculation_id=UUID, positions_data=columns) == rows
    backwards = [each | {"valuation_points": each["valuation_points"][::-1]} for each in POSITIONS[::-1]]
    for mixed in (backwards, [columns[0], *backwards[:2]]):
        other = contribute(calculation_id=UUID, positions_data=mixed)
        assert other["results_by_period"] == rows["results_by_period"]
        assert fingerprint(other) == fingerprint(rows)
        assert "not in date order" in notes(other)


def test_defaults_written_out_are_the_same_request(contribute: Post) -> None:
    with_zeros = [
        each
        | {
            "valuation_points": [
                {**row, "bod_cf": 0, "eod_cf": 0.0, "mgmt_fees": -0.0, "day": 7} for row in each["valuation_points"]
            ]
        }
        for each in POSITIONS
    ]
    same = contribute(positions_data=with_zeros, weighting_scheme="BOD", emit={"timeseries": False}, hierarchy=[])
    assert fingerprint(same) == fingerprint(contribute())


@pytest.mark.parametrize(
    "changes",
    [
        {"positions_data": POSITIONS[:2]},
        {"positions_data": [POSITIONS[0] | {"meta": {}}, *POSITIONS[1:]]},
        {"weighting_scheme": "TWR_DENOM"},
    ],
    ids=["a position less", "a label less", "an option"],
)
def test_another_request_has_another_fingerprint(contribute: Post, changes: Body) -> None:
    assert fingerprint(contribute(**changes)) != fingerprint(contribute())


def test_what_was_sent_is_counted(contribute: Post) -> None:
    counts = contribute()["audit"]["counts"]
    assert counts == {"portfolio_rows": 2, "position_rows": 6, "positions": 3, "periods": 1}


# ------------------------------------------------------------------ the flat form


def test_the_flat_form_lists_every_position(contribute: Post) -> None:
    period = period_of(contribute())
    # TO_DATE: the second day stands on 1.1. 6 + 11, 3 + 5.5, 1 + 5.5.
    assert period == {
        "total_portfolio_return": 32.0,
        "total_contribution": 32.0,
        "residual_bp": 0.0,
        "position_contributions": [
            {
                "position_id": name,
                "total_contribution": total,
                "average_weight": weight,
                "total_return": own,
                "local_contribution": total,
                "fx_contribution": 0.0,
            }
            # 770 / 600, 385 / 300, 165 / 100
            for name, total, weight, own in (
                ("A", 17.0, 60.0, 28.333333),
                ("B", 8.5, 30.0, 28.333333),
                ("C", 6.5, 10.0, 65.0),
            )
        ],
    }


def test_a_position_without_rows_in_a_period_is_listed_without_a_return(contribute: Post) -> None:
    gone = position("GONE", point(MONDAY, 0, 0))
    answer = contribute(positions_data=[*POSITIONS, gone], analyses=[analysis("EXPLICIT", start=TUESDAY)])
    last = period_of(answer, "EXPLICIT")["position_contributions"][-1]
    assert last == {
        "position_id": "GONE",
        "total_contribution": 0.0,
        "average_weight": 0.0,
        "local_contribution": 0.0,
        "fx_contribution": 0.0,
    }


@pytest.mark.parametrize(
    ("method", "first", "second"),
    [
        ("NONE", 1.0, 1.0),
        ("TO_DATE", 1.0, 1.1),
        ("SYMMETRIC", 1.1, 1.05),
        (
            "CARINO",
            math.log(1.1) / 0.1 * 0.32 / math.log(1.32),
            math.log(1.2) / 0.2 * 0.32 / math.log(1.32),
        ),
    ],
)
def test_smoothing(contribute: Post, method: str, first: float, second: float) -> None:
    totals = positions_of(contribute(smoothing={"method": method}))
    expected = {"A": 6 * first + 10 * second, "B": 3 * first + 5 * second, "C": first + 5 * second}
    assert totals == pytest.approx(expected, abs=1e-6)


def test_carino_is_the_default(contribute: Post) -> None:
    assert (
        contribute(smoothing=...)["results_by_period"]
        == (contribute(smoothing={"method": "CARINO"})["results_by_period"])
    )


def test_weights_of_average_capital_and_a_note_that_it_is_not_the_twr(contribute: Post) -> None:
    # 100 arrive in the evening for A: 1,000 + 50 on average. 105 are 10 % of 1,050.
    data = portfolio(point(MONDAY, 1000, 1205, eod_cf=100))
    rows = [position("A", point(MONDAY, 600, 700 + 105, eod_cf=100)), position("B", point(MONDAY, 400, 400))]
    answer = contribute(portfolio_data=data, positions_data=rows, weighting_scheme="AVG_CAPITAL")
    assert period_of(answer)["total_portfolio_return"] == 10.0
    assert positions_of(answer) == {"A": 10.0, "B": 0.0}
    assert positions_of(answer, "average_weight") == {"A": 61.904762, "B": 38.095238}
    assert "is not the TWR" in notes(answer)
    assert period_of(contribute(portfolio_data=data, positions_data=rows))["total_portfolio_return"] == 10.5


def test_net_and_gross(contribute: Post) -> None:
    rows = [point(MONDAY, 1000, 1090, eod_cf=-10, mgmt_fees=-10)]
    for basis, expected in (("NET", 9.0), ("GROSS", 10.0)):
        answer = contribute(portfolio_data=portfolio(*rows, basis=basis), positions_data=[position("A", *rows)])
        assert positions_of(answer) == {"A": expected}
        assert period_of(answer)["residual_bp"] == 0.0


# ------------------------------------------------------------------ the residual


def test_a_residual_is_stated_for_each_period_and_the_largest_in_the_audit(contribute: Post) -> None:
    asked = [analysis(), analysis("EXPLICIT", start=TUESDAY)]
    answer = contribute(positions_data=POSITIONS[:2], analyses=asked)
    # C is missing: 1 % + 5.5 %, on Tuesday alone 5 %.
    assert [period["residual_bp"] for period in answer["results_by_period"].values()] == [-650.0, -500.0]
    assert answer["audit"]["sum_of_parts_vs_total_bp"] == -650.0
    assert "residual_applied_bp" not in answer["audit"]


def test_a_residual_is_spread_by_weight_only_when_asked_for(contribute: Post) -> None:
    answer = contribute(positions_data=POSITIONS[:2], emit={"residual_per_position": True, "timeseries": True})
    # 6.5 % over 60 and 30 %: 17 + 4.333333, 8.5 + 2.166667.
    assert positions_of(answer) == {"A": 21.333333, "B": 10.666667}
    assert positions_of(answer, "local_contribution") == {"A": 21.333333, "B": 10.666667}
    assert period_of(answer)["residual_bp"] == 0.0
    assert answer["audit"]["sum_of_parts_vs_total_bp"] == 0.0
    assert answer["audit"]["residual_applied_bp"] == 650.0
    assert [day["total_contribution"] for day in period_of(answer)["timeseries"]] == [9.0, 16.5]


def test_a_residual_that_cannot_be_spread_stays_and_a_note_says_so(contribute: Post) -> None:
    rows = [position("LONG", point(MONDAY, 500, 550)), position("SHORT", point(MONDAY, -500, -510))]
    answer = contribute(
        portfolio_data=portfolio(point(MONDAY, 1000, 1100)),
        positions_data=rows,
        emit={"residual_per_position": True},
    )
    # 5 % - 1 % of 10 %; the weights are 50 and -50 %.
    assert period_of(answer)["residual_bp"] == -600.0
    assert answer["audit"]["residual_applied_bp"] == 0.0
    assert "In ITD the average weights of the positions sum to 0: its residual was not spread." in notes(answer)


# ------------------------------------------------------------------ levels


def test_the_form_with_a_hierarchy(contribute: Post) -> None:
    period = period_of(contribute(hierarchy=["land", "sector"]))
    assert period["summary"] == {
        "portfolio_contribution": 32.0,
        "coverage_mv_pct": 100.0,
        "residual_bp": 0.0,
        "weighting_scheme": "BOD",
    }
    row = {"children_count": 1, "is_other": False}
    assert period["levels"] == [
        {
            "level": 1,
            "name": "land",
            "rows": [
                {"key": {"land": "JP"}, "contribution": 6.5, "weight_avg": 10.0, **row},
                {"key": {"land": "US"}, "contribution": 25.5, "weight_avg": 90.0, **row, "children_count": 2},
            ],
        },
        {
            "level": 2,
            "name": "sector",
            "parent": "land",
            "rows": [
                {"key": {"land": "JP", "sector": "Unclassified"}, "contribution": 6.5, "weight_avg": 10.0, **row},
                {"key": {"land": "US", "sector": "Health"}, "contribution": 8.5, "weight_avg": 30.0, **row},
                {"key": {"land": "US", "sector": "Tech"}, "contribution": 17.0, "weight_avg": 60.0, **row},
            ],
        },
    ]


def test_every_period_has_its_levels(contribute: Post) -> None:
    answer = contribute(hierarchy=["land"], analyses=[analysis(), analysis("EXPLICIT", start=TUESDAY)])
    assert [len(period["levels"]) for period in answer["results_by_period"].values()] == [1, 1]


def test_positions_as_a_level(contribute: Post) -> None:
    assert rows_of(contribute(hierarchy=["position_id"])) == {"A": 17.0, "B": 8.5, "C": 6.5}


def test_levels_can_be_left_out(contribute: Post) -> None:
    assert period_of(contribute(hierarchy=["land"], emit={"by_level": False})).keys() == {"summary"}


def test_rows_beyond_the_first_are_folded(contribute: Post) -> None:
    answer = contribute(hierarchy=["position_id"], emit={"top_n_per_level": 1})
    assert rows_of(answer) == {"A": 17.0, "Other": 15.0}
    assert rows_of(answer, member="is_other") == {"A": False, "Other": True}
    assert rows_of(answer, member="children_count") == {"A": 1, "Other": 2}


def test_light_rows_are_folded(contribute: Post) -> None:
    answer = contribute(hierarchy=["position_id"], emit={"threshold_weight": 0.3})
    assert rows_of(answer) == {"A": 17.0, "B": 8.5, "Other": 6.5}


def test_folded_rows_can_be_left_out_and_a_note_states_their_sum(contribute: Post) -> None:
    answer = contribute(hierarchy=["land", "position_id"], emit={"threshold_weight": 0.3, "include_other": False})
    assert rows_of(answer) == {"US": 25.5}
    assert rows_of(answer, 1) == {"US/A": 17.0, "US/B": 8.5}
    assert period_of(answer)["summary"]["portfolio_contribution"] == 32.0
    assert "ITD, level land: rows of Other were left out (1); together they contribute 6.5 %." in notes(answer)
    assert "ITD, level position_id: rows of Other were left out (1); together they contribute 6.5 %." in notes(answer)


def test_unclassified_rows_can_be_left_out_and_a_note_states_their_sum(contribute: Post) -> None:
    answer = contribute(hierarchy=["sector", "land"], emit={"include_unclassified": False})
    assert rows_of(answer, 1) == {"Health/US": 8.5, "Tech/US": 17.0}
    assert "level sector: rows of Unclassified were left out (1); together they contribute 6.5 %." in notes(answer)


def test_a_group_that_is_called_other_is_itself_unless_rows_are_folded(contribute: Post) -> None:
    rows = [each | {"meta": {"group": group}} for each, group in zip(POSITIONS, ("a", "Other", "b"), strict=True)]
    plain = contribute(hierarchy=["group"], positions_data=rows, emit={"include_other": False})
    assert rows_of(plain) == {"Other": 8.5, "a": 17.0, "b": 6.5}
    assert rows_of(plain, member="is_other")["Other"] is False
    folded = contribute(hierarchy=["group"], positions_data=rows, emit={"threshold_weight": 0.3})
    assert rows_of(folded) == {"Other": 15.0, "a": 17.0}
    assert rows_of(folded, member="children_count") == {"Other": 2, "a": 1}


def test_positions_may_have_the_names_of_groups(contribute: Post) -> None:
    rows = [each | {"position_id": name} for each, name in zip(POSITIONS, ("Unclassified", "Other", "c"), strict=True)]
    emit = {"include_other": False, "include_unclassified": False}
    answer = contribute(hierarchy=["position_id"], positions_data=rows, emit=emit)
    assert rows_of(answer) == {"Other": 8.5, "Unclassified": 17.0, "c": 6.5}
    folded = contribute(hierarchy=["position_id"], positions_data=rows, emit={"threshold_weight": 1})
    assert rows_of(folded) == {"Other": 32.0}


def test_positive_fees_of_positions_are_warned_of(contribute: Post) -> None:
    rows = [POSITIONS[0], position("FEES", point(TUESDAY, 0, 0, mgmt_fees=11))]
    answer = contribute(positions_data=rows)
    assert positions_of(answer)["FEES"] == 1.1
    assert warning(answer, "positive_fee")["dates"] == [TUESDAY]
    assert "of positions: FEES." in warning(answer, "positive_fee")["detail"]


@pytest.mark.parametrize("empty", [{}, {"sector": None}], ids=["absent", "null"])
def test_a_position_without_the_label_is_unclassified(contribute: Post, empty: Body) -> None:
    rows = [POSITIONS[0], POSITIONS[1] | {"meta": empty}, POSITIONS[2]]
    assert rows_of(contribute(hierarchy=["sector"], positions_data=rows)) == {"Tech": 17.0, "Unclassified": 15.0}


def test_labels_that_are_not_used_may_hold_anything(contribute: Post) -> None:
    meta = {"sector": "Tech", "weight": 1, "end_mv": [None, {"a": 10**40}], "position_id": False}
    rows = [each | {"meta": meta} for each in POSITIONS]
    assert rows_of(contribute(hierarchy=["sector"], positions_data=rows)) == {"Tech": 32.0}


# ------------------------------------------------------------------ series


def test_series_of_the_portfolio_and_of_positions(contribute: Post) -> None:
    rows = [*POSITIONS[:2], POSITIONS[2] | {"valuation_points": POSITIONS[2]["valuation_points"][1:]}]
    period = period_of(contribute(positions_data=rows, emit={"timeseries": True, "by_position_timeseries": True}))
    assert period["timeseries"] == [
        {"date": MONDAY, "total_contribution": 9.0},
        {"date": TUESDAY, "total_contribution": 22.0},
    ]
    assert period["by_position_timeseries"] == [
        {
            "position_id": name,
            "series": [{"date": date, "contribution": figure} for date, figure in days.items()],
        }
        for name, days in (
            ("A", {MONDAY: 6.0, TUESDAY: 11.0}),
            ("B", {MONDAY: 3.0, TUESDAY: 5.5}),
            ("C", {TUESDAY: 5.5}),
        )
    ]


def test_series_stand_beside_levels_and_hold_the_days_of_their_period(contribute: Post) -> None:
    asked = [analysis("EXPLICIT", start=TUESDAY)]
    emit = {"timeseries": True, "by_position_timeseries": True}
    period = period_of(contribute(hierarchy=["land"], analyses=asked, emit=emit), "EXPLICIT")
    assert period["timeseries"] == [{"date": TUESDAY, "total_contribution": 20.0}]
    assert [len(each["series"]) for each in period["by_position_timeseries"]] == [1, 1, 1]


def test_a_day_without_a_return_is_in_no_series(contribute: Post) -> None:
    rows = [point(MONDAY, 0, 100), point(TUESDAY, 100, 110)]
    emit = {"timeseries": True, "by_position_timeseries": True}
    answer = contribute(
        portfolio_data=portfolio(*rows),
        positions_data=[position("A", *rows), position("B", rows[0])],
        smoothing={"method": "NONE"},
        emit=emit,
    )
    assert warning(answer, "no_capital")["dates"] == [MONDAY]
    assert period_of(answer)["timeseries"] == [{"date": TUESDAY, "total_contribution": 10.0}]
    series = {each["position_id"]: each["series"] for each in period_of(answer)["by_position_timeseries"]}
    assert series == {"A": [{"date": TUESDAY, "contribution": 10.0}], "B": []}


def test_series_of_positions_that_are_not_there_are_empty(contribute: Post) -> None:
    rows = [position("GONE", point(MONDAY, 0, 0))]
    asked = [analysis("EXPLICIT", start=TUESDAY)]
    answer = contribute(positions_data=rows, analyses=asked, emit={"by_position_timeseries": True})
    assert period_of(answer, "EXPLICIT")["by_position_timeseries"] == [{"position_id": "GONE", "series": []}]


# ------------------------------------------------------------------ periods


def test_periods_are_taken_from_the_rows_sent_and_not_cut_to_the_start_of_the_report(contribute: Post) -> None:
    answer = contribute(report_start_date=TUESDAY, analyses=[analysis(), analysis("EXPLICIT"), analysis("MTD")])
    assert [period["total_portfolio_return"] for period in answer["results_by_period"].values()] == [32.0, 20.0, 32.0]


def test_a_period_without_rows_is_left_out_and_named_and_the_others_are_answered(contribute: Post) -> None:
    empty = analysis("EXPLICIT", start="2025-01-11", end="2025-01-12", label="weekend")
    answer = contribute(report_end_date="2025-01-12", analyses=[analysis(), empty])
    assert list(answer["results_by_period"]) == ["ITD"]
    assert "Period weekend (2025-01-11 to 2025-01-12) has no rows and was left out." in notes(answer)
    assert answer["meta"]["periods"]["requested"] == ["ITD", "weekend"]


def test_a_position_that_restarts_is_named(contribute: Post) -> None:
    rows = [point(MONDAY, 100, -20), point(TUESDAY, -20, 110, bod_cf=120)]
    answer = contribute(positions_data=[position("A", *rows)])
    assert "In ITD the return of positions that lost their capital" in notes(answer)
    assert positions_of(answer, "total_return") == {"A": 10.0}


def test_a_reset_of_the_portfolio_is_warned_of_where_it_can_be_answered(contribute: Post) -> None:
    rows = [point(MONDAY, 100, -20), point(TUESDAY, -20, 110, bod_cf=120)]
    answer = contribute(
        portfolio_data=portfolio(*rows), positions_data=[position("A", *rows)], smoothing={"method": "NONE"}
    )
    assert warning(answer, "reset")["dates"] == [MONDAY]
    assert answer["diagnostics"]["reset_days"] == 1
    # -120 % + 10 % are the sum of days, 10 % the return since the restart.
    assert period_of(answer)["residual_bp"] == -12000.0


# ------------------------------------------------------------------ currencies

BOTH: Body = {
    "currency_mode": "BOTH",
    "report_ccy": "USD",
    "fx": {"rates": [{"date": "2025-01-05", "ccy": "EUR", "rate": 2.0}, {"date": MONDAY, "ccy": "EUR", "rate": 2.2}]},
    # 300 EUR of 2.00 USD grow by 5 % to 315 of 2.20: 600 to 693 USD.
    "portfolio_data": portfolio(point(MONDAY, 1000, 1113)),
    "positions_data": [
        position("E", point(MONDAY, 300, 315), currency="EUR"),
        position("U", point(MONDAY, 400, 420), currency="USD"),
    ],
}


def test_both_parts_of_a_contribution(contribute: Post) -> None:
    answer = contribute(**BOTH)
    assert positions_of(answer) == {"E": 9.3, "U": 2.0}
    assert positions_of(answer, "local_contribution") == {"E": 3.0, "U": 2.0}
    assert positions_of(answer, "fx_contribution") == {"E": 6.3, "U": 0.0}
    assert positions_of(answer, "total_return") == {"E": 15.5, "U": 5.0}
    assert positions_of(answer, "average_weight") == {"E": 60.0, "U": 40.0}
    assert period_of(answer)["residual_bp"] == 0.0
    assert codes(answer) == []


def test_both_parts_of_a_level(contribute: Post) -> None:
    answer = contribute(**BOTH, hierarchy=["currency"])
    assert rows_of(answer, member="local_contribution") == {"EUR": 3.0, "USD": 2.0}
    assert rows_of(answer, member="fx_contribution") == {"EUR": 6.3, "USD": 0.0}
    summary = period_of(answer)["summary"]
    assert (summary["local_contribution"], summary["fx_contribution"]) == (5.0, 6.3)


def test_hedges_take_their_part_of_the_currency_away_and_idle_ones_are_named(contribute: Post) -> None:
    series = [
        {"date": MONDAY, "ccy": "EUR", "hedge_ratio": 0.5},
        {"date": TUESDAY, "ccy": "EUR", "hedge_ratio": 0.5},
        {"date": MONDAY, "ccy": "JPY", "hedge_ratio": 0.5},
    ]
    answer = contribute(**BOTH, hedging={"series": series})
    assert positions_of(answer, "fx_contribution") == {"E": 3.15, "U": 0.0}
    assert codes(contribute(**BOTH, hedging={"series": series[:1]})) == []
    told = f"2 of 3 hedges (no position in that currency has a row on that date, such as JPY on {MONDAY})"
    assert told in no_effect(answer)


def test_local_only(contribute: Post) -> None:
    answer = contribute(**(BOTH | {"currency_mode": "LOCAL_ONLY"}))
    assert period_of(answer)["total_portfolio_return"] == 5.0
    assert positions_of(answer) == {"E": 3.0, "U": 2.0}
    assert positions_of(answer, "average_weight") == {"E": 60.0, "U": 40.0}


def test_base_only_takes_all_values_as_one_currency(contribute: Post) -> None:
    answer = contribute(**(BOTH | {"currency_mode": "BASE_ONLY"}))
    assert positions_of(answer) == {"E": 1.5, "U": 2.0}
    assert positions_of(answer, "fx_contribution") == {"E": 0.0, "U": 0.0}
    assert "fx" in no_effect(answer)


def test_both_without_rates_is_base_only_with_a_warning(contribute: Post) -> None:
    answer = contribute(**(BOTH | {"fx": ...}), hierarchy=["currency"])
    assert codes(answer) == ["fx_missing_base_only"]
    assert "fx_contribution" not in period_of(answer)["summary"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"positions_data": [position("U", point(MONDAY, 1000, 1113))]},
            "fx (no position is in another currency than USD, the portfolio's)",
        ),
        ({"currency": "CHF"}, "currency (the values of the portfolio are taken to be in USD, report_ccy)"),
        ({"currency": "CHF", "fx": ...}, "report_ccy (the figures stay in CHF)"),
    ],
    ids=["rates that nothing needs", "another currency", "another currency without rates"],
)
def test_currencies_without_effect_are_named(contribute: Post, changes: Body, told: str) -> None:
    assert told in no_effect(contribute(**(BOTH | changes)))


def test_no_currency_moves_on_an_ignored_day_of_the_portfolio(contribute: Post) -> None:
    policy = {"ignore_days": [{"entity_type": "PORTFOLIO", "entity_id": "P1", "dates": [MONDAY]}]}
    answer = contribute(**BOTH, data_policy=policy)
    assert positions_of(answer) == positions_of(answer, "fx_contribution") == {"E": 0.0, "U": 0.0}
    assert period_of(answer)["total_portfolio_return"] == period_of(answer)["residual_bp"] == 0.0


def test_currencies_that_are_taken_as_one_are_noted(contribute: Post) -> None:
    told = "All values were taken to be in one currency, whatever the label currency says of E;"
    assert told in notes(contribute(**(BOTH | {"currency_mode": ..., "fx": ...})))
    assert "one currency" not in notes(contribute(**BOTH)) + notes(contribute())


# ------------------------------------------------------------------ data policies


def test_overrides_of_portfolio_and_position_are_counted_and_noted(contribute: Post) -> None:
    policy = {
        "overrides": {
            "market_values": [
                {"perf_date": TUESDAY, "end_mv": 1375},
                {"perf_date": TUESDAY, "position_id": "C", "end_mv": 220},
            ],
            "cash_flows": [{"perf_date": MONDAY, "position_id": "B", "bod_cf": 0}],
        }
    }
    answer = contribute(data_policy=policy)
    # C adds 10 % on Tuesday, the portfolio 25 %.
    assert positions_of(answer) == {"A": 17.0, "B": 8.5, "C": 12.0}
    assert period_of(answer)["total_portfolio_return"] == 37.5
    assert answer["diagnostics"]["policy"]["overrides"] == {"applied_mv_count": 2, "applied_cf_count": 1}
    assert f"Overridden market values: {TUESDAY}, {TUESDAY} of C." in notes(answer)


def test_ignored_days_of_positions_and_of_the_portfolio(contribute: Post) -> None:
    def ignoring(kind: str, entity: str) -> Any:
        return contribute(data_policy={"ignore_days": [{"entity_type": kind, "entity_id": entity, "dates": [TUESDAY]}]})

    position_alone, whole = ignoring("POSITION", "C"), ignoring("PORTFOLIO", "P1")
    assert positions_of(position_alone) == {"A": 17.0, "B": 8.5, "C": 1.0}
    assert position_alone["diagnostics"]["policy"]["ignored_days_count"] == 1
    assert positions_of(whole) == {"A": 6.0, "B": 3.0, "C": 1.0}
    assert period_of(whole)["total_portfolio_return"] == 10.0
    assert whole["diagnostics"]["policy"]["ignored_days_count"] == 1


def test_outliers_of_portfolio_and_positions_are_sampled_and_change_nothing(contribute: Post) -> None:
    days = [f"2025-01-{day:02}" for day in (6, 7, 8, 9, 10, 13)]
    gains = (1.0, 1.1, 0.9, 1.0, 1.2, 20.0)
    rows = [point(day, 100, 100 + gain) for day, gain in zip(days, gains, strict=True)]
    data: Body = {
        "report_end_date": days[-1],
        "portfolio_data": portfolio(*(point(day, 1000, 1001) for day in days)),
        "positions_data": [position("A", *rows)],
    }
    answer = contribute(**data, data_policy={"outliers": {"enabled": True}})
    # As in the runbook: the median is 1 %, its absolute deviation 0.1 %.
    assert answer["diagnostics"]["samples"]["outliers"] == [
        {"position_id": "A", "date": "2025-01-13", "raw_return": 20.0, "threshold": 0.5}
    ]
    assert answer["diagnostics"]["policy"]["outliers"]["flagged_rows"] == 1
    assert answer["results_by_period"] == contribute(**data)["results_by_period"]


# ------------------------------------------------------------------ without effect


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"output": {"top_n": 3}}, "output.top_n"),
        ({"calendar": {"type": "NATURAL"}}, "calendar.type"),
        ({"annualization": {"enabled": True}}, "annualization.enabled"),
        ({"emit": {"include_other": False}}, "emit.include_other"),
        ({"emit": {"by_level": False}}, "emit.by_level"),
        ({"hierarchy": ["land"], "emit": {"by_level": False, "top_n_per_level": 3}}, "emit.top_n_per_level"),
        ({"data_policy": {"outliers": {"params": {"mad_k": 3}}}}, "data_policy.outliers.params"),
        ({"analyses": [analysis(months=3)]}, "analyses.0.months"),
        ({"currency": "EUR", "report_ccy": "USD"}, "report_ccy (the figures stay in EUR)"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_members_without_effect_are_named(contribute: Post, changes: Body, named: str) -> None:
    assert no_effect(contribute(**changes)) == f"These members change nothing in this answer: {named}."


@pytest.mark.parametrize(
    "changes",
    [{}, {"currency": "EUR"}, {"report_ccy": "USD"}, {"lookthrough": {}}, {"bucketing": {"enabled": False}}],
    ids=["nothing", "a currency", "a report currency", "an empty block", "a block that is off"],
)
def test_no_warning_without_a_reason(contribute: Post, changes: Body) -> None:
    assert codes(contribute(**changes)) == []


# ------------------------------------------------------------------ refusals

LOSS = [point(MONDAY, 100, -20), point(TUESDAY, -20, 110, bod_cf=120)]


@pytest.mark.parametrize(
    ("changes", "code", "pointers"),
    [
        (
            {"positions_data": [*POSITIONS, position("D", point(WEDNESDAY, 1, 1), point(MONDAY, 1, 1))]},
            "dates_mismatch",
            ["/positions_data/3/valuation_points/0/perf_date"],
        ),
        ({"positions_data": [*POSITIONS, POSITIONS[1]]}, "duplicate_ids", ["/positions_data/3"]),
        (
            {"positions_data": [position("A", point(MONDAY, 1, 1), point(MONDAY, 1, 1))]},
            "duplicate_dates",
            ["/positions_data/0/valuation_points/1/perf_date"],
        ),
        (
            {"portfolio_data": portfolio(point(MONDAY, 1, 1), point(MONDAY, 1, 1))},
            "duplicate_dates",
            ["/portfolio_data/valuation_points/1/perf_date"],
        ),
        ({"hierarchy": ["land", "Sector"]}, "unknown_hierarchy_key", ["/hierarchy/1"]),
        (
            {"portfolio_data": portfolio(*LOSS), "positions_data": [position("A", *LOSS)]},
            "linking_undefined",
            [],
        ),
        ({"lookthrough": {"enabled": True}}, "not_supported", ["/lookthrough"]),
        ({"bucketing": {"by": "size"}, "lookthrough": {"a": 1}}, "not_supported", ["/lookthrough", "/bucketing"]),
        (
            {"smoothing": {"method": "NONE"}, "emit": {"residual_per_position": True}},
            "not_supported",
            ["/emit/residual_per_position"],
        ),
        ({"precision_mode": "DECIMAL_STRICT"}, "precision_mode_unsupported", ["/precision_mode"]),
        (BOTH | {"fx": {"rates": [{"date": TUESDAY, "ccy": "EUR", "rate": 2}]}}, "fx_rate_missing", ["/fx/rates"]),
        (BOTH | {"currency_mode": "LOCAL_ONLY", "fx": ...}, "fx_rate_missing", ["/fx/rates"]),
        ({"report_start_date": WEDNESDAY}, "window_reversed", ["/report_start_date"]),
        (
            {"analyses": [analysis("EXPLICIT", start=TUESDAY, end=MONDAY)]},
            "window_reversed",
            ["/analyses/0/start"],
        ),
        ({"analyses": [analysis(label="a"), analysis("WTD", label="a")]}, "duplicate_label", ["/analyses/1/label"]),
        ({"report_end_date": "2030-01-01", "analyses": [analysis("MTD")]}, "no_resolved_period", []),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_values_that_contradict_each_other_are_refused(
    refusal: Post, changes: Body, code: str, pointers: list[str]
) -> None:
    assert refusal(**changes) == (400, code, pointers)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (LOSS, rf"TO_DATE cannot link the contributions of ITD: capital was lost, .* on {MONDAY}\. Use .* NONE"),
        ([point(MONDAY, 100, 110), point(TUESDAY, -9, -8)], f"no positive capital on {TUESDAY}"),
    ],
    ids=["a reset", "a short day"],
)
def test_a_refusal_to_link_names_period_date_and_what_works(detail: Post, rows: list[Body], told: str) -> None:
    text = detail(portfolio_data=portfolio(*rows), positions_data=[position("A", *rows)])
    assert re.search(told, text), text


def test_a_refusal_of_carino_names_period_date_and_what_works(detail: Post) -> None:
    rows = [point(MONDAY, 100, 110), point(TUESDAY, 110, 0)]
    text = detail(
        portfolio_data=portfolio(*rows), positions_data=[position("A", *rows)], smoothing={"method": "CARINO"}
    )
    assert text == (
        "Linking by CARINO is not defined for the returns of ITD: it takes logarithms of 1 + return, and the portfolio "
        f"has -100 % on {TUESDAY}. Ask for TO_DATE or SYMMETRIC."
    )


def test_no_capital_is_refused(refusal: Post) -> None:
    rows = [point(MONDAY, 0, 100)]
    changes = {"portfolio_data": portfolio(*rows), "positions_data": [position("A", *rows)]}
    assert refusal(**changes)[:2] == (422, "not_computable.no_capital")
    fast = refusal(**changes, flags={"fail_fast": True})
    assert fast == (422, "not_computable.no_capital", ["/portfolio_data/valuation_points/0"])


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"positions_data": ...}, "/positions_data", "missing"),
        ({"positions_data": []}, "/positions_data", "empty"),
        ({"positions_data": {}}, "/positions_data", "wrong_type"),
        ({"positions_data": [1]}, "/positions_data/0", "wrong_type"),
        ({"positions_data": [{"valuation_points": [point(MONDAY, 1, 1)]}]}, "/positions_data/0/position_id", "missing"),
        ({"positions_data": [{"position_id": "A"}]}, "/positions_data/0/valuation_points", "missing"),
        ({"positions_data": [POSITIONS[0] | {"metas": {}}]}, "/positions_data/0/metas", "unknown"),
        ({"positions_data": [POSITIONS[0] | {"meta": []}]}, "/positions_data/0/meta", "wrong_type"),
        ({"positions_data": [position("A")]}, "/positions_data/0/valuation_points", "empty"),
        (
            {"positions_data": [position("A", point(MONDAY, 1, 1)), position("B", {"perf_date": MONDAY, "end_mv": 1})]},
            "/positions_data/1/valuation_points/0/begin_mv",
            "missing",
        ),
        (
            {"positions_data": [{"position_id": "A", "valuation_points": {"perf_date": [MONDAY], "begin_mv": [1]}}]},
            "/positions_data/0/valuation_points/end_mv",
            "missing",
        ),
        (
            {"hierarchy": ["sector"], "positions_data": [POSITIONS[0], position("B", point(MONDAY, 1, 1), sector=1)]},
            "/positions_data/1/meta/sector",
            "wrong_type",
        ),
        (
            BOTH | {"positions_data": [position("B", point(MONDAY, 1, 1), currency="euro")]},
            "/positions_data/0/meta/currency",
            "not_a_currency",
        ),
        (BOTH | {"report_ccy": ...}, "/report_ccy", "missing"),
        ({"report_start_date": ...}, "/report_start_date", "missing"),
        ({"portfolio_data": {"valuation_points": []}}, "/portfolio_data/metric_basis", "missing"),
        ({"smoothing": {"method": "carino"}}, "/smoothing/method", "not_allowed"),
        ({"weighting_scheme": "EOD"}, "/weighting_scheme", "not_allowed"),
        ({"emit": {"threshold_weight": 1.5}}, "/emit/threshold_weight", "out_of_range"),
        ({"hierarchy": [f"x{i}" for i in range(17)]}, "/hierarchy", "too_many"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_fault_has_its_pointer(client: FlaskClient, changes: Body, pointer: str, code: str) -> None:
    answer = client.post(PATH, json=request(**changes))
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert (pointer, code) in [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]]


def test_all_faults_are_counted_and_the_first_are_named() -> None:
    client = create_app(Settings(max_errors=2)).test_client()
    wrong = [{"perf_date": MONDAY, "begin_mv": "1", "end_mv": "1"}] * 3
    answer = client.post(PATH, json=request(positions_data=[position(name, *wrong) for name in "ABCD"])).json
    assert answer["errors_total"] == 24
    assert len(answer["errors"]) == 2


def test_unknown_members_beyond_the_limit_are_counted() -> None:
    client = create_app(Settings(max_errors=2)).test_client()
    rows = [{**POSITIONS[0], **{f"member_{i}": 1 for i in range(5)}}]
    answer = client.post(PATH, json=request(positions_data=rows)).json
    assert answer["errors_total"] == 5
    assert [fault["pointer"] for fault in answer["errors"]] == [f"/positions_data/0/member_{i}" for i in (0, 1)]


def test_a_refusal_lists_labels_of_bounded_length(client: FlaskClient) -> None:
    rows = [POSITIONS[0] | {"meta": {"x" * 100_000: "a", "sector": "b"}}]
    answer = client.post(PATH, json=request(positions_data=rows, hierarchy=["nope"]))
    assert "known are position_id, sector" in answer.json["errors"][0]["detail"]
    assert len(answer.data) < 2_000


def test_faults_of_all_positions_are_named_at_once(refusal: Post) -> None:
    rows = [position(name, point(MONDAY, 1, 1), {"perf_date": "x", "begin_mv": "1", "end_mv": 1}) for name in "AB"]
    assert refusal(positions_data=rows)[2] == [
        f"/positions_data/{i}/valuation_points/1/{name}" for i in (0, 1) for name in ("perf_date", "begin_mv")
    ]


# ------------------------------------------------------------------ limits


def asked(n: int) -> list[Body]:
    return [analysis(label=f"p{i}") for i in range(n)]


@pytest.mark.parametrize(
    ("changes", "most_periods", "pointer"),
    [
        # Rows times periods: 6 of positions, 2 of the portfolio, at most 25 x 3.
        ({"emit": {"by_position_timeseries": True}}, 12, "/emit/by_position_timeseries"),
        ({"emit": {"by_position_timeseries": True, "timeseries": True}}, 9, "/emit/by_position_timeseries"),
        # Parts of keys: 3 rows of 1 and 3 of 2 parts, since there are 3 positions; at most 4 x 3.
        ({"hierarchy": ["land", "sector"]}, 1, "/hierarchy"),
        ({"hierarchy": ["land", "sector"], "emit": {"by_level": False}}, 16, "/analyses"),
        ({}, 16, "/analyses"),
    ],
    ids=["series of positions", "both series", "levels", "levels that are not told", "periods"],
)
def test_what_is_told_is_bounded(changes: Body, most_periods: int, pointer: str) -> None:
    client = create_app(Settings(max_rows=3)).test_client()
    assert client.post(PATH, json=request(**changes, analyses=asked(most_periods))).status_code == 200
    answer = client.post(PATH, json=request(**changes, analyses=asked(most_periods + 1)))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert answer.json["errors"][0]["code"] == "too_many"


def test_rows_times_periods_are_bounded() -> None:
    # 23 positions of one row in 5 periods are 115 rows times periods; at most 110 x 1.
    client = create_app(Settings(max_rows=1)).test_client()
    one_day = {"portfolio_data": portfolio(point(MONDAY, 1000, 1100)), "report_end_date": MONDAY}
    rows = [position(f"P{i}", point(MONDAY, 10, 11)) for i in range(23)]
    assert client.post(PATH, json=request(**one_day, positions_data=rows[:22], analyses=asked(5))).status_code == 200
    answer = client.post(PATH, json=request(**one_day, positions_data=rows, analyses=asked(5)))
    assert [fault["pointer"] for fault in answer.json["errors"]] == ["/analyses"]


def test_rows_that_are_tested_for_outliers_are_bounded() -> None:
    days = [f"2025-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    rows = [point(day, 1, 1) for day in days]
    policy = {"outliers": {"enabled": True, "params": {"window": 336}}}
    # 4 series x 336 rows x 336 rows before = 451,584; at most 1,000 x max_rows.
    body = request(
        report_end_date="2025-12-31",
        portfolio_data=portfolio(*rows),
        positions_data=[position(name, *rows) for name in "ABC"],
        data_policy=policy,
    )
    assert create_app(Settings(max_rows=452)).test_client().post(PATH, json=body).status_code == 200
    answer = create_app(Settings(max_rows=451)).test_client().post(PATH, json=body)
    assert answer.json["errors"][0]["pointer"] == "/data_policy/outliers/params/window"


@pytest.mark.parametrize(
    ("limits", "pointer"),
    [
        ({"max_positions": 2}, "/positions_data"),
        ({"max_rows": 1}, "/portfolio_data/valuation_points"),
    ],
    ids=["positions", "rows"],
)
def test_more_than_a_limit_is_refused(limits: Body, pointer: str) -> None:
    answer = create_app(Settings(**limits)).test_client().post(PATH, json=request())
    assert answer.status_code == 422
    assert (answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (pointer, "too_many")


def test_the_limit_of_rows_is_one_of_each_series() -> None:
    # Six rows of positions, two of each.
    assert create_app(Settings(max_rows=2)).test_client().post(PATH, json=request()).status_code == 200
