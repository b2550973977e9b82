"""An in-memory Label Studio that behaves as the real one was measured to behave, where the loop can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from loop.errors import BadRequest, NotFound, Unavailable
from loop.ports import Clock
from loop.remote import LostAnnotation, NewPrediction, RemoteAnnotation, RemotePrediction, RemoteTask
from tests.fakes.label_studio_people import PeoplesLabelStudio, StoredPrediction, StoredTask, remote_task

CHUNK_LIMIT = 100


class FakeLabelStudio(PeoplesLabelStudio):
    """`FakeLabelStudio(clock=ManualClock())` implements the port `loop.ports.LabelStudio`.

    Faults: `is_down = True` makes every call of the port raise Unavailable; `lost_answers = n` makes the next
    n pushes or imports raise Unavailable although everything was stored; `refused` holds tasks whose
    predictions it does not take, `unknown_users` readers that it does not know. `calls` counts the port's
    calls.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.is_down = False
        self.lost_answers = 0
        self.refused: set[int] = set()
        self.unknown_users: set[int] = set()
        self.keys: dict[int, str] = {}
        self.calls = 0

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
        found = [task for task in self.tasks_of(project_id) if since is None or task.updated_at >= since]
        for task in sorted(found, key=lambda task: (task.updated_at, task.id)):
            yield remote_task(task)

    def task_ids(self, project_id: int) -> set[int]:
        self._answer(project_id)
        return {task.id for task in self.tasks_of(project_id)}

    def get_task(self, task_id: int) -> RemoteTask:
        self._answer()
        return remote_task(self.task(task_id))

    def get_annotation(self, annotation_id: int) -> RemoteAnnotation:
        self._answer()
        return self.find(annotation_id)[1]

    def bring_back(self, lost: LostAnnotation) -> bool:
        self._answer()
        self.task(lost.task_id)
        living = {each.id for task in self.tasks.values() for each in task.annotations}
        if lost.key in {key for annotation, key in self.keys.items() if annotation in living}:
            return False
        if lost.user_id in self.unknown_users:
            raise BadRequest("a reader that Label Studio does not know", user=lost.user_id)
        if lost.parent_prediction is not None and lost.parent_prediction not in self.stored_predictions:
            raise BadRequest("a prediction that Label Studio does not know")
        made = self.annotate(
            lost.task_id,
            lost.result,
            user_id=1 if lost.user_id is None else lost.user_id,
            was_cancelled=lost.was_cancelled,
            lead_time=lost.lead_time,
            parent_prediction=lost.parent_prediction,
        )
        task, annotation = self.find(made)
        told = replace(annotation, draft_created_at=lost.began_at, brings_back=lost.brings_back)
        task.annotations[task.annotations.index(annotation)] = told
        self.keys[made] = lost.key
        self._lose_answer()
        return True

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
        known = {task.id for task in self.tasks_of(project_id)}
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
        for task in self.tasks_of(project_id):
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
