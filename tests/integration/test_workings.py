"""From the CSV workings alone a spreadsheet arrives at each headline: to 1e-10 unrounded, equal after rounding.

The sheet of this module knows nothing of the engine; what it does stands in the runbook's methodology.
"""

import csv
import io
import itertools
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lotus_performance.settings import Settings
from stored import EXAMPLES, PATHS, ROOT, Stored, example

TOLERANCE = 1e-10
CONTRIBUTION = json.loads((Path(__file__).with_name("contribution.json")).read_text())
Table = list[dict[str, str]]


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    service = Stored(Settings(data_dir=tmp_path / "data", lineage_mode="async"))
    yield service
    service.close()


def answered(stored: Stored, kind: str, body: Any) -> tuple[Any, Any]:
    """Return an answer with 15 decimals, and a function that reads a table of its workings."""
    answer = stored.client.post(PATHS[kind], json=body | {"rounding_precision": 15})
    assert answer.status_code == 200, answer.text
    calculation_id = answer.get_json()["calculation_id"]
    stored.work()

    def table(name: str) -> Table:
        content = stored.get(f"/lineage/{calculation_id}/{name}").data.decode()
        return list(csv.DictReader(io.StringIO(content)))

    return answer.get_json(), table


def number(cell: str) -> float:
    return float(cell) if cell else 0.0


def linked(rows: Table) -> float:
    """Link days as the methodology says: legs of long and short days, a loss of everything, a start anew."""
    long = short = 1.0
    figure, has_long, is_lost, turned = 0.0, False, False, False
    for row in rows:
        sign, factor = int(number(row["sign"])), number(row["factor"])
        if sign and is_lost and (turned or row["has_new_capital"] == "1"):
            long = short = 1.0
            has_long = is_lost = turned = False
        if sign and not is_lost:
            if sign < 0:
                short = short * factor if factor else factor
            else:
                if short > 2 and not has_long:
                    short = 1.0
                long, has_long = long * factor if factor else factor, True
            figure = long * (2 - short) - 1 if long and short != 2 else -1.0
            is_lost = factor <= 0 or (short > 2 and has_long)
            turned = factor < 0 and sign < 0
    return figure


TWR = {
    "five-days": example("twr_five_days"),
    "ten-years": example("twr_daily_ten_years"),
    "monthly": example("twr_monthly_ten_years"),
    "decimals": example("twr_five_days", precision_mode="DECIMAL_STRICT"),
    "gross": example("twr_daily_ten_years", metric_basis="GROSS"),
}


@pytest.mark.parametrize("name", TWR)
def test_every_time_weighted_return_is_in_its_workings(stored: Stored, name: str) -> None:
    answer, table = answered(stored, "twr", TWR[name])
    rows = table("twr_calculation_details.csv")
    for row in rows:
        capital = number(row["begin_mv"]) + number(row["bod_cf"])
        assert number(row["capital"]) == pytest.approx(capital, rel=1e-12)
        if row["return"]:
            assert number(row["return"]) == pytest.approx(number(row["gain"]) / abs(capital), abs=TOLERANCE)
    assert answer["results_by_period"]
    for label, result in answer["results_by_period"].items():
        mine = [row for row in rows if label in row["periods"].split(";")]
        assert 100 * linked(mine) == pytest.approx(result["portfolio_return"]["base"], abs=100 * TOLERANCE)


def test_days_of_both_signs_and_a_loss_of_everything_are_linked_from_the_workings(stored: Stored) -> None:
    values = [
        (1000.0, 1100.0, 0.0), (1100.0, -200.0, -1200.0), (-200.0, -150.0, 0.0), (-150.0, 400.0, 600.0),
        (400.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 550.0, 500.0), (550.0, 600.0, 0.0),
    ]  # fmt: skip
    points = [
        {"day": i, "perf_date": f"2025-01-{5 + i:02d}", "begin_mv": begin, "end_mv": end, "bod_cf": flow}
        for i, (begin, end, flow) in enumerate(values, start=1)
    ]
    body = example("twr_five_days", performance_start_date="2025-01-06", report_end_date="2025-01-13")
    body |= {"valuation_points": points, "analyses": [{"period": "ITD", "frequencies": ["daily"]}]}
    answer, table = answered(stored, "twr", body)
    figure = 100 * linked(table("twr_calculation_details.csv"))
    assert figure == pytest.approx(answer["results_by_period"]["ITD"]["portfolio_return"]["base"], abs=1e-8)


