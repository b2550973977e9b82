"""An in-memory Label Studio that behaves as the real one was measured to behave, where the loop can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

from loop.errors import BadRequest, NotFound, Unavailable
from loop.ports import Clock
from loop.records import MaskVersion
from loop.remote import NewPrediction, RemoteAnnotation, RemotePrediction, RemoteTask
from tests.fakes.clock import ManualClock

CHUNK_LIMIT = 100


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


class FakeLabelStudio:
    """`FakeLabelStudio(clock=ManualClock())` implements the port `loop.ports.LabelStudio`.

    `create_project()` gives a project id. What readers do: `next_task`, `annotate`, `update`,
    `delete_annotation`, `delete_task`. Faults: `is_down = True` makes every call of the port raise
    Unavailable; `lost_answers = n` makes the next n pushes or imports raise Unavailable although everything
    was stored; `refused` holds tasks whose predictions it does not take. `calls` counts the port's calls.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or ManualClock()
        self.is_down = False
        self.lost_answers = 0
        self.refused: set[int] = set()
        self.calls = 0
        self.model_versions: dict[int, str] = {}
        self.tasks: dict[int, StoredTask] = {}
        self.stored_predictions: dict[int, StoredPrediction] = {}
        self._project_ids, self._task_ids = count(1), count(101)
        self._annotation_ids, self._prediction_ids = count(5001), count(90001)

    # the port

    def import_tasks(self, project_id: int, data: Sequence[Mapping[str, Any]]) -> list[int]:
        self._answer(project_id)
        ids = []
        for entry in data:
            task_id = next(self._task_ids)
            self.tasks[task_id] = StoredTask(task_id, project_id, dict(entry), self.clock())
            ids.append(task_id)
        self._lose_answer()
        return ids

    def tasks_changed_since(self, project_id: int, since: datetime | None) -> Iterator[RemoteTask]:
        self._answer(project_id)
        found = [task for task in self._tasks_of(project_id) if since is None or task.updated_at >= since]
        for task in sorted(found, key=lambda task: (task.updated_at, task.id)):
            yield _remote(task)

    def task_ids(self, project_id: int) -> set[int]:
        self._answer(project_id)
        return {task.id for task in self._tasks_of(project_id)}

    def get_task(self, task_id: int) -> RemoteTask:
        self._answer()
        return _remote(self._task(task_id))

    def get_annotation(self, annotation_id: int) -> RemoteAnnotation:
        self._answer()
        return self._find(annotation_id)[1]

    def predictions(self, project_id: int, model_version: str) -> list[RemotePrediction]:
        self._answer(project_id)
        return [
            RemotePrediction(item.id, item.task_id, item.model_version, item.score)
            for item in self.stored_predictions.values()
            if item.model_version == model_version and self.tasks[item.task_id].project_id == project_id
        ]

    def push_predictions(self, project_id: int, predictions: Sequence[NewPrediction]) -> None:
        self._answer(project_id)
        assert len(predictions) <= CHUNK_LIMIT, "a chunk holds at most 100 predictions"
        known = {task.id for task in self._tasks_of(project_id)}
        if any(item.task_id not in known for item in predictions):
            raise NotFound("a push for a task that is gone", "tasks of the project", project=project_id)
        if any(item.task_id in self.refused for item in predictions):
            raise BadRequest("a refusal from Label Studio", project=project_id)
        for item in predictions:
            key = next(self._prediction_ids)
            result = [dict(region) for region in item.result]
            self.stored_predictions[key] = StoredPrediction(
                key, item.task_id, item.model_version, item.score, result
            )
        self._lose_answer()

    def withdraw_predictions(self, project_id: int, model_version: str) -> None:
        gone = {item.id for item in self.predictions(project_id, model_version)}
        self.stored_predictions = {
            key: item for key, item in self.stored_predictions.items() if key not in gone
        }
        for task in self._tasks_of(project_id):
            task.annotations[:] = [
                replace(each, parent_prediction=None) if each.parent_prediction in gone else each
                for each in task.annotations
            ]
        if self.model_versions[project_id] == model_version:
            self.model_versions[project_id] = ""

    def set_score(self, prediction_id: int, score: float) -> None:
        self._answer()
        if prediction_id not in self.stored_predictions:
            raise NotFound("an unknown prediction", prediction=prediction_id)
        stored = self.stored_predictions[prediction_id]
        stored.score = score
        self.tasks[stored.task_id].updated_at = self.clock()

    def set_model_version(self, project_id: int, model_version: str) -> None:
        self._answer(project_id)
        if not self.predictions(project_id, model_version):
            raise NotFound("a model version that no prediction carries", version=model_version)
        self.model_versions[project_id] = model_version

    # what people do

    def create_project(self) -> int:
        """A new empty project's id."""
        project_id = next(self._project_ids)
        self.model_versions[project_id] = ""
        return project_id

    def next_task(self, project_id: int, user_id: int) -> RemoteTask | None:
        """The task that the stream would serve: a locked one again, else the lowest score of the served
        version.
        """
        open_tasks = [task for task in self._tasks_of(project_id) if _is_open_to(task, user_id)]
        mine = [task for task in open_tasks if task.locked_by == user_id]
        free = [task for task in open_tasks if task.locked_by is None]
        if not mine and not free:
            return None
        task = mine[0] if mine else min(free, key=self._place)
        task.locked_by = user_id
        return _remote(task)

    def shown_prediction(self, task_id: int) -> StoredPrediction | None:
        """The prediction of the served version on a task, as the reader's page would show it."""
        version = self.model_versions[self._task(task_id).project_id]
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
        task, now = self._task(task_id), self.clock()
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
        task, annotation = self._find(annotation_id)
        now = self.clock()
        changed = replace(annotation, **changes, updated_at=now)
        task.annotations[task.annotations.index(annotation)] = changed
        task.updated_at = now

    def delete_annotation(self, annotation_id: int) -> None:
        """Delete an annotation; its task is open again."""
        task, annotation = self._find(annotation_id)
        task.annotations.remove(annotation)
        task.updated_at = self.clock()

    def delete_task(self, task_id: int) -> None:
        """Delete a task with its annotations and predictions."""
        del self.tasks[task_id]
        self.stored_predictions = {
            key: item for key, item in self.stored_predictions.items() if item.task_id != task_id
        }

    # inside

    def _answer(self, project_id: int | None = None) -> None:
        self.calls += 1
        if self.is_down:
            raise Unavailable("no answer from Label Studio", todo="try again later")
        if project_id is not None and project_id not in self.model_versions:
            raise NotFound("an unknown Label Studio project", project=project_id)

    def _lose_answer(self) -> None:
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unavailable("a broken connection after the request was sent", todo="try again later")

    def _place(self, task: StoredTask) -> tuple[int, float, int]:
        shown = [
            item.score
            for item in self.stored_predictions.values()
            if item.task_id == task.id and item.model_version == self.model_versions[task.project_id]
        ]
        return (0, min(shown), task.id) if shown else (1, 0.0, task.id)

    def _tasks_of(self, project_id: int) -> list[StoredTask]:
        return [task for task in self.tasks.values() if task.project_id == project_id]

    def _task(self, task_id: int) -> StoredTask:
        if task_id not in self.tasks:
            raise NotFound("an unknown task", task=task_id)
        return self.tasks[task_id]

    def _find(self, annotation_id: int) -> tuple[StoredTask, RemoteAnnotation]:
        for task in self.tasks.values():
            for annotation in task.annotations:
                if annotation.id == annotation_id:
                    return task, annotation
        raise NotFound("an unknown annotation", annotation=annotation_id)


def _is_open_to(task: StoredTask, user_id: int) -> bool:
    submitted = any(not annotation.was_cancelled for annotation in task.annotations)
    skipped_by_user = any(annotation.user_id == user_id for annotation in task.annotations)
    return not submitted and not skipped_by_user


def _remote(task: StoredTask) -> RemoteTask:
    return RemoteTask(task.id, task.data, task.updated_at, tuple(task.annotations))
