"""Alembic's door: it runs this file with the connection that `app.migrate` hands over. Not imported by anyone."""

from __future__ import annotations

from alembic import context

from watchkeeper.app.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
