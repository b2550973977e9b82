"""Frozen manifests, stored once under their digest."""

from __future__ import annotations

from dataclasses import asdict, fields

from sqlalchemy import Connection, select

from db.models import TrainingEntryRow, TrainingSetRow
from db.repositories.base import insert_into, insert_many, missing
from loop.training_records import TrainingEntry, TrainingSet


def save_training_set(connection: Connection, training_set: TrainingSet) -> None:
    """Store the manifest unless its digest is known."""
    statement = insert_into(connection, TrainingSetRow).values(digest=training_set.digest)
    is_new = connection.execute(statement.on_conflict_do_nothing()).rowcount == 1
    if is_new and training_set.entries:
        shared = {"training_set_digest": training_set.digest}
        rows = [
            asdict(entry) | shared | {"position": position}
            for position, entry in enumerate(training_set.entries)
        ]
        insert_many(connection, TrainingEntryRow, rows)


def load_training_set(connection: Connection, digest: str) -> TrainingSet:
    """The manifest with its entries in order. Raises NotFound."""
    if connection.execute(select(TrainingSetRow).where(TrainingSetRow.digest == digest)).first() is None:
        raise missing("TrainingSet", digest)
    columns = [getattr(TrainingEntryRow, field.name) for field in fields(TrainingEntry)]
    query = select(*columns).where(TrainingEntryRow.training_set_digest == digest)
    rows = connection.execute(query.order_by(TrainingEntryRow.position))
    return TrainingSet(digest, tuple(TrainingEntry(*row) for row in rows))
