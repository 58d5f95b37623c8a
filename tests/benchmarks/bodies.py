"""Request bodies, out of the repository's examples."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OPTIONAL_COLUMNS = ("bod_cf", "eod_cf", "mgmt_fees")


def example(name: str) -> dict[str, Any]:
    """Return a request of the examples folder."""
    document: dict[str, Any] = orjson.loads((EXAMPLES / f"{name}.json").read_bytes())
    return document


def ten_years(*frequencies: str) -> dict[str, Any]:
    """Return the example of 2,520 rows, asked for its whole length in some frequencies."""
    return {
        **example("twr_daily_ten_years"),
        "analyses": [{"period": "ITD", "frequencies": frequencies}],
    }


def columnar(request: dict[str, Any]) -> dict[str, Any]:
    """Return the same request with its rows as columns."""
    rows = request["valuation_points"]
    required = {name: [row[name] for row in rows] for name in ("perf_date", "begin_mv", "end_mv")}
    optional = {name: [row.get(name, 0.0) for row in rows] for name in OPTIONAL_COLUMNS}
    return {**request, "valuation_points": required | optional}


def with_every_member(request: dict[str, Any]) -> dict[str, Any]:
    """Return the same request with the flows and fees of zero written out."""
    zeros = dict.fromkeys(OPTIONAL_COLUMNS, 0.0)
    return {**request, "valuation_points": [{**row, **zeros, **row} for row in request["valuation_points"]]}


def of_length(request: dict[str, Any], n: int) -> dict[str, Any]:
    """Return the request with its rows repeated up to a length, a row a day."""
    rows = request["valuation_points"]
    start = np.datetime64("1900-01-01", "D")
    days = (start + np.arange(n)).astype(str).tolist()
    repeated = [{**rows[i % len(rows)], "perf_date": day} for i, day in enumerate(days)]
    return {
        **request,
        "performance_start_date": days[0],
        "report_end_date": days[-1],
        "valuation_points": repeated,
    }


def sixty_flows() -> dict[str, Any]:
    """Return a money-weighted request of 60 flows: the first five years of the example."""
    request = example("mwr_ten_years")
    flows = request["cash_flows"]
    end = flows[60]["date"]
    return {
        **request,
        "end_mv": 2_500_000.0,
        "as_of": end,
        "periods": {"type": "EXPLICIT", "explicit": {"start": "2012-12-24", "end": end}},
        "cash_flows": flows[:60],
    }
