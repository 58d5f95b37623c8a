"""Build the requests and CSV files of this folder from data/prices.csv: python examples/build_portfolio.py.

The portfolio: 1,000,000 USD in equal parts in twenty stocks, bought at the first close of the file and brought back to
equal parts at the last close of each year. Flows buy and sell the twenty in proportion. The money of a month arrives
before its first day of trading (`bod_cf`), withdrawals leave after the last close of a month (`eod_cf`). Amounts are
decimals rounded to cents, so that the files are the same on every machine.

Of the last quarter there are the twenty positions, too: equal parts of 1,000,000 USD bought at the close of 2022-09-30,
of which a part is moved from one stock to another midway; a second file values some of them in another currency. Their
benchmark, for attribution, are the same equal parts, never moved: what differs from it is the move.

Fees are paid out of the portfolio: a fee lowers `end_mv`, and `eod_cf` holds it as money that left, so GROSS is
before fees; `mgmt_fees` states it once more, and NET takes it off. `end_mv` is to the cent the next row's `begin_mv`.
"""

import csv
import json
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent

CENT = Decimal("0.01")
TEN_DECIMALS = Decimal("1e-10")
NOTHING = Decimal(0)
OPENING = Decimal("1000000.00")
CONTRIBUTION = Decimal("10000.00")
WITHDRAWALS = {
    "2015-06": Decimal("-60000.00"),
    "2017-12": Decimal("-150000.00"),
    "2020-03": Decimal("-100000.00"),
    "2021-11": Decimal("-250000.00"),
}
FEE_A_YEAR = Decimal("0.008")
DAYS_OF_A_YEAR = 365

SECTORS = {
    "Information Technology": "AAPL AMD MSFT",
    "Consumer Discretionary": "BBY HD",
    "Consumer Staples": "KO PEP PG WMT",
    "Energy": "CVX RRC XOM",
    "Financials": "BAC JPM",
    "Health Care": "JNJ LLY MRK PFE UNH",
    "Industrials": "GE",
}
QUARTER_OPENING = date(2022, 9, 30)
MOVED_ON, MOVED_FROM, MOVED_TO, MOVED = date(2022, 11, 15), "XOM", "AAPL", Decimal("20000.00")
FOREIGN_SECTOR, FOREIGN_CCY = "Health Care", "EUR"
RATE_FIRST, RATE_STEP = Decimal("1.0000"), Decimal("0.0010")
"""The rate is made up: USD per EUR, 1 at the opening and a tenth of a cent more each day of trading."""


class Close(NamedTuple):
    """The prices of one day."""

    day: date
    prices: list[Decimal]


class Row(NamedTuple):
    """One valuation: a day, or a month."""

    perf_date: date
    begin_mv: Decimal
    end_mv: Decimal
    bod_cf: Decimal = NOTHING
    eod_cf: Decimal = NOTHING
    mgmt_fees: Decimal = NOTHING


def read_closes(path: Path) -> tuple[list[Close], list[str]]:
    """Return the prices of all days, and the names of the stocks."""
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    stocks = [name for name in table[0] if name != "Date"]
    closes = [Close(date.fromisoformat(line["Date"]), [Decimal(line[stock]) for stock in stocks]) for line in table]
    return closes, stocks


def month(day: date) -> str:
    return f"{day:%Y-%m}"


