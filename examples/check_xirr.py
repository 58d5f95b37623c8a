"""Is the XIRR of a spreadsheet right? Reads its table of dates and amounts, and says which rates there are.

Signs are those of the spreadsheet: what the owner pays is negative, what comes back and the value at the end are
positive. The first row is the start and the last row the end. Exit status 1 says that the claimed rate is wrong.
"""

import argparse
import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd

from lotus_performance.client import ApiError, Client, NotComputableError

HERE = Path(__file__).resolve().parent


def roots_of(client: Client, table: pd.DataFrame) -> list[float]:
    """Return every rate per year, in percent and rising, at which the payments are worth nothing together."""
    table = table.sort_values("date", kind="stable")
    start, end = table["date"].iloc[0], table["date"].iloc[-1]
    try:
        answer = client.mwr(
            portfolio_id="SPREADSHEET",
            begin_mv=-table["amount"].iloc[0],
            end_mv=table["amount"].iloc[-1],
            as_of=end,
            periods={"type": "EXPLICIT", "explicit": {"start": start, "end": end}},
            # The service counts money that goes into the portfolio as positive.
            cash_flows=table.iloc[1:-1].assign(amount=lambda flows: -flows["amount"]),
            mwr_method="XIRR",
            flags={"fail_fast": True},
        )
    except NotComputableError:
        return []
    return list(answer.convergence["roots"])


def verdict(roots: list[float], claimed: Decimal) -> tuple[bool, str]:
    """Return whether a claimed rate is right, which it is to half of its last decimal, and a sentence."""
    half_unit = 0.5 * 10.0 ** int(claimed.as_tuple().exponent) + 1e-9
    found = ", ".join(f"{root:.6f} %" for root in roots)
    for number, root in enumerate(roots, start=1):
        if abs(root - float(claimed)) <= half_unit:
            which = "the only rate" if len(roots) == 1 else f"rate {number} of {len(roots)}: {found}"
            return True, f"{claimed} % is right: {root:.6f} %, {which}."
    return False, f"{claimed} % is wrong: " + (f"the rate is {found}." if roots else "there is no rate at all.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=HERE / "xirr_ten_years.csv", help="a CSV with date and amount")
    parser.add_argument("claimed", nargs="?", default="17.72", type=Decimal, help="the spreadsheet's rate in percent")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    arguments = parser.parse_args()
    table = pd.read_csv(arguments.file, parse_dates=["date"])
    try:
        with Client(arguments.url) as client:
            is_right, sentence = verdict(roots_of(client, table), arguments.claimed)
    except ApiError as error:
        sys.exit(str(error))
    print(f"{len(table)} payments from {table['date'].min():%Y-%m-%d} to {table['date'].max():%Y-%m-%d}")
    print(sentence)
    sys.exit(0 if is_right else 1)
