"""A year explained against a benchmark: what the weights of sectors and the choice of stocks in them added.

Both sides buy the twenty stocks of `data/prices.csv` at the last close of the year before, and hold them: the portfolio
in equal parts, the benchmark one share of each, so that expensive shares weigh more. Effects of months are linked to
those of the year.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from build_portfolio import SECTORS

from lotus_performance.client import ApiError, Client

HERE = Path(__file__).resolve().parent


def observations(values: pd.DataFrame) -> pd.DataFrame:
    """Return weight and return of every sector and day as one long frame, out of the values of stocks."""
    sector_of = {stock: sector for sector, stocks in SECTORS.items() for stock in stocks.split()}
    held = values.T.groupby(sector_of).sum().T
    before = held.shift().iloc[1:]
    weights = before.div(before.sum(axis="columns"), axis="index")
    parts = {"weight_bop": weights, "return_base": held.iloc[1:] / before - 1}
    long = pd.DataFrame({name: part.stack() for name, part in parts.items()})
    return long.rename_axis(["date", "sector"])


def explain(client: Client, year: int) -> str:
    prices = pd.read_csv(HERE / "data" / "prices.csv", index_col="Date", parse_dates=True)
    start = prices.index.searchsorted(pd.Timestamp(year, 1, 1))
    prices = prices.iloc[start - 1 :].loc[: f"{year}"]
    first, last = prices.index[1], prices.index[-1]
    answer = client.attribution(
        portfolio_id="EQUAL-PARTS",
        report_start_date=first,
        report_end_date=last,
        analyses=[{"period": "YTD", "frequencies": ["monthly"]}],
        mode="by_group",
        group_by=["sector"],
        frequency="monthly",
        model="BF",
        linking="carino",
        portfolio_groups_data=observations(prices / prices.iloc[0]),
        benchmark_groups_data=observations(prices),
    )
    result = answer.results_by_period["YTD"]
    effects, totals = result.levels["sector"], result.totals.loc["sector"]

    lines = [f"EQUAL-PARTS against ONE-SHARE-OF-EACH, {first:%Y-%m-%d} to {last:%Y-%m-%d}, effects in %", ""]
    lines.append(f"{'':24}" + "".join(f"{name.removesuffix('_effect'):>12}" for name in effects.columns))
    for sector, row in effects.sort_values("total_effect", ascending=False).iterrows():
        lines.append(f"{sector:24}" + "".join(f"{value:12.3f}" for value in row))
    lines.append(f"{'all':24}" + "".join(f"{value:12.3f}" for value in totals))
    growth = [values.sum(axis="columns") for values in (prices / prices.iloc[0], prices)]
    own, benchmark = (100 * (each.iloc[-1] / each.iloc[0] - 1) for each in growth)
    reconciliation = result.reconciliation
    lines += [
        "",
        f"return of the portfolio {own:.3f}, of the benchmark {benchmark:.3f}: active {own - benchmark:.3f}",
        f"sum of the effects {reconciliation.sum_of_effects:.3f}, unexplained {reconciliation.residual:.3f}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    parser.add_argument(
        "--year", default=2022, type=int, choices=range(2013, 2023), metavar="YEAR", help="2013 to 2022"
    )
    arguments = parser.parse_args()
    try:
        with Client(arguments.url) as client:
            print(explain(client, arguments.year))
    except ApiError as error:
        sys.exit(str(error))
