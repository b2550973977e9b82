"""What database and broker say at a scrape."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from adapters.bootstrap import Container
from adapters.metrics.catalogue import of_home
from adapters.metrics.exposition import page
from adapters.metrics.standing import StandingCollector
from db import SqlDatabase
from loop.errors import Unavailable
from loop.training_records import RoundState
from tests.fakes.clock import ManualClock
from tests.services.homes import NOW, make_home, make_settings


def no_queue() -> Mapping[str, int]:
    raise Unavailable("no answer from the queue")


@pytest.fixture
def container(tmp_path: Path) -> Container:
    settings = make_settings(tmp_path)
    make_home(settings, frames=6, held_out=2)
    return Container(settings, ManualClock(NOW))


def registry_of(container: Container, database: SqlDatabase | None = None) -> CollectorRegistry:
    """A registry that looks at the home anew."""
    registry = CollectorRegistry()
    registry.register(
        StandingCollector(
            lambda: database or container.database,
            lambda: {"train": 1, "light": 3},
            container.settings.root,
            container.clock,
        )
    )
    return registry


def value(container: Container, name: str, **labels: object) -> float | None:
    words = {label: str(word) for label, word in labels.items()}
    return registry_of(container).get_sample_value(name, words)


def test_a_home_shows_its_labels_its_champion_and_its_queues(container: Container) -> None:
    assert value(container, "sonoloop_up", part="database") == 1
    assert value(container, "sonoloop_frames", project=1) == 6
    assert value(container, "sonoloop_labels", project=1, decision="from_scratch") == 6
    assert value(container, "sonoloop_labels", project=1, decision="no_vein") == 0
    assert value(container, "sonoloop_taught_labels", project=1) == 0
    assert value(container, "sonoloop_new_labels", project=1) == 4
    assert value(container, "sonoloop_champion_version", project=1) == 0
    assert value(container, "sonoloop_champion_dice", project=1) is None
    assert value(container, "sonoloop_queue_messages", queue="light") == 3
    assert (value(container, "sonoloop_disk_free_bytes") or 0) > 0


def test_a_round_shows_its_state_its_epoch_and_who_holds_it(container: Container) -> None:
    assert value(container, "sonoloop_round_epoch", project=1) is None
    clock = container.clock
    assert isinstance(clock, ManualClock)
    with container.database.write() as uow:
        planned = uow.rounds.add(1, reason="asked for", seed=1, label_count=4, now=clock())
        uow.commit()
    clock.advance(30)
    assert value(container, "sonoloop_rounds", project=1, state="planned") == 1
    assert value(container, "sonoloop_round_unheld_seconds", project=1) == pytest.approx(30, abs=1)
    with container.database.write() as uow:
        claimed = uow.rounds.claim(planned.id, now=clock(), until=clock() + timedelta(seconds=60))
        uow.rounds.move(planned.id, claimed.attempt, RoundState.TRAINING, now=clock())
        uow.rounds.set_progress(planned.id, claimed.attempt, {"epoch": 2, "epochs": 8})
        uow.commit()
    assert value(container, "sonoloop_rounds", project=1, state="training") == 1
    assert value(container, "sonoloop_round_epoch", project=1) == 2
    assert value(container, "sonoloop_round_epochs", project=1) == 8
    assert value(container, "sonoloop_round_attempt", project=1) == 1
    assert value(container, "sonoloop_round_unheld_seconds", project=1) == 0


def test_what_waits_shows_how_long_its_oldest_has_waited(container: Container) -> None:
    clock = container.clock
    assert isinstance(clock, ManualClock)
    with container.database.write() as uow:
        uow.outbox.add("serve", {"project_id": 1, "model_version_id": 1}, clock())
        uow.marks.set_aside("file", "digest", "unreadable", clock())
        uow.commit()
    clock.advance(90)
    assert value(container, "sonoloop_outbox_pending") == 1
    assert value(container, "sonoloop_outbox_oldest_seconds") == pytest.approx(90, abs=1)
    assert value(container, "sonoloop_inbox_oldest_seconds") == 0
    assert value(container, "sonoloop_set_aside", kind="file") == 1


def test_a_broken_database_costs_its_own_figures_only(container: Container, tmp_path: Path) -> None:
    broken = SqlDatabase(f"sqlite:///{tmp_path}/no/such/folder/x.sqlite3")
    registry = registry_of(container, broken)
    assert registry.get_sample_value("sonoloop_up", {"part": "database"}) == 0
    assert registry.get_sample_value("sonoloop_up", {"part": "queue"}) == 1
    assert registry.get_sample_value("sonoloop_queue_messages", {"queue": "train"}) == 1
    assert registry.get_sample_value("sonoloop_inbox_pending") is None
    assert page(registry)[0].endswith(b"\n")


def test_a_queue_that_is_away_costs_its_own_figures_only(container: Container) -> None:
    registry = CollectorRegistry()
    root = container.settings.root
    registry.register(StandingCollector(lambda: container.database, no_queue, root, container.clock))
    assert registry.get_sample_value("sonoloop_up", {"part": "queue"}) == 0
    assert registry.get_sample_value("sonoloop_up", {"part": "database"}) == 1


def test_scrapes_in_quick_succession_look_once(container: Container) -> None:
    looks = []

    def lengths() -> Mapping[str, int]:
        looks.append(1)
        return {}

    registry = CollectorRegistry()
    root = container.settings.root
    registry.register(StandingCollector(lambda: container.database, lengths, root, container.clock))
    assert page(registry) == page(registry)
    assert len(looks) == 1


def test_registering_opens_nothing_and_names_every_figure_of_the_home() -> None:
    def never() -> SqlDatabase:
        raise AssertionError("the database was opened")

    collector = StandingCollector(never, no_queue, Path("/nowhere"), ManualClock())
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in collector.describe()
    }
    assert names == set(of_home())
