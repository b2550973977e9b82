"""Counts over all frames: not made anew at each scrape, and never older than they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.bootstrap import Container, build
from adapters.metrics.counting import MOST_SECONDS, SHARE, Counts
from loop.records import Decision
from tests.services.homes import NOW, make_home, make_settings

FRAMES = 6


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    settings = make_settings(tmp_path)
    make_home(settings, frames=FRAMES, held_out=2)
    built = build(settings)
    yield built
    built.close()


class SlowClock:
    """Each look at it takes some seconds, and so does what is measured with it."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def look(container: Container, counts: Counts) -> dict[str, float | None]:
    with container.database.read() as uow:
        return {" ".join([name, *map(str, labels)]): value for name, value, labels in counts.look(uow)}


def skip(container: Container, frame_id: int) -> None:
    with container.database.write() as uow:
        uow.masks.append(
            frame_id=frame_id,
            annotation_id=500 + frame_id,
            updated_at=NOW.replace(year=2027),
            reader_id=None,
            decision=Decision.SKIPPED,
            mask_digest=None,
            seconds=1.0,
            proposal_id=None,
            dice_to_proposal=None,
            is_simulated=True,
            now=NOW,
        )
        uow.commit()


@pytest.mark.parametrize("cost", [0.5, 5.0])
def test_counts_stand_for_many_times_as_long_as_they_took_and_tell_their_age(
    container: Container, cost: float
) -> None:
    clock = SlowClock(cost)
    counts = Counts(clock)
    assert look(container, counts)["sonoloop_labels 1 from_scratch"] == FRAMES
    counted = 2 * cost
    skip(container, 1)
    clock.now = counted + min(MOST_SECONDS, SHARE * cost) - 2 * cost
    kept = look(container, counts)
    assert kept["sonoloop_labels 1 from_scratch"] == FRAMES
    assert kept["sonoloop_counts_age_seconds"] == clock.now - counted
    anew = look(container, counts)
    assert (anew["sonoloop_labels 1 from_scratch"], anew["sonoloop_labels 1 skipped"]) == (FRAMES - 1, 1)
    assert anew["sonoloop_counts_age_seconds"] == cost


def test_a_new_project_and_a_new_champion_are_counted_at_once(container: Container) -> None:
    counts = Counts(SlowClock(1.0))
    assert look(container, counts)["sonoloop_frames 1"] == FRAMES
    with container.database.write() as uow:
        added = uow.projects.add("Another", ["vein"], {})
        uow.commit()
    seen = look(container, counts)
    assert (seen[f"sonoloop_frames {added.id}"], seen[f"sonoloop_unread_frames {added.id}"]) == (0, None)
    with container.database.write() as uow:
        version = uow.models.add(
            added.id, digest="1" * 64, round_id=None, origin="none", config={}, metrics={}, now=NOW
        )
        uow.projects.set_champion(added.id, version.id)
        uow.commit()
    assert look(container, counts)[f"sonoloop_unread_frames {added.id}"] == 0
