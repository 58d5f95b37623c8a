"""The example requests, computed again row by row in decimals as a spreadsheet would, without the engine.

Tolerance: half a unit of the sixth decimal, to which answers are rounded, and 1e-9 percentage points for the doubles.
"""

import importlib.util
import json
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TWR_FILES = ["twr_five_days.json", "twr_daily_ten_years.json", "twr_monthly_ten_years.json"]
MWR_FILES = ["mwr_one_year.json", "mwr_ten_years.json"]
CONTRIBUTION_FILES = ["contribution_three_days.json", "contribution_by_sector.json", "contribution_two_currencies.json"]
ATTRIBUTION_FILES = ["attribution_four_quarters.json", "attribution_by_sector.json", "attribution_two_currencies.json"]
ALL_FILES = [*TWR_FILES, *MWR_FILES, *CONTRIBUTION_FILES, *ATTRIBUTION_FILES]
CSV_FILES = [f"{name}.csv" for name in ("twr_five_days", "mwr_one_year", "contribution_three_days")]
CSV_FILES += ["attribution_four_quarters.csv", "xirr_ten_years.csv"]
TOLERANCE = Decimal("0.5e-6") + Decimal("1e-9")

LABELS = {
    "daily": lambda day: day.isoformat(),
    "monthly": lambda day: f"{day:%Y-%m}",
    "quarterly": lambda day: f"{day.year}-Q{(day.month + 2) // 3}",
    "yearly": lambda day: f"{day.year}",
}
FIRST_DAYS = {
    "daily": lambda day: day,
    "monthly": lambda day: day.replace(day=1),
    "quarterly": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "yearly": lambda day: day.replace(month=1, day=1),
}
LAST_DAYS = {
    "daily": lambda day: day,
    "monthly": lambda day: (day.replace(day=1) + timedelta(32)).replace(day=1) - timedelta(1),
    "quarterly": lambda day: LAST_DAYS["monthly"](FIRST_DAYS["quarterly"](day) + timedelta(63)),
    "yearly": lambda day: day.replace(month=12, day=31),
}


class Row(NamedTuple):
    day: date
    begin_mv: Decimal
    end_mv: Decimal
    bod_cf: Decimal
    eod_cf: Decimal
    mgmt_fees: Decimal

    @property
    def gross_growth(self) -> Decimal:
        return (self.end_mv - self.eod_cf) / (self.begin_mv + self.bod_cf)

    @property
    def net_growth(self) -> Decimal:
        return (self.end_mv - self.eod_cf + self.mgmt_fees) / (self.begin_mv + self.bod_cf)


@cache
def read(name: str) -> dict[str, Any]:
    return json.loads((EXAMPLES / name).read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)


@cache
def rows_of(name: str) -> list[Row]:
    return rows_of_points(read(name)["valuation_points"])


def rows_of_points(points: Any) -> list[Row]:
    if isinstance(points, dict):
        points = [dict(zip(points, values, strict=True)) for values in zip(*points.values(), strict=True)]
    money = [field for field in Row._fields if field != "day"]
    return [
        Row(date.fromisoformat(point["perf_date"]), *(point.get(field, Decimal(0)) for field in money))
        for point in points
    ]


def net_growth(rows: list[Row]) -> Decimal:
    return prod((row.net_growth for row in rows), start=Decimal(1))


def gross_growth(rows: list[Row]) -> Decimal:
    return prod((row.gross_growth for row in rows), start=Decimal(1))


def percent(growth: Decimal) -> Decimal:
    return (growth - 1) * 100


def first_and_last_day(analysis: dict[str, Any], request: dict[str, Any]) -> tuple[date, date]:
    inception = date.fromisoformat(request["performance_start_date"])
    anchor = date.fromisoformat(request["report_end_date"])
    period = analysis["period"]
    if period == "EXPLICIT":
        return date.fromisoformat(analysis["start"]), date.fromisoformat(analysis["end"])
    starts = {"ITD": inception, "YTD": anchor.replace(month=1, day=1)}
    starts |= {f"{n}Y": anchor.replace(year=anchor.year - n) + timedelta(1) for n in (1, 3, 5)}
    return max(starts[period], inception), anchor


