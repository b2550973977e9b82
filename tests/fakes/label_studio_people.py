"""What an in-memory Label Studio holds, and what people do in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

from loop.errors import NotFound
from loop.ports import Clock
from loop.records import MaskVersion
from loop.remote import RemoteAnnotation, RemoteTask
from tests.fakes.clock import ManualClock


@dataclass
class StoredTask:
    id: int
    project_id: int
    data: Mapping[str, Any]
    updated_at: datetime
    annotations: list[RemoteAnnotation] = field(default_factory=list)
    locked_by: int | None = None


@dataclass
class StoredPrediction:
    id: int
    task_id: int
    model_version: str
    score: float
    result: Sequence[Mapping[str, Any]]


class PeoplesLabelStudio:
    """Tasks, annotations and predictions by their ids, with the locks of the stream.

    `create_project()` gives a project id. What readers do: `next_task`, `annotate`, `update`,
    `delete_annotation`, `delete_task`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or ManualClock()
        self.model_versions: dict[int, str] = {}
        self.tasks: dict[int, StoredTask] = {}
        self.stored_predictions: dict[int, StoredPrediction] = {}
        self._project_ids, self._task_ids = count(1), count(101)
        self._annotation_ids, self._prediction_ids = count(5001), count(90001)

    def create_project(self) -> int:
        """A new empty project's id."""
        project_id = next(self._project_ids)
        self.model_versions[project_id] = ""
        return project_id

    def next_task(self, project_id: int, user_id: int) -> RemoteTask | None:
        """The task that the stream would serve: a locked one again, else the lowest score of the served
        version.
        """
        open_tasks = [task for task in self.tasks_of(project_id) if _is_open_to(task, user_id)]
        mine = [task for task in open_tasks if task.locked_by == user_id]
        free = [task for task in open_tasks if task.locked_by is None]
        if not mine and not free:
            return None
        task = mine[0] if mine else min(free, key=self._place)
        task.locked_by = user_id
        return remote_task(task)

    def shown_prediction(self, task_id: int) -> StoredPrediction | None:
        """The prediction of the served version on a task, as the reader's page would show it."""
        version = self.model_versions[self.task(task_id).project_id]
        matches = [
            item
            for item in self.stored_predictions.values()
            if (item.task_id, item.model_version) == (task_id, version)
        ]
        return matches[0] if matches else None

    def push_live(self, task_id: int, model_version: str) -> None:
        """A live answer of the ML backend is stored: ranked last, whatever the Selection says."""
        key = next(self._prediction_ids)
        self.stored_predictions[key] = StoredPrediction(key, task_id, model_version, 1.0, [])

    def annotate(
        self,
        task_id: int,
        result: Sequence[Mapping[str, Any]],
        *,
        user_id: int = 1,
        was_cancelled: bool = False,
        lead_time: float | None = 4.0,
        parent_prediction: int | None = None,
    ) -> int:
        """Submit (or skip) and return the annotation's id."""
        task, now = self.task(task_id), self.clock()
        if parent_prediction is not None and parent_prediction not in self.stored_predictions:
            raise NotFound("a parent prediction that was deleted", prediction=parent_prediction)
        annotation = RemoteAnnotation(
            id=next(self._annotation_ids),
            task_id=task_id,
            user_id=user_id,
            result=[dict(region) for region in result],
            was_cancelled=was_cancelled,
            created_at=now,
            updated_at=now,
            lead_time=lead_time,
            parent_prediction=parent_prediction,
        )
        task.annotations.append(annotation)
        task.updated_at, task.locked_by = now, None
        return annotation.id

    def hold(
        self,
        project_id: int,
        task_id: int,
        digest: str,
        mask: MaskVersion,
        result: Sequence[Mapping[str, Any]],
    ) -> None:
        """Have the task of a frame with one annotation, as the mirror has it already."""
        annotation = RemoteAnnotation(
            id=mask.annotation_id,
            task_id=task_id,
            user_id=None,
            result=result,
            was_cancelled=False,
            created_at=mask.updated_at,
            updated_at=mask.updated_at,
            lead_time=mask.seconds,
            parent_prediction=None,
        )
        data = {"frame": digest}
        self.tasks[task_id] = StoredTask(task_id, project_id, data, mask.updated_at, [annotation])

    def update(self, annotation_id: int, **changes: Any) -> None:
        """Change an annotation (result=..., was_cancelled=..., lead_time=...), as the Update button does."""
        task, annotation = self.find(annotation_id)
        now = self.clock()
        changed = replace(annotation, **changes, updated_at=now)
        task.annotations[task.annotations.index(annotation)] = changed
        task.updated_at = now

    def delete_annotation(self, annotation_id: int) -> None:
        """Delete an annotation; its task is open again."""
        task, annotation = self.find(annotation_id)
        task.annotations.remove(annotation)
        task.updated_at = self.clock()

    def delete_task(self, task_id: int) -> None:
        """Delete a task with its annotations and predictions."""
        del self.tasks[task_id]
        self.stored_predictions = {
            key: item for key, item in self.stored_predictions.items() if item.task_id != task_id
        }

    def _place(self, task: StoredTask) -> tuple[int, float, int]:
        shown = [
            item.score
            for item in self.stored_predictions.values()
            if item.task_id == task.id and item.model_version == self.model_versions[task.project_id]
        ]
        return (0, min(shown), task.id) if shown else (1, 0.0, task.id)

    def tasks_of(self, project_id: int) -> list[StoredTask]:
        return [task for task in self.tasks.values() if task.project_id == project_id]

    def task(self, task_id: int) -> StoredTask:
        if task_id not in self.tasks:
            raise NotFound("an unknown task", task=task_id)
        return self.tasks[task_id]

    def find(self, annotation_id: int) -> tuple[StoredTask, RemoteAnnotation]:
        for task in self.tasks.values():
            for annotation in task.annotations:
                if annotation.id == annotation_id:
                    return task, annotation
        raise NotFound("an unknown annotation", annotation=annotation_id)


def _is_open_to(task: StoredTask, user_id: int) -> bool:
    submitted = any(not annotation.was_cancelled for annotation in task.annotations)
    skipped_by_user = any(annotation.user_id == user_id for annotation in task.annotations)
    return not submitted and not skipped_by_user


def remote_task(task: StoredTask) -> RemoteTask:
    return RemoteTask(task.id, task.data, task.updated_at, tuple(task.annotations))
