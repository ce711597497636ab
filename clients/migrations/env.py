"""Run migrations on the connection that `clients.schema` has opened and locked.

Alembic executes this file; nothing imports it.
"""

from alembic import context

from clients.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
