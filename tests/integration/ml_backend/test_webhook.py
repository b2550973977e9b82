"""The webhook: who may send it, and what it leaves behind."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from loop.messages import InboxEvent
from loop.training_records import RoundState
from tests.integration.ml_backend.conftest import Backend
from tests.services.homes import LABEL_STUDIO_PROJECT

pytestmark = pytest.mark.services


def created(number: int, padding: int = 0) -> dict[str, Any]:
    """An event in Label Studio's shape; `padding`: length of its run-length code."""
    rle = [0, 255] * (padding // 2)
    return {
        "action": "ANNOTATION_CREATED",
        "annotation": {
            "id": number,
            "updated_at": "2026-01-05T08:00:00Z",
            "task": 101,
            "result": [{"value": {"rle": rle}}],
        },
        "project": {"id": LABEL_STUDIO_PROJECT},
        "task": {"id": 101},
    }


def inbox(backend: Backend) -> list[InboxEvent]:
    with backend.container.database.read() as uow:
        return uow.inbox.pending()


def test_an_event_is_kept_once_however_often_it_comes(backend: Backend) -> None:
    before = len(inbox(backend))
    answers = [backend.client.post("/webhook", json=created(9001), headers=backend.secret) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert [event.annotation_ids for event in inbox(backend)[before:]] == [(9001,)]


@pytest.mark.parametrize("headers", [{}, {"X-Sonoloop-Secret": "guessed"}, {"Authorization": "Basic eDp5"}])
def test_a_forged_webhook_is_refused_and_leaves_nothing(backend: Backend, headers: dict[str, str]) -> None:
    before = len(inbox(backend))
    answer = backend.client.post("/webhook", json=created(666), headers=headers)
    assert answer.status_code == 401
    assert "secret" in answer.json()["error"]
    assert len(inbox(backend)) == before


def test_label_studios_own_account_may_send_it_too(backend: Backend) -> None:
    assert backend.client.post("/webhook", json=created(9002), auth=backend.auth).status_code == 201


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'{"action": 3}', b'{"action": "ANNOTATION_CREATED", "annotation": {"id": "x"}}'],
)
def test_a_body_that_is_no_event_gets_a_sentence(backend: Backend, body: bytes) -> None:
    answer = backend.client.post("/webhook", content=body, headers=backend.secret)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("got ")
    assert "Traceback" not in answer.text


def test_an_event_that_the_mirror_does_not_follow_is_passed_over(backend: Backend) -> None:
    before = len(inbox(backend))
    body = {"action": "PROJECT_UPDATED", "project": {"id": LABEL_STUDIO_PROJECT}}
    assert backend.client.post("/webhook", json=body, headers=backend.secret).status_code == 200
    assert len(inbox(backend)) == before


def test_a_large_event_is_kept_although_redis_is_away(backend: Backend) -> None:
    body = created(20_000, padding=20_000)
    assert backend.client.post("/webhook", json=body, headers=backend.secret).status_code == 201
    assert (20_000,) in [event.annotation_ids for event in inbox(backend)]


def test_start_training_plans_one_round(backend: Backend) -> None:
    body = {"action": "START_TRAINING", "project": {"id": LABEL_STUDIO_PROJECT}}
    first = backend.client.post("/webhook", json=body, auth=backend.auth)
    again = backend.client.post("/webhook", json=body, auth=backend.auth)
    assert (first.status_code, again.status_code) == (201, 200)
    assert "planned" in again.json()["reason"]
    with backend.container.database.read() as uow:
        assert [round_.state for round_ in uow.rounds.list(1)] == [RoundState.PLANNED]


def outcomes(backend: Backend) -> dict[str, float]:
    """How many webhooks had each outcome so far; those that none had are left out."""
    page = backend.client.get("/metrics", auth=backend.auth).text
    found = re.findall(r'^sonoloop_webhook_events_total\{outcome="(\w+)"\} (\S+)', page, re.MULTILINE)
    return {outcome: float(number) for outcome, number in found if float(number)}


def test_only_a_webhook_without_the_secret_counts_as_refused(backend: Backend) -> None:
    """An alert takes those for forged; the others tell of a database that is away or an unknown event."""
    backend.client.post("/webhook", json=created(1), headers={"X-Sonoloop-Secret": "guessed"})
    assert outcomes(backend) == {"refused": 1}
    backend.client.post("/webhook", content=b"{", headers=backend.secret)
    backend.client.post("/webhook", content=b" " * ((16 << 20) + 1), headers=backend.secret)
    with closing(sqlite3.connect(backend.container.settings.database_file)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = backend.client.post("/webhook", json=created(31_000), headers=backend.secret)
    assert answer.status_code == 503
    assert outcomes(backend) == {"refused": 1, "unusable": 1, "too_large": 1, "failed": 1}
