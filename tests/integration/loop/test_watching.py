"""What the loop notes for those who watch it."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from adapters.metrics.standing import StandingCollector
from loop.ingest import drain_inbox, reconcile
from loop.planning import RoundRules
from loop.sweep import sweep
from loop.watching import last_reconciled, last_swept, lost_webhooks, note_reconciled
from tests.integration.loop.hearing import hear_created
from tests.integration.loop.world import World

LATER = 60.0


def look(world: World) -> int:
    """The reconciler comes by."""
    reconcile(world.ingest, world.project.id)
    return note_reconciled(world.database, world.clock, world.project.id)


def lost(world: World) -> int:
    with world.database.read() as uow:
        return lost_webhooks(uow, world.project.id)


def test_a_label_that_no_webhook_told_of_is_counted_once(served: World) -> None:
    served.label(2)
    assert look(served) == 0, "the webhook may still be on its way"
    served.clock.advance(LATER)
    assert [look(served), look(served)] == [2, 0]
    assert lost(served) == 2


def test_a_label_that_was_told_of_is_not_lost_whoever_mirrored_it(served: World) -> None:
    by_reconciler, by_webhook = served.label(2)
    hear_created(served, by_webhook)
    drain_inbox(served.ingest)
    assert look(served) == 0
    hear_created(served, by_reconciler)  # it comes after the reconciler did
    served.clock.advance(LATER)
    assert look(served) == 0
    assert lost(served) == 0


def test_a_change_that_was_not_told_of_is_lost_although_its_first_state_was(served: World) -> None:
    (annotation,) = served.label(1)
    hear_created(served, annotation)
    drain_inbox(served.ingest)
    served.clock.advance(LATER)
    assert look(served) == 0
    served.studio.update(annotation, lead_time=9.0)
    look(served)
    served.clock.advance(LATER)
    assert look(served) == 1


def test_a_deletion_is_not_counted(served: World) -> None:
    (annotation,) = served.label(1)
    hear_created(served, annotation)
    drain_inbox(served.ingest)
    served.studio.delete_annotation(annotation)
    look(served)
    served.clock.advance(LATER)
    assert look(served) == 0


def test_the_last_look_of_the_reconciler_and_of_the_sweeper_is_remembered(served: World) -> None:
    with served.database.read() as uow:
        assert (last_swept(uow), last_reconciled(uow, served.project.id)) == (None, None)
    look(served)
    sweep(served.rounds, RoundRules())
    with served.database.read() as uow:
        swept, reconciled = last_swept(uow), last_reconciled(uow, served.project.id)
    assert swept is not None
    assert reconciled is not None
    assert reconciled < swept <= served.clock.present


def test_prometheus_reads_how_many_were_lost(served: World, tmp_path: Path) -> None:
    def shown() -> float | None:
        registry = CollectorRegistry()
        registry.register(StandingCollector(lambda: served.database, dict, tmp_path, served.clock))
        labels = {"project": str(served.project.id)}
        return registry.get_sample_value("sonoloop_webhooks_lost_total", labels)

    assert shown() == 0
    served.label(3)
    look(served)
    served.clock.advance(LATER)
    look(served)
    assert shown() == 3
