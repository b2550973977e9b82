"""What the stream's page gets in a browser in which nobody has ever pressed "Label All Tasks"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.provision import ensure_project
from loop.errors import NotFound
from loop.remote import NewPrediction
from tests.services.label_studio import LabelStudioServer, project_plan

pytestmark = pytest.mark.services

NOTHING_WISHED: Mapping[str, object] = {
    "ordering": [],
    "selectedItems": {"all": False, "included": []},
    "filters": {"conjunction": "and", "items": []},
}
BY_ID = {**NOTHING_WISHED, "ordering": ["tasks:id"]}


@pytest.fixture(scope="module")
def browsers(label_studio_server: LabelStudioServer) -> Iterator[list[Api]]:
    """Two readers."""
    with ExitStack() as stack:
        emails = ("first@stream.org", "second@stream.org")
        readers = [stack.enter_context(label_studio_server.reader(email)) for email in emails]
        yield [stack.enter_context(Api(label_studio_server.url, each.token())) for each in readers]


@pytest.fixture
def ranked(label_studio_server: LabelStudioServer) -> tuple[int, list[int]]:
    """A project and its tasks in the order of their places, which is not that of their ids."""
    with label_studio_server.api() as api:
        project = ensure_project(api, project_plan("Stream"))
        studio = LabelStudioClient(api)
        tasks = studio.import_tasks(
            project, [{"image": f"/data/local-files/?d=all/{n}.png", "frame": str(n)} for n in range(4)]
        )
        order = [tasks[index] for index in (2, 0, 3, 1)]
        places = [NewPrediction(task, "p1-v0", rank / 4, []) for rank, task in enumerate(order)]
        studio.push_predictions(project, places)
        return project, order


def ask(browser: Api, project: int, wishes: Mapping[str, object]) -> int:
    answer = browser.post("/api/dm/actions", wishes, {"id": "next_task", "tabID": 1, "project": project})
    return int(answer["id"])


def submit(browser: Api, task: int) -> None:
    browser.post(f"/api/tasks/{task}/annotations", {"result": [], "lead_time": 1.0})


def test_a_fresh_browser_is_served_in_the_order_of_our_ranks(
    browsers: list[Api], ranked: tuple[int, list[int]]
) -> None:
    project, order = ranked
    served = []
    for _ in order:
        served.append(ask(browsers[0], project, NOTHING_WISHED))
        submit(browsers[0], served[-1])
    assert served == order
    with pytest.raises(NotFound, match="no tasks"):
        ask(browsers[0], project, NOTHING_WISHED)


def test_two_fresh_browsers_share_the_two_top_ranks(
    browsers: list[Api], ranked: tuple[int, list[int]]
) -> None:
    project, order = ranked
    assert [ask(browser, project, NOTHING_WISHED) for browser in browsers] == order[:2]


def test_a_reader_who_sorts_the_table_gets_that_order(
    browsers: list[Api], ranked: tuple[int, list[int]]
) -> None:
    project, order = ranked
    assert ask(browsers[0], project, BY_ID) == min(order)
