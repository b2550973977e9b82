"""The database: the only room that imports SQLAlchemy.

`open_database(url)` brings the schema up to date and gives the `SqlDatabase`. Its `write()` and `read()` open
units of work with every repository that `loop.ports` asks for; `upgrade`, `downgrade`, `current` and
`known_revisions` handle the schema.
"""

from db.database import SqlDatabase, SqlUnitOfWork, open_database
from db.schema import current, downgrade, known_revisions, upgrade

__all__ = [
    "SqlDatabase",
    "SqlUnitOfWork",
    "current",
    "downgrade",
    "known_revisions",
    "open_database",
    "upgrade",
]
