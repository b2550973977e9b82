"""What a real Label Studio gives a reader and takes from one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from adapters.brush import SdkBrushCodec
from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.provision import ensure_project
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader, invitation_link, stream_link
from loop.errors import BadRequest, Denied
from loop.regions import mask_to_result, result_to_mask
from loop.remote import NewPrediction
from tests.services.label_studio import READER_PASSWORD, LabelStudioServer, project_plan

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def reader(label_studio_server: LabelStudioServer) -> Iterator[ReaderSession]:
    with label_studio_server.reader("reader@reading.org") as session:
        yield session


def test_a_mask_that_a_reader_submits_comes_back_pixel_by_pixel(api: Api, reader: ReaderSession) -> None:
    codec, classes = SdkBrushCodec(), ("Vein", "Artery")
    mask = np.random.default_rng(3).random((2, 40, 56)) > 0.7
    studio = LabelStudioClient(api)
    project = ensure_project(api, project_plan("Readers", classes))
    (task,) = studio.import_tasks(project, [{"image": "/a.png", "frame": "a"}])
    annotation = reader.submit(task, mask_to_result(mask, classes, codec, "key"), 3.0, None)
    result = studio.get_annotation(annotation).result
    assert np.array_equal(result_to_mask(result, classes, 40, 56, codec), mask)


def test_a_served_task_carries_what_the_page_shows(api: Api, reader: ReaderSession) -> None:
    studio = LabelStudioClient(api)
    project = ensure_project(api, project_plan("Readers"))
    (task,) = studio.import_tasks(project, [{"image": "/a.png", "frame": "digest"}])
    served = reader.next_task(project)
    assert served is not None
    assert (served.id, served.data["frame"], served.shown) == (task, "digest", None)
    studio.push_predictions(project, [NewPrediction(task, "p1-v0", 0.25, [])])
    (prediction,) = studio.predictions(project, "p1-v0")
    again = reader.next_task(project)
    assert again is not None
    assert again.shown is not None
    assert (again.shown.id, again.shown.model_version, again.shown.score) == (prediction.id, "p1-v0", 0.25)
    reader.skip(task, [], 1.0, prediction.id)
    assert reader.next_task(project) is None


def test_a_restored_draft_has_lost_its_proposal(api: Api, reader: ReaderSession) -> None:
    studio = LabelStudioClient(api)
    project = ensure_project(api, project_plan("Readers"))
    (task,) = studio.import_tasks(project, [{"image": "/a.png", "frame": "a"}])
    draft = reader.save_draft(task, [], 8.0)
    assert studio.get_task(task).annotations == ()
    annotation = studio.get_annotation(reader.submit(task, [], 12.0, None, draft=draft))
    assert (annotation.parent_prediction, annotation.lead_time) == (None, 12.0)
    assert annotation.draft_created_at is not None
    assert annotation.draft_created_at < annotation.created_at


def test_an_account_is_made_once_and_needs_its_password(
    label_studio_server: LabelStudioServer, api: Api
) -> None:
    with label_studio_server.reader("twice@provision.org") as first:
        user, token = first.user_id, first.token()
    with label_studio_server.reader("twice@provision.org") as second:
        assert (second.user_id, second.token()) == (user, token)
    with pytest.raises(BadRequest):
        ensure_reader(api, "twice@provision.org", "Another-pass-1")
    with pytest.raises(BadRequest):
        ensure_reader(api, "short@provision.org", "short")
    with pytest.raises(Denied):
        ReaderSession.log_in(label_studio_server.url, "nobody@provision.org", READER_PASSWORD)


def test_a_readers_token_opens_the_api(label_studio_server: LabelStudioServer, reader: ReaderSession) -> None:
    with Api(label_studio_server.url, reader.token()) as own:
        assert own.get("/api/current-user/whoami")["id"] == reader.user_id
    with Api(label_studio_server.url, "0" * 40) as forged, pytest.raises(Denied):
        forged.get("/api/current-user/whoami")


def test_the_links_for_readers_lead_somewhere(label_studio_server: LabelStudioServer, api: Api) -> None:
    project = ensure_project(api, project_plan("Readers"))
    with Api(label_studio_server.url) as visitor:
        assert visitor.read(invitation_link(api, "")).status_code == 200
        answer = visitor.read(stream_link("", project))
    assert answer.is_redirect
    assert answer.headers["location"].endswith(f"?next=/projects/{project}/data/%3Flabeling%3D1")
