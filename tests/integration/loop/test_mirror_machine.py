"""Whatever readers do and however their events arrive, the mirror ends up equal to Label Studio."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from db import open_database
from loop.ingest import drain_inbox, reconcile
from tests.integration.loop.hearing import receive
from tests.integration.loop.world import World
from tests.invariants import check

numbers = st.integers(0, 99)


@cache
def template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="mirror-")) / "empty.sqlite3"
    open_database(f"sqlite:///{path}").close()
    return path


class Mirror(RuleBasedStateMachine):
    """Readers work, events are lost, doubled and shuffled; `settle` is when everything has been looked at."""

    @initialize()
    def open_hospital(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mirror-"))
        shutil.copy(template(), self.folder / "db.sqlite3")
        self.world = World(f"sqlite:///{self.folder / 'db.sqlite3'}", clips=3, per_clip=2)
        self.world.model()
        self.world.follow()
        self.events: list[dict[str, Any]] = []
        self.known: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.settle()
            shutil.rmtree(self.folder)

    @rule(
        number=numbers,
        user_id=st.integers(2, 4),
        kind=st.sampled_from(["as shown", "empty", "drawn", "skip"]),
    )
    def annotate(self, number: int, user_id: int, kind: str) -> None:
        tasks = sorted(self.world.studio.tasks)
        if not tasks:
            return
        task_id = tasks[number % len(tasks)]
        shown = self.world.studio.shown_prediction(task_id)
        result = shown.result if shown and kind in ("as shown", "skip") else []
        if kind == "drawn":
            frame = self.world.frame_of(task_id)
            annotation = self.world.submit(frame, self.world.truth(frame), user_id=user_id)
        else:
            annotation = self.world.studio.annotate(
                task_id,
                result,
                user_id=user_id,
                was_cancelled=kind == "skip",
                parent_prediction=shown.id if shown and number % 2 else None,
            )
        self._tell("ANNOTATION_CREATED", annotation)

    @rule(number=numbers)
    def update(self, number: int) -> None:
        found = self._pick(number)
        if found is not None:
            self.world.studio.update(found, result=[], was_cancelled=False)
            self._tell("ANNOTATION_UPDATED", found)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        found = self._pick(number)
        if found is not None:
            self.world.studio.delete_annotation(found)
            self._note({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": found}]})

    @rule(number=numbers)
    def delete_task(self, number: int) -> None:
        tasks = sorted(self.world.studio.tasks)
        if len(tasks) > 3:
            self.world.studio.delete_task(tasks[number % len(tasks)])
            self._note({"action": "TASKS_DELETED", "tasks": [{"id": tasks[number % len(tasks)]}]})

    @rule(picks=st.lists(numbers, max_size=4))
    def deliver(self, picks: list[int]) -> None:
        """Some past events arrive now, in any order, perhaps not for the first time."""
        with self.world.database.write() as uow:
            for pick in picks:
                if self.events:
                    receive(uow, self.events[pick % len(self.events)], self.world.clock())
            uow.commit()

    @rule()
    def drain(self) -> None:
        drain_inbox(self.world.ingest)

    @rule()
    def look(self) -> None:
        self.world.clock.advance(400)
        reconcile(self.world.ingest, self.world.project.id)

    @rule()
    def new_champion(self) -> None:
        self.world.model()
        self.world.follow()

    @invariant()
    def nothing_unknown_is_mirrored(self) -> None:
        if hasattr(self, "world"):
            mirrored = {
                version.annotation_id
                for frame in self.world.frames()
                for version in self.world.history(frame)
            }
            assert mirrored <= self.known

    def settle(self) -> None:
        drain_inbox(self.world.ingest)
        reconcile(self.world.ingest, self.world.project.id, full=True)
        check(self.world.parts, self.world.project.id)
        alive = [item for task in self.world.studio.tasks.values() for item in task.annotations]
        with self.world.database.read() as uow:
            trainable = uow.masks.count_trainable(self.world.project.id)
        assert trainable == len({item.task_id for item in alive if not item.was_cancelled})

    def _pick(self, number: int) -> int | None:
        alive = sorted(item.id for task in self.world.studio.tasks.values() for item in task.annotations)
        return alive[number % len(alive)] if alive else None

    def _tell(self, action: str, annotation_id: int) -> None:
        self.known.add(annotation_id)
        updated_at = self.world.studio.get_annotation(annotation_id).updated_at.isoformat()
        self._note({"action": action, "annotation": {"id": annotation_id, "updated_at": updated_at}})

    def _note(self, event: dict[str, Any]) -> None:
        self.events.append({"project": {"id": self.world.label_studio_id}, **event})


TestMirror = Mirror.TestCase
TestMirror.settings = settings(
    max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