def annualised(growth: Decimal, first: date, last: date, request: dict[str, Any]) -> Decimal | None:
    """Each window of the examples that has 365 days ends with a row, or with a weekend after it."""
    days = (last - first).days + 1
    if not request.get("annualization", {}).get("enabled") or days < 365:
        return None
    return percent(growth ** (Decimal(365) / days))


def expected_buckets(rows: list[Row], frequency: str, first: date, last: date, request: dict[str, Any]) -> list[Any]:
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(LABELS[frequency](row.day), []).append(row)
    buckets = []
    to_date = Decimal(1)
    for label, members in grouped.items():
        growth = net_growth(members)
        to_date *= growth
        begins = max(first, FIRST_DAYS[frequency](members[0].day))
        ends = min(last, LAST_DAYS[frequency](members[0].day))
        summary = {
            "begin_mv": members[0].begin_mv,
            "end_mv": members[-1].end_mv,
            "net_cash_flow": sum(row.bod_cf + row.eod_cf for row in members),
            "period_return_pct": percent(growth),
            "cumulative_return_pct_to_date": percent(to_date)
            if request.get("output", {}).get("include_cumulative")
            else None,
            "annualized_return_pct": annualised(growth, begins, ends, request),
        }
        buckets.append({"period": label, "summary": summary})
    return buckets


