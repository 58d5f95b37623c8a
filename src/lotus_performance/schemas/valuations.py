"""Values and flows of a portfolio or of one of its holdings, as they come in."""

from typing import Any

from lotus_performance.engine.returns import Basis
from lotus_performance.schemas.base import StrictSchema
from lotus_performance.schemas.fields import Choice, Columns, Date, Number, Whole

MAX_DAY_NUMBER = 1_000_000_000


def valuation_table(**kwargs: Any) -> Columns:
    """Return the member that holds the values and flows of one entity."""
    return Columns(
        {
            "day": Whole(-MAX_DAY_NUMBER, MAX_DAY_NUMBER, metadata={"description": "A label.", "x-unit": "none"}),
            "perf_date": Date(required=True, metadata={"description": "Valuation date."}),
            "begin_mv": Number(
                required=True, metadata={"description": "Value before the first flow.", "x-unit": "money"}
            ),
            "end_mv": Number(
                required=True,
                metadata={"description": "Value after the last flow, `eod_cf` included.", "x-unit": "money"},
            ),
            "bod_cf": Number(
                load_default=0.0,
                metadata={"description": "Flow before trading, in positive, on top of `begin_mv`.", "x-unit": "money"},
            ),
            "eod_cf": Number(
                load_default=0.0,
                metadata={"description": "Flow after trading, in positive, inside `end_mv`.", "x-unit": "money"},
            ),
            "mgmt_fees": Number(
                load_default=0.0,
                metadata={
                    "description": "Management fees, negative; paid out of the portfolio they stand in `eod_cf`, too.",
                    "x-unit": "money",
                },
            ),
        },
        identity="perf_date",
        **kwargs,
    )


class PortfolioDataSchema(StrictSchema):
    """Values and flows of the portfolio."""

    metric_basis = Choice(Basis, required=True, metadata={"description": "NET takes management fees off."})
    valuation_points = valuation_table(required=True, metadata={"description": "Rows, or columns of one length."})
