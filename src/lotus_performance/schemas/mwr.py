"""Request of a money-weighted return."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
from marshmallow import post_load, validates_schema

from lotus_performance.engine.exact import ExactFlows
from lotus_performance.engine.mwr import CashFlows, MwrMethod
from lotus_performance.engine.periods import Analysis, Period
from lotus_performance.engine.requests import MwrRequest, PrecisionMode
from lotus_performance.schemas.base import (
    MAX_ROLLING_DAYS,
    MAX_ROLLING_MONTHS,
    RequestSchema,
    StrictSchema,
    canonical_json,
    refuse,
    refuse_ambiguous_rolling,
)
from lotus_performance.schemas.fields import Choice, Columns, Date, Flag, Members, Number, Text, Whole


class ExplicitPeriodSchema(StrictSchema):
    """A period by its dates."""

    start = Date(required=True, metadata={"description": "Day at whose close the opening value stands."})
    end = Date(required=True, metadata={"description": "Must be `as_of`."})


class RollingPeriodSchema(StrictSchema):
    """A period by its length."""

    months = Whole(1, MAX_ROLLING_MONTHS, metadata={"description": "Length in calendar months.", "x-unit": "months"})
    days = Whole(1, MAX_ROLLING_DAYS, metadata={"description": "Length in days.", "x-unit": "days"})

    @validates_schema(skip_on_field_errors=True)
    def require_one_length(self, data: Any, **kwargs: Any) -> None:
        """Require months or days, and not both."""
        refuse_ambiguous_rolling(data, is_rolling=True)


class MeasuringPeriodSchema(StrictSchema):
    """The measuring period."""

    type = Choice(Period, required=True, metadata={"description": "Period that ends on `as_of`."})
    explicit = Members(ExplicitPeriodSchema, metadata={"description": "Dates of EXPLICIT."})
    rolling = Members(RollingPeriodSchema, metadata={"description": "Length of ROLLING."})

    @validates_schema(skip_on_field_errors=True)
    def require_details(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Require the dates of EXPLICIT and the length of ROLLING."""
        forms = ((Period.EXPLICIT, "explicit", "{start, end}"), (Period.ROLLING, "rolling", "{months} or {days}"))
        for period, name, form in forms:
            if data["type"] is period and name not in data:
                raise refuse([name], f"is required for {period}: {form}", "missing")


class SolverSchema(StrictSchema):
    """Accepted for the sake of older clients: the solver finds every root without help."""

    method = Text(metadata={"description": "A label."})
    max_iter = Whole(1, 1_000_000, metadata={"description": "A label.", "x-unit": "none"})
    tolerance = Number(above=0.0, metadata={"description": "A label.", "x-unit": "none"})


class MwrRequestSchema(RequestSchema):
    """Request of `POST /performance/mwr`."""

    NEVER_EFFECTIVE: ClassVar = (
        "calendar",
        "output",
        "data_policy",
        "currency_mode",
        "fx",
        "hedging",
        "annualization.periods_per_year",
        "annualization.allow_short_periods",
    )

    begin_mv = Number(required=True, metadata={"description": "Opening value.", "x-unit": "money"})
    end_mv = Number(required=True, metadata={"description": "Closing value, on `as_of`.", "x-unit": "money"})
    as_of = Date(required=True, metadata={"description": "Day of the closing value."})
    cash_flows = Columns(
        {
            "date": Date(required=True, metadata={"description": "Day of the flow."}),
            "amount": Number(
                required=True, metadata={"description": "Flow into the portfolio, in positive.", "x-unit": "money"}
            ),
        },
        identity="date",
        allow_empty=True,
        required=True,
        metadata={"description": "Rows, or columns of one length."},
    )
    mwr_method = Choice(MwrMethod, load_default=MwrMethod.XIRR, metadata={"description": "How the return is measured."})
    solver = Members(SolverSchema, load_default={}, metadata={"description": "Without effect."})
    emit_cashflows_used = Flag(load_default=True, metadata={"description": "Whether the answer lists the flows."})
    periods = Members(
        MeasuringPeriodSchema, metadata={"description": "Measuring period; default: from the first flow."}
    )

    @post_load(pass_original=True)
    def make_request(self, data: dict[str, Any], original: Mapping[str, Any], **kwargs: Any) -> MwrRequest:
        """Return the request in engine types."""
        table = data["cash_flows"]
        amount = table["amount"]
        order = table.date_order()
        exact, decimals = None, {}
        if data["precision_mode"] is PrecisionMode.DECIMAL_STRICT:
            begin_mv, end_mv = Decimal(original["begin_mv"]), Decimal(original["end_mv"])
            exact = ExactFlows(begin_mv, end_mv, table.decimals("amount", order))
            rows = {**table.canonical(order), "amount": exact.amounts}
            decimals = {"begin_mv": begin_mv, "end_mv": end_mv, "cash_flows": rows}
        return MwrRequest(
            **self.common_arguments(data),
            canonical=canonical_json(data, **decimals),
            no_effect=tuple(self._without_effect(data)),
            begin_mv=data["begin_mv"],
            end_mv=data["end_mv"],
            flows=CashFlows(amount[order], table["date"][order], order.astype(np.int64), ("cash_flows",)),
            as_of=data["as_of"],
            method=data["mwr_method"],
            measuring_period=self._measuring_period(data),
            emit_cashflows_used=data["emit_cashflows_used"],
            exact=exact,
        )

    def _without_effect(self, data: Mapping[str, Any]) -> list[str]:
        names = [*self.changed(data, self.NEVER_EFFECTIVE), *self.unconverted(data)]
        if data["mwr_method"] is not MwrMethod.XIRR:
            names += self.changed(data, ("flags.fail_fast",))
            if not data["annualization"]["enabled"]:
                names += self.changed(data, ("annualization.basis",))
        periods = data.get("periods", {})
        details = ((Period.EXPLICIT, "explicit"), (Period.ROLLING, "rolling"))
        names += [f"periods.{name}" for period, name in details if name in periods and periods["type"] is not period]
        return names

    @staticmethod
    def _measuring_period(data: Mapping[str, Any]) -> Analysis | None:
        if "periods" not in data:
            return None
        period = data["periods"]["type"]
        dates = data["periods"]["explicit"] if period is Period.EXPLICIT else {}
        length = data["periods"]["rolling"] if period is Period.ROLLING else {}
        return Analysis(period, (), period.value, **dates, **length, place=("periods", "explicit"))
