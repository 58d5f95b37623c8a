"""What each member of a request to `POST /performance/attribution` does to the answer."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import Conflict

from answers import CheckedClient, Post, codes, fingerprint, posting, refusing, warning
from lotus_performance.app import create_app
from lotus_performance.settings import Settings

PATH = "/performance/attribution"
UUID = "2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a"
MONDAY, TUESDAY, WEDNESDAY = "2025-01-06", "2025-01-07", "2025-01-08"

Body = dict[str, Any]


def observation(date: str, weight: float, returns: float, **others: float) -> Body:
    return {"date": date, "weight_bop": weight, "return_base": returns, **others}


def group(key: Body | str, *rows: Body) -> Body:
    return {"key": {"sector": key} if isinstance(key, str) else key, "observations": list(rows)}


def point(date: str, begin_mv: float, end_mv: float, **others: float) -> Body:
    return {"perf_date": date, "begin_mv": begin_mv, "end_mv": end_mv, **others}


def instrument(name: str, *rows: Body, **meta: Any) -> Body:
    return {"instrument_id": name, "meta": meta, "valuation_points": list(rows)}


def portfolio(*rows: Body, basis: str = "NET") -> Body:
    return {"metric_basis": basis, "valuation_points": list(rows)}


# Two days of 60 and 40 % against 50 and 50 %: Tech 10 % against 8 %, Bank 2 % against 4 %; r = 6.8 %, b = 6 %.
MINE = [
    group("Tech", observation(MONDAY, 0.6, 0.10), observation(TUESDAY, 0.6, 0.10)),
    group("Bank", observation(MONDAY, 0.4, 0.02), observation(TUESDAY, 0.4, 0.02)),
]
THEIRS = [
    group("Tech", observation(MONDAY, 0.5, 0.08), observation(TUESDAY, 0.5, 0.08)),
    group("Bank", observation(MONDAY, 0.5, 0.04), observation(TUESDAY, 0.5, 0.04)),
]


def request(**changes: Any) -> Body:
    """Return a request; a member that is `...` is left out."""
    body = {
        "portfolio_id": "P1",
        "report_start_date": MONDAY,
        "report_end_date": TUESDAY,
        "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
        "mode": "by_group",
        "group_by": ["sector"],
        "frequency": "daily",
        "linking": "none",
        "portfolio_groups_data": MINE,
        "benchmark_groups_data": THEIRS,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


# 1,000: Tech 600 gain 10 %, Bank 400 gain 2 %: the same first day, from values.
INSTRUMENTS: Body = {
    "mode": "by_instrument",
    "portfolio_groups_data": ...,
    "report_end_date": MONDAY,
    "portfolio_data": portfolio(point(MONDAY, 1000, 1068)),
    "instruments_data": [
        instrument("A", point(MONDAY, 450, 495), sector="Tech"),
        instrument("B", point(MONDAY, 150, 165), sector="Tech"),
        instrument("C", point(MONDAY, 400, 408), sector="Bank"),
    ],
}


def analysis(period: str = "ITD", **others: Any) -> Body:
    return {"period": period, "frequencies": ["daily"], **others}


def columns_of(rows: list[Body]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture
def attribute(client: FlaskClient) -> Post:
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


def effects(answer: Any, level: int = -1, label: str = "ITD") -> dict[str, tuple[float, float, float]]:
    """Return the effects of a level's groups by the parts of their keys."""
    groups = period_of(answer, label)["levels"][level]["groups"]
    return {"/".join(row["key"].values()): (row["allocation"], row["selection"], row["interaction"]) for row in groups}


def reconciliation(answer: Any, label: str = "ITD") -> tuple[float, float, float]:
    told = period_of(answer, label)["reconciliation"]
    return told["total_active_return"], told["sum_of_effects"], told["residual"]


def notes(answer: Any) -> str:
    return " ".join(answer["diagnostics"]["notes"])


def no_effect(answer: Any) -> str:
    return str(warning(answer, "no_effect")["detail"])


# ------------------------------------------------------------------ identity and form


def test_an_id_that_was_sent_comes_back_and_is_not_in_the_fingerprint(attribute: Post) -> None:
    answer = attribute(calculation_id=UUID)
    assert answer["calculation_id"] == answer["meta"]["calculation_id"] == UUID
    assert fingerprint(answer) == fingerprint(attribute())
    assert answer == attribute(calculation_id=UUID)


def test_columns_and_any_order_are_the_same_request(attribute: Post) -> None:
    rows = attribute(calculation_id=UUID)
    columns = [each | {"observations": columns_of(each["observations"])} for each in MINE]
    backwards = [each | {"observations": each["observations"][::-1]} for each in MINE[::-1]]
    for same in (columns, backwards, [columns[0], backwards[0]]):
        assert attribute(calculation_id=UUID, portfolio_groups_data=same) == rows


def test_instruments_in_columns_and_any_order_are_the_same_request(attribute: Post) -> None:
    rows = attribute(**INSTRUMENTS)
    columns = [
        each | {"valuation_points": columns_of(each["valuation_points"])} for each in INSTRUMENTS["instruments_data"]
    ]
    other = attribute(**(INSTRUMENTS | {"instruments_data": columns[::-1]}))
    assert other["results_by_period"] == rows["results_by_period"]
    assert fingerprint(other) == fingerprint(rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"portfolio_groups_data": MINE[:1]},
        {"model": "BHB"},
        {"linking": "carino"},
        {"compare_linking": True},
        {"group_by": ["sector"], "benchmark_groups_data": [*THEIRS, group("Oil", observation(MONDAY, 0, 0))]},
    ],
    ids=["a group less", "model", "linking", "a comparison", "a group of the benchmark more"],
)
def test_another_request_has_another_fingerprint(attribute: Post, changes: Body) -> None:
    assert fingerprint(attribute(**changes)) != fingerprint(attribute())


def test_what_was_sent_is_counted(attribute: Post) -> None:
    counts = attribute()["audit"]["counts"]
    assert counts == {"portfolio_rows": 4, "benchmark_rows": 4, "segments": 2, "periods": 1}


