"""Leases by the real clock: slow steps keep them, dead holders lose them, none is lost without notice."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from adapters.bootstrap import utc_now
from loop.errors import LeaseLost, Unavailable
from loop.leases import Lease
from loop.ports import Database
from loop.remote import NewPrediction
from tests.integration.loop.world import World

SECONDS = 1.5
HOLDER = """
import sys, time
from adapters.bootstrap import utc_now
from db import SqlDatabase
from loop.leases import Lease

with Lease(SqlDatabase(sys.argv[1]), utc_now, "work", float(sys.argv[2])).kept():
    print("held", flush=True)
    time.sleep(600)
"""


def lease(database: Database, seconds: float = SECONDS) -> Lease:
    return Lease(database, utc_now, "work", seconds)


def stay_out(database: Database, leases: float) -> None:
    """Others try for the time of so many leases, and none gets in."""
    until = time.monotonic() + leases * SECONDS
    while time.monotonic() < until:
        with pytest.raises(LeaseLost):
            lease(database).take()
        time.sleep(0.1)


class Away:
    """A database that does not answer the writes of these numbers, counted from 1."""

    def __init__(self, database: Database, *numbers: int) -> None:
        self._database, self._numbers, self.writes = database, numbers, 0

    @contextmanager
    def write(self) -> Iterator[Any]:
        self.writes += 1
        if self.writes in self._numbers:
            raise Unavailable("no answer from the database")
        with self._database.write() as unit:
            yield unit


class Slow:
    """A database that takes half a second for each renewal."""

    def __init__(self, database: Database) -> None:
        self._database, self.is_renewing = database, threading.Event()

    @contextmanager
    def write(self) -> Iterator[Any]:
        is_renewal = threading.current_thread() is not threading.main_thread()
        if is_renewal:
            self.is_renewing.set()
            time.sleep(0.5)
        with self._database.write() as unit:
            yield unit
        if is_renewal:
            self.is_renewing.clear()


def test_a_step_that_takes_longer_than_the_lease_keeps_it_though_a_renewal_fails(world: World) -> None:
    database: Any = Away(world.database, 2, 5)
    with lease(database).kept():
        stay_out(world.database, 3)
    assert database.writes > 5
    lease(world.database).take()


def test_a_holder_that_is_killed_keeps_others_out_for_one_lease_at_most(world: World) -> None:
    url = world.database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", HOLDER, url, str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        stay_out(world.database, 2)
        process.kill()
        process.wait()
    killed = utc_now()
    with world.database.read() as uow:
        until = uow.marks.held_until("work")
    assert until is not None
    assert until <= killed + timedelta(seconds=SECONDS)
    time.sleep(max(0.0, (until - utc_now()).total_seconds()))
    lease(world.database).take()


def test_a_renewal_that_is_under_way_ends_before_the_lease_is_given_back(world: World) -> None:
    database: Any = Slow(world.database)
    with lease(database, 0.03).kept():
        database.is_renewing.wait()
    assert not database.is_renewing.is_set()
    with world.database.read() as uow:
        assert uow.marks.held_until("work") is None


def test_a_holder_that_stood_still_learns_that_another_was_there_even_if_it_has_left(world: World) -> None:
    first, second = (Lease(world.database, world.clock, "work", SECONDS) for _ in range(2))
    first.take()
    world.clock.advance(60)
    first.renew()  # late, but nobody was there
    world.clock.advance(60)
    with second.kept():
        pass
    with pytest.raises(LeaseLost):
        first.renew()


def test_while_a_push_takes_longer_than_the_lease_no_second_run_pushes(world: World) -> None:
    world.model()
    world.clock = utc_now  # type: ignore[assignment]
    refused: list[str] = []
    push = world.studio.push_predictions

    def slow(project_id: int, predictions: list[NewPrediction]) -> None:
        until = time.monotonic() + 2 * SECONDS
        while time.monotonic() < until:
            refused.append(world.follow(lease_seconds=SECONDS).reason)
            time.sleep(0.2)
        push(project_id, predictions)

    world.studio.push_predictions = slow  # type: ignore[assignment,method-assign]
    assert world.follow(lease_seconds=SECONDS).pushed == 32
    assert len(world.pushed()) == 32
    assert refused
    assert all(refused)


def test_a_run_whose_lease_went_to_another_sends_nothing_more(make_world: Callable[..., World]) -> None:
    world = make_world(clips=50, per_clip=5)
    world.model(origin="none")
    push = world.studio.push_predictions

    def still(project_id: int, predictions: list[NewPrediction]) -> None:
        push(project_id, predictions)
        world.studio.push_predictions = push  # type: ignore[method-assign]
        world.clock.advance(3600)  # this process stands still; another takes over and is done
        assert world.follow().pushed == 150

    world.studio.push_predictions = still  # type: ignore[assignment,method-assign]
    assert "lease" in world.follow().reason
    assert len(world.pushed()) == 250
