"""One attempt at a round, with a training that ends as the test wishes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.bootstrap import Container
from loop.errors import OutOfMemory, TrainingFailed
from loop.planning import plan
from loop.rounds import claim
from loop.serving import put_into_service
from loop.training_records import Round, RoundState, Split
from tests.discs import TINY
from tests.fakes.clock import ManualClock
from tests.fakes.training import Look, Training
from tests.services.homes import NOW, make_home, make_settings
from worker.process import Event
from worker.stopping import Stopping
from worker.supervision import Crashed
from worker.training import Attempt, Train


@pytest.fixture
def container(tmp_path: Path) -> Container:
    settings = make_settings(tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock")
    make_home(settings, frames=8, held_out=2)
    container = Container(settings, ManualClock())
    plan(container.round_ports, container.round_rules, 1, is_forced=True)
    return container


def attempt(container: Container, training: Train) -> Round:
    claimed = claim(container.round_ports, container.round_rules, 1)
    Attempt(container, claimed, Stopping(), training).run()
    with container.database.read() as uow:
        return uow.rounds.get(1)


def add_champion(container: Container, content: bytes) -> int:
    digest = hashlib.sha256(content).hexdigest()
    container.storage.put("models", digest, content)
    facts: dict[str, Any] = {"config": {"network": "tiny"}, "metrics": {}, "now": NOW}
    with container.database.write() as uow:
        version = uow.models.add(1, digest=digest, round_id=None, origin="scratch", **facts)
        put_into_service(uow, 1, version.id, NOW)
        uow.commit()
    return version.id


def test_the_job_holds_every_labelled_frame_with_its_files(container: Container) -> None:
    training = Training(None)
    assert attempt(container, training).state is RoundState.PROMOTED
    (job,) = training.jobs
    assert len(job.samples) == 8
    assert len(job.of_split(Split.HELD_OUT)) == 2
    assert all(sample.image.exists() and sample.mask.exists() for sample in job.samples)
    assert (job.recipe, job.base, job.champion) == (TINY, None, None)
    with container.database.read() as uow:
        assert [(each.kind, each.subject) for each in uow.marks.list_set_aside()] == [("training-frame", "1")]


def test_out_of_memory_is_tried_once_more_with_half_the_batch(container: Container) -> None:
    training = Training(OutOfMemory("no more"), None)
    assert attempt(container, training).state is RoundState.PROMOTED
    assert [job.recipe.batch for job in training.jobs] == [4, 2]
    assert training.jobs[0].out != training.jobs[1].out


def test_out_of_memory_twice_fails_the_round_and_leaves_the_champion(container: Container) -> None:
    training = Training(OutOfMemory("no more"), OutOfMemory("no more"))
    ended = attempt(container, training)
    assert (ended.state, ended.attempt) == (RoundState.FAILED, 1)
    assert "batches of 4 and then 2 frames of 64 px" in str(ended.error)
    with container.database.read() as uow:
        assert uow.models.get(uow.projects.get(1).champion_id or 0).number == 0


def test_a_training_that_would_fail_again_is_not_tried_again(container: Container) -> None:
    ended = attempt(container, Training(TrainingFailed("a loss of nan")))
    assert (ended.state, ended.error) == (RoundState.FAILED, "got a loss of nan")


def test_a_crash_leaves_the_round_to_the_next_attempt_with_the_recipe_it_had(container: Container) -> None:
    waiting = attempt(container, Training(OutOfMemory("no more"), Crashed("signal 9")))
    assert (waiting.state, waiting.lease_until) == (RoundState.TRAINING, None)
    again = Training(None)
    assert attempt(container, again).state is RoundState.PROMOTED
    assert again.jobs[0].recipe.batch == 2


def test_a_third_crash_fails_the_round(container: Container) -> None:
    states = [attempt(container, Training(Crashed("signal 11"))).state for _ in range(3)]
    assert states == [RoundState.TRAINING, RoundState.TRAINING, RoundState.FAILED]


def test_a_bug_does_not_leave_the_round_hanging(container: Container) -> None:
    waiting = attempt(container, Training(ZeroDivisionError()))
    assert waiting.lease_until is None
    assert waiting.error is not None
    assert "ZeroDivisionError" in waiting.error


def test_a_champion_that_came_meanwhile_is_compared_with_too(container: Container) -> None:
    training = Training(None, None)
    added: list[int] = []

    def promote_another() -> None:
        if not added:
            added.append(add_champion(container, b"another"))

    training.before_end = promote_another
    ended = attempt(container, training)
    assert ended.state is RoundState.PROMOTED
    assert [job.champion is not None for job in training.jobs] == [False, True]


def test_a_worker_lost_before_the_verdict_costs_no_second_training(container: Container) -> None:
    class LostAtTheGate(Exception):
        pass

    class Losing(Attempt):
        def _is_judged(self, *_: Any) -> bool:
            raise LostAtTheGate

    claimed = claim(container.round_ports, container.round_rules, 1)
    first = Training(None)
    Losing(container, claimed, Stopping(), first).run()
    second = Training()
    assert attempt(container, second).state is RoundState.PROMOTED
    assert (len(first.jobs), len(second.jobs)) == (1, 0)


def test_a_lost_evaluation_is_made_again(container: Container) -> None:
    first = Training(None)

    def lose() -> None:
        raise Crashed("the power was cut")

    first.before_end = lose
    attempt(container, first)
    folder = container.settings.root / "rounds" / "1"
    (folder / "result.json").write_text(json.dumps({"champion_id": None, "evaluation": "gone"}))
    assert attempt(container, Training(None)).state is RoundState.PROMOTED


def test_with_nothing_held_out_the_model_serves_unproven_and_the_round_says_what_is_missing(
    tmp_path: Path,
) -> None:
    settings = make_settings(tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock")
    make_home(settings, frames=3, held_out=0)
    container = Container(settings, ManualClock())
    champion = add_champion(container, b"base weights")
    plan(container.round_ports, container.round_rules, 1, is_forced=True)
    ended = attempt(container, Training(None))
    assert ended.state is RoundState.PROMOTED
    assert ended.verdict is not None
    assert "no held-out recording; add more recordings" in ended.verdict.reason
    with container.database.read() as uow:
        assert uow.projects.get(1).champion_id == ended.candidate_id != champion


def test_an_evaluation_that_lacks_the_champion_lets_nothing_into_service(container: Container) -> None:
    champion = add_champion(container, b"base weights")

    def forgetful(path: Path, look: Look) -> Event:
        done = Training(None)(path, look)
        frames = json.loads(Path(done["evaluation"]).read_text())["frames"]
        frames = [{**frame, "champion": None} for frame in frames]
        Path(done["evaluation"]).write_text(json.dumps({"frames": frames}))
        return done

    ended = attempt(container, forgetful)
    assert ended.state is RoundState.FAILED
    assert "none of the champion" in str(ended.error)
    with container.database.read() as uow:
        assert uow.projects.get(1).champion_id == champion
