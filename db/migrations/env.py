"""Alembic's entry: runs the migrations on the connection that `db.schema` hands over.

For a new one: `alembic -c db/alembic.ini -x url=sqlite:///draft.db revision --autogenerate -m "Say what"`.
"""

from alembic import context
from sqlalchemy import Connection

from db.models import Base
from db.schema import migrating


def run(connection: Connection) -> None:
    """Run what was asked for inside the connection's open transaction."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,  # true of SQLite too, since our engine begins transactions itself
    )
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    with migrating(context.get_x_argument(as_dictionary=True)["url"]) as own:
        run(own)
