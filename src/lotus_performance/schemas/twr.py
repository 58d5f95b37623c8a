"""Request of a time-weighted return."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import post_load, validates_schema

from lotus_performance.engine.exact import ExactRows
from lotus_performance.engine.fx import CurrencyMode
from lotus_performance.engine.periods import Period
from lotus_performance.engine.requests import PrecisionMode, TwrRequest
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.series import MONEY, order_by_date
from lotus_performance.schemas.base import (
    PeriodsRequestSchema,
    StrictSchema,
    analyses_of,
    canonical_json,
    data_policy_of,
    dated_values_of,
    refuse,
    unused_details,
)
from lotus_performance.schemas.fields import Choice, Date, Flag, Members
from lotus_performance.schemas.valuations import valuation_table

MOST_WORKING, MOST_EXACT = 4, 2
"""Rows times periods, in numbers of the longest series, whose working is told, and that are linked in decimals."""
MOST_COMPARED = 500
"""Rows times rows before them, in numbers of the longest series, that a test for outliers looks at."""


class FeeEffectSchema(StrictSchema):
    """Whether each period carries its return net and gross of fees."""

    enabled = Flag(load_default=False, metadata={"description": "Whether returns are told net and gross of fees."})


class ResetPolicySchema(StrictSchema):
    """Whether each period lists the cuts of its chain."""

    emit = Flag(load_default=False, metadata={"description": "Whether each period lists the cuts of its chain."})


class TwrRequestSchema(PeriodsRequestSchema):
    """Request of `POST /performance/twr`."""

    NEVER_EFFECTIVE: ClassVar = ("output.top_n", "calendar.type")
    ANNUALIZATION_MEMBERS: ClassVar = (
        "annualization.basis",
        "annualization.periods_per_year",
        "annualization.allow_short_periods",
        "calendar.trading_calendar",
    )

    performance_start_date = Date(required=True, metadata={"description": "Inception: no row before it counts."})
    metric_basis = Choice(Basis, required=True, metadata={"description": "NET takes management fees off."})
    valuation_points = valuation_table(required=True, metadata={"description": "Rows, or columns of one length."})
    fee_effect = Members(
        FeeEffectSchema, load_default=FeeEffectSchema().load({}), metadata={"description": "Return net and gross."}
    )
    reset_policy = Members(
        ResetPolicySchema, load_default=ResetPolicySchema().load({}), metadata={"description": "Cuts of the chain."}
    )

    @validates_schema(skip_on_field_errors=True)
    def bound_work(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Bound what is told and linked row by row, rows times periods, and rows times the window of a test."""
        n_sent = len(data["valuation_points"]["perf_date"])
        n_rows = n_sent * len({a["label"] for _, a in data["analyses"]})
        text = "asks for {} rows times periods; at most {} are allowed"
        most = MOST_WORKING * self.limits.max_rows
        if data["output"]["include_timeseries"] and n_rows > most:
            raise refuse(["output", "include_timeseries"], text.format(n_rows, most), "too_many")
        most = MOST_EXACT * self.limits.max_rows
        if data["precision_mode"] is PrecisionMode.DECIMAL_STRICT and n_rows > most:
            raise refuse(["precision_mode"], text.format(n_rows, most), "too_many")
        outliers = data["data_policy"]["outliers"]
        n_compared = n_sent * min(outliers["params"]["window"], n_sent)
        most = MOST_COMPARED * self.limits.max_rows
        if outliers["enabled"] and n_compared > most:
            text = f"asks for {n_compared} rows times rows before them; at most {most} are allowed"
            raise refuse(["data_policy", "outliers", "params", "window"], text, "too_many")

    @post_load
    def make_request(self, data: dict[str, Any], **kwargs: Any) -> TwrRequest:
        """Return the request in engine types."""
        table = data["valuation_points"]
        values = order_by_date(table["perf_date"], {name: table[name] for name in MONEY}, ("valuation_points",))
        rows = {name: cells for name, cells in table.canonical(values.row).items() if name != "day"}
        exact = None
        if data["precision_mode"] is PrecisionMode.DECIMAL_STRICT:
            exact = ExactRows(**{name: table.decimals(name, values.row) for name in MONEY})
            rows |= vars(exact)
        analyses = tuple(analyses_of(data["analyses"], data.get("report_start_date")))
        return TwrRequest(
            **self.common_arguments(data),
            canonical=canonical_json(data, valuation_points=rows),
            no_effect=tuple(self._without_effect(data)),
            values=values,
            analyses=analyses,
            basis=data["metric_basis"],
            inception=data["performance_start_date"],
            anchor=data["report_end_date"],
            currency=data.get("currency"),
            rates=dated_values_of(data, "fx", "rates", "rate"),
            hedges=dated_values_of(data, "hedging", "series", "hedge_ratio"),
            exact=exact,
            policy=data_policy_of(data),
            has_fee_effect=data["fee_effect"]["enabled"],
            emit_resets=data["reset_policy"]["emit"],
            include_timeseries=data["output"]["include_timeseries"],
            include_cumulative=data["output"]["include_cumulative"],
        )

    def _without_effect(self, data: Mapping[str, Any]) -> list[str]:
        analyses = data["analyses"]
        names = self.changed(data, self.NEVER_EFFECTIVE)
        if not data["data_policy"]["outliers"]["enabled"]:
            names += self.changed(data, ("data_policy.outliers.params",))
        if not data["annualization"]["enabled"]:
            names += self.changed(data, self.ANNUALIZATION_MEMBERS)
        if not any(a["period"] is Period.EXPLICIT and "start" not in a for _, a in analyses):
            names += self.changed(data, ("report_start_date",))
        if data["currency_mode"] is not CurrencyMode.BOTH:
            names += [*self.unconverted(data), *self.changed(data, ("fx",))]
        if data["currency_mode"] is not CurrencyMode.BOTH or "fx" not in data:
            names += self.changed(data, ("hedging",))
        return names + unused_details(analyses)
