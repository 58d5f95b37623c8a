"""Tables of executions; times are UTC texts, so that they sort alike in every database."""

import datetime

from sqlalchemy import Column, ForeignKeyConstraint, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

TIME = String(27)
"""``2026-01-31T23:59:59.123456Z``."""


def utc_now() -> str:
    """Return the time in UTC as text."""
    return utc_text(datetime.datetime.now(datetime.UTC))


def utc_in(seconds: float) -> str:
    """Return the time some seconds from now."""
    return utc_text(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds))


def utc_text(time: datetime.datetime) -> str:
    """Return a time in UTC as text."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


executions = Table(
    "executions",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("execution_id", String(36), primary_key=True),
    Column("actor", String(256)),
    Column("analytics_type", String(32), nullable=False),
    Column("portfolio_id", String(256), nullable=False),
    Column("execution_mode", String(8), nullable=False),
    Column("status", String(8), nullable=False),
    Column("requested_window", Text, nullable=False),
    Column("engine_version", String(64), nullable=False),
    Column("input_fingerprint", String(71), nullable=False),
    Column("calculation_hash", String(71), nullable=False),
    Column("result_hash", String(71)),
    Column("response_sha256", String(71)),
    Column("problem", Text),
    Column("created_at_utc", TIME, nullable=False),
    Column("started_at_utc", TIME),
    Column("completed_at_utc", TIME),
    Column("lineage_status", String(8), nullable=False),
    Column("lineage_error", Text),
    Column("manifest_sha256", String(64)),
    # From when on somebody may do what is left to do: at once, when the lease of whoever does it has run out, or when
    # it is time for another attempt; none when nothing is left.
    Column("due_utc", TIME),
    Column("attempts", Integer, nullable=False),
    Index("executions_by_age", "tenant_id", "created_at_utc", "execution_id"),
    Index("executions_by_portfolio", "tenant_id", "portfolio_id", "created_at_utc"),
    Index("executions_to_do", "tenant_id", "due_utc"),
)

stages = Table(
    "stages",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("execution_id", String(36), primary_key=True),
    Column("stage_name", String(16), primary_key=True),
    Column("status", String(8), nullable=False),
    Column("started_at_utc", TIME),
    Column("completed_at_utc", TIME),
    ForeignKeyConstraint(
        ["tenant_id", "execution_id"], ["executions.tenant_id", "executions.execution_id"], ondelete="CASCADE"
    ),
)

payloads = Table(
    "payloads",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("execution_id", String(36), primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("response", LargeBinary),
    ForeignKeyConstraint(
        ["tenant_id", "execution_id"], ["executions.tenant_id", "executions.execution_id"], ondelete="CASCADE"
    ),
)
