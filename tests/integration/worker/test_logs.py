"""What the services write while they work: JSON a line, ids to follow, and nothing about a patient."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from loop.planning import plan
from tests.integration.worker.conftest import Stage
from tests.services.homes import LABEL_STUDIO_PROJECT, make_home
from tests.services.label_studio import free_port

pytestmark = [pytest.mark.services, pytest.mark.slow]

Line = dict[str, Any]
SENT = {
    "action": "ANNOTATION_CREATED",
    "annotation": {"id": 9001, "updated_at": "2026-01-05T08:00:00Z", "task": 101},
    "project": {"id": LABEL_STUDIO_PROJECT},
}


def lines_of(stage: Stage) -> list[Line]:
    return [json.loads(line) for line in Path(stage.workers.log.name).read_text().splitlines()]


def forbidden_words(stage: Stage) -> set[str]:
    """Names of clips, of the project, of people, and everything secret."""
    secrets = {value.get_secret_value() for _, value in stage.settings if isinstance(value, SecretStr)}
    with stage.container.database.read() as uow:
        frames = uow.frames.list(1)
        title = uow.projects.get(1).title
    people = {stage.settings.admin_email, *(frame.patient for frame in frames if frame.patient)}
    return ({frame.clip for frame in frames} | {title} | people | secrets) - {""}


def wait_until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_every_line_of_a_round_and_of_a_webhook_can_be_followed_and_tells_no_name(stage: Stage) -> None:
    make_home(stage.settings, frames=12, held_out=3)
    with stage.container.database.read() as uow:
        spoilt = next(frame for frame in uow.frames.list(1) if not frame.is_held_out)
    stage.container.storage.local_path("frames", spoilt.digest).write_bytes(b"no picture")
    port = free_port()
    stage.workers.start("train")
    stage.workers.start("light", reconcile_seconds=1, sweep_seconds=1)
    stage.workers.start("beat", reconcile_seconds=1, sweep_seconds=1)
    stage.workers.start_module("ml_backend", backend_port=port)
    planned = plan(stage.container.round_ports, stage.container.round_rules, 1, is_forced=True)
    assert planned.round is not None
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(url))
    secret = stage.settings.webhook_secret.get_secret_value()
    for headers in ({"X-Sonoloop-Secret": secret}, {"X-Sonoloop-Secret": secret}, {}):
        httpx.post(f"{url}/webhook", json=SENT, headers=headers, trust_env=False)
    stage.wait_for_end(planned.round.id)
    wait_until(lambda: any(line["event"] == "round_judged" for line in lines_of(stage)))

    lines = lines_of(stage)
    text = Path(stage.workers.log.name).read_text()
    assert {line["service"] for line in lines} == {"worker-train", "worker-light", "backend"}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    ids = {"project": 1, "round": planned.round.id, "attempt": 1}
    of_round = [line for line in lines if line["service"] == "worker-train" and "round" in line]
    assert {"round_claimed", "training_started", "training_ended", "round_judged"} <= events_of(of_round)
    assert [line for line in of_round if not ids.items() <= line.items()] == []
    of_training = [line for line in lines if line["event"].startswith("training_")]
    assert [line for line in of_training if not ids.items() <= line.items()] == []
    (aside,) = (line for line in lines if line["event"] == "training_frame_set_aside")
    assert aside["frame"] == spoilt.id
    noted = [line["event_key"] for line in lines if line["event"].startswith("webhook_")]
    assert noted == ["ANNOTATION_CREATED:9001@2026-01-05T08:00:00Z"] * 2
    assert sorted(word for word in forbidden_words(stage) if re.search(rf"\b{re.escape(word)}\b", text)) == []


def events_of(lines: list[Line]) -> set[str]:
    return {line["event"] for line in lines}