def test_the_whole_answer_of_a_day(attribute: Post) -> None:
    period = period_of(attribute(report_end_date=MONDAY))
    # 0.1 x 2, 0.5 x 2, 0.1 x 2; -0.1 x -2, 0.5 x -2, -0.1 x -2.
    assert period == {
        "levels": [
            {
                "dimension": "sector",
                "groups": [
                    {
                        "key": {"sector": name},
                        "allocation": 0.2,
                        "selection": selection,
                        "interaction": 0.2,
                        "total_effect": total,
                    }
                    for name, selection, total in (("Bank", -1.0, -0.6), ("Tech", 1.0, 1.4))
                ],
                "totals": {"allocation": 0.4, "selection": 0.0, "interaction": 0.4, "total_effect": 0.8},
            }
        ],
        "reconciliation": {"total_active_return": 0.8, "sum_of_effects": 0.8, "residual": 0.0},
    }


# ------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("changes", "tech", "bank"),
    [
        ({"model": "BF"}, (0.2, 1.0, 0.2), (0.2, -1.0, 0.2)),
        ({"model": "BHB"}, (0.8, 1.0, 0.2), (-0.4, -1.0, 0.2)),
        ({"interaction": "selection"}, (0.2, 1.2, 0.0), (0.2, -0.8, 0.0)),
        ({"interaction": "allocation"}, (0.4, 1.0, 0.0), (0.4, -1.0, 0.0)),
    ],
    ids=["BF", "BHB", "selection", "allocation"],
)
def test_model_and_interaction(attribute: Post, changes: Body, tech: Any, bank: Any) -> None:
    assert effects(attribute(report_end_date=MONDAY, **changes)) == {"Bank": bank, "Tech": tech}


OFF = [
    group("Tech", observation(MONDAY, 0.6, 0.10)),
    group("Bank", observation(MONDAY, 0.3, 0.02)),
    group("Oil", observation(MONDAY, 0.1, 0.30)),
]


@pytest.mark.parametrize(
    ("policy", "oil"),
    [
        # Against 6 %, against its own 30 %, against 0; what is left is interaction, since the benchmark has none.
        ("benchmark_total", (0.0, 0.0, 2.4)),
        ("own_return", (2.4, 0.0, 0.0)),
        ("zero", (-0.6, 0.0, 3.0)),
    ],
)
def test_off_benchmark(attribute: Post, policy: str, oil: Any) -> None:
    answer = attribute(report_end_date=MONDAY, portfolio_groups_data=OFF, off_benchmark=policy)
    assert effects(answer)["Oil"] == oil
    assert reconciliation(answer) == (3.6, 3.6, 0.0)


def test_weights_beyond_one_are_a_row_of_their_own(attribute: Post) -> None:
    answer = attribute(
        report_end_date=MONDAY,
        portfolio_groups_data=[group("Tech", observation(MONDAY, 1.5, 0.1))],
    )
    assert effects(answer)["Leverage"] == (3.0, 0.0, 0.0)
    assert reconciliation(answer) == (9.0, 9.0, 0.0)


def test_weights_that_do_not_sum_are_noted(attribute: Post) -> None:
    mine = [MINE[0], group("Bank", observation(MONDAY, 0.4, 0.02), observation(TUESDAY, 0.5, 0.02))]
    told = (
        f"ITD: in 1 of 2 buckets the portfolio's weights do not sum to those of the benchmark, first on {TUESDAY}, "
        "where they are more by 0.1;"
    )
    assert told in notes(attribute(portfolio_groups_data=mine))
    assert "do not sum" not in notes(attribute())


def test_returns_that_look_like_percent_are_noted(attribute: Post) -> None:
    mine = [MINE[0], group("Bank", observation(MONDAY, 0.4, 2.0), observation(TUESDAY, 0.4, 0.02))]
    assert "Returns beyond 100 % in 1 of 8 observations; returns are fractions" in notes(
        attribute(portfolio_groups_data=mine)
    )
    assert "beyond 100 %" not in notes(attribute())


ACTIVE = {"none": 1.6, **dict.fromkeys(("carino", "log", "menchero", "grap", "frongello", "symmetric"), 1.7024)}


@pytest.mark.parametrize("linking", ACTIVE)
def test_linking(attribute: Post, linking: str) -> None:
    # 1.068² - 1.06² = 1.7024 %; plain sums are 1.6 %.
    answer = attribute(linking=linking)
    assert reconciliation(answer) == (1.7024, ACTIVE[linking], round(1.7024 - ACTIVE[linking], 6))
    # Two equal days: each method divides as each day does.
    share = ACTIVE[linking] / 0.8
    assert effects(answer)["Tech"] == pytest.approx((0.2 * share, share, 0.2 * share), abs=1e-6)


def test_a_residual_is_stated_in_the_audit(attribute: Post) -> None:
    assert attribute()["audit"]["sum_of_parts_vs_total_bp"] == -10.24


def test_carino_by_month_is_the_default(attribute: Post) -> None:
    same = attribute(linking="carino", frequency="monthly", model="BF", interaction="separate")
    assert attribute(linking=..., frequency=...)["results_by_period"] == same["results_by_period"]


def test_geometric_linking(attribute: Post) -> None:
    answer = attribute(linking="geometric", report_end_date=MONDAY)
    level = period_of(answer)["levels"][0]
    # 0.1 x 0.02 / 1.06 each; 0.6 x 0.02 / 1.064 and 0.4 x -0.02 / 1.064.
    assert effects(answer) == {"Bank": (0.188679, -0.75188, 0.0), "Tech": (0.188679, 1.12782, 0.0)}
    assert all("total_effect" not in row for row in level["groups"])
    # 1.064 / 1.06, 1.068 / 1.064, 1.068 / 1.06.
    assert level["totals"] == {
        "allocation": 0.377358,
        "selection": 0.37594,
        "interaction": 0.0,
        "total_effect": 0.754717,
    }
    assert reconciliation(answer) == (0.754717, 0.754717, 0.0)


@pytest.mark.parametrize("frequency", ["weekly", "monthly", "quarterly", "yearly"])
def test_buckets_compound_and_take_the_weights_of_their_first_day(attribute: Post, frequency: str) -> None:
    moved = [
        group("Tech", observation(MONDAY, 0.6, 0.10), observation(TUESDAY, 0.2, 0.10)),
        group("Bank", observation(MONDAY, 0.4, 0.02), observation(TUESDAY, 0.8, 0.02)),
    ]
    answer = attribute(frequency=frequency, portfolio_groups_data=moved)
    # Tech 21 % against 16.64 %, Bank 4.04 % against 8.16 %; b = 12.4 %; 0.1 x 4.24, 0.5 x 4.36, 0.1 x 4.36.
    assert effects(answer)["Tech"] == (0.424, 2.18, 0.436)
    # 1.068 x 1.036 against 1.06².
    assert reconciliation(answer)[0] == -1.7152
    assert reconciliation(answer)[2] != 0.0


