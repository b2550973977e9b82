"""Old predictions leave Label Studio late, the last two versions never, and nothing that was read suffers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from loop.errors import Unavailable
from loop.following import PreannotateRules, lease_of
from loop.ingest import reconcile
from loop.records import ModelVersion
from loop.serving import put_into_service, relay_outbox
from loop.withdrawing import withdraw_outdated
from tests.integration.loop.world import World

LOCK = timedelta(minutes=30)
DAY = 24 * 3600.0
RULES = PreannotateRules()


def withdraw(world: World) -> list[str]:
    gone = withdraw_outdated(world.preannotate, RULES, world.project.id, LOCK)
    return [version.name for version in gone]


def versions_held(world: World) -> set[str]:
    return {item.model_version for item in world.studio.stored_predictions.values()}


def serve(world: World, times: int) -> list[ModelVersion]:
    """That many versions, one after the other, a minute apart."""
    served = []
    for _ in range(times):
        served.append(world.model())
        world.follow()
        world.clock.advance(60)
    return served


def test_they_stay_until_the_last_lock_has_run_out_and_a_day_more(world: World) -> None:
    serve(world, 3)
    world.clock.advance(DAY + 1700 - 120)
    assert withdraw(world) == []
    world.clock.advance(300)
    assert withdraw(world) == ["p1-v0"]
    assert versions_held(world) == {"p1-v1", "p1-v2"}


def test_the_version_in_service_and_its_predecessor_stay_for_ever(world: World) -> None:
    serve(world, 2)
    world.clock.advance(90 * DAY)
    assert withdraw(world) == []
    assert versions_held(world) == {"p1-v0", "p1-v1"}


def test_a_champion_that_label_studio_does_not_serve_yet_stays(world: World) -> None:
    first, *_ = serve(world, 3)
    world.clock.advance(2 * DAY)
    with world.database.write() as uow:
        put_into_service(uow, world.project.id, first.id, world.clock())
        uow.commit()
    assert withdraw(world) == []


def test_what_was_read_keeps_its_decision_and_its_proposal(world: World) -> None:
    serve(world, 1)
    world.label(6)
    reconcile(world.ingest, world.project.id)
    with world.database.read() as uow:
        before = uow.masks.latest_of_all(world.project.id)
    serve(world, 2)
    world.clock.advance(2 * DAY)
    assert withdraw(world) == ["p1-v0"]
    reconcile(world.ingest, world.project.id, full=True)
    with world.database.read() as uow:
        assert uow.masks.latest_of_all(world.project.id) == before
    assert any(mask.proposal_id for mask in before)


def test_a_withdrawn_version_that_serves_again_is_pushed_again(world: World) -> None:
    first, *_ = serve(world, 3)
    world.clock.advance(2 * DAY)
    assert withdraw(world) == [first.name]
    with world.database.write() as uow:
        put_into_service(uow, world.project.id, first.id, world.clock())
        uow.commit()
    relay_outbox(world.serving)
    assert world.follow().pushed == 32
    assert world.studio.model_versions[world.label_studio_id] == first.name
    with world.database.read() as uow:
        assert uow.models.get(first.id).withdrawn_at is None


def test_nothing_is_withdrawn_while_a_champion_is_being_followed(world: World) -> None:
    serve(world, 3)
    world.clock.advance(2 * DAY)
    lease_of(world.preannotate, RULES, world.project.id).take()
    assert withdraw(world) == []


def test_a_label_studio_that_is_away_is_asked_again_the_next_day(world: World) -> None:
    serve(world, 3)
    world.clock.advance(2 * DAY)
    world.studio.is_down = True
    with pytest.raises(Unavailable):
        withdraw(world)
    world.studio.is_down = False
    assert withdraw(world) == ["p1-v0"]
    assert withdraw(world) == []
