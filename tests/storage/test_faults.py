"""The n-th call of the file system or the database fails, for every n to the end: old state or new, never a third."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lotus_performance.settings import Settings
from lotus_performance.storage import executions
from storage.faults import (
    ERRORS,
    Counter,
    Story,
    database_fault,
    database_faults,
    dialects_of,
    disk_fault,
    file_system_faults,
    folder_of,
    memory_folder,
    no_waiting,
)
from stored import Stored

FEWEST_DISK_CALLS, FEWEST_DATABASE_CALLS = 60, 100


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEASE_SECONDS", "FIRST_RETRY_SECONDS", "LONGEST_RETRY_SECONDS"):
        monkeypatch.setattr(executions, name, getattr(executions, name))
    no_waiting()


@pytest.fixture
def stored(database_url: str) -> Iterator[Stored]:
    with memory_folder() as folder:
        service = Stored(Settings(data_dir=folder / "data", database_url=database_url, lineage_mode="async"))
        yield service
        service.close()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("database_url", [""], ids=["sqlite"])
def test_any_call_of_the_file_system_may_fail(stored: Stored, error: str) -> None:
    n = 0
    while True:
        n += 1
        story = Story(stored)
        count = Counter(n, disk_fault(ERRORS[error]))
        with file_system_faults(folder_of(stored), count):
            story.happen()
        story.check_end()
        if not count.has_struck:
            break
    assert n > FEWEST_DISK_CALLS


@pytest.mark.parametrize("after", [False, True], ids=["not-done", "done-but-not-told"])
def test_any_call_of_the_database_may_fail(stored: Stored, after: bool) -> None:
    n = 0
    while True:
        n += 1
        story = Story(stored)
        count = Counter(n, database_fault(stored))
        with database_faults(dialects_of(stored), count, after=after):
            story.happen()
        story.check_end()
        if not count.has_struck:
            break
    assert n > FEWEST_DATABASE_CALLS


def test_a_process_may_be_killed_at_any_call() -> None:
    tests = Path(__file__).resolve().parent.parent
    ended = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, str(Path(__file__).with_name("faults.py"))],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > FEWEST_DISK_CALLS + FEWEST_DATABASE_CALLS
