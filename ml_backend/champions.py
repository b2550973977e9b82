"""The models in service, loaded: a change of champion is followed without a restart and without a gap."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from loop.errors import SonoloopError, Unavailable
from loop.ports import Database, Segmenters
from loop.records import ModelVersion, Project
from loop.serving import proposes_nothing
from ml_backend.model import DrawingPorts, SonoloopModel

LOOK_SECONDS = 2.0

log = structlog.get_logger()


class Champions:
    """By project, the model that answers. `look` finds and loads what changed; `of` always gives a whole
    model, the earlier one while its successor is being loaded.
    """

    def __init__(self, database: Database, segmenters: Segmenters, ports: DrawingPorts) -> None:
        self._database = database
        self._segmenters = segmenters
        self._ports = ports
        self._models: dict[int, SonoloopModel] = {}  # replaced as a whole: readers need no lock
        self._refused: set[int] = set()

    def of(self, project: Project) -> SonoloopModel | None:
        """The loaded model of a project; None before any."""
        return self._models.get(project.id)

    def versions(self) -> dict[int, ModelVersion]:
        """The version that answers for each project."""
        return {project_id: model.version for project_id, model in self._models.items()}

    def look(self) -> None:
        """Load the champions that changed since the last look. One that cannot be loaded is logged once;
        until the next change the earlier one goes on answering.
        """
        for project, version in self._in_service():
            loaded = self._models.get(project.id)
            if proposes_nothing(version, project):
                self._models = {key: model for key, model in self._models.items() if key != project.id}
            elif version.id not in self._refused and (loaded is None or loaded.version.id != version.id):
                self._load(project, version)

    def follow(self, stop: threading.Event, seconds: float = LOOK_SECONDS) -> threading.Thread:
        """Look every `seconds` in a thread of its own until `stop` is set."""
        thread = threading.Thread(target=_repeat, args=(self.look, stop, seconds), daemon=True)
        thread.start()
        return thread

    def _in_service(self) -> list[tuple[Project, ModelVersion]]:
        with self._database.read() as uow:
            return [
                (each, uow.models.get(each.champion_id)) for each in uow.projects.list() if each.champion_id
            ]

    def _load(self, project: Project, version: ModelVersion) -> None:
        try:
            segmenter = self._segmenters.load(version)
        except Unavailable:
            raise  # looked at again in two seconds
        except SonoloopError as exc:
            self._refused.add(version.id)
            log.error("model_not_loaded", project=project.id, version=version.name, reason=exc.message)
            return
        self._models = {**self._models, project.id: SonoloopModel(project, version, segmenter, self._ports)}
        log.info("model_loaded", project=project.id, version=version.name)


def _repeat(look: Callable[[], None], stop: threading.Event, seconds: float) -> None:
    while not stop.wait(seconds):
        try:
            look()
        except SonoloopError as exc:
            log.warning("champions_not_looked_at", reason=exc.message)
