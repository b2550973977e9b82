"""The lists that we have put inside Label Studio, beside its own, which a foreign one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import httpx
import numpy as np
import pytest

from adapters.brush import SdkBrushCodec
from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.lists import changed_tasks, rows
from adapters.label_studio.pace import Pace, PacedApi
from adapters.label_studio.provision import ensure_project
from adapters.label_studio.session import ReaderSession
from loop.errors import Denied, NotFound
from loop.regions import mask_to_result
from loop.remote import NewPrediction, RemotePrediction, RemoteTask
from tests.services.label_studio import LabelStudioServer, project_plan

pytestmark = pytest.mark.services

NOISE = np.random.default_rng(0).random((1, 64, 64)) > 0.5
DRAWING = mask_to_result(NOISE, ("Vein",), SdkBrushCodec(), "noise")
OURS = "/sonoloop/"


class Watched(httpx.HTTPTransport):
    """Notes the addresses that are asked for and how much comes back; `is_foreign`: of a server without our
    lists.
    """

    def __init__(self, *, is_foreign: bool = False) -> None:
        super().__init__()
        self.is_foreign = is_foreign
        self.asked: list[str] = []
        self.received = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.is_foreign:
            request.url = request.url.copy_with(path=request.url.path.replace(OURS, "/nowhere/"))
        response = super().handle_request(request)
        self.received += len(response.read())
        return response


@pytest.fixture(scope="module")
def studio(api: Api) -> LabelStudioClient:
    return LabelStudioClient(api)


@pytest.fixture(scope="module")
def foreign(label_studio_server: LabelStudioServer) -> Iterator[LabelStudioClient]:
    transport = Watched(is_foreign=True)
    with closing(Api(label_studio_server.url, label_studio_server.token, transport=transport)) as api:
        yield LabelStudioClient(api)
    assert any(OURS in path for path in transport.asked)
    assert "/api/tasks/" in transport.asked


def new_project(api: Api, studio: LabelStudioClient, frames: int) -> tuple[int, list[int]]:
    project = ensure_project(api, project_plan("Lists"))
    return project, studio.import_tasks(
        project, [{"image": "/x.png", "frame": str(n)} for n in range(frames)]
    )


@pytest.fixture(scope="module")
def project(api: Api, studio: LabelStudioClient) -> tuple[int, list[int]]:
    """Eight tasks: six have a prediction of v1, the first of these two, and four have one of v10."""
    project, tasks = new_project(api, studio, 8)
    for version, held in (("v1", tasks[:6]), ("v10", tasks[2:6]), ("v1", tasks[:1])):
        places = [NewPrediction(task, version, n / 10, DRAWING) for n, task in enumerate(held)]
        studio.push_predictions(project, places)
    return project, tasks


def by_key(found: list[RemotePrediction]) -> list[RemotePrediction]:
    return sorted(found, key=lambda each: each.id)


def test_both_give_the_same_predictions_of_exactly_one_version(
    studio: LabelStudioClient, foreign: LabelStudioClient, project: tuple[int, list[int]]
) -> None:
    number, tasks = project
    for version, held in (("v1", [*tasks[:6], tasks[0]]), ("v10", tasks[2:6]), ("v", []), ("", [])):
        found = by_key(studio.predictions(number, version))
        assert [each.task_id for each in found] == held
        assert found == by_key(foreign.predictions(number, version))


def test_both_give_the_same_tasks_of_one_project_alone(
    api: Api, studio: LabelStudioClient, foreign: LabelStudioClient, project: tuple[int, list[int]]
) -> None:
    number, tasks = project
    other, others = new_project(api, studio, 2)
    assert studio.task_ids(number) == foreign.task_ids(number) == set(tasks)
    assert studio.task_ids(other) == foreign.task_ids(other) == set(others)
    for client in (studio, foreign):
        with pytest.raises(NotFound):
            client.task_ids(999_999)
        with pytest.raises(NotFound):
            client.predictions(999_999, "v1")


@pytest.fixture(scope="module")
def reader(label_studio_server: LabelStudioServer) -> Iterator[ReaderSession]:
    with label_studio_server.reader("reader@lists.org") as session:
        yield session


def test_both_tell_of_the_same_changes_with_every_annotation(
    api: Api, studio: LabelStudioClient, foreign: LabelStudioClient, reader: ReaderSession
) -> None:
    project, tasks = new_project(api, studio, 4)
    studio.push_predictions(project, [NewPrediction(task, "v1", 0.5, DRAWING) for task in tasks])
    shown = studio.predictions(project, "v1")[1]
    draft = reader.save_draft(tasks[3], [], 1.0)
    reader.submit(tasks[3], [], 2.0, None, draft=draft)
    reader.submit(shown.task_id, DRAWING, 4.0, shown.id)
    reader.skip(shown.task_id, DRAWING, None, shown.id)
    told = list(studio.tasks_changed_since(project, None))
    assert [in_order(task) for task in told] == [
        in_order(task) for task in foreign.tasks_changed_since(project, None)
    ]
    last = list(studio.tasks_changed_since(project, told[-1].updated_at))
    assert last == told[-1:]
    assert last == list(foreign.tasks_changed_since(project, told[-1].updated_at))
    assert in_order(last[0]) == in_order(studio.get_task(shown.task_id))
    assert len(last[0].annotations) == 2
    assert list(studio.tasks_changed_since(project, last[0].updated_at + timedelta(microseconds=1))) == []


def test_both_give_the_times_of_all_annotations_of_one_project_without_their_drawings(
    label_studio_server: LabelStudioServer,
    api: Api,
    studio: LabelStudioClient,
    foreign: LabelStudioClient,
    reader: ReaderSession,
) -> None:
    project, tasks = new_project(api, studio, 3)
    other, (of_other,) = new_project(api, studio, 1)
    reader.submit(tasks[0], DRAWING, 2.0, None)
    reader.submit(tasks[0], DRAWING, 2.0, None)
    reader.skip(tasks[1], DRAWING, None, None)
    reader.save_draft(tasks[2], DRAWING, 1.0)
    reader.submit(of_other, DRAWING, 2.0, None)
    told = studio.tasks_changed_since(project, None)
    times = {each.id: each.updated_at for task in told for each in task.annotations}
    assert len(times) == 3
    assert studio.annotation_times(project) == foreign.annotation_times(project) == times
    assert len(studio.annotation_times(other)) == 1
    transport = Watched()
    with closing(Api(label_studio_server.url, label_studio_server.token, transport=transport)) as watched:
        LabelStudioClient(watched).annotation_times(project)
    assert len(transport.asked) == 1
    assert transport.received < 60 * len(times) < len(str(DRAWING))


def in_order(task: RemoteTask) -> RemoteTask:
    return replace(task, annotations=tuple(sorted(task.annotations, key=lambda each: each.id)))


@pytest.mark.parametrize("size", [1, 3, 4, 8, 100])
def test_changes_come_in_pages_and_what_changes_meanwhile_comes_again(
    api: Api, studio: LabelStudioClient, size: int
) -> None:
    project, tasks = new_project(api, studio, 8)
    studio.push_predictions(project, [NewPrediction(tasks[0], "v1", 0.5, [])])
    (held,) = studio.predictions(project, "v1")
    told: list[int] = []
    for page in changed_tasks(PacedApi(api, Pace()), project, "1970-01-01T00:00:00Z", size):
        told += [task["id"] for task in page]
        if len(told) == len(page):
            studio.set_score(held.id, 0.25)
    assert told == ([*tasks, tasks[0]] if size <= len(tasks) else tasks)


@pytest.mark.parametrize("size", [1, 3, 4, 8, 100])
def test_a_long_list_comes_in_pages(api: Api, project: tuple[int, list[int]], size: int) -> None:
    number, tasks = project
    assert rows(PacedApi(api, Pace()), number, "tasks", {}, size) == [(task,) for task in tasks]


def test_no_drawing_is_carried(
    label_studio_server: LabelStudioServer, project: tuple[int, list[int]]
) -> None:
    number, _ = project
    transport = Watched()
    with closing(Api(label_studio_server.url, label_studio_server.token, transport=transport)) as api:
        held = LabelStudioClient(api).predictions(number, "v1")
    assert len(transport.asked) == 1
    assert transport.received < 40 * len(held) < len(str(DRAWING))


def test_a_stranger_is_told_nothing(
    label_studio_server: LabelStudioServer, project: tuple[int, list[int]]
) -> None:
    for token in ("", "0" * 40):
        with Api(label_studio_server.url, token) as stranger:
            for kind in ("tasks", "predictions", "annotations", "changes"):
                with pytest.raises(Denied):
                    rows(PacedApi(stranger, Pace()), project[0], kind, {})
