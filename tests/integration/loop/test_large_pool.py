"""Following a champion in a large project reads each frame a few times, not once for every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any

from loop.ingest import reconcile
from loop.ports import Database, UnitOfWork
from loop.remote import NewPrediction
from tests.integration.loop.world import World

FRAMES, BATCH = 2000, 50
READS_OF_A_FRAME = 20
"""Rows of any table that a whole run may read for each frame; with 40 batches it would be hundreds, were the
project read again for each.
"""


class Counted:
    """A database whose repositories count the rows that they give, in `rows`."""

    def __init__(self, database: Database) -> None:
        self.rows = 0
        self._database = database

    @contextmanager
    def write(self) -> Iterator[Any]:
        with self._database.write() as unit:
            yield _Unit(unit, self)

    @contextmanager
    def read(self) -> Iterator[Any]:
        with self._database.read() as unit:
            yield _Unit(unit, self)


class _Unit:
    def __init__(self, unit: UnitOfWork, counted: Counted) -> None:
        self._unit, self._counted = unit, counted

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._unit, name)
        return part if name in ("commit", "after_commit") else _Repository(part, self._counted)


class _Repository:
    def __init__(self, repository: object, counted: Counted) -> None:
        self._repository, self._counted = repository, counted

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._repository, name)

        def counting(*args: Any, **named: Any) -> Any:
            answer = call(*args, **named)
            self._counted.rows += len(answer) if isinstance(answer, Sized) else 1
            return answer

        return counting


def test_a_run_reads_no_more_for_a_frame_however_many_batches_there_are(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=FRAMES // 20, per_clip=20)
    world.model()
    counted = Counted(world.database)
    world.database = counted  # type: ignore[assignment]
    assert world.follow(score_limit=BATCH, push_limit=BATCH).pushed == FRAMES
    assert FRAMES < counted.rows < READS_OF_A_FRAME * FRAMES
    counted.rows = 0
    assert world.follow(score_limit=BATCH, push_limit=BATCH).pushed == 0
    assert counted.rows < READS_OF_A_FRAME * FRAMES


def test_frames_that_come_or_are_labelled_during_a_run_are_seen(world: World) -> None:
    world.model()
    pushes: list[int] = []
    push = type(world.studio).push_predictions

    def watched(project_id: int, predictions: Sequence[NewPrediction]) -> None:
        push(world.studio, project_id, predictions)
        pushes.append(len(predictions))
        if len(pushes) == 2:
            world.label(3)
            reconcile(world.ingest, world.project.id)
            world.add(1, 4, prefix="late")

    world.studio.push_predictions = watched  # type: ignore[method-assign]
    followed = world.follow(score_limit=4, push_limit=5)
    held = {item.task_id for item in world.studio.stored_predictions.values()}
    tasks = {frame.task_id: frame.clip for frame in world.frames()}
    assert {task for task, clip in tasks.items() if clip.startswith("late")} <= held
    labelled = {frame.task_id for frame in world.frames() if world.history(frame)}
    assert len(labelled) == 3
    assert tasks.keys() - held <= labelled
    assert followed.pushed == len(held)
