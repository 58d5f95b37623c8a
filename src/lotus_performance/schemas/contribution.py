"""Request of a contribution."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from marshmallow import post_load, validates_schema

from lotus_performance.engine.contribution import Smoothing, WeightingScheme
from lotus_performance.engine.fx import CurrencyMode
from lotus_performance.engine.hierarchy import IDENTITY, Folding
from lotus_performance.engine.requests import ContributionRequest, PrecisionMode
from lotus_performance.engine.series import MONEY, order_by_date
from lotus_performance.errors import (
    Fault,
    NotSupportedError,
    PrecisionModeUnsupportedError,
    WindowReversedError,
)
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
from lotus_performance.schemas.fields import (
    MAX_LABEL_LENGTH,
    Choice,
    Date,
    Distinct,
    Flag,
    Members,
    Number,
    Text,
    Whole,
)
from lotus_performance.schemas.holdings import LabelsField, StackField, holdings_of, refuse_labels
from lotus_performance.schemas.valuations import PortfolioDataSchema, valuation_table

MAX_LEVELS = 16
OF_LEVELS = (
    "emit.top_n_per_level",
    "emit.threshold_weight",
    "emit.include_other",
    "emit.include_unclassified",
)
"""Members that say something about the rows of a hierarchy alone."""

MOST_LINKED = 110
"""Rows of positions times periods, in numbers of the longest series: some four seconds where all of them are shorts."""
MOST_TOLD = 25
"""Rows times periods, in numbers of the longest series, whose contribution is told by day: 64 MB of answer at most."""
MOST_KEYS = 4
"""Parts of keys that levels may tell in all periods, in numbers of the longest series; level n has keys of n parts."""
MOST_COMPARED = 1000
"""Rows times rows before them, in numbers of the longest series, that a test for outliers looks at."""


class SmoothingSchema(StrictSchema):
    """How the contributions of days are linked."""

    method = Choice(
        Smoothing,
        load_default=Smoothing.CARINO,
        metadata={"description": "How days add up to the return of the period; NONE adds them up as they are."},
    )


class EmitSchema(StrictSchema):
    """What the answer tells beside the totals."""

    timeseries = Flag(load_default=False, metadata={"description": "Whether each day's linked contribution is told."})
    by_position_timeseries = Flag(
        load_default=False, metadata={"description": "Whether each day's is told of each position."}
    )
    by_level = Flag(load_default=True, metadata={"description": "Whether the levels of the hierarchy are told."})
    top_n_per_level = Whole(
        1,
        5000,
        load_default=20,
        metadata={"description": "Rows of a parent that stand alone; the others are folded.", "x-unit": "count"},
    )
    threshold_weight = Number(
        low=0.0,
        high=1.0,
        load_default=0.005,
        metadata={"description": "Rows of a smaller average weight are folded.", "x-unit": "fraction"},
    )
    include_other = Flag(load_default=True, metadata={"description": "Whether folded rows are told as `Other`."})
    include_unclassified = Flag(
        load_default=True, metadata={"description": "Whether rows without a level's label are told."}
    )
    residual_per_position = Flag(
        load_default=False,
        metadata={"description": "Whether what positions leave unexplained is spread over them by average weight."},
    )


class ContributionRequestSchema(PeriodsRequestSchema):
    """Request of `POST /performance/contribution`."""

    NEVER_EFFECTIVE: ClassVar = (
        "output.include_timeseries",
        "output.include_cumulative",
        "output.top_n",
        "calendar.type",
        "calendar.trading_calendar",
        "annualization.enabled",
        "annualization.basis",
        "annualization.periods_per_year",
        "annualization.allow_short_periods",
    )

    report_start_date = Date(
        required=True, metadata={"description": "Start of EXPLICIT periods that bring none; no other is cut to it."}
    )
    portfolio_data = Members(
        PortfolioDataSchema, required=True, metadata={"description": "Values and flows of the portfolio."}
    )
    positions_data = StackField(
        {
            "position_id": Text(required=True, metadata={"description": "Identity of the position."}),
            "meta": LabelsField(
                load_default={},
                metadata={"description": "Labels by which positions are grouped, and `currency`; others are ignored."},
            ),
        },
        "valuation_points",
        valuation_table(required=True, metadata={"description": "Rows on dates of the portfolio's."}),
        most=lambda limits: limits.max_positions,
        required=True,
        metadata={"description": "Values and flows of the positions."},
    )
    hierarchy = Distinct(
        Text(MAX_LABEL_LENGTH),
        most=lambda limits: MAX_LEVELS,
        allow_empty=True,
        load_default=[],
        metadata={"description": "Labels by which positions are rolled up, from the top; `position_id` is themselves."},
    )
    weighting_scheme = Choice(
        WeightingScheme,
        load_default=WeightingScheme.BOD,
        metadata={"description": "Capital of a day: at its beginning (BOD, TWR_DENOM) or with half of its flows."},
    )
    smoothing = Members(
        SmoothingSchema, load_default=SmoothingSchema().load({}), metadata={"description": "Linking of days."}
    )
    emit = Members(EmitSchema, load_default=EmitSchema().load({}), metadata={"description": "Details of the answer."})
    lookthrough = LabelsField(metadata={"description": "Not supported: refused when used."})
    bucketing = LabelsField(metadata={"description": "Not supported: refused when used."})

    @validates_schema(skip_on_field_errors=True)
    def require_report_currency(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Require the currency into which positions are converted."""
        if data["currency_mode"] is CurrencyMode.BOTH and "report_ccy" not in data:
            raise refuse(["report_ccy"], "is required: currency_mode BOTH converts into it", "missing")

    @validates_schema(skip_on_field_errors=True)
    def refuse_unusable_labels(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Refuse values of labels in use that are no text."""
        used = [level.value for level in data["hierarchy"] if level.value != IDENTITY]
        refuse_labels("positions_data", data["positions_data"], used, data["currency_mode"], self.limits)

    @validates_schema(skip_on_field_errors=True)
    def bound_work(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Bound the rows that are linked, told by day or tested for outliers, and what is told of levels."""
        n_portfolio = len(data["portfolio_data"]["valuation_points"]["perf_date"])
        n_rows = data["positions_data"].n_rows
        n_periods = len({analysis["label"] for _, analysis in data["analyses"]})
        emit, n_levels = data["emit"], len(data["hierarchy"])
        most = MOST_LINKED * self.limits.max_rows
        if n_rows.sum() * n_periods > most:
            text = f"asks for {n_rows.sum() * n_periods} rows times periods; at most {most} are allowed"
            raise refuse(["analyses"], text, "too_many")
        n_told = int(n_rows.sum()) * emit["by_position_timeseries"] + n_portfolio * emit["timeseries"]
        most = MOST_TOLD * self.limits.max_rows
        if n_told * n_periods > most:
            name = "by_position_timeseries" if emit["by_position_timeseries"] else "timeseries"
            text = f"asks for {n_told * n_periods} rows times periods; at most {most} are allowed"
            raise refuse(["emit", name], text, "too_many")
        # Each parent shows the first rows, and beside them Other and Unclassified.
        widest = (min(len(n_rows), (emit["top_n_per_level"] + 2) ** level) for level in range(1, n_levels + 1))
        n_keys = sum(level * n for level, n in enumerate(widest, start=1)) * n_periods
        most = MOST_KEYS * self.limits.max_rows
        if emit["by_level"] and n_keys > most:
            text = f"asks for up to {n_keys} parts of keys in all periods; at most {most} are allowed"
            raise refuse(["hierarchy"], text, "too_many")
        outliers = data["data_policy"]["outliers"]
        n_sent = np.append(n_rows, n_portfolio)
        n_compared = int((n_sent * np.minimum(n_sent, outliers["params"]["window"])).sum())
        most = MOST_COMPARED * self.limits.max_rows
        if outliers["enabled"] and n_compared > most:
            text = f"asks for {n_compared} rows times rows before them; at most {most} are allowed"
            raise refuse(["data_policy", "outliers", "params", "window"], text, "too_many")

    @post_load
    def make_request(self, data: dict[str, Any], **kwargs: Any) -> ContributionRequest:
        """Return the request in engine types."""
        self._refuse_unsupported(data)
        portfolio, stacked = data["portfolio_data"], data["positions_data"]
        table = portfolio["valuation_points"]
        place = ("portfolio_data", "valuation_points")
        values = order_by_date(table["perf_date"], {name: table[name] for name in MONEY}, place)
        rows = {name: cells for name, cells in table.canonical(values.row).items() if name != "day"}
        positions = holdings_of(stacked, "positions_data", "position_id")
        emit = data["emit"]
        return ContributionRequest(
            **self.common_arguments(data),
            canonical=canonical_json(
                data,
                portfolio_data={"metric_basis": portfolio["metric_basis"], "valuation_points": rows},
                positions_data=stacked.canonical("position_id", "valuation_points", positions),
            ),
            no_effect=tuple(self._without_effect(data)),
            values=values,
            positions=positions,
            analyses=tuple(analyses_of(data["analyses"], data["report_start_date"])),
            basis=portfolio["metric_basis"],
            anchor=data["report_end_date"],
            scheme=data["weighting_scheme"],
            smoothing=data["smoothing"]["method"],
            rates=dated_values_of(data, "fx", "rates", "rate"),
            hedges=dated_values_of(data, "hedging", "series", "hedge_ratio"),
            policy=data_policy_of(data),
            hierarchy=tuple(level.value for level in data["hierarchy"]),
            folding=Folding(emit["threshold_weight"], emit["top_n_per_level"]),
            with_levels=emit["by_level"],
            with_other=emit["include_other"],
            with_unclassified=emit["include_unclassified"],
            with_timeseries=emit["timeseries"],
            with_position_timeseries=emit["by_position_timeseries"],
            spreads_residual=emit["residual_per_position"],
            currency=data.get("currency"),
        )

    def _refuse_unsupported(self, data: Mapping[str, Any]) -> None:
        """Refuse what is valid by itself and yet not calculated."""
        start, end = data["report_start_date"], data["report_end_date"]
        if start > end:
            raise WindowReversedError(
                f"report_start_date {start} lies after report_end_date {end}.",
                faults=[Fault(("report_start_date",), f"must not be later than report_end_date, {end}")],
            )
        if data["precision_mode"] is PrecisionMode.DECIMAL_STRICT:
            raise PrecisionModeUnsupportedError(
                "Contributions are calculated in doubles; use precision_mode FLOAT64.",
                faults=[Fault(("precision_mode",), "must be FLOAT64 here")],
            )
        used = [name for name in ("lookthrough", "bucketing") if data.get(name, {}).get("enabled", data.get(name))]
        if used:
            raise NotSupportedError(
                f"{' and '.join(used)} is not supported; leave it out.",
                faults=[Fault((name,), "is not supported") for name in used],
            )
        if data["emit"]["residual_per_position"] and data["smoothing"]["method"] is Smoothing.NONE:
            raise NotSupportedError(
                "Without smoothing the residual holds what compounding adds, which is no position's; leave "
                "residual_per_position out, or choose another smoothing method.",
                faults=[Fault(("emit", "residual_per_position"), "does not go with smoothing method NONE")],
            )

    def _without_effect(self, data: Mapping[str, Any]) -> list[str]:
        names = self.changed(data, self.NEVER_EFFECTIVE)
        if not data["hierarchy"]:
            names += self.changed(data, ("emit.by_level", *OF_LEVELS))
        elif not data["emit"]["by_level"]:
            names += self.changed(data, OF_LEVELS)
        if not data["data_policy"]["outliers"]["enabled"]:
            names += self.changed(data, ("data_policy.outliers.params",))
        mode = data["currency_mode"]
        if mode is CurrencyMode.BASE_ONLY or (mode is CurrencyMode.BOTH and "fx" not in data):
            names += [*self.unconverted(data), *self.changed(data, ("fx",))]
        elif data.get("currency", data.get("report_ccy")) != data.get("report_ccy", data.get("currency")):
            names.append(f"currency (the values of the portfolio are taken to be in {data['report_ccy']}, report_ccy)")
        if mode is not CurrencyMode.BOTH or "fx" not in data:
            names += self.changed(data, ("hedging",))
        return names + unused_details(data["analyses"])
