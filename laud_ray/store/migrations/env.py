"""Alembic's entry: run the revisions on the connection that `laud_ray.store.tables` gives."""

from alembic import context

# The caller holds the lock and the transaction.
context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
