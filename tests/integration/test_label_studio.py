"""A project as we provision it in a real Label Studio, seen by a reader, backend and webhook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.config import label_config
from adapters.label_studio.provision import (
    BACKEND_TITLE,
    SECRET_HEADER,
    WEBHOOK_ACTIONS,
    BackendPlan,
    ProjectPlan,
    ensure_backend,
    ensure_frames,
    ensure_project,
)
from adapters.label_studio.session import ReaderSession
from loop.errors import BadRequest, Denied, NotFound, Unavailable
from loop.events import parse_event
from loop.remote import NewPrediction
from tests.machine import wait_until
from tests.services.backend_stub import PASSWORD, USER, BackendStub, Told, running_backend_stub
from tests.services.label_studio import LabelStudioServer, project_plan

pytestmark = pytest.mark.services
SECRET = "webhook-secret"


@pytest.fixture(scope="module")
def reader(label_studio_server: LabelStudioServer) -> Iterator[ReaderSession]:
    with label_studio_server.reader("reader@provision.org") as session:
        yield session


@pytest.fixture
def backend() -> Iterator[BackendStub]:
    with running_backend_stub() as stub:
        yield stub


def plan() -> ProjectPlan:
    return project_plan("Provision", ["Vein", "Artery"])


def connection(stub: BackendStub, password: str = PASSWORD) -> BackendPlan:
    return BackendPlan(stub.url, USER, password, SECRET)


def settings_of(api: Api, project: int) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/projects/{project}")
    return found


def webhooks(api: Api, project: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/api/webhooks/", {"project": project})
    return found


# The project


def test_a_new_project_is_set_as_the_loop_needs_it(api: Api) -> None:
    wanted = plan()
    found = settings_of(api, ensure_project(api, wanted))
    assert found["sampling"] == "Uncertainty sampling"
    assert found["maximum_annotations"] == 1
    assert found["skip_queue"] == "REQUEUE_FOR_OTHERS"
    assert found["show_collab_predictions"]
    assert not found["evaluate_predictions_automatically"]
    assert found["model_version"] == "p1-v0"
    assert found["label_config"] == label_config(wanted.classes)


def test_a_second_start_finds_the_project_whether_its_id_was_kept_or_lost(api: Api) -> None:
    wanted = plan()
    first = ensure_project(api, wanted)
    assert ensure_project(api, wanted) == first
    assert ensure_project(api, wanted, known_id=first) == first


def test_another_project_of_the_same_title_is_left_alone(api: Api) -> None:
    wanted = plan()
    foreign = api.post("/api/projects/", {"title": wanted.title, "label_config": "<View></View>"})["id"]
    assert ensure_project(api, wanted) != foreign


def test_settings_that_somebody_changed_are_put_right_but_the_served_version_stays(api: Api) -> None:
    wanted = plan()
    project = ensure_project(api, wanted)
    studio = LabelStudioClient(api)
    (task,) = studio.import_tasks(project, [{"image": "/data/local-files/?d=all/x.png", "frame": "x"}])
    studio.push_predictions(project, [NewPrediction(task, "p1-v3", 0.0, [])])
    studio.set_model_version(project, "p1-v3")
    api.patch(f"/api/projects/{project}", {"sampling": "Uniform sampling", "maximum_annotations": 3})
    ensure_project(api, wanted, known_id=project)
    found = settings_of(api, project)
    assert (found["sampling"], found["maximum_annotations"]) == ("Uncertainty sampling", 1)
    assert found["model_version"] == "p1-v3"


def test_a_class_may_be_added_later(api: Api) -> None:
    wanted = plan()
    project = ensure_project(api, wanted)
    more = ProjectPlan(wanted.key, wanted.title, [*wanted.classes, 'Nerve <b> & "so"'], wanted.model_version)
    assert ensure_project(api, more, known_id=project) == project
    labels = settings_of(api, project)["parsed_label_config"]["brush"]["labels"]
    assert labels == ["Vein", "Artery", 'Nerve <b> & "so"']


def test_a_project_deleted_in_label_studio_is_told_not_made_anew(api: Api) -> None:
    project = ensure_project(api, plan())
    api.delete(f"/api/projects/{project}")
    with pytest.raises(NotFound):
        ensure_project(api, plan(), known_id=project)


@pytest.mark.parametrize("title", ["ab", "a" * 51])
def test_a_title_that_label_studio_would_refuse_is_refused_with_its_limits(api: Api, title: str) -> None:
    with pytest.raises(BadRequest, match="3 to 50"):
        ensure_project(api, replace(plan(), title=title))


# Frames


def test_a_reader_sees_the_images_of_the_frame_folder_and_a_stranger_does_not(
    api: Api, label_studio_server: LabelStudioServer, reader: ReaderSession
) -> None:
    Image.fromarray(np.full((4, 6), 77, np.uint8)).save(label_studio_server.frames / "all" / "seen.png")
    project = ensure_project(api, plan())
    storage = ensure_frames(api, project, label_studio_server.frames / "all")
    assert ensure_frames(api, project, label_studio_server.frames / "all") == storage
    address = "/data/local-files/?d=all/seen.png"
    assert reader.fetch(address).startswith(b"\x89PNG")
    with Api(label_studio_server.url) as stranger, pytest.raises(Denied):
        stranger.read(address)


def test_a_moved_home_moves_the_folder_of_the_same_storage(
    api: Api, label_studio_server: LabelStudioServer
) -> None:
    project = ensure_project(api, plan())
    before = ensure_frames(api, project, label_studio_server.frames / "all")
    assert ensure_frames(api, project, label_studio_server.frames / "moved") == before
    (storage,) = api.get("/api/storages/localfiles", {"project": project})
    assert storage["path"] == str(label_studio_server.frames / "moved")


# The backend and its webhook


def test_connecting_the_backend_leaves_the_served_version_alone(api: Api, backend: BackendStub) -> None:
    project = ensure_project(api, plan())
    first = ensure_backend(api, project, connection(backend))
    assert ensure_backend(api, project, connection(backend)) == first
    (found,) = api.get("/api/ml/", {"project": project})
    assert (found["title"], found["url"], found["state"]) == (BACKEND_TITLE, backend.url, "CO")
    assert settings_of(api, project)["model_version"] == "p1-v0"
    assert {each.path for each in backend.told} == {"/health", "/setup"}


def test_the_one_webhook_carries_our_secret_and_exactly_our_actions(api: Api, backend: BackendStub) -> None:
    project = ensure_project(api, plan())
    ensure_backend(api, project, connection(backend))
    (hook,) = webhooks(api, project)
    assert hook["url"] == f"{backend.url}/webhook"
    assert hook["headers"] == {SECRET_HEADER: SECRET}
    assert sorted(hook["actions"]) == sorted(WEBHOOK_ACTIONS)
    assert (hook["send_payload"], hook["send_for_all_actions"], hook["is_active"]) == (True, False, True)


def test_a_webhook_that_somebody_spoilt_or_deleted_is_put_right(api: Api, backend: BackendStub) -> None:
    project = ensure_project(api, plan())
    ensure_backend(api, project, connection(backend))
    (good,) = webhooks(api, project)
    api.patch(f"/api/webhooks/{good['id']}/", {"is_active": False, "headers": {}})  # empties the actions too
    ensure_backend(api, project, connection(backend))
    assert {**webhooks(api, project)[0], "updated_at": ""} == {**good, "updated_at": ""}
    api.delete(f"/api/webhooks/{good['id']}/")
    ensure_backend(api, project, connection(backend))
    assert [each["headers"] for each in webhooks(api, project)] == [{SECRET_HEADER: SECRET}]


def test_a_backend_on_another_port_is_connected_in_place_of_the_old_one(
    api: Api, backend: BackendStub
) -> None:
    project = ensure_project(api, plan())
    before = ensure_backend(api, project, connection(backend))
    with running_backend_stub() as moved:
        assert ensure_backend(api, project, connection(moved)) == before
        assert [each["url"] for each in api.get("/api/ml/", {"project": project})] == [moved.url]
        assert [each["url"] for each in webhooks(api, project)] == [f"{moved.url}/webhook"]


def test_a_changed_password_of_the_backend_is_learnt(api: Api, backend: BackendStub) -> None:
    project = ensure_project(api, plan())
    with running_backend_stub("another-pass") as stub:
        ensure_backend(api, project, connection(stub, "another-pass"))
        url = stub.url
    with running_backend_stub("new-pass") as stub:
        stub_plan = BackendPlan(stub.url, USER, "new-pass", SECRET)
        assert stub.url != url
        ensure_backend(api, project, stub_plan)
        assert api.get("/api/ml/", {"project": project})[0]["state"] == "CO"


def test_a_backend_that_is_down_or_refuses_us_is_unavailable(api: Api) -> None:
    project = ensure_project(api, plan())
    with running_backend_stub() as stub:
        url = stub.url
        with pytest.raises(Unavailable):
            ensure_backend(api, project, connection(stub, "wrong"))
    with pytest.raises(Unavailable):
        ensure_backend(api, project, BackendPlan(url, USER, PASSWORD, SECRET))


def test_an_address_that_webhooks_cannot_have_is_refused_before_anything_is_connected(api: Api) -> None:
    project = ensure_project(api, plan())
    with pytest.raises(BadRequest, match="a dot"):
        ensure_backend(api, project, BackendPlan("http://backend:9090", USER, PASSWORD, SECRET))
    assert api.get("/api/ml/", {"project": project}) == []


def test_every_deed_of_a_reader_arrives_as_an_event_that_we_can_read(
    api: Api, backend: BackendStub, reader: ReaderSession
) -> None:
    studio = LabelStudioClient(api)
    project = ensure_project(api, plan())
    ensure_backend(api, project, connection(backend))
    task, other = studio.import_tasks(project, [{"image": "/a.png", "frame": each} for each in "ab"])
    studio.push_predictions(project, [NewPrediction(task, "p1-v0", 0.0, [])])
    annotation = reader.submit(task, [], 3.0, None)
    reader.update(annotation, [], 5.0)
    reader.delete(annotation)
    skipped = reader.skip(other, [], 1.0, None)
    reader.save_draft(task, [], 1.0)
    api.delete(f"/api/tasks/{other}/")
    wait_until(lambda: len(backend.events()) >= 5, "five events")
    assert {event.headers[SECRET_HEADER] for event in backend.events()} == {SECRET}
    events = [_read(event) for event in backend.events()]
    assert [(event.action, event.annotation_ids or event.task_ids) for event in events] == [
        ("ANNOTATION_CREATED", (annotation,)),
        ("ANNOTATION_UPDATED", (annotation,)),
        ("ANNOTATIONS_DELETED", (annotation,)),
        ("ANNOTATION_CREATED", (skipped,)),
        ("TASKS_DELETED", (other,)),
    ]
    assert {event.label_studio_project for event in events} == {project}
    assert len({event.key for event in events}) == 5


def _read(told: Told) -> Any:
    event = parse_event(told.body)
    assert event is not None
    return event


def test_the_person_may_ask_for_training_from_the_page(api: Api, backend: BackendStub) -> None:
    project = ensure_project(api, plan())
    key = ensure_backend(api, project, connection(backend))
    api.send("POST", f"/api/ml/{key}/train", json={})
    assert backend.events()[-1].body["action"] == "START_TRAINING"
