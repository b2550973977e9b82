"""What a caller of Label Studio's API may store although no page sends it: it holds nothing up."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.provision import ensure_project
from tests.services.label_studio import LabelStudioServer, project_plan

pytestmark = pytest.mark.services


def submit(server: LabelStudioServer, task: int, **annotation: Any) -> int:
    """As another program would: the body is ASCII, as JSON may be."""
    answer = httpx.post(
        f"{server.url}/api/tasks/{task}/annotations/",
        content=json.dumps({"result": [], **annotation}),
        headers={"Authorization": f"Token {server.token}", "Content-Type": "application/json"},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_half_a_character_in_a_comment_holds_no_list_up(
    api: Api, label_studio_server: LabelStudioServer
) -> None:
    studio, comment = LabelStudioClient(api), {"id": "a", "meta": {"text": ["\ud83d"]}}
    project = ensure_project(api, project_plan("Oddities"))
    tasks = studio.import_tasks(project, [{"image": f"/{each}.png", "frame": each} for each in "ab"])
    odd = submit(label_studio_server, tasks[0], result=[comment])
    plain = submit(label_studio_server, tasks[1])
    assert list(studio.get_annotation(odd).result) == [comment]
    assert studio.get_task(tasks[0]).id == tasks[0]
    seen = [each.id for task in studio.tasks_changed_since(project, None) for each in task.annotations]
    assert seen == [odd, plain]


@pytest.mark.parametrize(
    ("claimed", "kept"), [(12.5, 12.5), (0, 0), (None, None), (-3, None), (1.79e12, None), (1e308, None)]
)
def test_a_time_that_no_reading_takes_is_no_time(
    api: Api, label_studio_server: LabelStudioServer, claimed: float | None, kept: float | None
) -> None:
    studio = LabelStudioClient(api)
    project = ensure_project(api, project_plan("Oddities"))
    (task,) = studio.import_tasks(project, [{"image": "/a.png", "frame": "a"}])
    annotation = submit(label_studio_server, task, lead_time=claimed)
    assert studio.get_annotation(annotation).lead_time == kept
