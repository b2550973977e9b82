"""A database server that is restarted inside the promotion: the old champion or the new one, never none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.system_parts import POSTGRES
from db import open_database
from loop.errors import SonoloopError
from loop.planning import RoundPorts
from loop.rounds import RoundRules, claim, judge_and_promote
from loop.training_records import Round, RoundState
from tests.conftest import demand
from tests.contract.repositories.conftest import create_postgres_database
from tests.fakes.crash import FragileDatabase, Fuse
from tests.fakes.queue import FakeQueue
from tests.fault_table import Drill
from tests.integration.loop.rounds import at_gate, label_until, outcomes, planned
from tests.integration.loop.world import World
from tests.invariants import settle
from tests.postgres import running_postgres

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    with running_postgres(demand(POSTGRES), is_durable=True) as url:
        yield url


class Restarting(Fuse):
    """Restarts the server at one step instead of dying."""

    def __init__(self, at: int, restart: Callable[[], object]) -> None:
        super().__init__(at)
        self._restart = restart

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            self._restart()


@pytest.mark.fault(
    "the database is restarted inside the promotion",
    done="pg_ctl restart -m immediate between any two statements of its transaction, and around its commit",
)
def test_a_restart_leaves_the_old_champion_or_the_new_one(
    own_server: str, pytestconfig: pytest.Config, drill: Drill
) -> None:
    url = create_postgres_database(own_server, "promotion")
    open_database(url).close()
    world = World(url, clips=4, per_clip=3)
    world.model()
    world.follow()
    label_until(world, 6)
    steps = promote(world, Fuse())
    assert steps > 10
    stride = 1 if pytestconfig.getoption("--full") else steps // 2
    for at in [*range(1, steps - 1, stride), steps - 1, steps]:  # the last two: before and after the commit
        before = world.now().champion_id
        with suppress(SonoloopError):
            promote(world, Restarting(at, partial(restart, world)))
        ended = live_or_last(world)
        champion = world.now().champion_id
        if ended.state is RoundState.PROMOTED:
            assert champion == ended.candidate_id != before
        else:
            assert (ended.state, champion) == (RoundState.GATING, before)
            go_on(world, ended)
        world.follow()
        settle(world.parts, world.project.id)
        drill.check(world.parts)
    world.database.close()


def promote(world: World, fuse: Fuse) -> int:
    """A round up to its verdict, whose transaction steps through the fuse; how many steps it has."""
    row, _ = at_gate(world, planned(world, is_forced=True))
    database: Any = FragileDatabase(world.database, fuse, deep=True)
    ports = RoundPorts(database, FakeQueue(), world.clock)
    judge(world, ports, row)
    return fuse.steps


def judge(world: World, ports: RoundPorts, row: Round) -> Round:
    shown = {"candidate": outcomes(0.9), "champion": outcomes(0.8), "champion_id": world.now().champion_id}
    return judge_and_promote(ports, RoundRules(), row, **shown)  # type: ignore[arg-type]


def restart(world: World) -> None:
    """Without any goodbye, as after a crash of the machine."""
    with world.database.engine.connect() as connection:
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
    command = [str(demand(POSTGRES) / "pg_ctl"), "restart", "-w", "-m", "immediate"]
    subprocess.run(
        [*command, "-D", str(folder), "-l", str(folder.parent / "log")],
        user="postgres" if os.geteuid() == 0 else None,
        cwd=folder.parent,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def live_or_last(world: World) -> Round:
    with world.database.read() as uow:
        return uow.rounds.list(world.project.id)[-1]


def go_on(world: World, row: Round) -> None:
    """The next attempt, once the lease has run out."""
    world.clock.advance(3600)
    again = claim(world.rounds, RoundRules(), row.id)
    assert judge(world, world.rounds, again).state is RoundState.PROMOTED
