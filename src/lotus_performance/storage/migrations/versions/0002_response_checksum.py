"""The checksum of the whole answer, beside the hash of its figures."""

import hashlib

import sqlalchemy as sa
import zstandard
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEYS = ("tenant_id", "execution_id")
executions = sa.table("executions", *map(sa.column, KEYS), sa.column("response_sha256"))
payloads = sa.table("payloads", *map(sa.column, KEYS), sa.column("response", sa.LargeBinary))


def upgrade() -> None:
    """Add the column, and take the checksum of the answers that are there; one that cannot be read has none."""
    op.add_column("executions", sa.Column("response_sha256", sa.String(71)))
    connection = op.get_bind()
    keys = connection.execute(sa.select(payloads.c.tenant_id, payloads.c.execution_id)).all()
    for tenant_id, execution_id in keys:
        found = sa.select(payloads.c.response).where(
            payloads.c.tenant_id == tenant_id, payloads.c.execution_id == execution_id
        )
        compressed = connection.execute(found).scalar_one()
        try:
            answer = zstandard.ZstdDecompressor().decompress(compressed or b"")
        except zstandard.ZstdError:
            continue
        connection.execute(
            sa.update(executions)
            .where(executions.c.tenant_id == tenant_id, executions.c.execution_id == execution_id)
            .values(response_sha256=f"sha256:{hashlib.sha256(answer).hexdigest()}")
        )


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("executions", "response_sha256")
