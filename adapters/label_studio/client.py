"""What the loop asks of Label Studio, over its HTTP API."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.label_studio.api import Api, Params, understood
from adapters.label_studio.lists import (
    PAGE,
    Json,
    changed_tasks,
    filter_by,
    list_annotation_times,
    list_predictions,
    list_task_ids,
    list_tasks,
)
from adapters.label_studio.pace import Pace, PacedApi
from loop.errors import BadRequest, NotFound, Unavailable
from loop.remote import LostAnnotation, NewPrediction, RemoteAnnotation, RemotePrediction, RemoteTask

IMPORT_BATCH = 500
CHUNK_LIMIT = 100
GONE_TASK = "corresponding task ID", "not found in project"
"""Label Studio's words for it, in its older and its newer code."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_READING_SECONDS = 366.0 * 24 * 3600
IS_THERE = 409
"""Label Studio's answer to a second annotation of one key."""

# The task list answers with these fields alone, at every depth; else each page would carry all predictions.
TASK_FIELDS = "id,data,updated_at,annotations"
ANNOTATION_FIELDS = (
    "task,completed_by,result,was_cancelled,created_at,draft_created_at,lead_time,parent_prediction,import_id"
)


class LabelStudioClient:
    """Implements `loop.ports.LabelStudio`; what is long, or comes in hundreds, keeps the `pace`."""

    def __init__(self, api: Api, pace: Pace | None = None) -> None:
        self._api = api
        self._paced = PacedApi(api, pace or Pace())

    @understood
    def import_tasks(self, project_id: int, data: Sequence[Mapping[str, Any]]) -> list[int]:
        """Create tasks in order and return their ids; batches before a failing one stay created."""
        ids: list[int] = []
        for start in range(0, len(data), IMPORT_BATCH):
            batch = [{"data": dict(entry)} for entry in data[start : start + IMPORT_BATCH]]
            answer = self._paced.post(
                f"/api/projects/{project_id}/import", batch, {"return_task_ids": "true"}
            )
            created = answer.get("task_ids", [])
            if len(created) != len(batch):
                raise Unavailable(
                    f"{len(created)} tasks created", f"{len(batch)}", "list them, import the rest"
                )
            ids += created
        return ids

    def tasks_changed_since(self, project_id: int, since: datetime | None) -> Iterator[RemoteTask]:
        """Tasks changed at `since` or later, with annotations, oldest change first; None: all tasks.

        A task that changes while pages are read comes again, with its new state; none is passed over.
        """
        start = since or BEGINNING
        try:
            for entries in changed_tasks(self._paced, project_id, _stamp(start)):
                yield from map(task_from, entries)
        except NotFound:
            yield from self._changed_in_its_own_list(project_id, start)

    def task_ids(self, project_id: int) -> set[int]:
        """The ids of all tasks."""
        return list_task_ids(self._paced, project_id)

    def annotation_times(self, project_id: int) -> dict[int, datetime]:
        """When each annotation was last changed, by its id; drafts are none."""
        return list_annotation_times(self._paced, project_id)

    def get_task(self, task_id: int) -> RemoteTask:
        """One task with all its annotations, skipped ones included."""
        return task_from(self._api.get(f"/api/tasks/{task_id}/"))

    def get_annotation(self, annotation_id: int) -> RemoteAnnotation:
        """One annotation."""
        return annotation_from(self._api.get(f"/api/annotations/{annotation_id}/"))

    def bring_back(self, lost: LostAnnotation) -> bool:
        """Make an annotation; False when one of its key is there already.

        Raises NotFound for a task that is gone, BadRequest for an unknown reader or prediction.
        """
        body = {
            "result": list(lost.result),
            "was_cancelled": lost.was_cancelled,
            "lead_time": lost.lead_time,
            "draft_created_at": _stamp(lost.began_at),  # no other moment can be set from outside
            "parent_prediction": lost.parent_prediction,
            "import_id": lost.brings_back,
            "unique_id": lost.key,
        }
        if lost.user_id is not None:
            body["completed_by"] = lost.user_id
        try:
            self._paced.post(f"/api/tasks/{lost.task_id}/annotations/", body)
        except BadRequest as exc:
            if exc.ids.get("status") == IS_THERE:
                return False
            raise
        return True

    def predictions(self, project_id: int, model_version: str) -> list[RemotePrediction]:
        """What Label Studio holds of exactly this model version; an unknown version gives []."""
        return list_predictions(self._paced, project_id, model_version)

    @understood
    def push_predictions(self, project_id: int, predictions: Sequence[NewPrediction]) -> None:
        """Create all of one chunk (at most 100); nothing is compared with what is there.

        Raises NotFound when one of the tasks is gone (then none was created), Unavailable when fewer were
        created.
        """
        body = [_new_prediction(each) for each in predictions]
        if len(body) > CHUNK_LIMIT:
            raise BadRequest(f"{len(body)} predictions in one push", f"at most {CHUNK_LIMIT}")
        if not body:
            return
        try:
            answer = self._paced.post(f"/api/projects/{project_id}/import/predictions", body)
        except BadRequest as exc:
            if any(words in exc.message for words in GONE_TASK):
                raise NotFound(
                    "a push for a task that is gone", "tasks of the project", project=project_id
                ) from exc
            raise
        # Label Studio drops what it finds invalid and answers 201 all the same.
        if not answer["created"]:
            got = f"{len(body)} predictions that Label Studio does not take"
            raise BadRequest(got, "drawings that fit the project's labels", project=project_id)
        if answer["created"] != len(body):
            raise Unavailable(
                f"{answer['created']} predictions created",
                f"{len(body)}",
                "list and push the rest",
                project=project_id,
            )

    def withdraw_predictions(self, project_id: int, model_version: str) -> None:
        """Remove every prediction of this version; what was drawn from one loses its key alone."""
        self._api.send(
            "DELETE", f"/api/projects/{project_id}/model-versions/", json={"model_version": model_version}
        )

    def set_score(self, prediction_id: int, score: float) -> None:
        """Move a prediction in the queue; lowest is served first."""
        self._paced.patch(f"/api/predictions/{prediction_id}/", {"score": _finite(score)})

    def set_model_version(self, project_id: int, model_version: str) -> None:
        """Serve the predictions of this version from the very next task on.

        Raises NotFound for a version that no prediction carries: Label Studio refuses it.
        """
        try:
            self._api.patch(f"/api/projects/{project_id}/", {"model_version": model_version})
        except BadRequest as exc:
            raise NotFound(
                "a model version that no prediction carries",
                "one that was pushed",
                "push its predictions first",
                project=project_id,
                version=model_version,
            ) from exc

    def _changed_in_its_own_list(self, project_id: int, start: datetime) -> Iterator[RemoteTask]:
        page = 1
        seen: set[tuple[int, datetime]] = set()
        while True:
            entries = self._changed_page(project_id, start, page)
            tasks = [task_from(entry) for entry in entries]
            yield from (task for task in tasks if (task.id, task.updated_at) not in seen)
            if len(tasks) < PAGE:
                return
            seen = {(task.id, task.updated_at) for task in tasks}
            # On from the last change, not by page number: a task that leaves an earlier page moves no other.
            last = tasks[-1].updated_at
            start, page = (last, 1) if last > start else (start, page + 1)

    def _changed_page(self, project_id: int, start: datetime, page: int) -> list[Json]:
        changed = filter_by("updated_at", "greater_or_equal", "Datetime", _stamp(start))
        include = f"{TASK_FIELDS},{ANNOTATION_FIELDS}"
        params: Params = {"fields": "all", "include": include, "page": page, "page_size": PAGE}
        try:
            return list_tasks(self._paced, project_id, params, [changed], "tasks:updated_at")
        except NotFound:
            if page > 1:  # the page before was the last, and full
                return []
            raise


