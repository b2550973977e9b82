"""The checker of all drills sees what it is there to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loop.ingest import reconcile
from loop.serving import relay_outbox
from loop.training_records import RoundState
from tests.integration.loop.rounds import at_gate, judged
from tests.integration.loop.world import World
from tests.invariants import check, examine, export_digests

Break = Callable[[World], object]


def lose_a_mask_file(world: World) -> None:
    digest = world.current()[0].mask_digest
    del world.storage.content["masks", str(digest)]


def change_weights(world: World) -> None:
    key = next(key for key in world.storage.content if key[0] == "models")
    world.storage.content[key] += b"!"


def bury_a_living_annotation(world: World) -> None:
    annotation_id = world.current()[0].annotation_id
    kept = world.studio.find(annotation_id)
    world.studio.delete_annotation(annotation_id)
    reconcile(world.ingest, world.project.id)
    kept[0].annotations.append(kept[1])


def move_the_alias_alone(world: World) -> None:
    version = world.model(serves=False)
    with world.database.write() as uow:
        uow.projects.set_champion(world.project.id, version.id)
        uow.commit()


def serve_another_version(world: World) -> None:
    relay_outbox(world.serving)
    world.studio.model_versions[world.label_studio_id] = "p1-v9"


def promote_a_round_without_its_candidate(world: World) -> None:
    row, _ = at_gate(world)
    with world.database.write() as uow:
        uow.rounds.move(row.id, row.attempt, RoundState.PROMOTED, now=world.clock())
        uow.commit()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda world: world.label(1), "is not mirrored"),
        (lambda world: world.studio.update(5001, result=[]), "another mask"),
        (lambda world: world.studio.delete_annotation(5001), "no tombstone"),
        (lambda world: world.studio.delete_task(101), "of a frame is gone"),
        (bury_a_living_annotation, "has a tombstone"),
        (lose_a_mask_file, "unknown content of masks"),
        (change_weights, "changed bytes"),
        (move_the_alias_alone, "the last in service"),
        (serve_another_version, "Label Studio serves 'p1-v9'"),
        (promote_a_round_without_its_candidate, "never served"),
    ],
)
def test_every_kind_of_damage_is_told(labelled: World, damage: Break, said: str) -> None:
    check(labelled.parts, labelled.project.id)
    damage(labelled)
    assert said in str(examine(labelled.parts, labelled.project.id))


def test_leftovers_and_weights_of_ended_rounds_are_told(labelled: World, tmp_path: Path) -> None:
    root = tmp_path / "home"
    row, _ = at_gate(labelled)
    judged(labelled, row, 0.9)
    out = root / "rounds" / str(row.id) / "try-1-of-attempt-1"
    out.mkdir(parents=True)
    for name in ("checkpoint.safetensors", "checkpoint.safetensors.77.part", ".writing-x"):
        (out / name).write_bytes(b"")
    said = str(examine(replace(labelled.parts, root=root), labelled.project.id))
    assert all(name in said for name in ("checkpoint.safetensors", ".part", ".writing-x"))


def test_an_export_is_told_file_by_file(labelled: World) -> None:
    before = export_digests(labelled.parts, labelled.project.id)
    assert any(name.startswith("masks/") for name in before)
    assert export_digests(labelled.parts, labelled.project.id) == before
    labelled.label(1)
    reconcile(labelled.ingest, labelled.project.id)
    assert export_digests(labelled.parts, labelled.project.id) != before