@pytest.mark.parametrize("method", ["XIRR", "MODIFIED_DIETZ", "DIETZ"])
@pytest.mark.parametrize("name", ["mwr_one_year", "mwr_ten_years"])
def test_every_money_weighted_return_is_in_its_workings(stored: Stored, name: str, method: str) -> None:
    answer, table = answered(stored, "mwr", example(name, mwr_method=method))
    rows = table("mwr_cashflow_schedule.csv")
    amounts = [number(row["amount"]) for row in rows]
    years = [number(row["years"]) for row in rows]
    if answer["method"] == "XIRR":
        # The rate makes the present values zero, and is that of the answer.
        low, high = -0.99, 10.0
        for _ in range(200):
            middle = (low + high) / 2
            value = sum(a * (1 + middle) ** -t for a, t in zip(amounts, years, strict=True))
            low, high = (middle, high) if value > 0 else (low, middle)
        rate = (low + high) / 2
        assert 100 * rate == pytest.approx(answer["mwr_annualized"], abs=100 * TOLERANCE)
        assert 100 * ((1 + rate) ** years[-1] - 1) == pytest.approx(answer["money_weighted_return"], abs=1e-8)
        scale = sum(map(abs, amounts))
        assert abs(math.fsum(number(row["present_value"]) for row in rows)) <= 1e-9 * scale
    else:
        begin, end, flows = -amounts[0], amounts[-1], [-amount for amount in amounts[1:-1]]
        weights = [number(row["part_of_period_left"]) for row in rows[1:-1]]
        if method == "DIETZ":
            weights = [0.5] * len(flows)
        capital = begin + sum(w * f for w, f in zip(weights, flows, strict=True))
        figure = (end - begin - sum(flows)) / capital
        assert 100 * figure == pytest.approx(answer["money_weighted_return"], abs=100 * TOLERANCE)


@pytest.mark.parametrize("smoothing", ["CARINO", "NONE", "MENCHERO", "TO_DATE", "SYMMETRIC"])
def test_every_contribution_is_in_its_workings(stored: Stored, smoothing: str) -> None:
    body = CONTRIBUTION | {"smoothing": {"method": smoothing}}
    answer, table = answered(stored, "contribution", body)
    days, parts = table("portfolio_twr.csv"), table("daily_contributions.csv")
    total = math.prod(1 + number(row["return"]) for row in days) - 1
    for label, result in answer["results_by_period"].items():
        assert 100 * total == pytest.approx(result["total_portfolio_return"], abs=100 * TOLERANCE)
        factor = {row["perf_date"]: number(row[f"factor {label}"]) for row in days}
        for entry in result["position_contributions"]:
            mine = [row for row in parts if row["position_id"] == entry["position_id"]]
            added = math.fsum(factor[row["perf_date"]] * number(row["contribution"]) for row in mine)
            assert 100 * added == pytest.approx(entry["total_contribution"], abs=100 * TOLERANCE)


@pytest.mark.parametrize("linking", ["carino", "menchero", "grap", "frongello", "symmetric", "none", "geometric"])
@pytest.mark.parametrize("name", ["attribution_four_quarters", "attribution_by_sector"])
def test_every_effect_is_in_its_workings(stored: Stored, name: str, linking: str) -> None:
    changes = {"linking": linking, "interaction": "selection", "compare_linking": False}
    answer, table = answered(stored, "attribution", example(name, **changes))
    days, effects = table("daily_returns.csv"), table("single_period_effects.csv")
    assert answer["results_by_period"]
    for label, result in answer["results_by_period"].items():
        mine = [row for row in days if label in row["periods"].split(";")]
        growth, bmk_growth = (
            math.prod(1 + number(row[side]) for row in mine) for side in ("portfolio_return", "benchmark_return")
        )
        active = growth / bmk_growth - 1 if linking == "geometric" else growth - bmk_growth
        assert 100 * active == pytest.approx(result["reconciliation"]["total_active_return"], abs=100 * TOLERANCE)
        for group in result["levels"][-1]["groups"]:
            rows = [
                row
                for row in effects
                if row["period"] == label and all(row[f"key {at}"] == part for at, part in group["key"].items())
            ]
            for effect, factor in (("allocation", "allocation_factor"), ("selection", "selection_factor")):
                added = math.fsum(number(row[effect]) * number(row[factor]) for row in rows)
                assert 100 * added == pytest.approx(group[effect], abs=100 * TOLERANCE)


