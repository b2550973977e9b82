"""Which annotation in Label Studio stands in the place of which deleted one, as the mirror has seen it."""

from __future__ import annotations

from loop.ports import UnitOfWork
from loop.records import Decision, MaskVersion

PREFIX = "brought-back-"


def find_returned(uow: UnitOfWork, frame_id: int, annotation_id: int | None) -> MaskVersion | None:
    """What an annotation of the frame was before it was deleted; None: the frame has no such one.

    The number comes from outside, where an import may set any.
    """
    if annotation_id is None:
        return None
    drawn = [
        version
        for version in uow.masks.history(frame_id)
        if version.annotation_id == annotation_id and version.decision is not Decision.DELETED
    ]
    return drawn[-1] if drawn else None


def note_return(uow: UnitOfWork, deleted_id: int, made_id: int) -> None:
    """Remember that one annotation was made in the place of another. The caller commits."""
    uow.marks.set_cursor(f"{PREFIX}{deleted_id}", str(made_id))


def list_returns(uow: UnitOfWork) -> dict[int, int]:
    """By the id of the deleted annotation that of the one in its place, which may be gone in its turn."""
    return {int(deleted): int(made) for deleted, made in uow.marks.cursors(PREFIX).items()}