# ------------------------------------------------------------------ levels

DEEP = {
    "group_by": ["class", "sector"],
    "report_end_date": MONDAY,
    "portfolio_groups_data": [
        group({"class": "Eq", "sector": "Tech"}, observation(MONDAY, 0.5, 0.12)),
        group({"class": "Eq", "sector": "Bank"}, observation(MONDAY, 0.2, 0.03)),
        group({"class": "Bd", "sector": "Gov"}, observation(MONDAY, 0.3, 0.01)),
    ],
    "benchmark_groups_data": [
        group({"class": "Eq", "sector": "Tech"}, observation(MONDAY, 0.3, 0.10)),
        group({"class": "Eq", "sector": "Bank"}, observation(MONDAY, 0.3, 0.04)),
        group({"class": "Bd", "sector": "Gov"}, observation(MONDAY, 0.4, 0.02)),
    ],
}


def test_levels_of_a_rollup(attribute: Post) -> None:
    answer = attribute(**DEEP)
    first, second = period_of(answer)["levels"]
    assert (first["dimension"], second["dimension"]) == ("class", "class -> sector")
    assert first["totals"] == second["totals"]
    # Tech 0.2 x (10 - 5) and Bank -0.1 x (4 - 5).
    assert effects(answer, 0)["Eq"][0] == 1.1
    assert "parent_key" not in second


def test_levels_from_the_top_down(attribute: Post) -> None:
    answer = attribute(**DEEP, hierarchy_method="top_down")
    first, bonds, equities = period_of(answer)["levels"]
    assert effects(answer, 0) == {"Bd": (0.3, 0.0, 0.0), "Eq": (0.2, 0.0, 0.0)}
    assert "parent_key" not in first
    assert (bonds["parent_key"], equities["parent_key"]) == ({"class": "Bd"}, {"class": "Eq"})
    assert effects(answer, 2) == {"Eq/Bank": (0.45, -0.2, 0.0), "Eq/Tech": (0.45, 1.0, 0.0)}
    assert reconciliation(answer) == (1.9, 1.9, 0.0)


def test_more_labels_than_those_asked_for_are_no_matter(attribute: Post) -> None:
    mine = [each | {"key": each["key"] | {"name": "x", "rank": 1}} for each in MINE]
    assert attribute(portfolio_groups_data=mine)["results_by_period"] == attribute()["results_by_period"]


# ------------------------------------------------------------------ instruments


def test_instruments_make_the_groups(attribute: Post) -> None:
    answer = attribute(**INSTRUMENTS)
    assert effects(answer) == {"Bank": (0.2, -1.0, 0.2), "Tech": (0.2, 1.0, 0.2)}
    assert answer["audit"]["counts"] == {"portfolio_rows": 1, "benchmark_rows": 4, "segments": 2, "periods": 1}


@pytest.mark.parametrize("empty", [{}, {"sector": None}], ids=["absent", "null"])
def test_an_instrument_without_the_label_is_unclassified(attribute: Post, empty: Body) -> None:
    first, second, third = INSTRUMENTS["instruments_data"]
    answer = attribute(**(INSTRUMENTS | {"instruments_data": [first, second | {"meta": empty}, third]}))
    assert set(effects(answer)) == {"Bank", "Tech", "Unclassified"}


def test_instruments_are_a_level(attribute: Post) -> None:
    benchmark = [
        group({"instrument_id": "A"}, observation(MONDAY, 0.5, 0.08)),
        group({"instrument_id": "C"}, observation(MONDAY, 0.5, 0.04)),
    ]
    answer = attribute(**(INSTRUMENTS | {"group_by": ["instrument_id"], "benchmark_groups_data": benchmark}))
    assert set(effects(answer)) == {"A", "B", "C"}


def test_net_and_gross(attribute: Post) -> None:
    row = point(MONDAY, 1000, 1058, eod_cf=-10, mgmt_fees=-10)
    for basis, active in (("NET", -0.2), ("GROSS", 0.8)):
        answer = attribute(**(INSTRUMENTS | {"portfolio_data": portfolio(row, basis=basis)}))
        # Fees at the top are no group's.
        assert reconciliation(answer) == (active, 0.8, round(active - 0.8, 6))


def test_fees_of_an_instrument_without_investment_are_its_segments(attribute: Post) -> None:
    fee = instrument("Fee", point(MONDAY, 0, 0, mgmt_fees=-10), sector="Bank")
    changes = INSTRUMENTS | {"instruments_data": [*INSTRUMENTS["instruments_data"], fee]}
    net, gross = (
        attribute(**(changes | {"portfolio_data": portfolio(point(MONDAY, 1000, 1068, mgmt_fees=-10), basis=basis)}))
        for basis in ("NET", "GROSS")
    )
    # Bank gained 8 of 400; of its r of 2 % the fee takes 2.5 %.
    assert effects(net)["Bank"] == (0.2, round(0.5 * (-0.5 - 4), 6), round(-0.1 * (-0.5 - 4), 6))
    assert reconciliation(net) == (-0.2, -0.2, 0.0)
    assert effects(gross)["Bank"] == (0.2, -1.0, 0.2)


def test_values_are_warned_of(attribute: Post) -> None:
    answer = attribute(
        **(INSTRUMENTS | {"portfolio_data": portfolio(point(MONDAY, 1000, 1068, mgmt_fees=1)), "frequency": "monthly"})
    )
    assert warning(answer, "positive_fee")["dates"] == [MONDAY]


def test_days_of_idle_capital_and_resets_are_counted(attribute: Post) -> None:
    rows = [point(MONDAY, 1000, -100), point(TUESDAY, 50, 60, bod_cf=50)]
    answer = attribute(
        mode="by_instrument",
        portfolio_groups_data=...,
        portfolio_data=portfolio(*rows),
        instruments_data=[instrument("A", *rows, sector="Tech")],
    )
    assert answer["diagnostics"]["reset_days"] == 1
    assert warning(answer, "reset")["dates"] == [MONDAY]


# ------------------------------------------------------------------ data policies

TWO_DAYS: Body = INSTRUMENTS | {
    "report_end_date": TUESDAY,
    "portfolio_data": portfolio(point(MONDAY, 1000, 1068), point(TUESDAY, 1068, 1068)),
    "instruments_data": [
        instrument("A", point(MONDAY, 600, 660), point(TUESDAY, 660, 660), sector="Tech"),
        instrument("C", point(MONDAY, 400, 408), point(TUESDAY, 408, 408), sector="Bank"),
    ],
    "linking": "grap",
}


