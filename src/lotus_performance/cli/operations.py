"""Commands that run the service and look after what it keeps."""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lotus_performance.errors import NotFoundError, PerformanceError, StorageError, StorageUnavailableError
from lotus_performance.jobs.analytics import ANALYTICS
from lotus_performance.jobs.lineage import Lineage
from lotus_performance.jobs.returns_series import ANALYTICS_TYPE
from lotus_performance.jobs.worker import Worker
from lotus_performance.keep import keep, returns_jobs
from lotus_performance.settings import SettingsError, read_settings
from lotus_performance.storage.executions import Status
from lotus_performance.storage.tables import utc_in
from lotus_performance.telemetry import configure_logging

PROGRESS_EVERY = 1000


def serve(options: argparse.Namespace) -> int:
    """Become the server."""
    given = {"HOST": options.host, "PORT": options.port, "WEB_CONCURRENCY": options.workers}
    os.environ.update({name: value for name, value in given.items() if value is not None})
    read_settings()  # a fault is told here, in one line, and not in the middle of the server's start
    server = ["-m", "gunicorn", "--config", "python:lotus_performance.gunicorn_conf", "lotus_performance.wsgi:app"]
    os.execv(sys.executable, [sys.executable, *server])  # noqa: S606 -- our own interpreter, no shell


@contextmanager
def _kept(*, is_migrating: bool = False) -> Iterator[Lineage]:
    kept = keep(read_settings())
    if kept is None:
        raise SettingsError("LINEAGE_MODE is off: nothing is kept.")
    try:
        if not is_migrating:
            kept.executions.database.refuse_other_schema()
        yield kept
    finally:
        kept.executions.database.close()


def work(options: argparse.Namespace) -> int:
    """Do what waits until SIGTERM."""
    settings = read_settings()
    configure_logging(settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.parent is not None:
        threading.Thread(target=_follow, args=(options.parent, stop), daemon=True).start()
    with _kept() as kept:
        Worker(kept, {ANALYTICS_TYPE: returns_jobs(settings, kept).recalculated}).work_until(stop)
    return 0


def _follow(parent: int, stop: threading.Event) -> None:
    """Stop when the parent has ended, in whatever way."""
    while os.getppid() == parent:
        time.sleep(1.0)
    stop.set()


def migrate(options: argparse.Namespace) -> int:
    """Bring the database to the version of this package."""
    with _kept(is_migrating=True) as kept:
        kept.prepare()
    return 0


def verify(options: argparse.Namespace) -> int:
    """Hash everything that is kept anew."""
    n_checked = n_bad = n_strangers = 0
    with _kept() as kept:
        for n_checked, execution_id in enumerate(kept.executions.ids(), start=1):
            faults = kept.faults(execution_id)
            n_bad += bool(faults)
            for fault in faults:
                _say(f"{execution_id}: {fault}")
            if n_checked % PROGRESS_EVERY == 0:
                _say(f"{n_checked} checked")
        for execution_id in kept.artifacts.ids():
            if not kept.executions.is_known(execution_id):
                n_strangers += 1
                _say(f"{execution_id}: a folder of artifacts, and no calculation")
    _say(f"{n_checked} calculations checked, {n_bad} not as they were written")
    if n_strangers:
        _say(f"{n_strangers} folders without a calculation: removed ones, or younger than a database that was restored")
    return 1 if n_bad else 0


def replay(options: argparse.Namespace) -> int:
    """Calculate anew and compare."""
    n_other = 0
    with _kept() as kept:
        named = options.id or list(kept.executions.ids(status=[Status.COMPLETE], analytics_type=ANALYTICS))
        for n, execution_id in enumerate(named, start=1):
            try:
                outcome = kept.replay(execution_id)
            except StorageUnavailableError:
                raise
            except PerformanceError as error:
                outcome, fault = {"match": False}, error.message
            else:
                has_difference = "max_difference" in outcome
                fault = f"differs by {outcome['max_difference']}" if has_difference else "has other members"
            if not outcome["match"]:
                n_other += 1
                _say(f"{execution_id}: {fault}")
            if n % PROGRESS_EVERY == 0:
                _say(f"{n} of {len(named)} calculated anew")
    _say(f"{len(named)} calculations calculated anew, {n_other} did not give their figures")
    return 1 if n_other else 0


def rebuild(options: argparse.Namespace) -> int:
    """Write artifacts that are not there or not whole."""
    n_failed = 0
    with _kept() as kept:
        named = options.id or list(kept.executions.ids(status=[Status.COMPLETE], lineage_status=[Status.FAILED]))
        for n, execution_id in enumerate(named, start=1):
            try:
                kept.rebuild(execution_id)
            except (NotFoundError, StorageError) as error:
                n_failed += 1
                _say(f"{execution_id}: {error.message}")
            if n % PROGRESS_EVERY == 0:
                _say(f"{n} of {len(named)} written")
    _say(f"artifacts of {len(named) - n_failed} calculations written, {n_failed} could not be")
    return 1 if n_failed else 0


def prune(options: argparse.Namespace) -> int:
    """Remove what is older than some days."""
    with _kept() as kept:
        old = list(kept.executions.ids(before=utc_in(-options.older_than * 86_400.0)))
        for n, execution_id in enumerate(old, start=1):
            # Files first: what is left after an interruption is a row that the next run removes.
            kept.artifacts.remove(execution_id)
            kept.executions.delete(execution_id)
            if n % PROGRESS_EVERY == 0:
                _say(f"{n} of {len(old)} removed")
        kept.artifacts.sweep()
    _say(f"{len(old)} calculations removed")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
