"""The fake Label Studio and the real one behind our client, each with its readers, for one contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from adapters.brush import SdkBrushCodec
from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.provision import ensure_project
from adapters.label_studio.session import ReaderSession
from loop.ports import LabelStudio
from loop.regions import mask_to_result
from tests.fakes.label_studio import FakeLabelStudio
from tests.services.label_studio import LabelStudioServer, project_plan

Result = Sequence[Mapping[str, Any]]
NOTHING: Result = []


def drawn(key: str) -> Result:
    mask = np.zeros((1, 16, 24), dtype=np.bool_)
    mask[0, 4:9, 5:12] = True
    return mask_to_result(mask, ("Vein",), SdkBrushCodec(), key)


VEIN = drawn("proposal")


class Stage(Protocol):
    """The port, and the people around it."""

    @property
    def studio(self) -> LabelStudio: ...
    def new_project(self) -> int: ...
    def user_id(self, reader: str) -> int: ...
    def unknown_user(self) -> int: ...
    def next_task(self, project: int, reader: str) -> tuple[int, Result | None] | None: ...
    def submit(self, task: int, result: Result, reader: str, parent: int | None = None) -> int: ...
    def skip(self, task: int, reader: str) -> int: ...
    def update(self, annotation: int, result: Result, reader: str) -> None: ...
    def delete_annotation(self, annotation: int) -> None: ...
    def delete_task(self, task: int) -> None: ...


@dataclass
class FakeStage:
    studio: FakeLabelStudio
    users: dict[str, int] = field(default_factory=dict)

    def new_project(self) -> int:
        return self.studio.create_project()

    def user_id(self, reader: str) -> int:
        return self.users.setdefault(reader, len(self.users) + 2)

    def unknown_user(self) -> int:
        self.studio.unknown_users.add(999_999)
        return 999_999

    def next_task(self, project: int, reader: str) -> tuple[int, Result | None] | None:
        task = self.studio.next_task(project, self.user_id(reader))
        if task is None:
            return None
        shown = self.studio.shown_prediction(task.id)
        return task.id, shown.result if shown else None

    def submit(self, task: int, result: Result, reader: str, parent: int | None = None) -> int:
        return self.studio.annotate(task, result, user_id=self.user_id(reader), parent_prediction=parent)

    def skip(self, task: int, reader: str) -> int:
        return self.studio.annotate(task, NOTHING, user_id=self.user_id(reader), was_cancelled=True)

    def update(self, annotation: int, result: Result, reader: str) -> None:
        self.studio.update(annotation, result=result)

    def delete_annotation(self, annotation: int) -> None:
        self.studio.delete_annotation(annotation)

    def delete_task(self, task: int) -> None:
        self.studio.delete_task(task)


@dataclass
class RealStage:
    studio: LabelStudioClient
    api: Api
    server: LabelStudioServer
    open: ExitStack
    sessions: dict[str, ReaderSession] = field(default_factory=dict)

    def new_project(self) -> int:
        return ensure_project(self.api, project_plan("Contract"))

    def session(self, reader: str) -> ReaderSession:
        if reader not in self.sessions:
            self.sessions[reader] = self.open.enter_context(self.server.reader(f"{reader}@contract.org"))
        return self.sessions[reader]

    def user_id(self, reader: str) -> int:
        return self.session(reader).user_id

    def unknown_user(self) -> int:
        return 999_999

    def next_task(self, project: int, reader: str) -> tuple[int, Result | None] | None:
        task = self.session(reader).next_task(project)
        return (task.id, task.shown.result if task.shown else None) if task else None

    def submit(self, task: int, result: Result, reader: str, parent: int | None = None) -> int:
        return self.session(reader).submit(task, result, 4.0, parent)

    def skip(self, task: int, reader: str) -> int:
        return self.session(reader).skip(task, NOTHING, 4.0, None)

    def update(self, annotation: int, result: Result, reader: str) -> None:
        self.session(reader).update(annotation, result, 6.0)

    def delete_annotation(self, annotation: int) -> None:
        self.api.delete(f"/api/annotations/{annotation}/")

    def delete_task(self, task: int) -> None:
        self.api.delete(f"/api/tasks/{task}/")