def quarter(day: date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


def growth_of_equal_parts(closes: list[Close]) -> list[Decimal]:
    """Return end over begin of each day but the first, for equal parts bought at the last close of the year before."""
    growth = []
    bought, level = closes[0], Decimal(1)
    for last, close in pairwise(closes):
        if last.day.year != close.day.year:
            bought, level = last, Decimal(1)
        parts = [price / paid for price, paid in zip(close.prices, bought.prices, strict=True)]
        new_level = sum(parts) / len(parts)
        growth.append(new_level / level)
        level = new_level
    return growth


def value_daily(closes: list[Close]) -> list[Row]:
    rows = []
    value, fees_paid_until = OPENING, closes[0].day
    days = [close.day for close in closes]
    neighbours = zip(days, days[1:], [*days[2:], date.max], strict=False)
    for (day_before, day, day_after), growth in zip(neighbours, growth_of_equal_parts(closes), strict=True):
        bod_cf = CONTRIBUTION if month(day_before) != month(day) else NOTHING
        closing_value = ((value + bod_cf) * growth).quantize(CENT)
        withdrawal = WITHDRAWALS.get(month(day), NOTHING) if month(day) != month(day_after) else NOTHING
        fee = NOTHING
        if quarter(day) != quarter(day_after):
            fee = -(closing_value * FEE_A_YEAR * (day - fees_paid_until).days / DAYS_OF_A_YEAR).quantize(CENT)
            fees_paid_until = day
        end_mv = closing_value + withdrawal + fee
        rows.append(Row(day, value, end_mv, bod_cf, withdrawal + fee, fee))
        value = end_mv
    return rows


def value_monthly(daily: list[Row]) -> list[Row]:
    """Return one row a month; exact, since no flow falls between a month's first opening and its last close."""
    months: dict[str, list[Row]] = {}
    for row in daily:
        months.setdefault(month(row.perf_date), []).append(row)
    return [
        Row(
            perf_date=rows[-1].perf_date,
            begin_mv=rows[0].begin_mv,
            end_mv=rows[-1].end_mv,
            bod_cf=rows[0].bod_cf,
            eod_cf=rows[-1].eod_cf,
            mgmt_fees=rows[-1].mgmt_fees,
        )
        for rows in months.values()
    ]


def value_positions(closes: list[Close], stocks: list[str], moved: dict[str, Decimal]) -> dict[str, list[Row]]:
    """Return the rows of each stock from the close of the quarter's opening on, in USD."""
    closes = [close for close in closes if close.day >= QUARTER_OPENING]
    positions = {}
    for i, stock in enumerate(stocks):
        value, rows = OPENING / len(stocks), []
        for last, close in pairwise(closes):
            bod_cf = moved.get(stock, NOTHING) if close.day == MOVED_ON else NOTHING
            end_mv = ((value + bod_cf) * close.prices[i] / last.prices[i]).quantize(CENT)
            rows.append(Row(close.day, value, end_mv, bod_cf))
            value = end_mv
        positions[stock] = rows
    return positions


def added_up(positions: list[list[Row]], rates: list[list[Decimal]]) -> list[Row]:
    """Return the portfolio of positions; the rates of each are those of the opening and of all rows."""
    rows = []
    for t, day in enumerate(row.perf_date for row in positions[0]):
        parts = [
            (row.begin_mv * rate[t], row.end_mv * rate[t + 1], row.bod_cf * rate[t])
            for row, rate in ((rows_of[t], rate) for rows_of, rate in zip(positions, rates, strict=True))
        ]
        rows.append(Row(day, *(sum(column, NOTHING) for column in zip(*parts, strict=True))))
    return rows


def contribution_request(positions: dict[str, list[Row]], *, is_foreign: bool) -> dict[str, Any]:
    """Return the quarter by sector; if `is_foreign`, one sector's positions are valued in another currency."""
    sector_of = {stock: sector for sector, names in SECTORS.items() for stock in names.split()}
    days = [row.perf_date for row in next(iter(positions.values()))]
    path = [RATE_FIRST + i * RATE_STEP for i in range(len(days) + 1)]
    ones = [Decimal(1)] * len(path)
    foreign = {stock for stock in positions if is_foreign and sector_of[stock] == FOREIGN_SECTOR}
    rows, rates = dict(positions), dict.fromkeys(positions, ones)
    for stock in foreign:
        rates[stock] = path
        rows[stock] = []
        value = (positions[stock][0].begin_mv / path[0]).quantize(CENT)
        for row, rate in zip(positions[stock], path[1:], strict=True):
            end_mv = (row.end_mv / rate).quantize(CENT)
            rows[stock].append(Row(row.perf_date, value, end_mv))
            value = end_mv
    currencies = {stock: {"currency": FOREIGN_CCY if stock in foreign else "USD"} for stock in positions if is_foreign}
    request = {
        "portfolio_id": "TWENTY-STOCKS",
        "report_start_date": days[0],
        "report_end_date": days[-1],
        "analyses": [{"period": "QTD", "frequencies": ["daily"]}, {"period": "MTD", "frequencies": ["daily"]}],
        "hierarchy": ["currency", "sector"] if is_foreign else ["sector", "position_id"],
        "emit": {"threshold_weight": 0, "timeseries": True},
        "portfolio_data": {
            "metric_basis": "NET",
            "valuation_points": as_columns(added_up(list(rows.values()), list(rates.values())), "bod_cf"),
        },
        "positions_data": [
            {
                "position_id": stock,
                "meta": {"sector": sector_of[stock], **currencies.get(stock, {})},
                "valuation_points": as_columns(rows[stock], *(["bod_cf"] if stock in (MOVED_FROM, MOVED_TO) else [])),
            }
            for stock in positions
        ],
    }
    if is_foreign:
        fx = {"date": [QUARTER_OPENING, *days], "ccy": [FOREIGN_CCY] * len(path), "rate": path}
        request |= {"currency_mode": "BOTH", "report_ccy": "USD", "fx": {"source": "made up", "rates": fx}}
    return request


def observations(held: list[list[Row]], total: list[Decimal], rates: list[Decimal]) -> dict[str, list[Any]]:
    """Return weight and return of stocks held together; in another currency also its and the currency's return."""
    columns: dict[str, list[Any]] = {"date": [row.perf_date for row in held[0]], "weight_bop": [], "return_base": []}
    is_foreign = len(set(rates)) > 1
    if is_foreign:
        columns |= {"return_local": [], "return_fx": []}
    for t, rows in enumerate(zip(*held, strict=True)):
        begin, end = (
            sum(column, NOTHING) for column in zip(*((row.begin_mv, row.end_mv) for row in rows), strict=True)
        )
        growth, of_currency = end / begin, rates[t + 1] / rates[t]
        columns["weight_bop"].append((begin / total[t]).quantize(TEN_DECIMALS))
        columns["return_base"].append((growth - 1).quantize(TEN_DECIMALS))
        if is_foreign:
            columns["return_local"].append((growth / of_currency - 1).quantize(TEN_DECIMALS))
            columns["return_fx"].append((of_currency - 1).quantize(TEN_DECIMALS))
    return columns


def attribution_request(
    positions: dict[str, list[Row]], unmoved: dict[str, list[Row]], *, is_foreign: bool
) -> dict[str, Any]:
    """Return the quarter against equal parts that nobody moved, by sector."""
    held = contribution_request(positions, is_foreign=is_foreign)
    total = [sum((row.begin_mv for row in rows), NOTHING) for rows in zip(*unmoved.values(), strict=True)]
    path = [RATE_FIRST + i * RATE_STEP for i in range(len(total) + 1)]
    benchmark = []
    for sector, names in SECTORS.items():
        is_converted = is_foreign and sector == FOREIGN_SECTOR
        currency = {"currency": FOREIGN_CCY if is_converted else "USD"} if is_foreign else {}
        rates = path if is_converted else [Decimal(1)] * len(path)
        rows = observations([unmoved[stock] for stock in names.split()], total, rates)
        benchmark.append({"key": {**currency, "sector": sector}, "observations": rows})
    request = {name: held[name] for name in ("portfolio_id", "report_start_date", "report_end_date", "analyses")} | {
        "mode": "by_instrument",
        "group_by": ["currency", "sector"] if is_foreign else ["sector"],
        "frequency": "daily",
        "interaction": "selection",
        "compare_linking": True,
        "portfolio_data": held["portfolio_data"],
        "instruments_data": [
            {"instrument_id" if name == "position_id" else name: value for name, value in position.items()}
            for position in held["positions_data"]
        ],
        "benchmark_groups_data": benchmark,
    }
    return request | {name: held[name] for name in ("currency_mode", "report_ccy", "fx") if name in held}


def four_quarters() -> dict[str, Any]:
    """Return three markets in four quarters: the published example of Bacon (2008), chapter 8."""
    days = [date(2024, 3, 29), date(2024, 6, 28), date(2024, 9, 30), date(2024, 12, 31)]
    # Of each quarter: weight in the portfolio and in the benchmark, return in the portfolio and in the benchmark.
    markets = {
        "UK": ["0.4 0.4 0.20 0.10", "0.7 0.4 -0.05 -0.07", "0.3 0.5 -0.20 -0.25", "0.3 0.4 0.10 0.05"],
        "Japan": ["0.3 0.2 -0.05 -0.04", "0.2 0.3 0.03 0.04", "0.5 0.4 0.08 0.05", "0.5 0.4 -0.07 -0.05"],
        "US": ["0.3 0.4 0.06 0.08", "0.1 0.3 -0.05 -0.10", "0.2 0.1 -0.15 -0.20", "0.2 0.2 0.25 0.10"],
    }

    def side(weight: int, earned: int) -> list[dict[str, Any]]:
        return [
            {
                "key": {"region": market},
                "observations": [
                    {"date": day, "weight_bop": Decimal(cells[weight]), "return_base": Decimal(cells[earned])}
                    for day, cells in zip(days, map(str.split, quarters), strict=True)
                ],
            }
            for market, quarters in markets.items()
        ]

    return {
        "portfolio_id": "THREE-MARKETS",
        "report_start_date": days[0],
        "report_end_date": days[-1],
        "analyses": [{"period": "ITD", "frequencies": ["quarterly"]}],
        "mode": "by_group",
        "group_by": ["region"],
        "frequency": "quarterly",
        "interaction": "selection",
        "compare_linking": True,
        "portfolio_groups_data": side(0, 2),
        "benchmark_groups_data": side(1, 3),
    }


def three_days() -> dict[str, Any]:
    """Return three positions of which each day adds 2 % to the portfolio: round numbers, made up by hand."""
    days = [date(2025, 1, 6), date(2025, 1, 7), date(2025, 1, 8)]
    values = {
        "PORTFOLIO": ("1000", "1020", "1040.4", "1061.208"),
        "NOVA": ("500", "515", "525.2", "530.402"),
        "ORION": ("300", "295", "300.1", "310.504"),
        "PAX": ("200", "210", "215.1", "220.302"),
    }
    points = {
        name: [Row(day, Decimal(last), Decimal(value)) for day, (last, value) in zip(days, pairwise(path), strict=True)]
        for name, path in values.items()
    }
    sectors = {"NOVA": "Technology", "ORION": "Technology", "PAX": "Health"}
    return {
        "portfolio_id": "THREE-POSITIONS",
        "report_start_date": days[0],
        "report_end_date": days[-1],
        "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
        "hierarchy": ["sector", "position_id"],
        "portfolio_data": {"metric_basis": "NET", "valuation_points": as_rows(points["PORTFOLIO"])},
        "positions_data": [
            {"position_id": name, "meta": {"sector": sector}, "valuation_points": as_rows(points[name])}
            for name, sector in sectors.items()
        ],
    }


def as_rows(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the rows as objects, without the flows and fees that are zero."""
    return [{name: value for name, value in row._asdict().items() if value != NOTHING} for row in rows]


def as_columns(rows: list[Row], *optional: str) -> dict[str, list[Any]]:
    names = ("perf_date", "begin_mv", "end_mv", *optional)
    return {name: [getattr(row, name) for row in rows] for name in names}


def client_flows(daily: list[Row], opening_day: date) -> list[dict[str, Any]]:
    """Return what the client paid in and took out, each at the close that values it.

    Money that arrives before trading earns the whole day, like the value at the close before: it carries the date of
    that close. Fees are a cost inside the portfolio, no flow of the client's.
    """
    flows = []
    last_day = opening_day
    for row in daily:
        if row.bod_cf:
            flows.append({"date": last_day, "amount": row.bod_cf})
        if row.eod_cf != row.mgmt_fees:
            flows.append({"date": row.perf_date, "amount": row.eod_cf - row.mgmt_fees})
        last_day = row.perf_date
    return flows


def twr_request(rows: list[Row], points: Any, inception: date, analyses: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "portfolio_id": "TWENTY-STOCKS",
        "currency": "USD",
        "metric_basis": "NET",
        "performance_start_date": inception,
        "report_end_date": rows[-1].perf_date,
        "analyses": analyses,
        "annualization": {"enabled": True, "basis": "ACT/365"},
        "fee_effect": {"enabled": True},
        "output": {"include_cumulative": True},
        "valuation_points": points,
    }


def requests(closes: list[Close], stocks: list[str]) -> dict[str, dict[str, Any]]:
    """Return the requests by name of file."""
    positions = value_positions(closes, stocks, {MOVED_FROM: -MOVED, MOVED_TO: MOVED})
    unmoved = value_positions(closes, stocks, {})
    daily = value_daily(closes)
    monthly = value_monthly(daily)
    opening_day, inception = closes[0].day, daily[0].perf_date
    return {
        "twr_five_days.json": {
            "portfolio_id": "TWENTY-STOCKS",
            "metric_basis": "NET",
            "performance_start_date": inception,
            "report_end_date": daily[4].perf_date,
            "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
            "valuation_points": as_rows(daily[:5]),
        },
        "twr_daily_ten_years.json": twr_request(
            daily,
            as_rows(daily),
            inception,
            [
                {"period": "ITD", "frequencies": ["daily", "monthly", "yearly"]},
                {"period": "YTD", "frequencies": ["monthly"]},
                {"period": "1Y", "frequencies": ["monthly"]},
                {"period": "3Y", "frequencies": ["yearly"]},
                {"period": "5Y", "frequencies": ["yearly"]},
            ],
        ),
        "twr_monthly_ten_years.json": twr_request(
            monthly,
            as_columns(monthly, "bod_cf", "eod_cf", "mgmt_fees"),
            inception,
            [
                {"period": "ITD", "frequencies": ["monthly", "quarterly", "yearly"]},
                {"period": "YTD", "frequencies": ["monthly"]},
                {
                    "period": "EXPLICIT",
                    "label": "2017-2021",
                    "start": date(2017, 1, 1),
                    "end": date(2021, 12, 31),
                    "frequencies": ["yearly"],
                },
            ],
        ),
        "contribution_three_days.json": three_days(),
        "contribution_by_sector.json": contribution_request(positions, is_foreign=False),
        "contribution_two_currencies.json": contribution_request(positions, is_foreign=True),
        "attribution_four_quarters.json": four_quarters(),
        "attribution_by_sector.json": attribution_request(positions, unmoved, is_foreign=False),
        "attribution_two_currencies.json": attribution_request(positions, unmoved, is_foreign=True),
        "mwr_one_year.json": {
            "portfolio_id": "ROUND-NUMBERS",
            "begin_mv": 1_000_000,
            "end_mv": 1_150_000,
            "as_of": date(2025, 12, 31),
            "mwr_method": "XIRR",
            "periods": {"type": "EXPLICIT", "explicit": {"start": date(2024, 12, 31), "end": date(2025, 12, 31)}},
            "cash_flows": [
                {"date": date(2025, 3, 31), "amount": 50_000},
                {"date": date(2025, 6, 30), "amount": -20_000},
                {"date": date(2025, 9, 30), "amount": 50_000},
            ],
        },
        "mwr_ten_years.json": {
            "portfolio_id": "TWENTY-STOCKS",
            "currency": "USD",
            "begin_mv": daily[0].begin_mv,
            "end_mv": daily[-1].end_mv,
            "as_of": daily[-1].perf_date,
            "mwr_method": "XIRR",
            "periods": {"type": "EXPLICIT", "explicit": {"start": opening_day, "end": daily[-1].perf_date}},
            "cash_flows": client_flows(daily, opening_day),
        },
    }


def in_one_line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {in_one_line(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(in_one_line, value)) + "]"
    # A decimal keeps its cents: 1000000.00.
    return str(value) if isinstance(value, Decimal) else json.dumps(value, default=str)


def as_block(value: Any) -> str:
    """Return a list of objects, or columns, with one of them a line."""
    if isinstance(value, list) and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {in_one_line(row)}" for row in value) + "\n  ]"
    if isinstance(value, dict) and isinstance(next(iter(value.values())), list):
        lines = (f"    {json.dumps(name)}: {in_one_line(column)}" for name, column in value.items())
        return "{\n" + ",\n".join(lines) + "\n  }"
    return in_one_line(value)


def dump(request: dict[str, Any]) -> str:
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {as_block(value)}" for name, value in request.items()) + "\n}\n"


def spreadsheet(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a money-weighted return as a spreadsheet's XIRR has it: what the owner pays is negative."""
    start = request["periods"]["explicit"]["start"]
    flows = [(start, -request["begin_mv"]), *((flow["date"], -flow["amount"]) for flow in request["cash_flows"])]
    rows = [*flows, (request["as_of"], request["end_mv"])]
    return [{"date": day, "amount": amount} for day, amount in rows]


def sheets(request: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of some requests as they stand in a CSV."""
    sides = (("portfolio", "portfolio_groups_data"), ("benchmark", "benchmark_groups_data"))
    five_days = request["twr_five_days.json"]["valuation_points"]
    return {
        "twr_five_days.csv": [{name: row.get(name, "") for name in Row._fields} for row in five_days],
        "xirr_ten_years.csv": spreadsheet(request["mwr_ten_years.json"]),
        "mwr_one_year.csv": request["mwr_one_year.json"]["cash_flows"],
        "contribution_three_days.csv": [
            {"position_id": each["position_id"], **each["meta"], **row}
            for each in request["contribution_three_days.json"]["positions_data"]
            for row in each["valuation_points"]
        ],
        "attribution_four_quarters.csv": [
            {"side": side, **group["key"], **row}
            for side, member in sides
            for group in request["attribution_four_quarters.json"][member]
            for row in group["observations"]
        ],
    }


def as_csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return "".join(
        ",".join(str(cell) for cell in cells) + "\n"
        for cells in (columns, *([row.get(name, "") for name in columns] for row in rows))
    )


def build(folder: Path) -> None:
    made = requests(*read_closes(HERE / "data" / "prices.csv"))
    texts = {name: dump(request) for name, request in made.items()}
    texts |= {name: as_csv(rows) for name, rows in sheets(made).items()}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    build(HERE)
