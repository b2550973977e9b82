"""A running home whose services are killed, stopped and lied to while readers work: all of it comes right by
itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping

import httpx
import pytest
from redis import Redis

from adapters.label_studio.provision import SECRET_HEADER
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader
from adapters.services.programs import BACKEND, BEAT, LABEL_STUDIO, REDIS, WORKER_LIGHT, WORKER_TRAIN
from adapters.services.readiness import wait_ready
from cli.intake import take_in
from cli.services import started_home
from loop.planning import plan
from loop.records import Decision
from loop.rounds import cancel
from loop.training_records import RoundState
from tests.e2e.homes import Home, Mirror, draw_clips
from tests.e2e.outages import Services, wait_until_whole
from tests.e2e.projects import SIDE, fill, make_empty_project
from tests.e2e.readers import disc, label
from tests.fault_table import Drill
from tests.invariants import Parts, export_digests, parts_of
from tests.machine import wait_until
from tests.services.label_studio import READER_PASSWORD

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]

WITH_FRAMES = pytest.mark.usefixtures("frames")
LABELS = 50
CLIPS = range(20, 75)


@pytest.fixture(scope="module")
def services(home: Home) -> Services:
    return Services(home.settings)


@pytest.fixture(scope="module")
def mirror(home: Home) -> Mirror:
    """A project of its own; nothing in it yet, and no round begins in it by itself."""
    return make_empty_project(home, "Faults", min_new_labels=10_000)


@pytest.fixture
def frames(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Frames to read: those of the first drill, or others where only some drills are run."""
    if not mirror.frames:
        fill(mirror, draw_clips(tmp_path_factory.mktemp("drawn"), CLIPS, 2, SIDE), 500)


@pytest.fixture(scope="module")
def parts(home: Home) -> Parts:
    return parts_of(home.container)


@pytest.fixture(scope="module")
def reader(home: Home) -> Iterator[ReaderSession]:
    with ensure_reader(home.container.label_studio_api, "reader@faults.org", READER_PASSWORD) as session:
        yield session


@pytest.mark.fault("SIGKILL of the light worker in mid-push", done="kill -9 once the first chunk is there")
def test_a_push_that_was_cut_short_goes_on_and_doubles_nothing(
    home: Home,
    mirror: Mirror,
    parts: Parts,
    services: Services,
    tmp_path_factory: pytest.TempPathFactory,
    drill: Drill,
) -> None:
    take_in(home.container, mirror.project, draw_clips(tmp_path_factory.mktemp("drawn"), CLIPS, 2, SIDE))
    name = mirror.champion().name

    def pushed() -> list[int]:
        held = home.container.label_studio.predictions(mirror.label_studio_id(), name)
        return [prediction.task_id for prediction in held]

    wait_until(lambda: bool(pushed()), "a first push", 500)
    services.kill(WORKER_LIGHT)
    seconds = wait_until(lambda: len(mirror.queue()) == len(mirror.frames), "the whole queue", 500)
    assert max(Counter(pushed()).values()) == 1
    drill.took(seconds + wait_until_whole(parts, mirror.project_id))
    drill.check(parts, mirror.project_id)


@WITH_FRAMES
@pytest.mark.fault("the backend is down", done=f"killed and held down while {LABELS} labels are submitted")
def test_labels_of_which_no_webhook_tells_are_all_mirrored(
    mirror: Mirror, reader: ReaderSession, parts: Parts, services: Services, drill: Drill
) -> None:
    with services.without(BACKEND):
        made = label(mirror, reader, LABELS, SIDE)
    drill.took(wait_until_whole(parts, mirror.project_id))
    assert {mask.annotation_id for mask in mirror.masks().values()} == set(made.values())
    assert drill.check(parts, mirror.project_id).annotations == LABELS


@WITH_FRAMES
@pytest.mark.fault("SIGKILL of one service", done="kill -9, then two labels at once")
@pytest.mark.parametrize(
    "name",
    [
        BEAT,
        *(
            pytest.param(each, marks=pytest.mark.full)
            for each in (BACKEND, WORKER_LIGHT, WORKER_TRAIN, REDIS, LABEL_STUDIO)
        ),
    ],
)
def test_a_killed_service_loses_no_label(
    mirror: Mirror, reader: ReaderSession, parts: Parts, services: Services, name: str, drill: Drill
) -> None:
    before = export_digests(parts, mirror.project_id)
    services.kill(name)
    if name == LABEL_STUDIO:
        services.up()
    assert export_digests(parts, mirror.project_id) == before
    label(mirror, reader, 2, SIDE)
    drill.took(wait_until_whole(parts, mirror.project_id))
    services.up()
    drill.check(parts, mirror.project_id)


