"""Twenty minutes of everything at once: readers at work, services killed, messages lost, rounds cut short."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader
from tests.e2e.homes import Home, Mirror, draw_clips, running_home
from tests.e2e.outages import wait_until_whole
from tests.e2e.projects import fill, make_empty_project
from tests.e2e.walk import SIDE, Walk
from tests.fault_table import Drill
from tests.machine import demand_label_studio, wait_until
from tests.services.label_studio import READER_PASSWORD


@pytest.mark.full
@pytest.mark.services
@pytest.mark.timeout(3600)
@pytest.mark.fault(
    "a random walk of many of these",
    done="labels, corrections, deletions, webhooks, kill -9 of every service and of all, Redis flushed, "
    "rounds started, cancelled and rolled back, for 20 minutes",
)
def test_whatever_happens_for_twenty_minutes_nothing_is_lost(
    tmp_path: Path, pytestconfig: pytest.Config, say: Callable[[str], None], drill: Drill
) -> None:
    demand_label_studio()
    seed = pytestconfig.getoption("--walk-seed")
    seed = int(time.time()) if seed is None else seed
    say(f"--walk-seed {seed}")
    with running_home(draw_clips(tmp_path / "first", range(2), 1, SIDE)) as home:
        walk = Walk(home, make_mirror(home, tmp_path), sessions_of(home), random.Random(seed), say)
        try:
            walk.go(pytestconfig.getoption("--walk-seconds"))
            finish(walk)
        except BaseException:
            say("\n  ".join([f"seed {seed}, {len(walk.steps)} steps:", *walk.steps]))
            raise
        say(f"seed {seed}: {len(walk.steps)} steps, {walk.tally()}")
        drill.took(walk.slowest)
        drill.check(walk.parts, walk.mirror.project_id)


def make_mirror(home: Home, folder: Path) -> Mirror:
    """A project of small frames whose rounds come after every tenth label."""
    mirror = make_empty_project(home, "Walk", min_new_labels=10)
    fill(mirror, draw_clips(folder / "frames", range(20, 55), 2, SIDE), 900)
    return mirror


def sessions_of(home: Home) -> Callable[[], ReaderSession]:
    """A reader who logs in again after a restart; two take turns."""
    made: dict[int, ReaderSession] = {}
    turns = iter(range(10**9))

    def next_session() -> ReaderSession:
        number = next(turns) % 2
        if number not in made:
            email = f"reader{number}@walk.org"
            made[number] = ensure_reader(home.container.label_studio_api, email, READER_PASSWORD)
        return made[number]

    return next_session


def finish(walk: Walk) -> None:
    """After all that, a round still runs to its end, and all is whole."""
    walk.services.up()
    wait_until(lambda: not any(row.state.is_live for row in walk.mirror.rounds()), "the last round", 900)
    before = len(walk.mirror.rounds())
    walk.do(walk.label)
    walk.do(walk.start_round)
    wait_until(lambda: len(walk.mirror.rounds()) > before, "one more round", 300)
    wait_until(lambda: not walk.mirror.rounds()[-1].state.is_live, "its end", 900)
    ended = walk.mirror.rounds()[-1]
    assert ended.verdict is not None, ended.error
    wait_until_whole(walk.parts, walk.mirror.project_id)