def test_overrides_of_portfolio_and_instrument_are_counted_and_noted(attribute: Post) -> None:
    policy = {
        "overrides": {
            "market_values": [
                {"perf_date": TUESDAY, "end_mv": 1134},
                {"perf_date": TUESDAY, "position_id": "A", "end_mv": 726},
            ]
        }
    }
    answer = attribute(**TWO_DAYS, data_policy=policy)
    # 66 of 1,068 on Tuesday; 1.068 x (1 + 66 / 1,068) = 1.134 against 1.06².
    assert reconciliation(answer) == (1.04, 1.04, 0.0)
    assert answer["diagnostics"]["policy"]["overrides"] == {"applied_mv_count": 2, "applied_cf_count": 0}
    assert f"Overridden market values: {TUESDAY}, {TUESDAY} of A." in notes(answer)


def test_ignored_days_of_instruments_and_of_the_portfolio(attribute: Post) -> None:
    def ignoring(kind: str, entity: str) -> Any:
        policy = {"ignore_days": [{"entity_type": kind, "entity_id": entity, "dates": [MONDAY]}]}
        return attribute(**TWO_DAYS, data_policy=policy)

    alone, whole = ignoring("POSITION", "A"), ignoring("PORTFOLIO", "P1")
    # The portfolio keeps its 6.8 %, of which A explains nothing: r of the bucket is 0.8 %.
    assert reconciliation(alone)[0] == reconciliation(attribute(**TWO_DAYS))[0]
    assert reconciliation(alone)[2] != 0.0
    assert alone["diagnostics"]["policy"]["ignored_days_count"] == 1
    assert reconciliation(whole)[0] == pytest.approx(-12.36)
    assert whole["diagnostics"]["policy"]["ignored_days_count"] == 1


def test_outliers_of_instruments_are_sampled_and_change_nothing(attribute: Post) -> None:
    days = [f"2025-01-{day:02}" for day in (6, 7, 8, 9, 10, 13)]
    gains = (1.0, 1.1, 0.9, 1.0, 1.2, 20.0)
    data: Body = INSTRUMENTS | {
        "report_end_date": days[-1],
        "portfolio_data": portfolio(*(point(day, 1000, 1001) for day in days)),
        "instruments_data": [
            instrument(
                "A", *(point(day, 100, 100 + gain) for day, gain in zip(days, gains, strict=True)), sector="Tech"
            )
        ],
        "benchmark_groups_data": [group("Tech", *(observation(day, 1.0, 0.0) for day in days))],
    }
    answer = attribute(**data, data_policy={"outliers": {"enabled": True}})
    assert answer["diagnostics"]["samples"]["outliers"] == [
        {"position_id": "A", "date": "2025-01-13", "raw_return": 20.0, "threshold": 0.5}
    ]
    assert answer["diagnostics"]["policy"]["outliers"]["flagged_rows"] == 1
    assert answer["results_by_period"] == attribute(**data)["results_by_period"]


# ------------------------------------------------------------------ currencies

CURRENCIES: Body = {
    "group_by": ["currency"],
    "report_end_date": MONDAY,
    "currency_mode": "BOTH",
    "report_ccy": "USD",
    "portfolio_groups_data": [
        group({"currency": "EUR"}, observation(MONDAY, 0.7, 0.0403, return_local=0.03, return_fx=0.01)),
        group({"currency": "USD"}, observation(MONDAY, 0.3, 0.01)),
    ],
    "benchmark_groups_data": [
        group({"currency": "EUR"}, observation(MONDAY, 0.4, 0.0302, return_local=0.02, return_fx=0.01)),
        group({"currency": "USD"}, observation(MONDAY, 0.6, 0.005)),
    ],
}


def currency_rows(answer: Any) -> dict[str, tuple[float, ...]]:
    return {
        row["currency"]: tuple(figure for name, figure in row["effects"].items() if name != "total_effect")
        for row in period_of(answer)["currency_attribution"]
    }


def test_effects_by_currency(attribute: Post) -> None:
    answer = attribute(**CURRENCIES)
    # Totals of the benchmark: local 0.4 x 2 + 0.6 x 0.5 = 1.1 %, currency 0.4 x 1.02 = 0.408 %.
    assert currency_rows(answer) == {"EUR": (0.27, 0.7, 0.1836, 0.007), "USD": (0.18, 0.15, 0.1224, 0.0)}
    first = period_of(answer)["currency_attribution"][0]
    assert (first["weight_portfolio_avg"], first["weight_benchmark_avg"]) == (70.0, 40.0)
    totals = period_of(answer)["currency_attribution_totals"]
    assert totals["effects"]["total_effect"] == reconciliation(answer)[0] == 1.613
    assert totals["reconciliation_residual_bp"] == 0.0


@pytest.mark.parametrize("left_out", ["return_local", "return_fx"])
def test_one_of_the_two_returns_of_a_currency_follows_from_the_other(attribute: Post, left_out: str) -> None:
    def without(groups: list[Body]) -> list[Body]:
        return [
            each | {"observations": [{n: x for n, x in row.items() if n != left_out} for row in each["observations"]]}
            for each in groups
        ]

    sides = {name: without(CURRENCIES[name]) for name in ("portfolio_groups_data", "benchmark_groups_data")}
    assert currency_rows(attribute(**(CURRENCIES | sides))) == currency_rows(attribute(**CURRENCIES))


def test_holdings_in_the_base_currency_have_no_currency_return(attribute: Post) -> None:
    mine = [
        CURRENCIES["portfolio_groups_data"][0],
        group({"currency": "USD"}, observation(MONDAY, 0.3, 0.01, return_local=0.01, return_fx=0.0)),
    ]
    answer = attribute(**(CURRENCIES | {"portfolio_groups_data": mine}))
    assert currency_rows(answer) == currency_rows(attribute(**CURRENCIES))


@pytest.mark.parametrize(
    "row",
    [
        observation(MONDAY, 0.3, 0.01, return_local=0.02),
        observation(MONDAY, 0.3, 0.01, return_fx=0.01),
        observation(MONDAY, 0.3, 0.01, return_local=0.5, return_fx=0.5),
    ],
)
def test_groups_in_the_base_currency_with_another_local_return_are_refused(refusal: Post, row: Body) -> None:
    mine = [CURRENCIES["portfolio_groups_data"][0], group({"currency": "USD"}, row)]
    place = "/portfolio_groups_data/1/observations/0/return_local"
    assert refusal(**(CURRENCIES | {"portfolio_groups_data": mine})) == (422, "validation_failed", [place])


