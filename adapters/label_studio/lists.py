"""Lists of tasks and predictions, by the addresses that we have put inside Label Studio: keys alone, each for
0.01 ms of its one core, and changed tasks without what was predicted for them.

Its own lists read every prediction of each task that they name, 2 to 3 ms, and readers wait meanwhile. They
serve where Label Studio is not ours, or was started before it had these addresses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.label_studio.api import Params, understood
from adapters.label_studio.pace import PacedApi
from loop.errors import NotFound
from loop.remote import RemotePrediction

PAGE = 100
ID_PAGE = 1000  # ids alone are lighter: 1,000 take half a second
KEY_PAGE = 5000
"""Also the most that an answer of our own lists holds."""

Filter = Mapping[str, Any]
Json = Mapping[str, Any]
Row = tuple[Any, ...]


@understood
def list_task_ids(api: PacedApi, project_id: int) -> set[int]:
    """The ids of all tasks. Raises NotFound."""
    try:
        return {task_id for (task_id,) in rows(api, project_id, "tasks", {})}
    except NotFound:
        pages = pages_by_id(api, project_id, ID_PAGE, {"fields": "task_only", "include": "id"})
        return {task["id"] for page in pages for task in page}


@understood
def list_annotation_times(api: PacedApi, project_id: int) -> dict[int, datetime]:
    """When each annotation was last changed, by its id; no drawing is carried. Raises NotFound."""
    try:
        listed = rows(api, project_id, "annotations", {})
    except NotFound:
        params = {"fields": "all", "include": "id,updated_at,annotations"}
        pages = pages_by_id(api, project_id, ID_PAGE, params)
        of_tasks = (each for page in pages for task in page for each in task["annotations"])
        listed = [(each["id"], each["updated_at"]) for each in of_tasks]
    return {int(annotation_id): datetime.fromisoformat(changed) for annotation_id, changed in listed}


@understood
def list_predictions(api: PacedApi, project_id: int, model_version: str) -> list[RemotePrediction]:
    """All predictions of exactly this model version; an unknown one gives []. Raises NotFound."""
    try:
        found = rows(api, project_id, "predictions", {"model_version": model_version})
    except NotFound:
        return _predictions_of_tasks(api, project_id, model_version)
    return [RemotePrediction(key, task_id, model_version, score) for key, task_id, score in found]


@understood
def count_predictions(api: PacedApi, project_id: int) -> dict[str, int]:
    """How many predictions each model version has; those without any are left out."""
    answer = api.get(f"/api/projects/{project_id}/model-versions/", {"extended": "true"})
    return {each["model_version"]: each["count"] for each in answer.get("static", [])}


def rows(api: PacedApi, project_id: int, kind: str, params: Params, size: int = KEY_PAGE) -> list[Row]:
    """All rows of one of our lists (see `inside/sonoloop_lists.py`), read `size` at a time.

    Raises NotFound for an unknown project, and where Label Studio has none of our lists.
    """
    found: list[Row] = []
    while True:
        beyond = found[-1][0] if found else 0
        page, is_last = _page(api, project_id, kind, {**params, "beyond": beyond, "size": size})
        found += [tuple(row) for row in page]
        if is_last:
            return found


def changed_tasks(api: PacedApi, project_id: int, since: str, size: int = PAGE) -> Iterator[list[Json]]:
    """Pages of the tasks that changed at `since` or later, with annotations, oldest change first.

    One that changes while they are read comes again. Raises NotFound as `rows` does.
    """
    beyond = 0
    while True:
        asked: Params = {"since": since, "beyond": beyond, "size": size}
        page, is_last = _page(api, project_id, "changes", asked)
        yield page
        if is_last:
            return
        since, beyond = page[-1]["updated_at"], page[-1]["id"]


def pages_by_id(
    api: PacedApi, project_id: int, size: int, params: Params, filters: Sequence[Filter] = ()
) -> Iterator[list[Json]]:
    """Label Studio's own list of tasks, page by page in the order of ids."""
    last = 0
    sized: Params = {**params, "page_size": size}
    while True:
        beyond = [filter_by("id", "greater", "Number", last)] if last else []
        tasks = list_tasks(api, project_id, sized, [*filters, *beyond], "tasks:id")
        yield tasks
        if len(tasks) < size:
            return
        last = tasks[-1]["id"]


def list_tasks(
    api: PacedApi, project_id: int, params: Params, filters: Sequence[Filter], order: str
) -> list[Json]:
    """One page of Label Studio's own list of tasks."""
    query = {"filters": {"conjunction": "and", "items": list(filters)}, "ordering": [order]}
    return _tasks(api.get("/api/tasks/", {**params, "project": project_id, "query": json.dumps(query)}))


def filter_by(column: str, operator: str, kind: str, value: object) -> Filter:
    """A filter of Label Studio's Data Manager on a column of tasks."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _predictions_of_tasks(api: PacedApi, project_id: int, model_version: str) -> list[RemotePrediction]:
    if model_version not in count_predictions(api, project_id):
        return []
    # The filter finds parts of names: "p1-v1" also finds "p1-v10".
    of_version = filter_by("predictions_model_versions", "contains", "List", [model_version])
    pages = pages_by_id(api, project_id, PAGE, {"fields": "all", "include": "id,predictions"}, [of_version])
    return [
        RemotePrediction(each["id"], task["id"], model_version, each["score"])
        for page in pages
        for task in page
        for each in task["predictions"]
        if each["model_version"] == model_version
    ]


def _page(api: PacedApi, project_id: int, kind: str, params: Params) -> tuple[list[Any], bool]:
    """What one answer of our own lists holds, and whether it is the last."""
    return _read_page(api.get(f"/api/projects/{project_id}/sonoloop/{kind}", params))


@understood
def _tasks(answer: Json) -> list[Json]:
    return [{**each, "id": int(each["id"])} for each in answer["tasks"]]


@understood
def _read_page(answer: Json) -> tuple[list[Any], bool]:
    return list(answer["rows"]), len(answer["rows"]) < int(answer["page"])
