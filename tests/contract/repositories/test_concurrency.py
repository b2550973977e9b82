"""Several threads and processes on one database: one winner, nothing lost, on every database."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from db import SqlDatabase
from loop.errors import Conflict, LeaseLost
from ml_backend.server import LIMITS
from tests.contract.repositories.rows import NOON, add_model, add_project, add_round, after

THREADS = 6


def at_once(call: Callable[[int], object]) -> list[object]:
    """The answers of several threads that start together; a Conflict is an answer too."""
    start = Barrier(THREADS)

    def run(number: int) -> object:
        start.wait()
        try:
            return call(number)
        except Conflict:
            return Conflict

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def committed_project(database: SqlDatabase) -> int:
    with database.write() as unit:
        project = add_project(unit)
        unit.commit()
    return project.id


def test_as_many_as_a_server_has_threads_find_their_connections_open(database: SqlDatabase) -> None:
    opened: list[object] = []
    event.listen(database.engine, "connect", lambda connection, _: opened.append(connection))
    database.open_connections(LIMITS.threads)
    assert len(opened) == LIMITS.threads
    together = Barrier(LIMITS.threads)

    def hold(_number: int) -> None:
        with database.read():
            together.wait(20)

    with ThreadPoolExecutor(LIMITS.threads) as pool:
        list(pool.map(hold, range(LIMITS.threads)))
    assert len(opened) == LIMITS.threads


def test_two_triggers_at_once_start_one_round(database: SqlDatabase) -> None:
    project_id = committed_project(database)

    def plan(_number: int) -> str:
        with database.write() as unit:
            unit.rounds.add(project_id, reason="20 new labels", seed=1, label_count=20, now=NOON)
            unit.commit()
        return "planned"

    assert Counter(at_once(plan)) == {"planned": 1, Conflict: THREADS - 1}


def test_two_workers_at_once_get_one_claim(database: SqlDatabase) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        unit.commit()

    def claim(_number: int) -> int:
        with database.write() as unit:
            attempt = unit.rounds.claim(planned.id, now=NOON, until=after(60)).attempt
            unit.commit()
        return attempt

    assert Counter(at_once(claim)) == {1: 1, Conflict: THREADS - 1}


def test_two_holders_at_once_get_one_lease(database: SqlDatabase) -> None:
    def acquire(number: int) -> bool:
        with database.write() as unit:
            is_mine = unit.marks.acquire("reconcile", str(number), now=NOON, until=after(60))
            unit.commit()
        return is_mine

    assert sum(bool(answer) for answer in at_once(acquire)) == 1


def test_a_webhook_sent_many_times_at_once_is_taken_in_once(database: SqlDatabase) -> None:
    def receive(_number: int) -> bool:
        with database.write() as unit:
            is_new = unit.inbox.add(
                key="7", action="A", label_studio_project=1, annotation_ids=[7], task_ids=[1], now=NOON
            )
            unit.commit()
        return is_new

    assert sum(bool(answer) for answer in at_once(receive)) == 1


def test_versions_registered_at_once_get_numbers_of_their_own(database: SqlDatabase) -> None:
    project_id = committed_project(database)

    def register(number: int) -> int:
        with database.write() as unit:
            version = add_model(unit, unit.projects.get(project_id), number)
            unit.commit()
        return version.number

    assert sorted(map(str, at_once(register))) == [str(number) for number in range(THREADS)]


def test_a_reader_seen_first_by_many_at_once_is_one_reader(database: SqlDatabase) -> None:
    def ensure(_number: int) -> int:
        with database.write() as unit:
            reader = unit.readers.ensure(5)
            unit.commit()
        return reader.id

    assert len(set(at_once(ensure))) == 1


def test_a_forked_process_works_beside_its_parent(database: SqlDatabase) -> None:
    project_id = committed_project(database)  # leaves a connection in the parent's pool

    def work() -> None:
        with database.write() as unit:
            unit.projects.set_settings(project_id, {"by": "child"})
            unit.commit()

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    with database.read() as unit:
        assert unit.projects.get(project_id).settings == {"by": "child"}


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "renew", "release", "progress"]),
        st.integers(0, 2),
        st.integers(0, 40),
    ),
    max_size=20,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(actions=ACTIONS)
def test_a_round_has_at_most_one_holder_whatever_the_workers_do(
    database: SqlDatabase, actions: list[tuple[str, int, int]]
) -> None:
    """Three workers claim, renew, release and write while time passes; only the last to claim may write."""
    with database.write() as unit:  # never committed, so that each example begins with no row
        round_id = add_round(unit, add_project(unit)).id
        attempts = {0: -1, 1: -1, 2: -1}  # what each worker believes to hold
        claims, free_at, clock = 0, 0, 0
        is_held = False
        for action, worker, seconds in actions:
            clock += seconds
            is_mine = claims > 0 and attempts[worker] == claims
            try:
                if action == "claim":
                    until = clock + 60
                    attempts[worker] = unit.rounds.claim(
                        round_id, now=after(clock), until=after(until)
                    ).attempt
                    assert not is_held or free_at <= clock
                    claims, free_at, is_held = claims + 1, until, True
                    assert attempts[worker] == claims
                elif action == "renew":
                    unit.rounds.renew(round_id, attempts[worker], until=after(clock + 60))
                    assert is_mine
                    assert is_held
                    free_at = clock + 60
                elif action == "release":
                    unit.rounds.release(round_id, attempts[worker])
                    assert is_mine
                    is_held = False
                else:
                    unit.rounds.set_progress(round_id, attempts[worker], {"worker": worker})
                    assert is_mine
            except LeaseLost:
                assert not is_mine or (action == "renew" and not is_held)
            except Conflict:
                assert is_held
                assert free_at > clock
        assert unit.rounds.get(round_id).attempt == claims
