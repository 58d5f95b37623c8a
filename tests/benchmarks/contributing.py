"""Contribution: the engine against bare arithmetic on the same arrays, its memory, and a request in the application."""

import logging
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import orjson
from edge import json_alone, post
from measuring import NONE, Bound, Row, cpu_seconds

from lotus_performance.app import create_app
from lotus_performance.engine.contribution import Smoothing, WeightingScheme, contribution
from lotus_performance.engine.holdings import Holdings, stack
from lotus_performance.engine.periods import Window
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.series import MONEY, DailyValues, FloatArray, order_by_date
from lotus_performance.settings import Settings

SHAPES = ((5_000, 1), (500, 2_520))
BOUND_ON = (500, 2_520)
REQUEST = (100, 252)
START = np.datetime64("2015-01-01", "D")
SECTORS = 11

Money = dict[str, FloatArray]


def contribution_rows() -> Iterator[Row]:
    """Yield the ratio to bare arithmetic and the peak memory of two shapes, and the CPU time of a request."""
    generator = np.random.default_rng(20260223)
    for shape in SHAPES:
        yield from _engine_rows(some_money(*shape, generator), shape)
    yield from _request_rows(some_money(*REQUEST, generator))


def _engine_rows(money: Money, shape: tuple[int, int]) -> Iterator[Row]:
    values, holdings = engine_types(money)
    ours: Callable[[], object] = partial(_contribute, values, holdings)
    least = cpu_seconds({"ours": ours, "bare": partial(_bare, money)}, rounds=30)
    name = "{:,} x {:,}".format(*shape)
    yield Row(
        f"contribution / bare numpy: {name}",
        least["ours"] / least["bare"],
        Bound(at_most=10.0) if shape == BOUND_ON else NONE,
        f"{1000 * least['ours']:.1f} / {1000 * least['bare']:.1f} ms",
    )
    inputs = sum(column.nbytes for column in money.values())
    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    yield Row(
        f"peak memory / input arrays: {name}",
        peak / inputs,
        Bound(at_most=10.0),
        f"{peak / 2**20:.1f} / {inputs / 2**20:.1f} MiB",
    )


def _request_rows(money: Money) -> Iterator[Row]:
    request = contribution_request(money)
    body = orjson.dumps(request)
    app = create_app(Settings(log_level="ERROR"))
    logging.disable(logging.INFO)
    answer = app.test_client().post("/performance/contribution", data=body, content_type="application/json").json
    calls: dict[str, Callable[[], object]] = {
        "ours": partial(post, app, "/performance/contribution", body),
        "json": partial(json_alone, body, answer),
    }
    least = cpu_seconds(calls, rounds=60)
    logging.disable(logging.NOTSET)
    ours, floor = (1000 * least[name] for name in ("ours", "json"))
    name = "{} x {}, rows, {:.1f} MB".format(*REQUEST, len(body) / 1e6)
    yield Row(f"contribution of {name}: ms of CPU a request", ours, Bound(at_most=130.0))
    yield Row("the same / JSON alone", ours / floor, detail=f"{ours:.1f} / {floor:.1f} ms")


def some_money(n: int, days: int, generator: np.random.Generator) -> Money:
    """Return positions that start at some size, move by some percent a day and have a flow now and then; (n, days)."""
    growth = 1.0 + generator.normal(0.0003, 0.01, (n, days))
    bod_cf = np.where(generator.random((n, days)) < 0.02, 10.0, 0.0)
    begin_mv = generator.uniform(500.0, 1500.0, (n, days))
    money = {
        "begin_mv": begin_mv,
        "end_mv": (begin_mv + bod_cf) * growth,
        "bod_cf": bod_cf,
        "eod_cf": np.zeros((n, days)),
        "mgmt_fees": np.zeros((n, days)),
    }
    return {name: np.round(column, 2) for name, column in money.items()}


def dates_of(money: Money) -> Any:
    return START + np.arange(money["begin_mv"].shape[1])


def engine_types(money: Money) -> tuple[DailyValues, Holdings]:
    n, days = money["begin_mv"].shape
    dates = dates_of(money)
    ids = [f"P{i:05}" for i in range(n)]
    columns = {name: column.ravel() for name, column in money.items()}
    holdings = stack(
        ids, [{}] * n, [("positions_data", i) for i in range(n)], np.full(n, days), np.tile(dates, n), columns
    )
    values = order_by_date(dates, {name: column.sum(axis=0) for name, column in money.items()}, ("portfolio_data",))
    return values, holdings


def _contribute(values: DailyValues, holdings: Holdings) -> object:
    window = Window("ITD", (), values.perf_date[0], values.perf_date[-1])
    return contribution(values, holdings, [window], Basis.NET, WeightingScheme.BOD, Smoothing.CARINO)


def _bare(money: Money) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return contributions, average weights and own returns: the formulas on a full table, and nothing else."""
    begin_mv, end_mv, bod_cf, eod_cf, mgmt_fees = (money[name] for name in MONEY)
    capital = begin_mv + bod_cf
    gain = end_mv - eod_cf + mgmt_fees - capital
    base = capital.sum(axis=0)
    returns = gain.sum(axis=0) / base
    total = np.prod(1.0 + returns) - 1.0
    factor = np.log1p(returns) / returns * total / np.log1p(total)
    return (gain / base) @ factor, (capital / base).mean(axis=1), np.prod(1.0 + gain / capital, axis=1) - 1.0


def contribution_request(money: Money) -> dict[str, Any]:
    """Return a request in rows with every member written out."""
    days = dates_of(money).astype(str).tolist()

    def rows(columns: dict[str, list[float]]) -> list[dict[str, Any]]:
        cells = zip(days, *columns.values(), strict=True)
        return [dict(zip(("perf_date", *columns), row, strict=True)) for row in cells]

    return {
        "portfolio_id": "BENCHMARK",
        "report_start_date": days[0],
        "report_end_date": days[-1],
        "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
        "hierarchy": ["sector", "position_id"],
        "portfolio_data": {
            "metric_basis": "NET",
            "valuation_points": rows({name: column.sum(axis=0).tolist() for name, column in money.items()}),
        },
        "positions_data": [
            {
                "position_id": f"P{i:03}",
                "meta": {"sector": f"S{i % SECTORS}"},
                "valuation_points": rows({name: column[i].tolist() for name, column in money.items()}),
            }
            for i in range(len(money["begin_mv"]))
        ],
    }