@understood
def task_from(entry: Json) -> RemoteTask:
    """A task of the API to our record."""
    return RemoteTask(
        id=entry["id"],
        data=entry["data"],
        updated_at=datetime.fromisoformat(entry["updated_at"]),
        annotations=tuple(annotation_from(each) for each in entry["annotations"]),
    )


@understood
def annotation_from(entry: Json) -> RemoteAnnotation:
    """An annotation of the API to our record; who made it comes as an id or as a whole account."""
    user, draft = entry["completed_by"], entry["draft_created_at"]
    return RemoteAnnotation(
        id=entry["id"],
        task_id=entry["task"],
        user_id=user["id"] if isinstance(user, Mapping) else user,
        result=entry["result"] or [],
        was_cancelled=entry["was_cancelled"],
        created_at=datetime.fromisoformat(entry["created_at"]),
        updated_at=datetime.fromisoformat(entry["updated_at"]),
        lead_time=_seconds(entry["lead_time"]),
        parent_prediction=entry["parent_prediction"],
        draft_created_at=datetime.fromisoformat(draft) if draft else None,
        brings_back=entry.get("import_id"),  # our own list, in one that was started before, has none
    )


def _seconds(lead_time: float | None) -> float | None:
    """The page counts the time, and whoever calls the API says what it likes: None for what cannot be one."""
    return lead_time if lead_time is not None and 0 <= lead_time <= LONGEST_READING_SECONDS else None


def _new_prediction(prediction: NewPrediction) -> dict[str, Any]:
    return {
        "task": prediction.task_id,
        "model_version": prediction.model_version,
        "score": _finite(prediction.score),
        "result": list(prediction.result),
    }


def _finite(score: float) -> float:
    if not math.isfinite(score):
        raise BadRequest(f"the place {score}", "a finite number")
    return float(score)


def _stamp(moment: datetime) -> str:
    """As the filter wants it: UTC, always with a fraction."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
