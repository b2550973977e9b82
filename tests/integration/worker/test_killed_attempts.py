"""A train worker that is really killed between any two steps of a round; a round cancelled at any of them."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adapters.bootstrap import Container
from adapters.settings import Settings
from db import open_database
from loop.errors import Conflict
from loop.planning import plan
from loop.ports import Database
from loop.rounds import cancel, claim
from loop.serving import relay_outbox
from loop.sweep import sweep
from loop.training_records import Round, RoundState
from tests.fakes.clock import START, ManualClock
from tests.fakes.crash import FatalFuse, Fragile, FragileDatabase, Fuse
from tests.fakes.training import Training
from tests.fault_table import Drill
from tests.invariants import export_digests
from tests.services.homes import label_studio_of, make_home, make_settings, parts_with
from worker.stopping import Stopping
from worker.training import Attempt, run_round

KILLS = 12
"""By default; with --full a kill at every step."""


@dataclass(frozen=True)
class FragileHome(Container):
    """A home whose database and storage may die at any call."""

    fuse: Fuse = field(default_factory=Fuse)

    @cached_property
    def database(self) -> Any:
        return FragileDatabase(open_database(self.settings.effective_database_url), self.fuse, deep=True)

    @cached_property
    def storage(self) -> Any:
        return Fragile(Container(self.settings).storage, self.fuse)

    def close(self) -> None:
        """It dies, or the test's end closes it."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with eight labelled frames and a planned round."""
    folder = tmp_path_factory.mktemp("template")
    settings = offline(folder)
    make_home(settings, frames=8, held_out=2)
    with closing(Container(settings, ManualClock())) as container:
        plan(container.round_ports, container.round_rules, 1, is_forced=True)
    return folder


def offline(folder: Path) -> Settings:
    return make_settings(folder, redis_url=f"redis+socket://{folder}/none.sock")


@contextmanager
def copy_of(template: Path, folder: Path) -> Iterator[Settings]:
    shutil.copytree(template, folder)
    try:
        yield offline(folder)
    finally:
        shutil.rmtree(folder)


def attempt(container: Container) -> Round:
    claimed = claim(container.round_ports, container.round_rules, 1)
    Attempt(container, claimed, Stopping(), Training(None)).run()
    return row_of(container)


def row_of(container: Container) -> Round:
    with container.database.read() as uow:
        return uow.rounds.get(1)


def in_a_child(act: Callable[[], None]) -> int:
    """Run it in a forked process; its exit code, negative: the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def bring_to_its_end(settings: Settings) -> Container:
    """What the next workers do once the dead one's lease has run out."""
    clock = ManualClock(START + timedelta(hours=1))
    container = Container(settings, clock)
    for _ in range(4):
        if not row_of(container).state.is_live:
            break
        sweep(container.round_ports, container.round_rules)
        attempt(container)
        clock.advance(60)
    return container


@pytest.mark.fault(
    "SIGKILL of the train worker: between checkpoint and registry row, alias and outbox, any two statements",
    done="kill -9 at each of its calls, statements and commits in turn",
)
@pytest.mark.timeout(900)
def test_a_round_ends_the_same_wherever_its_worker_was_killed(
    template: Path, tmp_path: Path, pytestconfig: pytest.Config, drill: Drill
) -> None:
    fuse = Fuse()
    with copy_of(template, tmp_path / "whole") as settings:
        before = exported(settings)
        attempt(FragileHome(settings, ManualClock(), fuse))
    assert fuse.steps > 40
    stride = 1 if pytestconfig.getoption("--full") else fuse.steps // KILLS
    slowest = 0.0
    for at in range(1, fuse.steps + 1, stride):
        with copy_of(template, tmp_path / str(at)) as settings:

            def die(settings: Settings = settings, at: int = at) -> None:
                attempt(FragileHome(settings, ManualClock(), FatalFuse(at)))

            assert in_a_child(die) == -signal.SIGKILL
            began = time.monotonic()
            with closing(bring_to_its_end(settings)) as container:
                slowest = max(slowest, time.monotonic() - began)
                assert_one_champion(container, at)
                studio = label_studio_of(container)
                relay_outbox(parts_with(container, studio).serving)
                run_round(container, 1, Stopping())  # is over: tidies up
                drill.check(parts_with(container, studio))
                assert export_digests(parts_with(container, studio), 1) == before
    drill.took(slowest)


def assert_one_champion(container: Container, at: int) -> None:
    with container.database.read() as uow:
        row, project = uow.rounds.get(1), uow.projects.get(1)
        versions = uow.models.list(1)
        service = [version for version, _ in uow.models.service_history(1)]
        told = [message.payload["model_version_id"] for message in uow.outbox.pending()]
    assert row.state is RoundState.PROMOTED, f"killed at step {at}: {row}"
    assert [version.number for version in versions] == [0, 1]
    assert service == [versions[0].id, versions[1].id]
    assert told == [project.champion_id] == [versions[1].id]


def exported(settings: Settings) -> dict[str, str]:
    with closing(Container(settings, ManualClock())) as container:
        return export_digests(parts_with(container, label_studio_of(container)), 1)


class Interposed:
    """A database that does something of its own before its n-th transaction opens."""

    def __init__(self, database: Database, at: int, act: Callable[[], object]) -> None:
        self.opened = 0
        self._database, self._at, self._act = database, at, act

    def write(self) -> Any:
        return self._open(self._database.write)

    def read(self) -> Any:
        return self._open(self._database.read)

    def close(self) -> None:
        """Closed by whoever made it."""

    def _open(self, opened: Callable[[], Any]) -> Any:
        self.opened += 1
        if self.opened == self._at:
            self._act()
        return opened()


@dataclass(frozen=True)
class InterposedHome(Container):
    interposed: Interposed | None = None

    @cached_property
    def database(self) -> Any:
        return self.interposed


@pytest.mark.fault(
    "cancel in every phase",
    done="asked for before each transaction of a round: planned, freeze, training, gating, judged",
)
def test_a_round_that_is_cancelled_at_any_moment_stops_at_once_and_leaves_no_half_state(
    template: Path, tmp_path: Path, drill: Drill
) -> None:
    seen: dict[RoundState, set[RoundState]] = {}
    slowest = 0.0
    for at in count(1):
        with copy_of(template, tmp_path / str(at)) as settings, closing(Container(settings)) as person:
            asked: list[tuple[RoundState, float]] = []

            def ask(person: Container = person, asked: list[tuple[RoundState, float]] = asked) -> None:
                live = row_of(person).state
                cancel(person.round_ports, 1)
                asked.append((live, time.monotonic()))

            database = Interposed(person.database, at, ask)
            home = InterposedHome(settings, person.clock, database)
            with suppress(Conflict):  # cancelled before anybody had it
                attempt(home)
            if not asked:
                break  # the round was over before; how many transactions it opens hangs on how long it takes
            ended, (state, moment) = row_of(person), asked[0]
            slowest = max(slowest, time.monotonic() - moment)
            seen.setdefault(state, set()).add(ended.state)
            run_round(person, 1, Stopping())
            drill.check(parts_with(person, label_studio_of(person)))
    assert slowest < 10
    assert seen.pop(RoundState.PROMOTED, None) in (None, {RoundState.PROMOTED})
    live = (RoundState.PLANNED, RoundState.TRAINING, RoundState.GATING)
    assert seen == {state: {RoundState.CANCELLED} for state in live}
    drill.took(slowest)
