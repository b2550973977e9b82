"""A round and three webhooks by real services, as somebody sees them who only has logs and figures."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from adapters.metrics.catalogue import CATALOGUE
from loop.planning import plan
from loop.records import Frame
from loop.training_records import Round, RoundState
from tests.discs import TINY
from tests.integration.worker.conftest import Stage, open_stage
from tests.machine import free_port, wait_until
from tests.services.homes import LABEL_STUDIO_PROJECT, make_home
from tests.services.redis import running_redis

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(400)]

OFTEN = {"reconcile_seconds": 2, "sweep_seconds": 2, "lease_seconds": 60}
"""With a lease that a busy machine does not lose, since a sweeper is at work here."""
SENT = {
    "action": "ANNOTATION_CREATED",
    "annotation": {"id": 9001, "updated_at": "2026-01-05T08:00:00Z", "task": 101},
    "project": {"id": LABEL_STUDIO_PROJECT},
}
TRAINED = {"job": "train", "outcome": "done"}
KEY = "ANNOTATION_CREATED:9001@2026-01-05T08:00:00Z"

SHORT = replace(TINY, epochs=4, min_epochs=4, epoch_steps=4, steps=16)
"""Long enough to be looked at on its way."""

Line = dict[str, Any]
Figures = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Watched:
    """What there was to see of the round: figures of the backend before, again and again meanwhile, and
    after; of the worker that trained after; and all log lines. `spoilt` is a frame that could not be read.
    """

    stage: Stage
    round: Round
    spoilt: Frame
    before: Figures
    meanwhile: list[Figures]
    after: Figures
    trainer: Figures

    @property
    def text(self) -> str:
        return Path(self.stage.workers.log.name).read_text()

    @property
    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with running_redis() as redis, open_stage(folder, redis) as stage:
        make_home(stage.settings, frames=12, held_out=3, recipe=SHORT.to_dict())
        spoilt = spoil_a_frame(stage)
        backend, light, train = free_port(), free_port(), free_port()
        stage.workers.start_module("ml_backend", backend_port=backend)
        stage.workers.start("train", metrics_port=train, **OFTEN)
        wait_until(lambda: answers(backend), "the backend")
        before = scrape(stage, backend)
        stage.workers.start("light", metrics_port=light, **OFTEN)
        stage.workers.start("beat", **OFTEN)
        planned = plan(stage.container.round_ports, stage.container.round_rules, 1, is_forced=True).round
        assert planned is not None
        send_webhooks(stage, backend)
        meanwhile: list[Figures] = []

        def is_over(row: Round) -> bool:
            meanwhile.append(scrape(stage, backend))
            return not row.state.is_live

        ended = stage.wait_for(planned.id, is_over, seconds=300)

        def shown(port: int, name: str, **labels: object) -> float | None:
            return sample(scrape(stage, port), name, **labels)

        wait_until(lambda: shown(backend, "sonoloop_champion_version", project=1) == 1, "the champion")
        wait_until(lambda: shown(backend, "sonoloop_last_sweep_timestamp_seconds") is not None, "a sweep")
        wait_until(lambda: shown(train, "sonoloop_task_duration_seconds_count", **TRAINED) == 1, "its task")
        yield Watched(stage, ended, spoilt, before, meanwhile, scrape(stage, backend), scrape(stage, train))


def spoil_a_frame(stage: Stage) -> Frame:
    with stage.container.database.read() as uow:
        frame = next(frame for frame in uow.frames.list(1) if not frame.is_held_out)
    stage.container.storage.local_path("frames", frame.digest).write_bytes(b"no picture")
    return frame


def send_webhooks(stage: Stage, port: int) -> None:
    """One new, the same again, one forged."""
    secret = {"X-Sonoloop-Secret": stage.settings.webhook_secret.get_secret_value()}
    for headers in (secret, secret, {}):
        httpx.post(f"http://127.0.0.1:{port}/webhook", json=SENT, headers=headers, trust_env=False)


def scrape(stage: Stage, port: int) -> Figures:
    auth = (stage.settings.backend_user, stage.settings.backend_password.get_secret_value())
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", auth=auth, trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in text_string_to_metric_families(answer.text)
        for each in family.samples
    }


def sample(figures: Figures, name: str, **labels: object) -> float | None:
    return figures.get((name, frozenset((label, str(value)) for label, value in labels.items())))


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def forbidden_words(stage: Stage) -> set[str]:
    """Names of clips, of the project, of people, and everything secret."""
    secrets = {value.get_secret_value() for _, value in stage.settings if isinstance(value, SecretStr)}
    with stage.container.database.read() as uow:
        frames = uow.frames.list(1)
        title = uow.projects.get(1).title
    people = {stage.settings.admin_email, *(frame.patient for frame in frames if frame.patient)}
    return ({frame.clip for frame in frames} | {title} | people | secrets) - {""}


def test_the_round_ends_as_it_should(watched: Watched) -> None:
    assert watched.round.state is RoundState.PROMOTED, watched.text[-3000:]
    assert watched.round.attempt == 1


def test_every_line_is_json_and_says_what_when_and_from_which_service(watched: Watched) -> None:
    assert {line["service"] for line in watched.lines} == {"worker-train", "worker-light", "backend"}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in watched.lines)


def test_every_line_of_the_round_can_be_followed_by_its_ids(watched: Watched) -> None:
    ids = {"project": 1, "round": watched.round.id, "attempt": 1}
    lines = [line for line in watched.lines if line["service"] == "worker-train" and "round" in line]
    assert {"round_claimed", "training_started", "training_ended", "round_judged"} <= {
        line["event"] for line in lines
    }
    lines += [line for line in watched.lines if line["event"].startswith("training_")]
    assert [line for line in lines if not ids.items() <= line.items()] == []


def test_a_line_about_a_frame_or_a_webhook_says_which(watched: Watched) -> None:
    (aside,) = (line for line in watched.lines if line["event"] == "training_frame_set_aside")
    assert aside["frame"] == watched.spoilt.id
    noted = [line for line in watched.lines if line["event"] in ("webhook_noted", "webhook_known")]
    assert [line["event_key"] for line in noted] == [KEY, KEY]


def test_no_line_and_no_figure_holds_a_name_or_a_secret(watched: Watched) -> None:
    words = [re.compile(rf"\b{re.escape(word)}\b") for word in forbidden_words(watched.stage)]
    labels = {value for _, labels in [*watched.after, *watched.trainer] for _, value in labels}
    text = "\n".join([watched.text, *labels])
    assert [word.pattern for word in words if word.search(text)] == []


def test_webhooks_are_counted_by_what_became_of_them(watched: Watched) -> None:
    def counts(figures: Figures) -> list[float | None]:
        outcomes = ("received", "known", "refused")
        return [sample(figures, "sonoloop_webhook_events_total", outcome=each) for each in outcomes]

    assert counts(watched.before) == [0, 0, 0]
    assert counts(watched.after) == [1, 1, 1]
    refused = {"endpoint": "webhook", "status": 401}
    assert sample(watched.after, "sonoloop_request_duration_seconds_count", **refused) == 1


def test_the_round_is_seen_on_its_way_and_at_its_end(watched: Watched) -> None:
    epochs = [sample(each, "sonoloop_round_epoch", project=1) for each in watched.meanwhile]
    assert 0 in epochs, "planned"
    assert max(epoch for epoch in epochs if epoch is not None) > 0
    states = [sample(each, "sonoloop_rounds", project=1, state="training") for each in watched.meanwhile]
    assert 1 in states
    after = watched.after
    assert sample(after, "sonoloop_rounds", project=1, state="promoted") == 1
    assert sample(after, "sonoloop_round_epoch", project=1) is None
    assert sample(after, "sonoloop_champion_version", project=1) == 1
    assert 0 <= (sample(after, "sonoloop_champion_dice", project=1) or -1) <= 1
    with watched.stage.container.database.read() as uow:
        newest = max(mask.recorded_at for mask in uow.masks.current(1))
    assert watched.round.finished_at is not None
    seconds = (watched.round.finished_at - newest).total_seconds()
    shown = sample(after, "sonoloop_label_to_champion_seconds", project=1)
    assert shown == pytest.approx(seconds, abs=10)
    assert sample(watched.before, "sonoloop_label_to_champion_seconds", project=1) is None
    assert sample(after, "sonoloop_last_sweep_timestamp_seconds") == pytest.approx(time.time(), abs=120)


def test_the_worker_that_trained_shows_its_epochs_its_memory_and_its_tasks(watched: Watched) -> None:
    assert sample(watched.trainer, "sonoloop_epoch_duration_seconds_count") == 4
    assert (sample(watched.trainer, "sonoloop_training_peak_memory_bytes", device="cpu") or 0) > 100e6
    assert sample(watched.trainer, "sonoloop_task_duration_seconds_count", **TRAINED) == 1


def test_nothing_is_shown_that_the_catalogue_does_not_explain(watched: Watched) -> None:
    names = {name for name, _ in [*watched.after, *watched.trainer]}
    shown = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in names}
    explained = {name.removesuffix("_total") for name in CATALOGUE} | set(CATALOGUE)
    assert {name for name in shown if not name.startswith("process_")} - explained == set()
