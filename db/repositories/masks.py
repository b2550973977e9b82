"""Mask versions: appended, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from db.models import FrameRow, MaskVersionRow
from db.repositories.base import Repository, chunks
from db.repositories.standing import (
    TRAINABLE,
    current_versions,
    frame_standing,
    is_latest,
    is_readable,
    latest_versions,
    newest_first,
)
from loop.errors import BadRequest
from loop.records import Decision, MaskVersion


class SqlMasks(Repository[MaskVersion]):
    """Implements `loop.repositories.Masks`."""

    record, row = MaskVersion, MaskVersionRow

    def append(
        self,
        *,
        frame_id: int,
        annotation_id: int,
        updated_at: datetime,
        reader_id: int | None,
        decision: Decision,
        mask_digest: str | None,
        seconds: float | None,
        proposal_id: int | None,
        dice_to_proposal: float | None,
        is_simulated: bool,
        now: datetime,
    ) -> MaskVersion | None:
        """Store; None when this key is there already.

        Raises NotFound: no such frame, reader or proposal; BadRequest: it is to teach and has no mask.
        """
        if decision.is_trainable and mask_digest is None:
            raise BadRequest(
                f"a version {decision.value!r} without a mask", "its mask", annotation=annotation_id
            )
        values = {
            "frame_id": frame_id,
            "annotation_id": annotation_id,
            "updated_at": updated_at,
            "is_tombstone": decision is Decision.DELETED,
            "reader_id": reader_id,
            "decision": decision,
            "mask_digest": mask_digest,
            "seconds": seconds,
            "proposal_id": proposal_id,
            "dice_to_proposal": dice_to_proposal,
            "is_simulated": is_simulated,
            "recorded_at": now,
        }
        key = ["annotation_id", "updated_at", "is_tombstone"]
        statement = self.insert().on_conflict_do_nothing(index_elements=key)
        return self.first(statement.returning(*self.columns), values)

    def latest(self, annotation_id: int) -> MaskVersion | None:
        """The newest version of an annotation by (updated_at, tombstone last)."""
        query = self.select(MaskVersionRow.annotation_id == annotation_id).order_by(*newest_first())
        return self.first(query.limit(1))

    def history(self, frame_id: int) -> list[MaskVersion]:
        """Every version of every annotation of a frame, oldest first."""
        order = MaskVersionRow.updated_at, MaskVersionRow.is_tombstone, MaskVersionRow.id
        return self.all(self.select(MaskVersionRow.frame_id == frame_id).order_by(*order))

    def states(self, task_ids: Sequence[int]) -> dict[int, dict[int, datetime | None]]:
        """For each task that belongs to a frame its annotations, each with the `updated_at` of its latest
        version, None for one that was deleted. An empty list gives an empty dict.
        """
        found: dict[int, dict[int, datetime | None]] = {}
        version = MaskVersionRow.annotation_id, MaskVersionRow.updated_at, MaskVersionRow.is_tombstone
        for chunk in chunks(task_ids):
            query = select(FrameRow.task_id, *version).where(FrameRow.task_id.in_(chunk))
            query = query.outerjoin_from(FrameRow, MaskVersionRow, MaskVersionRow.frame_id == FrameRow.id)
            # Oldest first, so that the latest stays.
            order = MaskVersionRow.updated_at, MaskVersionRow.is_tombstone
            for row in self.connection.execute(query.order_by(*order)):
                task, annotation, updated_at, is_tombstone = row
                of_task = found.setdefault(task or 0, {})
                if annotation is not None:
                    of_task[annotation] = None if is_tombstone else updated_at
        return found

    def current(self, project_id: int) -> list[MaskVersion]:
        """One per labelled frame: the newest trainable version among the latest ones of its annotations.

        By frame id. Of two annotations of the same instant the higher annotation id wins, in any order.
        """
        return self._current(project_id)

    def readable(self, project_id: int) -> list[MaskVersion]:
        """Those of `current` that rounds go by: not of a frame any of whose labels cannot be read in its
        newest state.
        """
        return self._current(project_id, is_readable())

    def latest_of_all(self, project_id: int) -> list[MaskVersion]:
        """The latest version of every annotation of the project, tombstones included, by annotation id."""
        latest = latest_versions(project_id)
        columns = [latest.c[column.name] for column in self.columns]
        return self.all(select(*columns).order_by(latest.c.annotation_id))

    def ever_trainable(self, project_id: int) -> set[int]:
        """Ids of frames that have a trainable version of any annotation, whatever became of it since."""
        drawn = select(MaskVersionRow.frame_id).where(MaskVersionRow.decision.in_(TRAINABLE)).distinct()
        query = drawn.join(FrameRow, FrameRow.id == MaskVersionRow.frame_id)
        return set(self.connection.scalars(query.where(FrameRow.project_id == project_id)))

    def recorded_after(
        self, version_id: int, project_id: int, *, until: datetime, limit: int
    ) -> list[MaskVersion]:
        """Those of a project with a higher id that were recorded by `until`, by id, at most `limit`."""
        query = self.select(MaskVersionRow.id > version_id, MaskVersionRow.recorded_at <= until)
        query = query.join(FrameRow, FrameRow.id == MaskVersionRow.frame_id)
        query = query.where(FrameRow.project_id == project_id)
        return self.all(query.order_by(MaskVersionRow.id).limit(limit))

    def count_trainable(self, project_id: int) -> int:
        """How many frames have a current trainable mask."""
        standing = frame_standing(project_id)
        query = select(func.count()).where(standing.c.is_labelled == 1)
        return self.connection.execute(query).scalar_one()

    def count_to_learn(
        self, project_id: int, *, after: int = 0, recorded_after: datetime | None = None
    ) -> int:
        """How many frames of `readable` that are not held out have a mask whose id is above `after`, or that
        was recorded after a moment.

        Asked with every label, so it looks only at the frames that got a version since then.
        """
        is_new = MaskVersionRow.id > after
        if recorded_after is not None:
            is_new = MaskVersionRow.recorded_at > recorded_after
        touched = MaskVersionRow.frame_id.in_(select(MaskVersionRow.frame_id).where(is_new))
        conditions = [touched] if after or recorded_after else []
        teaches = FrameRow.is_held_out.is_(False), is_readable()
        current = current_versions(project_id, *teaches, *conditions)
        query = select(func.count()).select_from(current).where(current.c.id > after)
        if recorded_after is not None:
            query = query.where(current.c.recorded_at > recorded_after)
        return self.connection.execute(query).scalar_one()

    def may_teach(self, project_id: int) -> bool:
        """Whether any annotation outside the held-out frames is trainable in its latest version, of a frame
        all of whose labels can be read.
        """
        query = (
            select(MaskVersionRow.id)
            .join(FrameRow, FrameRow.id == MaskVersionRow.frame_id)
            .where(FrameRow.project_id == project_id, FrameRow.is_held_out.is_(False))
            .where(MaskVersionRow.decision.in_(TRAINABLE), is_latest(), is_readable())
        )
        return self.connection.execute(query.limit(1)).first() is not None

    def _current(self, project_id: int, *conditions: ColumnElement[bool]) -> list[MaskVersion]:
        current = current_versions(project_id, *conditions)
        columns = [current.c[column.name] for column in self.columns]
        return self.all(select(*columns).order_by(current.c.frame_id))
