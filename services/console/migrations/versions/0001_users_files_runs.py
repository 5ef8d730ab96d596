"""Users, log-ins, files and runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(200), nullable=False),
    )
    op.create_table(
        "log_ins",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("user", sa.String(32), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("csrf_token", sa.String(64), nullable=False),
        sa.Column("until_s", sa.Float, nullable=False, index=True),
    )
    op.create_table(
        "log_in_failures",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("at_s", sa.Float, nullable=False),
    )
    op.create_index("ix_log_in_failures_name_at_s", "log_in_failures", ["name", "at_s"])
    op.create_table(
        "files",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(32), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("path", sa.String(400), nullable=False),
        sa.Column("is_folder", sa.Boolean, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_s", sa.Float, nullable=False),
        sa.Column("workbench_file", sa.String(64), nullable=False),
        sa.UniqueConstraint("user", "path", name="uq_files_user_path"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(32), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("model_name", sa.String(400), nullable=False),
        sa.Column("picture_name", sa.String(400), nullable=False),
        sa.Column("picture_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_s", sa.Float, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("session", sa.String(64), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("runs", "files", "log_in_failures", "log_ins", "users"):
        op.drop_table(table)
