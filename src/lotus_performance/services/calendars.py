"""Business days: the sessions of an exchange where the extra ``calendars`` is installed, else Monday to Friday."""

import logging
from functools import lru_cache

import numpy as np

from lotus_performance.engine.day_count import WEEKDAYS
from lotus_performance.engine.notices import Notice
from lotus_performance.engine.series import Day

logger = logging.getLogger(__name__)

FIRST_YEAR, LAST_YEAR = "1900", "2100"
"""Years beyond which the library knows no sessions, however long it is asked."""


class _UnknownYearsError(Exception):
    """The library knows the exchange, but not for all the years that are asked for."""


def business_days(name: str | None, first: Day, last: Day) -> tuple[np.busdaycalendar, list[Notice]]:
    """Return the business days of the years from `first` to `last`, and a warning where sessions are not to be had."""
    if name is None:
        return WEEKDAYS, []
    try:
        return _sessions(name, str(first)[:4], str(last)[:4]), []
    except ImportError:
        reason = "the extra `calendars` is not installed"
    except _UnknownYearsError:
        reason = f"its sessions are not known for all years from {first} to {last}"
    except Exception:  # each new pandas breaks some exchange of the library, in a way of its own
        logger.exception("calendar failed", extra={"calendar": name})
        reason = "the library that knows them fails on this exchange"
    detail = f"The sessions of {name} cannot be had, because {reason}; Monday to Friday were counted."
    return WEEKDAYS, [Notice("calendar_unavailable", detail)]


@lru_cache(maxsize=64)
def _sessions(name: str, first_year: str, last_year: str) -> np.busdaycalendar:
    """Return the sessions of whole years as business days; the library and pandas are imported only when asked for."""
    if not FIRST_YEAR <= first_year <= last_year <= LAST_YEAR:
        raise _UnknownYearsError
    import exchange_calendars

    start, end = f"{first_year}-01-01", f"{last_year}-12-31"
    try:
        sessions = exchange_calendars.get_calendar(name, start=start, end=end).sessions
    except Exception as error:
        # The library has no exception for years beyond its own: it fails on them and makes the calendar of its own.
        exchange_calendars.get_calendar(name)
        raise _UnknownYearsError from error
    days = np.arange(np.datetime64(start, "D"), np.datetime64(end, "D") + 1)
    # Every day is a weekday here, and every day without a session a holiday: some exchanges trade on Sundays.
    return np.busdaycalendar("1111111", np.setdiff1d(days, sessions.to_numpy().astype("datetime64[D]")))
