"""What each query of the loop costs as a project grows: `python -m benchmarks.database [FRAMES ...]`.

Half of the frames are labelled, all have predictions of two versions and a place in a Selection. What is
called for each label must cost the same in a project of any size; what a round, a look or an export calls may
grow with it, but not faster.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from adapters.metrics.counting import Counts
from benchmarks.filled import NOW, fill
from benchmarks.loading.servers import Postgres
from cli.status import read_project
from cli.system_parts import POSTGRES, explain_missing
from db import SqlDatabase, open_database
from loop.errors import NotFound
from loop.planning import RoundPorts, RoundRules, decide_to_plan
from loop.ports import UnitOfWork
from loop.records import Decision
from loop.storing import SplitRule, held_out_groups
from loop.sweep import followed_mark, sweep
from tests.fakes.queue import FakeQueue
from tests.postgres import running_postgres

SIZES = (1_000, 10_000, 100_000)
SECONDS_PER_QUERY = 0.7
FRESH = count(10_000_000)
"""Numbers of annotations and events that are not there yet."""


@dataclass(frozen=True)
class Query:
    """A call to be measured; `grows` says how its cost may follow the number of frames."""

    name: str
    grows: str
    call: Callable[[SqlDatabase, int], object]


def reading(call: Callable[[UnitOfWork, int], object]) -> Callable[[SqlDatabase, int], object]:
    """In a unit of its own, as the loop does it."""

    def run(database: SqlDatabase, project: int) -> object:
        with database.read() as uow:
            return call(uow, project)

    return run


def writing(call: Callable[[UnitOfWork, int], object]) -> Callable[[SqlDatabase, int], object]:
    """The same, committed."""

    def run(database: SqlDatabase, project: int) -> object:
        with database.write() as uow:
            answer = call(uow, project)
            uow.commit()
            return answer

    return run


def append_mask(uow: UnitOfWork, _: int) -> object:
    """A second annotation of a labelled frame, so that the project stays as it is."""
    number = next(FRESH)
    return uow.masks.append(
        frame_id=1,
        annotation_id=number,
        updated_at=NOW,
        reader_id=1,
        decision=Decision.SKIPPED,
        mask_digest=None,
        seconds=1.0,
        proposal_id=None,
        dice_to_proposal=None,
        is_simulated=False,
        now=NOW,
    )


def add_event(uow: UnitOfWork, _: int) -> object:
    """What the webhook does."""
    key = f"ANNOTATION_CREATED:{next(FRESH)}"
    event = {"action": "ANNOTATION_CREATED", "label_studio_project": 1}
    is_new = uow.inbox.add(key=key, annotation_ids=[1], task_ids=[], now=NOW, **event)  # type: ignore[arg-type]
    [noted] = uow.inbox.pending(1)
    uow.inbox.mark_done(noted.id, NOW)
    return is_new


def sweep_once(database: SqlDatabase, _: int) -> object:
    """What beat asks for every 10 seconds."""
    return sweep(RoundPorts(database, FakeQueue(), lambda: NOW + timedelta(days=30)), RoundRules())


FLAT, LINEAR = "not", "in proportion"
QUERIES = (
    Query("webhook: event into the inbox and off it", FLAT, writing(add_event)),
    Query("frame of a task", FLAT, reading(lambda uow, _: uow.frames.find_by_task(7))),
    Query("prediction by Label Studio's id", FLAT, reading(lambda uow, _: uow.predictions.find_by_remote(7))),
    Query("latest version of an annotation", FLAT, reading(lambda uow, _: uow.masks.latest(7))),
    Query("history of a frame", FLAT, reading(lambda uow, _: uow.masks.history(7))),
    Query("states of a page of 100 tasks", FLAT, reading(lambda uow, _: uow.masks.states(range(1, 101)))),
    Query("append a mask version", FLAT, writing(append_mask)),
    Query("pending inbox", FLAT, reading(lambda uow, _: uow.inbox.pending())),
    Query("is a round due?", FLAT, reading(lambda uow, it: decide_to_plan(uow, RoundRules(), it))),
    Query(
        "mark of what is followed", FLAT, reading(lambda uow, it: followed_mark(uow, uow.projects.get(it)))
    ),
    Query("whole sweep", FLAT, sweep_once),
    Query("frames that want a reader", LINEAR, reading(lambda uow, it: uow.frames.unlabelled(it))),
    Query("frames for review", LINEAR, reading(lambda uow, it: uow.frames.for_review(it))),
    Query("all frames", LINEAR, reading(lambda uow, it: uow.frames.list(it))),
    Query("current masks", LINEAR, reading(lambda uow, it: uow.masks.current(it))),
    Query("latest of all annotations", LINEAR, reading(lambda uow, it: uow.masks.latest_of_all(it))),
    Query("frames that were ever drawn on", LINEAR, reading(lambda uow, it: uow.masks.ever_trainable(it))),
    Query("how many are trainable", LINEAR, reading(lambda uow, it: uow.masks.count_trainable(it))),
    Query("predictions of a version", LINEAR, reading(lambda uow, it: uow.predictions.for_version(it, 2))),
    Query("newest Selection", LINEAR, reading(lambda uow, it: uow.selections.latest(it))),
    Query("groups to hold out", LINEAR, reading(lambda uow, it: held_out_groups(uow, it, [], SplitRule()))),
    Query("counts of a scrape", LINEAR, reading(lambda uow, _: Counts().look(uow))),
    Query("status page", LINEAR, reading(lambda uow, it: read_project(uow, uow.projects.get(it)))),
)


def milliseconds(database: SqlDatabase, project: int, query: Query) -> float:
    """Median of as many calls as fit into a moment, after one to warm up; at least three.

    SQLite works in this process, so there the processor's time is taken, which others on the machine do not
    lengthen; for PostgreSQL it is the time that passes.
    """
    clock = time.process_time if database.engine.dialect.name == "sqlite" else time.perf_counter
    query.call(database, project)
    times: list[float] = []
    until = time.perf_counter() + SECONDS_PER_QUERY
    while len(times) < 3 or time.perf_counter() < until:
        begun = clock()
        query.call(database, project)
        times.append(1000 * (clock() - begun))
    return float(np.median(times))


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """How the time follows the size, between the two largest: 0 not at all, 1 in proportion; NaN of one."""
    if len(sizes) < 2:
        return math.nan
    return math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2])


def measure(url: str, frames: int) -> dict[str, float]:
    """Milliseconds by query in a new project of so many frames."""
    database = open_database(url)
    try:
        project = fill(database, frames)
        if database.engine.dialect.name == "postgresql":
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("ANALYZE")  # as its own housekeeping would within a minute
        return {query.name: milliseconds(database, project, query) for query in QUERIES}
    finally:
        database.close()


@contextmanager
def addresses(kind: str) -> Iterator[Callable[[int], str]]:
    """A new database for each size."""
    if kind == "SQLite":
        with tempfile.TemporaryDirectory() as folder:
            yield lambda frames: f"sqlite:///{Path(folder) / str(frames)}.sqlite3"
        return
    programs = POSTGRES.find()
    if programs is None:
        raise NotFound(explain_missing(POSTGRES))
    with running_postgres(programs, is_durable=True) as url:
        yield lambda frames: Postgres(url).create(f"frames_{frames}")


def main() -> None:
    """Print a table for each database."""
    sizes = [int(word) for word in sys.argv[1:]] or list(SIZES)
    for kind, clock in (("SQLite", "processor time"), ("PostgreSQL", "time")):
        table = Table(title=f"{kind}: {clock} of a call in ms, median (and in microseconds a frame)")
        for heading in ("query", *(f"{size:,} frames" for size in sizes), "may grow", "n to the"):
            table.add_column(heading, justify="left" if heading == "query" else "right")
        with addresses(kind) as address:
            found = [measure(address(size), size) for size in sizes]
        for query in QUERIES:
            times = [each[query.name] for each in found]
            cells = [f"{ms:.2f} ({1000 * ms / size:.2f})" for ms, size in zip(times, sizes, strict=True)]
            table.add_row(query.name, *cells, query.grows, f"{exponent(sizes, times):.2f}")
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
