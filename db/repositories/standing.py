"""Queries that the repositories of masks and frames share: what the annotations of a frame say now."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Subquery, case, cast, exists, func, select, tuple_
from sqlalchemy.orm import aliased

from db.models import FrameRow, MaskVersionRow, SetAsideRow
from loop.messages import BAD_ANNOTATION
from loop.records import Decision

TRAINABLE = tuple(decision for decision in Decision if decision.is_trainable)
REVIEW_READERS = 2
"""Different readers whose skips send a frame to the review list."""
NO_FRAME = 0
"""An id that no frame has, since with a NULL among them SQL finds nothing outside of a set."""


def newest_first() -> tuple[ColumnElement[Any], ...]:
    """Order of one annotation's versions: a tombstone wins over the version that it buries and all before."""
    return MaskVersionRow.updated_at.desc(), MaskVersionRow.is_tombstone.desc()


def is_latest() -> ColumnElement[bool]:
    """Whether no version of the same annotation comes before it in that order: a look into an index, where
    numbering all versions would sort them.
    """
    later = aliased(MaskVersionRow)
    is_later = tuple_(later.updated_at, later.is_tombstone) > tuple_(
        MaskVersionRow.updated_at, MaskVersionRow.is_tombstone
    )
    return ~exists().where(later.annotation_id == MaskVersionRow.annotation_id, is_later)


def is_readable() -> ColumnElement[bool]:
    """Whether no label of the frame lies aside because its newest state cannot be read: a condition that
    takes or leaves a frame as a whole. A label is of its task's frame, else of that of its versions.
    """
    frame, version = aliased(FrameRow), aliased(MaskVersionRow)
    of_task = select(frame.id).where(frame.task_id == SetAsideRow.task_id)
    of_version = select(version.frame_id).where(
        version.annotation_id == cast(SetAsideRow.subject, BigInteger)
    )
    owner = func.coalesce(
        of_task.correlate(SetAsideRow).scalar_subquery(),
        of_version.limit(1).correlate(SetAsideRow).scalar_subquery(),
        NO_FRAME,
    )
    return FrameRow.id.not_in(select(owner).where(SetAsideRow.kind == BAD_ANNOTATION))


def latest_versions(project_id: int, *conditions: ColumnElement[bool]) -> Subquery:
    """All columns, one row per annotation of the project: its latest version."""
    return (
        select(*MaskVersionRow.__table__.c)
        .join(FrameRow, FrameRow.id == MaskVersionRow.frame_id)
        .where(FrameRow.project_id == project_id, is_latest(), *conditions)
        .subquery("latest")
    )


def current_versions(project_id: int, *conditions: ColumnElement[bool]) -> Subquery:
    """All columns, one row per labelled frame: the newest trainable one of its annotations' latest versions.

    Of two annotations of the same instant the higher annotation id wins. The conditions must take or leave a
    frame as a whole.
    """
    latest = latest_versions(project_id, *conditions)
    newest = latest.c.updated_at.desc(), latest.c.annotation_id.desc()
    rank = func.row_number().over(partition_by=latest.c.frame_id, order_by=newest)
    trainable = (
        select(*latest.c, rank.label("rank")).where(latest.c.decision.in_(TRAINABLE)).subquery("trainable")
    )
    return select(*trainable.c).where(trainable.c.rank == 1).subquery("current")


def standing_decisions(project_id: int) -> Subquery:
    """Per annotated frame the `decision` that it stands by: that of its current mask; without one SKIPPED
    where a reader skips it, else DELETED.
    """
    latest = latest_versions(project_id)
    weight = case((latest.c.decision.in_(TRAINABLE), 2), (latest.c.decision == Decision.SKIPPED, 1), else_=0)
    strongest = weight.desc(), latest.c.updated_at.desc(), latest.c.annotation_id.desc()
    rank = func.row_number().over(partition_by=latest.c.frame_id, order_by=strongest)
    ranked = select(latest.c.frame_id, latest.c.decision, rank.label("rank")).subquery("ranked")
    return select(ranked.c.frame_id, ranked.c.decision).where(ranked.c.rank == 1).subquery("standing")


def frame_standing(project_id: int, *conditions: ColumnElement[bool]) -> Subquery:
    """Per annotated frame: `is_labelled` (1 or 0) and `skipping_readers`, how many known readers skip it.

    The conditions must take or leave a frame as a whole.
    """
    latest = latest_versions(project_id, *conditions)
    is_trainable = case((latest.c.decision.in_(TRAINABLE), 1), else_=0)
    skipping_reader = case((latest.c.decision == Decision.SKIPPED, latest.c.reader_id))
    return (
        select(
            latest.c.frame_id,
            func.max(is_trainable).label("is_labelled"),
            func.count(skipping_reader.distinct()).label("skipping_readers"),
        )
        .group_by(latest.c.frame_id)
        .subquery("standing")
    )
