"""Executions, their stages and payloads."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.String(27)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "executions",
        sa.Column("tenant_id", sa.String(64), primary_key=True),
        sa.Column("execution_id", sa.String(36), primary_key=True),
        sa.Column("actor", sa.String(256)),
        sa.Column("analytics_type", sa.String(32), nullable=False),
        sa.Column("portfolio_id", sa.String(256), nullable=False),
        sa.Column("execution_mode", sa.String(8), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("requested_window", sa.Text, nullable=False),
        sa.Column("engine_version", sa.String(64), nullable=False),
        sa.Column("input_fingerprint", sa.String(71), nullable=False),
        sa.Column("calculation_hash", sa.String(71), nullable=False),
        sa.Column("result_hash", sa.String(71)),
        sa.Column("problem", sa.Text),
        sa.Column("created_at_utc", TIME, nullable=False),
        sa.Column("started_at_utc", TIME),
        sa.Column("completed_at_utc", TIME),
        sa.Column("lineage_status", sa.String(8), nullable=False),
        sa.Column("lineage_error", sa.Text),
        sa.Column("manifest_sha256", sa.String(64)),
        sa.Column("due_utc", TIME),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    op.create_index("executions_by_age", "executions", ["tenant_id", "created_at_utc", "execution_id"])
    op.create_index("executions_by_portfolio", "executions", ["tenant_id", "portfolio_id", "created_at_utc"])
    op.create_index("executions_to_do", "executions", ["tenant_id", "due_utc"])
    owner = (["tenant_id", "execution_id"], ["executions.tenant_id", "executions.execution_id"])
    op.create_table(
        "stages",
        sa.Column("tenant_id", sa.String(64), primary_key=True),
        sa.Column("execution_id", sa.String(36), primary_key=True),
        sa.Column("stage_name", sa.String(16), primary_key=True),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("started_at_utc", TIME),
        sa.Column("completed_at_utc", TIME),
        sa.ForeignKeyConstraint(*owner, ondelete="CASCADE"),
    )
    op.create_table(
        "payloads",
        sa.Column("tenant_id", sa.String(64), primary_key=True),
        sa.Column("execution_id", sa.String(36), primary_key=True),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary),
        sa.ForeignKeyConstraint(*owner, ondelete="CASCADE"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("payloads", "stages", "executions"):
        op.drop_table(name)