@WITH_FRAMES
@pytest.mark.fault(
    "SIGKILL of everything at once",
    done="kill -9 of the supervisor and all services while a round trains; up",
)
def test_everything_is_killed_at_once_and_the_round_goes_on(
    home: Home, mirror: Mirror, reader: ReaderSession, parts: Parts, services: Services, drill: Drill
) -> None:
    label(mirror, reader, 8, SIDE)
    wait_until_whole(parts, mirror.project_id)
    before = export_digests(parts, mirror.project_id)
    rules = home.container.round_rules
    planned = plan(home.container.round_ports, rules, mirror.project_id, is_forced=True)
    assert planned.round is not None, planned.trigger.reason
    wait_until(lambda: mirror.rounds()[-1].state is RoundState.TRAINING, "a training", 120)
    looked = _last_full_look(mirror)
    services.kill_all()
    with drill.recovering():
        with started_home(home.settings.root, {}):
            wait_ready(home.settings)
        wait_until(lambda: (_last_full_look(mirror) or "") > (looked or ""), "a look at everything", 120)
        wait_until(lambda: not mirror.rounds()[-1].state.is_live, "the end of the round", 400)
        wait_until_whole(parts, mirror.project_id)
    (ended,) = mirror.rounds()
    assert ended.verdict is not None, ended.error
    assert ended.attempt == 2
    drill.check(parts, mirror.project_id)
    assert export_digests(parts, mirror.project_id) == before


@WITH_FRAMES
@pytest.mark.fault("Redis is away, then loses all it holds", done="stopped (10 s; --full: 2 min); FLUSHALL")
def test_without_redis_labels_are_kept_and_a_flush_loses_none(
    home: Home,
    mirror: Mirror,
    reader: ReaderSession,
    parts: Parts,
    services: Services,
    pytestconfig: pytest.Config,
    drill: Drill,
) -> None:
    with services.without(REDIS):
        began = time.monotonic()
        label(mirror, reader, 3, SIDE)
        time.sleep(max(0.0, (120 if pytestconfig.getoption("--full") else 10) - (time.monotonic() - began)))
    drill.took(wait_until_whole(parts, mirror.project_id))
    label(mirror, reader, 2, SIDE)
    Redis(unix_socket_path=str(home.settings.redis_socket)).flushall()
    drill.took(wait_until_whole(parts, mirror.project_id))
    drill.check(parts, mirror.project_id)


@WITH_FRAMES
@pytest.mark.fault(
    "webhooks ten times, in the wrong order, stale after a deletion, forged", done="posted to the backend"
)
def test_webhooks_are_hints_whatever_they_say(
    home: Home, mirror: Mirror, reader: ReaderSession, parts: Parts, drill: Drill
) -> None:
    keys = list(label(mirror, reader, 3, SIDE).values())
    reader.update(keys[0], disc(mirror, 3, SIDE), 4.0)
    reader.delete(keys[1])
    wait_until_whole(parts, mirror.project_id)
    stamp = {"updated_at": "2020-01-01T00:00:00Z"}
    stale = {"action": "ANNOTATION_UPDATED", "annotation": {"id": keys[1], **stamp}}
    created = {"action": "ANNOTATION_CREATED", "annotation": {"id": keys[0], **stamp}}
    lie = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": keys[2]}]}
    events: list[Mapping[str, object]] = [stale, created, lie]
    events.append({"action": "TASKS_DELETED", "tasks": [{"id": mirror.queue()[0]}]})
    secret = home.settings.webhook_secret.get_secret_value()
    assert [send(home, mirror, event, "guessed") for event in events] == [401] * len(events)
    answers = Counter((str(event["action"]), send(home, mirror, event, secret)) for event in events * 10)
    assert all(answers[str(event["action"]), 201] == 1 for event in events[:2])
    # A deletion carries no time: once it was followed, the same words may tell of another one.
    assert all(answers[str(event["action"]), 201] >= 1 for event in events[2:])
    assert answers.total() == sum(number for (_, code), number in answers.items() if code in (200, 201))
    with home.container.database.read() as uow:
        assert uow.masks.latest(keys[1]) is not None
    wait_until(lambda: not _pending(home), "the inbox is drained", 60)
    assert mirror.latest(keys[1]) is Decision.DELETED
    assert mirror.latest(keys[2]) is not Decision.DELETED
    drill.took(wait_until_whole(parts, mirror.project_id))
    drill.check(parts, mirror.project_id)


def test_no_round_is_left_behind(home: Home, mirror: Mirror) -> None:
    assert cancel(home.container.round_ports, mirror.project_id) is None


def _last_full_look(mirror: Mirror) -> str | None:
    with mirror.container.database.read() as uow:
        return uow.marks.cursor(f"full-look-{mirror.project_id}")


def send(home: Home, mirror: Mirror, body: Mapping[str, object], secret: str) -> int:
    url = f"{home.settings.effective_backend_url}/webhook"
    stamped = {**body, "project": {"id": mirror.label_studio_id()}}
    headers = {SECRET_HEADER: secret}
    return httpx.post(url, json=stamped, headers=headers, trust_env=False, timeout=20).status_code


def _pending(home: Home) -> bool:
    with home.container.database.read() as uow:
        return bool(uow.inbox.pending(1))
