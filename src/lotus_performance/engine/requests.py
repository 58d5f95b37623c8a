"""What is asked of a calculation, in engine types: schemas make these, services read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lotus_performance.engine.attribution import Method
from lotus_performance.engine.contribution import Smoothing, WeightingScheme
from lotus_performance.engine.day_count import Annualization
from lotus_performance.engine.exact import ExactFlows, ExactRows
from lotus_performance.engine.fx import CurrencyMode, DatedValues
from lotus_performance.engine.hierarchy import Folding
from lotus_performance.engine.holdings import Holdings
from lotus_performance.engine.mwr import CashFlows, MwrMethod
from lotus_performance.engine.periods import Analysis
from lotus_performance.engine.policies import DataPolicy
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.segments import Observations
from lotus_performance.engine.series import DailyValues, Day


class PrecisionMode(StrEnum):
    """Number arithmetic of a calculation."""

    FLOAT64 = "FLOAT64"
    DECIMAL_STRICT = "DECIMAL_STRICT"


class CalendarType(StrEnum):
    """Label of the calendar on which a portfolio is valued."""

    BUSINESS = "BUSINESS"
    NATURAL = "NATURAL"


_EXCHANGES = """
AIXK BVMF CMES IEPA XAMS XASX XBDA XBKK XBOG XBOM XBRA XBRU XBUD XBUE XCBF XCSE XDUB XDUS XEEE XETR XEUR XFRA
XHAM XHEL XHKG XICE XIDX XIST XJSE XKAR XKLS XKRX XLIM XLIS XLIT XLJU XLON XLUX XMAD XMEX XMIL XMOS XNYS XNZE
XOSL XPAR XPHS XPRA XRIS XSAU XSES XSGO XSHG XSTO XSTU XSWX XTAI XTAL XTKS XTSE XWAR XWBO XZAG
"""
TRADING_CALENDARS = tuple(_EXCHANGES.split())
"""Exchanges, by market identifier code (ISO 10383), whose sessions can be the business days of a request."""


@dataclass(frozen=True)
class Calendar:
    """Calendar of a request: business days are the sessions of an exchange, or else Monday to Friday."""

    type: CalendarType = CalendarType.BUSINESS
    trading_calendar: str | None = None


@dataclass(frozen=True)
class Request:
    """What every calculation is told.

    `canonical` is the canonical request as JSON text: defaults filled in, rows in date order, members sorted.
    `no_effect` names the optional members that were sent and change nothing. `requested_window` are the dates of the
    request as texts, for those who look for its calculation later.
    """

    portfolio_id: str
    canonical: bytes = field(repr=False)
    calculation_id: str | None = None
    report_ccy: str | None = None
    currency_mode: CurrencyMode = CurrencyMode.BASE_ONLY
    precision_mode: PrecisionMode = PrecisionMode.FLOAT64
    rounding_precision: int = 6
    annualization: Annualization = field(default_factory=Annualization)
    calendar: Calendar = field(default_factory=Calendar)
    fail_fast: bool = False
    no_effect: tuple[str, ...] = ()
    requested_window: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TwrRequest(Request):
    """Time-weighted return of one portfolio over several periods."""

    values: DailyValues
    analyses: tuple[Analysis, ...]
    basis: Basis
    inception: Day
    anchor: Day
    currency: str | None = None
    rates: DatedValues | None = None
    hedges: DatedValues | None = None
    policy: DataPolicy | None = None
    exact: ExactRows | None = None
    has_fee_effect: bool = False
    emit_resets: bool = False
    include_timeseries: bool = False
    include_cumulative: bool = False


@dataclass(frozen=True, kw_only=True)
class ContributionRequest(Request):
    """Contributions of positions to the return of one portfolio over several periods.

    `hierarchy` names the levels by which positions are rolled up; without any the answer lists the positions.
    """

    values: DailyValues
    positions: Holdings
    analyses: tuple[Analysis, ...]
    basis: Basis
    anchor: Day
    scheme: WeightingScheme
    smoothing: Smoothing
    rates: DatedValues | None = None
    hedges: DatedValues | None = None
    policy: DataPolicy | None = None
    hierarchy: tuple[str, ...] = ()
    folding: Folding = field(default_factory=Folding)
    with_levels: bool = True
    with_other: bool = True
    with_unclassified: bool = True
    with_timeseries: bool = False
    with_position_timeseries: bool = False
    spreads_residual: bool = False
    currency: str | None = None


@dataclass(frozen=True)
class ValuedPortfolio:
    """A portfolio by its own values and flows and those of its instruments."""

    values: DailyValues
    instruments: Holdings
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class AttributionRequest(Request):
    """Attribution of the difference between one portfolio, by group or by instrument, and its benchmark."""

    portfolio: Observations | ValuedPortfolio
    benchmark: Observations
    analyses: tuple[Analysis, ...]
    names: tuple[str, ...]
    anchor: Day
    method: Method
    rates: DatedValues | None = None
    hedges: DatedValues | None = None
    policy: DataPolicy | None = None
    currency: str | None = None


@dataclass(frozen=True, kw_only=True)
class MwrRequest(Request):
    """Money-weighted return of one portfolio over one measuring period."""

    begin_mv: float
    end_mv: float
    flows: CashFlows
    as_of: Day
    method: MwrMethod
    measuring_period: Analysis | None = None
    emit_cashflows_used: bool = True
    exact: ExactFlows | None = None
