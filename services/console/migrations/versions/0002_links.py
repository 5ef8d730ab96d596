"""Links to what layers were."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(32), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("run", sa.String(32), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("layer", sa.String(400), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("page_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_s", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("links")
