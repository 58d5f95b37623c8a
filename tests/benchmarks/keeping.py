"""What it costs to keep a calculation: the same request with lineage and without, the materialiser idle."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson
from bodies import ten_years
from edge import post
from measuring import Bound, Row

from lotus_performance.app import create_app
from lotus_performance.keep import keep
from lotus_performance.settings import Settings

ROUNDS = 100


def keeping_rows() -> Iterator[Row]:
    """Yield the ratio of the time to an answer that is kept to that of one that is not."""
    body = orjson.dumps(ten_years("daily", "monthly"))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), lineage_mode="async")
        kept = keep(settings)
        assert kept is not None
        kept.prepare()
        apps = {"on": create_app(settings), "off": create_app(Settings(lineage_mode="off"))}
        calls = {name: partial(post, app, "/performance/twr", body) for name, app in apps.items()}
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for i in range(ROUNDS + 5):
            # In turns, each as often the first as the second.
            for name in sorted(calls, reverse=i % 2 == 1):
                began = time.perf_counter()
                calls[name]()
                taken[name].append(time.perf_counter() - began)
    on, off = (1000 * statistics.median(taken[name][5:]) for name in ("on", "off"))
    yield Row("TWR of 2,520 rows: lineage on / off", on / off, Bound(at_most=1.5), f"{on:.2f} / {off:.2f} ms")
