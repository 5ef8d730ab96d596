"""Copies of files at the workbench, which outlive their files."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_FILES = sa.table("files", sa.column("id"), sa.column("user"), sa.column("workbench_file"))


def upgrade() -> None:
    copies = op.create_table(
        "workbench_copies",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("user", sa.String(32), nullable=False),
        sa.Column("file", sa.String(32), nullable=False),
    )
    known = sa.select(_FILES.c.workbench_file, _FILES.c.user, _FILES.c.id).where(_FILES.c.workbench_file != "")
    op.execute(copies.insert().from_select(["id", "user", "file"], known))


def downgrade() -> None:
    op.drop_table("workbench_copies")
