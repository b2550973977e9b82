"""Moving the alias by hand never puts a version into service that could draw nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from adapters.storage import LocalStorage
from adapters.storage.layout import place_of
from loop.errors import BadWeights, Conflict, NotFound
from loop.records import ModelVersion
from loop.serving import put_into_service
from loop.versions import promote, rollback
from tests.integration.loop.world import World


def state(world: World) -> object:
    """What a change by hand could change."""
    with world.database.read() as uow:
        return (
            uow.projects.get(world.project.id).champion_id,
            uow.models.service_history(world.project.id),
            [message.id for message in uow.outbox.pending()],
        )


def lose(world: World, version: ModelVersion) -> None:
    del world.storage.content["models", version.digest]


def test_a_version_without_its_weights_is_not_promoted_and_nothing_changes(world: World) -> None:
    world.model()
    version = world.model(serves=False)
    lose(world, version)
    before = state(world)
    with pytest.raises(NotFound, match=f"{version.name}.*weights are not in storage.*backup"):
        promote(world.rounds, world.storage, world.project.id, version.name)
    assert state(world) == before
    world.weights("version 1")
    promote(world.rounds, world.storage, world.project.id, version.name)
    assert world.now().champion_id == version.id


def test_there_is_no_way_back_to_a_version_without_its_weights(world: World) -> None:
    first = world.model()
    world.model()
    lose(world, first)
    before = state(world)
    with pytest.raises(NotFound, match=f"{first.name}.*weights are not in storage"):
        rollback(world.rounds, world.storage, world.project.id)
    assert state(world) == before


def test_damaged_weights_are_not_promoted(world: World, tmp_path: Path) -> None:
    world.model()
    version = world.model(serves=False)
    storage = LocalStorage(tmp_path)
    storage.put("models", version.digest, b"version 1")
    assert hashlib.sha256(b"version 1").hexdigest() == version.digest
    (tmp_path / place_of("models", version.digest)).write_bytes(b"version 2")
    before = state(world)
    with pytest.raises(BadWeights):
        promote(world.rounds, storage, world.project.id, version.name)
    assert state(world) == before


def test_a_version_that_only_orders_needs_no_weights(world: World) -> None:
    order_only = world.model("none")
    lose(world, order_only)
    world.model()
    assert rollback(world.rounds, world.storage, world.project.id).id == order_only.id


def test_a_round_that_ends_during_a_rollback_keeps_its_version_in_service(world: World) -> None:
    world.model()
    world.model()
    late = world.model(serves=False)

    class Slow:
        """While the weights are looked at, the round's version comes into service."""

        def get(self, kind: str, digest: str) -> bytes:
            with world.database.write() as uow:
                put_into_service(uow, world.project.id, late.id, world.clock())
                uow.commit()
            return world.storage.get(kind, digest)

        put, exists = world.storage.put, world.storage.exists

    with pytest.raises(Conflict, match="came into service just now"):
        rollback(world.rounds, Slow(), world.project.id)
    assert world.now().champion_id == late.id
