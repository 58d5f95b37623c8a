"""A month-end report: returns of the month, the quarter, the year and since inception, and the stocks behind them.

The portfolio is that of `build_portfolio.py`. What each stock is of it follows from the prices: the year begins in
equal parts, and every flow buys or sells all stocks in proportion.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from lotus_performance.client import ApiError, Client

HERE = Path(__file__).resolve().parent
PERIODS = ["MTD", "QTD", "YTD", "ITD"]
N_SHOWN = 3


def read_portfolio(as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the portfolio's values and flows up to a day, indexed by date."""
    request = json.loads((HERE / "twr_daily_ten_years.json").read_text(encoding="utf-8"))
    frame = pd.DataFrame(request["valuation_points"]).fillna(0.0)
    return frame.set_index(pd.DatetimeIndex(frame.pop("perf_date"), name="perf_date")).loc[:as_of]


def positions_of(year: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of every stock in a year, as one long frame."""
    prices = pd.read_csv(HERE / "data" / "prices.csv", index_col="Date", parse_dates=True)
    bought = prices.loc[prices.index < year.index[0]].iloc[-1]
    growth = prices / bought
    share = growth.div(growth.sum(axis="columns"), axis="index")
    parts = []
    for stock in prices.columns:
        at_close, at_open = share[stock].loc[year.index], share[stock].shift().loc[year.index]
        before = year[["begin_mv", "bod_cf"]].mul(at_open, axis="index")
        after = year[["end_mv", "eod_cf", "mgmt_fees"]].mul(at_close, axis="index")
        parts.append(before.join(after).assign(position_id=stock))
    return pd.concat(parts)


def report(client: Client, as_of: pd.Timestamp) -> str:
    portfolio = read_portfolio(as_of)
    returns = client.twr(
        portfolio_id="TWENTY-STOCKS",
        metric_basis="NET",
        performance_start_date=portfolio.index[0],
        report_end_date=as_of,
        analyses=[{"period": period, "frequencies": ["monthly"]} for period in PERIODS],
        annualization={"enabled": True, "basis": "ACT/365"},
        fee_effect={"enabled": True},
        valuation_points=portfolio,
    ).results_by_period
    year = portfolio.loc[f"{as_of:%Y}"]
    contributions = client.contribution(
        portfolio_id="TWENTY-STOCKS",
        report_start_date=year.index[0],
        report_end_date=as_of,
        analyses=[{"period": period, "frequencies": ["daily"]} for period in ("MTD", "YTD")],
        portfolio_data={"metric_basis": "NET", "valuation_points": year},
        positions_data=positions_of(year),
    ).results_by_period

    lines = [f"TWENTY-STOCKS at {as_of:%Y-%m-%d}: {portfolio['end_mv'].iloc[-1]:,.2f} USD", ""]
    lines.append(f"{'return in %':12}{'net':>10}{'gross':>10}{'fees':>10}{'a year':>10}")
    for label, period in returns.items():
        rate = "" if period.annualized_return_pct is None else f"{period.annualized_return_pct:.2f}"
        lines.append(
            f"{label:12}{period.net_return_pct:10.2f}{period.gross_return_pct:10.2f}"
            f"{period.fee_effect_pct:10.2f}{rate:>10}"
        )
    for label, period in contributions.items():
        rows = period.position_contributions.sort_values("total_contribution", ascending=False)
        lines += ["", f"{label + ', in %':12}{'adds':>10}{'weight':>10}{'return':>10}"]
        for stock, row in pd.concat([rows.head(N_SHOWN), rows.tail(N_SHOWN)]).iterrows():
            lines.append(
                f"{stock:12}{row['total_contribution']:10.2f}{row['average_weight']:10.2f}{row['total_return']:10.2f}"
            )
        rest = rows["total_contribution"].iloc[N_SHOWN:-N_SHOWN].sum()
        lines.append(f"{f'{len(rows) - 2 * N_SHOWN} others':12}{rest:10.2f}")
        lines.append(f"{'all':12}{period.total_contribution:10.2f}")
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    parser.add_argument("--as-of", default="2022-11-30", type=pd.Timestamp, help="last day of the report")
    arguments = parser.parse_args()
    days = read_portfolio(pd.Timestamp.max).index
    if arguments.as_of not in days or arguments.as_of.year == days[0].year:
        parser.error(f"--as-of must be a day with values, from the second year on; the last one is {days[-1]:%Y-%m-%d}")
    try:
        with Client(arguments.url) as client:
            print(report(client, arguments.as_of))
    except ApiError as error:
        sys.exit(str(error))