def test_returns_that_do_not_compound_are_refused_and_those_rounded_to_six_places_are_not(
    client: FlaskClient, attribute: Post
) -> None:
    def sent(base: float) -> Body:
        row = observation(MONDAY, 0.7, base, return_local=0.03, return_fx=0.01)
        return CURRENCIES | {
            "portfolio_groups_data": [group({"currency": "EUR"}, row), CURRENCIES["portfolio_groups_data"][1]]
        }

    assert reconciliation(attribute(**sent(0.0403005)))[2] == pytest.approx(0, abs=1e-4)
    refused = client.post(PATH, json=request(**sent(0.0403) | sent(0.0413)))
    assert refused.status_code == 422
    [fault] = refused.json["errors"]
    assert fault["code"] == "conflict"
    assert "do not compound to return_base" in fault["detail"]


def test_currencies_are_labels_like_others_where_nothing_is_converted(attribute: Post) -> None:
    both = [group({"currency": "Old currencies"}, observation(MONDAY, 1, 0.01))]
    data = CURRENCIES | {"currency_mode": "BASE_ONLY", "portfolio_groups_data": both, "benchmark_groups_data": both}
    assert set(effects(attribute(**data))) == {"Old currencies"}


def test_local_only_by_group(attribute: Post) -> None:
    answer = attribute(**(CURRENCIES | {"currency_mode": "LOCAL_ONLY"}))
    # 0.7 x 3 + 0.3 x 1 = 2.4 % against 1.1 %.
    assert reconciliation(answer) == (1.3, 1.3, 0.0)
    assert "currency_attribution" not in period_of(answer)


IN_EURO: Body = {
    "mode": "by_instrument",
    "portfolio_groups_data": ...,
    "portfolio_data": portfolio(point(MONDAY, 1000, 1061.26)),
    # 350 EUR at 2.00 gain 3 % to 360.5, worth 728.21 at 2.02; 300 USD gain 1 %... and 30.05 more.
    "instruments_data": [
        instrument("E", point(MONDAY, 350, 360.5), currency="EUR"),
        instrument("U", point(MONDAY, 300, 333.05)),
    ],
    "fx": {"rates": [{"date": "2025-01-05", "ccy": "EUR", "rate": 2.0}, {"date": MONDAY, "ccy": "EUR", "rate": 2.02}]},
}


def test_instruments_by_currency(attribute: Post) -> None:
    answer = attribute(**(CURRENCIES | IN_EURO))
    euro, dollar = currency_rows(answer).values()
    assert euro == (0.27, 0.7, 0.1836, 0.007)
    # 0.3 x (11.016667 - 0.5).
    assert dollar == (0.18, 3.155, 0.1224, 0.0)
    assert reconciliation(answer) == (4.618, 4.618, 0.0)
    assert codes(answer) == []


def test_no_currency_moves_on_an_ignored_day_of_the_portfolio(attribute: Post) -> None:
    policy = {"ignore_days": [{"entity_type": "PORTFOLIO", "entity_id": "P1", "dates": [MONDAY]}]}
    answer = attribute(**(CURRENCIES | IN_EURO), data_policy=policy)
    # The portfolio returned nothing: 0 against 0.4 x 3.02 + 0.6 x 0.5.
    assert reconciliation(answer) == (-1.508, -1.508, 0.0)
    assert currency_rows(answer)["EUR"] == (0.27, round(0.7 * (0 - 2), 6), 0.1836, round(0.7 * (0 - 1.02), 6))


def test_currencies_that_are_taken_as_one_are_noted(attribute: Post) -> None:
    changes = CURRENCIES | IN_EURO | {"currency_mode": ..., "fx": ...}
    assert "All values were taken to be in one currency, whatever the label currency says of E;" in notes(
        attribute(**changes)
    )
    assert "one currency" not in notes(attribute(**(CURRENCIES | IN_EURO)))


def test_hedges_are_in_the_currency_selection(attribute: Post) -> None:
    hedging = {"series": [{"date": MONDAY, "ccy": "EUR", "hedge_ratio": 0.5}]}
    answer = attribute(**(CURRENCIES | IN_EURO), hedging=hedging)
    # 0.7 x (1.03 x 0.5 - 1.02).
    assert currency_rows(answer)["EUR"] == (0.27, 0.7, 0.1836, -0.3535)


def test_local_only_by_instrument_compounds_the_days_local_gains(attribute: Post) -> None:
    answer = attribute(**(CURRENCIES | IN_EURO | {"currency_mode": "LOCAL_ONLY"}))
    # 700 x 3 % + 33.05 of 1,000 against 1.1 %.
    assert reconciliation(answer) == (4.305, 4.305, 0.0)


def test_both_without_rates_is_base_only_with_a_warning(attribute: Post) -> None:
    answer = attribute(**(CURRENCIES | IN_EURO | {"fx": ...}))
    assert warning(answer, "fx_missing_base_only")
    assert "currency_attribution" not in period_of(answer)
    # 350 and 300 of 1,000: no rate makes 700 of the first.
    assert set(effects(answer)) == {"EUR", "USD", "Unclassified", "Leverage"}


def test_currencies_are_not_told_under_geometric_linking(attribute: Post) -> None:
    answer = attribute(**CURRENCIES, linking="geometric")
    assert "Effects by currency are arithmetic" in notes(answer)
    assert "currency_attribution" not in period_of(answer)


# ------------------------------------------------------------------ linkings side by side


def test_linkings_side_by_side(attribute: Post) -> None:
    theirs = [
        group("Tech", observation(MONDAY, 0.5, 0.08), observation(TUESDAY, 0.5, -0.02)),
        group("Bank", observation(MONDAY, 0.5, 0.04), observation(TUESDAY, 0.5, 0.01)),
    ]
    period = period_of(attribute(compare_linking=True, benchmark_groups_data=theirs))
    compared = period["linking_comparison"]
    assert list(compared) == ["carino", "menchero", "grap", "frongello", "symmetric"]
    active = period["reconciliation"]["total_active_return"]
    assert {totals["total_effect"] for totals in compared.values()} == {active}
    for effect in ("allocation", "selection", "interaction"):
        figures = [totals[effect] for totals in compared.values()]
        assert period["linking_spread"][effect] == pytest.approx(max(figures) - min(figures), abs=1.1e-6)
        assert period["linking_spread"][effect] > 0.0
    assert period["linking_spread"]["total_effect"] == 0.0
    for linking, totals in compared.items():
        (level,) = period_of(attribute(linking=linking, benchmark_groups_data=theirs))["levels"]
        assert level["totals"] == totals