@pytest.mark.parametrize("name", ["attribution_four_quarters", "attribution_by_sector"])
def test_effects_of_a_bucket_follow_from_the_panel_of_both_sides(stored: Stored, name: str) -> None:
    answer, table = answered(stored, "attribution", example(name, interaction="separate", model="BF", linking="none"))
    panel, effects = table("aligned_panel.csv"), table("single_period_effects.csv")
    names = next(iter(answer["results_by_period"].values()))["levels"][-1]["groups"][0]["key"]
    keys = ["period", "bucket", *(f"key {each}" for each in names)]
    told = {tuple(row[key] for key in keys): row for row in effects}
    totals: dict[tuple[str, str], float] = {}
    for row in panel:
        bucket = (row["period"], row["bucket"])
        added = number(row["benchmark_weight"]) * number(row["benchmark_return"])
        totals[bucket] = totals.get(bucket, 0.0) + added
    assert len(panel) == len(told) > 0
    for row in panel:
        weight, bmk_weight = number(row["portfolio_weight"]), number(row["benchmark_weight"])
        excess, bmk_return = weight - bmk_weight, number(row["benchmark_return"])
        found, selected = told[tuple(row[key] for key in keys)], number(row["portfolio_return"]) - bmk_return
        allocation = excess * (bmk_return - totals[row["period"], row["bucket"]])
        assert number(found["allocation"]) == pytest.approx(allocation, abs=TOLERANCE)
        assert number(found["selection"]) == pytest.approx(bmk_weight * selected, abs=TOLERANCE)
        assert number(found["interaction"]) == pytest.approx(excess * selected, abs=TOLERANCE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_runbook_names_every_table_and_its_columns(stored: Stored, name: str) -> None:
    page = (ROOT / "runbook" / "methodology.md").read_text().split("## Workings")[1].split("## Numbers")[0]
    documented = {}
    for line in page.splitlines():
        cells = re.findall(r"`([^`]+)`", line)
        if line.startswith("| `"):
            documented[cells[0]] = set(cells[1:])
    calculation_id = stored.calculate(name)
    stored.work()
    lineage = stored.client.get(f"/performance/lineage/{calculation_id}").get_json()
    tables = [file for file in lineage["artifacts"] if file.endswith(".csv")]
    assert tables
    for file in tables:
        header = stored.get(f"/lineage/{calculation_id}/{file}").data.decode().splitlines()[0].split(",")
        columns = {re.sub(r"^(key|factor) .+", r"\1 LABEL", column) for column in header}
        table = re.sub(r"^.+(_currency_attribution_effects)", r"LABEL\1", file)
        assert columns - {"key LABEL"} == documented[table] - {"key LABEL", "group_by", ";"}, file


@pytest.mark.parametrize("position_id", ['=HYPERLINK("http://x","y")', "+1", "-1", "@SUM(1)", 'a"b,c', "Ärger; 漢"])
def test_a_cell_that_a_spreadsheet_would_run_is_escaped(stored: Stored, position_id: str) -> None:
    body = json.loads(json.dumps(CONTRIBUTION))
    body["positions_data"][0]["position_id"] = position_id
    _, table = answered(stored, "contribution", body)
    cells = {row["position_id"] for row in table("daily_contributions.csv")}
    assert ("'" + position_id if position_id[0] in "=+-@" else position_id) in cells
    assert not any(cell[0] in "=+-@" for cell in cells)


def test_equal_requests_have_equal_hashes_in_every_process() -> None:
    script = """
import json, sys
from lotus_performance.jobs.analytics import ANALYTICS
from lotus_performance.jobs.run import calculated, make_ticket
for kind, body in json.load(sys.stdin):
    request = ANALYTICS[kind].schema().load(body)
    ticket = make_ticket(kind, request)
    print(ticket.input_fingerprint, calculated(ticket, request, ANALYTICS[kind].calculate).result_hash)
"""
    bodies = [
        ("twr", example("twr_daily_ten_years")),
        ("mwr", example("mwr_ten_years")),
        ("contribution", CONTRIBUTION | {"hierarchy": ["sector", "position_id"]}),
    ]
    told = set()
    for seed, turned in itertools.product(("0", "1", "4711"), (False, True)):
        text = json.dumps([(kind, dict(reversed(body.items())) if turned else body) for kind, body in bodies])
        ended = subprocess.run(  # noqa: S603 -- our own interpreter
            [sys.executable, "-c", script],
            input=text,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        told.add(ended.stdout)
    assert len(told) == 1
    assert len(told.pop().splitlines()) == len(bodies)


def test_a_contribution_replays(stored: Stored) -> None:
    for changes in ({}, {"hierarchy": ["sector", "position_id"]}):
        answer, _ = answered(stored, "contribution", CONTRIBUTION | changes)
        outcome = stored.client.post(f"/performance/lineage/{answer['calculation_id']}/replay").get_json()
        assert (outcome["match"], outcome["identical"]) == (True, True)
