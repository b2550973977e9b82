"""People, and the simulated reader, by Label Studio's user id."""

from __future__ import annotations

from sqlalchemy import update

from db.models import ReaderRow
from db.repositories.base import Repository
from loop.records import Reader


class SqlReaders(Repository[Reader]):
    """Implements `loop.repositories.Readers`."""

    record, row = Reader, ReaderRow

    def ensure(self, user_id: int) -> Reader:
        """The reader of this user, stored on first sight as a person."""
        known = self.first(self.select(ReaderRow.user_id == user_id))
        if known is not None:
            return known
        values = {"user_id": user_id, "is_simulated": False}
        # Another process may have stored the reader since: then its row is read.
        self.connection.execute(self.insert().values(**values).on_conflict_do_nothing())
        return Reader(*self.connection.execute(self.select(ReaderRow.user_id == user_id)).one())

    def get(self, reader_id: int) -> Reader:
        """The reader of this id. Raises NotFound."""
        return self.by_id(reader_id)

    def mark_simulated(self, user_id: int) -> Reader:
        """The reader of this user, from now on a simulated one."""
        reader = self.ensure(user_id)
        self.connection.execute(
            update(ReaderRow).where(ReaderRow.user_id == user_id).values(is_simulated=True)
        )
        return Reader(reader.id, user_id, is_simulated=True)