def test_linkings_that_are_not_defined_are_named(attribute: Post) -> None:
    lost = [group("Tech", observation(MONDAY, 1.0, -1.0), observation(TUESDAY, 1.0, 0.1))]
    answer = attribute(portfolio_groups_data=lost, compare_linking=True)
    assert list(period_of(answer)["linking_comparison"]) == ["grap", "frongello", "symmetric"]
    assert "ITD: not defined for these returns: carino, menchero." in notes(answer)


# ------------------------------------------------------------------ periods: the named paths of RFC-0023


def test_no_requested_period_resolved_is_refused(refusal: Post) -> None:
    assert refusal(report_end_date="2030-01-01", analyses=[analysis("MTD")]) == (400, "no_resolved_period", [])


def test_no_day_of_both_sides_is_no_resolved_period(refusal: Post) -> None:
    mine = [group("Tech", observation(MONDAY, 1.0, 0.0))]
    theirs = [group("Tech", observation(TUESDAY, 1.0, 0.0))]
    assert refusal(portfolio_groups_data=mine, benchmark_groups_data=theirs) == (400, "no_resolved_period", [])


def test_a_period_whose_slice_is_empty_is_left_out_and_named_and_the_others_are_answered(attribute: Post) -> None:
    empty = analysis("EXPLICIT", start="2025-01-11", end="2025-01-12", label="weekend")
    answer = attribute(report_end_date="2025-01-12", analyses=[analysis(), empty, analysis("MTD")])
    assert list(answer["results_by_period"]) == ["ITD", "MTD"]
    assert "Period weekend (2025-01-11 to 2025-01-12) has no rows and was left out." in notes(answer)
    assert answer["meta"]["periods"]["requested"] == ["ITD", "weekend", "MTD"]


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> CheckedClient:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr("lotus_performance.services.attribution.attribution", fail)
    app: Flask = create_app(Settings())
    app.test_client_class = CheckedClient
    client = app.test_client()
    assert isinstance(client, CheckedClient)
    client.any_problem = True
    return client


