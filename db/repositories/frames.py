"""Frames by project, and which of them still want a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Subquery, func, select, update

from db.models import FrameRow, MaskVersionRow
from db.repositories.base import Repository, chunks, missing
from db.repositories.standing import REVIEW_READERS, frame_standing
from loop.records import Frame, NewFrame


class SqlFrames(Repository[Frame]):
    """Implements `loop.repositories.Frames`."""

    record, row = Frame, FrameRow

    def add(self, project_id: int, frames: Sequence[NewFrame], now: datetime) -> list[Frame]:
        """Store those whose digest is new and return them, in the given order; the rest is passed over."""
        shared = {"project_id": project_id, "imported_at": now, "task_id": None}
        by_digest = {frame.digest: asdict(frame) | shared for frame in reversed(frames)}
        rows = [by_digest[digest] for digest in dict.fromkeys(frame.digest for frame in frames)]
        statement = self.insert().on_conflict_do_nothing(index_elements=["project_id", "digest"])
        added: list[Frame] = []
        for chunk in chunks(rows):
            added += [
                Frame(*row) for row in self.connection.execute(statement.returning(*self.columns), chunk)
            ]
        place = {row["digest"]: index for index, row in enumerate(rows)}
        return sorted(added, key=lambda frame: place[frame.digest])

    def get(self, frame_id: int) -> Frame:
        """By id. Raises NotFound."""
        return self.by_id(frame_id)

    def get_many(self, frame_ids: Sequence[int]) -> dict[int, Frame]:
        """By id; empty gives an empty dict. Raises NotFound when one does not exist."""
        found: dict[int, Frame] = {}
        for chunk in chunks(dict.fromkeys(frame_ids)):
            found |= {frame.id: frame for frame in self.all(self.select(FrameRow.id.in_(chunk)))}
        if absent := set(frame_ids) - found.keys():
            raise missing("Frame", *sorted(absent))
        return found

    def find_by_task(self, task_id: int) -> Frame | None:
        """The frame behind a task of Label Studio, if any."""
        return self.first(self.select(FrameRow.task_id == task_id))

    def without_task(self, project_id: int) -> list[Frame]:
        """Frames that Label Studio does not hold, by id."""
        condition = FrameRow.project_id == project_id, FrameRow.task_id.is_(None)
        return self.all(self.select(*condition).order_by(FrameRow.id))

    def task_ids(self, project_id: int) -> set[int]:
        """The tasks that frames of a project have in Label Studio."""
        having = select(FrameRow.task_id).where(
            FrameRow.project_id == project_id, FrameRow.task_id.is_not(None)
        )
        return set(self.connection.scalars(having))

    def set_tasks(self, task_of_frame: Mapping[int, int | None]) -> None:
        """Set or clear tasks. A task that another frame had goes over to the new one. Raises NotFound."""
        tasks = [task for task in task_of_frame.values() if task is not None]
        for chunk in chunks(tasks):
            self.connection.execute(update(FrameRow).where(FrameRow.task_id.in_(chunk)).values(task_id=None))
        self.change_each("task_id", task_of_frame)

    def set_held_out(self, is_held_out: Mapping[int, bool]) -> None:
        """Hold frames out, or hold them out no more. Raises NotFound."""
        self.change_each("is_held_out", is_held_out)

    def regroup(self, place_of_frame: Mapping[int, tuple[str, str | None]]) -> None:
        """Give frames another clip and patient. Raises NotFound."""
        self.change_each("clip", {frame: clip for frame, (clip, _) in place_of_frame.items()})
        self.change_each("patient", {frame: patient for frame, (_, patient) in place_of_frame.items()})

    def unlabelled(self, project_id: int, among: Sequence[int] | None = None) -> list[Frame]:
        """Frames with a task whose annotations hold nothing trainable, review-listed ones left out, by id;
        `among`: of these alone, which costs no more than they are many.
        """
        if among is None:
            return self._unlabelled(FrameRow.project_id == project_id, standing=frame_standing(project_id))
        return [
            frame
            for chunk in chunks(sorted(set(among)))
            for frame in self._unlabelled(
                FrameRow.project_id == project_id,
                FrameRow.id.in_(chunk),
                standing=frame_standing(project_id, MaskVersionRow.frame_id.in_(chunk)),
            )
        ]

    def _unlabelled(self, *conditions: ColumnElement[bool], standing: Subquery) -> list[Frame]:
        wanting = (
            FrameRow.task_id.is_not(None),
            func.coalesce(standing.c.is_labelled, 0) == 0,
            func.coalesce(standing.c.skipping_readers, 0) < REVIEW_READERS,
        )
        query = self.select(*conditions, *wanting)
        joined = query.outerjoin_from(FrameRow, standing, standing.c.frame_id == FrameRow.id)
        return self.all(joined.order_by(FrameRow.id))

    def for_review(self, project_id: int) -> list[Frame]:
        """Frames that two different readers skipped and nobody annotated, by id."""
        standing = frame_standing(project_id)
        condition = standing.c.is_labelled == 0, standing.c.skipping_readers >= REVIEW_READERS
        query = self.select(*condition).join_from(FrameRow, standing, standing.c.frame_id == FrameRow.id)
        return self.all(query.order_by(FrameRow.id))

    def count(self, project_id: int) -> int:
        """How many frames the project has."""
        query = select(func.count()).where(FrameRow.project_id == project_id)
        return self.connection.execute(query).scalar_one()

    def list(self, project_id: int) -> list[Frame]:
        """All frames of the project, by id."""
        return self.all(self.select(FrameRow.project_id == project_id).order_by(FrameRow.id))
