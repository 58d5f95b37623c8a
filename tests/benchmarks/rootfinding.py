"""10,000 rates of return in one call of the engine, against pyxirr in a loop on the same data."""

from collections.abc import Iterator

import numpy as np
import pyxirr
from measuring import Bound, Row, cpu_seconds

from lotus_performance.engine.rootfind import find_roots_batch
from lotus_performance.engine.series import FloatArray, IntArray

LISTS, FLOWS = 10_000, 60
FEW_CHANGES = 5
YEAR = 365.0
START = np.datetime64("2015-01-01", "D")


def root_rows() -> Iterator[Row]:
    """Yield the ratios for one, a few and very many sign changes; their measure is pyxirr's loop with one change."""
    generator = np.random.default_rng(20260223)
    days = _distinct_days(generator)
    size = generator.uniform(1.0, 100.0, (LISTS, FLOWS))
    one = _one_change(size, generator)
    few = size * _signs_with_changes(FEW_CHANGES, generator)
    many = size * generator.choice([-1.0, 1.0], (LISTS, FLOWS))
    times = days / YEAR
    # Lists are the form that pyxirr takes fastest.
    dates, amounts = (START + days).tolist(), one.tolist()

    def loop() -> list[float | None]:
        return [pyxirr.xirr(day, amount) for day, amount in zip(dates, amounts, strict=True)]

    _refuse_different_rates(times, one, loop())
    least = cpu_seconds(
        {
            "pyxirr": loop,
            "one": lambda: find_roots_batch(one, times),
            "few": lambda: find_roots_batch(few, times),
            "many": lambda: find_roots_batch(many, times),
        },
        rounds=7,
    )
    unit = least["pyxirr"]
    for name, what, bound in (
        ("one", "one sign change", 1.0),
        ("few", f"{FEW_CHANGES} sign changes, all roots", 10.0),
        ("many", "random signs, all roots", 10.0),
    ):
        detail = f"{1000 * least[name]:.0f} / {1000 * unit:.0f} ms"
        yield Row(f"{LISTS:,} XIRRs / pyxirr with one change: {what}", least[name] / unit, Bound(at_most=bound), detail)


def _distinct_days(generator: np.random.Generator) -> IntArray:
    """Return rising days within ten years, other ones in each list, the first of all on day 0."""
    gaps = generator.integers(1, 120, (LISTS, FLOWS))
    gaps[:, 0] = 0
    return np.cumsum(gaps, axis=1)


def _one_change(size: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return contributions and a final value of 0.5 to 3 times their sum."""
    amounts = -size
    amounts[:, -1] = size[:, :-1].sum(axis=1) * generator.uniform(0.5, 3.0, len(size))
    return amounts


def _signs_with_changes(count: int, generator: np.random.Generator) -> FloatArray:
    places = np.argsort(generator.random((LISTS, FLOWS - 1)), axis=1)[:, :count] + 1
    is_change = np.zeros((LISTS, FLOWS), dtype=np.int64)
    np.put_along_axis(is_change, places, 1, axis=1)
    return np.where(np.cumsum(is_change, axis=1) % 2 == 0, -1.0, 1.0)


def _refuse_different_rates(times: FloatArray, amounts: FloatArray, theirs: list[float | None]) -> None:
    """Measure only what does the same work: the rates of both must agree."""
    ours = np.expm1(find_roots_batch(amounts, times).x)
    if not np.allclose(ours, np.array(theirs, dtype=np.float64), rtol=1e-6, atol=1e-8):
        raise SystemExit("the rates differ from pyxirr's")