def test_an_engine_that_fails_is_500(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = failing(monkeypatch, ZeroDivisionError("secret")).post(PATH, json=request())
    assert (answer.status_code, answer.get_json()["code"]) == (500, "calculation_failed")
    assert "secret" not in answer.text


def test_an_http_exception_raised_inside_passes_through_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = failing(monkeypatch, Conflict("told as it is")).post(PATH, json=request())
    assert (answer.status_code, answer.get_json()["detail"]) == (409, "told as it is")


def test_periods_are_taken_from_the_rows_sent_and_not_cut_to_the_start_of_the_report(attribute: Post) -> None:
    answer = attribute(
        report_start_date=TUESDAY, linking="grap", analyses=[analysis(), analysis("EXPLICIT"), analysis("MTD")]
    )
    assert [reconciliation(answer, label)[0] for label in answer["results_by_period"]] == [1.7024, 0.8, 1.7024]
    assert answer["diagnostics"]["effective_period_start"] == MONDAY


def test_rows_after_the_periods_are_left_out_and_noted(attribute: Post) -> None:
    assert "left out: 1." in notes(attribute(report_end_date=MONDAY))


# ------------------------------------------------------------------ one-sided dates


def test_a_date_of_one_side_on_which_nothing_moved_is_left_out_with_a_warning(attribute: Post) -> None:
    theirs = [*THEIRS, group("Oil", observation(WEDNESDAY, 1.0, 0.0))]
    answer = attribute(report_end_date=WEDNESDAY, benchmark_groups_data=theirs)
    assert warning(answer, "one_sided_date")["dates"] == [WEDNESDAY]
    assert reconciliation(answer) == reconciliation(attribute())


def test_fail_fast_refuses_it(refusal: Post) -> None:
    theirs = [*THEIRS, group("Oil", observation(WEDNESDAY, 1.0, 0.0))]
    assert refusal(report_end_date=WEDNESDAY, benchmark_groups_data=theirs, flags={"fail_fast": True}) == (
        400,
        "dates_mismatch",
        ["/benchmark_groups_data/2/observations/0/date"],
    )


# ------------------------------------------------------------------ without effect


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"output": {"top_n": 3}}, "output.top_n"),
        ({"calendar": {"type": "NATURAL"}}, "calendar.type"),
        ({"annualization": {"enabled": True}}, "annualization.enabled"),
        ({"data_policy": {"outliers": {"params": {"mad_k": 3}}}}, "data_policy.outliers.params"),
        ({"data_policy": {"outliers": {"enabled": True}}}, "data_policy.outliers.enabled"),
        ({"analyses": [analysis(months=3)]}, "analyses.0.months"),
        ({"currency": "EUR", "report_ccy": "USD"}, "report_ccy (the figures stay in EUR)"),
        ({"hierarchy_method": "top_down", "interaction": "allocation"}, "interaction"),
        ({"linking": "geometric", "compare_linking": True}, "compare_linking"),
        ({"currency_mode": "BOTH", "report_ccy": "USD"}, "currency_mode"),
        ({"instruments_data": INSTRUMENTS["instruments_data"]}, "instruments_data"),
        (INSTRUMENTS | {"portfolio_groups_data": MINE}, "portfolio_groups_data"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_members_without_effect_are_named(attribute: Post, changes: Body, named: str) -> None:
    assert no_effect(attribute(**changes)) == f"These members change nothing in this answer: {named}."


def test_rates_and_hedges_without_conversion_are_named(attribute: Post) -> None:
    fx = {"rates": [{"date": MONDAY, "ccy": "EUR", "rate": 2.0}]}
    hedging = {"series": [{"date": MONDAY, "ccy": "EUR", "hedge_ratio": 0.5}]}
    answer = attribute(**INSTRUMENTS, fx=fx, hedging=hedging)
    assert no_effect(answer) == "These members change nothing in this answer: fx, hedging."


def test_rates_that_nothing_needs_are_named(attribute: Post) -> None:
    fx = {"rates": [{"date": MONDAY, "ccy": "EUR", "rate": 2.0}]}
    by_group = attribute(currency_mode="BOTH", report_ccy="USD", fx=fx)
    assert no_effect(by_group) == "These members change nothing in this answer: currency_mode, fx."
    by_instrument = attribute(**(INSTRUMENTS | {"currency_mode": "BOTH", "report_ccy": "USD", "fx": fx}))
    assert "fx" in no_effect(by_instrument)


@pytest.mark.parametrize("changes", [{}, {"currency": "EUR"}, {"report_ccy": "USD"}, CURRENCIES])
def test_no_warning_without_a_reason(attribute: Post, changes: Body) -> None:
    assert codes(attribute(**changes)) == []


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "code", "pointers"),
    [
        (
            {
                "portfolio_groups_data": [*MINE, group("Oil", observation(WEDNESDAY, 0, 0.1))],
                "report_end_date": WEDNESDAY,
            },
            "dates_mismatch",
            ["/portfolio_groups_data/2/observations/0/date"],
        ),
        (
            INSTRUMENTS | {"instruments_data": [instrument("A", point(TUESDAY, 1, 1), sector="Tech")]},
            "dates_mismatch",
            ["/instruments_data/0/valuation_points/0/perf_date"],
        ),
        (
            INSTRUMENTS
            | {
                "report_end_date": WEDNESDAY,
                "portfolio_data": portfolio(point(WEDNESDAY, 1000, 1001)),
                "instruments_data": [instrument("A", point(WEDNESDAY, 1000, 1001), sector="Tech")],
            },
            "dates_mismatch",
            ["/portfolio_data/valuation_points/0/perf_date"],
        ),
        ({"portfolio_groups_data": [*MINE, MINE[0]]}, "duplicate_ids", ["/portfolio_groups_data/2/key"]),
        ({"benchmark_groups_data": [*THEIRS, THEIRS[1]]}, "duplicate_ids", ["/benchmark_groups_data/2/key"]),
        (
            INSTRUMENTS | {"instruments_data": [INSTRUMENTS["instruments_data"][0]] * 2},
            "duplicate_ids",
            ["/instruments_data/1"],
        ),
        (
            {"benchmark_groups_data": [group("Tech", observation(MONDAY, 1, 0), observation(MONDAY, 1, 0))]},
            "duplicate_dates",
            ["/benchmark_groups_data/0/observations/1/date"],
        ),
        (
            INSTRUMENTS | {"portfolio_data": portfolio(point(MONDAY, 1, 1), point(MONDAY, 1, 1))},
            "duplicate_dates",
            ["/portfolio_data/valuation_points/1/perf_date"],
        ),
        (
            {"group_by": ["sector", "region"]},
            "unknown_hierarchy_key",
            ["/benchmark_groups_data/0/key", "/benchmark_groups_data/1/key"],
        ),
        (
            INSTRUMENTS
            | {"group_by": ["Sector"], "benchmark_groups_data": [group({"Sector": "Tech"}, observation(MONDAY, 1, 0))]},
            "unknown_hierarchy_key",
            ["/group_by/0"],
        ),
        ({"benchmark_groups_data": THEIRS[:1]}, "weights_not_one", ["/benchmark_groups_data"] * 2),
        (
            {
                "portfolio_groups_data": [group("Tech", observation(MONDAY, 1, -1), observation(TUESDAY, 1, 0))],
                "linking": "carino",
            },
            "linking_undefined",
            [],
        ),
        ({"linking": "geometric", "model": "BHB"}, "not_supported", ["/linking"]),
        ({"linking": "geometric", "hierarchy_method": "top_down"}, "not_supported", ["/linking"]),
        ({"linking": "geometric", "interaction": "allocation"}, "not_supported", ["/interaction"]),
        ({"linking": "geometric", "portfolio_groups_data": MINE[:1]}, "not_supported", ["/linking"]),
        ({"model": "BHB", "hierarchy_method": "top_down"}, "not_supported", ["/hierarchy_method"]),
        (
            DEEP
            | {
                "hierarchy_method": "top_down",
                "off_benchmark": "zero",
                "portfolio_groups_data": [group({"class": "Eq", "sector": "Oil"}, observation(MONDAY, 1, 0.1))],
            },
            "not_supported",
            ["/off_benchmark"],
        ),
        ({"precision_mode": "DECIMAL_STRICT"}, "precision_mode_unsupported", ["/precision_mode"]),
        (
            CURRENCIES | IN_EURO | {"fx": {"rates": [{"date": TUESDAY, "ccy": "EUR", "rate": 2}]}},
            "fx_rate_missing",
            ["/fx/rates"],
        ),
        ({"report_start_date": WEDNESDAY}, "window_reversed", ["/report_start_date"]),
        ({"analyses": [analysis("EXPLICIT", start=TUESDAY, end=MONDAY)]}, "window_reversed", ["/analyses/0/start"]),
        ({"analyses": [analysis(label="a"), analysis("WTD", label="a")]}, "duplicate_label", ["/analyses/1/label"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_values_that_contradict_each_other_are_refused(
    refusal: Post, changes: Body, code: str, pointers: list[str]
) -> None:
    assert refusal(**changes) == (400, code, pointers)


@pytest.mark.parametrize(
    ("changes", "code", "pointers"),
    [
        (INSTRUMENTS | {"portfolio_data": portfolio(point(MONDAY, 0, 0))}, "not_computable.no_capital", []),
        (INSTRUMENTS | {"portfolio_data": portfolio(point(MONDAY, -5, -5))}, "not_computable.no_capital", []),
        (
            INSTRUMENTS | {"portfolio_data": portfolio(point(MONDAY, 0, 5)), "flags": {"fail_fast": True}},
            "not_computable.no_capital",
            ["/portfolio_data/valuation_points/0"],
        ),
        (
            {"portfolio_groups_data": [group("Tech", observation(MONDAY, 1e300, 1e300))], "report_end_date": MONDAY},
            "not_computable.overflow",
            [],
        ),
        ({"mode": "by_instrument"}, "validation_failed", ["/portfolio_data"]),
        (INSTRUMENTS | {"instruments_data": ...}, "validation_failed", ["/instruments_data"]),
        ({"portfolio_groups_data": ...}, "validation_failed", ["/portfolio_groups_data"]),
        ({"group_by": []}, "validation_failed", ["/group_by"]),
        ({"currency_mode": "BOTH"}, "validation_failed", ["/report_ccy"]),
        (
            {"portfolio_groups_data": [MINE[0] | {"key": {"sector": 1}}]},
            "validation_failed",
            ["/portfolio_groups_data/0/key/sector"],
        ),
        (
            {"portfolio_groups_data": [MINE[0], MINE[1] | {"key": {"sector": None}}]},
            "validation_failed",
            ["/portfolio_groups_data/1/key/sector"],
        ),
        (
            CURRENCIES | {"benchmark_groups_data": [group({"currency": "euro"}, observation(MONDAY, 1, 0))]},
            "validation_failed",
            ["/benchmark_groups_data/0/key/currency"],
        ),
        (
            INSTRUMENTS | {"instruments_data": [instrument("A", point(MONDAY, 1, 1), sector=[1])]},
            "validation_failed",
            ["/instruments_data/0/meta/sector"],
        ),
        (
            CURRENCIES
            | {
                "portfolio_groups_data": [
                    group({"currency": "EUR"}, observation(MONDAY, 0.5, 0.1), observation(TUESDAY, 0.5, 0.1)),
                    group({"currency": "JPY"}, observation(MONDAY, 0.5, 0.1)),
                ]
            },
            "validation_failed",
            [
                "/portfolio_groups_data/0/observations/0/return_local",
                "/portfolio_groups_data/0/observations/1/return_local",
                "/portfolio_groups_data/1/observations/0/return_local",
            ],
        ),
        (
            {"benchmark_groups_data": [group("Tech", observation(MONDAY, 1, 0, return_fx=-1))]},
            "validation_failed",
            ["/benchmark_groups_data/0/observations/0/return_fx"],
        ),
    ],
)
def test_requests_without_an_answer_are_refused(refusal: Post, changes: Body, code: str, pointers: list[str]) -> None:
    assert refusal(**changes) == (422, code, pointers)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {
                "portfolio_groups_data": [group("Tech", observation(MONDAY, 1, -1), observation(TUESDAY, 1, 0))],
                "linking": "carino",
            },
            rf"carino is not defined for the returns of ITD: .* on {MONDAY}\. Ask for grap, frongello or symmetric\.",
        ),
        (
            {
                "portfolio_groups_data": [group("Tech", observation(MONDAY, 1, -1), observation(TUESDAY, 1, 0))],
                "linking": "geometric",
            },
            r"not defined for the returns of ITD: .*Ask for linking grap, frongello or symmetric\.",
        ),
        (
            {"portfolio_groups_data": [group("Tech", observation(MONDAY, 1e300, 1e300))], "report_end_date": MONDAY},
            r"ITD.* too large for a number",
        ),
        ({"benchmark_groups_data": THEIRS[:1]}, rf"On 2 of 2 dates .* on {MONDAY} to 0\.5\. Weights are fractions"),
        (
            INSTRUMENTS | {"portfolio_data": portfolio(point(MONDAY, 0, 0))},
            rf"no positive capital on {MONDAY}, the first day of a daily bucket.* ask for periods or a frequency",
        ),
    ],
    ids=["linking", "geometric", "overflow", "weights", "capital"],
)
def test_details_name_what_helps(detail: Post, changes: Body, told: str) -> None:
    assert re.search(told, detail(**changes)), detail(**changes)


