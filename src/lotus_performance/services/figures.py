"""Figures of an answer: percent, money, and the one rounding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_PREC, ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from lotus_performance.engine.series import Figure, FloatArray
from lotus_performance.errors import FigureOverflowError

AnyArray = NDArray[Any]
"""Doubles, or Decimals in an array of dtype object."""

PERCENT_PLACES = 2
BASIS_POINTS = 1e4
EXACT_INTEGERS = 2.0**53
"""From here on neighbouring doubles are whole numbers or further apart: there is nothing to round."""


@dataclass(frozen=True)
class Rounding:
    """Rounds the numbers of one answer to the requested decimals, once."""

    decimals: int

    def money(self, amounts: AnyArray) -> FloatArray:
        """Return amounts as rounded numbers."""
        return self._rounded_decimals(amounts) if amounts.dtype == object else self._rounded(amounts)

    def percent(self, fractions: AnyArray) -> FloatArray:
        """Return fractions as rounded percent, NaN where there is no figure."""
        if fractions.dtype == object:
            is_missing = fractions == None  # noqa: E711 -- of each cell
            percent = self._rounded_decimals(np.where(is_missing, 0, fractions), PERCENT_PLACES)
        else:
            is_missing = np.isnan(fractions)
            with np.errstate(over="ignore"):
                percent = self._rounded(np.where(is_missing, 0.0, fractions) * 100.0)
        return np.where(is_missing, np.nan, percent) if is_missing.any() else percent

    def one_percent(self, fraction: Figure) -> float:
        """Return one fraction as rounded percent."""
        return self.percents({"it": fraction})["it"]

    def basis_points(self, fraction: float) -> float:
        """Return a fraction as rounded basis points."""
        return float(self.money(np.array([fraction * BASIS_POINTS]))[0])

    def percents(self, fractions: Mapping[str, Figure | None]) -> dict[str, float]:
        """Return fractions as rounded percent, without those that are None."""
        given = without_missing(fractions)
        return dict(zip(given, self.percent(np.array(list(given.values()))).tolist(), strict=True))

    def _rounded(self, numbers: FloatArray) -> FloatArray:
        _finite(numbers)
        with np.errstate(over="ignore"):
            is_fine = np.abs(numbers) * 10.0**self.decimals < EXACT_INTEGERS
        if is_fine.all():
            rounded = numbers.round(self.decimals)
        else:
            rounded = np.where(is_fine, np.round(np.where(is_fine, numbers, 0.0), self.decimals), numbers)
        return rounded + 0.0  # which turns -0.0 into 0.0

    def _rounded_decimals(self, numbers: AnyArray, places: int = 0) -> FloatArray:
        """Return decimals, their point moved by some places, as doubles: rounded once, before they are converted."""
        unit = Decimal(1).scaleb(-self.decimals)
        with localcontext(prec=MAX_PREC):
            rounded = [Decimal(n).scaleb(places).quantize(unit, ROUND_HALF_EVEN) for n in numbers.ravel().tolist()]
        return _finite(np.array([float(number) for number in rounded]).reshape(numbers.shape)) + 0.0


def _finite(numbers: FloatArray) -> FloatArray:
    if not np.isfinite(numbers).all():
        raise FigureOverflowError("A figure is too large for a number; check the amounts of the request.")
    return numbers


def figures_of(columns: Mapping[str, Sequence[Any] | FloatArray]) -> list[dict[str, Any]]:
    """Return columns as rows; a row leaves out the members that are NaN."""
    cells = {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in columns.items()}
    rows = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    if any(isinstance(column, np.ndarray) and np.isnan(column).any() for column in columns.values()):
        return [{name: value for name, value in row.items() if value == value} for row in rows]
    return rows


def cell_texts(column: FloatArray) -> list[bytes]:
    """Return each cell of a column as JSON text, null where it is NaN."""
    return orjson.dumps(column, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def without_missing(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
