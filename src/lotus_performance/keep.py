"""What calculations need, made from the settings: a database, a folder of artifacts, a client of lotus-core."""

from lotus_performance.clients.core import CoreClient
from lotus_performance.jobs.lineage import Lineage
from lotus_performance.jobs.returns_series import ReturnsJobs
from lotus_performance.schemas.limits import Limits
from lotus_performance.settings import Settings, server_threads
from lotus_performance.storage.artifacts import Artifacts
from lotus_performance.storage.database import Database
from lotus_performance.storage.executions import Executions


def keep(settings: Settings) -> Lineage | None:
    """Return where calculations are kept, None where they are not; nothing is opened yet."""
    if settings.lineage_mode == "off":
        return None
    return Lineage(Executions(Database(settings.database)), Artifacts(settings.artifacts))


def returns_jobs(settings: Settings, kept: Lineage | None) -> ReturnsJobs:
    """Return what answers requests for series of returns; nothing is opened yet."""
    core = None
    if settings.core_url:
        threads = server_threads(settings.workers)
        core = CoreClient(
            settings.core_url,
            settings.core_timeout_seconds,
            settings.core_max_retries,
            n_calls=max(1, threads // 16),
            # A quarter of the threads may wait for lotus-core: the others are there for everything else.
            n_requests=max(1, threads // 4),
        )
    return ReturnsJobs(limits_of(settings), core, kept.executions if kept else None)


def limits_of(settings: Settings) -> Limits:
    """Return how much one request may hold."""
    return Limits(
        max_body_bytes=settings.max_body_bytes,
        max_rows=settings.max_rows,
        max_positions=settings.max_positions,
        max_periods=settings.max_periods,
        max_errors=settings.max_errors,
    )