@pytest.mark.parametrize(
    ("changes", "n_faults"),
    [
        (
            CURRENCIES
            | {"portfolio_groups_data": [group({"currency": f"C{i}"}, observation(MONDAY, 1, 0)) for i in range(5)]},
            5,
        ),
        ({"portfolio_groups_data": [group({"sector": i}, observation(MONDAY, 1, 0)) for i in range(6)]}, 6),
        (INSTRUMENTS | {"instruments_data": [instrument(f"i{i}", point(MONDAY, 1, 1), sector=i) for i in range(7)]}, 7),
    ],
    ids=["local returns", "keys", "labels"],
)
def test_faults_beyond_the_limit_are_counted(changes: Body, n_faults: int) -> None:
    problem = create_app(Settings(max_errors=2)).test_client().post(PATH, json=request(**changes)).get_json()
    assert (len(problem["errors"]), problem["errors_total"]) == (2, n_faults)


# ------------------------------------------------------------------ limits


def small(**limits: int) -> Post:
    app = create_app(Settings(**limits))
    app.test_client_class = CheckedClient
    return refusing(app.test_client(), PATH, request)


def test_rows_times_periods_are_bounded() -> None:
    dates = [f"2025-01-{day:02}" for day in range(1, 29)]
    mine = [group(f"g{i}", *(observation(date, 0, 0) for date in dates)) for i in range(28)]
    theirs = [group("g0", *(observation(date, 1, 0) for date in dates))]
    asked = [analysis(label=f"p{i}", period="EXPLICIT", start=dates[i]) for i in range(4)]
    # 29 x 28 x 4 = 3,248 of 110 x 28 = 3,080.
    refused = small(max_rows=28)(
        report_end_date=dates[-1], analyses=asked, portfolio_groups_data=mine, benchmark_groups_data=theirs
    )
    assert refused == (422, "validation_failed", ["/analyses"])


def test_parts_of_keys_are_bounded() -> None:
    # (2 + 2) x 3 parts x 1 period of 4 x 2.
    assert small(max_rows=2)(**(DEEP | {"report_end_date": MONDAY})) == (422, "validation_failed", ["/group_by"])


@pytest.mark.parametrize(
    ("changes", "place"), [({"linking": "symmetric"}, "/linking"), ({"compare_linking": True}, "/compare_linking")]
)
def test_days_of_symmetric_linking_are_bounded(changes: Body, place: str) -> None:
    asked = [analysis(), analysis("MTD", label="a"), analysis("YTD", label="b")]
    dates = [f"2025-01-{day:02}" for day in range(1, 7)]
    side = [group("Tech", *(observation(date, 1, 0) for date in dates))]
    data: Body = {"portfolio_groups_data": side, "benchmark_groups_data": side, "analyses": asked, **changes}
    # 6 days x 3 periods of 2 x 6.
    assert small(max_rows=6)(**data) == (422, "validation_failed", [place])


def test_rows_that_are_tested_for_outliers_are_bounded() -> None:
    dates = [f"2025-01-{day:02}" for day in range(1, 29)]
    rows = [point(date, 1, 1) for date in dates]
    data: Body = INSTRUMENTS | {
        "report_end_date": dates[-1],
        "portfolio_data": portfolio(*rows),
        "instruments_data": [instrument(f"i{i}", *rows, sector="Tech") for i in range(40)],
        "benchmark_groups_data": [group("Tech", *(observation(date, 1, 0) for date in dates))],
        "data_policy": {"outliers": {"enabled": True, "params": {"window": 28}}},
    }
    # 41 x 28 x 28 = 32,144 of 1,000 x 28.
    place = "/data_policy/outliers/params/window"
    assert small(max_rows=28)(**data) == (422, "validation_failed", [place])
