"""Attribution: the engine against bare arithmetic on the same arrays, its memory, and a request in the application."""

import logging
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import orjson
from contributing import SECTORS, Money, contribution_request, dates_of, engine_types, some_money
from edge import json_alone, post
from measuring import NONE, Bound, Row, cpu_seconds

from lotus_performance.app import create_app
from lotus_performance.engine.attribution import Method, attribution, of_instruments
from lotus_performance.engine.holdings import Holdings
from lotus_performance.engine.linking import Linking
from lotus_performance.engine.periods import Frequency, Window
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.segments import Key, Observations
from lotus_performance.engine.series import MONEY, DailyValues, FloatArray
from lotus_performance.settings import Settings

SHAPES = ((5_000, 1), (500, 2_520))
BOUND_ON = (500, 2_520)
REQUEST = (100, 252)
KEYS: list[Key] = [(f"S{i:02}",) for i in range(SECTORS)]

Benchmark = tuple[FloatArray, FloatArray]
"""Weights and returns of the sectors, (sectors, days)."""


def attribution_rows() -> Iterator[Row]:
    """Yield the ratio to bare arithmetic and the peak memory of two shapes, and the CPU time of a request."""
    generator = np.random.default_rng(20260223)
    for shape in SHAPES:
        yield from _engine_rows(some_money(*shape, generator), shape, generator)
    yield from _request_rows(some_money(*REQUEST, generator), generator)


def _engine_rows(money: Money, shape: tuple[int, int], generator: np.random.Generator) -> Iterator[Row]:
    values, instruments = engine_types(money)
    benchmark = _benchmark(money, generator)
    observations = _observations(money, benchmark)
    ours: Callable[[], object] = partial(_attribute, values, instruments, observations)
    calls = {
        "ours": ours,
        "bare": partial(_bare, money, benchmark),
        "symmetric": partial(_attribute, values, instruments, observations, linking=Linking.SYMMETRIC),
    }
    least = cpu_seconds(calls, rounds=30)
    name = "{:,} x {:,}".format(*shape)
    yield Row(
        f"attribution / bare numpy: {name}, {SECTORS} sectors, BF, carino",
        least["ours"] / least["bare"],
        Bound(at_most=10.0) if shape == BOUND_ON else NONE,
        f"{1000 * least['ours']:.1f} / {1000 * least['bare']:.1f} ms",
    )
    yield Row("the same linked by symmetric / by carino", least["symmetric"] / least["ours"])
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


def _request_rows(money: Money, generator: np.random.Generator) -> Iterator[Row]:
    body = orjson.dumps(_request(money, _benchmark(money, generator)))
    app = create_app(Settings(log_level="ERROR"))
    logging.disable(logging.INFO)
    answer = app.test_client().post("/performance/attribution", data=body, content_type="application/json").json
    calls: dict[str, Callable[[], object]] = {
        "ours": partial(post, app, "/performance/attribution", body),
        "json": partial(json_alone, body, answer),
    }
    least = cpu_seconds(calls, rounds=60)
    logging.disable(logging.NOTSET)
    ours, floor = (1000 * least[name] for name in ("ours", "json"))
    name = "{} x {}, rows, {:.1f} MB".format(*REQUEST, len(body) / 1e6)
    yield Row(f"attribution of {name}: ms of CPU a request", ours, Bound(at_most=90.0))
    yield Row("the same / JSON alone", ours / floor, detail=f"{ours:.1f} / {floor:.1f} ms")


def _benchmark(money: Money, generator: np.random.Generator) -> Benchmark:
    n_days = money["begin_mv"].shape[1]
    weight = np.full((SECTORS, n_days), 1.0 / SECTORS)
    return weight, np.round(generator.normal(0.0003, 0.008, (SECTORS, n_days)), 6)


def _observations(money: Money, benchmark: Benchmark) -> Observations:
    dates = dates_of(money)
    n_days = len(dates)
    weight, returns = (column.ravel() for column in benchmark)
    return Observations(
        keys=tuple(KEYS),
        places=tuple(("benchmark_groups_data", i, "observations") for i in range(SECTORS)),
        group=np.repeat(np.arange(SECTORS), n_days),
        row=np.tile(np.arange(n_days), SECTORS),
        date=np.tile(dates, SECTORS),
        weight=weight,
        returns=returns,
        local=returns,
        fx=np.zeros(len(returns)),
    )


def _attribute(
    values: DailyValues, instruments: Holdings, benchmark: Observations, linking: Linking = Linking.CARINO
) -> object:
    segment = np.arange(len(instruments)) % SECTORS
    needed = np.ones(len(values), dtype=bool)
    portfolio = of_instruments(values, instruments, segment, SECTORS, Basis.NET, None, needed)
    window = Window("ITD", (), values.perf_date[0], values.perf_date[-1])
    method = Method(linking=linking, frequency=Frequency.DAILY)
    return attribution(portfolio, benchmark, KEYS, ["sector"], [window], method)


def _bare(money: Money, benchmark: Benchmark) -> tuple[FloatArray, ...]:
    """Return linked allocation, selection and interaction: the formulas on full tables, and nothing else."""
    begin_mv, end_mv, bod_cf, eod_cf, mgmt_fees = (money[name] for name in MONEY)
    capital = begin_mv + bod_cf
    gain = end_mv - eod_cf + mgmt_fees - capital
    held, gained = (np.stack([part[i::SECTORS].sum(axis=0) for i in range(SECTORS)]) for part in (capital, gain))
    bmk_weight, bmk_returns = benchmark
    weight, returns = held / held.sum(axis=0), gained / held
    r, b = gain.sum(axis=0) / capital.sum(axis=0), (bmk_weight * bmk_returns).sum(axis=0)
    k = (np.log1p(r) - np.log1p(b)) / (r - b)
    total, bmk_total = np.prod(1.0 + r), np.prod(1.0 + b)
    factor = k * (total - bmk_total) / (np.log(total) - np.log(bmk_total))
    active, added = weight - bmk_weight, returns - bmk_returns
    return (active * (bmk_returns - b)) @ factor, (bmk_weight * added) @ factor, (active * added) @ factor


def _request(money: Money, benchmark: Benchmark) -> dict[str, Any]:
    """Return a request in rows with every member written out."""
    held = contribution_request(money)
    days = dates_of(money).astype(str).tolist()
    return {
        **{name: held[name] for name in ("portfolio_id", "report_start_date", "report_end_date", "analyses")},
        "mode": "by_instrument",
        "group_by": ["sector"],
        "frequency": "daily",
        "portfolio_data": held["portfolio_data"],
        "instruments_data": [
            {
                "instrument_id": position["position_id"],
                "meta": {"sector": KEYS[i % SECTORS][0]},
                "valuation_points": position["valuation_points"],
            }
            for i, position in enumerate(held["positions_data"])
        ],
        "benchmark_groups_data": [
            {
                "key": {"sector": KEYS[i][0]},
                "observations": [
                    {"date": day, "weight_bop": weight, "return_base": returns}
                    for day, weight, returns in zip(days, *(side[i].tolist() for side in benchmark), strict=True)
                ],
            }
            for i in range(SECTORS)
        ],
    }
