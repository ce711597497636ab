"""The migrations of the samples database, in the layout that Alembic expects.

To change a table: change its declaration in `clients/`, add a file to `versions/` whose revision is
the next number, and set `clients.schema.HEAD` to it. A migration that a release has shipped is not
edited any more, because databases that ran it would differ from new ones.
"""
