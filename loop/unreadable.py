"""Labels whose newest state cannot be read: a damaged code, another size, a foreign region.

The mirror keeps what was drawn before; nothing may give that out as the newest without saying so. A round
neither learns from such a frame nor is judged on it: see `Masks.readable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loop.messages import BAD_ANNOTATION, SetAside
from loop.ports import UnitOfWork
from loop.records import Frame

TODO = "open each in Label Studio, draw it again and save; until then no round learns from its frame"
TASKS_NAMED = 10


@dataclass(frozen=True)
class UnreadableLabel:
    """One annotation of a frame, and why its newest state cannot be read."""

    annotation_id: int
    frame: Frame
    reason: str


def unreadable_labels(uow: UnitOfWork, project_id: int) -> list[UnreadableLabel]:
    """Those of a project, in the order they were first seen. An annotation of a task that belongs to no frame
    is none.
    """
    found: list[UnreadableLabel] = []
    for item in uow.marks.list_set_aside():
        frame = _frame(uow, item) if item.kind == BAD_ANNOTATION else None
        if frame is not None and frame.project_id == project_id:
            found.append(UnreadableLabel(int(item.subject), frame, item.message))
    return found


def count_unreadable(labels: Sequence[UnreadableLabel]) -> str:
    """How many there are and where, in a few words."""
    return f"labels that cannot be read: {len(labels)} ({name_tasks(labels)})"


def name_tasks(labels: Sequence[UnreadableLabel]) -> str:
    """Label Studio's numbers of the first ten tasks, `task 3, 7`, and how many there are beside them."""
    tasks = sorted({label.frame.task_id for label in labels if label.frame.task_id is not None})
    more = f" and {len(tasks) - TASKS_NAMED} more" if len(tasks) > TASKS_NAMED else ""
    return f"task {', '.join(map(str, tasks[:TASKS_NAMED]))}{more}"


def _frame(uow: UnitOfWork, item: SetAside) -> Frame | None:
    found = None if item.task_id is None else uow.frames.find_by_task(item.task_id)
    if found is not None:
        return found
    latest = uow.masks.latest(int(item.subject))
    return uow.frames.get(latest.frame_id) if latest else None
