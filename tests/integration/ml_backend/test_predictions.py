"""Label Studio's other calls: what is drawn, by which version, and what is never answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from loop.masks import mask_digest
from loop.records import Purpose
from loop.regions import result_to_mask
from loop.serving import put_into_service
from tests.integration.ml_backend.conftest import FRAMES, HELD_OUT, Backend, add_champion, serve
from tests.services.homes import LABEL_STUDIO_PROJECT, NOW

pytestmark = pytest.mark.services
KEY = f"{LABEL_STUDIO_PROJECT}.1767600000"
TASKS: list[dict[str, Any]] = [
    {"id": 101 + number, "data": {"image": "/data/local-files/?d=all/x.png"}} for number in range(FRAMES)
]
OPEN = TASKS[HELD_OUT:]


@pytest.fixture
def backend(settings: Settings, tmp_path: Path) -> Iterator[Backend]:
    with serve(settings) as running:
        add_champion(running.container, tmp_path, seed=1)
        running.champions.look()
        yield running


def predict(backend: Backend, tasks: list[dict[str, Any]], project: str = KEY) -> Any:
    body = {"tasks": tasks, "project": project, "label_config": "<View/>", "params": {"context": None}}
    return backend.client.post("/predict", json=body, auth=backend.auth)


def test_every_task_gets_its_answer_in_order_with_ids_that_repeat(backend: Backend) -> None:
    first = predict(backend, OPEN).json()["results"]
    again = predict(backend, OPEN[::-1]).json()["results"]
    assert len(first) == len(OPEN)
    assert first == again[::-1]
    assert all(answer["score"] == 1.0 for answer in first), "a live answer goes behind what the worker ranked"


def test_what_is_answered_is_stored_as_the_proposal(backend: Backend) -> None:
    (answer,) = predict(backend, OPEN[:1]).json()["results"]
    container = backend.container
    with container.database.read() as uow:
        frame = uow.frames.find_by_task(OPEN[0]["id"])
        champion = uow.projects.get(1).champion_id
        assert frame is not None
        assert champion is not None
        row = uow.predictions.find(frame.id, champion)
    assert row is not None
    assert row.purpose is Purpose.PROPOSAL
    drawn = result_to_mask(answer["result"], ("vein",), frame.height, frame.width, container.codec)
    assert drawn.any()
    assert mask_digest(drawn) == row.mask_digest


def test_frames_that_must_be_read_blind_and_unknown_tasks_get_nothing(backend: Backend) -> None:
    tasks = [*TASKS[:HELD_OUT], {"id": 999_999}, OPEN[0]]
    answers = predict(backend, tasks).json()["results"]
    assert answers[:-1] == [[]] * (HELD_OUT + 1), "an empty result would be stored as a proposal"
    assert answers[-1]["result"]


def test_a_new_champion_answers_without_a_restart_and_without_a_gap(backend: Backend, tmp_path: Path) -> None:
    stop = threading.Event()
    backend.champions.follow(stop, seconds=0.1)
    old = predict(backend, OPEN[:1]).json()["model_version"]
    new = add_champion(backend.container, tmp_path, seed=2).name
    answers = []
    for _ in range(300):
        answer = predict(backend, OPEN[:1]).json()
        assert answer["results"][0]["model_version"] == answer["model_version"]
        answers.append(answer["model_version"])
        if answers[-1] == new:
            break
    stop.set()
    assert set(answers) == {old, new}
    setup = backend.client.post("/setup", json={"project": KEY}, auth=backend.auth)
    assert setup.json() == {"model_version": new}
    versions = backend.client.post("/versions", json={"project": KEY}, auth=backend.auth).json()["versions"]
    assert versions[0] == new
    assert backend.client.get("/versions", auth=backend.auth).json()["versions"] == versions


def test_a_champion_that_cannot_be_loaded_leaves_the_old_one_answering(
    backend: Backend, tmp_path: Path
) -> None:
    old = predict(backend, OPEN[:1]).json()["model_version"]
    new = add_champion(backend.container, tmp_path, seed=3)
    backend.container.storage.local_path("models", new.digest).write_bytes(b"not weights")
    backend.champions.look()
    backend.champions.look()
    assert predict(backend, OPEN[:1]).json()["model_version"] == old


def test_weights_of_one_class_that_may_be_any_of_several_answer_nothing(
    backend: Backend, tmp_path: Path
) -> None:
    container = backend.container
    with container.database.write() as uow:
        drawn = uow.models.get(uow.projects.get(1).champion_id or 0)
        undecided = uow.projects.add("Undecided", ["Artery", "Nerve"], {})
        chosen = uow.projects.add("Chosen", ["Artery", "Nerve"], {"prior": "Nerve"})
        for project in (undecided, chosen):
            version = uow.models.add(
                project.id,
                digest=drawn.digest,
                round_id=None,
                origin="file",
                config={"classes": ["vein"]},
                metrics={},
                now=NOW,
            )
            put_into_service(uow, project.id, version.id, NOW)
        uow.commit()
    backend.champions.look()
    assert backend.champions.of(undecided) is None
    assert backend.champions.of(chosen) is not None


def test_many_at_once_are_answered_or_refused_and_webhooks_still_come_through(backend: Backend) -> None:
    with ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(predict, backend, OPEN) for _ in range(30)]
        assert backend.client.get("/health").status_code == 200
        codes = {future.result().status_code for future in waiting}
    assert 200 in codes
    assert codes <= {200, 503}


@pytest.mark.parametrize("path", ["/setup", "/predict", "/versions"])
def test_without_the_right_name_and_password_nothing_is_answered(backend: Backend, path: str) -> None:
    for auth in (("", ""), ("label-studio", "wrong"), ("someone", backend.auth[1])):
        answer = backend.client.post(path, json={"project": KEY, "tasks": []}, auth=auth)
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


def test_bad_requests_get_a_sentence_and_no_traceback(backend: Backend) -> None:
    def status(body: Any, **more: Any) -> int:
        answer = backend.client.post("/predict", json=body, auth=backend.auth, **more)
        assert "error" in answer.json()
        assert "Traceback" not in answer.text
        return answer.status_code

    assert status({"project": KEY}) == 400
    assert status({"project": KEY, "tasks": [{"id": "x"}]}) == 400
    assert status({"project": "no key", "tasks": []}) == 400
    assert status({"project": "12345.1", "tasks": []}) == 404
    assert backend.client.get("/nothing").json()["error"]
    assert backend.client.post("/predict", content=b"x" * (65 << 20), auth=backend.auth).status_code == 413


def test_before_any_model_the_answer_is_an_error(settings: Settings) -> None:
    with serve(settings) as fresh:  # nothing loaded
        answer = predict(fresh, OPEN[:1])
        assert answer.status_code == 503
        assert fresh.client.post("/setup", json={"project": KEY}, auth=fresh.auth).json() == {
            "model_version": ""
        }
        assert fresh.client.get("/health").json()["status"] == "UP"
