"""How the holdings of a request are converted, and what is to be said about it."""

from dataclasses import replace

import numpy as np

from lotus_performance.engine.fx import DEFAULT_CCY, CurrencyMode, no_rates
from lotus_performance.engine.holdings import CURRENCY, HoldingCurrencies, Holdings
from lotus_performance.engine.notices import Notice
from lotus_performance.engine.policies import AppliedPolicy
from lotus_performance.engine.requests import AttributionRequest, ContributionRequest

DAYS = 2**23
"""More than the days of all years: keeps the dates of two currencies apart."""


def holding_currencies(
    request: ContributionRequest | AttributionRequest,
) -> tuple[HoldingCurrencies | None, list[Notice]]:
    """Return how holdings are converted into the portfolio's currency, None where they are not."""
    if request.currency_mode is CurrencyMode.BASE_ONLY:
        return None, []
    is_local = request.currency_mode is CurrencyMode.LOCAL_ONLY
    if request.rates is None and not is_local:
        detail = "currency_mode BOTH needs an fx block; without one all values are taken to be in one currency."
        return None, [Notice("fx_missing_base_only", detail)]
    ccy = request.report_ccy or request.currency or DEFAULT_CCY
    rates = no_rates() if request.rates is None else request.rates
    return HoldingCurrencies(ccy, rates, None if is_local else request.hedges, is_local), []


def with_still_days(currencies: HoldingCurrencies | None, applied: AppliedPolicy) -> HoldingCurrencies | None:
    """Return the currencies of holdings, none of which moves on a day on which the portfolio is taken as unchanged."""
    return None if currencies is None else replace(currencies, is_still=applied.is_ignored)


def one_currency_note(
    request: ContributionRequest | AttributionRequest, currencies: HoldingCurrencies | None, holdings: Holdings
) -> list[str]:
    """Return the note of holdings whose label says another currency than the one in which all are taken to be."""
    if currencies is not None:
        return []
    ccy = request.report_ccy or request.currency
    own = [labels.get(CURRENCY) for labels in holdings.labels]
    known = {name for name in own if name is not None}
    if len(known | ({ccy} if ccy else set())) < 2:
        return []
    named = [holding for holding, name in zip(holdings.ids, own, strict=True) if name is not None and name != ccy]
    shown = f"{', '.join(named[:10])}{' and others' if len(named) > 10 else ''}"
    return [
        f"All values were taken to be in one currency, whatever the label currency says of {shown}; send currency_mode "
        "BOTH with report_ccy and fx to convert them."
    ]


def idle_currencies(currencies: HoldingCurrencies | None, holdings: Holdings) -> list[str]:
    """Return the rates and hedges that no holding has a use for, as members without effect, each with the reason."""
    if currencies is None:
        return []
    ccy, hedges = currencies.report_ccy, currencies.hedges
    own = [labels.get(CURRENCY, ccy) for labels in holdings.labels]
    foreign = sorted(set(own) - {ccy})
    if not foreign:
        sent = {"fx": len(currencies.rates.ccy) > 0, "hedging": hedges is not None}
        members = " and ".join(name for name, is_sent in sent.items() if is_sent)
        return [f"{members} (no position is in another currency than {ccy}, the portfolio's)"] if members else []
    if hedges is None:
        return []
    code = {name: i for i, name in enumerate(foreign)}
    of_row = np.array([code.get(name, -1) for name in own])[holdings.of_row]
    hedged = np.array([code.get(name, -1) for name in hedges.ccy.tolist()], dtype=np.int64)
    keys = of_row * DAYS + holdings.values.perf_date.astype(np.int64)
    is_idle = (hedged < 0) | ~np.isin(hedged * DAYS + hedges.date.astype(np.int64), keys)
    if not is_idle.any():
        return []
    first = int(is_idle.argmax())
    n, example = np.count_nonzero(is_idle), f"{hedges.ccy[first]} on {hedges.date[first]}"
    return [f"{n} of {len(is_idle)} hedges (no position in that currency has a row on that date, such as {example})"]
