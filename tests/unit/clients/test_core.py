"""Rules of the client of lotus-core that need no server."""

import time
from email.utils import formatdate

import numpy as np
import pytest

from lotus_performance.clients.core import (
    FAILURES_TO_OPEN,
    OPEN_SECONDS,
    Breaker,
    CoreClient,
    _pause,
    _quoted,
    _seconds_of,
    windows_of,
)
from lotus_performance.errors import ResourceNotFoundError, UpstreamUnavailableError


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-01", "2026-01-01", [("2026-01-01", "2026-01-01")]),
        ("2025-01-01", "2025-12-31", [("2025-01-01", "2025-12-31")]),
        ("2024-01-01", "2024-12-31", [("2024-01-01", "2024-12-30"), ("2024-12-31", "2024-12-31")]),
    ],
    ids=["a day", "365 days", "366 days"],
)
def test_windows_are_cut_into_pieces_of_365_days(start: str, end: str, expected: list[tuple[str, str]]) -> None:
    assert [(str(a), str(b)) for a, b in windows_of(day(start), day(end))] == expected


def test_pieces_of_a_window_have_each_day_once() -> None:
    pieces = windows_of(day("2000-02-29"), day("2026-02-27"))
    assert [b + 1 for _, b in pieces[:-1]] == [a for a, _ in pieces[1:]]
    assert pieces[-1][1] == day("2026-02-27")


@pytest.mark.parametrize(
    ("identity", "step"),
    [
        ("P 1/ü", "P%201%2F%C3%BC"),
        ("../../x", "..%2F..%2Fx"),
        ("a?b#c%2e", "a%3Fb%23c%252e"),
        ("http://127.0.0.1:1/x", "http%3A%2F%2F127.0.0.1%3A1%2Fx"),
    ],
)
def test_an_id_is_one_step_of_a_path(identity: str, step: str) -> None:
    assert _quoted(identity) == step


@pytest.mark.parametrize("identity", [".", "..", "..."])
def test_steps_up_are_no_ids(identity: str) -> None:
    with pytest.raises(ResourceNotFoundError):
        _quoted(identity)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def is_open(breaker: Breaker) -> bool:
    try:
        breaker.refuse_open()
    except UpstreamUnavailableError:
        return True
    return False


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_call_try_again() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.note(is_success=False)
    assert not is_open(breaker)
    breaker.note(is_success=False)
    assert is_open(breaker)
    clock.now = OPEN_SECONDS
    assert [is_open(breaker), is_open(breaker)] == [False, True]
    breaker.note(is_success=False)
    clock.now = 2 * OPEN_SECONDS - 0.1
    assert is_open(breaker)
    clock.now = 2 * OPEN_SECONDS
    assert not is_open(breaker)
    breaker.note(is_success=True)
    assert not is_open(breaker)


def test_one_success_forgets_failures() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES_TO_OPEN):
        breaker.note(is_success=False)
        breaker.note(is_success=True)
    assert not is_open(breaker)


@pytest.mark.parametrize(
    ("text", "seconds"), [("3", 3.0), ("0", 0.0), (None, None), ("soon", None), ("-1", None), ("٣", None)]
)
def test_retry_after_is_read_as_seconds(text: str | None, seconds: float | None) -> None:
    assert _seconds_of(text) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    assert _seconds_of(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert _seconds_of(formatdate(time.time() - 60, usegmt=True)) == 0.0


def test_pauses_double_and_have_a_bound() -> None:
    assert all(0.0 <= _pause(attempt) <= min(5.0, 0.1 * 2**attempt) for attempt in range(12) for _ in range(20))


@pytest.mark.parametrize(("timeout", "retries", "seconds"), [(5.0, 2, 15.0), (30.0, 5, 45.0), (0.5, 0, 0.5)])
def test_all_attempts_together_have_a_bound(timeout: float, retries: int, seconds: float) -> None:
    assert CoreClient("http://127.0.0.1:1", timeout, retries).total_seconds == seconds