def expected_period(analysis: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the answer of one period in the words of the wire; None stands for a member that is left out."""
    request = read(name)
    first, last = first_and_last_day(analysis, request)
    rows = [row for row in rows_of(name) if first <= row.day <= last]
    first = max(first, rows_of(name)[0].day)
    net, gross = net_growth(rows), gross_growth(rows)
    has_fee_effect = request.get("fee_effect", {}).get("enabled")
    return {
        "portfolio_return": {"base": percent(net), "local": percent(net), "fx": Decimal(0)},
        "annualized_return_pct": annualised(net, first, last, request),
        "gross_return_pct": percent(gross) if has_fee_effect else None,
        "net_return_pct": percent(net) if has_fee_effect else None,
        "fee_effect_pct": percent(net) - percent(gross) if has_fee_effect else None,
        "breakdowns": {
            frequency: expected_buckets(rows, frequency, first, last, request) for frequency in analysis["frequencies"]
        },
    }


def opening_and_closing_rates(request: dict[str, Any], ccy: str) -> dict[date, tuple[Decimal, Decimal]]:
    """Return the rate of the row before and that of the row, of each date; the examples have one for each date."""
    days = [row.day for row in rows_of_points(request["portfolio_data"]["valuation_points"])]
    if ccy == "USD":
        return dict.fromkeys(days, (Decimal(1), Decimal(1)))
    rates = request["fx"]["rates"]
    quoted = dict(zip(map(date.fromisoformat, rates["date"]), rates["rate"], strict=True))
    return {day: (quoted[last], quoted[day]) for last, day in pairwise([min(quoted), *days])}


def expected_contribution(analysis: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the answer of one period: gains over capital, linked by Carino's coefficients, added up by label."""
    request = read(name)
    anchor = date.fromisoformat(request["report_end_date"])
    first = {"MTD": anchor.replace(day=1), "QTD": date(anchor.year, 10, 1)}.get(analysis["period"], date.min)
    portfolio = rows_of_points(request["portfolio_data"]["valuation_points"])
    portfolio = [row for row in portfolio if row.day >= first]
    capital = {row.day: row.begin_mv + row.bod_cf for row in portfolio}
    day_return = {row.day: (row.end_mv - row.eod_cf) / capital[row.day] - 1 for row in portfolio}
    total = prod((1 + r for r in day_return.values()), start=Decimal(1)) - 1
    factor = {day: (1 + r).ln() / r * total / (1 + total).ln() for day, r in day_return.items()}
    rows: list[dict[tuple[str, ...], dict[str, Decimal]]] = [{} for _ in request["hierarchy"]]
    for position in request["positions_data"]:
        labels = {**position["meta"], "position_id": position["position_id"]}
        rates = opening_and_closing_rates(request, labels.get("currency", "USD"))
        figures = dict.fromkeys(("local", "fx", "weight"), Decimal(0))
        for row in rows_of_points(position["valuation_points"]):
            if row.day < first:
                continue
            opening, closing = rates[row.day]
            mine, left = row.begin_mv + row.bod_cf, row.end_mv - row.eod_cf
            linked = factor[row.day] / capital[row.day]
            figures["local"] += (left - mine) * opening * linked
            figures["fx"] += left * (closing - opening) * linked
            figures["weight"] += mine * opening / capital[row.day] / len(portfolio)
        for depth, level in enumerate(rows):
            key = tuple(labels[label] for label in request["hierarchy"][: depth + 1])
            sums = level.setdefault(key, dict.fromkeys(figures, Decimal(0)))
            for member, figure in figures.items():
                sums[member] += figure
    is_converted = request.get("currency_mode") == "BOTH"
    return {
        "summary": {"portfolio_contribution": total * 100, "coverage_mv_pct": Decimal(100), "residual_bp": Decimal(0)},
        "levels": [
            {
                "level": depth,
                "name": request["hierarchy"][depth - 1],
                "rows": [
                    {
                        "key": dict(zip(request["hierarchy"], key, strict=False)),
                        "contribution": (sums["local"] + sums["fx"]) * 100,
                        "weight_avg": sums["weight"] * 100,
                        "is_other": False,
                        "local_contribution": sums["local"] * 100 if is_converted else None,
                        "fx_contribution": sums["fx"] * 100 if is_converted else None,
                    }
                    for key, sums in sorted(level.items())
                ],
            }
            for depth, level in enumerate(rows, start=1)
        ],
    }


def cells_of(groups: list[dict[str, Any]], labels: list[str]) -> dict[date, dict[tuple[str, ...], list[Decimal]]]:
    """Return weight, return and, where it was sent, return in the currency itself, of each group by date."""
    cells: dict[date, dict[tuple[str, ...], list[Decimal]]] = {}
    for group in groups:
        key = tuple(group["key"][label] for label in labels)
        rows = group["observations"]
        if isinstance(rows, dict):
            rows = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
        for row in rows:
            own = row.get("return_local", row["return_base"])
            cells.setdefault(date.fromisoformat(row["date"]), {})[key] = [row["weight_bop"], row["return_base"], own]
    return cells


def held_of(request: dict[str, Any]) -> dict[date, dict[tuple[str, ...], list[Decimal]]]:
    """Return the same of the portfolio's instruments, added up by their labels."""
    if "portfolio_groups_data" in request:
        return cells_of(request["portfolio_groups_data"], request["group_by"])
    rows = rows_of_points(request["portfolio_data"]["valuation_points"])
    capital = {row.day: row.begin_mv + row.bod_cf for row in rows}
    sums: dict[date, dict[tuple[str, ...], list[Decimal]]] = {day: {} for day in capital}
    for instrument in request["instruments_data"]:
        key = tuple(instrument["meta"][label] for label in request["group_by"])
        rates = opening_and_closing_rates(request, instrument["meta"].get("currency", "USD"))
        for row in rows_of_points(instrument["valuation_points"]):
            opening, closing = rates[row.day]
            mine, left = row.begin_mv + row.bod_cf, row.end_mv - row.eod_cf
            parts = (mine * opening, left * closing - mine * opening, (left - mine) * opening)
            cell = sums[row.day].setdefault(key, [Decimal(0)] * 3)
            sums[row.day][key] = [total + part for total, part in zip(cell, parts, strict=True)]
    return {
        day: {key: [held / capital[day], gain / held, own / held] for key, (held, gain, own) in cells.items()}
        for day, cells in sums.items()
    }


def expected_attribution(analysis: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the answer of one period: Brinson-Fachler, interaction in selection, linked by Carino's coefficients."""
    request = read(name)
    anchor = date.fromisoformat(request["report_end_date"])
    first = {"MTD": anchor.replace(day=1), "QTD": date(anchor.year, 10, 1)}.get(analysis["period"], date.min)
    mine, theirs = held_of(request), cells_of(request["benchmark_groups_data"], request["group_by"])
    days = sorted(day for day in mine if day >= first)
    returns, benchmark = (
        {day: sum(w * r for w, r, _ in side[day].values()) for day in days} for side in (mine, theirs)
    )
    total, bmk_total = (prod((1 + side[day] for day in days), start=Decimal(1)) for side in (returns, benchmark))

    def coefficient(growth: Decimal, other: Decimal) -> Decimal:
        return 1 / growth if growth == other else (growth.ln() - other.ln()) / (growth - other)

    whole = coefficient(total, bmk_total)
    factor = {day: coefficient(1 + returns[day], 1 + benchmark[day]) / whole for day in days}
    levels: list[dict[tuple[str, ...], list[Decimal]]] = [{} for _ in request["group_by"]]
    by_currency: dict[str, list[Decimal]] = {}
    for day in days:
        local = sum(w * own for w, _, own in theirs[day].values())
        of_currency = benchmark[day] - local
        for key, (w, r, _) in mine[day].items():
            bmk_w, b, _ = theirs[day][key]
            effects = [(w - bmk_w) * (b - benchmark[day]) * factor[day], w * (r - b) * factor[day]]
            for depth, level in enumerate(levels, start=1):
                sums = level.setdefault(key[:depth], [Decimal(0)] * 2)
                level[key[:depth]] = [total + effect for total, effect in zip(sums, effects, strict=True)]
        for currency in {key[0] for key in mine[day]} if "currency" in request["group_by"] else ():
            # Groups of a currency together: weight, local gain, gain of the currency.
            (w, gain, x), (bmk_w, bmk_gain, bmk_x) = (
                [
                    sum(part)
                    for part in zip(
                        *((w, w * o, w * (r - o)) for key, (w, r, o) in side[day].items() if key[0] == currency),
                        strict=True,
                    )
                ]
                for side in (mine, theirs)
            )
            parts = (
                (w - bmk_w) * (bmk_gain / bmk_w - local),
                gain - w * bmk_gain / bmk_w,
                (w - bmk_w) * (bmk_x / bmk_w - of_currency),
                x - w * bmk_x / bmk_w,
            )
            linked = by_currency.setdefault(currency, [Decimal(0)] * 4)
            by_currency[currency] = [total + part * factor[day] for total, part in zip(linked, parts, strict=True)]
    active = (total - bmk_total) * 100
    names = ("local_allocation", "local_selection", "currency_allocation", "currency_selection")
    currencies = [
        {"currency": currency, "effects": dict(zip(names, (100 * effect for effect in effects), strict=True))}
        for currency, effects in sorted(by_currency.items())
    ]
    return {
        "levels": [
            {
                "dimension": " -> ".join(request["group_by"][:depth]),
                "groups": [
                    {
                        "key": dict(zip(request["group_by"], key, strict=False)),
                        "allocation": 100 * allocation,
                        "selection": 100 * selection,
                        "interaction": Decimal(0),
                        "total_effect": 100 * (allocation + selection),
                    }
                    for key, (allocation, selection) in sorted(level.items())
                ],
            }
            for depth, level in enumerate(levels, start=1)
        ],
        "reconciliation": {"total_active_return": active, "sum_of_effects": active, "residual": Decimal(0)},
        **({"currency_attribution": currencies} if currencies else {}),
    }


def flows_of(name: str) -> list[tuple[int, Decimal]]:
    """Return days since the start and amounts, as the client's pocket sees them."""
    request = read(name)
    start = date.fromisoformat(request["periods"]["explicit"]["start"])
    flows = [(start, -request["begin_mv"])]
    flows += [(date.fromisoformat(flow["date"]), -flow["amount"]) for flow in request["cash_flows"]]
    flows.append((date.fromisoformat(request["as_of"]), request["end_mv"]))
    return [((day - start).days, amount) for day, amount in flows]


def present_value(flows: list[tuple[int, Decimal]], rate: Decimal) -> Decimal:
    return sum(amount * (1 + rate) ** (-Decimal(days) / 365) for days, amount in flows)


@cache
def rate_by_bisection(name: str) -> Decimal:
    flows = flows_of(name)
    low, high = Decimal("-0.9"), Decimal(10)
    assert present_value(flows, low) > 0 > present_value(flows, high)
    while high - low > Decimal("1e-14"):
        middle = (low + high) / 2
        if present_value(flows, middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def differences(answer: Any, expected: Any, place: str = "") -> list[str]:
    """Return where an answer does not hold what is expected of it; it may hold more."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        parts = [(answer.get(member), value, f"{place}/{member}") for member, value in expected.items()]
    elif isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        parts = [(answer[index], value, f"{place}/{index}") for index, value in enumerate(expected)]
    elif isinstance(expected, Decimal) and isinstance(answer, Decimal | int):
        return [] if abs(answer - expected) <= TOLERANCE else [f"{place}: {answer} instead of {expected:.9f}"]
    else:
        return [] if answer == expected else [f"{place}: {answer} instead of {expected}"]
    return [difference for part in parts for difference in differences(*part)]


def post(client: FlaskClient, name: str) -> dict[str, Any]:
    answer = client.post(
        f"/performance/{name.partition('_')[0]}", data=(EXAMPLES / name).read_bytes(), content_type="application/json"
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return json.loads(answer.get_data(as_text=True), parse_float=Decimal)


@pytest.mark.parametrize("name", TWR_FILES)
def test_every_return_of_the_example_agrees_with_the_spreadsheet(client: FlaskClient, name: str) -> None:
    results = post(client, name)["results_by_period"]
    expected = {
        analysis.get("label", analysis["period"]): expected_period(analysis, name)
        for analysis in read(name)["analyses"]
    }
    assert results.keys() == expected.keys()
    assert differences(results, expected) == []


@pytest.mark.parametrize("name", CONTRIBUTION_FILES)
def test_every_contribution_of_the_example_agrees_with_the_spreadsheet(client: FlaskClient, name: str) -> None:
    results = post(client, name)["results_by_period"]
    expected = {analysis["period"]: expected_contribution(analysis, name) for analysis in read(name)["analyses"]}
    assert results.keys() == expected.keys()
    assert differences(results, expected) == []


def test_a_sector_contributes_the_same_whatever_currency_it_is_valued_in(client: FlaskClient) -> None:
    one, two = (post(client, name)["results_by_period"]["QTD"] for name in CONTRIBUTION_FILES[1:])
    (health,) = (row for row in one["levels"][0]["rows"] if row["key"] == {"sector": "Health Care"})
    (in_eur,) = (row for row in two["levels"][0]["rows"] if row["key"] == {"currency": "EUR"})
    # Five positions of some 50,000 USD are rounded to cents.
    assert abs(health["contribution"] - in_eur["contribution"]) < Decimal("1e-5")
    assert in_eur["fx_contribution"] > 1


@pytest.mark.parametrize("name", ATTRIBUTION_FILES)
def test_every_effect_of_the_example_agrees_with_the_spreadsheet(client: FlaskClient, name: str) -> None:
    results = post(client, name)["results_by_period"]
    expected = {analysis["period"]: expected_attribution(analysis, name) for analysis in read(name)["analyses"]}
    assert results.keys() == expected.keys()
    assert differences(results, expected) == []


@pytest.mark.parametrize("name", MWR_FILES)
def test_rate_of_the_example_agrees_with_bisection(client: FlaskClient, name: str) -> None:
    days = flows_of(name)[-1][0]
    rate = rate_by_bisection(name)
    expected = {
        "method": "XIRR",
        "start_date": read(name)["periods"]["explicit"]["start"],
        "end_date": read(name)["as_of"],
        "mwr_annualized": rate * 100,
        "money_weighted_return": percent((1 + rate) ** (Decimal(days) / 365)),
        "convergence": {"converged": True, "unique": True, "roots": [rate * 100]},
    }
    assert differences(post(client, name), expected) == []


@pytest.mark.parametrize("name", ALL_FILES)
def test_example_is_answered_without_a_warning(client: FlaskClient, name: str) -> None:
    assert post(client, name)["diagnostics"].get("warnings", []) == []


def test_row_of_a_month_has_the_return_of_its_days() -> None:
    months: dict[str, list[Row]] = {}
    for row in rows_of("twr_daily_ten_years.json"):
        months.setdefault(f"{row.day:%Y-%m}", []).append(row)
    for row, days in zip(rows_of("twr_monthly_ten_years.json"), months.values(), strict=True):
        assert row.day == days[-1].day
        assert row.net_growth == pytest.approx(net_growth(days), abs=Decimal("1e-24"))
        assert row.gross_growth == pytest.approx(gross_growth(days), abs=Decimal("1e-24"))


@pytest.mark.parametrize("name", TWR_FILES)
def test_row_begins_with_the_value_at_which_the_row_before_ended(name: str) -> None:
    assert all(last.end_mv == row.begin_mv and last.day < row.day for last, row in pairwise(rows_of(name)))


def test_daily_example_has_ten_years_of_rows() -> None:
    assert len(rows_of("twr_daily_ten_years.json")) == 2520


def test_gross_return_is_that_of_the_prices_rebalanced_once_a_year() -> None:
    header, *lines = (line.split(",") for line in (EXAMPLES / "data" / "prices.csv").read_text().splitlines())
    stocks = [column for column, name in enumerate(header) if name != "Date"]
    year_ends = [lines[0], *(line for line, after in pairwise(lines) if line[0][:4] != after[0][:4]), lines[-1]]
    growth = Decimal(1)
    for bought, sold in pairwise(year_ends):
        growth *= sum(Decimal(sold[stock]) / Decimal(bought[stock]) for stock in stocks) / len(stocks)
    # Rounding 2,520 values of 1 to 8 million to cents moves the end by less than 2,520 * 0.005 / 1e6 of itself.
    assert abs(gross_growth(rows_of("twr_daily_ten_years.json")) / growth - 1) < Decimal("1.3e-5")


def test_client_flows_are_the_flows_of_the_daily_example_without_its_fees() -> None:
    request = read("mwr_ten_years.json")
    rows = rows_of("twr_daily_ten_years.json")
    closes = [date.fromisoformat(request["periods"]["explicit"]["start"]), *(row.day for row in rows)]
    arrivals = [(close, row.bod_cf) for close, row in zip(closes, rows, strict=False) if row.bod_cf]
    withdrawals = [(row.day, row.eod_cf - row.mgmt_fees) for row in rows if row.eod_cf != row.mgmt_fees]
    flows = [(date.fromisoformat(flow["date"]), flow["amount"]) for flow in request["cash_flows"]]
    assert sorted(flows) == sorted(arrivals + withdrawals)
    assert (request["begin_mv"], request["end_mv"]) == (rows[0].begin_mv, rows[-1].end_mv)


def test_building_the_examples_again_gives_the_same_bytes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("build_portfolio", EXAMPLES / "build_portfolio.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.build(tmp_path)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert built == {name: (EXAMPLES / name).read_bytes() for name in [*ALL_FILES, *CSV_FILES]}
