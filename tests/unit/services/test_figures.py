"""Numbers are rounded once, on output."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lotus_performance.errors import FigureOverflowError
from lotus_performance.services.figures import Rounding, figures_of


def rounded(number: float, decimals: int) -> float:
    return float(Rounding(decimals).money(np.array([number]))[0])


@given(st.floats(-1e9, 1e9), st.integers(0, 15))
def test_rounding_moves_a_number_by_at_most_half_a_unit_of_the_last_decimal(number: float, decimals: int) -> None:
    moved = abs(Decimal(rounded(number, decimals)) - Decimal(number))
    assert moved <= Decimal(10) ** -decimals / 2 + Decimal(abs(number)) * Decimal(2) ** -52


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_a_rounded_number_is_written_with_at_most_its_decimals(units: int, decimals: int) -> None:
    written = Decimal(repr(rounded(units / 10**6, decimals)))
    assert written == written.quantize(Decimal(1).scaleb(-decimals))


@pytest.mark.parametrize("fractions", [np.array([-1e-12]), np.array([Decimal("-1e-12")], dtype=object)])
def test_zero_has_no_sign(fractions: Any) -> None:
    assert str(Rounding(6).percent(fractions)[0]) == "0.0"


def test_decimals_are_rounded_before_they_are_converted() -> None:
    tie = np.array([Decimal("0.00000000500000000000000001"), Decimal("0.000000005"), None], dtype=object)
    assert Rounding(6).percent(tie).tolist()[:2] == [1e-6, 0.0]
    assert np.isnan(Rounding(6).percent(tie)[2])


def test_numbers_beyond_the_precision_of_doubles_are_left_as_they_are() -> None:
    assert rounded(1e300, 15) == 1e300
    assert rounded(123456.789, 15) == 123456.789


@pytest.mark.parametrize("fraction", [1e307, np.inf, Decimal("1e400")])
def test_a_figure_that_no_double_holds_is_refused(fraction: Any) -> None:
    with pytest.raises(FigureOverflowError):
        Rounding(6).one_percent(fraction)


def test_a_row_leaves_out_what_has_no_figure() -> None:
    columns = {"period": ["a", "b"], "x": np.array([1.0, np.nan]), "y": np.array([2.0, 3.0])}
    assert figures_of(columns) == [{"period": "a", "x": 1.0, "y": 2.0}, {"period": "b", "y": 3.0}]
