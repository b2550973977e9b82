"""The lists that we have put inside Label Studio, beside its own, which a foreign one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import numpy as np
import pytest

from adapters.brush import SdkBrushCodec
from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.lists import rows
from adapters.label_studio.pace import Pace, PacedApi
from adapters.label_studio.provision import ensure_project
from loop.errors import Denied, NotFound
from loop.records import NewPrediction, RemotePrediction
from loop.regions import mask_to_result
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
    assert "/api/tasks" in transport.asked


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
            for kind in ("tasks", "predictions"):
                with pytest.raises(Denied):
                    rows(PacedApi(stranger, Pace()), project[0], kind, {})
