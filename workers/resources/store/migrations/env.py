"""What Alembic runs to migrate: on the connection, and in the transaction, that opened the store."""

from alembic import context

from workers.resources.store.schema import METADATA, REVISION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=REVISION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
