"""Alembic's entry: runs the migrations on the connection that `database.open_database` gives."""

from alembic import context

from services.console.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
